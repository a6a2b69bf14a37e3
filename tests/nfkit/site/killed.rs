//! The site when nfpage is killed while it writes: each page is whole, each link leads somewhere, and after one more
//! run nothing shows it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::{FIELDS, Found, ID, check_links, files, whole};
use crate::harness::{LIMIT, NO_CONFIGURATION, Random, Scene};

/// 2001-08-04T04:00:00Z, noon in Taipei.
const START: u64 = 996_897_600;

const HOUR: u64 = 3600;

/// The number of steps of a history, 8 hours each.
const STEPS: u64 = 14;

/// The step after which the site is masked. Pages of hosts go, and come back.
const MASKED: u64 = 7;

/// Returns the findings of a step: some hosts that come back, some that are new, and once so many that hosts are
/// found by their networks until their day is dropped.
fn step(nth: u64) -> String {
    let begin = START + nth * 8 * HOUR;
    let mut text = FIELDS.to_owned();
    for start in (begin..begin + 8 * HOUR).step_by(1800) {
        text += &whole(start, 1800);
    }
    let mut add = |found: Found| text += &Found { seconds: 1800, ..found }.line();
    add(Found::flood("140.119.1.1", begin));
    if nth % 5 == 0 {
        add(Found::scan("140.119.1.2", begin + HOUR));
    }
    for host in 0..if nth == 3 { 330 } else { 12 } {
        add(Found::scan(&format!("10.{nth}.{}.{}", host / 100, host % 100), begin + 1800));
        if host < 4 {
            add(Found::flood(&format!("2001:db8:{nth}::{host}"), begin + HOUR));
        }
    }
    text
}

/// A site in memory: kills take nothing from the kernel, so that no disk is needed.
struct Site(Scene);

type State = BTreeMap<String, Vec<u8>>;

impl Site {
    fn new() -> Site {
        let scene = Scene::in_ram();
        scene.write("www.store/id", ID);
        let key = scene.write("www.store/mask.key", ID);
        fs::set_permissions(key, fs::Permissions::from_mode(0o600)).unwrap();
        Site(scene)
    }

    fn input(&self, nth: u64) -> PathBuf {
        self.0.write(&format!("{nth}.findings"), step(nth))
    }

    fn command(&self, nth: u64) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nfpage"));
        command
            .env_clear()
            .env("NFKIT_CONFIG", NO_CONFIGURATION)
            .args(["--timezone", "Asia/Taipei", "--days", "3", "-q", "-w"])
            .arg(self.0.path("www"))
            .arg(self.input(nth))
            .args((nth == MASKED).then_some("--mask"))
            .stdin(Stdio::null());
        command
    }

    fn run(&self, nth: u64) {
        assert!(self.command(nth).status().unwrap().success(), "step {nth}");
    }

    fn pages(&self) -> State {
        files(&self.0.path("www"))
    }

    /// Returns the site and its store.
    fn state(&self) -> (State, State) {
        (self.pages(), files(&self.0.path("www.store")))
    }

    /// Kills a run after a time. Returns true if it had not ended.
    fn kill_after(&self, nth: u64, time: Duration) -> bool {
        let mut child = self.command(nth).spawn().unwrap();
        let until = Instant::now() + time.min(LIMIT);
        while Instant::now() < until {
            if child.try_wait().unwrap().is_some() {
                return false;
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        child.kill().unwrap();
        child.wait().unwrap().signal() == Some(9)
    }
}

#[track_caller]
fn assert_same(found: &State, expected: &State, when: &str) {
    let names = |state: &State| state.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(found), names(expected), "{when}");
    for (name, bytes) in expected {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert_eq!(text(&found[name]), text(bytes), "{when}: {name}");
    }
}

#[test]
fn kills_at_random_moments_tear_no_page_and_leave_no_trace() {
    let reference = Site::new();
    let expected: Vec<(State, State)> = (0..STEPS)
        .map(|nth| {
            reference.run(nth);
            check_links(&reference.pages(), &format!("step {nth}"));
            reference.state()
        })
        .collect();
    // The history has all: pages of networks that come and go, and days that are dropped.
    let has = |nth: usize, name: &str| expected[nth].0.contains_key(name);
    assert!(!has(2, "net/10.3.0.0_16.html") && has(3, "net/10.3.0.0_16.html"));
    assert!(has(3, "day/2001-08-04.html") && !has(13, "day/2001-08-04.html"));
    assert!(has(6, "host/10.6.0.1.html") && !has(7, "host/10.6.0.1.html"));
    assert!(has(8, "host/10.6.0.1.html"));
    assert!(!has(13, "net/10.3.0.0_16.html") && !has(13, "host/10.3.0.1.html"));

    let wanted = if super::is_long() { 200 } else { 20 };
    let mut random = Random(24);
    let (mut kills, mut within) = (0, 0);
    while kills < wanted {
        let site = Site::new();
        let mut took = Duration::from_millis(100);
        for (nth, (pages, store)) in (0..STEPS).zip(&expected) {
            for _ in 0..3 {
                let before = site.pages();
                let share = u32::try_from(30 + random.below(70)).unwrap();
                if site.kill_after(nth, took * share / 100) {
                    kills += 1;
                    let after = site.pages();
                    check_links(&after, &format!("kill {kills}, in step {nth}"));
                    let is_new = |name: &&String| before.get(*name) != after.get(*name);
                    let is_html = |name: &&String| name.ends_with(".html");
                    let written = after.keys().filter(is_html).filter(is_new).count();
                    let all = pages.iter().all(|(name, bytes)| after.get(name) == Some(bytes));
                    within += usize::from(written > 0 && !all);
                }
            }
            let began = Instant::now();
            site.run(nth);
            took = began.elapsed();
            let (found, found_store) = site.state();
            assert_same(&found, pages, &format!("{kills} kills, in step {nth}"));
            assert_same(&found_store, store, &format!("{kills} kills, store in step {nth}"));
        }
    }
    eprintln!("{within} of {kills} kills hit between the first page and the last");
    assert!(within * 10 >= kills, "{within} of {kills} kills hit while pages were written");
}
