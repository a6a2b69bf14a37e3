//! Scores findings against the truth.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use foldhash::{HashMap, HashSet};
use ipnet::IpNet;
use nfkit::finding::{self, current_class};

use super::flows::Stream;
use super::peers::TARGETS;
use crate::harness::table;

/// The kind of a detector's findings, as in the column `kind`.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    #[default]
    Scan,
    Flood,
    Port,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Kind::Scan => "scan",
            Kind::Flood => "flood",
            Kind::Port => "port",
        }
    }
}

/// The part of a finding that is scored.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Named {
    /// The host; a single address is a network with the longest prefix.
    pub host: IpNet,
    /// True for a source, false for a target.
    pub source: bool,
    pub class: String,
    /// True if the sources are marked as forged.
    pub forged: bool,
    pub why: String,
    /// Sources for which the line of a network stands: they have none of their own.
    stands_for: u64,
}

impl Named {
    fn key(&self) -> Key {
        (self.host, self.source)
    }
}

/// A host, and true for its role as a source.
type Key = (IpNet, bool);

fn net(text: &str) -> IpNet {
    text.parse().unwrap_or_else(|_| IpNet::from(text.parse::<IpAddr>().unwrap()))
}

/// Returns true for a single address.
fn single(host: &IpNet) -> bool {
    host.prefix_len() == host.max_prefix_len()
}

/// Returns true if one network contains the other.
fn overlap(a: &IpNet, b: &IpNet) -> bool {
    a.contains(b) || b.contains(a)
}

fn forged(row: &BTreeMap<String, String>) -> bool {
    row.get("marks").is_some_and(|marks| marks.split(',').any(|mark| mark == "forged"))
}

/// Returns for how many sources the line of a network stands, as it says itself.
fn stands_for(row: &BTreeMap<String, String>) -> u64 {
    let dark = row["why"].split(',').find_map(|part| part.strip_prefix("dark="));
    dark.filter(|_| row["class"] == "group").map_or(0, |count| count.parse().unwrap())
}

/// Returns the class of a row by its current name: truth files outlive a renaming.
fn class(row: &BTreeMap<String, String>) -> String {
    let kind = row.get("kind").and_then(|kind| finding::Kind::parse(kind));
    kind.map_or(row["class"].as_str(), |kind| current_class(kind, &row["class"])).to_owned()
}

/// Returns the findings of a detector's output, each host, role and class once.
pub fn named(findings: &str) -> Vec<Named> {
    let mut all: BTreeMap<(IpNet, bool, String), Named> = BTreeMap::new();
    for row in table(findings) {
        let named = Named {
            host: net(&row["host"]),
            source: row["role"] == "source",
            class: class(&row),
            forged: forged(&row),
            why: format!("proto={} port={} {}", row["proto"], row["port"], row["why"]),
            stands_for: 0,
        };
        let known = all.entry((named.host, named.source, named.class.clone())).or_insert(named);
        known.stands_for += stands_for(&row);
    }
    all.into_values().collect()
}

fn plain(hosts: BTreeSet<IpAddr>, source: bool) -> Vec<Named> {
    let named = |host: IpAddr| {
        let (class, why) = (String::new(), String::new());
        Named { host: host.into(), source, class, forged: false, why, stands_for: 0 }
    };
    hosts.into_iter().map(named).collect()
}

/// Makes findings of the sources that a simpler rule names.
pub fn sources(hosts: BTreeSet<IpAddr>) -> Vec<Named> {
    plain(hosts, true)
}

/// Makes findings of the victims that a simpler rule names.
pub fn targets(hosts: BTreeSet<IpAddr>) -> Vec<Named> {
    plain(hosts, false)
}

/// The expected finding about a host.
#[derive(Debug, Default)]
struct Must {
    /// The classes that are right.
    classes: BTreeSet<String>,
    /// True if the sources are forged, false if they are not, `None` if unknown.
    forged: Option<bool>,
}

/// The truth about a stream.
#[derive(Debug, Default)]
pub struct Truth {
    kind: Kind,
    /// Hosts that must be found.
    must: BTreeMap<Key, Must>,
    /// Hosts that may be found and do not count.
    may: BTreeSet<Key>,
    /// Victims of floods whose answers arrive here and are no scans, if they are known.
    victims: Option<BTreeSet<IpNet>>,
    /// Hosts that count neither as right nor as wrong.
    pub ignored: HashSet<IpAddr>,
    /// For a network that must be found, the members that count as much if all of them are named.
    members: BTreeMap<IpNet, BTreeSet<IpAddr>>,
    /// All hosts in the stream.
    pub hosts: HashSet<IpAddr>,
}

impl Truth {
    /// Reads the truth that nfgen writes. If a class is given, its findings must be made although
    /// the truth only allows them. A host that other detectors must find as a source may also be
    /// called a scanner.
    pub fn of(kind: Kind, class: Option<&str>, truth: &str, stream: &Stream) -> Truth {
        let mut all = Truth { kind, ..Truth::default() };
        let mut victims = BTreeSet::new();
        for row in table(truth) {
            let (host, source) = (net(&row["host"]), row["role"] == "source");
            let mine = row["kind"] == kind.as_str();
            let name = self::class(&row);
            let must = row["expect"] == "must" || class == Some(name.as_str());
            match kind {
                Kind::Scan if mine && !source => _ = victims.insert(host),
                _ if mine && must => {
                    let expected = all.must.entry((host, source)).or_default();
                    expected.classes.insert(name);
                    expected.forged = Some(expected.forged == Some(true) || forged(&row));
                }
                _ if mine || kind == Kind::Scan && source => _ = all.may.insert((host, source)),
                _ => {}
            }
        }
        all.victims = Some(victims);
        all.look(stream);
        all
    }

    /// Makes the truth of labelled traffic from hosts that must be found, each with true for a
    /// source.
    pub fn labelled(
        kind: Kind,
        must: impl IntoIterator<Item = (IpAddr, bool)>,
        stream: &Stream,
    ) -> Truth {
        let must = must.into_iter().map(|(host, source)| ((host.into(), source), Must::default()));
        let mut truth = Truth { kind, must: must.collect(), ..Truth::default() };
        truth.look(stream);
        truth
    }

    /// Collects the hosts of the stream, and the members of the networks that scan.
    fn look(&mut self, stream: &Stream) {
        let mut nets: Vec<IpNet> = self.must.keys().map(|(host, _)| *host).collect();
        nets.retain(|host| self.kind == Kind::Scan && !single(host));
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

    /// Returns true if a finding names a host that is not what the finding says.
    fn innocent(&self, named: &Named) -> bool {
        let host = &named.host;
        if self.ignored.iter().any(|ignored| host.contains(ignored)) {
            return false;
        }
        if self.kind == Kind::Scan && !named.source {
            return self.victims.as_ref().is_some_and(|victims| !victims.contains(host));
        }
        // A network that scans is right if it contains a scanner. A host is right if it is in a
        // network that scans or is flooded.
        let right = |(truth, source): &Key| {
            *source == named.source
                && (truth == host
                    || (self.kind == Kind::Scan || !single(truth)) && overlap(host, truth))
        };
        !self.must.keys().chain(&self.may).any(right)
    }

    /// Returns the findings that find a host that must be found, or `None` if it was missed.
    /// Findings that cover only parts of it count together, and have no class.
    fn finders<'a>(
        &self,
        key: &Key,
        named: &BTreeMap<Key, Vec<&'a Named>>,
    ) -> Option<Vec<&'a Named>> {
        let (host, source) = key;
        if let Some(named) = named.get(key) {
            return Some(named.clone());
        }
        if self.kind == Kind::Scan {
            let member = |member: &IpAddr| named.contains_key(&(IpNet::from(*member), true));
            let members = self.members.get(host).is_some_and(|all| all.iter().all(member));
            return members.then(Vec::new);
        }
        if single(host) {
            return None;
        }
        let near = named.iter().filter(|((net, s), _)| s == source && overlap(host, net));
        let (nets, finders): (Vec<IpNet>, Vec<_>) = near.map(|((net, _), n)| (*net, n)).unzip();
        let size = |net: &IpNet| f64::from(net.max_prefix_len() - net.prefix_len()).exp2();
        let covered: f64 = IpNet::aggregate(&nets).iter().map(size).sum();
        (covered >= size(host) / 2.0).then(|| finders.into_iter().flatten().copied().collect())
    }
}

/// The figures of a row. They add up.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Score {
    pub must: usize,
    pub found: usize,
    /// Hosts found with a class of the truth.
    pub class: usize,
    /// Innocent hosts that were named.
    pub wrong: usize,
    pub hosts: usize,
    pub victims: usize,
    /// Victims that were called scanners.
    pub accused: usize,
    /// Ten-minute windows times inside hosts seen.
    pub watched: usize,
    /// Hosts that must be found and have forged sources, and those of them that were marked so.
    pub forged: usize,
    pub marked: usize,
    /// Hosts marked as having forged sources that do not have them.
    pub mismarked: usize,
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
        self.forged += other.forged;
        self.marked += other.marked;
        self.mismarked += other.mismarked;
    }
}

fn grouped<'a, K: Ord>(
    named: impl Iterator<Item = &'a Named>,
    key: impl Fn(&Named) -> K,
) -> BTreeMap<K, Vec<&'a Named>> {
    named.fold(BTreeMap::new(), |mut all, n| {
        all.entry(key(n)).or_default().push(n);
        all
    })
}

fn role(source: bool) -> &'static str {
    if source { "source" } else { "target" }
}

/// Returns the figures, and a line for each case that is wrong: missed, found with another class,
/// wrongly marked or not marked as forged, or false.
pub fn score(truth: &Truth, named: &[Named]) -> (Score, Vec<String>) {
    let by_key = grouped(named.iter(), Named::key);
    let (mut score, mut cases) = (Score::default(), Vec::new());
    score.must = truth.must.len();
    score.hosts = truth.hosts.len();
    // Sources of one network that scan alike have one line, which says for how many it stands.
    let mut groups: Vec<(&Named, u64)> =
        named.iter().filter(|n| n.stands_for > 0).map(|n| (n, n.stands_for)).collect();
    let mut with_group = |(host, source): &Key| {
        let is_of = |(n, left): &&mut (&Named, u64)| {
            single(host) && n.source == *source && n.host.contains(host) && *left > 0
        };
        let (group, left) = groups.iter_mut().find(is_of)?;
        *left -= 1;
        Some(vec![*group])
    };
    for (key, Must { classes, forged }) in &truth.must {
        let (host, role) = (key.0, role(key.1));
        let right: Vec<_> = classes.iter().map(String::as_str).collect();
        let right = right.join(",");
        score.forged += usize::from(*forged == Some(true));
        let Some(named) = truth.finders(key, &by_key).or_else(|| with_group(key)) else {
            cases.push(format!("missed\t{host}\t{right}\t{role}"));
            continue;
        };
        score.found += 1;
        let says = named.iter().any(|n| n.forged);
        score.marked += usize::from(*forged == Some(true) && says);
        score.mismarked += usize::from(*forged == Some(false) && says);
        if forged.is_some_and(|forged| forged != says) {
            cases.push(format!("forged\t{host}\t{right}\t{says}"));
        }
        if named.iter().any(|n| classes.contains(&n.class)) {
            score.class += 1;
        } else if !classes.is_empty() && !named.is_empty() {
            let named: Vec<_> = named.iter().map(|n| n.class.as_str()).collect();
            cases.push(format!("class\t{host}\t{}\t{right}", named.join(",")));
        }
    }
    let wrong = grouped(named.iter().filter(|n| truth.innocent(n)), |n| n.host);
    score.wrong = wrong.len();
    for (host, named) in wrong {
        for n in named {
            cases.push(format!("false\t{host}\t{}\t{}\t{}", n.class, role(n.source), n.why));
        }
    }
    let victims = || truth.victims.iter().flatten();
    score.victims = victims().count();
    score.accused = victims().filter(|host| by_key.contains_key(&(**host, true))).count();
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

    /// Returns a stream in which each source tries this number of targets and none answers.
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
        let must = lines(&[("scan", "vertical", "192.0.2.1", "source")], "must");
        let truth =
            Truth::of(Kind::Scan, None, &must, &stream(&[("192.0.2.1", 30), ("192.0.2.9", 3)]));
        assert_eq!(judge(&truth, &[]), (1, 0, 0, 0));
        let scan = |class, host| ("scan", class, host, "source");
        assert_eq!(judge(&truth, &[scan("vertical", "192.0.2.1")]), (1, 1, 1, 0));
        assert_eq!(judge(&truth, &[scan("dark", "192.0.2.1")]), (1, 1, 0, 0));
        let two = [scan("dark", "192.0.2.1"), scan("vertical", "192.0.2.1")];
        assert_eq!(judge(&truth, &two), (1, 1, 1, 0));
        let wrong = [scan("dark", "192.0.2.9"), scan("vertical", "192.0.2.9")];
        assert_eq!(judge(&truth, &wrong), (1, 0, 0, 1));
        let victim = ("scan", "backscatter", "192.0.2.1", "target");
        assert_eq!(judge(&truth, &[victim]), (1, 0, 0, 1));
        // A truth file from before the class was renamed.
        let old = lines(&[("scan", "ports", "192.0.2.1", "source")], "must");
        let old = Truth::of(Kind::Scan, None, &old, &stream(&[("192.0.2.1", 30)]));
        assert_eq!(judge(&old, &[scan("vertical", "192.0.2.1")]), (1, 1, 1, 0));
    }

    #[test]
    fn findings_that_the_truth_allows_do_not_count() {
        let may = lines(&[("port", "spread", "192.0.2.1", "source")], "must");
        let truth = Truth::of(Kind::Scan, None, &may, &stream(&[("192.0.2.1", 30)]));
        assert_eq!(judge(&truth, &[("scan", "horizontal", "192.0.2.1", "source")]), (0, 0, 0, 0));
    }

    #[test]
    fn a_victim_called_a_scanner_is_accused() {
        let may = lines(&[("scan", "backscatter", "192.0.2.1", "target")], "may");
        let truth = Truth::of(Kind::Scan, None, &may, &stream(&[("192.0.2.1", 30)]));
        assert_eq!(judge(&truth, &[("scan", "backscatter", "192.0.2.1", "target")]), (0, 0, 0, 0));
        let accused = [("scan", "horizontal", "192.0.2.1", "source")];
        assert_eq!(judge(&truth, &accused), (0, 0, 0, 1));
        let (score, cases) = score(&truth, &named(&lines(&accused, "-")));
        assert_eq!((score.victims, score.accused), (1, 1));
        assert_eq!(cases, ["false\t192.0.2.1/32\thorizontal\tsource\tproto=6 port=80 -"]);
    }

    #[test]
    fn a_group_is_found_by_its_network_or_by_all_its_scanners() {
        let must = lines(&[("scan", "group", "192.0.2.0/24", "source")], "must");
        let truth = Truth::of(
            Kind::Scan,
            None,
            &must,
            &stream(&[("192.0.2.1", 25), ("192.0.2.2", 25), ("192.0.2.3", 24)]),
        );
        let scan = |host| ("scan", "horizontal", host, "source");
        assert_eq!(judge(&truth, &[scan("192.0.2.0/24")]), (1, 1, 0, 0));
        assert_eq!(judge(&truth, &[scan("192.0.2.1")]), (1, 0, 0, 0));
        assert_eq!(judge(&truth, &[scan("192.0.2.1"), scan("192.0.2.2")]), (1, 1, 0, 0));
        assert_eq!(judge(&truth, &[scan("192.0.3.0/24")]), (1, 0, 0, 1));
        let small = Truth::of(Kind::Scan, None, &must, &stream(&[("192.0.2.3", 24)]));
        assert_eq!(judge(&small, &[]), (1, 0, 0, 0));
    }

    #[test]
    fn the_line_of_a_network_stands_for_as_many_sources_as_it_says() {
        let hosts = ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"];
        let must = hosts.map(|host| ("scan", "dark", host, "source"));
        let all = hosts.map(|host| (host, 30));
        let truth = Truth::of(Kind::Scan, None, &lines(&must, "must"), &stream(&all));
        let found = |net: &str, why: &str, also: &[(&str, &str, &str, &str)]| {
            let group = format!("scan\tgroup\t{net}\tsource\t6\t-\t{why}\t-\n");
            let (score, _) = score(&truth, &named(&(lines(also, "-") + &group)));
            (score.found, score.wrong)
        };
        assert_eq!(found("192.0.2.0/24", "sources=4>=4", &[]), (0, 0));
        assert_eq!(found("192.0.2.0/24", "sources=10>=10,dark=3", &[]), (3, 0));
        assert_eq!(found("192.0.2.0/24", "sources=10>=10,dark=30", &[]), (4, 0));
        assert_eq!(found("192.0.3.0/24", "sources=10>=10,dark=30", &[]), (0, 1));
        // A source with a line of its own takes no place.
        let own = [("scan", "dark", "192.0.2.1", "source")];
        assert_eq!(found("192.0.2.0/24", "sources=10>=10,dark=3", &own), (4, 0));
        assert_eq!(found("192.0.2.0/24", "sources=10>=10,dark=2", &own), (3, 0));
        // A network that is to be found is found by its own line alone.
        let net = lines(&[("scan", "group", "192.0.2.0/25", "source")], "must");
        let truth = Truth::of(Kind::Scan, None, &net, &stream(&[]));
        let group = "#fields\tkind\tclass\thost\trole\tproto\tport\twhy\texpect\n\
                     scan\tgroup\t192.0.2.0/24\tsource\t6\t-\tdark=9\t-\n";
        assert_eq!(score(&truth, &named(group)).0.found, 0);
    }

    fn judge_floods(
        must: &str,
        found: &[(&str, &str, &str, &str)],
    ) -> (usize, usize, usize, usize) {
        judge(&Truth::of(Kind::Flood, None, must, &stream(&[])), found)
    }

    #[test]
    fn a_victim_is_a_target_and_an_attacker_a_source() {
        let victim = ("flood", "ddos", "140.119.1.1", "target");
        let attacker = ("flood", "outbound", "140.119.1.2", "source");
        let must = lines(&[victim, attacker], "must");
        assert_eq!(judge_floods(&must, &[victim, attacker]), (2, 2, 2, 0));
        let crossed = [("flood", "ddos", "140.119.1.1", "source"), attacker];
        assert_eq!(judge_floods(&must, &crossed), (2, 1, 1, 1));
        let innocents = [
            ("flood", "ddos", "140.119.1.3", "target"),
            ("flood", "carpet", "140.119.1.0/24", "target"),
        ];
        assert_eq!(judge_floods(&must, &innocents), (2, 0, 0, 2));
        let may = lines(&[victim], "may");
        assert_eq!(judge_floods(&may, &[victim]), (0, 0, 0, 0));
        let of_class = Truth::of(Kind::Flood, Some("ddos"), &may, &stream(&[]));
        assert_eq!(judge(&of_class, &[victim]), (1, 1, 1, 0));
        let scan = lines(&[("scan", "vertical", "192.0.2.1", "source")], "must");
        assert_eq!(judge_floods(&scan, &[("flood", "dos", "192.0.2.1", "source")]), (0, 0, 0, 1));
    }

    #[test]
    fn a_carpet_is_found_by_its_network_or_half_of_it() {
        let carpet = |host| ("flood", "carpet", host, "target");
        let must = lines(&[carpet("140.119.252.0/22")], "must");
        let judge = |hosts: &[&'static str]| {
            let found: Vec<_> = hosts.iter().map(|host| carpet(host)).collect();
            let (_, found, class, wrong) = judge_floods(&must, &found);
            (found, class, wrong)
        };
        assert_eq!(judge(&["140.119.252.0/22"]), (1, 1, 0));
        assert_eq!(judge(&["140.119.240.0/20"]), (1, 1, 0));
        assert_eq!(judge(&["140.119.252.0/24"]), (0, 0, 0));
        assert_eq!(judge(&["140.119.252.0/24", "140.119.254.0/24"]), (1, 1, 0));
        assert_eq!(judge(&["140.119.252.0/24", "140.119.252.9"]), (0, 0, 0));
        assert_eq!(judge(&["140.119.251.0/24"]), (0, 0, 1));
    }

    #[test]
    fn marks_of_forged_floods_are_counted() {
        let with = |marks: &str, expect: &str| {
            format!(
                "#fields\tkind\tclass\thost\trole\tproto\tport\twhy\texpect\tmarks\n\
                 flood\tddos\t140.119.1.1\ttarget\t6\t80\t-\t{expect}\t{marks}\n"
            )
        };
        let marks = |truth: &str, found: &str| {
            let truth = Truth::of(Kind::Flood, None, &with(truth, "must"), &stream(&[]));
            let (score, _) = score(&truth, &named(&with(found, "-")));
            (score.forged, score.marked, score.mismarked)
        };
        assert_eq!(marks("forged", "forged,oneway"), (1, 1, 0));
        assert_eq!(marks("forged", "oneway"), (1, 0, 0));
        assert_eq!(marks("-", "forged"), (0, 0, 1));
        assert_eq!(marks("-", "-"), (0, 0, 0));
    }
}
