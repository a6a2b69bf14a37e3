//! The command that a collector runs for each finished file.

use super::*;

/// Writes an executable shell script and returns its path.
fn script(scene: &Scene, name: &str, text: &str) -> String {
    let script = scene.write(name, format!("#!/bin/sh\n{text}\n"));
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    path(&script)
}

#[test]
fn a_command_runs_after_each_file() {
    let scene = Scene::new();
    let spool = scene.path("a b;$(touch x)");
    let log = scene.path("log");
    let hook = script(
        &scene,
        "hook",
        "for word; do printf '<%s>' \"$word\"; done >>\"$LOG\"; echo >>\"$LOG\"",
    );
    let exec = format!("env LOG={} {hook} %f --dir=%d %t %u 100%% 'a", log.display());
    let nfcap = Nfcap::start(["-t", LONG, "-p", "0", "-w", &path(&spool), "-x", &exec]);
    nfcap.signal("HUP");
    until("a file", || (files(&spool).len() == 1).then_some(()));
    // The command for the last file is waited for.
    nfcap.stop();
    let files = files(&spool);
    let log = fs::read_to_string(log).unwrap();
    let slot = read(&files[0]).slot.window;
    let line = |file: &PathBuf| {
        let (file, dir) = (file.display(), spool.display());
        let (text, seconds) = (slot.start_text(), slot.start());
        format!("<{file}><--dir={dir}><{text}><{seconds}><100%><'a>")
    };
    let expected: Vec<_> = files.iter().map(line).collect();
    assert_eq!(log.lines().collect::<Vec<_>>(), expected);
    assert!(!Path::new("x").exists());
}

#[test]
fn a_slow_command_holds_nothing_up() {
    let scene = Scene::new();
    let spool = scene.path("spool");
    let (gate, log) = (scene.path("gate"), scene.path("log"));
    let hook = script(
        &scene,
        "hook",
        &format!(
            "echo begin $1 >>{log}\nwhile [ ! -e {gate} ]; do sleep 0.05; done\n\
             echo end $1 >>{log}\nexit 3",
            log = log.display(),
            gate = gate.display()
        ),
    );
    let exec = format!("{hook} %u");
    let args = ["-t", "1s", "-p", "0", "--exec-tries", "9", "-w", &path(&spool), "-x", &exec];
    let mut nfcap = Nfcap::start(args);
    nfcap.says("--exec-tries is ignored");
    until("files beside a command that hangs", || (files(&spool).len() >= 3).then_some(()));
    assert_eq!(fs::read_to_string(&log).unwrap().lines().count(), 1);
    nfcap.signal("TERM");
    fs::write(&gate, "").unwrap();
    assert!(nfcap.wait().success());
    // One at a time, in order, each once, and the status is told.
    let slots: Vec<_> = files(&spool).iter().map(|file| read(file).slot.window.start()).collect();
    let expected: Vec<_> =
        slots.iter().flat_map(|slot| [format!("begin {slot}"), format!("end {slot}")]).collect();
    assert_eq!(fs::read_to_string(&log).unwrap().lines().collect::<Vec<_>>(), expected);
    let told = nfcap
        .said
        .iter()
        .filter(|line| line.contains(": failed for ") && line.ends_with(": exit status: 3"))
        .count();
    assert_eq!(told, slots.len());
}

#[test]
fn the_list_of_failed_files_of_an_earlier_version_is_mentioned_and_left_alone() {
    let scene = Scene::new();
    let spool = scene.path("spool");
    fs::create_dir(&spool).unwrap();
    let list = spool.join(".nfcap.failed");
    let text = "2001-07-01T00:30:01Z\t2001-07-01T00:20:00Z\t/spool/a\texit status: 1\n";
    fs::write(&list, text).unwrap();
    let args = ["-t", LONG, "-p", "0", "-w", &path(&spool), "-x", "false"];
    let said = Nfcap::start(args).stop();
    let mention = format!("{}: a list of an earlier version", list.display());
    assert_eq!(said.matches(&mention).count(), 1, "{said}");
    assert!(said.contains(": exit status: 1"), "{said}");
    assert_eq!(fs::read_to_string(&list).unwrap(), text);
}

#[test]
fn recovered_files_get_their_command_too() {
    let scene = Scene::new();
    let spool = scene.path("spool");
    let log = scene.path("log");
    let mut nfcap = Nfcap::start(["-t", LONG, "-p", "0", "-w", &path(&spool)]);
    let part = parts(&spool).pop().unwrap();
    until("the header on the disk", || (fs::metadata(&part).unwrap().len() > 0).then_some(()));
    nfcap.signal("KILL");
    nfcap.wait();
    let hook = script(&scene, "hook", &format!("echo $1 >>{}", log.display()));
    let exec = format!("{hook} %f");
    Nfcap::start(["-t", LONG, "-p", "0", "-w", &path(&spool), "-x", &exec]).stop();
    let expected: Vec<_> = files(&spool).iter().map(|file| path(file)).collect();
    assert_eq!(expected.len(), 2);
    assert_eq!(fs::read_to_string(&log).unwrap().lines().collect::<Vec<_>>(), expected);
}
