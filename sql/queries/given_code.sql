-- Which of these functions are dangerous in a constraint: they may run what they are given (SQL, or the constraints of
-- a type that a text or an oid names), read a table that they are given, or write. Parameter: functions (oids).
SELECT oid::bigint
FROM pg_catalog.pg_proc
WHERE oid = ANY (%(functions)s::oid[]) AND (
    provolatile = 'v' AND (proname, pronamespace) NOT IN (
        ('random', 'pg_catalog'::regnamespace), ('clock_timestamp', 'pg_catalog'::regnamespace),
        ('timeofday', 'pg_catalog'::regnamespace), ('gen_random_uuid', 'pg_catalog'::regnamespace))
    OR proname ~ '_to_xml|^pg_input_' OR proargtypes::oid[] @> ARRAY['cstring'::regtype, 'oid'::regtype]::oid[])
