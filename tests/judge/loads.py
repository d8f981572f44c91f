"""Kinds of load on which late answers come together: each sends until it is stopped, and says how many requests it sent."""

import http.client
import threading
import time

from borrowed import ROOT

PICTURES = [path.read_bytes() for path in sorted((ROOT / "samples/fashion").glob("*.png"))]

BOUNDARY = "a-form"


class Load:
    """Threads that each call `turn` with a connection of their own until the load is stopped."""

    threads, content_type = 8, "image/png"

    def __init__(self, port, rng):
        self.port, self.rng = port, rng
        self.began = time.monotonic()
        self.stopped = threading.Event()
        # Answered at all, with whatever status.
        self.lock, self.sent = threading.Lock(), 0
        self.at_work = [threading.Thread(target=self.work, args=[n]) for n in range(self.threads)]

    def start(self):
        for thread in self.at_work:
            thread.start()

    def stop(self):
        self.stopped.set()
        for thread in self.at_work:
            thread.join()
        return self.sent

    def work(self, number):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        while not self.stopped.is_set():
            try:
                self.turn(number, connection)
            except (OSError, http.client.HTTPException):
                # Refused while the server is full: that's part of the load.
                connection.close()
        connection.close()

    def turn(self, number, connection):
        raise NotImplementedError

    def body(self):
        return self.rng.choice(PICTURES)

    def ask(self, connection):
        connection.request("POST", "/predict", self.body(), {"content-type": self.content_type})
        connection.getresponse().read()
        with self.lock:
            self.sent += 1

    def wait(self, seconds):
        self.stopped.wait(seconds)


class Steady(Load):
    """About 100 requests a second, at random times."""

    def turn(self, number, connection):
        self.wait(self.rng.expovariate(100 / self.threads))
        self.ask(connection)


class Rising(Load):
    """Ten times as many callers after a minute, without a pause between their requests: until the server is full."""

    threads = 40

    def turn(self, number, connection):
        awake = 4 + (time.monotonic() - self.began) * self.threads / 60
        if number < awake:
            self.ask(connection)
        else:
            self.wait(0.1)


class Forms(Load):
    """Forms of 16 pictures: their answers are late together."""

    threads, content_type = 2, f"multipart/form-data; boundary={BOUNDARY}"

    def body(self):
        head = b'--%s\r\ncontent-disposition: form-data; name="picture"; filename="a.png"\r\ncontent-type: image/png\r\n\r\n'
        parts = [head % BOUNDARY.encode() + super(Forms, self).body() + b"\r\n" for _ in range(16)]
        return b"".join(parts) + b"--%s--\r\n" % BOUNDARY.encode()

    def turn(self, number, connection):
        self.wait(self.rng.expovariate(10 / self.threads))
        self.ask(connection)


class Bursts(Load):
    """64 callers at the same moment, twice a second."""

    threads = 64

    def turn(self, number, connection):
        passed = time.monotonic() - self.began
        self.wait(0.5 - passed % 0.5)
        if not self.stopped.is_set():
            self.ask(connection)


class Seldom(Steady):
    """800 requests a second, of which the canary gets one in a hundred: its network's weights are never in a cache."""

    threads = 16

    def turn(self, number, connection):
        self.wait(self.rng.expovariate(800 / self.threads))
        self.ask(connection)


KINDS = {"steady": Steady, "rising": Rising, "forms": Forms, "bursts": Bursts, "seldom": Seldom}
