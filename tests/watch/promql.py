"""Reads queries, rules and dashboards for the tests."""

import json
import re

from ruamel.yaml import YAML

import places

ROOT, PROMETHEUS, DASHBOARDS = places.ROOT, places.PROMETHEUS, places.DASHBOARDS

# Strings in a query are labels' values, not names.
STRING = re.compile(r'"[^"]*"|\'[^\']*\'')
NAME = re.compile(r"(?<![\w:$])((?:fleet:|stillhouse:)?(?:stillhouse_|process_)?[a-z][\w:]*)")
OURS = re.compile(r"^(fleet:|stillhouse:|stillhouse_|process_)")
HISTOGRAM = re.compile(r"_(bucket|sum|count)$")


def load(path):
    return YAML(typ="safe").load(path.read_text(encoding="utf-8"))


def names(expr):
    """The Stillhouse and process metrics that a query reads."""
    return {name for name in NAME.findall(STRING.sub('""', expr)) if OURS.match(name)}


def groups():
    """Every group of rules, by its file's name."""
    for path in sorted((PROMETHEUS / "rules").glob("*.yml")):
        for group in load(path)["groups"]:
            yield path.name, group


def rules(kind):
    """Every rule that has the key `kind`: `record` or `alert`."""
    return [rule for _, group in groups() for rule in group["rules"] if kind in rule]


def dashboards():
    """File name → dashboard."""
    return {path.name: json.loads(path.read_text(encoding="utf-8")) for path in sorted(DASHBOARDS.glob("*.json"))}


def panels(dashboard):
    """Panels with queries."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def targets():
    """(dashboard's uid, panel, target) of every query in every panel."""
    for dashboard in dashboards().values():
        for panel in panels(dashboard):
            for target in panel["targets"]:
                yield dashboard["uid"], panel, target


def substituted(expr, rate_interval="1m", window="1h"):
    """A query as Grafana would send it with `All` chosen everywhere."""
    values = {"__rate_interval": rate_interval, "window": window, "statistic": "luma_mean"}
    values |= dict.fromkeys(("job", "instance", "model", "role"), ".+")
    return re.sub(r"\$(\w+)", lambda variable: values[variable[1]], expr)


def promised_labels(target):
    """The labels that a query's result must have: those in its legend, or for a table those it is grouped by."""
    if target["format"] == "table":
        grouped = re.match(r"\w+ by \(([\w, ]+)\)", target["expr"])
        return set(grouped[1].split(", ")) if grouped else set()
    return set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
