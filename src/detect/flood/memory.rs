//! The memory of nfflood between windows: the usual traffic of hosts and networks, and the visibility of answers.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::clients::Clients;
use crate::conversation::PairedFlows;
use crate::detect::baseline::Baselines;
use crate::detect::judge::Remembers;
use crate::detect::routine::Routines;
use crate::detect::slot;
use crate::detect::threshold::scale;
use crate::finding::{Finding, UNKNOWN_SECONDS};
use crate::time::{Timestamp, Window};

/// The unanswered traffic that a host usually gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Usual {
    /// Packets a second.
    pub pps: u64,
    /// Traffic in kbit/s.
    pub kbps: u64,
}

/// The subject of a baseline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Subject {
    /// Packets a second that a host gets and does not answer.
    Packets(IpAddr),
    /// Traffic in kbit/s that a host gets and does not answer.
    Octets(IpAddr),
    /// Packets in ten minutes that a network gets and nobody there answers.
    Network(IpNet),
    /// Conversations that a host serves in ten minutes.
    Served(IpAddr),
}

/// The memory of nfflood.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// Long TCP flows and those of them that were paired, of the last window that had enough of them.
    pairing: Option<(u64, u64)>,
    baselines: Baselines<Subject>,
    /// The clients of inside servers.
    pub(super) clients: Clients,
    /// The findings of each day.
    pub routines: Routines,
}

impl Remembers for Memory {
    fn pairing(&self) -> Option<PairedFlows> {
        self.pairing.map(|(long_flows, paired)| PairedFlows { long_flows, paired })
    }

    fn is_new(&self, window: Window, now: Timestamp) -> bool {
        self.baselines.is_new(window, now)
    }
}

impl Memory {
    /// Returns how many baselines are stored, and how many were forgotten because there were too many.
    pub fn sizes(&self) -> (u64, u64) {
        let ((baselines, evicted), (servers, forgotten)) =
            (self.baselines.sizes(), self.clients.sizes());
        (baselines + servers, evicted + forgotten + self.routines.evicted())
    }

    /// Returns the usual traffic of a host, if it is known.
    pub(super) fn usual(&self, host: IpAddr, window: Option<Window>) -> Option<Usual> {
        Some(Usual {
            pps: self.baselines.usual(&Subject::Packets(host), window)?,
            kbps: self.baselines.usual(&Subject::Octets(host), window)?,
        })
    }

    /// Returns the usual packets of a network in ten minutes, if they are known.
    pub(super) fn usual_of_net(&self, net: IpNet, window: Option<Window>) -> Option<u64> {
        self.baselines.of(&Subject::Network(net), window)
    }

    /// Adds the traffic of a host in a window.
    pub(super) fn learn(&mut self, host: IpAddr, seen: Usual, window: Window) {
        self.baselines.learn(&Subject::Packets(host), seen.pps, window);
        self.baselines.learn(&Subject::Octets(host), seen.kbps, window);
    }

    /// Adds the traffic of a network in a window, scaled to ten minutes.
    pub(super) fn learn_net(&mut self, net: IpNet, packets: u64, window: Window) {
        self.baselines.learn(&Subject::Network(net), packets, window);
    }

    /// Returns how many conversations a host usually serves in a window, if it is known.
    pub(super) fn usually_served(&self, host: IpAddr, window: Option<Window>) -> Option<u64> {
        let served = self.baselines.when_last_seen(&Subject::Served(host), window)?;
        Some(scale(served, window, true))
    }

    /// Adds the clients that a host served in a window, with the number of their conversations.
    pub(super) fn learn_served(
        &mut self,
        host: IpAddr,
        clients: &[u32],
        flows: u64,
        window: Window,
    ) {
        let of_ten = flows.saturating_mul(u64::from(UNKNOWN_SECONDS)) / u64::from(window.seconds());
        self.baselines.learn(&Subject::Served(host), of_ten, window);
        self.clients.learn(host, clients, slot::last(window));
    }

    /// Ends a window.
    pub(super) fn close(
        &mut self,
        window: Window,
        pairing: Option<PairedFlows>,
        findings: &[Finding],
    ) {
        if let Some(PairedFlows { long_flows, paired }) = pairing {
            self.pairing = Some((long_flows, paired));
        }
        self.baselines.close(window);
        self.clients.close(slot::last(window));
        self.routines.learn(window, findings);
    }
}
