-- The tables that declared counters name; kind is null if a table is missing. columns: by name, each with its type, the
-- base type of a domain, the scale of a numeric, and whether a row needs it; keys: the columns of each unique index
-- that is checked at once and covers all rows, the primary key first; refers: the foreign keys. alike: tables with a
-- similar name, or in other schemas. Parameters: schemas, tables (arrays of one length).
SELECT
    wanted.schema,
    wanted.name,
    tables.relkind::text AS kind,
    pg_catalog.pg_get_userbyid(tables.relowner)::text AS owner,
    COALESCE((
        SELECT pg_catalog.jsonb_object_agg(attname, pg_catalog.jsonb_build_object(
            'type', pg_catalog.format_type(atttypid, atttypmod),
            'base', pg_catalog.format_type(base.oid, NULL),
            'scale', CASE WHEN base.oid = 'pg_catalog.numeric'::pg_catalog.regtype AND digits.modifier >= 4
                THEN (((digits.modifier - 4) & 2047) # 1024) - 1024 END,
            'generated', attgenerated <> '', 'identity', attidentity::pg_catalog.text,
            'required', attnotnull AND NOT (atthasdef OR attidentity <> '' OR attgenerated <> '')))
        FROM pg_catalog.pg_attribute
        JOIN pg_catalog.pg_type AS types ON types.oid = atttypid
        JOIN pg_catalog.pg_type AS base ON base.oid = COALESCE(NULLIF(types.typbasetype, 0), types.oid)
        CROSS JOIN LATERAL (SELECT CASE types.typbasetype WHEN 0 THEN atttypmod ELSE types.typtypmod END)
            AS digits (modifier)
        WHERE attrelid = tables.oid AND attnum > 0 AND NOT attisdropped
    ), '{}') AS columns,
    COALESCE((
        SELECT pg_catalog.jsonb_agg((
            SELECT pg_catalog.jsonb_agg(attname ORDER BY place)
            FROM pg_catalog.unnest(indkey::pg_catalog.int2[]) WITH ORDINALITY AS part (number, place)
            JOIN pg_catalog.pg_attribute ON attrelid = indrelid AND attnum = number
            WHERE place <= indnkeyatts
        ) ORDER BY indisprimary DESC, indexrelid)
        FROM pg_catalog.pg_index
        WHERE indrelid = tables.oid AND indisunique AND indisvalid AND indimmediate AND indpred IS NULL
            AND indexprs IS NULL
    ), '[]') AS keys,
    COALESCE((SELECT indisprimary FROM pg_catalog.pg_index WHERE indrelid = tables.oid AND indisprimary), false)
        AS has_primary,
    COALESCE((
        SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
            'schema', pg_namespace.nspname, 'table', parents.relname,
            'columns', (
                SELECT pg_catalog.jsonb_agg(attname ORDER BY place)
                FROM pg_catalog.unnest(conkey) WITH ORDINALITY AS part (number, place)
                JOIN pg_catalog.pg_attribute ON attrelid = conrelid AND attnum = number),
            'keys', (
                SELECT pg_catalog.jsonb_agg(attname ORDER BY place)
                FROM pg_catalog.unnest(confkey) WITH ORDINALITY AS part (number, place)
                JOIN pg_catalog.pg_attribute ON attrelid = confrelid AND attnum = number)
            ) ORDER BY pg_constraint.oid)
        FROM pg_catalog.pg_constraint
        JOIN pg_catalog.pg_class AS parents ON parents.oid = confrelid
        JOIN pg_catalog.pg_namespace ON pg_namespace.oid = parents.relnamespace
        WHERE conrelid = tables.oid AND contype = 'f'
    ), '[]') AS refers,
    ARRAY(
        SELECT pg_catalog.format('%%I.%%I', nspname, relname)
        FROM pg_catalog.pg_class JOIN pg_catalog.pg_namespace ON pg_namespace.oid = relnamespace
        WHERE tables.oid IS NULL AND pg_catalog.lower(relname) = pg_catalog.lower(wanted.name) AND relkind IN ('r', 'p')
            AND nspname NOT LIKE 'pg\_%%'
        ORDER BY 1 LIMIT 3
    ) AS alike
FROM unnest(%(schemas)s::pg_catalog.text[], %(tables)s::pg_catalog.text[]) AS wanted (schema, name)
LEFT JOIN pg_catalog.pg_namespace AS places ON places.nspname = wanted.schema
LEFT JOIN pg_catalog.pg_class AS tables ON tables.relnamespace = places.oid AND tables.relname = wanted.name
    AND tables.relkind NOT IN ('i', 'I', 'c', 't', 'S')
