"""Screenshots of a virtual screen, which Xvfb keeps in a file, as PNG files with a palette.

Xvfb uses the xwd format: a header of 32-bit numbers, then the pixels, four bytes each.
"""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from pathlib import Path

#: Indexes into the xwd header: the header's size, the width, the height, the bytes per line, and the colours.
_SIZE, _WIDTH, _HEIGHT, _LINE, _COLOURS = 0, 4, 5, 12, 19

#: Bytes per colour in the colour table of an xwd file.
_COLOUR = 12

#: The most colours in a palette. Icons have more; similar ones are merged.
_PALETTE = 256


def screen_png(path: Path) -> bytes:
    """A PNG file of the screen. path: the file of an Xvfb started with -fbdir."""
    dump = path.read_bytes()
    header = struct.unpack(">25I", dump[:100])
    width, height, line = header[_WIDTH], header[_HEIGHT], header[_LINE]
    start = header[_SIZE] + header[_COLOURS] * _COLOUR
    rows = [dump[start + line * row : start + line * row + 4 * width] for row in range(height)]
    return _png(_cropped([memoryview(row).cast("I").tolist() for row in rows]))


def _cropped(rows: list[list[int]]) -> list[list[int]]:
    """The pixels without the empty area at the right and bottom, which has the colour of the last pixel."""
    empty = rows[-1][-1]
    height = max((number for number, row in enumerate(rows, 1) if set(row) != {empty}), default=1)
    columns = list(zip(*rows, strict=True))
    width = max((number for number, column in enumerate(columns, 1) if set(column) != {empty}), default=1)
    return [row[:width] for row in rows[:height]]


def _png(rows: list[list[int]]) -> bytes:
    """A PNG file. rows: the colour of each pixel."""
    counted = Counter(colour for row in rows for colour in row)
    boxes = _boxes(list(counted))
    palette = [max(box, key=lambda colour: counted[colour]) for box in boxes]
    number = {colour: index for index, box in enumerate(boxes) for colour in box}
    lines = b"".join(b"\0" + bytes(map(number.__getitem__, row)) for row in rows)
    head = struct.pack(">IIBBBBB", len(rows[0]), len(rows), 8, 3, 0, 0, 0)
    colours = b"".join(bytes(_channels(colour)) for colour in palette)
    chunks = [(b"IHDR", head), (b"PLTE", colours), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )


def _boxes(colours: list[int]) -> list[list[int]]:
    """Group similar colours, at most as many groups as a palette has: the widest group is halved repeatedly."""
    boxes = [colours]
    while len(boxes) < _PALETTE:
        span, channel, widest = max((*_span(box), index) for index, box in enumerate(boxes))
        if span == 0:
            break
        box = sorted(boxes[widest], key=lambda colour: _channels(colour)[channel])
        boxes[widest] = box[: len(box) // 2]
        boxes.append(box[len(box) // 2 :])
    return boxes


def _span(colours: list[int]) -> tuple[int, int]:
    """The range of the channel in which the colours differ most, and its number."""
    each = list(zip(*map(_channels, colours), strict=True))
    return max((max(values) - min(values), channel) for channel, values in enumerate(each))


def _channels(colour: int) -> tuple[int, int, int]:
    """Red, green and blue."""
    return colour >> 16 & 0xFF, colour >> 8 & 0xFF, colour & 0xFF
