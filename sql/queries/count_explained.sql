-- What a count writes, with EXPLAIN only: the server reports what it would refuse for any row, and changes nothing.
EXPLAIN UPDATE public.presets AS preset
SET usage_count = COALESCE(preset.usage_count, 0) + 1
  , last_used_at = GREATEST(preset.last_used_at) --? presets.last_used_at
