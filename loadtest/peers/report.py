"""Renders the report from the results."""

import bars
from work import TITLES

FULL = "64"
LOADS = {
    "1": "1 caller",
    "16": "16 callers",
    "64": "64 callers",
    "50%": "50 % of its maximum",
    "80%": "80 % of its maximum",
}
# If other processes used more than this many cores, the report mentions it.
CALM_CORES = 0.1

LEFT_OUT = """\
- **Triton's ONNX backend.** The wheel has none (nor DALI for pictures): its server decodes and runs the network in Python
  here. NVIDIA's container has both; it can't be had from a package registry.
- **TorchServe, TensorFlow Serving, KServe.** The first is archived, the second doesn't read ONNX, the third is a way to run
  the others on Kubernetes.
- **gRPC, HTTP/2, several pictures a request.** One picture a request over HTTP/1.1 is what all of them speak.
- **Peers' own tuning guides beyond one machine** (rolling updates by Kubernetes, replicas behind a balancer): where a peer has
  no other way to replace a model than a restart, that is what was done.
- **Targets that need other measurements**: the HTTP floor, overload, idle latency and the price of metrics."""


def table(head, rows, numbers=True):
    """A Markdown table; all columns but the first are right-aligned if `numbers` is true."""
    rule = ["---"] + ["---:" if numbers else "---"] * (len(head) - 1)
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, rule, *rows])


def number(value, digits=3):
    """A number with this many significant digits, never in scientific notation."""
    if value is None:
        return "–"
    if value == 0:
        return "0"
    whole = len(str(int(abs(value)))) if abs(value) >= 1 else 0
    return f"{value:,.{max(0, digits - whole)}f}".replace(",", " ")


def megabytes(value):
    return number(value / 1e6 if value is not None else None)


def replaced(row):
    found = row["replace"]
    if not found:
        return "–"
    return f"{found['unanswered']} of {found['offered']} in {found['times']} × {number(found['took_seconds'], 2)} s"


def overview(found, rows):
    head = ["", "requests/s", "p50 ms", "p99 ms", "CPU µs a request", "p99 ms at 80 %", "peak memory MB", "installed MB",
            "first answer s", "failed while replaced"]  # fmt: skip
    lines = []
    for peer, row in rows.items():
        full, about = row["loads"].get(FULL, {}), found["peers"][peer]
        busy = row["loads"].get("80%", {})
        figures = [number(full.get(k)) for k in ("requests_per_second", "p50_ms", "p99_ms", "server_cpu_us")]
        figures += [number(busy.get("p99_ms")), megabytes(row["memory_bytes"]), megabytes(about.get("installed_bytes"))]
        lines.append([about["title"], *figures, number(row["first_answer_seconds"], 2), replaced(row)])
    return table(head, lines)


def loads(found, rows):
    head = [
        "",
        "load",
        "requests/s",
        "p50 ms",
        "p99 ms",
        "CPU µs a request",
        "failed",
        "generator, cores",
        "others, cores",
    ]
    lines = []
    for peer, row in rows.items():
        for name, load in row["loads"].items():
            figures = [number(load[k]) for k in ("requests_per_second", "p50_ms", "p99_ms", "server_cpu_us")]
            rest = [str(load["unanswered"]), number(load["generator_cores"], 2), number(load["others"], 2)]
            lines.append([found["peers"][peer]["title"], LOADS.get(name, name), *figures, *rest])
    return table(head, lines)


def ratios(found, rows):
    """A table of our figures divided by each peer's."""
    ours = rows.get(bars.OURS)
    if not ours:
        return "Ours was not measured."

    def of(row, peer):
        full, busy = row["loads"].get(FULL, {}), row["loads"].get("80%", {})
        about = found["peers"][peer]
        return [full.get("requests_per_second"), full.get("server_cpu_us"), busy.get("p99_ms"), row["memory_bytes"],
                about.get("installed_bytes"), row["first_answer_seconds"]]  # fmt: skip

    head = ["ours over", "requests/s", "CPU a request", "p99 at 80 %", "peak memory", "installed", "first answer"]
    lines = []
    for peer, row in rows.items():
        if peer != bars.OURS:
            pairs = zip(of(ours, bars.OURS), of(row, peer), strict=True)
            lines.append([found["peers"][peer]["title"], *(number(a / b) if a and b else "–" for a, b in pairs)])
    return table(head, lines)


def verdicts(found):
    words = {True: "met", False: "**missed**", None: "not measured"}
    lines = [[bar.what, bar.limit, bar.found, words[bar.met]] for bar in bars.bars(found["medians"], found["cores"])]
    return table(["bar", "wanted", "found", ""], lines, numbers=False)


def failures(found):
    """A list of servers that couldn't be installed, started or measured, and of failed requests."""
    lines = [f"- {each['title']} could not be installed: {quoted(each['error'])}" for each in found["peers"].values()
             if "error" in each]  # fmt: skip
    for trial in found["trials"]:
        where = f"{found['peers'][trial['peer']]['title']}, {trial['work'].upper()}, round {trial['round'] + 1}"
        if "error" in trial:
            lines.append(f"- {where}: {quoted(trial['error'])}")
        parts = [(LOADS[name], load) for name, load in trial["loads"].items()]
        parts += [("while the model was replaced", trial["replace"])] if "replace" in trial else []
        for name, load in parts:
            if load["unanswered"]:
                reasons = "; ".join(load["reasons"]) or "never sent"
                lines.append(f"- {where}, {name}: {load['unanswered']} of {load['offered']} failed ({quoted(reasons)})")
    return "\n".join(lines) or "None."


def quoted(text):
    return " ".join(text.replace("|", "/").replace("`", "'").split())[:400]


def calm(found):
    """A sentence about the processor time of other processes."""
    others = [load["others"] for trial in found["trials"] for load in trial["loads"].values()]
    if not others:
        return ""
    busy = sum(share > CALM_CORES for share in others)
    text = f"Other processes took more than {CALM_CORES} cores in {busy} of {len(others)} loads"
    return f"{text}, {max(others):.2f} at the most" + (": latencies and requests/s suffer from that." if busy else ".")


def versions(found):
    head = ["", "version", "onnxruntime", "how it is configured", "how a model is replaced"]
    lines = [[each["title"], each.get("version", "–"), each.get("engine") or "none", each["how"], each["replacing"]]
             for each in found["peers"].values()]  # fmt: skip
    return table(head, lines, numbers=False)


def markdown(found):
    """The whole report."""
    setting = (
        f"{found['date']}, commit {found['commit'] or 'unknown'}, {found['machine']}; server and generator share the cores. "
        f"Medians of {found['rounds']} rounds in which the servers take turns, {found['seconds']} s a load, "
        f"{number(found['minutes'])} minutes in all. {calm(found)}"
    )
    parts = [
        "# Comparison with other servers",
        "Written by `loadtest/peers/run`; [README.md](README.md) explains what is compared and how to read it.",
        setting,
        f"```sh\n{found['command']}\n```",
        "## Targets",
        "The targets were set in issue 6. Ratios are ours over theirs.",
        verdicts(found),
    ]
    for work in found["works"]:
        rows = found["medians"].get(work, {})
        parts += [
            f"## {TITLES[work]}",
            "64 callers in a closed loop, unless a column says otherwise.",
            overview(found, rows),
        ]
        parts += [ratios(found, rows), "### Every load", loads(found, rows)]
    missing = [f"- **{name}**: not asked for in this run." for name in found["not_asked"]]
    parts += ["## Servers", versions(found), "## What was left out", "\n".join([*missing, LEFT_OUT])]
    parts += ["## What failed", failures(found)]
    return "\n\n".join(parts) + "\n"
