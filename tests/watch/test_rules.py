"""Rules and alerts of config/prometheus are valid, tested, and described in the runbook."""

import collections
import re
import subprocess
import sys
import unittest

from promql import PROMETHEUS, ROOT, groups, load, names, rules

SEVERITIES = {"critical", "warning", "info"}
TESTS = sorted((PROMETHEUS / "tests").glob("*.yml"))


def run(*command):
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT, timeout=120)
    return done.returncode, done.stdout + done.stderr


class Promtool(unittest.TestCase):
    def test_configuration_and_rules_are_valid(self):
        code, output = run("promtool", "check", "config", "--lint=all", "--lint-fatal", PROMETHEUS / "prometheus.yml")
        self.assertEqual(code, 0, output)

    def test_rules_do_what_their_tests_say(self):
        code, output = run("promtool", "test", "rules", *TESTS)
        self.assertEqual(code, 0, output)
        self.assertEqual(output.count("SUCCESS"), len(TESTS), output)

    def test_closed_forms_are_current(self):
        code, output = run(sys.executable, PROMETHEUS / "tests/closed_form.py")
        self.assertEqual(code, 0, output)
        self.assertEqual(output, (PROMETHEUS / "tests/closed_form.yml").read_text(), "run closed_form.py again")


class Recording(unittest.TestCase):
    def test_names_are_level_metric_operation(self):
        for rule in rules("record"):
            self.assertRegex(rule["record"], r"^(fleet:stillhouse_\w+|stillhouse:\w+_objective):\w+$")

    def test_what_is_read_is_recorded(self):
        recorded = {rule["record"] for rule in rules("record")}
        for rule in rules("record") + rules("alert"):
            text = " ".join([rule["expr"], *rule.get("annotations", {}).values()])
            read = set(re.findall(r"\b(?:fleet|stillhouse):\w+:\w+", text))
            self.assertLessEqual(read | {name for name in names(rule["expr"]) if ":" in name}, recorded, rule)

    def test_a_day_is_counted_like_an_hour(self):
        by_file = {file: group["rules"] for file, group in groups() if file.startswith("counts-")}
        hour, day = (str(by_file[f"counts-{window}.yml"]) for window in ("1h", "24h"))
        self.assertEqual(re.sub(r"\b1h\b", "24h", hour), day)
        # Prometheus ignores samples older than five minutes: slower evaluation would leave gaps.
        intervals = [group.get("interval", "15s") for _, group in groups()]
        self.assertLessEqual(set(intervals), {"15s", "30s", "2m"})

    def test_every_rule_has_a_closed_form(self):
        """Tested directly, or as the input of a tested rule: counts and references only pass values on."""
        tested = " ".join(
            case["expr"] for case_group in load(PROMETHEUS / "tests/closed_form.yml")["tests"]
            for case in case_group["promql_expr_test"]
        )
        reached = names(tested)
        of = collections.defaultdict(set)
        for rule in rules("record"):
            of[rule["record"]] |= names(rule["expr"])
        while more := {read for name in reached for read in of[name]} - reached:
            reached |= more
        for rule in rules("record"):
            if not rule["record"].startswith("stillhouse:"):
                self.assertIn(rule["record"], reached)


class Alerts(unittest.TestCase):
    def test_each_says_what_where_and_how_bad(self):
        runbook = (ROOT / "docs/runbook.md").read_text(encoding="utf-8")
        sections = re.findall(r"^## (\w+)$", runbook, re.MULTILINE)
        alerts = [rule["alert"] for rule in rules("alert")]
        self.assertEqual(len(alerts), len(set(alerts)))
        self.assertEqual(sorted(sections), sorted(alerts), "a section of the runbook for each alert, and none without")
        for rule in rules("alert"):
            self.assertRegex(rule["alert"], r"^Stillhouse[A-Z]\w+$")
            self.assertEqual(set(rule["labels"]), {"severity"})
            self.assertIn(rule["labels"]["severity"], SEVERITIES)
            self.assertEqual(set(rule["annotations"]), {"summary", "description", "runbook_url"})
            url = "{{ $externalLabels.stillhouse_docs }}docs/runbook.md#" + rule["alert"].lower()
            self.assertEqual(rule["annotations"]["runbook_url"], url)

    def test_no_threshold_of_drift_stands_in_a_rule(self):
        for file, group in groups():
            for rule in group["rules"] if file == "alerts-watch.yml" else []:
                compared = re.findall(r"(?:>|<|>=|<=)\s*([\d.]+)", rule["expr"])
                allowed = ["0", "0"] if rule["alert"] == "StillhouseCanaryRolledBack" else []
                self.assertEqual(compared, allowed, rule["alert"])

    def test_each_fires_and_stays_silent(self):
        fired, silent = collections.Counter(), collections.Counter()
        for path in TESTS:
            for case in load(path)["tests"]:
                for check in case.get("alert_rule_test", []):
                    (fired if check["exp_alerts"] else silent)[check["alertname"]] += 1
        for rule in rules("alert"):
            self.assertGreaterEqual(fired[rule["alert"]], 1, f"{rule['alert']} must fire in a test")
            self.assertGreaterEqual(silent[rule["alert"]], 1, f"{rule['alert']} must be silent in a test")


if __name__ == "__main__":
    unittest.main()
