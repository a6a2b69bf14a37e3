//! The memory of nfscan between windows: the inside hosts in use, the visibility of answers, and the failed
//! attempts of each source, for scans that are too slow for one window.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use foldhash::fast::RandomState;
use serde::{Deserialize, Serialize};

use super::acquaintance::Acquaintances;
use super::attempt::{Attempt, WORKED};
use super::case::NET;
use super::evidence::TOP_PORTS;
use crate::conversation::{Active, Address, PairedFlows};
use crate::detect::habit::Habits;
use crate::detect::judge::{MANY_WORKED, MOST, Remembers};
use crate::detect::routine::Routines;
use crate::detect::slot::{self, DAY, WEEK};
use crate::detect::spoke::Spoken;
use crate::detect::state::teaches;
use crate::detect::threshold::{Measure, percent};
use crate::finding::Finding;
use crate::time::{Timestamp, Window};

/// Seconds of sampled input that show enough of the inside hosts: six hours.
const WARM: u64 = 6 * 3600;

/// The spans over which attempts are counted.
const SPANS: [Span; 3] = [
    Span { slots: 6, targets: HOUR, name: "1h" },
    Span { slots: DAY, targets: 300, name: "1d" },
    Span { slots: WEEK, targets: 794, name: "1w" },
];

/// A span over which attempts are counted.
struct Span {
    slots: u32,
    /// The limit of distinct targets: 25 times the square root of the number of slots.
    targets: u64,
    name: &'static str,
}

/// Distinct targets of a slow scan in an hour.
pub(super) const HOUR: u64 = 61;

/// The factor of the limits for inside hosts, which have more reasons to fail, as in a single window.
const INSIDE: u64 = 4;

/// The most inside addresses that are stored. A host that forges its source cannot fill the file.
const MAX_ACTIVE: usize = 1 << 20;
/// The most targets of one source that are stored, which is more than any limit.
const MAX_TARGETS: usize = 4096;
/// The most targets of all sources, 12 bytes each. Beyond them, the sources that were last seen longest ago are
/// forgotten. A flood of forged sources can hide slow scanners, but it cannot fill the disk.
const MAX_ALL: usize = 1 << 22;
/// The most sources that are stored.
const MAX_SOURCES: usize = 1 << 18;
/// The most counts of successes, by port and slot, of one source.
const MAX_WORKED: usize = 256;

/// The memory of nfscan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// Start of the first window that was learned, in Unix seconds; 0 before there was one.
    since: u64,
    /// End of the last window that was learned, in Unix seconds; 0 before there was one.
    until: u64,
    /// Long TCP flows and those of them that were paired, of the last window that had enough of them.
    pairing: Option<(u64, u64)>,
    /// Inside hosts with the slot in which each was last active.
    active: BTreeMap<IpAddr, u32>,
    /// Sources by address and protocol.
    sources: BTreeMap<(IpAddr, u8), Source>,
    /// Sources that were first seen in the window that is being judged.
    #[serde(skip)]
    fresh: BTreeMap<(IpAddr, u8), Source>,
    /// Targets of all sources.
    targets: u64,
    /// Sources and hosts that were forgotten because there were too many.
    evicted: u64,
    /// Connections that are opened and closed without data in each window.
    pub(super) habits: Habits,
    /// The login ports inside, with who came to them.
    pub(super) acquaintances: Acquaintances,
    /// The sources that completed conversations.
    pub(super) spoken: Spoken,
    /// The findings of each day.
    pub routines: Routines,
}

/// A source, some of whose attempts failed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Source {
    /// Slot of the last failed attempt.
    last: u32,
    /// Failed attempts: hash of the host, port, and slot of the last attempt. Sorted by host and port.
    targets: Vec<(u32, u16, u32)>,
    /// Successes: port, slot, and number of successes.
    worked: Vec<(u16, u32, u32)>,
}

/// A scan that is too slow for one window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Slow {
    /// The name of the span over which it was found.
    pub span: &'static str,
    pub measures: Vec<Measure>,
    /// Distinct hosts.
    pub hosts: u64,
    /// The port, if there is only one.
    pub port: Option<u16>,
}

impl Remembers for Memory {
    fn pairing(&self) -> Option<PairedFlows> {
        self.pairing.map(|(long_flows, paired)| PairedFlows { long_flows, paired })
    }

    fn is_new(&self, window: Window, now: Timestamp) -> bool {
        teaches(self.until, window, now)
    }
}

impl Memory {
    /// Returns how many sources and hosts were forgotten because there were too many.
    pub fn evicted(&self) -> u64 {
        self.evicted
            + self.habits.sizes().1
            + self.acquaintances.evicted()
            + self.spoken.evicted()
            + self.routines.evicted()
    }

    /// Returns how many sources, targets of sources, and inside hosts are stored.
    pub fn sizes(&self) -> [u64; 3] {
        [self.sources.len() as u64, self.targets, self.active.len() as u64]
    }

    /// Returns true if even sampled input has shown the inside addresses that are in use.
    pub(super) fn is_warm(&self) -> bool {
        self.until.saturating_sub(self.since) >= WARM && self.active.len() < MAX_ACTIVE
    }

    /// Returns true if an inside host was active in the day before a window.
    pub(super) fn holds(&self, host: IpAddr, window: Option<Window>) -> bool {
        let now = slot::at(window.map_or(self.until, Window::start));
        self.active.get(&host).is_some_and(|last| last + DAY >= now)
    }

    /// Returns true if attempts of a source failed before. Its successes then count as well.
    pub(super) fn knows(&self, src: IpAddr, proto: u8) -> bool {
        self.sources.contains_key(&(src, proto))
    }

    /// Ends a window: stores its active hosts and its pairing of flows.
    pub(super) fn learn(
        &mut self,
        window: Window,
        active: &Active,
        pairing: Option<PairedFlows>,
        findings: &[Finding],
    ) {
        let (now, last) = (slot::at(window.start()), slot::last(window));
        if self.until == 0 {
            self.since = window.start();
        }
        self.until = window.end();
        if let Some(PairedFlows { long_flows, paired }) = pairing {
            self.pairing = Some((long_flows, paired));
        }
        self.active.retain(|_, last| *last + DAY >= now);
        for host in active.iter() {
            if self.active.len() < MAX_ACTIVE || self.active.contains_key(&host) {
                self.active.insert(host, last);
            } else {
                self.evicted += 1;
            }
        }
        self.sources.append(&mut self.fresh);
        self.habits.close();
        self.acquaintances.close(last);
        self.spoken.close(last);
        self.routines.learn(window, findings);
        self.forget(now);
    }

    /// Keeps only the sources with most targets among those that are new in this window: a flood of forged ones
    /// must not fill memory before the window is over. Each source is seen once, so their order does not matter.
    fn trim_fresh(&mut self) {
        let mut order: Vec<_> =
            self.fresh.iter().map(|(key, source)| (source.targets.len(), *key)).collect();
        order.sort_unstable();
        for (_, key) in order.iter().take(self.fresh.len().saturating_sub(MAX_SOURCES)) {
            self.fresh.remove(key);
            self.evicted += 1;
        }
    }

    /// Drops attempts that are older than a week, and sources that are too many.
    fn forget(&mut self, now: u32) {
        for source in self.sources.values_mut() {
            source.targets.retain(|(.., last)| *last + WEEK >= now);
            source.worked.retain(|(_, slot, _)| *slot + WEEK >= now);
        }
        self.sources.retain(|_, source| !source.targets.is_empty());
        let mut targets: usize = self.sources.values().map(|source| source.targets.len()).sum();
        if targets > MAX_ALL || self.sources.len() > MAX_SOURCES {
            // Sources that were last seen longest ago go first, and those with the fewest targets among them.
            let mut order: Vec<_> = self
                .sources
                .iter()
                .map(|(key, source)| (source.last, source.targets.len(), *key))
                .collect();
            order.sort_unstable();
            let mut left = self.sources.len();
            for (_, count, key) in order {
                if targets <= MAX_ALL && left <= MAX_SOURCES {
                    break;
                }
                self.sources.remove(&key);
                targets -= count;
                left -= 1;
                self.evicted += 1;
            }
        }
        self.targets = targets as u64;
    }

    /// Returns the stored source of these attempts, which are of one source and protocol. If the window is new,
    /// the attempts are added first.
    pub(super) fn observe<A: Address>(
        &mut self,
        window: Window,
        is_new: bool,
        attempts: &[Attempt<A>],
    ) -> Option<&Source> {
        let first = attempts.first()?;
        let key = (first.src.ip(), first.proto);
        if is_new && self.fresh.len() >= 2 * MAX_SOURCES {
            self.trim_fresh();
        }
        let source = match self.sources.get_mut(&key) {
            Some(source) => source,
            None if is_new => self.fresh.entry(key).or_default(),
            None => return None,
        };
        if is_new {
            source.learn(slot::last(window), attempts);
        }
        Some(source)
    }
}

impl Source {
    fn learn<A: Address>(&mut self, now: u32, attempts: &[Attempt<A>]) {
        for attempt in attempts.iter().filter(|attempt| attempt.is_failed()) {
            self.last = now;
            let target = (attempt.dst.digest(), attempt.port);
            match self.targets.binary_search_by_key(&target, |(host, port, _)| (*host, *port)) {
                Ok(at) => {
                    if let Some((.., last)) = self.targets.get_mut(at) {
                        *last = now;
                    }
                }
                Err(at) if self.targets.len() < MAX_TARGETS => {
                    self.targets.insert(at, (target.0, target.1, now));
                }
                Err(_) => {}
            }
        }
        let worked = attempts.iter().filter(|attempt| attempt.has(WORKED) && !attempt.unsolicited);
        for attempt in worked {
            let mut counts = self.worked.iter_mut();
            match counts.find(|(port, slot, _)| (*port, *slot) == (attempt.port, now)) {
                Some((.., count)) => *count = count.saturating_add(1),
                None => {
                    if self.worked.len() == MAX_WORKED {
                        self.worked.remove(0);
                    }
                    self.worked.push((attempt.port, now, 1));
                }
            }
        }
    }

    /// Returns the slow scan of this source that ends with the window, if there is one. `limit` is the least number
    /// of targets in an hour, and those of longer spans grow with it. `share` is the percentage of attempts that
    /// must have failed.
    pub(super) fn slow(
        &self,
        window: Window,
        limit: u64,
        is_inside: bool,
        share: u64,
    ) -> Option<Slow> {
        let factor = if is_inside { INSIDE } else { 1 };
        SPANS.iter().find_map(|span| {
            let limit = (span.targets * factor).saturating_mul(limit) / HOUR;
            self.slow_in(span, slot::last(window), limit, share)
        })
    }

    /// Returns the slow scan in a span that ends with the slot `now`: of one port, or up to four, or of one host.
    fn slow_in(&self, span: &Span, now: u32, limit: u64, share: u64) -> Option<Slow> {
        let since = now.saturating_sub(span.slots - 1);
        let recent: Vec<(u32, u16)> = self
            .targets
            .iter()
            .filter(|(.., last)| *last >= since)
            .map(|(host, port, _)| (*host, *port))
            .collect();
        let failed = recent.len() as u64;
        if failed < limit {
            return None;
        }
        let mut ports: HashMap<u16, u64, RandomState> = HashMap::default();
        let mut hosts: HashMap<u32, u64, RandomState> = HashMap::default();
        for (host, port) in &recent {
            *ports.entry(*port).or_default() += 1;
            *hosts.entry(*host).or_default() += 1;
        }
        let tallest = hosts.values().copied().max().unwrap_or(0);
        let mut ports: Vec<(u16, u64)> = ports.into_iter().collect();
        ports.sort_unstable_by_key(|&(port, count)| (std::cmp::Reverse(count), port));
        let is_vertical = percent(tallest, failed) >= 50;
        if !is_vertical {
            ports.truncate(TOP_PORTS);
        }
        let targets = if is_vertical { tallest } else { ports.iter().map(|(_, n)| n).sum() };
        let worked = self.worked_since(since, &ports);
        // As in one window, more must fail of a source that mostly gets answers.
        let share = if worked >= MANY_WORKED { share.max(MOST) } else { share };
        let measures = vec![
            Measure::at_least("targets", targets, limit),
            Measure::at_least("alikepct", percent(targets, failed), 50),
            Measure::at_least("failedpct", percent(targets, targets + worked), share),
            Measure::at_least("net", targets.saturating_sub(worked), NET),
        ];
        let port = match ports.as_slice() {
            [(port, _)] => Some(*port),
            [(port, count), ..] if percent(*count, targets) >= 90 && !is_vertical => Some(*port),
            _ => None,
        };
        let slow = Slow { span: span.name, measures, hosts: hosts.len() as u64, port };
        slow.measures.iter().all(Measure::passes).then_some(slow)
    }

    /// Returns how many attempts at these ports worked since a slot.
    fn worked_since(&self, since: u32, ports: &[(u16, u64)]) -> u64 {
        let recent = self.worked.iter().filter(|(port, slot, _)| {
            *slot >= since && ports.iter().any(|(other, _)| other == port)
        });
        recent.map(|(.., count)| u64::from(*count)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::scan::attempt::FAILED;

    fn window(start: u64, seconds: u32) -> Window {
        Window::new(start, seconds).unwrap()
    }

    /// Returns an attempt of the source `src` at port 22 of the host `dst`.
    fn attempt(src: u32, dst: u32, bits: u8) -> Attempt<u32> {
        Attempt { src, dst, port: 22, proto: 6, bits, flows: 1, ..Attempt::default() }
    }

    fn observe(
        memory: &mut Memory,
        window: Window,
        attempts: &[Attempt<u32>],
    ) -> Option<&'static str> {
        let source = memory.observe(window, true, attempts);
        source.and_then(|source| source.slow(window, HOUR, false, 50)).map(|slow| slow.span)
    }

    #[test]
    fn a_slow_scan_is_found_in_an_hour_a_day_or_a_week() {
        // One target every so many seconds, in windows of a minute.
        let found = |every: u64| {
            let mut memory = Memory::default();
            (0..7 * 1440).find_map(|minute| {
                let window = window(minute * 60, 60);
                let is_due = (minute * 60) % every == 0;
                let failed = is_due.then(|| attempt(9, minute as u32, FAILED));
                let slow = failed.and_then(|attempt| observe(&mut memory, window, &[attempt]));
                memory.learn(window, &Active::default(), None, &[]);
                slow.map(|span| format!("{span} after {} h", minute / 60))
            })
        };
        assert_eq!(
            found(60).as_deref(),
            Some("1d after 4 h"),
            "60 targets an hour are below the limit of 61"
        );
        assert_eq!(found(240).as_deref(), Some("1d after 19 h"));
        assert_eq!(
            found(300),
            Some("1w after 66 h".to_owned()),
            "288 targets a day are below the limit of 300"
        );
        assert_eq!(found(900), None, "672 in a week");
    }

    #[test]
    fn successes_count_in_windows_without_a_failure_too() {
        let mut memory = Memory::default();
        let mut slow = None;
        for n in 0..144u32 {
            let window = window(u64::from(n) * 600, 600);
            let fails = (0..4).map(|k| attempt(9, n * 8 + k, FAILED));
            let works = (0..4).map(|k| attempt(9, n * 8 + 4 + k, WORKED));
            let attempts: Vec<_> = if n % 3 == 0 { fails.collect() } else { works.collect() };
            assert!(n == 0 || memory.knows(9u32.ip(), 6));
            slow = slow.or(observe(&mut memory, window, &attempts));
            memory.learn(window, &Active::default(), None, &[]);
        }
        assert_eq!(slow, None);
    }

    #[test]
    fn a_flood_of_sources_does_not_fill_memory_and_the_busiest_are_kept() {
        let count = 2 * MAX_SOURCES as u32 + 5000;
        let remember = |order: &mut dyn Iterator<Item = u32>| {
            let mut memory = Memory::default();
            for src in order {
                // Every thousandth source tries two hosts.
                let attempts = [attempt(src, 1, FAILED), attempt(src, 2, FAILED)];
                let count = if src % 1000 == 0 { 2 } else { 1 };
                observe(&mut memory, window(0, 600), &attempts[..count]);
                assert!(memory.fresh.len() <= 2 * MAX_SOURCES);
            }
            memory.learn(window(0, 600), &Active::default(), None, &[]);
            memory
        };
        let forth = remember(&mut (0..count));
        assert_eq!(forth.sources.len(), MAX_SOURCES);
        assert!((0..count).step_by(1000).all(|src| forth.knows(src.ip(), 6)));
        assert_eq!(forth.evicted(), u64::from(count) - MAX_SOURCES as u64);
        assert!(remember(&mut (0..count).rev()) == forth, "the order of sources matters");
    }
}
