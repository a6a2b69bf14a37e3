//! Finds the initiator of a conversation from its two directions and its ports.

use std::cmp::Ordering;

use super::address::Address;
use super::direction::DirectionTotals;
use super::service::strength;
use crate::flow::{TCP, UDP};

/// A conversation whose initiator is not known yet. The smaller address comes first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unoriented {
    /// The ports of the smaller and of the larger address.
    pub ports: [u16; 2],
    /// The traffic that the smaller and the larger address sent.
    pub directions: [DirectionTotals; 2],
}

impl Unoriented {
    /// Returns the side that opened the conversation: 0 for the smaller address, 1 for the larger.
    ///
    /// TCP flags decide where they show it: the side that only sends SYN is the initiator, and so is the
    /// side that only gets SYN+ACK or resets, or single packets of SYN+ACK. Otherwise the side with the stronger service
    /// port ([`strength`]) is the responder. If both ports are equally strong, the side that resets what it opened is
    /// the initiator, which sizes show without flags, or else the side with the earlier start. Returns `None` if that is
    /// equal too, or if only one direction was seen.
    pub(super) fn initiator<A: Address>(&self, proto: u8) -> Option<usize> {
        let [a, b] = &self.directions;
        if proto == TCP {
            for (side, [own, other]) in [[a, b], [b, a]].into_iter().enumerate() {
                if own.is_present()
                    && own.only_opens()
                    && !(other.is_present() && other.only_opens())
                {
                    return Some(side);
                }
            }
            for (side, [own, other]) in [[a, b], [b, a]].into_iter().enumerate() {
                let is_answered = other.is_present() && other.only_replies();
                if is_answered && !(own.is_present() && own.only_replies()) {
                    return Some(side);
                }
            }
            // A host that opens a connection, acknowledges and resets it has the flags of a reply as well.
            for (side, [own, other]) in [[a, b], [b, a]].into_iter().enumerate() {
                if own.is_present()
                    && other.is_lone_accept()
                    && own.accepts()
                    && !own.is_lone_accept()
                {
                    return Some(side);
                }
            }
        }
        let [first, second] = match (proto, self.ports) {
            // A DHCP server answers the client, even if the client had sent its request to a multicast or
            // broadcast address (RFC 2131 section 4.1, RFC 8415 section 7.2).
            (UDP, [68, 67] | [546, 547]) => [0, 1],
            (UDP, [67, 68] | [547, 546]) => [1, 0],
            (TCP | UDP, ports) => ports.map(strength),
            // ICMP: the responder's port is the request's type. Other protocols have no ports.
            (_, ports) => ports.map(|port| u8::from(port != 0)),
        };
        match first.cmp(&second) {
            Ordering::Less => return Some(0),
            Ordering::Greater => return Some(1),
            Ordering::Equal => {}
        }
        if proto == TCP {
            for (side, [own, other]) in [[a, b], [b, a]].into_iter().enumerate() {
                if own.may_reset_its_own::<A>(other) {
                    return Some(side);
                }
            }
        }
        if self.only_sender().is_some() || a.start == 0 || b.start == 0 {
            return None;
        }
        match a.start.cmp(&b.start) {
            Ordering::Less => Some(0),
            Ordering::Greater => Some(1),
            Ordering::Equal => None,
        }
    }

    /// Returns the side that sent, if only one direction was seen.
    pub(super) fn only_sender(&self) -> Option<usize> {
        match self.directions.map(|direction| direction.is_present()) {
            [true, false] => Some(0),
            [false, true] => Some(1),
            _ => None,
        }
    }

    /// Returns true if all packets are small enough to be TCP resets.
    pub(super) fn may_be_resets(&self, proto: u8) -> bool {
        proto == TCP && self.directions.iter().all(|direction| !direction.exceeds_reset)
    }
}
