//! The truth about floods by name: the victims, the attackers, and whether they must be found.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};

use super::row::{Expect, Truth, address, distinct, found, side};
use crate::finding::{Host, Kind, Peer, Role};
use crate::scenario::actor::Actor;
use crate::scenario::floods::carpet_prefix;
use crate::scenario::member::{Member, SourceCounts};
use crate::time::Window;

/// The least flows in a window with which a flood must be found.
const FLOWS: u64 = 1_000;
/// The least flows of a flood of two minutes with which it must be found.
const BURST: u64 = 500;
/// The least servers with which a reflection must be found.
const SERVERS: u64 = 100;
/// The least packets a second with which an inside host that floods must be found.
const PACKETS: u32 = 2_000;
/// The least packets a second from one port to another with which a flood must be found.
const TUPLE: u32 = 5_000;
/// The least ports of one host with which a flooder may be called a scanner.
const VERTICAL: u64 = 15;

/// Returns the findings of a flood.
pub(super) fn of_flood(
    window: Window,
    class: &str,
    member: &Member,
    counts: &SourceCounts,
) -> Vec<Truth> {
    let mut row = found(window, Kind::Flood, class, member.host, counts);
    let (sources, flows) = (row.finding.peers, row.finding.flows);
    let must = |enough| if enough { Expect::Must } else { Expect::May };
    let limit = if member.bursts() { BURST } else { FLOWS };
    (row.expect, row.finding.why) = match member.actor {
        Actor::Outbound => (must(member.size >= PACKETS), format!("packets-s={}", member.size)),
        Actor::OneTuple | Actor::OutTuple => {
            (must(member.size >= TUPLE), format!("packets-s={}", member.size))
        }
        // Only a detector that knows the clients can tell it from a flood.
        Actor::Maintenance => (Expect::May, format!("flows={flows},sources={sources}")),
        // Only a detector that knows what is usual can find it.
        Actor::Volume => (Expect::May, format!("packets-s={}", member.size)),
        Actor::Reflected | Actor::Unlisted | Actor::SynAck => {
            (must(sources >= SERVERS), format!("sources={sources}"))
        }
        _ => (must(flows >= limit), format!("flows={flows},sources={sources}")),
    };
    if member.has_forged_sources() {
        row.finding.marks.push("forged".to_owned());
    }
    match member.actor {
        Actor::Outbound => vec![row],
        Actor::OutSyn | Actor::OutTuple => attacker_and_victim(row, member, counts),
        Actor::UdpFlood => {
            row.finding.role = Role::Target;
            let scanner = as_scanner(&row, counts);
            [row].into_iter().chain(scanner).collect()
        }
        Actor::Carpet => {
            row.finding.role = Role::Target;
            let net = Ipv4Net::new(Ipv4Addr::from(member.host), carpet_prefix(member.number)).ok();
            row.finding.host = net.map_or(row.finding.host, |net| Host::Prefix(IpNet::V4(net)));
            vec![row]
        }
        _ => {
            row.finding.role = Role::Target;
            vec![row]
        }
    }
}

/// Returns the findings about an inside host that floods an outside one, and about its victim. `row` is the
/// attacker's.
fn attacker_and_victim(mut row: Truth, member: &Member, counts: &SourceCounts) -> Vec<Truth> {
    let Some(IpAddr::V4(victim)) = counts.sample.first().map(|flow| flow.dip) else {
        return Vec::new();
    };
    let mut target = row.clone();
    (target.finding.host, target.finding.role) = (address(victim.into()), Role::Target);
    target.finding.side = Some(side(victim.into()));
    target.finding.peer = vec![Peer { host: address(member.host), flows: Some(counts.flows) }];
    row.finding.peer = vec![Peer { host: address(victim.into()), flows: Some(counts.flows) }];
    vec![target, row]
}

/// Returns the finding that the only source of a flood is a scanner, if it sends to many ports.
fn as_scanner(row: &Truth, counts: &SourceCounts) -> Option<Truth> {
    let &(source, _) = counts.targets.first()?;
    let mut scan = row.clone();
    let ports = distinct(counts);
    (scan.finding.kind, scan.finding.class) = (Kind::Scan, "vertical".to_owned());
    (scan.finding.host, scan.finding.role) = (address(source), Role::Source);
    scan.finding.side = Some(side(source));
    scan.finding.peer = vec![Peer { host: row.finding.host, flows: Some(counts.flows) }];
    (scan.expect, scan.finding.why) = (Expect::May, format!("ports={ports}>={VERTICAL}"));
    (ports >= VERTICAL).then_some(scan)
}
