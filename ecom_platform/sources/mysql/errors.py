"""What the errors of MySQL, MariaDB and PyMySQL mean to a user, and whether they may pass."""

from __future__ import annotations

from contextlib import contextmanager
from socket import gaierror
from ssl import SSLError
from typing import TYPE_CHECKING

from ecom_platform.errors import SourceError, SourceUnavailableError
from ecom_platform.privacy import redact

if TYPE_CHECKING:
    from collections.abc import Generator

    from ecom_platform.sources.mysql.address import Address

_TRY_LATER = "Check that the server runs and can be reached from here; else try again later."
_FASTER = (
    "See whether another session locks the table; else raise ECOM_SOURCE_STATEMENT_TIMEOUT, read "
    "fewer days at once, or add the indexes that `ecom doctor` misses."
)
_FEWER = "Allow the database user more connections, or try again later."
_AGAIN = "Run the same days again."
_USER = "Correct the user and password in ECOM_SOURCE."
_HOST = "Allow that user to connect from here."
_GRANT = "Let the database user read the three tables: GRANT SELECT."
_SSL = "Set ssl-mode and ssl-ca in ECOM_SOURCE as the server asks."
_SPACE = "Free memory or disk space of the server."
_LOG = "See the server's log; `ecom doctor` reads each table by itself."

#: The number of an error -> whether it may pass, what to do.
_NUMBERS = {
    1021: (True, _SPACE),
    1037: (True, _SPACE),
    1041: (True, _SPACE),
    1040: (True, _FEWER),
    1203: (True, _FEWER),
    1226: (True, _FEWER),
    1044: (False, "Let that user use the database: GRANT SELECT."),
    1045: (False, _USER),
    1698: (False, _USER),
    1820: (False, _USER),
    1862: (False, _USER),
    1049: (False, "Correct the database's name in ECOM_SOURCE."),
    1129: (False, _HOST),
    1130: (False, _HOST),
    1142: (False, _GRANT),
    1143: (False, _GRANT),
    1356: (False, "Let the view's definer read what it selects, or correct the view."),
    1205: (True, _AGAIN),
    1213: (True, _AGAIN),
    1412: (True, _AGAIN),  # a table was altered since the snapshot
    1317: (True, _AGAIN),
    1927: (True, _AGAIN),
    4031: (True, _AGAIN),
    1969: (True, _FASTER),
    3024: (True, _FASTER),
    1053: (True, _TRY_LATER),
    3159: (False, _SSL),
}
#: Numbers that are the client's own: the server is not reached, or is gone.
_CLIENT = range(2000, 3000)


@contextmanager
def explain_refusal(address: Address) -> Generator[None]:
    """Turn errors of connecting into ones a user can act on.

    Raises:
        SourceError: The server refuses the connection for good.
        SourceUnavailableError: It does not answer, or not now.
    """
    from pymysql.constants import CR
    from pymysql.err import MySQLError

    try:
        yield
    except (MySQLError, OSError, RuntimeError) as error:
        number, reason = _what_was_said(error, address)
        cause = getattr(error, "original_exception", error)
        if isinstance(cause, SSLError) or number == CR.CR_SSL_CONNECTION_ERROR:
            may_pass, hint = False, _SSL
        elif isinstance(cause, FileNotFoundError):
            may_pass, hint = True, "Check the path of the socket or of ssl-ca in ECOM_SOURCE."
        elif isinstance(error, RuntimeError):
            # What PyMySQL says when the way to authenticate needs a package of its own.
            may_pass, hint = False, "Set ssl-mode=REQUIRED in ECOM_SOURCE, and TLS on the server."
        elif number in _CLIENT or not number:
            unknown_host = "Check the host's name in ECOM_SOURCE, and the network."
            may_pass, hint = True, unknown_host if isinstance(cause, gaierror) else _TRY_LATER
        else:
            may_pass, hint = _NUMBERS.get(number, (False, "Check ECOM_SOURCE, and its user."))
        kind = SourceUnavailableError if may_pass else SourceError
        raise kind(f"{address.name} cannot be connected to: {reason}.", hint=hint) from None


@contextmanager
def explain_failure(address: Address) -> Generator[None]:
    """Turn errors of a connection in use into ones a user can act on.

    Raises:
        SourceError: The same statement would fail again.
        SourceUnavailableError: The connection was lost or ended, or the server is too busy.
    """
    from pymysql.err import MySQLError

    try:
        yield
    except MySQLError as error:
        number, reason = _what_was_said(error, address)
        if number in _CLIENT or not number:
            raise SourceUnavailableError(
                f"{address.name} was lost: {reason}.", hint=_TRY_LATER
            ) from None
        may_pass, hint = _NUMBERS.get(number, (False, _LOG))
        kind = SourceUnavailableError if may_pass else SourceError
        raise kind(f"{address.name} answered: {reason} ({number}).", hint=hint) from None


def _what_was_said(error: Exception, address: Address) -> tuple[int, str]:
    """Return the number and the text of an error, without a password or an e-mail address."""
    number = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    said = str(error.args[-1]) if error.args else ""
    reason = (said.splitlines() or [""])[0].strip(" .") or "the connection has ended"
    if address.password:
        reason = reason.replace(address.password, "…")
    return number, redact(reason)
