//! nf-every10: each file of a spool is analysed at least once, whatever happens to the
//! job.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use nfkit::capture::{Closing, Slot, Writer, spool};
use nfkit::time::{Timestamp, Window};

use crate::harness::{INSIDE, NO_CONFIGURATION, Scene, installed, skipped, tool, zstd};
use crate::nfgen::tree;

mod clock;
mod evidence;
mod faults;
mod hook;
mod incidents;
mod installed;
mod killed;
mod month;
mod odd;
mod options;
mod page;
mod retention;
mod silence;
mod states;
mod told;
mod traffic;

fn binaries() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_nfdump-txt")).parent().unwrap()
}

/// A spool and the job that works on it.
struct Job {
    scene: Scene,
    options: Vec<String>,
    hook: Vec<String>,
}

impl Job {
    fn new() -> Job {
        let scene = Scene::new();
        fs::create_dir(scene.path("spool")).unwrap();
        Job { scene, options: vec!["--inside".to_owned(), INSIDE.to_owned()], hook: Vec::new() }
    }

    /// Makes a job with copies of those files of a spool whose name contains one of these words.
    fn of(spool: &Path, words: &[&str]) -> Job {
        let job = Job::new();
        for name in names(spool).iter().filter(|name| words.iter().any(|word| name.contains(word)))
        {
            job.add(spool, name);
        }
        job
    }

    fn add(&self, spool: &Path, name: &str) {
        let to = self.scene.path("spool").join(name);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(spool.join(name), to).unwrap();
    }

    fn put(&self, name: &str, bytes: impl AsRef<[u8]>) {
        self.scene.write(&format!("spool/{name}"), bytes);
    }

    /// Adds the file of the `n`-th slot with a datagram of each of these exporters. Returns its name.
    fn slot(&self, n: u64, exporters: &[&str]) -> String {
        let (name, bytes) = slot_file(n, exporters);
        self.put(&name, bytes);
        name
    }

    /// Sets the time at which a file of the spool was finished.
    fn finished(&self, name: &str, time: Timestamp) {
        let file = File::options().write(true).open(self.scene.path("spool").join(name)).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_nanos(time.nanos())).unwrap();
    }

    fn hook(&mut self, words: &[&str]) {
        self.hook = words.iter().map(|&word| word.to_owned()).collect();
    }

    fn script(&mut self, name: &str, text: &str) -> PathBuf {
        let path = self.scene.write(name, format!("#!/bin/sh\n{text}"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    fn command(&self) -> Command {
        self.to(&self.scene.path("out"))
    }

    fn to(&self, out: &Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nf-every10"));
        for name in ["INSIDE", "IGNORE", "LIMITS", "SURVEY", "FEED", "OUTSIDE_IF", "MEMORY"] {
            command.env_remove(format!("NFKIT_{name}"));
        }
        command.env("NFKIT_CONFIG", NO_CONFIGURATION);
        command.args(&self.options).arg(self.scene.path("spool")).arg(out);
        if !self.hook.is_empty() {
            command.arg("--then").args(&self.hook);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Returns a command that runs the job through a program with these arguments.
    fn through(&self, program: &str, args: &[&str]) -> Command {
        self.through_to(program, args, &self.scene.path("out"))
    }

    fn through_to(&self, program: &str, args: &[&str], out: &Path) -> Command {
        let job = self.to(out);
        let mut command = Command::new(program);
        command.args(args).arg(job.get_program()).args(job.get_args());
        for (key, value) in job.get_envs() {
            match value {
                Some(value) => command.env(key, value),
                None => command.env_remove(key),
            };
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Returns a command that runs the job under strace(1), which does something to one of its system calls,
    /// such as `signal=KILL:when=3`. Calls are counted for each thread. The process that is started is
    /// the job; strace is its grandchild, and keeps a log in the file `strace` of the scene.
    fn tampered(&self, out: &Path, call: &str, what: &str) -> Command {
        let (trace, inject) = (format!("trace={call}"), format!("inject={call}:{what}"));
        let log = self.scene.path("strace");
        let log = log.to_str().unwrap();
        let args = ["-D", "-f", "-qq", "-o", log, "-e", &trace, "-e", &inject];
        self.through_to("strace", &args, out)
    }

    /// Kills the job at the first call of a name, at the second, and so on until it ends by itself. Each
    /// job begins with a copy of `begun`, and `check` gets its OUT. Returns the number of kills.
    #[track_caller]
    #[expect(clippy::print_stdout, reason = "the place of the kill is shown if the test fails")]
    fn kill_at_each(&self, call: &str, begun: Option<&Path>, mut check: impl FnMut(&Path)) -> u32 {
        for n in 1.. {
            let out = self.scene.path(&format!("{call}-{n}"));
            if let Some(begun) = begun {
                copy(begun, &out);
            }
            let ended =
                self.tampered(&out, call, &format!("signal=KILL:when={n}")).output().unwrap();
            let has_ended = ended.status.code().is_some();
            if !has_ended {
                let signal = ended.status.signal();
                assert_eq!(signal, Some(9), "{call} {n}: {}", JobOutput(ended).err());
                println!("killed at {call} {n}");
                check(&out);
            }
            if out.exists() {
                fs::remove_dir_all(&out).unwrap();
            }
            if has_ended {
                return n - 1;
            }
        }
        unreachable!("the job ends");
    }

    #[track_caller]
    fn run(&self) -> JobOutput {
        JobOutput(self.command().output().unwrap())
    }

    fn out(&self, name: &str) -> PathBuf {
        self.scene.path("out").join(name)
    }

    #[track_caller]
    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.out(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Returns the troubles of OUT/health in their order, without remarks: event, trouble and subject.
    fn health(&self) -> Vec<String> {
        health(&self.scene.path("out"))
    }

    /// Returns the number of open troubles of a kind by the file of metrics.
    #[track_caller]
    fn gauge(&self, trouble: &str) -> u64 {
        let row = format!("nf_every10_troubles{{trouble=\"{trouble}\"}} ");
        let text = self.text("nf-every10.prom");
        let found = text.lines().find_map(|line| line.strip_prefix(&row));
        found.unwrap_or_else(|| panic!("no {trouble} in {text}")).parse().unwrap()
    }

    /// Returns the evidence of a slot, decompressed.
    #[track_caller]
    fn evidence(&self, base: &str) -> String {
        evidence(&self.out(&format!("{base}.evidence.zst")))
    }

    /// Returns the ledger's entries in their order, as name and verdict.
    fn ledger(&self) -> Vec<(String, String)> {
        ledger(&self.scene.path("out"))
    }

    fn verdicts(&self) -> Vec<String> {
        self.ledger().into_iter().map(|(name, verdict)| format!("{name} {verdict}")).collect()
    }
}

/// The result of a job that has ended.
struct JobOutput(Output);

impl JobOutput {
    fn err(&self) -> String {
        String::from_utf8_lossy(&self.0.stderr).into_owned()
    }

    #[track_caller]
    fn status(self, expected: i32) -> JobOutput {
        assert_eq!(self.0.status.code(), Some(expected), "{}", self.err());
        self
    }

    /// Asserts that the job succeeded and printed nothing, so that cron sends no mail.
    #[track_caller]
    fn quiet(self) -> JobOutput {
        let said = self.status(0);
        assert_eq!(said.err(), "");
        assert_eq!(String::from_utf8_lossy(&said.0.stdout), "");
        said
    }

    #[track_caller]
    fn says(self, text: &str) -> JobOutput {
        assert_eq!(self.err(), text);
        self
    }
}

/// Reads a file of evidence.
#[track_caller]
fn evidence(path: &Path) -> String {
    let file = File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    String::from_utf8(zstd::decode_all(file).unwrap()).unwrap()
}

/// Returns all files below a directory, by their path in it.
fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        tree(dir).into_iter().map(|path| path.into_os_string().into_string().unwrap()).collect();
    names.sort();
    names
}

fn ledger(out: &Path) -> Vec<(String, String)> {
    let text = fs::read_to_string(out.join("ledger")).unwrap_or_default();
    let lines = text.lines().map(|line| {
        let cells: Vec<_> = line.split('\t').collect();
        assert_eq!(cells.len(), 4, "{line:?}");
        assert!(Timestamp::parse(cells[3].as_bytes()).is_some(), "{line:?}");
        (cells[0].to_owned(), cells[2].to_owned())
    });
    lines.collect()
}

/// Returns the troubles in the file `health` of an OUT in their order, without remarks: event, trouble and
/// subject.
fn health(out: &Path) -> Vec<String> {
    let text = fs::read_to_string(out.join("health")).unwrap();
    let entries = text.lines().map(|line| {
        let entry: serde_json::Value = serde_json::from_str(line).unwrap();
        let cell = |key: &str| entry[key].as_str().unwrap().to_owned();
        [cell("event"), cell("trouble"), cell("of")].join(" ")
    });
    entries.filter(|entry| !entry.starts_with("note ")).collect()
}

/// Copies a directory with all times, modes and hard links.
#[track_caller]
fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap().success());
}

/// Returns true if the tests that take long shall run, too.
fn is_long() -> bool {
    std::env::var_os("NFKIT_LONG").is_some_and(|value| !value.is_empty())
}

/// Returns true if strace can trace here. Otherwise reports a skipped test.
fn can_trace() -> bool {
    if installed("strace").is_none() {
        return false;
    }
    let said = Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).output().unwrap();
    if !said.status.success() {
        skipped(format_args!("strace: {}", String::from_utf8_lossy(&said.stderr).trim_end()));
    }
    said.status.success()
}

/// Returns all that a job leaves, except times and the path of its spool.
fn results(out: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all: BTreeMap<_, _> = names(out)
        .into_iter()
        .filter(|name| {
            !["ledger", "lock", "spool", "health", "nf-every10.prom"].contains(&&name[..])
        })
        .map(|name| (name.clone(), fs::read(out.join(name)).unwrap()))
        .collect();
    let entries: BTreeSet<_> = ledger(out).into_iter().collect();
    all.insert("ledger".to_owned(), format!("{entries:?}").into_bytes());
    all
}

#[track_caller]
fn assert_same_results(one: &Path, two: &Path) {
    let (one, two) = (results(one), results(two));
    let keys = |all: &BTreeMap<String, Vec<u8>>| all.keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&one), keys(&two));
    for (name, bytes) in &one {
        assert!(bytes == &two[name], "{name} differs");
    }
}

/// Returns the day of figure 4 as a spool of 144 slots.
fn day() -> &'static Path {
    static DAY: OnceLock<Scene> = OnceLock::new();
    let scene = DAY.get_or_init(|| {
        let scene = Scene::new();
        tool("nfgen")
            .args(["paper", "--figure", "4", "--for", "24h", "--flows", "100000", "-w"])
            .arg(format!("{}/", scene.path("spool").display()))
            .run()
            .ok();
        scene
    });
    static SPOOL: OnceLock<PathBuf> = OnceLock::new();
    SPOOL.get_or_init(|| scene.path("spool"))
}

/// A slot of the day in which there is an attack, without its suffix.
const ATTACK: &str = "2001/08/04/nfcap.200108041310";

/// Returns a NetFlow v5 datagram with one flow, sent at this time.
fn v5(time: Timestamp) -> Vec<u8> {
    let mut bytes = vec![0; 72];
    bytes[..4].copy_from_slice(&[0, 5, 0, 1]);
    bytes[8..12].copy_from_slice(&u32::try_from(time.secs()).unwrap().to_be_bytes());
    bytes[24..32].copy_from_slice(&[203, 0, 113, 1, 140, 119, 1, 1]);
    bytes[43] = 1;
    bytes[47] = 40;
    bytes[62] = 6;
    bytes
}

/// Returns a job whose spool has an attack and three kinds of trouble: an exporter that falls silent, a torn
/// file and one that is set aside.
fn troubled() -> Job {
    let job = Job::of(day(), &["0804131"]);
    let both = ["192.0.2.1", "192.0.2.2"];
    for (n, exporters) in [&both[..], &both[..1], &both[..1], &both[..1]].into_iter().enumerate() {
        let (name, mut bytes) = slot_file(n as u64, exporters);
        if n == 3 {
            bytes.truncate(bytes.len() - 10);
        }
        job.put(&name, bytes);
    }
    job.put("nfcap.foo.pcapng", "x");
    job
}

/// The entries that [`troubled`] makes in OUT/health.
const TROUBLES: [&str; 2] = ["begin set-aside -", "begin exporter-silent 192.0.2.2"];

/// Returns the name and content of the `n`-th slot's file, with a datagram of each of these
/// exporters. A slot has ten minutes.
fn slot_file(n: u64, exporters: &[&str]) -> (String, Vec<u8>) {
    let right: Vec<_> = exporters.iter().map(|&exporter| (exporter, 0)).collect();
    slot_file_of(n, &right)
}

/// Does the same as [`slot_file`] with exporters whose clocks are ahead by so many seconds.
fn slot_file_of(n: u64, exporters: &[(&str, i64)]) -> (String, Vec<u8>) {
    let window = Window::new(994_000_200 + 600 * n, 600).unwrap();
    let start = Timestamp::from_secs(window.start());
    let mut writer = Writer::new(Vec::new());
    writer.section(&Slot { window, allow: Some(Vec::new()), ident: None }).unwrap();
    for (exporter, ahead) in exporters {
        let from = SocketAddr::new(exporter.parse().unwrap(), 2055);
        let to = if from.is_ipv4() { "192.0.2.99:9999" } else { "[2001:db8::99]:9999" };
        let to: SocketAddr = to.parse().unwrap();
        let export = start.offset(ahead * 1_000_000_000);
        writer.datagram(start, from, to, &v5(export)).unwrap();
    }
    let closing = Closing { start, end: Timestamp::from_secs(window.end()), ..Closing::default() };
    writer.end(&closing).unwrap();
    (spool::file_name(window, 0).to_str().unwrap().to_owned(), writer.into_inner())
}

#[test]
fn each_slot_gets_its_findings_and_their_evidence() {
    let job = Job::new();
    let spool = job.scene.path("spool");
    let to = format!("{}/", spool.display());
    tool("nfgen").args(["paper", "--flows", "230000", "-w", &to]).run().ok();
    job.run().quiet();

    let slots = names(&spool);
    assert_eq!(slots.len(), 3);
    let done: Vec<_> = slots.iter().map(|name| (name.clone(), "done".to_owned())).collect();
    assert_eq!(job.ledger(), done);
    let mut expected: Vec<_> = [
        "current",
        "exporters",
        "health",
        "last-slot",
        "ledger",
        "lock",
        "nf-every10.prom",
        "spool",
    ]
    .map(str::to_owned)
    .into_iter()
    .collect();
    for name in ["nfscan", "nfflood", "nfport"] {
        expected.extend(["", ".lock"].map(|suffix| format!("state/{name}{suffix}")));
        expected.push(format!("state/before/{name}"));
    }
    expected.push("state/before/slot".to_owned());
    for slot in &slots {
        let base = slot.strip_suffix(".pcapng").unwrap();
        expected.extend([format!("{base}.evidence.zst"), format!("{base}.findings")]);

        // The findings are those that the commands print by themselves.
        let flows = tool("nfdump-txt").args(["--fields", "+start,end,flags,exporter,sampling"]);
        let flows = flows.arg(spool.join(slot)).run().ok();
        let mut lines = Vec::new();
        for name in ["nfscan", "nfflood", "nfport"] {
            let state = job.scene.path(name);
            let ran = tool(name).args(["--inside", INSIDE, "--state"]).arg(state);
            let ran = ran.stdin(&flows.out).run().ok();
            lines.extend(ran.text().lines().map(str::to_owned));
        }
        let fields = lines[0].clone();
        let mut first = true;
        lines.retain(|line| *line != fields || std::mem::take(&mut first));
        let findings = job.text(&format!("{base}.findings"));
        assert_eq!(findings.matches("\tsilent=0").count(), 3);
        let plain = findings.replace("\tsilent=0", "");
        assert_eq!(plain.lines().collect::<Vec<_>>(), lines);

        // Each finding has its first thousand flows, all about its host.
        let evidence = job.evidence(base);
        let rows: Vec<_> = findings.lines().filter(|line| !line.starts_with('#')).collect();
        let (mut finding, mut shown, mut seen) = (Vec::new(), 0, 0);
        for line in evidence.lines().skip(1) {
            let cells: Vec<_> = line.split('\t').collect();
            match cells[0] {
                "#finding" => {
                    assert_eq!(cells[1..].join("\t"), rows[seen]);
                    (finding, shown, seen) = (cells[1..].to_vec(), 0, seen + 1);
                }
                "#more" => {
                    let more: u64 = cells[1].parse().unwrap();
                    let flows: u64 = finding[11].parse().unwrap();
                    // The flows of a finding are attempts; other traffic to the same targets is
                    // evidence too.
                    assert!(shown >= flows.min(1000), "{finding:?}");
                    assert!(shown + more >= flows, "{finding:?}");
                }
                _ => {
                    shown += 1;
                    let host = if finding[5] == "source" { cells[1] } else { cells[2] };
                    assert_eq!(host, finding[4]);
                    assert_eq!(finding[7], cells[4]);
                    assert!(finding[8] == "-" || finding[8] == cells[6], "{line}");
                }
            }
        }
        assert_eq!(seen, rows.len());
        assert!(seen > 0);
        let fields = evidence.lines().next().unwrap();
        assert!(fields.ends_with("packets\toctets\tstart\tend\tflags\texporter"), "{fields}");
        // Evidence is itself a stream of flow lines.
        tool("nfport").stdin(&evidence).run().ok();
    }
    expected.sort();
    assert_eq!(names(&job.scene.path("out")), expected);
    let last = slots[2].replace(".pcapng", ".findings");
    assert!(job.text("current").ends_with(job.text(&last).split_once('\n').unwrap().1));
    for name in &expected {
        let mode = fs::metadata(job.out(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640, "{name}");
    }

    let before = (results(&job.scene.path("out")), job.text("ledger"));
    job.run().quiet();
    assert_eq!(before, (results(&job.scene.path("out")), job.text("ledger")));
}

#[test]
fn runs_that_catch_up_give_the_same_results() {
    let job = Job::of(day(), &["pcapng"]);
    job.run().quiet();
    assert_eq!(job.ledger().len(), 144);
    let windows = job.text("current").lines().filter(|line| line.starts_with("#window")).count();
    assert_eq!(windows, 3 * 144);

    // Run after each file of three hours, then after three hours without a run, after each file of
    // half an hour again, and after the rest.
    let each = Job::new();
    let slots = names(day());
    for (n, slot) in slots.iter().enumerate() {
        each.add(day(), slot);
        if n < 18 || (36..39).contains(&n) || n == 143 {
            each.run().quiet();
        }
    }
    assert_same_results(&job.scene.path("out"), &each.scene.path("out"));
    let order: Vec<_> = each.ledger().into_iter().map(|(name, _)| name).collect();
    assert_eq!(order, slots);
}

#[test]
fn the_files_of_a_slot_are_judged_together() {
    let job = Job::of(day(), &["0804131"]);
    job.run().quiet();
    let findings = format!("{ATTACK}.findings");
    let count = |text: &str| -> Vec<u64> {
        let rows = text.lines().filter(|line| !line.starts_with('#'));
        rows.map(|row| row.split('\t').nth(12).unwrap().parse().unwrap()).collect()
    };
    let one = count(&job.text(&findings));
    assert!(!one.is_empty());
    // After a restart the collector has written a second file with the same content.
    let first = job.scene.path("spool").join(format!("{ATTACK}.pcapng"));
    fs::copy(first, job.scene.path("spool").join(format!("{ATTACK}.1.pcapng"))).unwrap();
    job.run().quiet();
    let two = count(&job.text(&findings));
    // The conversations are the same, with twice as many packets.
    let doubled: Vec<_> = one.iter().map(|packets| packets * 2).collect();
    assert_eq!(doubled, two);
    assert_eq!(job.text("current").matches("\ttool=nfscan").count(), 1);
    let expected = [
        format!("{ATTACK}.pcapng done"),
        format!("{ATTACK}.pcapng done"),
        format!("{ATTACK}.1.pcapng done"),
    ];
    assert_eq!(job.verdicts(), expected);

    // The results are the same if both files are there from the start.
    let out = job.scene.path("together");
    JobOutput(job.to(&out).output().unwrap()).quiet();
    assert_same_results(&job.scene.path("out"), &out);
}

#[test]
fn compressing_a_file_later_does_not_repeat_its_analysis() {
    let job = Job::of(day(), &["0804131"]);
    job.run().quiet();
    let before = job.text("ledger");
    let name = job.scene.path("spool").join(format!("{ATTACK}.pcapng"));
    let bytes = fs::read(&name).unwrap();
    // While zstd runs both files are there, and afterwards only one.
    job.put(&format!("{ATTACK}.pcapng.zst"), &zstd(&bytes)[..2000]);
    job.run().quiet();
    job.put(&format!("{ATTACK}.pcapng.zst"), zstd(&bytes));
    fs::remove_file(name).unwrap();
    job.run().quiet();
    assert_eq!(job.text("ledger"), before);

    // A file that was compressed from the start is read as well.
    let out = job.scene.path("compressed");
    JobOutput(job.to(&out).output().unwrap()).quiet();
    let findings = format!("{ATTACK}.findings");
    assert_eq!(fs::read_to_string(out.join(&findings)).unwrap(), job.text(&findings));
}

#[test]
fn a_torn_file_is_analysed_up_to_its_end() {
    let job = Job::new();
    let bytes = fs::read(day().join(format!("{ATTACK}.pcapng"))).unwrap();
    job.put(&format!("{ATTACK}.pcapng"), &bytes[..bytes.len() / 2]);
    let said = job.run().status(0);
    let err = said.err();
    assert_eq!(err.lines().count(), 2, "{err}");
    assert!(err.contains("nfcap.200108041310.pcapng: cut short"), "{err}");
    assert_eq!(job.verdicts(), [format!("{ATTACK}.pcapng cut")]);
    assert!(job.text(&format!("{ATTACK}.findings")).contains("\tstate=cut\ttool=nfport"));
    assert!(job.text(&format!("{ATTACK}.said")).contains("torn"));
    job.run().quiet();

    // After a kill between two datagrams nothing is torn, but the closing block is missing.
    let window = Window::new(994_000_200, 600).unwrap();
    let mut writer = Writer::new(Vec::new());
    writer.section(&Slot { window, allow: None, ident: None }).unwrap();
    job.put("nfcap.200107011510.pcapng", writer.into_inner());
    job.add(day(), "2001/08/04/nfcap.200108041320.pcapng");
    fs::rename(
        job.scene.path("spool/2001/08/04/nfcap.200108041320.pcapng"),
        job.scene.path("spool/nfcap.200108041310.1.pcapng"),
    )
    .unwrap();
    let err = job.run().status(0).err();
    assert!(err.contains("nfcap.200107011510.pcapng: cut short"), "{err}");
    let expected = [
        "nfcap.200107011510.pcapng cut".to_owned(),
        format!("{ATTACK}.pcapng cut"),
        "nfcap.200108041310.1.pcapng done".to_owned(),
    ];
    assert_eq!(job.verdicts()[1..], expected);
    job.run().quiet();
}

#[test]
fn an_unreadable_file_is_reported_and_retried_and_blocks_nothing() {
    let job = Job::of(day(), &["0804130", "0804132"]);
    job.put(&format!("{ATTACK}.pcapng"), "no capture\n");
    // These names are not names of slots.
    job.put(".nfcap.200108041340.pcapng.part", "x");
    job.put("nfcap.200113041340.pcapng", "x");
    job.put("nfcap.200108041340.0.pcapng", "x");
    job.put(".hidden/nfcap.200108041340.pcapng", "x");
    job.put("notes", "x");
    let good: Vec<_> =
        ["00", "20"].iter().map(|m| format!("2001/08/04/nfcap.2001080413{m}")).collect();
    for n in 1..=5 {
        let err = job.run().status(1).err();
        let how = match n {
            5 => "try 5; given up but for one try a day".to_owned(),
            n => format!("try {n} of 5"),
        };
        // The two odd names are reported once.
        let odd: Vec<_> = err.lines().filter(|line| line.contains("not a slot's name")).collect();
        assert_eq!(odd.len(), if n == 1 { 2 } else { 0 }, "{err}");
        assert_eq!(err.lines().count(), 2 + odd.len(), "{err}");
        let first = format!("nf-every10: {ATTACK}.pcapng: failed, {how}");
        assert_eq!(err.lines().nth(odd.len()), Some(first.as_str()));
        assert!(err.contains("neither pcap nor pcapng"), "{err}");
        assert_eq!(job.ledger().len(), 2 + n);
    }
    let mut expected = vec![format!("{}.pcapng done", good[0]), format!("{ATTACK}.pcapng failed")];
    expected.push(format!("{}.pcapng done", good[1]));
    assert_eq!(job.verdicts()[..3], expected);
    for base in &good {
        assert!(job.out(&format!("{base}.findings")).exists());
    }
    assert!(!job.out(&format!("{ATTACK}.findings")).exists());
    job.run().quiet();

    // A day later, the file is tried again.
    let ledger = job.text("ledger");
    let today = ledger.lines().last().unwrap().split('\t').next_back().unwrap();
    fs::write(job.out("ledger"), ledger.replace(&today[..10], "2001-09-01")).unwrap();
    let err = job.run().status(1).err();
    assert!(err.contains("try 6; given up"), "{err}");
    job.run().quiet();

    // The file was replaced by a good one.
    job.add(day(), &format!("{ATTACK}.pcapng"));
    job.run().quiet();
    assert_eq!(job.verdicts().last().unwrap(), &format!("{ATTACK}.pcapng done"));
    assert!(job.out(&format!("{ATTACK}.findings")).exists());
}

#[test]
fn a_slot_with_an_unreadable_file_is_cut() {
    let job = Job::of(day(), &["0804131"]);
    job.put(&format!("{ATTACK}.1.pcapng"), "no capture\n");
    job.run().status(1);
    let verdicts = [format!("{ATTACK}.pcapng done"), format!("{ATTACK}.1.pcapng failed")];
    assert_eq!(job.verdicts(), verdicts);
    let findings = job.text(&format!("{ATTACK}.findings"));
    assert_eq!(findings.matches("\tstate=cut").count(), 3);
    assert_eq!(findings.matches("\tstate=ok").count(), 0);
    assert!(findings.lines().any(|line| !line.starts_with('#')));
}

#[test]
fn a_torn_ledger_is_read_up_to_its_last_whole_line() {
    let job = Job::of(day(), &["0804130", "0804131"]);
    job.run().quiet();
    let ledger = job.text("ledger");
    fs::write(job.out("ledger"), &ledger[..ledger.len() - 30]).unwrap();
    job.run().quiet();
    let text = job.text("ledger");
    assert_eq!(text.lines().count(), 3);
    assert!(text.lines().last().unwrap().starts_with(ATTACK), "{text}");
    job.run().quiet();
    assert_eq!(job.text("ledger"), text);
}

#[test]
fn a_stopped_collector_is_reported_once() {
    let job = Job::of(day(), &["0804131"]);
    let file = job.scene.path("spool").join(format!("{ATTACK}.pcapng"));
    let old = SystemTime::now() - Duration::from_secs(7200);
    File::options().write(true).open(file).unwrap().set_modified(old).unwrap();
    job.run().quiet();
    let err = job.run().status(0).err();
    assert!(err.contains("is nfcap running?"), "{err}");
    assert_eq!(err.lines().count(), 1);
    job.run().quiet();
    job.add(day(), "2001/08/04/nfcap.200108041320.pcapng");
    job.run().status(0).says("nf-every10: a capture file was finished again\n");
    job.run().quiet();
    assert_eq!(job.health(), ["begin stopped -", "end stopped -"]);
}

#[test]
fn the_job_runs_with_an_empty_environment() {
    let job = Job::of(day(), &["0804131"]);
    let mut command = Command::new(env!("CARGO_BIN_EXE_nf-every10"));
    command.env_clear().current_dir("/").args(["--config", NO_CONFIGURATION]).args(&job.options);
    command.arg(job.scene.path("spool")).arg(job.scene.path("bare"));
    JobOutput(command.output().unwrap()).quiet();
    job.run().quiet();
    assert_same_results(&job.scene.path("out"), &job.scene.path("bare"));
}

#[test]
fn wrong_arguments_are_refused_before_any_file_is_written() {
    let job = Job::of(day(), &["0804131"]);
    let spool = job.scene.path("spool");
    let spool = spool.to_str().unwrap();
    let out = job.scene.path("out");
    let out = out.to_str().unwrap();
    let ignore = job.scene.path("missing");
    let ignore = ignore.to_str().unwrap();
    let cases: [(&[&str], i32, &str); 16] = [
        (&[], 2, "SPOOL and OUT"),
        (&[spool], 2, "SPOOL and OUT"),
        (&[spool, out, "more"], 2, "unexpected argument 'more'"),
        (&["--nothing", spool, out], 2, "unexpected argument '--nothing'"),
        (&[spool, out, "--inside"], 2, "a value is required for '--inside <NETS>'"),
        (&[spool, out, "--then"], 2, "a value is required for '--then <CMD>...'"),
        (&["--evidence", "many", spool, out], 2, "invalid value 'many' for '--evidence <N>'"),
        (&["--inside", "140.119.0.0/33", spool, out], 2, "nfscan: invalid value '140.119.0.0/33'"),
        (&["--ignore", ignore, spool, out], 1, "--ignore"),
        (&["--now", "2001-02-29T00:00:00Z", spool, out], 2, "not a time such as"),
        (&["--now=", spool, out], 2, "not a time such as"),
        (&["--keep=30d", spool, out], 2, "no age such as evidence=30d"),
        (&["--nfscan=--json", spool, out], 2, "nf-every10 sets --json itself"),
        (&["--nfport", "--limit-flows=1", spool, out], 2, "nfport: "),
        (&["--nfflood=file", spool, out], 2, "not an option such as --paper"),
        (&["--outside-if=x", spool, out], 2, "nfflood: invalid value 'x'"),
    ];
    for (args, status, text) in cases {
        let whole = job.command();
        let mut command = Command::new(whole.get_program());
        command.envs(whole.get_envs().filter_map(|(key, value)| Some((key, value?))));
        let said = JobOutput(command.args(args).output().unwrap()).status(status);
        assert!(said.err().contains(text), "{args:?}: {}", said.err());
        assert!(!Path::new(out).join("ledger").exists(), "{args:?}");
    }
    let said = JobOutput(Command::new(job.command().get_program()).arg("--help").output().unwrap());
    assert!(String::from_utf8_lossy(&said.status(0).0.stdout).contains("Usage: nf-every10"));
}
