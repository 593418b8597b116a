-- Events that belong to no preset. Parameter: anti_join (whether to look for events whose preset is deleted, if no
-- foreign key prevents them).
SELECT
    (SELECT count(*) FROM public.preset_usage AS event WHERE event.preset_id IS NULL) AS without_preset,
    CASE WHEN %(anti_join)s THEN (
        SELECT count(*) FROM public.preset_usage AS event
        WHERE event.preset_id IS NOT NULL
            AND NOT EXISTS (SELECT FROM public.presets AS preset WHERE preset.id = event.preset_id)
    ) END AS preset_gone
