-- An application with texts for keys, and no more than the columns that are certain. The collation of the keys is the
-- server's own, and not the one of the database.
CREATE SCHEMA app;
CREATE TABLE app.presets (id text COLLATE "C" PRIMARY KEY, usage_count integer);
CREATE TABLE app.preset_usage (preset_id text COLLATE "C" REFERENCES app.presets ON DELETE CASCADE);
INSERT INTO app.presets (id, usage_count) SELECT 'Preset "' || n || '" it''s', CASE WHEN n % 3 > 0 THEN n END FROM generate_series(1, 30) AS n;
INSERT INTO app.preset_usage SELECT 'Preset "' || 1 + n % 28 || '" it''s' FROM generate_series(1, 800) AS n;
INSERT INTO app.preset_usage VALUES (NULL), (NULL);
