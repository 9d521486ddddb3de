"""What looking into the platform finds: how each thing is, and what to do where it is not well."""

from __future__ import annotations

from dataclasses import dataclass

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
