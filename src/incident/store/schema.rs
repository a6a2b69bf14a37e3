//! The tables of the database, and the steps from one version of them to the next.

/// The version of the tables that this program writes.
pub const VERSION: i64 = 3;

/// Marks a database as one of nfnotify, in its header: `nfki`.
pub(super) const APPLICATION_ID: i64 = 0x6e66_6b69;

/// The step to version `n + 1` at index `n`.
pub(super) const MIGRATIONS: [&str; VERSION as usize] = [VERSION_1, VERSION_2, VERSION_3];

/// The tables with their columns, in an order in which a row comes after those that it names.
pub(super) const TABLES: [(&str, &[&str]); 8] = [
    ("meta", &["key", "value"]),
    (
        "finding",
        &[
            "start", "seconds", "kind", "class", "host", "role", "proto", "port", "outside",
            "flows", "doubts", "line",
        ],
    ),
    ("judged", &["start", "seconds", "kind", "is_whole", "is_open", "pending", "may_lack"]),
    ("incident", &["id", "host", "role", "state", "changed", "last", "body"]),
    (
        "mail",
        &[
            "id",
            "kind",
            "recipient",
            "sender",
            "token",
            "message_id",
            "step",
            "text",
            "state",
            "at",
            "tries",
            "next",
            "settled",
            "why",
            "is_reported",
            "answers",
        ],
    ),
    (
        "notice",
        &[
            "id",
            "incident",
            "recipient",
            "step",
            "state",
            "at",
            "matters",
            "peak",
            "last",
            "accepted",
            "mail",
        ],
    ),
    (
        "journal",
        &["id", "incident", "data", "wall", "actor", "what", "from", "to", "reason", "mode"],
    ),
    ("hook", &["name", "sent", "dropped"]),
];

/// The columns that came after version 1: version, table and column. Each has a default.
const ADDED: [(i64, &str, &str); 3] =
    [(2, "judged", "may_lack"), (3, "notice", "accepted"), (3, "notice", "mail")];

/// The tables that came after version 1: version and table.
const ADDED_TABLES: [(i64, &str); 1] = [(3, "mail")];

/// Returns the tables with their columns that a version has.
pub(super) fn tables_of(version: i64) -> Vec<(&'static str, Vec<&'static str>)> {
    let is_newer =
        |table: &str| ADDED_TABLES.iter().any(|(since, added)| *since > version && *added == table);
    let all = TABLES.iter().filter(|(table, _)| !is_newer(table));
    all.map(|(table, columns)| (*table, columns_of(version, table, columns))).collect()
}

/// Returns those of the columns of a table that it has in a version.
fn columns_of<'c>(version: i64, table: &str, columns: &[&'c str]) -> Vec<&'c str> {
    let is_newer = |column: &str| {
        ADDED.iter().any(|(since, of, added)| *since > version && (*of, *added) == (table, column))
    };
    columns.iter().copied().filter(|column| !is_newer(column)).collect()
}

/// The key of `meta` that lets rows of the journal be deleted. It is there only within the transaction
/// that does so.
pub(super) const RETAINING: &str = "retaining";

/// Flags are 0 or 1, times are Unix seconds, `proto` and `port` are -1 for a mixed one.
const VERSION_1: &str = "
CREATE TABLE meta(
    key TEXT PRIMARY KEY NOT NULL,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Each finding that ever came. The line is here until the machine has stepped through it.
CREATE TABLE finding(
    start INTEGER NOT NULL,
    seconds INTEGER NOT NULL,
    kind TEXT NOT NULL,
    class TEXT NOT NULL,
    host TEXT NOT NULL,
    role TEXT NOT NULL,
    proto INTEGER NOT NULL,
    port INTEGER NOT NULL,
    outside INTEGER NOT NULL,
    flows INTEGER NOT NULL,
    doubts INTEGER NOT NULL,
    line TEXT,
    PRIMARY KEY(start, seconds, kind, class, host, role, proto, port)
) STRICT, WITHOUT ROWID;
CREATE INDEX finding_pending ON finding(start, seconds) WHERE line IS NOT NULL;

-- Each verdict of a detector on a window.
CREATE TABLE judged(
    start INTEGER NOT NULL,
    seconds INTEGER NOT NULL,
    kind TEXT NOT NULL,
    is_whole INTEGER NOT NULL,
    is_open INTEGER NOT NULL,
    pending INTEGER NOT NULL,
    PRIMARY KEY(start, seconds, kind)
) STRICT, WITHOUT ROWID;
CREATE INDEX judged_pending ON judged(start, seconds) WHERE pending = 1;

CREATE TABLE incident(
    id INTEGER PRIMARY KEY NOT NULL,
    host TEXT NOT NULL,
    role TEXT NOT NULL,
    state TEXT NOT NULL,
    changed INTEGER NOT NULL,
    last INTEGER NOT NULL,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX incident_live ON incident(id) WHERE state <> 'closed';
CREATE INDEX incident_subject ON incident(host, role, id);
CREATE INDEX incident_closed ON incident(changed) WHERE state = 'closed';

CREATE TABLE notice(
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    incident INTEGER NOT NULL REFERENCES incident(id) ON DELETE CASCADE,
    recipient TEXT NOT NULL,
    step TEXT NOT NULL,
    state TEXT NOT NULL,
    at INTEGER NOT NULL,
    matters INTEGER NOT NULL,
    peak REAL NOT NULL,
    last INTEGER NOT NULL
) STRICT;
CREATE INDEX notice_incident ON notice(incident, id);
CREATE INDEX notice_unsent ON notice(at) WHERE state = 'wanted';

CREATE TABLE journal(
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    incident INTEGER,
    data INTEGER NOT NULL,
    wall INTEGER NOT NULL,
    actor TEXT NOT NULL,
    what TEXT NOT NULL,
    \"from\" TEXT NOT NULL,
    \"to\" TEXT NOT NULL,
    reason TEXT NOT NULL,
    mode TEXT NOT NULL
) STRICT;
CREATE INDEX journal_incident ON journal(incident, id);
CREATE INDEX journal_data ON journal(data);
CREATE TRIGGER journal_no_update BEFORE UPDATE ON journal BEGIN
    SELECT RAISE(ABORT, 'the journal is append-only');
END;
CREATE TRIGGER journal_no_delete BEFORE DELETE ON journal
WHEN NOT EXISTS (SELECT 1 FROM meta WHERE key = 'retaining') BEGIN
    SELECT RAISE(ABORT, 'the journal is append-only');
END;

-- How far each hook has come in the journal.
CREATE TABLE hook(
    name TEXT PRIMARY KEY NOT NULL,
    sent INTEGER NOT NULL,
    dropped INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
";

/// Marks the windows of which findings may be missing.
const VERSION_2: &str = "ALTER TABLE judged ADD COLUMN may_lack INTEGER NOT NULL DEFAULT 0;";

/// The outbox. `step` and `settled` are null where there is none.
const VERSION_3: &str = "
CREATE TABLE mail(
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    kind TEXT NOT NULL,
    recipient TEXT NOT NULL,
    sender TEXT NOT NULL,
    token TEXT NOT NULL,
    message_id TEXT NOT NULL,
    step TEXT,
    text TEXT NOT NULL,
    state TEXT NOT NULL,
    at INTEGER NOT NULL,
    tries INTEGER NOT NULL,
    next INTEGER NOT NULL,
    settled INTEGER,
    why TEXT NOT NULL,
    is_reported INTEGER NOT NULL,
    answers INTEGER NOT NULL
) STRICT;
CREATE INDEX mail_unsent ON mail(id) WHERE state IN ('wanted', 'sending');
CREATE UNIQUE INDEX mail_token ON mail(token) WHERE token <> '';
CREATE INDEX mail_at ON mail(at);
CREATE INDEX mail_settled ON mail(settled);
CREATE INDEX mail_unreported ON mail(id) WHERE is_reported = 0 AND state IN ('refused', 'bounced');
ALTER TABLE notice ADD COLUMN accepted INTEGER;
ALTER TABLE notice ADD COLUMN mail INTEGER REFERENCES mail(id);
CREATE INDEX notice_mail ON notice(mail) WHERE mail IS NOT NULL;
DROP INDEX notice_unsent;
CREATE INDEX notice_unsent ON notice(at) WHERE state IN ('wanted', 'sending');
CREATE INDEX notice_waiting ON notice(id) WHERE state = 'wanted' AND mail IS NULL;
";
