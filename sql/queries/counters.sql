-- The counters that are kept here, in the order in which they were applied first.
SELECT counter AS slug, definition
FROM usagefix.counters
ORDER BY (SELECT min(entry) FROM usagefix.history WHERE history.counter = counters.counter), counter
