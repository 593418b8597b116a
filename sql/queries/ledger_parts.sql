-- What the ledger is made of, by kind, as DROP takes it.
SELECT parts.kind AS kind, string_agg(parts.name, ', ' ORDER BY parts.name) AS names
FROM (
    SELECT CASE relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END AS kind, oid::regclass::text AS name
    FROM pg_catalog.pg_class AS relations
    WHERE relnamespace = to_regnamespace('usagefix') AND (relkind = 'r' OR relkind = 'S' AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_depend AS owned WHERE owned.objid = relations.oid AND owned.deptype IN ('a', 'i')))
    UNION ALL
    SELECT 'FUNCTION', oid::regprocedure::text FROM pg_catalog.pg_proc WHERE pronamespace = to_regnamespace('usagefix')
) AS parts
GROUP BY parts.kind
ORDER BY parts.kind DESC
