//! Findings, numbers and times in words that a reader without the manual understands.

use crate::finding::{Finding, Host, Kind, Peer, Role, Sample, Side};
use crate::flow::{ICMP, ICMPV6, TCP, UDP};
use crate::time::Timestamp;

/// What a host did or what was done to it.
pub(super) fn class(finding: &Finding) -> &'static str {
    match (finding.kind, finding.role, finding.class.as_str()) {
        (Kind::Scan, Role::Source, "sweep") => "Probes whole networks, host after host",
        (Kind::Scan, Role::Source, _) => "Probes other hosts",
        (Kind::Scan, Role::Target, _) => "Is probed",
        (Kind::Flood, Role::Target, "dos") => "Is flooded, mostly by few sources",
        (Kind::Flood, Role::Target, "ddos") => "Is flooded by many sources",
        (Kind::Flood, Role::Target, _) => "Is flooded",
        (Kind::Flood, Role::Source, "ddos") => "Floods other hosts, together with many",
        (Kind::Flood, Role::Source, _) => "Floods other hosts",
        (Kind::Port, Role::Source, "spread") => "Attacks one port of many hosts, as a worm does",
        (Kind::Port, Role::Source, "hammer") => "Hammers one port of few hosts, as guessers do",
        (Kind::Port, Role::Source, _) => "Attacks one port",
        (Kind::Port, Role::Target, _) => "Is attacked on one port",
    }
}

/// Whom a line of the summary counts.
pub(super) const fn group(kind: Kind, role: Role) -> &'static str {
    match (kind, role) {
        (Kind::Scan, Role::Source) => "Hosts that scan networks",
        (Kind::Scan, Role::Target) => "Hosts that are scanned",
        (Kind::Flood, Role::Source) => "Hosts that flood others",
        (Kind::Flood, Role::Target) => "Hosts that are flooded",
        (Kind::Port, Role::Source) => "Hosts that attack one port",
        (Kind::Port, Role::Target) => "Hosts that are attacked on one port",
    }
}

pub(super) const fn side(side: Option<Side>) -> &'static str {
    match side {
        Some(Side::Inside) => "inside",
        Some(Side::Outside) => "outside",
        None => "side unknown",
    }
}

/// What a mark of a finding means, if it is one of nfkit's.
pub(super) fn mark(mark: &str) -> Option<&'static str> {
    Some(match mark {
        "forged" => "the sources look forged: whoever is named as the other side may be innocent",
        "lossy" => "records of the exporter were lost: there was more than is counted here",
        "oneway" => "nothing came back",
        "outbreak" => "several hosts began to do the same at this time",
        "sampled" => "the exporter looks at a sample of the packets: there was more than this",
        "survey" => "a known survey of the Internet",
        _ => return None,
    })
}

/// A stretch of time: `2001-08-17 17:20 to 17:30`.
pub(super) fn span(start: u64, end: u64) -> String {
    let (start, end) = (moment(start), moment(end));
    match (start.split_once(' '), end.split_once(' ')) {
        (Some((day, _)), Some((same, time))) if day == same => format!("{start} to {time}"),
        _ => format!("{start} to {end}"),
    }
}

/// Seconds since the epoch, UTC: `2001-08-17 17:20`, with seconds unless they are zero.
fn moment(seconds: u64) -> String {
    let text = Timestamp::from_secs(seconds).rfc3339();
    let text = text.trim_end_matches('Z').replace('T', " ");
    text.strip_suffix(":00").map(str::to_owned).unwrap_or(text)
}

/// A length in the largest unit that it is whole in: `10 minutes`.
pub(super) fn length(seconds: u32) -> String {
    match seconds {
        s if s % 3600 == 0 => of(u64::from(s / 3600), "hour"),
        s if s % 60 == 0 => of(u64::from(s / 60), "minute"),
        s => of(u64::from(s), "second"),
    }
}

/// A count with its thousands apart: `200,000`.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count with its noun: `1 host`, `2,000 hosts`.
pub(super) fn of(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(number), if number == 1 { "" } else { "s" })
}

/// Octets in two or three digits, rounded down: `9.6 MB`, `184 kB`.
pub(super) fn octets(number: u64) -> String {
    const STEPS: [&str; 7] = ["", "k", "M", "G", "T", "P", "E"];
    let mut scale = 1u64;
    let mut step = 0;
    while number / scale >= 1000 {
        scale *= 1000;
        step += 1;
    }
    let prefix = STEPS.get(step).copied().unwrap_or_default();
    let (whole, tenths) = (number / scale, number % scale * 10 / scale.max(10));
    match whole < 100 && scale > 1 {
        true => format!("{whole}.{tenths} {prefix}B"),
        false => format!("{whole} {prefix}B"),
    }
}

fn protocol(proto: u8) -> String {
    match proto {
        ICMP => "ICMP".to_owned(),
        TCP => "TCP".to_owned(),
        UDP => "UDP".to_owned(),
        47 => "GRE".to_owned(),
        50 => "ESP".to_owned(),
        ICMPV6 => "ICMPv6".to_owned(),
        132 => "SCTP".to_owned(),
        _ => format!("IP protocol {proto}"),
    }
}

/// Protocol and destination port: `TCP 80`.
pub(super) fn port(proto: Option<u8>, port: Option<u16>) -> String {
    match (proto, port) {
        (None, None) => "mixed".to_owned(),
        (None, Some(port)) => format!("port {port}, mixed protocols"),
        (Some(proto @ (ICMP | ICMPV6)), Some(port)) => {
            format!("{} type {} code {}", protocol(proto), port >> 8, port & 0xff)
        }
        (Some(proto @ (ICMP | ICMPV6)), None) => protocol(proto),
        (Some(proto), None) => format!("{}, mixed ports", protocol(proto)),
        (Some(proto), Some(port)) => format!("{} {port}", protocol(proto)),
    }
}

/// What usually listens on a port that attacks go to, or what an ICMP message is.
pub(super) fn service(proto: Option<u8>, port: Option<u16>) -> Option<&'static str> {
    Some(match (proto?, port?) {
        (ICMP, 0x0800) | (ICMPV6, 0x8000) => "echo request",
        (ICMP, 0) | (ICMPV6, 0x8100) => "echo reply",
        (ICMP, 0x0300..=0x03ff) | (ICMPV6, 0x0100..=0x01ff) => "unreachable",
        (TCP, 21) => "ftp",
        (TCP, 22) => "ssh",
        (TCP, 23) => "telnet",
        (TCP, 25) => "smtp",
        (TCP | UDP, 53) => "dns",
        (TCP, 80) => "http",
        (TCP, 110) => "pop3",
        (TCP | UDP, 111) => "portmapper",
        (UDP, 123) => "ntp",
        (TCP | UDP, 135) => "Windows rpc",
        (TCP | UDP, 137..=139) => "netbios",
        (TCP, 143) => "imap",
        (UDP, 161) => "snmp",
        (TCP | UDP, 389) => "ldap",
        (TCP | UDP, 443) => "https",
        (TCP | UDP, 445) => "Windows file sharing",
        (TCP, 515) => "printer",
        (TCP, 587) => "mail submission",
        (TCP, 993) => "imaps",
        (TCP, 1433) | (UDP, 1434) => "Microsoft SQL",
        (TCP, 1521) => "Oracle",
        (UDP, 1900) => "ssdp",
        (TCP, 2323) => "telnet",
        (TCP, 3306) => "MySQL",
        (TCP | UDP, 3389) => "remote desktop",
        (TCP | UDP, 5060) => "sip",
        (TCP, 5432) => "PostgreSQL",
        (TCP, 5900) => "vnc",
        (TCP, 6379) => "Redis",
        (TCP, 8080) => "http proxy",
        (TCP | UDP, 11211) => "memcached",
        (TCP, 27017) => "MongoDB",
        _ => return None,
    })
}

/// A host or network of the other side, with its flows where they are counted.
pub(super) fn peer(peer: &Peer, mask: bool) -> String {
    let host = peer.host.text(mask);
    match peer.flows {
        Some(flows) => format!("{host} ({})", of(flows, "flow")),
        None => host,
    }
}

/// One flow as evidence: `192.0.2.1 port 1025 to 198.51.100.7 port 80, TCP`.
pub(super) fn sample(sample: &Sample, mask: bool) -> String {
    let Sample { sip, sport, dip, dport, proto } = *sample;
    let (source, target) = (Host::Address(sip).text(mask), Host::Address(dip).text(mask));
    match proto {
        ICMP | ICMPV6 => format!("{source} to {target}, {}", port(Some(proto), Some(dport))),
        _ => format!("{source} port {sport} to {target} port {dport}, {}", protocol(proto)),
    }
}

/// The rule that fired, with printable ASCII left as it is and all else spelt out: other characters
/// could turn the reading direction or hide. Masked, only conditions of the documented form are
/// left, `measure=value>limit` with plain numbers, because anything else could hold an address.
pub(super) fn why(text: &str, mask: bool) -> String {
    if mask && !text.split(',').all(is_condition) {
        return "hidden, because it could name an address".to_owned();
    }
    let plain = |c: char| matches!(c, ' '..='~' | '…');
    text.chars()
        .map(|c| if plain(c) { c.to_string() } else { c.escape_unicode().to_string() })
        .collect()
}

fn is_condition(text: &str) -> bool {
    let number = |text: &str| {
        let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        digits(whole) && digits(decimals)
    };
    let Some((measure, rest)) = text.split_once('=') else { return false };
    let Some((value, limit)) = rest.split_once('>') else { return false };
    let is_word = measure.bytes().all(|b| b.is_ascii_lowercase());
    is_word && number(value) && number(limit.strip_prefix('=').unwrap_or(limit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn times_and_numbers_read_well() {
        assert_eq!(span(998_068_800, 998_069_400), "2001-08-17 17:20 to 17:30");
        assert_eq!(span(998_092_740, 998_092_801), "2001-08-17 23:59 to 2001-08-18 00:00:01");
        assert_eq!([600, 3600, 61].map(length), ["10 minutes", "1 hour", "61 seconds"]);
        let counts = [0, 999, 1000, 1_234_567].map(count);
        assert_eq!(counts, ["0", "999", "1,000", "1,234,567"]);
        let sizes = [999, 1000, 9_650_000, 184_000, 999_999, u64::MAX].map(octets);
        assert_eq!(sizes, ["999 B", "1.0 kB", "9.6 MB", "184 kB", "999 kB", "18.4 EB"]);
    }

    #[test]
    fn ports_and_icmp_types_read_well() {
        assert_eq!(port(Some(6), Some(80)), "TCP 80");
        assert_eq!(port(Some(1), Some(0x0800)), "ICMP type 8 code 0");
        assert_eq!(service(Some(1), Some(0x0800)), Some("echo request"));
        assert_eq!(service(Some(6), Some(4)), None);
        assert_eq!(port(Some(17), None), "UDP, mixed ports");
        assert_eq!(port(Some(200), Some(7)), "IP protocol 200 7");
        assert_eq!(port(None, None), "mixed");
    }

    #[test]
    fn a_masked_rule_names_no_address() {
        for plain in ["nets=16>=2,hosts=254>=200", "flows=2000>1000", "share=0.75>0.5"] {
            assert_eq!(why(plain, true), plain);
        }
        for foreign in ["victim=192.0.2.9>1", "x=1>192.0.2.9", "192.0.2.9", "n=1>2,by ::1", "n=1"] {
            assert_eq!(why(foreign, false), foreign);
            assert!(why(foreign, true).starts_with("hidden"), "{foreign}");
        }
        assert_eq!(why("a\u{202e}b", false), "a\\u{202e}b");
    }

    proptest! {
        #[test]
        fn octets_lose_less_than_their_last_digit(number: u64) {
            let text = octets(number);
            let (digits, unit) = text.split_once(' ').unwrap();
            let value: f64 = digits.parse().unwrap();
            let step = ["", "k", "M", "G", "T", "P", "E"].iter().position(|p| format!("{p}B") == unit).unwrap();
            let scale = 1000f64.powi(step as i32);
            prop_assert!(value < 1000.0, "{}", text);
            // Rounded down, by less than one of its last digit.
            let ulp = if digits.contains('.') { 0.1 } else { 1.0 };
            let exact = number as f64 / scale;
            prop_assert!(value <= exact * 1.000_001 && exact < value + ulp * 1.000_001, "{}", text);
        }
    }
}
