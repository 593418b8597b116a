"""The checks that only reading code can answer: what else counts, what the functions that record uses do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from usagefix.models.verification import Check, Status
from usagefix.nouns import nouns
from usagefix.picture.code import Code, routine
from usagefix.picture.edits import of_edits, of_recorders, of_triggers
from usagefix.picture.obstacles import Obstacle


def code_checks(seen: Code, *, counted: bool) -> list[Check]:
    """These checks, which say what apply will refuse. ``counted``: the counting trigger is there."""
    checks = [_foretold(_counted_once(seen, counted=counted), of_triggers(seen))]
    if seen.counter.daily is not None:
        checks.append(_foretold(_daily_limit_gone(seen), of_edits(seen)))
    if seen.counter.recorder is not None:
        checks.append(_foretold(_recorder(seen), of_recorders(seen)))
    return checks


def on_path(seen: Code, check: Check, path: Sequence[str]) -> Check:
    """A check of a function that counts, whose path may lack what triggers on the counters' table need. ``path``: the
    schemas besides the application's own that apply puts there, as SQL writes them."""
    name = check.object.removesuffix("()") if check.check_id.endswith("_current") else ""
    function = next((f for f in seen.functions if (f.schema, f.name) == (seen.counter.schema, name)), None)
    if check.failed or function is None or not function.search_path:
        return check
    plain = {schema: schema[1:-1].replace('""', '"') if schema.startswith('"') else schema for schema in path}
    lacking = ", ".join(schema for schema in path if plain[schema] not in function.schemas)
    detail = f"its search_path lacks {lacking}, where triggers on {nouns(seen.counter).parent} may look"
    return replace(check, status=Status.OUTDATED, detail=detail) if lacking else check


def _foretold(check: Check, refused: Iterable[Obstacle]) -> Check:
    """A check that has failed, with what apply cannot do about it, and a person must."""
    for obstacle in refused:
        if check.failed and check.hint == "usagefix apply":
            detail = f"{check.detail}; apply cannot change that: {obstacle.what}"
            return replace(check, detail=detail, hint=obstacle.hint.replace("run this again", "run usagefix apply"))
    return check


def _counted_once(seen: Code, *, counted: bool) -> Check:
    names = ", ".join(sorted(str(trigger) for trigger in seen.counting_triggers))
    words = nouns(seen.counter)
    detail = f"also counts, so {words.events} would count twice: {names}" if counted else f"counted by {names}"
    return Check(
        "counted_once",
        f"Nothing else counts {words.events}",
        Status.OK if not names else Status.FAILED if counted else Status.UNEXPECTED,
        seen.counter.child,
        detail if names else "no other trigger changes the counter",
        "usagefix apply",
    )


def _daily_limit_gone(seen: Code) -> Check:
    limit = seen.limits[0] if seen.limits else None
    name = (limit.constraint_name or limit.name.rpartition(".")[2]) if limit else seen.counter.daily or ""
    detail = "refuses the second use on a day"
    if name != seen.counter.daily:
        detail = f"{name} {detail}"
    return Check(
        "daily_limit_gone",
        "No daily limit",
        Status.UNEXPECTED if limit else Status.OK,
        name,
        detail if limit else "no such index",
        "usagefix apply",
    )


def _recorder(seen: Code) -> Check:
    name = f"{seen.counter.recorder}()"
    states = [seen.reader.recorder_state(routine(function)) for function in seen.recorders]
    unknown = sorted({column for state in states for column in state.unknown})
    status = Status.FAILED
    if not states:
        status, detail = Status.SKIPPED, "no such function"
    elif any(state.limited for state in states):
        detail = "depends on the daily limit"
    elif any(state.counting for state in states):
        detail = f"changes the counter itself: {nouns(seen.counter).events} would count twice once the trigger is there"
    elif unknown:
        detail = f"names columns that {seen.counter.child} lacks: {', '.join(unknown)}"
    elif any(state.unfinished for state in states):
        status, detail = Status.OUTDATED, "apply was interrupted before it dropped the daily limit"
    else:
        status, detail = Status.OK, "it has no daily limit and does not count"
    return Check("tracker_inserts_only", f"{name} only inserts", status, name, detail, "usagefix apply")
