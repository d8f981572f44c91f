"""Summarises the trials of all rounds by medians, each over the rounds that have the figure."""

import statistics


def middle(values):
    """The median of the values that aren't None."""
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def medians(trials):
    """{work: {peer: figures}}; a peer with nothing but errors has no entry."""
    grouped = {}
    for trial in trials:
        grouped.setdefault(trial["work"], {}).setdefault(trial["peer"], []).append(trial)
    found = {}
    for work, peers in grouped.items():
        rows = {peer: of_peer(rounds) for peer, rounds in peers.items()}
        found[work] = {peer: row for peer, row in rows.items() if row["loads"]}
    return found


def of_peer(rounds):
    names = dict.fromkeys(name for trial in rounds for name in trial["loads"])
    replaced = [trial["replace"] for trial in rounds if "replace" in trial]
    return {
        "first_answer_seconds": middle(trial.get("first_answer_seconds") for trial in rounds),
        "memory_bytes": middle(trial.get("memory_bytes") for trial in rounds),
        "loads": {
            name: of_load([trial["loads"][name] for trial in rounds if name in trial["loads"]]) for name in names
        },
        "replace": {
            "took_seconds": middle(each["took_seconds"] for each in replaced),
            # Failures are rare, and a median would hide them.
            "unanswered": sum(each["unanswered"] for each in replaced),
            "offered": sum(each["offered"] for each in replaced),
            "times": len(replaced),
            "reasons": sorted({reason for each in replaced for reason in each["reasons"]}),
        }
        if replaced
        else None,
    }


def of_load(rounds):
    row = {
        name: middle(each[name] for each in rounds)
        for name in ("requests_per_second", "p50_ms", "p99_ms", "server_cpu_us", "others")
    }
    row["generator_cores"] = middle(each["generator_cpu_seconds"] / each["seconds"] for each in rounds)
    row["unanswered"] = sum(each["unanswered"] for each in rounds)
    row["offered"] = sum(each["offered"] for each in rounds)
    row["reasons"] = sorted({reason for each in rounds for reason in each["reasons"]})
    return row
