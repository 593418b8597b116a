-- Wait for one preset and lock it, so that nobody waits for us meanwhile. Parameter: id.
SELECT presets.id AS id FROM public.presets WHERE presets.id = %(id)s FOR NO KEY UPDATE
