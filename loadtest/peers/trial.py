"""One server at one work, from its start to its end: everything that is measured of it."""

import shutil
import time

import load
from running import Failed, Running
from servers.peer import REPLACE_SECONDS, Seat

CALLERS = (1, 16, 64)
SHARES = (0.5, 0.8)
# A model counts as replaced when so many answers in a row are the new one's: several processes answer.
IN_A_ROW = 32
# Before and after the replacement.
CALM_SECONDS = 1


class Trial:
    def __init__(self, peer, work, folder, generator, seconds, say):
        self.peer, self.work, self.program, self.seconds, self.say = peer, work, generator, seconds, say
        # Ours keeps what it imported; all else is made anew.
        folder.mkdir(parents=True, exist_ok=True)
        self.seat = Seat(work, folder)
        self.bodies = []
        self.found = {"loads": {}}

    def run(self):
        """What was found, with `error` where the server failed; then as much as there was."""
        try:
            self.prepare()
            self.server = Running(self.peer.command(self.seat), self.peer.environment(self.seat), self.seat.folder)
            try:
                self.measure()
            finally:
                self.server.stop()
        except Failed as failure:
            self.found["error"] = str(failure)
        finally:
            self.peer.clean(self.seat)
        return self.found

    def prepare(self):
        self.seat.folder.joinpath("log").unlink(missing_ok=True)
        bodies = self.seat.folder / "bodies"
        shutil.rmtree(bodies, ignore_errors=True)
        bodies.mkdir()
        self.seat.point_to("v1")
        self.peer.prepare(self.seat)
        for picture in self.work.pictures:
            body, ending = self.peer.body(picture)
            path = bodies / f"{picture.stem}{ending}"
            path.write_bytes(body)
            self.bodies.append(path)

    def measure(self):
        self.say("start")
        first = self.bodies[0]
        self.found["first_answer_seconds"] = self.peer.first_answer(
            self.seat, self.server, first.read_bytes(), first.suffix
        )
        self.compare("v1")
        url = f"http://127.0.0.1:{self.seat.port}{self.peer.path}"
        self.generator = load.Generator(self.program, url, self.peer.headers(self.seat), self.bodies)
        self.say("warm-up")
        self.warm_up()
        for callers in CALLERS:
            self.load(str(callers), callers)
        most = self.found["loads"][str(CALLERS[-1])]["requests_per_second"]
        for share in SHARES:
            self.load(f"{share:.0%}", share * most)
        self.say("replace")
        self.replace(SHARES[0] * most)
        self.compare("v2")

    def compare(self, version):
        """All servers must say the same of the same pictures."""
        labels = [self.label(path) for path in self.bodies]
        right = self.work.right(version)
        if labels != right:
            raise Failed(f"it doesn't answer as {version} does: {labels} instead of {right}")

    def label(self, path):
        try:
            return self.peer.ask(self.seat, path.read_bytes(), path.suffix)
        except OSError as error:
            raise Failed(f"no answer: {error!r}: {self.server.last_words()}") from error

    def warm_up(self):
        """At the most callers; memory is looked at here and between the loads, as looking at it takes time itself."""
        samples = []
        with self.generator.running(CALLERS[-1], max(2, self.seconds)) as process:
            while process.poll() is None:
                time.sleep(0.4)
                samples.append(self.server.pss_bytes())
            self.generator.read(process, 60)
        self.found["memory_bytes"] = max(samples)

    def load(self, name, what):
        if what <= 0:
            raise Failed(f"load {name}: nothing was answered before: {self.server.last_words()}")
        self.say(f"{name} callers" if isinstance(what, int) else f"{name} of its maximum")
        self.found["loads"][name] = load.measured(self.generator, self.server, what, self.seconds)
        self.found["memory_bytes"] = max(self.found["memory_bytes"], self.server.pss_bytes())

    def replace(self, rate):
        with self.generator.running(rate, 2 * REPLACE_SECONDS) as process:
            time.sleep(CALM_SECONDS)
            began = time.monotonic()
            self.peer.replace(self.seat, self.server)
            self.wait_for_v2(began)
            took = time.monotonic() - began
            time.sleep(CALM_SECONDS)
            found = load.summary(self.generator.interrupt(process))
        self.found["replace"] = found | {"took_seconds": took}

    def wait_for_v2(self, began):
        wanted = self.work.right("v2")[0]
        path = self.bodies[0]
        in_a_row = 0
        while in_a_row < IN_A_ROW:
            try:
                label = self.peer.ask(self.seat, path.read_bytes(), path.suffix)
            except (OSError, Failed) as error:
                label = repr(error)
            in_a_row = in_a_row + 1 if label == wanted else 0
            if time.monotonic() - began > REPLACE_SECONDS:
                raise Failed(f"{REPLACE_SECONDS} s after the replacement it answers {label}: {self.server.last_words()}")
            # Beside the load, not on top of it.
            time.sleep(0.01)
