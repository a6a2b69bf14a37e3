//! `--feed`: the files of threat feeds, read again when they change.
//!
//! A feed is somebody else's data, renewed by a job that can fail. Faults of it are told, and stop nothing: a feed that
//! cannot be trusted is left out whole, an entry that cannot be right alone.

use std::fs::{File, OpenOptions};
use std::io::BufReader;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;

use crate::cli::{Io, decompress};
use crate::detect::feed::{self, Contents, Feed, Feeds, LeftOut};
use crate::flow::Networks;
use crate::time::Timestamp;

/// Seconds after which a feed that was not renewed is left out: those who were listed have moved, and others have
/// their addresses.
const MAX_AGE: u64 = 7 * DAY;
const DAY: u64 = 86_400;

/// The most characters of a feed's name in a finding.
const MAX_NAME: usize = 40;

/// The files of all feeds.
#[derive(Debug)]
pub(super) struct FeedFiles {
    files: Vec<FeedFile>,
    /// True once something was wrong with a feed.
    has_failed: bool,
}

/// A file, as it was when it was last read.
#[derive(Debug)]
struct FeedFile {
    path: PathBuf,
    version: Option<Version>,
    /// The contents, or the reason why there are none.
    read: Result<Contents, String>,
    is_used: bool,
    /// The fault of the feed, if it has one.
    trouble: Option<String>,
}

/// The properties of a file that change whenever it is written or replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Version {
    device: u64,
    inode: u64,
    bytes: u64,
    /// Seconds and nanoseconds.
    modified: (i64, i64),
}

/// The state of a feed after a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FeedState {
    /// The path of its file.
    pub path: String,
    /// The fault, if it has one.
    pub trouble: Option<String>,
}

impl FeedFiles {
    /// Returns feeds that are not read yet.
    pub fn new(paths: &[PathBuf]) -> FeedFiles {
        let file = |path: &PathBuf| FeedFile {
            path: path.clone(),
            version: None,
            read: Ok(Contents::default()),
            is_used: false,
            trouble: None,
        };
        FeedFiles { files: paths.iter().map(file).collect(), has_failed: false }
    }

    /// Reads the feeds that changed, and tells what is wrong with them, once. Returns the feeds in use if they are
    /// others than before.
    pub fn refresh(&mut self, inside: &Networks, now: Timestamp, io: &mut Io) -> Option<Feeds> {
        let mut is_new = false;
        for file in &mut self.files {
            is_new |= file.refresh(inside, now, io);
            self.has_failed |= file.trouble.is_some();
        }
        let used = self.files.iter().filter(|file| file.is_used);
        let feed = |file: &FeedFile| {
            let networks = file.read.as_ref().ok()?.networks.clone();
            Some(Feed { name: name(&file.path), networks })
        };
        is_new.then(|| Feeds::new(used.filter_map(feed).collect()))
    }

    /// Returns true if something was wrong with a feed, now or before.
    pub fn has_failed(&self) -> bool {
        self.has_failed
    }

    /// Returns the state of each feed.
    pub fn states(&self) -> Vec<FeedState> {
        let state = |file: &FeedFile| FeedState {
            path: file.path.display().to_string(),
            trouble: file.trouble.clone(),
        };
        self.files.iter().map(state).collect()
    }
}

impl FeedFile {
    /// Reads the file if it changed. Returns true if the feed is another one than before.
    fn refresh(&mut self, inside: &Networks, now: Timestamp, io: &mut Io) -> bool {
        let path = self.path.display().to_string();
        let before = (self.version, self.is_used);
        match open(&self.path) {
            Ok((file, version)) if self.version != Some(version) => {
                self.read = read(file, inside);
                self.version = Some(version);
                if let Ok(Contents { entries, names, .. }) = &self.read {
                    let names = format!("{names} lines about names of hosts or files");
                    io.report.detail(format_args!("feed {path}: {entries} entries; {names}"));
                }
            }
            Ok(_) => {}
            Err(reason) => (self.version, self.read) = (None, Err(reason)),
        }
        let age = self
            .version
            .map_or(0, |of| now.secs().saturating_sub(u64::try_from(of.modified.0).unwrap_or(0)));
        let unusable = match &self.read {
            Err(reason) => Some(reason.clone()),
            Ok(_) if age > MAX_AGE => Some(format!(
                "{} days old, and the limit is {}; is it still downloaded?",
                age / DAY,
                MAX_AGE / DAY
            )),
            Ok(contents) if contents.entries == 0 => Some(match left_out(contents) {
                Some(left_out) => format!("no entry of it can be used: {left_out}"),
                None => "no entry in it".to_owned(),
            }),
            Ok(_) => None,
        };
        self.is_used = unusable.is_none();
        let partly = || {
            let left_out = self.read.as_ref().ok().and_then(left_out)?;
            Some(format!("feed {path}: lines left out: {left_out}"))
        };
        let trouble =
            unusable.map(|reason| format!("feed {path}: left out: {reason}")).or_else(partly);
        if trouble != self.trouble {
            match &trouble {
                Some(text) => io.report.error(text),
                None => io.report.warn(format_args!("feed {path}: in order again")),
            }
        }
        self.trouble = trouble;
        before != (self.version, self.is_used)
    }
}

/// Opens a regular file without waiting: a pipe could hold the run for ever, and cannot be read again.
fn open(path: &Path) -> Result<(File, Version), String> {
    let flags = (OFlag::O_NONBLOCK | OFlag::O_NOCTTY).bits();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path);
    let file = file.map_err(|error| error.to_string())?;
    let of = file.metadata().map_err(|error| error.to_string())?;
    if !of.is_file() {
        return Err("not a regular file, which could be read again when it changes".to_owned());
    }
    let version = Version {
        device: of.dev(),
        inode: of.ino(),
        bytes: of.len(),
        modified: (of.mtime(), of.mtime_nsec()),
    };
    Ok((file, version))
}

fn read(file: File, inside: &Networks) -> Result<Contents, String> {
    let input = decompress(file).map_err(|error| error.to_string())?;
    let input = BufReader::with_capacity(1 << 16, input);
    feed::read(input, inside).map_err(|error| error.to_string())
}

/// Describes the lines that were left out, if there are any.
fn left_out(contents: &Contents) -> Option<String> {
    let Contents { inside, wide, reserved, bad, .. } = contents;
    let kinds = [
        (inside, "with inside addresses"),
        (wide, "wider than /8, or /19 of IPv6"),
        (reserved, "with private or reserved addresses"),
        (bad, "without an address"),
    ];
    let describe = |(of, what): (&LeftOut, &str)| {
        let (line, text) = of.first.as_ref()?;
        Some(format!("{} {what}, the first in line {line}: {text}", of.lines))
    };
    let texts: Vec<String> = kinds.into_iter().filter_map(describe).collect();
    (!texts.is_empty()).then(|| texts.join("; "))
}

/// Returns the name of a feed in findings: that of its file, without characters that have a meaning there.
fn name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = name.strip_suffix(".gz").or(name.strip_suffix(".zst")).unwrap_or(&name);
    let plain = |char: char| {
        if char.is_ascii_alphanumeric() || "._-".contains(char) { char } else { '_' }
    };
    name.chars().take(MAX_NAME).map(plain).collect()
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::io::Write;
    use std::rc::Rc;
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::cli::{Config, Out, Report};

    const NOW: u64 = 1_800_000_000;

    /// The messages.
    #[derive(Clone, Default)]
    struct Said(Rc<RefCell<Vec<u8>>>);

    impl Write for Said {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.borrow_mut().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// A feed in a directory of its own.
    struct Site {
        _dir: tempfile::TempDir,
        path: PathBuf,
        files: FeedFiles,
    }

    impl Site {
        fn new(name: &str) -> Site {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join(name);
            let files = FeedFiles::new(std::slice::from_ref(&path));
            Site { _dir: dir, path, files }
        }

        /// Writes the feed with an age in seconds.
        fn write(&self, bytes: &[u8], age: u64) {
            std::fs::write(&self.path, bytes).unwrap();
            let at = SystemTime::UNIX_EPOCH + Duration::from_secs(NOW - age);
            File::options().write(true).open(&self.path).unwrap().set_modified(at).unwrap();
        }

        /// Returns the feeds if they changed, and the messages without the directory.
        fn refresh(&mut self) -> (Option<Feeds>, String) {
            let inside = Networks::new(["140.119.0.0/16".parse().unwrap()]);
            let said = Said::default();
            let mut io = Io {
                out: Out::new(std::io::sink()),
                report: Report::new("nftest", Box::new(said.clone()), false, false),
                config: Config::default(),
            };
            let feeds = self.files.refresh(&inside, Timestamp::from_secs(NOW), &mut io);
            let said = String::from_utf8(said.0.take()).unwrap();
            (feeds, said.replace(&self.path.parent().unwrap().display().to_string(), "D"))
        }
    }

    fn lists(feeds: &Option<Feeds>, host: &str) -> Option<String> {
        Some(feeds.as_ref()?.names(host.parse().unwrap()).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn a_feed_is_read_again_when_it_changes() {
        let mut site = Site::new("drop list.txt");
        let (feeds, said) = site.refresh();
        assert!(feeds.is_none(), "there was none before");
        assert_eq!(
            said,
            "nftest: feed D/drop list.txt: left out: No such file or directory (os error 2)\n"
        );
        assert_eq!(site.refresh().1, "", "told once");
        site.write(b"203.0.113.5\n", 60);
        let (feeds, said) = site.refresh();
        assert_eq!(lists(&feeds, "203.0.113.5").as_deref(), Some("drop_list.txt"));
        assert_eq!(said, "nftest: feed D/drop list.txt: in order again\n");
        assert!(site.refresh().0.is_none() && site.files.has_failed());
        site.write(b"203.0.113.6\n", 50);
        let (feeds, said) = site.refresh();
        assert_eq!((lists(&feeds, "203.0.113.5").as_deref(), said.as_str()), (Some(""), ""));
        std::fs::remove_file(&site.path).unwrap();
        assert!(site.refresh().0.is_some_and(|feeds| feeds.is_empty()));
    }

    #[test]
    fn a_feed_is_decompressed() {
        let mut site = Site::new("c2.txt.gz");
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(b"203.0.113.0/24\n").unwrap();
        let bytes = gzip.finish().unwrap();
        site.write(&bytes, 60);
        let (feeds, said) = site.refresh();
        assert_eq!((lists(&feeds, "203.0.113.9").as_deref(), said.as_str()), (Some("c2.txt"), ""));
        site.write(&bytes[..bytes.len() - 9], 50);
        let (feeds, said) = site.refresh();
        assert!(feeds.is_some_and(|feeds| feeds.is_empty()));
        assert!(said.starts_with("nftest: feed D/c2.txt.gz: left out: "), "{said}");
    }

    #[test]
    fn a_feed_that_cannot_be_trusted_is_left_out_whole() {
        for (bytes, age, why) in [
            (
                &b"203.0.113.5\n"[..],
                9 * DAY,
                "9 days old, and the limit is 7; is it still downloaded?",
            ),
            (b"# none\n", 60, "no entry in it"),
            (
                b"140.119.0.0/16\nno address\n",
                60,
                "no entry of it can be used: 1 with inside addresses, the first in line 1: 140.119.0.0/16; \
                 1 without an address, the first in line 2: no address",
            ),
        ] {
            let mut site = Site::new("feed");
            site.write(bytes, age);
            let (feeds, said) = site.refresh();
            assert!(feeds.is_some_and(|feeds| feeds.is_empty()), "{why}");
            assert_eq!(said, format!("nftest: feed D/feed: left out: {why}\n"));
            assert!(site.files.has_failed() && site.files.states()[0].trouble.is_some());
        }
        let mut site = Site::new("feed");
        site.write(b"203.0.113.5\n", 7 * DAY);
        assert_eq!(lists(&site.refresh().0, "203.0.113.5").as_deref(), Some("feed"));
        std::fs::remove_file(&site.path).unwrap();
        nix::unistd::mkfifo(&site.path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(site.refresh().1.contains("not a regular file"));
    }

    #[test]
    fn an_entry_that_cannot_be_right_is_left_out_alone() {
        let mut site = Site::new("feed");
        site.write(b"203.0.113.5\n140.119.7.0/24\n0.0.0.0/1\n192.168.0.0/16\nwhat?\n", 60);
        let (feeds, said) = site.refresh();
        assert_eq!(lists(&feeds, "203.0.113.5").as_deref(), Some("feed"));
        assert_eq!(
            said,
            "nftest: feed D/feed: lines left out: 1 with inside addresses, the first in line 2: 140.119.7.0/24; \
             1 wider than /8, or /19 of IPv6, the first in line 3: 0.0.0.0/1; 1 with private or reserved addresses, \
             the first in line 4: 192.168.0.0/16; 1 without an address, the first in line 5: what?\n"
        );
        assert!(site.files.has_failed());
    }
}
