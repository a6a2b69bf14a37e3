//! The truth: the findings that a window holds, and whether the detectors must find them.

use std::net::Ipv4Addr;

use ipnet::{IpNet, Ipv4Net};

use super::actor::{Actor, Family};
use super::attack::{AttackCounts, AttackKind};
use super::campus::{CROWDED, FLOODS, SCANNER, WORM};
use super::member::{self, Activity, Member, SourceCounts};
use super::window_actors::{ActivityCounts, WindowActors};
use crate::finding::{Finding, Host, Kind, Peer, Rate, Role, Sample};
use crate::flow::ICMP;
use crate::time::Window;

mod floods;
mod row;
mod worms;

use row::{DAY, HOUR, SPREAD, address, count, distinct, found, name, networks, over, side, walked};
pub use row::{Expect, Truth};

/// The limit of the paper: flows to one host in a window of ten minutes.
const FLOOD_LIMIT: u64 = 1_000;

/// Returns the findings of an attack of a figure in its window, in the order of finding lines.
pub(super) fn of_attack(window: Window, kind: AttackKind, counts: &AttackCounts) -> Vec<Truth> {
    let hosts = count(counts.peers.iter().copied());
    let distinct = hosts.len() as u64;
    let (peer, more);
    match kind {
        AttackKind::Scan => {
            let nets = Ipv4Net::aggregate(&networks(&counts.peers, 24).collect());
            let named = nets.into_iter().map(|net| (Host::Prefix(IpNet::V4(net)), None));
            (peer, more) = name(named.collect());
        }
        AttackKind::Worm => {
            let hits = count(networks(&counts.peers, 24)).into_iter();
            let named = hits.map(|(net, flows)| (Host::Prefix(IpNet::V4(net)), Some(flows)));
            (peer, more) = name(named.collect());
        }
        AttackKind::Pair { .. } | AttackKind::Crowd { .. } => {
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
            proto: counts.sample.first().map(|flow| flow.proto),
            port: counts.sample.first().map(|flow| flow.dport),
            peers: distinct,
            peer: peer.clone(),
            more,
            flows: counts.flows,
            packets: counts.packets,
            octets: counts.octets,
            rate: Rate::of(counts.flows, Some(window)),
            marks: Vec::new(),
            why,
            sample: counts.sample.iter().map(Sample::from).collect(),
        },
        expect,
    };
    let above = format!("flows={}>{FLOOD_LIMIT}", counts.flows);
    let mut truth = match kind {
        _ if counts.flows == 0 => Vec::new(),
        AttackKind::Scan => {
            let nets = count(networks(&counts.peers, 24));
            let hosts = count(counts.peers.iter().copied()).len() / nets.len();
            let sweep = format!("nets={}>=2,hosts={hosts}>=200", nets.len());
            let spread = format!("targets={distinct}>=1000");
            let mut sweep = row(Kind::Scan, "sweep", SCANNER, Role::Source, Expect::Must, sweep);
            (sweep.finding.peer, sweep.finding.more) = walked(networks(&counts.peers, 24));
            vec![sweep, row(Kind::Port, "spread", SCANNER, Role::Source, Expect::May, spread)]
        }
        AttackKind::Worm => {
            let opened = format!("flows={}>=10000", counts.flows);
            let wide = format!("targets={distinct}>=100");
            vec![
                row(Kind::Port, "spread", WORM, Role::Source, Expect::Must, opened),
                row(Kind::Scan, "horizontal", WORM, Role::Source, Expect::May, wide),
            ]
        }
        _ if counts.flows <= FLOOD_LIMIT => Vec::new(),
        AttackKind::Crowd { .. } => {
            vec![row(Kind::Flood, "ddos", CROWDED, Role::Target, Expect::Must, above)]
        }
        AttackKind::Pair { pair, .. } => {
            let (victim, attacker) = FLOODS[pair];
            let target = row(Kind::Flood, "dos", victim, Role::Target, Expect::Must, above.clone());
            // The victim has one source, whose flows are above the limit and above a tenth of all.
            let mut source = row(Kind::Flood, "dos", attacker, Role::Source, Expect::Must, above);
            source.finding.peer =
                vec![Peer { host: address(victim), flows: Some(source.finding.flows) }];
            vec![target, source]
        }
    };
    truth.sort_by(|a, b| a.finding.order(&b.finding));
    truth
}

/// Returns the findings of all actors in a window.
pub(super) fn of_actors(window: Window, actors: &WindowActors) -> Vec<Truth> {
    let index = actors.index();
    let of_activity = |of: ActivityCounts<'_>| -> Vec<Truth> {
        let ActivityCounts { member, activity, counts } = of;
        let Some(class) = member.actor.class() else { return Vec::new() };
        let sources = counts.iter().filter(|counts| counts.flows > 0);
        // A server that is switched off looks flooded.
        let family = match member.actor {
            Actor::Maintenance => Family::Flood,
            actor => actor.family(),
        };
        match (activity, family) {
            (Activity::Visitors, _) => Vec::new(),
            (_, Family::Flood) => {
                sources.flat_map(|counts| floods::of_flood(window, class, member, counts)).collect()
            }
            (_, Family::Worm) => {
                let of = |counts| worms::of_source(window, index, member, activity, counts);
                sources.flat_map(of).collect()
            }
            (_, Family::Scan | Family::Innocent) => {
                of_scanner(window, index, class, member, counts)
            }
        }
    };
    actors.counts().flat_map(of_activity).collect()
}

/// Returns the findings of a scanner, or of an innocent actor that looks like one. `all` has the counts of its
/// sources.
fn of_scanner(
    window: Window,
    index: u32,
    class: &str,
    member: &Member,
    all: &[SourceCounts],
) -> Vec<Truth> {
    let mut truth = Vec::new();
    for (source, counts) in (0u32..).zip(all).filter(|(_, counts)| counts.flows > 0) {
        let (host, single) = match member.actor {
            Actor::Group => (member::source(member.host, source), "horizontal"),
            _ => (member.host, class),
        };
        let mut row = found(window, Kind::Scan, single, host, counts);
        let targets = distinct(counts);
        match member.actor {
            Actor::Group | Actor::Survey => row.expect = Expect::May,
            Actor::Backscatter => {
                (row.expect, row.finding.role) = (Expect::May, Role::Target);
                row.finding.why = format!("targets={targets}");
            }
            Actor::Protocols => row.finding.proto = None,
            Actor::Slow => (row.expect, row.finding.why) = slow(index, member.size, targets),
            _ => {}
        }
        let (hosts, flows) = (row.finding.peers, row.finding.flows);
        if row.finding.port.is_some() && hosts >= SPREAD && flows >= SPREAD {
            let mut spread = row.clone();
            (spread.finding.kind, spread.finding.class) = (Kind::Port, "spread".to_owned());
            spread.finding.why = format!("targets={hosts}>={SPREAD}");
            spread.expect = Expect::May;
            // Neither an echo request nor a victim that answers attacks a port.
            let attacks = spread.finding.proto != Some(ICMP) && spread.finding.role == Role::Source;
            truth.extend(attacks.then_some(spread));
        }
        truth.push(row);
    }
    if member.actor == Actor::Group {
        let mut whole = SourceCounts::default();
        all.iter().for_each(|counts| whole.add(counts));
        if whole.flows > 0 {
            let mut row = found(window, Kind::Scan, class, member.host, &whole);
            let net = Ipv4Net::new(Ipv4Addr::from(member.host), 24).ok();
            row.finding.host = net.map_or(row.finding.host, |net| Host::Prefix(IpNet::V4(net)));
            let sources = all.iter().filter(|counts| counts.flows > 0).count();
            row.finding.why = format!("{},sources={sources}", row.finding.why);
            truth.push(row);
        }
    }
    truth
}

/// Returns how firmly a slow scanner is expected in the window of this index, and the rule.
fn slow(index: u32, size: u32, targets: u64) -> (Expect, String) {
    let played = index.saturating_add(1);
    let [hour, day] = [HOUR.0, DAY.0].map(|windows| over(index, windows, size, targets));
    let windows = played.min(DAY.0);
    if played >= HOUR.0 && hour >= HOUR.1 {
        (Expect::Must, format!("targets={hour}>={},windows={}", HOUR.1, HOUR.0))
    } else if day >= DAY.1 {
        (Expect::Must, format!("targets={day}>={},windows={windows}", DAY.1))
    } else {
        (Expect::May, format!("targets={day},windows={windows}"))
    }
}
