//! The file of `--ignore`: known traffic that no detector counts.
//!
//! Two hosts may have a good reason to exchange many flows: a backup and its server, a monitor and the hosts
//! that it watches.

use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

use crate::flow::Flow;
use crate::window::Exclusion;

/// A list of flows to leave out. Each line is `src dst [proto/port]`, with networks or `*`.
#[derive(Clone, Debug, Default)]
pub struct Ignore(Vec<Rule>);

#[derive(Clone, Debug)]
struct Rule {
    src: Option<IpNet>,
    dst: Option<IpNet>,
    proto: Option<u8>,
    port: Option<u16>,
}

/// A line that is not a rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{line}: {found:?} is not a {expected}")]
pub struct IgnoreError {
    /// Number of the line, from 1.
    pub line: usize,
    /// The text that does not fit.
    pub found: String,
    /// A description of the text that belongs there.
    pub expected: &'static str,
}

impl FromStr for Ignore {
    type Err = IgnoreError;

    fn from_str(text: &str) -> Result<Ignore, IgnoreError> {
        let mut rules = Vec::new();
        for (n, line) in text.lines().enumerate() {
            let words: Vec<&str> =
                line.split('#').next().unwrap_or("").split_whitespace().collect();
            let refuse = |found: &str, expected| IgnoreError {
                line: n + 1,
                found: found.to_owned(),
                expected,
            };
            let net = |word: &str| match word {
                "*" => Ok(None),
                word => network(word).map(Some).ok_or_else(|| refuse(word, "network or *")),
            };
            let (src, dst, service) = match words.as_slice() {
                [] => continue,
                [src, dst] => (src, dst, "*"),
                [src, dst, service] => (src, dst, *service),
                _ => return Err(refuse(line.trim(), "line src dst [proto/port]")),
            };
            let (proto, port) = parse_service(service)
                .ok_or_else(|| refuse(service, "proto/port such as tcp/80"))?;
            rules.push(Rule { src: net(src)?, dst: net(dst)?, proto, port });
        }
        Ok(Ignore(rules))
    }
}

/// Parses a network without bits after its prefix, or an address, which is a network of one host.
pub(super) fn network(word: &str) -> Option<IpNet> {
    let address = || word.parse::<IpAddr>().ok().map(IpNet::from);
    word.parse().ok().or_else(address).filter(|net| net.trunc() == *net)
}

/// Parses a number of digits alone: `parse` would accept a sign.
fn digits<T: FromStr>(text: &str) -> Option<T> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
}

/// Parses a protocol and a port, each of them `None` for any: `tcp/80`, `6/80`, `udp/*`, `udp`, `*`.
fn parse_service(text: &str) -> Option<(Option<u8>, Option<u16>)> {
    let (proto, port) = text.split_once('/').unwrap_or((text, "*"));
    let proto = if proto == "*" { None } else { Some(parse_proto(proto)?) };
    let port = if port == "*" { None } else { Some(digits(port)?) };
    Some((proto, port))
}

/// Parses a protocol by its number, or by one of the names that the files of a site may use.
pub fn parse_proto(text: &str) -> Option<u8> {
    match text {
        "icmp" => Some(1),
        "tcp" => Some(6),
        "udp" => Some(17),
        "icmp6" => Some(58),
        "sctp" => Some(132),
        number => digits(number),
    }
}

/// Returns the name of a protocol as [`parse_proto`] reads it, or its number.
pub fn proto_name(proto: u8) -> String {
    let names = ["icmp", "tcp", "udp", "icmp6", "sctp"];
    let name = names.into_iter().find(|name| parse_proto(name) == Some(proto));
    name.map_or_else(|| proto.to_string(), str::to_owned)
}

impl Ignore {
    /// Returns true if a line matches the flow's source, destination, protocol and destination port.
    pub fn matches(&self, flow: &Flow) -> bool {
        self.0.iter().any(|rule| {
            rule.src.is_none_or(|net| net.contains(&flow.sip))
                && rule.dst.is_none_or(|net| net.contains(&flow.dip))
                && rule.proto.is_none_or(|proto| proto == flow.proto)
                && rule.port.is_none_or(|port| port == flow.dport)
        })
    }

    /// Returns true if the list has no lines.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Exclusion for Ignore {
    fn is_empty(&self) -> bool {
        self.is_empty()
    }

    fn excludes(&self, flow: &Flow) -> bool {
        self.matches(flow)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_protocol_reads_back_by_its_name() {
        assert!((0..=255).all(|proto| parse_proto(&proto_name(proto)) == Some(proto)));
        assert_eq!(
            [1, 6, 17, 58, 132, 47].map(proto_name),
            ["icmp", "tcp", "udp", "icmp6", "sctp", "47"]
        );
    }

    #[test]
    fn a_line_matches_its_own_flows_and_no_others() {
        let list = "# backup\n192.0.2.0/24 198.51.100.7 tcp/22\n* 2001:db8::1 # v6\n* * icmp\n";
        let list: Ignore = list.parse().unwrap();
        let flow = |sip: &str, dip: &str, proto, dport| Flow {
            sip: sip.parse().unwrap(),
            dip: dip.parse().unwrap(),
            proto,
            dport,
            ..Flow::default()
        };
        assert!(list.matches(&flow("192.0.2.9", "198.51.100.7", 6, 22)));
        assert!(list.matches(&flow("203.0.113.1", "203.0.113.2", 1, 2048)));
        assert!(list.matches(&flow("2001:db8::9", "2001:db8::1", 17, 53)));
        assert!(!list.matches(&flow("198.51.100.7", "192.0.2.9", 6, 22)), "the other way round");
        assert!(!list.matches(&flow("192.0.2.9", "198.51.100.7", 6, 23)));
        assert!(!list.matches(&flow("192.0.2.9", "198.51.100.7", 17, 22)));
        assert!(Ignore::default().is_empty() && !list.is_empty());
    }

    #[test]
    fn a_wrong_line_is_refused_with_its_number_and_the_reason() {
        for (text, message) in [
            ("\n192.0.2.1 nowhere", "2: \"nowhere\" is not a network or *"),
            ("10.1.0.0/8 *", "1: \"10.1.0.0/8\" is not a network or *"),
            ("* * tcp/http", "1: \"tcp/http\" is not a proto/port such as tcp/80"),
            ("* * 6/+80", "1: \"6/+80\" is not a proto/port such as tcp/80"),
            ("*", "1: \"*\" is not a line src dst [proto/port]"),
        ] {
            assert_eq!(text.parse::<Ignore>().unwrap_err().to_string(), message);
        }
    }
}
