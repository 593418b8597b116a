-- Each track_preset_usage(), usually one: its body, the body of before apply, one that works with and without the daily
-- limit, the body that apply left, and the one that it leaves in the end; null where apply recorded none.
SELECT functions.oid::bigint AS oid, functions.prosrc AS body, saved.body AS before_apply,
    CASE saved.how
        WHEN 'edited' THEN usagefix.edited_body(saved.body, languages.lanname, true)
        WHEN 'repaired' THEN usagefix.repaired_body(saved.body, languages.lanname, true)
        WHEN 'rewritten' THEN usagefix.fresh_body(functions.oid, true)
        ELSE saved.body END AS loose,
    saved.left_behind AS left_by_apply,
    CASE saved.how
        WHEN 'edited' THEN usagefix.edited_body(saved.body, languages.lanname, false)
        WHEN 'repaired' THEN usagefix.repaired_body(saved.body, languages.lanname, false)
        WHEN 'rewritten' THEN usagefix.fresh_body(functions.oid, false)
        ELSE saved.body END AS in_the_end
FROM pg_catalog.pg_proc AS functions
JOIN pg_catalog.pg_language AS languages ON languages.oid = functions.prolang
LEFT JOIN usagefix.saved_objects AS saved
    ON saved.version = '20250930000001' AND saved.kind = 'function' AND to_regprocedure(saved.identity) = functions.oid
WHERE functions.proname = %(recorder)s AND functions.prokind = 'f'
    AND functions.pronamespace = to_regnamespace(%(schema_sql)s)
ORDER BY functions.oid
