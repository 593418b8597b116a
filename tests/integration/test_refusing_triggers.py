"""Triggers of the application on presets that let no count through: verify, doctor and apply say so."""

from __future__ import annotations

import pytest
from support import App

USE = (
    "INSERT INTO preset_usage (preset_id, user_id, usage_type) SELECT id, user_id, 'showcase_creation' FROM presets"
    " WHERE user_id IS NOT NULL ORDER BY id LIMIT 1"
)
TRIGGER = "CREATE TRIGGER mine {when} ON presets FOR EACH ROW EXECUTE FUNCTION mine()"
NOTHING = "BEGIN RETURN NULL; END"
RAISES = "BEGIN RAISE EXCEPTION 'not today'; END"
REFUSING = {
    "one that returns NULL": (NOTHING, TRIGGER.format(when="BEFORE UPDATE"), False),
    "one that returns NULL in each branch": (
        "BEGIN IF NEW.name = OLD.name THEN RETURN NULL; ELSE RETURN NULL; END IF; END",
        TRIGGER.format(when="BEFORE INSERT OR UPDATE OF usage_count"),
        False,
    ),
    "one that raises": (RAISES, TRIGGER.format(when="BEFORE UPDATE"), True),
    "one that raises afterwards": (RAISES, TRIGGER.format(when="AFTER UPDATE"), True),
    "one that raises without a word": ("BEGIN RAISE 'no'; END", TRIGGER.format(when="AFTER UPDATE"), True),
}
FINE = {
    "afterwards": (NOTHING, TRIGGER.format(when="AFTER UPDATE")),
    "of another column": (RAISES, TRIGGER.format(when="BEFORE UPDATE OF name")),
    "of a deletion": (RAISES, TRIGGER.format(when="BEFORE DELETE")),
    "in a condition": (RAISES, TRIGGER.format(when="BEFORE UPDATE").replace("EXECUTE", "WHEN (NEW.name = 'x') EXECUTE")),
    "only for some": ("BEGIN IF NEW.name = '' THEN RAISE 'no'; END IF; RETURN NEW; END", TRIGGER.format(when="BEFORE UPDATE")),
    "for some that are dropped": (
        "BEGIN IF NEW.name = '' THEN RETURN NULL; END IF; RETURN NEW; END", TRIGGER.format(when="BEFORE UPDATE"),
    ),
    "only a notice": ("BEGIN RAISE NOTICE 'x'; RETURN NEW; END", TRIGGER.format(when="BEFORE UPDATE")),
    "caught": (
        "BEGIN RAISE 'x'; EXCEPTION WHEN OTHERS THEN RETURN NEW; END", TRIGGER.format(when="BEFORE UPDATE"),
    ),
    "disabled": (RAISES, TRIGGER.format(when="BEFORE UPDATE") + "; ALTER TABLE presets DISABLE TRIGGER mine"),
}  # fmt: skip


def made(app: App, body: str, trigger: str) -> None:
    app.sql(f"CREATE FUNCTION mine() RETURNS trigger LANGUAGE plpgsql AS $${body}$$; {trigger}")


def failed(app: App) -> set[str]:
    checks = app.usagefix("verify", "--format", "json").one["checks"]
    return {check["check_id"] for check in checks if check["status"] not in ("ok", "skipped")}


@pytest.mark.parametrize("what", REFUSING)
def test_a_trigger_that_refuses_each_count_is_found(fixed: App, what: str) -> None:
    body, trigger, fails = REFUSING[what]
    made(fixed, body, trigger)
    if not fails:
        fixed.sql(f"BEGIN; {USE}; SELECT 1; ROLLBACK")
    assert failed(fixed) == {"uses_accepted"}
    said = fixed.usagefix("verify", "--format", "json").stdout
    assert "ALTER TABLE public.presets DISABLE TRIGGER" in said
    assert "mine on public.presets" in fixed.usagefix("doctor").stdout
    fixed.sql("ALTER TABLE public.presets DISABLE TRIGGER mine")
    fixed.sql(USE)
    assert failed(fixed) == set()


def test_apply_refuses_beforehand(app: App) -> None:
    made(app, NOTHING, TRIGGER.format(when="BEFORE UPDATE"))
    before = app.dump_all()
    refused = app.usagefix("apply")
    assert (refused.code, "mine on public.presets refuses each count" in " ".join(refused.stderr.split())) == (1, True)
    assert app.dump_all() == before


@pytest.mark.parametrize("what", FINE)
def test_others_are_no_matter(fixed: App, what: str) -> None:
    made(fixed, *FINE[what])
    fixed.sql(USE)
    assert failed(fixed) == set()
