//! What nfscan remembers between windows: which of our hosts are in use, whether answers are exported,
//! and who asked whom in vain, for scans too slow for one window.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use foldhash::fast::RandomState;
use serde::{Deserialize, Serialize};

use super::attempt::{Attempt, WORKED};
use super::class::NET;
use crate::conversation::{Active, Address, PairedFlows};
use crate::detect::state::teaches;
use crate::detect::threshold::{Measure, percent};
use crate::time::{Timestamp, Window};

/// Seconds of a slot, the unit in which moments are remembered.
const SLOT: u64 = 600;
/// An address is in use for a day after it was seen.
const ACTIVE: u32 = (86_400 / SLOT) as u32;
/// Sampled input has shown enough of our hosts after six hours.
const WARM: u64 = 6 * 3600;
/// Attempts are remembered for a week.
const WEEK: u32 = (7 * 86_400 / SLOT) as u32;

/// The windows of a slow scan in slots, their limits of distinct targets (25 times the square root of how
/// many times ten minutes they are), and their names.
const SPANS: [(u32, u64, &str); 3] = [(6, HOUR, "1h"), (ACTIVE, 300, "1d"), (WEEK, 794, "1w")];

/// Distinct targets of a slow scan in an hour.
pub(super) const HOUR: u64 = 61;

/// Inside hosts have more reasons to fail, as in a single window.
const INSIDE: u64 = 4;

/// Inside addresses remembered at most: one that forges its source must not fill the file.
const MAX_ACTIVE: usize = 1 << 20;
/// Targets remembered of one source: more than any limit.
const MAX_TARGETS: usize = 4096;
/// Targets remembered in all, 12 octets each. With more, sources that were seen longest ago are
/// forgotten; a flood of forged sources can make it forget slow scanners, not fill the disk.
const MAX_ALL: usize = 1 << 22;
/// Sources remembered.
const MAX_SOURCES: usize = 1 << 18;
/// Counts of what worked, by port and slot, of one source.
const MAX_WORKED: usize = 256;

/// The memory of nfscan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// Start of the first window that was learned, and end of the last, in Unix seconds.
    since: u64,
    until: u64,
    /// Long TCP flows and how many were paired, when there were enough of them.
    pairing: Option<(u64, u64)>,
    /// Inside hosts with the slot in which each was seen last.
    active: BTreeMap<IpAddr, u32>,
    sources: BTreeMap<(IpAddr, u8), Source>,
    /// Sources that were never seen before the window that is being judged.
    #[serde(skip)]
    fresh: BTreeMap<(IpAddr, u8), Source>,
    /// Targets of all sources together.
    targets: u64,
    /// Sources and hosts that were forgotten for want of room.
    evicted: u64,
}

/// Who asked in vain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Source {
    last: u32,
    /// Host (a hash of its address), port, and slot of the last attempt; sorted by host and port.
    targets: Vec<(u32, u16, u32)>,
    /// Port, slot, and how often it worked.
    worked: Vec<(u16, u32, u32)>,
}

/// A scan that is too slow for one window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Slow {
    /// Over how long.
    pub span: &'static str,
    pub measures: Vec<Measure>,
    pub hosts: u64,
    pub port: Option<u16>,
}

fn slot(seconds: u64) -> u32 {
    u32::try_from(seconds / SLOT).unwrap_or(u32::MAX)
}

impl Memory {
    /// How many sources and hosts were forgotten for want of room.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Sources and their targets that are remembered, and our hosts.
    pub fn sizes(&self) -> [u64; 3] {
        [self.sources.len() as u64, self.targets, self.active.len() as u64]
    }

    /// Whether a window is to be learned.
    pub(super) fn is_new(&self, window: Window, now: Timestamp) -> bool {
        teaches(self.until, window, now)
    }

    /// Whether sampled input has shown which of our addresses are in use.
    pub(super) fn is_warm(&self) -> bool {
        self.until.saturating_sub(self.since) >= WARM && self.active.len() < MAX_ACTIVE
    }

    /// Whether an inside host was in use in the day before a window.
    pub(super) fn holds(&self, host: IpAddr, window: Option<Window>) -> bool {
        let now = slot(window.map_or(self.until, Window::start));
        self.active.get(&host).is_some_and(|last| last + ACTIVE >= now)
    }

    /// Whether a source asked somebody in vain before: what works for it then counts as well.
    pub(super) fn knows(&self, src: IpAddr, proto: u8) -> bool {
        self.sources.contains_key(&(src, proto))
    }

    /// What was known of the pairing of TCP flows.
    pub(super) fn pairing(&self) -> Option<PairedFlows> {
        self.pairing.map(|(long, paired)| PairedFlows { long_flows: long, paired })
    }

    /// A window is over: who was active in it, and how much was paired.
    pub(super) fn learn(&mut self, window: Window, active: &Active, pairing: Option<PairedFlows>) {
        let (now, last) = (slot(window.start()), slot(window.end().saturating_sub(1)));
        if self.until == 0 {
            self.since = window.start();
        }
        self.until = window.end();
        if let Some(PairedFlows { long_flows: long, paired }) = pairing {
            self.pairing = Some((long, paired));
        }
        self.active.retain(|_, last| *last + ACTIVE >= now);
        for host in active.iter() {
            match self.active.len() < MAX_ACTIVE || self.active.contains_key(&host) {
                true => _ = self.active.insert(host, last),
                false => self.evicted += 1,
            }
        }
        self.sources.append(&mut self.fresh);
        self.forget(now);
    }

    /// Of the sources that are new in this window, those that asked most: a flood of forged ones must not
    /// fill memory before the window is over. Which are kept does not depend on their order, since each is
    /// seen once.
    fn trim(&mut self) {
        let mut order: Vec<_> =
            self.fresh.iter().map(|(key, source)| (source.targets.len(), *key)).collect();
        order.sort_unstable();
        for (_, key) in order.iter().take(self.fresh.len().saturating_sub(MAX_SOURCES)) {
            self.fresh.remove(key);
            self.evicted += 1;
        }
    }

    /// Drops what is older than a week, and what there is no room for.
    fn forget(&mut self, now: u32) {
        for source in self.sources.values_mut() {
            source.targets.retain(|(.., last)| *last + WEEK >= now);
            source.worked.retain(|(_, slot, _)| *slot + WEEK >= now);
        }
        self.sources.retain(|_, source| !source.targets.is_empty());
        let mut targets: usize = self.sources.values().map(|source| source.targets.len()).sum();
        if targets > MAX_ALL || self.sources.len() > MAX_SOURCES {
            // Those seen longest ago go first, and of these the ones that asked least.
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

    /// What a source did in a window; the slow scan that it is part of, if it is.
    pub(super) fn observe<A: Address>(
        &mut self,
        window: Window,
        is_new: bool,
        trials: &[Attempt<A>],
        limit: u64,
        is_inside: bool,
        share: u64,
    ) -> Option<Slow> {
        let first = trials.first()?;
        let key = (first.src.ip(), first.proto);
        let now = slot(window.end().saturating_sub(1));
        if is_new && self.fresh.len() >= 2 * MAX_SOURCES {
            self.trim();
        }
        let source = match self.sources.get_mut(&key) {
            Some(source) => source,
            None if is_new => self.fresh.entry(key).or_default(),
            None => return None,
        };
        if is_new {
            source.learn(now, trials);
        }
        let factor = if is_inside { INSIDE } else { 1 };
        let spans = SPANS.iter().filter_map(|(slots, targets, span)| {
            // The limit that a site sets is that of an hour.
            let limit = (targets * factor).saturating_mul(limit) / HOUR;
            source.judge(now.saturating_sub(slots - 1), limit, share, span)
        });
        spans.into_iter().next()
    }
}

impl Source {
    fn learn<A: Address>(&mut self, now: u32, trials: &[Attempt<A>]) {
        for trial in trials.iter().filter(|trial| trial.is_failed()) {
            self.last = now;
            let target = (trial.dst.digest(), trial.port);
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
        for trial in trials.iter().filter(|trial| trial.bits & WORKED != 0 && !trial.unsolicited) {
            let of = |(port, slot, _): &&mut (u16, u32, u32)| (*port, *slot) == (trial.port, now);
            match self.worked.iter_mut().find(of) {
                Some((.., count)) => *count = count.saturating_add(1),
                None => {
                    if self.worked.len() == MAX_WORKED {
                        self.worked.remove(0);
                    }
                    self.worked.push((trial.port, now, 1));
                }
            }
        }
    }

    /// Whether what it did since a slot is a scan: of one port, or up to four, or of one host.
    fn judge(&self, since: u32, limit: u64, share: u64, span: &'static str) -> Option<Slow> {
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
        let worked = |of: &[(u16, u64)]| -> u64 {
            let of_port = |port: &u16| of.iter().any(|(own, _)| own == port);
            let recent =
                self.worked.iter().filter(|(port, slot, _)| *slot >= since && of_port(port));
            recent.map(|(.., count)| u64::from(*count)).sum()
        };
        let vertical = percent(tallest, failed) >= 50;
        if !vertical {
            ports.truncate(super::evidence::TOP_PORTS);
        }
        let targets = if vertical { tallest } else { ports.iter().map(|(_, count)| count).sum() };
        let worked = worked(&ports);
        let measures = vec![
            Measure::at_least("targets", targets, limit),
            Measure::at_least("alikepct", percent(targets, failed), 50),
            Measure::at_least("failedpct", percent(targets, targets + worked), share),
            Measure::at_least("net", targets.saturating_sub(worked), NET),
        ];
        let port = match ports.as_slice() {
            [(port, _)] => Some(*port),
            [(port, count), ..] if percent(*count, targets) >= 90 && !vertical => Some(*port),
            _ => None,
        };
        let slow = Slow { span, measures, hosts: hosts.len() as u64, port };
        slow.measures.iter().all(Measure::passes).then_some(slow)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::scan::attempt::FAILED;

    fn window(start: u64, seconds: u32) -> Window {
        Window::new(start, seconds).unwrap()
    }

    /// A trial of the source `src` at the host `dst`, port 22.
    fn trial(src: u32, dst: u32, bits: u8) -> Attempt<u32> {
        Attempt { src, dst, port: 22, proto: 6, bits, flows: 1, ..Attempt::default() }
    }

    fn observe(
        memory: &mut Memory,
        window: Window,
        trials: &[Attempt<u32>],
    ) -> Option<&'static str> {
        memory.observe(window, true, trials, HOUR, false, 50).map(|slow| slow.span)
    }

    #[test]
    fn slow_is_counted_by_the_hour_the_day_and_the_week() {
        // Every so many seconds one target, in windows of a minute.
        let found = |every: u64| {
            let mut memory = Memory::default();
            (0..7 * 1440).find_map(|minute| {
                let window = window(minute * 60, 60);
                let asks = (minute * 60) % every == 0;
                let failed = asks.then(|| trial(9, minute as u32, FAILED));
                let slow = failed.and_then(|trial| observe(&mut memory, window, &[trial]));
                memory.learn(window, &Active::default(), None);
                slow.map(|span| format!("{span} after {} h", minute / 60))
            })
        };
        assert_eq!(found(60).as_deref(), Some("1d after 4 h"), "60 targets an hour are no 61");
        assert_eq!(found(240).as_deref(), Some("1d after 19 h"));
        assert_eq!(found(300), Some("1w after 66 h".to_owned()), "288 targets a day are no 300");
        assert_eq!(found(900), None, "672 in a week");
    }

    #[test]
    fn what_works_counts_in_windows_without_a_failure_too() {
        let mut memory = Memory::default();
        let mut slow = None;
        for n in 0..144u32 {
            let window = window(u64::from(n) * 600, 600);
            let fails = (0..4).map(|k| trial(9, n * 8 + k, FAILED));
            let works = (0..4).map(|k| trial(9, n * 8 + 4 + k, WORKED));
            let trials: Vec<_> = if n % 3 == 0 { fails.collect() } else { works.collect() };
            assert!(n == 0 || memory.knows(9u32.ip(), 6));
            slow = slow.or(observe(&mut memory, window, &trials));
            memory.learn(window, &Active::default(), None);
        }
        assert_eq!(slow, None);
    }

    #[test]
    fn a_flood_of_sources_fills_no_memory_and_the_busiest_are_kept() {
        let count = 2 * MAX_SOURCES as u32 + 5000;
        let remember = |order: &mut dyn Iterator<Item = u32>| {
            let mut memory = Memory::default();
            for src in order {
                // Every thousandth asks for two hosts.
                let trials = [trial(src, 1, FAILED), trial(src, 2, FAILED)];
                let asked = if src % 1000 == 0 { 2 } else { 1 };
                observe(&mut memory, window(0, 600), &trials[..asked]);
                assert!(memory.fresh.len() <= 2 * MAX_SOURCES);
            }
            memory.learn(window(0, 600), &Active::default(), None);
            memory
        };
        let forth = remember(&mut (0..count));
        assert_eq!(forth.sources.len(), MAX_SOURCES);
        assert!((0..count).step_by(1000).all(|src| forth.knows(src.ip(), 6)));
        assert_eq!(forth.evicted(), u64::from(count) - MAX_SOURCES as u64);
        assert!(remember(&mut (0..count).rev()) == forth, "the order of sources matters");
    }
}
