//! Runs the commands: arguments, standard input, a clean environment and a time limit in; what was
//! printed and how it ended out. A failed expectation prints the command and everything it said.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// What a command may take before it counts as hanging.
pub const LIMIT: Duration = Duration::from_secs(60);

/// The networks of the scenarios' campus.
pub const INSIDE: &str = "140.119.0.0/16";

/// The commands that read flow lines and print findings.
pub const DETECTORS: [&str; 3] = ["nfscan", "nfflood", "nfport"];

/// All commands.
pub const TOOLS: [&str; 7] =
    ["nfdump-txt", "nfgrep", "nftop", "nfscan", "nfflood", "nfport", "nfgen"];

fn binary(name: &str) -> &'static str {
    match name {
        "nfdump-txt" => env!("CARGO_BIN_EXE_nfdump-txt"),
        "nfscan" => env!("CARGO_BIN_EXE_nfscan"),
        "nftop" => env!("CARGO_BIN_EXE_nftop"),
        "nfflood" => env!("CARGO_BIN_EXE_nfflood"),
        "nfport" => env!("CARGO_BIN_EXE_nfport"),
        "nfgen" => env!("CARGO_BIN_EXE_nfgen"),
        "nfgrep" => env!("CARGO_BIN_EXE_nfgrep"),
        "nfcap" => env!("CARGO_BIN_EXE_nfcap"),
        "nfpage" => env!("CARGO_BIN_EXE_nfpage"),
        "nfnotify" => env!("CARGO_BIN_EXE_nfnotify"),
        other => panic!("there is no command {other}"),
    }
}

/// One of our commands, to be run.
pub fn tool(name: &str) -> Run {
    Run::new(binary(name))
}

/// Another program. `None`, said aloud, if it is not installed.
pub fn other(name: &str) -> Option<Run> {
    let found = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .any(|dir| dir.join(name).is_file());
    if !found {
        skipped(format_args!("{name} is not installed"));
        return None;
    }
    Some(Run::new(name))
}

/// Says aloud that something was not tested. Not by `eprintln!`, which the test runner swallows
/// where the test passes.
pub fn skipped(why: impl fmt::Display) {
    _ = writeln!(std::io::stderr(), "skipped: {why}");
}

/// A command line that is being put together.
pub struct Run {
    command: Command,
    stdin: Input,
    stdout: Option<File>,
    limit: Duration,
}

enum Input {
    Nothing,
    Octets(Vec<u8>),
    File(File),
}

impl Run {
    fn new(program: &str) -> Run {
        let mut command = Command::new(program);
        for (key, _) in std::env::vars_os() {
            let name = key.to_string_lossy();
            if name.starts_with("NFKIT_") || name.starts_with("RUST_") || name == "COLUMNS" {
                command.env_remove(&key);
            }
        }
        command.env("TZ", "UTC").env("LC_ALL", "C");
        Run { command, stdin: Input::Nothing, stdout: None, limit: LIMIT }
    }

    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Run {
        self.command.arg(arg);
        self
    }

    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Run {
        self.command.args(args);
        self
    }

    pub fn env(mut self, key: &str, value: impl AsRef<OsStr>) -> Run {
        self.command.env(key, value);
        self
    }

    /// Gives these octets through a pipe.
    pub fn stdin(mut self, octets: impl AsRef<[u8]>) -> Run {
        self.stdin = Input::Octets(octets.as_ref().to_vec());
        self
    }

    /// Gives a file, opened as a shell's `<` would.
    pub fn stdin_file(mut self, path: &Path) -> Run {
        self.stdin = Input::File(File::open(path).unwrap());
        self
    }

    /// Sends standard output to a file that is there, such as `/dev/full`.
    pub fn stdout_file(mut self, path: &str) -> Run {
        self.stdout = Some(File::options().write(true).open(path).unwrap());
        self
    }

    /// Sends standard output into a pipe that nobody reads any more.
    pub fn stdout_closed(mut self) -> Run {
        let (reader, writer) = nix::unistd::pipe().unwrap();
        drop(reader);
        self.stdout = Some(File::from(writer));
        self
    }

    pub fn limit(mut self, limit: Duration) -> Run {
        self.limit = limit;
        self
    }

    fn line(&self) -> String {
        let words = [self.command.get_program()].into_iter().chain(self.command.get_args());
        words.map(quoted).collect::<Vec<_>>().join(" ")
    }

    /// Runs it to its end.
    pub fn run(mut self) -> Ran {
        let line = self.line();
        let began = Instant::now();
        let feed = match self.stdin {
            Input::Nothing => {
                self.command.stdin(Stdio::null());
                None
            }
            Input::File(file) => {
                self.command.stdin(file);
                None
            }
            Input::Octets(octets) => {
                self.command.stdin(Stdio::piped());
                Some(octets)
            }
        };
        match self.stdout {
            Some(file) => self.command.stdout(file),
            None => self.command.stdout(Stdio::piped()),
        };
        self.command.stderr(Stdio::piped());
        let mut child = self.command.spawn().unwrap_or_else(|error| panic!("{line}: {error}"));
        if let Some(octets) = feed {
            let mut stdin = child.stdin.take().unwrap();
            // A command may stop before it has read everything.
            std::thread::spawn(move || _ = stdin.write_all(&octets));
        }
        let out = child.stdout.take().map(gather);
        let err = child.stderr.take().map(gather).unwrap();
        let (out, err) = (out.as_ref(), &err);
        let late = |left: &dyn Fn(Duration) -> Option<Vec<u8>>| {
            left(self.limit.saturating_sub(began.elapsed()))
        };
        let err = late(&|left| err.recv_timeout(left).ok());
        let out = match out {
            Some(out) => late(&|left| out.recv_timeout(left).ok()),
            None => Some(Vec::new()),
        };
        let (Some(out), Some(err)) = (out, err) else {
            _ = child.kill();
            _ = child.wait();
            panic!("{line}\nhas not ended after {:?}", self.limit);
        };
        let status = child.wait().unwrap();
        Ran::new(line, status, out, err)
    }

    /// Starts it with both pipes in the test's hands.
    pub fn live(mut self) -> Live {
        let line = self.line();
        self.command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.command.spawn().unwrap_or_else(|error| panic!("{line}: {error}"));
        let stdin = child.stdin.take();
        let out = child.stdout.take().map(lines).unwrap();
        let err = child.stderr.take().map(gather).unwrap();
        Live { line, child, stdin, out, err }
    }

    /// Starts it, reads the first octets that it prints and closes the pipe.
    pub fn head(mut self) -> Ran {
        let line = self.line();
        match self.stdin {
            Input::Nothing => self.command.stdin(Stdio::null()),
            Input::File(file) => self.command.stdin(file),
            Input::Octets(octets) => {
                let mut file = tempfile::tempfile().unwrap();
                file.write_all(&octets).unwrap();
                std::io::Seek::rewind(&mut file).unwrap();
                self.command.stdin(file)
            }
        };
        self.command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.command.spawn().unwrap_or_else(|error| panic!("{line}: {error}"));
        let mut out = vec![0; 10];
        let mut pipe: ChildStdout = child.stdout.take().unwrap();
        let count = pipe.read(&mut out).unwrap();
        out.truncate(count);
        drop(pipe);
        let err = child.stderr.take().map(gather).unwrap();
        let Ok(err) = err.recv_timeout(self.limit) else {
            _ = child.kill();
            _ = child.wait();
            panic!("{line}\nhas not ended {:?} after its reader went away", self.limit);
        };
        let status = child.wait().unwrap();
        Ran::new(line, status, out, err)
    }
}

fn quoted(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    match word.chars().all(|c| c.is_ascii_alphanumeric() || "-_./:,=+@%".contains(c)) {
        true => word.into_owned(),
        false => format!("'{word}'"),
    }
}

/// Reads a stream to its end in a thread of its own.
fn gather(mut stream: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        let mut octets = Vec::new();
        _ = stream.read_to_end(&mut octets);
        _ = send.send(octets);
    });
    receive
}

/// Reads a stream line by line in a thread of its own.
fn lines(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        let lines = std::io::BufRead::lines(std::io::BufReader::new(stream));
        for line in lines.map_while(Result::ok) {
            if send.send(line).is_err() {
                return;
            }
        }
    });
    receive
}

/// A command that runs while the test feeds it.
pub struct Live {
    line: String,
    child: Child,
    stdin: Option<ChildStdin>,
    out: Receiver<String>,
    err: Receiver<Vec<u8>>,
}

impl Live {
    pub fn send(&mut self, octets: impl AsRef<[u8]>) {
        let stdin = self.stdin.as_mut().expect("stdin is open");
        stdin.write_all(octets.as_ref()).unwrap_or_else(|error| panic!("{}: {error}", self.line));
        stdin.flush().unwrap();
    }

    /// The next line, which must come while the input stays open.
    #[track_caller]
    pub fn next(&mut self) -> String {
        match self.out.recv_timeout(Duration::from_secs(20)) {
            Ok(line) => line,
            Err(error) => {
                _ = self.child.kill();
                let err = self.err.recv_timeout(LIMIT).unwrap_or_default();
                let err = String::from_utf8_lossy(&err);
                panic!("{}\nno line came while its input was open: {error}\n{err}", self.line);
            }
        }
    }

    /// The process, for a look into `/proc`.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Closes its input and waits for its end; the lines that were not asked for are in `out`.
    pub fn close(mut self) -> Ran {
        drop(self.stdin.take());
        let Ok(err) = self.err.recv_timeout(LIMIT) else {
            _ = self.child.kill();
            _ = self.child.wait();
            panic!("{}\nhas not ended {LIMIT:?} after its input", self.line);
        };
        let mut out = String::new();
        while let Ok(line) = self.out.recv_timeout(LIMIT) {
            out += &line;
            out.push('\n');
        }
        let status = self.child.wait().unwrap();
        Ran::new(std::mem::take(&mut self.line), status, out.into(), err)
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// A command that ended.
pub struct Ran {
    line: String,
    pub status: ExitStatus,
    pub out: Vec<u8>,
    pub err: String,
}

/// Everything, for a test that fails.
impl fmt::Display for Ran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MOST: usize = 6000;
        let out = String::from_utf8_lossy(self.out.get(..MOST).unwrap_or(&self.out));
        let more = self.out.len().saturating_sub(MOST);
        write!(f, "\n$ {}\n{}\n", self.line, self.status)?;
        write!(f, "--- stdout, {more} octets more\n{out}\n--- stderr\n{}", self.err)
    }
}

impl Ran {
    /// Whatever it did, it did not panic, and what it said can do a terminal no harm.
    #[track_caller]
    fn new(line: String, status: ExitStatus, out: Vec<u8>, err: Vec<u8>) -> Ran {
        let err = String::from_utf8_lossy(&err).into_owned();
        let ran = Ran { line, status, out, err };
        assert!(!ran.err.contains("panicked at") && ran.status.code() != Some(101), "panic{ran}");
        let control = ran.err.chars().find(|&c| c.is_control() && c != '\n');
        assert_eq!(control, None, "a control character on stderr{ran}");
        ran
    }

    /// It ended with this status, and not by a signal.
    #[track_caller]
    pub fn status(self, expected: i32) -> Ran {
        assert!(self.status.signal().is_none(), "killed{self}");
        assert_eq!(self.status.code(), Some(expected), "status{self}");
        self
    }

    /// It ended well and had nothing to say on stderr.
    #[track_caller]
    pub fn ok(self) -> Ran {
        let ran = self.status(0);
        assert!(ran.err.is_empty(), "stderr is not empty{ran}");
        ran
    }

    /// It printed nothing on stdout.
    #[track_caller]
    pub fn mute(self) -> Ran {
        assert!(self.out.is_empty(), "stdout is not empty{self}");
        self
    }

    /// It said so many lines on stderr.
    #[track_caller]
    pub fn says_lines(self, count: usize) -> Ran {
        assert_eq!(self.err.lines().count(), count, "lines on stderr{self}");
        self
    }

    /// It said this on stderr.
    #[track_caller]
    pub fn says(self, part: &str) -> Ran {
        assert!(self.err.contains(part), "{part:?} is not on stderr{self}");
        self
    }

    /// It printed exactly this.
    #[track_caller]
    pub fn prints(self, text: &str) -> Ran {
        assert_eq!(self.text(), text, "stdout{self}");
        self
    }

    #[track_caller]
    pub fn text(&self) -> &str {
        match std::str::from_utf8(&self.out) {
            Ok(text) => text,
            Err(error) => panic!("stdout is no text: {error}{self}"),
        }
    }

    /// The lines that are no marks.
    #[track_caller]
    pub fn rows(&self) -> Vec<&str> {
        self.text().lines().filter(|line| !line.starts_with('#')).collect()
    }

    /// The lines that begin with this word.
    #[track_caller]
    pub fn marks(&self, word: &str) -> Vec<&str> {
        self.text().lines().filter(|line| line.split('\t').next() == Some(word)).collect()
    }

    /// The rows by the names that `#fields` gives their columns.
    #[track_caller]
    pub fn table(&self) -> Vec<BTreeMap<String, String>> {
        table(self.text())
    }
}

/// The rows of a text by the names that `#fields` gives their columns.
#[track_caller]
pub fn table(text: &str) -> Vec<BTreeMap<String, String>> {
    let fields = text.lines().find_map(|line| line.strip_prefix("#fields\t")).expect("#fields");
    let names: Vec<_> = fields.split('\t').collect();
    let rows = text.lines().filter(|line| !line.starts_with('#'));
    rows.map(|row| {
        let cells: Vec<_> = row.split('\t').collect();
        assert_eq!(cells.len(), names.len(), "columns of {row:?}");
        names.iter().zip(cells).map(|(name, cell)| ((*name).to_owned(), cell.to_owned())).collect()
    })
    .collect()
}

/// A directory of a test's own, gone when it ends.
pub struct Scene(TempDir);

impl Scene {
    pub fn new() -> Scene {
        Scene(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn dir(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file, with the directories above it.
    pub fn write(&self, name: &str, octets: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, octets).unwrap();
        path
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    pub fn text(&self, name: &str) -> String {
        String::from_utf8(self.read(name)).unwrap()
    }
}

/// A path from the package's root.
pub fn package(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// What nfgen plays, once for all tests that look at it: flow lines and the truth beside them.
pub struct Played {
    pub text: String,
    pub truth: String,
}

fn play(args: &[&str]) -> Played {
    let scene = Scene::new();
    let ran = tool("nfgen").args(args).arg("--text").arg("--truth").arg(scene.path("truth")).run();
    let text = String::from_utf8(ran.ok().out).unwrap();
    Played { text, truth: scene.text("truth") }
}

/// All three figures of the paper amid 8,000 ordinary flows each.
pub fn paper() -> &'static Played {
    static PLAYED: OnceLock<Played> = OnceLock::new();
    PLAYED.get_or_init(|| play(&["paper", "--flows", "230000"]))
}

/// Figure 3's window alone, small.
pub fn scan() -> &'static Played {
    static PLAYED: OnceLock<Played> = OnceLock::new();
    PLAYED.get_or_init(|| play(&["paper", "--figure", "3", "--flows", "7000"]))
}

/// Figure 4's window alone, small.
pub fn flood() -> &'static Played {
    static PLAYED: OnceLock<Played> = OnceLock::new();
    PLAYED.get_or_init(|| play(&["paper", "--figure", "4", "--flows", "5000"]))
}

/// An ordinary window as busy as the scenario's own, in which nobody attacks.
pub fn campus() -> &'static Played {
    static PLAYED: OnceLock<Played> = OnceLock::new();
    PLAYED.get_or_init(|| play(&["campus"]))
}

/// gzip as a shell's pipe would make it.
pub fn gzip(octets: &[u8]) -> Vec<u8> {
    let mut to = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    to.write_all(octets).unwrap();
    to.finish().unwrap()
}

/// zstd as a shell's pipe would make it.
pub fn zstd(octets: &[u8]) -> Vec<u8> {
    zstd::encode_all(octets, 1).unwrap()
}

/// Numbers for shuffles: splitmix64, so that a failure repeats.
pub struct Lots(pub u64);

impl Lots {
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }
}
