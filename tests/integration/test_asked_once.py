"""A look asks the database each question once: what is read in one snapshot cannot change, and a round trip takes time."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from support import App

from usagefix import picture, preflight
from usagefix.beforehand import look
from usagefix.database import Database, connect
from usagefix.database.link import Link
from usagefix.doctor import doctor
from usagefix.picture.code import code
from usagefix.picture.obstacles import of_uses
from usagefix.status import status
from usagefix.target import locate
from usagefix.verify import verify

LOOKS: dict[str, Callable[[Database], object]] = {
    "verify": verify,
    "doctor": doctor,
    "status": status,
    "apply's first": lambda db: look(db, None, None),
}


@contextmanager
def database(app: App) -> Iterator[Database]:
    db = connect(locate(app.url(), "a test"))
    try:
        db.counter = picture.counter(db, "public")
        yield db
    finally:
        db.close()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The bundled questions that are asked, with their parameters; those of all tables, of locks and of time excepted."""
    found: list[str] = []
    with_names = Link._with_names

    def noted(self: Link, query: str, params: Any) -> Any:
        given = with_names(self, query, params)
        if query.startswith("-- "):
            found.append(f"{query} {given}")
        return given

    monkeypatch.setattr(Link, "_with_names", noted)
    return found


@pytest.mark.parametrize("which", LOOKS)
@pytest.mark.parametrize("state", ["app", "fixed", "partitioned"])
def test_a_look_asks_nothing_twice(request: pytest.FixtureRequest, asked: list[str], state: str, which: str) -> None:
    with database(request.getfixturevalue(state)) as db:
        asked.clear()
        LOOKS[which](db)
    assert asked
    assert [question.splitlines()[0] for question, times in Tally(asked).items() if times > 1] == []


def test_a_later_snapshot_asks_again(app: App) -> None:
    """What is known is of one snapshot: within it a change of others is not seen, and afterwards it is."""
    refusing = "ALTER TABLE presets ADD CHECK (usage_count < 5) NOT VALID"
    with database(app) as db:
        with db.snapshot():
            before = picture.tables(db), code(db), of_uses(db)
            app.sql(
                "ALTER TABLE presets ADD COLUMN more integer; CREATE FUNCTION more() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM preset_usage'"
            )
            app.sql(refusing)
            assert (picture.tables(db), code(db), of_uses(db)) == before
        with db.snapshot():
            assert "more" in picture.tables(db)[0].columns
            assert "more" in {function.name for function in code(db).functions}
            assert of_uses(db) != before[2]


def test_a_transaction_that_may_lock_asks_each_time(app: App) -> None:
    """What is decided under a lock is read under it, whatever was known before."""
    with database(app) as db:
        with db.snapshot():
            preflight.require_tables(db)
        with db.transaction(rollback=True):
            assert "more" not in picture.tables(db)[0].columns
            app.sql("ALTER TABLE presets ADD COLUMN more integer")
            assert "more" in picture.tables(db)[0].columns
            assert code(db) is not code(db)


def test_what_another_counter_is_told_is_about_that_counter(app: App) -> None:
    with database(app) as db, db.snapshot():
        usual = db.counter
        assert picture.tables(db)[0].present
        db.counter = picture.look_up(db, type(usual)(schema="nowhere"))
        assert not picture.tables(db)[0].present
        db.counter = usual
        assert picture.tables(db)[0].present


def test_counters_that_are_looked_at_together_share_the_functions(app: App, asked: list[str]) -> None:
    """Each finds its own among them: those that name it, those that call these, and those of its triggers."""
    app.sql(
        "ALTER TABLE presets ADD COLUMN likes_count integer NOT NULL DEFAULT 0;"
        " CREATE TABLE likes (preset_id uuid REFERENCES presets);"
        " CREATE FUNCTION like_it() RETURNS void LANGUAGE sql AS 'INSERT INTO likes VALUES (NULL)';"
        " CREATE FUNCTION calls_it() RETURNS void LANGUAGE sql AS 'SELECT like_it()';"
        " CREATE FUNCTION sets_both() RETURNS void LANGUAGE sql AS 'UPDATE presets SET likes_count = 0, usage_count = 0';"
        " CREATE FUNCTION of_a_trigger() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
        " CREATE TRIGGER liked AFTER INSERT ON likes EXECUTE FUNCTION of_a_trigger()"
    )
    with database(app) as db:
        usual = db.counter
        likes = replace(
            usual, column="likes_count", last=None, child="likes", time=None, event_id=None, user=None, kind=None,
            data=None, slug="preset_likes_count", recorder=None, incrementer=None, daily=None,
        )  # fmt: skip
        db.counters = (usual, likes)
        alone = {}
        for counter in db.counters:
            db.counter = counter
            with db.snapshot():
                alone[counter] = code(db)
        asked.clear()
        together = {}
        with db.snapshot(db.counters):
            for counter in db.counters:
                db.counter = counter
                together[counter] = code(db)
    assert together == alone
    named = [{function.name for function in found.functions} for found in together.values()]
    assert {"like_it", "calls_it", "sets_both", "of_a_trigger"} <= named[1]
    assert {"like_it", "calls_it", "of_a_trigger"}.isdisjoint(named[0])
    assert "sets_both" in named[0]
    read = [question for question in asked if question.startswith("-- The functions of the application")]
    assert len(read) == len(set(read)) <= 3, "for both"
