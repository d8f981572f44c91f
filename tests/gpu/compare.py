"""Compares two measurements (pure)."""

import statistics

COLUMNS = ("model", "batch", "ours", "python run", "ours over run", "python bound", "ours over bound")


def rows(model, ours, theirs):
    """Compares images per second by batch size, ours with Python's; both must have the same sizes."""
    of_theirs = {row["batch"]: row for row in theirs["sizes"]}
    of_ours = {row["batch"]: row["batch"] / row["latency_seconds"] for row in ours["sizes"]}
    if set(of_ours) != set(of_theirs):
        raise ValueError(f"{model}: sizes {sorted(of_ours)} and {sorted(of_theirs)} can't be compared")
    return [
        {
            "model": model,
            "batch": batch,
            "ours": of_ours[batch],
            "run": of_theirs[batch]["run"],
            "bound": of_theirs[batch]["bound"],
            "over_run": of_ours[batch] / of_theirs[batch]["run"],
            "over_bound": of_ours[batch] / of_theirs[batch]["bound"],
        }
        for batch in sorted(of_ours)
    ]


def medians(rounds):
    """The medians of several measurements of the same rows; ratios are taken per round, since a disturbance affects both."""
    return [
        {
            name: value if name in ("model", "batch") else statistics.median(row[name] for row in same)
            for name, value in same[0].items()
        }
        for same in zip(*rounds, strict=True)
    ]


def table(compared):
    lines = [COLUMNS] + [
        (
            row["model"],
            str(row["batch"]),
            f"{row['ours']:.0f}/s",
            f"{row['run']:.0f}/s",
            f"{row['over_run']:.2f}",
            f"{row['bound']:.0f}/s",
            f"{row['over_bound']:.2f}",
        )
        for row in compared
    ]
    widths = [max(len(line[place]) for line in lines) for place in range(len(COLUMNS))]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
