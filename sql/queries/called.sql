-- Of the functions, domains and views that SQL of a counter names, those that it may not name: functions without an
-- immutable form, and objects whose owner is neither a superuser nor the owner of the table with the counter.
-- Parameters: schemas, names (arrays of one length), owner.
SELECT wanted.schema, wanted.name, found.moving, found.owner
FROM unnest(%(schemas)s::pg_catalog.text[], %(names)s::pg_catalog.text[]) AS wanted (schema, name)
JOIN pg_catalog.pg_namespace ON nspname = wanted.schema
CROSS JOIN LATERAL (
    SELECT pg_catalog.bool_and(made.moving) AS moving,
        pg_catalog.min(rolname::text) FILTER (WHERE NOT rolsuper AND rolname <> %(owner)s) AS owner
    FROM (
        SELECT proowner AS by, provolatile <> 'i' AS moving
        FROM pg_catalog.pg_proc WHERE pronamespace = pg_namespace.oid AND proname = wanted.name
        UNION ALL
        SELECT typowner, false
        FROM pg_catalog.pg_type WHERE typnamespace = pg_namespace.oid AND typname = wanted.name AND typtype = 'd'
        UNION ALL
        SELECT relowner, false
        FROM pg_catalog.pg_class
        WHERE relnamespace = pg_namespace.oid AND relname = wanted.name AND relkind IN ('v', 'f')
    ) AS made
    JOIN pg_catalog.pg_roles ON pg_roles.oid = made.by
) AS found
WHERE found.moving OR found.owner IS NOT NULL
