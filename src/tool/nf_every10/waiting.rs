//! Findings files that wait to be handed on: to the command of `--then`, to the memory of incidents, and to the site.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::names::{SlotName, findings_of};
use super::out_dir::{self, OutDir};

/// A list of findings files in OUT. A file leaves it when the one who gets it has succeeded.
#[derive(Clone, Copy, Debug)]
pub(super) struct WaitingList {
    /// The name of the file that holds the list.
    name: &'static str,
    /// The most files that wait for somebody who fails. The newest ones stay.
    most: usize,
}

/// For the command of `--then`.
pub(super) const THEN: WaitingList = WaitingList { name: "then", most: 1000 };

/// For the memory of incidents. Nothing may be lost while a database is away: these are ten weeks.
pub(super) const INCIDENTS: WaitingList = WaitingList { name: "incidents", most: 10_000 };

/// For the site.
pub(super) const SITE: WaitingList = WaitingList { name: "page", most: 10_000 };

/// The files of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct WaitingFiles {
    /// The paths of those that are there. One may have been removed for its age.
    pub paths: Vec<PathBuf>,
    /// The number of names that were given up, because too many waited.
    pub given_up: usize,
    names: Vec<String>,
}

impl WaitingList {
    /// Enters the findings of a slot.
    ///
    /// # Errors
    /// The system's error.
    pub fn enter(self, slot: &SlotName, out: &OutDir) -> std::io::Result<()> {
        out.append(self.name, format!("{}\n", findings_of(slot).display()).as_bytes())
    }

    /// Returns true if findings files wait.
    pub fn is_due(self, out: &OutDir) -> bool {
        out.path(self.name).metadata().is_ok_and(|of| of.len() > 0)
    }

    /// Returns the files that wait, in time order, each once.
    ///
    /// # Errors
    /// The system's error.
    pub fn files(self, out: &OutDir) -> std::io::Result<WaitingFiles> {
        let text = out_dir::read(&out.path(self.name))?;
        let text = String::from_utf8_lossy(&text);
        let names: BTreeSet<&str> = text.lines().filter(|line| !line.is_empty()).collect();
        let given_up = names.len().saturating_sub(self.most);
        let names: Vec<String> = names.into_iter().skip(given_up).map(str::to_owned).collect();
        let paths = names.iter().map(|name| out.path(name)).filter(|path| path.exists()).collect();
        Ok(WaitingFiles { paths, given_up, names })
    }

    /// Takes all files from the list.
    ///
    /// # Errors
    /// The system's error.
    pub fn clear(self, out: &OutDir) -> std::io::Result<()> {
        out_dir::remove(&out.path(self.name))
    }

    /// Takes those from the list that were given up.
    ///
    /// # Errors
    /// The system's error.
    pub fn shorten(self, files: &WaitingFiles, out: &OutDir) -> std::io::Result<()> {
        if files.given_up == 0 {
            return Ok(());
        }
        out.replace(self.name, (files.names.join("\n") + "\n").as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_wait_in_time_order_and_the_newest_stay() {
        let dir = tempfile::tempdir().unwrap();
        let out = OutDir::open(dir.path()).unwrap();
        out.clear_scratch().unwrap();
        let list = WaitingList { name: "list", most: 2 };
        let slots = ["200107010010", "200107010000", "200107010020", "200107010010"];
        let slots = slots.map(|digits| SlotName::parse(digits).unwrap());
        assert!(!list.is_due(&out));
        assert_eq!(list.files(&out).unwrap(), WaitingFiles::default());
        for slot in &slots {
            list.enter(slot, &out).unwrap();
            let path = out.path(findings_of(slot));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        assert!(list.is_due(&out));
        let files = list.files(&out).unwrap();
        assert_eq!(files.given_up, 1);
        let paths = [&slots[0], &slots[2]].map(|slot| out.path(findings_of(slot)));
        assert_eq!(files.paths, paths);
        list.shorten(&files, &out).unwrap();
        assert_eq!(list.files(&out).unwrap(), WaitingFiles { given_up: 0, ..files });
        // A file that was removed for its age is passed over.
        std::fs::remove_file(&paths[0]).unwrap();
        assert_eq!(list.files(&out).unwrap().paths, paths[1..]);
        list.clear(&out).unwrap();
        assert!(!list.is_due(&out));
    }
}
