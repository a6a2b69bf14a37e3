//! What a collector remembers across restarts: the templates and options in force, as a capture file
//! of restated datagrams. Its name begins with a dot, so that readers of the spool skip it.

use std::fs::{self, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;

use super::packet_block::Endpoints;
use super::reader::{Event, Reader};
use super::section::{Closing, Slot};
use super::spool::SlotFileError;
use super::writer::Writer;
use crate::time::{Timestamp, Window};

/// The file, in the spool.
const NAME: &str = ".nfcap.templates.pcapng";

/// So many times what writing it took is waited before it is written again: ten thousand exporters
/// that start at once must not keep the disk busy with it.
const PAUSE: u32 = 20;

/// As long at most, and after a failure.
const REST: Duration = Duration::from_secs(60);

/// What was written down.
#[derive(Debug, Default)]
pub(super) struct TemplateCache {
    generation: Option<u64>,
    /// Not to be written again before this.
    rest: Option<Instant>,
}

impl TemplateCache {
    /// This generation is in the file.
    pub fn at(generation: u64) -> TemplateCache {
        TemplateCache { generation: Some(generation), rest: None }
    }

    /// Whether there is nothing to do: this generation is written down, or another one was only just.
    pub fn is(&self, generation: u64) -> bool {
        self.generation == Some(generation) || self.rest.is_some_and(|rest| Instant::now() < rest)
    }

    /// The next change is written down at once, however short ago the last one was.
    pub fn flush_now(&mut self) {
        self.rest = None;
    }

    /// Writes a generation of restated datagrams, whole or not at all.
    ///
    /// # Errors
    /// What the system says, with the path; the file that was there is still there.
    pub fn write(
        &mut self,
        dir: &Path,
        generation: u64,
        now: Timestamp,
        datagrams: impl Iterator<Item = (Endpoints, Vec<u8>)>,
    ) -> Result<(), SlotFileError> {
        let began = Instant::now();
        let path = dir.join(NAME);
        let mut part = path.clone().into_os_string();
        part.push(".part");
        let part = PathBuf::from(part);
        let written = write(&part, now, datagrams).and_then(|()| fs::rename(&part, &path));
        let pause = if written.is_ok() { (began.elapsed() * PAUSE).min(REST) } else { REST };
        self.rest = Some(Instant::now() + pause);
        match written {
            Ok(()) => {
                self.generation = Some(generation);
                Ok(())
            }
            Err(error) => {
                _ = fs::remove_file(&part);
                Err(SlotFileError { path, error })
            }
        }
    }
}

fn write(
    part: &Path,
    now: Timestamp,
    datagrams: impl Iterator<Item = (Endpoints, Vec<u8>)>,
) -> io::Result<()> {
    // What lies there may be a link.
    _ = fs::remove_file(part);
    let mut options = OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o640).open(part)?;
    let mut writer = Writer::new(BufWriter::new(file));
    let slot = Slot { window: Window::at(now, 1), allow: None, ident: None };
    writer.section(&slot).map_err(io::Error::other)?;
    for ((from, to), payload) in datagrams {
        writer.templates(now, from, to, &payload).map_err(io::Error::other)?;
    }
    writer
        .end(&Closing { start: now, end: now, ..Closing::default() })
        .map_err(io::Error::other)?;
    let mut output = writer.into_inner();
    output.flush()?;
    output.get_ref().sync_data()
}

/// A restated datagram: who, from which port to which, and what.
pub(super) type Restated = (SocketAddr, u16, Vec<u8>);

/// The datagrams that were written down in a spool, up to where the file cannot be read, and why it
/// cannot. None of a spool that is new.
pub(super) fn read(dir: &Path) -> (Vec<Restated>, Option<String>) {
    let path = dir.join(NAME);
    let mut datagrams = Vec::new();
    let mut read = || -> Result<(), String> {
        let mut options = OpenOptions::new();
        let flags = (OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits();
        let file = match options.read(true).custom_flags(flags).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error.to_string()),
        };
        if !file.metadata().is_ok_and(|data| data.is_file()) {
            return Err("no regular file".to_owned());
        }
        let mut reader = Reader::new(file).map_err(|error| error.to_string())?;
        while let Some(event) = reader.next().map_err(|error| error.to_string())? {
            if let Event::Datagram(datagram) = event {
                let from = (datagram.exporter, datagram.port).into();
                datagrams.push((from, datagram.dport, datagram.payload.to_vec()));
            }
        }
        Ok(())
    };
    let error = read().err().map(|error| format!("{}: {error}", path.display()));
    (datagrams, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_a_torn_file_up_to_its_tear() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read(dir.path()), (Vec::new(), None));
        let ends = |octet: u8| (([192, 0, 2, octet], 2055).into(), ([0, 0, 0, 0], 9999).into());
        let all: Vec<_> = (1..=3).map(|n| (ends(n), vec![n; 50])).collect();
        let restated = |all: &[(Endpoints, Vec<u8>)]| -> Vec<Restated> {
            all.iter().map(|((from, to), payload)| (*from, to.port(), payload.clone())).collect()
        };
        let mut known = TemplateCache::default();
        let now = Timestamp::from_secs(993_946_800);
        known.write(dir.path(), 7, now, all.clone().into_iter()).unwrap();
        assert!(known.is(7) && known.is(8));
        known.flush_now();
        assert!(known.is(7) && !known.is(8));
        assert_eq!(read(dir.path()), (restated(&all), None));
        let path = dir.path().join(NAME);
        let octets = fs::read(&path).unwrap();
        fs::write(&path, &octets[..octets.len() - 150]).unwrap();
        let (left, error) = read(dir.path());
        assert!(left.len() < 3 && left == restated(&all[..left.len()]), "{left:?}");
        assert!(error.unwrap().contains(".nfcap.templates.pcapng: byte "));
        // Where it cannot be written the old one stays.
        fs::write(&path, &octets).unwrap();
        fs::create_dir(dir.path().join(".nfcap.templates.pcapng.part")).unwrap();
        known.write(dir.path(), 8, now, all.clone().into_iter()).unwrap_err();
        known.flush_now();
        assert!(!known.is(8));
        assert_eq!(read(dir.path()), (restated(&all), None));
    }
}
