-- Hold the preset that was asked for: other people's uses of it wait until the trial is undone. Parameter: preset.
SELECT presets.id::text AS id FROM public.presets WHERE presets.id = %(preset)s FOR NO KEY UPDATE OF presets
