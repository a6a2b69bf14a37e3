//! The memory of nfport between windows: the attackers of a port, the hosts that they reached, the usual number of
//! attackers of a port, the inside mail servers, and worms that are too slow for one window.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::evidence::Evidence;
use crate::conversation::PairedFlows;
use crate::detect::baseline::Baselines;
use crate::detect::habit::Habits;
use crate::detect::judge::Remembers;
use crate::detect::routine::Routines;
use crate::detect::slot::{DAY, last};
use crate::detect::spoke::Spoken;
use crate::finding::Finding;
use crate::time::{Timestamp, Window};

/// The most entries of each kind, some 30 bytes each. Beyond them, those that were last seen longest ago are
/// forgotten.
const MAX: usize = 1 << 17;
/// The most targets of one slow worm, 4 bytes each.
const MAX_TARGETS: usize = 4096;
/// The most targets of all slow worms.
const MAX_ALL: usize = 1 << 22;

/// A host, a protocol and a port: the source of an attack on the port, or its target.
pub(super) type At = (IpAddr, u8, u16);

/// The memory of nfport. Every entry but the usual number of attackers is kept for a day.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// Long TCP flows and those of them that were paired, of the last window that had enough of them.
    pairing: Option<(u64, u64)>,
    /// Attackers of a port, with the slot in which each was last seen.
    attackers: BTreeMap<At, u32>,
    /// Hosts that an attacker reached at a port, with the attacker and the slot in which it was last seen.
    entered: BTreeMap<At, (IpAddr, u32)>,
    /// Inside mail servers, with the slot in which each last took mail.
    mail: BTreeMap<IpAddr, u32>,
    /// Sources of failed attempts at a port.
    slow: BTreeMap<At, Trace>,
    /// The usual number of attackers of each protocol and port.
    attacked: Baselines<(u8, u16)>,
    /// Entries that were forgotten because there were too many.
    evicted: u64,
    /// Connections that are opened and closed without data in each window.
    pub(super) habits: Habits,
    /// The usual number of sources that try a few unused addresses at each protocol and port.
    swarms: Baselines<(u8, u16)>,
    /// The sources that completed conversations.
    pub(super) spoken: Spoken,
    /// Sessions of outside sources with the host that each had most of them with, too few in a window for password
    /// guessing.
    sessions: BTreeMap<At, Sessions>,
    /// The findings of each day.
    pub routines: Routines,
}

/// The sessions of a source at a port of one host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Sessions {
    host: IpAddr,
    /// Slot, number of sessions, and bytes of one on average.
    windows: Vec<(u32, u64, u64)>,
}

/// Slots of an hour.
const HOUR: u32 = 6;
/// The most windows of a source in an hour that are stored: shorter ones are merged with the last.
const MAX_WINDOWS: usize = 12;

/// The attempts of a source at a port over a day or less.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Slow {
    /// Distinct targets that failed.
    pub failed: u64,
    /// Networks in which these targets lie. Those of IPv6 are hashes, so each has a network of its own.
    pub nets: u64,
    /// Targets that worked, summed over the windows.
    pub worked: u64,
}

/// The failed attempts of a source at a port over many windows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Trace {
    /// Slot of the first attempt.
    first: u32,
    /// Slot of the last attempt.
    last: u32,
    /// Targets that worked, summed over the windows.
    worked: u64,
    /// Hashes of the failed targets, sorted.
    targets: Vec<u32>,
}

impl Remembers for Memory {
    fn pairing(&self) -> Option<PairedFlows> {
        self.pairing.map(|(long_flows, paired)| PairedFlows { long_flows, paired })
    }

    fn is_new(&self, window: Window, now: Timestamp) -> bool {
        self.attacked.is_new(window, now)
    }
}

impl Memory {
    /// Returns how many attackers, hosts that they reached, mail servers and slow worms are stored, and how many of
    /// all of them were forgotten because there were too many.
    pub fn sizes(&self) -> [u64; 5] {
        let sizes = [self.attackers.len(), self.entered.len(), self.mail.len(), self.slow.len()];
        let [a, b, c, d] = sizes.map(|size| size as u64);
        [
            a,
            b,
            c,
            d,
            self.evicted
                + self.habits.sizes().1
                + self.spoken.evicted()
                + self.swarms.sizes().1
                + self.routines.evicted(),
        ]
    }

    /// Returns true if the host attacked the port in the day before.
    pub(super) fn attacked(&self, at: &At) -> bool {
        self.attackers.contains_key(at)
    }

    /// Returns the attacker that reached the host at the port in the day before.
    pub(super) fn entered(&self, at: &At) -> Option<IpAddr> {
        self.entered.get(at).map(|(by, _)| *by)
    }

    /// Returns true if the host took mail in the day before.
    pub(super) fn is_mail(&self, host: IpAddr) -> bool {
        self.mail.contains_key(&host)
    }

    /// Returns the usual number of attackers of a port, or `None` if it is not known yet.
    pub(super) fn usual(&self, port: (u8, u16), window: Option<Window>) -> Option<u64> {
        self.attacked.usual(&port, window)
    }

    /// Returns the usual number of sources that try a few unused addresses at a port, if it is known.
    pub(super) fn usual_swarm(&self, port: (u8, u16), window: Option<Window>) -> Option<u64> {
        self.swarms.usual(&port, window)
    }

    /// Adds the number of sources that tried a few unused addresses at a port in a window.
    pub(super) fn count_swarm(&mut self, port: (u8, u16), sources: u64, window: Window) {
        self.swarms.learn(&port, sources, window);
    }

    /// Counts sources that were dropped before their swarm was judged, because they tried too many ports.
    pub(super) fn drop_swarms(&mut self, sources: u64) {
        self.evicted += sources;
    }

    /// Adds sessions of a source with a host: how many, and the bytes of one on average.
    pub(super) fn add_sessions(&mut self, at: At, host: IpAddr, seen: (u64, u64), now: u32) {
        let of_host = Sessions { host, windows: Vec::new() };
        let known = self.sessions.entry(at).or_insert_with(|| of_host.clone());
        if known.host != host {
            *known = of_host;
        }
        let (count, bytes) = seen;
        match known.windows.last_mut() {
            Some((slot, sum, mean)) if *slot == now => {
                *mean = (*mean * *sum + bytes * count) / (*sum + count).max(1);
                *sum += count;
            }
            _ => known.windows.push((now, count, bytes)),
        }
        if known.windows.len() > MAX_WINDOWS {
            known.windows.remove(0);
        }
    }

    /// Returns how many sessions of like size, within 30 % of their mean, a source had with a host in the hour that
    /// ends with the slot `now`.
    pub(super) fn sessions(&self, at: &At, host: IpAddr, now: u32) -> Option<u64> {
        let known = self.sessions.get(at).filter(|known| known.host == host)?;
        let recent = || known.windows.iter().filter(|(slot, ..)| slot.saturating_add(HOUR) > now);
        let all: u64 = recent().map(|(_, count, _)| count).sum();
        let bytes: u64 = recent().map(|(_, count, mean)| count * mean).sum();
        let mean = bytes / all.max(1);
        let is_alike = |(_, _, of): &&(u32, u64, u64)| of * 10 >= mean * 7 && of * 10 <= mean * 13;
        Some(recent().filter(is_alike).map(|(_, count, _)| count).sum())
    }

    /// Adds an attacker of a port.
    pub(super) fn attack(&mut self, at: At, window: Window) {
        self.attackers.insert(at, last(window));
    }

    /// Adds a host that an attacker reached at a port.
    pub(super) fn enter(&mut self, at: At, by: IpAddr, window: Window) {
        // The first attacker stays the one that is named.
        let (_, seen) = self.entered.entry(at).or_insert((by, 0));
        *seen = last(window);
    }

    /// Adds the number of attackers of a port in a window.
    pub(super) fn count(&mut self, port: (u8, u16), attackers: u64, window: Window) {
        self.attacked.learn(&port, attackers, window);
    }

    /// Returns true if failed attempts of a source at a port are remembered.
    pub(super) fn has_failed(&self, at: &At) -> bool {
        self.slow.contains_key(at)
    }

    /// Adds the attempts of a source in a window: the failed ones if they are to be remembered, and if any are, those
    /// that worked.
    pub(super) fn add(&mut self, evidence: &Evidence, is_remembered: bool, window: Window) {
        let at = (evidence.src, evidence.proto, evidence.port);
        let now = last(window);
        if !is_remembered {
            if let Some(slow) = self.slow.get_mut(&at) {
                slow.worked += evidence.worked;
            }
            return;
        }
        let slow = self.slow.entry(at).or_insert_with(|| Trace { first: now, ..Trace::default() });
        slow.last = now;
        slow.worked += evidence.worked;
        for target in &evidence.failed_hashes {
            if slow.targets.len() == MAX_TARGETS {
                break;
            }
            if let Err(place) = slow.targets.binary_search(target) {
                slow.targets.insert(place, *target);
            }
        }
    }

    /// Returns the attempts of a source at a port over all windows of a day or less.
    pub(super) fn slow(&self, at: &At) -> Option<Slow> {
        let Trace { targets, worked, .. } = self.slow.get(at)?;
        let nets = targets.chunk_by(|a, b| a >> 8 == b >> 8).count() as u64;
        Some(Slow { failed: targets.len() as u64, nets, worked: *worked })
    }

    /// Ends a window, whose mail servers are `mail`.
    pub(super) fn close(
        &mut self,
        window: Window,
        mail: impl IntoIterator<Item = IpAddr>,
        pairing: Option<PairedFlows>,
        findings: &[Finding],
    ) {
        if let Some(PairedFlows { long_flows, paired }) = pairing {
            self.pairing = Some((long_flows, paired));
        }
        let now = last(window);
        self.mail.extend(mail.into_iter().map(|host| (host, now)));
        // The usual number falls by itself at a port that nobody attacks any more.
        self.attacked.close(window);
        self.habits.close();
        self.routines.learn(window, findings);
        self.swarms.close(window);
        self.spoken.close(last(window));
        let newest = |known: &Sessions| known.windows.last().map_or(0, |(slot, ..)| *slot);
        self.sessions.retain(|_, known| newest(known).saturating_add(HOUR) >= now);
        self.evicted += trim(&mut self.sessions, now, newest);
        self.evicted += trim(&mut self.attackers, now, |last| *last);
        self.evicted += trim(&mut self.entered, now, |(_, last)| *last);
        self.evicted += trim(&mut self.mail, now, |last| *last);
        // A source that goes on begins a new day.
        self.slow.retain(|_, slow| slow.first.saturating_add(DAY) > now);
        self.evicted += trim(&mut self.slow, now, |slow| slow.last);
        let mut targets: usize = self.slow.values().map(|slow| slow.targets.len()).sum();
        if targets > MAX_ALL {
            let order: BTreeSet<(u32, At)> =
                self.slow.iter().map(|(at, slow)| (slow.last, *at)).collect();
            for (_, at) in order {
                if targets <= MAX_ALL {
                    break;
                }
                targets -= self.slow.remove(&at).map_or(0, |slow| slow.targets.len());
                self.evicted += 1;
            }
        }
    }
}

/// Drops entries that are older than a day and, beyond [`MAX`], those that were last seen longest ago. Returns how
/// many the latter are.
fn trim<K: Ord + Clone, V>(all: &mut BTreeMap<K, V>, now: u32, last: impl Fn(&V) -> u32) -> u64 {
    all.retain(|_, value| last(value).saturating_add(DAY) >= now);
    let excess = all.len().saturating_sub(MAX);
    if excess == 0 {
        return 0;
    }
    let mut order: Vec<(u32, K)> =
        all.iter().map(|(key, value)| (last(value), key.clone())).collect();
    order.sort_unstable();
    for (_, key) in order.into_iter().take(excess) {
        all.remove(&key);
    }
    excess as u64
}
