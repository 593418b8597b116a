"""What counts writes straight into a partition: triggers of its own; row by row where it comes later."""

from __future__ import annotations

from collections.abc import Iterator

from usagefix.catalog import Face, Migration, Statement
from usagefix.planning.plan import signature_of
from usagefix.planning.scene import EventTable, Scene


def on_partitions(scene: Scene, migration: Migration) -> Iterator[Statement]:
    """What counts writes straight into a partition: triggers of its own; row by row where it comes later."""
    if not scene.partitioned:
        return
    yield from migration.partitions(scene.counter)
    for table in scene.tree:
        if table.kind == "p":
            yield from _noting(scene, table)
        if not table.whole:
            yield from _own_triggers(scene, migration, table)


def _noting(scene: Scene, table: EventTable) -> Iterator[Statement]:
    for role, timing in (("trigger_auto_note_enter", "BEFORE"), ("trigger_auto_note_leave", "AFTER")):
        yield Statement(
            f"Count statements on the whole of {table.name} as a whole" if timing == "BEFORE" else "",
            f"CREATE OR REPLACE TRIGGER {scene.counter.sql(role)}\n"
            f"    {timing} INSERT OR DELETE OR UPDATE{' OR TRUNCATE' if table.whole else ''} ON {table.name}\n"
            f"    FOR EACH STATEMENT EXECUTE FUNCTION {signature_of(scene, 'auto_note')};",
        )


def _own_triggers(scene: Scene, migration: Migration, table: EventTable) -> Iterator[Statement]:
    purpose = f"The triggers of partition {table.name}"
    for statement in migration.statements(Face.APPLY, scene.counter):
        text = statement.text
        if not text.startswith("CREATE OR REPLACE TRIGGER") or ("TRUNCATE" in text and table.kind == "p"):
            continue
        text = text.replace(f" ON {scene.counter.child_sql}", f" ON {table.name}")
        yield Statement(purpose, text.replace("AFTER TRUNCATE", "BEFORE TRUNCATE"))
        purpose = ""
    if table.kind == "r":  # it would do nothing, as often as there are rows
        row = scene.counter.sql("trigger_auto_count_row")
        yield Statement("", f"ALTER TABLE {table.name} DISABLE TRIGGER {row};")
