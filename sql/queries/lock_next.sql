-- Wait for one preset and lock it, so that nobody waits for us meanwhile. Parameter: id.
SELECT preset.id::text AS id FROM public.presets AS preset WHERE preset.id = %(id)s FOR NO KEY UPDATE
