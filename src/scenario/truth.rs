//! What the detectors should find in what was played: findings, and how firmly each is expected.

use std::cmp::Reverse;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};

use super::actor::{Actor, Play};
use super::actors::{self, Activity, Member, WindowActors};
use super::attack::{Act, AttackCounts};
use super::campus::{CROWDED, FLOODS, SCANNER, WORM, inside};
use crate::finding::{Finding, Host, Kind, MAX_PEERS, Peer, Rate, Role, Sample, Side};
use crate::flow::ICMP;
use crate::time::Window;

mod floods;
mod worms;

/// Whether a detector must find it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Expect {
    /// Not to find it is a miss.
    Must,
    /// True, but by a rule of another family than the one the attack is meant for, or too little to
    /// ask for: to find it is right, not to find it is no miss.
    May,
}

impl Expect {
    /// The word in the column `expect`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Expect::Must => "must",
            Expect::May => "may",
        }
    }
}

impl fmt::Display for Expect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A finding that a window holds. What identifies it is the kind, the host and the role; a detector
/// may have a class of its own for the same thing. A host without one is innocent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Truth {
    /// The finding, with the counts of what was played.
    pub finding: Finding,
    /// How firmly it is expected.
    pub expect: Expect,
}

/// The paper's limit of flows to one host in a window of ten minutes.
const FLOOD_LIMIT: u64 = 1_000;

/// The findings of one attack in its window, in the order of finding lines.
pub(super) fn tell(window: Window, act: Act, tally: &AttackCounts) -> Vec<Truth> {
    let hosts = count(tally.peers.iter().copied());
    let distinct = hosts.len() as u64;
    let (peer, more);
    match act {
        Act::Scan => {
            let nets = Ipv4Net::aggregate(&networks(&tally.peers, 24).collect());
            let named = nets.into_iter().map(|net| (Host::Prefix(IpNet::V4(net)), None));
            (peer, more) = name(named.collect());
        }
        Act::Worm => {
            let hits = count(networks(&tally.peers, 24)).into_iter();
            let named = hits.map(|(net, flows)| (Host::Prefix(IpNet::V4(net)), Some(flows)));
            (peer, more) = name(named.collect());
        }
        Act::Pair { .. } | Act::Crowd { .. } => {
            let named = hosts.into_iter().map(|(host, flows)| (Host::Address(host), Some(flows)));
            (peer, more) = name(named.collect());
        }
    }
    let row = |kind, class: &str, host, role, expect, why| Truth {
        finding: Finding {
            window: Some(window),
            kind,
            class: class.to_owned(),
            host: address(host),
            role,
            side: Some(side(host)),
            proto: tally.sample.first().map(|flow| flow.proto),
            port: tally.sample.first().map(|flow| flow.dport),
            peers: distinct,
            peer: peer.clone(),
            more,
            flows: tally.flows,
            packets: tally.packets,
            octets: tally.octets,
            rate: Rate::of(tally.flows, Some(window)),
            marks: Vec::new(),
            why,
            sample: tally.sample.iter().map(Sample::from).collect(),
        },
        expect,
    };
    let above = format!("flows={}>{FLOOD_LIMIT}", tally.flows);
    let mut truth = match act {
        _ if tally.flows == 0 => Vec::new(),
        Act::Scan => {
            let nets = count(networks(&tally.peers, 24));
            let hosts = count(tally.peers.iter().copied()).len() / nets.len();
            let sweep = format!("nets={}>=2,hosts={hosts}>=200", nets.len());
            let spread = format!("targets={distinct}>=1000");
            vec![
                row(Kind::Scan, "sweep", SCANNER, Role::Source, Expect::Must, sweep),
                row(Kind::Port, "spread", SCANNER, Role::Source, Expect::May, spread),
            ]
        }
        Act::Worm => {
            let opened = format!("flows={}>=10000", tally.flows);
            let wide = format!("targets={distinct}>=100");
            vec![
                row(Kind::Port, "spread", WORM, Role::Source, Expect::Must, opened),
                row(Kind::Scan, "horizontal", WORM, Role::Source, Expect::May, wide),
            ]
        }
        _ if tally.flows <= FLOOD_LIMIT => Vec::new(),
        Act::Crowd { .. } => {
            vec![row(Kind::Flood, "ddos", CROWDED, Role::Target, Expect::Must, above)]
        }
        Act::Pair { pair, .. } => {
            let (victim, attacker) = FLOODS[pair];
            let target = row(Kind::Flood, "dos", victim, Role::Target, Expect::Must, above.clone());
            // One source alone: its flows are the victim's, above the limit and above a tenth.
            let mut source = row(Kind::Flood, "dos", attacker, Role::Source, Expect::Must, above);
            source.finding.peer =
                vec![Peer { host: address(victim), flows: Some(source.finding.flows) }];
            vec![target, source]
        }
    };
    truth.sort_by(|a, b| a.finding.order(&b.finding));
    truth
}

/// Distinct targets in a window from which on a scanner must be found.
const SCANNED: u64 = 25;
/// Hosts on one port from which on the detector of port attacks is right as well.
const SPREAD: u64 = 1_000;
/// Windows and targets in them from which on a slow scanner must be found: of an hour, and of a day.
const HOUR: (u32, u64) = (6, 61);
const DAY: (u32, u64) = (144, 300);

/// The findings of all actors in a window.
pub(super) fn of_actors(window: Window, scene: &WindowActors) -> Vec<Truth> {
    let strands = scene.tallies();
    let found = strands.flat_map(|(member, strand, tallies)| {
        let Some(class) = member.actor.class() else { return Vec::new() };
        let mine = tallies.iter().filter(|tally| tally.flows > 0);
        match (strand, member.actor.play()) {
            (Activity::Visitors, _) => Vec::new(),
            (_, Play::Flood) => {
                mine.flat_map(|tally| floods::tell(window, class, member, tally)).collect()
            }
            (_, Play::Worm) => {
                let (index, of) = (scene.index(), (member, strand));
                mine.flat_map(|tally| worms::tell(window, index, class, of, tally)).collect()
            }
            (_, Play::Scan | Play::Innocent) => {
                of_scanner(window, scene.index(), class, member, tallies)
            }
        }
    });
    found.collect()
}

fn of_scanner(
    window: Window,
    index: u32,
    class: &str,
    member: &Member,
    tallies: &[actors::SourceCounts],
) -> Vec<Truth> {
    let mut truth = Vec::new();
    for (source, tally) in (0u32..).zip(tallies).filter(|(_, tally)| tally.flows > 0) {
        let (host, single) = match member.actor {
            Actor::Group => (actors::source(member.host, source), "horizontal"),
            _ => (member.host, class),
        };
        let mut row = found(window, Kind::Scan, single, host, tally);
        let targets = distinct(tally);
        match member.actor {
            Actor::Group | Actor::Survey => row.expect = Expect::May,
            Actor::Backscatter => {
                (row.expect, row.finding.role) = (Expect::May, Role::Target);
                row.finding.why = format!("targets={targets}");
            }
            Actor::Slow => (row.expect, row.finding.why) = slow(index, member.size, targets),
            _ => {}
        }
        let (hosts, flows) = (row.finding.peers, row.finding.flows);
        if row.finding.port.is_some() && hosts >= SPREAD && flows >= SPREAD {
            let mut spread = row.clone();
            (spread.finding.kind, spread.finding.class) = (Kind::Port, "spread".to_owned());
            spread.finding.why = format!("targets={hosts}>={SPREAD}");
            spread.expect = Expect::May;
            // An echo request knocks at no port, and a victim at none of those that it answers.
            let knocks = spread.finding.proto != Some(ICMP) && spread.finding.role == Role::Source;
            truth.extend(knocks.then_some(spread));
        }
        truth.push(row);
    }
    if member.actor == Actor::Group {
        let mut whole = actors::SourceCounts::default();
        tallies.iter().for_each(|tally| whole.add(tally));
        if whole.flows > 0 {
            let mut row = found(window, Kind::Scan, class, member.host, &whole);
            let net = Ipv4Net::new(Ipv4Addr::from(member.host), 24).ok();
            row.finding.host = net.map_or(row.finding.host, |net| Host::Prefix(IpNet::V4(net)));
            let sources = tallies.iter().filter(|tally| tally.flows > 0).count();
            row.finding.why = format!("{},sources={sources}", row.finding.why);
            truth.push(row);
        }
    }
    truth
}

/// Targets in the last `windows` windows, the last of this number. Those before it had `size` targets
/// each, and others.
fn over(index: u32, windows: u32, size: u32, targets: u64) -> u64 {
    targets + u64::from(windows.min(index.saturating_add(1)) - 1) * u64::from(size)
}

/// Whether a slow scanner must be found in the window of this number, and why.
fn slow(index: u32, size: u32, targets: u64) -> (Expect, String) {
    let played = index.saturating_add(1);
    let [hour, day] = [HOUR.0, DAY.0].map(|windows| over(index, windows, size, targets));
    match () {
        () if played >= HOUR.0 && hour >= HOUR.1 => {
            (Expect::Must, format!("targets={hour}>={},windows={}", HOUR.1, HOUR.0))
        }
        () if day >= DAY.1 => {
            let windows = played.min(DAY.0);
            (Expect::Must, format!("targets={day}>={},windows={windows}", DAY.1))
        }
        () => (Expect::May, format!("targets={day},windows={}", played.min(DAY.0))),
    }
}

/// Distinct hosts and ports.
fn distinct(tally: &actors::SourceCounts) -> u64 {
    count(tally.targets.iter().copied()).len() as u64
}

/// A finding as its source's flows say; of a flood's target the row is still to be turned round.
fn found(
    window: Window,
    kind: Kind,
    class: &str,
    host: u32,
    tally: &actors::SourceCounts,
) -> Truth {
    let hosts = count(tally.targets.iter().map(|&(host, _)| Ipv4Addr::from(host)));
    let peers = hosts.len() as u64;
    let nets = || {
        let host = tally.targets.iter().map(|&(host, _)| IpAddr::V4(Ipv4Addr::from(host)));
        networks(&host.collect::<Vec<_>>(), 24).collect::<Vec<_>>()
    };
    let named: Vec<_> = match class {
        _ if kind != Kind::Scan || hosts.len() <= MAX_PEERS => {
            let hosts = hosts.into_iter();
            hosts.map(|(host, flows)| (Host::Address(IpAddr::V4(host)), Some(flows))).collect()
        }
        "sweep" => {
            let nets = Ipv4Net::aggregate(&nets()).into_iter();
            nets.map(|net| (Host::Prefix(IpNet::V4(net)), None)).collect()
        }
        _ => {
            let nets = count(nets().into_iter()).into_iter();
            nets.map(|(net, flows)| (Host::Prefix(IpNet::V4(net)), Some(flows))).collect()
        }
    };
    let (peer, more) = name(named);
    let targets = distinct(tally);
    let enough = targets >= SCANNED;
    let sign = if enough { ">=" } else { "<" };
    let first = tally.sample.first();
    let one = |port: u16| {
        tally.targets.iter().all(|&(_, other)| other == tally.targets[0].1).then_some(port)
    };
    let finding = Finding {
        window: Some(window),
        kind,
        class: class.to_owned(),
        host: address(host),
        role: Role::Source,
        side: Some(side(host)),
        proto: first.map(|flow| flow.proto),
        port: first.and_then(|flow| one(flow.dport)),
        peers,
        peer,
        more,
        flows: tally.flows,
        packets: tally.packets,
        octets: tally.octets,
        rate: Rate::of(tally.flows, Some(window)),
        marks: Vec::new(),
        why: format!("targets={targets}{sign}{SCANNED}"),
        sample: tally.sample.iter().map(Sample::from).collect(),
    };
    Truth { finding, expect: if enough { Expect::Must } else { Expect::May } }
}

fn side(host: u32) -> Side {
    if inside(host) { Side::Inside } else { Side::Outside }
}

fn address(host: u32) -> Host {
    Host::Address(IpAddr::V4(Ipv4Addr::from(host)))
}

/// How often each item occurs, in the items' order.
fn count<T: Ord + Copy>(items: impl Iterator<Item = T>) -> Vec<(T, u64)> {
    let mut items: Vec<T> = items.collect();
    items.sort_unstable();
    items.chunk_by(T::eq).map(|same| (same[0], same.len() as u64)).collect()
}

/// The network of each address; everything here is IPv4.
fn networks(hosts: &[IpAddr], length: u8) -> impl Iterator<Item = Ipv4Net> {
    hosts.iter().filter_map(move |host| match host {
        IpAddr::V4(host) => Ipv4Net::new(*host, length).ok().map(|net| net.trunc()),
        IpAddr::V6(_) => None,
    })
}

/// The first entries of the column `peer`, those with most flows first, and how many are left.
fn name(mut hosts: Vec<(Host, Option<u64>)>) -> (Vec<Peer>, u64) {
    hosts.sort_by_key(|&(host, flows)| (Reverse(flows), host));
    let more = hosts.len().saturating_sub(MAX_PEERS) as u64;
    let named = hosts.into_iter().take(MAX_PEERS);
    (named.map(|(host, flows)| Peer { host, flows }).collect(), more)
}
