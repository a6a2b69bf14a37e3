//! Files of a spool that nf-every10 sets aside: slots in the future, impossible names, links, and
//! names made to break their readers.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use nfkit::capture::spool::Name;
use nfkit::time::{Timestamp, Window};

use super::{ATTACK, Job, JobOutput, day, slot_file};
use crate::harness::{INSIDE, installed};

/// The time of the tests: soon after the slots that they use.
const NOW: &str = "2001-08-04T13:30:00Z";

impl Job {
    fn now(&mut self, time: &str) {
        self.options = vec![format!("--inside={INSIDE}"), format!("--now={time}")];
    }

    /// Runs the job for two minutes at most, where an endless loop would be a fault.
    #[track_caller]
    fn run_limited(&self) -> JobOutput {
        JobOutput(self.through("timeout", &["120"]).output().unwrap())
    }

    fn windows(&self) -> Vec<String> {
        let text = self.text("current");
        let windows = text.lines().filter(|line| line.starts_with("#window"));
        let mut windows: Vec<_> =
            windows.map(|line| line.split('\t').nth(1).unwrap().to_owned()).collect();
        windows.dedup();
        windows
    }
}

/// Returns the name and content of the file of the slot at `time`, with these exporters.
fn at(time: &str, exporters: &[&str]) -> (String, Vec<u8>) {
    let start = Timestamp::parse(time.as_bytes()).unwrap().secs();
    slot_file((start - 994_000_200) / 600, exporters)
}

fn lines(text: &[&str]) -> String {
    text.iter().map(|line| format!("nf-every10: {line}\n")).collect::<Vec<_>>().concat()
}

/// A slot's file that starts decades after [`NOW`].
const FUTURE: &str = "2036/02/07/nfcap.203602070620.pcapng";

#[test]
fn a_slot_in_the_future_is_set_aside() {
    let mut job = Job::of(day(), &["0804131"]);
    job.now(NOW);
    job.run().quiet();
    let (name, bytes) = at("2036-02-07T06:20:00Z", &["192.0.2.1"]);
    assert_eq!(name, FUTURE);
    job.put(&name, bytes);
    let said = format!("{FUTURE}: starts more than one slot from now; set aside until then");
    job.run().status(0).says(&lines(&[&said]));
    job.run().quiet();
    assert_eq!(job.text("set-aside"), format!("future\t{FUTURE}\n"));
    job.add(day(), "2001/08/04/nfcap.200108041320.pcapng");
    job.run().quiet();
    assert_eq!(job.windows(), ["2001-08-04T13:10:00Z", "2001-08-04T13:20:00Z"]);
    assert_eq!(job.ledger().len(), 2);

    // The file is removed before its time comes, and reported again when it returns.
    let file = job.scene.path("spool").join(FUTURE);
    fs::rename(&file, job.scene.path("kept")).unwrap();
    let none = lines(&["no file is set aside any more"]);
    job.run().status(0).says(&none);
    assert!(!job.out("set-aside").exists());
    fs::rename(job.scene.path("kept"), &file).unwrap();
    job.run().status(0).says(&lines(&[&said]));

    // A slot may start one slot after now, because clocks differ, but not a second later.
    job.now("2036-02-07T06:09:59Z");
    let err = job.run().status(0).err();
    assert!(err.contains("is nfcap running?"), "{err}");
    assert_eq!(job.ledger().len(), 2);
    job.now("2036-02-07T06:10:00Z");
    // The file itself was finished decades before.
    job.run().status(0).says(&none);
    assert_eq!(job.ledger().last().unwrap().0, FUTURE);
    let windows = ["2001-08-04T13:10:00Z", "2001-08-04T13:20:00Z", "2036-02-07T06:20:00Z"];
    assert_eq!(job.windows(), windows);
    assert!(!job.out("set-aside").exists());
}

#[test]
fn without_now_the_systems_clock_decides_which_slots_are_future() {
    // One file is a day, one a year after the time of this machine's clock.
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let job = Job::of(day(), &["0804131"]);
    for ahead in [86_400, 365 * 86_400] {
        let time = Timestamp::from_secs((now + ahead) / 600 * 600).rfc3339();
        let (name, bytes) = at(&time, &[]);
        job.put(&name, bytes);
    }
    let err = job.run().status(0).err();
    assert_eq!(err.matches("starts more than one slot from now").count(), 2, "{err}");
    assert_eq!(job.verdicts(), [format!("{ATTACK}.pcapng done")]);
}

#[test]
fn a_future_slot_that_was_judged_does_not_hide_later_ones() {
    let mut job = Job::new();
    let put = |job: &Job, time: &str, exporters: &[&str]| {
        let (name, bytes) = at(time, exporters);
        job.put(&name, bytes);
    };
    // The clock was wrong, or an older version did not check.
    job.now("2036-02-07T06:30:00Z");
    put(&job, "2001-08-04T13:00:00Z", &["192.0.2.1"]);
    put(&job, "2036-02-07T06:20:00Z", &["192.0.2.1"]);
    job.run().quiet();
    // One slot alone hides none of the others.
    assert_eq!(job.windows(), ["2001-08-04T13:00:00Z", "2036-02-07T06:20:00Z"]);
    // An older version also took 31 February for a slot.
    let ledger = job.text("ledger");
    let line = "2001/02/31/nfcap.200102310000.pcapng\t9\tdone\t2001-03-01T00:00:00Z\n";
    fs::write(job.out("ledger"), ledger + line).unwrap();

    job.now(NOW);
    put(&job, "2001-08-04T13:10:00Z", &[]);
    let err = job.run().status(0).err();
    assert_eq!(err.lines().count(), 1, "{err}");
    assert_eq!(job.windows(), ["2001-08-04T13:00:00Z", "2001-08-04T13:10:00Z"]);
    // The exporter that fell silent is missed.
    put(&job, "2001-08-04T13:20:00Z", &[]);
    // The time when it last sent is not known any more.
    let silent =
        "no exporter has spoken for two windows (state=nodata), up to 2001-08-04T13:20:00Z";
    job.run().status(0).says(&lines(&[silent]));
    assert!(!job.text("exporters").contains("2036"), "{}", job.text("exporters"));
    // The clock is set back, and forward again.
    job.now("2001-08-04T12:00:00Z");
    let err = job.run().status(1).err();
    assert!(err.contains("is this machine's clock right?"), "{err}");
    assert_eq!(
        job.windows(),
        ["2001-08-04T13:00:00Z", "2001-08-04T13:10:00Z", "2001-08-04T13:20:00Z"]
    );
    job.now(NOW);
    job.run().status(0).says(&lines(&["no more than three slots are set aside as future"]));
    assert_eq!(job.windows().len(), 3);
}

#[test]
fn more_than_three_future_slots_mean_a_wrong_clock() {
    let mut job = Job::new();
    job.now(NOW);
    let times = ["14:00", "14:10", "14:20", "14:30"];
    for (n, time) in times.iter().enumerate() {
        let (name, bytes) = at(&format!("2001-08-04T{time}:00Z"), &["192.0.2.1"]);
        // Two files of one slot count as one.
        job.put(&name.replace(".pcapng", ".1.pcapng"), &bytes);
        job.put(&name, bytes);
        let said = job.run();
        if n < 3 {
            let err = said.status(0).err();
            assert_eq!(err.lines().count(), 2, "{err}");
        } else {
            let err = said.status(1).err();
            assert_eq!(err.lines().count(), 3, "{err}");
        }
    }
    // Every run fails and analyses nothing until the clock is right, which is asked once.
    job.run().status(1).says("");
    assert_eq!(job.ledger().len(), 0);
    // The clock is set right.
    job.now("2001-08-04T14:40:00Z");
    let ends =
        ["no file is set aside any more", "no more than three slots are set aside as future"];
    job.run().status(0).says(&lines(&ends));
    assert_eq!(job.ledger().len(), 8);
    assert!(!job.out("set-aside").exists());
}

#[test]
fn names_that_are_not_slots_are_reported_once() {
    let mut job = Job::new();
    job.now("2553-01-01");
    let good = [
        "nfcap.200002290000.pcapng",
        "nfcap.200402292359.1.pcapng",
        "nfcap.20011231235959.pcapng",
        "nfcap.197001010000.4294967295.pcapng",
    ];
    let odd = [
        "nfcap.196912312350.pcapng",
        "nfcap.200101010000.00.pcapng",
        "nfcap.200101010000.01.pcapng",
        "nfcap.200101010000.4294967296.pcapng",
        "nfcap.200101010000.99999999999999999999.pcapng",
        "nfcap.200101010000.pcapng.bak",
        "nfcap.200101010000.pcapng~",
        "nfcap.2001010100000.pcapng",
        "nfcap.200101010061.pcapng",
        "nfcap.200101012500.pcapng",
        "nfcap.200101013.pcapng",
        "nfcap.200102290000.pcapng",
        "nfcap.200102310000.pcapng",
        "nfcap.200104310000.pcapng",
        "nfcap.200100010000.pcapng",
        "nfcap.200101000000.pcapng",
        "nfcap.200101320000.pcapng",
        "nfcap.200113010000.pcapng",
        "nfcap.210002290000.pcapng",
        "nfcap.20010101000061.pcapng",
        "nfcap.200106310000.pcapng.zst",
        "nfcap..pcapng",
        "nfcap.foo.pcapng",
    ];
    let alone = [
        "nfcap.200101010000.pcapng.part",
        ".nfcap.200101310000.pcapng",
        "xnfcap.200101310000.pcapng",
        "nfcap.200102310000.pcap",
        "nfcap.foo",
        "notes\nnfcap.200101010000.pcapng",
    ];
    for name in good {
        assert!(Name::parse(name).is_some(), "{name}");
        let window = Window::new(994_000_200, 600).unwrap().start_text();
        job.put(name, at(&window, &[]).1);
    }
    for name in odd.iter().chain(&alone) {
        assert!(Name::parse(name).is_none(), "{name}");
        job.put(name, "x");
    }
    let err = job.run_limited().status(0).err();
    let reported = err
        .lines()
        .filter(|line| line.ends_with("not a slot's name, nfcap.YYYYMMDDhhmm.pcapng; set aside"));
    assert_eq!(reported.count(), 20, "{err}");
    assert!(err.contains("nf-every10: 3 more files are set aside; "), "{err}");
    let mut expected: Vec<_> = odd.iter().map(|name| format!("name\t{name}")).collect();
    expected.sort();
    assert_eq!(job.text("set-aside").lines().collect::<Vec<_>>(), expected);
    let mut done: Vec<_> = job.ledger().into_iter().map(|(name, _)| name).collect();
    done.sort();
    let mut expected = good.map(str::to_owned);
    expected.sort();
    assert_eq!(done, expected);
    let err = job.run_limited().status(0).err();
    assert!(err.contains("is nfcap running?") && err.lines().count() == 1, "{err}");
    // Another such name is reported alone.
    job.put("nfcap.bar.pcapng", "x");
    let said = "nfcap.bar.pcapng: not a slot's name, nfcap.YYYYMMDDhhmm.pcapng; set aside";
    job.run_limited().status(0).says(&lines(&[said]));
    // A list that somebody has edited breaks nothing.
    fs::write(job.out("set-aside"), "zebra\nname\tnfcap.foo.pcapng\n\n\u{1b}\n").unwrap();
    assert_eq!(job.run_limited().status(0).err().lines().count(), 21);
    job.run_limited().quiet();
}

#[test]
fn strange_names_are_escaped_and_cause_no_loop() {
    let mut job = Job::new();
    job.now(NOW);
    let spool = job.scene.path("spool");
    let put = |dir: &[u8], name: &[u8]| {
        let dir = spool.join(OsStr::from_bytes(dir));
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join(OsStr::from_bytes(name)), at("2001-08-04T13:00:00Z", &["192.0.2.1"]).1)
            .unwrap();
    };
    let plain: [&[u8]; 8] = [
        b"a b ",
        b" c",
        b"-name",
        b"quote'\"",
        b"back\\slash",
        b"invalid\xff\xfe",
        b"$(touch x)",
        b"a=b",
    ];
    for (n, dir) in plain.iter().enumerate() {
        put(dir, format!("nfcap.20010804130{n}.pcapng").as_bytes());
    }
    let broken: [&[u8]; 6] =
        [b"new\nline", b"\n", b"tab\there", b"\x1b[2J", b"return\r", b"delete\x7f"];
    for dir in broken {
        put(dir, b"nfcap.200108041310.pcapng");
    }
    put(b"", b"nfcap.200108041310.pcapng\n");
    put(b"", b"nfcap.1\nnfcap.200108041320.pcapng");
    put(b"", b"nfcap.200108041320.pcapng\t1\t1\nnfcap.200108041310.pcapng");
    let err = job.run_limited().status(0).err();
    let expected = [
        "\\x0a/nfcap.200108041310.pcapng",
        "\\x1b[2J/nfcap.200108041310.pcapng",
        "delete\\x7f/nfcap.200108041310.pcapng",
        "new\\x0aline/nfcap.200108041310.pcapng",
        "nfcap.1\\x0anfcap.200108041320.pcapng",
        "nfcap.200108041310.pcapng\\x0a",
        "nfcap.200108041320.pcapng\\x091\\x091\\x0anfcap.200108041310.pcapng",
        "return\\x0d/nfcap.200108041310.pcapng",
        "tab\\x09here/nfcap.200108041310.pcapng",
    ];
    let said = expected
        .map(|path| format!("{path}: its path has a control character; set aside, rename it"));
    assert_eq!(err, lines(&said.each_ref().map(String::as_str)));
    let listed = job.text("set-aside");
    assert_eq!(listed, expected.map(|path| format!("path\t{path}\n")).concat());
    // The other files were analysed once, under their names.
    let ledger = fs::read(job.out("ledger")).unwrap();
    let mut lines: Vec<_> = ledger.split(|byte| *byte == b'\n').filter(|l| !l.is_empty()).collect();
    lines.sort_unstable();
    assert_eq!(lines.len(), plain.len());
    for (n, dir) in plain.iter().enumerate() {
        let name = [dir, format!("/nfcap.20010804130{n}.pcapng\t").as_bytes()].concat();
        assert!(lines.iter().any(|line| line.starts_with(&name)), "{}", job.text("set-aside"));
    }
    job.run_limited().quiet();
    assert_eq!(fs::read(job.out("ledger")).unwrap(), ledger);

    // The message about a file that fails has no raw bytes of its name.
    let dir = OsStr::from_bytes(b"caf\xc3\xa9\xc2\x9b\\");
    fs::create_dir(spool.join(dir)).unwrap();
    fs::write(spool.join(dir).join("nfcap.200108041320.pcapng"), "no capture").unwrap();
    let err = job.run_limited().status(1).err();
    let expected =
        "nf-every10: caf\\xc3\\xa9\\xc2\\x9b\\x5c/nfcap.200108041320.pcapng: failed, try 1";
    assert!(err.starts_with(expected), "{err}");
}

#[test]
fn links_and_special_files_are_reported_and_not_opened() {
    if installed("mkfifo").is_none() {
        return;
    }
    let mut job = Job::of(day(), &["0804131"]);
    job.now(NOW);
    let spool = job.scene.path("spool");
    let secret = job.scene.path("secret");
    fs::create_dir(&secret).unwrap();
    let outside = secret.join("nfcap.200108041300.pcapng");
    fs::copy(day().join("2001/08/04/nfcap.200108041300.pcapng"), &outside).unwrap();
    symlink(&outside, spool.join("nfcap.200108041300.pcapng")).unwrap();
    symlink("nowhere", spool.join("nfcap.200108041301.pcapng")).unwrap();
    symlink("nfcap.200108041302.pcapng", spool.join("nfcap.200108041302.pcapng")).unwrap();
    symlink("/dev/zero", spool.join("nfcap.200108041303.pcapng")).unwrap();
    symlink(&secret, spool.join("elsewhere")).unwrap();
    symlink("..", spool.join("2001/up")).unwrap();
    symlink("loop", spool.join("loop")).unwrap();
    // Links with other names do not matter.
    symlink(&outside, spool.join("notes")).unwrap();
    symlink(&secret, spool.join(".hidden")).unwrap();
    fs::create_dir(spool.join("nfcap.200108041304.pcapng")).unwrap();
    fs::copy(&outside, spool.join("nfcap.200108041304.pcapng/nfcap.200108041320.pcapng")).unwrap();
    let fifo = spool.join("nfcap.200108041305.pcapng");
    assert!(Command::new("mkfifo").arg(fifo).status().unwrap().success());
    let _socket = UnixListener::bind(spool.join("nfcap.200108041306.pcapng")).unwrap();
    let err = job.run_limited().status(0).err();
    let expected = [
        "link\t2001/up",
        "link\telsewhere",
        "link\tnfcap.200108041300.pcapng",
        "link\tnfcap.200108041301.pcapng",
        "link\tnfcap.200108041302.pcapng",
        "link\tnfcap.200108041303.pcapng",
        "type\tnfcap.200108041304.pcapng",
        "type\tnfcap.200108041305.pcapng",
        "type\tnfcap.200108041306.pcapng",
    ];
    assert_eq!(job.text("set-aside").lines().collect::<Vec<_>>(), expected);
    let messages = expected.map(|line| match line.split_once('\t').unwrap() {
        ("link", path) => format!("{path}: links are not followed; set aside"),
        (_, path) => format!("{path}: not a regular file; set aside"),
    });
    assert_eq!(err, lines(&messages.each_ref().map(String::as_str)));
    let done = [
        format!("{ATTACK}.pcapng done"),
        "nfcap.200108041304.pcapng/nfcap.200108041320.pcapng done".to_owned(),
    ];
    assert_eq!(job.verdicts(), done);
    job.run_limited().quiet();

    // The spool itself may be a link.
    let link = job.scene.path("link");
    symlink(&spool, &link).unwrap();
    let whole = job.command();
    let mut args: Vec<_> = whole.get_args().map(OsStr::to_owned).collect();
    let at = args.iter().position(|arg| arg == spool.as_os_str()).unwrap();
    args[at] = link.into_os_string();
    let mut command = Command::new(whole.get_program());
    command.envs(whole.get_envs().filter_map(|(key, value)| Some((key, value?)))).args(args);
    JobOutput(command.output().unwrap()).quiet();
}

#[test]
fn a_file_that_keeps_changing_does_not_hold_up_the_job() {
    let mut job = Job::of(day(), &["0804131"]);
    job.now(NOW);
    let file = job.scene.path("spool").join(format!("{ATTACK}.pcapng"));
    // The file has changed after each analysis, and its findings are news each time.
    let findings = job.out(&format!("{ATTACK}.findings"));
    let text = format!("echo x >>'{}'\nrm '{}'\n", file.display(), findings.display());
    let hook = job.script("hook", &text);
    job.hook(&[hook.to_str().unwrap()]);
    job.run_limited();
    assert_eq!(job.ledger().len(), 5);
}

#[test]
fn times_of_a_wrong_clock_suppress_no_reports() {
    // One file was finished while the clock was wrong; the collector may have stopped since.
    let job = Job::of(day(), &["0804130", "0804131"]);
    let now = SystemTime::now();
    let hours = |n: u64| Duration::from_secs(3600 * n);
    for (name, time) in [("1300", now + hours(90_000)), ("1310", now - hours(2))] {
        let name = format!("2001/08/04/nfcap.20010804{name}.pcapng");
        let file = job.scene.path("spool").join(name);
        File::options().write(true).open(file).unwrap().set_modified(time).unwrap();
    }
    job.run().quiet();
    let err = job.run().status(0).err();
    assert!(err.contains("is nfcap running?"), "{err}");

    // A file was given up at that time; it is tried again now.
    let job = Job::new();
    job.put(&format!("{ATTACK}.pcapng"), "no capture\n");
    for _ in 0..5 {
        job.run().status(1);
    }
    job.run().quiet();
    let ledger = job.text("ledger");
    let today = ledger.lines().last().unwrap().split('\t').next_back().unwrap().to_owned();
    fs::write(job.out("ledger"), ledger.replace(&today[..10], "2098-09-01")).unwrap();
    let err = job.run().status(1).err();
    assert!(err.contains("try 6; given up"), "{err}");
    job.run().quiet();
}

/// The files of two spools have the same names, so one spool must not pass for the other, nor
/// replace its results.
#[test]
fn an_output_directory_belongs_to_one_spool() {
    let job = Job::of(day(), &[ATTACK]);
    job.run().quiet();
    let findings = job.text(&format!("{ATTACK}.findings"));
    let out = job.scene.path("out");
    // The file of the other spool has the same name and size and a different content.
    let other = Job::new();
    let name = format!("{ATTACK}.pcapng");
    let size = fs::metadata(day().join(&name)).unwrap().len();
    other.put(&name, vec![0; usize::try_from(size).unwrap()]);
    let (ours, theirs) = (job.scene.path("spool"), other.scene.path("spool"));
    let said = JobOutput(other.to(&out).output().unwrap()).status(1);
    let paths = [&out, &ours, &theirs].map(|path| path.canonicalize().unwrap());
    let [shown, ours, theirs] = paths.each_ref().map(|path| path.display());
    said.says(&format!(
        "nf-every10: {shown}: belongs to the spool {ours}, not to {theirs}; \
         name another OUT, or remove {shown}/spool if it is the same spool\n"
    ));
    assert_eq!(job.text(&format!("{ATTACK}.findings")), findings);
    job.run().quiet();
    // The same spool by another path is accepted, and so is one that was moved.
    let (spool, moved) = (job.scene.path("spool"), job.scene.path("moved"));
    symlink(&spool, job.scene.path("link")).unwrap();
    let of = |spool: &Path| {
        let mut command = Command::new(job.command().get_program());
        command.args(["--inside", INSIDE]).arg(spool).arg(&out);
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{}:{path}", super::binaries().display()));
        JobOutput(command.output().unwrap())
    };
    of(&job.scene.path("link")).quiet();
    fs::rename(&spool, &moved).unwrap();
    fs::create_dir(&spool).unwrap();
    of(&moved).quiet();
    assert_eq!(job.ledger().len(), 1);
    assert_eq!(job.text("spool").trim_end(), moved.canonicalize().unwrap().to_str().unwrap());
}
