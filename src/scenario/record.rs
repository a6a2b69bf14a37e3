//! Flow records of one direction of a conversation, as the router of the campus reports them.

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

/// Type and code of ICMP as a destination port, type*256+code (RFC 792).
pub(super) const ECHO_REPLY: u16 = 0;
pub(super) const HOST_UNREACHABLE: u16 = 3 * 256 + 1;
pub(super) const PORT_UNREACHABLE: u16 = 3 * 256 + 3;
pub(super) const ECHO: u16 = 8 * 256;
pub(super) const TIME_EXCEEDED: u16 = 11 * 256;

/// The packets of one direction.
#[derive(Clone, Copy, Debug)]
pub(super) struct PacketTotals {
    pub packets: u32,
    pub octets: u32,
    pub flags: u16,
}

impl PacketTotals {
    /// Returns packets of one size.
    pub(super) const fn even(packets: u32, size: u32, flags: u16) -> PacketTotals {
        PacketTotals { packets, octets: packets * size, flags }
    }
}

/// Returns a flow that ended at `end`, in milliseconds since the epoch by the router's clock, and lasted
/// `millis` milliseconds.
pub(super) fn flow(
    proto: u8,
    from: (u32, u16),
    to: (u32, u16),
    totals: PacketTotals,
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
        packets: u64::from(totals.packets),
        octets: u64::from(totals.octets),
        start: Some(Timestamp::from_millis(end.saturating_sub(millis))),
        end: Some(Timestamp::from_millis(end)),
        flags: Some(totals.flags),
        exporter: None,
        sampling: 0,
    }
}

/// Moves start and end of a flow that would end after its arrival to the arrival.
pub(super) fn settle(mut flow: Flow, arrival: Timestamp) -> Flow {
    let last = Timestamp::from_millis(arrival.nanos() / 1_000_000);
    flow.end = flow.end.map(|end| end.min(last));
    flow.start = flow.start.map(|start| start.min(last));
    flow
}
