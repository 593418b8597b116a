-- The objects of the ledger, by kind, as DROP names them.
SELECT CASE relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END AS kind,
    string_agg(relations.oid::regclass::text, ', ' ORDER BY relations.relname) AS names
FROM pg_catalog.pg_class AS relations
WHERE relnamespace = to_regnamespace('usagefix') AND (relkind = 'r' OR relkind = 'S' AND NOT EXISTS (
    SELECT FROM pg_catalog.pg_depend AS owned WHERE owned.objid = relations.oid AND owned.deptype IN ('a', 'i')))
GROUP BY 1
ORDER BY 1 DESC
