"""Contract audits: what must hold of a day before it is published.

They run on the computed rows, in the step that computes them, in one scan for all
days. A day that fails is not published. Checks of published data are in `checks.py`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from ecom_platform.datasets import Column, Dataset, Type
from ecom_platform.engines.duckdb import quote, sql_type, text
from ecom_platform.engines.explain import explain_sql_errors
from ecom_platform.errors import LakeError
from ecom_platform.privacy import EMAIL_PATTERN, may_hold_email
from ecom_platform.quality.losses import MEASURES, Measures

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ecom_platform.calendar import Calendar
    from ecom_platform.engines.duckdb import Connection

#: As JSON, no two rows have the same text; decimals keep all their digits in it.
_HASH = "sum(CAST(md5_number_lower(CAST(to_json(row({row})) AS VARCHAR)) AS HUGEINT))"


@dataclass(frozen=True)
class DayAudit:
    """What one scan says of one day.

    Args:
        rows: Number of rows.
        content: A hash of the rows, whatever their order, and of the columns' declarations.
        broken: The contracts that do not hold, as sentences; empty when the day is good.
        nulls: Of each column that may be NULL, how many rows are, where the dataset counts them.
        measures: By which a loss is found, where the dataset has any.
    """

    rows: int
    content: str
    broken: tuple[str, ...]
    nulls: Mapping[str, int]
    measures: Measures = field(default_factory=Measures)


def audit(
    connection: Connection, table: str, dataset: Dataset, calendar: Calendar, days: Sequence[str]
) -> dict[str, DayAudit]:
    """Audit a table of computed rows, with a column `date`, day by day.

    Returns:
        An audit for each of `days`, those without rows included.

    Raises:
        LakeError: The columns are not the declared ones, or rows are of other days.
    """
    types = _check_columns(connection, table, dataset)
    contracts = list(_contracts(dataset, calendar))
    counts = ", ".join(f"count(*) FILTER (WHERE {broken})" for broken, _ in contracts)
    keys = ", ".join(quote(column) for column in dataset.key)
    nullable = [c.name for c in dataset.columns if dataset.counts_nulls and not c.required]
    nulls = "".join(f", count(*) FILTER (WHERE {quote(name)} IS NULL)" for name in nullable)
    measures = MEASURES.get(dataset.path, {})
    sums = "".join(f", coalesce(sum({measure.value}), 0)" for measure in measures.values())
    connection.register("audited_days", calendar.table(days))
    with explain_sql_errors(connection, dataset):
        found = connection.execute(
            f"SELECT CAST(date AS VARCHAR), count(*), {_HASH.format(row=_row(dataset))}, "
            f"{f'count(*) - count(DISTINCT row({keys}))' if keys else '0'}"
            f"{nulls}{sums}{', ' + counts if counts else ''} "
            f"FROM {table} LEFT JOIN audited_days USING (date) GROUP BY date"
        ).fetchall()
    declared = _hash_of_types(types)
    nothing = dict.fromkeys(measures, Decimal(0))
    result = {day: DayAudit(0, f"{declared}:0:0", (), {}, nothing) for day in days}
    for day, rows, content, repeated, *counted in found:
        if day not in result:
            raise LakeError(
                f"{dataset.path}: {rows} rows are of {day or 'no day'}, which was not asked for.",
                hint="Correct the SQL: join settings.days.",
            )
        said = [f"repeat the key ({', '.join(dataset.key)})", *(what for _, what in contracts)]
        absent = dict(zip(nullable, counted, strict=False))
        del counted[: len(nullable)]
        measured = {name: Decimal(value) for name, value in zip(measures, counted, strict=False)}
        broken = [repeated, *counted[len(measures) :]]
        sentences = tuple(
            f"{count} rows {what}" for count, what in zip(broken, said, strict=True) if count
        )
        result[day] = DayAudit(rows, f"{declared}:{rows}:{content:x}", sentences, absent, measured)
    return result


def audit_whole(connection: Connection, table: str, dataset: Dataset) -> DayAudit:
    """Audit a table that is published as one object: its columns, and what they hold.

    Raises:
        LakeError: The columns are not the declared ones.
    """
    types = _check_columns(connection, table, dataset)
    with explain_sql_errors(connection, dataset):
        ((rows, content),) = connection.execute(
            f"SELECT count(*), coalesce({_HASH.format(row=_row(dataset))}, 0) FROM {table}"
        ).fetchall()
    return DayAudit(rows, f"{_hash_of_types(types)}:{rows}:{content:x}", (), {})


def _row(dataset: Dataset) -> str:
    return ", ".join(quote(column.name) for column in dataset.columns)


def _hash_of_types(types: Mapping[str, str]) -> str:
    # A hash, for S3 keeps no more than 2 KB of facts with an object.
    return hashlib.sha256(repr(types).encode()).hexdigest()[:12]


def _check_columns(connection: Connection, table: str, dataset: Dataset) -> dict[str, str]:
    found = {
        str(name): str(kind)
        for name, kind, *_ in connection.execute(f"DESCRIBE {table}").fetchall()
        if name != "date" or not dataset.daily
    }
    undeclared = sorted(found.keys() - {column.name for column in dataset.columns})
    if undeclared:
        raise LakeError(
            f"{dataset.path}: the column {undeclared[0]} is not declared.",
            hint="Declare it, or leave it out of the SQL.",
        )
    for column in dataset.columns:
        kind = found.get(column.name)
        allowed = {"BIGINT", "VARCHAR"} if column.type is Type.ID else {sql_type(column)}
        if kind not in allowed:
            raise LakeError(
                f"{dataset.path}: the column {column.name} is {kind or 'missing'}, "
                f"declared {column.type}.",
                hint="Make the SQL and the declaration agree.",
            )
    return {column.name: found[column.name] for column in dataset.columns}


def _contracts(dataset: Dataset, calendar: Calendar) -> Iterator[tuple[str, str]]:
    """Yield (condition of a row that breaks a contract, what such rows do)."""
    for column in dataset.columns:
        name = quote(column.name)
        if column.required or column.name in dataset.key:
            yield f"{name} IS NULL", f"have no {column.name}"
        if column.accepted:
            words = ", ".join(text(word) for word in column.accepted)
            yield (
                f"{name} NOT IN ({words})",
                f"have a {column.name} that is none of {', '.join(column.accepted)}",
            )
        if column.type in (Type.TEXT, Type.ID) and not column.pii:
            value = f"CAST({name} AS VARCHAR)"
            yield (
                f"{may_hold_email(value)} AND regexp_matches({value}, {text(EMAIL_PATTERN)})",
                f"hold an e-mail address in {column.name}",
            )
    if dataset.dated_by:
        column = dataset.column(dataset.dated_by)
        yield _not_on_its_day(column, calendar), f"have a {column.name} of another day"


def _not_on_its_day(column: Column, calendar: Calendar) -> str:
    name = quote(column.name)
    if column.type is Type.DATE:
        first = text(calendar.start.isoformat())
        # Who is older than the lake is filed under its first day.
        return f"{name} <> date AND NOT ({name} < {first} AND date = {first})"
    return f"{name} < starts_at OR {name} >= ends_at"
