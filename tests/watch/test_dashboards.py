"""The dashboards by the rules of Grafana's dashboard-linter, and through its own schema and back."""

import importlib.util
import itertools
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from promql import DASHBOARDS, ROOT, dashboards, load, names, panels, rules, substituted, targets

SOURCE = ROOT / "config/grafana/source"
ASKED = {"type": "prometheus", "uid": "${datasource}"}

# Fields of an annotation that Grafana reads but the SDK's schema lacks.
BEYOND_THE_SCHEMA = re.compile(r"^/annotations/list\[\d+\]/(step|titleFormat|textFormat|tagKeys)$")

# Rare events are shown as plain counters: an increase would miss the first of each kind.
COUNTED = {"stillhouse_deployment_changes_total", "stillhouse_judge_orders_total"}

# Series without a server.
WITHOUT_JOB = re.compile(r"^stillhouse:\w+_objective:")
FLEETWIDE = re.compile(r"^fleet:")


def differences(given, came_back, path=""):
    """Fields that changed in the round trip; fields that the SDK adds are ignored."""
    if isinstance(given, dict) and isinstance(came_back, dict):
        for key, value in given.items():
            if key in came_back:
                yield from differences(value, came_back[key], f"{path}/{key}")
            elif not BEYOND_THE_SCHEMA.match(f"{path}/{key}"):
                yield f"{path}/{key} is lost"
    elif isinstance(given, list) and isinstance(came_back, list) and len(given) == len(came_back):
        for place, (one, other) in enumerate(zip(given, came_back)):
            yield from differences(one, other, f"{path}[{place}]")
    elif given != came_back:
        yield f"{path}: {given!r} became {came_back!r}"


class Made(unittest.TestCase):
    def test_they_are_as_their_source_says(self):
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([sys.executable, "-B", SOURCE / "generate.py", folder], check=True, timeout=60)
            self.assertEqual(
                {path.name: path.read_text() for path in DASHBOARDS.iterdir()},
                {path.name: path.read_text() for path in pathlib.Path(folder).iterdir()},
                "run config/grafana/source/generate.py",
            )

    def test_the_schema_loses_nothing(self):
        plugins.register_default_plugins()
        for file, dashboard in dashboards().items():
            came_back = json.loads(JSONEncoder().encode(Dashboard.from_json(dashboard)))
            self.assertEqual(list(differences(dashboard, came_back)), [], file)


class Frame(unittest.TestCase):
    def test_every_dashboard_has_the_same_frame(self):
        uids = [dashboard["uid"] for dashboard in dashboards().values()]
        self.assertEqual(sorted(uids), [f"stillhouse-{name}" for name in ("drift", "overview", "rollout", "saturation")])
        for dashboard in dashboards().values():
            self.assertGreaterEqual(dashboard["schemaVersion"], 39)
            self.assertFalse(dashboard["editable"])
            self.assertTrue(dashboard["title"] and dashboard["description"])
            self.assertEqual(dashboard["tags"], ["stillhouse"])
            (link,) = dashboard["links"]
            self.assertEqual((link["type"], link["tags"]), ("dashboards", ["stillhouse"]))
            self.assertTrue(link["keepTime"] and link["includeVars"])

    def test_variables(self):
        for dashboard in dashboards().values():
            by_name = {variable["name"]: variable for variable in dashboard["templating"]["list"]}
            datasource = by_name["datasource"]
            self.assertEqual((datasource["type"], datasource["query"]), ("datasource", "prometheus"))
            self.assertEqual(datasource["label"], "Data source")
            for name in ("job", "instance", "model", "role"):
                variable = by_name[name]
                self.assertEqual(variable["type"], "query")
                self.assertEqual(variable["datasource"], ASKED)
                self.assertEqual(variable["label"].lower(), name)
                self.assertTrue(variable["multi"] and variable["includeAll"])
                self.assertEqual(variable["allValue"], ".+")
                # Also reloaded on a change of the time range, since versions come and go.
                self.assertEqual(variable["refresh"], 2)
            used = set(re.findall(r"\$\{?(\w+)", json.dumps([dashboard["panels"], dashboard["annotations"]])))
            used |= set(re.findall(r"\$(\w+)", json.dumps(dashboard["templating"])))
            self.assertEqual(used - {"__rate_interval", "__all"}, set(by_name), dashboard["uid"])

    def test_changes_of_the_deployment_are_marked(self):
        for dashboard in dashboards().values():
            (annotation,) = dashboard["annotations"]["list"]
            self.assertEqual(annotation["datasource"], ASKED)
            self.assertIn("changes(stillhouse_deployment_generation{", annotation["expr"])
            self.assertTrue(annotation["enable"])

    def test_provisioning_finds_them(self):
        provisioning = ROOT / "config/grafana/provisioning"
        (source,) = load(provisioning / "datasources/prometheus.yml")["datasources"]
        self.assertEqual(source["type"], "prometheus")
        scraped = load(ROOT / "config/prometheus/prometheus.yml")["global"]["scrape_interval"]
        self.assertEqual(source["jsonData"]["timeInterval"], scraped)
        (provider,) = load(provisioning / "dashboards/stillhouse.yml")["providers"]
        mounts = load(ROOT / "compose.yaml")["services"]["grafana"]["volumes"]
        self.assertIn(f"./config/grafana/dashboards:{provider['options']['path']}:ro", mounts)


class Panels(unittest.TestCase):
    def test_each_says_what_it_shows_and_in_which_unit(self):
        for dashboard in dashboards().values():
            for panel in panels(dashboard):
                of = f"{dashboard['uid']}: {panel['title']}"
                self.assertTrue(panel["title"], of)
                self.assertGreater(len(panel["description"]), 30, of)
                self.assertTrue(panel["fieldConfig"]["defaults"]["unit"], of)
                self.assertTrue(panel["targets"], of)
                self.assertEqual(panel["datasource"], ASKED, of)
                for target in panel["targets"]:
                    self.assertEqual(target["datasource"], ASKED, of)
                refs = [target["refId"] for target in panel["targets"]]
                self.assertEqual(len(refs), len(set(refs)), of)

    def test_ids_and_titles_are_unique(self):
        for dashboard in dashboards().values():
            ids = [panel["id"] for panel in dashboard["panels"]]
            self.assertEqual(len(ids), len(set(ids)), dashboard["uid"])
            titles = [panel["title"] for panel in panels(dashboard)]
            self.assertEqual(len(titles), len(set(titles)), dashboard["uid"])

    def test_none_lies_over_another(self):
        for dashboard in dashboards().values():
            places = [(panel["title"], panel["gridPos"]) for panel in dashboard["panels"]]
            for title, at in places:
                self.assertTrue(0 <= at["x"] and at["x"] + at["w"] <= 24 and at["w"] > 0 and at["h"] > 0, title)
            for (one, a), (other, b) in itertools.combinations(places, 2):
                beside = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
                below = a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
                self.assertTrue(beside or below, f"{dashboard['uid']}: {one} lies over {other}")


class Queries(unittest.TestCase):
    def test_they_are_promql(self):
        """promtool reads rules, so each query becomes one."""
        made = [{"record": f"query:{n}", "expr": substituted(target["expr"])} for n, (_, _, target) in enumerate(targets())]
        annotations = [one["expr"] for board in dashboards().values() for one in board["annotations"]["list"]]
        made += [{"record": f"mark:{n}", "expr": substituted(expr)} for n, expr in enumerate(annotations)]
        with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
            json.dump({"groups": [{"name": "queries", "rules": made}]}, file)
            file.flush()
            done = subprocess.run(["promtool", "check", "rules", file.name], check=False, capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn(f"{len(made)} rules found", done.stdout)

    def test_counters_are_rated_over_grafanas_interval(self):
        for uid, panel, target in targets():
            of = f"{uid}: {panel['title']}: {target['expr']}"
            for function, interval in re.findall(r"\b(i?rate|increase)\([^\[]*\[([^\]]*)\]", target["expr"]):
                slow = function == "increase" and "load_stage" in target["expr"]
                self.assertEqual(interval, "1h" if slow else "$__rate_interval", of)
            for name in names(target["expr"]) - COUNTED:
                if re.match(r"^stillhouse_.*_(total|bucket|sum|count)$", name):
                    self.assertRegex(target["expr"], rf"\b(rate|increase)\({name}\{{", of)

    def test_they_are_narrowed_by_what_is_chosen(self):
        for uid, panel, target in targets():
            for name, matchers in re.findall(r"((?:fleet:|stillhouse:)?\b(?:stillhouse|process)_[\w:]+|\bup\b)\{([^}]*)\}", target["expr"]):
                of = f"{uid}: {panel['title']}: {name}"
                if "reference" in name and "and on (job, model, version" in target["expr"]:
                    continue
                self.assertIn('job=~"$job"', matchers, of)
                if FLEETWIDE.match(name):
                    self.assertNotIn("instance", matchers, of)
                    self.assertIn('model=~"$model"', matchers, of)
                else:
                    self.assertIn('instance=~"$instance"', matchers, of)
            bare = re.sub(r"\{[^}]*\}", "{}", target["expr"])
            for name in names(target["expr"]):
                if not WITHOUT_JOB.match(name) and "reference" not in name:
                    self.assertIn(name + "{}", bare, f"{uid}: {panel['title']} reads all of {name}")

    def test_what_they_read_from_the_rules_is_recorded(self):
        recorded = {rule["record"] for rule in rules("record")}
        for uid, panel, target in targets():
            read = {name for name in names(target["expr"]) if ":" in name}
            self.assertLessEqual(read, recorded, f"{uid}: {panel['title']}")


class Source(unittest.TestCase):
    def test_the_grid_fills_itself(self):
        """The grid places panels next to each other, wraps, and starts each section below the previous one."""
        spec = importlib.util.spec_from_file_location("panels", SOURCE / "panels.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        half = {"title": "half", "gridPos": {"w": 12, "h": 8}}
        third = {"title": "third", "gridPos": {"w": 8, "h": 4}}
        made = module.placed([("one", [half, half, third]), ("two", [third])])
        self.assertEqual(
            [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in made],
            [(0, 0), (0, 1), (12, 1), (0, 9), (0, 13), (0, 14)],
        )
        self.assertEqual([panel["id"] for panel in made], [1, 2, 3, 4, 5, 6])


if __name__ == "__main__":
    unittest.main()
