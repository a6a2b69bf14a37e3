use super::*;
use std::cell::RefCell;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::rc::Rc;
use std::thread;

/// Far longer than anything here takes, on any machine.
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
    /// Runs `hook`, in which `@/` is in the directory of the scene.
    fn new(hook: &str, change: impl FnOnce(&mut HookPlan)) -> Scene {
        let dir = tempfile::tempdir().unwrap();
        let hook = Hook::shell(&placed(hook, &dir)).unwrap();
        Scene::of(dir, hook, change)
    }

    fn of(dir: tempfile::TempDir, hook: Hook, change: impl FnOnce(&mut HookPlan)) -> Scene {
        let mut plan = HookPlan { pauses: vec![Duration::ZERO], ..HookPlan::new(hook) };
        change(&mut plan);
        let sink = Sink::default();
        let report = Report::new("nfcap", Box::new(sink.clone()), false, true);
        let hooks = Hooks::new(Some(plan), dir.path().to_owned());
        Scene { dir, hooks, sink, report }
    }

    /// The `n`-th file is finished.
    fn push(&mut self, n: u64) {
        let file = self.path(&format!("file{n}"));
        self.hooks.push(file, Window::new(600 * n, 600).unwrap(), &mut self.report);
    }

    /// Looks in until there is what is waited for.
    fn until<T>(&mut self, what: &str, mut look: impl FnMut(&Scene) -> Option<T>) -> T {
        let began = Instant::now();
        loop {
            self.hooks.poke(&mut self.report);
            if let Some(found) = look(self) {
                return found;
            }
            assert!(began.elapsed() < PATIENCE, "no {what}; said:\n{}", self.said());
            thread::sleep(STEP);
        }
    }

    fn until_idle(&mut self) {
        self.until("end", |scene| scene.hooks.idle().then_some(()));
        assert_eq!(self.hooks.next(), None);
    }

    /// What runs has run too long.
    fn limit(&mut self) {
        self.hooks.plan.as_mut().unwrap().limit = Some(Duration::from_millis(1));
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The lines of a file that is written by the hook, or of the list of failed ones.
    fn lines(&self, name: &str) -> Vec<String> {
        let text = fs::read_to_string(self.path(name)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// File and status of the list of failed ones.
    fn failed(&self) -> Vec<(String, String)> {
        let line = |line: &String| {
            let columns: Vec<&str> = line.split('\t').collect();
            let [_, _, file, status] = columns[..] else { panic!("{line}") };
            let file = Path::new(file).file_name().unwrap();
            (file.to_str().unwrap().to_owned(), status.to_owned())
        };
        self.lines(failed::NAME).iter().map(line).collect()
    }

    fn said(&self) -> String {
        String::from_utf8_lossy(&self.sink.0.borrow()).into_owned()
    }
}

fn placed(text: &str, dir: &tempfile::TempDir) -> String {
    text.replace("@/", &format!("{}/", dir.path().display()))
}

/// Whether a process is there and is more than an entry that nobody waited for.
fn lives(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit(") ").next().and_then(|rest| rest.chars().next());
    !matches!(state, None | Some('Z' | 'X'))
}

#[test]
fn one_at_a_time_and_in_order() {
    let mut scene = Scene::new(
        "echo begin $NFCAP_SLOT_UNIX >>@/log\nuntil [ -e @/gate ]; do sleep 0.01; done\n\
         echo end $NFCAP_SLOT_UNIX >>@/log",
        |_| {},
    );
    for n in 0..4 {
        scene.push(n);
    }
    scene.until("first one", |scene| (scene.lines("log").len() == 1).then_some(()));
    let expected = Counts { runs: 1, running: 1, waiting: 3, ..Counts::default() };
    assert_eq!(scene.hooks.counts(), expected);
    // Nothing to do but when it is time to end the one that runs.
    assert!(scene.hooks.next().unwrap() > LIMIT / 2);
    fs::write(scene.path("gate"), "").unwrap();
    scene.until_idle();
    let expected: Vec<String> =
        (0..4).flat_map(|n| [format!("begin {}", 600 * n), format!("end {}", 600 * n)]).collect();
    assert_eq!(scene.lines("log"), expected);
    assert_eq!(scene.hooks.counts(), Counts { runs: 4, ..Counts::default() });
    assert_eq!(scene.said().matches(": done with ").count(), 4);
    assert!(!scene.hooks.list().exists());
    assert_eq!(scene.hooks.left_over().unwrap(), 0);
}

#[test]
fn so_many_beside_each_other() {
    // Each waits for two more.
    let mut scene = Scene::new(
        "echo $NFCAP_SLOT_UNIX >>@/log\nuntil [ $(wc -l <@/log) -ge 3 ]; do sleep 0.01; done\n\
         until [ -e @/gate ]; do sleep 0.01; done",
        |plan| plan.jobs = 3,
    );
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
fn the_limit_ends_all_of_the_group() {
    // One ends when it is told to and one does not; a child of both never does.
    for (trap, grace) in [(":", STEP), ("trap '' TERM", STEP), (":", STEP * 20)] {
        let hook = format!(
            "{trap}\n(trap '' TERM; echo >@/deaf; while :; do sleep 0.01; done) & echo $! >@/new\n\
             until [ -e @/deaf ]; do sleep 0.01; done; mv @/new @/child; wait"
        );
        let mut scene = Scene::new(&hook, |plan| {
            (plan.tries, plan.grace, plan.limit) = (1, grace, None);
        });
        scene.push(1);
        let child = scene.until("child", |scene| scene.lines("child").pop());
        assert!(lives(&child));
        scene.limit();
        scene.until_idle();
        scene.until("end of the child", |_| (!lives(&child)).then_some(()));
        assert_eq!(scene.failed(), [("file1".to_owned(), "ended after 1ms".to_owned())]);
        let counts = scene.hooks.counts();
        assert_eq!((counts.failures, counts.timeouts, counts.given_up), (1, 1, 1));
    }
}

#[test]
fn told_to_end_before_it_is_killed() {
    let mut scene = Scene::new(
        "exec 2>/dev/null; trap 'echo told >>@/log; exit 0' TERM\necho up >>@/log\n\
         while :; do sleep 0.01; done",
        |plan| (plan.tries, plan.grace, plan.limit) = (1, PATIENCE, None),
    );
    scene.push(1);
    scene.until("start", |scene| scene.lines("log").pop());
    scene.limit();
    scene.until("two lines", |scene| (scene.lines("log") == ["up", "told"]).then_some(()));
    let next = scene.hooks.next().unwrap();
    assert!(next > PATIENCE / 2 && next <= PATIENCE, "{next:?}");
    scene.hooks.queue.running[0].phase = Phase::Told(Instant::now());
    assert_eq!(scene.hooks.next(), Some(Duration::ZERO));
    scene.until_idle();
    // Although it says that all is well.
    assert_eq!(scene.failed()[0].1, "ended after 1ms");
}

#[test]
fn without_a_limit_nothing_is_due() {
    let mut scene =
        Scene::new("until [ -e @/gate ]; do sleep 0.01; done", |plan| plan.limit = None);
    scene.push(1);
    assert_eq!((scene.hooks.next(), scene.hooks.idle()), (None, false));
    fs::write(scene.path("gate"), "").unwrap();
    scene.until_idle();
}

#[test]
fn a_failure_is_tried_again_and_holds_nothing_up() {
    let mut scene = Scene::new(
        "echo $NFCAP_SLOT_UNIX >>@/log\n[ $NFCAP_SLOT_UNIX != 600 ] || [ -e @/gate ] || exit 7",
        |plan| plan.pauses = vec![PATIENCE, PATIENCE * 2],
    );
    for n in 1..4 {
        scene.push(n);
    }
    scene.until("the others", |scene| (scene.hooks.counts().runs == 3).then_some(()));
    scene.until("their end", |scene| (scene.hooks.counts().running == 0).then_some(()));
    assert_eq!(scene.lines("log"), ["600", "1200", "1800"]);
    assert!(!scene.hooks.idle());
    let next = scene.hooks.next().unwrap();
    assert!(next > PATIENCE / 2 && next <= PATIENCE, "{next:?}");
    let said = scene.said();
    assert!(said.contains(": exit status: 7 with "), "{said}");
    assert!(said.contains("/file1, tried again in 1m\n"), "{said}");

    // Time passes, and what was wrong is right.
    fs::write(scene.path("gate"), "").unwrap();
    scene.hooks.queue.waiting.values_mut().for_each(|item| item.due = Some(Instant::now()));
    assert_eq!(scene.hooks.next(), Some(Duration::ZERO));
    scene.until_idle();
    assert_eq!(scene.lines("log"), ["600", "1200", "1800", "600"]);
    let expected = Counts { runs: 4, failures: 1, ..Counts::default() };
    assert_eq!(scene.hooks.counts(), expected);
    assert!(scene.failed().is_empty());
}

#[test]
fn what_always_fails_is_given_up_and_listed() {
    let mut scene = Scene::new("echo $NFCAP_SLOT_UNIX >>@/log; kill -9 $$", |_| {});
    for n in 1..4 {
        scene.push(n);
    }
    scene.until_idle();
    // An older file goes first, whichever try it is.
    assert_eq!(scene.lines("log"), [["600"; 3], ["1200"; 3], ["1800"; 3]].concat());
    let killed = "signal: 9 (SIGKILL)".to_owned();
    let expected: Vec<_> = (1..4).map(|n| (format!("file{n}"), killed.clone())).collect();
    assert_eq!(scene.failed(), expected);
    assert_eq!(scene.hooks.left_over().unwrap(), 3);
    let counts = Counts { runs: 9, failures: 9, given_up: 3, ..Counts::default() };
    assert_eq!(scene.hooks.counts(), counts);
    // No flood: five are said, and the rest is counted.
    let failures = |scene: &Scene| scene.said().matches("SIGKILL").count();
    assert_eq!(failures(&scene), 5);
    scene.hooks.abandon(&mut scene.report);
    let said = scene.said();
    assert!(said.ends_with("nfcap: 4 more failures of the command, 9 in all\n"), "{said}");
    assert!(said.contains("/file1, given up after 3 tries\n"), "{said}");
}

#[test]
fn a_command_that_is_not_there_is_a_failure() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("missing");
    let words = Hook::Words(format!("{} %f", missing.display()).parse().unwrap());
    let mut scene = Scene::of(dir, words, |plan| plan.tries = 2);
    scene.push(1);
    assert!(scene.hooks.idle());
    let [(file, status)] = &scene.failed()[..] else { panic!() };
    assert_eq!(file, "file1");
    assert!(status.starts_with("cannot be run: No such file"), "{status}");
    let counts = scene.hooks.counts();
    assert_eq!((counts.runs, counts.failures, counts.given_up), (2, 2, 1));
}

#[test]
fn the_queue_is_bounded_and_nothing_forgotten() {
    let mut scene = Scene::new("until [ -e @/gate ]; do sleep 0.01; done", |_| {});
    let (queue, more) = (QUEUE as u64, 7);
    for n in 0..=queue {
        scene.push(n);
    }
    assert_eq!(scene.hooks.counts().left_out, 0);
    for n in 0..more {
        scene.push(1000 + n);
    }
    let counts = scene.hooks.counts();
    assert_eq!((counts.waiting, counts.running, counts.left_out), (QUEUE, 1, more));
    let listed = scene.failed();
    assert_eq!(listed.len() as u64, more);
    assert_eq!(listed[0], ("file1000".into(), "left out: 256 files wait already".into()));
    assert_eq!(scene.said().matches(": not run for ").count() as u64, REPEATS);

    // At the end all the others are in the list too, and nothing is killed.
    let pid = scene.hooks.queue.running[0].child.id().to_string();
    scene.hooks.abandon(&mut scene.report);
    assert!(scene.hooks.idle());
    let listed = scene.failed();
    assert_eq!(listed.len(), QUEUE + 1 + usize::try_from(more).unwrap());
    let listed = &listed[usize::try_from(more).unwrap()..];
    assert_eq!(listed[0], ("file0".into(), format!("still ran at the end, as process {pid}")));
    assert_eq!(listed[1], ("file1".into(), "not run before the end".into()));
    assert!(lives(&pid));
    assert!(scene.said().contains("more files without their command"), "{}", scene.said());
    fs::write(scene.path("gate"), "").unwrap();
    scene.until("end of the last one", |_| (!lives(&pid)).then_some(()));
}

#[test]
fn a_file_that_waits_for_another_try_is_listed_at_the_end() {
    let mut scene = Scene::new("exit 3", |plan| plan.pauses = vec![PATIENCE]);
    scene.push(1);
    scene.until("failure", |scene| (scene.hooks.counts().failures == 1).then_some(()));
    scene.hooks.abandon(&mut scene.report);
    let status = "exit status: 3, after 1 of its tries".to_owned();
    assert_eq!(scene.failed(), [("file1".to_owned(), status)]);
}

#[test]
fn a_list_that_cannot_be_written_stops_nothing() {
    let mut scene = Scene::new("exit 1", |plan| plan.tries = 1);
    fs::create_dir(scene.hooks.list()).unwrap();
    scene.push(1);
    scene.until_idle();
    assert!(scene.said().contains("/.nfcap.failed: "), "{}", scene.said());

    // A full one is said once.
    fs::remove_dir(scene.hooks.list()).unwrap();
    fs::write(scene.hooks.list(), vec![b'\n'; failed::MOST as usize]).unwrap();
    for n in 2..5 {
        scene.push(n);
    }
    scene.until_idle();
    assert_eq!(scene.said().matches("has 1 MiB").count(), 1);
    assert_eq!(fs::metadata(scene.hooks.list()).unwrap().len(), failed::MOST);
}

#[test]
fn both_forms_learn_all_from_their_environment() {
    let odd = Path::new("/no/a b\t\"$(touch x)\" 'y'\nz;`w`/nfcap.1");
    let script = "printf '%s\\0' \"$NFCAP_FILE\" \"$NFCAP_SPOOL\" \"$NFCAP_SLOT\" \
                  \"$NFCAP_SLOT_UNIX\" \"$NFCAP_SECONDS\" \"$@\" >@/new && mv @/new @/log";
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("hook");
    fs::write(&file, placed(script, &dir)).unwrap();
    let words = Hook::Words(format!("sh {} %f %% a", file.display()).parse().unwrap());
    let scenes = [(Scene::of(dir, words, |_| {}), vec![odd.to_str().unwrap(), "%", "a"]), {
        // Nothing is put into the text.
        let text = format!("set -- %f '%d' %% %u\n{script}");
        (Scene::new(&text, |_| {}), vec!["%f", "%d", "%%", "%u"])
    }];
    for (mut scene, arguments) in scenes {
        let slot = Window::new(993_946_800, 300).unwrap();
        scene.hooks.push(odd.to_owned(), slot, &mut scene.report);
        scene.until_idle();
        let log = fs::read_to_string(scene.path("log")).unwrap();
        let seen: Vec<&str> = log.trim_end_matches('\0').split('\0').collect();
        let spool = scene.dir.path().to_str().unwrap();
        let expected = [odd.to_str().unwrap(), spool, "2001-07-01T00:20:00Z", "993946800", "300"];
        assert_eq!(seen, [&expected[..], &arguments].concat());
        assert_eq!(scene.hooks.counts().failures, 0, "{}", scene.said());
        assert!(!Path::new("x").exists());
    }
}

#[test]
fn a_text_with_a_dash_is_no_option_and_nothing_is_on_stdin() {
    let mut scene = Scene::new("-x 2>@/no; read line; echo $? >@/log", |_| {});
    scene.push(1);
    scene.until_idle();
    assert_eq!(scene.lines("log"), ["1"]);
    assert!(scene.lines("no")[0].contains("not found"), "{:?}", scene.lines("no"));
}

#[test]
fn without_a_hook_nothing_happens() {
    let mut hooks = Hooks::new(None, PathBuf::from("/nonexistent"));
    let mut report = Report::new("nfcap", Box::new(io::sink()), false, false);
    hooks.push(PathBuf::from("a"), Window::new(0, 600).unwrap(), &mut report);
    hooks.poke(&mut report);
    hooks.abandon(&mut report);
    assert!(hooks.idle());
    assert_eq!((hooks.next(), hooks.counts()), (None, Counts::default()));
}
