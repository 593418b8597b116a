-- The preset that a trial disturbs least: it was used, so a use is possible, but longest ago; and nobody has locked it.
-- Other people's uses of it wait until the trial is undone. Parameter: lately, for the one that was used last instead.
SELECT preset.id::text AS id, COALESCE(preset.name::text, '') AS name
FROM public.presets AS preset
ORDER BY CASE WHEN %(lately)s::boolean THEN preset.last_used_at END DESC NULLS LAST, preset.last_used_at NULLS LAST,
    preset.usage_count NULLS LAST
LIMIT 1
FOR NO KEY UPDATE OF preset SKIP LOCKED
