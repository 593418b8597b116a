"""An application whose names have capitals, blanks, quotes and percent signs, and are reserved words, or 63 bytes."""

from __future__ import annotations

from support import APPLICATIONS, App

from usagefix.counter import Counter
from usagefix.quoting import quoted

ODD = Counter(
    schema='My "Schema"',
    parent="select",
    key='the "Key"',
    column="Zähler %s",
    last="order",
    label="it's",
    child="100% of Events",
    foreign_key="p" * 63,
    time="user",
    event_id="No.",
    user="who?",
    kind="$kind$",
    data="--data",
    slug="Häufigkeit /* */",
    recorder="record it: 5 %",
    incrementer="table",
    daily="One a day",
)
PRESET = "00000000-0000-0000-0000-000000000001"
COLUMNS = {
    "presets": {"id": ODD.key, "usage_count": ODD.column, "last_used_at": ODD.last, "name": ODD.label},
    "preset_usage": {
        "preset_id": ODD.foreign_key, "created_at": ODD.time, "id": ODD.event_id, "user_id": ODD.user,
        "usage_type": ODD.kind, "usage_data": ODD.data,
    },
}  # fmt: skip
PARTITIONS = {
    "usage_old": "Old; ones", "usage_recent": "new & old", "usage_recent_samples": "where", "usage_recent_rest": "P" * 63,
}  # fmt: skip
OTHER = 'another "Schema"'


def make(app: App) -> None:
    """The sample application under these names, without what it does beside."""
    app.sql("DROP TRIGGER presets_touch_updated_at ON presets")
    app.sql("DROP TRIGGER presets_notify_usage_milestone ON presets")
    app.sql("DROP FUNCTION track_preset_usage, increment_preset_usage")
    app.sql(f"ALTER INDEX IF EXISTS idx_preset_usage_daily_unique RENAME TO {quoted(str(ODD.daily))}")
    for table, columns in COLUMNS.items():
        for usual, column in columns.items():
            app.sql(f"ALTER TABLE {table} RENAME COLUMN {usual} TO {quoted(str(column))}")
    app.sql(f"ALTER TABLE presets RENAME TO {quoted(ODD.parent)}")
    app.sql(f"ALTER TABLE preset_usage RENAME TO {quoted(ODD.child)}")
    app.sql(f"ALTER SCHEMA public RENAME TO {ODD.schema_sql}")
    app.sql(
        f"CREATE FUNCTION {ODD.schema_sql}.{quoted(str(ODD.recorder))}(preset uuid, kind text, data jsonb) RETURNS uuid"
        f" LANGUAGE sql AS $$ INSERT INTO {ODD.child_sql}"
        f" ({quoted(ODD.foreign_key)}, {quoted(str(ODD.user))}, {quoted(str(ODD.kind))}, {quoted(str(ODD.data))})"
        f" SELECT preset, auth.uid(), kind, data RETURNING {quoted(str(ODD.event_id))} $$"
    )


def make_partitioned(app: App) -> None:
    """The same with partitioned events, whose partitions have such names, too."""
    app.sql((APPLICATIONS / "partitioned.sql").read_text())
    app.sql("GRANT SELECT, INSERT ON preset_usage TO authenticated")
    for old, new in PARTITIONS.items():
        app.sql(f"ALTER TABLE {old} RENAME TO {quoted(new)}")
    make(app)


def make_code(app: App) -> None:
    """Code that counts by itself, and some that does not."""
    sql = ODD.sql
    count = f"UPDATE {ODD.parent_sql} SET {sql('column')} = {sql('column')} + 1 WHERE {sql('key')} = NEW.{sql('foreign_key')};"
    note = f"""INSERT INTO {quoted(OTHER)}."from" VALUES ('it''s noted'); -- {count}"""
    app.sql(f"CREATE SCHEMA {quoted(OTHER)}")
    app.sql(f'CREATE TABLE {quoted(OTHER)}."from" (what text)')
    for name, body in {"Count; it": count, "note ' and count": f"{note}\n    {count}", "touch %s": note}.items():
        table = ODD.parent_sql if name == "touch %s" else ODD.child_sql
        event = "BEFORE UPDATE" if name == "touch %s" else "AFTER INSERT"
        app.sql(
            f"CREATE FUNCTION {ODD.schema_sql}.{quoted(name)}() RETURNS trigger LANGUAGE plpgsql AS $f$\nBEGIN\n"
            f"    {body}\n    RETURN NEW;\nEND $f$"
        )
        app.sql(
            f"CREATE TRIGGER {quoted('on ' + name)} {event} ON {table} FOR EACH ROW EXECUTE FUNCTION"
            f" {ODD.schema_sql}.{quoted(name)}()"
        )
    app.sql(f"COMMENT ON TRIGGER \"on Count; it\" ON {ODD.child_sql} IS 'it''s ''quoted'' \\ twice'")


def make_recorder(app: App) -> None:
    """A function that records a use, once a day only, and counts it."""
    sql = ODD.sql
    name = f"{ODD.schema_sql}.{sql('recorder')}"
    app.sql(f"DROP FUNCTION {name}")
    app.sql(
        f"""CREATE FUNCTION {name}(preset uuid, kind text, data jsonb DEFAULT '{{}}') RETURNS uuid
        LANGUAGE plpgsql SECURITY DEFINER AS $f$
        DECLARE "new id" uuid;
        BEGIN
            INSERT INTO {ODD.child_sql} ({sql("foreign_key")}, {sql("user")}, {sql("kind")}, {sql("data")})
            VALUES (preset, auth.uid(), kind, data)
            ON CONFLICT ({sql("foreign_key")}, {sql("user")}, {sql("kind")}, (({sql("time")} AT TIME ZONE 'UTC')::date))
            DO NOTHING RETURNING {sql("event_id")} INTO "new id";
            UPDATE {ODD.parent_sql} SET {sql("column")} = {sql("column")} + 1 WHERE {sql("key")} = preset;
            RETURN "new id";
        END $f$"""
    )
