"""Gray pictures of 8 bits, read and written with zlib only, and ways to distort them."""

import struct
import zlib


def read(png):
    """Rows of bytes. Supports only the samples' format: gray, 8 bits, not interlaced."""
    at, header, data = 8, b"", b""
    while at < len(png):
        length, kind = struct.unpack_from(">I4s", png, at)
        body = png[at + 8 : at + 8 + length]
        header = body if kind == b"IHDR" else header
        data += body if kind == b"IDAT" else b""
        at += 12 + length
    width, height, depth, color, _, _, interlaced = struct.unpack(">IIBBBBB", header)
    if (depth, color, interlaced) != (8, 0, 0):
        raise ValueError("a gray PNG of 8 bits was expected")
    raw, rows, above = zlib.decompress(data), [], bytes(width)
    for y in range(height):
        kind, line = raw[y * (width + 1)], bytearray(raw[y * (width + 1) + 1 : (y + 1) * (width + 1)])
        for x in range(width):
            left = line[x - 1] if x else 0
            corner = above[x - 1] if x else 0
            line[x] = (line[x] + predicted(kind, left, above[x], corner)) & 0xFF
        rows.append(bytes(line))
        above = rows[-1]
    return rows


def predicted(kind, left, above, corner):
    """Reverses PNG's five filters."""
    if kind < 3:
        return (0, left, above)[kind]
    if kind == 3:
        return (left + above) // 2
    guess = left + above - corner
    return min((left, above, corner), key=lambda near: abs(guess - near))


def write(rows):
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", len(rows[0]), len(rows), 8, 0, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def shifted(rows, right, down):
    """Shifted by a few pixels, with black edges: another picture of the same object."""
    width, black = len(rows[0]), bytes(len(rows[0]))
    moved = [black] * max(down, 0) + list(rows[max(-down, 0) : len(rows) - max(down, 0)]) + [black] * max(-down, 0)
    return [(bytes(max(right, 0)) + row[max(-right, 0) : width - max(right, 0)]).ljust(width, b"\0") for row in moved]


def inverted(rows):
    return [bytes(255 - value for value in row) for row in rows]


def brightened(rows, by):
    return [bytes(min(255, value + by) for value in row) for row in rows]
