//! Reflection: answers to requests that the host never sent, because an attacker forged them.

use super::super::case::{FloodClass, FloodFill, Totals, Unit};
use crate::detect::flood::evidence::Evidence;
use crate::detect::flood::reflected::{Reflected, SOURCES, service};
use crate::detect::judge::DefaultLimit;
use crate::detect::threshold::Measure;
use crate::detect::visibility::Visibility;
use crate::flow::{TCP, UDP};

/// A reflection: at least 1000 packets in ten minutes from one port of ten or more sources, to less than a tenth of
/// which the host had sent a request. The packets are SYN and ACK of TCP, or datagrams of at least 200 bytes on
/// average.
///
/// Any port counts: a list of abused services would be incomplete, and misses each new one. The list only gives the
/// service a name (`service=`). A resolver, a client of time servers and a peer-to-peer host receive as many answers,
/// but they had sent requests. If only one direction is exported, requests are not seen; then only services count that
/// hosts have no reason to use from unknown servers.
pub const REFLECTION: FloodClass = FloodClass {
    name: "reflection",
    limit: DefaultLimit::same(1000),
    measure: |case| {
        let evidence = case.evidence;
        let (proto, reflected) = strongest(evidence);
        if proto == TCP && !case.context.shows_answers() {
            return None;
        }
        let mut measures = vec![
            Measure::at_least("packets", reflected.per_window, case.limit(&REFLECTION)),
            Measure::at_least("sources", reflected.sources, SOURCES),
        ];
        if case.context.visibility == Visibility::BothWays {
            measures.push(Measure::below("askedpct", reflected.asked, 10));
        }
        Some(measures)
    },
    fill: FloodFill {
        unit: Unit::Window,
        load: |evidence| match strongest(evidence).0 {
            UDP => &evidence.datagrams,
            _ => &evidence.answers,
        },
        totals: |evidence| {
            let Reflected { sources, traffic, .. } = *strongest(evidence).1;
            Totals { sources, traffic }
        },
        hints: |evidence| {
            let (proto, reflected) = strongest(evidence);
            let mut hints = vec![format!("sport={}", reflected.port)];
            hints.extend(service(proto, reflected.port).map(|name| format!("service={name}")));
            if reflected.ports > 1 {
                hints.push(format!("sports={}", reflected.ports));
            }
            hints
        },
    },
};

/// Returns the protocol by which more was reflected, and the reflected traffic.
fn strongest(evidence: &Evidence) -> (u8, &Reflected) {
    if evidence.by_tcp.per_window > evidence.by_udp.per_window {
        (TCP, &evidence.by_tcp)
    } else {
        (UDP, &evidence.by_udp)
    }
}
