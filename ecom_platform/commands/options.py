"""Options that several commands share, or that have words of their own."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated

import typer


def parse_day(text: str) -> date:
    """Read a day as users write it."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a day such as 2024-03-09.") from None


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no moment such as 2024-03-09T07:30.") from None


From = Annotated[
    date, typer.Option("--from", parser=parse_day, metavar="YYYY-MM-DD", help="The first day.")
]
To = Annotated[
    date,
    typer.Option("--to", parser=parse_day, metavar="YYYY-MM-DD", help="The last day, included."),
]
FromAny = Annotated[
    date | None,
    typer.Option(
        "--from", parser=parse_day, metavar="YYYY-MM-DD", help="By default, the first day."
    ),
]
ToAny = Annotated[
    date | None,
    typer.Option(
        "--to", parser=parse_day, metavar="YYYY-MM-DD", help="By default, the last closed day."
    ),
]
AsOf = Annotated[
    datetime | None,
    typer.Option(
        parser=_moment,
        metavar="MOMENT",
        help="What was published then, such as 2024-03-09T07:30; in ECOM_TIMEZONE.",
    ),
]


class Format(StrEnum):
    """How `show` prints."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


class FileFormat(StrEnum):
    """What `export` writes."""

    CSV = "csv"
    PARQUET = "parquet"
