//! The sum of one kind of traffic to a host, with its largest sources.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::IpAddr;

use foldhash::fast::RandomState;

use super::source_traffic::SourceTraffic;
use crate::conversation::{PerWindow, has_port};
use crate::detect::threshold::percent;
use crate::detect::top::Top;
use crate::detect::traffic::Traffic;
use crate::finding::{Host, MAX_PEERS, MAX_SAMPLES, Peer, Sample};
use crate::flow::TCP;

/// One of the largest sources, with what a finding shows of it. Sources are ordered by address first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TopSource {
    pub peer: IpAddr,
    pub sums: Traffic,
    /// The part of the source's weight that may only be answers.
    pub answers: u64,
    pub sample: Sample,
}

/// Returns the weight of a source without the part that may only be answers: an answer is no attack, even if
/// its request was not exported.
pub(super) fn attacking(&(weight, source): &(u64, TopSource)) -> u64 {
    weight.saturating_sub(source.answers)
}

/// The sum of one kind of traffic to a host. For traffic that the host sent, the sources are its receivers.
#[derive(Clone, Debug)]
pub(super) struct TrafficSum {
    pub flows: u64,
    pub packets: u64,
    pub bytes: u64,
    /// The part of the packets and bytes that counts for a rate.
    pub per_window: PerWindow,
    /// Number of distinct sources.
    pub sources: u64,
    /// Flows from inside sources.
    pub inside_flows: u64,
    /// Flows from inside sources by other protocols than TCP.
    pub inside_datagrams: u64,
    top: Top<TopSource, MAX_PEERS>,
    /// Conversations by protocol and attacked port.
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
            inside_flows: 0,
            inside_datagrams: 0,
            top: Top::new(),
            ports: HashMap::default(),
        }
    }

    pub(super) fn clear(&mut self) {
        self.flows = 0;
        self.packets = 0;
        self.bytes = 0;
        self.per_window = PerWindow::NONE;
        self.sources = 0;
        self.inside_flows = 0;
        self.inside_datagrams = 0;
        self.top.clear();
        self.ports.clear();
    }

    /// Adds the traffic of one source by one protocol. `flows` are the flows of it that count here, and
    /// `weight` decides its place among the largest sources; `answers` is the part of the weight that may
    /// only be answers.
    pub(super) fn add(&mut self, source: &SourceTraffic, flows: u64, weight: u64, answers: u64) {
        let Traffic { packets, bytes, .. } = source.sums;
        self.flows += flows;
        self.packets = self.packets.saturating_add(packets);
        self.bytes = self.bytes.saturating_add(bytes);
        self.per_window.add(source.per_window);
        self.sources += 1;
        let is_inside = source.is_inside && !source.is_spoofed;
        self.inside_flows += if is_inside { flows } else { 0 };
        self.inside_datagrams += if is_inside && source.proto != TCP { flows } else { 0 };
        self.top.offer(
            weight,
            TopSource {
                peer: source.peer,
                sums: Traffic { flows, packets, bytes },
                answers,
                sample: source.sample,
            },
        );
        for (port, flows) in &source.ports {
            *self.ports.entry((source.proto, *port)).or_default() += flows;
        }
    }

    /// Adds another sum that has `both` sources in common with this one.
    pub(super) fn absorb(&mut self, other: &TrafficSum, both: u64) {
        self.flows += other.flows;
        self.packets = self.packets.saturating_add(other.packets);
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.per_window.add(other.per_window);
        self.sources += other.sources - both;
        self.inside_flows += other.inside_flows;
        self.inside_datagrams += other.inside_datagrams;
        other.top.iter().for_each(|(weight, source)| self.top.offer(weight, source));
        for (port, flows) in &other.ports {
            *self.ports.entry(*port).or_default() += flows;
        }
    }

    /// Returns the largest sources with their weights, greatest first. A source that used several protocols
    /// is listed once.
    pub(super) fn top(&self) -> Vec<(u64, TopSource)> {
        let mut all: Vec<(u64, TopSource)> = Vec::new();
        for (weight, source) in self.top.iter() {
            match all.iter_mut().find(|(_, other)| other.peer == source.peer) {
                Some((sum, other)) => {
                    *sum += weight;
                    other.answers = other.answers.saturating_add(source.answers);
                    other.sums.add(source.sums);
                }
                None => all.push((weight, source)),
            }
        }
        all.sort_by_key(|(weight, source)| (Reverse(*weight), source.peer));
        all
    }

    /// Returns the protocol and the port that nine in ten of the conversations share, each if there is one.
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

    /// Returns the largest sources as a finding lists them.
    pub(super) fn peers(&self) -> Vec<Peer> {
        self.top()
            .iter()
            .map(|(_, source)| Peer {
                host: Host::Address(source.peer),
                flows: Some(source.sums.flows),
            })
            .collect()
    }

    /// Returns a sample flow of each of the largest sources.
    pub(super) fn samples(&self) -> Vec<Sample> {
        self.top().iter().take(MAX_SAMPLES).map(|(_, source)| source.sample).collect()
    }
}
