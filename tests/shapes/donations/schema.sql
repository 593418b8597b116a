-- Money: a sum in numeric, with the time of the last donation.
CREATE TABLE campaigns (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    n integer NOT NULL UNIQUE, title text NOT NULL, raised numeric(14, 2) NOT NULL DEFAULT 0,
    last_donation_at timestamptz
);
CREATE TABLE donations (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    campaign_id uuid NOT NULL REFERENCES campaigns ON DELETE CASCADE,
    user_id bigint, amount numeric(12, 2) NOT NULL, status text NOT NULL DEFAULT 'pending', paid_at timestamptz
);
CREATE INDEX ON donations (campaign_id);
INSERT INTO campaigns (n, title) SELECT n, 'Campaign ' || n FROM generate_series(1, 40) n;
INSERT INTO donations (campaign_id, user_id, amount, status, paid_at)
SELECT id, u, (u * 37 % 100) + 0.01 * (n % 100), CASE WHEN u % 4 = 0 THEN 'pending' ELSE 'paid' END,
    now() - u * interval '1 day'
FROM campaigns, generate_series(1, 30) u;
UPDATE campaigns SET (raised, last_donation_at) = (
    SELECT sum(amount), max(paid_at) FROM donations WHERE campaign_id = campaigns.id AND status = 'paid');
UPDATE campaigns SET raised = raised + 12.34 WHERE n % 4 = 0;
UPDATE campaigns SET last_donation_at = NULL WHERE n % 6 = 0;
