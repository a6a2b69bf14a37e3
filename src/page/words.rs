//! Findings, numbers and times in words for readers without the manual.

use crate::finding::{Kind, Peer, Role, Side, masked_why};

pub use crate::finding::words::{count, length, moment, of, port, sample, span};

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

/// Returns how many times the limit a value is: `20.3`, and `none` without a limit.
pub fn times(ratio: f64) -> String {
    if ratio <= 0.0 {
        return "none".to_owned();
    }
    if ratio < 100.0 { format!("{ratio:.1}") } else { count(ratio as u64) }
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
    use super::*;

    #[test]
    fn times_have_one_digit_below_a_hundred() {
        let texts = [0.0, -1.0, 1.0, 20.26, 99.94, 199.99, 12_345.6].map(times);
        assert_eq!(texts, ["none", "none", "1.0", "20.3", "99.9", "199", "12,345"]);
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
