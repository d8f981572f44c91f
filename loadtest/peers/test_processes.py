"""Tests of the parsing of /proc and of the generator's report, and that no process outlives its guard.

usage: python3.11 -m unittest discover --start-directory loadtest/peers
"""

import pathlib
import subprocess
import sys
import tempfile
import time
import unittest

import load
import machine
import processes
import running

# A process whose name contains field separators.
STAT = "42 (a) b (c) S 7 42 42 0 -1 4194560 9 0 0 0 150 50 30 20 20 0 1 0 100 1000000 500"


class Proc(unittest.TestCase):
    def test_names_may_hold_brackets_and_blanks(self):
        self.assertEqual(processes.fields(STAT)[0], "S")
        self.assertEqual(processes.parent(STAT), 7)

    def test_children_that_were_collected_count(self):
        self.assertEqual(processes.cpu_seconds(STAT), 250 / processes.TICKS)
        self.assertEqual(processes.cpu_seconds(STAT, own=False), 50 / processes.TICKS)

    def test_the_proportional_set_is_read_in_bytes(self):
        rollup = "00400000-7fff rollup\nRss:  900 kB\nPss:                 300 kB\nPss_Anon: 100 kB\n"
        self.assertEqual(processes.pss_bytes(rollup), 300 * 1024)
        with self.assertRaises(ValueError):
            processes.pss_bytes("Rss: 1 kB\n")

    def test_waiting_for_a_disk_is_not_busy(self):
        stat = "cpu  100 20 30 4000 500 6 7 8 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n"
        self.assertEqual(processes.busy_seconds(stat), (100 + 20 + 30 + 6 + 7 + 8) / processes.TICKS)

    def test_cpuinfo_is_read_by_name(self):
        self.assertEqual(machine.field("processor\t: 0\nmodel name\t: A: B\n", "model name"), "A: B")
        self.assertIsNone(machine.field("processor\t: 0\n", "model name"))


class Guard(unittest.TestCase):
    def test_orphans_end_with_the_server(self):
        # SIGTERM ends the shell, which leaves behind a child in a session of its own.
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            script = "setsid sleep 600 & echo $! > orphan; wait"
            server = running.Running(["sh", "-c", script], {}, folder)
            try:
                limit = time.monotonic() + 10
                while not (folder / "orphan").exists() or not (folder / "orphan").read_text().strip():
                    self.assertLess(time.monotonic(), limit)
                orphan = int((folder / "orphan").read_text())
                self.assertIn(orphan, processes.below(server.guard.pid))
                self.assertGreater(server.pss_bytes(), 0)
            finally:
                server.stop()
            self.assertIsNone(processes.read(orphan, "stat"))

    def test_a_server_that_ends_by_itself_is_noticed(self):
        with subprocess.Popen(
            [sys.executable, "-S", running.HERE / "guard.py", "/dev/null", "true"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        ) as guard:
            self.assertEqual(guard.wait(timeout=10), 0)


class Generator(unittest.TestCase):
    def test_a_report_is_read(self):
        phase = {"seconds": 2.0, "offered": 5, "answered": 3, "answered_per_second": 1.5, "latency_ms": {"p50": 1, "p99": 2},
                 "reasons": [{"reason": "500", "count": 2, "example": " a word "}]}  # fmt: skip
        found = load.summary({"phases": [phase], "generator": {"cpu_seconds": 0.1}})
        self.assertEqual((found["unanswered"], found["reasons"]), (2, ["2 x 500, a word"]))

    def test_without_answers_there_is_no_latency(self):
        phase = {
            "seconds": 2.0,
            "offered": 5,
            "answered": 0,
            "answered_per_second": 0.0,
            "latency_ms": None,
            "reasons": [],
        }
        self.assertIsNone(load.summary({"phases": [phase], "generator": {"cpu_seconds": 0.1}})["p99_ms"])


if __name__ == "__main__":
    unittest.main()
