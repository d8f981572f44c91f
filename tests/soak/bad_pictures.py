"""Pictures that must be refused, or that cost far less than they claim."""

import struct
import zlib

SIGNATURE = b"\x89PNG\r\n\x1a\n"
SIDE = 28


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width=SIDE, height=SIDE, data=None, *extra):
    """A gray PNG, of any claimed size, around any compressed data, with any chunks before that."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    data = zlib.compress(bytes(SIDE * (SIDE + 1))) if data is None else data
    return SIGNATURE + header + b"".join(extra) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def wrong_checksum():
    good = bytearray(png())
    # Inside the range of the chunk's checksum.
    good[-14] ^= 0xFF
    return bytes(good)


def bomb(megabytes):
    return zlib.compress(bytes(megabytes << 20), 9)
