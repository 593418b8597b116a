-- The application that usagefix was made for, as it was before the fix: a presets page with usage counters.
-- `usagefix demo` and the tests load it into an empty database. Run as a superuser (it creates roles).

-- Roles and schema "auth" as Supabase has them.
DO $do$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['anon', 'authenticated', 'service_role'] LOOP
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = wanted) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
        END IF;
    END LOOP;
    ALTER ROLE service_role BYPASSRLS;
END
$do$;

CREATE SCHEMA auth;
GRANT USAGE ON SCHEMA auth TO anon, authenticated, service_role;
GRANT USAGE ON SCHEMA public TO anon, authenticated, service_role;

CREATE TABLE auth.users (id uuid PRIMARY KEY);

CREATE FUNCTION auth.uid() RETURNS uuid LANGUAGE sql STABLE AS $function$
    SELECT coalesce(
        nullif(current_setting('request.jwt.claim.sub', true), ''),
        nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'
    )::uuid
$function$;

-- The counter: presets.usage_count.
CREATE TABLE public.presets (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id uuid REFERENCES auth.users ON DELETE SET NULL,
    name varchar(100) NOT NULL,
    description text,
    prompt_template jsonb NOT NULL DEFAULT '{}',
    technical_settings jsonb NOT NULL DEFAULT '{}',
    is_public boolean NOT NULL DEFAULT false,
    usage_count integer DEFAULT 0 CHECK (usage_count >= 0),
    last_used_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX idx_presets_prompt_template ON public.presets USING gin (prompt_template);
CREATE INDEX idx_presets_technical_settings ON public.presets USING gin (technical_settings);
CREATE INDEX idx_presets_usage_count ON public.presets (usage_count DESC);

-- The events: one row for each use. The daily limit refuses the second use on a day.
CREATE TABLE public.preset_usage (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    preset_id uuid NOT NULL REFERENCES public.presets ON DELETE CASCADE,
    user_id uuid NOT NULL REFERENCES auth.users ON DELETE CASCADE,
    usage_type text NOT NULL CHECK (
        usage_type IN ('playground_generation', 'showcase_creation', 'sample_verification')
    ),
    usage_data jsonb DEFAULT '{}',
    created_at timestamptz DEFAULT now()
);
CREATE INDEX idx_preset_usage_preset_id ON public.preset_usage (preset_id);
CREATE INDEX idx_preset_usage_user_id ON public.preset_usage (user_id);
CREATE INDEX idx_preset_usage_created_at ON public.preset_usage (created_at);
CREATE UNIQUE INDEX idx_preset_usage_daily_unique
    ON public.preset_usage (preset_id, user_id, usage_type, ((created_at AT TIME ZONE 'UTC')::date));
COMMENT ON INDEX public.idx_preset_usage_daily_unique IS 'One use of each kind a day';

CREATE TABLE public.preset_notifications (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    preset_id uuid NOT NULL REFERENCES public.presets ON DELETE CASCADE,
    creator_id uuid NOT NULL REFERENCES auth.users ON DELETE CASCADE,
    type text NOT NULL,
    title text NOT NULL,
    message text NOT NULL,
    data jsonb NOT NULL DEFAULT '{}',
    is_read boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now()
);

ALTER TABLE public.presets ENABLE ROW LEVEL SECURITY;
CREATE POLICY presets_read ON public.presets FOR SELECT USING (is_public OR user_id = auth.uid());
CREATE POLICY presets_insert ON public.presets FOR INSERT WITH CHECK (user_id = auth.uid());
CREATE POLICY presets_update ON public.presets FOR UPDATE USING (user_id = auth.uid());
CREATE POLICY presets_delete ON public.presets FOR DELETE USING (user_id = auth.uid());

ALTER TABLE public.preset_usage ENABLE ROW LEVEL SECURITY;
CREATE POLICY preset_usage_read ON public.preset_usage FOR SELECT USING (user_id = auth.uid());
CREATE POLICY preset_usage_insert ON public.preset_usage FOR INSERT WITH CHECK (user_id = auth.uid());

ALTER TABLE public.preset_notifications ENABLE ROW LEVEL SECURITY;
CREATE POLICY preset_notifications_read ON public.preset_notifications
    FOR SELECT USING (creator_id = auth.uid());

GRANT SELECT ON public.presets TO anon;
GRANT SELECT, INSERT, UPDATE, DELETE ON public.presets TO authenticated;
GRANT SELECT, INSERT ON public.preset_usage TO authenticated;
GRANT SELECT ON public.preset_notifications TO authenticated;
GRANT ALL ON public.presets, public.preset_usage, public.preset_notifications TO service_role;

-- The application's own triggers on presets.
CREATE FUNCTION public.touch_updated_at() RETURNS trigger LANGUAGE plpgsql AS $function$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END
$function$;

CREATE TRIGGER presets_touch_updated_at BEFORE UPDATE ON public.presets
    FOR EACH ROW EXECUTE FUNCTION public.touch_updated_at();

-- Names its table without a schema, as applications do: the search path of whoever updates a counter must lead to it.
CREATE FUNCTION public.notify_usage_milestone() RETURNS trigger LANGUAGE plpgsql AS $function$
DECLARE
    milestone integer;
BEGIN
    SELECT max(m) INTO milestone
    FROM unnest(ARRAY[10, 50, 100, 500, 1000, 5000]) AS m
    WHERE coalesce(OLD.usage_count, 0) < m AND m <= NEW.usage_count;
    IF milestone IS NOT NULL AND NEW.user_id IS NOT NULL THEN
        INSERT INTO preset_notifications (preset_id, creator_id, type, title, message, data)
        VALUES (
            NEW.id, NEW.user_id, 'usage_milestone', 'Milestone reached',
            format('%s was used %s times', NEW.name, milestone), jsonb_build_object('milestone', milestone)
        );
    END IF;
    RETURN NULL;
END
$function$;

CREATE TRIGGER presets_notify_usage_milestone AFTER UPDATE OF usage_count ON public.presets
    FOR EACH ROW EXECUTE FUNCTION public.notify_usage_milestone();

-- Root cause 1: adds one to the counter, but nothing calls it.
CREATE FUNCTION public.increment_preset_usage(preset_id uuid) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $function$
    UPDATE presets SET usage_count = usage_count + 1, last_used_at = now() WHERE id = preset_id
$function$;
REVOKE ALL ON FUNCTION public.increment_preset_usage(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION public.increment_preset_usage(uuid) TO authenticated, service_role;

-- Root causes 2 and 3: records the event, does not count it, and drops the second use on a day.
CREATE FUNCTION public.track_preset_usage(
    preset_uuid uuid, usage_type_param text, usage_data_param jsonb DEFAULT '{}'
) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $function$
DECLARE
    caller uuid := auth.uid();
    event_id uuid;
    preset record;
BEGIN
    IF caller IS NULL THEN
        RAISE EXCEPTION 'sign in to use a preset' USING ERRCODE = 'insufficient_privilege';
    END IF;

    -- One use of each kind a day.
    INSERT INTO preset_usage (preset_id, user_id, usage_type, usage_data)
    VALUES (preset_uuid, caller, usage_type_param, coalesce(usage_data_param, '{}'))
    ON CONFLICT (preset_id, user_id, usage_type, ((created_at AT TIME ZONE 'UTC')::date)) DO NOTHING
    RETURNING id INTO event_id;

    IF event_id IS NOT NULL THEN
        SELECT id, user_id, name INTO preset FROM presets WHERE id = preset_uuid;
        IF preset.user_id IS NOT NULL AND preset.user_id <> caller THEN
            INSERT INTO preset_notifications (preset_id, creator_id, type, title, message, data)
            VALUES (
                preset.id, preset.user_id, 'preset_used', 'Your preset was used',
                format('Somebody used %s', preset.name), jsonb_build_object('usage_type', usage_type_param)
            );
        END IF;
    END IF;
    RETURN event_id;
END
$function$;
COMMENT ON FUNCTION public.track_preset_usage(uuid, text, jsonb) IS 'Records one use of a preset by the session''s user';
REVOKE ALL ON FUNCTION public.track_preset_usage(uuid, text, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION public.track_preset_usage(uuid, text, jsonb) TO authenticated, service_role;
