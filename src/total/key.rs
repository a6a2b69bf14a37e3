//! What flows are counted under.

use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::flow::Flow;

/// Which end of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Where it comes from.
    Source,
    /// Where it goes to.
    Destination,
}

/// What flows are counted under. Names without a side stand for both: the key's flows are told apart
/// by whether it sent or received them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Per {
    /// `addr`, `sip`, `dip`.
    Address(Sides),
    /// `net/24/64`, `snet`, `dnet`: prefixes of these lengths, of IPv4 and IPv6.
    Net(Sides, u8, u8),
    /// `port`, `sport`, `dport`: protocol and port.
    Port(Sides),
    /// `if`, `sif`, `dif`: ifIndex.
    Interface(Sides),
    /// `pair`: source and destination.
    Pair,
    /// `proto`.
    Proto,
    /// `exporter`.
    Exporter,
}

/// One side, or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sides {
    /// Either.
    Both,
    /// One alone.
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
    /// Who exported the flow, if that is known.
    Exporter(Option<IpAddr>),
}

const BOTH: &[Side] = &[Side::Source, Side::Destination];

/// An exporter that is not known, in 64 bits: no address of IPv4.
const UNKNOWN: u64 = 1 << 32;

impl Per {
    /// The sides of a flow that a key of it stands on.
    pub const fn sides(self) -> &'static [Side] {
        match self {
            Per::Address(sides)
            | Per::Net(sides, ..)
            | Per::Port(sides)
            | Per::Interface(sides) => match sides {
                Sides::Both => BOTH,
                Sides::One(Side::Source) => &[Side::Source],
                Sides::One(Side::Destination) => &[Side::Destination],
            },
            Per::Pair | Per::Proto | Per::Exporter => &[Side::Source],
        }
    }

    /// The key of a flow on one of its sides.
    pub fn key(self, flow: &Flow, side: Side) -> Key {
        let is_source = side == Side::Source;
        let address = if is_source { flow.sip } else { flow.dip };
        match self {
            Per::Address(_) => Key::Address(address),
            Per::Net(_, short, long) => {
                let length = if address.is_ipv4() { short } else { long };
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

    /// The same in 64 bits, if it can be.
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
            // A shift by 32 is none of 64 bits: the prefix of no length is 0.
            Per::Net(_, short, _) => Some(word(address)? & (u64::MAX << (32 - short.min(32)))),
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

    /// The key that [`Per::narrow`] made this of.
    pub(super) fn widen(self, key: u64) -> Key {
        let address = |word: u64| IpAddr::V4(Ipv4Addr::from(word as u32));
        match self {
            Per::Address(_) => Key::Address(address(key)),
            Per::Net(_, short, _) => Key::Net(address(key), short),
            Per::Port(_) => Key::Port((key >> 16) as u8, key as u16),
            Per::Interface(_) => Key::Interface(key as u32),
            Per::Pair => Key::Pair(address(key >> 32), address(key)),
            Per::Proto => Key::Proto(key as u8),
            Per::Exporter => Key::Exporter((key != UNKNOWN).then(|| address(key))),
        }
    }

    /// The columns that a key takes.
    pub const fn columns(self) -> &'static [&'static str] {
        use Side::{Destination, Source};
        use Sides::{Both, One};
        match self {
            Per::Address(Both) => &["addr"],
            Per::Address(One(Source)) => &["sip"],
            Per::Address(One(Destination)) => &["dip"],
            Per::Net(Both, ..) => &["net"],
            Per::Net(One(Source), ..) => &["snet"],
            Per::Net(One(Destination), ..) => &["dnet"],
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
                .ok_or_else(|| format!("{part:?} is no length of a prefix, 0 to {most}")),
        };
        let mut net = |sides| Ok::<_, String>(Per::Net(sides, length(32, 24)?, length(128, 64)?));
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
                return Err("there are addr sip dip pair net/24/64 snet dnet port sport dport \
                            proto if sif dif exporter"
                    .to_owned());
            }
        };
        match parts.next() {
            None => Ok(per),
            Some(part) => Err(format!("{part:?} is too much")),
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
        fn narrow_keys_are_the_keys(
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
    fn names_say_what_is_wrong_with_them() {
        assert_eq!("net/16".parse(), Ok(Per::Net(Sides::Both, 16, 64)));
        for (text, why) in [
            ("net/33", "\"33\" is no length of a prefix, 0 to 32"),
            ("net/24/129", "\"129\" is no length of a prefix, 0 to 128"),
            ("net/24/64/1", "\"1\" is too much"),
            ("sip/24", "\"24\" is too much"),
        ] {
            assert_eq!(text.parse::<Per>(), Err(why.to_owned()));
        }
        assert!("ip".parse::<Per>().unwrap_err().starts_with("there are addr sip"));
    }
}
