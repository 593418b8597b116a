"""A counter that is only verified: what status and doctor say of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from shapes import Shape
from support import App, run

SHAPE = Shape("distinct")
CONFIG = ("--config", str(SHAPE.declaration))
OTHERS = """
CREATE VIEW seen AS SELECT * FROM observations WHERE observer_id % 2 >= 0;
CREATE FUNCTION bump() RETURNS trigger LANGUAGE plpgsql AS $f$
BEGIN UPDATE fields SET observers_count = observers_count + 1 WHERE id = NEW.field_id; RETURN NULL; END $f$;
CREATE TRIGGER bump AFTER INSERT ON observations FOR EACH ROW EXECUTE FUNCTION bump();
"""


@pytest.fixture
def fields(empty: App) -> App:
    SHAPE.load(empty)
    return empty


def test_status_says_what_it_reads(fields: App, tmp_path: Path) -> None:
    """Also through a view; and nothing is pending, for there is nothing to apply."""
    fields.sql(OTHERS)
    file = tmp_path / "usagefix.toml"
    file.write_text(SHAPE.declaration.read_text().replace("observations", "seen"))
    found = fields.usagefix("status", "--config", str(file), "--format", "json")
    assert found.code == 0, found.stderr
    assert (found.one["migrations"], found.one["reads"]) == ([], ["public.observations"])
    said = fields.usagefix("status", "--config", str(file)).stdout
    assert "only verified: no trigger keeps it" in said
    assert "apply" not in said


def test_doctor_says_who_writes_it(fields: App, tmp_path: Path) -> None:
    """And never to apply anything."""
    nobody = fields.usagefix("doctor", *CONFIG, "--format", "json").one
    assert {finding["finding_id"] for finding in nobody["findings"]} == {"drift", "nothing_writes"}
    fields.sql(OTHERS)
    (tmp_path / "field.rb").write_text("field.observers_count += 1\nfield.save!\n")
    found = fields.usagefix("doctor", *CONFIG, "--source", str(tmp_path), "--format", "json")
    assert found.code == 1, found.stderr
    by = {finding["finding_id"]: finding for finding in found.one["findings"]}
    assert by.keys() == {"drift", "counter_writer", "source_writes"}
    assert by["counter_writer"]["evidence"] == "called by trigger bump on public.observations"
    assert by["source_writes"]["object"] == "field.rb:1"
    assert not any("apply" in finding["remedy"] or "backfill" in finding["remedy"] for finding in found.one["findings"])
    fields.sql("UPDATE fields SET observers_count = observers_count - 1 WHERE id % 8 = 0")
    assert fields.usagefix("doctor", *CONFIG).code == 0


def test_beside_one_that_is_kept(fields: App, tmp_path: Path) -> None:
    fields.sql("ALTER TABLE fields ADD observations_count integer NOT NULL DEFAULT 0")
    kept = '\n[[counter]]\ncounter = "fields.observations_count"\nevents = "observations.field_id"\n'
    file = tmp_path / "usagefix.toml"
    file.write_text(SHAPE.declaration.read_text() + kept)
    applied = run("apply", cwd=tmp_path, DATABASE_URL=fields.url())
    assert applied.code == 0, applied.stderr
    found = run("status", "--format", "json", cwd=tmp_path, DATABASE_URL=fields.url()).json["counters"]
    assert {part["counter"]: len(part["migrations"]) for part in found} == {
        "field_observers_count": 0,
        "field_observations_count": 2,
    }
    assert run("doctor", cwd=tmp_path, DATABASE_URL=fields.url()).code == 1


def test_triggers_that_were_made_for_it_before_are_told(fields: App, tmp_path: Path) -> None:
    file = tmp_path / "usagefix.toml"
    file.write_text('[[counter]]\ncounter = "fields.observers_count"\nevents = "observations.field_id"\n')
    applied = run("apply", "--trust", "events", cwd=tmp_path, DATABASE_URL=fields.url())
    assert applied.code == 0, applied.stderr
    file.write_text(SHAPE.declaration.read_text())
    said = run("status", cwd=tmp_path, DATABASE_URL=fields.url()).stderr
    assert "applied here, but not declared: field_observers_count" in said
