-- One row for each message that is claimed, or was handled.
CREATE TABLE IF NOT EXISTS agentmail_claims (
    key     bytea       PRIMARY KEY,
    owner   bytea       NOT NULL,
    handled boolean     NOT NULL,
    -- The end of the lease, or of the retention. From then on, the row is as good as absent.
    ends_at timestamptz NOT NULL,
    -- Whether the owner took the message from another owner when it recorded it as handled.
    took_it boolean     NOT NULL DEFAULT false
);

-- For `PostgresStore::prune`.
CREATE INDEX IF NOT EXISTS agentmail_claims_ends_at ON agentmail_claims (ends_at);
