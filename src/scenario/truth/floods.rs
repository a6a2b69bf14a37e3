//! Floods by name: who was drowned, by whom, and when that is enough to be seen.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};

use super::{Expect, Truth, address, distinct, found, side};
use crate::finding::{Host, Kind, Peer, Role};
use crate::scenario::actor::Actor;
use crate::scenario::actors::{Member, SourceCounts};
use crate::scenario::floods::carpeted;
use crate::time::Window;

/// Flows in a window from which on a flood must be found, and in two minutes.
const FLOWS: u64 = 1_000;
const BURST: u64 = 500;
/// Servers from which on a reflection must be found.
const SERVERS: u64 = 100;
/// Packets a second from which on an inside host that floods must be found.
const PACKETS: u32 = 2_000;
/// Targets on one host from which on whoever asks its ports may be called a scanner.
const VERTICAL: u64 = 15;

/// The findings of a flood.
pub(super) fn tell(
    window: Window,
    class: &str,
    member: &Member,
    tally: &SourceCounts,
) -> Vec<Truth> {
    let mut row = found(window, Kind::Flood, class, member.host, tally);
    let (sources, flows) = (row.finding.peers, row.finding.flows);
    let must = |enough| if enough { Expect::Must } else { Expect::May };
    let limit = if member.bursts() { BURST } else { FLOWS };
    (row.expect, row.finding.why) = match member.actor {
        Actor::Outbound => (must(member.size >= PACKETS), format!("packets-s={}", member.size)),
        // What is much is a question of what is usual.
        Actor::Volume => (Expect::May, format!("packets-s={}", member.size)),
        Actor::Reflected | Actor::Unlisted | Actor::SynAck => {
            (must(sources >= SERVERS), format!("sources={sources}"))
        }
        _ => (must(flows >= limit), format!("flows={flows},sources={sources}")),
    };
    if let Actor::Forged | Actor::Drawn | Actor::Spoofed = member.actor {
        row.finding.marks.push("forged".to_owned());
    }
    match member.actor {
        Actor::Outbound => vec![row],
        Actor::OutSyn => both(row, member, tally),
        Actor::UdpFlood => {
            row.finding.role = Role::Target;
            let ports = through(&row, tally);
            [row].into_iter().chain(ports).collect()
        }
        Actor::Carpet => {
            row.finding.role = Role::Target;
            let net = Ipv4Net::new(Ipv4Addr::from(member.host), carpeted(member.number)).ok();
            row.finding.host = net.map_or(row.finding.host, |net| Host::Prefix(IpNet::V4(net)));
            vec![row]
        }
        _ => {
            row.finding.role = Role::Target;
            vec![row]
        }
    }
}

/// An inside host that floods an outside one: the row is its own, and its victim has one as well.
fn both(mut row: Truth, member: &Member, tally: &SourceCounts) -> Vec<Truth> {
    let Some(IpAddr::V4(victim)) = tally.sample.first().map(|flow| flow.dip) else {
        return Vec::new();
    };
    let mut target = row.clone();
    (target.finding.host, target.finding.role) = (address(victim.into()), Role::Target);
    target.finding.side = Some(side(victim.into()));
    target.finding.peer = vec![Peer { host: address(member.host), flows: Some(tally.flows) }];
    row.finding.peer = vec![Peer { host: address(victim.into()), flows: Some(tally.flows) }];
    vec![target, row]
}

/// One source that sends to every port of a host is right to be called a scanner of its ports.
fn through(row: &Truth, tally: &SourceCounts) -> Option<Truth> {
    let &(source, _) = tally.targets.first()?;
    let mut scan = row.clone();
    let ports = distinct(tally);
    (scan.finding.kind, scan.finding.class) = (Kind::Scan, "vertical".to_owned());
    (scan.finding.host, scan.finding.role) = (address(source), Role::Source);
    scan.finding.side = Some(side(source));
    scan.finding.peer = vec![Peer { host: row.finding.host, flows: Some(tally.flows) }];
    (scan.expect, scan.finding.why) = (Expect::May, format!("ports={ports}>={VERTICAL}"));
    (ports >= VERTICAL).then_some(scan)
}
