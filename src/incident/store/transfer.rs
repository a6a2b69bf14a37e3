//! Backup, export and import.
//!
//! An export is lines of JSON: a header with the version of the tables and the newest numbers, a line for
//! each row of each table, and a last line with the number of rows, by which a file that was cut short is
//! recognised.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, OpenFlags};
use serde::ser::{Error as _, SerializeMap};
use serde::{Deserialize, Serialize, Serializer};

use crate::incident::clauses::Mode;
use crate::incident::model::{Incident, JournalRow};

use super::db::Store;
use super::error::{Error, Fault};
use super::mail;
use super::meta::{self, int};
use super::read;
use super::schema::{RETAINING, TABLES, VERSION, tables_of};
use super::update;

/// The longest line of an import in bytes. The longest that this program writes has some 1.5 MB: 64 matters
/// with two finding lines each, escaped twice.
const MAX_LINE: u64 = 1 << 24;

/// The permissions of a backup, which holds the secret and may lie anywhere.
const BACKUP_MODE: u32 = 0o600;

/// The first bytes of an SQLite database.
const MAGIC: &[u8] = b"SQLite format 3\0";

/// The tables whose numbers are never used again.
const NUMBERED: [&str; 3] = ["mail", "notice", "journal"];

/// The numbers of what an import has read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Incidents.
    pub incidents: u64,
    /// Rows of all tables.
    pub rows: u64,
}

/// The first line of an export.
#[derive(Debug, Serialize, Deserialize)]
struct Header {
    /// The version of the tables.
    #[serde(rename = "nfnotify-export")]
    version: i64,
    /// The newest number of each table that never uses one again.
    newest: BTreeMap<String, u64>,
}

/// A row of an export.
#[derive(Debug, Serialize, Deserialize)]
struct RowLine<R> {
    table: String,
    row: R,
}

/// The last line of an export.
#[derive(Debug, Serialize, Deserialize)]
struct Footer {
    /// Number of rows.
    end: u64,
}

/// The values of a row by the names of their columns, in the order of the table.
struct Columns<'a>(&'a [&'a str], Vec<ValueRef<'a>>);

impl Serialize for Columns<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(Some(self.0.len()))?;
        for (name, value) in self.0.iter().zip(&self.1) {
            match value {
                ValueRef::Null => map.serialize_entry(name, &())?,
                ValueRef::Integer(number) => map.serialize_entry(name, number)?,
                ValueRef::Real(number) => map.serialize_entry(name, number)?,
                ValueRef::Text(text) => {
                    let text = std::str::from_utf8(text).map_err(S::Error::custom)?;
                    map.serialize_entry(name, text)?;
                }
                ValueRef::Blob(_) => return Err(S::Error::custom(format_args!("{name}: a blob"))),
            }
        }
        map.end()
    }
}

impl Store {
    /// Writes a copy of the database, as of the last commit, to a file that must not exist. Runs go on
    /// meanwhile.
    ///
    /// # Errors
    /// Returns [`Error::Other`] if the file exists or cannot be made, and the error of SQLite; no file is
    /// left then.
    pub fn backup(&self, to: &Path) -> Result<(), Error> {
        let other = |why: &str| Error::Other { path: to.to_owned(), why: why.to_owned() };
        let Some(text) = to.to_str() else { return Err(other("the name must be UTF-8")) };
        // SQLite fills an empty file. It would make one that everybody can read.
        let file = OpenOptions::new().write(true).create_new(true).mode(BACKUP_MODE).open(to);
        let file = match file {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(other("the file exists already; name a new one for the backup"));
            }
            Err(error) => return Err(Fault::Io(error).at(to)),
        };
        let copy = || -> Result<(), Fault> {
            self.db.execute("VACUUM INTO ?1", [text])?;
            file.sync_all()?;
            Ok(())
        };
        copy().map_err(|fault| {
            // The error that is returned says more than one of this.
            _ = fs::remove_file(to);
            fault.at(to)
        })
    }

    /// Writes all rows of all tables as lines of JSON, as of one moment, and returns how many they are. They
    /// hold the secret of the site.
    ///
    /// # Errors
    /// Returns [`Error::Write`] if the lines cannot be written, and the error of SQLite.
    pub fn export(&self, out: &mut dyn Write) -> Result<u64, Error> {
        // A reader is in a transaction already.
        let transaction = if self.db.is_autocommit() {
            Some(self.at(self.db.unchecked_transaction())?)
        } else {
            None
        };
        let mut newest = BTreeMap::new();
        for table in NUMBERED {
            newest.insert(table.to_owned(), self.at(newest_number(&self.db, table))?);
        }
        put(out, &Header { version: VERSION, newest })?;
        let mut count = 0;
        for (table, columns) in TABLES {
            let mut statement = self.at(self.db.prepare(&select(table, columns)))?;
            let mut rows = self.at(statement.query([]))?;
            while let Some(row) = self.at(rows.next())? {
                let values: rusqlite::Result<_> =
                    (0..columns.len()).map(|n| row.get_ref(n)).collect();
                let row = Columns(columns, self.at(values)?);
                put(out, &RowLine { table: table.to_owned(), row })?;
                count += 1;
            }
        }
        put(out, &Footer { end: count })?;
        drop(transaction);
        Ok(count)
    }

    /// Makes the database at `path` from an export or a backup, in one transaction, and notes `row` in its
    /// journal. The database must not exist, or must know nothing yet. All that is read is checked.
    ///
    /// # Errors
    /// Returns [`Error::Exists`] if the database knows something, [`Error::Import`] if `source` is neither an
    /// export nor a backup or a value of it is not sound, [`Error::Newer`] if a newer version wrote it, and
    /// the error of SQLite. Nothing was imported then.
    pub fn import(
        path: &Path,
        source: &Path,
        row: &JournalRow,
        wall: u64,
        mode: Mode,
    ) -> Result<(Store, Imported), Error> {
        let mut source = Source::open(source)?;
        let store = Store::make(path)?;
        let transaction = store.at(store.begin())?;
        store.at(store.migrate())?;
        if !store.at(is_empty(&transaction))? {
            return Err(Error::Exists { path: path.to_owned() });
        }
        let imported = source.pour(&transaction).map_err(|fault| fault.of(path, &source.path))?;
        store.at(update::write_journal(&transaction, [row], wall, mode))?;
        store.at(transaction.commit())?;
        // The log is as long as the database now. If it cannot be shortened, nothing is lost.
        _ = store.db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        Ok((store, imported))
    }
}

/// A fault of an import: of the database that is made, or of the file that is read.
enum ImportFault {
    Target(Fault),
    Source { line: u64, why: String },
    Newer(i64),
}

impl<F: Into<Fault>> From<F> for ImportFault {
    fn from(fault: F) -> ImportFault {
        ImportFault::Target(fault.into())
    }
}

impl ImportFault {
    fn of(self, target: &Path, source: &Path) -> Error {
        let path = source.to_owned();
        match self {
            ImportFault::Target(fault) => fault.at(target),
            ImportFault::Source { line, why } => Error::Import { path, line, why },
            ImportFault::Newer(found) => Error::Newer { path, found, known: VERSION },
        }
    }
}

/// A file to import.
struct Source {
    path: PathBuf,
    content: Content,
}

enum Content {
    Export(BufReader<File>),
    Backup(Connection),
}

impl Source {
    fn open(path: &Path) -> Result<Source, Error> {
        let at = |error: io::Error| Fault::Io(error).at(path);
        if !fs::metadata(path).map_err(at)?.is_file() {
            let why = "not a regular file; name a backup or an export".to_owned();
            return Err(Error::Other { path: path.to_owned(), why });
        }
        let mut export = BufReader::new(File::open(path).map_err(at)?);
        let start = export.fill_buf().map_err(at)?;
        let content = if start.starts_with(MAGIC) {
            Content::Backup(open_backup(path).map_err(|fault| fault.at(path))?)
        } else {
            Content::Export(export)
        };
        Ok(Source { path: path.to_owned(), content })
    }

    /// Puts all rows into the empty tables of `db`.
    fn pour(&mut self, db: &Connection) -> Result<Imported, ImportFault> {
        for (table, _) in TABLES.iter().rev() {
            db.execute(&format!("DELETE FROM {table}"), [])?;
        }
        let rows = match &mut self.content {
            Content::Export(lines) => pour_lines(lines, db)?,
            Content::Backup(backup) => pour_backup(backup, db)?,
        };
        let incidents = check(db)?;
        Ok(Imported { incidents, rows })
    }
}

/// Opens a backup to read, without making any file beside it.
fn open_backup(path: &Path) -> Result<Connection, Fault> {
    let mut wal = path.as_os_str().to_owned();
    wal.push("-wal");
    let mut uri = "file:".to_owned();
    for &byte in fs::canonicalize(path)?.as_os_str().as_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' => uri.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => uri.push(char::from(byte)),
            _ => uri.push_str(&format!("%{byte:02x}")),
        }
    }
    // A database that was copied with its WAL needs it; without one, nobody writes to the copy.
    if !Path::new(&wal).exists() {
        uri.push_str("?immutable=1");
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_URI
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Ok(Connection::open_with_flags(uri, flags)?)
}

fn pour_backup(backup: &Connection, db: &Connection) -> Result<u64, ImportFault> {
    let wrong = |why: String| ImportFault::Source { line: 0, why };
    let sound = |error: rusqlite::Error| wrong(error.to_string());
    let number = |name: &str| -> Result<i64, ImportFault> {
        backup.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0)).map_err(sound)
    };
    let found = number("user_version")?;
    if number("application_id")? != super::schema::APPLICATION_ID {
        return Err(wrong("it is a database of another program".to_owned()));
    }
    if found > VERSION {
        return Err(ImportFault::Newer(found));
    }
    let told: String =
        backup.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).map_err(sound)?;
    if told != "ok" {
        return Err(wrong(told));
    }
    let mut count = 0;
    for (table, columns) in tables_of(found) {
        let mut insert = db.prepare(&insert(table, &columns))?;
        let mut statement = backup.prepare(&select(table, &columns)).map_err(sound)?;
        let mut rows = statement.query([]).map_err(sound)?;
        while let Some(row) = rows.next().map_err(sound)? {
            let values: rusqlite::Result<Vec<Value>> =
                (0..columns.len()).map(|n| row.get(n)).collect();
            let values = rusqlite::params_from_iter(values.map_err(sound)?);
            insert.execute(values).map_err(|error| refused(error, 0))?;
            count += 1;
        }
    }
    for table in NUMBERED {
        let newest = newest_number(backup, table).map_err(sound)?;
        set_newest_number(db, table, newest)?;
    }
    Ok(count)
}

fn pour_lines(lines: &mut impl BufRead, db: &Connection) -> Result<u64, ImportFault> {
    let mut text = Vec::new();
    let mut line = 1;
    let mut next = |text: &mut Vec<u8>, line: u64| -> Result<bool, ImportFault> {
        text.clear();
        let wrong = |why: String| ImportFault::Source { line, why };
        let read = lines.by_ref().take(MAX_LINE).read_until(b'\n', text);
        let length = read.map_err(|error| wrong(error.to_string()))?;
        if length > 0 && text.last() != Some(&b'\n') {
            let is_long = length as u64 == MAX_LINE;
            let why = if is_long { "the line is too long" } else { "the file ends within a line" };
            return Err(wrong(why.to_owned()));
        }
        Ok(length > 0)
    };
    next(&mut text, line)?;
    let header: Header = serde_json::from_slice(&text).map_err(|_| ImportFault::Source {
        line,
        why: "the file is neither an export nor a backup of nfnotify".to_owned(),
    })?;
    if header.version > VERSION {
        return Err(ImportFault::Newer(header.version));
    }
    let tables = tables_of(header.version);
    let statements: Result<Vec<_>, _> =
        tables.iter().map(|(table, columns)| db.prepare(&insert(table, columns))).collect();
    let mut statements = statements?;
    let mut count = 0;
    loop {
        line += 1;
        let wrong = |why: String| ImportFault::Source { line, why };
        if !next(&mut text, line)? {
            return Err(wrong("the file ends before the line {\"end\":…}".to_owned()));
        }
        let row: RowLine<BTreeMap<String, serde_json::Value>> = match serde_json::from_slice(&text)
        {
            Ok(row) => row,
            Err(error) => match serde_json::from_slice::<Footer>(&text) {
                Ok(footer) if footer.end == count => break,
                Ok(footer) => {
                    let why = format!("the export had {} rows, and these are {count}", footer.end);
                    return Err(wrong(why));
                }
                Err(_) => return Err(wrong(error.to_string())),
            },
        };
        let at = tables.iter().position(|(table, _)| *table == row.table);
        let entry = at.and_then(|at| Some((tables.get(at)?, statements.get_mut(at)?)));
        let Some(((_, columns), statement)) = entry else {
            return Err(wrong(format!("there is no table {:?}", row.table)));
        };
        let values = values(row.row, columns).map_err(wrong)?;
        let values = rusqlite::params_from_iter(values);
        statement.execute(values).map_err(|error| refused(error, line))?;
        count += 1;
    }
    line += 1;
    if next(&mut text, line)? {
        return Err(ImportFault::Source { line, why: "a line behind the end".to_owned() });
    }
    for (table, newest) in header.newest {
        if NUMBERED.contains(&table.as_str()) {
            set_newest_number(db, &table, newest)?;
        }
    }
    Ok(count)
}

/// Returns the fault of a row that a table refuses. One that is none of the row is the target's.
fn refused(error: rusqlite::Error, line: u64) -> ImportFault {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::ConstraintViolation | rusqlite::ErrorCode::TypeMismatch) => {
            ImportFault::Source { line, why: error.to_string() }
        }
        _ => ImportFault::from(error),
    }
}

/// Returns the values of a row in the order of its columns.
fn values(
    mut row: BTreeMap<String, serde_json::Value>,
    columns: &[&str],
) -> Result<Vec<Value>, String> {
    let mut values = Vec::new();
    for column in columns {
        let value = row.remove(*column).ok_or_else(|| format!("there is no {column}"))?;
        values.push(match value {
            serde_json::Value::Null => Value::Null,
            serde_json::Value::String(text) => Value::Text(text),
            serde_json::Value::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(number), _) => Value::Integer(number),
                (None, Some(number)) => Value::Real(number),
                (None, None) => return Err(format!("{column} cannot be {number}")),
            },
            other => return Err(format!("{column} cannot be {other}")),
        });
    }
    match row.keys().next() {
        None => Ok(values),
        Some(unknown) => Err(format!("there is no column {unknown:?}")),
    }
}

/// Checks that all rows are such as this program writes, sets the counters, lets mails that were not sent go no
/// more, and returns the number of incidents.
fn check(db: &Connection) -> Result<u64, ImportFault> {
    let within = |result: Result<u64, Fault>| match result {
        Err(Fault::Content(why)) => Err(ImportFault::Source { line: 0, why }),
        Err(error @ Fault::Sql(rusqlite::Error::IntegralValueOutOfRange(..))) => {
            Err(ImportFault::Source { line: 0, why: format!("{error:?}") })
        }
        other => other.map_err(ImportFault::Target),
    };
    meta::remove(db, RETAINING)?;
    // The files of months are made anew beside the new database.
    meta::remove(db, "published")?;
    let incidents = within(check_rows(db))?;
    for table in ["finding", "judged", "journal"] {
        let sql = format!("SELECT count(*) FROM {table}");
        let count: u64 = db.query_row(&sql, [], |row| row.get(0))?;
        let key = if table == "finding" { "findings" } else { table };
        meta::set(db, key, &count)?;
    }
    Ok(incidents)
}

fn check_rows(db: &Connection) -> Result<u64, Fault> {
    let fault = |why: String| Err(Fault::Content(why));
    read::secret(db)?;
    read::newest(db)?;
    let _: Option<read::LastRun> = meta::get(db, "last_run")?;
    let _: Option<read::Freeze> = meta::get(db, "freeze")?;
    for counter in ["floor", "published", "left_out", "dropped", "forgotten"] {
        meta::count(db, counter)?;
    }
    let next_id = meta::get(db, "next_id")?.unwrap_or(1);
    let mut incidents = 0;
    let sql = "SELECT id, host, role, body, state, changed, last FROM incident";
    read::each(db, sql, [], |row| {
        let incident = read::incident(row)?;
        let Incident { id, ref body, .. } = incident;
        let (state, changed, last): (String, i64, i64) = (row.get(4)?, row.get(5)?, row.get(6)?);
        if (state.as_str(), changed, last)
            != (body.state.as_str(), int(body.changed), int(body.last))
        {
            return fault(format!("incident {id}: the columns differ from the body"));
        }
        if id == 0 || id >= next_id {
            return fault(format!("incident {id}: the next number is {next_id}"));
        }
        incidents += 1;
        Ok(())
    })?;
    read::each(db, &format!("{} FROM notice n ORDER BY n.id", read::NOTICE), [], |row| {
        read::notice(row).map(drop)
    })?;
    mail::check_and_supersede(db)?;
    read::each(db, read::JOURNAL, [], |row| read::entry(row).map(drop))?;
    let sql = "SELECT start, seconds, kind, host, role, line FROM finding";
    read::each(db, sql, [], |row| {
        read::window(row.get(0)?, row.get(1)?)?;
        read::kind(row.get_ref(2)?.as_str()?)?;
        read::subject(row.get_ref(3)?.as_str()?, row.get_ref(4)?.as_str()?)?;
        let line: Option<String> = row.get(5)?;
        line.map_or(Ok(()), |line| read::finding(&line).map(drop))
    })?;
    read::each(db, "SELECT start, seconds, kind FROM judged", [], |row| {
        read::window(row.get(0)?, row.get(1)?)?;
        read::kind(row.get_ref(2)?.as_str()?).map(drop)
    })?;
    Ok(incidents)
}

/// Returns true if the database knows nothing yet.
fn is_empty(db: &Connection) -> Result<bool, Fault> {
    for (table, _) in TABLES.iter().filter(|(table, _)| !["meta", "hook"].contains(table)) {
        let sql = format!("SELECT EXISTS (SELECT 1 FROM {table})");
        if db.query_row(&sql, [], |row| row.get(0))? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn newest_number(db: &Connection, table: &str) -> rusqlite::Result<u64> {
    let sql = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = ?1";
    db.query_row(sql, [table], |row| row.get(0))
}

fn set_newest_number(db: &Connection, table: &str, newest: u64) -> Result<(), Fault> {
    let newest = newest.max(newest_number(db, table)?);
    db.execute("DELETE FROM sqlite_sequence WHERE name = ?1", [table])?;
    let sql = "INSERT INTO sqlite_sequence(name, seq) VALUES (?1, ?2)";
    db.execute(sql, rusqlite::params![table, int(newest)])?;
    Ok(())
}

fn select(table: &str, columns: &[&str]) -> String {
    format!("SELECT {} FROM {table}", quoted(columns))
}

fn insert(table: &str, columns: &[&str]) -> String {
    let places = vec!["?"; columns.len()].join(", ");
    format!("INSERT INTO {table}({}) VALUES ({places})", quoted(columns))
}

/// Returns the names of columns, quoted, because `from` and `to` are words of SQL.
fn quoted(columns: &[&str]) -> String {
    let columns: Vec<String> = columns.iter().map(|column| format!("\"{column}\"")).collect();
    columns.join(", ")
}

fn put(out: &mut dyn Write, line: &impl Serialize) -> Result<(), Error> {
    let mut text = serde_json::to_vec(line).map_err(|error| Error::Write(error.into()))?;
    text.push(b'\n');
    out.write_all(&text).map_err(Error::Write)
}
