"""Malformed requests, each with the expected refusal: status and code."""

import gzip
import json
from typing import NamedTuple

import bad_pictures
from wire import exchange, request

DATA, ADMIN = "data", "admin"

# Limit of a body in this test; the server's default is 16 MiB.
MAX_BODY_BYTES = 400_000
# A version whose file doesn't match its manifest; it is added when the repository is prepared.
BROKEN_VERSION = "broken"


class BadInput(NamedTuple):
    """A request to one of the two listeners and its expected result; without a code if the request isn't valid HTTP."""

    name: str
    door: str
    sent: bytes
    status: int
    code: str | None


def predict(name, body, status, code, *headers, path="/predict"):
    return BadInput(name, DATA, request("POST", path, body, *headers), status, code)


def of_json():
    for name, text, code in (
        ("tensor of impossible shape", '{"instances":[{"shape":[99999999999999,4],"data":[1]}]}', "json_invalid"),
        ("JSON 100 000 deep", '{"instances":[' + "[" * 100_000, "json_invalid"),
        ("JSON of 20 000 keys", "{" + "".join(f'"k{n}":1,' for n in range(20_000)) + '"instances":[]}', "json_invalid"),
        ("keys twice", '{"instances":[[1]],"instances":[[1]]}', "json_invalid"),
        ("NaN among numbers", '{"instances":[[NaN]]}', "json_invalid"),
        ("1e39 among numbers", '{"instances":[[1e39]]}', "json_invalid"),
        ("JSON cut off", '{"instances":', "json_invalid"),
        ("no instances", '{"instances":[]}', "no_picture"),
        ("65 instances", json.dumps({"instances": [[1]] * 65}), "too_many_pictures"),
    ):
        yield predict(name, text.encode(), 400, code)


def of_bodies():
    squeezed = gzip.compress(bytes(20 << 20), 9)
    yield predict("nothing", b"", 400, "no_picture")
    yield predict("gzip bomb", squeezed, 413, "body_inflates_too_far", "Content-Encoding: gzip")
    yield predict("gzip cut off", gzip.compress(bytes(5000))[:-9], 400, "body_encoding_corrupt", "Content-Encoding: gzip")
    yield predict("deflate that is none", b"\1\2\3", 400, "body_encoding_corrupt", "Content-Encoding: deflate")
    yield predict("brotli", b"\1\2\3", 415, "body_encoding_unknown", "Content-Encoding: br")
    announced = request("POST", "/predict", b"", "Content-Length: 1000000000000", length=False)
    yield BadInput("a terabyte announced", DATA, announced, 413, "body_too_large")
    lump = MAX_BODY_BYTES * 3 // 4
    chunks = (f"{lump:x}\r\n".encode() + bytes(lump) + b"\r\n") * 2
    unannounced = request("POST", "/predict", chunks, "Transfer-Encoding: chunked", length=False)
    yield BadInput("too much in chunks", DATA, unannounced, 413, "body_too_large")
    tiny = request("POST", "/predict", b"1\r\nx\r\n" * 50_000 + b"0\r\n\r\n", "Transfer-Encoding: chunked", length=False)
    yield BadInput("50 000 tiny chunks", DATA, tiny, 415, "image_format_unsupported")


def of_forms():
    part = b'--b\r\nContent-Disposition: form-data; name="i"; filename="i"\r\n\r\nx\r\n'
    form = "Content-Type: multipart/form-data; boundary=b"
    yield predict("form without parts", b"--b--\r\n", 400, "no_picture", form)
    yield predict("form of 500 parts", part * 500 + b"--b--\r\n", 400, "too_many_pictures", form)
    yield predict("form without an end", part, 400, "multipart_invalid", form)
    yield predict("form without a boundary", part, 400, "multipart_invalid", "Content-Type: multipart/form-data")


def of_pictures():
    picture = bad_pictures.png()
    for name, body, status, code in (
        ("PNG cut off", picture[: len(picture) * 2 // 3], 422, "image_corrupt"),
        ("PNG with a wrong checksum", bad_pictures.wrong_checksum(), 422, "image_corrupt"),
        ("PNG of 50 000 x 50 000", bad_pictures.png(50_000, 50_000), 413, "image_too_many_pixels"),
        ("PNG with too little data", bad_pictures.png(4000, 4000), 422, "image_corrupt"),
        ("JPEG cut off", b"\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0", 422, "image_corrupt"),
        ("SVG", b"<svg xmlns='http://www.w3.org/2000/svg'/>", 415, "image_format_unsupported"),
        ("TIFF", b"II*\0\x08\0\0\0\0\0\0\0", 415, "image_format_unsupported"),
        ("noise", bytes(range(256)), 415, "image_format_unsupported"),
    ):
        yield predict(name, body, status, code, "Content-Type: image/png")


def bombs():
    """Valid pictures whose additional compressed data must not be decompressed."""
    profile = bad_pictures.chunk(b"iCCP", b"p\0\0" + bad_pictures.bomb(20))
    text = bad_pictures.chunk(b"zTXt", b"t\0\0" + bad_pictures.bomb(20))
    for name, body in (
        ("PNG with data for 20 MB", bad_pictures.png(28, 28, bad_pictures.bomb(20))),
        ("PNG with a profile of 20 MB", bad_pictures.png(28, 28, None, profile)),
        ("PNG with a text of 20 MB", bad_pictures.png(28, 28, None, text)),
    ):
        yield predict(name, body, 200, None)


def of_requests():
    picture = bad_pictures.png()
    yield predict("no such path", picture, 404, "no_route", path="/nowhere")
    yield predict("no such model", picture, 404, "unknown_model", path="/models/nobody/predict")
    yield predict("a path upwards", picture, 404, "unknown_model", path="/models/..%2f..%2fetc/predict")
    yield predict("no such query", picture, 400, "query_invalid", path="/predict?top=3")
    yield predict("a role that callers don't choose", picture, 403, "role_not_allowed", "x-stillhouse-role: teacher")
    yield BadInput("wrong method", DATA, request("GET", "/predict"), 405, "method_not_allowed")
    host = b"Host: x\r\n"
    for name, code, sent in (
        ("chunked and with a length", "framing_invalid", b"POST /predict HTTP/1.1\r\n" + host
            + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\nzz\r\n"),
        ("two lengths", "framing_invalid", b"POST /predict HTTP/1.1\r\n" + host + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!"),
        ("a length below nothing", "framing_invalid", b"POST /predict HTTP/1.1\r\n" + host + b"Content-Length: -5\r\n\r\nhello"),
        ("lines without an end", "head_invalid", b"GET /livez HTTP/1.1\rHost: x\r\r"),
        ("no host", "host_invalid", b"GET /livez HTTP/1.1\r\n\r\n"),
        ("two hosts", "host_invalid", b"GET /livez HTTP/1.1\r\n" + host + host + b"\r\n"),
        ("lines that end with LF alone", "head_invalid", b"GET /livez HTTP/1.1\nHost: x\n\n"),
        ("no HTTP at all", "head_invalid", b"\0" * 26 + b"\r\n\r\n"),
    ):
        yield BadInput(name, DATA, sent, 400, code)


def of_orders():
    model = "/admin/models/fashion"

    def order(name, method, path, body, status, code, *headers):
        return BadInput(name, ADMIN, request(method, model + path, body, *headers), status, code)

    any_generation = "?force=true"
    yield order("order without a generation", "POST", "/promote", b"{}", 428, "precondition_required")
    yield order("order for a generation that has passed", "POST", "/abort", b"{}", 412, "stale_generation", 'If-Match: "0"')
    yield order("order that is no JSON", "PUT", "/split" + any_generation, b"{", 422, "order_invalid")
    yield order("a share of 200 %", "PUT", "/split" + any_generation, b'{"canary":"200%"}', 422, "order_invalid")
    yield order("order from another site", "POST", "/promote", b"{}", 403, "cross_site", "Origin: http://example.com")
    yield order("a version that isn't there", "POST", "/versions/nowhere/load", b"", 404, "unknown_version")
    yield order("a version's name upwards", "POST", "/versions/..%2f..%2fetc/load", b"", 422, "name_invalid")
    yield order("a version that was tampered with", "POST", f"/versions/{BROKEN_VERSION}/load", b"", 422, "version_failed_validation")
    yield order("an archive that is none", "PUT", "/versions/garbage", b"not an archive" * 100, 422, "version_invalid")
    yield order("an archive cut off", "PUT", "/versions/garbage", gzip.compress(bytes(50_000))[:40], 422, "version_invalid")


def every():
    return [
        one
        for kind in (of_json, of_bodies, of_forms, of_pictures, bombs, of_requests, of_orders)
        for one in kind()
    ]


def wrongly_answered(bad, ports):
    """Sends it; returns what is wrong with the response, or None."""
    status, body = exchange(ports[bad.door], bad.sent)
    if status != bad.status:
        return f"{bad.name}: answered with {status} instead of {bad.status}: {body[:300]!r}"
    if bad.code is None:
        return None
    try:
        code = json.loads(body)["code"]
    except (ValueError, KeyError):
        return f"{bad.name}: {status} without a code: {body[:300]!r}"
    return None if code == bad.code else f"{bad.name}: code {code} instead of {bad.code}"


