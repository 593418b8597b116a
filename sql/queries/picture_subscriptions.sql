-- The subscriptions of this database that bring events, and those of which this is not known yet.
WITH RECURSIVE tree AS (
    SELECT to_regclass(%(child)s)::oid AS relation
    UNION ALL
    SELECT parents.inhrelid FROM pg_catalog.pg_inherits AS parents JOIN tree ON parents.inhparent = tree.relation
)
SELECT brought.subname::text AS name, brought.subenabled AS enabled, brought.events AS events
FROM (
    SELECT subscription.subname, subscription.subenabled,
        EXISTS (SELECT FROM pg_catalog.pg_subscription_rel AS part
                WHERE part.srsubid = subscription.oid AND part.srrelid IN (SELECT relation FROM tree)) AS events,
        EXISTS (SELECT FROM pg_catalog.pg_subscription_rel AS part WHERE part.srsubid = subscription.oid) AS known
    FROM pg_catalog.pg_subscription AS subscription
    WHERE subscription.subdbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
) AS brought
WHERE brought.events OR NOT brought.known
ORDER BY brought.subname
