"""An application that belongs to a superuser: what others wrote does not get those rights from usagefix."""

from __future__ import annotations

import pytest
from planted import MARK, OWNER, Log
from support import App

EVIL = f"""
CREATE FUNCTION public.evil() RETURNS int VOLATILE LANGUAGE plpgsql AS $$BEGIN
    IF (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user) THEN
        RAISE LOG '{MARK} % % %', pg_catalog.current_database(), current_user, 'evil';
    END IF;
    RETURN 1;
END$$;
CREATE FUNCTION public.evil_row() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM public.evil(); RETURN NEW; END$$;
"""
RECORDS = (
    "CREATE OR REPLACE FUNCTION public.track_preset_usage{arguments} RETURNS uuid LANGUAGE plpgsql AS $$DECLARE made uuid;"
    " BEGIN PERFORM public.evil(); INSERT INTO public.preset_usage (preset_id, user_id, usage_type) VALUES (preset_uuid,"
    " auth.uid(), usage_type_param) RETURNING id INTO made; RETURN made; END$$;"
)
USUAL = "(preset_uuid uuid, usage_type_param text, usage_data_param jsonb DEFAULT '{{}}')"
TRIGGER = "CREATE TRIGGER evil {when} ON public.{table} FOR EACH ROW EXECUTE FUNCTION public.evil_row()"
# By a role that owns nothing but may create functions: as the superuser, before it; then as itself; then as the superuser.
BY_OTHERS = {
    "another function that records": ("", RECORDS.format(arguments="(preset_uuid uuid, usage_type_param text)"), ""),
    "the function that records": (
        f"ALTER FUNCTION public.track_preset_usage(uuid, text, jsonb) OWNER TO {OWNER}",
        RECORDS.format(arguments=USUAL.format()) + "ALTER FUNCTION public.track_preset_usage RESET ALL",
        "",
    ),
    "the same of the owner of the database": (
        f"ALTER FUNCTION public.track_preset_usage(uuid, text, jsonb) OWNER TO {OWNER}; ALTER DATABASE {{}} OWNER TO {OWNER}",
        RECORDS.format(arguments=USUAL.format()) + "ALTER FUNCTION public.track_preset_usage RESET ALL",
        "",
    ),
    "a trigger on the events": (
        f"GRANT TRIGGER ON public.preset_usage TO {OWNER}",
        TRIGGER.format(table="preset_usage", when="BEFORE INSERT OR DELETE"),
        "",
    ),
    "a trigger on the presets": (
        f"GRANT TRIGGER ON public.presets TO {OWNER}",
        TRIGGER.format(table="presets", when="BEFORE UPDATE"),
        "",
    ),
    "a trigger on the users": (
        f"GRANT TRIGGER ON auth.users TO {OWNER}; GRANT USAGE ON SCHEMA auth TO {OWNER};"
        " TRUNCATE public.preset_usage, public.presets, auth.users CASCADE",
        TRIGGER.format(table="users", when="BEFORE INSERT").replace("public.users", "auth.users"),
        "",
    ),
    "a check of the events": ("", "", "ALTER TABLE public.preset_usage ADD CHECK (public.evil() = 1) NOT VALID"),
    "a check of the presets": ("", "", "ALTER TABLE public.presets ADD CHECK (public.evil() = 1) NOT VALID"),
    "a default of the events": ("", "", "ALTER TABLE public.preset_usage ADD at int DEFAULT public.evil()"),
    "a condition": (
        "",
        "",
        "CREATE FUNCTION public.fine() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
        " CREATE TRIGGER evil AFTER INSERT ON public.preset_usage FOR EACH ROW WHEN (public.evil() = 1)"
        " EXECUTE FUNCTION public.fine()",
    ),
    "the table of the events": (
        f"ALTER TABLE public.preset_usage OWNER TO {OWNER}; DROP FUNCTION public.track_preset_usage(uuid, text, jsonb)",
        TRIGGER.format(table="preset_usage", when="BEFORE INSERT OR DELETE")
        + "; ALTER TABLE public.preset_usage ADD CHECK (public.evil() = 1) NOT VALID, ADD at int DEFAULT public.evil()",
        "",
    ),
    "the same, and rights on the presets": (
        f"ALTER TABLE public.preset_usage OWNER TO {OWNER}; DROP FUNCTION public.track_preset_usage(uuid, text, jsonb);"
        f" ALTER ROLE {OWNER} BYPASSRLS; GRANT SELECT, UPDATE ON public.presets TO {OWNER};"
        f" GRANT SELECT, REFERENCES ON auth.users TO {OWNER}; GRANT USAGE ON SCHEMA auth TO {OWNER}",
        TRIGGER.format(table="preset_usage", when="BEFORE INSERT OR DELETE")
        + "; ALTER TABLE public.preset_usage ADD CHECK (public.evil() = 1) NOT VALID, ADD at int DEFAULT public.evil()",
        "",
    ),
}
COMMANDS = (
    "verify", "doctor", "apply --dry-run", "apply", "smoke", "spoil", "backfill", "spoil", "backfill --fire-triggers",
    "rollback --yes --counters restore", "rollback --yes",
)  # fmt: skip


def expected(what: str, planted: str) -> list[str]:
    """The commands that refuse to write: they have no other role to do it as."""
    if "function" in what or "owner of the database" in what or "rights on" in what:
        return []
    if what == "a trigger on the users":
        return ["smoke"]
    tries = ["apply --dry-run", "apply", *(["smoke"] if what != "the table of the events" else [])]
    corrects = "presets" in what and planted == "after apply"
    gives_back = ["backfill", "backfill --fire-triggers", "rollback --yes --counters restore"]
    return [*tries, *(gives_back if corrects else [])]


@pytest.mark.parametrize("planted", ["before", "after apply"])
@pytest.mark.parametrize("what", BY_OTHERS)
def test_code_of_others_does_not_run_as_the_superuser_whose_the_tables_are(
    app: App, harmless: None, what: str, planted: str
) -> None:
    app.sql("SET search_path = pg_catalog, public")
    app.sql(f"GRANT CREATE ON SCHEMA public TO {OWNER}")
    before, own, later = BY_OTHERS[what]
    log = Log.of(app)

    def plant() -> None:
        app.sql(before.format(app.name) or "SELECT 1")
        with app.connect(user=OWNER, autocommit=False) as owner:
            owner.execute((EVIL + own).encode())
            owner.commit()
        app.sql(later or "SELECT 1")

    if planted == "after apply":
        assert app.usagefix("apply").code == 0
    plant()
    log, ended, refused = Log.of(app), [], []
    for command in COMMANDS:
        if command == "spoil":
            app.sql(
                "BEGIN; SET LOCAL session_replication_role = 'replica'; UPDATE public.presets SET usage_count = 0"
                " WHERE id = (SELECT id FROM public.presets WHERE usage_count > 0 LIMIT 1); COMMIT"
            )
            log = Log.of(app)  # a check runs in this
            continue
        calls = len(log.calls())
        done = app.usagefix(*command.split())
        if len(log.calls()) > calls:
            ended.append((command, done.code))
        if done.code == 5:
            refused.append(command)
            assert "evil" in done.stderr or OWNER in done.stderr, done.stderr
    assert (ended, refused) == ([], expected(what, planted))
    app.sql(f"ALTER DATABASE {app.name} OWNER TO postgres; DROP OWNED BY {OWNER} CASCADE")
