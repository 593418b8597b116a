-- The preset that a trial is least in the way of: used before, so it can be, but longest ago; and held by nobody. Other people's
-- uses of it wait until the trial is undone. Parameter: lately, for the one that was used last instead.
SELECT presets.id::text AS id, COALESCE(presets.name::text, '') AS name
FROM public.presets
ORDER BY CASE WHEN %(lately)s::boolean THEN presets.last_used_at END DESC NULLS LAST, presets.last_used_at NULLS LAST,
    presets.usage_count NULLS LAST
LIMIT 1
FOR NO KEY UPDATE OF presets SKIP LOCKED
