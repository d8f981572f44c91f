"""Tests of medians, targets and the report, with made-up trials.

usage: python3.11 -m unittest discover --start-directory loadtest/peers
"""

import copy
import unittest

import bars
import report
import results


def one_load(rate, cpu_us, p99, unanswered=0):
    return {
        "seconds": 2.0, "offered": int(2 * rate) + unanswered, "answered": int(2 * rate), "requests_per_second": rate,
        "p50_ms": p99 / 4, "p99_ms": p99, "unanswered": unanswered, "generator_cpu_seconds": 0.4, "server_cpu_us": cpu_us,
        "others": 0.0, "reasons": [f"{unanswered} x reset"] if unanswered else [],
    }  # fmt: skip


def one_trial(peer, work, rate, cpu_us, p99=4.0, memory=90e6, first=0.1, round_=0):
    loads = {name: one_load(rate, cpu_us, p99) for name in ("1", "16", "64", "50%", "80%")}
    replace = one_load(rate, None, p99, unanswered=3) | {"took_seconds": 1.5}
    return {"peer": peer, "work": work, "round": round_, "first_answer_seconds": first, "memory_bytes": memory,
            "loads": loads, "replace": replace}  # fmt: skip


def trials():
    return [
        one_trial("stillhouse", "w1", 18000, 100.0, memory=60e6),
        one_trial("fastapi", "w1", 1500, 1200.0, memory=200e6),
        one_trial("triton", "w1", 3600, 500.0, p99=5.0, memory=300e6),
        one_trial("stillhouse", "w2", 150, 12000.0),
        one_trial("fastapi", "w2", 120, 15000.0),
    ]


class Medians(unittest.TestCase):
    def test_each_figure_has_its_own_rounds(self):
        rounds = [one_trial("fastapi", "w1", rate, 1e6 / rate, round_=k) for k, rate in enumerate((100, 300, 200))]
        rounds[1]["loads"].pop("80%")
        rounds[2]["first_answer_seconds"] = None
        row = results.medians(rounds)["w1"]["fastapi"]
        self.assertEqual(row["loads"]["64"]["requests_per_second"], 200)
        self.assertEqual(row["loads"]["80%"]["requests_per_second"], 150)
        self.assertEqual(row["loads"]["64"]["generator_cores"], 0.2)
        self.assertEqual(row["first_answer_seconds"], 0.1)

    def test_failures_are_added_up(self):
        row = results.medians([one_trial("fastapi", "w1", 10, 1.0, round_=k) for k in range(3)])["w1"]["fastapi"]
        self.assertEqual((row["replace"]["unanswered"], row["replace"]["times"]), (9, 3))

    def test_who_answered_nothing_is_not_in_the_tables(self):
        nothing = {"peer": "ray", "work": "w1", "round": 0, "loads": {}, "error": "no answer"}
        self.assertEqual(results.medians([nothing, *trials()])["w1"].keys(), {"stillhouse", "fastapi", "triton"})


class Bars(unittest.TestCase):
    def found(self, change=lambda medians: None):
        medians = results.medians(trials())
        change(medians)
        return {bar.what: bar for bar in bars.bars(medians, cores=2)}

    def one(self, found, *words):
        matching = [bar for what, bar in found.items() if all(word in what for word in words)]
        self.assertEqual(len(matching), 1, (words, list(found)))
        return matching[0]

    def test_limits_themselves_are_within(self):
        found = self.found()
        self.assertTrue(self.one(found, "W1", "CPU a request over FastAPI").met)
        self.assertTrue(self.one(found, "W1", "CPU a request over Triton").met)

    def test_a_hair_above_is_missed(self):
        def change(medians):
            medians["w1"]["stillhouse"]["loads"]["64"]["server_cpu_us"] = 100.1

        found = self.found(change)
        self.assertFalse(self.one(found, "W1", "CPU a request over FastAPI").met)
        self.assertFalse(self.one(found, "W1", "CPU a request over Triton").met)

    def test_w2_is_held_against_the_best_peer(self):
        bar = self.one(self.found(), "W2", "CPU")
        self.assertEqual((bar.found, bar.met), ("0.8", False))

    def test_requests_follow_processor_time(self):
        self.assertTrue(self.one(self.found(), "requests/s over FastAPI").met)

        def change(medians):
            medians["w1"]["stillhouse"]["loads"]["64"]["requests_per_second"] = 16000

        self.assertFalse(self.one(self.found(change), "requests/s over FastAPI").met)

    def test_equal_latency_and_a_third_of_the_memory_are_within(self):
        found = self.found()
        self.assertTrue(self.one(found, "W1", "p99").met)
        self.assertTrue(self.one(found, "W1", "memory").met)
        self.assertFalse(self.one(found, "W2", "memory").met)

    def test_who_is_missing_leaves_its_bars_open(self):
        found = self.found(lambda medians: medians["w1"].pop("triton"))
        self.assertIsNone(self.one(found, "CPU a request over Triton").met)
        self.assertIsNone(self.one(found, "requests/s over Triton").met)
        found = self.found(lambda medians: medians["w1"].pop("stillhouse"))
        self.assertIsNone(self.one(found, "W1: all").met)

    def test_who_broke_off_is_not_compared(self):
        def change(medians):
            medians["w2"]["fastapi"]["loads"].pop("80%")

        self.assertIsNone(self.one(self.found(change), "W2", "CPU").met)


class Report(unittest.TestCase):
    def text(self, runs):
        about = {key: {"title": key.title(), "how": "h", "replacing": "r", "version": "1", "engine": "2",
                       "installed_bytes": 1e8} for key in ("stillhouse", "fastapi", "triton")}  # fmt: skip
        about["ray"] = {"title": "Ray Serve", "how": "h", "replacing": "r", "error": "no wheel | for this"}
        return report.markdown({
            "date": "2026-01-01", "commit": "abc", "machine": "2 cores", "cores": 2, "rounds": 1, "seconds": 2,
            "minutes": 1.0, "command": "loadtest/peers/run", "works": ["w1", "w2"], "not_asked": ["LitServe"],
            "peers": about, "trials": runs, "medians": results.medians(runs),
        })  # fmt: skip

    def test_it_says_all_that_was_found(self):
        text = self.text(trials())
        self.assertIn(
            "| Stillhouse | 18 000 | 1.00 | 4.00 | 100 | 4.00 | 60.0 | 100 | 0.10 | 3 of 36003 in 1 × 1.5 s |", text
        )
        # Ours over FastAPI's.
        self.assertIn("| Fastapi | 12.0 | 0.083 | 1.00 | 0.300 | 1.00 | 1.00 |", text)
        self.assertIn(
            "| W2, 64 connections: server CPU a request over the best peer's | ≤ 0.75 | 0.8 | **missed** |", text
        )
        self.assertIn("Ray Serve could not be installed: no wheel / for this", text)
        self.assertIn("**LitServe**: not asked for", text)
        self.assertIn("Triton, W1, round 1, while the model was replaced: 3 of 7203 failed (3 x reset)", text)

    def test_every_row_has_as_many_cells_as_its_head(self):
        width = None
        for line in self.text(trials()).splitlines():
            cells = line.count("|")
            if line.startswith("|"):
                self.assertEqual(cells, width or cells, line)
            width = cells if line.startswith("|") else None

    def test_a_server_that_failed_is_named_with_its_words(self):
        runs = copy.deepcopy(trials())
        runs[1] = {"peer": "fastapi", "work": "w1", "round": 0, "loads": {}, "error": "it ended\nby itself"}
        self.assertIn("- Fastapi, W1, round 1: it ended by itself", self.text(runs))

    def test_numbers_have_the_digits_that_count(self):
        texts = [report.number(value) for value in (None, 0, 0.08333, 1.5, 12.345, 123.4, 1234.5)]
        self.assertEqual(texts, ["–", "0", "0.083", "1.50", "12.3", "123", "1 234"])


if __name__ == "__main__":
    unittest.main()
