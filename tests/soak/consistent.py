"""Do the answers agree with what operators were told and what the journal says? Pure functions over what was seen."""

ROLES = ("stable", "canary", "teacher")


def roles_by_generation(entries):
    """Who fills which role in each generation that lines of the journal made."""
    return {entry["to"]["generation"]: roles(entry["to"]) for entry in entries if entry.get("to")}


def roles(assignment):
    return {role: assignment.get(role) for role in ROLES}


def contradictions(by_generation, seats, last):
    """Answers that name a version, role or generation other than the journal's; `last` is the newest generation there is."""
    found = []
    for seat in seats:
        generation, role, version = seat["generation"], seat["role"], seat["version"]
        right = by_generation.get(generation, {}).get(role)
        if right != version:
            found.append(f"generation {generation}: {version} answered as {role}, by the journal it is {right}")
    missing = set(range(min(by_generation), last + 1)) - set(by_generation)
    if missing:
        found.append(f"generations that the journal doesn't know: {sorted(missing)[:10]}")
    if max(by_generation) > last:
        found.append(f"the journal knows generation {max(by_generation)}, but operators were told of {last} only")
    return found
