//! The columns of a flow line: nine fixed ones, and further ones that `#fields` names.

use std::str::FromStr;

/// Defines the columns once, so that the enum, [`Column::ALL`] and the names agree.
macro_rules! columns {
    ($($(#[doc = $doc:literal])+ $column:ident $name:literal,)+) => {
        /// A column of a flow line.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Column {
            $($(#[doc = $doc])+ $column,)+
        }

        impl Column {
            /// All columns: the nine first, then those of a `Flow`, then those of an `Extra`.
            pub const ALL: [Column; [$($name),+].len()] = [$(Column::$column),+];

            /// Returns the name that `#fields` uses, which is also the key in JSON.
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
    /// Destination port; for ICMP the type * 256 + the code.
    Dport "dport",
    /// Packets.
    Packets "packets",
    /// Bytes at the IP layer.
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
    /// Address of the next router.
    Nexthop "nexthop",
    /// Address of BGP's next hop.
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
    /// The event that a firewall or a translator reports.
    Event "event",
    /// 0 for a flow seen at the input interface, 1 at the output interface.
    Direction "direction",
    /// The reason for the export.
    Endreason "endreason",
    /// Number of the virtual routing table.
    Vrf "vrf",
    /// Number of the observation domain.
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
    /// Returns true if the value is in an [`Extra`](crate::flow::Extra), which must then be decoded
    /// too. Readers pass over these columns.
    pub const fn is_extra(self) -> bool {
        self as usize >= Column::Tos as usize
    }

    /// Returns the column of this name.
    pub(super) fn named(name: &[u8]) -> Option<Column> {
        Column::ALL.into_iter().find(|column| column.name().as_bytes() == name)
    }
}

impl FromStr for Column {
    type Err = String;

    fn from_str(text: &str) -> Result<Column, String> {
        Column::named(text.as_bytes()).ok_or_else(|| {
            let names: Vec<_> = Column::ALL.iter().map(|column| column.name()).collect();
            format!("there is no column {text:?}; there are {}", names.join(" "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nine_columns_come_first_and_the_extras_last() {
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
