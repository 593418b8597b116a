-- The newest event of each preset whose time of the last use is behind it. Needs last_use_from.sql first, in the same
-- transaction: then it reads few events where few are later than what is shown.
SELECT
    presets.id AS preset_id,
    presets.usage_count AS displayed,
    events.newest AS newest
FROM public.presets
JOIN (
    SELECT candidates.preset_id, max(candidates.newest) AS newest
    FROM (
        SELECT preset_usage.preset_id, max(preset_usage.created_at) AS newest
        FROM public.preset_usage
        WHERE preset_usage.created_at > current_setting('usagefix.later_than')::timestamptz
        GROUP BY preset_usage.preset_id
        UNION ALL
        SELECT preset_usage.preset_id, max(preset_usage.created_at)
        FROM public.presets
        JOIN public.preset_usage ON preset_usage.preset_id = presets.id
        WHERE presets.last_used_at < current_setting('usagefix.later_than')::timestamptz
            OR (presets.last_used_at IS NULL AND current_setting('usagefix.later_than') <> '-infinity')
        GROUP BY preset_usage.preset_id
    ) AS candidates
    GROUP BY candidates.preset_id
) AS events ON events.preset_id = presets.id
WHERE events.newest > COALESCE(presets.last_used_at, '-infinity')
