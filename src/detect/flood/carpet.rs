//! A network that is flooded as a whole, a little to each of its hosts.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

use super::event::{Event, EventKind};
use super::traffic::{Counts, TopSource, add};
use super::victims::HostSummary;
use crate::conversation::{Address, PerWindow, has_port};
use crate::detect::threshold::percent;
use crate::detect::top::Top;
use crate::finding::MAX_PEERS;

/// Fewer hosts are not a network.
pub(super) const HOSTS: u64 = 20;
/// Packets in ten minutes upon one /24 that nobody there answers. What scanners and worms of the whole
/// world send to any /24, used or not, comes near 8000 (ORION and UCSD network telescopes, 2023).
pub(super) const PACKETS: u64 = 10_000;
/// The same of packets with at least so many bytes, which scanners have no use for.
pub(super) const LARGE: (u64, u64) = (200, 2_000);

/// Events of a network that are kept to know its sources. With more, the first of them must do.
const MAX_EVENTS: usize = 1 << 16;

/// What came upon the hosts of one network in vain, host by host in ascending order.
#[derive(Debug)]
pub(super) struct Carpets<A> {
    pub net: Option<A>,
    events: Vec<Event<A>>,
    hosts: u64,
    dark: u64,
    /// Packets of the host that got most, as a rate counts them.
    most: u64,
    pub sums: Counts,
    pub per_window: PerWindow,
}

/// A network upon which enough came to look at it.
#[derive(Clone, Debug)]
pub(super) struct Carpet {
    pub net: IpNet,
    pub hosts: u64,
    pub dark: u64,
    pub sums: Counts,
    /// Packets and bytes of these as a rate counts them, by which all shares are.
    pub per_window: PerWindow,
    /// Percent of the packets that one host got, and that one source sent.
    pub most: u64,
    pub largest: u64,
    pub sources: u64,
    pub top: Vec<(u64, TopSource)>,
    pub proto: Option<u8>,
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
            sums: (0, 0, 0),
            per_window: PerWindow::NONE,
        }
    }

    /// The next host of the network, with the events that were kept of it.
    pub(super) fn host(&mut self, events: &[Event<A>], glance: &HostSummary, is_dark: bool) {
        self.hosts += 1;
        self.dark += u64::from(is_dark);
        self.most = self.most.max(glance.per_window.packets);
        add(&mut self.sums, glance.stream);
        self.per_window.add(glance.per_window);
        let in_vain =
            |event: &&Event<A>| matches!(event.kind, EventKind::Failed | EventKind::Unsolicited);
        let room = MAX_EVENTS - self.events.len();
        self.events.extend(events.iter().filter(in_vain).take(room));
    }

    /// The network is over: what came upon it, if it was flooded as a whole for all that a few sums say.
    pub(super) fn end(&mut self, least: u64) -> Option<Carpet> {
        let net = self.net.take();
        let found = net.filter(|_| self.hosts >= HOSTS && self.per_window.packets >= least);
        let carpet = found.map(|net| self.look(net));
        self.events.clear();
        (self.hosts, self.dark, self.most, self.sums) = (0, 0, 0, (0, 0, 0));
        self.per_window = PerWindow::NONE;
        carpet
    }

    fn look(&self, net: A) -> Carpet {
        let mut sources: BTreeMap<IpAddr, (u64, TopSource)> = BTreeMap::new();
        let mut ports: BTreeMap<(u8, u16), u64> = BTreeMap::new();
        let mut protos: BTreeMap<u8, u64> = BTreeMap::new();
        for event in &self.events {
            let peer = event.peer.ip();
            let blank =
                || (0, TopSource { peer, sums: (0, 0, 0), answers: 0, sample: event.sample() });
            let (per_window, from) = sources.entry(peer).or_insert_with(blank);
            *per_window = per_window.saturating_add(event.per_window.packets);
            add(&mut from.sums, (1, event.packets, event.bytes));
            *ports.entry((event.proto, event.port)).or_default() += 1;
            *protos.entry(event.proto).or_default() += 1;
        }
        let mut top = Top::<TopSource, MAX_PEERS>::new();
        sources.values().for_each(|(per_window, from)| top.offer(*per_window, *from));
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

/// Returns true if packets are larger than a scanner's.
pub(super) fn is_large((_, packets, bytes): Counts) -> bool {
    bytes >= LARGE.0.saturating_mul(packets)
}

/// Neighbours as one: the greatest networks that are made of these alone.
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
    /// Adds a neighbour. Sources are not told apart any more: there are at least as many as in one.
    fn add(&mut self, other: Carpet) {
        let packets = (self.per_window.packets, other.per_window.packets);
        let share = |of: &Carpet, percent: u64| {
            u128::from(of.per_window.packets) * u128::from(percent) / 100
        };
        let whole = u128::from(packets.0) + u128::from(packets.1);
        let of_whole = |part: u128| (part * 100 / whole.max(1)) as u64;
        self.most = of_whole(share(self, self.most).max(share(&other, other.most)));
        self.largest = of_whole(share(self, self.largest) + share(&other, other.largest));
        self.dark = percent(
            self.dark * self.hosts + other.dark * other.hosts,
            (self.hosts + other.hosts) * 100,
        );
        self.hosts += other.hosts;
        add(&mut self.sums, other.sums);
        self.per_window.add(other.per_window);
        self.sources = self.sources.max(other.sources);
        for (packets, from) in other.top {
            match self.top.iter_mut().find(|(_, own)| own.peer == from.peer) {
                Some((sum, own)) => {
                    *sum = sum.saturating_add(packets);
                    add(&mut own.sums, from.sums);
                }
                None => self.top.push((packets, from)),
            }
        }
        self.top.sort_by_key(|(packets, from)| (std::cmp::Reverse(*packets), from.peer));
        self.top.truncate(MAX_PEERS);
        self.proto = self.proto.filter(|proto| other.proto == Some(*proto));
        self.port = self.port.filter(|port| self.proto.is_some() && other.port == Some(*port));
    }
}
