-- What a count writes, explained only: the server says what it would refuse of any row, and does nothing.
EXPLAIN UPDATE public.presets AS preset
SET usage_count = COALESCE(preset.usage_count, 0) + 1
  , last_used_at = GREATEST(preset.last_used_at) --? presets.last_used_at
