"""How files make a table: in which of the three layouts, and the files of each day.

Names decide, nothing is opened. A file that no layout reads is an error, for its rows
would be missing without a word.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

from ecom_platform.errors import SourceError
from ecom_platform.privacy import redact
from ecom_platform.sources.files.formats import SUFFIXES
from ecom_platform.sources.files.markers import MARKERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ecom_platform.sources.files.store import FileStore, StoredFile

_DAY_FOLDER = re.compile(r"date=(\d{4}-\d{2}-\d{2})", re.ASCII)
#: A folder of a table, a folder of a day, a file.
_DEPTH_OF_DAYS = 2
_SHOWN = 20
_KINDS = "csv, .jsonl (also with .gz) or .parquet"


class UnknownFilesError(SourceError):
    """Files of a table are in no layout; `paths` says which."""

    def __init__(self, message: str, *, hint: str, paths: Sequence[str]) -> None:
        super().__init__(message, hint=hint)
        self.paths = tuple(paths)


@dataclass(frozen=True)
class Layout:
    """The files of one table.

    Args:
        table: `orders`, `customers` or `payments`.
        pattern: Where its files are, for messages.
        files: The whole table's files; empty where it is filed by day.
        days: The files of each day; empty where it is not filed by day.
        bad_days: Days whose folder cannot be read as it is, and why.
        folders: All files of each of these days, markers included, which tell that a day is
            complete.
    """

    table: str
    pattern: str
    files: tuple[StoredFile, ...] = ()
    days: dict[date, tuple[StoredFile, ...]] = field(
        default_factory=dict["date", "tuple[StoredFile, ...]"]
    )
    bad_days: dict[date, str] = field(default_factory=dict["date", str])
    folders: dict[date, tuple[StoredFile, ...]] = field(
        default_factory=dict["date", "tuple[StoredFile, ...]"]
    )

    @property
    def is_daily(self) -> bool:
        """Whether the table is filed in day folders."""
        return not self.files

    @property
    def dated_files(self) -> list[tuple[StoredFile, date | None]]:
        """Every file that may be read, with the day of its folder, in order of both."""
        whole = [(file, None) for file in self.files]
        return [*whole, *((file, day) for day in sorted(self.days) for file in self.days[day])]

    def markers(self, day: date) -> list[StoredFile]:
        """Return what tells that a day's folder is complete."""
        return [file for file in self.folders[day] if _is_marker(file)]


def suffix_of(path: str) -> str:
    """Return which of `SUFFIXES` a name ends in; nothing when in none."""
    return next((suffix for suffix in SUFFIXES if path.lower().endswith(suffix)), "")


def find_layout(store: FileStore, table: str, name: str, top: Sequence[StoredFile]) -> Layout:
    """Find the files of a table.

    Args:
        store: Where to look.
        table: Which table.
        name: The source's name for it.
        top: The files in the store's root.

    Raises:
        UnknownFilesError: Some are in no layout.
        SourceError: There are none, or several layouts at once.
    """
    single = [file for file in top if file.path in {name + suffix for suffix in SUFFIXES}]
    parts, folders = _sort(store, name)
    by_day = {day: found for day, found in folders.items() if any(map(_is_data, found))}
    layouts = [Layout(table, file.path, (file,)) for file in single]
    if parts:
        layouts.append(Layout(table, f"{name}/*", tuple(parts)))
    if by_day:
        layouts.append(_daily(table, name, by_day))
    if not layouts:
        there = ", ".join(redact(found) for found in store.names()[:_SHOWN])
        raise SourceError(
            f"{store.uri} has no files of {table}: looked for {name}.{_KINDS}, for {name}/* and "
            f"for {name}/date=YYYY-MM-DD/* of these kinds; there is {there or 'nothing'}.",
            hint="Put the files there, or set ECOM_TABLES to how they are named.",
        )
    if len(layouts) > 1:
        raise SourceError(
            f"{store.uri} has {table} more than once: "
            f"{' and '.join(layout.pattern for layout in layouts)}.",
            hint="Keep one of them; together they would count rows twice.",
        )
    if parts and (problem := _mixed(parts)):
        raise SourceError(
            f"{store.uri}/{name}/ {problem}.", hint="Keep the files of one kind, each once."
        )
    return layouts[0]


def _sort(
    store: FileStore, name: str
) -> tuple[list[StoredFile], dict[date, tuple[StoredFile, ...]]]:
    """Return the files directly in a table's folder, and those of its day folders."""
    parts: list[StoredFile] = []
    folders: dict[date, tuple[StoredFile, ...]] = defaultdict(tuple)
    unknown: list[str] = []
    for file in store.files(name):
        if not _is_data(file) and not _is_marker(file):
            continue
        _, *above, _ = file.path.split("/")
        day = _day_of(above[0]) if above else None
        if day:
            folders[day] += (file,)
        elif not above and suffix_of(file.path):
            parts.append(file)
        elif _is_data(file):
            unknown.append(redact(file.path))
    if unknown:
        others = f"; there are {len(unknown) - 1:,} more such files" if unknown[1:] else ""
        raise UnknownFilesError(
            f"{store.uri}/{unknown[0]} would not be read: it is none of "
            f"{name}/*.{_KINDS}, nor in a folder {name}/date=YYYY-MM-DD{others}.",
            hint="Remove it, or begin its name with an underscore to have it passed over.",
            paths=unknown,
        )
    return parts, folders


def unknown_names(store: FileStore, tables: Iterable[str]) -> list[str]:
    """Return what is in a store's root and belongs to no table, by the source's names of them."""
    taken = {name + ending for name in tables for ending in ("/", *SUFFIXES)}
    return [
        redact(name)
        for name in store.names()
        if name and name not in taken and not name.startswith(("_", "."))
    ]


def _is_marker(file: StoredFile) -> bool:
    folder, _, name = file.path.rpartition("/")
    return name in MARKERS and folder.count("/") + 1 == _DEPTH_OF_DAYS


def _is_data(file: StoredFile) -> bool:
    """Tell files from markers, hidden files and what S3's console makes for a folder."""
    _, *names = file.path.split("/")
    is_hidden = any(name.startswith(("_", ".")) for name in names)
    return bool(names) and not is_hidden and (file.size > 0 or "." in names[-1])


def _day_of(folder: str) -> date | None:
    match = _DAY_FOLDER.fullmatch(folder)
    try:
        return date.fromisoformat(match[1]) if match else None
    except ValueError:
        return None


def _daily(table: str, name: str, folders: dict[date, tuple[StoredFile, ...]]) -> Layout:
    bad_days: dict[date, str] = {}
    days = {day: tuple(filter(_is_data, found)) for day, found in folders.items()}
    for day, files in days.items():
        unknown = [f for f in files if f.path.count("/") > _DEPTH_OF_DAYS or not suffix_of(f.path)]
        problem = _mixed(files)
        if unknown:
            bad_days[day] = (
                f"{redact(unknown[0].path)} would not be read: it is none of "
                f"{name}/date={day}/*.{_KINDS}"
            )
        elif problem:
            bad_days[day] = f"{name}/date={day}/ {problem}"
    return Layout(
        table,
        f"{name}/date=YYYY-MM-DD/*",
        days={day: files for day, files in days.items() if day not in bad_days},
        bad_days=bad_days,
        folders=folders,
    )


def _mixed(files: Iterable[StoredFile]) -> str:
    """Say how files of one folder may hold the same rows twice; nothing when they do not."""
    names: dict[str, str] = {}
    kinds: set[str] = set()
    for file in files:
        suffix = suffix_of(file.path)
        kinds.add(suffix.removesuffix(".gz"))
        stem = file.path[: -len(suffix)]
        if stem in names:
            return f"holds {redact(names[stem])} and {redact(file.path)}, one file in two forms"
        names[stem] = file.path
    return f"holds files of several kinds: {', '.join(sorted(kinds))}" if len(kinds) > 1 else ""
