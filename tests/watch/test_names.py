"""Dashboards, alerts and documentation use only metrics that the server exports."""

import re
import unittest

from promql import HISTOGRAM, ROOT, dashboards, names, rules, targets

SNAPSHOT = ROOT / "tests/all/snapshots/all__predict__metrics_keep_their_names.snap"
DESCRIBED = ROOT / "docs/watching.md"

# Process metrics of the prometheus crate on Linux.
PROCESS = {
    "process_cpu_seconds_total",
    "process_max_fds",
    "process_open_fds",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
    "process_threads",
    "process_virtual_memory_bytes",
}


def snapshot():
    """Metric families in a snapshot of the server's tests, with their types."""
    lines = SNAPSHOT.read_text(encoding="utf-8").splitlines()
    return dict(re.match(r"# TYPE (\S+) (\S+)", line).groups() for line in lines if line.startswith("# TYPE"))


def in_source():
    """Metric families in the server's source, since families without series aren't in the snapshot."""
    paths = (path for folder in ("src", "crates") for path in (ROOT / folder).rglob("*.rs"))
    texts = (path.read_text(encoding="utf-8") for path in paths)
    return {f"stillhouse_{name}" for text in texts for name in re.findall(r'"([a-z][a-z0-9_]+)"', text)}


class Names(unittest.TestCase):
    def setUp(self):
        self.known = set(snapshot()) | in_source() | PROCESS
        read = [(f"{uid}: {panel['title']}", target["expr"]) for uid, panel, target in targets()]
        read += [(rule.get("record") or rule["alert"], rule["expr"]) for rule in rules("record") + rules("alert")]
        for dashboard in dashboards().values():
            read += [(dashboard["uid"], one["expr"]) for one in dashboard["annotations"]["list"]]
            of_variables = (one["query"]["query"] for one in dashboard["templating"]["list"] if one["type"] == "query")
            read += [(dashboard["uid"], query) for query in of_variables]
        for rule in rules("alert"):
            described = re.findall(r"stillhouse_(?!docs)\w+(?=\{)", rule["annotations"]["description"])
            read += [(rule["alert"], name) for name in described if f":{name}" not in rule["annotations"]["description"]]
        self.read = read

    def test_what_is_read_is_exported(self):
        for where, expr in self.read:
            for name in names(expr):
                if ":" not in name:
                    self.assertTrue({name, HISTOGRAM.sub("", name)} & self.known, f"{where} reads {name}")

    def test_histograms_are_read_as_histograms(self):
        histograms = {name for name, kind in snapshot().items() if kind == "histogram"}
        for where, expr in self.read:
            for name in names(expr):
                self.assertFalse(name in histograms, f"{where} reads {name} without _bucket, _sum or _count")

    def test_the_table_of_metrics_is_complete(self):
        table = re.findall(r"^\| `(\w+)", DESCRIBED.read_text(encoding="utf-8"), re.MULTILINE)
        self.assertEqual(len(table), len(set(table)))
        described = {f"stillhouse_{name}" for name in table}
        self.assertEqual(set(snapshot()) - described, set(), "docs/watching.md has a row for each metric")
        self.assertEqual(described - self.known, set(), "docs/watching.md describes missing metrics")
        used = {HISTOGRAM.sub("", name) for _, expr in self.read for name in names(expr) if name.startswith("stillhouse_")}
        self.assertEqual(used - described, set(), "docs/watching.md has a row for each metric used in dashboards")


if __name__ == "__main__":
    unittest.main()
