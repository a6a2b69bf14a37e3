//! Times, counts, ports and flows in words for readers without the manual.
//!
//! Mails and pages both use these, so that they say the same about the same number.

use super::record::{Host, Sample};
use crate::flow::{ICMP, ICMPV6, TCP, UDP};
use crate::time::Timestamp;

/// Returns the time between two moments in seconds since the epoch, in UTC: `2001-08-17 17:20 to 17:30`.
pub fn span(start: u64, end: u64) -> String {
    let (start, end) = (moment(start), moment(end));
    match (start.split_once(' '), end.split_once(' ')) {
        (Some((day, _)), Some((same, time))) if day == same => format!("{start} to {time}"),
        _ => format!("{start} to {end}"),
    }
}

/// Returns a moment in seconds since the epoch, in UTC: `2001-08-17 17:20`, with seconds unless they are
/// zero.
pub fn moment(seconds: u64) -> String {
    let text = Timestamp::from_secs(seconds).rfc3339();
    let text = text.trim_end_matches('Z').replace('T', " ");
    text.strip_suffix(":00").map(str::to_owned).unwrap_or(text)
}

/// Returns a length in the largest unit of which it is a whole multiple: `10 minutes`.
pub fn length(seconds: u32) -> String {
    match seconds {
        s if s % 3600 == 0 => of(u64::from(s / 3600), "hour"),
        s if s % 60 == 0 => of(u64::from(s / 60), "minute"),
        s => of(u64::from(s), "second"),
    }
}

/// Returns a count with its thousands separated: `200,000`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Returns a count with its noun: `1 host`, `2,000 hosts`.
pub fn of(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(number), if number == 1 { "" } else { "s" })
}

/// Returns a number of bytes in two or three digits, rounded down: `9.6 MB`, `184 kB`.
pub fn bytes(number: u64) -> String {
    const STEPS: [&str; 7] = ["", "k", "M", "G", "T", "P", "E"];
    let mut scale = 1u64;
    let mut step = 0;
    while number / scale >= 1000 {
        scale *= 1000;
        step += 1;
    }
    let prefix = STEPS.get(step).copied().unwrap_or_default();
    let (whole, tenths) = (number / scale, number % scale * 10 / scale.max(10));
    if whole < 100 && scale > 1 {
        format!("{whole}.{tenths} {prefix}B")
    } else {
        format!("{whole} {prefix}B")
    }
}

/// Returns the name of a protocol, or `IP protocol N`.
pub fn protocol(proto: u8) -> String {
    match proto {
        ICMP => "ICMP".to_owned(),
        TCP => "TCP".to_owned(),
        UDP => "UDP".to_owned(),
        ICMPV6 => "ICMPv6".to_owned(),
        47 => "GRE".to_owned(),
        50 => "ESP".to_owned(),
        132 => "SCTP".to_owned(),
        _ => format!("IP protocol {proto}"),
    }
}

/// Returns the name of the service on a port that is often attacked, or of an ICMP message. For ICMP the
/// port is type*256+code.
pub fn service(proto: Option<u8>, port: Option<u16>) -> Option<&'static str> {
    Some(match (proto?, port?) {
        (ICMP, 0x0800) | (ICMPV6, 0x8000) => "echo request",
        (ICMP, 0) | (ICMPV6, 0x8100) => "echo reply",
        (ICMP, 0x0300..=0x03ff) | (ICMPV6, 0x0100..=0x01ff) => "unreachable",
        (TCP, 21) => "ftp",
        (TCP, 22) => "ssh",
        (TCP, 23) => "telnet",
        (TCP, 25) => "mail",
        (TCP | UDP, 53) => "name service",
        (TCP, 80) => "web",
        (TCP, 110) => "pop3",
        (TCP | UDP, 111) => "portmapper",
        (UDP, 123) => "time service",
        (TCP | UDP, 135..=139) => "Windows networking",
        (TCP, 143) => "imap",
        (UDP, 161) => "snmp",
        (TCP | UDP, 389) => "ldap",
        (TCP | UDP, 443) => "web, encrypted",
        (TCP | UDP, 445) => "Windows file sharing",
        (TCP, 515) => "printer",
        (TCP, 587) => "mail submission",
        (TCP, 993) => "imap, encrypted",
        (TCP, 1433) | (UDP, 1434) => "Microsoft SQL",
        (TCP, 1521) => "Oracle",
        (UDP, 1900) => "ssdp",
        (TCP, 2323) => "telnet of small devices",
        (TCP, 3306) => "MySQL",
        (TCP | UDP, 3389) => "Windows remote desktop",
        (TCP | UDP, 5060) => "telephony, sip",
        (TCP, 5432) => "PostgreSQL",
        (TCP, 5900) => "vnc",
        (TCP, 6379) => "Redis",
        (TCP, 8080) => "web proxy",
        (TCP | UDP, 11211) => "memcached",
        (TCP, 27017) => "MongoDB",
        _ => return None,
    })
}

/// Returns type and code of an ICMP flow, whose port is type*256+code: `ICMP type 8 code 0`.
pub fn icmp(proto: u8, port: u16) -> String {
    format!("{} type {} code {}", protocol(proto), port >> 8, port & 0xff)
}

/// Returns protocol and destination port: `TCP port 80 (web)`, `ICMP type 8 code 0 (echo request)`.
pub fn port(proto: Option<u8>, port: Option<u16>) -> String {
    match (proto, port) {
        (None, None) => "several protocols and ports".to_owned(),
        (None, Some(port)) => format!("port {port}, several protocols"),
        (Some(proto), Some(port)) => {
            let text = match proto {
                ICMP | ICMPV6 => icmp(proto, port),
                _ => format!("{} port {port}", protocol(proto)),
            };
            match service(Some(proto), Some(port)) {
                Some(name) => format!("{text} ({name})"),
                None => text,
            }
        }
        (Some(proto @ (ICMP | ICMPV6)), None) => protocol(proto),
        (Some(proto), None) => format!("{}, several ports", protocol(proto)),
    }
}

/// Returns one flow as evidence: `192.0.2.1 port 1025 to 198.51.100.7 port 80, TCP`. `mask` hides the host
/// part of both addresses.
pub fn sample(sample: &Sample, mask: bool) -> String {
    let Sample { sip, sport, dip, dport, proto } = *sample;
    let (source, target) = (Host::Address(sip).text(mask), Host::Address(dip).text(mask));
    match proto {
        ICMP | ICMPV6 => format!("{source} to {target}, {}", icmp(proto, dport)),
        _ => format!("{source} port {sport} to {target} port {dport}, {}", protocol(proto)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn times_and_numbers_in_words() {
        assert_eq!(span(998_068_800, 998_069_400), "2001-08-17 17:20 to 17:30");
        assert_eq!(span(998_092_740, 998_092_801), "2001-08-17 23:59 to 2001-08-18 00:00:01");
        assert_eq!([600, 3600, 61].map(length), ["10 minutes", "1 hour", "61 seconds"]);
        let counts = [0, 999, 1000, 1_234_567].map(count);
        assert_eq!(counts, ["0", "999", "1,000", "1,234,567"]);
        let sizes = [999, 1000, 9_650_000, 184_000, 999_999, u64::MAX].map(bytes);
        assert_eq!(sizes, ["999 B", "1.0 kB", "9.6 MB", "184 kB", "999 kB", "18.4 EB"]);
    }

    #[test]
    fn ports_and_protocols_are_named() {
        assert_eq!(port(Some(6), Some(80)), "TCP port 80 (web)");
        assert_eq!(port(Some(200), Some(7)), "IP protocol 200 port 7");
        assert_eq!(port(Some(1), Some(0x0800)), "ICMP type 8 code 0 (echo request)");
        assert_eq!(port(Some(1), None), "ICMP");
        assert_eq!(port(Some(17), Some(60_000)), "UDP port 60000");
        assert_eq!(port(Some(17), None), "UDP, several ports");
        assert_eq!(port(None, Some(53)), "port 53, several protocols");
    }

    proptest! {
        #[test]
        fn bytes_are_rounded_down_by_less_than_their_last_digit(number: u64) {
            let text = bytes(number);
            let (digits, unit) = text.split_once(' ').unwrap();
            let value: f64 = digits.parse().unwrap();
            let step = ["", "k", "M", "G", "T", "P", "E"].iter().position(|p| format!("{p}B") == unit).unwrap();
            let scale = 1000f64.powi(step as i32);
            prop_assert!(value < 1000.0, "{}", text);
            let ulp = if digits.contains('.') { 0.1 } else { 1.0 };
            let exact = number as f64 / scale;
            prop_assert!(value <= exact * 1.000_001 && exact < value + ulp * 1.000_001, "{}", text);
        }
    }
}
