-- Events that belong to no preset. Parameter: anti_join (whether to look for events whose preset is gone, which no foreign
-- key rules out).
SELECT
    (SELECT count(*) FROM public.preset_usage WHERE preset_usage.preset_id IS NULL) AS without_preset,
    CASE WHEN %(anti_join)s THEN (
        SELECT count(*) FROM public.preset_usage
        WHERE preset_usage.preset_id IS NOT NULL
            AND NOT EXISTS (SELECT FROM public.presets WHERE presets.id = preset_usage.preset_id)
    ) END AS preset_gone
