#![expect(clippy::disallowed_methods, reason = "the tests run real commands in real time")]

use super::*;
use std::cell::RefCell;
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::rc::Rc;
use std::thread;

/// A deadline far beyond what any of these tests takes.
const PATIENCE: Duration = Duration::from_secs(60);

const STEP: Duration = Duration::from_millis(5);

#[derive(Clone, Default)]
struct Sink(Rc<RefCell<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(data)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A spool, and the commands for its files.
struct Scene {
    dir: tempfile::TempDir,
    hooks: Hooks,
    sink: Sink,
    report: Report,
}

impl Scene {
    /// Runs the shell script `hook`, in which `@/` stands for the directory of the scene.
    fn new(hook: &str) -> Scene {
        let dir = tempfile::tempdir().unwrap();
        let hook = Hook::shell(&in_dir(hook, &dir)).unwrap();
        Scene::with(dir, hook)
    }

    fn with(dir: tempfile::TempDir, hook: Hook) -> Scene {
        let plan = HookPlan::new(hook, 1, Some(10 * PATIENCE));
        let sink = Sink::default();
        let report = Report::new("nfcap", Box::new(sink.clone()), false, true);
        let hooks = Hooks::new(Some(plan), dir.path().to_owned());
        Scene { dir, hooks, sink, report }
    }

    fn plan(&mut self) -> &mut HookPlan {
        self.hooks.plan.as_mut().unwrap()
    }

    /// Finishes the `n`-th file.
    fn push(&mut self, n: u64) {
        let file = self.path(&format!("file{n}"));
        let slot = Window::new(600 * n, 600).unwrap();
        self.hooks.push(file, slot, Instant::now(), &mut self.report);
    }

    /// Polls until `look` finds something.
    fn until<T>(&mut self, what: &str, mut look: impl FnMut(&Scene) -> Option<T>) -> T {
        let began = Instant::now();
        loop {
            self.hooks.poll(Instant::now(), &mut self.report);
            if let Some(found) = look(self) {
                return found;
            }
            assert!(began.elapsed() < PATIENCE, "no {what}; said:\n{}", self.said());
            thread::sleep(STEP);
        }
    }

    fn until_idle(&mut self) {
        self.until("end", |scene| scene.hooks.is_idle().then_some(()));
        assert_eq!(self.next_due(), None);
    }

    fn next_due(&self) -> Option<Duration> {
        self.hooks.next_due(Instant::now())
    }

    /// Sets a limit that the running commands have exceeded.
    fn exceed_limit(&mut self) {
        self.plan().limit = Some(Duration::from_millis(1));
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Returns the lines of a file that the hook writes.
    fn lines(&self, name: &str) -> Vec<String> {
        let text = fs::read_to_string(self.path(name)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    fn said(&self) -> String {
        String::from_utf8_lossy(&self.sink.0.borrow()).into_owned()
    }
}

fn in_dir(text: &str, dir: &tempfile::TempDir) -> String {
    text.replace("@/", &format!("{}/", dir.path().display()))
}

/// Returns true if the process runs and is no zombie.
fn lives(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit(") ").next().and_then(|rest| rest.chars().next());
    !matches!(state, None | Some('Z' | 'X'))
}

#[test]
fn commands_run_one_at_a_time_in_the_order_of_files() {
    let mut scene = Scene::new(
        "echo begin $NFCAP_SLOT_UNIX >>@/log\nuntil [ -e @/gate ]; do sleep 0.01; done\n\
         echo end $NFCAP_SLOT_UNIX >>@/log",
    );
    for n in 0..4 {
        scene.push(n);
    }
    scene.until("first one", |scene| (scene.lines("log").len() == 1).then_some(()));
    let expected = Counts { runs: 1, running: 1, waiting: 3, ..Counts::default() };
    assert_eq!(scene.hooks.counts(), expected);
    // Only the time limit of the running command is due.
    assert!(scene.next_due().unwrap() > PATIENCE);
    fs::write(scene.path("gate"), "").unwrap();
    scene.until_idle();
    let expected: Vec<String> =
        (0..4).flat_map(|n| [format!("begin {}", 600 * n), format!("end {}", 600 * n)]).collect();
    assert_eq!(scene.lines("log"), expected);
    assert_eq!(scene.hooks.counts(), Counts { runs: 4, ..Counts::default() });
    assert_eq!(scene.said().matches(": done with ").count(), 4);
}

#[test]
fn as_many_commands_run_at_a_time_as_jobs_allow() {
    // Each command waits for two more.
    let mut scene = Scene::new(
        "echo $NFCAP_SLOT_UNIX >>@/log\nuntil [ $(wc -l <@/log) -ge 3 ]; do sleep 0.01; done\n\
         until [ -e @/gate ]; do sleep 0.01; done",
    );
    scene.plan().jobs = 3;
    for n in 0..5 {
        scene.push(n);
    }
    scene.until("three", |scene| (scene.lines("log").len() == 3).then_some(()));
    let counts = scene.hooks.counts();
    assert_eq!((counts.running, counts.waiting), (3, 2));
    fs::write(scene.path("gate"), "").unwrap();
    scene.until_idle();
    assert_eq!(scene.lines("log").len(), 5);
}

#[test]
fn the_limit_kills_the_whole_process_group() {
    // One command obeys SIGTERM and one ignores it; a child of both ignores it.
    for (trap, grace) in [(":", STEP), ("trap '' TERM", STEP), (":", STEP * 20)] {
        let mut scene = Scene::new(&format!(
            "{trap}\n(trap '' TERM; echo >@/deaf; while :; do sleep 0.01; done) & echo $! >@/new\n\
             until [ -e @/deaf ]; do sleep 0.01; done; mv @/new @/child; wait"
        ));
        scene.plan().grace = grace;
        scene.push(1);
        let child = scene.until("child", |scene| scene.lines("child").pop());
        assert!(lives(&child));
        scene.exceed_limit();
        scene.until_idle();
        scene.until("end of the child", |_| (!lives(&child)).then_some(()));
        assert!(scene.said().ends_with("/file1: did not end within 1ms\n"), "{}", scene.said());
        let counts = scene.hooks.counts();
        assert_eq!((counts.failures, counts.timeouts), (1, 1));
    }
}

#[test]
fn sigterm_comes_before_sigkill() {
    let mut scene = Scene::new(
        "exec 2>/dev/null; trap 'echo told >>@/log; exit 0' TERM\necho up >>@/log\n\
         while :; do sleep 0.01; done",
    );
    scene.plan().grace = PATIENCE;
    scene.push(1);
    scene.until("start", |scene| scene.lines("log").pop());
    scene.exceed_limit();
    scene.until("two lines", |scene| (scene.lines("log") == ["up", "told"]).then_some(()));
    let due = scene.next_due().unwrap();
    assert!(due > PATIENCE / 2 && due <= PATIENCE, "{due:?}");
    scene.hooks.running[0].phase = Phase::Terminating { kill_at: Instant::now() };
    assert_eq!(scene.next_due(), Some(Duration::ZERO));
    scene.until_idle();
    // An exit status of 0 after SIGTERM is a timeout all the same.
    assert_eq!(scene.hooks.counts().timeouts, 1);
}

#[test]
fn without_a_limit_nothing_is_due() {
    let mut scene = Scene::new("until [ -e @/gate ]; do sleep 0.01; done");
    scene.plan().limit = None;
    scene.push(1);
    assert_eq!((scene.next_due(), scene.hooks.is_idle()), (None, false));
    fs::write(scene.path("gate"), "").unwrap();
    scene.until_idle();
}

#[test]
fn a_failure_is_reported_and_not_tried_again() {
    let mut scene =
        Scene::new("echo $NFCAP_SLOT_UNIX >>@/log; [ $NFCAP_SLOT_UNIX = 600 ] || exit 7");
    for n in 1..10 {
        scene.push(n);
    }
    scene.until_idle();
    assert_eq!(scene.lines("log").len(), 9);
    assert_eq!(scene.hooks.counts(), Counts { runs: 9, failures: 8, ..Counts::default() });
    let said = scene.said();
    assert!(said.contains("/file2: exit status: 7\n"), "{said}");
    // Five messages are printed; the rest is counted.
    assert_eq!(said.matches("exit status: 7").count(), 5);
    scene.report.finish();
    let end = "nfcap: 3 more failures of the command, 8 in all\n";
    assert!(scene.said().ends_with(end), "{}", scene.said());
}

#[test]
fn a_missing_program_is_a_failure() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("missing");
    let words = Hook::Words(format!("{} %f", missing.display()).parse().unwrap());
    let mut scene = Scene::with(dir, words);
    scene.push(1);
    assert!(scene.hooks.is_idle());
    assert!(scene.said().contains("/file1: No such file"), "{}", scene.said());
    assert_eq!(scene.hooks.counts(), Counts { runs: 1, failures: 1, ..Counts::default() });
}

#[test]
fn the_queue_is_bounded_and_files_without_a_command_are_counted() {
    let mut scene = Scene::new("until [ -e @/gate ]; do sleep 0.01; done");
    let (queue, more) = (MAX_WAITING as u64, 7);
    for n in 0..=queue {
        scene.push(n);
    }
    assert_eq!(scene.hooks.counts().left_out, 0);
    for n in 0..more {
        scene.push(1000 + n);
    }
    let counts = scene.hooks.counts();
    assert_eq!((counts.waiting, counts.running, counts.left_out), (MAX_WAITING, 1, more));
    assert_eq!(scene.said().matches(": not run for ").count(), 5);

    // At the end the waiting files are counted too, and the running command is not killed.
    let pid = scene.hooks.running[0].child.id().to_string();
    scene.report.finish();
    scene.hooks.abandon(&mut scene.report);
    assert!(scene.hooks.is_idle());
    assert_eq!(scene.hooks.counts().left_out, queue + more);
    assert!(lives(&pid));
    let said = scene.said();
    assert!(
        said.contains(&format!(
            ": still runs for {}/file0, as process {pid}\n",
            scene.dir.path().display()
        )),
        "{said}"
    );
    assert!(said.contains("/file1: nfcap ended before\n"), "{said}");
    fs::write(scene.path("gate"), "").unwrap();
    scene.until("end of the last one", |_| (!lives(&pid)).then_some(()));
}

#[test]
fn both_forms_get_their_values_from_the_environment() {
    let odd = Path::new("/no/a b\t\"$(touch x)\" 'y'\nz;`w`/nfcap.1");
    let script = "printf '%s\\0' \"$NFCAP_FILE\" \"$NFCAP_SPOOL\" \"$NFCAP_SLOT\" \
                  \"$NFCAP_SLOT_UNIX\" \"$NFCAP_SECONDS\" \"$@\" >@/new && mv @/new @/log";
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("hook");
    fs::write(&file, in_dir(script, &dir)).unwrap();
    let words = Hook::Words(format!("sh {} %f %% a", file.display()).parse().unwrap());
    let scenes = [(Scene::with(dir, words), vec![odd.to_str().unwrap(), "%", "a"]), {
        // A script has no placeholders.
        let text = format!("set -- %f '%d' %% %u\n{script}");
        (Scene::new(&text), vec!["%f", "%d", "%%", "%u"])
    }];
    for (mut scene, arguments) in scenes {
        let slot = Window::new(993_946_800, 300).unwrap();
        scene.hooks.push(odd.to_owned(), slot, Instant::now(), &mut scene.report);
        scene.until_idle();
        let log = fs::read_to_string(scene.path("log")).unwrap();
        let seen: Vec<&str> = log.trim_end_matches('\0').split('\0').collect();
        let spool = scene.dir.path().to_str().unwrap();
        let expected = [odd.to_str().unwrap(), spool, "2001-07-01T00:20:00Z", "993946800", "300"];
        assert_eq!(seen, [&expected[..], &arguments].concat());
        assert_eq!(scene.hooks.counts().failures, 0, "{}", scene.said());
        // Each message is one line, whatever the file is called.
        assert_eq!(scene.said().lines().count(), 1);
        assert!(!Path::new("x").exists());
    }
}

#[test]
fn a_script_with_a_dash_is_no_option_and_stdin_is_empty() {
    let mut scene = Scene::new("-x 2>@/no; read line; echo $? >@/log");
    scene.push(1);
    scene.until_idle();
    assert_eq!(scene.lines("log"), ["1"]);
    assert!(scene.lines("no")[0].contains("not found"), "{:?}", scene.lines("no"));
}

#[test]
fn without_a_hook_nothing_happens() {
    let mut hooks = Hooks::new(None, PathBuf::from("/nonexistent"));
    let mut report = Report::new("nfcap", Box::new(io::sink()), false, false);
    let now = Instant::now();
    hooks.push(PathBuf::from("a"), Window::new(0, 600).unwrap(), now, &mut report);
    hooks.poll(now, &mut report);
    hooks.abandon(&mut report);
    assert!(hooks.is_idle());
    assert_eq!((hooks.next_due(now), hooks.counts()), (None, Counts::default()));
}
