//! The site, `[page]` of the configuration: nf-every10 writes it after each run that analysed something.

use std::fs;
use std::path::PathBuf;

use super::{Job, day, names};

/// A time shortly after the last slot of [`job`].
const NOW: &str = "2001-08-04T13:21:00Z";

/// Returns a job on two slots, the second with attacks, with a site and this text behind its `[page]`.
fn job(more: &str) -> Job {
    let mut job = Job::of(day(), &["0804130", "0804131"]);
    job.options.push(format!("--now={NOW}"));
    let text =
        "[site]\noperator = 'noc@example.net'\ntimezone = 'Asia/Taipei'\n[page]\nwrite = 'www'\n";
    let path = job.scene.write("nfkit.toml", format!("{text}{more}"));
    job.options.push(format!("--config={}", path.display()));
    job
}

fn www(job: &Job, name: &str) -> PathBuf {
    job.scene.path("www").join(name)
}

fn page(job: &Job, name: &str) -> String {
    fs::read_to_string(www(job, name)).unwrap()
}

/// Returns the hosts of the findings of both slots.
fn found(job: &Job) -> Vec<String> {
    let mut hosts = Vec::new();
    for digits in ["1300", "1310"] {
        let text = job.text(&format!("2001/08/04/nfcap.20010804{digits}.findings"));
        let rows = text.lines().filter(|line| !line.starts_with('#'));
        hosts.extend(rows.map(|row| row.split('\t').nth(4).unwrap().to_owned()));
    }
    hosts.sort();
    hosts.dedup();
    hosts
}

#[test]
fn the_site_has_the_hosts_of_all_slots() {
    let mut job = job("title = 'Our <hosts>'\n");
    job.run().status(0);
    let index = page(&job, "index.html");
    assert!(index.contains("seen until 2001-08-04 21:20 +08:00"), "{index}");
    assert!(index.contains("Our &#60;hosts&#62;"));
    let hosts = found(&job);
    assert!(!hosts.is_empty());
    for host in &hosts {
        let name = format!("host/{}.html", host.replace(':', "-").replace('/', "_"));
        assert!(www(&job, &name).exists(), "{name}");
    }
    // The findings of a day lie in OUT, and not in the site.
    assert!(names(&job.out("page-store")).contains(&"2001-08-04.findings.zst".to_owned()));
    assert!(!job.out("page").exists());
    assert_eq!(job.gauge("page-failed"), 0);
    // A run with nothing to do leaves the site.
    let before = page(&job, "index.html");
    job.run().quiet();
    assert_eq!(page(&job, "index.html"), before);
    job.options.push("--check".to_owned());
    let ran = job.run();
    let out = String::from_utf8_lossy(&ran.0.stdout).into_owned();
    let site = out.lines().find(|line| line.split('\t').nth(1) == Some("site")).unwrap();
    assert!(site.starts_with("ok\tsite\t") && site.ends_with("1 minutes ago"), "{site}");
}

#[test]
fn a_site_that_cannot_be_written_is_told_once_and_costs_no_slot() {
    let job = job("");
    // A file in the place of the directory.
    job.scene.write("www", "");
    let ran = job.run().status(1);
    assert!(ran.err().contains("the site is not up to date: nfpage: "), "{}", ran.err());
    assert_eq!(job.health(), ["begin page-failed -"]);
    assert_eq!((job.gauge("page-failed"), job.ledger().len()), (1, 2));
    let waiting = job.text("page");
    assert_eq!(waiting.lines().count(), 2, "{waiting}");
    job.run().status(1).says("");
    fs::remove_file(job.scene.path("www")).unwrap();
    let ran = job.run().status(0);
    assert!(ran.err().contains("the site is up to date"), "{}", ran.err());
    assert!(!job.out("page").exists());
    assert!(page(&job, "index.html").contains("seen until 2001-08-04 21:20 +08:00"));
    assert_eq!(job.health(), ["begin page-failed -", "end page-failed -"]);
}

#[test]
fn the_site_says_what_the_memory_of_incidents_knows() {
    let job = job("[incident]\ndb = 'memory/incidents.db'\n");
    job.run().status(0);
    let index = page(&job, "index.html");
    assert!(index.contains(">Owner</th>") || index.contains(">Owner<"), "{index}");
    let host = found(&job).remove(0);
    let text = page(&job, &format!("host/{host}.html"));
    assert!(text.contains("nfnotify resolve --why"), "{text}");
}

#[test]
fn a_masked_site_names_no_host() {
    let job = job("mask = true\n[incident]\ndb = 'memory/incidents.db'\n");
    job.run().status(0);
    let all: String =
        ["index.html", "day/2001-08-04.html", "about.html"].map(|name| page(&job, name)).concat();
    for host in found(&job) {
        assert!(!all.contains(&host), "{host}");
    }
    assert!(all.contains(".? ("), "{all}");
    assert!(!www(&job, "host").exists());
}
