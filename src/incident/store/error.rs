//! The errors of the store, each with the file that it is about and the way out.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;
use rusqlite::types::FromSqlError;

/// The reason why the memory of incidents cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no database.
    #[error(
        "{}: no incident database; `nfnotify run` makes it. If it is lost, `nfnotify import FILE` restores \
         a backup or an export, and `nfnotify run --new-database` begins an empty one",
        path.display()
    )]
    Missing {
        /// The path.
        path: PathBuf,
    },
    /// There is a database where a new one was to be made.
    #[error(
        "{}: an incident database is here already; move it away first, or name another with --db",
        path.display()
    )]
    Exists {
        /// The path.
        path: PathBuf,
    },
    /// A newer version of this program has written the database.
    #[error(
        "{}: the incident database has version {found}, and this nfnotify knows up to {known}; install \
         the newer nfkit again, or restore a backup of before with `nfnotify import FILE`",
        path.display()
    )]
    Newer {
        /// The path.
        path: PathBuf,
        /// The version of the database.
        found: i64,
        /// The newest version that is known.
        known: i64,
    },
    /// The file is not a database, or its content is not what was written.
    #[error(
        "{}: not a sound incident database: {why}; move it away and restore a backup with \
         `nfnotify import FILE`",
        path.display()
    )]
    Corrupt {
        /// The path.
        path: PathBuf,
        /// The fault.
        why: String,
    },
    /// Another process has held the database for longer than the time that is waited.
    #[error(
        "{}: another process has held the incident database for 10 s; try again when it has ended",
        path.display()
    )]
    Busy {
        /// The path.
        path: PathBuf,
    },
    /// There is no room. The transaction was taken back as a whole.
    #[error(
        "{}: no room on the disk for the incident database; the step that failed was taken back as a whole. \
         Make room, then run nfnotify again",
        path.display()
    )]
    Full {
        /// The path.
        path: PathBuf,
    },
    /// A line of an import is not one of an export.
    #[error("{}{}: {why}; nothing was imported", path.display(), Line(*line))]
    Import {
        /// The file that was read.
        path: PathBuf,
        /// The number of the line, from 1 on; 0 for the file as a whole.
        line: u64,
        /// The fault.
        why: String,
    },
    /// The lines of an export cannot be written.
    #[error("the export cannot be written")]
    Write(#[source] io::Error),
    /// Anything else.
    #[error("{}: {why}", path.display())]
    Other {
        /// The path.
        path: PathBuf,
        /// The fault.
        why: String,
    },
}

/// The number of a line in a message; 0 is none.
struct Line(u64);

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 { Ok(()) } else { write!(f, ": line {}", self.0) }
    }
}

/// A fault that does not yet say of which file it is.
#[derive(Debug)]
pub(super) enum Fault {
    /// SQLite refused.
    Sql(rusqlite::Error),
    /// A value in the database is not one that this program writes.
    Content(String),
    /// The system refused.
    Io(io::Error),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Fault {
        Fault::Sql(error)
    }
}

impl From<FromSqlError> for Fault {
    fn from(error: FromSqlError) -> Fault {
        Fault::Content(error.to_string())
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Fault {
        Fault::Io(error)
    }
}

impl Fault {
    /// Returns the error of the database at `path`.
    pub(super) fn at(self, path: &Path) -> Error {
        let path = path.to_owned();
        match self {
            Fault::Content(why) => Error::Corrupt { path, why },
            Fault::Io(error) if error.kind() == io::ErrorKind::StorageFull => Error::Full { path },
            Fault::Io(error) => Error::Other { path, why: error.to_string() },
            Fault::Sql(error) => of_sqlite(&error, path),
        }
    }
}

fn of_sqlite(error: &rusqlite::Error, path: PathBuf) -> Error {
    let why = error.to_string();
    let code = match error {
        rusqlite::Error::SqliteFailure(code, _) => *code,
        rusqlite::Error::SqlInputError { error, .. } => *error,
        // A value has another type than the one that was written.
        rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::Utf8Error(..) => return Error::Corrupt { path, why },
        _ => return Error::Other { path, why },
    };
    match code.code {
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Error::Busy { path },
        ErrorCode::DiskFull => Error::Full { path },
        // The index of the WAL is a file too, and cannot grow.
        ErrorCode::SystemIoFailure if code.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE => {
            Error::Full { path }
        }
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Error::Corrupt { path, why },
        ErrorCode::ReadOnly => {
            let why = "the incident database cannot be written; run as a user who may write to it \
                       and to its directory (group nfkit-ops)";
            Error::Other { path, why: why.to_owned() }
        }
        ErrorCode::CannotOpen | ErrorCode::PermissionDenied => {
            let why = format!(
                "the incident database cannot be opened ({why}); its directory must be writable for \
                 this user (group nfkit-ops)"
            );
            Error::Other { path, why }
        }
        _ => Error::Other { path, why },
    }
}
