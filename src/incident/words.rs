//! Incidents in a few words, for people.

use crate::finding::{Kind, Role, words};
use crate::flow::{ICMP, ICMPV6};

use super::model::{Incident, Matter, MatterKey};

/// Returns what the host does or suffers: `probes whole networks, TCP port 445 (Windows file sharing)`, with
/// the number of further matters. The matter that is furthest beyond its limit speaks for all.
pub fn what(incident: &Incident) -> String {
    let Some(matter) = incident.worst() else { return "nothing yet".to_owned() };
    let more = (incident.body.matters.len() as u64 - 1).saturating_add(incident.body.more);
    let text = format!("{}, {}", behaviour(incident.subject.role, matter), port(matter.key));
    if more == 0 { text } else { format!("{text}, and {} more", words::count(more)) }
}

/// Returns the behaviour of the host, or of others towards it. Of several classes, the one that says most.
fn behaviour(role: Role, matter: &Matter) -> &'static str {
    let known: &[(&str, &str)] = match (matter.key.kind, role) {
        (Kind::Port, Role::Source) => &[
            ("infected", "was attacked on a port, and attacks others there"),
            ("spread", "attacks one port of many hosts, as a worm does"),
            ("spam", "writes to many mail servers, and is none itself"),
            ("bruteforce", "hammers one port of few hosts, as guessers do"),
        ],
        (Kind::Flood, Role::Source) => &[
            ("outbound", "floods others with packets that nobody answers"),
            ("ddos", "floods other hosts, together with many"),
            ("reflection", "is abused to flood others with answers"),
        ],
        (Kind::Flood, Role::Target) => &[
            ("carpet", "is flooded as a whole, a little to each host"),
            ("reflection", "is flooded with answers that it never asked for"),
            ("ddos", "is flooded by many sources"),
            ("dos", "is flooded, mostly by few sources"),
            ("volume", "is flooded with far more than usual"),
        ],
        (Kind::Scan, Role::Source) => &[("sweep", "probes whole networks, host after host")],
        (Kind::Scan | Kind::Port, Role::Target) => &[],
    };
    let known = known.iter().find(|(class, _)| matter.classes.contains(*class));
    match (known, matter.key.kind, role) {
        (Some((_, text)), _, _) => text,
        (None, Kind::Scan, Role::Source) => "probes other hosts",
        (None, Kind::Scan, Role::Target) => "is probed",
        (None, Kind::Flood, Role::Source) => "floods other hosts",
        (None, Kind::Flood, Role::Target) => "is flooded",
        (None, Kind::Port, Role::Source) => "attacks one port",
        (None, Kind::Port, Role::Target) => "is attacked on one port",
    }
}

/// Returns protocol and port of a matter: `TCP port 80 (web)`, `ICMP type 8 code 0 (echo request)`.
fn port(key: MatterKey) -> String {
    match (key.proto, key.port) {
        (None, None) => "several protocols and ports".to_owned(),
        (None, Some(port)) => format!("port {port}, several protocols"),
        (Some(proto), Some(port)) => {
            let text = match proto {
                ICMP | ICMPV6 => words::icmp(proto, port),
                _ => format!("{} port {port}", words::protocol(proto)),
            };
            match words::service(Some(proto), Some(port)) {
                Some(name) => format!("{text} ({name})"),
                None => text,
            }
        }
        (Some(proto @ (ICMP | ICMPV6)), None) => words::protocol(proto),
        (Some(proto), None) => format!("{}, several ports", words::protocol(proto)),
    }
}
