-- The definitions of track_preset_usage(): usually one.
SELECT pg_get_functiondef(functions.oid) AS definition
FROM pg_catalog.pg_proc AS functions
WHERE functions.proname = 'track_preset_usage' AND functions.prokind = 'f'
    AND functions.pronamespace = to_regnamespace('public')
ORDER BY functions.oid::regprocedure::text
