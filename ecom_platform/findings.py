"""What looking into the platform finds: how each thing is, and what to do where it is not well."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

OK, NOTE, WRONG = "✓", "!", "✗"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Args:
        mark: `OK`, `NOTE` (worth knowing) or `WRONG`.
        what: What was looked at.
        fact: How it is.
        advice: What to do about it.
    """

    mark: str
    what: str
    fact: str
    advice: str = ""


def summary(findings: Iterable[Finding]) -> str:
    """Say in one line whether all is well, and what is not."""
    found = list(findings)
    told: list[str] = []
    for mark, said in ((WRONG, "Not well"), (NOTE, "Worth knowing")):
        facts = [f"{one.what} ({one.fact})" for one in found if one.mark == mark]
        if facts:
            told.append(f"{said}: {', '.join(facts)}.")
    return " ".join(told) or "All is well."


def several(number: int, one: str, more: str) -> str:
    """Return a number with what it counts: `no days`, `1 day`, `1,200 days`."""
    return f"{number:,} {one if number == 1 else more}" if number else f"no {more}"
