"""``usagefix trends``, ``heatmap`` and ``top``: what they add up to is what plain SQL and Python's calendar say."""

from __future__ import annotations

import csv
import io
import json
import signal
import time
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from shapes import Shape
from support import App, ended, role, told

from usagefix.database import connect
from usagefix.insight import heatmap, insight, top, trends
from usagefix.models.insight import Asked, Of, Step
from usagefix.picture import counter
from usagefix.target import locate

VIEWS = (("trends",), ("heatmap",), ("top", "presets"), ("top", "users"))


def shown(app: App, *arguments: str, code: int = 0, **variables: str) -> dict[str, Any]:
    result = app.usagefix(*arguments, "--format", "json", **{"TZ": "UTC"} | variables)
    assert result.code == code, result.stderr
    return result.one


def several(app: App, *arguments: str) -> dict[str, dict[str, Any]]:
    result = app.usagefix(*arguments, "--format", "json", TZ="UTC")
    assert result.code == 0, result.stderr
    return {one["counter"]: one for one in result.json["counters"]}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def times(app: App, since: str, until: str) -> list[datetime]:
    rows = app.sql("SELECT created_at FROM preset_usage WHERE created_at >= %s AND created_at < %s", since, until)
    return [row[0] for row in rows]


def test_all_views_add_up_to_the_events_of_the_window(app: App) -> None:
    for since in ("36h", "6mo", "2026-01-01"):
        found = {view: shown(app, *view, "--since", since) for view in VIEWS}
        trend, heat = found["trends",], found["heatmap",]
        window = trend["window"]
        true = len(times(app, window["since"], window["until"]))
        assert {one["total_uses"] for one in found.values()} == {true}, since
        assert sum(period["uses"] for period in trend["periods"]) == true
        assert sum(sum(period["by_kind"].values()) for period in trend["periods"]) == true
        assert sum(cell["uses"] for cell in heat["cells"]) == true
        assert len(heat["cells"]) == 168
        bounds = (window["since"], window["until"])
        distinct = "SELECT count(DISTINCT {}) FROM preset_usage WHERE created_at >= %s AND created_at < %s"
        assert trend["users"] == found["top", "users"]["among"] == app.one(distinct.format("user_id"), *bounds)
        assert trend["presets"] == found["top", "presets"]["among"] == app.one(distinct.format("preset_id"), *bounds)
    assert true > 1000


def test_top_is_what_plain_sql_ranks(app: App) -> None:
    app.sql("INSERT INTO auth.users SELECT md5('new ' || n)::uuid FROM generate_series(1, 3) AS n")
    for number in (1, 2, 3):
        app.use(app.preset(), user=app.one("SELECT md5('new ' || %s)::uuid::text", number))
    for what, column in (("presets", "preset_id"), ("users", "user_id")):
        report = shown(app, "top", what, "--since", "200d", "--limit", "7")
        window = report["window"]
        true = app.sql(
            f"SELECT {column}::text, count(*), min(created_at), max(created_at) FROM preset_usage"
            f" WHERE created_at >= %s AND created_at < %s GROUP BY 1 ORDER BY 2 DESC, {column} LIMIT 7",
            window["since"],
            window["until"],
        )
        assert [(row["id"], row["uses"]) for row in report["rows"]] == [(row[0], row[1]) for row in true]
        assert [at(row["first_at"]) for row in report["rows"]] == [row[2] for row in true]
        assert [at(row["last_at"]) for row in report["rows"]] == [row[3] for row in true]
        assert report["top_share"] == pytest.approx(sum(row[1] for row in true) / report["total_uses"])
        if what == "users":
            returning = app.one(
                "SELECT count(*) FROM (SELECT user_id FROM preset_usage WHERE created_at < %(until)s GROUP BY user_id"
                " HAVING min(created_at) < %(since)s AND max(created_at) >= %(since)s) AS r"
                .replace("%(since)s", f"'{window['since']}'").replace("%(until)s", f"'{window['until']}'")
            )  # fmt: skip
            assert (report["returning"], report["new"]) == (returning, report["among"] - returning)
            assert report["new"] >= 3
            assert {row["label"] for row in report["rows"]} == {""}


ZONES = ("UTC", "Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe", "America/St_Johns", "Europe/Berlin",
         "America/New_York", "Pacific/Apia", "Pacific/Chatham")  # fmt: skip


@pytest.mark.parametrize("zone", ZONES)
def test_days_and_hours_are_those_of_the_zone(app: App, zone: str) -> None:
    """A year has a day of 23 hours and one of 25 in most of them. Python's calendar is the truth."""
    clock = ZoneInfo(zone)
    trend = shown(app, "trends", "--tz", zone, "--since", "2025-11-20")
    window = trend["window"]
    local = [moment.astimezone(clock) for moment in times(app, window["since"], window["until"])]
    assert at(window["since"]) == datetime(2025, 11, 20, tzinfo=clock)
    days = Counter(moment.date() for moment in local)
    for period in trend["periods"]:
        start = at(period["start"])
        assert start.astimezone(clock).time().isoformat() == "00:00:00"
        assert start.utcoffset() == start.astimezone(clock).utcoffset()
        assert period["uses"] == days.pop(start.date(), 0), start
    assert not days
    heat = shown(app, "heatmap", "--tz", zone, "--since", "2025-11-20", "--until", window["until"])
    cells = Counter((moment.isoweekday(), moment.hour) for moment in local)
    assert {(c["weekday"], c["hour"]): c["uses"] for c in heat["cells"] if c["uses"]} == cells
    hours = shown(app, "trends", "--by", "hour", "--tz", zone, "--since", "2026-03-01", "--until", "2026-04-08")
    true = Counter[str]()
    for moment in times(app, hours["window"]["since"], hours["window"]["until"]):
        here = moment.astimezone(clock)
        true[here.replace(minute=0, second=0, microsecond=0).isoformat()] += 1
    for period in hours["periods"]:
        start = at(period["start"]).astimezone(clock)
        true[start.replace(minute=0).isoformat()] -= period["uses"]
    assert not any(true.values())


def test_a_day_of_25_hours_has_25_and_one_of_23_has_23(app: App) -> None:
    for day, hours in (("2026-03-29", 23), ("2026-03-30", 24), ("2025-10-26", 25)):
        until = (datetime.fromisoformat(day) + timedelta(days=1)).date().isoformat()
        options = ("--since", day, "--until", until, "--tz", "Europe/Berlin")
        assert len(shown(app, "trends", "--by", "hour", *options)["periods"]) == hours
        assert len(shown(app, "trends", *options)["periods"]) == 1


def test_weeks_begin_on_monday_and_months_on_the_first(app: App) -> None:
    weeks = shown(app, "trends", "--by", "week", "--since", "12w")["periods"]
    assert {at(period["start"]).isoweekday() for period in weeks} == {1}
    assert len(weeks) in (12, 13)
    months = shown(app, "trends", "--by", "month", "--since", "6mo")["periods"]
    assert {at(period["start"]).day for period in months} == {1}
    partly = shown(app, "trends", "--by", "month", "--since", "2026-05-17", "--until", "2026-07-02")["periods"]
    assert [period["start"][:10] for period in partly] == ["2026-05-17", "2026-06-01", "2026-07-01"]


@pytest.mark.parametrize(
    ("since", "until", "weeks"), [("2026-05-04", "2026-06-01", 4), ("2026-05-04", "2026-05-15", 2)]
)
def test_the_time_before_is_as_long_and_earlier_by_whole_weeks(app: App, since: str, until: str, weeks: int) -> None:
    trend = shown(app, "trends", "--since", since, "--until", until)
    begin, end = (datetime.fromisoformat(day).replace(tzinfo=UTC) - timedelta(weeks=weeks) for day in (since, until))
    before = len(times(app, begin.isoformat(), end.isoformat()))
    assert trend["before_uses"] == before > 0
    assert trend["change"] == pytest.approx((trend["total_uses"] - before) / before)


def test_of_one_preset_and_of_one_kind(app: App) -> None:
    name = app.one("SELECT name FROM presets WHERE id = %s", app.preset(3))
    kind = "showcase_creation"
    true = "SELECT count(*) FROM preset_usage WHERE created_at >= %s AND created_at < %s AND {}"
    for view in VIEWS:
        report = shown(app, *view, "--preset", name, "--since", "1y")
        window = report["window"]
        assert window["preset"] == name
        bounds = (window["since"], window["until"])
        assert report["total_uses"] == app.one(true.format(f"preset_id = '{app.preset(3)}'"), *bounds) > 0
        report = shown(app, *view, "--kind", kind, "--since", "1y")
        assert report["total_uses"] == app.one(true.format(f"usage_type = '{kind}'"), *bounds) > 0
    nothing = shown(app, "trends", "--kind", "it's $$ nothing")
    assert nothing["total_uses"] == 0
    said = "there are playground_generation, sample_verification, showcase_creation"
    assert any(said in line for line in nothing["cannot"])


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("trends", "--since", "0d"), 2, "covers no time"),
        (("trends", "--since", "2999-01-01"), 2, "in the future"),
        (("trends", "--until", "2999-01-01"), 2, "in the future"),
        (("trends", "--since", "99999y"), 2, "too far"),
        (("trends", "--since", "1900-01-01"), 2, "too far"),
        (("trends", "--since", "0001-01-01"), 2, "--since 0001-01-01 goes back too far"),
        (("trends", "--until", "0001-01-01"), 2, "--until 0001-01-01 goes back too far"),
        (("trends", "--since", "2026-03-02", "--until", "2026-03-01"), 2, "not before the end"),
        (("trends", "--by", "hour", "--since", "5y"), 2, "take a longer period"),
        (("trends", "--tz", "Berlin"), 2, "is Europe/Berlin meant?"),
        (("trends", "--tz", "UTC+3"), 2, "knows no time zone"),
        (("heatmap", "--tz", "nonsense7"), 2, "knows no time zone"),
        (("heatmap", "--tz", ""), 2, "knows no time zone"),
        (("top", "presets", "--limit", "0"), 2, "0 is not between 1 and 1000"),
        (("top", "songs"), 2, "presets, users"),
        (("top", "presets", "--preset", "nobody's"), 1, "no preset has"),
        (("trends", "--user-column", "nothing"), 2, "--user-column nothing is no column of preset_usage"),
        (("trends", "--time-column", "usage_type"), 2, "holds no times"),
        (("top", "users", "--user-column", "preset_id", "--user-label", "email"), 2, "e-mail address"),
        (("top", "users", "--user-label", "auth.users.id"), 2, "auth.users"),
        (("top", "users", "--user-label", "profiles.name"), 2, "--user-label profiles.name"),
        (("trends", "--format", "junit"), 2, "table, json, markdown or csv"),
        (("verify", "--format", "csv"), 2, "only trends, heatmap and top have the format csv"),
    ],
)
def test_what_cannot_be_is_said(app: App, arguments: tuple[str, ...], code: int, said: str) -> None:
    result = app.usagefix(*arguments, TZ="UTC")
    assert (result.code, said in result.stderr) == (code, True), result.stderr


def test_columns_as_they_are(app: App) -> None:
    """The time is called otherwise and has no zone, some events have none, nothing tells who it was, or what."""
    app.sql("DROP INDEX idx_preset_usage_daily_unique")
    app.sql("ALTER TABLE preset_usage DROP COLUMN user_id CASCADE, DROP COLUMN usage_type")
    app.sql("ALTER TABLE preset_usage RENAME created_at TO used_at")
    app.sql("ALTER TABLE preset_usage ALTER used_at TYPE timestamp USING used_at AT TIME ZONE 'UTC'")
    app.sql("INSERT INTO preset_usage (preset_id, used_at) SELECT id, NULL FROM presets LIMIT 3")
    app.sql("INSERT INTO preset_usage (preset_id, used_at) SELECT id, 'infinity' FROM presets LIMIT 2")
    trend = shown(app, "trends", "--tz", "Asia/Kolkata")
    window = trend["window"]
    true = app.one(
        "SELECT count(*) FROM preset_usage WHERE used_at AT TIME ZONE 'UTC' >= %s AND used_at AT TIME ZONE 'UTC' < %s",
        window["since"],
        window["until"],
    )
    assert trend["total_uses"] == true > 0
    assert (trend["users"], trend["periods"][0]["users"], trend["periods"][0]["by_kind"]) == (None, None, {})
    said = " ".join(trend["cannot"])
    assert "--user-column" in said
    assert "--kind-column" in said
    assert "read as UTC" in said
    assert "3 uses without used_at" in said
    assert "2 uses with a time in the future" in said
    result = app.usagefix("top", "users")
    assert (result.code, "no column with the user" in result.stderr) == (1, True)
    app.sql("ALTER TABLE preset_usage ALTER used_at TYPE date")
    heat = shown(app, "heatmap", "--tz", "America/New_York")
    assert heat["timezone"] == "UTC"
    assert any("no hour" in line for line in heat["cannot"])
    app.sql("ALTER TABLE preset_usage DROP COLUMN used_at")
    result = app.usagefix("trends")
    assert (result.code, "nothing says when an event was" in result.stderr) == (1, True)


def test_a_time_without_a_zone_is_the_same_in_any_session(app: App) -> None:
    app.sql("DROP INDEX idx_preset_usage_daily_unique")
    app.sql("ALTER TABLE preset_usage ALTER created_at TYPE timestamp USING created_at AT TIME ZONE 'UTC'")
    before = shown(app, "trends", "--until", "2026-06-01")
    app.sql(f'ALTER DATABASE "{app.name}" SET "TimeZone" = \'Asia/Tokyo\'')
    assert shown(app, "trends", "--until", "2026-06-01")["periods"] == before["periods"]


def test_names_of_users_are_shown_where_somebody_says_which(app: App) -> None:
    app.sql("CREATE TABLE profiles (user_id uuid PRIMARY KEY REFERENCES auth.users, name text, contact_email text)")
    app.sql("ALTER TABLE auth.users ADD email text, ADD name text")
    app.sql("UPDATE auth.users SET email = 'secret@example.com', name = 'secret@example.com'")
    app.sql(
        "INSERT INTO profiles SELECT id, (ARRAY['Ada', '</script>', 'ada@example.com'])[1 + row_number() OVER () %% 3],"
        " 'ada@example.com' FROM auth.users".replace("%%", "%")
    )
    report = shown(app, "top", "users", "--user-label", "profiles.name", "--limit", "60", "--since", "1y")
    assert {row["label"] for row in report["rows"]} == {"Ada", "</script>", ""}, "an address is no name"
    for wanted in ("profiles.contact_email", "email", "auth.users.email", "auth.users.name", "name", "users.name"):
        result = app.usagefix("top", "users", "--user-label", wanted)
        assert result.code == 2, wanted
    app.sql("ALTER TABLE preset_usage ADD who text DEFAULT 'ada@example.com'")
    report = shown(app, "top", "users", "--user-column", "who")
    assert "@" not in str(report["rows"])
    assert report["rows"][0]["id"].startswith("user ")


def test_any_counter(app: App, tmp_path: Path) -> None:
    """Only events that count, for what they are worth; of rows that have a counter."""
    Shape("donations").load(app)
    config = ("--config", str(Shape("donations").declaration))
    true = "SELECT sum(amount) FROM donations WHERE status = 'paid' AND paid_at >= %s AND paid_at < %s"
    for view in (("trends",), ("heatmap",), ("top", "rows"), ("top", "campaigns"), ("top", "users")):
        report = shown(app, *view, *config)
        window = report["window"]
        assert str(report["total_uses"]) == str(float(app.one(true, window["since"], window["until"])))
    assert shown(app, "top", "rows", *config)["rows"][0]["label"].startswith("Campaign ")
    text = app.usagefix("trends", *config).stdout
    assert "for what it is worth" in text
    assert "uses" not in text
    assert "presets" not in text


def test_a_key_of_two_columns_and_odd_names(app: App) -> None:
    Shape("composite").load(app)
    app.sql("ALTER TABLE votes_vote ADD created_at timestamptz DEFAULT now() - interval '1 day'")
    config = ("--config", str(Shape("composite").declaration))
    true = app.one("SELECT count(*) FROM votes_vote WHERE object_id IS NOT NULL")
    report = shown(app, "top", "rows", *config)
    assert report["total_uses"] == true
    first = report["rows"][0]["id"]
    assert shown(app, "trends", *config, "--preset", first)["total_uses"] == report["rows"][0]["uses"]
    Shape("odd_names").load(app)
    odd = ("--config", str(Shape("odd_names").declaration), "--user-column", "who", "--kind-column", "group")
    rows = app.one(
        """SELECT sum("from") FROM "Shop floor"."100% items" WHERE "group" = 'it''s "--" % $$ event' AND "Event" """
    )
    reports = [shown(app, *view, *odd) for view in (("trends",), ("heatmap",), ("top", "rows"), ("top", "users"))]
    assert {report["total_uses"] for report in reports} == {rows}


def test_counters_of_a_file(app: App, tmp_path: Path) -> None:
    """Rows of the counter's own table; one that is only verified is left out, or refused."""
    app.sql(Shape("chain").schema + Shape("distinct").schema)
    app.sql("ALTER TABLE comments ADD created_at timestamptz DEFAULT now() - interval '1 day'")
    app.sql("ALTER TABLE posts ADD created_at timestamptz DEFAULT now() - interval '1 day'")
    file = tmp_path / "usagefix.toml"
    file.write_text(Shape("chain").declaration.read_text() + Shape("distinct").declaration.read_text())
    config = ("--config", str(file))
    found = several(app, "trends", *config)
    assert set(found) == {"post_comments_count", "community_comments_total", "community_posts_count"}
    assert found["community_posts_count"]["total_uses"] == app.one("SELECT count(*) FROM posts WHERE NOT hidden")
    assert found["community_comments_total"]["total_uses"] == app.one("SELECT sum(comments_count) FROM posts")
    assert set(several(app, "top", "posts", *config)) == {"post_comments_count"}
    table = list(csv.reader(io.StringIO(app.usagefix("heatmap", *config, "--format", "csv").stdout)))
    assert table[0] == ["counter", "weekday", "hour", "uses"]
    assert len(table) == 1 + 3 * 168
    left = app.usagefix("trends", *config)
    assert "field_observers_count is only verified: there are no events to show" in left.stderr
    alone = app.usagefix("trends", *config, "--counter", "field_observers_count")
    assert (alone.code, "only verified" in alone.stderr) == (2, True)


def test_only_rows_that_have_a_counter(app: App, tmp_path: Path) -> None:
    file = tmp_path / "usagefix.toml"
    file.write_text(
        '[[counter]]\ncounter = "presets.usage_count"\nevents = "preset_usage.preset_id"\nonly = "is_public"\nname = "public_uses"'
    )
    report = shown(app, "trends", "--config", str(file), "--since", "1y")
    window = report["window"]
    true = app.one(
        "SELECT count(*) FROM preset_usage JOIN presets ON presets.id = preset_id WHERE is_public"
        " AND preset_usage.created_at >= %s AND preset_usage.created_at < %s",
        window["since"],
        window["until"],
    )
    assert report["total_uses"] == true > 0


HOSTILE = ("=1+1", "+1", "-1", "@x", "\tx", "</script><script>alert(1)</script>", "[bold]x[/bold]", "a,\"b\"\nc", "a\n::error::x", "##[error]x", "\x1b[31mred",
           "\u202eevil", "%s %(x)s", "😀" * 30, "x" * 100)  # fmt: skip


def test_hostile_names_stay_text(app: App) -> None:
    app.sql("ALTER TABLE preset_usage DROP CONSTRAINT preset_usage_usage_type_check")
    app.sql("DROP INDEX idx_preset_usage_daily_unique")
    for number, name in enumerate(HOSTILE, start=1):
        app.sql("UPDATE presets SET name = %s WHERE id = %s", name, app.preset(number))
        app.sql("UPDATE preset_usage SET usage_type = %s WHERE preset_id = %s", name, app.preset(number))
    labels = {row["label"] for row in shown(app, "top", "presets", "--limit", "40", "--since", "1y")["rows"]}
    assert labels.issuperset(HOSTILE)
    for form in ("table", "markdown", "csv"):
        for view in VIEWS:
            text = app.usagefix(*view, "--format", form, "--since", "1y", "--limit", "40").stdout if view[0] == "top" else app.usagefix(*view, "--format", form, "--since", "1y").stdout  # fmt: skip
            assert "\x1b" not in text
            assert "\u202e" not in text
            assert all(line == line.rstrip() for line in text.splitlines())
    flat = ("top", "presets", "--format", "csv", "--limit", "40", "--since", "1y")
    in_a_step = app.usagefix(*flat, GITHUB_ACTIONS="true").stdout
    assert not [line for line in in_a_step.splitlines() if line.startswith("::") or "##[" in line], (
        "the runner obeys it"
    )
    table = list(csv.reader(io.StringIO(app.usagefix(*flat).stdout)))
    assert {"a\n::error::x", "##[error]x"} <= {row[2] for row in table}, "nobody else does"
    assert table[0] == ["rank", "id", "label", "uses", "share", "first_at", "last_at"]
    written = {row[2] for row in table[1:]}
    assert {"'=1+1", "'+1", "'-1", "'@x", "'\tx", "%s %(x)s", 'a,"b"\nc'} <= written
    kinds = list(csv.reader(io.StringIO(app.usagefix("trends", "--format", "csv", "--since", "1y").stdout)))
    assert kinds[0] == ["start", "kind", "uses", "users", "presets"]
    assert not any(cell[:1] in ("=", "+", "-", "@", "\t") for row in kinds[1:] for cell in row)
    total = sum(int(row[2]) for row in kinds[1:] if row[1] == "")
    assert total == sum(int(row[2]) for row in kinds[1:] if row[1] != "")


@pytest.mark.parametrize("width", [40, 80, 200])
def test_any_width_and_any_terminal(app: App, width: int) -> None:
    for view in VIEWS:
        text = app.usagefix(*view, COLUMNS=str(width)).stdout
        lines = text.splitlines()
        assert max(map(len, lines)) <= width, (view, width)
        roomy = width >= 80 or view != ("top", "users")  # else their keys leave none for a bar
        assert any(sign in text for sign in "█▓▁") is roomy
        assert "\x1b" not in text
        plain = app.usagefix(*view, COLUMNS=str(width), PYTHONIOENCODING="cp1252").stdout
        assert plain.isascii(), view
        assert "\\u" not in plain
        assert any(sign in plain for sign in "#*") is roomy


def test_a_heatmap_is_colour_alone_where_there_is_colour(app: App) -> None:
    coloured = app.usagefix("heatmap", FORCE_COLOR="1", COLUMNS="80", TERM="xterm-256color").stdout
    assert "48;" in coloured
    assert not set(coloured) & set("░▒▓█")
    assert "░" in app.usagefix("heatmap", FORCE_COLOR="1", NO_COLOR="1", COLUMNS="80", TERM="xterm-256color").stdout


def test_one_look_says_what_each_view_says(partitioned: App) -> None:
    """The last 30 days, too, which come of the same answers where these reach back; events are partitioned here."""
    db = connect(locate(partitioned.url(), "a test"))
    try:
        db.counter = counter(db, "public")
        until = f"{datetime.now(UTC) - timedelta(days=1):%Y-%m-%dT%H:%M:%S.%f}+00:00"
        for asked in (
            Asked(until=until),
            Asked(until=until, since="20d"),
            Asked(until=until, by=Step.WEEK, tz="Asia/Kolkata"),
        ):
            found = insight(db, asked, 5)
            assert found.trend == trends(db, asked)
            assert found.last_30 == trends(db, replace(asked, since="30d", by=Step.DAY))
            assert found.heatmap == heatmap(db, asked)
            assert found.presets == top(db, Of.PRESETS, asked, 5)
            assert found.users == top(db, Of.USERS, asked, 5)
            assert found.last_30.before_uses > 0
            assert found.verified is not None
            assert not found.verified.ok
    finally:
        db.close()


def test_a_name_is_on_one_line(app: App) -> None:
    app.sql(
        "ALTER TABLE presets ALTER name TYPE text; ALTER TABLE preset_usage DROP CONSTRAINT preset_usage_usage_type_check"
    )
    app.sql("UPDATE presets SET name = E'one\ntwo\tthree' WHERE name = 'Golden hour'")
    app.sql("UPDATE preset_usage SET usage_type = E'a\nb' WHERE usage_type = 'showcase_creation'")
    assert r"one\ntwo\tthree  " in app.usagefix("top", "presets").stdout
    assert r"  a\nb  " in app.usagefix("trends").stdout
    assert r"uses of kind 'a\nb' from" in app.usagefix("top", "presets", "--kind", "a\nb").stdout


@pytest.mark.parametrize("odd", ["NaN", "-Infinity", "1e400"])
def test_sums_that_no_picture_can_be_drawn_of(app: App, odd: str) -> None:
    """They are told as they are, and drawn as nothing."""
    app.sql("ALTER TABLE preset_usage ADD worth numeric DEFAULT 1.5")
    app.sql(
        "UPDATE preset_usage SET worth = %s::numeric WHERE id = (SELECT id FROM preset_usage ORDER BY created_at DESC LIMIT 1)",
        odd,
    )
    app.sql("ALTER TABLE presets ADD total numeric DEFAULT 0")
    counter = ("--counter", "presets.total", "--events", "preset_usage.preset_id", "--sum", "worth")
    for view in VIEWS:
        drawn = app.usagefix(*view, *counter)
        assert drawn.code == 0, (view, drawn.stderr)
        done = app.usagefix(*view, *counter, "--format", "json")
        json.loads(done.stdout, parse_constant=pytest.fail)


def test_nothing_at_all(app: App) -> None:
    app.sql("TRUNCATE preset_usage")
    for view in VIEWS:
        report = shown(app, *view)
        assert report["total_uses"] == 0
        for form in ("table", "markdown", "csv"):
            assert app.usagefix(*view, "--format", form).code == 0


def test_a_role_that_may_only_select(app: App) -> None:
    app.sql("ALTER TABLE presets DISABLE ROW LEVEL SECURITY; ALTER TABLE preset_usage DISABLE ROW LEVEL SECURITY")
    grants = "GRANT SELECT ON presets, preset_usage TO insight_reader"
    with role(app, "insight_reader", grants=grants):
        url = app.url("insight_reader")
        before = app.sql("SELECT xmin::text, * FROM presets ORDER BY id")
        for view in VIEWS:
            assert app.usagefix(*view, DATABASE_URL=url).code == 0
        assert app.sql("SELECT xmin::text, * FROM presets ORDER BY id") == before
        app.sql("ALTER TABLE preset_usage ENABLE ROW LEVEL SECURITY")
        hidden = app.usagefix("trends", DATABASE_URL=url)
        assert (hidden.code, "row level security hides rows" in hidden.stderr) == (5, True)


def test_the_machine_tells_the_zone_and_it_is_said(app: App) -> None:
    assert shown(app, "heatmap", TZ="Asia/Kolkata")["timezone"] == "Asia/Kolkata"
    assert shown(app, "heatmap", TZ="nonsense")["timezone"] == "UTC"
    assert "(Asia/Kolkata)" in app.usagefix("trends", TZ=":Asia/Kolkata").stdout


def test_ctrl_c_ends_it_at_once(app: App) -> None:
    """While it waits for the server, which it says after two seconds: a lock is all that keeps it there."""
    with app.connect(autocommit=False) as holder:
        holder.execute("LOCK TABLE preset_usage")
        for _ in range(5):  # a machine that is stopped meanwhile says nothing
            running = app.spawn("trends")
            told(running, "reading the events")
            started = time.monotonic()
            running.send_signal(signal.SIGINT)
            assert ended(running).code == 130
            if (took := time.monotonic() - started) < 2:
                break
        assert took < 2, "it does not wait for the lock"


def test_markdown_and_github_actions(app: App, tmp_path: Path) -> None:
    summary = tmp_path / "summary"
    result = app.usagefix("heatmap", GITHUB_ACTIONS="true", GITHUB_STEP_SUMMARY=str(summary))
    assert result.code == 0
    assert "::error" not in result.stdout
    assert "| Mon |" in summary.read_text()
    assert "| Mon |" in app.usagefix("heatmap", "--format", "markdown").stdout
