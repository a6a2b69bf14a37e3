//! What nfflood remembers between windows: what each host is used to, and whether answers are exported.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::class::Usual;
use crate::conversation::PairedFlows;
use crate::detect::baseline::Baselines;
use crate::time::{Timestamp, Window};

/// Whose baseline it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Subject {
    /// Packets a second that a host gets and does not answer.
    Packets(IpAddr),
    /// The same in kbit/s.
    Octets(IpAddr),
    /// Packets that a network gets in ten minutes and nobody there answers.
    Network(IpNet),
}

/// The memory of nfflood.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// Long TCP flows and how many were paired, when there were enough of them.
    pairing: Option<(u64, u64)>,
    baselines: Baselines<Subject>,
}

impl Memory {
    /// Hosts and networks that are remembered, and that were forgotten for want of room.
    pub fn sizes(&self) -> (u64, u64) {
        self.baselines.sizes()
    }

    pub(super) fn is_new(&self, window: Window, now: Timestamp) -> bool {
        self.baselines.is_new(window, now)
    }

    pub(super) fn pairing(&self) -> Option<PairedFlows> {
        self.pairing.map(|(long, paired)| PairedFlows { long_flows: long, paired })
    }

    /// What a host is used to, if it is known.
    pub(super) fn usual(&self, host: IpAddr, window: Option<Window>) -> Option<Usual> {
        Some(Usual {
            pps: self.baselines.usual(&Subject::Packets(host), window)?,
            kbps: self.baselines.usual(&Subject::Octets(host), window)?,
        })
    }

    /// What a network is used to in ten minutes, if it is known.
    pub(super) fn usual_of_net(&self, net: IpNet, window: Option<Window>) -> Option<u64> {
        self.baselines.of(&Subject::Network(net), window)
    }

    pub(super) fn learn(&mut self, host: IpAddr, seen: Usual, window: Window) {
        self.baselines.learn(&Subject::Packets(host), seen.pps, window);
        self.baselines.learn(&Subject::Octets(host), seen.kbps, window);
    }

    pub(super) fn learn_net(&mut self, net: IpNet, packets: u64, window: Window) {
        self.baselines.learn(&Subject::Network(net), packets, window);
    }

    /// A window is over.
    pub(super) fn close(&mut self, window: Window, pairing: Option<PairedFlows>) {
        if let Some(PairedFlows { long_flows: long, paired }) = pairing {
            self.pairing = Some((long, paired));
        }
        self.baselines.close(window);
    }
}
