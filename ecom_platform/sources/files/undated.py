"""Texts of files that are no readable time: in which form they are, and what would read it."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import duckdb

from ecom_platform.privacy import redact
from ecom_platform.sources.base import Undated

if TYPE_CHECKING:
    from collections.abc import Sequence

_DATES = (
    "%Y-%m-%d", "%m/%d/%Y", "%d/%m/%Y", "%Y/%m/%d", "%d.%m.%Y", "%Y.%m.%d", "%d-%m-%Y", "%m-%d-%Y",
    "%Y%m%d", "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%d-%b-%Y", "%a, %d %b %Y",
)  # fmt: skip
_CLOCKS = ("%H:%M:%S", "%H:%M", "%I:%M:%S %p", "%I:%M %p", "%I:%M%p", "%H:%M:%S.%n")
_TIMES = ("", *(f"{gap}{clock}" for gap, clock in product((" ", "T", ", "), _CLOCKS)))
_ZONES = ("", " %Z", "%z", " %z")
#: In the order of how common they are.
_DATE_TIMES = [f"{date}{time}" for date, time in product(_DATES, _TIMES)]
#: What may be a zone at the end of a text: an offset, a name.
_ENDS = (r" ?[+-][0-9:]+\s*$", r" [^ ]+\s*$")


def describe(rows: int, texts: Sequence[str], pattern: str, *, is_parquet: bool) -> Undated:
    """Return what is to be told of rows without a readable time.

    Args:
        rows: How many there are.
        texts: Some of their texts; none where all of them are NULL.
        pattern: That of ECOM_SOURCE_TIMESTAMP_FORMAT; empty where it is not set.
        is_parquet: Whether they come from Parquet, which the setting is not for.
    """
    if not rows:
        return Undated()
    if not texts:
        return Undated(rows, "", "Give these rows a time in the source.")
    return Undated(rows, redact(texts[0]), _advice(texts, pattern, is_parquet=is_parquet))


def _advice(texts: Sequence[str], pattern: str, *, is_parquet: bool) -> str:
    if is_parquet:
        return "Write them to Parquet as timestamps in microseconds."
    setting = "ECOM_SOURCE_TIMESTAMP_FORMAT"
    found = guess(texts)
    if not found:
        now = f", which is {pattern}" if pattern else ""
        return f"Write them in ISO 8601, or their strptime pattern into {setting}{now}."
    if found == [pattern]:
        return "Correct these rows in the source."
    return f"Set {setting}={' or, where that is what they mean, '.join(found)}"


def guess(texts: Sequence[str]) -> list[str]:
    """Return the patterns that read the most of some texts, and more than half of them.

    Several where the texts do not tell: whether 01/02/2026 is in January or in February.
    """
    counts: dict[str, int] = {}
    with duckdb.connect() as db:
        db.execute("SET TimeZone = 'UTC'")
        # DuckDB's %z does not know Z.
        known = "SELECT regexp_replace(unnest(?), 'Z$', '+00') AS text"
        starts = ", ".join(f"regexp_replace(text, '{end}', '')" for end in _ENDS)
        db.execute(
            f"CREATE TABLE texts AS SELECT text, [text, {starts}] AS starts FROM ({known})",
            [list(texts)],
        )

        def search(date_times: Sequence[str]) -> None:
            # What all of them read together, zone aside, is at least what each of them reads.
            ((read,),) = db.execute(
                "SELECT count(coalesce(try_strptime(starts[1], $1), "
                "try_strptime(starts[2], $1), try_strptime(starts[3], $1))) FROM texts",
                [date_times],
            ).fetchall()
            if 2 * read <= len(texts):
                return
            if len(date_times) > 1:
                half = len(date_times) // 2
                search(date_times[:half])
                search(date_times[half:])
                return
            (start,) = date_times
            # A zone follows a time of the clock.
            for pattern in (f"{start}{zone}" for zone in (_ZONES if start not in _DATES else [""])):
                # It takes the 26 of 05/01/26 for a %Y.
                ((counts[pattern],),) = db.execute(
                    "SELECT count(*) FROM texts "
                    "WHERE CAST(try_strptime(text, $1) AS TIMESTAMPTZ) >= TIMESTAMPTZ '1000-01-01'",
                    [pattern],
                ).fetchall()

        search(_DATE_TIMES)
    most = max(counts.values(), default=0)
    return [p for p, count in counts.items() if count == most] if 2 * most > len(texts) else []
