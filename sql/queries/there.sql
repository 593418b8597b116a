-- A preset, if it is there still. Parameter: id.
SELECT presets.id AS id FROM public.presets WHERE presets.id = %(id)s
