-- What apply edited for this counter and, later, for another one: the body is now the other's. Parameter: versions.
SELECT DISTINCT later.counter AS slug, mine.identity
FROM usagefix.saved_objects AS mine
JOIN usagefix.saved_objects AS later ON later.kind = mine.kind AND later.identity = mine.identity
    AND later.counter <> mine.counter AND later.saved_at > mine.saved_at
WHERE mine.counter = 'preset_usage_count'::name AND mine.version = ANY (%(versions)s) AND later.definition IS NOT NULL
ORDER BY later.counter, mine.identity
