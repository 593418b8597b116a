-- Lock the requested preset: other people's uses of it wait until the trial is undone. Parameter: preset.
SELECT preset.id::text AS id FROM public.presets AS preset WHERE preset.id = %(preset)s FOR NO KEY UPDATE OF preset
