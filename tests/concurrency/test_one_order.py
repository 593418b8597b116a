"""Two tables of events that count for the same two tables: writers of both lock these in one order, or apply refuses."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import psycopg
from byvalue import counter, install, until, writers, wrong
from support import App, Result

from usagefix.counter import Counter
from usagefix.related import crossed

ROWS, ENOUGH = 6, 400
TABLES = f"""
CREATE TABLE authors (id int PRIMARY KEY, likes_count int NOT NULL DEFAULT 0, shares_count int NOT NULL DEFAULT 0);
CREATE TABLE books (id int PRIMARY KEY, likes_count int NOT NULL DEFAULT 0, shares_count int NOT NULL DEFAULT 0);
CREATE TABLE likes (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, author_id int NOT NULL, book_id int NOT NULL);
CREATE TABLE shares (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, author_id int NOT NULL, book_id int NOT NULL);
CREATE INDEX ON likes (author_id); CREATE INDEX ON likes (book_id);
CREATE INDEX ON shares (author_id); CREATE INDEX ON shares (book_id);
INSERT INTO authors SELECT n FROM generate_series(1, {ROWS}) AS n;
INSERT INTO books SELECT n FROM generate_series(1, {ROWS}) AS n;
"""
FILE = "\n".join(
    f'[[counter]]\ncounter = "{parent}.{child}_count"\nevents = "{child}.{parent[:-1]}_id"\nname = "{{{child}_of_{parent}}}"\n'
    for child in ("likes", "shares")
    for parent in ("authors", "books")
)
# Likes lock authors first, shares lock books first.
CROSSED = {"likes_of_authors": "a", "likes_of_books": "b", "shares_of_authors": "d", "shares_of_books": "c"}
STRAIGHT = {**CROSSED, "shares_of_books": "e"}


def write(luck: random.Random, connection: psycopg.Connection[Any]) -> None:
    """Some rows in any order, of the one table or of the other."""
    table = luck.choice(("likes", "shares"))
    rows = ", ".join(f"({luck.randint(1, ROWS)}, {luck.randint(1, ROWS)})" for _ in range(luck.choice((1, 4))))
    what = luck.random()
    if what < 0.6:
        connection.execute(f"INSERT INTO {table} (author_id, book_id) VALUES {rows}".encode())
        return
    change = f"UPDATE {table} SET author_id = {luck.randint(1, ROWS)}, book_id = {luck.randint(1, ROWS)}"
    some = f"id IN (SELECT id FROM {table} ORDER BY random() LIMIT 3 FOR UPDATE SKIP LOCKED)"
    connection.execute(f"{change if what < 0.8 else 'DELETE FROM ' + table} WHERE {some}".encode())


def counters(names: dict[str, str]) -> tuple[Counter, ...]:
    return tuple(
        counter(f"{parent}.{child}_count", f"{child}.{parent[:-1]}_id", names[f"{child}_of_{parent}"])
        for child in ("likes", "shares")
        for parent in ("authors", "books")
    )


def applied(app: App, folder: Path, names: dict[str, str], *options: str) -> Result:
    (folder / "usagefix.toml").write_text(FILE.format(**names))
    return app.usagefix("apply", "--config", str(folder / "usagefix.toml"), *options)


def test_opposite_orders_are_refused_and_another_name_resolves_it(app: App, tmp_path: Path) -> None:
    app.sql(TABLES)
    before = app.dump_all()
    result = applied(app, tmp_path, CROSSED)
    assert (result.code, app.dump_all()) == (1, before)
    assert (
        'lock public."authors" before public."books" (by a and b) and public."books" before public."authors" (by c and d)'
    ) in result.stderr
    assert 'name = "..."' in result.stderr
    assert applied(app, tmp_path, STRAIGHT).code == 0
    with writers(app, write) as people:
        until(people, ENOUGH)
    assert people.failures == []
    assert [wrong(app, of) for of in counters(STRAIGHT)] == [[]] * 4


def test_what_is_refused_would_deadlock(app: App) -> None:
    """So that the test above would see them."""
    app.sql(TABLES)
    install(app, *counters(CROSSED))
    with writers(app, write) as people:
        until(people, 500 * ENOUGH)
    assert people.deadlocks > 0
    assert [wrong(app, of) for of in counters(CROSSED)] == [[]] * 4


def test_an_applied_counter_has_the_name_that_it_was_applied_under(app: App, tmp_path: Path) -> None:
    """Another name in the file would not change its triggers: it says to roll it back first."""
    app.sql(TABLES)
    file = tmp_path / "usagefix.toml"
    assert applied(app, tmp_path, CROSSED, "--counter", "a").code == 1, "it stands in one of the circles"
    file.write_text("[[counter]]".join(FILE.format(**CROSSED).split("[[counter]]")[:3]))  # the likes alone
    assert app.usagefix("apply", "--config", str(file)).code == 0
    before = app.dump_all()
    result = applied(app, tmp_path, {**CROSSED, "likes_of_authors": "z"})
    assert (result.code, app.dump_all()) == (1, before)
    assert "roll back before it gets another name: a, b" in result.stderr
    assert app.usagefix("verify", "--config", str(file), "--counter", "b").code == 0, "what changes nothing goes on"
    assert applied(app, tmp_path, STRAIGHT).code == 0


def test_a_circle_of_three_tables_and_one_within_a_table() -> None:
    def of(parent: str, child: str, slug: str) -> Counter:
        return counter(f"{parent}.n", f"{child}.{parent}", slug)

    three = (
        of("a", "x", "1"),
        of("b", "x", "2"),
        of("b", "y", "3"),
        of("c", "y", "4"),
        of("c", "z", "5"),
        of("a", "z", "6"),
    )
    (circle,) = crossed(three)
    assert set(circle.names) == {"1", "2", "3", "4", "5", "6"}
    assert crossed(three[:4]) == ()
    # trigger_auto_increment_k, then …_k_d; but trigger_auto_adjust_k_d_delete, then …_k_delete
    assert [set(circle.names) for circle in crossed((of("a", "x", "k"), of("b", "x", "k_d")))] == [{"k", "k_d"}]
