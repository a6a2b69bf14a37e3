//! Files named by options are read up to a limit, and a command never waits for them.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::harness::{DETECTORS, INSIDE, Ran, Run, Scene, tool};

/// Runs a command on empty input, for at most 20 s.
fn run_bounded(run: Run) -> Ran {
    run.stdin("").limit(Duration::from_secs(20)).run()
}

#[test]
fn an_endless_file_is_refused_by_every_option_that_names_one() {
    let endless = "@/dev/zero";
    let too_long =
        "/dev/zero: more than 16 MiB, the limit for a file of this kind; is it the right file?";
    for name in DETECTORS {
        for args in [["--inside", endless], ["--ignore", "/dev/zero"], ["--limits", "/dev/zero"]] {
            run_bounded(tool(name).args(args)).status(1).mute().says(too_long);
        }
    }
    run_bounded(tool("nfscan").args(["--inside", INSIDE, "--survey", endless]))
        .status(1)
        .says(too_long);
    run_bounded(tool("nfgrep").arg("net in @/dev/zero")).status(1).mute().says(too_long);
    let block = ["block", "--device", "ios", "--may-block"];
    run_bounded(tool("nfnotify").args(block).arg(endless)).status(1).mute().says(too_long);
    let block = tool("nfnotify").args(block).args([INSIDE, "--never", endless]);
    run_bounded(block).status(1).mute().says(too_long);
    let mail = ["mail", "--contacts", "/dev/zero", "--operator", "noc@campus.example"];
    run_bounded(tool("nfnotify").args(mail)).status(1).mute().says(too_long);
    let scene = Scene::new();
    let nfcap = tool("nfcap").args(["-p", "0", "--allow", endless, "-w"]).arg(scene.dir());
    run_bounded(nfcap).status(1).mute().says(too_long);
}

/// Asserts that a detector with this state fails with this message and prints nothing.
fn assert_refused(name: &str, state: &Path, why: &str) {
    let run = tool(name).args(["--inside", INSIDE, "--state"]).arg(state);
    run_bounded(run).status(1).mute().says(why);
}

#[test]
fn a_state_or_lock_that_is_no_regular_file_is_refused() {
    for name in DETECTORS {
        let scene = Scene::new();
        let (state, lock) = (scene.path("state"), scene.path("state.lock"));
        mkfifo(&state, Mode::S_IRWXU).unwrap();
        assert_refused(name, &state, "state: not a regular file");
        assert!(!lock.exists(), "no lock is left beside what is no state");
        std::fs::remove_file(&state).unwrap();

        let precious = scene.write("precious", "another's");
        symlink(&precious, &state).unwrap();
        assert_refused(name, &state, "state: a symbolic link is not followed");
        symlink(scene.path("nowhere"), scene.path("dangling")).unwrap();
        assert_refused(name, &scene.path("dangling"), "dangling: a symbolic link is not followed");
        assert!(!scene.path("nowhere").exists());
        std::fs::remove_file(&state).unwrap();

        mkfifo(&lock, Mode::S_IRWXU).unwrap();
        assert_refused(name, &state, "state.lock: not a regular file");
        std::fs::remove_file(&lock).unwrap();
        symlink(&precious, &lock).unwrap();
        assert_refused(name, &state, "state.lock: a symbolic link is not followed");
        assert_eq!(scene.text("precious"), "another's");
        assert_refused(name, scene.dir(), "not a regular file");
        assert_refused(name, &scene.path("none/state"), "none/state.lock: no such directory");

        // A sparse file: one byte longer than the limit, but without blocks on the disk.
        std::fs::remove_file(&lock).unwrap();
        let long = std::fs::File::create(&state).unwrap();
        long.set_len((1 << 30) + 1).unwrap();
        assert_refused(name, &state, "state: more than 1 GiB, the limit for a state");
    }
}
