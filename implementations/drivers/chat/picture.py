"""A picture of a virtual screen: what Xvfb keeps in a file, as a PNG file with a palette.

Xvfb keeps the screen in the format of xwd, which is a header of 32-bit numbers and then the pixels, four bytes each.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

#: Where in the header of xwd the numbers are: the header's size, the width, height, bytes of a line and colours.
_SIZE, _WIDTH, _HEIGHT, _LINE, _COLOURS = 0, 4, 5, 12, 19

#: Bytes of a colour in the table of an xwd file.
_COLOUR = 12

#: The most colours that a palette has.
_PALETTE = 256


def screen_png(path: Path) -> bytes:
    """The screen of an Xvfb with -fbdir, as a PNG file."""
    dump = path.read_bytes()
    header = struct.unpack(">25I", dump[:100])
    width, height, line = header[_WIDTH], header[_HEIGHT], header[_LINE]
    start = header[_SIZE] + header[_COLOURS] * _COLOUR
    rows = [dump[start + line * row : start + line * row + 4 * width] for row in range(height)]
    return _png(width, height, rows)


def _png(width: int, height: int, rows: list[bytes]) -> bytes:
    """rows: blue, green, red and a byte without meaning for each pixel."""
    pixels = memoryview(b"".join(rows)).cast("I")
    colours = sorted(set(pixels.tolist()))
    if len(colours) <= _PALETTE:
        number = {colour: index for index, colour in enumerate(colours)}
        whole = bytes(map(number.__getitem__, pixels.tolist()))
        lines = [b"\0" + whole[width * row : width * row + width] for row in range(height)]
        palette = b"".join(struct.pack("<I", colour)[2::-1] for colour in colours)
        return _file(width, height, 3, [(b"PLTE", palette)], lines)
    lines = []
    for row in rows:
        rgb = bytearray(3 * width)
        rgb[0::3], rgb[1::3], rgb[2::3] = row[2::4], row[1::4], row[0::4]
        lines.append(b"\0" + bytes(rgb))
    return _file(width, height, 2, [], lines)


def _file(width: int, height: int, kind: int, before: list[tuple[bytes, bytes]], lines: list[bytes]) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)
    chunks = [(b"IHDR", head), *before, (b"IDAT", zlib.compress(b"".join(lines), 9)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )
