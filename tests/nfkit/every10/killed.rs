//! nf-every10 when it is killed, when many runs start at once, and when files arrive while it
//! works.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{ATTACK, Job, JobOutput, assert_same_results, binaries, day, ledger, names, results};
use crate::harness::{LIMIT, Random};

/// Kills a job with everything that it has started.
fn kill(child: &mut Child) {
    let group = format!("-{}", child.id());
    let killed = Command::new("kill").args(["-9", "--", &group]).stderr(Stdio::null()).status();
    assert!(killed.is_ok());
    child.wait().unwrap();
}

/// Waits until a killed job is gone, and asserts that its results are whole or missing.
#[track_caller]
fn assert_whole_or_missing(out: &Path, whole: &BTreeMap<String, Vec<u8>>) {
    let lock = out.join("lock");
    // The lock is free when the last of the job's processes has ended.
    assert!(
        !lock.exists() || Command::new("flock").arg(lock).arg("true").status().unwrap().success()
    );
    if !out.exists() {
        return;
    }
    for name in names(out).iter().filter(|name| name.starts_with("2001/")) {
        assert!(fs::read(out.join(name)).unwrap() == whole[name], "{name} is torn");
    }
    if out.join("ledger").exists() {
        for (name, _) in ledger(out) {
            let findings = name.replace(".pcapng", ".findings");
            assert!(out.join(&findings).exists(), "{findings} is not there");
        }
    }
}

#[test]
fn a_kill_at_any_step_leaves_whole_results_or_none() {
    let mut job = Job::of(day(), &["0804131"]);
    let log = job.scene.path("handed");
    let hook = job.script("hook", &format!("echo \"$@\" >>'{}'\n", log.display()));
    job.hook(&[hook.to_str().unwrap()]);
    job.run().quiet();
    let whole = results(&job.scene.path("out"));

    // Each command that changes a file counts the steps. At one of them everything is killed, a
    // copy in its middle.
    let (step, last) = (job.scene.path("step"), job.scene.path("last"));
    let path = std::env::var("PATH").unwrap();
    for name in ["cp", "mv", "rm", "mkdir", "touch", "sync"] {
        let tear = if name == "cp" { "head -c 100 \"$2\" >\"$3\"; " } else { "" };
        let text = format!(
            "PATH='{path}'\n\
             n=$(($(cat '{step}') + 1)); echo $n >'{step}'\n\
             if [ $n = $(cat '{last}') ]; then {tear}kill -9 0; fi\n\
             exec {name} \"$@\"\n",
            step = step.display(),
            last = last.display(),
        );
        job.script(&format!("stub/{name}"), &text);
    }
    let stubs = job.stub_path();
    for n in 1.. {
        fs::write(&step, "0").unwrap();
        fs::write(&last, n.to_string()).unwrap();
        fs::remove_file(&log).unwrap();
        let out = job.scene.path(&format!("out{n}"));
        let said = job.to(&out).env("PATH", &stubs).process_group(0).output().unwrap();
        if said.status.code().is_some() {
            JobOutput(said).quiet();
            assert!(n > 20, "{n} steps");
            break;
        }
        assert_whole_or_missing(&out, &whole);
        JobOutput(job.to(&out).output().unwrap()).quiet();
        assert_same_results(&job.scene.path("out"), &out);
        // The hook got the file after its results were there.
        let handed = fs::read_to_string(&log).unwrap();
        assert!(handed.ends_with(&format!("{ATTACK}.findings\n")), "{handed}");
    }
}

#[test]
fn a_kill_at_a_random_moment_leaves_whole_results_or_none() {
    let mut job = Job::of(day(), &["0804130", "0804131", "0804132", "0804133"]);
    let log = job.scene.path("handed");
    let text = format!("printf '%s\\n' \"$@\" >>'{}'\n", log.display());
    let hook = job.script("hook", &text);
    job.hook(&[hook.to_str().unwrap()]);
    let began = Instant::now();
    job.run().quiet();
    let took = began.elapsed();
    let whole = results(&job.scene.path("out"));
    assert_eq!(job.ledger().len(), 4);

    let mut random = Random(4);
    for round in 0..3 {
        fs::remove_file(&log).unwrap();
        let out = job.scene.path(&format!("out{round}"));
        for kills in 0.. {
            let mut child = job.to(&out).process_group(0).spawn().unwrap();
            let share = random.below(1000) as u32;
            let patience = took * share / 1000 * (1 + kills / 10);
            let until = Instant::now() + patience;
            let ended = loop {
                match child.try_wait().unwrap() {
                    Some(status) => break Some(status),
                    None if Instant::now() >= until => break None,
                    None => std::thread::sleep(Duration::from_millis(2)),
                }
            };
            if let Some(status) = ended {
                assert!(status.success());
                break;
            }
            kill(&mut child);
            assert_whole_or_missing(&out, &whole);
            assert!(kills < 100, "it never ends");
        }
        assert_same_results(&job.scene.path("out"), &out);
        let handed: BTreeSet<_> =
            fs::read_to_string(&log).unwrap().lines().map(String::from).collect();
        let findings = names(&out).into_iter().filter(|name| name.ends_with(".findings"));
        let findings: BTreeSet<_> =
            findings.map(|name| out.join(name).to_str().unwrap().to_owned()).collect();
        assert_eq!(handed, findings);
    }
}

#[test]
fn concurrent_runs_analyse_each_file_once() {
    let job = Job::of(day(), &["0804130", "0804131", "0804132", "0804133", "0804134"]);
    let children: Vec<_> = (0..4).map(|_| job.command().spawn().unwrap()).collect();
    for child in children {
        JobOutput(child.wait_with_output().unwrap()).quiet();
    }
    // Each file was analysed once.
    let slots = names(&job.scene.path("spool"));
    let files: Vec<_> = job.ledger().into_iter().map(|(name, _)| name).collect();
    assert_eq!(files, slots);
    let alone = job.scene.path("alone");
    JobOutput(job.to(&alone).output().unwrap()).quiet();
    assert_same_results(&job.scene.path("out"), &alone);
}

/// Waits for a file that a hook makes.
#[track_caller]
fn wait_for(path: &Path) {
    let until = Instant::now() + LIMIT;
    while !path.exists() {
        assert!(Instant::now() < until, "{} never came", path.display());
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_file_that_arrives_during_another_run_is_analysed() {
    let mut job = Job::of(day(), &["0804130"]);
    let (held, hold) = (job.scene.path("held"), job.scene.write("hold", ""));
    let text = format!(
        "touch '{}'\nwhile [ -e '{}' ]; do sleep 0.05; done\n",
        held.display(),
        hold.display()
    );
    let hook = job.script("hook", &text);
    job.hook(&[hook.to_str().unwrap()]);
    let first = job.command().spawn().unwrap();
    wait_for(&held);
    job.add(day(), &format!("{ATTACK}.pcapng"));
    // The second run returns at once.
    job.run().quiet();
    assert_eq!(job.ledger().len(), 1);
    fs::remove_file(hold).unwrap();
    JobOutput(first.wait_with_output().unwrap()).quiet();
    assert_eq!(job.ledger().len(), 2);
    assert!(!job.out("again").exists());
}

#[test]
fn a_file_that_arrives_just_before_the_unlock_is_analysed() {
    let mut job = Job::of(day(), &["0804130"]);
    let late = job.scene.path("late");
    fs::copy(day().join(format!("{ATTACK}.pcapng")), &late).unwrap();
    let spool = job.scene.path("spool");
    let command = job.command();
    let line: Vec<_> = [command.get_program()].into_iter().chain(command.get_args()).collect();
    let line: Vec<_> = line.iter().map(|word| format!("'{}'", word.to_str().unwrap())).collect();
    let path = std::env::var("PATH").unwrap();
    let (binaries, ran) = (binaries().display(), job.scene.path("ran"));
    // A file arrives just before the lock is released, and another run starts.
    let text = format!(
        "PATH='{binaries}:{path}'\n\
         if [ \"$1\" = -u ] && [ -e '{late}' ]; then\n\
             mv '{late}' '{spool}/{ATTACK}.pcapng'\n\
             {line} 9>&-; echo $? >'{ran}'\n\
         fi\n\
         exec flock \"$@\"\n",
        late = late.display(),
        spool = spool.display(),
        line = line.join(" "),
        ran = ran.display(),
    );
    let stub = job.script("stub/flock", &text);
    let stub = stub.parent().unwrap().display();
    let mut command = job.command();
    command.env("PATH", format!("{stub}:{binaries}:{path}"));
    JobOutput(command.output().unwrap()).quiet();
    assert_eq!(fs::read_to_string(ran).unwrap(), "0\n");
    assert_eq!(job.ledger().len(), 2);
}
