//! Inside networks whose answers a sampled export shows.

use std::collections::HashMap;
use std::net::IpAddr;

use foldhash::fast::RandomState;
use ipnet::IpNet;

use crate::conversation::{Address, Conversation};
use crate::detect::Site;
use crate::finding::Side;
use crate::flow::TCP;

/// The fewest TCP conversations of a network with packets in both directions that show that its answers are exported.
const ENOUGH: u32 = 10;

/// The most networks that are kept, those of a /8. Of further ones nothing is known.
const MAX: usize = 1 << 16;

/// Inside networks, /24 or /64 of IPv6, with their TCP conversations that have packets in both directions.
///
/// Sampling leaves out most answers, so that a missing one says little of a conversation. A host of which not one packet
/// is seen among many says something, if those of its neighbours are: then the export has their direction.
#[derive(Debug, Default)]
pub(super) struct AnsweringNets(HashMap<IpNet, u32, RandomState>);

impl AnsweringNets {
    /// Adds a conversation.
    pub(super) fn add<A: Address>(&mut self, site: &Site, conversation: &Conversation<'_, A>) {
        let Conversation { initiator, responder, proto, forward, reverse, .. } = conversation;
        if *proto != TCP || !forward.is_present() || !reverse.is_present() {
            return;
        }
        for host in [initiator, responder] {
            if site.side(host.ip()) == Some(Side::Inside) {
                let has_room = self.0.len() < MAX;
                match self.0.get_mut(&host.prefix()) {
                    Some(count) => *count = count.saturating_add(1),
                    None if has_room => _ = self.0.insert(host.prefix(), 1),
                    None => {}
                }
            }
        }
    }

    /// Returns true if the answers of the host's network are exported.
    pub(super) fn has(&self, host: IpAddr) -> bool {
        let net = match host {
            IpAddr::V4(host) => u32::from(host).prefix(),
            IpAddr::V6(host) => u128::from(host).prefix(),
        };
        self.0.get(&net).is_some_and(|count| *count >= ENOUGH)
    }
}
