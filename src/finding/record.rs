//! The finding itself, and the values that its columns hold, with their text forms.

use std::cmp::Ordering;
use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::flow::{Flow, Masked};
use crate::time::Window;

/// The columns of a finding line, in their frozen order. New ones come last.
pub const COLUMNS: [&str; 18] = [
    "window", "seconds", "kind", "class", "host", "role", "side", "proto", "port", "peers", "peer",
    "flows", "packets", "octets", "rate", "marks", "why", "sample",
];

/// The commands that make findings. Only their closing marks say that a window was judged.
pub const DETECTORS: [&str; 3] = ["nfscan", "nfflood", "nfport"];

/// The longest finding line in bytes, without its line ending: what fits in one atomic write to a pipe.
pub const MAX_LINE: usize = 4000;

/// The most entries of the `peer` column. Further ones are only counted.
pub const MAX_PEERS: usize = 20;

/// The most flows that a finding gives as evidence.
pub const MAX_SAMPLES: usize = 3;

/// The length, in seconds, that a window of unknown length is judged by.
pub const UNKNOWN_SECONDS: u32 = 600;

/// One host that stood out in one window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The window; `None` if the input had no time.
    pub window: Option<Window>,
    /// The family of rules that fired.
    pub kind: Kind,
    /// The rule, one word of lower-case letters, digits and `-`. More words may come. Two were renamed
    /// before 1.0, see [`current_class`](super::current_class).
    pub class: String,
    /// The host that the finding is about: the only address that anyone acts on.
    pub host: Host,
    /// The side of the flagged flows that the host is on.
    pub role: Role,
    /// The place of the host; `None` if the detector was not told which networks are inside.
    pub side: Option<Side>,
    /// IANA protocol number; `None` if mixed.
    pub proto: Option<u8>,
    /// Destination port (ICMP: type*256+code); `None` if mixed.
    pub port: Option<u16>,
    /// Number of distinct hosts on the other side.
    pub peers: u64,
    /// The most important hosts or networks on the other side, at most [`MAX_PEERS`]. To read, never to
    /// act on.
    pub peer: Vec<Peer>,
    /// Number of further hosts or networks that `peer` does not name.
    pub more: u64,
    /// Flows of the flagged traffic.
    pub flows: u64,
    /// Packets of the flagged traffic.
    pub packets: u64,
    /// Bytes of the flagged traffic.
    pub octets: u64,
    /// Flows a second.
    pub rate: Rate,
    /// Words that qualify the finding, such as `sampled`; sorted, each once.
    pub marks: Vec<String>,
    /// The rule with value and limit: `nets=16>=2,hosts=254>=200`.
    pub why: String,
    /// Flows as evidence, at most [`MAX_SAMPLES`].
    pub sample: Vec<Sample>,
}

/// A family of detection rules: one detector each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Probing of many hosts or ports, by nfscan.
    Scan,
    /// Denial of service, by nfflood.
    Flood,
    /// An attack on one port, by nfport.
    Port,
}

/// The side of the flagged flows that a host is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The host sent the flows.
    Source,
    /// The host received the flows.
    Target,
}

/// The place of a host: in our networks or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// In one of our networks.
    Inside,
    /// In any other network.
    Outside,
}

/// Gives an enum of single words its text form, both ways.
macro_rules! words {
    ($name:ident { $($variant:ident = $word:literal),+ $(,)? }) => {
        impl $name {
            /// Returns the word that finding lines use.
            pub const fn as_str(self) -> &'static str {
                match self { $($name::$variant => $word),+ }
            }

            /// Parses the word that finding lines use; `None` for any other text.
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

/// The host or network that a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// One machine.
    Address(IpAddr),
    /// A network that received or sent the traffic as a whole. Reported, never blocked.
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
    /// Returns the rate of `flows` in a window, rounded half up. A window of unknown length counts as
    /// [`UNKNOWN_SECONDS`].
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

impl Kind {
    /// Returns the detector that makes findings of this kind.
    pub const fn detector(self) -> &'static str {
        let [scan, flood, port] = DETECTORS;
        match self {
            Kind::Scan => scan,
            Kind::Flood => flood,
            Kind::Port => port,
        }
    }

    /// Returns the kind of the findings that a tool makes; `None` if it is no detector.
    pub fn of_detector(tool: &str) -> Option<Kind> {
        [Kind::Scan, Kind::Flood, Kind::Port].into_iter().find(|kind| kind.detector() == tool)
    }
}

impl Finding {
    /// Compares two findings of one window by the order of finding lines: flows descending, then host,
    /// protocol and port, then everything else that tells two findings apart.
    pub fn order(&self, other: &Finding) -> Ordering {
        let key = |f: &Finding| (f.host, f.proto, f.port, f.kind, f.role);
        (other.flows.cmp(&self.flows))
            .then_with(|| key(self).cmp(&key(other)))
            .then_with(|| self.class.cmp(&other.class))
    }
}

/// Returns the text of an address, with its host part hidden if `mask` is true.
fn address_text(address: IpAddr, mask: bool) -> String {
    if mask { Masked(address).to_string() } else { address.to_string() }
}

impl Host {
    /// Returns the network: of an address, the one that holds it alone.
    pub fn net(self) -> IpNet {
        match self {
            Host::Address(address) => address.into(),
            Host::Prefix(net) => net,
        }
    }

    /// Returns the text form. Masked, an address hides its host part, and a prefix keeps no more bits than
    /// a masked address does.
    pub fn text(self, mask: bool) -> String {
        match self {
            Host::Address(address) => address_text(address, mask),
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

    /// Parses an address, or a network with no bit set after its prefix.
    pub fn parse(text: &str) -> Option<Host> {
        if let Ok(address) = text.parse() {
            return Some(Host::Address(address));
        }
        let net: IpNet = text.parse().ok()?;
        (net.trunc() == net).then_some(Host::Prefix(net))
    }
}

impl Serialize for Host {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.text(false))
    }
}

impl<'de> Deserialize<'de> for Host {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Host, D::Error> {
        let text = String::deserialize(from)?;
        Host::parse(&text)
            .ok_or_else(|| serde::de::Error::custom(format_args!("{text:?} is not a host")))
    }
}

impl Peer {
    pub(super) fn text(self, mask: bool) -> String {
        match self.flows {
            Some(flows) => format!("{}={flows}", self.host.text(mask)),
            None => self.host.text(mask),
        }
    }

    /// Parses `HOST` or `HOST=FLOWS`.
    pub(super) fn parse(text: &str) -> Option<Peer> {
        match text.split_once('=') {
            Some((host, flows)) => {
                Some(Peer { host: Host::parse(host)?, flows: Some(number(flows)?) })
            }
            None => Some(Peer { host: Host::parse(text)?, flows: None }),
        }
    }
}

impl Sample {
    pub(super) fn text(self, mask: bool) -> String {
        let endpoint = |address: IpAddr, port| match address {
            IpAddr::V4(_) => format!("{}:{port}", address_text(address, mask)),
            IpAddr::V6(_) => format!("[{}]:{port}", address_text(address, mask)),
        };
        let Sample { sip, sport, dip, dport, proto } = self;
        format!("{}>{}/{proto}", endpoint(sip, sport), endpoint(dip, dport))
    }

    pub(super) fn parse(text: &str) -> Option<Sample> {
        fn endpoint(text: &str) -> Option<(IpAddr, u16)> {
            let (address, port) = text.rsplit_once(':')?;
            let address = match address.strip_prefix('[') {
                Some(v6) => IpAddr::V6(v6.strip_suffix(']')?.parse().ok()?),
                None => IpAddr::V4(address.parse().ok()?),
            };
            Some((address, number(port)?))
        }
        let (source, rest) = text.split_once('>')?;
        let (target, proto) = rest.rsplit_once('/')?;
        let (sip, sport) = endpoint(source)?;
        let (dip, dport) = endpoint(target)?;
        Some(Sample { sip, sport, dip, dport, proto: number(proto)? })
    }
}

/// Parses a decimal number that consists of digits alone: no sign, no blanks.
pub(super) fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    let is_digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if is_digits { text.parse().ok() } else { None }
}
