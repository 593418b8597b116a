"""The whole life of a counter on every version of PostgreSQL that is supported and not the suite's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import components
import pytest
from conftest import load_partitioned, load_sample
from support import INDEX, App

from usagefix import embedded

TRACK = "SELECT track_preset_usage(%s, 'showcase_creation')"
COLUMNS = "(preset_id, user_id, usage_type)"
MERGE = f"""
    MERGE INTO preset_usage AS event
    USING (SELECT %s::uuid AS preset_id, %s::uuid AS user_id, generate_series(1, 3)) AS used ON event.id = gen_random_uuid()
    WHEN NOT MATCHED THEN INSERT {COLUMNS} VALUES (used.preset_id, used.user_id, 'sample_verification')
"""
DELETE = """
    DELETE FROM preset_usage WHERE id IN (SELECT id FROM preset_usage WHERE preset_id = %s AND created_at > %s LIMIT %s)
"""


@pytest.fixture(
    scope="module",
    params=[pytest.param(version, marks=components.needs(f"postgresql-{version}")) for version in (14, 16, 17, 18)],
)
def other(request: pytest.FixtureRequest) -> Iterator[App]:
    """The maintenance database of a server of its own."""
    binaries = components.path(f"postgresql-{request.param}")
    with embedded.running(binaries, prefix="usagefix-test-") as running:
        app = App(running.host, running.port, "postgres", binaries)
        assert app.db.info.server_version // 10_000 == request.param
        yield app
        app.close()


@pytest.fixture(params=[load_sample, load_partitioned], ids=["plain", "partitioned"])
def life(other: App, request: pytest.FixtureRequest) -> Iterator[App]:
    name = f"life_{request.param.__name__}"
    other.sql(f"CREATE DATABASE {name}")
    app = App(other.host, other.port, name, other.binaries)
    request.param(conninfo=app.url())
    yield app
    app.close()


def track_twice(app: App) -> None:
    """Two uses on one day, through the application's function, as its users call it."""
    with app.connect(autocommit=False) as session:
        session.execute("SET LOCAL ROLE authenticated")
        session.execute("SELECT set_config('request.jwt.claim.sub', %s, true)", (app.user_id(3),))
        for _ in range(2):
            session.execute(TRACK, (app.preset(3),))


def copy(app: App, rows: int) -> None:
    events = [(app.preset(1 + number % 4), app.user_id(5), "playground_generation") for number in range(rows)]
    with app.db.cursor() as cursor, cursor.copy(f"COPY preset_usage {COLUMNS} FROM STDIN".encode()) as stream:
        for event in events:
            stream.write_row(event)


def count(app: App, number: int) -> int:
    return int(app.one("SELECT usage_count FROM presets WHERE id = %s", app.preset(number)))


def test_absent_present_used_absent(life: App) -> None:
    before = life.dump()
    limited = life.one("SELECT to_regclass(%s)", INDEX) is not None
    newest = life.one("SELECT max(created_at) FROM preset_usage")
    assert life.drift()[0] > 0, "the sample must be drifted, or this test proves nothing"
    assert life.usagefix("verify").code == 1
    applied = life.usagefix("apply")
    assert applied.code == 0, applied.stderr
    assert life.drift() == (0, 0)
    assert life.usagefix("verify").code == 0

    # What each way of writing adds to preset 3.
    ways: dict[str, tuple[Callable[[], object], int]] = {
        "function": (lambda: track_twice(life), 2),
        "one row": (lambda: life.use(life.preset(3)), 1),
        "many rows": (lambda: life.use(life.preset(3), times=5), 5),
        "copy": (lambda: copy(life, 8), 2),
        "delete": (lambda: life.sql(DELETE, life.preset(3), newest, 4), -4),
    }
    if life.db.info.server_version >= 150_000:
        ways["merge"] = (lambda: life.sql(MERGE, life.preset(3), life.user_id(6)), 3)
    for way, (write, added) in ways.items():
        shown = count(life, 3)
        write()
        assert count(life, 3) == shown + added, way
        assert life.drift() == (0, 0), way
    assert life.usagefix("verify").code == 0

    if limited:
        assert life.usagefix("rollback", "--yes").code == 1, "two uses on one day do not fit the daily limit"
    life.sql("DELETE FROM preset_usage WHERE created_at > %s", newest)
    assert life.drift() == (0, 0)
    rolled_back = life.usagefix("rollback", "--yes")
    assert rolled_back.code == 0, rolled_back.stderr
    assert life.dump() == before
    assert life.drift() == (0, 0), "the counters keep their right values"
