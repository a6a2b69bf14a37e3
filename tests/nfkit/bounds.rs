//! Files that options name are read up to a bound, and are not waited for.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::harness::{Ran, Run, Scene, tool};

const DETECTORS: [&str; 3] = ["nfscan", "nfflood", "nfport"];
const INSIDE: &str = "140.119.0.0/16";

/// Runs a command with the memory of a small machine, on no input, for at most 20 s.
fn bounded(run: Run) -> Ran {
    run.stdin("").limit(Duration::from_secs(20)).run()
}

#[test]
fn a_file_without_an_end_is_refused_wherever_one_is_named() {
    let endless = "@/dev/zero";
    let too_long =
        "/dev/zero: more than 16 MiB, the limit for a file of this kind; is it the right file?";
    for name in DETECTORS {
        for args in [["--inside", endless], ["--ignore", "/dev/zero"], ["--limits", "/dev/zero"]] {
            bounded(tool(name).args(args)).status(1).mute().says(too_long);
        }
    }
    bounded(tool("nfscan").args(["--inside", INSIDE, "--survey", endless]))
        .status(1)
        .says(too_long);
    bounded(tool("nfgrep").arg("net in @/dev/zero")).status(1).mute().says(too_long);
    let block = ["block", "--device", "ios", "--may-block"];
    bounded(tool("nfnotify").args(block).arg(endless)).status(1).mute().says(too_long);
    let block = tool("nfnotify").args(block).args([INSIDE, "--never", endless]);
    bounded(block).status(1).mute().says(too_long);
    let mail = ["mail", "--contacts", "/dev/zero", "--operator", "noc@campus.example"];
    bounded(tool("nfnotify").args(mail)).status(1).mute().says(too_long);
    let scene = Scene::new();
    let nfcap = tool("nfcap").args(["-p", "0", "--allow", endless, "-w"]).arg(scene.dir());
    bounded(nfcap).status(1).mute().says(too_long);
}

/// A detector with a state, which fails: nothing is printed, and the message says why.
fn refuses(name: &str, state: &Path, why: &str) {
    let run = tool(name).args(["--inside", INSIDE, "--state"]).arg(state);
    bounded(run).status(1).mute().says(why);
}

#[test]
fn a_state_and_its_lock_are_regular_files_and_no_links() {
    for name in DETECTORS {
        let scene = Scene::new();
        let (state, lock) = (scene.path("state"), scene.path("state.lock"));
        mkfifo(&state, Mode::S_IRWXU).unwrap();
        refuses(name, &state, "state: not a regular file");
        assert!(!lock.exists(), "no lock is left beside what is no state");
        std::fs::remove_file(&state).unwrap();

        let precious = scene.write("precious", "another's");
        symlink(&precious, &state).unwrap();
        refuses(name, &state, "state: a symbolic link is not followed");
        symlink(scene.path("nowhere"), scene.path("dangling")).unwrap();
        refuses(name, &scene.path("dangling"), "dangling: a symbolic link is not followed");
        assert!(!scene.path("nowhere").exists());
        std::fs::remove_file(&state).unwrap();

        mkfifo(&lock, Mode::S_IRWXU).unwrap();
        refuses(name, &state, "state.lock: not a regular file");
        std::fs::remove_file(&lock).unwrap();
        symlink(&precious, &lock).unwrap();
        refuses(name, &state, "state.lock: a symbolic link is not followed");
        assert_eq!(scene.text("precious"), "another's");
        refuses(name, scene.dir(), "not a regular file");
        refuses(name, &scene.path("none/state"), "none/state.lock: no such directory");

        // Sparse: of the limit and a byte more, but of no size on the disk.
        std::fs::remove_file(&lock).unwrap();
        let long = std::fs::File::create(&state).unwrap();
        long.set_len((1 << 30) + 1).unwrap();
        refuses(name, &state, "state: more than 1 GiB, the limit for a state");
    }
}
