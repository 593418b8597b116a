-- Wait for one preset and lock it, while holding no other lock. Parameter: id.
SELECT preset.id::text AS id FROM public.presets AS preset WHERE preset.id = %(id)s FOR NO KEY UPDATE
