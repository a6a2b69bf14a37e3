//! What a site allows its hosts, or strangers: `--limits FILE`.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{flood, port, scan};
use crate::finding::current_metric;

/// Limits of networks: `network,metric,value` a line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SiteLimits {
    /// Longest prefix first.
    rules: Vec<(IpNet, &'static str, u64)>,
}

/// A line that is no limit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{line}: {found:?} is no {expected}")]
pub struct SiteLimitError {
    /// Its number, from 1.
    pub line: u64,
    /// The text that does not fit.
    pub found: String,
    /// What should stand there.
    pub expected: String,
}

/// A network of every address, in both families.
const EVERYONE: &str = "*";

/// A class that is switched off.
const OFF: &str = "off";

/// What can be limited, of all detectors: one file serves all three.
fn metrics() -> impl Iterator<Item = &'static str> {
    scan::metrics().chain(flood::metrics()).chain(port::metrics())
}

impl SiteLimits {
    /// Reads lines of `network,metric,value`: a network or `*`, a class, a number or `off`. `#` begins a
    /// comment.
    ///
    /// # Errors
    /// The first line that is none.
    pub fn parse(text: &str) -> Result<SiteLimits, SiteLimitError> {
        let mut rules = Vec::new();
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .comment(Some(b'#'))
            .trim(csv::Trim::All)
            .flexible(true)
            .from_reader(text.as_bytes());
        for record in reader.records() {
            let record = record.map_err(|error| SiteLimitError {
                line: error.position().map_or(0, csv::Position::line),
                found: error.to_string(),
                expected: "line of CSV".to_owned(),
            })?;
            let line = record.position().map_or(0, csv::Position::line);
            let refuse = |found: &str, expected: &str| SiteLimitError {
                line,
                found: found.to_owned(),
                expected: expected.to_owned(),
            };
            let cells: Vec<&str> = record.iter().collect();
            let [network, metric, value] = cells.as_slice() else {
                return Err(refuse(&cells.join(","), "network,metric,value"));
            };
            if (*network, *metric, *value) == ("network", "metric", "value") {
                continue;
            }
            let known: Vec<_> = metrics().collect();
            let metric = known
                .iter()
                .find(|known| **known == current_metric(metric))
                .ok_or_else(|| refuse(metric, &format!("metric ({})", known.join(", "))))?;
            let value = match *value {
                OFF => u64::MAX,
                value => value
                    .parse()
                    .ok()
                    .filter(|value| *value > 0)
                    .ok_or_else(|| refuse(value, "number above 0, or off"))?,
            };
            let nets = match *network {
                EVERYONE => vec![IpNet::default(), IpNet::V6(ipnet::Ipv6Net::default())],
                network => vec![parse(network).ok_or_else(|| refuse(network, "network or *"))?],
            };
            rules.extend(nets.into_iter().map(|net| (net, *metric, value)));
        }
        // Of one network the last line holds: it comes first of its length.
        rules.reverse();
        rules.sort_by_key(|(net, ..)| std::cmp::Reverse(net.prefix_len()));
        Ok(SiteLimits { rules })
    }

    /// The limit of a metric for a host, if one was set.
    pub(super) fn of(&self, metric: &str, host: IpAddr) -> Option<u64> {
        let mut rules = self.rules.iter();
        let rule = rules.find(|(net, name, _)| *name == metric && net.contains(&host));
        rule.map(|(.., value)| *value)
    }

    /// The smallest limit of a metric that any network has, if one was set.
    pub(super) fn least(&self, metric: &str) -> Option<u64> {
        let rules = self.rules.iter().filter(|(_, name, _)| *name == metric);
        rules.map(|(.., value)| *value).min()
    }
}

/// A network without bits after its prefix, or an address for itself alone.
fn parse(word: &str) -> Option<IpNet> {
    let address = || word.parse::<IpAddr>().ok().map(IpNet::from);
    word.parse().ok().or_else(address).filter(|net| net.trunc() == *net)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_network_holds() {
        let bounds = SiteLimits::parse(
            "network,metric,value\n# known\n*,horizontal,50\n10.0.0.0/8, horizontal, 200 \n\
             10.1.2.3,horizontal,off\n10.0.0.0/8,dark,30\n10.0.0.0/8,dark,31\n",
        )
        .unwrap();
        let of = |metric, host: &str| bounds.of(metric, host.parse().unwrap());
        assert_eq!(of("horizontal", "192.0.2.1"), Some(50));
        assert_eq!(of("horizontal", "2001:db8::1"), Some(50));
        assert_eq!(of("horizontal", "10.9.9.9"), Some(200));
        assert_eq!(of("horizontal", "10.1.2.3"), Some(u64::MAX));
        assert_eq!(of("dark", "10.1.2.3"), Some(31));
        assert_eq!(of("dark", "192.0.2.1"), None);
    }

    #[test]
    fn limits_of_renamed_classes_hold_by_their_old_names() {
        let old = SiteLimits::parse("*,ports,20\n*,hammer,30\n10.0.0.0/8,vertical,40\n").unwrap();
        let new = "*,vertical,20\n*,bruteforce,30\n10.0.0.0/8,vertical,40\n";
        assert_eq!(old, SiteLimits::parse(new).unwrap());
    }

    #[test]
    fn a_wrong_line_says_where_and_why() {
        for (text, error) in [
            ("*,sweep,2\n10.0.0.0/8,dark", "2: \"10.0.0.0/8,dark\" is no network,metric,value"),
            ("10.0.0.1/8,dark,3", "1: \"10.0.0.1/8\" is no network or *"),
            ("*,dark,0", "1: \"0\" is no number above 0, or off"),
            ("*,dark,-1", "1: \"-1\" is no number above 0, or off"),
        ] {
            assert_eq!(SiteLimits::parse(text).unwrap_err().to_string(), error);
        }
        let error = SiteLimits::parse("*,speed,3").unwrap_err().to_string();
        assert!(
            error.starts_with("1: \"speed\" is no metric (sweep, block, horizontal"),
            "{error}"
        );
    }
}
