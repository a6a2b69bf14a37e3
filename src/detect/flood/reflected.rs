//! Reflection: answers from one port of many sources that the host did not ask.

use std::cmp::Reverse;
use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::input_profile::InputProfile;
use super::source_traffic::SourcePort;
use crate::detect::threshold::percent;
use crate::detect::traffic::Traffic;
use crate::detect::visibility::Visibility;
use crate::flow::{TCP, UDP};

/// The fewest sources with the same port that are reflectors.
pub(super) const SOURCES: u64 = 10;
/// The least bytes per packet of a reflected answer: smaller ones do not amplify.
const LARGE_ANSWER: u64 = 200;
/// The least percent of the sources that the host asked for their answers to be wanted.
const WANTED: u64 = 10;

/// UDP services that were abused for reflection, by port (CISA alert TA14-017A and later ones).
const SERVICES: [(u16, &str); 23] = [
    (17, "qotd"),
    (19, "chargen"),
    (53, "dns"),
    (69, "tftp"),
    (111, "portmap"),
    (123, "ntp"),
    (137, "netbios"),
    (161, "snmp"),
    (177, "xdmcp"),
    (389, "cldap"),
    (520, "rip"),
    (1194, "openvpn"),
    (1900, "ssdp"),
    (3283, "ard"),
    (3389, "rdp"),
    (3478, "stun"),
    (3702, "wsd"),
    (5093, "sentinel"),
    (5353, "mdns"),
    (5683, "coap"),
    (10001, "ubiquiti"),
    (11211, "memcached"),
    (37810, "dvr"),
];

/// Returns the name of the service on a port if it is known to be abused for reflection.
pub(super) fn service(proto: u8, port: u16) -> Option<&'static str> {
    let known = SERVICES.iter().find(|(known, _)| *known == port && proto == UDP);
    known.map(|(_, name)| *name)
}

/// Returns true for services that ordinary hosts use with strangers: names, time, tunnels, telephones and remote
/// desktops.
fn is_popular(port: u16) -> bool {
    matches!(port, 53 | 123 | 1194 | 3389 | 3478 | 5353)
}

/// The answers from one port, over all sources.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Answerers {
    sources: u64,
    /// Number of these sources that the host opened conversations with.
    asked_sources: u64,
    /// Packets that the host sent to this port of any host.
    requests: u64,
    traffic: Traffic,
    /// The part of the packets that counts for a rate.
    packets_per_window: u64,
}

impl Answerers {
    fn add_traffic(&mut self, traffic: Traffic, packets_per_window: u64) {
        self.traffic.add(traffic);
        self.packets_per_window = self.packets_per_window.saturating_add(packets_per_window);
    }
}

/// Reflected traffic to a host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Reflected {
    /// The source port of most of the packets.
    pub port: u16,
    /// Number of source ports that were used for reflection.
    pub ports: u64,
    pub sources: u64,
    pub traffic: Traffic,
    /// The part of the packets that counts for a rate.
    pub per_window: u64,
    /// Percent of the sources that the host had asked.
    pub asked: u64,
}

/// The answers to a host by protocol and source port.
#[derive(Debug, Default)]
pub(super) struct AnswersByPort(HashMap<(u8, u16), Answerers, RandomState>);

impl AnswersByPort {
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Adds packets that the host sent to this port of any host.
    pub(super) fn add_requests(&mut self, proto: u8, port: u16, packets: u64) {
        self.0.entry((proto, port)).or_default().requests += packets;
    }

    /// Adds a source's answers from one port. `is_asked` says that the host had opened conversations with
    /// the source.
    pub(super) fn add_source(&mut self, proto: u8, from: &SourcePort, is_asked: bool) {
        let answerers = self.0.entry((proto, from.port)).or_default();
        answerers.sources += 1;
        answerers.asked_sources += u64::from(is_asked);
        answerers.add_traffic(from.traffic, from.packets_per_window);
    }

    /// Returns the reflected traffic of one protocol: large or well-known answers from the same port of at
    /// least ten sources, most of which the host had not asked.
    pub(super) fn reflected(&self, proto: u8, input: InputProfile) -> Reflected {
        let mut ports: Vec<(u16, Answerers)> = self
            .0
            .iter()
            .filter(|((of, port), from)| *of == proto && *port != 0 && from.sources >= SOURCES)
            .map(|((_, port), from)| (*port, *from))
            .collect();
        ports.sort_unstable_by_key(|(port, from)| (Reverse(from.packets_per_window), *port));
        if let (Some((_, first)), UDP) = (ports.first_mut(), proto) {
            // Only the first fragment of a datagram has ports (RFC 791 section 2.3). The others are
            // exported with port 0.
            let fragments = self.0.get(&(proto, 0)).copied().unwrap_or_default();
            first.add_traffic(fragments.traffic, fragments.packets_per_window);
        }
        ports.retain(|(port, from)| {
            is_amplified(proto, *port, from, input) && !is_wanted(proto, *port, from, input)
        });
        let Some((port, _)) = ports.first() else { return Reflected::default() };
        let mut sum = Reflected { port: *port, ports: ports.len() as u64, ..Reflected::default() };
        let mut asked_sources = 0;
        for (_, from) in &ports {
            sum.sources += from.sources;
            sum.traffic.add(from.traffic);
            sum.per_window = sum.per_window.saturating_add(from.packets_per_window);
            asked_sources += from.asked_sources;
        }
        sum.asked = percent(asked_sources, sum.sources);
        sum
    }
}

/// Returns true if the answers are large, are TCP answers, or come from a service that is known for
/// reflection. The last is enough only where answers are seen, because then it is known that nobody asked.
fn is_amplified(proto: u8, port: u16, from: &Answerers, input: InputProfile) -> bool {
    proto == TCP
        || (input.sees_answers() && service(proto, port).is_some())
        || from.traffic.bytes >= LARGE_ANSWER.saturating_mul(from.traffic.packets)
}

/// Returns true if the host probably asked for the answers.
fn is_wanted(proto: u8, port: u16, from: &Answerers, input: InputProfile) -> bool {
    match input.answers {
        // The requests may not be exported. Then only services count that nobody uses with ten strangers.
        Visibility::Partial | Visibility::OneWay => {
            service(proto, port).is_none() || is_popular(port)
        }
        // Of sampled packets, a request and its answer are hardly ever both seen.
        Visibility::BothWays if input.sampled => {
            percent(from.requests, from.packets_per_window) >= WANTED
        }
        Visibility::BothWays => percent(from.asked_sources, from.sources) >= WANTED,
    }
}
