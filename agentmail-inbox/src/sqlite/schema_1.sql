CREATE TABLE agentmail_inbox (
    id           INTEGER PRIMARY KEY AUTOINCREMENT, -- in the order of arrival
    message_key  BLOB NOT NULL UNIQUE CHECK (length(message_key) = 32),
    state        INTEGER NOT NULL DEFAULT 0 CHECK (state BETWEEN 0 AND 3), -- waiting, taken, done, dead
    due_at       INTEGER NOT NULL,           -- milliseconds since 1970, like all times
    attempts     INTEGER NOT NULL DEFAULT 0, -- since the arrival or the last redrive
    takes        INTEGER NOT NULL DEFAULT 0, -- never decreases
    take_token   BLOB,
    received_at  INTEGER NOT NULL,
    fresh_for    INTEGER NOT NULL,           -- milliseconds
    kind         TEXT NOT NULL,              -- the event's `type`
    agent_key    BLOB,                       -- the SHA-256 of the agent's id
    agent_id     TEXT,                       -- the ids of a mail, for an operator
    message_id   TEXT,
    trace_parent TEXT,
    reason       TEXT,                       -- the last error
    redrives     INTEGER NOT NULL DEFAULT 0,
    redriven_at  INTEGER,
    redriven_by  TEXT,
    body         BLOB NOT NULL               -- the bytes that were signed
) STRICT;

-- Partial, so that the many rows that are done are not in the ones that workers search.
CREATE INDEX agentmail_inbox_waiting ON agentmail_inbox (due_at, id) WHERE state = 0;
CREATE INDEX agentmail_inbox_taken ON agentmail_inbox (due_at, id) WHERE state = 1;
CREATE INDEX agentmail_inbox_done ON agentmail_inbox (due_at, id) WHERE state = 2;
CREATE INDEX agentmail_inbox_dead ON agentmail_inbox (id) WHERE state = 3;
CREATE INDEX agentmail_inbox_agent ON agentmail_inbox (agent_key, id) WHERE state < 2;

-- The time of the last write, to find out that the clock was set back.
CREATE TABLE agentmail_inbox_clock (
    id         INTEGER PRIMARY KEY CHECK (id = 1),
    written_at INTEGER NOT NULL
) STRICT;
INSERT INTO agentmail_inbox_clock (id, written_at) VALUES (1, 0);
