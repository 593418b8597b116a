-- The requested window and its parts: where its hours begin by the clock of the zone, each with its weekday (Monday is
-- 1) and hour; where its periods begin; and the window before it, of the same length by the clock, the smallest number
-- of whole weeks earlier that avoids an overlap. local: the same by the clock of the zone. Parameters: zone, step,
-- until_at or until_local, else now; since_at or since_local, else hours, else months and days.
WITH ends AS (
    SELECT COALESCE(%(until_at)s::timestamptz, %(until_local)s::timestamp AT TIME ZONE %(zone)s, now()) AS until
), bounds AS (
    SELECT until, COALESCE(
        %(since_at)s::timestamptz,
        %(since_local)s::timestamp AT TIME ZONE %(zone)s,
        date_trunc('hour', until - interval '1 microsecond', %(zone)s) - make_interval(hours => %(hours)s::int - 1),
        date_trunc(%(step)s, date_trunc('day', (until - interval '1 microsecond') AT TIME ZONE %(zone)s)
            + interval '1 day' - make_interval(months => %(months)s::int, days => %(days)s::int))
            AT TIME ZONE %(zone)s
    ) AS since
    FROM ends
), clocks AS (
    SELECT *, since AT TIME ZONE %(zone)s AS since_local, until AT TIME ZONE %(zone)s AS until_local FROM bounds
), shifted AS (
    SELECT *, make_interval(weeks => ceil(extract(epoch FROM until_local - since_local) / 604800)::int) AS weeks
    FROM clocks
), days AS (
    -- In steps of an hour, except on a day on which the clock changes.
    SELECT day, CASE WHEN ahead = after THEN interval '1 hour' ELSE interval '15 minutes' END AS step,
        CASE WHEN ahead = after THEN make_interval(mins => mod(120 - extract(minute FROM ahead)::int, 60))
            ELSE interval '0' END AS first
    FROM shifted
    CROSS JOIN LATERAL generate_series(
        date_bin('1 day', since, 'epoch') - interval '1 day', until - interval '1 microsecond', '1 day') AS day
    CROSS JOIN LATERAL (
        SELECT (day AT TIME ZONE %(zone)s) - (day AT TIME ZONE 'UTC') AS ahead,
            ((day + interval '1 day') AT TIME ZONE %(zone)s) - ((day + interval '1 day') AT TIME ZONE 'UTC') AS after
    ) AS offsets
), quarters AS (
    SELECT GREATEST(quarter, since) AS at, quarter AT TIME ZONE %(zone)s AS clock
    FROM shifted CROSS JOIN days
    CROSS JOIN LATERAL generate_series(day + first, day + interval '1 day' - interval '1 microsecond', step) AS quarter
    WHERE quarter > since - step AND quarter < until
), changes AS (
    SELECT at, clock, (date_trunc('hour', clock), clock - (at AT TIME ZONE 'UTC'))
        IS DISTINCT FROM lag((date_trunc('hour', clock), clock - (at AT TIME ZONE 'UTC'))) OVER (ORDER BY at) AS begins
    FROM quarters
), hours AS MATERIALIZED (
    SELECT at, at AT TIME ZONE %(zone)s AS clock FROM changes WHERE begins
), periods AS (
    SELECT since AS at FROM shifted
    UNION
    SELECT at FROM hours WHERE %(step)s = 'hour'
    UNION
    SELECT start AT TIME ZONE %(zone)s
    FROM shifted, generate_series(date_trunc(%(step)s, since_local), until_local, ('1 ' || %(step)s)::interval) AS start
    WHERE %(step)s <> 'hour' AND start AT TIME ZONE %(zone)s > since AND start AT TIME ZONE %(zone)s < until
)
SELECT since, until, since_local, until_local, now() AS now,
    (since_local - weeks) AT TIME ZONE %(zone)s AS before_since,
    (until_local - weeks) AT TIME ZONE %(zone)s AS before_until,
    ARRAY(SELECT at FROM hours ORDER BY at) AS hours,
    ARRAY(SELECT extract(isodow FROM clock)::int FROM hours ORDER BY at) AS weekdays,
    ARRAY(SELECT extract(hour FROM clock)::int FROM hours ORDER BY at) AS clocks,
    ARRAY(SELECT at FROM periods ORDER BY at) AS periods,
    ARRAY(SELECT at AT TIME ZONE %(zone)s FROM periods ORDER BY at) AS periods_local
FROM shifted
