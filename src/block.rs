//! Hosts to block at a router or a firewall, and hosts to unblock.
//!
//! This module alone decides which hosts are blocked: single machines of our own that sent the flagged
//! traffic themselves, in networks that the user allowed to be blocked, and whose address no finding calls
//! forged. [`Commands`] prints the decision in the dialect of a device.
#![deny(clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::contacts::{is_machine, tunnel_end, unmapped};
use crate::finding::{Finding, Host, Kind, Role, Side};
use crate::flow::Networks;
use crate::time::Window;

mod commands;

pub use commands::{Commands, Device};

/// The most hosts that one run blocks. An attacker who forges exports can cause findings about any number of
/// hosts.
pub const MAX_BLOCKED: usize = 10_000;

/// The most hosts that one run unblocks: as many as ten runs can block.
pub const MAX_UNBLOCKED: usize = 100_000;

/// The most forged addresses that are remembered. A flood from all addresses of a /16, each named by a
/// finding of its own, stays below this. With more, nobody is blocked, because any address may be one of
/// those that were not remembered.
pub const MAX_FORGED: usize = 100_000;

/// The most refusals that are remembered; those with the gravest reasons are kept. A flood of findings about
/// outside hosts must not fill the memory.
pub const MAX_REFUSED: usize = 10_000;

/// The fewest bits of a network that may be blocked: an IPv4 /8, an IPv6 /16.
const WIDEST: (u8, u8) = (8, 16);

/// A network too wide for anybody to want it blocked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0} is too wide: with it, one wrong finding could block anybody; name your own networks, none \
     wider than /{bits4} (IPv6: /{bits6})",
    bits4 = WIDEST.0,
    bits6 = WIDEST.1
)]
pub struct TooWide(pub IpNet);

/// The hosts that a run may block or unblock.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// The networks whose hosts may be blocked.
    may_block: Networks,
    /// The networks whose hosts are never blocked: routers, name servers, the admins' own machines.
    never: Networks,
    /// True if hosts are unblocked instead of blocked.
    unblock: bool,
}

/// The reason why a host is not blocked; the gravest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Refusal {
    /// The host must not be blocked, whatever it does.
    #[error("it is in --never")]
    Never,
    /// The host is the end of a tunnel whose IPv4 address must not be blocked.
    #[error("the IPv4 address that it is made of is in --never")]
    NeverByTunnel,
    /// The address may be somebody else's.
    #[error("the finding is marked forged: the address may be an innocent one's")]
    Forged,
    /// A finding with the mark `forged` about another host names this one as a source.
    #[error("a finding with forged sources names it as one: the address may be an innocent one's")]
    NamedAsForged,
    /// The finding is about a network, which is many machines.
    #[error("it is a network: only single hosts are blocked")]
    Prefix,
    /// No machine has this address: it is multicast, loopback or the like.
    #[error("no machine has this address")]
    NoHost,
    /// The user did not allow hosts of this network to be blocked.
    #[error("it is not in --may-block")]
    NotAllowed,
    /// The detector was not told which networks are inside.
    #[error("the finding does not say that it is inside: give the detector --inside")]
    NoSide,
    /// The host is somebody else's machine, and the router next to it is not ours.
    #[error("it is outside")]
    Outside,
    /// The finding is about a research scan that the site allows.
    #[error("it is a known survey")]
    Survey,
    /// The finding counts no flow, so nothing was seen.
    #[error("the finding counts no flow")]
    NoFlows,
}

/// The finding that a host is blocked for: the newest one, and of several in that window the one with the
/// most flows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// The window; `None` if the input had no time.
    pub window: Option<Window>,
    /// The family of rules that fired.
    pub kind: Kind,
    /// The rule.
    pub class: String,
    /// Flows of the flagged traffic.
    pub flows: u64,
}

/// The hosts to block or unblock, and those that were refused.
#[derive(Clone, Debug, Default)]
pub struct BlockPlan {
    /// The hosts to block or unblock, by address.
    pub hosts: BTreeMap<IpAddr, Reason>,
    /// The hosts that were refused, by the gravity of the reason, then by host.
    pub refused: Vec<(Refusal, Host)>,
    /// Number of hosts that are not blocked only because their findings are too old.
    pub older: usize,
    /// True if there were more refusals than are remembered: those with the least grave reasons are missing.
    pub more_refused: bool,
    /// True if there were more hosts than one run takes: those with the oldest findings are missing.
    pub left_out: bool,
    /// True if there were more forged addresses than are remembered, so no host is blocked.
    pub undecided: bool,
}

impl Policy {
    /// Returns the policy for blocking.
    ///
    /// IPv4-mapped networks (`::ffff:192.0.2.0/120`) count as the IPv4 networks that they are.
    ///
    /// # Errors
    /// Returns the first network of `may_block` that is wider than /8, or than /16 for IPv6.
    pub fn block(may_block: Vec<IpNet>, never: Vec<IpNet>) -> Result<Policy, TooWide> {
        for net in &may_block {
            let bits = match unmapped(*net) {
                IpNet::V4(_) => WIDEST.0,
                IpNet::V6(_) => WIDEST.1,
            };
            if unmapped(*net).prefix_len() < bits {
                return Err(TooWide(*net));
            }
        }
        Ok(Policy { may_block: networks(may_block), never: networks(never), unblock: false })
    }

    /// Returns the policy for unblocking. A network may have any width, there is no list of hosts to leave
    /// alone, and marks are ignored, so that every host that was blocked by mistake can be unblocked.
    pub fn unblock(may_block: Vec<IpNet>) -> Policy {
        Policy { may_block: networks(may_block), never: Networks::default(), unblock: true }
    }

    /// Judges one finding alone. Returns `None` if it is about a victim, which nobody blocks.
    fn judge(&self, finding: &Finding) -> Option<Result<IpAddr, Refusal>> {
        (finding.role == Role::Source).then(|| self.host(finding))
    }

    /// Returns the host of a finding about a source if it may be blocked.
    fn host(&self, finding: &Finding) -> Result<IpAddr, Refusal> {
        let Host::Address(host) = finding.host else { return Err(Refusal::Prefix) };
        if !is_machine(host) {
            return Err(Refusal::NoHost);
        }
        match finding.side {
            Some(Side::Inside) => {}
            Some(Side::Outside) => return Err(Refusal::Outside),
            None => return Err(Refusal::NoSide),
        }
        if self.never.contains(host) {
            return Err(Refusal::Never);
        }
        if tunnel_end(host).is_some_and(|end| self.never.contains(end.into())) {
            return Err(Refusal::NeverByTunnel);
        }
        let has = |mark: &str| finding.marks.iter().any(|other| other == mark);
        if !self.unblock && has("forged") {
            return Err(Refusal::Forged);
        }
        if !self.may_block.contains(host) {
            return Err(Refusal::NotAllowed);
        }
        if !self.unblock && has("survey") {
            return Err(Refusal::Survey);
        }
        if !self.unblock && finding.flows == 0 {
            return Err(Refusal::NoFlows);
        }
        Ok(host)
    }
}

/// The findings of one run that decide which hosts are blocked, read in any order.
///
/// For each host it holds the newest finding, the time of each refusal, and the latest moment until which
/// the address was called forged. These are separate, so no finding can displace a mark that protects a
/// host.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    policy: Policy,
    hosts: BTreeMap<IpAddr, Reason>,
    refused: BTreeMap<(Refusal, Host), Age>,
    /// Forged addresses, each with the end of the last window that calls it forged.
    forged: BTreeMap<Host, (Age, Refusal)>,
    /// The age of the newest host that was dropped for lack of room.
    dropped: Option<Age>,
    has_more_forged: bool,
    has_more_refused: bool,
}

/// The start or the end of a window in seconds since the epoch. An unknown time counts as the latest,
/// because nothing shows that it is over.
type Age = u64;

fn age(window: Option<Window>) -> Age {
    window.map_or(Age::MAX, Window::start)
}

impl Reason {
    /// Returns the rank of a reason; of two, the greater one is given.
    fn rank(&self) -> impl Ord + use<'_> {
        let window = (self.window.is_none(), self.window);
        (age(self.window), self.flows, self.kind, &self.class, window)
    }
}

impl Selection {
    /// Returns an empty selection.
    pub fn new(policy: Policy) -> Selection {
        Selection { policy, ..Selection::default() }
    }

    /// Adds a finding. `is_aside` says that its window begins after the time that the user gave as now. Such
    /// a finding blocks nobody, but the addresses that it calls forged are protected at any time.
    pub fn finding(&mut self, finding: &Finding, is_aside: bool) {
        if !self.policy.unblock {
            let end = finding.window.filter(|_| !is_aside).map_or(Age::MAX, Window::end);
            self.protect(finding, end);
            if is_aside {
                return;
            }
        }
        match self.policy.judge(finding) {
            None => {}
            Some(Ok(host)) => {
                let Finding { window, kind, ref class, flows, .. } = *finding;
                let reason = Reason { window, kind, class: class.clone(), flows };
                let known = self.hosts.entry(host).or_insert_with(|| reason.clone());
                if reason.rank() > known.rank() {
                    *known = reason;
                }
                if self.hosts.len() >= 2 * self.limit() {
                    self.shorten();
                }
            }
            Some(Err(why)) => {
                let known = self.refused.entry((why, finding.host)).or_default();
                *known = age(finding.window).max(*known);
                if self.refused.len() > MAX_REFUSED {
                    self.refused.pop_last();
                    self.has_more_refused = true;
                }
            }
        }
    }

    /// Remembers the addresses that a finding calls forged: its host if that is the source, else the sources
    /// that it names.
    fn protect(&mut self, finding: &Finding, end: Age) {
        if !finding.marks.iter().any(|mark| mark == "forged") {
            return;
        }
        match finding.role {
            Role::Source => self.forged(finding.host, end, Refusal::Forged),
            Role::Target => {
                for peer in &finding.peer {
                    self.forged(peer.host, end, Refusal::NamedAsForged);
                }
            }
        }
    }

    fn forged(&mut self, host: Host, end: Age, why: Refusal) {
        let host = match host {
            Host::Address(address) => Host::Address(address.to_canonical()),
            Host::Prefix(net) => Host::Prefix(unmapped(net)),
        };
        // Addresses that cannot be blocked anyway must not take room.
        if matches!(host, Host::Address(address) if !self.policy.may_block.contains(address)) {
            return;
        }
        if let Some(known) = self.forged.get_mut(&host) {
            *known = (known.0.max(end), known.1.min(why));
        } else if self.forged.len() < MAX_FORGED {
            self.forged.insert(host, (end, why));
        } else {
            self.has_more_forged = true;
        }
    }

    fn limit(&self) -> usize {
        if self.policy.unblock { MAX_UNBLOCKED } else { MAX_BLOCKED }
    }

    /// Drops the hosts beyond the limit, those with the oldest findings and the fewest flows.
    fn shorten(&mut self) {
        let limit = self.limit();
        if self.hosts.len() > limit {
            let mut hosts: Vec<_> = std::mem::take(&mut self.hosts).into_iter().collect();
            hosts.sort_by(|(a, one), (b, other)| {
                other.rank().cmp(&one.rank()).then_with(|| a.cmp(b))
            });
            let dropped = hosts.split_off(limit);
            let newest = dropped.iter().map(|(_, reason)| age(reason.window)).max();
            self.dropped = self.dropped.max(newest);
            self.hosts = hosts.into_iter().collect();
        }
    }

    /// Returns the plan by the findings of windows that begin at `since` (seconds since the epoch) or later,
    /// and of windows of an unknown time. A window that begins before `since` and ends after it blocks
    /// nobody, but protects the addresses that it calls forged.
    pub fn plan(mut self, since: u64) -> BlockPlan {
        self.forged.retain(|_, (end, _)| *end > since);
        let networks_of = |which: Refusal| {
            let hosts = self.forged.iter().filter(|(_, (_, why))| *why == which);
            networks(hosts.map(|(host, _)| host.net()))
        };
        let forged = [Refusal::Forged, Refusal::NamedAsForged].map(|why| (why, networks_of(why)));
        let mut plan = BlockPlan {
            undecided: self.has_more_forged,
            more_refused: self.has_more_refused,
            ..BlockPlan::default()
        };
        let mut refused: BTreeMap<Host, Refusal> = BTreeMap::new();
        for (&(why, host), _) in self.refused.iter().filter(|(_, age)| **age >= since) {
            // Refusals are sorted by gravity, so the first one is the gravest.
            refused.entry(host).or_insert(why);
        }
        // Protected hosts are taken out before the limit applies, so that they do not take room.
        let mut current = BTreeMap::new();
        for (host, reason) in std::mem::take(&mut self.hosts) {
            if age(reason.window) < since {
                plan.older += 1;
                continue;
            }
            match forged.iter().find(|(_, nets)| nets.contains(host)) {
                Some((why, _)) => {
                    let known = refused.entry(Host::Address(host)).or_insert(*why);
                    *known = (*known).min(*why);
                }
                None if plan.undecided => {}
                None => {
                    current.insert(host, reason);
                }
            }
        }
        self.hosts = current;
        self.shorten();
        plan.left_out = self.dropped.is_some_and(|age| age >= since);
        plan.hosts = self.hosts;
        let is_blocked =
            |host: Host| matches!(host, Host::Address(host) if plan.hosts.contains_key(&host));
        plan.refused = refused
            .into_iter()
            .filter(|&(host, _)| !is_blocked(host))
            .map(|(host, why)| (why, host))
            .collect();
        plan.refused.sort_unstable();
        plan
    }
}

fn networks(nets: impl IntoIterator<Item = IpNet>) -> Networks {
    Networks::new(nets.into_iter().map(unmapped))
}

#[cfg(test)]
mod tests;
