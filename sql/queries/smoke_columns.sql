-- The columns of a table that a row must be given (required), or that must be unique (alone), and that nothing fills;
-- with an expression of each type, for a statement with parameters. refers: the table that must have a row first, and
-- its key. Parameter: relation.
SELECT
    columns.attname::text AS name,
    pg_catalog.replace(quote_ident(columns.attname), '%%', '%%%%') AS quoted,
    uniqueness.alone AS alone,
    columns.attnotnull OR declared.typnotnull AS required,
    pg_catalog.format_type(columns.atttypid, columns.atttypmod) AS type,
    constraints.confrelid::regclass::text AS refers,
    quote_ident(key.attname) AS refers_key,
    pg_catalog.replace(filler.expression, '%%', '%%%%') AS expression
FROM pg_catalog.pg_attribute AS columns
JOIN pg_catalog.pg_type AS declared ON declared.oid = columns.atttypid
JOIN pg_catalog.pg_type AS types ON types.oid = COALESCE(NULLIF(declared.typbasetype, 0), declared.oid)
CROSS JOIN LATERAL (
    -- With the columns of an event, a use a day may be unique; the trial finds that.
    SELECT EXISTS (
        SELECT FROM pg_catalog.pg_index AS indexes
        WHERE indexes.indrelid = columns.attrelid AND indexes.indisunique AND columns.attnum = ANY (indexes.indkey)
    ) AND (columns.attname IN (%(foreign_key)s, %(kind)s)) IS NOT TRUE AS alone
) AS uniqueness
LEFT JOIN LATERAL (
    SELECT foreign_key.* FROM pg_catalog.pg_constraint AS foreign_key
    WHERE foreign_key.conrelid = columns.attrelid AND foreign_key.contype = 'f'
        AND foreign_key.conkey = ARRAY[columns.attnum]
    LIMIT 1
) AS constraints ON true
LEFT JOIN pg_catalog.pg_attribute AS key ON key.attrelid = constraints.confrelid AND key.attnum = constraints.confkey[1]
CROSS JOIN LATERAL (
    SELECT format('%%s::%%s', CASE
        WHEN types.typtype = 'e' THEN quote_literal((
            SELECT enumlabel FROM pg_catalog.pg_enum WHERE enumtypid = types.oid ORDER BY enumsortorder LIMIT 1))
        WHEN types.oid = 'uuid'::regtype THEN 'pg_catalog.gen_random_uuid()'
        WHEN types.typcategory = 'S' THEN format(
            'pg_catalog.left(''usagefix-'' || pg_catalog.md5(pg_catalog.random()::text), %%s)',
            COALESCE(NULLIF(GREATEST(columns.atttypmod, declared.typtypmod) - 4, -5), 60))
        WHEN types.oid = 'smallint'::regtype THEN '(pg_catalog.random() * 30000)'
        WHEN types.typcategory = 'N' THEN '(pg_catalog.random() * 2000000000)'
        WHEN types.typcategory = 'B' THEN 'false'
        WHEN types.typcategory = 'D' THEN 'pg_catalog.now()'
        WHEN types.typcategory = 'A' THEN '''{}'''
        WHEN types.oid IN ('json'::regtype, 'jsonb'::regtype) THEN '''{}'''
        WHEN types.oid IN ('inet'::regtype, 'cidr'::regtype) THEN '''127.0.0.1'''
        WHEN types.oid = 'bytea'::regtype THEN ''''''
        ELSE 'NULL'
    END, pg_catalog.format_type(columns.atttypid, columns.atttypmod)) AS expression
) AS filler
WHERE columns.attrelid = %(relation)s::regclass AND columns.attnum > 0 AND NOT columns.attisdropped
    AND (columns.attnotnull OR declared.typnotnull OR uniqueness.alone)
    AND NOT columns.atthasdef AND declared.typdefault IS NULL AND columns.attidentity = '' AND columns.attgenerated = ''
ORDER BY columns.attnum
