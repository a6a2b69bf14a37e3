//! The traffic that nf-every10 counts for the site of `[page]`: what nftop prints of the same flows.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::process::Command;

use nfkit::capture::{Closing, Slot, Writer};
use nfkit::page::traffic::{Counts, Problems, Traffic, TrafficReader};
use nfkit::time::{Timestamp, Window};

use super::{ATTACK, Job, JobOutput, day, evidence, names, results, slot_file, v5};
use crate::harness::tool;

/// Gives the job a configuration whose `[page]` has `write` and these lines.
fn configure(job: &mut Job, lines: &str) {
    job.options.retain(|option| !option.starts_with("--config"));
    let path = job.scene.write("nfkit.toml", format!("[page]\nwrite = 'site'\n{lines}\n"));
    job.options.push(format!("--config={}", path.display()));
}

/// Returns the text of a slot's traffic.
fn traffic(job: &Job, base: &str) -> String {
    evidence(&job.out(&format!("{base}.traffic.zst")))
}

/// Returns the tables of a text, each with its line of names.
fn tables(text: &str) -> Vec<String> {
    let mut tables: Vec<String> = Vec::new();
    for line in text.split_inclusive('\n') {
        match tables.last_mut() {
            Some(table) if !line.starts_with("window,") => table.push_str(line),
            _ => tables.push(line.to_owned()),
        }
    }
    tables
}

/// Returns what nftop prints of flow lines.
fn nftop(flows: &str, per: &str, most: &str) -> String {
    let args = ["--csv", "--per", per, "-n", most];
    tool("nftop").args(args).stdin(flows).run().ok().text().to_owned()
}

/// Returns the addresses of the rows with the largest values in a column, with that value.
fn largest(table: &str, column: &str, most: usize) -> BTreeSet<String> {
    let names: Vec<_> = table.lines().next().unwrap().split(',').collect();
    let at = names.iter().position(|name| *name == column).unwrap();
    let rows = table.lines().skip(1).map(|line| line.split(',').collect::<Vec<_>>());
    let mut rows: Vec<(u64, String)> =
        rows.map(|cells| (cells[at].parse().unwrap(), cells[2].to_owned())).collect();
    rows.sort_by_key(|(value, _)| std::cmp::Reverse(*value));
    assert!(rows[most - 1].0 > rows[most].0, "equal ones are for another test");
    rows.into_iter().take(most).map(|(_, address)| address).collect()
}

fn addresses(table: &str) -> BTreeSet<String> {
    table.lines().skip(1).map(|line| line.split(',').nth(2).unwrap().to_owned()).collect()
}

/// The slot of [`campus`], without its suffix.
const CAMPUS: &str = "2001/07/02/nfcap.200107020800";

/// Returns a job on a slot of a campus with attacks of few bytes.
fn campus() -> Job {
    let job = Job::new();
    let to = format!("{}/", job.scene.path("spool").display());
    let args = ["campus", "--flows", "20000", "--with", "horizontal,spoofed,ports", "-w", &to];
    tool("nfgen").args(args).run().ok();
    job
}

#[test]
fn the_traffic_of_a_slot_is_what_nftop_prints() {
    let mut job = campus();
    configure(&mut job, "");
    job.run().quiet();
    let text = traffic(&job, CAMPUS);
    let file = job.scene.path(&format!("spool/{CAMPUS}.pcapng"));
    let flows = tool("nfdump-txt").arg(&file).run().ok().text().to_owned();
    let [protocols, of_addresses, ports, interfaces] = tables(&text).try_into().unwrap();
    assert_eq!(protocols, nftop(&flows, "proto", "0"));
    assert_eq!(ports, nftop(&flows, "port", "20"));
    assert_eq!(interfaces, nftop(&flows, "if", "50"));

    // The rows of some addresses, as nftop prints them and in its order.
    let all = nftop(&flows, "addr", "0");
    let mut rest = all.lines();
    for line in of_addresses.lines() {
        assert!(
            rest.any(|other| other == line),
            "{line} is not among nftop's, or not in its order"
        );
    }
    let mut expected = largest(&all, "sentoctets", 20);
    expected.extend(largest(&all, "recvoctets", 20));
    let findings = job.text(&format!("{CAMPUS}.findings"));
    let hosts = |line: &str| -> Vec<String> {
        let cells: Vec<_> = line.split('\t').collect();
        let peers = cells[10].split(',').map(|peer| peer.split('=').next().unwrap());
        let peers = peers.filter(|peer| peer.starts_with("140.119."));
        [cells[4]].into_iter().chain(peers).map(str::to_owned).collect()
    };
    let found: BTreeSet<_> =
        findings.lines().filter(|line| !line.starts_with('#')).flat_map(hosts).collect();
    let found: BTreeSet<_> = found.into_iter().filter(|host| !host.contains('/')).collect();
    assert!(found.iter().any(|host| !expected.contains(host)), "{found:?} are counted anyway");
    expected.extend(found);
    assert_eq!(addresses(&of_addresses), expected);
}

#[test]
fn the_site_reads_what_was_counted() {
    let mut job = campus();
    configure(&mut job, "hosts = ['140.119.0.0/16', '10.0.0.0/8']");
    job.run().quiet();
    let mut reader = TrafficReader::new();
    reader.read(traffic(&job, CAMPUS).as_bytes()).unwrap();
    let Traffic { windows, problems } = reader.finish();
    assert_eq!(problems, Problems::default());
    let [slot] = windows.as_slice() else { panic!("{windows:?}") };
    assert_eq!(slot.window.start_text(), "2001-07-02T08:00:00Z");
    // The totals are exact.
    let file = job.scene.path(&format!("spool/{CAMPUS}.pcapng"));
    let flows = tool("nfdump-txt").arg(&file).run().ok().text().to_owned();
    let sum = |at: usize| {
        let rows = flows.lines().filter(|line| !line.starts_with('#'));
        rows.map(|line| line.split('\t').nth(at).unwrap().parse::<u64>().unwrap()).sum::<u64>()
    };
    let rows = flows.lines().filter(|line| !line.starts_with('#')).count() as u64;
    let total = Counts { flows: rows, packets: sum(7), octets: sum(8) };
    assert_eq!(slot.total(), Some(total));
    // A hundred of our hosts, beside those that are counted anyway.
    let ours =
        slot.addresses.iter().filter(|of| of.key.to_string().starts_with("140.119.")).count();
    assert!((100..=340).contains(&ours) && slot.addresses.len() <= 340, "{ours}");
    assert_eq!((slot.ports.len(), slot.interfaces.is_empty()), (20, false));
}

#[test]
fn counting_changes_no_other_result_and_needs_a_site() {
    let mut job = Job::of(day(), &["0804131"]);
    job.run().quiet();
    let plain = job.scene.path("plain");
    fs::rename(job.scene.path("out"), &plain).unwrap();
    configure(&mut job, "");
    job.run().quiet();
    let (plain, counted) = (results(&plain), results(&job.scene.path("out")));
    let traffic = format!("{ATTACK}.traffic.zst");
    assert!(counted.contains_key(&traffic) && !plain.contains_key(&traffic));
    let is_site = |name: &str| name == traffic || name.starts_with("page-store");
    for (name, bytes) in counted.iter().filter(|(name, _)| !is_site(name)) {
        // The facts say if the traffic was counted.
        assert!(name == "last-slot" || bytes == &plain[name], "{name} differs");
    }
    let check = |job: &Job| {
        let ran = job.command().arg("--check").output().unwrap();
        let text = String::from_utf8(ran.stdout).unwrap();
        let mut lines = text.lines().filter(|line| line.split('\t').nth(1) == Some("traffic"));
        (lines.next().map(str::to_owned), lines.count())
    };
    let site = job.scene.path("site");
    let text = format!("ok\ttraffic\tcounted for the site {}", site.display());
    assert_eq!(check(&job), (Some(text), 0));

    // A slot that is analysed again without a site has none of an earlier time.
    fs::write(job.out("ledger"), "").unwrap();
    configure(&mut job, "");
    job.scene.write("nfkit.toml", "[page]\ntitle = 'Ours'\n");
    assert_eq!(check(&job), (None, 0));
    job.run().quiet();
    assert!(!job.out(&traffic).exists());
    configure(&mut job, "");
    let site = site.display();
    let text =
        format!("note\ttraffic\tthe next slot is the first to be counted for the site {site}");
    assert_eq!(check(&job), (Some(text), 0));
}

/// Returns the file of a slot that another program has filled with many windows.
fn many_windows(count: u64) -> (String, Vec<u8>) {
    let from: SocketAddr = "192.0.2.1:2055".parse().unwrap();
    let to: SocketAddr = "192.0.2.99:9999".parse().unwrap();
    let mut writer = Writer::new(Vec::new());
    for n in 0..count {
        let window = Window::new(994_000_200 + 600 * n, 600).unwrap();
        let start = Timestamp::from_secs(window.start());
        writer.section(&Slot { window, allow: Some(Vec::new()), ident: None }).unwrap();
        writer.datagram(start, from, to, &v5(start)).unwrap();
        let end = Timestamp::from_secs(window.end());
        writer.end(&Closing { start, end, ..Closing::default() }).unwrap();
    }
    (slot_file(0, &[]).0, writer.into_inner())
}

#[test]
fn a_slot_whose_traffic_cannot_be_counted_is_analysed() {
    let mut job = Job::new();
    configure(&mut job, "");
    for (count, is_counted) in [(64, true), (65, false)] {
        let (name, bytes) = many_windows(count);
        job.put(&name, bytes);
        job.run().status(0);
        let base = name.strip_suffix(".pcapng").unwrap().to_owned();
        assert_eq!(job.verdicts().last().unwrap(), &format!("{name} done"));
        // The old traffic is not that of the slot any more.
        assert_eq!(job.out(&format!("{base}.traffic.zst")).exists(), is_counted);
        let said = fs::read_to_string(job.out(&format!("{base}.said"))).unwrap_or_default();
        let text = "nf-every10: the traffic is not counted: the slot has more than 64 windows\n";
        assert_eq!(said.contains(text), !is_counted, "{said}");
    }
    let check = JobOutput(job.command().arg("--check").output().unwrap());
    let check = String::from_utf8(check.0.stdout).unwrap();
    let text = "is not counted: the slot has more than 64 windows\n";
    let line = check.split_inclusive('\n').find(|line| line.starts_with("warn\ttraffic\t"));
    assert!(line.is_some_and(|line| line.ends_with(text)), "{check}");
}

#[test]
fn hosts_that_cannot_be_read_cost_only_their_rows() {
    let mut job = Job::of(day(), &["0804131"]);
    configure(&mut job, "hosts = '@hosts'");
    let ran = job.run().status(1);
    assert!(ran.err().contains("the site is not up to date: nfpage: --hosts: "), "{}", ran.err());
    assert!(job.scene.path("site/index.html").exists());
    let said = job.text(&format!("{ATTACK}.said"));
    let path = job.scene.path("hosts");
    let text = format!("nf-every10: [page] hosts: {}: ", path.display());
    assert!(said.contains(&text), "{said}");
    assert_eq!(tables(&traffic(&job, ATTACK)).len(), 4);
    let check = Command::output(job.command().arg("--check")).unwrap();
    let check = String::from_utf8(check.stdout).unwrap();
    assert!(check.contains(&format!("warn\ttraffic\t[page] hosts: {}", path.display())), "{check}");
    assert_eq!(
        names(&job.scene.path("out")).iter().filter(|name| name.ends_with(".traffic.zst")).count(),
        1
    );
}
