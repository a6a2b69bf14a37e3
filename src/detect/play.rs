//! Flows for the tests of detectors.

use std::sync::Arc;

use super::Site;
use crate::finding::Finding;
use crate::flow::{Flow, ICMP, Networks, TCP};
use crate::time::Timestamp;

/// The time of the clock: 2033, after all windows of the tests.
pub(crate) const NOW: Timestamp = Timestamp::from_secs(2_000_000_000);

/// An outside host.
pub(crate) const OUTSIDE: [u8; 4] = [192, 0, 2, 9];
/// An inside host.
pub(crate) const INSIDE: [u8; 4] = [10, 7, 7, 7];

/// Returns an inside host.
pub(crate) fn ours(n: u32) -> [u8; 4] {
    (0x0a01_0000 + n).to_be_bytes()
}

/// Returns an outside host; each is in a network of its own.
pub(crate) fn theirs(n: u32) -> [u8; 4] {
    (0xc633_0000u32.wrapping_add(n << 8) + 1).to_be_bytes()
}

/// Returns a connection attempt: a SYN.
pub(crate) fn ask(from: [u8; 4], to: [u8; 4], port: u16) -> Flow {
    let [.., c, d] = to;
    Flow {
        sip: from.into(),
        dip: to.into(),
        proto: TCP,
        sport: 40_000 + u16::from_be_bytes([c, d]) % 20_000,
        dport: port,
        packets: 1,
        octets: 40,
        flags: Some(2),
        ..Flow::default()
    }
}

/// Returns a datagram, or an echo request.
pub(crate) fn send(proto: u8, from: [u8; 4], to: [u8; 4], port: u16) -> Flow {
    let sport = if proto == ICMP { 0 } else { 50_000 };
    Flow { proto, sport, flags: None, octets: 60, ..ask(from, to, port) }
}

/// Returns the other direction of a flow.
pub(crate) fn back(flow: &Flow, packets: u64, octets: u64, flags: u16) -> Flow {
    let (sport, dport) = match flow.proto {
        ICMP => (0, 0),
        _ => (flow.dport, flow.sport),
    };
    let flags = flow.flags.map(|_| flags);
    Flow { sip: flow.dip, dip: flow.sip, sport, dport, packets, octets, flags, ..*flow }
}

/// Returns a productive conversation by TCP.
pub(crate) fn talk(from: [u8; 4], to: [u8; 4], port: u16) -> [Flow; 2] {
    let there = Flow { packets: 6, octets: 700, flags: Some(27), ..ask(from, to, port) };
    [there, back(&there, 8, 4_000, 27)]
}

/// Returns an unsolicited SYN and ACK, and the reset with which it is answered.
pub(crate) fn reflected(by: [u8; 4], to: [u8; 4], port: u16) -> [Flow; 2] {
    let reset = Flow { flags: Some(4), ..ask(to, by, port) };
    [back(&reset, 1, 44, 18), reset]
}

/// Returns a request and its answer.
pub(crate) fn reply(proto: u8, from: [u8; 4], to: [u8; 4], port: u16) -> [Flow; 2] {
    let there = send(proto, from, to, port);
    [there, back(&there, 1, 120, 0)]
}

/// Returns the flows without flags and times, as flow lines of nine columns have them.
pub(crate) fn nine(flows: &[Flow]) -> Vec<Flow> {
    flows.iter().map(|flow| Flow { flags: None, start: None, end: None, ..*flow }).collect()
}

/// Returns a site whose detectors may use this many bytes of memory.
pub(crate) fn site(memory: u64) -> Arc<Site> {
    let inside = Networks::new(["10.0.0.0/8".parse().unwrap()]);
    Arc::new(Site { inside, memory, ..Site::default() })
}

/// Returns class, host and role of each finding.
pub(crate) fn names(findings: &[Finding]) -> Vec<String> {
    let name = |finding: &Finding| {
        let (class, host, role) = (&finding.class, finding.host.text(false), finding.role);
        format!("{class} {host} {role}")
    };
    findings.iter().map(name).collect()
}
