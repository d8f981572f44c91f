"""Checks that answers agree with the journal and with the responses to operators (pure)."""

ROLES = ("stable", "canary", "teacher")


def roles_by_generation(entries):
    """The version in each role of each generation, from lines of the journal."""
    return {entry["to"]["generation"]: roles(entry["to"]) for entry in entries if entry.get("to")}


def roles(assignment):
    return {role: assignment.get(role) for role in ROLES}


def contradictions(by_generation, seats, last):
    """Answers whose version, role or generation contradicts the journal; `last` is the newest generation."""
    found = []
    for seat in seats:
        generation, role, version = seat["generation"], seat["role"], seat["version"]
        right = by_generation.get(generation, {}).get(role)
        if right != version:
            found.append(f"generation {generation}: {version} answered as {role}, but in the journal it is {right}")
    missing = set(range(min(by_generation), last + 1)) - set(by_generation)
    if missing:
        found.append(f"generations missing in the journal: {sorted(missing)[:10]}")
    if max(by_generation) > last:
        found.append(f"the journal has generation {max(by_generation)}, but operators got only {last}")
    return found
