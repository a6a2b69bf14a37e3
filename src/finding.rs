//! A finding: one host that stood out in one window, in the form that all three detectors share.
//!
//! nfkit-finding(5) is the contract; this room holds the record ([`Finding`]), its one-line text and
//! JSON forms ([`Writer`], [`Reader`]) and the order in which a window's findings are printed. It
//! knows neither how a host was found nor what will be done about it.

use std::cmp::Ordering;
use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::flow::{Flow, Masked};
use crate::time::Window;

mod read;
mod renamed;
mod row;
mod why;
pub mod words;
mod write;

pub use read::{Item, MAX_JSON, Reader};
pub use renamed::{current_class, current_metric};
pub use row::Error;
pub use why::masked_why;
pub use write::{Form, Writer};

/// The columns of a finding line, in their frozen order. New ones come last.
pub const COLUMNS: [&str; 18] = [
    "window", "seconds", "kind", "class", "host", "role", "side", "proto", "port", "peers", "peer",
    "flows", "packets", "octets", "rate", "marks", "why", "sample",
];

/// The commands that make findings. Their closing marks say that a window was judged; those of other
/// commands do not.
pub const DETECTORS: [&str; 3] = ["nfscan", "nfflood", "nfport"];

/// The longest finding line, without its line ending: what fits in one atomic write to a pipe.
pub const MAX_LINE: usize = 4000;

/// The most entries of the `peer` column; the rest is counted.
pub const MAX_PEERS: usize = 20;

/// The most flows given as evidence.
pub const MAX_SAMPLES: usize = 3;

/// Seconds for which a window of unknown length is judged.
pub const UNKNOWN_SECONDS: u32 = 600;

/// What was found about one host in one window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The window; `None` if the input had no time.
    pub window: Option<Window>,
    /// The family of rules that fired.
    pub kind: Kind,
    /// The rule, one word of lower-case letters, digits and `-`. Two were renamed before 1.0, see
    /// [`current_class`]; more may come.
    pub class: String,
    /// Whom the finding is about: the only address that anyone acts on.
    pub host: Host,
    /// On which side of the flows the host is.
    pub role: Role,
    /// Whether the host is one of ours; `None` if nobody said what is inside.
    pub side: Option<Side>,
    /// IANA protocol number; `None` if mixed.
    pub proto: Option<u8>,
    /// Destination port (ICMP: type*256+code); `None` if mixed.
    pub port: Option<u16>,
    /// Distinct hosts on the other side.
    pub peers: u64,
    /// The most important of them, at most [`MAX_PEERS`]. To read, never to act on.
    pub peer: Vec<Peer>,
    /// How many more there are than `peer` names.
    pub more: u64,
    /// Flows of the flagged traffic.
    pub flows: u64,
    /// Packets of the flagged traffic.
    pub packets: u64,
    /// Octets of the flagged traffic.
    pub octets: u64,
    /// Flows a second, in hundredths.
    pub rate: Rate,
    /// Words that qualify the finding, such as `sampled`; sorted, each once.
    pub marks: Vec<String>,
    /// The rule with value and limit: `nets=16>=2,hosts=254>=200`.
    pub why: String,
    /// Flows as evidence, at most [`MAX_SAMPLES`].
    pub sample: Vec<Sample>,
}

/// A family of detection rules: one detector each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Probing of many hosts or ports, by nfscan.
    Scan,
    /// Denial of service, by nfflood.
    Flood,
    /// An attack on one port, by nfport.
    Port,
}

/// On which side of the flagged flows a host is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// It sent them.
    Source,
    /// It received them.
    Target,
}

/// Where a host is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// In one of our networks.
    Inside,
    /// Elsewhere.
    Outside,
}

/// Gives an enum of single words its text form, both ways.
macro_rules! words {
    ($name:ident { $($variant:ident = $word:literal),+ $(,)? }) => {
        impl $name {
            /// The word that finding lines use.
            pub const fn as_str(self) -> &'static str {
                match self { $($name::$variant => $word),+ }
            }

            /// Reads the word that finding lines use.
            pub fn parse(text: &str) -> Option<$name> {
                match text { $($word => Some($name::$variant),)+ _ => None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words!(Kind { Scan = "scan", Flood = "flood", Port = "port" });
words!(Role { Source = "source", Target = "target" });
words!(Side { Inside = "inside", Outside = "outside" });

/// Whom a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// One machine.
    Address(IpAddr),
    /// A network that drew or sent the traffic as a whole. Reported, never blocked.
    Prefix(IpNet),
}

/// An entry of the `peer` column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Peer {
    /// The host or network on the other side.
    pub host: Host,
    /// Flows exchanged with it, where the class counts them.
    pub flows: Option<u64>,
}

/// One flow, as evidence: `sip:sport>dip:dport/proto`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sample {
    /// Source address.
    pub sip: IpAddr,
    /// Source port.
    pub sport: u16,
    /// Destination address.
    pub dip: IpAddr,
    /// Destination port.
    pub dport: u16,
    /// IANA protocol number.
    pub proto: u8,
}

impl From<&Flow> for Sample {
    fn from(flow: &Flow) -> Sample {
        let &Flow { sip, sport, dip, dport, proto, .. } = flow;
        Sample { sip, sport, dip, dport, proto }
    }
}

/// Flows a second, kept as a whole number of hundredths so that equal counts print equal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rate(pub u64);

impl Rate {
    /// The rate of `flows` in a window, rounded half up.
    pub fn of(flows: u64, window: Option<Window>) -> Rate {
        let seconds = u128::from(window.map_or(UNKNOWN_SECONDS, Window::seconds));
        let hundredths = (u128::from(flows) * 100 + seconds / 2) / seconds;
        Rate(u64::try_from(hundredths).unwrap_or(u64::MAX))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

impl Finding {
    /// The order inside a window: flows descending, then host, protocol, port, then what else tells
    /// two findings apart.
    pub fn order(&self, other: &Finding) -> Ordering {
        let key = |f: &Finding| (f.host, f.proto, f.port, f.kind, f.role);
        (other.flows.cmp(&self.flows))
            .then_with(|| key(self).cmp(&key(other)))
            .then_with(|| self.class.cmp(&other.class))
    }
}

/// An address that is shown as it is, or masked for publication.
struct Shown(IpAddr, bool);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.1 {
            true => write!(f, "{}", Masked(self.0)),
            false => write!(f, "{}", self.0),
        }
    }
}

impl Host {
    /// The text form. Masked, an address hides its host part and a prefix keeps no more bits than
    /// a masked address does.
    pub fn text(self, mask: bool) -> String {
        match self {
            Host::Address(address) => Shown(address, mask).to_string(),
            Host::Prefix(net) => {
                let masked = Masked(net.addr());
                if mask && net.prefix_len() > masked.shown_bits() {
                    masked.to_string()
                } else {
                    net.to_string()
                }
            }
        }
    }

    fn parse(text: &str) -> Option<Host> {
        if let Ok(address) = text.parse() {
            return Some(Host::Address(address));
        }
        let net: IpNet = text.parse().ok()?;
        (net.trunc() == net).then_some(Host::Prefix(net))
    }
}

impl Peer {
    fn text(self, mask: bool) -> String {
        match self.flows {
            Some(flows) => format!("{}={flows}", self.host.text(mask)),
            None => self.host.text(mask),
        }
    }

    fn parse(text: &str) -> Option<Peer> {
        match text.split_once('=') {
            Some((host, flows)) => Some(Peer { host: Host::parse(host)?, flows: number(flows) }),
            None => Some(Peer { host: Host::parse(text)?, flows: None }),
        }
        .filter(|peer| peer.flows.is_some() == text.contains('='))
    }
}

impl Sample {
    fn text(self, mask: bool) -> String {
        let end = |address: IpAddr, port| match address {
            IpAddr::V4(_) => format!("{}:{port}", Shown(address, mask)),
            IpAddr::V6(_) => format!("[{}]:{port}", Shown(address, mask)),
        };
        let Sample { sip, sport, dip, dport, proto } = self;
        format!("{}>{}/{proto}", end(sip, sport), end(dip, dport))
    }

    fn parse(text: &str) -> Option<Sample> {
        fn end(text: &str) -> Option<(IpAddr, u16)> {
            let (address, port) = text.rsplit_once(':')?;
            let address = match address.strip_prefix('[') {
                Some(v6) => IpAddr::V6(v6.strip_suffix(']')?.parse().ok()?),
                None => IpAddr::V4(address.parse().ok()?),
            };
            Some((address, number(port)?))
        }
        let (source, rest) = text.split_once('>')?;
        let (target, proto) = rest.rsplit_once('/')?;
        let ((sip, sport), (dip, dport)) = (end(source)?, end(target)?);
        Some(Sample { sip, sport, dip, dport, proto: number(proto)? })
    }
}

/// A decimal number of digits alone: no sign, no blanks.
fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    match !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        true => text.parse().ok(),
        false => None,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    #[test]
    fn the_rates_of_the_paper() {
        let window = Window::new(0, 600);
        assert_eq!(Rate::of(2000, window).to_string(), "3.33");
        assert_eq!(Rate::of(200_000, window).to_string(), "333.33");
        assert_eq!(Rate::of(3, None).to_string(), "0.01");
        assert_eq!(Rate::of(u64::MAX, Window::new(0, 1)), Rate(u64::MAX));
    }

    #[test]
    fn a_mask_leaves_no_host_part() {
        let host = |text| Host::parse(text).unwrap().text(true);
        assert_eq!(host("140.119.44.91"), "140.119.44.?");
        assert_eq!(host("140.119.56.0/21"), "140.119.56.0/21");
        assert_eq!(host("140.119.56.64/26"), "140.119.56.?");
        assert_eq!(host("2001:db8:1:2::/64"), "2001:db8:1::?");
        // A 6to4 network of 48 bits is an IPv4 address.
        assert_eq!(host("2002:c000:209::/48"), "2002:c000:200::?");
        assert_eq!(host("2002:c000:200::/40"), "2002:c000:200::/40");
        assert_eq!(host("::ffff:192.0.2.0/120"), "::?");
        let sample = Sample::parse("[2001:db8:1:2::3]:5>192.0.2.7:80/6").unwrap();
        assert_eq!(sample.text(true), "[2001:db8:1::?]:5>192.0.2.?:80/6");
    }

    fn host() -> impl Strategy<Value = Host> {
        prop_oneof![
            any::<IpAddr>().prop_map(Host::Address),
            (any::<[u8; 4]>(), 0u8..=32)
                .prop_map(|(a, n)| Host::Prefix(IpNet::new(a.into(), n).unwrap().trunc())),
            (any::<[u8; 16]>(), 0u8..=128)
                .prop_map(|(a, n)| Host::Prefix(IpNet::new(a.into(), n).unwrap().trunc())),
        ]
    }

    /// Any finding that a detector could print.
    pub(crate) fn any_finding() -> impl Strategy<Value = Finding> {
        let window = proptest::option::of((0u64..18_000_000_000, 1u32..86_400))
            .prop_map(|w| w.and_then(|(start, seconds)| Window::new(start, seconds)));
        let kind = prop_oneof![Just(Kind::Scan), Just(Kind::Flood), Just(Kind::Port)];
        let role = prop_oneof![Just(Role::Source), Just(Role::Target)];
        let side = prop_oneof![Just(None), Just(Some(Side::Inside)), Just(Some(Side::Outside))];
        let peer = (host(), any::<Option<u64>>()).prop_map(|(host, flows)| Peer { host, flows });
        let sample = any::<(IpAddr, u16, IpAddr, u16, u8)>()
            .prop_map(|(sip, sport, dip, dport, proto)| Sample { sip, sport, dip, dport, proto });
        let marks = proptest::collection::btree_set("[a-z]{1,9}", 0..4)
            .prop_map(|marks| marks.into_iter().collect::<Vec<_>>());
        (
            (window, kind, "[a-z][a-z-]{0,11}", host(), role, side),
            (any::<Option<u8>>(), any::<Option<u16>>(), any::<u64>()),
            (vec(peer, 0..=MAX_PEERS), 0u64..1_000_000),
            (any::<u64>(), any::<u64>(), any::<u64>(), 0u64..1 << 50),
            (marks, "([a-z]{1,5}=[0-9]{1,3}>=[0-9]{1,3})?", vec(sample, 0..=MAX_SAMPLES)),
        )
            .prop_map(|(what, which, (peer, more), counts, (marks, why, sample))| {
                Finding {
                    window: what.0,
                    kind: what.1,
                    class: what.2,
                    host: what.3,
                    role: what.4,
                    side: what.5,
                    proto: which.0,
                    port: which.1,
                    peers: which.2,
                    more: if peer.is_empty() { 0 } else { more },
                    peer,
                    flows: counts.0,
                    packets: counts.1,
                    octets: counts.2,
                    rate: Rate(counts.3),
                    marks,
                    why,
                    sample,
                }
            })
    }
}
