-- How Citus keeps the two tables; no row for a plain table. Runs only if Citus has its catalog.
SELECT kept.logicalrelid::regclass::text AS relation,
    CASE WHEN kept.partmethod = 'h' THEN 'distributed by hash'
        WHEN kept.partmethod <> 'n' THEN 'distributed by range or append'
        WHEN kept.repmodel = 't' THEN 'a reference table'
        WHEN kept.colocationid > 0 THEN 'in a distributed schema'
        ELSE 'a local table that Citus manages' END AS layout
FROM pg_catalog.pg_dist_partition AS kept
WHERE kept.logicalrelid IN (to_regclass(%(parent)s), to_regclass(%(child)s))
ORDER BY kept.logicalrelid = to_regclass(%(child)s)
