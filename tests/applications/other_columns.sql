-- An application with other columns: no names, events that tell when in used_at and have neither kind nor data, users by their
-- profile; a daily limit by another name; a track_preset_usage() that was never tried, for it names columns that are not there.
CREATE TABLE users_profile (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id uuid NOT NULL UNIQUE REFERENCES auth.users ON DELETE CASCADE,
    display_name text
);
INSERT INTO users_profile (id, user_id, display_name) SELECT md5('profile ' || id)::uuid, id, 'Somebody' FROM auth.users;
DROP TABLE preset_usage, preset_notifications;
DROP TRIGGER presets_notify_usage_milestone ON presets;
ALTER TABLE presets DROP COLUMN name;
ALTER TABLE presets ALTER COLUMN usage_count TYPE bigint;
CREATE TABLE preset_usage (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    preset_id uuid NOT NULL CONSTRAINT usage_of_preset REFERENCES presets ON DELETE CASCADE,
    user_id uuid NOT NULL CONSTRAINT usage_by_user REFERENCES users_profile (id) ON DELETE CASCADE,
    used_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX preset_usage_one_a_day ON preset_usage (preset_id, user_id, ((used_at AT TIME ZONE 'UTC')::date));
ALTER TABLE preset_usage ENABLE ROW LEVEL SECURITY;
CREATE POLICY usage_insert ON preset_usage FOR INSERT TO authenticated
    WITH CHECK (user_id IN (SELECT id FROM users_profile WHERE users_profile.user_id = auth.uid()));
CREATE POLICY usage_read ON preset_usage FOR SELECT TO authenticated
    USING (user_id IN (SELECT id FROM users_profile WHERE users_profile.user_id = auth.uid()));
GRANT SELECT, INSERT ON preset_usage TO authenticated;
GRANT SELECT ON users_profile TO authenticated;
INSERT INTO preset_usage (preset_id, user_id, used_at)
SELECT md5('preset ' || 1 + n % 30)::uuid, md5('profile ' || md5('user ' || 1 + n % 50)::uuid)::uuid, now() - make_interval(hours => 24 + n)
FROM generate_series(1, 900) AS n;
UPDATE presets SET usage_count = (SELECT count(*) / 2 FROM preset_usage WHERE preset_id = presets.id);

DROP FUNCTION track_preset_usage;
CREATE FUNCTION track_preset_usage(preset_uuid uuid, usage_type_param text, usage_data_param jsonb DEFAULT NULL) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    profile_id uuid;
BEGIN
    SELECT id INTO profile_id FROM users_profile WHERE user_id = auth.uid();
    INSERT INTO preset_usage (preset_id, user_id, usage_type, usage_data, created_at)
    VALUES (preset_uuid, profile_id, usage_type_param, usage_data_param, now())
    ON CONFLICT (preset_id, user_id, usage_type, DATE(created_at)) DO NOTHING;
    RETURN true;
EXCEPTION WHEN OTHERS THEN
    RETURN false;
END $$;
COMMENT ON FUNCTION track_preset_usage IS 'Never tried';
REVOKE ALL ON FUNCTION track_preset_usage FROM PUBLIC;
GRANT EXECUTE ON FUNCTION track_preset_usage TO authenticated;
