//! The file of `--limits`: lines of `network,metric,value`.

use ipnet::IpNet;

use crate::detect::site_limits::{SiteLimit, SiteLimits};
use crate::detect::{flood, port, scan};
use crate::finding::current_metric;

/// A line that is not a limit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{line}: {found:?} is not {expected}")]
pub struct SiteLimitError {
    /// Number of the line, from 1.
    pub line: u64,
    /// The text that does not fit.
    pub found: String,
    /// A description of the text that belongs there.
    pub expected: String,
}

/// The word for all networks of both families.
const EVERYONE: &str = "*";

/// The value that switches a class off.
const OFF: &str = "off";

/// Returns the names that can be limited. All detectors share one file.
fn metrics() -> impl Iterator<Item = &'static str> {
    scan::metrics().chain(flood::metrics()).chain(port::metrics())
}

/// Returns the names of all classes that the detectors write.
pub fn classes() -> impl Iterator<Item = &'static str> {
    metrics().chain([scan::SURVEY])
}

impl SiteLimits {
    /// Parses lines of `network,metric,value`: a network or `*`, the name of a class, and a number or `off`.
    /// A `#` at the start of a line begins a comment.
    ///
    /// # Errors
    /// The first line that is not a limit.
    pub fn parse(text: &str) -> Result<SiteLimits, SiteLimitError> {
        let mut limits = Vec::new();
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
                expected: "a line of CSV".to_owned(),
            })?;
            let line = record.position().map_or(0, csv::Position::line);
            let refuse = |found: &str, expected: &str| SiteLimitError {
                line,
                found: found.to_owned(),
                expected: expected.to_owned(),
            };
            let cells: Vec<&str> = record.iter().collect();
            let [network, metric, value] = cells.as_slice() else {
                return Err(refuse(&cells.join(","), "a line network,metric,value"));
            };
            if (*network, *metric, *value) == ("network", "metric", "value") {
                continue;
            }
            let known: Vec<_> = metrics().collect();
            let class = known
                .iter()
                .find(|known| **known == current_metric(metric))
                .ok_or_else(|| refuse(metric, &format!("a metric ({})", known.join(", "))))?;
            let value = match *value {
                OFF => u64::MAX,
                value => value
                    .parse()
                    .ok()
                    .filter(|value| *value > 0)
                    .ok_or_else(|| refuse(value, "a number above 0 or off"))?,
            };
            let nets = match *network {
                EVERYONE => vec![IpNet::default(), IpNet::V6(ipnet::Ipv6Net::default())],
                network => vec![
                    super::ignore::network(network)
                        .ok_or_else(|| refuse(network, "a network or *"))?,
                ],
            };
            limits.extend(nets.into_iter().map(|net| SiteLimit { net, class, value }));
        }
        Ok(SiteLimits::new(limits))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_network_holds_and_of_two_equal_ones_the_last() {
        let limits = SiteLimits::parse(
            "network,metric,value\n# known\n*,horizontal,50\n10.0.0.0/8, horizontal, 200 \n\
             10.1.2.3,horizontal,off\n10.0.0.0/8,dark,30\n10.0.0.0/8,dark,31\n",
        )
        .unwrap();
        let of = |class, host: &str| limits.of(class, host.parse().unwrap());
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
    fn a_wrong_line_is_refused_with_its_number_and_the_reason() {
        for (text, error) in [
            (
                "*,sweep,2\n10.0.0.0/8,dark",
                "2: \"10.0.0.0/8,dark\" is not a line network,metric,value",
            ),
            ("10.0.0.1/8,dark,3", "1: \"10.0.0.1/8\" is not a network or *"),
            ("*,dark,0", "1: \"0\" is not a number above 0 or off"),
            ("*,dark,-1", "1: \"-1\" is not a number above 0 or off"),
        ] {
            assert_eq!(SiteLimits::parse(text).unwrap_err().to_string(), error);
        }
        let error = SiteLimits::parse("*,speed,3").unwrap_err().to_string();
        assert!(
            error.starts_with("1: \"speed\" is not a metric (sweep, block, horizontal"),
            "{error}"
        );
    }
}
