//! Scanners by the paper's rule: sources that send small flows to nearly every host of at least two adjacent
//! networks (figure 3).

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::net::{adjacent, subnet};
use crate::detect::detector::Detector;
use crate::detect::pair_totals::{PairTable, PairTotals};
use crate::detect::site::Site;
use crate::detect::threshold::Threshold;
use crate::detect::verdict::{Explained, Verdict};
use crate::finding::{Finding, Host, Kind, MAX_SAMPLES, Rate, Role, Sample, scanned_networks};
use crate::flow::Flow;
use crate::time::{End, Timestamp, Window};
use crate::window::Counter;

/// The limits of the rule. No limit scales with the window, because they count hosts and not flows.
#[derive(Clone, Copy, Debug)]
pub struct PaperScanRules {
    /// The most packets of a flow that counts. Larger flows are conversations.
    pub max_packets: u64,
    /// The fewest hosts of one /24 (IPv6: /64) that make it a scanned network.
    pub hosts: u64,
    /// The fewest adjacent scanned networks that make a scan.
    pub nets: u64,
}

impl PaperScanRules {
    /// The paper's rule: flows of at most 3 packets to 200 hosts of a /24, in 2 adjacent /24s.
    pub const PAPER: PaperScanRules = PaperScanRules { max_packets: 3, hosts: 200, nets: 2 };
}

/// A row of figure 3: a network and the extent to which it was scanned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subnet {
    /// The scanner.
    pub scanner: IpAddr,
    /// The network: a /24, for IPv6 a /64.
    pub net: IpNet,
    /// Distinct hosts of the network that were probed.
    pub hosts: u64,
    /// Small flows to the network.
    pub flows: u64,
}

/// The detector of figure 3: the small flows of a window by source, protocol and destination.
#[derive(Debug)]
pub struct PaperScan {
    site: Arc<Site>,
    rules: PaperScanRules,
    pairs: PairTable,
}

/// A network that one source probed by one protocol.
#[derive(Clone, Debug)]
struct Probed {
    net: IpNet,
    hosts: u64,
    sum: PairTotals,
    samples: Vec<Sample>,
}

impl PaperScan {
    /// Returns an empty window.
    pub fn new(site: Arc<Site>, rules: PaperScanRules) -> PaperScan {
        let pairs = PairTable::new(site.memory);
        PaperScan { site, rules, pairs }
    }
}

impl Counter for PaperScan {
    fn add(&mut self, flows: &[Flow]) -> io::Result<()> {
        for flow in flows.iter().filter(|flow| flow.packets <= self.rules.max_packets) {
            self.pairs.add(flow.sip, flow.proto.into(), flow.dip, flow)?;
        }
        Ok(())
    }
}

impl Detector for PaperScan {
    type Row = Subnet;

    fn judge(self, end: &End, _: Timestamp) -> io::Result<Verdict<Subnet>> {
        let window = end.window;
        let PaperScan { site, rules, pairs } = self;
        let out = Verdict::default();
        let mut judge = PaperScanJudge { site: &site, rules, window, nets: Vec::new(), out };
        let mut current = None;
        // A scan has at least one flow for each host.
        let least = rules.hosts.saturating_mul(rules.nets);
        pairs.visit(site.least(least), |sip, proto, dip, totals| {
            let proto = proto as u8;
            if current != Some((sip, proto)) {
                judge.source(current);
                current = Some((sip, proto));
            }
            judge.target(sip, dip, totals);
        })?;
        judge.source(current);
        judge.out.findings.sort_by(Finding::order);
        judge.out.figure.sort();
        judge.out.seen.sort();
        Ok(judge.out)
    }
}

/// The judge of a window, to which sources and their hosts are passed in order.
struct PaperScanJudge<'a> {
    site: &'a Site,
    rules: PaperScanRules,
    window: Option<Window>,
    /// Scanned networks of the current source, and the last network while its hosts are read.
    nets: Vec<Probed>,
    out: Verdict<Subnet>,
}

impl PaperScanJudge<'_> {
    fn limit(&self) -> Threshold {
        Threshold::AtLeast(self.rules.hosts)
    }

    /// Adds a host that the current source probed; hosts come in ascending order.
    fn target(&mut self, sip: IpAddr, dip: IpAddr, totals: PairTotals) {
        let net = subnet(dip);
        if self.nets.last().is_none_or(|last| last.net != net) {
            self.drop_last_if_small(sip);
            self.nets.push(Probed { net, hosts: 0, sum: PairTotals::EMPTY, samples: Vec::new() });
        }
        let Some(last) = self.nets.last_mut() else { return };
        last.hosts += 1;
        last.sum.merge(&totals);
        if last.samples.len() < MAX_SAMPLES {
            last.samples.push(totals.sample(sip, dip));
        }
    }

    /// Drops the last network if it is not a scanned one: a source that probes every network of the Internet must
    /// not fill memory.
    fn drop_last_if_small(&mut self, sip: IpAddr) {
        let is_explained = self.site.explain == Some(sip);
        let limit = self.limit();
        if self.nets.last().is_some_and(|last| !limit.passes(last.hosts) && !is_explained) {
            self.nets.pop();
        }
    }

    /// Judges a source, all of whose hosts were added.
    fn source(&mut self, source: Option<(IpAddr, u8)>) {
        let Some((sip, proto)) = source else { return };
        self.drop_last_if_small(sip);
        let nets = std::mem::take(&mut self.nets);
        if self.site.explain == Some(sip) {
            self.explain(proto, &nets);
        }
        let limit = self.limit();
        let scanned: Vec<Probed> = nets.into_iter().filter(|net| limit.passes(net.hosts)).collect();
        let mut flagged = Vec::new();
        let mut longest = 0;
        for run in scanned.chunk_by(|a, b| adjacent(&a.net, &b.net)) {
            if Threshold::AtLeast(self.rules.nets).passes(run.len() as u64) {
                flagged.extend_from_slice(run);
                longest = longest.max(run.len() as u64);
            }
        }
        if !flagged.is_empty() {
            self.flag(sip, proto, &flagged, longest);
        }
    }

    fn flag(&mut self, sip: IpAddr, proto: u8, nets: &[Probed], longest: u64) {
        let mut sum = PairTotals::EMPTY;
        nets.iter().for_each(|net| sum.merge(&net.sum));
        let fewest = nets.iter().map(|net| net.hosts).min().unwrap_or(0);
        let (peer, more) = scanned_networks(nets.iter().map(|net| (net.net, net.sum.flows)));
        let why = [
            Threshold::AtLeast(self.rules.nets).why("nets", longest),
            self.limit().why("hosts", fewest),
        ];
        self.out.findings.push(Finding {
            window: self.window,
            kind: Kind::Scan,
            class: "sweep".to_owned(),
            host: Host::Address(sip),
            role: Role::Source,
            side: self.site.side(sip),
            proto: Some(proto),
            port: sum.port(),
            peers: nets.iter().map(|net| net.hosts).sum(),
            peer,
            more,
            flows: sum.flows,
            packets: sum.packets,
            octets: sum.bytes,
            rate: Rate::of(sum.flows, self.window),
            marks: Vec::new(),
            why: why.join(","),
            sample: nets.iter().flat_map(|net| &net.samples).take(MAX_SAMPLES).copied().collect(),
        });
        self.out.figure.extend(nets.iter().map(|probed| Subnet {
            scanner: sip,
            net: probed.net,
            hosts: probed.hosts,
            flows: probed.sum.flows,
        }));
    }

    fn explain(&mut self, proto: u8, nets: &[Probed]) {
        let limit = self.limit();
        let most = nets.iter().map(|net| net.hosts).max().unwrap_or(0);
        let scanned: Vec<_> = nets.iter().filter(|net| limit.passes(net.hosts)).collect();
        let runs = scanned.chunk_by(|a, b| adjacent(&a.net, &b.net));
        let longest = runs.map(<[_]>::len).max().unwrap_or(0) as u64;
        let of = format!("proto {proto}");
        let hosts = Explained { of, measure: "hosts of one net", value: most, limit };
        let nets = Explained {
            of: hosts.of.clone(),
            measure: "adjacent nets",
            value: longest,
            limit: Threshold::AtLeast(self.rules.nets),
        };
        self.out.seen.extend([hosts, nets]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(flows: &[Flow]) -> Verdict<Subnet> {
        let site = Site { explain: Some([192, 0, 2, 9].into()), ..Site::default() };
        let mut scan = PaperScan::new(Arc::new(site), PaperScanRules::PAPER);
        scan.add(flows).unwrap();
        scan.judge(&End { window: Window::new(0, 600), ..End::default() }, Timestamp::from_secs(0))
            .unwrap()
    }

    fn probe(net: u8, host: u8) -> Flow {
        Flow {
            sip: [192, 0, 2, 9].into(),
            dip: [140, 119, net, host].into(),
            proto: 6,
            sport: 1025,
            dport: 21,
            packets: 1,
            octets: 40,
            ..Flow::default()
        }
    }

    fn walk(nets: impl IntoIterator<Item = u8>, hosts: std::ops::Range<u8>) -> Vec<Flow> {
        nets.into_iter().flat_map(|net| hosts.clone().map(move |host| probe(net, host))).collect()
    }

    #[test]
    fn the_walk_of_figure_3_is_one_finding() {
        let verdict = run(&walk(56..72, 1..255));
        let [finding] = verdict.findings.as_slice() else { panic!("{verdict:?}") };
        assert_eq!((finding.peers, finding.flows, finding.octets), (4064, 4064, 162_560));
        let nets: Vec<Host> =
            (56..72).map(|net| Host::parse(&format!("140.119.{net}.0/24")).unwrap()).collect();
        assert_eq!(finding.peer.iter().map(|peer| peer.host).collect::<Vec<_>>(), nets);
        assert!(finding.peer.iter().all(|peer| peer.flows == Some(254)), "{finding:?}");
        assert_eq!(finding.why, "nets=16>=2,hosts=254>=200");
        assert_eq!(finding.rate.to_string(), "6.77");
        assert_eq!((finding.proto, finding.port), (Some(6), Some(21)));
        assert_eq!(finding.sample.len(), 3);
        assert_eq!(verdict.figure.len(), 16);
        assert!(verdict.figure.iter().all(|row| (row.hosts, row.flows) == (254, 254)));
    }

    #[test]
    fn a_source_just_below_a_limit_is_not_flagged() {
        assert_eq!(run(&walk([1, 2], 0..200)).findings.len(), 1);
        assert_eq!(run(&walk([1, 2], 0..199)).findings.len(), 0, "199 hosts");
        assert_eq!(run(&walk([1, 3], 0..255)).findings.len(), 0, "not adjacent");
        assert_eq!(run(&walk([1], 0..255)).findings.len(), 0, "one net");
        let mut big = walk([1, 2], 0..200);
        big.iter_mut().for_each(|flow| flow.packets = 4);
        assert_eq!(run(&big).findings.len(), 0, "conversations");
        let mut twice = walk([1, 2], 0..199);
        twice.extend(walk([1, 2], 0..199));
        assert_eq!(run(&twice).findings.len(), 0, "the same hosts again");
    }

    #[test]
    fn two_protocols_are_two_findings_and_many_ports_are_none() {
        let mut flows = walk([1, 2], 0..200);
        flows.extend(walk([1, 2], 0..200).into_iter().map(|flow| Flow { proto: 17, ..flow }));
        flows[7].dport = 22;
        let verdict = run(&flows);
        let ports: Vec<_> = verdict.findings.iter().map(|f| (f.proto, f.port)).collect();
        assert_eq!(ports, [(Some(6), None), (Some(17), Some(21))]);
    }

    #[test]
    fn an_ipv6_scan_counts_by_64() {
        let probe = |net: u64, host: u64| Flow {
            sip: "2001:db8::1".parse().unwrap(),
            dip: IpAddr::V6(std::net::Ipv6Addr::from((u128::from(net) << 64) | u128::from(host))),
            proto: 58,
            packets: 1,
            ..Flow::default()
        };
        let base = 0x2001_0288_0000_0000;
        let flows: Vec<_> = (0..2)
            .flat_map(|net| (0..300).map(move |host| probe(base + net, host << 40)))
            .collect();
        let verdict = run(&flows);
        let nets: Vec<_> =
            verdict.findings[0].peer.iter().map(|p| (p.host.text(false), p.flows)).collect();
        let expected =
            ["2001:288::/64", "2001:288:0:1::/64"].map(|net| (net.to_owned(), Some(300)));
        assert_eq!(nets, expected);
        assert_eq!(verdict.findings[0].peers, 600);
    }

    #[test]
    fn explain_shows_what_was_seen_of_a_host_that_is_not_flagged() {
        let verdict = run(&walk([1, 2, 9], 0..100));
        let seen: Vec<_> = verdict.seen.iter().map(|s| (s.measure, s.value)).collect();
        assert_eq!(seen, [("adjacent nets", 0), ("hosts of one net", 100)]);
    }
}
