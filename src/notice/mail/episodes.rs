//! The findings of a mail: by host, and of each host by behaviour.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

use crate::finding::{Finding, Host, Kind, Role};
use crate::notice::words::{Situation, Words};
use crate::time::Window;

/// The findings about one host.
#[derive(Clone, Debug, Default)]
pub(super) struct HostFindings<'a> {
    /// The network of the contacts file that the host is in.
    pub(super) net: Option<IpNet>,
    pub(super) episodes: BTreeMap<Behaviour, Episode<'a>>,
}

/// The behaviour that an episode is about. Episodes are kept in this order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Behaviour {
    kind: Kind,
    class: String,
    role: Role,
    proto: Option<u8>,
    port: Option<u16>,
}

/// One behaviour of a host in one or more windows.
#[derive(Clone, Debug)]
pub(super) struct Episode<'a> {
    /// The finding with the most flows.
    pub(super) worst: &'a Finding,
    pub(super) windows: BTreeSet<Option<Window>>,
    /// Flows of all windows together.
    pub(super) flows: u64,
}

impl<'a> HostFindings<'a> {
    pub(super) fn add(&mut self, finding: &'a Finding) {
        let Finding { kind, ref class, role, proto, port, flows, window, .. } = *finding;
        let behaviour = Behaviour { kind, class: class.clone(), role, proto, port };
        let episode = self.episodes.entry(behaviour).or_insert_with(|| Episode {
            worst: finding,
            windows: BTreeSet::new(),
            flows: 0,
        });
        if flows > episode.worst.flows {
            episode.worst = finding;
        }
        episode.windows.insert(window);
        episode.flows = episode.flows.saturating_add(flows);
    }

    /// Returns the episodes, those with the most flows first.
    pub(super) fn episodes(&self) -> Vec<&Episode<'a>> {
        let mut episodes: Vec<_> = self.episodes.values().collect();
        episodes.sort_by_key(|episode| std::cmp::Reverse(episode.flows));
        episodes
    }

    /// Returns the flows of the largest episode.
    fn flows(&self) -> u64 {
        self.episodes.values().map(|episode| episode.flows).max().unwrap_or(0)
    }
}

impl Episode<'_> {
    pub(super) fn situation(&self) -> Situation {
        Situation::of(self.worst)
    }

    /// Returns the behaviour and its port in a few words, for a subject or a list.
    pub(super) fn short(&self, words: &Words) -> String {
        words.behaviour(self.situation(), self.worst.proto, self.worst.port)
    }
}

/// Returns the hosts by the flows of their largest episodes, then by address.
pub(super) fn sorted<'h, 'a>(
    hosts: &'h BTreeMap<Host, HostFindings<'a>>,
) -> Vec<(Host, &'h HostFindings<'a>)> {
    let mut hosts: Vec<_> = hosts.iter().map(|(host, found)| (*host, found)).collect();
    hosts.sort_by_key(|(_, found)| std::cmp::Reverse(found.flows()));
    hosts
}
