-- Names in the definition of a counter that no longer exist, because they were dropped or renamed. Parameters:
-- was_child, was_foreign_key, was_key (columns as in the catalog, the table as SQL writes it).
SELECT field
FROM (VALUES
    ('child', to_regclass(%(was_child)s) IS NOT NULL),
    ('foreign_key', EXISTS (
        SELECT FROM pg_catalog.pg_attribute WHERE attrelid = to_regclass(%(child)s) AND attname = %(was_foreign_key)s)),
    ('key', EXISTS (
        SELECT FROM pg_catalog.pg_attribute WHERE attrelid = to_regclass(%(parent)s) AND attname = %(was_key)s))
) AS named (field, there)
WHERE NOT there
