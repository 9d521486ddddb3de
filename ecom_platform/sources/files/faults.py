"""What can be wrong with one file, in plain words without any of its values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ecom_platform.privacy import redact

if TYPE_CHECKING:
    from collections.abc import Sequence

_SHOWN_NAMES = 30
_SHOWN_LETTERS = 40

#: How files of other kinds begin.
_BEGINNINGS = {
    b"\x1f\x8b": "is compressed by gzip, so its name should end in .gz",
    b"PK\x03\x04": "is a ZIP or Excel file",
    b"PAR1": "is a Parquet file, so its name should end in .parquet",
    b"\xff\xfe": "is UTF-16; only UTF-8 is read",
    b"\xfe\xff": "is UTF-16; only UTF-8 is read",
    b"<": "is an XML or HTML page, not data",
}


class BrokenFileError(Exception):
    """A file cannot be read as what it should be; none of its rows is to be used.

    Args:
        reason: Why, to follow the name of the file.
        line: Where, for files of lines; from 1.
    """

    def __init__(self, reason: str, line: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.line = line

    def about(self, path: str) -> str:
        """Return the sentence that names the file, the line and the reason."""
        return f"{path}, line {self.line}: {self.reason}" if self.line else f"{path} {self.reason}"


def refuse_other_kinds(first_bytes: bytes) -> None:
    """Recognise what is saved as text but is not, by its first bytes.

    Raises:
        BrokenFileError: It is some other kind of file.
    """
    for beginning, reason in _BEGINNINGS.items():
        if first_bytes.startswith(beginning):
            raise BrokenFileError(reason)


def require_columns(columns: Sequence[str], present: Sequence[str], line: int | None) -> None:
    """Check that each required column is there, once.

    Raises:
        BrokenFileError: One is not; the reason lists those present.
    """
    for column in columns:
        times = present.count(column)
        if times > 1:
            raise BrokenFileError(f"has the column `{column}` {times} times", line)
        if times == 0:
            shown = ", ".join(
                f"`{redact(name)[:_SHOWN_LETTERS]}`" for name in present[:_SHOWN_NAMES]
            )
            more = f" and {len(present) - _SHOWN_NAMES} more" if len(present) > _SHOWN_NAMES else ""
            raise BrokenFileError(f"has no column `{column}`; it has {shown or 'none'}{more}", line)
