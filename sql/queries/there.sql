-- A preset, if it still exists. Parameter: id.
SELECT preset.id AS id FROM public.presets AS preset WHERE preset.id = %(id)s
