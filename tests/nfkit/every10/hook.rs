//! The command of --then, which nf-every10 runs with the files that it has written.

use std::fs;

use super::{ATTACK, Job, JobOutput, day};

#[test]
fn the_hook_gets_its_arguments_and_the_files_and_is_retried() {
    let mut job = Job::of(day(), &["0804130", "0804131"]);
    let log = job.scene.path("log");
    let broken = job.scene.write("broken", "");
    let text = format!(
        "for word; do echo \"<$word>\"; done >>'{}'\numask >&2\n[ ! -e '{}' ] || exit 7\n",
        log.display(),
        broken.display()
    );
    let hook = job.script("hook", &text);
    let hook = hook.to_str().unwrap().to_owned();
    job.hook(&[&hook, "a b", "$(touch x)", ""]);
    let mut command = job.through("sh", &["-c", "umask 022; exec \"$@\"", "sh"]);
    let said = JobOutput(command.output().unwrap()).status(1);
    let failed = format!("--then {hook}: status 7; it gets the same files again in the next run");
    said.says(&format!("0022\nnf-every10: {failed}\n"));
    let out = fs::canonicalize(job.scene.path("out")).unwrap();
    let files = ["1300", "1310"]
        .map(|time| format!("<{}/2001/08/04/nfcap.20010804{time}.findings>\n", out.display()));
    let words = "<a b>\n<$(touch x)>\n<>\n".to_owned();
    assert_eq!(fs::read_to_string(&log).unwrap(), words.clone() + &files.concat());

    fs::remove_file(&broken).unwrap();
    fs::remove_file(&log).unwrap();
    job.run().status(0);
    assert_eq!(fs::read_to_string(&log).unwrap(), words.clone() + &files.concat());
    // Without new files the hook does not run.
    fs::remove_file(&log).unwrap();
    job.run().quiet();
    assert!(!log.exists());
}

#[test]
fn a_process_left_by_the_hook_does_not_keep_the_lock() {
    let mut job = Job::of(day(), &["0804130"]);
    let hold = job.scene.write("hold", "");
    let text =
        format!("while [ -e '{}' ]; do sleep 0.05; done >/dev/null 2>&1 &\n", hold.display());
    let hook = job.script("hook", &text);
    job.hook(&[hook.to_str().unwrap()]);
    job.run().quiet();
    job.add(day(), &format!("{ATTACK}.pcapng"));
    job.run().quiet();
    assert_eq!(job.ledger().len(), 2);
    fs::remove_file(hold).unwrap();
}
