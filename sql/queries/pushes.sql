-- The versions whose newest entry was made by a file of `supabase db push`: of this name, with that insert among its
-- statements, listed in the same transaction. Parameters: versions, names, side by side.
SELECT latest.version, max(pushed.version) AS pushed_as
FROM (
    SELECT DISTINCT ON (version) version, action, xmin AS made_in FROM usagefix.history
    WHERE counter = 'preset_usage_count'::name ORDER BY version, entry DESC
) AS latest
JOIN unnest(%(versions)s::text[], %(names)s::text[]) AS migrations (version, name)
    ON migrations.version = latest.version
JOIN supabase_migrations.schema_migrations AS pushed ON pushed.xmin = latest.made_in AND pushed.name = migrations.name
WHERE latest.action = 'apply' AND EXISTS (
    SELECT FROM unnest(pushed.statements) AS ran (statement)
    WHERE ran.statement ~ format(
        '(^|\n)\s*INSERT INTO usagefix\.history \(counter, version, action\)'
        ' VALUES \(''%%s''::name, ''%%s'', ''apply''\)', 'preset_usage_count'::name, latest.version)
)
GROUP BY latest.version
