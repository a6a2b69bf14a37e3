//! The memory of incidents: its place, its lock and its database, as each command that changes it opens
//! them.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use serde::Deserialize;

use super::place::{LOCK, Lock, Place};
use crate::incident::store::{Error, Imported, Secret, Store};
use crate::incident::{JournalRow, Mode};

/// The time that a command waits for a run that is going on.
pub(super) const WAIT: Duration = Duration::from_secs(60);

/// The file that readers use.
pub(super) const CURRENT: &str = "incidents.jsonl";

/// The directory of the incidents that were closed earlier, a file a month.
pub(super) const CLOSED: &str = "closed";

/// The option that names the database.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Db {
    /// Keep incidents in this SQLite database
    #[arg(
        long, value_name = "PATH", default_value = super::tables::DB,
        value_hint = clap::ValueHint::FilePath
    )]
    pub db: PathBuf,
}

impl Db {
    /// Returns the place of the database.
    pub fn place(&self) -> Place {
        Place::of(&self.db)
    }
}

/// The memory, locked against other commands that change it.
#[derive(Debug)]
pub(super) struct Memory {
    pub place: Place,
    pub store: Store,
    lock: Lock,
}

/// The way to go on if there is no database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IfMissing {
    /// Make one, unless the files beside it show that there was one.
    Create,
    /// Make one in any case; it must not be there.
    Begin,
    /// Fail.
    Fail,
}

impl Memory {
    /// Locks the memory, waits at most `wait` for that, and opens it. Returns `None` if another process has
    /// the lock.
    ///
    /// # Errors
    /// A directory or database that cannot be used, and one that is lost.
    pub fn open(
        place: Place,
        wait: Duration,
        missing: IfMissing,
    ) -> anyhow::Result<Option<Memory>> {
        if missing != IfMissing::Fail {
            place.create()?;
        }
        let Some(lock) = place.lock(LOCK, wait)? else { return Ok(None) };
        place.clear(CLOSED);
        let store = match missing {
            IfMissing::Begin => create(&place)?,
            IfMissing::Fail => match Store::open(place.db()) {
                Err(Error::Missing { .. }) if was_there(&place) => return Err(lost(&place)),
                store => store?,
            },
            IfMissing::Create => match Store::open(place.db()) {
                Err(Error::Missing { .. }) if !was_there(&place) => create(&place)?,
                Err(Error::Missing { .. }) => return Err(lost(&place)),
                store => store?,
            },
        };
        let mut memory = Memory { place, store, lock };
        memory.store.on_kill_point(kill_point);
        Ok(Some(memory))
    }

    /// Makes the memory from an export or a backup, where there is none or one that knows nothing, and notes
    /// `row` in its journal at the time `wall`. Nothing is left of an import that fails.
    ///
    /// # Errors
    /// A memory that is there already, a file that is neither, and a run that goes on for longer than a
    /// minute.
    pub fn import(
        place: Place,
        source: &Path,
        row: &JournalRow,
        wall: u64,
        mode: Mode,
    ) -> anyhow::Result<(Memory, Imported)> {
        place.create()?;
        let Some(lock) = place.lock(LOCK, WAIT)? else {
            bail!(
                "{}: another nfnotify has held it for a minute; nothing was imported",
                place.file("").display()
            );
        };
        place.clear(CLOSED);
        // Files that cannot be read are an error before anything is made.
        let numbers = Numbers::of(&place)?;
        let (mut store, imported) = Store::import(place.db(), source, row, wall, mode)?;
        number_above(numbers, &mut store)?;
        place.set_aside(&[CURRENT, CLOSED])?;
        Ok((Memory { place, store, lock }, imported))
    }

    /// Gives the lock back, and returns the database, which SQLite's own locks guard.
    pub fn unlock(self) -> Store {
        drop(self.lock);
        self.store
    }

    /// Closes the database, which shortens its files, and gives the lock back.
    ///
    /// # Errors
    /// The error of SQLite. All that was committed is safe.
    pub fn close(self) -> anyhow::Result<()> {
        Ok(self.store.close()?)
    }

    /// Opens the memory for a change by a person, and waits for a run that is going on.
    ///
    /// # Errors
    /// As [`Memory::open`], and a run that goes on for longer than a minute.
    pub fn for_change(place: Place) -> anyhow::Result<Memory> {
        let dir = place.file("");
        if !dir.exists() {
            return Err(Error::Missing { path: place.db().to_owned() }.into());
        }
        let memory = Memory::open(place, WAIT, IfMissing::Fail)?;
        memory.with_context(|| {
            format!(
                "{}: another nfnotify has held it for a minute; nothing was changed",
                dir.display()
            )
        })
    }
}

/// The greatest numbers in the files of readers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Numbers {
    incident: u64,
    journal: u64,
}

/// A line of such a file, as far as it has numbers.
#[derive(Debug, Deserialize)]
struct NumberedLine {
    id: u64,
    #[serde(default)]
    journal: Vec<NumberedRow>,
}

#[derive(Debug, Deserialize)]
struct NumberedRow {
    id: u64,
}

impl Numbers {
    /// Returns the greatest numbers in the files beside a database, those that got other names among them.
    /// Lines that cannot be read have none.
    ///
    /// # Errors
    /// A file that is there and cannot be read.
    fn of(place: &Place) -> anyhow::Result<Numbers> {
        let entries = |dir: &Path| -> Vec<PathBuf> {
            let entries = fs::read_dir(dir).into_iter().flatten().flatten();
            entries.map(|entry| entry.path()).collect()
        };
        let is_of = |path: &Path, name: &str| {
            let own = path.file_name().and_then(|own| own.to_str()?.strip_prefix(name));
            own.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        let beside = entries(&place.file(""));
        let mut paths: Vec<PathBuf> =
            beside.iter().filter(|path| is_of(path, CURRENT)).cloned().collect();
        for dir in beside.iter().filter(|path| is_of(path, CLOSED)) {
            paths.extend(entries(dir));
        }
        let mut numbers = Numbers::default();
        for path in paths.iter().filter(|path| path.is_file()) {
            let name = || path.display().to_string();
            let mut lines = BufReader::new(File::open(path).with_context(name)?);
            let mut line = Vec::new();
            while lines.read_until(b'\n', &mut line).with_context(name)? > 0 {
                if let Ok(NumberedLine { id, journal }) = serde_json::from_slice(&line) {
                    numbers.incident = numbers.incident.max(id);
                    let newest = journal.iter().map(|row| row.id).max().unwrap_or(0);
                    numbers.journal = numbers.journal.max(newest);
                }
                line.clear();
            }
        }
        Ok(numbers)
    }
}

/// Makes a database. Files of an earlier one get other names first, because a kill in between must not leave
/// them to be written over, and its numbers are not used again.
fn create(place: &Place) -> anyhow::Result<Store> {
    if !matches!(Store::open(place.db()), Err(Error::Missing { .. })) {
        return Err(Error::Exists { path: place.db().to_owned() }.into());
    }
    let numbers = Numbers::of(place)?;
    place.set_aside(&[CURRENT, CLOSED])?;
    let mut store = Store::create(place.db(), &secret()?)?;
    number_above(numbers, &mut store)?;
    Ok(store)
}

fn number_above(numbers: Numbers, store: &mut Store) -> anyhow::Result<()> {
    let mut update = store.update(0, Mode::Shadow)?;
    update.number_above(numbers.incident, numbers.journal)?;
    Ok(update.commit()?)
}

/// Opens the database for reading.
///
/// # Errors
/// Says that it is lost if files beside it show that there was one, or returns the error of the store.
pub(super) fn open_read(place: &Place) -> anyhow::Result<Store> {
    match Store::open_read(place.db()) {
        Err(Error::Missing { .. }) if was_there(place) => Err(lost(place)),
        store => Ok(store?),
    }
}

/// Returns the error for a database that is lost.
fn lost(place: &Place) -> anyhow::Error {
    let current = place.file(CURRENT);
    anyhow!(
        "{}: the incident database is gone, though {} is there; nothing was done. `nfnotify import FILE` \
         restores a backup or an export, and `nfnotify run --new-database` begins an empty one",
        place.db().display(),
        if current.exists() { current } else { place.file(CLOSED) }.display()
    )
}

/// Returns true if files beside the database show that there was one.
fn was_there(place: &Place) -> bool {
    [CURRENT, CLOSED].iter().any(|name| fs::symlink_metadata(place.file(name)).is_ok())
}

/// Returns random bytes for a new database.
pub(super) fn secret() -> anyhow::Result<Secret> {
    let path = "/dev/urandom";
    let mut secret = Secret::default();
    let mut file = File::open(path).context(path)?;
    file.read_exact(&mut secret).context(path)?;
    Ok(secret)
}

/// Ends the process at a named point, in a debug build, if NFKIT_KILL_POINT names it, or panics if
/// NFKIT_PANIC_POINT does: the tests look at what a kill or a panic leaves behind.
pub(super) fn kill_point(name: &'static str) {
    #[cfg(debug_assertions)]
    {
        #[expect(clippy::disallowed_methods, reason = "only in builds for tests")]
        let is_wanted = |key| std::env::var_os(key).is_some_and(|wanted| wanted == name);
        if is_wanted("NFKIT_KILL_POINT") {
            // Nothing is written or unlocked on the way, as by kill -9.
            _ = nix::sys::signal::raise(nix::sys::signal::Signal::SIGKILL);
        }
        assert!(!is_wanted("NFKIT_PANIC_POINT"), "at {name}");
    }
    #[cfg(not(debug_assertions))]
    let _ = name;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_database_keeps_the_files_of_the_lost_one_and_goes_on_with_its_numbers() {
        let dir = tempfile::tempdir().unwrap();
        let place = || Place::of(&dir.path().join("incidents.db"));
        let write = |name: &str, text: &str| {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write(CURRENT, "{\"id\":7,\"journal\":[{\"id\":40},{\"id\":41}]}\nnonsense\n");
        write("closed/2026-10.jsonl", "{\"id\":9,\"journal\":[{\"id\":30}]}\n");
        // Lost twice.
        write("closed.1/2026-09.jsonl", "{\"id\":3,\"journal\":[{\"id\":99}]}\n");
        let open = |missing| Memory::open(place(), Duration::ZERO, missing);
        let error = format!("{:#}", open(IfMissing::Create).unwrap_err());
        assert!(error.contains("the incident database is gone"), "{error}");
        let mut memory = open(IfMissing::Begin).unwrap().unwrap();
        assert_eq!(memory.store.next_id().unwrap(), 10);
        let mut update = memory.store.update(1, Mode::Shadow).unwrap();
        let row = JournalRow {
            incident: None,
            data: 1,
            actor: "ann".to_owned(),
            what: crate::incident::Changed::Memory,
            from: "-".to_owned(),
            to: "-".to_owned(),
            reason: "test".to_owned(),
        };
        update.journal_rows([&row]).unwrap();
        update.commit().unwrap();
        assert_eq!(memory.store.newest_entry().unwrap(), 100);
        memory.close().unwrap();
        let names = ["incidents.jsonl.1", "closed.2/2026-10.jsonl", "closed.1/2026-09.jsonl"];
        assert!(names.iter().all(|name| dir.path().join(name).is_file()));
        assert!(!dir.path().join(CURRENT).exists() && !dir.path().join(CLOSED).exists());
        // One that is there is never replaced.
        let error = format!("{:#}", open(IfMissing::Begin).unwrap_err());
        assert!(error.contains("is here already"), "{error}");
    }
}
