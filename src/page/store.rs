//! The site's memory outside of the web root: the findings of each day, and what was computed of them.
//!
//! | file | content |
//! |---|---|
//! | `lock` | held by the run that is at work |
//! | `DATE.findings.zst` | findings and verdicts of a day, as a compressed stream of finding lines |
//! | `DATE.course` | the incidents of that day, computed; it is made again if it is missing or damaged |
//! | `DATE.traffic` | the traffic of that day |
//! | `dropped` | what the days that were dropped for their age left to the first one that is kept |
//! | `id` | the site's identity, for names that must not change |
//! | `zone` | the time zone by whose days the store is split |
//! | `manifest`, `manifest.log` | the files of the site that nfpage wrote |
//!
//! A day of `DATE.findings.zst` is written before the run computes anything of it, and its `DATE.course` is removed
//! before that. So a run that is killed leaves work that the next run does.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use jiff::civil::Date;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::course::{Carry, DayCourse, Detail, Part, WindowRow};
use super::day::DayData;
use super::error::Error;
use super::traffic::TrafficDay;

/// The first line of a day's findings.
const DAY: &str = "# nfkit-page-day 1";

/// The first line of a day's course. Its number changes with any type or text in it.
const COURSE: &[u8] = b"nfkit-page-course 2\n";

/// The file of what dropped days leave.
const BASE: &str = "dropped";

/// The file of the site's identity.
const ID: &str = "id";

/// The file of the time zone.
const ZONE: &str = "zone";

/// The first line of a day's traffic, and the end of its file's name.
const TRAFFIC: &[u8] = b"nfkit-page-traffic 1\n";
const TRAFFIC_END: &str = ".traffic";

/// The level of compression.
const ZSTD_LEVEL: i32 = 3;

/// The most bytes of a file of the store when it is decompressed. A day has at most 12,000 findings of 4 kB each,
/// and as much again for the incidents that go on.
const MAX_SIZE: u64 = 1 << 30;

/// The beginning of the names of temporary files.
const TEMPORARY: &str = ".nfpage.";

/// The store, locked for this process.
#[derive(Debug)]
pub struct Store {
    dir: PathBuf,
    _lock: Flock<File>,
}

/// A day's course in short.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The checksum of the carry that the day began with.
    pub before: u64,
    /// The checksum of the carry that the day left.
    pub after: u64,
    /// The windows, by time.
    pub windows: Vec<WindowRow>,
    /// The incidents that had a finding, in the order of the page.
    pub parts: Vec<Part>,
    /// Findings that were not kept.
    pub left_out: u64,
    /// True if verdicts on windows were not kept.
    pub lacks_verdicts: bool,
    /// True if the file of the findings was damaged once.
    pub was_damaged: bool,
}

/// A day's findings, as the store has them.
#[derive(Debug)]
pub enum StoredDay {
    /// There is no file.
    Missing,
    /// The findings and verdicts.
    Whole(DayData),
    /// The file cannot be read; the reason.
    Damaged(String),
}

impl Store {
    /// Opens the store for the site in `dir`, and creates it, readable by its owner only.
    ///
    /// # Errors
    /// The store lies in `dir`, another run has it, or the system's error.
    pub fn open(store: &Path, dir: &Path) -> Result<Store, Error> {
        if fs::metadata(dir).is_ok_and(|found| !found.is_dir()) {
            return Err(Error::at(dir)(io::ErrorKind::NotADirectory.into()));
        }
        let is_new = !store.is_dir();
        if is_new {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(store);
            made.map_err(Error::at(store))?;
        }
        let real = |path: &Path| fs::canonicalize(path).map_err(Error::at(path));
        if dir.is_dir() && real(store)?.starts_with(real(dir)?) {
            if is_new {
                // One that stays does no harm.
                _ = fs::remove_dir(store);
            }
            return Err(Error::StoreInside { store: store.to_owned(), dir: dir.to_owned() });
        }
        let path = store.join("lock");
        let options =
            OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
        let lock = match Flock::lock(
            options.map_err(Error::at(&path))?,
            FlockArg::LockExclusiveNonblock,
        ) {
            Ok(lock) => lock,
            Err((_, Errno::EWOULDBLOCK)) => return Err(Error::Locked { path }),
            Err((_, errno)) => return Err(Error::at(&path)(errno.into())),
        };
        let store = Store { dir: store.to_owned(), _lock: lock };
        clear_temporary(&store.dir);
        Ok(store)
    }

    /// Returns the site's identity, 32 hexadecimal digits that were drawn when the store was made: names that must
    /// not change with the site's title begin with it.
    ///
    /// # Errors
    /// The system's error.
    pub fn id(&self) -> Result<String, Error> {
        let path = self.path(ID);
        match fs::read_to_string(&path) {
            Ok(text) => return Ok(text.trim_end().to_owned()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(Error::at(&path)(error)),
        }
        let id = random()?.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        self.replace(&path, format!("{id}\n").as_bytes())?;
        Ok(id)
    }

    /// Returns the path of a file.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Returns the days that have findings or verdicts.
    ///
    /// # Errors
    /// The system's error.
    pub fn days(&self) -> Result<BTreeSet<Date>, Error> {
        self.dates(".findings.zst")
    }

    /// Returns the days that have traffic.
    ///
    /// # Errors
    /// The system's error.
    pub fn traffic_days(&self) -> Result<BTreeSet<Date>, Error> {
        self.dates(TRAFFIC_END)
    }

    /// Reads the traffic of a day. `None` if there is none that can be read.
    ///
    /// # Errors
    /// The system's error, or a file of a newer version.
    pub fn traffic(&self, date: Date) -> Result<Option<TrafficDay>, Error> {
        let path = self.traffic_path(date);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::at(&path)(error)),
        };
        if let Some(frame) = bytes.strip_prefix(TRAFFIC) {
            return Ok(parse(frame));
        }
        let first = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let found = String::from_utf8_lossy(first).into_owned();
        let ours = String::from_utf8_lossy(TRAFFIC.trim_ascii_end());
        if is_newer(&found, &ours) { Err(Error::Newer { path, found }) } else { Ok(None) }
    }

    /// Returns true if there is a file of a day's traffic, whether it can be read or not.
    pub fn has_traffic(&self, date: Date) -> bool {
        fs::symlink_metadata(self.traffic_path(date)).is_ok()
    }

    /// Gives the file of a day's traffic another name, `DATE.traffic.damaged`, for a person to look at.
    ///
    /// # Errors
    /// The system's error.
    pub fn set_traffic_aside(&self, date: Date) -> Result<PathBuf, Error> {
        let path = self.traffic_path(date);
        let aside = self.path(&format!("{date}{TRAFFIC_END}.damaged"));
        fs::rename(&path, &aside).map_err(Error::at(&path))?;
        Ok(aside)
    }

    /// Writes the traffic of a day.
    ///
    /// # Errors
    /// The system's error.
    pub fn put_traffic(&self, date: Date, day: &TrafficDay) -> Result<(), Error> {
        let mut bytes = TRAFFIC.to_vec();
        bytes.extend(frame(day));
        self.replace(&self.traffic_path(date), &bytes)
    }

    /// Removes the traffic of a day.
    ///
    /// # Errors
    /// The system's error.
    pub fn remove_traffic(&self, date: Date) -> Result<(), Error> {
        remove(&self.traffic_path(date))
    }

    fn traffic_path(&self, date: Date) -> PathBuf {
        self.path(&format!("{date}{TRAFFIC_END}"))
    }

    /// Returns the dates of files whose names are a date and `end`.
    fn dates(&self, end: &str) -> Result<BTreeSet<Date>, Error> {
        let mut days = BTreeSet::new();
        for entry in fs::read_dir(&self.dir).map_err(Error::at(&self.dir))? {
            let name = entry.map_err(Error::at(&self.dir))?.file_name();
            let date = name.to_str().and_then(|name| name.strip_suffix(end));
            days.extend(date.and_then(|date| date.parse::<Date>().ok()));
        }
        Ok(days)
    }

    /// Reads the findings of a day.
    ///
    /// # Errors
    /// The system's error, or a file of a newer version.
    pub fn day(&self, date: Date) -> Result<StoredDay, Error> {
        let path = self.day_path(date);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(StoredDay::Missing),
            Err(error) => return Err(Error::at(&path)(error)),
        };
        let text = match decompress(&bytes).map(String::from_utf8) {
            Ok(Ok(text)) => text,
            Ok(Err(_)) => return Ok(StoredDay::Damaged("it is not text".to_owned())),
            Err(error) => return Ok(StoredDay::Damaged(error.to_string())),
        };
        let (first, rest) = text.split_once('\n').unwrap_or((&text, ""));
        if first != DAY {
            return if is_newer(first, DAY) {
                Err(Error::Newer { path, found: first.to_owned() })
            } else {
                Ok(StoredDay::Damaged("it does not begin as a day of the store".to_owned()))
            };
        }
        Ok(DayData::parse(rest).map_or_else(StoredDay::Damaged, StoredDay::Whole))
    }

    /// Writes the findings of a day, and forgets its course, which has to be computed again.
    ///
    /// # Errors
    /// The system's error.
    pub fn put_day(&self, date: Date, day: &DayData) -> Result<(), Error> {
        self.forget_course(date)?;
        let text = format!("{DAY}\n{}", day.text());
        self.replace(&self.day_path(date), &compress(text.as_bytes()))
    }

    /// Gives the damaged file of a day another name, `DATE.findings.damaged`, for a person to look at.
    ///
    /// # Errors
    /// The system's error.
    pub fn set_aside(&self, date: Date) -> Result<PathBuf, Error> {
        let path = self.day_path(date);
        let aside = self.path(&format!("{date}.findings.damaged"));
        fs::rename(&path, &aside).map_err(Error::at(&path))?;
        Ok(aside)
    }

    /// Removes all of a day.
    ///
    /// # Errors
    /// The system's error.
    pub fn remove(&self, date: Date) -> Result<(), Error> {
        self.forget_course(date)?;
        remove(&self.day_path(date))
    }

    /// Removes the course of a day.
    ///
    /// # Errors
    /// The system's error.
    pub fn forget_course(&self, date: Date) -> Result<(), Error> {
        remove(&self.course_path(date))
    }

    /// Reads the course of a day in short. `None` if there is none, or it cannot be used.
    pub fn summary(&self, date: Date) -> Option<Summary> {
        let mut file = File::open(self.course_path(date)).ok()?;
        let mut head = vec![0; COURSE.len() + 4];
        file.read_exact(&mut head).ok()?;
        let (first, length) = head.split_last_chunk::<4>()?;
        if first != COURSE {
            return None;
        }
        let mut frame = Vec::new();
        file.take(u32::from_le_bytes(*length).into()).read_to_end(&mut frame).ok()?;
        parse(&frame)
    }

    /// Reads the details of a day and what it left to the next. `None` if there are none that can be used.
    pub fn details(&self, date: Date) -> Option<(Vec<Detail>, Carry)> {
        let bytes = fs::read(self.course_path(date)).ok()?;
        let rest = bytes.strip_prefix(COURSE)?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        parse(rest.get(length..)?)
    }

    /// Writes the course of a day.
    ///
    /// # Errors
    /// The system's error.
    pub fn put_course(
        &self,
        date: Date,
        summary: &Summary,
        course: &DayCourse,
    ) -> Result<(), Error> {
        let frame = frame(summary);
        let length = u32::try_from(frame.len()).unwrap_or(u32::MAX);
        let mut bytes = COURSE.to_vec();
        bytes.extend(length.to_le_bytes());
        bytes.extend(frame);
        bytes.extend(self::frame(&(&course.details, &course.carry)));
        self.replace(&self.course_path(date), &bytes)
    }

    /// Reads what the days before the first one left, and the last of them. `None` if no day was dropped.
    pub fn base(&self) -> Option<(Option<Date>, Carry)> {
        let bytes = fs::read(self.path(BASE)).ok()?;
        let (date, carry): (String, Carry) = parse(bytes.strip_prefix(COURSE)?)?;
        Some((Some(date.parse().ok()?), carry))
    }

    /// Notes that the days up to `date` are dropped, and what they leave.
    ///
    /// # Errors
    /// The system's error.
    pub fn put_base(&self, date: Date, carry: &Carry) -> Result<(), Error> {
        let mut bytes = COURSE.to_vec();
        bytes.extend(frame(&(date.to_string(), carry)));
        self.replace(&self.path(BASE), &bytes)
    }

    /// Reads the name of the time zone by whose days the store is split. `None` for a new store.
    ///
    /// # Errors
    /// The system's error.
    pub fn zone(&self) -> Result<Option<String>, Error> {
        let path = self.path(ZONE);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text.trim_end().to_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::at(&path)(error)),
        }
    }

    /// Notes the time zone.
    ///
    /// # Errors
    /// The system's error.
    pub fn put_zone(&self, name: &str) -> Result<(), Error> {
        self.replace(&self.path(ZONE), format!("{name}\n").as_bytes())
    }

    /// Writes a file, so that a reader sees the old or the new one whole.
    ///
    /// # Errors
    /// The system's error.
    pub fn replace(&self, path: &Path, bytes: &[u8]) -> Result<(), Error> {
        replace(path, bytes, 0o600)
    }

    fn day_path(&self, date: Date) -> PathBuf {
        self.path(&format!("{date}.findings.zst"))
    }

    fn course_path(&self, date: Date) -> PathBuf {
        self.path(&format!("{date}.course"))
    }
}

/// Writes a file aside, and renames it when all of it is on the disk.
///
/// # Errors
/// The system's error.
pub fn replace(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Error> {
    use std::os::unix::fs::PermissionsExt;
    let dir = path.parent().unwrap_or(Path::new("."));
    let write = || -> io::Result<()> {
        let mut aside = tempfile::Builder::new().prefix(TEMPORARY).tempfile_in(dir)?;
        aside.as_file_mut().write_all(bytes)?;
        aside.as_file().set_permissions(fs::Permissions::from_mode(mode))?;
        // Without this, a power cut after the renaming can leave an empty file.
        aside.as_file().sync_all()?;
        aside.persist(path).map_err(|error| error.error)?;
        Ok(())
    };
    write().map_err(Error::at(path))
}

/// Removes what a killed run left in a directory. The caller holds the lock.
pub fn clear_temporary(dir: &Path) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        if entry.file_name().as_encoded_bytes().starts_with(TEMPORARY.as_bytes()) {
            // One that stays does no harm.
            _ = fs::remove_file(entry.path());
        }
    }
}

/// Returns 128 bits that nobody can guess.
///
/// # Errors
/// The system's error.
pub fn random() -> Result<[u8; 16], Error> {
    let path = Path::new("/dev/urandom");
    let mut bytes = [0; 16];
    File::open(path).and_then(|mut file| file.read_exact(&mut bytes)).map_err(Error::at(path))?;
    Ok(bytes)
}

fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::at(path)(error)),
        _ => Ok(()),
    }
}

/// Returns true if a first line is that of a newer version.
fn is_newer(found: &str, ours: &str) -> bool {
    let split = |text: &str| -> Option<(String, u32)> {
        let (name, version) = text.rsplit_once(' ')?;
        Some((name.to_owned(), version.parse().ok()?))
    };
    match (split(found), split(ours)) {
        (Some((name, version)), Some((same, ours))) => name == same && version > ours,
        _ => false,
    }
}

/// Returns a value, compressed with a checksum.
fn frame(value: &impl Serialize) -> Vec<u8> {
    // The types of the store can all be serialised.
    compress(&postcard::to_stdvec(value).unwrap_or_default())
}

fn parse<T: DeserializeOwned>(frame: &[u8]) -> Option<T> {
    postcard::from_bytes(&decompress(frame).ok()?).ok()
}

fn compress(bytes: &[u8]) -> Vec<u8> {
    let compress = || -> io::Result<Vec<u8>> {
        let mut encoder = zstd::Encoder::new(Vec::new(), ZSTD_LEVEL)?;
        encoder.include_checksum(true)?;
        encoder.write_all(bytes)?;
        encoder.finish()
    };
    // Memory takes everything.
    compress().unwrap_or_default()
}

fn decompress(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut decoder = zstd::Decoder::new(bytes)?.single_frame();
    let mut text = Vec::new();
    if decoder.by_ref().take(MAX_SIZE).read_to_end(&mut text)? as u64 == MAX_SIZE {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is too large"));
    }
    Ok(text)
}
