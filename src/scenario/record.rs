//! From a conversation's one direction to its flow record, as the campus' router reports it.

use std::net::{IpAddr, Ipv4Addr};

use super::campus::{CAMPUS, UPLINK, inside};
use crate::flow::Flow;
use crate::time::Timestamp;

/// TCP control bits (RFC 9293 section 3.1).
pub(super) const FIN: u16 = 0x01;
pub(super) const SYN: u16 = 0x02;
pub(super) const RST: u16 = 0x04;
pub(super) const PSH: u16 = 0x08;
pub(super) const ACK: u16 = 0x10;

/// ICMP as a destination port, type*256+code (RFC 792).
pub(super) const ECHO_REPLY: u16 = 0;
pub(super) const HOST_UNREACHABLE: u16 = 3 * 256 + 1;
pub(super) const PORT_UNREACHABLE: u16 = 3 * 256 + 3;
pub(super) const ECHO: u16 = 8 * 256;
pub(super) const TIME_EXCEEDED: u16 = 11 * 256;

/// What went one way.
#[derive(Clone, Copy, Debug)]
pub(super) struct PacketTotals {
    pub packets: u32,
    pub octets: u32,
    pub flags: u16,
}

impl PacketTotals {
    /// Packets of one size.
    pub(super) const fn even(packets: u32, size: u32, flags: u16) -> PacketTotals {
        PacketTotals { packets, octets: packets * size, flags }
    }
}

/// A record. `end` is in milliseconds since the epoch, as a router's clock counts, and the flow
/// lasted `millis`.
pub(super) fn flow(
    proto: u8,
    from: (u32, u16),
    to: (u32, u16),
    heap: PacketTotals,
    end: u64,
    millis: u64,
) -> Flow {
    let side = |address| if inside(address) { CAMPUS } else { UPLINK };
    Flow {
        sip: IpAddr::V4(Ipv4Addr::from(from.0)),
        dip: IpAddr::V4(Ipv4Addr::from(to.0)),
        sif: side(from.0),
        dif: side(to.0),
        proto,
        sport: from.1,
        dport: to.1,
        packets: u64::from(heap.packets),
        octets: u64::from(heap.octets),
        start: Some(Timestamp::from_millis(end.saturating_sub(millis))),
        end: Some(Timestamp::from_millis(end)),
        flags: Some(heap.flags),
        exporter: None,
        sampling: 0,
    }
}

/// Nothing is reported before it ended.
pub(super) fn settle(mut flow: Flow, arrival: Timestamp) -> Flow {
    let last = Timestamp::from_millis(arrival.nanos() / 1_000_000);
    flow.end = flow.end.map(|end| end.min(last));
    flow.start = flow.start.map(|start| start.min(last));
    flow
}
