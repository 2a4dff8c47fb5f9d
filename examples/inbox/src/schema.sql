CREATE TABLE IF NOT EXISTS inbox (
    id          INTEGER PRIMARY KEY, -- in the order of arrival
    kind        TEXT NOT NULL,       -- the event's `type`
    agent_id    TEXT,                -- an identity is either the ids
    message_id  TEXT,
    digest      BLOB,                -- or the SHA-256 of the body
    body        BLOB NOT NULL,       -- as it was signed
    state       TEXT NOT NULL DEFAULT 'new' CHECK (state IN ('new', 'running', 'done', 'dead')),
    attempts    INTEGER NOT NULL DEFAULT 0,
    received_at INTEGER NOT NULL,    -- milliseconds since 1970
    due_at      INTEGER NOT NULL,    -- not worked on before; milliseconds since 1970

    UNIQUE (kind, agent_id, message_id),
    UNIQUE (kind, digest),
    CHECK ((agent_id IS NULL) = (message_id IS NULL)),
    CHECK ((message_id IS NULL) <> (digest IS NULL))
) STRICT;

CREATE INDEX IF NOT EXISTS inbox_by_state ON inbox (state, due_at, id);
