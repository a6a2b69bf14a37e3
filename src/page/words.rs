//! Findings, numbers and times in words for readers without the manual.

use crate::finding::words;
use crate::finding::{Finding, Kind, Peer, Role, Side, masked_why};
use crate::flow::{ICMP, ICMPV6};

pub use crate::finding::words::{bytes, count, length, of, sample, service, span};

/// Returns the behaviour of a host, or of others towards it, in words.
pub fn class(finding: &Finding) -> &'static str {
    match (finding.kind, finding.role, finding.class.as_str()) {
        (Kind::Scan, Role::Source, "sweep") => "Probes whole networks, host after host",
        (Kind::Scan, Role::Source, _) => "Probes other hosts",
        (Kind::Scan, Role::Target, _) => "Is probed",
        (Kind::Flood, Role::Target, "dos") => "Is flooded, mostly by few sources",
        (Kind::Flood, Role::Target, "ddos") => "Is flooded by many sources",
        (Kind::Flood, Role::Target, "reflection") => {
            "Is flooded with answers that it never asked for"
        }
        (Kind::Flood, Role::Target, "volume") => "Is flooded with far more than usual",
        (Kind::Flood, Role::Target, "carpet") => "Is flooded as a whole, a little to each host",
        (Kind::Flood, Role::Target, _) => "Is flooded",
        (Kind::Flood, Role::Source, "ddos") => "Floods other hosts, together with many",
        (Kind::Flood, Role::Source, "reflection") => "Is abused to flood others with answers",
        (Kind::Flood, Role::Source, "outbound") => "Floods others with packets that nobody answers",
        (Kind::Flood, Role::Source, _) => "Floods other hosts",
        (Kind::Port, Role::Source, "spread") => "Attacks one port of many hosts, as a worm does",
        (Kind::Port, Role::Source, "bruteforce") => "Hammers one port of few hosts, as guessers do",
        (Kind::Port, Role::Source, "spam") => "Writes to many mail servers, and is none itself",
        (Kind::Port, Role::Source, "infected") => {
            "Was attacked on a port, and attacks others there"
        }
        (Kind::Port, Role::Source, _) => "Attacks one port",
        (Kind::Port, Role::Target, _) => "Is attacked on one port",
    }
}

/// Returns the name of the hosts that a line of the summary counts.
pub const fn group(kind: Kind, role: Role) -> &'static str {
    match (kind, role) {
        (Kind::Scan, Role::Source) => "Hosts that scan networks",
        (Kind::Scan, Role::Target) => "Hosts that are scanned",
        (Kind::Flood, Role::Source) => "Hosts that flood others",
        (Kind::Flood, Role::Target) => "Hosts that are flooded",
        (Kind::Port, Role::Source) => "Hosts that attack one port",
        (Kind::Port, Role::Target) => "Hosts that are attacked on one port",
    }
}

pub const fn side(side: Option<Side>) -> &'static str {
    match side {
        Some(Side::Inside) => "inside",
        Some(Side::Outside) => "outside",
        None => "side unknown",
    }
}

/// Returns the meaning of a mark, if it is one of nfkit's.
pub fn mark(mark: &str) -> Option<&'static str> {
    Some(match mark {
        "forged" => "the sources look forged: whoever is named as the other side may be innocent",
        "lossy" => "records of the exporter were lost: there was more than is counted here",
        "oneway" => "many answers are not exported: what looks unanswered may have been answered",
        "outbreak" => {
            "far more hosts than usual attack this port at this time: a worm may be about"
        }
        "sampled" => "the exporter looks at a sample of the packets: there was more than this",
        "survey" => "a known survey of the Internet",
        _ => return None,
    })
}

/// Returns protocol and destination port: `TCP 80`.
pub fn port(proto: Option<u8>, port: Option<u16>) -> String {
    match (proto, port) {
        (None, None) => "mixed".to_owned(),
        (None, Some(port)) => format!("port {port}, mixed protocols"),
        (Some(proto @ (ICMP | ICMPV6)), Some(port)) => words::icmp(proto, port),
        (Some(proto @ (ICMP | ICMPV6)), None) => words::protocol(proto),
        (Some(proto), None) => format!("{}, mixed ports", words::protocol(proto)),
        (Some(proto), Some(port)) => format!("{} {port}", words::protocol(proto)),
    }
}

/// Returns a host or network of the other side, with its flows where they are counted.
pub fn peer(peer: &Peer, mask: bool) -> String {
    let host = peer.host.text(mask);
    match peer.flows {
        Some(flows) => format!("{host} ({})", of(flows, "flow")),
        None => host,
    }
}

/// Returns the rule that fired. Printable ASCII stays as it is and other characters are escaped, because they
/// could reverse the reading direction or be invisible. Masked, the rule names no address.
pub fn why(text: &str, mask: bool) -> String {
    let masked = mask.then(|| masked_why(text));
    let plain = |c: char| matches!(c, ' '..='~' | '…');
    masked
        .as_deref()
        .unwrap_or(text)
        .chars()
        .map(|c| if plain(c) { c.to_string() } else { c.escape_unicode().to_string() })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::page::single::tests::finding;

    #[test]
    fn ports_and_icmp_types_in_words() {
        assert_eq!(port(Some(6), Some(80)), "TCP 80");
        assert_eq!(port(Some(1), Some(0x0800)), "ICMP type 8 code 0");
        assert_eq!(service(Some(1), Some(0x0800)), Some("echo request"));
        assert_eq!(service(Some(6), Some(4)), None);
        assert_eq!(port(Some(17), None), "UDP, mixed ports");
        assert_eq!(port(Some(200), Some(7)), "IP protocol 200 7");
        assert_eq!(port(None, None), "mixed");
    }

    #[test]
    fn each_class_has_words_of_its_own() {
        let mut seen = BTreeSet::new();
        for (kind, role, classes) in [
            (
                Kind::Flood,
                Role::Target,
                &["dos", "ddos", "reflection", "volume", "carpet", "new"][..],
            ),
            (Kind::Flood, Role::Source, &["dos", "ddos", "reflection", "outbound"]),
            (Kind::Port, Role::Source, &["spread", "bruteforce", "spam", "infected", "new"]),
        ] {
            for name in classes {
                let finding = finding("192.0.2.1", 600, 5);
                let finding = Finding { kind, role, class: (*name).to_owned(), ..finding };
                assert!(seen.insert(class(&finding)), "{kind} {name}: {}", class(&finding));
            }
        }
    }

    #[test]
    fn a_masked_rule_names_no_address() {
        let text = "targets=60>=25,largestpct=3<50,by=192.0.2.9,also=spread";
        assert_eq!(why(text, false), text);
        let masked = "targets=60>=25,largestpct=3<50,by=192.0.2.?,also=spread";
        assert_eq!(why(text, true), masked);
        assert_eq!(why("a\u{202e}b", false), "a\\u{202e}b");
        assert_eq!(why("a\u{202e}b", true), "?");
    }
}
