"""What stops a plan on a database that is not, or no longer, the one that it was made for."""

from __future__ import annotations

from usagefix.catalog import Statement
from usagefix.planning.plan import Edit
from usagefix.planning.scene import Scene
from usagefix.quoting import literal

_LINE = 100  # characters, beside what stands before them
_PARTITIONS = ("trigger_auto_count_row", "trigger_auto_note")


def stop_if_changed(scene: Scene, edits: list[Edit], *, later: bool) -> Statement:
    """An edit is made of a text that was read before: what changed since must not be lost. ``later``: for a script that
    runs without a trial, some time from now, when a trigger that nobody has read may count, too."""
    md5 = scene.counter.md5
    known = [f"{edit.function.signature} {md5(body)}" for edit in edits for body in (edit.function.body, edit.body)]
    queries = [_functions(edits)] if edits else []
    if later:
        known += _read(scene, edits)
        queries.insert(0, _triggers(scene))
    found = "\n        UNION ALL\n        ".join(queries)
    return Statement(
        "Stop if a trigger of the events, or a function edited below, has changed since this was written",
        f"""DO $do$ DECLARE
    changed text;
BEGIN
    SELECT string_agg(found.what, '; ') INTO changed FROM (
        {found}
    ) AS found (what, known)
    WHERE found.known <> ALL ({folded(known)});
    IF changed IS NOT NULL THEN
        RAISE EXCEPTION 'this script was written before %', changed
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Write the script anew.';
    END IF;
END $do$;""",  # noqa: S608 - literals of our own
        early=True,
    )


def _functions(edits: list[Edit]) -> str:
    return f"""SELECT format('%s changed', signature), concat(signature, ' ', md5(prosrc))
        FROM unnest({folded([edit.function.signature for edit in edits])}) AS signature
        LEFT JOIN pg_proc ON oid = to_regprocedure(signature)"""  # noqa: S608 - literals of our own


def _triggers(scene: Scene) -> str:
    ours = [
        name
        for role, name in scene.counter.objects.items()
        if role.startswith("trigger_") and (scene.partitioned or not role.startswith(_PARTITIONS))
    ]
    return f"""SELECT format('trigger %s, which may count, too', tgname), concat(tgname, ' ', md5(prosrc))
        FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid
        WHERE tgrelid = {literal(scene.counter.child_sql)}::regclass AND NOT tgisinternal
            AND tgname <> ALL ({folded(ours)})"""  # noqa: S608 - literals of our own


def _read(scene: Scene, edits: list[Edit]) -> list[str]:
    """The triggers that were read, each with what it runs before and after the edits."""
    bodies = {f.oid: [f.body] for f in scene.code.functions}
    bodies |= {edit.function.oid: [edit.function.body, edit.body] for edit in edits}
    return [
        f"{trigger.name} {scene.counter.md5(body)}"
        for trigger in scene.triggers_on("preset_usage")
        if trigger.name not in scene.counter.triggers
        for body in bodies.get(trigger.function, [])
    ]


def folded(texts: list[str]) -> str:
    """Texts as an array in SQL, in lines that are read without scrolling."""
    lines = [""]
    for text in map(literal, texts):
        if lines[-1] and len(lines[-1]) + len(text) > _LINE:
            lines.append("")
        lines[-1] += f"{text}, "
    body = "\n            ".join(line.rstrip() for line in lines).rstrip(",")
    return f"ARRAY[{body}]::text[]" if len(lines) == 1 else f"ARRAY[\n            {body}]::text[]"
