"""Locks several tables with no longer a wait, in all, than for one."""

from __future__ import annotations

from collections.abc import Sequence

from usagefix.catalog import Statement
from usagefix.planning.stops import folded


def locked_together(tables: Sequence[str], mode: str, purpose: str) -> tuple[Statement, ...]:
    """A statement that locks the tables one after the other, as SQL names them, within one ``lock_timeout``: whoever
    writes to the first waits while it waits for the last. None for a single table, which what follows locks."""
    if not tables[1:]:
        return ()
    return (
        Statement(
            purpose,
            f"""DO $do$ DECLARE
    since CONSTANT timestamptz := clock_timestamp();
    patience CONSTANT interval := current_setting('lock_timeout');
    table_name text;
BEGIN
    FOREACH table_name IN ARRAY {folded(list(tables))} LOOP
        EXECUTE format('LOCK TABLE ONLY %s IN {mode} MODE', table_name);
        PERFORM set_config('lock_timeout', GREATEST(1, 1000 * EXTRACT(epoch FROM
            since + patience - clock_timestamp()))::integer::text, true);
    END LOOP;
    PERFORM set_config('lock_timeout', (1000 * EXTRACT(epoch FROM patience))::integer::text, true);
END $do$;""",
        ),
    )
