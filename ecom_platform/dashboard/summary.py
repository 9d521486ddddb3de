"""The day's figures for people who do not open pages: a few lines of text, and one picture."""

from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from PIL import Image, ImageDraw, ImageFont

from ecom_platform.dashboard.coverage import coverage_of_kpis, reason, tell_missing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from ecom_platform.engines.duckdb import Connection

Unit = Literal["money", "count", "ratio"]
#: Column of `marts.kpi_daily` -> what people call it, and what it is in.
FIGURES: dict[str, tuple[str, Unit]] = {
    "total_revenue": ("Revenue", "money"),
    "total_orders": ("Orders", "count"),
    "total_customers": ("Customers", "count"),
    "average_order_value": ("Average order", "money"),
    "customer_retention_rate": ("Retention", "ratio"),
}
#: Days of the small lines.
DAYS = 28
#: Changes below these are none: shares, and percentage points.
FLAT, FLAT_POINTS = 0.005, 0.0025
WIDTH, HEIGHT, MARGIN, GAP = 1200, 420, 36, 14
PAPER, CARD, LINE, TEXT, SOFT = "#f6f7f9", "#ffffff", "#e5e8ec", "#16181d", "#535b69"
ACCENT, UP, DOWN = "#5753c6", "#18794e", "#c62a2f"


@dataclass(frozen=True)
class Figure:
    """One figure of the report day, of all regions.

    Args:
        label: What people call it.
        unit: What it is in; a ratio is told in percent, and its changes in points.
        value: Of the day; None where it is not known.
        week_before: Of the same weekday a week before.
        year_before: Of the same date a year before.
        days: The last ones, the oldest first; None where not known.
        reason: Why there is no value, where it should be there.
    """

    label: str
    unit: Unit
    value: float | None
    week_before: float | None
    year_before: float | None
    days: tuple[float | None, ...]
    reason: str = ""

    @property
    def shown(self) -> str:
        """The value as people read it."""
        if self.value is None:
            return "\N{EN DASH}"
        if self.unit == "ratio":
            return f"{self.value:.1%}"
        return f"{self.value:,.2f}" if self.unit == "money" else f"{self.value:,.0f}"

    def change(self, before: float | None) -> tuple[str, int]:
        """Return how the value differs from one before, and which way: -1, 0 or 1.

        Against a value at or below zero, and down to one below it, there is no percentage: then it
        is the difference itself.
        """
        if self.value is None or before is None:
            return "", 0
        by = self.value - before
        if self.unit == "ratio":
            text, is_flat = f"{abs(by) * 100:.1f} pp", abs(by) < FLAT_POINTS
        elif before <= 0 or self.value < 0:
            text = f"{abs(by):,.2f}" if self.unit == "money" else f"{abs(by):,.0f}"
            is_flat = not by
        else:
            text, is_flat = f"{abs(by / before):.1%}", abs(by / before) < FLAT
        if not any(digit in text for digit in "123456789"):
            return "unchanged", 0
        sign = "+" if by > 0 else "−"  # noqa: RUF001
        return f"{sign}{text}", 0 if is_flat else 1 if by > 0 else -1


@dataclass(frozen=True)
class Summary:
    """The figures of a day.

    Args:
        day: The report day.
        figures: In the order in which they are told.
        missing: Sentences about days that are missing.
    """

    day: date
    figures: Sequence[Figure]
    missing: Sequence[str] = ()

    @property
    def subject(self) -> str:
        """The first figure, in a few words."""
        first = self.figures[0]
        change, _ = first.change(first.week_before)
        return f"{self.day:%A %-d %B}: {first.label.lower()} {first.shown}" + (
            f" ({change})" if change else ""
        )

    def text(self) -> str:
        """Return a line for each figure."""
        lines = [f"The shop on {self.day:%A %-d %B %Y}", ""]
        label = max(len(figure.label) for figure in self.figures)
        value = max(len(figure.shown) for figure in self.figures)
        for figure in self.figures:
            week, year = figure.change(figure.week_before)[0], figure.change(figure.year_before)[0]
            told = [
                f"{change} on the {before} before"
                for change, before in ((week, "week"), (year, "year"))
                if change
            ]
            told += [figure.reason] if figure.reason else []
            line = f"{figure.label:<{label}}  {figure.shown:>{value}}  {', '.join(told)}"
            lines.append(line.rstrip())
        lines += ["", *self.missing] if self.missing else []
        return "\n".join(lines)

    def png(self) -> bytes:
        """Return a picture with a card for each figure: value, change on the week, last days."""
        image = Image.new("RGB", (WIDTH, HEIGHT), PAPER)
        draw = ImageDraw.Draw(image)
        title = f"{self.day:%A %-d %B %Y}"
        draw.text((MARGIN, 30), "Shop, daily", TEXT, ImageFont.load_default(34))
        draw.text((MARGIN, 78), title, SOFT, ImageFont.load_default(22))
        note = "change on the same weekday a week before; lines are the last 28 days"
        draw.text((WIDTH - MARGIN, 84), note, SOFT, ImageFont.load_default(17), anchor="ra")
        draw.text((MARGIN, 104), " ".join(self.missing), DOWN, ImageFont.load_default(17))
        wide = (WIDTH - 2 * MARGIN - GAP * (len(self.figures) - 1)) / len(self.figures)
        for place, figure in enumerate(self.figures):
            left = MARGIN + place * (wide + GAP)
            _draw_card(draw, figure, left, wide)
        stored = io.BytesIO()
        image.quantize(64).save(stored, "PNG", optimize=True)
        return stored.getvalue()


def _draw_card(draw: ImageDraw.ImageDraw, figure: Figure, left: float, wide: float) -> None:
    top, bottom, inner = 128, HEIGHT - MARGIN, left + 16
    draw.rounded_rectangle((left, top, left + wide, bottom), 14, CARD, LINE)
    draw.text((inner, top + 16), figure.label, SOFT, ImageFont.load_default(20))
    font = ImageFont.load_default(36)
    if draw.textlength(figure.shown, font) > wide - 32:
        font = ImageFont.load_default(36 * (wide - 32) / draw.textlength(figure.shown, font))
    draw.text((inner, top + 48), figure.shown, TEXT, font)
    change, way = figure.change(figure.week_before)
    draw.text((inner, top + 100), change, (SOFT, UP, DOWN)[way], ImageFont.load_default(20))
    known = [value for value in figure.days if value is not None]
    if len(known) > 1:
        low, high = min(known), max(known)
        step = (wide - 32) / (len(figure.days) - 1)
        points = [
            (inner + n * step, bottom - 20 - (value - low) / ((high - low) or 1) * 80)
            for n, value in enumerate(figure.days)
            if value is not None
        ]
        draw.line(points, ACCENT, 3, joint="curve")


def summarize(connection: Connection, day: date, retention_days: int) -> Summary:
    """Collect the figures of a day.

    Args:
        connection: Has `marts.kpi_daily`.
        day: The report day.
        retention_days: ECOM_RETENTION_DAYS.
    """
    coverages = coverage_of_kpis(connection, day)
    figures: list[Figure] = []
    for column, (label, unit) in FIGURES.items():
        names = ", ".join(
            f"CAST({name} AS DOUBLE)"
            for name in (column, f"{column}_week_before", f"{column}_year_before")
        )
        rows = connection.execute(
            f"SELECT date, {names} FROM marts.kpi_daily WHERE region = 'all' AND date > ?",
            [day - timedelta(days=DAYS)],
        ).fetchall()
        found = {date: values for date, *values in rows}
        value, week, year = found[day]
        days = [day - timedelta(days=back) for back in reversed(range(DAYS))]
        line = tuple(found[one][0] if one in found else None for one in days)
        why = reason(column, day, coverages, retention_days)
        figures.append(Figure(label, unit, value, week, year, line, why))
    window = day - timedelta(days=retention_days - 1)
    return Summary(day, figures, tell_missing(coverages, window))
