-- The tables whose rows are users, by the key in the events: the one to which their foreign key refers (direct), and
-- those with a unique column that has a foreign key to the same key, such as profiles of accounts.
WITH target AS (
    SELECT constraints.confrelid AS relation, constraints.confkey[1] AS key
    FROM pg_catalog.pg_constraint AS constraints
    JOIN pg_catalog.pg_attribute AS users ON users.attrelid = constraints.conrelid
        AND constraints.conkey = ARRAY[users.attnum] AND users.attname = %(user)s
    WHERE constraints.conrelid = to_regclass(%(child)s) AND constraints.contype = 'f'
), found AS (
    SELECT relation, key, true AS direct FROM target
    UNION
    SELECT constraints.conrelid, constraints.conkey[1], false
    FROM target JOIN pg_catalog.pg_constraint AS constraints ON constraints.confrelid = target.relation
        AND constraints.confkey = ARRAY[target.key] AND constraints.contype = 'f'
    JOIN pg_catalog.pg_index AS indexes ON indexes.indrelid = constraints.conrelid AND indexes.indisunique
        AND indexes.indnkeyatts = 1 AND indexes.indkey[0] = constraints.conkey[1] AND indexes.indpred IS NULL
)
SELECT namespaces.nspname::text AS schema, tables.relname::text AS name, keys.attname::text AS key,
    pg_catalog.format_type(keys.atttypid, NULL) AS type, found.direct,
    ARRAY(
        SELECT attname::text FROM pg_catalog.pg_attribute
        WHERE attrelid = found.relation AND attnum > 0 AND NOT attisdropped ORDER BY attnum
    ) AS columns,
    pg_catalog.has_table_privilege(tables.oid, 'SELECT') AS readable
FROM found
JOIN pg_catalog.pg_class AS tables ON tables.oid = found.relation
JOIN pg_catalog.pg_namespace AS namespaces ON namespaces.oid = tables.relnamespace
JOIN pg_catalog.pg_attribute AS keys ON keys.attrelid = found.relation AND keys.attnum = found.key
ORDER BY found.direct DESC, namespaces.nspname = %(schema)s DESC, namespaces.nspname, tables.relname, keys.attnum
