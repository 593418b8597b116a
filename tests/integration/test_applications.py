"""Databases as they are: other columns, keys and schemas, the fix by hand, counted twice. On each the whole way there and back."""

from __future__ import annotations

from pathlib import Path

import pytest
from cases import EVERY, Application
from support import App, failing

from usagefix import catalog


@pytest.fixture(params=EVERY)
def case(request: pytest.FixtureRequest, app: App) -> tuple[Application, App]:
    application = EVERY[request.param]
    application.make(app)
    return application, app


def track_twice(application: Application, app: App) -> None:
    with app.connect() as client:
        client.execute(f'SET search_path = "{application.schema}", public')
        client.execute(f"SET ROLE {application.role}")
        client.execute(f"SET request.jwt.claim.sub = '{app.user_id()}'")
        for _ in range(2):
            client.execute(application.track.encode())


def test_there_and_back(case: tuple[Application, App]) -> None:
    application, app = case
    before = app.dump()
    assert app.drift()[0] > 0, "an application that did not drift proves nothing"
    assert application.usagefix(app, "verify").code == 1
    states = application.usagefix(app, "status", "--format", "json").one["migrations"]
    assert states[0]["state"] == application.state
    planned = application.usagefix(app, "apply", "--dry-run", "--format", "json")
    assert planned.code == 0, planned.stderr
    assert app.dump() == before
    done = application.usagefix(app, "apply", "--format", "json")
    assert done.code == 0, done.stderr + done.stdout
    assert planned.one["remarks"] == done.one["remarks"]
    assert len(done.one["remarks"]) == len(application.remarks)
    for said, expected in zip(sorted(done.one["remarks"]), application.remarks, strict=False):
        assert any(expected in remark for remark in done.one["remarks"]), said
    assert app.drift() == (0, 0)
    assert failing(application.usagefix(app, "verify", "--format", "json")) == set()

    app.sql(application.use)
    assert app.drift() == (0, 0), "an event counts once"
    if application.track:
        events = app.one("SELECT count(*) FROM preset_usage")
        track_twice(application, app)
        assert app.one("SELECT count(*) FROM preset_usage") == events + 2
    app.sql("DELETE FROM preset_usage WHERE ctid IN (SELECT ctid FROM preset_usage LIMIT 7)")
    app.sql("UPDATE preset_usage SET preset_id = (SELECT min(id::text) FROM presets)::text::" + key_type(app))
    assert app.drift() == (0, 0)
    again = application.usagefix(app, "apply", "--format", "json")
    assert again.one["backfill"]["rows_changed"] == 0, "what is right is not written again"
    for command in (
        (
            "check-preset",
            str(app.one("SELECT preset_id FROM preset_usage WHERE preset_id IS NOT NULL LIMIT 1")),
            "--recent",
            "3",
        ),
        ("status",),
        ("verify",),
    ):
        for form in ("table", "json"):
            result = application.usagefix(app, *command, "--format", form)
            assert result.code == 0, result.stderr + result.stdout
    app.sql("TRUNCATE preset_usage")
    assert app.drift() == (0, 0)

    back = application.usagefix(app, "rollback", "--yes")
    assert back.code == 0, back.stderr
    assert app.dump() == before


def test_by_hand_with_psql(case: tuple[Application, App], tmp_path: Path) -> None:
    """The printed SQL, adapted to the database, does the same; and what the checks say is the same."""
    application, app = case
    before = app.dump()
    done = application.by_hand(app)
    assert done.returncode == 0, done.stderr
    assert app.drift() == (0, 0)
    assert application.usagefix(app, "verify").code == 0
    for migration in catalog.migrations():
        printed = application.usagefix(app, "sql", migration.version, "verify", "--adapt")
        assert printed.code == 0, printed.stderr
        script = tmp_path / f"{migration.version}.sql"
        script.write_text(printed.stdout)
        looked = app.psql(script, single=False)
        assert looked.returncode == 0, looked.stderr
        assert not {"failed", "missing", "outdated", "unexpected"} & set(looked.stdout.split()), looked.stdout
    app.sql(application.use)
    app.sql("DELETE FROM preset_usage WHERE ctid IN (SELECT ctid FROM preset_usage LIMIT 7)")
    assert app.drift() == (0, 0)
    app.sql("DELETE FROM preset_usage")
    undone = application.by_hand(app, undo=True)
    assert undone.returncode == 0, undone.stderr
    assert app.dump() == before


def key_type(app: App) -> str:
    return str(
        app.one(
            "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'presets'::regclass AND attname = 'id'"
        )
    )
