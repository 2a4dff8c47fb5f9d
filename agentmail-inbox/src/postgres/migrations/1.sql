CREATE TABLE agentmail_inbox (
    id            bigserial PRIMARY KEY,          -- in the order of arrival
    message_key   bytea NOT NULL UNIQUE,          -- what identifies the message: 32 bytes
    kind          text NOT NULL,                  -- the event's `type`
    agent_key     bytea,                          -- SHA-256 of the agent's id
    agent_id      text,                           -- the ids, for an operator
    message_id    text,
    body          bytea NOT NULL,                 -- the bytes that were signed
    fresh_for     double precision NOT NULL,      -- how long a copy can be accepted, in seconds
    trace_parent  text,
    state         smallint NOT NULL DEFAULT 0,    -- 0 waiting, 1 taken, 2 done, 3 dead
    attempts      integer NOT NULL DEFAULT 0,     -- since the arrival or the last redrive
    takes         bigint NOT NULL DEFAULT 0,      -- never decreases
    take_token    bytea,
    received_at   timestamptz NOT NULL DEFAULT now(),
    due_at        timestamptz NOT NULL DEFAULT now(),
    reason        text,                           -- the last error
    redrives      integer NOT NULL DEFAULT 0,
    redriven_at   timestamptz,
    redriven_by   text
) WITH (
    -- Each message leaves two dead versions of its row. With the defaults, a vacuum would come
    -- after a fifth of the table, which keeps messages for two months.
    autovacuum_vacuum_scale_factor = 0.01,
    autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_insert_scale_factor = 0.05,
    autovacuum_analyze_scale_factor = 0.02,
    autovacuum_vacuum_cost_delay = 0
);

CREATE INDEX agentmail_inbox_waiting ON agentmail_inbox (due_at, id) WHERE state = 0;
CREATE INDEX agentmail_inbox_taken ON agentmail_inbox (due_at, id) WHERE state = 1;
CREATE INDEX agentmail_inbox_ended ON agentmail_inbox (state, due_at) WHERE state >= 2;
CREATE INDEX agentmail_inbox_agents ON agentmail_inbox (agent_key, id)
    WHERE state < 2 AND agent_key IS NOT NULL;
