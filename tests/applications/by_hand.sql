-- The sample after somebody ran the fix of the original write-up with psql: a row-level trigger, a function without
-- search_path, open to everybody, no daily limit; the counters drifted again since then.
DROP INDEX idx_preset_usage_daily_unique;
CREATE FUNCTION auto_increment_preset_usage_count() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    UPDATE presets SET usage_count = COALESCE(usage_count, 0) + 1, last_used_at = NEW.created_at WHERE id = NEW.preset_id;
    RETURN NEW;
END $$;
CREATE TRIGGER trigger_auto_increment_preset_usage_count AFTER INSERT ON preset_usage
    FOR EACH ROW EXECUTE FUNCTION auto_increment_preset_usage_count();
CREATE OR REPLACE FUNCTION track_preset_usage(preset_uuid uuid, usage_type_param text, usage_data_param jsonb DEFAULT '{}')
RETURNS uuid LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    event_id uuid;
BEGIN
    INSERT INTO preset_usage (preset_id, user_id, usage_type, usage_data)
    VALUES (preset_uuid, auth.uid(), usage_type_param, usage_data_param) RETURNING id INTO event_id;
    RETURN event_id;
END $$;
