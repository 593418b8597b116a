INSERT INTO donations (campaign_id, user_id, amount, status, paid_at)
SELECT id, %(user)s, 0.01 * n + %(number)s, CASE WHEN n %% 3 = 0 THEN 'pending' ELSE 'paid' END, now()
FROM campaigns WHERE n = ANY (%(some)s::int[])
--
UPDATE donations SET status = 'paid', paid_at = clock_timestamp() WHERE user_id = %(user)s AND status = 'pending'
--
UPDATE donations SET status = 'refunded' WHERE user_id = %(user)s AND status = 'paid' AND id %% 3 = 0
--
UPDATE donations SET amount = amount + 1.11 WHERE user_id = %(user)s AND id %% 5 = 0
--
DELETE FROM donations WHERE user_id = %(user)s AND status = 'refunded'
