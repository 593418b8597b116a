-- The mode of the guard, null where not all of its triggers are there; whether all are enabled; and whether the ledger
-- has what it takes to change the mode and to tell what was refused.
SELECT CASE WHEN count(*) >= CASE WHEN guarded.relkind = 'p' THEN 2 ELSE 3 END
        THEN min(split_part(encode(existing.tgargs, 'escape'), '\000', 1)) END AS mode,
    COALESCE(bool_and(existing.tgenabled IN ('O', 'A')), false) AS enabled,
    to_regprocedure('usagefix.set_guard(text)') IS NOT NULL
        AND to_regclass('usagefix.refused_writes') IS NOT NULL AS ledger
FROM pg_catalog.pg_class AS guarded
LEFT JOIN pg_catalog.pg_trigger AS existing
    ON existing.tgrelid = guarded.oid AND existing.tgfoid = to_regprocedure(%(guard)s)
    AND existing.tgname IN (%(trigger_guard)s, %(zz_trigger_guard)s, %(trigger_guard_insert)s)
WHERE guarded.oid = to_regclass(%(parent)s)
GROUP BY guarded.relkind
