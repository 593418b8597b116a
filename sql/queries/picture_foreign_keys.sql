-- The foreign keys of preset_usage.preset_id.
SELECT made.conname::text AS name, made.confrelid = to_regclass(%(parent)s) AS to_presets,
    made.convalidated AS validated,
    pg_catalog.pg_get_constraintdef(made.oid) AS definition
FROM pg_catalog.pg_constraint AS made
JOIN pg_catalog.pg_attribute AS keys ON keys.attrelid = made.conrelid AND keys.attname = %(foreign_key)s
WHERE made.conrelid = to_regclass(%(child)s) AND made.contype = 'f' AND made.conkey = ARRAY[keys.attnum]
ORDER BY made.conname
