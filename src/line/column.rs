//! The columns of a flow line: nine that are frozen, and those that may follow by name.

use std::str::FromStr;

/// One list of the columns, so that the enum, [`Column::ALL`] and the names cannot part.
macro_rules! columns {
    ($($(#[doc = $doc:literal])+ $column:ident $name:literal,)+) => {
        /// What a column of a flow line holds.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Column {
            $($(#[doc = $doc])+ $column,)+
        }

        impl Column {
            /// Every column: the nine first, then those of a `Flow`, then those of an `Extra`.
            pub const ALL: [Column; [$($name),+].len()] = [$(Column::$column),+];

            /// The name in `#fields`, also the key in JSON.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Column::$column => $name,)+
                }
            }
        }
    };
}

columns! {
    /// SNMP ifIndex of the input interface.
    Sif "sif",
    /// Source address.
    Sip "sip",
    /// Destination address.
    Dip "dip",
    /// SNMP ifIndex of the output interface.
    Dif "dif",
    /// IANA protocol number.
    Proto "proto",
    /// Source port.
    Sport "sport",
    /// Destination port; for ICMP type*256+code.
    Dport "dport",
    /// Packets.
    Packets "packets",
    /// Octets.
    Octets "octets",
    /// Time of the first packet.
    Start "start",
    /// Time of the last packet.
    End "end",
    /// OR of the TCP flags.
    Flags "flags",
    /// Address of the exporter.
    Exporter "exporter",
    /// Packet sampling, 1 in N.
    Sampling "sampling",
    /// Type of service or traffic class.
    Tos "tos",
    /// AS number of the source.
    Srcas "srcas",
    /// AS number of the destination.
    Dstas "dstas",
    /// Length of the source's prefix.
    Srcmask "srcmask",
    /// Length of the destination's prefix.
    Dstmask "dstmask",
    /// The next router.
    Nexthop "nexthop",
    /// The next hop by BGP.
    Bgpnexthop "bgpnexthop",
    /// VLAN id as the flow came in.
    Vlan "vlan",
    /// VLAN id as the flow went out.
    Outvlan "outvlan",
    /// Source MAC address.
    Srcmac "srcmac",
    /// Destination MAC address.
    Dstmac "dstmac",
    /// Source address on the other side of a translation.
    Natsip "natsip",
    /// Destination address on the other side of a translation.
    Natdip "natdip",
    /// Source port on the other side of a translation.
    Natsport "natsport",
    /// Destination port on the other side of a translation.
    Natdport "natdport",
    /// What a firewall or a translator did.
    Event "event",
    /// Seen as it came in or as it went out.
    Direction "direction",
    /// Why the flow was exported.
    Endreason "endreason",
    /// Virtual routing table.
    Vrf "vrf",
    /// Observation domain.
    Domain "domain",
}

/// The nine columns of every flow line, in their order.
pub const REQUIRED: [Column; 9] = [
    Column::Sif,
    Column::Sip,
    Column::Dip,
    Column::Dif,
    Column::Proto,
    Column::Sport,
    Column::Dport,
    Column::Packets,
    Column::Octets,
];

impl Column {
    /// Whether the value is one of [`Extra`](crate::flow::Extra), so that whoever fills rows knows
    /// whether to ask for it. Readers pass over these columns.
    pub const fn is_extra(self) -> bool {
        self as usize >= Column::Tos as usize
    }

    /// The column of this name.
    pub(super) fn named(name: &[u8]) -> Option<Column> {
        Column::ALL.into_iter().find(|column| column.name().as_bytes() == name)
    }
}

impl FromStr for Column {
    type Err = String;

    fn from_str(text: &str) -> Result<Column, String> {
        Column::named(text.as_bytes()).ok_or_else(|| {
            let names: Vec<_> = Column::ALL.iter().map(|column| column.name()).collect();
            format!("there is no column {text:?}, only {}", names.join(" "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nine_come_first_and_the_extras_last() {
        assert_eq!(Column::ALL[..9], REQUIRED);
        let first = Column::ALL.iter().position(|column| column.is_extra());
        assert_eq!(first, Some(14));
        assert!(Column::ALL[14..].iter().all(|column| column.is_extra()));
        for column in Column::ALL {
            assert_eq!(column.name().parse(), Ok(column));
        }
        assert!("ttl".parse::<Column>().unwrap_err().ends_with("endreason vrf domain"));
    }
}
