-- What was there before apply, by version.
SELECT version, kind, identity, definition, extras, left_behind, how, key_columns, key_attributes, predicate
FROM usagefix.saved_objects
WHERE counter = 'preset_usage_count'::name
ORDER BY version, kind, identity
