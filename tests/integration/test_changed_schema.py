"""After apply the schema changes: counters stay exact, or verify says why not and apply repairs. Writers go on."""

from __future__ import annotations

import pytest
from support import DRIFT, App, failing

ONE, TWO = "md5('preset 1')::uuid", "md5('preset 2')::uuid"
WRITES = (
    f"INSERT INTO preset_usage (preset_id, user_id, usage_type) VALUES ({ONE}, md5('user 1')::uuid, 'showcase_creation')",
    "INSERT INTO preset_usage (preset_id, user_id, usage_type) SELECT md5('preset ' || 1 + n % 7)::uuid,"
    " md5('user 3')::uuid, 'showcase_creation' FROM generate_series(1, 30) n",
    "DELETE FROM preset_usage WHERE id IN (SELECT id FROM preset_usage WHERE user_id = md5('user 3')::uuid LIMIT 9)",
    f"UPDATE preset_usage SET preset_id = {TWO} WHERE preset_id = md5('preset 3')::uuid",
)
COPY = (
    "CREATE TABLE preset_usage (LIKE {old} INCLUDING ALL)",
    "ALTER TABLE preset_usage ADD FOREIGN KEY (preset_id) REFERENCES presets ON DELETE CASCADE",
    "INSERT INTO preset_usage SELECT * FROM {old}",
)


def write(app: App) -> None:
    for statement in WRITES:
        app.sql(statement)


def swapped(app: App, old: str, *moves: str) -> None:
    for statement in (*moves, *(statement.format(old=old) for statement in COPY)):
        app.sql(statement)


SWAPS = {
    "renamed away": ("preset_usage_old", "ALTER TABLE preset_usage RENAME TO preset_usage_old"),
    "moved away": ("old.preset_usage", "CREATE SCHEMA old", "ALTER TABLE preset_usage SET SCHEMA old"),
}  # fmt: skip
TO_THE_OLD = {
    "delete": "DELETE FROM {old} WHERE preset_id = md5('preset 1')::uuid",
    "insert": "INSERT INTO {old} (preset_id, user_id, usage_type) VALUES (md5('preset 1')::uuid, md5('user 1')::uuid, 'showcase_creation')",
    "move": "UPDATE {old} SET preset_id = md5('preset 2')::uuid WHERE preset_id = md5('preset 1')::uuid",
    "truncate": "TRUNCATE {old}",
}  # fmt: skip


@pytest.mark.parametrize("swap", SWAPS)
def test_a_table_that_was_swapped_away_does_not_count(fixed: App, swap: str) -> None:
    old, *moves = SWAPS[swap]
    swapped(fixed, old, *moves)
    assert fixed.drift() == (0, 0)
    for write_old in TO_THE_OLD.values():
        fixed.sql(write_old.format(old=old))
        assert fixed.drift() == (0, 0), write_old
    write(fixed)
    assert "trigger_enabled" in failing(fixed.usagefix("verify", "--format", "json"))
    repaired = fixed.usagefix("apply")
    assert repaired.code == 0, repaired.stderr
    write(fixed)
    assert fixed.drift() == (0, 0)
    fixed.sql("TRUNCATE preset_usage")
    assert fixed.usagefix("rollback", "--yes").code == 0
    assert fixed.one("SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'trigger_auto%'") == 0


# Keys: a counter is that of its preset's events, whatever became of the key.

FOREIGN_KEYS = {
    "update cascade, delete cascade": "REFERENCES presets ON UPDATE CASCADE ON DELETE CASCADE",
    "update cascade, delete default": "REFERENCES presets ON UPDATE CASCADE ON DELETE SET DEFAULT",
    "update cascade, deferred": "REFERENCES presets ON UPDATE CASCADE DEFERRABLE INITIALLY DEFERRED",
    "update cascade, not valid": "REFERENCES presets ON UPDATE CASCADE NOT VALID",
}  # fmt: skip
KEYS = {
    "one gets another": "UPDATE presets SET id = 1000 WHERE id = 3",
    "all move up": "UPDATE presets SET id = id + 1",
    "another takes its place": "WITH m AS (UPDATE presets SET id = 1000 WHERE id = 3 RETURNING name)"
    " INSERT INTO presets (id, name) SELECT 3, name FROM m",
    "deleted": "DELETE FROM presets WHERE id = 3",
    "events move": "UPDATE preset_usage SET preset_id = 4 WHERE preset_id = 3",
    "events move, and their preset": "WITH m AS (UPDATE preset_usage SET preset_id = 4 WHERE preset_id = 3 RETURNING id)"
    " UPDATE presets SET id = 1000 WHERE id = 5",
    "later uses": "UPDATE preset_usage SET created_at = now() WHERE preset_id = 3",
}  # fmt: skip


def with_numbers(app: App, foreign_key: str) -> None:
    """Presets 1, 2, 3 … in place of uuids, the newest first on disk, events of each."""
    for statement in (
        "DROP TABLE preset_notifications, preset_usage CASCADE",
        "DROP TRIGGER presets_notify_usage_milestone ON presets",
        "CREATE TEMPORARY TABLE before AS SELECT name FROM presets ORDER BY id LIMIT 12",
        "TRUNCATE presets",
        "ALTER TABLE presets DROP CONSTRAINT presets_pkey",
        "ALTER TABLE presets ALTER id DROP DEFAULT, ALTER id TYPE integer USING 0",
        "ALTER TABLE presets ADD PRIMARY KEY (id)",
        "INSERT INTO presets (id, name) SELECT 13 - row_number() OVER (), name FROM before",
        "CREATE TABLE preset_usage (id serial PRIMARY KEY, preset_id integer DEFAULT 1, user_id uuid, usage_type text,"
        " created_at timestamptz DEFAULT now() - interval '1 day')",
        "CREATE INDEX ON preset_usage (preset_id)",
        "INSERT INTO preset_usage (preset_id) SELECT p FROM generate_series(1, 12) p, generate_series(1, p) n",
        f"ALTER TABLE preset_usage ADD FOREIGN KEY (preset_id) {foreign_key}",
        "DROP FUNCTION track_preset_usage, increment_preset_usage CASCADE",
    ):
        app.sql(statement)


@pytest.mark.parametrize("foreign_key", FOREIGN_KEYS)
def test_keys_that_change(app: App, foreign_key: str) -> None:
    with_numbers(app, FOREIGN_KEYS[foreign_key])
    applied = app.usagefix("apply")
    assert applied.code == 0, applied.stderr
    wrong = {}
    for what, statement in KEYS.items():
        with app.connect(autocommit=False) as session:
            session.execute(statement.encode())
            found = session.execute(DRIFT).fetchone()
            if found != (0, 0):
                wrong[what] = found
            session.rollback()
    assert wrong == {}
