-- Each track_preset_usage(), with its text and its arguments in order. stranger: its owner, if that is no superuser and
-- who is to call it, is. Parameter: role.
SELECT functions.oid::regprocedure::text AS signature,
    format('%%s.%%I', %(schema_sql)s::text, functions.proname) AS name,
    COALESCE(pg_get_function_sqlbody(functions.oid), functions.prosrc) AS body,
    languages.lanname::text AS language,
    CASE WHEN NOT owners.rolsuper AND (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = %(role)s)
        THEN owners.rolname::text END AS stranger,
    COALESCE((
        SELECT jsonb_agg(jsonb_build_object(
            'name', COALESCE(named.name, ''),
            'type', pg_catalog.format_type(types.oid, NULL), 'category', types.typcategory,
            'required', place <= functions.pronargs - functions.pronargdefaults)
            ORDER BY place)
        FROM unnest(functions.proargtypes::oid[]) WITH ORDINALITY AS given (type, place)
        JOIN pg_catalog.pg_type AS types ON types.oid = given.type
        LEFT JOIN (
            SELECT NULLIF(each.name, '') AS name, row_number() OVER (ORDER BY each.place) AS place
            FROM unnest(functions.proargnames) WITH ORDINALITY AS each (name, place)
            WHERE COALESCE(functions.proargmodes[each.place::integer], 'i') IN ('i', 'b', 'v')
        ) AS named USING (place)
    ), '[]') AS arguments
FROM pg_catalog.pg_proc AS functions
JOIN pg_catalog.pg_language AS languages ON languages.oid = functions.prolang
JOIN pg_catalog.pg_roles AS owners ON owners.oid = functions.proowner
WHERE functions.proname = %(recorder)s AND functions.prokind = 'f'
    AND functions.pronamespace = to_regnamespace(%(schema_sql)s)
ORDER BY functions.oid
