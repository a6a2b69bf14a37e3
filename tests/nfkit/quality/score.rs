//! Who was to be found, who was named, and what that counts for.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use foldhash::{HashMap, HashSet};
use ipnet::IpNet;

use super::flows::Stream;
use super::peers::TARGETS;
use crate::harness::table;

/// A finding of a scan, as far as it is judged.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Named {
    /// An address as a network of its own.
    pub host: IpNet,
    /// Whether it is called a source. Else it is a target, which is the victim of backscatter.
    pub source: bool,
    pub class: String,
    pub why: String,
}

fn net(text: &str) -> IpNet {
    text.parse().unwrap_or_else(|_| IpNet::from(text.parse::<IpAddr>().unwrap()))
}

/// It is one address and no network.
fn single(host: &IpNet) -> bool {
    host.prefix_len() == host.max_prefix_len()
}

/// The findings of a detector's output, each host, role and class once.
pub fn named(findings: &str) -> Vec<Named> {
    let mut all = BTreeMap::new();
    for row in table(findings) {
        let named = Named {
            host: net(&row["host"]),
            source: row["role"] == "source",
            class: row["class"].clone(),
            why: format!("proto={} port={} {}", row["proto"], row["port"], row["why"]),
        };
        all.entry((named.host, named.source, named.class.clone())).or_insert(named);
    }
    all.into_values().collect()
}

/// What a baseline says.
pub fn plain(hosts: &BTreeSet<IpAddr>) -> Vec<Named> {
    let named = |&host: &IpAddr| {
        let (class, why) = (String::new(), String::new());
        Named { host: host.into(), source: true, class, why }
    };
    hosts.iter().map(named).collect()
}

/// What is true of a stream.
#[derive(Debug, Default)]
pub struct Truth {
    /// Scanners that must be found, with the classes that are right for each.
    must: BTreeMap<IpNet, BTreeSet<String>>,
    /// Sources of which it is true, but no matter.
    may: BTreeSet<IpNet>,
    /// Victims of floods whose answers arrive here, if it is known who they are.
    victims: Option<BTreeSet<IpNet>>,
    /// Who is neither right nor wrong to name.
    pub ignored: HashSet<IpAddr>,
    /// Of a network that must be found, the members that say as much if all of them are named.
    members: BTreeMap<IpNet, BTreeSet<IpAddr>>,
    /// Everyone seen.
    pub hosts: HashSet<IpAddr>,
}

impl Truth {
    /// As nfgen says. Of a host that other detectors must find as a source it is no lie that it
    /// scans.
    pub fn of(truth: &str, stream: &Stream) -> Truth {
        let mut all = Truth::default();
        let mut victims = BTreeSet::new();
        for row in table(truth) {
            let host = net(&row["host"]);
            let (scan, must) = (row["kind"] == "scan", row["expect"] == "must");
            match row["role"].as_str() {
                "source" if scan && must => {
                    all.must.entry(host).or_default().insert(row["class"].clone());
                }
                "source" => _ = all.may.insert(host),
                _ if scan => _ = victims.insert(host),
                _ => {}
            }
        }
        all.victims = Some(victims);
        all.look(stream);
        all
    }

    /// As given.
    pub fn labelled(attackers: &BTreeSet<IpAddr>, stream: &Stream) -> Truth {
        let must = attackers.iter().map(|&host| (IpNet::from(host), BTreeSet::new())).collect();
        let mut truth = Truth { must, ..Truth::default() };
        truth.look(stream);
        truth
    }

    /// Sees who is there, and who is behind the networks.
    fn look(&mut self, stream: &Stream) {
        let nets: Vec<IpNet> = self.must.keys().filter(|host| !single(host)).copied().collect();
        let mut targets: HashMap<(IpNet, IpAddr), HashSet<(IpAddr, u16)>> = HashMap::default();
        for flow in stream.flows() {
            self.hosts.extend([flow.sip, flow.dip]);
            for &net in nets.iter().filter(|net| net.contains(&flow.sip)) {
                targets.entry((net, flow.sip)).or_default().insert((flow.dip, flow.dport));
            }
        }
        for ((net, host), targets) in targets {
            if targets.len() >= TARGETS {
                self.members.entry(net).or_default().insert(host);
            }
        }
    }

    /// Who is called a scanner, or a victim, without being one.
    fn innocent(&self, named: &Named) -> bool {
        let host = &named.host;
        if self.ignored.iter().any(|ignored| host.contains(ignored)) {
            return false;
        }
        if !named.source {
            return self.victims.as_ref().is_some_and(|victims| !victims.contains(host));
        }
        // A network is right if a scanner is in it, and a host if it is in a network that scans.
        let right = |truth: &IpNet| host.contains(truth) || truth.contains(host);
        !self.must.keys().chain(&self.may).any(right)
    }
}

/// A row's figures, which add up.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Score {
    pub must: usize,
    pub found: usize,
    /// Of those found, how many by a class that the truth has.
    pub class: usize,
    /// Innocent hosts that were named.
    pub wrong: usize,
    pub hosts: usize,
    pub victims: usize,
    /// Of the victims, how many were called scanners.
    pub accused: usize,
    /// Ten-minute windows times inside hosts seen.
    pub watched: usize,
}

impl Score {
    pub fn missed(&self) -> usize {
        self.must - self.found
    }

    pub fn add(&mut self, other: &Score) {
        self.must += other.must;
        self.found += other.found;
        self.class += other.class;
        self.wrong += other.wrong;
        self.hosts += other.hosts;
        self.victims += other.victims;
        self.accused += other.accused;
        self.watched += other.watched;
    }
}

/// The figures, and a line for each case that is wrong: missed, found by another class, or false.
pub fn score(truth: &Truth, named: &[Named]) -> (Score, Vec<String>) {
    let sources: BTreeMap<IpNet, Vec<&Named>> =
        named.iter().filter(|n| n.source).fold(BTreeMap::new(), |mut all, n| {
            all.entry(n.host).or_insert_with(Vec::new).push(n);
            all
        });
    let (mut score, mut cases) = (Score::default(), Vec::new());
    score.must = truth.must.len();
    score.hosts = truth.hosts.len();
    for (host, classes) in &truth.must {
        let member = |member: &IpAddr| sources.contains_key(&IpNet::from(*member));
        let members = truth.members.get(host).is_some_and(|all| all.iter().all(member));
        if let Some(named) = sources.get(host) {
            score.found += 1;
            if named.iter().any(|n| classes.contains(&n.class)) {
                score.class += 1;
            } else if !classes.is_empty() {
                let named: Vec<_> = named.iter().map(|n| n.class.as_str()).collect();
                let classes: Vec<_> = classes.iter().map(String::as_str).collect();
                cases.push(format!("class\t{host}\t{}\t{}", named.join(","), classes.join(",")));
            }
        } else if members {
            score.found += 1;
        } else {
            let classes: Vec<_> = classes.iter().map(String::as_str).collect();
            cases.push(format!("missed\t{host}\t{}", classes.join(",")));
        }
    }
    let wrong: BTreeMap<IpNet, Vec<&Named>> =
        named.iter().filter(|n| truth.innocent(n)).fold(BTreeMap::new(), |mut all, n| {
            all.entry(n.host).or_insert_with(Vec::new).push(n);
            all
        });
    score.wrong = wrong.len();
    for (host, named) in wrong {
        for n in named {
            let role = if n.source { "source" } else { "target" };
            cases.push(format!("false\t{host}\t{}\t{role}\t{}", n.class, n.why));
        }
    }
    let victims = || truth.victims.iter().flatten();
    score.victims = victims().count();
    score.accused = victims().filter(|host| sources.contains_key(host)).count();
    (score, cases)
}

#[cfg(test)]
mod tests {
    use super::super::flows::request;
    use super::*;

    const FIELDS: &str = "#fields\tkind\tclass\thost\trole\tproto\tport\twhy\texpect\n";

    fn lines(rows: &[(&str, &str, &str, &str)], expect: &str) -> String {
        let row = |(kind, class, host, role): &(&str, &str, &str, &str)| {
            format!("{kind}\t{class}\t{host}\t{role}\t6\t80\t-\t{expect}\n")
        };
        FIELDS.to_owned() + &rows.iter().map(row).collect::<String>()
    }

    /// So many targets of each of these sources, answered by nobody.
    fn stream(sources: &[(&str, u8)]) -> Stream {
        let flows = sources.iter().flat_map(|(sip, count)| {
            (1..=*count).map(move |n| request(sip, &format!("140.119.1.{n}"), 1025, 80))
        });
        Stream { windows: vec![flows.collect()], labels: vec![] }
    }

    fn judge(truth: &Truth, found: &[(&str, &str, &str, &str)]) -> (usize, usize, usize, usize) {
        let (score, _) = score(truth, &named(&lines(found, "-")));
        (score.must, score.found, score.class, score.wrong)
    }

    #[test]
    fn a_host_is_found_by_its_name_and_role() {
        let must = lines(&[("scan", "ports", "192.0.2.1", "source")], "must");
        let truth = Truth::of(&must, &stream(&[("192.0.2.1", 30), ("192.0.2.9", 3)]));
        assert_eq!(judge(&truth, &[]), (1, 0, 0, 0));
        let scan = |class, host| ("scan", class, host, "source");
        assert_eq!(judge(&truth, &[scan("ports", "192.0.2.1")]), (1, 1, 1, 0));
        assert_eq!(judge(&truth, &[scan("dark", "192.0.2.1")]), (1, 1, 0, 0));
        let two = [scan("dark", "192.0.2.1"), scan("ports", "192.0.2.1")];
        assert_eq!(judge(&truth, &two), (1, 1, 1, 0));
        let wrong = [scan("dark", "192.0.2.9"), scan("ports", "192.0.2.9")];
        assert_eq!(judge(&truth, &wrong), (1, 0, 0, 1));
        let victim = ("scan", "backscatter", "192.0.2.1", "target");
        assert_eq!(judge(&truth, &[victim]), (1, 0, 0, 1));
    }

    #[test]
    fn what_may_be_found_is_neither() {
        let may = lines(&[("port", "spread", "192.0.2.1", "source")], "must");
        let truth = Truth::of(&may, &stream(&[("192.0.2.1", 30)]));
        assert_eq!(judge(&truth, &[("scan", "horizontal", "192.0.2.1", "source")]), (0, 0, 0, 0));
    }

    #[test]
    fn a_victim_is_no_scanner() {
        let may = lines(&[("scan", "backscatter", "192.0.2.1", "target")], "may");
        let truth = Truth::of(&may, &stream(&[("192.0.2.1", 30)]));
        assert_eq!(judge(&truth, &[("scan", "backscatter", "192.0.2.1", "target")]), (0, 0, 0, 0));
        let accused = [("scan", "horizontal", "192.0.2.1", "source")];
        assert_eq!(judge(&truth, &accused), (0, 0, 0, 1));
        let (score, cases) = score(&truth, &named(&lines(&accused, "-")));
        assert_eq!((score.victims, score.accused), (1, 1));
        assert_eq!(cases, ["false\t192.0.2.1/32\thorizontal\tsource\tproto=6 port=80 -"]);
    }

    #[test]
    fn a_group_is_its_network_or_all_who_count() {
        let must = lines(&[("scan", "group", "192.0.2.0/24", "source")], "must");
        let truth =
            Truth::of(&must, &stream(&[("192.0.2.1", 25), ("192.0.2.2", 25), ("192.0.2.3", 24)]));
        let scan = |host| ("scan", "horizontal", host, "source");
        assert_eq!(judge(&truth, &[scan("192.0.2.0/24")]), (1, 1, 0, 0));
        assert_eq!(judge(&truth, &[scan("192.0.2.1")]), (1, 0, 0, 0));
        assert_eq!(judge(&truth, &[scan("192.0.2.1"), scan("192.0.2.2")]), (1, 1, 0, 0));
        assert_eq!(judge(&truth, &[scan("192.0.3.0/24")]), (1, 0, 0, 1));
        let small = Truth::of(&must, &stream(&[("192.0.2.3", 24)]));
        assert_eq!(judge(&small, &[]), (1, 0, 0, 0));
    }
}
