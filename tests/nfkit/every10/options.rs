//! The findings of nf-every10 are those of the detectors with the same options.

use std::fs;
use std::path::Path;

use super::{Job, JobOutput, day, names};
use crate::harness::{DETECTORS, INSIDE, Scene, package, tool};

/// Returns the finding lines and marks that the detectors print by themselves about files, each with its own
/// options.
#[track_caller]
fn alone(files: &[&Path], options: [&[&str]; 3]) -> Vec<String> {
    let flows = tool("nfdump-txt").args(["--fields", "+start,end,flags,exporter,sampling"]);
    let flows = flows.args(files).run();
    let scene = Scene::new();
    let mut lines = Vec::new();
    for (name, options) in DETECTORS.into_iter().zip(options) {
        let mut run = tool(name).args(options);
        // The paper's rules have no memory.
        if !options.contains(&"--paper") {
            run = run.arg("--state").arg(scene.path(name));
        }
        let ran = run.stdin(&flows.out).run().ok();
        lines.extend(ran.text().lines().map(str::to_owned));
    }
    let fields = lines[0].clone();
    let mut first = true;
    lines.retain(|line| *line != fields || std::mem::take(&mut first));
    lines
}

/// Returns the findings of a slot without the number of silent exporters.
#[track_caller]
fn findings(job: &Job, base: &str) -> Vec<String> {
    let text = job.text(&format!("{base}.findings"));
    text.lines().map(|line| line.replace("\tsilent=0", "")).collect()
}

#[test]
fn every_capture_has_the_findings_of_the_commands() {
    let mut captures: Vec<_> =
        fs::read_dir(package("tests/data")).unwrap().map(|entry| entry.unwrap().path()).collect();
    captures.retain(|path| path.extension().is_some_and(|end| end == "pcapng" || end == "pcap"));
    captures.sort();
    assert!(captures.len() >= 16);
    let options: &[&str] = &["--inside", "10.0.0.0/8,140.119.0.0/16,2001:db8::/32"];
    for capture in captures {
        let mut job = Job::new();
        job.options = options.iter().map(|&word| word.to_owned()).collect();
        job.put("nfcap.200107010020.pcapng", fs::read(&capture).unwrap());
        let said = job.run();
        assert!(matches!(said.0.status.code(), Some(0)), "{}: {}", capture.display(), said.err());
        let expected = alone(&[&capture], [options; 3]);
        assert!(expected.iter().any(|line| line.starts_with("#end")), "{}", capture.display());
        assert_eq!(
            findings(&job, "2001/07/01/nfcap.200107010020"),
            expected,
            "{}",
            capture.display()
        );
    }
}

/// Runs the job with options, and asserts that its findings are those of the detectors with theirs. Returns
/// the rows.
#[track_caller]
fn assert_same(job: &Job, ours: &[&str], theirs: [&[&str]; 3]) -> Vec<String> {
    let slot = names(&job.scene.path("spool")).pop().unwrap();
    let out = job.scene.path("one");
    let mut command = Job::command_of(job, ours, &out);
    JobOutput(command.output().unwrap()).status(0);
    let base = slot.trim_end_matches(".pcapng");
    let text = fs::read_to_string(out.join(format!("{base}.findings"))).unwrap();
    let lines: Vec<_> = text.lines().map(|line| line.replace("\tsilent=0", "")).collect();
    assert_eq!(lines, alone(&[&job.scene.path("spool").join(&slot)], theirs), "{ours:?}");
    fs::remove_dir_all(out).unwrap();
    lines.into_iter().filter(|line| !line.starts_with('#')).collect()
}

impl Job {
    /// Returns a command with these options instead of the usual ones.
    fn command_of(&self, options: &[&str], out: &Path) -> std::process::Command {
        let usual = self.to(out);
        let mut command = std::process::Command::new(usual.get_program());
        for (key, value) in usual.get_envs() {
            match value {
                Some(value) => command.env(key, value),
                None => command.env_remove(key),
            };
        }
        command.args(options).arg(self.scene.path("spool")).arg(out);
        command
    }
}

#[test]
fn options_of_the_detectors_have_their_effect() {
    let job = Job::of(day(), &["0804131"]);
    let plain = ["--inside", INSIDE];
    let all = assert_same(&job, &plain, [&plain; 3]);
    assert!(all.len() > 1);

    // The paper's rules, for one of them or for all.
    let paper = ["--inside", INSIDE, "--paper"];
    let one =
        assert_same(&job, &["--inside", INSIDE, "--nfflood=--paper"], [&plain, &paper, &plain]);
    assert_ne!(one, all);
    let ours = ["--inside", INSIDE, "--nfscan=--paper", "--nfflood=--paper", "--nfport=--paper"];
    assert_same(&job, &ours, [&paper; 3]);

    // More than one option for one detector.
    let side = ["--inside", INSIDE, "--paper", "--side=inside"];
    let ours = ["--inside", INSIDE, "--nfflood", "--paper", "--nfflood=--side=inside"];
    assert_same(&job, &ours, [&plain, &side, &plain]);

    // Little memory changes nothing.
    let ours = ["--inside", INSIDE, "--memory", "64K"];
    assert_eq!(assert_same(&job, &ours, [&plain; 3]), all);

    // Flows that are ignored make no finding.
    let host = all[0].split('\t').nth(4).unwrap().split('/').next().unwrap().to_owned();
    let file = job.scene.write("ignore", format!("{host} *\n* {host}\n"));
    let file = file.to_str().unwrap();
    let ignore = ["--inside", INSIDE, "--ignore", file];
    let fewer = assert_same(&job, &ignore, [&ignore; 3]);
    assert!(fewer.len() < all.len(), "{host}");
}

/// Returns a job with one slot in which only these hosts act.
fn played(with: &str) -> Job {
    let job = Job::new();
    tool("nfgen")
        .args(["none", "--with", with, "--start", "2001-07-01T00:20:00Z", "-w"])
        .arg(format!("{}/", job.scene.path("spool").display()))
        .run()
        .ok();
    job
}

#[test]
fn limits_survey_and_outside_interfaces_have_their_effect() {
    let job = played("horizontal,flood");
    let plain = ["--inside", INSIDE];
    let all = assert_same(&job, &plain, [&plain; 3]);
    let cell = |row: &str, n: usize| row.split('\t').nth(n).unwrap().to_owned();
    let scan = all.iter().find(|row| row.contains("\tscan\t")).expect("a scan");
    let scanner = cell(scan, 4);
    let survey = ["--inside", INSIDE, "--survey", &scanner];
    let surveyed = assert_same(&job, &survey, [&survey, &plain, &plain]);
    assert!(surveyed.iter().any(|row| cell(row, 3) == "survey"), "{surveyed:?}");

    for (class, limits) in
        [("horizontal", "*,horizontal,off\n"), ("dos", "140.119.0.0/16,dos,1000000\n")]
    {
        let file = job.scene.write("limits", limits);
        let limits = ["--inside", INSIDE, "--limits", file.to_str().unwrap()];
        let others = assert_same(&job, &limits, [&limits; 3]);
        assert!(all.iter().any(|row| cell(row, 3) == class));
        assert!(others.iter().all(|row| cell(row, 3) != class), "{others:?}");
    }

    // Inside addresses that enter through this interface of nfgen's router are forged.
    let job = played("spoofed");
    let all = assert_same(&job, &plain, [&plain; 3]);
    let outside = ["--inside", INSIDE, "--outside-if", "1"];
    assert_ne!(assert_same(&job, &outside, [&plain, &outside, &plain]), all);
}
