//! The database itself: made, opened, brought up to date.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use super::error::{Error, Fault};
use super::meta;
use super::schema::{APPLICATION_ID, MIGRATIONS, TABLES, VERSION};

/// The time to wait for another process that writes.
const BUSY: Duration = Duration::from_secs(10);

/// The smallest page of an SQLite database, in bytes.
const MIN_PAGE: u64 = 512;

/// Mode of the files of a database: its group are the operators.
pub(super) const MODE: u32 = 0o660;

/// Random bytes of a site, from which its Message-IDs are made.
pub type Secret = [u8; 32];

/// The memory of incidents.
///
/// All methods that read may be called at any time; outside of an [`Ingest`](super::Ingest) or an
/// [`Update`](super::Update) each sees the newest commit, and in a store of [`Store::open_read`] all see the
/// same one.
#[derive(Debug)]
pub struct Store {
    pub(super) db: Connection,
    pub(super) path: PathBuf,
    pub(super) kill_point: fn(&'static str),
    is_reader: bool,
}

impl Store {
    /// Makes a database, with the tables and the secret of the site. A file that is empty, or holds a
    /// database without tables, counts as none: it is what an interrupted call leaves.
    ///
    /// # Errors
    /// Returns [`Error::Exists`] if there is a database with tables, and any error of [`Store::open`] except
    /// [`Error::Missing`].
    pub fn create(path: &Path, secret: &Secret) -> Result<Store, Error> {
        let store = Store::make(path)?;
        let transaction = store.at(store.begin())?;
        if store.version()? > 0 {
            return Err(Error::Exists { path: path.to_owned() });
        }
        store.at(store.migrate())?;
        let secret: String = secret.iter().map(|byte| hex(*byte)).collect();
        store.at(meta::set(&transaction, "secret", &secret))?;
        store.at(transaction.commit())?;
        Ok(store)
    }

    /// Opens a database to read and write, and brings its tables up to date.
    ///
    /// # Errors
    /// Returns [`Error::Missing`] if there is none or one without tables, [`Error::Newer`] if a newer version
    /// has written it, [`Error::Corrupt`] if the file is not a database of this program, and
    /// [`Error::Other`] if the path is no regular file or cannot be written.
    pub fn open(path: &Path) -> Result<Store, Error> {
        let store = Store::connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        if store.version()? == 0 {
            return Err(Error::Missing { path: path.to_owned() });
        }
        store.prepare()?;
        Ok(store)
    }

    /// Opens a database to look at it, in one transaction that lasts as long as the store: all that is read
    /// is of one moment. Makes no database and changes none; a database of a run that was cut short gets
    /// the files of its WAL back. Never waits for a run, and no run waits for it.
    ///
    /// # Errors
    /// As [`Store::open`]; a database with older tables is [`Error::Other`], because only a run may change
    /// them.
    pub fn open_read(path: &Path) -> Result<Store, Error> {
        let mut store = Store::connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        store.is_reader = true;
        store.at(store.db.execute_batch("BEGIN"))?;
        match store.version()? {
            0 => Err(Error::Missing { path: path.to_owned() }),
            VERSION => {
                store.check_tables()?;
                Ok(store)
            }
            older => {
                let why = format!(
                    "the incident database has the older version {older}; `nfnotify run` brings it up \
                     to date"
                );
                Err(Error::Other { path: path.to_owned(), why })
            }
        }
    }

    /// Sets the function that is told of each step that a process may die at: `before-T1`, `in-T1`,
    /// `after-T1`, `in-T2`, `after-T2`, and those of [`Update::commit_between`](super::Update::commit_between).
    /// T1 is an [`Ingest`](super::Ingest), T2 an [`Update`](super::Update).
    pub fn on_kill_point(&mut self, kill_point: fn(&'static str)) {
        self.kill_point = kill_point;
    }

    /// Returns the path of the database.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns true for a store of [`Store::open_read`].
    pub fn is_reader(&self) -> bool {
        self.is_reader
    }

    /// Moves the commits from the WAL to the database as far as no reader needs them, and closes it. All
    /// is safe without this; the WAL is shorter with it.
    ///
    /// # Errors
    /// Returns the error of SQLite.
    pub fn close(self) -> Result<(), Error> {
        let path = self.path.clone();
        if !self.is_reader {
            let checkpoint = self.db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
            checkpoint.map_err(|error| Fault::from(error).at(&path))?;
        }
        self.db.close().map_err(|(_, error)| Fault::from(error).at(&path))
    }

    /// Makes the file if there is none, and opens it, whatever version its tables have.
    pub(super) fn make(path: &Path) -> Result<Store, Error> {
        let file = OpenOptions::new().write(true).create_new(true).mode(MODE).open(path);
        match file {
            // The umask does not hold: the group must be able to write.
            Ok(file) => {
                let mode = file.set_permissions(fs::Permissions::from_mode(MODE));
                mode.map_err(|error| Fault::Io(error).at(path))?;
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(Fault::Io(error).at(path)),
        }
        let store = Store::connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        store.version()?;
        store.use_wal()?;
        Ok(store)
    }

    /// Opens the file, and refuses one that is not for this program before anything is written.
    fn connect(path: &Path, access: OpenFlags) -> Result<Store, Error> {
        let other = |why: &str| Error::Other { path: path.to_owned(), why: why.to_owned() };
        // SQLite would wait at a FIFO for ever.
        match fs::symlink_metadata(path) {
            Ok(meta) if meta.is_symlink() => {
                return Err(other(
                    "a symbolic link; name the incident database itself, so that its files lie \
                     together",
                ));
            }
            Ok(meta) if meta.is_dir() => {
                return Err(other("a directory; name the file of the incident database in it"));
            }
            Ok(meta) if !meta.is_file() => {
                return Err(other("not a regular file; name the file of the incident database"));
            }
            // SQLite takes any file that is shorter than a page for an empty one, and would overwrite it.
            Ok(meta) if (1..MIN_PAGE).contains(&meta.len()) => {
                let why = "it is too short".to_owned();
                return Err(Error::Corrupt { path: path.to_owned(), why });
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Error::Missing { path: path.to_owned() });
            }
            Err(error) => return Err(Fault::Io(error).at(path)),
        }
        let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags(path, flags)
            .map_err(|error| Fault::from(error).at(path))?;
        let store = Store { db, path: path.to_owned(), kill_point: |_| {}, is_reader: false };
        store.at(store.configure())?;
        let is_readonly = store.at(store.db.is_readonly("main"))?;
        if access.contains(OpenFlags::SQLITE_OPEN_READ_WRITE) && is_readonly {
            let readonly = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_READONLY);
            let error = rusqlite::Error::SqliteFailure(readonly, None);
            return Err(Fault::from(error).at(path));
        }
        Ok(store)
    }

    /// Sets what holds for this connection alone.
    fn configure(&self) -> rusqlite::Result<()> {
        self.db.busy_timeout(BUSY)?;
        self.db.set_prepared_statement_cache_capacity(64);
        // The files of the WAL stay, so that a reader need not make them.
        self.db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        self.db.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        self.db.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        self.db.execute_batch(
            "PRAGMA foreign_keys = ON; PRAGMA synchronous = FULL; PRAGMA cell_size_check = ON;
             PRAGMA cache_size = -16384; PRAGMA journal_size_limit = 16777216;
             PRAGMA temp_store = MEMORY;",
        )
    }

    /// Returns the version of the tables: 0 if there are none.
    fn version(&self) -> Result<i64, Error> {
        let number = |name: &str| {
            let sql = format!("PRAGMA {name}");
            self.at(self.db.query_row(&sql, [], |row| row.get::<_, i64>(0)))
        };
        let (found, id) = (number("user_version")?, number("application_id")?);
        let sql = "SELECT count(*) FROM sqlite_schema";
        let tables: i64 = self.at(self.db.query_row(sql, [], |row| row.get(0)))?;
        if found == 0 && id == 0 && tables == 0 {
            return Ok(0);
        }
        if id != APPLICATION_ID || found <= 0 {
            let why = "it is a database of another program".to_owned();
            return Err(Error::Corrupt { path: self.path.clone(), why });
        }
        if found > VERSION {
            return Err(Error::Newer { path: self.path.clone(), found, known: VERSION });
        }
        Ok(found)
    }

    /// Sets the WAL mode, and brings the tables up to date in one transaction.
    fn prepare(&self) -> Result<(), Error> {
        self.use_wal()?;
        if self.version()? < VERSION {
            let transaction = self.at(self.begin())?;
            self.at(self.migrate())?;
            self.at(transaction.commit())?;
        }
        self.check_tables()
    }

    fn use_wal(&self) -> Result<(), Error> {
        let mode: String =
            self.at(self.db.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)))?;
        if mode == "wal" {
            return Ok(());
        }
        let why = format!(
            "the incident database cannot use a write-ahead log (SQLite says {mode:?}); it must lie on a \
             local file system"
        );
        Err(Error::Other { path: self.path.clone(), why })
    }

    /// Takes the steps from the version of the tables to the newest one, within a transaction.
    pub(super) fn migrate(&self) -> Result<(), Fault> {
        let found: i64 = self.db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        let first = usize::try_from(found).unwrap_or(0);
        for step in MIGRATIONS.iter().skip(first) {
            self.db.execute_batch(step)?;
        }
        self.db.pragma_update(None, "application_id", APPLICATION_ID)?;
        self.db.pragma_update(None, "user_version", VERSION)?;
        Ok(())
    }

    /// Checks that all tables are there.
    fn check_tables(&self) -> Result<(), Error> {
        let sql = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?1";
        for (name, _) in TABLES {
            let count: i64 = self.at(self.db.query_row(sql, [name], |row| row.get(0)))?;
            if count == 0 {
                let why = format!("it has no table {name}");
                return Err(Error::Corrupt { path: self.path.clone(), why });
            }
        }
        Ok(())
    }

    /// Begins a transaction that writes, and waits for others that do.
    pub(super) fn begin(&self) -> Result<Transaction<'_>, Fault> {
        Ok(Transaction::new_unchecked(&self.db, TransactionBehavior::Immediate)?)
    }

    /// Adds the path to an error.
    pub(super) fn at<T, F: Into<Fault>>(&self, result: Result<T, F>) -> Result<T, Error> {
        result.map_err(|fault| fault.into().at(&self.path))
    }
}

fn hex(byte: u8) -> String {
    format!("{byte:02x}")
}
