//! The templates and options in force that a collector keeps across restarts, as a capture file of
//! restated datagrams. Its name begins with a dot, so that readers of the spool skip it.

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

/// Name of the file in the spool.
const NAME: &str = ".nfcap.templates.pcapng";

/// Pause between two writes, in multiples of the time that the last one took: ten thousand exporters
/// that start at once must not keep the disk busy.
const PAUSE_FACTOR: u32 = 20;

/// The longest pause, which also follows a failure.
const MAX_PAUSE: Duration = Duration::from_secs(60);

/// The state of the file.
#[derive(Debug, Default)]
pub(super) struct TemplateCache {
    /// Generation of templates in the file.
    generation: Option<u64>,
    /// The earliest moment of the next write.
    not_before: Option<Instant>,
}

impl TemplateCache {
    /// Returns the state if the file holds this generation.
    pub fn at(generation: u64) -> TemplateCache {
        TemplateCache { generation: Some(generation), not_before: None }
    }

    /// Returns true if there is nothing to write now: the file holds this generation, or the last write
    /// was too recent.
    pub fn is_current(&self, generation: u64) -> bool {
        self.generation == Some(generation)
            || self.not_before.is_some_and(|moment| Instant::now() < moment)
    }

    /// Lets the next change be written at once, even if the last write was recent.
    pub fn flush_now(&mut self) {
        self.not_before = None;
    }

    /// Replaces the file by a generation of restated datagrams.
    ///
    /// # Errors
    /// The system's error with the path. The old file is unchanged then.
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
        let taken = began.elapsed() * PAUSE_FACTOR;
        let pause = if written.is_ok() { taken.min(MAX_PAUSE) } else { MAX_PAUSE };
        self.not_before = Some(Instant::now() + pause);
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
    // Another process may have put a link there.
    _ = fs::remove_file(part);
    let mut options = OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o640).open(part)?;
    let mut writer = Writer::new(BufWriter::new(file));
    let slot = Slot { window: Window::at(now, 1), allow: None, ident: None };
    writer.section(&slot).map_err(io::Error::other)?;
    for (Endpoints { source, destination }, payload) in datagrams {
        writer.templates(now, source, destination, &payload).map_err(io::Error::other)?;
    }
    writer
        .end(&Closing { start: now, end: now, ..Closing::default() })
        .map_err(io::Error::other)?;
    let mut output = writer.into_inner();
    output.flush()?;
    output.get_ref().sync_data()
}

/// A restated datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Restated {
    pub source: SocketAddr,
    /// Destination port.
    pub dport: u16,
    pub payload: Vec<u8>,
}

/// Returns the restated datagrams in a spool's file up to the first error, and that error. A new spool
/// has none.
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
            return Err("not a regular file".to_owned());
        }
        let mut reader = Reader::new(file).map_err(|error| error.to_string())?;
        while let Some(event) = reader.next().map_err(|error| error.to_string())? {
            if let Event::Datagram(datagram) = event {
                datagrams.push(Restated {
                    source: (datagram.exporter, datagram.port).into(),
                    dport: datagram.dport,
                    payload: datagram.payload.to_vec(),
                });
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
    fn written_file_is_read_and_a_torn_one_up_to_its_tear() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read(dir.path()), (Vec::new(), None));
        let endpoints = |host: u8| Endpoints {
            source: ([192, 0, 2, host], 2055).into(),
            destination: ([0, 0, 0, 0], 9999).into(),
        };
        let all: Vec<_> = (1..=3).map(|n| (endpoints(n), vec![n; 50])).collect();
        let restated = |all: &[(Endpoints, Vec<u8>)]| -> Vec<Restated> {
            all.iter()
                .map(|(Endpoints { source, destination }, payload)| Restated {
                    source: *source,
                    dport: destination.port(),
                    payload: payload.clone(),
                })
                .collect()
        };
        let mut cache = TemplateCache::default();
        let now = Timestamp::from_secs(993_946_800);
        cache.write(dir.path(), 7, now, all.clone().into_iter()).unwrap();
        assert!(cache.is_current(7) && cache.is_current(8));
        cache.flush_now();
        assert!(cache.is_current(7) && !cache.is_current(8));
        assert_eq!(read(dir.path()), (restated(&all), None));
        let path = dir.path().join(NAME);
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() - 150]).unwrap();
        let (left, error) = read(dir.path());
        assert!(left.len() < 3 && left == restated(&all[..left.len()]), "{left:?}");
        assert!(error.unwrap().contains(".nfcap.templates.pcapng: byte "));
        // If the file cannot be written, the old one stays.
        fs::write(&path, &bytes).unwrap();
        fs::create_dir(dir.path().join(".nfcap.templates.pcapng.part")).unwrap();
        cache.write(dir.path(), 8, now, all.clone().into_iter()).unwrap_err();
        cache.flush_now();
        assert!(!cache.is_current(8));
        assert_eq!(read(dir.path()), (restated(&all), None));
    }
}
