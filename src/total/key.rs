//! The keys that flows are counted by.

use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::flow::Flow;

/// An end of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The end that sends.
    Source,
    /// The end that receives.
    Destination,
}

/// The kind of key that flows are counted by. Names without a side stand for both: the flows that a
/// key sent and those that it received are counted apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Per {
    /// Address: `addr`, `sip`, `dip`.
    Address(Sides),
    /// Network: `net/24/64`, `snet`, `dnet`.
    Net {
        /// The sides of a flow.
        sides: Sides,
        /// Length of the prefix of IPv4.
        ipv4: u8,
        /// Length of the prefix of IPv6.
        ipv6: u8,
    },
    /// Protocol and port: `port`, `sport`, `dport`.
    Port(Sides),
    /// ifIndex: `if`, `sif`, `dif`.
    Interface(Sides),
    /// Source and destination: `pair`.
    Pair,
    /// Protocol: `proto`.
    Proto,
    /// Exporter: `exporter`.
    Exporter,
}

/// One side of a flow, or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sides {
    /// Source and destination.
    Both,
    /// One side alone.
    One(Side),
}

/// One key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Key {
    /// A host.
    Address(IpAddr),
    /// A network: its first address and the length of its prefix.
    Net(IpAddr, u8),
    /// Protocol and port.
    Port(u8, u16),
    /// An ifIndex.
    Interface(u32),
    /// Source and destination.
    Pair(IpAddr, IpAddr),
    /// A protocol.
    Proto(u8),
    /// The exporter of the flow, if it is known.
    Exporter(Option<IpAddr>),
}

const BOTH: &[Side] = &[Side::Source, Side::Destination];

/// An unknown exporter in 64 bits: no IPv4 address has this value.
const UNKNOWN: u64 = 1 << 32;

impl Per {
    /// An address on either side of a flow: `addr`.
    pub const ADDRESS: Per = Per::Address(Sides::Both);
    /// A port on either side: `port`.
    pub const PORT: Per = Per::Port(Sides::Both);
    /// An interface on either side: `if`.
    pub const INTERFACE: Per = Per::Interface(Sides::Both);

    /// Returns the sides of a flow that have a key.
    pub const fn sides(self) -> &'static [Side] {
        match self {
            Per::Address(sides)
            | Per::Net { sides, .. }
            | Per::Port(sides)
            | Per::Interface(sides) => match sides {
                Sides::Both => BOTH,
                Sides::One(Side::Source) => &[Side::Source],
                Sides::One(Side::Destination) => &[Side::Destination],
            },
            Per::Pair | Per::Proto | Per::Exporter => &[Side::Source],
        }
    }

    /// Returns the key of a flow on one of its sides.
    pub fn key(self, flow: &Flow, side: Side) -> Key {
        let is_source = side == Side::Source;
        let address = if is_source { flow.sip } else { flow.dip };
        match self {
            Per::Address(_) => Key::Address(address),
            Per::Net { ipv4, ipv6, .. } => {
                let length = if address.is_ipv4() { ipv4 } else { ipv6 };
                let net = IpNet::new_assert(address, length).network();
                Key::Net(net, length)
            }
            Per::Port(_) => Key::Port(flow.proto, if is_source { flow.sport } else { flow.dport }),
            Per::Interface(_) => Key::Interface(if is_source { flow.sif } else { flow.dif }),
            Per::Pair => Key::Pair(flow.sip, flow.dip),
            Per::Proto => Key::Proto(flow.proto),
            Per::Exporter => Key::Exporter(flow.exporter),
        }
    }

    /// Returns the key in 64 bits; `None` if it does not fit.
    #[inline]
    pub(super) fn narrow(self, flow: &Flow, side: Side) -> Option<u64> {
        let word = |address: IpAddr| match address {
            IpAddr::V4(address) => Some(u64::from(u32::from(address))),
            IpAddr::V6(_) => None,
        };
        let is_source = side == Side::Source;
        let address = if is_source { flow.sip } else { flow.dip };
        match self {
            Per::Address(_) => word(address),
            // In 64 bits a shift by 32 is possible, so a prefix of length 0 gives 0.
            Per::Net { ipv4, .. } => Some(word(address)? & (u64::MAX << (32 - ipv4.min(32)))),
            Per::Port(_) => {
                let port = if is_source { flow.sport } else { flow.dport };
                Some((u64::from(flow.proto) << 16) | u64::from(port))
            }
            Per::Interface(_) => Some(if is_source { flow.sif } else { flow.dif }.into()),
            Per::Pair => Some((word(flow.sip)? << 32) | word(flow.dip)?),
            Per::Proto => Some(flow.proto.into()),
            Per::Exporter => flow.exporter.map_or(Some(UNKNOWN), word),
        }
    }

    /// Returns the key that [`Per::narrow`] put into 64 bits.
    pub(super) fn widen(self, key: u64) -> Key {
        let address = |word: u64| IpAddr::V4(Ipv4Addr::from(word as u32));
        match self {
            Per::Address(_) => Key::Address(address(key)),
            Per::Net { ipv4, .. } => Key::Net(address(key), ipv4),
            Per::Port(_) => Key::Port((key >> 16) as u8, key as u16),
            Per::Interface(_) => Key::Interface(key as u32),
            Per::Pair => Key::Pair(address(key >> 32), address(key)),
            Per::Proto => Key::Proto(key as u8),
            Per::Exporter => Key::Exporter((key != UNKNOWN).then(|| address(key))),
        }
    }

    /// Returns the names of the columns that a key takes.
    pub const fn columns(self) -> &'static [&'static str] {
        use Side::{Destination, Source};
        use Sides::{Both, One};
        match self {
            Per::Address(Both) => &["addr"],
            Per::Address(One(Source)) => &["sip"],
            Per::Address(One(Destination)) => &["dip"],
            Per::Net { sides: Both, .. } => &["net"],
            Per::Net { sides: One(Source), .. } => &["snet"],
            Per::Net { sides: One(Destination), .. } => &["dnet"],
            Per::Port(Both) => &["proto", "port"],
            Per::Port(One(Source)) => &["proto", "sport"],
            Per::Port(One(Destination)) => &["proto", "dport"],
            Per::Interface(Both) => &["if"],
            Per::Interface(One(Source)) => &["sif"],
            Per::Interface(One(Destination)) => &["dif"],
            Per::Pair => &["sip", "dip"],
            Per::Proto => &["proto"],
            Per::Exporter => &["exporter"],
        }
    }
}

impl FromStr for Per {
    type Err = String;

    fn from_str(text: &str) -> Result<Per, String> {
        use Side::{Destination, Source};
        use Sides::{Both, One};
        let mut parts = text.split('/');
        let name = parts.next().unwrap_or_default();
        let mut length = |most: u8, usual: u8| match parts.next() {
            None => Ok(usual),
            Some(part) => part
                .parse::<u8>()
                .ok()
                .filter(|length| *length <= most)
                .ok_or_else(|| format!("{part:?} is no prefix length, 0 to {most}")),
        };
        let mut net = |sides| {
            Ok::<_, String>(Per::Net { sides, ipv4: length(32, 24)?, ipv6: length(128, 64)? })
        };
        let per = match name {
            "addr" => Per::Address(Both),
            "sip" => Per::Address(One(Source)),
            "dip" => Per::Address(One(Destination)),
            "net" => net(Both)?,
            "snet" => net(One(Source))?,
            "dnet" => net(One(Destination))?,
            "port" => Per::Port(Both),
            "sport" => Per::Port(One(Source)),
            "dport" => Per::Port(One(Destination)),
            "if" => Per::Interface(Both),
            "sif" => Per::Interface(One(Source)),
            "dif" => Per::Interface(One(Destination)),
            "pair" => Per::Pair,
            "proto" => Per::Proto,
            "exporter" => Per::Exporter,
            _ => {
                return Err("use one of: addr sip dip pair net/24/64 snet dnet port sport dport \
                            proto if sif dif exporter"
                    .to_owned());
            }
        };
        match parts.next() {
            None => Ok(per),
            Some(part) => Err(format!("superfluous {part:?} behind {name}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NAMES: [&str; 17] = [
        "addr",
        "sip",
        "dip",
        "net",
        "net/24/64",
        "snet/0/0",
        "dnet/32/128",
        "net/9",
        "port",
        "sport",
        "dport",
        "if",
        "sif",
        "dif",
        "pair",
        "proto",
        "exporter",
    ];

    proptest! {
        #[test]
        fn narrow_keys_widen_to_the_keys(
            sip: IpAddr, dip: IpAddr, exporter: Option<IpAddr>, sif: u32, dif: u32, proto: u8,
            sport: u16, dport: u16,
        ) {
            let flow = Flow { sip, dip, exporter, sif, dif, proto, sport, dport, ..Flow::default() };
            for name in NAMES {
                let per: Per = name.parse().unwrap();
                for &side in per.sides() {
                    if let Some(narrow) = per.narrow(&flow, side) {
                        prop_assert_eq!(per.widen(narrow), per.key(&flow, side), "{}", name);
                    }
                }
            }
        }
    }

    #[test]
    fn an_error_says_how_a_key_is_wrong() {
        assert_eq!("net/16".parse(), Ok(Per::Net { sides: Sides::Both, ipv4: 16, ipv6: 64 }));
        for (text, why) in [
            ("net/33", "\"33\" is no prefix length, 0 to 32"),
            ("net/24/129", "\"129\" is no prefix length, 0 to 128"),
            ("net/24/64/1", "superfluous \"1\" behind net"),
            ("sip/24", "superfluous \"24\" behind sip"),
        ] {
            assert_eq!(text.parse::<Per>(), Err(why.to_owned()));
        }
        assert!("ip".parse::<Per>().unwrap_err().starts_with("use one of: addr sip"));
    }
}
