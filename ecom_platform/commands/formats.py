"""How rows of a dataset look on the screen, in CSV and in JSON."""

from __future__ import annotations

import csv
import json
import re
import sys
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.measure import Measurement
from rich.segment import Segment
from rich.table import Column, Table
from rich.text import Text

from ecom_platform.findings import NOTE, OK, WRONG
from ecom_platform.privacy import redact

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import TextIO

    from rich.console import ConsoleOptions, RenderableType

    from ecom_platform.findings import Finding

_STYLES = {OK: "green", NOTE: "yellow", WRONG: "red"}
#: A terminal acts on these instead of showing them.
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class PlainConsole(Console):
    """A console whose terminal acts on nothing that data, errors or names of files bring."""

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterator[Segment]:
        """Yield what is printed, all text made printable; line ends and styles are ours."""
        for text, style, control in super().render(renderable, options):
            shown = text if control else "\n".join(map(printable, text.split("\n")))
            yield Segment(shown, style, control)


def write_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print rows for people; numbers are never cut short, texts are folded where they must be."""
    table = Table(title=title, title_justify="left", title_style="bold")
    body = list(rows)
    for index, column in enumerate(columns):
        number = any(isinstance(row[index], int | float | Decimal) for row in body)
        header = Text(column.replace("_", " "))
        if number:
            widest = max(len(display(row[index])) for row in body)
            longest_word = max(len(word) for word in column.split("_"))
            table.add_column(header, justify="right", min_width=max(widest, longest_word))
        else:
            table.add_column(header, overflow="fold", no_wrap=column == "date")
    for row in body:
        table.add_row(*(Text(display(value)) for value in row))
    print_table(table)


def print_table(table: Table) -> None:
    """Print a table as wide as the terminal; in a file or pipe, as wide as its rows."""
    console = PlainConsole(highlight=False)
    if console.is_terminal:
        console.print(table)
        return
    options = console.options.update(width=100_000)
    console.width = Measurement.get(console, options, table).maximum
    with console.capture() as printed:
        console.print(table)
    sys.stdout.writelines(f"{line.rstrip()}\n" for line in printed.get().splitlines())


def print_findings(findings: Iterable[Finding]) -> None:
    """Print what was found, a line for each; advice stands below what it is about."""
    table = Table.grid("", "", Column(overflow="fold"), padding=(0, 2, 0, 0))
    for finding in findings:
        mark = Text(finding.mark, _STYLES[finding.mark])
        advice = f"\n→ {finding.advice}" if finding.advice else ""
        table.add_row(mark, finding.what, Text(redact(finding.fact + advice)))
    print_table(table)


def messages(stream: TextIO | None = None) -> PlainConsole:
    """Return a console for messages, on stderr or a stream: only a terminal breaks their lines."""
    console = PlainConsole(file=stream, stderr=stream is None, highlight=False)
    console.soft_wrap = not console.is_terminal
    return console


def display(value: object) -> str:
    """Return a value for people: thousands separated, money with two decimals, ratios with four."""
    if value is None:
        return "-"
    if isinstance(value, Decimal):
        return f"{value:,.2f}"
    if isinstance(value, float):
        return f"{value:,.4f}"
    return f"{value:,}" if isinstance(value, int) else printable(str(value))


def printable(text: str) -> str:
    """Return a text without characters that a terminal would act on."""
    return _UNPRINTABLE.sub("\ufffd", text)


def write_csv(columns: Sequence[str], rows: Iterable[Sequence[Any]], out: TextIO) -> None:
    """Write rows as CSV; what a spreadsheet would run as a formula begins with an apostrophe."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_cell(value) for value in row] for row in rows)


def _cell(value: object) -> object:
    if isinstance(value, Decimal):
        return f"{value:.2f}"
    if isinstance(value, bool):
        return str(value).lower()
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def write_json(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print rows as a JSON array of objects, one on each line."""
    lines = [
        "{" + ", ".join(f"{json.dumps(c)}: {_json(v)}" for c, v in zip(columns, row, strict=True))
        + "}"
        for row in rows
    ]  # fmt: skip
    sys.stdout.write("[" + ",\n ".join(lines) + "]\n")


def _json(value: object) -> str:
    if isinstance(value, Decimal):
        return f"{value:.2f}"  # a JSON number with both decimals, which no float could promise
    return json.dumps(value if isinstance(value, int | float | str | None) else str(value))
