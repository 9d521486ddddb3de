"""Files that commands write for people: whole, or not at all."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING
from uuid import uuid4

from ecom_platform.errors import EcomError

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


@contextmanager
def whole_file(file: Path) -> Generator[Path]:
    """Yield where to write; the file is replaced when that has succeeded.

    Raises:
        EcomError: It cannot be written.
    """
    special = file.exists() and not file.is_file()  # such as /dev/stdout
    target = file if special else file.resolve()
    part = file if special else target.with_name(f".{target.name}.{uuid4().hex}")
    try:
        try:
            yield part
            if not special:
                part.replace(target)
        finally:
            if not special:
                part.unlink(missing_ok=True)
    except BrokenPipeError:
        raise  # whoever reads has enough
    except OSError as error:
        raise EcomError(
            f"{file} cannot be written: {error.strerror or error}.",
            hint="Choose another file.",
        ) from error
