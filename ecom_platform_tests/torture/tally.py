"""What was tried and what came of it: counted while it runs, told as a table and as JSON."""

from __future__ import annotations

import json
import time
import traceback
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from ecom_platform_tests.torture.world import DamagedLakeError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


CONSOLE = Console(width=150)
#: All of this process, in the order in which they were begun.
TALLIES: list[Tally] = []


class WrongCodeError(AssertionError):
    """A command ended with an exit code that is not true."""


@dataclass
class Tally:
    """One row of the report.

    Args:
        kind: What was done to the platform.
        place: Where: a folder, S3, PostgreSQL …
        tried: How often.
        lost: What was wrong with a lake, each time.
        wrong: What was wrong with an exit code, each time.
        seconds: In all.
        notes: What a reader should know of it.
    """

    kind: str
    place: str
    tried: int = 0
    lost: list[str] = field(default_factory=list[str])
    wrong: list[str] = field(default_factory=list[str])
    seconds: float = 0.0
    notes: str = ""

    def __post_init__(self) -> None:
        TALLIES.append(self)

    @contextmanager
    def attempt(self, name: str, times: int = 1) -> Iterator[None]:
        """Count what is done in the block as so many tries, and what goes wrong in it."""
        started = time.monotonic()
        try:
            yield
        except DamagedLakeError as error:
            self.lost.append(f"{name}: {error}")
            CONSOLE.print(f"  lost: {self.lost[-1]}", markup=False)
        except WrongCodeError as error:
            self.wrong.append(f"{name}: {error}")
            CONSOLE.print(f"  wrong: {self.wrong[-1]}", markup=False)
        except Exception:  # noqa: BLE001  -- of the harness, or a command that hangs: no pass
            self.wrong.append(f"{name}: {traceback.format_exc()}")
            CONSOLE.print(f"  {self.wrong[-1]}", markup=False)
        finally:
            self.tried += times
            self.seconds += time.monotonic() - started
            CONSOLE.print(f"  {self.kind}, {self.place}: {self.tried}, {name}", markup=False)


def assert_code(code: int, *allowed: int, said: str) -> None:
    """Compare an exit code with those that are true.

    Raises:
        WrongCodeError: It is none of them.
    """
    if code not in allowed:
        raise WrongCodeError(f"exit code {code} instead of {allowed}, saying: {said[-1500:]}")


def report(file: Path, about: dict[str, object]) -> bool:
    """Print all tallies, write them as JSON; return whether nothing went wrong."""
    table = Table("kind", "place", "tried", "lost", "wrong exit codes", "seconds", "notes")
    for tally in TALLIES:
        table.add_row(
            tally.kind, tally.place, f"{tally.tried:,}", str(len(tally.lost)),
            str(len(tally.wrong)), f"{tally.seconds:.0f}", tally.notes,
        )  # fmt: skip
    CONSOLE.print(table)
    for tally in TALLIES:
        for problem in (*tally.lost, *tally.wrong):
            CONSOLE.print(f"{tally.kind}, {tally.place}: {problem}", markup=False)
    file.parent.mkdir(parents=True, exist_ok=True)
    results = [asdict(tally) for tally in TALLIES]
    file.write_text(json.dumps({**about, "results": results}, indent=2) + "\n")
    CONSOLE.print(f"Written to {file}")
    return not any(tally.lost or tally.wrong for tally in TALLIES)
