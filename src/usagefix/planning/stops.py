"""Statements that stop a plan on a database that is not, or no longer, the one that it was made for."""

from __future__ import annotations

from usagefix.catalog import Statement
from usagefix.planning.plan import Edit, array
from usagefix.planning.scene import Scene
from usagefix.planning.trial import literal


def stop_if_changed(scene: Scene, edits: list[Edit]) -> Statement:
    """An edit is made of a text that was read before: what changed since must not be lost."""
    expected = ",\n            ".join(
        f"({literal(edit.function.signature)},\n            "
        f"{literal(scene.counter.md5(edit.function.body))}, {literal(scene.counter.md5(edit.body))})"
        for edit in edits
    )
    return Statement(
        "Stop where a function is not the one that this was written for",
        f"""DO $do$
BEGIN
    IF EXISTS (
        SELECT FROM (VALUES {expected}) AS expected (signature, before, after)
        LEFT JOIN pg_proc AS functions ON functions.oid = to_regprocedure(expected.signature)
        WHERE COALESCE(md5(functions.prosrc), '') NOT IN (expected.before, expected.after)
    ) THEN
        RAISE EXCEPTION 'a function is not the one that this script was written for'
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Write the script anew.';
    END IF;
END
$do$;""",
    )


def stop_if_triggered(scene: Scene, edits: list[Edit]) -> Statement:
    """For a script that runs without a trial, and later: a trigger that was not read may count, too."""
    bodies = {f.oid: [f.body] for f in scene.code.functions}
    for edit in edits:
        bodies[edit.function.oid] = [edit.function.body, edit.body]
    read = [
        f"{trigger.name} {scene.counter.md5(body)}"
        for trigger in scene.triggers_on("preset_usage")
        if trigger.name not in scene.counter.triggers
        for body in bodies.get(trigger.function, [])
    ]
    return Statement(
        "Stop where an event fires a trigger that was not there, or not the same, when this was written",
        f"""DO $do$
DECLARE
    unread text;
BEGIN
    SELECT string_agg(existing.tgname, ', ') INTO unread
    FROM pg_trigger AS existing JOIN pg_proc AS functions ON functions.oid = existing.tgfoid
    WHERE existing.tgrelid = {literal(scene.counter.child_sql)}::regclass AND NOT existing.tgisinternal
        AND existing.tgname <> ALL ({array(sorted(scene.counter.triggers))})
        AND concat(existing.tgname, ' ', md5(functions.prosrc)) <> ALL ({array(read)});
    IF unread IS NOT NULL THEN
        RAISE EXCEPTION 'this script was written before trigger %, which may count, too', unread
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Write the script anew.';
    END IF;
END
$do$;""",  # noqa: S608 - literals of our own
    )
