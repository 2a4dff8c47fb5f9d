CREATE TABLE IF NOT EXISTS inbox (
    id          INTEGER PRIMARY KEY,  -- in the order of arrival
    message_key BLOB NOT NULL UNIQUE, -- what identifies the message: 32 bytes
    kind        TEXT NOT NULL,        -- the event's `type`
    agent_id    TEXT,                 -- the ids of a mail, for an operator
    message_id  TEXT,
    body        BLOB NOT NULL,        -- the bytes that were signed
    state       TEXT NOT NULL DEFAULT 'new' CHECK (state IN ('new', 'running', 'done', 'dead')),
    attempts    INTEGER NOT NULL DEFAULT 0,
    received_at INTEGER NOT NULL,     -- milliseconds since 1970
    due_at      INTEGER NOT NULL      -- the earliest next attempt; milliseconds since 1970
) STRICT;

CREATE INDEX IF NOT EXISTS inbox_by_state ON inbox (state, due_at, id);
