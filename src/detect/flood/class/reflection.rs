//! Answers that the host never asked for: third parties were made to send them.

use super::{Class, Unit};
use crate::detect::flood::evidence::Evidence;
use crate::detect::flood::reflected::{Reflected, SOURCES, service};
use crate::detect::threshold::{Measure, Visibility};
use crate::flow::{TCP, UDP};

/// At least 1000 packets in ten minutes from one port of ten sources or more, fewer than a tenth of which
/// the host had asked anything; by UDP with at least 200 octets a packet, or SYN and ACK of TCP.
///
/// From any port: of the services that were ever abused, a list of well-known ones names few, and each
/// new one is on none. The list only gives them a name (`service=`). A resolver, a time server's client
/// and a peer-to-peer host hear as many, but had asked. Of one direction alone that cannot be told; then
/// only services that nobody asks strangers for are looked at.
pub(in crate::detect::flood) const REFLECTION: Class = Class {
    name: "reflection",
    limit: 1000,
    unit: Unit::Window,
    measure: |case| {
        let evidence = case.evidence;
        let (proto, what) = which(evidence);
        if proto == TCP && !case.view.sees_answers() {
            return None;
        }
        let mut measures = vec![
            Measure::at_least("packets", what.per_window, case.limit(&REFLECTION)),
            Measure::at_least("sources", what.sources, SOURCES),
        ];
        if case.view.answers == Visibility::BothWays {
            measures.push(Measure::below("askedpct", what.asked, 10));
        }
        Some(measures)
    },
    load: |evidence| match which(evidence).0 {
        UDP => &evidence.datagrams,
        _ => &evidence.answers,
    },
    sums: |evidence| {
        let what = which(evidence).1;
        (what.sources, what.traffic)
    },
    tell: |evidence| {
        let (proto, what) = which(evidence);
        let mut tells = vec![format!("sport={}", what.port)];
        tells.extend(service(proto, what.port).map(|name| format!("service={name}")));
        if what.ports > 1 {
            tells.push(format!("sports={}", what.ports));
        }
        tells
    },
};

/// The protocol by which more was reflected.
fn which(evidence: &Evidence) -> (u8, &Reflected) {
    match evidence.by_tcp.per_window > evidence.by_udp.per_window {
        true => (TCP, &evidence.by_tcp),
        false => (UDP, &evidence.by_udp),
    }
}
