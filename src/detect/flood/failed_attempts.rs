//! The failed attempts at a host, summed up over their sources.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::by_proto::ByProto;
use super::event::EventKind;
use super::forged::Sources;
use super::source_traffic::{MAX_MINUTES, RETRIES, SourceTraffic};
use super::traffic_sum::TrafficSum;

/// The fewest sources of port scans or checks, and the fewest attempts of all of them, that are a flood instead
/// ([`FailedAttempts::is_flood`]).
const SCANNERS: u64 = 10;
const SCANNERS_ATTEMPTS: u64 = 5000;

/// The failed attempts at a host.
#[derive(Debug)]
pub(super) struct FailedAttempts {
    pub sum: TrafficSum,
    pub by_proto: ByProto,
    /// Attempts by minute.
    minutes: HashMap<u32, u64, RandomState>,
    /// The most distinct ports that one source tried.
    most_ports: u64,
    /// The kind and protocol of the sources at hand. Within one, sources come in ascending order.
    group: Option<(EventKind, u8)>,
    /// The distribution of the sources at hand.
    sources: Sources,
    /// The distribution of the largest group of sources so far.
    largest: Sources,
}

impl FailedAttempts {
    pub(super) fn new() -> FailedAttempts {
        FailedAttempts {
            sum: TrafficSum::new(),
            by_proto: ByProto::default(),
            minutes: HashMap::default(),
            most_ports: 0,
            group: None,
            sources: Sources::default(),
            largest: Sources::default(),
        }
    }

    pub(super) fn clear(&mut self) {
        self.sum.clear();
        self.by_proto = ByProto::default();
        self.minutes.clear();
        self.most_ports = 0;
        self.group = None;
        (self.sources, self.largest) = (Sources::default(), Sources::default());
    }

    /// Adds the attempts of one source by one protocol.
    pub(super) fn add(&mut self, source: &SourceTraffic) {
        self.sum.add(source, source.attempts, source.attempts, source.answer_attempts);
        self.by_proto.add(source.proto, source.attempts);
        self.most_ports = self.most_ports.max(source.distinct_ports);
        for (minute, attempts) in &source.minutes {
            self.add_minute(*minute, *attempts);
        }
        let group = Some((source.kind, source.proto));
        if self.group != group {
            self.end_group();
            self.group = group;
        }
        self.sources.add(source.peer, source.attempts, source.is_inside, source.is_spoofed);
    }

    fn add_minute(&mut self, minute: u32, attempts: u64) {
        let is_full = self.minutes.len() >= MAX_MINUTES;
        match self.minutes.get_mut(&minute) {
            Some(sum) => *sum += attempts,
            None if is_full => {}
            None => _ = self.minutes.insert(minute, attempts),
        }
    }

    /// Ends the group of sources at hand.
    pub(super) fn end_group(&mut self) {
        let group = std::mem::take(&mut self.sources);
        if group.count > self.largest.count {
            self.largest = group;
        }
        self.group = None;
    }

    /// Returns the attempts of the busiest minute; 0 if no start is known.
    pub(super) fn busiest_minute(&self) -> u64 {
        self.minutes.values().copied().max().unwrap_or(0)
    }

    /// Returns the distribution of the largest group of sources, by which forged ones are recognised.
    pub(super) fn largest_group(&self) -> &Sources {
        &self.largest
    }

    /// Returns true if these port scans and checks are a flood: at least ten sources with 5000 attempts.
    ///
    /// They remain one scan if all sources try the same ports, about as often as a scanner retries: that is
    /// one scanner that hides among forged sources (nmap -D).
    pub(super) fn is_flood(&self) -> bool {
        let TrafficSum { flows, sources, ports, .. } = &self.sum;
        let ports = (ports.len() as u64).max(self.most_ports);
        let is_one_scan =
            ports * 10 <= self.most_ports * 11 && *flows <= RETRIES * sources * self.most_ports;
        *sources >= SCANNERS && *flows >= SCANNERS_ATTEMPTS && !is_one_scan
    }

    /// Adds all attempts of `other`, which has `both` sources in common with these, and takes its minutes.
    pub(super) fn absorb(&mut self, other: &mut FailedAttempts, both: u64) {
        self.sum.absorb(&other.sum, both);
        self.by_proto.absorb(other.by_proto);
        for (minute, attempts) in std::mem::take(&mut other.minutes) {
            self.add_minute(minute, attempts);
        }
        other.end_group();
        if other.largest.count > self.largest.count {
            self.largest = other.largest;
        }
    }
}
