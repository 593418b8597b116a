-- The owner of the table with the counter.
SELECT pg_catalog.pg_get_userbyid(relowner)::text AS owner FROM pg_catalog.pg_class WHERE oid = to_regclass(%(parent)s)
