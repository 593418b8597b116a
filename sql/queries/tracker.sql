-- Each track_preset_usage(), usually one: its body, the body of before apply, that edited to work with and without the daily
-- limit, and the body that apply left; the latter three null where apply recorded none.
SELECT functions.oid::bigint AS oid, functions.prosrc AS body, saved.body AS before_apply,
    usagefix.edited_body(saved.body, languages.lanname, true) AS loose,
    usagefix.edited_body(saved.body, languages.lanname, false) AS left_by_apply
FROM pg_catalog.pg_proc AS functions
JOIN pg_catalog.pg_language AS languages ON languages.oid = functions.prolang
LEFT JOIN usagefix.saved_objects AS saved
    ON saved.version = '20250930000001' AND saved.kind = 'function' AND to_regprocedure(saved.identity) = functions.oid
WHERE functions.proname = 'track_preset_usage' AND functions.prokind = 'f'
    AND functions.pronamespace = to_regnamespace('public')
ORDER BY functions.oid
