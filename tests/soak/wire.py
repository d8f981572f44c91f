"""Requests as bytes, so that they can be as wrong, or end as early, as they like."""

import http.client
import socket
import struct

# What a server that has refused already does to a client that still writes.
CUT_OFF = (BrokenPipeError, ConnectionResetError)


# For an answer, however busy the machine is.
PATIENCE_SECONDS = 300


def connect(port, seconds=PATIENCE_SECONDS):
    return socket.create_connection(("127.0.0.1", port), timeout=seconds)


def request(method, path, body=b"", *headers, length=True):
    """A request whose connection ends with it; `length=False` leaves it to `headers` to say where the body ends."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", "Connection: close", *headers]
    if length:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def exchange(port, sent):
    """Status and body of the answer; status 0 where none came, and why."""
    with connect(port) as sock:
        try:
            sock.sendall(sent)
        except CUT_OFF:
            # The answer may be there all the same.
            pass
        answer = http.client.HTTPResponse(sock)
        try:
            answer.begin()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException) as error:
            return 0, repr(error).encode()


def reset(sock):
    """Hangs up without a good-bye: what is unread or unsent is lost."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()
