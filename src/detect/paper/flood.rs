//! Hosts under DoS and DDoS by the paper's rule: more than a thousand flows to one host in ten minutes (figure 4).
//! Inside hosts that send so many are flagged as well.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use crate::detect::detector::Detector;
use crate::detect::pair_totals::{PairTable, PairTotals};
use crate::detect::site::Site;
use crate::detect::threshold::Threshold;
use crate::detect::top::Top;
use crate::detect::verdict::{Explained, Verdict};
use crate::finding::{Finding, Host, Kind, MAX_PEERS, MAX_SAMPLES, Peer, Rate, Role, Sample, Side};
use crate::flow::Flow;
use crate::time::{End, Timestamp, Window};
use crate::window::Counter;

/// A source that sends at least this share of the flagged flows, 1 in N, is an attacker by itself. At most N sources
/// can be.
const SHARE: u64 = 10;

/// The fewest sources of a distributed flood.
const MANY: u64 = 10;

/// The limits of the rule.
#[derive(Clone, Copy, Debug)]
pub struct PaperFloodRules {
    /// The most flows to one host in 600 s that are no flood.
    pub flows: u64,
}

impl PaperFloodRules {
    /// The paper's rule. 1000 is the paper's own number.
    pub const PAPER: PaperFloodRules = PaperFloodRules { flows: 1000 };
}

/// A label of figure 4: `victim(attacker)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttackerVictim {
    /// The host that received the flows.
    pub victim: IpAddr,
    /// A source of at least a tenth of these flows; `None` if no source sent so many.
    pub attacker: Option<IpAddr>,
    /// Flows of the attacker to the victim; without an attacker, all flows to the victim.
    pub flows: u64,
}

impl AttackerVictim {
    /// Returns the key by which rows are sorted: most flows first.
    pub(in crate::detect) fn order(&self) -> (std::cmp::Reverse<u64>, IpAddr, Option<IpAddr>) {
        (std::cmp::Reverse(self.flows), self.victim, self.attacker)
    }
}

/// The detector of figure 4: the flows of a window by destination and source.
#[derive(Debug)]
pub struct PaperFlood {
    site: Arc<Site>,
    rules: PaperFloodRules,
    pairs: PairTable,
}

impl PaperFlood {
    /// Returns an empty window.
    pub fn new(site: Arc<Site>, rules: PaperFloodRules) -> PaperFlood {
        let pairs = PairTable::new(site.memory);
        PaperFlood { site, rules, pairs }
    }
}

impl Counter for PaperFlood {
    fn add(&mut self, flows: &[Flow]) -> io::Result<()> {
        flows.iter().try_for_each(|flow| self.pairs.add(flow.dip, 0, flow.sip, flow))
    }
}

impl Detector for PaperFlood {
    type Row = AttackerVictim;

    fn judge(self, end: &End, _: Timestamp) -> io::Result<Verdict<AttackerVictim>> {
        let window = end.window;
        let PaperFlood { site, rules, pairs } = self;
        let limit = Threshold::Above(rules.flows).scaled(window);
        let mut judge = PaperFloodJudge {
            limit,
            site: &site,
            window,
            sources: BTreeMap::new(),
            out: Verdict::default(),
        };
        let mut victim: Option<Victim> = None;
        pairs.visit(site.least(limit.least()), |dip, _, sip, totals| {
            if victim.as_ref().is_none_or(|victim| victim.host != dip) {
                victim.replace(Victim::new(dip)).into_iter().for_each(|over| judge.victim(over));
            }
            if site.explain == Some(sip) {
                judge.see("sent to one host", totals.flows);
            }
            if let Some(victim) = &mut victim {
                victim.sum.merge(&totals);
                victim.sources += 1;
                victim.top.offer(totals.flows, Attacker { sip, totals });
            }
        })?;
        victim.into_iter().for_each(|over| judge.victim(over));
        judge.attackers();
        judge.out.findings.sort_by(Finding::order);
        judge.out.seen.sort();
        judge.out.figure.sort_by_key(AttackerVictim::order);
        Ok(judge.out)
    }
}

/// A destination, while its sources are read.
struct Victim {
    host: IpAddr,
    sum: PairTotals,
    sources: u64,
    top: Top<Attacker, MAX_PEERS>,
}

impl Victim {
    fn new(host: IpAddr) -> Victim {
        Victim { host, sum: PairTotals::EMPTY, sources: 0, top: Top::new() }
    }
}

/// A source, and its flows to one victim. The order is that of the address alone, which is unique among them.
#[derive(Clone, Copy)]
struct Attacker {
    sip: IpAddr,
    totals: PairTotals,
}

impl Attacker {
    fn sample(&self, victim: IpAddr) -> Sample {
        self.totals.sample(self.sip, victim)
    }
}

impl Ord for Attacker {
    fn cmp(&self, other: &Attacker) -> std::cmp::Ordering {
        self.sip.cmp(&other.sip)
    }
}

impl PartialOrd for Attacker {
    fn partial_cmp(&self, other: &Attacker) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Attacker {
    fn eq(&self, other: &Attacker) -> bool {
        self.sip == other.sip
    }
}

impl Eq for Attacker {}

struct PaperFloodJudge<'a> {
    site: &'a Site,
    window: Option<Window>,
    limit: Threshold,
    /// Inside attackers by address and class: each has one finding, over all of its victims.
    sources: BTreeMap<(IpAddr, &'static str), Source>,
    out: Verdict<AttackerVictim>,
}

/// The flows of an inside attacker to all of its victims.
struct Source {
    sum: PairTotals,
    victims: u64,
    top: Top<IpAddr, MAX_PEERS>,
    samples: Vec<Sample>,
}

impl PaperFloodJudge<'_> {
    fn victim(&mut self, victim: Victim) {
        let flows = victim.sum.flows;
        if self.site.explain == Some(victim.host) {
            self.see("received from all", flows);
            let most = victim.top.iter().next().map_or(0, |(flows, _)| flows);
            self.see("received from one host", most);
        }
        if !self.limit.passes(flows) {
            return;
        }
        // A flood of which one source sends more than half is that source's.
        let most = victim.top.iter().next().map_or(0, |(flows, _)| flows);
        let is_distributed = victim.sources >= MANY && most <= flows / 2;
        let class = if is_distributed { "ddos" } else { "dos" };
        let heavy = |&(sent, _): &(u64, Attacker)| sent >= flows.div_ceil(SHARE);
        let attackers: Vec<_> = victim.top.iter().take_while(heavy).collect();
        for (sent, attacker) in &attackers {
            self.out.figure.push(AttackerVictim {
                victim: victim.host,
                attacker: Some(attacker.sip),
                flows: *sent,
            });
            let is_ours = self.site.side(attacker.sip) == Some(Side::Inside);
            if is_ours && self.limit.passes(*sent) {
                self.attacker(attacker, class, victim.host);
            }
        }
        if attackers.is_empty() {
            self.out.figure.push(AttackerVictim { victim: victim.host, attacker: None, flows });
        }
        let top = victim.top.iter();
        self.out.findings.push(Finding {
            window: self.window,
            kind: Kind::Flood,
            class: class.to_owned(),
            host: Host::Address(victim.host),
            role: Role::Target,
            side: self.site.side(victim.host),
            proto: victim.sum.proto(),
            port: victim.sum.port(),
            peers: victim.sources,
            peer: top.map(|(flows, a)| peer(a.sip, flows)).collect(),
            more: victim.sources.saturating_sub(MAX_PEERS as u64),
            flows,
            packets: victim.sum.packets,
            octets: victim.sum.bytes,
            rate: Rate::of(flows, self.window),
            marks: Vec::new(),
            why: self.limit.why("flows", flows),
            sample: victim
                .top
                .iter()
                .take(MAX_SAMPLES)
                .map(|(_, a)| a.sample(victim.host))
                .collect(),
        });
    }

    fn attacker(&mut self, attacker: &Attacker, class: &'static str, victim: IpAddr) {
        let source = self.sources.entry((attacker.sip, class)).or_insert_with(|| Source {
            sum: PairTotals::EMPTY,
            victims: 0,
            top: Top::new(),
            samples: Vec::new(),
        });
        source.sum.merge(&attacker.totals);
        source.victims += 1;
        source.top.offer(attacker.totals.flows, victim);
        // Victims are added in any order.
        source.samples.push(attacker.sample(victim));
        source.samples.sort_by_key(|sample| sample.dip);
        source.samples.truncate(MAX_SAMPLES);
    }

    fn attackers(&mut self) {
        for ((sip, class), source) in std::mem::take(&mut self.sources) {
            self.out.findings.push(Finding {
                window: self.window,
                kind: Kind::Flood,
                class: class.to_owned(),
                host: Host::Address(sip),
                role: Role::Source,
                side: self.site.side(sip),
                proto: source.sum.proto(),
                port: source.sum.port(),
                peers: source.victims,
                peer: source.top.iter().map(|(flows, victim)| peer(victim, flows)).collect(),
                more: source.victims.saturating_sub(MAX_PEERS as u64),
                flows: source.sum.flows,
                packets: source.sum.packets,
                octets: source.sum.bytes,
                rate: Rate::of(source.sum.flows, self.window),
                marks: Vec::new(),
                why: self.limit.why("flows", source.top.iter().next().map_or(0, |(f, _)| f)),
                sample: source.samples,
            });
        }
    }

    /// Shows a measure; of several values the greatest is kept.
    fn see(&mut self, measure: &'static str, value: u64) {
        match self.out.seen.iter_mut().find(|seen| seen.measure == measure) {
            Some(seen) => seen.value = seen.value.max(value),
            None => {
                let of = "flows".to_owned();
                self.out.seen.push(Explained { of, measure, value, limit: self.limit });
            }
        }
    }
}

fn peer(host: IpAddr, flows: u64) -> Peer {
    Peer { host: Host::Address(host), flows: Some(flows) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::Networks;

    fn run(inside: &str, seconds: u32, flows: &[Flow]) -> Verdict<AttackerVictim> {
        let inside = Networks::new([inside.parse().unwrap()]);
        let mut flood =
            PaperFlood::new(Arc::new(Site { inside, ..Site::default() }), PaperFloodRules::PAPER);
        flood.add(flows).unwrap();
        flood
            .judge(
                &End { window: Window::new(0, seconds), ..End::default() },
                Timestamp::from_secs(0),
            )
            .unwrap()
    }

    fn hits(sip: [u8; 4], dip: [u8; 4], count: u16) -> Vec<Flow> {
        let hit = |sport| Flow {
            sip: sip.into(),
            dip: dip.into(),
            proto: 6,
            sport,
            dport: 80,
            packets: 1,
            octets: 40,
            ..Flow::default()
        };
        (0..count).map(hit).collect()
    }

    const VICTIM: [u8; 4] = [140, 119, 1, 1];
    const ATTACKER: [u8; 4] = [140, 119, 2, 2];

    #[test]
    fn the_pair_of_figure_4_is_a_victim_and_an_attacker() {
        let mut flows = hits(ATTACKER, VICTIM, 2000);
        for client in 0..20 {
            flows.extend(hits([192, 0, 2, client], VICTIM, 2));
        }
        let verdict = run("140.119.0.0/16", 600, &flows);
        assert_eq!(
            verdict.figure,
            [AttackerVictim {
                victim: VICTIM.into(),
                attacker: Some(ATTACKER.into()),
                flows: 2000
            }]
        );
        let [target, source] = verdict.findings.as_slice() else { panic!("{verdict:?}") };
        assert_eq!((target.role, target.class.as_str(), target.flows), (Role::Target, "dos", 2040));
        assert_eq!((target.peers, target.peer.len(), target.more), (21, 20, 1));
        assert_eq!((source.role, source.class.as_str(), source.flows), (Role::Source, "dos", 2000));
        assert_eq!(source.rate.to_string(), "3.33");
        assert_eq!(source.why, "flows=2000>1000");
        let outside = run("10.0.0.0/8", 600, &flows);
        assert_eq!(outside.findings.len(), 1, "an outside attacker has no finding of its own");
    }

    #[test]
    fn the_limit_scales_with_the_window() {
        assert_eq!(run("::/0", 600, &hits(ATTACKER, VICTIM, 1000)).findings.len(), 0);
        assert_eq!(run("::/0", 600, &hits(ATTACKER, VICTIM, 1001)).findings.len(), 1);
        assert_eq!(run("::/0", 60, &hits(ATTACKER, VICTIM, 101)).findings.len(), 1);
        assert_eq!(run("::/0", 3600, &hits(ATTACKER, VICTIM, 6000)).findings.len(), 0);
    }

    #[test]
    fn many_sources_are_a_ddos_without_an_attacker() {
        let flows: Vec<_> = (0..200).flat_map(|n| hits([192, 0, 2, n], VICTIM, 10)).collect();
        let verdict = run("140.119.0.0/16", 600, &flows);
        assert_eq!(verdict.findings[0].class, "ddos");
        assert_eq!(
            verdict.figure,
            [AttackerVictim { victim: VICTIM.into(), attacker: None, flows: 2000 }]
        );
    }

    #[test]
    fn an_attacker_of_two_hosts_has_one_finding() {
        let mut flows = hits(ATTACKER, VICTIM, 1500);
        flows.extend(hits(ATTACKER, [140, 119, 1, 2], 1200));
        let verdict = run("140.119.0.0/16", 600, &flows);
        let sources: Vec<_> = verdict.findings.iter().filter(|f| f.role == Role::Source).collect();
        let [source] = sources.as_slice() else { panic!("{sources:?}") };
        assert_eq!((source.peers, source.flows, source.why.as_str()), (2, 2700, "flows=1500>1000"));
    }
}
