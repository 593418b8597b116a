-- Every table of an application, as discover needs it: its columns in order, its unique keys (the primary one first),
-- its foreign keys, and about how many rows it has. `sql` is a name as SQL writes it.
SELECT tables.oid::bigint AS oid, namespace.nspname::text AS schema, tables.relname::text AS name,
    pg_catalog.quote_ident(namespace.nspname) AS schema_sql, pg_catalog.quote_ident(tables.relname) AS sql,
    pg_catalog.has_schema_privilege(namespace.oid, 'USAGE')
        AND pg_catalog.has_table_privilege(tables.oid, 'SELECT') AS readable,
    pg_catalog.row_security_active(tables.oid) AS filtered,
    -- The analysed number of rows, and the server's count since: either may be missing.
    COALESCE((
        SELECT sum(greatest(leaf.reltuples::numeric, pg_catalog.pg_stat_get_live_tuples(leaf.oid), 0))
        FROM pg_catalog.pg_partition_tree(tables.oid) AS part
        JOIN pg_catalog.pg_class AS leaf ON leaf.oid = part.relid
        WHERE part.isleaf OR tables.relkind = 'r'
    ), greatest(tables.reltuples::numeric, pg_catalog.pg_stat_get_live_tuples(tables.oid), 0))::bigint AS rows,
    COALESCE((
        SELECT jsonb_agg(jsonb_build_object(
            'name', attname, 'sql', pg_catalog.quote_ident(attname), 'nullable', NOT attnotnull,
            'type', CASE WHEN base.typtype = 'e' THEN 'enum' ELSE pg_catalog.format_type(base.oid, NULL) END,
            'made', attidentity <> '' OR attgenerated <> '' OR COALESCE(
                pg_catalog.pg_get_expr(adbin, adrelid) ~ '^(pg_catalog\.)?nextval\(', false)) ORDER BY attnum)
        FROM pg_catalog.pg_attribute
        JOIN pg_catalog.pg_type AS types ON types.oid = atttypid
        JOIN pg_catalog.pg_type AS base ON base.oid = COALESCE(NULLIF(types.typbasetype, 0), types.oid)
        LEFT JOIN pg_catalog.pg_attrdef ON adrelid = attrelid AND adnum = attnum
        WHERE attrelid = tables.oid AND attnum > 0 AND NOT attisdropped
    ), '[]') AS columns,
    COALESCE((
        SELECT jsonb_agg(keys.columns ORDER BY keys.indisprimary DESC, keys.indexrelid)
        FROM (
            SELECT indisprimary, indexrelid, (
                SELECT jsonb_agg(attname ORDER BY place)
                FROM unnest(indkey::int2[]) WITH ORDINALITY AS part (attnum, place)
                JOIN pg_catalog.pg_attribute AS a ON a.attrelid = indrelid AND a.attnum = part.attnum
                WHERE place <= indnkeyatts
            ) AS columns
            FROM pg_catalog.pg_index
            WHERE indrelid = tables.oid AND indisunique AND indisvalid AND indpred IS NULL AND indexprs IS NULL
        ) AS keys
    ), '[]') AS uniques,
    EXISTS (SELECT FROM pg_catalog.pg_index WHERE indrelid = tables.oid AND indisprimary) AS has_primary,
    COALESCE((
        SELECT jsonb_agg(jsonb_build_object('target', confrelid::bigint, 'columns', (
                SELECT jsonb_agg(attname ORDER BY place)
                FROM unnest(conkey) WITH ORDINALITY AS part (attnum, place)
                JOIN pg_catalog.pg_attribute AS a ON a.attrelid = conrelid AND a.attnum = part.attnum
            ), 'target_columns', (
                SELECT jsonb_agg(attname ORDER BY place)
                FROM unnest(confkey) WITH ORDINALITY AS part (attnum, place)
                JOIN pg_catalog.pg_attribute AS a ON a.attrelid = confrelid AND a.attnum = part.attnum
            )) ORDER BY conname)
        FROM pg_catalog.pg_constraint
        WHERE conrelid = tables.oid AND contype = 'f'
    ), '[]') AS foreign_keys
FROM pg_catalog.pg_class AS tables
JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = tables.relnamespace
WHERE tables.relkind IN ('r', 'p') AND NOT tables.relispartition
    AND namespace.nspname !~ '^pg_' AND namespace.nspname NOT IN ('information_schema', 'usagefix')
    AND (%(only)s::text IS NULL OR namespace.nspname = %(only)s::text)
    AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_depend
        WHERE classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND objid = tables.oid AND deptype = 'e'
    )
ORDER BY namespace.nspname, tables.relname
