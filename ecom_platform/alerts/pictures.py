"""Small pictures of a number's last weeks: a PNG, or one line of text."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ecom_platform.alerts.channels import Series

#: Pixels of the picture, and those between bars.
WIDTH, HEIGHT, GAP = 560, 96, 2
#: White, a bar, a marked bar, the line at zero.
PALETTE = bytes.fromhex("ffffff 5b8db8 d1495b c0c0c0")
PAPER, BAR, MARKED, ZERO = range(4)
BLOCKS = "▁▂▃▄▅▆▇█"
#: Values of a line of text.
SHOWN = 28


def sparkline(series: Series) -> str:
    """Return the last values as blocks from the smallest to the largest, or zero."""
    values = series.values[-SHOWN:]
    known = [value for value in values if value is not None]
    low, high = min([0.0, *known]), max([0.0, *known])
    step = (high - low) / (len(BLOCKS) - 1) or 1
    blocks = (" " if v is None else BLOCKS[round((v - low) / step)] for v in values)
    return "".join(blocks).lstrip()


def png(series: Series) -> bytes:
    """Return a bar for each value, from zero up or down, as a PNG of four colours."""
    known = [value for value in series.values if value is not None]
    low, high = min([0.0, *known]), max([0.0, *known])
    scale = (HEIGHT - 1) / ((high - low) or 1)
    zero = round(high * scale)
    rows = [bytearray([PAPER]) * WIDTH for _ in range(HEIGHT)]
    rows[zero][:] = bytes([ZERO]) * WIDTH
    slot = WIDTH / max(len(series.values), 1)
    for place, value in enumerate(series.values):
        if value is None:
            continue
        top, bottom = sorted((round((high - value) * scale), zero))
        left, right = round(place * slot), max(round((place + 1) * slot) - GAP, 1)
        colour = MARKED if place in series.marked else BAR
        for row in rows[top : bottom + 1]:
            row[left:right] = bytes([colour]) * (right - left)
    pixels = b"".join(b"\0" + row for row in rows)  # each row unfiltered
    size = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 3, 0, 0, 0)  # 8 bits, a palette
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        _chunk(name, data)
        for name, data in (
            (b"IHDR", size),
            (b"PLTE", PALETTE),
            (b"IDAT", zlib.compress(pixels)),
            (b"IEND", b""),
        )
    )


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
