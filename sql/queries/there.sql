-- A preset, if it is there still. Parameter: id.
SELECT preset.id AS id FROM public.presets AS preset WHERE preset.id = %(id)s
