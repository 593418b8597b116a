"""Several counters in one command: each has its entry and its words; the worst exit code wins."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from support import App, validator

from usagefix import picture
from usagefix.backfill import backfill
from usagefix.cli import turns
from usagefix.cli.options import Format
from usagefix.cli.printing import show
from usagefix.cli.run import as_error
from usagefix.counter import STANDARD
from usagefix.database import Database, connect
from usagefix.errors import Refused, UsagefixError
from usagefix.models.outcome import Outcome
from usagefix.models.reports import Report
from usagefix.preset import check_preset
from usagefix.render.document import document
from usagefix.render.words import outcome as changes
from usagefix.status import status
from usagefix.target import locate
from usagefix.verify import verify

OTHER = replace(
    STANDARD, last=None, time=None, user=None, kind=None, data=None, daily=None, recorder=None, incrementer=None
)
ORDERS = replace(
    OTHER, parent="customers", column="spent", label="email", child="orders", foreign_key="customer", number="numeric",
    weight="event.price", slug="customer_spent",
)  # fmt: skip
ODD = replace(
    OTHER, parent='Blog "posts"', column="likes ::count", label=None, child="50% likes", foreign_key="post id",
    where="(event.kind = 'like'::text)", slug="blog_post_likes_count",
)  # fmt: skip
GONE = replace(OTHER, parent="groups", column="total", child="members", foreign_key="group_id", slug="group_total")

TABLES = """
    CREATE TABLE customers (id integer PRIMARY KEY, email text, spent numeric);
    CREATE TABLE orders (id integer PRIMARY KEY, customer integer, price numeric);
    INSERT INTO customers VALUES (1, 'a@example.com', 10), (2, 'b@example.com', 7.25),
        (3, 'c@example.com', 12345678901234567890.5);
    INSERT INTO orders VALUES (1, 1, 9.99), (2, 1, 0.01), (3, 2, 7), (4, 3, 12345678901234567890.5), (5, 99, 1);
    CREATE TABLE "Blog ''posts''" (id integer PRIMARY KEY, "likes ::count" integer);
    CREATE TABLE "50% likes" (id integer PRIMARY KEY, "post id" integer, kind text);
    INSERT INTO "Blog ''posts''" VALUES (1, 1), (2, 3);
    INSERT INTO "50% likes" VALUES (1, 1, 'like'), (2, 1, 'love'), (3, 2, 'like');
""".replace("''", '""')


@pytest.fixture
def db(app: App) -> Iterator[Database]:
    app.sql(TABLES)
    db = connect(locate(app.url(), "a test"))
    try:
        db.counters = tuple(picture.look_up(db, counter) for counter in (STANDARD, ORDERS, ODD))
        yield db
    finally:
        db.close()


def done(db: Database, command: str, work: Any, way: turns.Way = turns.READ) -> Outcome:
    """A command, as far as it came."""
    outcome = Outcome(command, db.target)
    try:
        turns.in_turn(db, outcome, work, way, as_error)
    except UsagefixError as error:
        outcome.error = error
    outcome.changes = changes(db.changes, outcome.left)
    return outcome


def body(outcome: Outcome) -> dict[str, Any]:
    text = document(outcome)
    validator(outcome.command).validate(json.loads(text))
    read = json.loads(text, parse_float=Decimal)
    assert isinstance(read, dict)
    return read


def printed(outcome: Outcome, form: Format, capsys: pytest.CaptureFixture[str]) -> str:
    show(outcome, form)
    return capsys.readouterr().out


def test_each_has_its_entry(db: Database) -> None:
    told = body(done(db, "verify", verify))
    names = [entry["counter"] for entry in told["counters"]]
    assert names == ["preset_usage_count", "customer_spent", "blog_post_likes_count"]
    assert (told["exit_code"], told["error"]) == (1, None)
    spent, likes = (entry["counts"] for entry in told["counters"][1:])
    assert (spent["drift_total"], spent["displayed_total"]) == (Decimal("-0.25"), Decimal("12345678901234567907.75"))
    assert (likes["rows"], likes["inaccurate"], likes["drift_total"]) == (2, 1, -2)
    row = told["counters"][1]["rows"][0]
    assert (row["label"], row["displayed_count"], row["actual_records"]) == ("b@example.com", Decimal("7.25"), 7)


def test_all_are_looked_at_in_one_snapshot(db: Database, app: App) -> None:
    def work(db: Database) -> Report:
        app.sql("INSERT INTO orders SELECT max(id) + 1, 1, 1 FROM orders")
        return verify(db)

    told = body(done(db, "verify", work))
    assert app.one("SELECT count(*) FROM orders") == 8
    assert told["counters"][1]["counts"]["actual_total"] == Decimal("12345678901234567907.5")


def test_one_that_cannot_be_looked_at_stops_no_other(db: Database) -> None:
    db.counters = (GONE, *db.counters)
    told = body(done(db, "verify", verify))
    gone, *others = told["counters"]
    assert (gone["counter"], gone["ok"], told["exit_code"]) == ("group_total", False, 2)
    assert told["error"] == gone["error"]
    assert "groups" in gone["error"]["message"]
    assert [len(entry["checks"]) > 3 for entry in others] == [True] * 3
    db.counters = db.counters[::-1]
    assert body(done(db, "status", status))["counters"][0]["migrations"], "nor does one that comes later"


def test_a_command_that_changes_stops_and_says_what_was_done(db: Database) -> None:
    def work(db: Database) -> Report:
        if db.counter.slug == ORDERS.slug:
            raise Refused("no", hint="never")
        db.changes.append("something was done")
        return status(db)

    outcome = done(db, "apply", work, turns.CHANGE)
    assert [part.nouns.counter for part in outcome.parts] == ["preset_usage_count", "customer_spent"]
    assert outcome.exit_code == 1
    assert list(outcome.failures) == [("customer_spent", outcome.error)]
    said = "done before that, and kept: preset_usage_count: something was done; not begun: blog_post_likes_count"
    assert outcome.changes == said
    backwards = done(db, "rollback", work, replace(turns.CHANGE, backwards=True))
    assert [part.nouns.counter for part in backwards.parts] == ["blog_post_likes_count", "customer_spent"]


def test_a_row_is_looked_for_in_each_table(db: Database) -> None:
    outcome = done(db, "check", lambda db: check_preset(db, "2", recent=1), turns.LOOK_FOR)
    assert [part.nouns.counter for part in outcome.parts] == ["customer_spent", "blog_post_likes_count"]
    body(outcome)
    nowhere = done(db, "check", lambda db: check_preset(db, "4711"), turns.LOOK_FOR)
    assert nowhere.exit_code == 1
    assert len(body(nowhere)["counters"]) == 1
    assert nowhere.failure is not None
    assert nowhere.failure.message == (
        'no preset has the id or the name \'4711\'; usagefix looked in presets, customers, "Blog ""posts"""'
    )
    assert "customers: ids are of type integer here; a name must be exact" in nowhere.failure.hint
    assert (
        "a name is known only where label declares its column. usagefix verify lists wrong rows" in nowhere.failure.hint
    )


def test_a_counter_that_was_right_is_not_said_to_be_wrong(fixed: App) -> None:
    fixed.sql(TABLES)
    db = connect(locate(fixed.url(), "a test"))
    db.counters = tuple(picture.look_up(db, counter) for counter in (STANDARD, ORDERS))
    outcome = done(db, "backfill", backfill, turns.CHANGE)
    db.close()
    assert outcome.exit_code == 1
    assert outcome.changes == "done before that, and kept: preset_usage_count: presets counted, with nothing to correct"


@pytest.mark.parametrize("width", ["40", "80", "160"])
def test_words_fit_each_table(
    db: Database, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: str
) -> None:
    monkeypatch.setenv("COLUMNS", width)
    outcome = done(db, "verify", verify)
    page = printed(outcome, Format.TABLE, capsys)
    assert "…" not in page
    assert max(map(len, page.splitlines())) <= int(width)
    assert "customer_spent: customers.spent ← sum of price of orders.customer" in " ".join(page.split())


def test_nothing_else_speaks_of_presets(db: Database, capsys: pytest.CaptureFixture[str]) -> None:
    outcome = done(db, "verify", verify)
    outcome.parts = outcome.parts[1:]
    for form in (Format.TABLE, Format.MARKDOWN, Format.JUNIT, Format.GITHUB):
        page = printed(outcome, form, capsys)
        assert "preset" not in page, form
        assert "customer_spent" in page.replace("\\", "")


def test_many_are_a_line_each(db: Database, capsys: pytest.CaptureFixture[str]) -> None:
    db.counters = tuple(replace(db.counters[1], slug=f"counter_{number:02}") for number in range(50))
    page = printed(done(db, "verify", verify), Format.TABLE, capsys)
    assert len(page.splitlines()) < 60
    assert page.splitlines()[-2].startswith("not right: all 50 counters")
