"""What the tables' owner puts off to the commit of a superuser's usagefix, where nothing keeps it from those rights."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest
from planted import MARK, OWNER, Log
from support import App

# Rights that a function of the owner has at the commit go to the server's log; in its own transaction there are none.
EVIL = f"""
CREATE FUNCTION public.evil() RETURNS int VOLATILE LANGUAGE plpgsql AS $$BEGIN
    IF (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user) THEN
        RAISE LOG '{MARK} % % %', pg_catalog.current_database(), current_user, 'at the commit';
    END IF;
    RETURN 1;
END$$;
CREATE FUNCTION public.evil_later() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM public.evil(); RETURN NULL; END$$;
CREATE FUNCTION public.again_later() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
    SET CONSTRAINTS ALL DEFERRED; INSERT INTO public.notes DEFAULT VALUES; RETURN NULL; END$$;
CREATE FUNCTION public.held() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
    EXECUTE 'DECLARE held' || translate(gen_random_uuid()::text, '-', '') || ' CURSOR WITH HOLD FOR SELECT public.evil()'; RETURN NULL; END$$;
CREATE FUNCTION public.same(uuid) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$BEGIN PERFORM public.evil();
    RETURN CASE WHEN current_user = session_user THEN $1::text ELSE 'a conflict, so look again at the commit' END; END$$;
CREATE TABLE public.notes (id int GENERATED ALWAYS AS IDENTITY);
CREATE CONSTRAINT TRIGGER later AFTER INSERT ON public.notes DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION public.evil_later();
"""
WAYS = {
    "a deferred trigger": "CREATE CONSTRAINT TRIGGER later AFTER INSERT OR UPDATE ON public.{table} DEFERRABLE INITIALLY"
    " DEFERRED FOR EACH ROW EXECUTE FUNCTION public.evil_later()",
    "a trigger that may be deferred": "CREATE CONSTRAINT TRIGGER later AFTER INSERT OR UPDATE ON public.{table}"
    " DEFERRABLE FOR EACH ROW EXECUTE FUNCTION public.evil_later(); CREATE TRIGGER defers BEFORE INSERT OR UPDATE ON"
    " public.{table} EXECUTE FUNCTION public.defers()",
    "a deferred trigger of another table": "CREATE TRIGGER now AFTER INSERT OR UPDATE ON public.{table}"
    " FOR EACH ROW EXECUTE FUNCTION public.again_later()",
    "a cursor": "CREATE TRIGGER now AFTER INSERT OR UPDATE ON public.{table} FOR EACH ROW EXECUTE FUNCTION public.held()",
    "an exclusion constraint": "ALTER TABLE public.{table} ADD EXCLUDE (public.same(id) WITH =, ({column} * 0) WITH =)"
    " DEFERRABLE INITIALLY DEFERRED",
}
DEFERS = (
    "CREATE FUNCTION public.defers() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN"
    " SET CONSTRAINTS ALL DEFERRED; RETURN NULL; END$$;"
)
TABLES = """
CREATE TABLE public.totals (id uuid PRIMARY KEY, n int NOT NULL DEFAULT 0);
CREATE TABLE public.people (id uuid PRIMARY KEY, total bigint NOT NULL DEFAULT 0);
INSERT INTO public.people SELECT DISTINCT user_id FROM public.presets WHERE user_id IS NOT NULL;
"""
USUAL = '[[counter]]\ncounter = "presets.usage_count"\nevents = "preset_usage.preset_id"\n'
SPOIL = "SET LOCAL usagefix.bypass_guard = 'on'; UPDATE public.presets SET usage_count = usage_count - 1 WHERE usage_count > 3"
# What usagefix does at a commit: the table that it writes, what is declared, the command, and how that is spoiled.
DONE = {
    "backfill --fire-triggers": ("presets", USUAL, ("backfill", "--fire-triggers"), SPOIL),
    "backfill of a counter that another sums": (
        "people",
        f'{USUAL}[[counter]]\ncounter = "people.total"\nevents = "presets.user_id"\nkey = "id"\nsum = "usage_count"\n',
        ("backfill", "--counter", "preset_usage_count"),
        SPOIL,
    ),
    "apply that creates rows": (
        "totals",
        '[[counter]]\ncounter = "totals.n"\nevents = "preset_usage.user_id"\nkey = "id"\nmissing = "create"\n',
        ("apply",),
        "",
    ),
}


COLUMN = {"presets": "usage_count", "people": "total", "totals": "n"}
WRONG = {
    "presets": "SELECT count(*) FROM public.presets AS p WHERE usage_count <> (SELECT count(*) FROM public.preset_usage"
    " WHERE preset_id = p.id)",
    "people": "SELECT count(*) FROM public.people AS p WHERE total <> (SELECT sum(uses) FROM (SELECT (SELECT count(*)"
    " FROM public.preset_usage WHERE preset_id = presets.id) AS uses FROM public.presets WHERE user_id = p.id) AS each)",
    "totals": "SELECT count(DISTINCT user_id) FROM public.preset_usage AS u WHERE NOT EXISTS (SELECT FROM public.totals"
    " AS t WHERE t.id = u.user_id AND n = (SELECT count(*) FROM public.preset_usage WHERE user_id = t.id))",
}


# The server takes no ON CONFLICT on a table with a deferrable constraint.
TRIED = [each for each in product(WAYS, DONE) if each != ("an exclusion constraint", "apply that creates rows")]


@pytest.mark.parametrize(("way", "done"), TRIED)
def test_the_owners_code_does_not_wait_for_the_commit_of_a_superuser(
    owned: App, tmp_path: Path, way: str, done: str
) -> None:
    table, declared, command, spoiling = DONE[done]
    (tmp_path / "usagefix.toml").write_text(declared)
    config = ("--config", str(tmp_path / "usagefix.toml"))
    owned.sql(f"GRANT CREATE ON DATABASE {owned.name} TO {OWNER}")
    with owned.connect(user=OWNER, autocommit=False) as owner:
        owner.execute(f"{TABLES}{EVIL}{DEFERS}".encode())
        owner.commit()
        if spoiling:
            assert owned.usagefix("apply", *config).code == 0
            owner.execute(spoiling.encode())
            owner.commit()
        owner.execute(WAYS[way].format(table=table, column=COLUMN[table]).encode())
        owner.commit()
    log = Log.of(owned)
    refused = owned.usagefix(*command, *config)
    assert log.calls() == []
    if way != "a cursor" and owned.opened[0].info.server_version >= 180000 and refused.code != 5:
        return  # it has run as who put it off
    assert owned.one(WRONG[table]) > 0, "nothing was corrected"
    assert (refused.code, OWNER in refused.stderr) == (5, True), refused.stderr + refused.stdout
    with owned.connect(user=OWNER) as owner:
        for (trigger,) in owner.execute(
            "SELECT tgname FROM pg_trigger WHERE tgname IN ('now', 'later') AND tgrelid = %s::regclass",
            (f"public.{table}",),
        ).fetchall():
            owner.execute(f"ALTER TABLE public.{table} DISABLE TRIGGER {trigger}".encode())
    if way != "an exclusion constraint":
        assert (owned.usagefix(*command, *config).code, log.calls(), owned.one(WRONG[table])) == (0, [], 0)
