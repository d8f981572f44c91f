"""Tests that need no GPU: the message without one, the comparison, and the call of Python."""

import contextlib
import io
import json
import pathlib
import sys
import unittest
from unittest import mock

import check
import compare
import here
import packages

NONE = {"which": lambda _: None, "exists": lambda _: False, "loads": lambda _: False}


class Here(unittest.TestCase):
    def test_without_a_gpu_it_says_what_was_looked_for(self):
        self.assertEqual(here.missing("cuda:0", **NONE), "no GPU here (neither nvidia-smi nor /dev/nvidia0)")

    def test_a_library_that_is_missing_is_named(self):
        there = NONE | {"exists": lambda path: path == pathlib.Path("/dev/nvidia0")}
        self.assertIn("libcuda.so.1", here.missing("cuda:0", **there))
        driver = there | {"loads": lambda library: library == here.DRIVER}
        self.assertIsNone(here.missing("cuda:0", **driver))
        self.assertIn("libnvinfer.so.10", here.missing("tensorrt:0", **driver))

    def test_the_tool_alone_is_a_sign_too(self):
        self.assertIsNone(here.missing("cuda:0", **NONE | {"which": lambda _: "/usr/bin/x", "loads": lambda _: True}))

    def test_the_processor_is_always_here(self):
        self.assertIsNone(here.missing("cpu", **NONE))


class Skipped(unittest.TestCase):
    def test_it_is_one_line_and_nothing_else_happens(self):
        output = io.StringIO()
        with (
            mock.patch.object(sys, "argv", ["check.py"]),
            mock.patch.object(here, "missing", return_value="no GPU here (test)"),
            mock.patch.object(packages.Packages, "install", side_effect=AssertionError("must not be reached")),
            contextlib.redirect_stdout(output),
        ):
            check.main()
        self.assertEqual(output.getvalue(), "skipped: no GPU here (test)\n")


OURS = {"sizes": [{"batch": 8, "latency_seconds": 0.002}, {"batch": 1, "latency_seconds": 0.001}]}
THEIRS = {"sizes": [{"batch": 1, "run": 800.0, "bound": 2000.0}, {"batch": 8, "run": 5000.0, "bound": 4000.0}]}


class Comparison(unittest.TestCase):
    def test_rows_are_images_a_second_and_their_ratios(self):
        one, eight = compare.rows("m", OURS, THEIRS)
        self.assertEqual((one["batch"], one["ours"], one["over_run"], one["over_bound"]), (1, 1000, 1.25, 0.5))
        self.assertEqual((eight["batch"], eight["ours"], eight["over_run"], eight["over_bound"]), (8, 4000, 0.8, 1.0))

    def test_medians_are_of_each_figure(self):
        slow = {"sizes": [{"batch": 8, "latency_seconds": 0.02}, {"batch": 1, "latency_seconds": 0.01}]}
        rounds = [compare.rows("m", ours, THEIRS) for ours in (OURS, slow, OURS)]
        self.assertEqual(compare.medians(rounds), compare.rows("m", OURS, THEIRS))

    def test_other_sizes_are_not_compared(self):
        with self.assertRaisesRegex(ValueError, "can't be compared"):
            compare.rows("m", OURS, {"sizes": THEIRS["sizes"][:1]})

    def test_the_table_has_a_line_for_each(self):
        lines = compare.table(compare.rows("m", OURS, THEIRS)).splitlines()
        self.assertEqual(len(lines), 3)
        self.assertEqual(lines[1].split(), ["m", "1", "1000/s", "800/s", "1.25", "2000/s", "0.50"])
        self.assertEqual(len({len(line) for line in lines}), 1)


class Pinned(unittest.TestCase):
    def test_everything_is_pinned_and_the_library_is_ours(self):
        script = (packages.ROOT / "scripts/onnxruntime.sh").read_text()
        for kind, name in (("cpu", "onnxruntime"), ("cuda", "onnxruntime-gpu")):
            lines = (packages.HERE / f"requirements-{kind}.txt").read_text().splitlines()
            wanted = dict(line.split("==") for line in lines if not line.startswith("#"))
            self.assertIn(f"version={wanted[name]}\n", script)

    def test_the_report_can_be_written(self):
        json.dumps(compare.rows("m", OURS, THEIRS))


if __name__ == "__main__":
    unittest.main()
