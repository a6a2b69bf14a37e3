//! What nfport remembers between windows: who attacked a port, whom they got into, how many attack a
//! port on an ordinary day, which of our hosts are mail servers, and worms too slow for one window.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::evidence::Evidence;
use crate::conversation::PairedFlows;
use crate::detect::baseline::Baselines;
use crate::time::{Timestamp, Window};

/// Seconds of a slot, the unit in which moments are remembered.
const SLOT: u64 = 600;
/// All is remembered for a day.
const DAY: u32 = (86_400 / SLOT) as u32;
/// Entries of each kind, some 30 octets each. With more, those seen longest ago are forgotten.
const MAX: usize = 1 << 17;
/// Targets of one slow worm, and of all together: 4 octets each.
const MAX_TARGETS: usize = 4096;
const MAX_ALL: usize = 1 << 22;

/// A host and a port: whose it is, or where it was attacked.
type At = (IpAddr, u8, u16);

/// The memory of nfport.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    pairing: Option<(u64, u64)>,
    /// Attackers of a port, with the slot in which each was seen last.
    attackers: BTreeMap<At, u32>,
    /// Hosts that an attacker got into at a port, with who that was.
    entered: BTreeMap<At, (IpAddr, u32)>,
    mail: BTreeMap<IpAddr, u32>,
    slow: BTreeMap<At, Trace>,
    attacked: Baselines<(u8, u16)>,
    evicted: u64,
}

/// What a source did over a day or less.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Slow {
    /// Distinct targets that it asked in vain, and in how many networks they lie.
    pub failed: u64,
    pub nets: u64,
    pub worked: u64,
}

/// Who asks many in vain over many windows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Trace {
    first: u32,
    last: u32,
    worked: u64,
    /// Hashes, in order.
    targets: Vec<u32>,
}

fn slot(seconds: u64) -> u32 {
    u32::try_from(seconds / SLOT).unwrap_or(u32::MAX)
}

fn last(window: Window) -> u32 {
    slot(window.end().saturating_sub(1))
}

impl Memory {
    /// Attackers, hosts that they got into, mail servers and slow worms, and what was forgotten.
    pub fn sizes(&self) -> [u64; 5] {
        let sizes = [self.attackers.len(), self.entered.len(), self.mail.len(), self.slow.len()];
        let [a, b, c, d] = sizes.map(|size| size as u64);
        [a, b, c, d, self.evicted]
    }

    pub(super) fn is_new(&self, window: Window, now: Timestamp) -> bool {
        self.attacked.is_new(window, now)
    }

    pub(super) fn pairing(&self) -> Option<PairedFlows> {
        self.pairing.map(|(long, paired)| PairedFlows { long_flows: long, paired })
    }

    /// Whether the host attacked the port in the day before.
    pub(super) fn attacked(&self, at: &At) -> bool {
        self.attackers.contains_key(at)
    }

    /// The attacker that got into the host at the port in the day before.
    pub(super) fn entered(&self, at: &At) -> Option<IpAddr> {
        self.entered.get(at).map(|(by, _)| *by)
    }

    pub(super) fn is_mail(&self, host: IpAddr) -> bool {
        self.mail.contains_key(&host)
    }

    /// How many attack a port on an ordinary day; `None` before it is known what that is.
    pub(super) fn usual(&self, port: (u8, u16), window: Option<Window>) -> Option<u64> {
        self.attacked.usual(&port, window)
    }

    pub(super) fn attack(&mut self, at: At, window: Window) {
        self.attackers.insert(at, last(window));
    }

    pub(super) fn enter(&mut self, at: At, by: IpAddr, window: Window) {
        // Who was first stays the one who is named.
        let (_, seen) = self.entered.entry(at).or_insert((by, 0));
        *seen = last(window);
    }

    pub(super) fn count(&mut self, port: (u8, u16), attackers: u64, window: Window) {
        self.attacked.learn(&port, attackers, window);
    }

    /// Adds what a source did in vain, and says of how many targets in how many windows that makes: since
    /// when, failed and worked.
    pub(super) fn add(&mut self, evidence: &Evidence, window: Window) {
        let at = (evidence.src, evidence.proto, evidence.port);
        let now = last(window);
        let slow = self.slow.entry(at).or_insert_with(|| Trace { first: now, ..Trace::default() });
        slow.last = now;
        slow.worked += evidence.worked;
        for target in &evidence.asked {
            if slow.targets.len() == MAX_TARGETS {
                break;
            }
            if let Err(place) = slow.targets.binary_search(target) {
                slow.targets.insert(place, *target);
            }
        }
    }

    /// What a source did at a port over all windows of a day or less. Of IPv6 what is known of targets are
    /// hashes, so that each has a network of its own.
    pub(super) fn slow(&self, at: &At) -> Option<Slow> {
        let Trace { targets, worked, .. } = self.slow.get(at)?;
        let nets = targets.chunk_by(|a, b| a >> 8 == b >> 8).count() as u64;
        Some(Slow { failed: targets.len() as u64, nets, worked: *worked })
    }

    /// A window is over.
    pub(super) fn close(
        &mut self,
        window: Window,
        mail: impl IntoIterator<Item = IpAddr>,
        pairing: Option<PairedFlows>,
    ) {
        if let Some(PairedFlows { long_flows: long, paired }) = pairing {
            self.pairing = Some((long, paired));
        }
        let now = last(window);
        self.mail.extend(mail.into_iter().map(|host| (host, now)));
        // A port that nobody attacks any more comes down by itself.
        self.attacked.close(window);
        self.evicted += trim(&mut self.attackers, now, |last| *last);
        self.evicted += trim(&mut self.entered, now, |(_, last)| *last);
        self.evicted += trim(&mut self.mail, now, |last| *last);
        // A worm's day begins anew when it is over.
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

/// Drops what is older than a day, and of the rest what was seen longest ago if there is no room.
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
