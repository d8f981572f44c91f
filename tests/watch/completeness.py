"""After the steps: did every query of the dashboards and every rule have data?"""

import re
import subprocess

from promql import ROOT, dashboards, promised_labels, rules, substituted, targets


def panels_have_data(prometheus):
    """Every panel's query, for both windows, with the labels that its legend or its columns need."""
    asked, empty = 0, []
    for uid, panel, target in targets():
        windows = ("1h", "24h") if "$window" in target["expr"] else ("1h",)
        for window in windows:
            expr = substituted(target["expr"], rate_interval="15s", window=window)
            series, asked = prometheus.ever(expr), asked + 1
            promised = promised_labels(target)
            wanting = [one for one in series if not all(one.get(label) for label in promised)]
            if not series or wanting:
                empty.append(f"{uid}: {panel['title']}: {expr}: {wanting[:1] or 'no data'}, promised {sorted(promised)}")
    return asked, empty


def frames_have_data(prometheus):
    """Every variable has values, and every annotation occurred."""
    asked, empty = 0, []
    for dashboard in dashboards().values():
        for variable in dashboard["templating"]["list"]:
            if variable["type"] == "query":
                series, label = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"]).groups()
                values, asked = prometheus.get(f"label/{label}/values", **{"match[]": substituted(series)}), asked + 1
                if not values:
                    empty.append(f"{dashboard['uid']}: ${variable['name']} has no values")
        for mark in dashboard["annotations"]["list"]:
            asked += 1
            if not prometheus.ever(substituted(mark["expr"])):
                empty.append(f"{dashboard['uid']}: {mark['name']}: never")
    return asked, empty


def rules_have_data(prometheus):
    """Every rule was evaluated without an error, and every recorded series had data."""
    asked, empty = 0, []
    for group in prometheus.get("rules")["groups"]:
        for rule in group["rules"]:
            if rule["health"] != "ok":
                empty.append(f"{rule['name']}: {rule.get('lastError')}")
    for rule in rules("record"):
        narrowed = "{" + ",".join(f'{name}="{value}"' for name, value in rule.get("labels", {}).items()) + "}"
        asked += 1
        if not prometheus.ever(rule["record"] + narrowed):
            empty.append(f"{rule['record']}{narrowed}: no data")
    return asked, empty


def commands_exist(program):
    """Every command in the runbook, an alert or a page exists, with its flags."""
    texts = [(ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("runbook.md", "watching.md")]
    texts += [rule["annotations"]["description"] for rule in rules("alert")]
    named = {line for text in texts for line in re.findall(r"(?:`|^|\s)stillhouse ([a-z][^`\n#]*)", text, re.MULTILINE)}
    empty = []
    for line in sorted(named):
        verbs = re.match(r"[a-z]+(?: [a-z]+)*", line)[0].split()
        command = [program, *verbs, "--help"]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=20)
        flags = set(re.findall(r"--[a-z-]+", line))
        if done.returncode or not flags <= set(re.findall(r"--[a-z-]+", done.stdout)):
            empty.append(f"stillhouse {line}: {done.stderr or flags}")
    return len(named), empty
