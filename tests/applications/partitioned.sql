-- The sample application with partitioned events: by time, and one partition by kind of use. No daily limit fits there.
DROP INDEX idx_preset_usage_daily_unique;
ALTER TABLE preset_usage RENAME TO events_before;
CREATE TABLE preset_usage (
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    preset_id uuid NOT NULL REFERENCES presets ON DELETE CASCADE,
    user_id uuid NOT NULL REFERENCES auth.users ON DELETE CASCADE,
    usage_type text NOT NULL,
    usage_data jsonb DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (id, created_at, usage_type)
) PARTITION BY RANGE (created_at);
CREATE INDEX ON preset_usage (preset_id);
CREATE TABLE usage_old PARTITION OF preset_usage FOR VALUES FROM (MINVALUE) TO ('2020-01-01');
CREATE TABLE usage_recent PARTITION OF preset_usage FOR VALUES FROM ('2020-01-01') TO ('2090-01-01') PARTITION BY LIST (usage_type);
CREATE TABLE usage_recent_samples PARTITION OF usage_recent FOR VALUES IN ('sample_verification');
CREATE TABLE usage_recent_rest PARTITION OF usage_recent DEFAULT;
INSERT INTO preset_usage SELECT * FROM events_before;
INSERT INTO preset_usage SELECT id, preset_id, user_id, usage_type, usage_data, '2019-05-05' FROM events_before LIMIT 500;
DROP TABLE events_before;
CREATE OR REPLACE FUNCTION track_preset_usage(preset_uuid uuid, usage_type_param text, usage_data_param jsonb DEFAULT '{}')
    RETURNS uuid LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO preset_usage (preset_id, user_id, usage_type) VALUES (preset_uuid, auth.uid(), usage_type_param);
    RETURN NULL;
END $$;
