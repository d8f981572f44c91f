"""Requests as bytes, so that they can be malformed or incomplete."""

import http.client
import socket
import struct

# What a client that still writes sees after the server has refused and closed.
CUT_OFF = (BrokenPipeError, ConnectionResetError)


# Timeout of a response, generous for a busy machine.
PATIENCE_SECONDS = 300


def connect(port, seconds=PATIENCE_SECONDS):
    return socket.create_connection(("127.0.0.1", port), timeout=seconds)


def request(method, path, body=b"", *headers, length=True):
    """A request with `Connection: close`; with `length=False`, `headers` must define the end of the body."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", "Connection: close", *headers]
    if length:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def exchange(port, sent):
    """Status and body of the response; status 0 and the reason if there was none."""
    with connect(port) as sock:
        try:
            sock.sendall(sent)
        except CUT_OFF:
            # There may be a response anyway.
            pass
        answer = http.client.HTTPResponse(sock)
        try:
            answer.begin()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException) as error:
            return 0, repr(error).encode()


def reset(sock):
    """Closes with a reset: unread and unsent data is lost."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()
