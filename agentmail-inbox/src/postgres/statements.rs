//! The SQL of `PostgresStore`.
//!
//! A statement that changes rows names their ids as an array: `id = ANY (…)`. The server expects
//! few values in an array, and finds the rows by the index. It keeps one plan for all values of a
//! `LIMIT $1`, expects a tenth of the table, and would read all of it for a join.

/// Creates the table of the versions of the schema.
pub(super) const VERSIONS: &str = "
    CREATE TABLE IF NOT EXISTS agentmail_inbox_schema (
        version integer PRIMARY KEY,
        applied_at timestamptz NOT NULL DEFAULT now()
    )";

/// The changes of the schema. The first one is version 1. A released one never changes.
pub(super) const MIGRATIONS: [&str; 1] = [include_str!("migrations/1.sql")];

/// Stores messages. Their ids have the order of the arrays, and they are inserted in the order of
/// their keys: otherwise, two batches with the same keys could wait for each other.
pub(super) const STORE: &str = "
    WITH new AS MATERIALIZED (
        SELECT nextval('agentmail_inbox_id_seq') AS id, m.*
        FROM unnest($1::bytea[], $2::text[], $3::bytea[], $4::text[], $5::text[], $6::bytea[],
                    $7::double precision[], $8::text[])
            AS m (message_key, kind, agent_key, agent_id, message_id, body, fresh_for, trace_parent)
    )
    INSERT INTO agentmail_inbox
        (id, message_key, kind, agent_key, agent_id, message_id, body, fresh_for, trace_parent)
    SELECT id, message_key, kind, agent_key, agent_id, message_id, body, fresh_for, trace_parent
    FROM new ORDER BY message_key, id
    ON CONFLICT (message_key) DO NOTHING
    RETURNING message_key";

/// Stores one message. It is faster than [`STORE`] where nothing else waits.
pub(super) const STORE_ONE: &str = "
    INSERT INTO agentmail_inbox
        (message_key, kind, agent_key, agent_id, message_id, body, fresh_for, trace_parent)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
    ON CONFLICT (message_key) DO NOTHING
    RETURNING message_key";

/// Takes messages. A message beyond the horizon is due too: the clock was set back. It has a branch
/// of its own, so that the others read the first entries of an index only.
macro_rules! take {
    ($heads:literal, $in_order:literal, $body:literal) => {
        concat!(
            "WITH ",
            $heads,
            "interrupted AS MATERIALIZED (
                SELECT id, due_at FROM agentmail_inbox
                WHERE state = 1 AND due_at <= now()",
            $in_order,
            "   ORDER BY due_at, id LIMIT $4 FOR UPDATE SKIP LOCKED
            ), interrupted_ahead AS MATERIALIZED (
                SELECT id, due_at FROM agentmail_inbox
                WHERE state = 1 AND due_at > now() + interval '25 hours'",
            $in_order,
            "   ORDER BY due_at, id LIMIT $4 - (SELECT count(*) FROM interrupted)
                FOR UPDATE SKIP LOCKED
            ), waiting AS MATERIALIZED (
                SELECT id, due_at FROM agentmail_inbox
                WHERE state = 0 AND due_at <= now()",
            $in_order,
            "   ORDER BY due_at, id
                LIMIT $3 - (SELECT count(*) FROM interrupted)
                         - (SELECT count(*) FROM interrupted_ahead)
                FOR UPDATE SKIP LOCKED
            ), waiting_ahead AS MATERIALIZED (
                SELECT id, due_at FROM agentmail_inbox
                WHERE state = 0 AND due_at > now() + interval '25 hours'",
            $in_order,
            "   ORDER BY due_at, id
                LIMIT $3 - (SELECT count(*) FROM interrupted)
                         - (SELECT count(*) FROM interrupted_ahead)
                         - (SELECT count(*) FROM waiting)
                FOR UPDATE SKIP LOCKED
            ), due AS MATERIALIZED (
                SELECT id, due_at, true AS interrupted FROM interrupted
                UNION ALL SELECT id, due_at, true FROM interrupted_ahead
                UNION ALL SELECT id, due_at, false FROM waiting
                UNION ALL SELECT id, due_at, false FROM waiting_ahead
            )
            UPDATE agentmail_inbox AS m
            SET state = 1, takes = m.takes + 1, take_token = $1,
                attempts = LEAST(m.attempts, 2147483646) + 1,
                due_at = now() + $2::double precision * interval '1 second'
            FROM due WHERE m.id = due.id AND m.id = ANY (ARRAY(SELECT id FROM due))
            RETURNING m.id, m.takes, m.message_key, m.attempts, m.trace_parent, due.interrupted,
                      due.due_at, ",
            $body,
            ", extract(epoch FROM now() - m.received_at)::double precision"
        )
    };
}

/// Takes messages: token, lease in seconds, limit, limit of interrupted messages.
pub(super) const TAKE: &str = take!("", "", "m.body");

/// The same without the bodies, for a table in which a body cannot be read.
pub(super) const TAKE_WITHOUT_BODY: &str = take!("", "", "NULL::bytea");

/// Takes messages in the order of each agent: those of which no earlier one is waiting or taken.
/// The first one of each agent is found by one look into the index for each agent.
pub(super) const TAKE_IN_ORDER: &str = take!(
    "RECURSIVE agents AS (
        (SELECT agent_key, id FROM agentmail_inbox
         WHERE state < 2 AND agent_key IS NOT NULL ORDER BY agent_key, id LIMIT 1)
        UNION ALL
        SELECT next.agent_key, next.id FROM agents, LATERAL (
            SELECT m.agent_key, m.id FROM agentmail_inbox AS m
            WHERE m.state < 2 AND m.agent_key IS NOT NULL AND m.agent_key > agents.agent_key
            ORDER BY m.agent_key, m.id LIMIT 1
        ) AS next
    ), ",
    " AND (agent_key IS NULL OR id IN (SELECT agents.id FROM agents)) ",
    "m.body"
);

/// The same without the bodies.
pub(super) const TAKE_IN_ORDER_WITHOUT_BODY: &str = take!(
    "RECURSIVE agents AS (
        (SELECT agent_key, id FROM agentmail_inbox
         WHERE state < 2 AND agent_key IS NOT NULL ORDER BY agent_key, id LIMIT 1)
        UNION ALL
        SELECT next.agent_key, next.id FROM agents, LATERAL (
            SELECT m.agent_key, m.id FROM agentmail_inbox AS m
            WHERE m.state < 2 AND m.agent_key IS NOT NULL AND m.agent_key > agents.agent_key
            ORDER BY m.agent_key, m.id LIMIT 1
        ) AS next
    ), ",
    " AND (agent_key IS NULL OR id IN (SELECT agents.id FROM agents)) ",
    "NULL::bytea"
);

/// Returns what an earlier call has taken under a token: token, lease in seconds.
pub(super) const TAKEN_UNDER: &str = "
    UPDATE agentmail_inbox SET due_at = now() + $2::double precision * interval '1 second'
    WHERE state = 1 AND take_token = $1
    RETURNING id, takes, message_key, attempts, trace_parent, false, received_at, body,
              extract(epoch FROM now() - received_at)::double precision";

/// The same without the bodies.
pub(super) const TAKEN_UNDER_WITHOUT_BODY: &str = "
    UPDATE agentmail_inbox SET due_at = now() + $2::double precision * interval '1 second'
    WHERE state = 1 AND take_token = $1
    RETURNING id, takes, message_key, attempts, trace_parent, false, received_at, NULL::bytea,
              extract(epoch FROM now() - received_at)::double precision";

/// Lets go of messages that a call has taken, and that nobody got: token, ids to keep.
pub(super) const RETURN_UNDER: &str = "
    UPDATE agentmail_inbox
    SET state = 0, due_at = now(), attempts = GREATEST(attempts, 1) - 1, take_token = NULL
    WHERE state = 1 AND take_token = $1 AND NOT id = ANY ($2::bigint[])";

/// Reads one body.
pub(super) const BODY: &str = "SELECT body FROM agentmail_inbox WHERE id = $1";

/// Extends leases: ids, takes, lease in seconds.
pub(super) const RENEW: &str = "
    UPDATE agentmail_inbox AS m SET due_at = now() + $3::double precision * interval '1 second'
    FROM unnest($1::bigint[], $2::bigint[]) AS l (id, take)
    WHERE m.id = ANY ($1) AND m.id = l.id AND m.takes = l.take AND m.state = 1
    RETURNING m.id, m.takes";

/// Ends attempts: ids, takes, states, pauses in seconds, reasons, and whether the attempt began.
///
/// A row that was not taken, and has the same number of takes, was ended before by the same worker.
pub(super) const FINISH: &str = "
    WITH ended AS MATERIALIZED (
        SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::smallint[], $4::double precision[],
                             $5::text[], $6::boolean[])
            AS e (id, take, state, pause, reason, began)
    ), updated AS (
        UPDATE agentmail_inbox AS m
        SET state = e.state, take_token = NULL,
            due_at = now() + e.pause * interval '1 second',
            attempts = CASE WHEN e.began THEN m.attempts ELSE GREATEST(m.attempts, 1) - 1 END,
            reason = CASE WHEN e.began THEN e.reason ELSE m.reason END
        FROM ended AS e
        WHERE m.id = ANY ($1) AND m.id = e.id AND m.takes = e.take AND m.state = 1
        RETURNING m.id, m.takes
    )
    SELECT id, takes FROM updated
    UNION ALL
    SELECT m.id, m.takes FROM ended AS e
    JOIN agentmail_inbox AS m
        ON m.id = ANY ($1) AND m.id = e.id AND m.takes = e.take AND m.state <> 1";

/// Returns the states of keys.
pub(super) const STATES: &str =
    "SELECT message_key, state FROM agentmail_inbox WHERE message_key = ANY ($1::bytea[])";

/// Counts the messages by their state. Each branch reads an index only.
pub(super) const COUNTS: &str = "
    SELECT 0::smallint, count(*) FROM agentmail_inbox WHERE state = 0
    UNION ALL SELECT 1::smallint, count(*) FROM agentmail_inbox WHERE state = 1
    UNION ALL SELECT state, count(*) FROM agentmail_inbox WHERE state >= 2 GROUP BY state";

/// Counts the waiting messages that are due.
pub(super) const DUE: &str = "
    SELECT count(*) FROM agentmail_inbox
    WHERE state = 0 AND (due_at <= now() OR due_at > now() + interval '25 hours')";

/// Returns for how many seconds the first due message has been due: 0 if the clock was set back.
pub(super) const OLDEST_DUE: &str = "
    WITH due AS (
        (SELECT due_at FROM agentmail_inbox WHERE state = 0 AND due_at <= now()
         ORDER BY due_at LIMIT 1)
        UNION ALL
        (SELECT due_at FROM agentmail_inbox WHERE state = 1 AND due_at <= now()
         ORDER BY due_at LIMIT 1)
        UNION ALL
        (SELECT now() FROM agentmail_inbox WHERE state = 0 AND due_at > now() + interval '25 hours'
         LIMIT 1)
        UNION ALL
        (SELECT now() FROM agentmail_inbox WHERE state = 1 AND due_at > now() + interval '25 hours'
         LIMIT 1)
    )
    SELECT extract(epoch FROM now() - min(due_at))::double precision FROM due";

/// The condition of a filter: id, key, state, kind, agent key, arrival from, arrival before.
macro_rules! matches {
    () => {
        "($1::bigint IS NULL OR id = $1)
        AND ($2::bytea IS NULL OR message_key = $2)
        AND ($3::smallint IS NULL OR state = $3)
        AND ($4::text IS NULL OR kind = $4)
        AND ($5::bytea IS NULL OR agent_key = $5)
        AND ($6::timestamptz IS NULL OR received_at >= $6)
        AND ($7::timestamptz IS NULL OR received_at < $7)"
    };
}

/// The columns that an operator sees.
macro_rules! row {
    () => {
        "id, message_key, kind, agent_id, message_id, state, attempts, received_at, due_at, \
         reason, redrives, redriven_at, redriven_by"
    };
}

/// Returns a page of the messages that match: the filter, the id before, the limit.
pub(super) const LIST: &str = concat!(
    "SELECT ",
    row!(),
    " FROM agentmail_inbox WHERE ",
    matches!(),
    " AND ($8::bigint IS NULL OR id > $8) ORDER BY id LIMIT $9"
);

/// Returns a message with its body.
pub(super) const SHOW: &str =
    concat!("SELECT ", row!(), ", body FROM agentmail_inbox WHERE id = $1");

/// Lets messages be tried again: the filter, who asks.
pub(super) const REDRIVE: &str = concat!(
    "WITH changed AS (
        UPDATE agentmail_inbox
        SET state = 0, due_at = now(), attempts = 0, redrives = redrives + 1, redriven_at = now(),
            redriven_by = $8
        WHERE state <> 1 AND ",
    matches!(),
    " RETURNING 1) SELECT count(*) FROM changed"
);

/// Makes waiting messages dead: the filter, the reason.
pub(super) const GIVE_UP: &str = concat!(
    "WITH changed AS (
        UPDATE agentmail_inbox SET state = 3, due_at = now(), reason = $8 WHERE state = 0 AND ",
    matches!(),
    " RETURNING 1) SELECT count(*) FROM changed"
);

/// Deletes messages: seconds since they are done, seconds since they are dead, the limit.
pub(super) const PRUNE: &str = "
    WITH old AS MATERIALIZED (
        SELECT id FROM agentmail_inbox
        WHERE (state = 2 AND due_at < now() - $1::double precision * interval '1 second'
               AND due_at + fresh_for * interval '1 second' < now())
           OR (state = 3 AND due_at < now() - $2::double precision * interval '1 second'
               AND due_at + fresh_for * interval '1 second' < now())
        LIMIT $3 FOR UPDATE SKIP LOCKED
    ), deleted AS (
        DELETE FROM agentmail_inbox WHERE id = ANY (ARRAY(SELECT id FROM old)) RETURNING 1
    )
    SELECT count(*) FROM deleted";
