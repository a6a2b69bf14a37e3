//! nf-every10 as README installs it: by its configuration file and its line for cron.

use std::fs;
use std::path::Path;

use super::{Job, names};
use crate::harness::{package, tool};

/// Returns the configuration file of README, with the file of exporters in `dir`.
fn configuration(readme: &str, dir: &Path) -> String {
    let begin = "    cat >/etc/nfkit/nfkit.toml <<END\n";
    let text = readme.split(begin).nth(1).unwrap().split("    END\n").next().unwrap();
    let lines = text.lines().map(|line| line.trim_start().to_owned() + "\n");
    let text: String = lines.collect();
    assert!(text.contains("/etc/nfkit/exporters"), "{text}");
    text.replace("/etc/nfkit", dir.to_str().unwrap())
}

/// Returns the words of README's line for cron behind the user's name.
fn crontab(readme: &str) -> Vec<String> {
    let line = readme.lines().find(|line| line.contains("1-59/10 * * * * nfkit ")).unwrap();
    line.split_whitespace().skip(6).map(str::to_owned).collect()
}

/// The classes that need what earlier windows taught are found with no option but those of README.
#[test]
fn the_lines_of_readme_find_what_needs_memory() {
    let readme = fs::read_to_string(package("README.md")).unwrap();
    let mut job = Job::new();
    let to = format!("{}/", job.scene.path("spool").display());
    let play = |args: &str| {
        tool("nfgen").args(args.split_whitespace()).args(["-w", &to]).run().ok();
    };
    // A third of a day in which the servers have their usual traffic, a window in which they get more, and
    // hosts that attack in window after window.
    play("campus --start 2001-07-02T00:00:00Z --for 8h --flows 100000 --with webserver=30x5");
    play("campus --start 2001-07-02T08:00:00Z --flows 50000 --with volumex5");
    play("none --start 2001-07-02T08:10:00Z --for 90m --with slow,chain");
    let config = job.scene.write("nfkit.toml", configuration(&readme, &job.scene.path(".")));
    // The exporter of nfgen's files.
    job.scene.write("exporters", "192.0.2.1\n");
    let words = crontab(&readme);
    assert_eq!(words, ["nice", "nf-every10", "/var/spool/nfcap", "/var/lib/nfkit/job"]);
    job.options = vec!["--config".to_owned(), config.to_str().unwrap().to_owned()];
    job.run().quiet();
    let out = job.scene.path("out");
    let findings = names(&out).into_iter().filter(|name| name.ends_with(".findings"));
    let findings: String =
        findings.map(|name| fs::read_to_string(out.join(name)).unwrap()).collect();
    for class in ["flood\tvolume", "scan\tslow", "port\tinfected"] {
        assert!(findings.contains(&format!("\t{class}\t")), "{class}: {findings}");
    }
    assert_eq!(job.health(), [""; 0]);
}
