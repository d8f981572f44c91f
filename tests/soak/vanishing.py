"""Clients that disconnect early, or are slow until they are disconnected. None checks an answer."""

import contextlib
import socket

from borrowed import ROOT
from wire import CUT_OFF, connect, request, reset

PICTURE = (ROOT / "samples/fashion/ankle-boot-1.png").read_bytes()
WHOLE = request("POST", "/predict", PICTURE)
HEAD = WHOLE[: -len(PICTURE)]

def until_cut(sock):
    """Reads until the server closes the connection."""
    with contextlib.suppress(*CUT_OFF):
        while sock.recv(65_536):
            pass


def without_a_word(ports):
    connect(ports["data"]).close()


def within_the_head(ports):
    with connect(ports["data"]) as sock:
        sock.sendall(HEAD[:40])


def within_the_head_by_reset(ports):
    sock = connect(ports["data"])
    sock.sendall(HEAD[:40])
    reset(sock)


def within_the_body(ports):
    with connect(ports["data"]) as sock:
        sock.sendall(HEAD + PICTURE[:100])


def within_a_chunk(ports):
    with connect(ports["data"]) as sock:
        sock.sendall(request("POST", "/predict", b"64\r\nabc", "Transfer-Encoding: chunked", length=False))


def without_the_answer(ports):
    """Sends a whole request and disconnects: the picture may be queued or running."""
    for _ in range(20):
        sock = connect(ports["data"])
        sock.sendall(WHOLE)
        reset(sock)


def within_the_answer(ports):
    sock = connect(ports["data"])
    sock.sendall(WHOLE)
    sock.recv(20)
    reset(sock)


def within_a_form_of_many(ports):
    """Sends fifty pictures and disconnects."""
    part = b'--b\r\nContent-Disposition: form-data; name="i"; filename="i"\r\n\r\n' + PICTURE + b"\r\n"
    form = request("POST", "/predict", part * 50 + b"--b--\r\n", "Content-Type: multipart/form-data; boundary=b")
    sock = connect(ports["data"])
    sock.sendall(form)
    reset(sock)


def slow_head(ports):
    """Sends half of a head and then nothing until it is disconnected."""
    with connect(ports["data"]) as sock:
        sock.sendall(HEAD[:40])
        until_cut(sock)


def slow_body(ports):
    with connect(ports["data"]) as sock:
        sock.sendall(HEAD + PICTURE[:100])
        until_cut(sock)


def idle(ports):
    """Keeps an idle connection open."""
    with connect(ports["data"]) as sock:
        sock.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        until_cut(sock)


def deaf(ports):
    """Sends requests without reading responses until the server disconnects it."""
    questions = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 200
    with connect(ports["data"]) as sock, contextlib.suppress(*CUT_OFF):
        while True:
            sock.sendall(questions)


def frame(kind, flags, stream, payload=b""):
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload


PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0)
# HPACK: POST (3), http (6), path and authority as literals without indexing.
FIELDS = b"\x83\x86\x04\x08/predict\x01\x01x"


def http2_within_the_preface(ports):
    with connect(ports["data"]) as sock:
        sock.sendall(PREFACE[:10])


def http2_within_the_streams(ports):
    """Starts twenty concurrent requests with incomplete bodies and disconnects."""
    sock = connect(ports["data"])
    streams = range(1, 41, 2)
    sock.sendall(PREFACE + b"".join(frame(1, 4, n, FIELDS) + frame(0, 0, n, PICTURE[:100]) for n in streams))
    reset(sock)


def http2_rapid_reset(ports):
    """Resets each request immediately; the server closes such a connection."""
    resets = (frame(1, 4, n, FIELDS) + frame(3, 0, n, (8).to_bytes(4)) for n in range(1, 4001, 2))
    with connect(ports["data"]) as sock:
        with contextlib.suppress(*CUT_OFF):
            sock.sendall(PREFACE + b"".join(resets))
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_WR)
        until_cut(sock)


def within_an_upload(ports):
    """Disconnects during an upload, of which nothing may remain."""
    sent = request("PUT", "/admin/models/fashion/versions/broken-off", bytes(100_000))
    with connect(ports["admin"]) as sock:
        sock.sendall(sent[:50_000])


def within_a_load(ports):
    """Requests to load a version and disconnects; the load must still complete."""
    sock = connect(ports["admin"])
    sock.sendall(request("POST", "/admin/models/fashion/versions/s1-int8/load"))
    reset(sock)


def within_the_metrics(ports):
    sock = connect(ports["admin"])
    sock.sendall(request("GET", "/metrics"))
    sock.recv(20)
    reset(sock)


AT_ONCE = (
    without_a_word,
    within_the_head,
    within_the_head_by_reset,
    within_the_body,
    within_a_chunk,
    without_the_answer,
    within_the_answer,
    within_a_form_of_many,
    http2_within_the_preface,
    http2_within_the_streams,
    http2_rapid_reset,
    within_an_upload,
    within_a_load,
    within_the_metrics,
)
UNTIL_THEY_ARE_CUT = (slow_head, slow_body, idle, deaf)
