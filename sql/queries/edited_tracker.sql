-- track_preset_usage() as it was before apply, edited to work with and without the daily limit (limit_stays), or
-- without it. Parameter: limit_stays.
SELECT usagefix.edited_tracker(saved.definition, %(limit_stays)s) AS definition
FROM usagefix.saved_objects AS saved
WHERE saved.version = '20250930000001' AND saved.kind = 'function' AND saved.definition IS NOT NULL
    AND starts_with(saved.identity, 'public.track_preset_usage(') AND to_regprocedure(saved.identity) IS NOT NULL
