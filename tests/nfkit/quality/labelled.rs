//! Labelled real traffic, which lies beside the project and is not part of it, by the rules of its
//! own scorer. An attacker is a source whose scans reach 25 distinct (host, port) in a slot of ten
//! minutes. Other ends of flows that are not benign are neither right nor wrong. All other hosts
//! are benign.

use std::collections::BTreeSet;
use std::io::Read;
use std::net::IpAddr;
use std::path::PathBuf;

use foldhash::{HashMap, HashSet};
use ipnet::IpNet;

use super::flows::{Flow, Stream, WINDOW, millis};
use super::peers::TARGETS;
use super::score::{Kind, Truth};
use crate::harness::package;

/// A set, with the inside networks of the place where it was captured, from its README.
pub struct Set {
    name: &'static str,
    file: &'static str,
    inside: &'static str,
}

const fn set(name: &'static str, file: &'static str, inside: &'static str) -> Set {
    Set { name, file, inside }
}

/// Benign sets: the private network of an office, and a university's.
const BENIGN_SETS: [Set; 2] = [
    set("ctusme11", "ctusme11-2023-02-20-benign", "192.168.1.0/24"),
    set("ctu-normal", "ctu-normal-2013-10-21-benign", "147.32.0.0/16"),
];

/// Sets with attacks: the border of a laboratory that is scanned; a lab's host that scans other
/// networks, seen from its own; a university's host; two home networks and a campus with hosts that
/// attack; a victim's network.
const ATTACK_SETS: [Set; 8] = [
    set("scanng-23", "scanNG-23-tcp-scan-single", "131.243.0.0/16"),
    set("strato-nmap", "strato-002-nmap-multinet", "172.16.1.0/24"),
    set("ctu50-mixed", "ctu50-010-zeek-mixed", "147.32.0.0/16"),
    set("vertical", "slips-vertical-scan", "192.168.1.0/24"),
    set("icmp", "slips-test12-icmp-sweep", "192.168.1.0/24"),
    set("ssh-guessing", "slips-test19-ssh-bruteforce", "147.32.0.0/16"),
    set("snmp-amp", "stopddos-amp.UDP.snmp.src161", "10.10.10.0/24"),
    set("synflood", "stopddos-pkt.TCP.synflood.spoofed", "10.10.10.0/24"),
];

pub const BENIGN: &[&str] = &["ctusme11", "ctu-normal"];

pub const ATTACKS: &[&str] = &[
    "scanng-23",
    "strato-nmap",
    "ctu50-mixed",
    "vertical",
    "icmp",
    "ssh-guessing",
    "snmp-amp",
    "synflood",
];

pub const MIXED: &[&str] = &[
    "scanng-23+ctusme11",
    "scanng-23+ctu-normal",
    "strato-nmap+ctusme11",
    "strato-nmap+ctu-normal",
    "ctu50-mixed+ctusme11",
    "ctu50-mixed+ctu-normal",
    "vertical+ctusme11",
    "vertical+ctu-normal",
    "icmp+ctusme11",
    "icmp+ctu-normal",
    "ssh-guessing+ctusme11",
    "ssh-guessing+ctu-normal",
    "snmp-amp+ctusme11",
    "snmp-amp+ctu-normal",
    "synflood+ctusme11",
    "synflood+ctu-normal",
];

/// The traffic of one row.
pub struct Sample {
    pub name: String,
    pub text: String,
    pub inside: String,
}

/// Returns the directory of the sets.
fn directory() -> PathBuf {
    package("../shared/labelled")
}

/// Returns true if the sets are there.
pub fn are_there() -> bool {
    directory().is_dir()
}

fn read(set: &Set) -> String {
    let file = std::fs::File::open(directory().join(format!("{}.tsv.gz", set.file))).unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    text
}

/// Returns the traffic of all rows: each set, and each attack played into each benign set.
pub fn samples() -> Vec<Sample> {
    let mut samples = Vec::new();
    let quiet = BENIGN_SETS.map(|set| (read(&set), set));
    for (text, set) in &quiet {
        let (name, inside) = (set.name.to_owned(), set.inside.to_owned());
        samples.push(Sample { name, text: text.clone(), inside });
    }
    for set in &ATTACK_SETS {
        let text = read(set);
        let (name, inside) = (set.name.to_owned(), set.inside.to_owned());
        samples.push(Sample { name, text: text.clone(), inside });
        for (benign, into) in &quiet {
            let name = format!("{}+{}", set.name, into.name);
            let inside = format!("{},{}", into.inside, rename(set.inside));
            samples.push(Sample { name, text: mix(&text, benign), inside });
        }
    }
    samples
}

/// Replaces networks that a benign set has too, so that no host has two roles.
fn rename(address: &str) -> String {
    for (from, to) in [("192.168.1.", "192.168.201."), ("147.32.", "147.33.")] {
        if let Some(rest) = address.strip_prefix(from) {
            return format!("{to}{rest}");
        }
    }
    address.to_owned()
}

/// Plays an attack into benign traffic, starting an hour after its begin. The attack is moved by
/// whole slots, so that its flows share a slot as before.
fn mix(attack: &str, benign: &str) -> String {
    let fields = |text: &str| text.lines().next().unwrap().to_owned();
    assert_eq!(fields(attack), fields(benign));
    let names: Vec<_> = attack.lines().next().unwrap().split('\t').skip(1).collect();
    let place = |name: &str| names.iter().position(|&n| n == name).unwrap();
    let (sip, dip) = (place("sip"), place("dip"));
    let times = [place("start"), place("end")];
    // Milliseconds, because sums must be exact.
    let millis = |cell: &str| millis(cell) as i64;
    let slot = |text: &str| {
        let starts = text.lines().skip(1).map(|line| line.split('\t').nth(times[0]).unwrap());
        starts.map(millis).min().unwrap() / 1000 / WINDOW as i64
    };
    let shift = (slot(benign) + 6 - slot(attack)) * WINDOW as i64 * 1000;
    let mut all: Vec<(i64, String)> = Vec::new();
    for line in benign.lines().skip(1) {
        all.push((millis(line.split('\t').nth(times[0]).unwrap()), line.to_owned()));
    }
    for line in attack.lines().skip(1) {
        let mut cells: Vec<String> = line.split('\t').map(str::to_owned).collect();
        for place in times {
            let moved = millis(&cells[place]) + shift;
            cells[place] = format!("{}.{:03}", moved / 1000, moved % 1000);
        }
        for place in [sip, dip] {
            cells[place] = rename(&cells[place]);
        }
        all.push((millis(&cells[times[0]]), cells.join("\t")));
    }
    all.sort_by_key(|(start, _)| *start);
    let mut text = fields(benign) + "\n";
    all.iter().for_each(|(_, line)| text += &format!("{line}\n"));
    text
}

/// Derives the truth from the labels.
pub fn truth(kind: Kind, stream: &Stream) -> Truth {
    match kind {
        Kind::Scan => scans(stream),
        Kind::Flood => floods(stream),
        Kind::Port => {
            let mut truth = Truth::labelled(kind, [], stream);
            truth.ignored = ends(stream, |label| label != "benign");
            truth
        }
    }
}

/// Returns the flows with their labels.
fn labels(stream: &Stream) -> impl Iterator<Item = (&Flow, &str)> {
    let windows = stream.windows.iter().zip(&stream.labels);
    windows.flat_map(|(flows, labels)| flows.iter().zip(labels.iter().map(String::as_str)))
}

/// Returns both ends of the flows whose label satisfies `is`.
fn ends(stream: &Stream, is: impl Fn(&str) -> bool) -> HashSet<IpAddr> {
    labels(stream).filter(|(_, label)| is(label)).flat_map(|(f, _)| [f.sip, f.dip]).collect()
}

/// Returns the scanners.
fn scans(stream: &Stream) -> Truth {
    let mut targets: HashMap<_, HashSet<_>> = HashMap::default();
    for (flow, _) in labels(stream).filter(|(_, label)| ["scan", "port-worm"].contains(label)) {
        let slot = flow.start / 1000 / WINDOW;
        targets.entry((flow.sip, slot)).or_default().insert((flow.dip, flow.dport));
    }
    let many = targets.into_iter().filter(|(_, targets)| targets.len() >= TARGETS);
    let attackers = many.map(|((sip, _), _)| (sip, true));
    let mut truth = Truth::labelled(Kind::Scan, attackers, stream);
    truth.ignored = ends(stream, |label| label != "benign");
    truth
}

/// Returns the victims of floods. The sources are ignored, because they may be forged.
fn floods(stream: &Stream) -> Truth {
    let flows = labels(stream).filter(|&(_, label)| label == "flood");
    let victims: BTreeSet<IpAddr> = flows.map(|(flow, _)| flow.dip).collect();
    let mut truth = Truth::labelled(Kind::Flood, victims.iter().map(|&ip| (ip, false)), stream);
    truth.ignored = ends(stream, |label| label == "flood");
    truth.ignored.retain(|ip| !victims.contains(ip));
    truth
}

/// Parses a list of networks with commas.
pub fn nets(list: &str) -> Vec<IpNet> {
    list.split(',').map(|net| net.parse().unwrap()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::score::{named, score};
    use super::*;

    const FIELDS: &str = "#fields\tsif\tsip\tdip\tdif\tproto\tsport\tdport\tpackets\toctets\tstart\tend\tflags\tlabel\n";

    fn row(sip: &str, dip: &str, start: &str, label: &str) -> String {
        format!("0\t{sip}\t{dip}\t0\t6\t1025\t80\t1\t40\t{start}\t{start}\t2\t{label}\n")
    }

    #[test]
    fn an_attack_is_moved_by_whole_slots_and_renamed() {
        let benign = FIELDS.to_owned()
            + &row("192.168.1.5", "192.0.2.1", "1200.5", "benign")
            + &row("192.168.1.5", "192.0.2.1", "9000.250", "benign");
        let attack = FIELDS.to_owned() + &row("192.168.1.5", "10.0.0.1", "77.125", "scan");
        let expected = FIELDS.to_owned()
            + &row("192.168.1.5", "192.0.2.1", "1200.5", "benign")
            + &row("192.168.201.5", "10.0.0.1", "4877.125", "scan")
            + &row("192.168.1.5", "192.0.2.1", "9000.250", "benign");
        assert_eq!(mix(&attack, &benign), expected);
    }

    #[test]
    fn labels_define_scanners_and_benign_hosts() {
        let scan = |n: u32| row("10.0.0.9", &format!("10.1.0.{n}"), "5", "scan");
        let mut text = FIELDS.to_owned() + &(1..=24).map(scan).collect::<String>();
        let later = row("10.0.0.9", "10.1.0.99", "601", "scan");
        let rest = row("10.0.0.1", "10.0.0.2", "602", "benign");
        let must = |text: &str| score(&truth(Kind::Scan, &Stream::read(text)), &[]).0.must;
        assert_eq!(must(&(text.clone() + &later + &rest)), 0);
        text = text + &scan(25) + &later + &rest;
        assert_eq!(must(&text), 1);

        let truth = truth(Kind::Scan, &Stream::read(&text));
        let finding = |class: &str, host: &str, role: &str| {
            let fields = "#fields\tclass\thost\trole\tproto\tport\twhy\n";
            let named = named(&format!("{fields}{class}\t{host}\t{role}\t6\t80\t-\n"));
            let (score, _) = score(&truth, &named);
            (score.found, score.wrong)
        };
        assert_eq!(finding("dark", "10.0.0.9", "source"), (1, 0));
        assert_eq!(finding("dark", "10.1.0.7", "source"), (0, 0));
        assert_eq!(finding("group", "10.1.0.0/24", "source"), (0, 0));
        assert_eq!(finding("dark", "10.0.0.1", "source"), (0, 1));
        assert_eq!(finding("backscatter", "10.0.0.1", "target"), (0, 0));
    }

    #[test]
    fn labels_define_the_victims_of_floods() {
        let text = FIELDS.to_owned()
            + &row("10.0.0.9", "10.1.0.1", "5", "flood")
            + &row("10.0.0.8", "10.1.0.2", "5", "scan");
        let truth = truth(Kind::Flood, &Stream::read(&text));
        let judge = |host: &str, role: &str| {
            let fields = "#fields\tclass\thost\trole\tproto\tport\twhy\n";
            let (score, _) =
                score(&truth, &named(&format!("{fields}dos\t{host}\t{role}\t6\t80\t-\n")));
            (score.must, score.found, score.wrong)
        };
        assert_eq!(judge("10.1.0.1", "target"), (1, 1, 0));
        assert_eq!(judge("10.1.0.1", "source"), (1, 0, 1));
        assert_eq!(judge("10.0.0.9", "source"), (1, 0, 0));
        assert_eq!(judge("10.1.0.2", "target"), (1, 0, 1));
    }
}
