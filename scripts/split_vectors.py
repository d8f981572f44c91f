#!/usr/bin/env python3
"""The split's hash in plain Python: prints the vectors of tests/vectors/split.json.

usage: scripts/split_vectors.py > tests/vectors/split.json

It uses none of the server's code, so that agreement is evidence. `draw` is also the reference for those who want to
know elsewhere which users a canary answers: key 16 bytes "stillhouse-split", message model, a zero byte, the rollout as
eight bytes little-endian, the routing key.
"""

import json

MASK = (1 << 64) - 1
KEY = b"stillhouse-split"


def rotate(value, bits):
    return ((value << bits) | (value >> (64 - bits))) & MASK


def siphash_1_3(key, message):
    """Aumasson and Bernstein 2012, with one round a word and three at the end."""
    k0 = int.from_bytes(key[:8], "little")
    k1 = int.from_bytes(key[8:], "little")
    v0, v1 = k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D
    v2, v3 = k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573

    def round_():
        nonlocal v0, v1, v2, v3
        v0 = (v0 + v1) & MASK
        v1 = rotate(v1, 13) ^ v0
        v0 = rotate(v0, 32)
        v2 = (v2 + v3) & MASK
        v3 = rotate(v3, 16) ^ v2
        v0 = (v0 + v3) & MASK
        v3 = rotate(v3, 21) ^ v0
        v2 = (v2 + v1) & MASK
        v1 = rotate(v1, 17) ^ v2
        v2 = rotate(v2, 32)

    padded = message + b"\0" * (7 - len(message) % 8) + bytes([len(message) & 0xFF])
    for start in range(0, len(padded), 8):
        word = int.from_bytes(padded[start : start + 8], "little")
        v3 ^= word
        round_()
        v0 ^= word
    v2 ^= 0xFF
    for _ in range(3):
        round_()
    return v0 ^ v1 ^ v2 ^ v3


def draw(model, rollout, key):
    return siphash_1_3(KEY, model.encode() + b"\0" + rollout.to_bytes(8, "little") + key)


def main():
    keys = [b"", b"\0", b"user-1", b"user-2", "Zoë".encode(), bytes(range(256)), b"0193e5a0-0000-7000-8000-000000000000"]
    keys += [b"x" * length for length in range(1, 9)]
    triples = [(model, rollout, key) for model in ("fashion", "m") for rollout in (0, 1, MASK) for key in keys]
    vectors = [
        {"model": model, "rollout": rollout, "key_hex": key.hex(), "u_hex": f"{draw(model, rollout, key):016x}"}
        for model, rollout, key in triples
    ]
    print("[\n" + ",\n".join(json.dumps(vector) for vector in vectors) + "\n]")


if __name__ == "__main__":
    main()
