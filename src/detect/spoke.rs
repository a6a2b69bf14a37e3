//! The mark `spoke`: a host completed a TCP conversation of its own, so its address is hardly forged.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::slot::DAY;
use crate::finding::Finding;

/// The mark of a finding about a source that completed a TCP conversation which it had opened itself, with one of its
/// targets or by the port of the finding. It makes a forged address unlikely. It proves no single packet.
const SPOKE: &str = "spoke";

/// The most ports of one source in a window that are remembered. A scanner that is let in everywhere has many.
pub(super) const MAX_PORTS: usize = 32;
/// The most sources and ports that are stored, some 20 bytes each. Sources cannot be forged here, but a large site has
/// many clients. Beyond the limit, those that were last seen longest ago are forgotten.
const MAX: usize = 1 << 18;

/// The sources that completed a conversation, by the port that they reached, with the slot in which they last did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Spoken {
    ports: BTreeMap<(IpAddr, u16), u32>,
    /// Sources and ports of the window that is being judged.
    #[serde(skip)]
    seen: BTreeSet<(IpAddr, u16)>,
    /// Sources and ports that were forgotten because there were too many.
    evicted: u64,
}

/// Returns the finding with the mark `spoke`, if its source did.
pub(super) fn marked(mut finding: Finding, spoke: bool) -> Finding {
    if spoke {
        finding.marks.push(SPOKE.to_owned());
    }
    finding
}

impl Spoken {
    /// Returns how many sources and ports were forgotten because there were too many.
    pub(super) fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Returns true if the source completed a conversation at the port in the 24 hours before the slot `now`.
    pub(super) fn knows(&self, src: IpAddr, port: u16, now: u32) -> bool {
        self.ports.get(&(src, port)).is_some_and(|last| last.saturating_add(DAY) >= now)
    }

    /// Adds a conversation of the window that is being judged.
    pub(super) fn add(&mut self, src: IpAddr, port: u16) {
        self.seen.insert((src, port));
        // The greatest go, so that the order in which they came does not matter.
        if self.seen.len() > 2 * MAX {
            self.seen.pop_last();
            self.evicted += 1;
        }
    }

    /// Ends the window, whose last slot is `now`.
    pub(super) fn close(&mut self, now: u32) {
        self.ports.extend(std::mem::take(&mut self.seen).into_iter().map(|at| (at, now)));
        self.ports.retain(|_, last| last.saturating_add(DAY) >= now);
        let excess = self.ports.len().saturating_sub(MAX);
        if excess > 0 {
            let mut order: Vec<(u32, (IpAddr, u16))> =
                self.ports.iter().map(|(at, last)| (*last, *at)).collect();
            order.sort_unstable();
            for (_, at) in order.into_iter().take(excess) {
                self.ports.remove(&at);
            }
            self.evicted += excess as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conversation_is_remembered_for_a_day() {
        let host: IpAddr = "192.0.2.9".parse().unwrap();
        let mut spoken = Spoken::default();
        spoken.add(host, 22);
        assert!(!spoken.knows(host, 22, 5), "the window is not over");
        spoken.close(5);
        assert!(spoken.knows(host, 22, 5 + DAY) && !spoken.knows(host, 23, 6));
        assert!(!spoken.knows(host, 22, 6 + DAY));
        spoken.close(6 + DAY);
        assert!(spoken.ports.is_empty());
    }

    #[test]
    fn many_clients_do_not_fill_memory() {
        let remember = |order: &mut dyn Iterator<Item = u32>| {
            let mut spoken = Spoken::default();
            for n in order {
                spoken.add(IpAddr::V4(n.into()), 443);
                assert!(spoken.seen.len() <= 2 * MAX);
            }
            spoken.close(1);
            spoken
        };
        let count = 3 * MAX as u32;
        let spoken = remember(&mut (0..count));
        assert_eq!((spoken.ports.len(), spoken.evicted()), (MAX, 2 * MAX as u64));
        assert!(remember(&mut (0..count).rev()) == spoken, "the order matters");
    }
}
