//! Carpet bombing: a network that is flooded as a whole, a little traffic to each of its hosts.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

use super::event::{Event, EventKind};
use super::host_summary::HostSummary;
use super::traffic_sum::TopSource;
use crate::conversation::{Address, PerWindow, has_port};
use crate::detect::threshold::percent;
use crate::detect::top::Top;
use crate::detect::traffic::Traffic;
use crate::finding::MAX_PEERS;

/// The class of a network that is flooded as a whole.
pub(super) const CARPET: &str = "carpet";

/// The fewest hosts of a carpet.
pub(super) const HOSTS: u64 = 20;
/// The fewest packets of a carpet: unanswered, to one /24, in ten minutes. All scanners and worms of the Internet
/// together send nearly 8000 to any /24, used or not (ORION and UCSD network telescopes, 2023).
pub(super) const PACKETS: u64 = 10_000;
/// The fewest packets of a carpet of large packets ([`is_large`]), which scanners do not send.
pub(super) const LARGE_PACKETS: u64 = 2_000;
/// The least bytes per packet of a carpet of large packets.
const LARGE_BYTES: u64 = 200;

/// The most events of a network that are kept to know its sources. Of more, the first ones stand for all.
const MAX_EVENTS: usize = 1 << 16;

/// The failed and unsolicited traffic to the hosts of one network, added host by host.
#[derive(Debug)]
pub(super) struct Carpets<A> {
    /// The network at hand.
    pub net: Option<A>,
    events: Vec<Event<A>>,
    hosts: u64,
    /// Number of the hosts that are dark: inside addresses that are not in use.
    dark: u64,
    /// Packets to the host that got most, as they count for a rate.
    most: u64,
    pub sums: Traffic,
    /// The part of the packets and bytes that counts for a rate.
    pub per_window: PerWindow,
}

/// A network that got enough traffic to be measured.
#[derive(Clone, Debug)]
pub(super) struct Carpet {
    pub net: IpNet,
    pub hosts: u64,
    /// Percent of the hosts that are dark.
    pub dark: u64,
    pub sums: Traffic,
    /// The part of the packets and bytes that counts for a rate. All shares are of these packets.
    pub per_window: PerWindow,
    /// Percent of the packets that the most hit host got.
    pub most: u64,
    /// Percent of the packets that the largest source sent.
    pub largest: u64,
    pub sources: u64,
    /// The largest sources, with their packets.
    pub top: Vec<(u64, TopSource)>,
    /// The protocol of nine in ten events, if there is one.
    pub proto: Option<u8>,
    /// The port of nine in ten events, if there is one.
    pub port: Option<u16>,
}

impl<A: Address> Carpets<A> {
    pub(super) fn new() -> Carpets<A> {
        Carpets {
            net: None,
            events: Vec::new(),
            hosts: 0,
            dark: 0,
            most: 0,
            sums: Traffic::NONE,
            per_window: PerWindow::NONE,
        }
    }

    /// Adds the next host of the network with the events that were kept for it.
    pub(super) fn host(&mut self, events: &[Event<A>], summary: &HostSummary, is_dark: bool) {
        self.hosts += 1;
        self.dark += u64::from(is_dark);
        self.most = self.most.max(summary.per_window.packets);
        self.sums.add(summary.one_way);
        self.per_window.add(summary.per_window);
        let is_one_way =
            |event: &&Event<A>| matches!(event.kind, EventKind::Failed | EventKind::Unsolicited);
        let room = MAX_EVENTS - self.events.len();
        self.events.extend(events.iter().filter(is_one_way).take(room));
    }

    /// Ends the network. Returns it if it has enough hosts and at least `least` packets.
    pub(super) fn end(&mut self, least: u64) -> Option<Carpet> {
        let net = self.net.take();
        let found = net.filter(|_| self.hosts >= HOSTS && self.per_window.packets >= least);
        let carpet = found.map(|net| self.measure(net));
        self.events.clear();
        (self.hosts, self.dark, self.most) = (0, 0, 0);
        (self.sums, self.per_window) = (Traffic::NONE, PerWindow::NONE);
        carpet
    }

    fn measure(&self, net: A) -> Carpet {
        let mut sources: BTreeMap<IpAddr, (u64, TopSource)> = BTreeMap::new();
        let mut ports: BTreeMap<(u8, u16), u64> = BTreeMap::new();
        let mut protos: BTreeMap<u8, u64> = BTreeMap::new();
        for event in &self.events {
            let peer = event.peer.ip();
            let new = || {
                let sample = event.sample();
                (0, TopSource { peer, sums: Traffic::NONE, answers: 0, sample })
            };
            let (per_window, source) = sources.entry(peer).or_insert_with(new);
            *per_window = per_window.saturating_add(event.per_window.packets);
            source.sums.add(Traffic { flows: 1, packets: event.packets, bytes: event.bytes });
            *ports.entry((event.proto, event.port)).or_default() += 1;
            *protos.entry(event.proto).or_default() += 1;
        }
        let mut top = Top::<TopSource, MAX_PEERS>::new();
        sources.values().for_each(|(per_window, source)| top.offer(*per_window, *source));
        let packets = sources.values().fold(0u64, |sum, (packets, _)| sum.saturating_add(*packets));
        let largest = top.iter().next().map_or(0, |(packets, _)| packets);
        let most = |count: u64| percent(count, self.events.len() as u64) >= 90;
        Carpet {
            net: net.prefix(),
            hosts: self.hosts,
            dark: percent(self.dark, self.hosts),
            sums: self.sums,
            per_window: self.per_window,
            most: percent(self.most, self.per_window.packets),
            largest: percent(largest, packets),
            sources: sources.len() as u64,
            top: top.iter().collect(),
            proto: protos.iter().find(|(_, count)| most(**count)).map(|(proto, _)| *proto),
            port: ports
                .iter()
                .find(|((proto, _), count)| has_port(*proto) && most(**count))
                .map(|((_, port), _)| *port),
        }
    }
}

/// Returns true if the packets have 200 bytes on average: scanners have no use for such large ones.
pub(super) fn is_large(traffic: Traffic) -> bool {
    traffic.bytes >= LARGE_BYTES.saturating_mul(traffic.packets)
}

/// Merges neighbouring networks: returns the largest networks that consist of these alone.
pub(super) fn merged(mut carpets: Vec<Carpet>) -> Vec<Carpet> {
    carpets.sort_by_key(|carpet| carpet.net);
    let nets = IpNet::aggregate(&carpets.iter().map(|carpet| carpet.net).collect());
    let mut carpets = carpets.into_iter().peekable();
    let mut all = Vec::new();
    for net in nets {
        let Some(mut whole) = carpets.next_if(|carpet| net.contains(&carpet.net)) else { continue };
        while let Some(part) = carpets.next_if(|carpet| net.contains(&carpet.net)) {
            whole.add(part);
        }
        whole.net = net;
        all.push(whole);
    }
    all
}

impl Carpet {
    /// Adds a neighbour. The number of sources becomes the larger one, a lower bound: the addresses of the
    /// sources are not known any more.
    fn add(&mut self, other: Carpet) {
        let whole = u128::from(self.per_window.packets) + u128::from(other.per_window.packets);
        let percent_of_whole = |part: u128| (part * 100 / whole.max(1)) as u64;
        let packets_of = |carpet: &Carpet, percent: u64| {
            u128::from(carpet.per_window.packets) * u128::from(percent) / 100
        };
        self.most =
            percent_of_whole(packets_of(self, self.most).max(packets_of(&other, other.most)));
        self.largest =
            percent_of_whole(packets_of(self, self.largest) + packets_of(&other, other.largest));
        self.dark = percent(
            self.dark * self.hosts + other.dark * other.hosts,
            (self.hosts + other.hosts) * 100,
        );
        self.hosts += other.hosts;
        self.sums.add(other.sums);
        self.per_window.add(other.per_window);
        self.sources = self.sources.max(other.sources);
        for (packets, source) in other.top {
            match self.top.iter_mut().find(|(_, own)| own.peer == source.peer) {
                Some((sum, own)) => {
                    *sum = sum.saturating_add(packets);
                    own.sums.add(source.sums);
                }
                None => self.top.push((packets, source)),
            }
        }
        self.top.sort_by_key(|(packets, source)| (Reverse(*packets), source.peer));
        self.top.truncate(MAX_PEERS);
        self.proto = self.proto.filter(|proto| other.proto == Some(*proto));
        self.port = self.port.filter(|port| self.proto.is_some() && other.port == Some(*port));
    }
}
