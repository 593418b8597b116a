-- One preset by id (in any form that its type accepts), else all with that exact name. Parameter: wanted.
SELECT preset.id::text AS id, COALESCE(preset.name::text, '') AS label
FROM public.presets AS preset
WHERE preset.id::text = lower(%(wanted)s) OR preset.id::text = %(wanted)s
    OR (preset.name::text = %(wanted)s
        AND NOT EXISTS (SELECT FROM public.presets AS preset WHERE preset.id::text IN (%(wanted)s, lower(%(wanted)s))))
ORDER BY preset.id
LIMIT 1000
