"""Throttled notifications: unread ones of one preset become one, nothing else does, and the way back is whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest
from support import App, Result, give_everything_to, role

TRIGGER, FUNCTION = "zz_collapse_preset_notifications", "collapse_preset_notifications"
USES = "CASE jsonb_typeof(data -> 'uses') WHEN 'number' THEN (data ->> 'uses')::numeric ELSE 1 END"
COLUMNS = "preset_id, creator_id, type, title, message"
VALUES = "md5('preset ' || {p})::uuid, md5('user ' || {u})::uuid, '{kind}', 'Used', 'Somebody used it'"


def collapse(app: App, *options: str) -> Result:
    done = app.usagefix("notifications", "collapse", *options)
    assert done.code == 0, done.stderr
    return done


def notify(app: App, p: int = 1, u: int = 1, kind: str = "preset_used", times: int = 1, **more: str) -> None:
    """Notifications, each in a statement of its own; ``more``: further columns, as SQL."""
    columns = ", ".join([COLUMNS, *more])
    values = ", ".join([VALUES.format(p=p, u=u, kind=kind), *more.values()])
    for _ in range(times):
        app.sql(f"INSERT INTO preset_notifications ({columns}) VALUES ({values})")


def rows(app: App, where: str = "true") -> list[tuple[Any, ...]]:
    return app.sql(f"SELECT id, {USES}::integer, data FROM preset_notifications WHERE {where} ORDER BY created_at, id")


@pytest.fixture
def notified(app: App) -> App:
    """The sample without notifications."""
    app.sql("DELETE FROM preset_notifications")
    return app


@pytest.fixture
def throttled(notified: App) -> App:
    collapse(notified)
    return notified


def test_unread_ones_of_a_preset_become_one(throttled: App) -> None:
    notify(throttled)
    ((first, uses, data),) = rows(throttled)
    assert (uses, data) == (1, {})
    begun = throttled.one("SELECT created_at FROM preset_notifications")
    notify(throttled, times=4)
    ((same, uses, data),) = rows(throttled)
    assert (same, uses, data) == (first, 5, {"uses": 5}), "the row keeps its id"
    assert throttled.one("SELECT created_at FROM preset_notifications") > begun
    notify(throttled, p=2)
    notify(throttled, u=2)
    notify(throttled, kind="preset_liked")
    assert len(rows(throttled)) == 4, "another preset, recipient or type"
    report = throttled.usagefix("notifications", "--format", "json").json
    (throttle,) = report["throttles"]
    assert (throttle["mode"], throttle["window"], throttle["collapsed"]) == ("collapse", "12 hours", 4)
    assert throttle["roles"]["recipient"] == "creator_id"
    notify(throttled, p=4, times=9)
    assert (
        throttled.usagefix("notifications", "--format", "json").json["throttles"][0]["by_preset"][0]["collapsed"] == 8
    )
    assert throttle["by_preset"] == [
        {"id": throttled.preset(1), "label": "Golden hour", "collapsed": 4, "notifications": 1}
    ]


def test_what_is_read_or_old_or_about_nothing_stays_by_itself(throttled: App) -> None:
    throttled.sql("ALTER TABLE preset_notifications ALTER preset_id DROP NOT NULL, ALTER type DROP NOT NULL")
    notify(throttled, times=2)
    throttled.sql("UPDATE preset_notifications SET is_read = true")
    notify(throttled, times=2)
    assert [uses for _, uses, _ in rows(throttled)] == [2, 2], "what was read is not added to"
    throttled.sql("UPDATE preset_notifications SET created_at = created_at - interval '12 hours 1 second'")
    notify(throttled, times=2)
    assert [uses for _, uses, _ in rows(throttled)] == [2, 2, 2], "nor what is older than the window"
    notify(throttled, is_read="true")
    notify(throttled, created_at="now() - interval '100 days'")
    throttled.sql(
        f"INSERT INTO preset_notifications ({COLUMNS}) SELECT NULL, md5('user 1')::uuid, 'preset_used', 'a', 'b'"
        " FROM generate_series(1, 3)"
    )
    assert len(rows(throttled)) == 8
    assert sum(uses for _, uses, _ in rows(throttled)) == 11


def test_only_some_types(notified: App) -> None:
    notify(notified, kind="preset_used")
    notify(notified, kind="it''s, a \\ milestone")
    assert "(it's, a \\ milestone, preset_used)" in " ".join(collapse(notified, "--format", "json").json["remarks"])
    done = collapse(notified, "--only-type", "preset_used", "--only-type", "it's, a \\ type", "--format", "json").json
    assert (done["throttles"][0]["only"], done["remarks"][:-1]) == (["preset_used", "it's, a \\ type"], [])
    for kind in ("preset_used", "it''s, a \\ type", "usage_milestone"):
        notify(notified, p=2, kind=kind, times=3)
    found = notified.sql(
        f"SELECT type, {USES}::integer FROM preset_notifications WHERE preset_id = %s::uuid", notified.preset(2)
    )
    assert sorted(found) == [("it's, a \\ type", 3), ("preset_used", 3), *[("usage_milestone", 1)] * 3]
    assert notified.usagefix("notifications").code == 0
    notified.sql("ALTER TABLE preset_notifications RENAME type TO what")
    assert "--type-column" in notified.usagefix("notifications", "collapse", "--only-type", "x").stderr


def test_many_rows_of_a_statement_and_a_copy(throttled: App) -> None:
    many = f"INSERT INTO preset_notifications ({COLUMNS}) SELECT {VALUES.format(p='(1 + n % 3)', u='(1 + n % 3)', kind='x')} FROM generate_series(1, 30) n"
    throttled.sql(many)
    row = (throttled.preset(1), throttled.user_id(1), "x", "t", "m")
    with (
        throttled.db.cursor() as cursor,
        cursor.copy(f"COPY preset_notifications ({COLUMNS}) FROM STDIN".encode()) as copy,
    ):
        for _ in range(6):
            copy.write_row(row)
    assert sorted(uses for _, uses, _ in rows(throttled)) == [10, 10, 16]


def test_up_to_three_who_did_it(notified: App) -> None:
    notify(notified, p=9, data="""'{"actor_id": "somebody"}'""")
    assert collapse(notified, "--format", "json").json["throttles"][0]["roles"]["actor_key"] == "actor_id"
    for name in ("Ann", "Bo", "Ann", "Cy", "Di", "Bo"):
        notify(notified, data=f"""'{{"actor_id": "{name}", "usage_type": "x"}}'""")
    notify(notified, data="""'{"actor_id": null}'""")
    ((_, uses, data),) = rows(notified, f"preset_id <> '{notified.preset(9)}'")
    assert (uses, data) == (7, {"actor_id": "Ann", "usage_type": "x", "uses": 7, "actors": ["Ann", "Bo", "Cy"]})
    notified.sql("ALTER TABLE preset_notifications ADD actor_id integer, ADD actors text, ADD span text, ADD one text")
    collapse(notified)
    for number in (1, 2, 2):
        notify(notified, p=2, actor_id=str(number))
    assert rows(notified, f"preset_id = '{notified.preset(2)}'")[0][2] == {"uses": 3, "actors": [1, 2]}


ODD = ("'[1, 2]'", "'\"text\"'", '\'{"uses": "many"}\'', "'{\"uses\": {}}'", "'null'")


def test_data_of_an_odd_shape_fails_nothing(throttled: App) -> None:
    throttled.sql("ALTER TABLE preset_notifications ALTER data DROP NOT NULL")
    for number, data in enumerate(ODD, start=1):
        notify(throttled, p=number, times=2, data=data)
    assert len(rows(throttled)) == 2 * len(ODD), "nothing can be counted there, so they stay by themselves"
    notify(throttled, p=20, data="NULL")
    notify(throttled, p=20, data="""'{"uses": 5}'""")
    notify(throttled, p=20, data="""'[]'""")
    assert rows(throttled, f"preset_id = '{throttled.preset(20)}'")[0][1:] == (7, {"uses": 7})


def test_a_throttle_that_fails_fails_no_use(throttled: App) -> None:
    told: list[str] = []
    throttled.db.add_notice_handler(lambda notice: told.append(str(notice.message_primary)))
    notify(throttled)
    throttled.sql("ALTER TABLE preset_notifications ADD CONSTRAINT small CHECK (data = '{}')")
    notify(throttled, times=2)
    assert len(rows(throttled)) == 3
    assert "a notification was not merged: new row for relation" in told[-1]
    throttled.sql("ALTER TABLE preset_notifications DROP CONSTRAINT small")
    throttled.sql("ALTER TABLE preset_notifications RENAME is_read TO was_read")
    notify(throttled)
    assert len(rows(throttled)) == 4, "a column is gone: a record of the new row has no such field"


def test_a_use_counts_whatever_becomes_of_its_notification(fixed: App) -> None:
    fixed.sql("DELETE FROM preset_notifications")
    collapse(fixed)
    fixed.sql(
        "CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO public.preset_notifications"
        " (preset_id, creator_id, type, title, message) VALUES (NEW.preset_id, NEW.user_id, ''preset_used'', ''t'', ''m'');"
        " RETURN NULL; END'"
    )
    fixed.sql("CREATE TRIGGER tell AFTER INSERT ON preset_usage FOR EACH ROW EXECUTE FUNCTION tell()")
    before = fixed.one("SELECT count(*) FROM preset_usage")
    fixed.use(fixed.preset(1), times=10)
    assert [uses for _, uses, _ in rows(fixed, "type = 'preset_used'")] == [10]
    fixed.sql(
        "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''no''; END'"
    )
    fixed.sql("CREATE TRIGGER refuse BEFORE UPDATE ON preset_notifications FOR EACH ROW EXECUTE FUNCTION refuse()")
    fixed.use(fixed.preset(1), times=10)
    assert sum(uses for _, uses, _ in rows(fixed, "type = 'preset_used'")) == 20
    assert fixed.one("SELECT count(*) FROM preset_usage") == before + 20
    assert fixed.drift() == (0, 0)


def test_the_application_s_own_function(throttled: App) -> None:
    """As a user with row level security on, through a function of the owner's; and by the user herself."""
    throttled.sql("DROP INDEX idx_preset_usage_daily_unique CASCADE")
    throttled.sql("UPDATE presets SET user_id = md5('user 2')::uuid, is_public = true WHERE id = md5('preset 1')::uuid")
    assert throttled.usagefix("apply").code == 0
    with throttled.connect() as user:
        user.execute(f"SET request.jwt.claim.sub = '{throttled.user_id(1)}'".encode())
        user.execute("SET ROLE authenticated")
        for _ in range(3):
            user.execute(b"SELECT track_preset_usage(md5('preset 1')::uuid, 'showcase_creation')")
    assert [uses for _, uses, _ in rows(throttled, "type = 'preset_used'")] == [3]
    throttled.sql("GRANT INSERT ON preset_notifications TO authenticated")
    throttled.sql("CREATE POLICY mine ON preset_notifications FOR INSERT WITH CHECK (creator_id = auth.uid())")
    mine = f"INSERT INTO preset_notifications ({COLUMNS}) VALUES ({VALUES.format(p=1, u=2, kind='preset_used')})"
    with throttled.connect() as user:
        user.execute(f"SET request.jwt.claim.sub = '{throttled.user_id(1)}'".encode())
        user.execute("SET ROLE authenticated")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            user.execute(mine.encode())
    assert [uses for _, uses, _ in rows(throttled, "type = 'preset_used'")] == [3], "nobody adds to what is not theirs"
    remarks = " ".join(throttled.usagefix("notifications", "--format", "json").json["remarks"])
    assert "authenticated may insert" in remarks


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_a_fixed_snapshot_loses_nothing_and_fails_nothing(throttled: App, level: str) -> None:
    insert = f"INSERT INTO preset_notifications ({COLUMNS}) VALUES ({VALUES.format(p=1, u=1, kind='x')})".encode()
    notify(throttled, kind="x")
    with throttled.connect(autocommit=False) as one, throttled.connect(autocommit=False) as two:
        for connection in (one, two):
            connection.execute(f"SET TRANSACTION ISOLATION LEVEL {level}".encode())
            connection.execute(b"SELECT count(*) FROM presets")
        one.execute(insert)
        one.commit()
        two.execute(insert)
        two.commit()
    found = [uses for _, uses, _ in rows(throttled)]
    assert sum(found) == 3
    assert found == ([2, 1] if level == "REPEATABLE READ" else [1, 1, 1]), "what it cannot see, it leaves alone"


def test_without_a_column_for_the_count(notified: App) -> None:
    notified.sql("ALTER TABLE preset_notifications DROP COLUMN data")
    done = collapse(notified, "--window", "30m", "--format", "json").json
    assert (done["throttles"][0]["mode"], done["throttles"][0]["window"]) == ("drop", "30 minutes")
    assert done["throttles"][0]["collapsed"] is None
    assert "the mode is drop" in " ".join(done["remarks"])
    notify(notified, times=5)
    assert notified.one("SELECT count(*) FROM preset_notifications") == 1
    notified.sql("UPDATE preset_notifications SET created_at = created_at - interval '31 minutes'")
    notify(notified, times=5)
    assert notified.one("SELECT count(*) FROM preset_notifications") == 2


def test_another_application_s_table(empty: App) -> None:
    empty.sql('CREATE SCHEMA "My app"')
    empty.sql(
        'CREATE TABLE "My app"."Users" (id serial PRIMARY KEY); CREATE TABLE "My app".posts (id serial PRIMARY KEY);'
        'CREATE TABLE "My app"."Likes %s notes" (id serial, "user" integer REFERENCES "My app"."Users", post integer'
        ' REFERENCES "My app".posts, "read at" timestamptz, meta jsonb, inserted_at timestamp DEFAULT now());'
        'INSERT INTO "My app"."Users" VALUES (1), (2); INSERT INTO "My app".posts VALUES (1), (2)'
    )
    table = '"My app"."Likes %s notes"'
    before = empty.dump()
    refused = empty.usagefix("notifications", "collapse", "--table", table)
    assert refused.code == 2
    assert "--recipient" in refused.stderr
    done = collapse(empty, "--table", table, "--recipient", "user", "--read-column", "read at", "--format", "json").json
    roles = done["throttles"][0]["roles"]
    assert (roles["preset"], roles["time"], roles["data"], roles["type"]) == ("post", "inserted_at", "meta", None)
    assert "--type-column" in " ".join(done["remarks"])
    for user, post in ((1, 1), (1, 1), (2, 1), (1, 2), (1, 1)):
        empty.sql(f'INSERT INTO {table.replace("%", "%%")} ("user", post) VALUES (%s, %s)', user, post)
    assert sorted(empty.sql(f"SELECT \"user\", post, meta ->> 'uses' FROM {table}")) == [
        (1, 1, "3"),
        (1, 2, None),
        (2, 1, None),
    ]
    assert empty.usagefix("notifications", "off", "--table", table).code == 0
    assert empty.dump() == before


def test_on_and_off_leave_the_schema_as_it_was(app: App) -> None:
    before = app.dump()
    planned = app.usagefix("notifications", "collapse", "--dry-run", "--format", "json").json
    assert app.dump() == before
    collapse(app)
    made = app.dump()
    assert made != before
    assert collapse(app, "--format", "json").json["changed"] is False
    assert app.dump() == made
    assert collapse(app, "--window", "2d", "--format", "json").json["throttles"][0]["window"] == "48 hours"
    assert app.usagefix("notifications", "off", "--dry-run").code == 0
    off = app.usagefix("notifications", "off", "--format", "json").json
    assert (off["changed"], off["throttles"]) == (True, [])
    assert app.dump() == before
    again = app.usagefix("notifications", "off", "--format", "json")
    assert (again.code, again.json["changed"]) == (0, False)
    with app.db.transaction():
        for statement in planned["plan"]:
            app.sql(statement)
    assert app.dump() == made, "a dry run prints all of it"


@pytest.mark.parametrize("gone", [f"DROP TRIGGER {TRIGGER} ON preset_notifications", "DROP TABLE preset_notifications"])
def test_a_function_that_is_left_goes(throttled: App, gone: str) -> None:
    throttled.sql(gone)
    assert throttled.usagefix("notifications").code == 0
    assert throttled.usagefix("notifications", "off").code == 0
    assert throttled.one(f"SELECT count(*) FROM pg_proc WHERE proname = '{FUNCTION}'") == 0
    assert throttled.usagefix("notifications", "off").code == (2 if "TABLE preset" in gone else 0)


def test_a_copy_that_takes_the_place_of_the_table(throttled: App) -> None:
    throttled.sql("ALTER TABLE preset_notifications RENAME TO old")
    throttled.sql("CREATE TABLE preset_notifications (LIKE old INCLUDING ALL)")
    refused = throttled.usagefix("notifications", "collapse")
    assert (refused.code, FUNCTION in refused.stderr) == (1, True)
    assert throttled.usagefix("notifications", "off", "--table", "old").code == 0
    collapse(throttled)
    notify(throttled, times=2)
    assert [uses for _, uses, _ in rows(throttled)] == [2]


def test_code_of_a_type_that_somebody_made_is_not_run(notified: App) -> None:
    """A superuser looks at a table of somebody's whose columns have casts of their own."""
    with role(notified, "mallory", grants="GRANT CREATE ON SCHEMA public TO mallory"):
        notified.db.execute(
            b"SET ROLE mallory; CREATE TABLE leaked (who text); CREATE TYPE trap AS (v text);"
            b"CREATE FUNCTION spring(trap) RETURNS text LANGUAGE plpgsql AS"
            b" 'BEGIN INSERT INTO public.leaked VALUES (current_user); RETURN ''x''; END';"
            b"CREATE FUNCTION opens(trap) RETURNS jsonb LANGUAGE plpgsql AS"
            b" 'BEGIN INSERT INTO public.leaked VALUES (current_user); RETURN ''{\"uses\": 3}''; END';"
            b"CREATE CAST (trap AS text) WITH FUNCTION spring(trap) AS ASSIGNMENT;"
            b"CREATE CAST (trap AS jsonb) WITH FUNCTION opens(trap) AS IMPLICIT;"
            b"CREATE TABLE news (user_id integer, preset_id integer, data trap, type trap, created_at timestamptz);"
            b"INSERT INTO news VALUES (1, 1, ROW('a'), ROW('b'), now());"
            b"CREATE FUNCTION collapse_news() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
            b"CREATE TRIGGER zz_collapse_news BEFORE INSERT ON news FOR EACH ROW EXECUTE FUNCTION collapse_news("
            b"'1 hour', '', 'recipient=user_id', 'preset=type', 'time=created_at', 'data=data');"
            b"CREATE TRIGGER zz_collapse_odd BEFORE INSERT ON news FOR EACH ROW EXECUTE FUNCTION collapse_news("
            b"'1 hour', '', 'recipient=$do$', 'preset=type', 'time=created_at', 'data=data'); RESET ROLE"
        )
        assert notified.usagefix("notifications").code == 1
        assert notified.usagefix("status").code == 0
        notified.sql("DROP TRIGGER zz_collapse_news ON news")
        notified.usagefix("notifications", "collapse", "--table", "news", "--type-column", "type")
        assert notified.sql("SELECT * FROM leaked") == []


def test_apply_and_rollback_pass_it_by(app: App) -> None:
    collapse(app)
    made = app.dump()
    assert app.usagefix("apply").code == 0
    assert app.usagefix("notifications").code == 0
    assert app.usagefix("rollback", "--yes", "--purge").code == 0
    assert app.dump() == made
    notify(app, p=30, times=3)
    assert [uses for _, uses, _ in rows(app, f"preset_id = '{app.preset(30)}'")] == [3]


def test_where_there_is_a_ledger_its_history_notes_it(fixed: App) -> None:
    collapse(fixed)
    assert fixed.usagefix("notifications", "off").code == 0
    noted = fixed.sql(
        "SELECT action FROM usagefix.history WHERE counter = 'public.preset_notifications' ORDER BY entry"
    )
    assert noted == [("apply",), ("rollback",)]
    assert fixed.usagefix("verify").code == 0


def test_an_ordinary_owner(app: App) -> None:
    app.sql("DELETE FROM preset_notifications")
    with role(app, "maker"):
        give_everything_to(app, "maker")
        before = app.dump()
        as_maker = {"DATABASE_URL": app.url("maker")}
        assert app.usagefix("notifications", "collapse", **as_maker).code == 0
        assert app.usagefix("apply", **as_maker).code == 0
        assert app.usagefix("notifications", "collapse", "--window", "1h", **as_maker).code == 0
        assert app.one("SELECT count(*) FROM usagefix.history WHERE counter = 'public.preset_notifications'") == 1
        with app.connect(user="maker") as maker:
            for _ in range(3):
                maker.execute(
                    f"INSERT INTO preset_notifications ({COLUMNS}) VALUES ({VALUES.format(p=1, u=1, kind='x')})".encode()
                )
        assert [uses for _, uses, _ in rows(app)] == [3]
        again = app.usagefix("notifications", "collapse", "--format", "json", **as_maker).json
        assert "data.uses exists in some notifications already" in " ".join(again["remarks"])
        assert app.usagefix("rollback", "--yes", **as_maker).code == 0
        assert app.usagefix("notifications", "off", **as_maker).code == 0
        assert app.dump() == before


def test_it_sees_what_other_triggers_make_of_the_row(throttled: App) -> None:
    throttled.sql("ALTER TABLE preset_notifications ALTER creator_id DROP NOT NULL")
    throttled.sql(
        "CREATE FUNCTION whose() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN SELECT user_id INTO NEW.creator_id FROM presets"
        " WHERE id = NEW.preset_id; RETURN NEW; END'"
    )
    throttled.sql("CREATE TRIGGER whose BEFORE INSERT ON preset_notifications FOR EACH ROW EXECUTE FUNCTION whose()")
    throttled.sql("UPDATE presets SET user_id = md5('user 3')::uuid WHERE id = md5('preset 1')::uuid")
    for user in (1, 2, 3):
        notify(throttled, u=user)
    assert [uses for _, uses, _ in rows(throttled)] == [3]


def test_only_who_owns_the_table(app: App) -> None:
    with role(app, "somebody", grants="GRANT ALL ON preset_notifications TO somebody"):
        done = app.usagefix("notifications", "collapse", DATABASE_URL=app.url("somebody"))
        assert done.code == 5
        assert "connect as postgres" in done.stderr
        assert app.usagefix("notifications", DATABASE_URL=app.url("somebody")).code == 0


def test_the_function_belongs_to_the_table_s_owner_and_nobody_may_call_it(app: App) -> None:
    with role(app, "owner", grants="GRANT CREATE ON SCHEMA public TO owner"):
        app.sql("ALTER TABLE preset_notifications OWNER TO owner")
        app.sql("ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO authenticated")
        collapse(app)
        owner, acl = app.sql(f"SELECT proowner::regrole::text, proacl::text FROM pg_proc WHERE proname = '{FUNCTION}'")[
            0
        ]
        assert (owner, acl) == ("owner", "{owner=X/owner}")
        assert app.usagefix("notifications", "off").code == 0


# What a throttle cannot be on: what is done to the table, the exit code, what is said.
REFUSED = {
    "partitioned": (
        "DROP TABLE preset_notifications; CREATE TABLE preset_notifications (preset_id uuid, user_id uuid, data jsonb,"
        " created_at timestamptz) PARTITION BY RANGE (created_at)",
        1,
        "is partitioned",
    ),
    "a view": ("ALTER TABLE preset_notifications RENAME TO n; CREATE VIEW preset_notifications AS SELECT * FROM n", 1, "is a view"),
    "inherited": ("CREATE TABLE child () INHERITS (preset_notifications)", 1, "is inherited"),
    "not there": ("DROP TABLE preset_notifications", 2, "has no table preset_notifications"),
    "two recipients": ("ALTER TABLE preset_notifications ADD user_id uuid", 2, "--recipient"),
    "no preset": ("ALTER TABLE preset_notifications RENAME preset_id TO about; ALTER TABLE preset_notifications DROP CONSTRAINT preset_notifications_preset_id_fkey", 2, "--preset-column"),
    "no time": ("ALTER TABLE preset_notifications DROP created_at", 2, "--time-column"),
    "cannot be compared": ("ALTER TABLE preset_notifications ALTER type TYPE json USING '{}'", 1, "type without a comparison"),
    "a function of that name": (f"CREATE FUNCTION {FUNCTION}() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN END'", 1, "which usagefix did not create"),
    "published": ("ALTER TABLE preset_notifications DROP CONSTRAINT preset_notifications_pkey; CREATE PUBLICATION p FOR TABLE preset_notifications", 1, "REPLICA IDENTITY FULL"),
    "no index": (
        "INSERT INTO preset_notifications (preset_id, creator_id, type, title, message) SELECT md5('preset 1')::uuid, md5('user 1')::uuid, 'x', 't', repeat('m', 900) FROM generate_series(1, 1500)",
        1,
        'CREATE INDEX CONCURRENTLY ON "public"."preset_notifications" ("creator_id", "preset_id", "created_at") WHERE NOT "is_read"',
    ),
    "INTO STRICT": (
        "CREATE FUNCTION f() RETURNS uuid LANGUAGE plpgsql AS 'DECLARE i uuid; BEGIN INSERT INTO preset_notifications DEFAULT VALUES RETURNING id INTO STRICT i; RETURN i; END'",
        1,
        "f() (RETURNING id INTO STRICT i)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_refused_before_anything_is_changed(notified: App, what: str) -> None:
    spoil, code, said = REFUSED[what]
    notified.db.execute(spoil.encode())
    before = notified.dump()
    done = notified.usagefix("notifications", "collapse")
    assert done.code == code, done.stderr + done.stdout
    assert said in done.stderr
    assert "nothing in the database was changed" in done.stderr
    assert notified.dump() == before


MISUSED = {
    ("--window", "soon"): "30m, 12h or 2d",
    ("--window", "0h"): "30m, 12h or 2d",
    ("--window", "400d"): "30m, 12h or 2d",
    ("--table", "a.b.c"): "is not table or schema.table",
    ("--recipient", "nobody"): "has no column nobody",
    ("--recipient", "preset_id"): "name the same column",
    ("--data-column", "title"): "is of type text",
    ("--time-column", "is_read"): "is of type boolean",
    ("--read-column", "message"): "is of type text",
}


@pytest.mark.parametrize("options", MISUSED)
def test_misused(app: App, options: tuple[str, str]) -> None:
    done = app.usagefix("notifications", "collapse", *options)
    assert done.code == 2
    assert MISUSED[options] in done.stderr


# What somebody does to a throttle, and how it is told.
ALTERED = {
    f"ALTER TABLE preset_notifications DISABLE TRIGGER {TRIGGER}": "is disabled",
    f"CREATE OR REPLACE FUNCTION {FUNCTION}() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'": "is not as usagefix created it",
    f"ALTER FUNCTION {FUNCTION}() SECURITY DEFINER": "more rights than its caller",
    f"ALTER FUNCTION {FUNCTION}() RESET ALL": "is not as usagefix created it",
    "ALTER TABLE preset_notifications RENAME creator_id TO whom": "column creator_id does not exist any more",
    "ALTER TABLE preset_notifications RENAME TO news": "another name",
}  # fmt: skip


@pytest.mark.parametrize("change", ALTERED)
def test_altered(throttled: App, change: str) -> None:
    before = throttled.dump()
    throttled.sql(change)
    state = throttled.usagefix("notifications", "--format", "json")
    assert state.code == 1
    assert ALTERED[change] in " ".join(state.json["throttles"][0]["problems"])
    status = throttled.usagefix("status")
    assert ALTERED[change] in " ".join(status.stdout.split())
    found = throttled.usagefix("doctor", "--format", "json").one["findings"]
    assert [ALTERED[change] in f["evidence"] for f in found if f["finding_id"] == "throttle_altered"] == [True]
    table = ("--table", "news") if change.endswith("news") else ()
    if not table and "whom" not in change:
        collapse(throttled)
        assert throttled.usagefix("notifications").code == 0
        assert throttled.dump() == before, "made anew"
    assert throttled.usagefix("notifications", "off", *table).code == 0
    assert throttled.one(f"SELECT count(*) FROM pg_proc WHERE proname = '{FUNCTION}'") == 0


def test_who_reads_the_row_that_it_inserts(throttled: App, tmp_path: Path) -> None:
    inserts = "INSERT INTO preset_notifications (preset_id, creator_id, type, title, message) VALUES (p, p, $$$$, $$$$, $${}$$)"
    for name, message, reads in (("reads", "", " RETURNING id"), ("does_not", "RETURNING", "; SELECT p")):
        body = inserts.format(message) + reads
        throttled.sql(f"CREATE FUNCTION {name}(p uuid) RETURNS uuid LANGUAGE sql AS '{body}'")
    (tmp_path / "notify.ts").write_text(
        "export const a = () => supabase.from('preset_notifications').insert({ type: 'x' })\nconst c = () => supabase.from('presets').select().single()\n\n"
        "export const b = () => supabase\n  .from('preset_notifications')\n  .insert({ type: 'x' })\n  .select('id');\n\n"
        "db.query(`INSERT INTO preset_notifications (type) VALUES ($1)\n RETURNING id`, ['x']);\n"
    )
    report = throttled.usagefix("notifications", "--source", str(tmp_path), "--format", "json").json
    assert {(one["where"], one["how"]) for one in report["returning"]} == {
        ("reads(uuid)", "RETURNING id"), ("notify.ts:5", ".select"), ("notify.ts:9", "returning"),
    }  # fmt: skip
    (tmp_path / "notify.ts").write_text("supabase.from('preset_notifications').insert({}).select().single();\n")
    refused = throttled.usagefix("notifications", "collapse", "--source", str(tmp_path))
    assert (refused.code, "notify.ts:1" in refused.stderr) == (1, True)


def test_who_holds_the_table_is_named(app: App) -> None:
    with app.connect(autocommit=False) as holder:
        holder.execute("LOCK TABLE preset_notifications")
        pid = holder.info.backend_pid
        done = app.usagefix("notifications", "collapse")
    assert done.code == 4
    assert f"hint: in the way: pid {pid} " in done.stderr, done.stderr


def test_every_format(throttled: App) -> None:
    notify(throttled, times=3)
    for form in ("table", "markdown", "github", "junit", "json"):
        done = throttled.usagefix("notifications", "--format", form)
        assert (done.code, done.stderr.count("error")) == (0, 0)
        assert "Golden hour" in done.stdout or form in ("github", "junit")
