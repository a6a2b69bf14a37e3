//! Runs the commands of the kit, and other programs, for the tests.
//!
//! A test gives arguments, standard input and a time limit, and gets the output and the exit
//! status. The environment is clean. A failed expectation prints the command line and all that the
//! command printed.

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

/// The time after which a command counts as hanging.
pub const LIMIT: Duration = Duration::from_secs(60);

/// The value of `NFKIT_CONFIG` for every command: an empty file.
pub const NO_CONFIGURATION: &str = "/dev/null";

/// The networks of the campus that the scenarios play on.
pub const INSIDE: &str = "140.119.0.0/16";

/// The commands that read flow lines and print findings.
pub const DETECTORS: [&str; 3] = ["nfscan", "nfflood", "nfport"];

/// The commands that read or write flow lines and captures: all but nfcap, nf-every10, nfpage and nfnotify.
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
        "nf-every10" => env!("CARGO_BIN_EXE_nf-every10"),
        "nfpage" => env!("CARGO_BIN_EXE_nfpage"),
        "nfnotify" => env!("CARGO_BIN_EXE_nfnotify"),
        other => panic!("there is no command {other}"),
    }
}

/// Prepares a run of a command of the kit.
pub fn tool(name: &str) -> Run {
    Run::new(binary(name))
}

/// Prepares a run of another program. Returns `None`, and reports a skipped test, if the program is
/// not installed.
pub fn installed(name: &str) -> Option<Run> {
    let found = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .any(|dir| dir.join(name).is_file());
    if !found {
        skipped(format_args!("{name} is not installed"));
        return None;
    }
    Some(Run::new(name))
}

/// Reports on standard error that something was not tested. `eprintln!` would not do: the test
/// runner captures its output if the test passes.
pub fn skipped(why: impl fmt::Display) {
    _ = writeln!(std::io::stderr(), "skipped: {why}");
}

/// A command line with its input and limits, ready to run.
pub struct Run {
    command: Command,
    stdin: Input,
    stdout: Option<File>,
    limit: Duration,
}

enum Input {
    Nothing,
    Bytes(Vec<u8>),
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
        // An empty file is no configuration, so the machine's own one never matters.
        command.env("NFKIT_CONFIG", NO_CONFIGURATION);
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

    /// Takes a variable away, even one that the harness sets.
    pub fn without_env(mut self, key: &str) -> Run {
        self.command.env_remove(key);
        self
    }

    /// Sends `bytes` to standard input through a pipe.
    pub fn stdin(mut self, bytes: impl AsRef<[u8]>) -> Run {
        self.stdin = Input::Bytes(bytes.as_ref().to_vec());
        self
    }

    /// Opens a file as standard input, as a shell's `<` does.
    pub fn stdin_file(mut self, path: &Path) -> Run {
        self.stdin = Input::File(File::open(path).unwrap());
        self
    }

    /// Sends standard output to an existing file, such as `/dev/full`.
    pub fn stdout_file(mut self, path: &str) -> Run {
        self.stdout = Some(File::options().write(true).open(path).unwrap());
        self
    }

    /// Sends standard output into a pipe whose reading end is closed.
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

    /// Runs the command to its end. Panics if it takes longer than the limit.
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
            Input::Bytes(bytes) => {
                self.command.stdin(Stdio::piped());
                Some(bytes)
            }
        };
        match self.stdout {
            Some(file) => self.command.stdout(file),
            None => self.command.stdout(Stdio::piped()),
        };
        self.command.stderr(Stdio::piped());
        let mut child = self.command.spawn().unwrap_or_else(|error| panic!("{line}: {error}"));
        if let Some(bytes) = feed {
            let mut stdin = child.stdin.take().unwrap();
            // A command may stop before it has read everything.
            std::thread::spawn(move || _ = stdin.write_all(&bytes));
        }
        let out = child.stdout.take().map(gather);
        let err = child.stderr.take().map(gather).unwrap();
        let left = || self.limit.saturating_sub(began.elapsed());
        let err = err.recv_timeout(left()).ok();
        let out = match out {
            Some(out) => out.recv_timeout(left()).ok(),
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

    /// Starts the command and leaves both ends of its pipes to the test.
    pub fn live(mut self) -> Live {
        let line = self.line();
        self.command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.command.spawn().unwrap_or_else(|error| panic!("{line}: {error}"));
        let stdin = child.stdin.take();
        let out = child.stdout.take().map(lines).unwrap();
        let err = child.stderr.take().map(gather).unwrap();
        Live { line, child, stdin, out, err }
    }

    /// Starts the command, reads at most the first 10 bytes of its output and closes the pipe.
    pub fn head(mut self) -> Ran {
        let line = self.line();
        match self.stdin {
            Input::Nothing => self.command.stdin(Stdio::null()),
            Input::File(file) => self.command.stdin(file),
            Input::Bytes(bytes) => {
                let mut file = tempfile::tempfile().unwrap();
                file.write_all(&bytes).unwrap();
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
    if word.chars().all(|c| c.is_ascii_alphanumeric() || "-_./:,=+@%".contains(c)) {
        word.into_owned()
    } else {
        format!("'{word}'")
    }
}

/// Reads a stream to its end in a thread of its own. The receiver gets all its bytes at once.
fn gather(mut stream: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        _ = stream.read_to_end(&mut bytes);
        _ = send.send(bytes);
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

/// A command that runs while the test writes its input.
pub struct Live {
    line: String,
    child: Child,
    stdin: Option<ChildStdin>,
    out: Receiver<String>,
    err: Receiver<Vec<u8>>,
}

impl Live {
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let stdin = self.stdin.as_mut().expect("stdin is open");
        stdin.write_all(bytes.as_ref()).unwrap_or_else(|error| panic!("{}: {error}", self.line));
        stdin.flush().unwrap();
    }

    /// Returns the next line of output, which must come while the input stays open.
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

    /// Returns the process id, for a look into `/proc`.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Closes the input and waits for the end. The result holds the lines that [`Live::next`] has
    /// not returned.
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

/// The result of a command that has ended.
pub struct Ran {
    line: String,
    pub status: ExitStatus,
    pub out: Vec<u8>,
    pub err: String,
}

/// Formats the command line, the status and the output, for the message of a failed test.
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
    /// Makes a result, and asserts that the command did not panic and wrote no control characters
    /// to standard error, which a terminal would obey.
    #[track_caller]
    fn new(line: String, status: ExitStatus, out: Vec<u8>, err: Vec<u8>) -> Ran {
        let err = String::from_utf8_lossy(&err).into_owned();
        let ran = Ran { line, status, out, err };
        assert!(!ran.err.contains("panicked at") && ran.status.code() != Some(101), "panic{ran}");
        let control = ran.err.chars().find(|&c| c.is_control() && c != '\n');
        assert_eq!(control, None, "a control character on stderr{ran}");
        ran
    }

    /// Asserts that the command ended with this exit status, and not by a signal.
    #[track_caller]
    pub fn status(self, expected: i32) -> Ran {
        assert!(self.status.signal().is_none(), "killed{self}");
        assert_eq!(self.status.code(), Some(expected), "status{self}");
        self
    }

    /// Asserts that the command succeeded and wrote nothing to standard error.
    #[track_caller]
    pub fn ok(self) -> Ran {
        let ran = self.status(0);
        assert!(ran.err.is_empty(), "stderr is not empty{ran}");
        ran
    }

    /// Asserts that standard output is empty.
    #[track_caller]
    pub fn mute(self) -> Ran {
        assert!(self.out.is_empty(), "stdout is not empty{self}");
        self
    }

    /// Asserts that standard error has this many lines.
    #[track_caller]
    pub fn says_lines(self, count: usize) -> Ran {
        assert_eq!(self.err.lines().count(), count, "lines on stderr{self}");
        self
    }

    /// Asserts that standard error contains `part`.
    #[track_caller]
    pub fn says(self, part: &str) -> Ran {
        assert!(self.err.contains(part), "{part:?} is not on stderr{self}");
        self
    }

    /// Asserts that standard output is exactly `text`.
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

    /// Returns the lines that are not marks.
    #[track_caller]
    pub fn rows(&self) -> Vec<&str> {
        self.text().lines().filter(|line| !line.starts_with('#')).collect()
    }

    /// Returns the lines whose first column is `word`.
    #[track_caller]
    pub fn marks(&self, word: &str) -> Vec<&str> {
        self.text().lines().filter(|line| line.split('\t').next() == Some(word)).collect()
    }

    /// Returns the rows, each as a map from the column names in `#fields` to the cells.
    #[track_caller]
    pub fn table(&self) -> Vec<BTreeMap<String, String>> {
        table(self.text())
    }
}

/// Returns the rows of a text, each as a map from the column names in `#fields` to the cells.
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

/// A directory of one test, removed when the value is dropped.
pub struct Scene(TempDir);

impl Scene {
    pub fn new() -> Scene {
        Scene(tempfile::tempdir().unwrap())
    }

    /// Makes a directory in memory, if there is one, for very many runs, which would otherwise wait for the disk.
    pub fn in_ram() -> Scene {
        Scene(tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn dir(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file and creates the directories above it.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    pub fn text(&self, name: &str) -> String {
        String::from_utf8(self.read(name)).unwrap()
    }
}

/// Returns a size of a process in KiB, by its name in `/proc/PID/status`, such as `VmHWM`.
pub fn memory(pid: u32, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let size = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    size.unwrap().trim().trim_end_matches(" kB").parse().unwrap()
}

/// Returns the path of a file of the package.
pub fn package(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The output of nfgen: flow lines, and the truth about the attacks in them.
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

/// Returns all three figures of the paper, each among 8,000 ordinary flows.
pub fn paper() -> &'static Played {
    static PLAYED: OnceLock<Played> = OnceLock::new();
    PLAYED.get_or_init(|| play(&["paper", "--flows", "230000"]))
}

/// Returns the window of figure 3, made small.
pub fn scan() -> &'static Played {
    static PLAYED: OnceLock<Played> = OnceLock::new();
    PLAYED.get_or_init(|| play(&["paper", "--figure", "3", "--flows", "7000"]))
}

/// Returns the window of figure 4, made small.
pub fn flood() -> &'static Played {
    static PLAYED: OnceLock<Played> = OnceLock::new();
    PLAYED.get_or_init(|| play(&["paper", "--figure", "4", "--flows", "5000"]))
}

/// Returns an ordinary window of the scenario's usual size, in which nobody attacks.
pub fn campus() -> &'static Played {
    static PLAYED: OnceLock<Played> = OnceLock::new();
    PLAYED.get_or_init(|| play(&["campus"]))
}

/// Compresses bytes with gzip.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut to = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    to.write_all(bytes).unwrap();
    to.finish().unwrap()
}

/// Compresses bytes with zstd.
pub fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

/// A generator of pseudorandom numbers (splitmix64), seeded, so that a failure repeats.
pub struct Random(pub u64);

impl Random {
    /// Returns a number from 0 up to, but not including, `bound`.
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
