"""A MySQL or MariaDB server's address: read from a URL, and named without its secrets."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote

from ecom_platform.errors import SourceError

_ADDRESS = re.compile(
    r"(?:mysql|mariadb)://(?:(?P<user>[^:@/?]*)(?::(?P<password>[^@/?]*))?@)?"
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\[\]@:/?,]*)(?::(?P<port>\d{1,5}))?"
    r"/(?P<database>[^?@/]+)(?:\?(?P<parameters>.*))?"
)
_SSL_MODES = {"disabled", "preferred", "required", "verify_ca", "verify_identity"}
_PARAMETERS = {"ssl-mode", "ssl-ca", "socket", "connect_timeout"}
_LARGEST_PORT = 65535
_LONGEST_TIMEOUT = 3600


@dataclass(frozen=True)
class Address:
    """Where a database is.

    Args:
        name: For people: database and host, nothing secret.
        host: Host name or address.
        port: TCP port.
        socket: Path of a Unix socket to use instead; empty without one.
        user: Who connects.
        password: To be kept out of what is said; empty without one.
        database: The database.
        ssl_mode: `disabled`, `preferred`, `required`, `verify_ca` or `verify_identity`.
        ssl_ca: File of the certificates to trust; empty for the system's.
        connect_timeout: Seconds to wait for the server.
    """

    name: str
    host: str
    port: int
    socket: str
    user: str
    password: str
    database: str
    ssl_mode: str
    ssl_ca: str
    connect_timeout: int

    def __repr__(self) -> str:
        return f"Address({self.name!r})"


def parse_address(url: str) -> Address:
    """Read `mysql://user:password@host:3306/database?parameters`, or the same with `mariadb://`.

    Raises:
        SourceError: It is not such an address.
    """
    parts = _ADDRESS.fullmatch(url)
    if parts is None:
        raise _invalid_address()
    try:
        given = parse_qsl(parts["parameters"] or "", strict_parsing=bool(parts["parameters"]))
    except ValueError:
        raise _invalid_address() from None
    parameters = dict(given)
    mode = parameters.get("ssl-mode", "preferred").lower().replace("-", "_")
    timeout, port = parameters.get("connect_timeout", "15"), int(parts["port"] or 3306)
    understood = (
        parameters.keys() <= _PARAMETERS
        and mode in _SSL_MODES
        and timeout.isdecimal()
        and 0 < int(timeout) <= _LONGEST_TIMEOUT
        and 0 < port <= _LARGEST_PORT
    )
    if not understood:
        raise _invalid_address()
    database, host = unquote(parts["database"]), parts["host"].strip("[]") or "localhost"
    socket = parameters.get("socket", "")
    at = socket or (parts["host"] or host) + (f":{port}" if parts["port"] else "")
    return Address(
        name=f"The database {database} at {at}",
        host=host,
        port=port,
        socket=socket,
        user=unquote(parts["user"] or ""),
        password=unquote(parts["password"] or ""),
        database=database,
        ssl_mode=mode,
        ssl_ca=parameters.get("ssl-ca", ""),
        connect_timeout=int(timeout),
    )


def _invalid_address() -> SourceError:
    """Return the error for an address that cannot be understood; no piece of it is shown."""
    return SourceError(
        "ECOM_SOURCE is not a valid MySQL or MariaDB address.",
        hint="Write mysql://user:password@host:3306/database?ssl-mode=VERIFY_IDENTITY (the other "
        "parameters are ssl-ca, socket and connect_timeout); in a password, write % as %25, "
        "@ as %40, / as %2F, : as %3A and ? as %3F.",
    )
