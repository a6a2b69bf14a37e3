//! A finding of the truth, and its values for the counts of a source.

use std::cmp::Reverse;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};

use crate::finding::{
    Finding, Host, Kind, MAX_PEERS, Peer, Rate, Role, Sample, Side, scanned_networks,
};
use crate::scenario::campus::inside;
use crate::scenario::member::SourceCounts;
use crate::time::Window;

/// The demand on a detector: a finding that it must or may make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Expect {
    /// The detector must find it. Not to find it is a miss.
    Must,
    /// The detector may find it, which is right, and not to find it is no miss. It is true, but by a rule of
    /// another kind than the attack is meant for, or it is too small to be expected.
    May,
}

impl Expect {
    /// Returns the word in the column `expect`.
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

/// A finding that a window holds. Kind, host and role identify it; a detector may give it another class. A host
/// without such a finding is innocent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Truth {
    /// The finding, with the counts of what was played.
    pub finding: Finding,
    /// The demand on the detector.
    pub expect: Expect,
}

/// The least distinct targets in a window with which a scanner must be found.
const SCANNED: u64 = 25;
/// The least hosts on one port with which the detector of port attacks may find a scanner too.
pub(super) const SPREAD: u64 = 1_000;
/// The windows of an hour, and the least targets in them with which a slow scanner must be found.
pub(super) const HOUR: (u32, u64) = (6, 61);
/// The windows of a day, and the least targets in them with which a slow scanner must be found.
pub(super) const DAY: (u32, u64) = (144, 300);

/// Returns the targets of an actor in `windows` windows up to the one of this index. Each window before it had
/// `size` other targets.
pub(super) fn over(index: u32, windows: u32, size: u32, targets: u64) -> u64 {
    targets + u64::from(windows.min(index.saturating_add(1)) - 1) * u64::from(size)
}

/// Returns the number of distinct hosts and ports of the other side.
pub(super) fn distinct(counts: &SourceCounts) -> u64 {
    count(counts.targets.iter().copied()).len() as u64
}

/// Returns a finding about `host` as a source, by the counts of its flows. For the target of a flood the caller
/// sets the role.
pub(super) fn found(
    window: Window,
    kind: Kind,
    class: &str,
    host: u32,
    counts: &SourceCounts,
) -> Truth {
    let hosts = count(counts.targets.iter().map(|&(host, _)| Ipv4Addr::from(host)));
    let peers = hosts.len() as u64;
    let nets = || {
        let host = counts.targets.iter().map(|&(host, _)| IpAddr::V4(Ipv4Addr::from(host)));
        networks(&host.collect::<Vec<_>>(), 24).collect::<Vec<_>>()
    };
    let (peer, more) = if kind != Kind::Scan || hosts.len() <= MAX_PEERS {
        let host = |(host, flows)| (Host::Address(IpAddr::V4(host)), Some(flows));
        name(hosts.into_iter().map(host).collect())
    } else if class == "sweep" {
        walked(nets().into_iter())
    } else {
        let net = |(net, flows)| (Host::Prefix(IpNet::V4(net)), Some(flows));
        name(count(nets().into_iter()).into_iter().map(net).collect())
    };
    let targets = distinct(counts);
    let enough = targets >= SCANNED;
    let sign = if enough { ">=" } else { "<" };
    let first = counts.sample.first();
    // The port, if all flows went to one.
    let one = |port: u16| {
        counts.targets.iter().all(|&(_, other)| other == counts.targets[0].1).then_some(port)
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
        flows: counts.flows,
        packets: counts.packets,
        octets: counts.octets,
        rate: Rate::of(counts.flows, Some(window)),
        marks: Vec::new(),
        why: format!("targets={targets}{sign}{SCANNED}"),
        sample: counts.sample.iter().map(Sample::from).collect(),
    };
    Truth { finding, expect: if enough { Expect::Must } else { Expect::May } }
}

pub(super) fn side(host: u32) -> Side {
    if inside(host) { Side::Inside } else { Side::Outside }
}

pub(super) fn address(host: u32) -> Host {
    Host::Address(IpAddr::V4(Ipv4Addr::from(host)))
}

/// Returns each distinct item with the number of its occurrences, in the order of the items.
pub(super) fn count<T: Ord + Copy>(items: impl Iterator<Item = T>) -> Vec<(T, u64)> {
    let mut items: Vec<T> = items.collect();
    items.sort_unstable();
    items.chunk_by(T::eq).map(|same| (same[0], same.len() as u64)).collect()
}

/// Returns the network of each address. All addresses here are IPv4.
pub(super) fn networks(hosts: &[IpAddr], length: u8) -> impl Iterator<Item = Ipv4Net> {
    hosts.iter().filter_map(move |host| match host {
        IpAddr::V4(host) => Ipv4Net::new(*host, length).ok().map(|net| net.trunc()),
        IpAddr::V6(_) => None,
    })
}

/// Returns the column `peer` of a sweep whose flows went to these networks, and the number of further entries.
pub(super) fn walked(nets: impl Iterator<Item = Ipv4Net>) -> (Vec<Peer>, u64) {
    scanned_networks(count(nets).into_iter().map(|(net, flows)| (IpNet::V4(net), flows)))
}

/// Returns the entries of the column `peer`, those with the most flows first, and the number of further ones.
pub(super) fn name(mut hosts: Vec<(Host, Option<u64>)>) -> (Vec<Peer>, u64) {
    hosts.sort_by_key(|&(host, flows)| (Reverse(flows), host));
    let more = hosts.len().saturating_sub(MAX_PEERS) as u64;
    let named = hosts.into_iter().take(MAX_PEERS);
    (named.map(|(host, flows)| Peer { host, flows }).collect(), more)
}
