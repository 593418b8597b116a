-- The sample, counted four times: the fix by hand (by_hand.sql goes first), and beside it triggers of another origin: one that
-- counts inserts and deletes, one that calls a function which counts, and one that does something else besides.
CREATE FUNCTION update_preset_usage_count() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        UPDATE presets SET usage_count = COALESCE(usage_count, 0) + 1 WHERE id = NEW.preset_id;
        RETURN NEW;
    ELSIF TG_OP = 'DELETE' THEN
        UPDATE presets SET usage_count = GREATEST(usage_count - 1, 0) WHERE id = OLD.preset_id; -- not below zero
        RETURN OLD;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER update_preset_usage_count AFTER INSERT OR DELETE ON preset_usage
    FOR EACH ROW EXECUTE FUNCTION update_preset_usage_count();
COMMENT ON TRIGGER update_preset_usage_count ON preset_usage IS 'Keeps the count';

CREATE FUNCTION call_increment() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM increment_preset_usage(NEW.preset_id);
    RETURN NULL;
END $$;
CREATE TRIGGER call_increment AFTER INSERT ON preset_usage FOR EACH ROW EXECUTE FUNCTION call_increment();
ALTER TABLE preset_usage ENABLE ALWAYS TRIGGER call_increment;

CREATE TABLE usage_log (preset_id uuid, at timestamptz DEFAULT now());
CREATE FUNCTION log_and_count() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO usage_log (preset_id) VALUES (NEW.preset_id);
    UPDATE presets SET usage_count = usage_count + 1 WHERE id = NEW.preset_id;
    RETURN NEW;
END $$;
CREATE TRIGGER log_and_count AFTER INSERT ON preset_usage FOR EACH ROW EXECUTE FUNCTION log_and_count();
