-- The counters in this ledger, in the order in which they were first applied.
SELECT counter AS slug, definition
FROM usagefix.counters
ORDER BY (SELECT min(entry) FROM usagefix.history WHERE history.counter = counters.counter), counter
