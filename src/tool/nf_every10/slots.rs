//! The slots of a spool: a look at its files, and the choice of those that need work.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::ledger::{Ledger, TRIES};
use super::names::{FileName, SlotName, shown, shown_bytes, uncompressed};
use crate::time::Timestamp;

/// Slots between two looks at the spool, and between two turns of the hook: those of a day.
pub(super) const PASS: usize = 144;

/// A capture file of the spool.
#[derive(Clone, Debug)]
pub(super) struct SpoolFile {
    /// The path in the spool.
    pub path: PathBuf,
    /// The slot and number in its name.
    pub name: FileName,
    /// The size in bytes.
    pub size: u64,
    /// The time of the last change, in Unix seconds.
    pub modified: u64,
}

/// The reason for which a file is set aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// The slot starts more than one slot from now.
    Future,
    /// The file is a symbolic link, which may lead out of the spool or to what never ends.
    Link,
    /// The name is not that of a slot's file.
    Name,
    /// The path has a control character, which would break the ledger's lines and columns.
    Path,
    /// The file is a directory, a FIFO, a socket or a device.
    Type,
}

impl Reason {
    /// Returns the word that OUT/set-aside uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Future => "future",
            Reason::Link => "link",
            Reason::Name => "name",
            Reason::Path => "path",
            Reason::Type => "type",
        }
    }
}

/// The files of a spool at one moment.
#[derive(Debug, Default)]
pub(super) struct Look {
    /// The capture files of slots that have begun, in time order. Of a file and its compressed form only
    /// the first is here: while it is being compressed, the uncompressed one is whole.
    pub files: Vec<SpoolFile>,
    /// The files that are set aside, as OUT/set-aside lists them: the word for the reason and the path.
    pub odd: BTreeSet<(&'static str, String)>,
    /// The number of slots that are set aside because they start too late.
    pub later: usize,
    /// Files of nfcapd, another collector, whose files are of another format.
    pub foreign: usize,
    /// Directories that could not be read, with the reason. Files in them are missing here.
    pub errors: BTreeMap<String, String>,
}

impl Look {
    /// Looks at all files of the spool. Slots that start later than `limit` are set aside.
    pub fn take(spool: &Path, limit: Timestamp) -> Look {
        let mut look = Look::default();
        let mut later = HashSet::new();
        let mut dirs = vec![PathBuf::new()];
        while let Some(dir) = dirs.pop() {
            if let Err(error) = look.directory(spool, &dir, limit, &mut dirs, &mut later) {
                // Joined with nothing, a path would end in a slash.
                let dir =
                    if dir.as_os_str().is_empty() { spool.to_owned() } else { spool.join(dir) };
                look.errors.insert(shown(&dir), error.to_string());
            }
        }
        look.later = later.len();
        let key = |file: &SpoolFile| (file.name.slot.start, file.name.n);
        look.files.sort_by(|a, b| key(a).cmp(&key(b)).then_with(|| a.path.cmp(&b.path)));
        let mut seen = HashSet::new();
        look.files
            .retain(|file| seen.insert(uncompressed(file.path.as_os_str().as_bytes()).to_vec()));
        look
    }

    fn directory(
        &mut self,
        spool: &Path,
        dir: &Path,
        limit: Timestamp,
        dirs: &mut Vec<PathBuf>,
        later: &mut HashSet<String>,
    ) -> std::io::Result<()> {
        for entry in fs::read_dir(spool.join(dir))? {
            let entry = entry?;
            let name = entry.file_name();
            // Each ext4 file system has a directory of root's alone at its top.
            if name.as_bytes().starts_with(b".") || name == "lost+found" {
                continue;
            }
            let (path, kind) = (dir.join(&name), entry.file_type()?);
            if kind.is_dir() {
                dirs.push(path.clone());
            }
            self.foreign += usize::from(kind.is_file() && name.as_bytes().starts_with(b"nfcapd."));
            let is_ours = is_like_a_slot(name.as_bytes());
            if name.as_bytes().ends_with(b".part") || (!is_ours && !kind.is_symlink()) {
                continue;
            }
            let bytes = path.as_os_str().as_bytes();
            let reason = if kind.is_symlink() {
                // A link of another name matters if files behind it are missing here.
                if !is_ours && !spool.join(&path).is_dir() {
                    continue;
                }
                Reason::Link
            } else if !kind.is_file() {
                Reason::Type
            } else if bytes.iter().any(u8::is_ascii_control) {
                Reason::Path
            } else if let Some(name) = FileName::parse(&name) {
                if name.slot.start <= limit {
                    // The file may have been removed or renamed since.
                    if let Ok(of) = entry.metadata() {
                        let modified = u64::try_from(of.mtime()).unwrap_or(0);
                        self.files.push(SpoolFile { path, name, size: of.len(), modified });
                    }
                    continue;
                }
                later.insert(name.slot.digits);
                Reason::Future
            } else {
                Reason::Name
            };
            self.odd.insert((reason.as_str(), shown_bytes(bytes)));
        }
        Ok(())
    }

    /// Returns the start of the oldest slot; `None` if there is none.
    pub fn oldest(&self) -> Option<Timestamp> {
        self.files.first().map(|file| file.name.slot.start)
    }
}

/// Returns true for names such as `nfcap.*.pcapng*`.
fn is_like_a_slot(name: &[u8]) -> bool {
    let rest = name.strip_prefix(b"nfcap.");
    rest.is_some_and(|rest| memchr::memmem::find(rest, b".pcapng").is_some())
}

/// A file of a slot that needs work.
#[derive(Clone, Debug)]
pub(super) struct SlotFile {
    /// The path in the spool.
    pub path: PathBuf,
    /// The size in bytes.
    pub size: u64,
    /// Consecutive failures so far.
    pub failures: u32,
}

/// A slot that needs work, with all of its files.
#[derive(Clone, Debug)]
pub(super) struct PendingSlot {
    /// The slot.
    pub name: SlotName,
    /// All of its files, in the order of their numbers.
    pub files: Vec<SlotFile>,
}

/// The slots that need work.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// The first of them, at most [`PASS`].
    pub slots: Vec<PendingSlot>,
    /// The number of all of them.
    pub all: usize,
}

/// The attempts of this run. A file that grows all the time, or comes and goes, is left for the next run in
/// the end.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    /// Files that were tried at this size.
    tried: HashSet<(PathBuf, u64)>,
    /// The number of attempts at each file.
    times: HashMap<PathBuf, u32>,
    /// The number of times that a file of the slot was gone.
    gone: HashMap<String, u32>,
}

impl Attempts {
    /// Notes that a slot is tried with these files.
    pub fn tried(&mut self, slot: &PendingSlot) {
        for file in &slot.files {
            self.tried.insert((file.path.clone(), file.size));
            *self.times.entry(file.path.clone()).or_default() += 1;
        }
    }

    /// Notes that a file of the slot is gone. Returns true if that was the last attempt.
    pub fn gone(&mut self, slot: &SlotName) -> bool {
        let times = self.gone.entry(slot.digits.clone()).or_default();
        *times += 1;
        *times >= TRIES
    }

    fn allows(&self, file: &SpoolFile) -> bool {
        let times = self.times.get(&file.path).copied().unwrap_or(0);
        let gone = self.gone.get(&file.name.slot.digits).copied().unwrap_or(0);
        !self.tried.contains(&(file.path.clone(), file.size)) && times < TRIES && gone < TRIES
    }
}

/// Returns the slots that need work at the time `now`, in time order.
pub(super) fn pending(
    look: &Look,
    ledger: &Ledger,
    attempts: &Attempts,
    now: Timestamp,
) -> Pending {
    let is_new = |file: &&SpoolFile| {
        ledger.known(&file.path, file.size, now).is_pending && attempts.allows(file)
    };
    let slots: BTreeSet<_> = look.files.iter().filter(is_new).map(|file| &file.name.slot).collect();
    let first: BTreeSet<_> = slots.iter().copied().take(PASS).collect();
    let mut chosen: BTreeMap<&SlotName, Vec<SlotFile>> = BTreeMap::new();
    for file in look.files.iter().filter(|file| first.contains(&file.name.slot)) {
        let failures = ledger.known(&file.path, file.size, now).failures;
        let (path, size) = (file.path.clone(), file.size);
        chosen.entry(&file.name.slot).or_default().push(SlotFile { path, size, failures });
    }
    let chosen = chosen.into_iter();
    let slots_of_pass =
        chosen.map(|(name, files)| PendingSlot { name: name.clone(), files }).collect();
    Pending { slots: slots_of_pass, all: slots.len() }
}

/// Returns true if a directory has a file with the name of a slot's, at any depth.
pub(super) fn has_files(dir: &Path) -> bool {
    let look = Look::take(dir, Timestamp::from_nanos(u64::MAX));
    !look.files.is_empty() || !look.odd.is_empty()
}
