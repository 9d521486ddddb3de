"""What the errors of PostgreSQL and its driver mean to a user, and whether they may pass."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ecom_platform.errors import SourceError, SourceUnavailableError
from ecom_platform.privacy import redact
from ecom_platform.sources.postgres.address import invalid_address

if TYPE_CHECKING:
    from collections.abc import Generator

    from adbc_driver_manager import Error

    from ecom_platform.sources.postgres.address import Address

_TRY_LATER = "Check that the server runs and can be reached from here; else try again later."
_FASTER = (
    "See whether another session locks the table; else raise ECOM_SOURCE_STATEMENT_TIMEOUT, read "
    "fewer days at once, or add the indexes that `ecom doctor` misses."
)
_REPLICA = (
    "Try again; on a replica, set hot_standby_feedback or a longer max_standby_streaming_delay."
)
_GRANT = "Let the database user read the three tables: GRANT USAGE ON SCHEMA, GRANT SELECT."
_ZONES = (
    "Set ECOM_TIMEZONE and ECOM_SOURCE_TIMEZONE to zones the server knows: "
    "SELECT name FROM pg_timezone_names."
)
_CHECK = "Check ECOM_SOURCE, and the server's log."
_FEWER = "Lower ECOM_SOURCE_CONNECTIONS, or allow the database user more connections."

#: What is said where there is no connection -> whether it may pass, what to do. There is no code
#: to go by.
_REFUSALS = (
    (r"too many|connection slots|no more connections", True, _FEWER),
    (r"starting up|shutting down|recovery mode|accepting connections", True, _TRY_LATER),
    (r"terminating connection|due to timeout|_timeout$|try again later", True, _TRY_LATER),
    (r"password|authentication|SASL", False, "Correct the user and password in ECOM_SOURCE."),
    (r'role ".*" does not exist', False, "Correct the user in ECOM_SOURCE."),
    (r'database ".*" does not exist', False, "Correct the database's name in ECOM_SOURCE."),
    (r"pg_hba|not permitted|permission denied", False, "Allow that user to connect from here."),
    (r"SSL|certificate", False, "Set sslmode and sslrootcert in ECOM_SOURCE as the server asks."),
    (r"host name", True, "Check the host's name in ECOM_SOURCE, and the network."),
)
#: The beginning of an SQLSTATE -> whether it may pass, what to do.
_STATES = (
    ("57014", True, _FASTER),
    ("53300", True, _FEWER),
    ("53", True, "Free memory or disk space of the server."),
    ("40", True, _REPLICA),
    ("57", True, _TRY_LATER),
    ("08", True, _TRY_LATER),
    ("25P", True, "Run the same days again."),
    ("42501", False, _GRANT),
    ("22023", False, _ZONES),
    ("", False, "See the server's log; `ecom doctor` reads each table by itself."),
)


@contextmanager
def explain_refusal(address: Address) -> Generator[None]:
    """Turn errors of connecting into ones a user can act on.

    Raises:
        SourceError: The server refuses the connection for good, or the address is wrong.
        SourceUnavailableError: It does not answer, or not now.
    """
    from adbc_driver_manager import Error

    try:
        yield
    except Error as error:
        text = str(error)
        if re.search(r"connect: (invalid|missing|unexpected|unrecognized|end of string)", text):
            # libpq quotes what it does not understand, which can be a piece of a password.
            raise invalid_address() from None
        reason = _reason(text, address)
        # What a server says in another language is most often that it lets nobody in.
        by_default = (False, _CHECK) if "FATAL" in text else (True, _TRY_LATER)
        may_pass, hint = next(
            ((may_pass, hint) for said, may_pass, hint in _REFUSALS if re.search(said, reason)),
            by_default,
        )
        kind = SourceUnavailableError if may_pass else SourceError
        raise kind(f"{address.name} cannot be connected to: {reason}.", hint=hint) from None


@contextmanager
def explain_failure(address: Address) -> Generator[None]:
    """Turn errors of a connection in use into ones a user can act on.

    Raises:
        SourceError: The same statement would fail again.
        SourceUnavailableError: The connection was lost or ended, or the server is too busy.
    """
    from adbc_driver_manager import Error

    try:
        yield
    except Error as error:
        raise _failure(error, address) from None


def _failure(error: Error, address: Address) -> SourceError:
    state = error.sqlstate
    reason = _reason(str(error), address)
    if not state:
        # Whatever the server says has a code; a connection that is gone says nothing.
        return SourceUnavailableError(f"{address.name} was lost: {reason}.", hint=_TRY_LATER)
    may_pass, hint = next(
        (may_pass, hint) for start, may_pass, hint in _STATES if state.startswith(start)
    )
    kind = SourceUnavailableError if may_pass else SourceError
    return kind(f"{address.name} answered: {reason} ({state}).", hint=hint)


def _reason(text: str, address: Address) -> str:
    """Return the line that says why, without a password or an e-mail address."""
    said = re.findall(r"(?:FATAL|ERROR|PANIC): +(.+)", text)
    # libpq says first how far it came, once for each address of a host.
    said = said or re.findall(r"(?:failed|to connect|query): (.+)", text) or [text]
    reason = said[-1].splitlines()[0].removeprefix("connection to server ").strip(" .")
    if address.password:
        reason = reason.replace(address.password, "…")
    return redact(reason)
