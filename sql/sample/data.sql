-- Sample rows with every kind of trouble, the same on every server: no random numbers, only the clock is read
-- (the year ends before yesterday, so that the uses of the last hours are the reader's own, at any time of day).

INSERT INTO auth.users (id) SELECT md5('user ' || n)::uuid FROM generate_series(1, 60) AS n;

INSERT INTO public.presets (id, user_id, name, description, technical_settings, is_public, created_at)
SELECT
    md5('preset ' || n)::uuid,
    CASE WHEN n % 7 <> 0 THEN md5('user ' || (1 + n % 12))::uuid END,
    (ARRAY['Golden hour', 'Studio portrait', 'Neon city', 'Watercolour', 'Film noir', 'Macro nature',
           'Pastel dream', 'Vintage postcard', 'Line art', 'Deep space', 'Rainy window', 'Paper cut-out'])
        [1 + (n - 1) % 12] || CASE WHEN n > 12 THEN ' ' || (1 + (n - 1) / 12) ELSE '' END,
    'Sample preset ' || n,
    jsonb_build_object('steps', 20 + n % 30),
    n % 5 <> 0,
    date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' - interval '370 days'
FROM generate_series(1, 40) AS n;

-- 8,000 attempted uses over a year, most of them of a few presets; presets 35 to 40 are never used.
-- The daily limit drops some, as it did in the application.
WITH attempt AS (
    SELECT
        n,
        ('x' || substr(md5('which ' || n), 1, 7))::bit(28)::integer / 268435456.0 AS which,
        ('x' || substr(md5('who ' || n), 1, 7))::bit(28)::integer AS who,
        ('x' || substr(md5('when ' || n), 1, 7))::bit(28)::integer AS minute
    FROM generate_series(1, 8000) AS n
)
INSERT INTO public.preset_usage (id, preset_id, user_id, usage_type, created_at)
SELECT
    md5('event ' || n)::uuid,
    md5('preset ' || (1 + floor(34 * power(which, 3)))::integer)::uuid,
    md5('user ' || (1 + who % 60))::uuid,
    (ARRAY['playground_generation', 'showcase_creation', 'sample_verification'])[1 + n % 3],
    date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' - make_interval(days => 1, mins => 1 + minute % 525600)
FROM attempt
ON CONFLICT DO NOTHING;

-- The counters, as the application left them: too low, too high, null, stale, and a few right ones.
SET LOCAL session_replication_role = replica;
WITH actual AS (
    SELECT presets.id, count(preset_usage.id) AS uses, max(preset_usage.created_at) AS newest
    FROM public.presets LEFT JOIN public.preset_usage ON preset_usage.preset_id = presets.id
    GROUP BY presets.id
), numbered AS (
    SELECT actual.*, n FROM generate_series(1, 40) AS n JOIN actual ON actual.id = md5('preset ' || n)::uuid
)
UPDATE public.presets
SET usage_count = CASE
        WHEN n = 36 THEN 17                          -- never used, stale count
        WHEN n % 8 = 5 THEN NULL                     -- never set
        WHEN n % 8 = 3 THEN uses + 5 + n             -- too high
        WHEN n % 4 = 0 THEN uses                     -- right
        ELSE uses * (20 + n) / 100                   -- too low
    END,
    last_used_at = CASE WHEN n % 3 = 0 THEN newest WHEN n % 3 = 1 THEN newest - interval '30 days' END
FROM numbered
WHERE presets.id = numbered.id;
SET LOCAL session_replication_role = origin;
