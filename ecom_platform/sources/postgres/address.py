"""A PostgreSQL server's address: read from a URL, and named without its secrets."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote

from ecom_platform.errors import SourceError

_HOST = r"(?:\[[^\]/]*\]|[^\[\]@:/?,]*)(?::\d*)?"
_ADDRESS = re.compile(
    r"postgres(?:ql)?://(?:[^:@/]*(?::(?P<password>[^@/]*))?@)?"
    rf"(?P<hosts>{_HOST}(?:,{_HOST})*)(?:/(?P<database>[^?@]*))?(?:\?(?P<parameters>.*))?"
)
#: What libpq is told unless the address says otherwise. Without keepalives, a connection whose
#: other end vanished would be waited on for ever.
_DEFAULTS = {
    "connect_timeout": "15",
    "fallback_application_name": "ecom_platform",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
}


@dataclass(frozen=True)
class Address:
    """Where a database is.

    Args:
        url: For libpq; holds the password.
        name: For people: database and host, nothing secret.
        password: To be kept out of what libpq says; empty without one.
    """

    url: str
    name: str
    password: str

    def __repr__(self) -> str:
        return f"Address({self.name!r})"


def parse_address(url: str) -> Address:
    """Read `postgresql://user:password@host:5432/database?parameters`.

    Raises:
        SourceError: It is not such an address.
    """
    parts = _ADDRESS.fullmatch(url)
    if parts is None:
        raise invalid_address()
    parameters = dict(parse_qsl(parts["parameters"] or ""))
    database = unquote(parts["database"] or "") or parameters.get("dbname", "")
    host = parts["hosts"] or parameters.get("host", "") or "the default host"
    added = [f"{name}={value}" for name, value in _DEFAULTS.items() if name not in parameters]
    return Address(
        url=f"{url}{'?' if parts['parameters'] is None else '&'}{'&'.join(added)}",
        name=f"The database {database} at {host}" if database else f"The database at {host}",
        password=unquote(parts["password"] or "") or parameters.get("password", ""),
    )


def invalid_address() -> SourceError:
    """Return the error for an address that cannot be understood; no piece of it is shown."""
    return SourceError(
        "ECOM_SOURCE is not a valid PostgreSQL address.",
        hint="Write postgresql://user:password@host:5432/database?sslmode=require; in a password, "
        "write % as %25, @ as %40, / as %2F and : as %3A.",
    )
