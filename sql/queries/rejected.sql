-- How many writes of the counter the guard rejected, and how many it did not record because there were too many.
SELECT (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM usagefix.rejected_preset_usage_count) AS rejected,
    (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM usagefix.unnoted_preset_usage_count) AS unnoted
