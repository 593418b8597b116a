-- How many writes of the counter the guard refused: recorded, rejected, and too many to record.
SELECT (
        SELECT COALESCE(sum(writes), 0) FROM usagefix.refused_writes WHERE counter = 'preset_usage_count'::name
    ) + (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM usagefix.rejected_preset_usage_count)
    + (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM usagefix.unnoted_preset_usage_count) AS refused
