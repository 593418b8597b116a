-- An application with numbers for keys, in a schema of its own whose name needs quotes; counters are bigint, and nothing tells
-- when an event was. Not on Supabase: the user is known to the application only.
CREATE SCHEMA "Shop floor";
SET LOCAL search_path = "Shop floor";
CREATE TABLE presets (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    usage_count bigint NOT NULL DEFAULT 0,
    last_used_at timestamp
);
CREATE TABLE preset_usage (
    id bigserial PRIMARY KEY,
    preset_id bigint NOT NULL REFERENCES presets ON DELETE CASCADE,
    user_id bigint,
    usage_type varchar(40) NOT NULL DEFAULT 'playground_generation',
    usage_data jsonb
);
CREATE INDEX ON preset_usage (preset_id);
CREATE FUNCTION track_preset_usage(preset bigint, kind varchar, data jsonb DEFAULT '{}') RETURNS void LANGUAGE sql AS $$
    INSERT INTO "Shop floor".preset_usage (preset_id, usage_type, usage_data) VALUES (preset, kind, data);
    UPDATE "Shop floor".presets SET name = name WHERE id = preset;
$$;
INSERT INTO presets (name, usage_count) SELECT 'Preset ' || n, CASE WHEN n < 44 THEN n % 7 ELSE 0 END FROM generate_series(1, 50) AS n;
INSERT INTO preset_usage (preset_id) SELECT 1 + n % 40 FROM generate_series(1, 2000) AS n;
