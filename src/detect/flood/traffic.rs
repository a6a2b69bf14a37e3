//! Sums of what came upon a host, and who sent most of it.

use std::collections::HashMap;
use std::net::IpAddr;

use foldhash::fast::RandomState;

use super::source_traffic::SourceTraffic;
use crate::conversation::{PerWindow, has_port};
use crate::detect::threshold::percent;
use crate::detect::top::Top;
use crate::finding::{MAX_PEERS, MAX_SAMPLES, Peer, Sample};
use crate::flow::TCP;

/// Sources of a host that are told apart whatever they send; with more, one that floods by two protocols is
/// counted by each.
const MAX_SENDERS: usize = 1 << 20;

/// Flows, packets and bytes.
pub(super) type Counts = (u64, u64, u64);

/// Adds counts to others.
pub(super) fn add(sums: &mut Counts, (flows, packets, bytes): Counts) {
    sums.0 += flows;
    sums.1 = sums.1.saturating_add(packets);
    sums.2 = sums.2.saturating_add(bytes);
}

/// One source of a load, with what else is needed to show it; ordered by its address first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TopSource {
    pub peer: IpAddr,
    pub sums: Counts,
    /// The part of the weight that may only be answers.
    pub answers: u64,
    pub sample: Sample,
}

/// Returns what a source sent beside answers: nobody attacks with what may be the answer to a question that
/// was not exported.
pub(super) fn asking(&(weight, from): &(u64, TopSource)) -> u64 {
    weight.saturating_sub(from.answers)
}

/// Traffic of one kind upon a host.
#[derive(Clone, Debug)]
pub(super) struct TrafficSum {
    pub flows: u64,
    pub packets: u64,
    pub bytes: u64,
    /// Packets and bytes as a rate counts them.
    pub per_window: PerWindow,
    pub sources: u64,
    /// Flows of inside sources, and those of them that are not of TCP.
    pub ours: u64,
    pub our_datagrams: u64,
    top: Top<TopSource, MAX_PEERS>,
    /// Conversations by protocol and port of who is flooded.
    pub ports: HashMap<(u8, u16), u64, RandomState>,
}

impl TrafficSum {
    pub(super) fn new() -> TrafficSum {
        TrafficSum {
            flows: 0,
            packets: 0,
            bytes: 0,
            per_window: PerWindow::NONE,
            sources: 0,
            ours: 0,
            our_datagrams: 0,
            top: Top::new(),
            ports: HashMap::default(),
        }
    }

    pub(super) fn clear(&mut self) {
        (self.flows, self.packets, self.bytes, self.sources) = (0, 0, 0, 0);
        (self.ours, self.our_datagrams, self.per_window) = (0, 0, PerWindow::NONE);
        self.top.clear();
        self.ports.clear();
    }

    /// Adds a source's, of one protocol; what counts in `top` is `weight`, of which so much is answers.
    pub(super) fn add(&mut self, run: &SourceTraffic, flows: u64, weight: u64, answers: u64) {
        let (_, packets, bytes) = run.sums;
        self.flows += flows;
        self.packets = self.packets.saturating_add(packets);
        self.bytes = self.bytes.saturating_add(bytes);
        self.per_window.add(run.per_window);
        self.sources += 1;
        let is_ours = run.is_ours && !run.is_spoofed;
        self.ours += if is_ours { flows } else { 0 };
        self.our_datagrams += if is_ours && run.proto != TCP { flows } else { 0 };
        self.top.offer(
            weight,
            TopSource {
                peer: run.peer,
                sums: (flows, packets, bytes),
                answers,
                sample: run.sample,
            },
        );
        for (port, flows) in &run.ports {
            *self.ports.entry((run.proto, *port)).or_default() += flows;
        }
    }

    /// Adds another load, `both` of whose sources are in this one too.
    pub(super) fn absorb(&mut self, other: &TrafficSum, both: u64) {
        self.flows += other.flows;
        self.packets = self.packets.saturating_add(other.packets);
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.per_window.add(other.per_window);
        self.sources += other.sources - both;
        self.ours += other.ours;
        self.our_datagrams += other.our_datagrams;
        other.top.iter().for_each(|(weight, from)| self.top.offer(weight, from));
        for (port, flows) in &other.ports {
            *self.ports.entry(*port).or_default() += flows;
        }
    }

    /// The sources that sent most, each once.
    pub(super) fn top(&self) -> Vec<(u64, TopSource)> {
        let mut all: Vec<(u64, TopSource)> = Vec::new();
        for (weight, from) in self.top.iter() {
            match all.iter_mut().find(|(_, other)| other.peer == from.peer) {
                // The same by another protocol.
                Some((sum, other)) => {
                    *sum += weight;
                    other.answers = other.answers.saturating_add(from.answers);
                    add(&mut other.sums, from.sums);
                }
                None => all.push((weight, from)),
            }
        }
        all.sort_by_key(|(weight, from)| (std::cmp::Reverse(*weight), from.peer));
        all
    }

    /// The protocol and the port that nine in ten of the conversations share, where they do.
    pub(super) fn aim(&self) -> (Option<u8>, Option<u16>) {
        let mut protos: HashMap<u8, u64, RandomState> = HashMap::default();
        for ((proto, _), flows) in &self.ports {
            *protos.entry(*proto).or_default() += flows;
        }
        let all: u64 = protos.values().sum();
        let most = |flows: u64| percent(flows, all) >= 90;
        let proto = protos.iter().find(|(_, flows)| most(**flows)).map(|(proto, _)| *proto);
        let port = self.ports.iter().find(|((proto, _), flows)| has_port(*proto) && most(**flows));
        (proto, port.map(|((_, port), _)| *port))
    }

    pub(super) fn peers(&self) -> Vec<Peer> {
        let host = crate::finding::Host::Address;
        self.top()
            .iter()
            .map(|(_, from)| Peer { host: host(from.peer), flows: Some(from.sums.0) })
            .collect()
    }

    pub(super) fn samples(&self) -> Vec<Sample> {
        self.top().iter().take(MAX_SAMPLES).map(|(_, from)| from.sample).collect()
    }
}

/// The loads of a host, as bits.
pub(super) const TRIED: u8 = 1;
pub(super) const LOOKED: u8 = 2;
pub(super) const STREAM: u8 = 4;
pub(super) const DATAGRAMS: u8 = 8;
pub(super) const ANSWERS: u8 = 16;
pub(super) const SENT: u8 = 32;

/// The sources of a host, and in which loads each of them is.
#[derive(Debug, Default)]
pub(super) struct SourceSet {
    all: Vec<(IpAddr, u8)>,
    /// How often a source came again to a load that it was in, by the load's bit.
    again: [u64; 8],
    is_full: bool,
}

impl SourceSet {
    pub(super) fn clear(&mut self) {
        self.all.clear();
        (self.again, self.is_full) = ([0; 8], false);
    }

    /// One that is in these loads; it may be there already by another protocol.
    pub(super) fn add(&mut self, source: IpAddr, loads: u8) {
        if self.is_full {
            return;
        }
        self.all.push((source, loads));
        if self.all.len() >= 2 * MAX_SENDERS {
            self.merge();
            self.is_full = self.all.len() >= MAX_SENDERS;
        }
    }

    fn merge(&mut self) {
        // Sources of a protocol came in order: there is little to sort.
        self.all.sort_by_key(|(source, _)| *source);
        let again = &mut self.again;
        self.all.dedup_by(|(source, more), (first, bits)| {
            let is_same = source == first;
            if is_same {
                for (bit, count) in again.iter_mut().enumerate() {
                    *count += u64::from(*more & *bits & (1 << bit) != 0);
                }
                *bits |= *more;
            }
            is_same
        });
    }

    /// Each source once: takes from the loads those that they counted again.
    pub(super) fn once(&mut self, loads: [(u8, &mut TrafficSum); 6]) {
        self.merge();
        for (of, load) in loads {
            load.sources -= self.again.get(of.trailing_zeros() as usize).copied().unwrap_or(0);
        }
    }

    /// How many are in all of these.
    pub(super) fn common(&self, loads: u8) -> u64 {
        self.all.iter().filter(|(_, bits)| bits & loads == loads).count() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_counts_once_however_many_there_are() {
        let count = |sources: u32| {
            let mut senders = SourceSet::default();
            let [mut tried, mut looked, mut stream, mut datagrams, mut answers, mut sent] =
                [(); 6].map(|()| TrafficSum::new());
            for (load, others) in [(TRIED, 0), (TRIED, DATAGRAMS), (LOOKED, 0)] {
                for source in 0..sources {
                    senders.add(IpAddr::V4(source.into()), STREAM | load | others);
                    stream.sources += 1;
                    tried.sources += u64::from(load == TRIED);
                    looked.sources += u64::from(load == LOOKED);
                    datagrams.sources += u64::from(others == DATAGRAMS);
                }
            }
            senders.once([
                (TRIED, &mut tried),
                (LOOKED, &mut looked),
                (STREAM, &mut stream),
                (DATAGRAMS, &mut datagrams),
                (ANSWERS, &mut answers),
                (SENT, &mut sent),
            ]);
            let both = senders.common(TRIED | LOOKED);
            [tried, looked, stream, datagrams].map(|load| load.sources).into_iter().chain([both])
        };
        for sources in [7, MAX_SENDERS as u32 - 1] {
            assert!(count(sources).all(|count| count == u64::from(sources)), "{sources}");
        }
        // With more, none is lost.
        assert!(count(MAX_SENDERS as u32 + 9).take(4).all(|count| count > MAX_SENDERS as u64));
    }
}
