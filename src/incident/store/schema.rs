//! The tables of the database, and the steps from one version of them to the next.

/// The version of the tables that this program writes.
pub const VERSION: i64 = 2;

/// Marks a database as one of nfnotify, in its header: `nfki`.
pub(super) const APPLICATION_ID: i64 = 0x6e66_6b69;

/// The step to version `n + 1` at index `n`.
pub(super) const MIGRATIONS: [&str; VERSION as usize] = [VERSION_1, VERSION_2];

/// The tables with their columns, in an order in which a row comes after those that it names.
pub(super) const TABLES: [(&str, &[&str]); 7] = [
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
    ("notice", &["id", "incident", "recipient", "step", "state", "at", "matters", "peak", "last"]),
    (
        "journal",
        &["id", "incident", "data", "wall", "actor", "what", "from", "to", "reason", "mode"],
    ),
    ("hook", &["name", "sent", "dropped"]),
];

/// The columns that came after version 1: version, table and column. Each has a default.
const ADDED: [(i64, &str, &str); 1] = [(2, "judged", "may_lack")];

/// Returns those of the columns of a table that it has in a version.
pub(super) fn columns_of<'c>(version: i64, table: &str, columns: &[&'c str]) -> Vec<&'c str> {
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
