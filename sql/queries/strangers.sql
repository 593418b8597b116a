-- Code that a write to these tables, or to a partition of them, would run with the rights of the superuser to whom the
-- table belongs, and that a role with fewer rights wrote: functions of triggers and their conditions, of rules, checks
-- and defaults. Not those that run as their owner, and not ours. Parameters: tables, as SQL writes them; released.
WITH RECURSIVE tree AS (
    SELECT to_regclass(name)::oid AS oid FROM unnest(%(tables)s::text[]) AS named (name)
    UNION
    SELECT inhrelid FROM pg_catalog.pg_inherits JOIN tree ON inhparent = tree.oid
), parts AS (
    SELECT 'pg_catalog.pg_trigger'::regclass AS class, oid, tgrelid AS relation,
        format('the trigger %%I', tgname) AS what
    FROM pg_catalog.pg_trigger WHERE NOT tgisinternal AND tgenabled <> 'D'
    UNION ALL
    SELECT 'pg_catalog.pg_constraint'::regclass, oid, conrelid, format('the constraint %%I', conname)
    FROM pg_catalog.pg_constraint WHERE contype = 'c'
    UNION ALL
    SELECT 'pg_catalog.pg_attrdef'::regclass, oid, adrelid, 'a default'
    FROM pg_catalog.pg_attrdef
    UNION ALL
    SELECT 'pg_catalog.pg_rewrite'::regclass, oid, ev_class, format('the rule %%I', rulename)
    FROM pg_catalog.pg_rewrite
)
SELECT format('%%s of %%s calls %%s', parts.what, tables.oid::regclass, functions.oid::regprocedure) AS what,
    functions.oid::regprocedure::text AS function, authors.rolname::text AS author, owners.rolname::text AS superuser
FROM tree
JOIN pg_catalog.pg_class AS tables ON tables.oid = tree.oid
JOIN pg_catalog.pg_roles AS owners ON owners.oid = tables.relowner AND owners.rolsuper
JOIN parts ON parts.relation = tables.oid
JOIN pg_catalog.pg_depend AS used
    ON used.classid = parts.class AND used.objid = parts.oid AND used.refclassid = 'pg_catalog.pg_proc'::regclass
JOIN pg_catalog.pg_proc AS functions ON functions.oid = used.refobjid
JOIN pg_catalog.pg_roles AS authors ON authors.oid = functions.proowner AND NOT authors.rolsuper
WHERE NOT functions.prosecdef AND (
    functions.prosrc = ANY (%(released)s::text[]) AND functions.proconfig = ARRAY['search_path=pg_catalog, pg_temp']
) IS NOT TRUE
ORDER BY 1
