-- The foreign keys by which an event names its preset. (event_keys: the columns of such a key, in any order.)
SELECT made.conname::text AS name, made.confrelid = to_regclass(%(parent)s) AS to_presets,
    made.convalidated AS validated,
    pg_catalog.pg_get_constraintdef(made.oid) AS definition
FROM pg_catalog.pg_constraint AS made
WHERE made.conrelid = to_regclass(%(child)s) AND made.contype = 'f' AND ARRAY(
    SELECT keys.attname::text FROM pg_catalog.pg_attribute AS keys
    WHERE keys.attrelid = made.conrelid AND keys.attnum = ANY (made.conkey) ORDER BY 1
) = ARRAY(SELECT unnest(%(event_keys)s::text[]) ORDER BY 1)
ORDER BY made.conname
