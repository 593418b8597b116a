-- Each track_preset_usage(), with its arguments in order.
SELECT functions.oid::regprocedure::text AS signature, format('%s.%I', 'public'::regnamespace, functions.proname) AS name,
    COALESCE((
        SELECT jsonb_agg(jsonb_build_object(
            'name', COALESCE(functions.proargnames[place], ''), 'type', pg_catalog.format_type(types.oid, NULL),
            'category', types.typcategory, 'required', place <= functions.pronargs - functions.pronargdefaults) ORDER BY place)
        FROM unnest(functions.proargtypes::oid[]) WITH ORDINALITY AS given (type, place)
        JOIN pg_catalog.pg_type AS types ON types.oid = given.type
    ), '[]') AS arguments
FROM pg_catalog.pg_proc AS functions
WHERE functions.proname = 'track_preset_usage' AND functions.prokind = 'f'
    AND functions.pronamespace = to_regnamespace('public')
ORDER BY functions.oid
