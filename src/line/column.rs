//! The columns of a flow line: nine that are frozen, and those that may follow by name.

use std::str::FromStr;

/// What a column of a flow line holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Column {
    /// SNMP ifIndex of the input interface.
    Sif,
    /// Source address.
    Sip,
    /// Destination address.
    Dip,
    /// SNMP ifIndex of the output interface.
    Dif,
    /// IANA protocol number.
    Proto,
    /// Source port.
    Sport,
    /// Destination port; for ICMP type*256+code.
    Dport,
    /// Packets.
    Packets,
    /// Octets.
    Octets,
    /// Time of the first packet.
    Start,
    /// Time of the last packet.
    End,
    /// OR of the TCP flags.
    Flags,
    /// Address of the exporter.
    Exporter,
    /// Packet sampling, 1 in N.
    Sampling,
}

/// The nine columns of every flow line, in their order.
pub const NINE: [Column; 9] = [
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
    /// Every column, the nine first.
    pub const ALL: [Column; 14] = [
        Column::Sif,
        Column::Sip,
        Column::Dip,
        Column::Dif,
        Column::Proto,
        Column::Sport,
        Column::Dport,
        Column::Packets,
        Column::Octets,
        Column::Start,
        Column::End,
        Column::Flags,
        Column::Exporter,
        Column::Sampling,
    ];

    /// The name in `#fields`.
    pub const fn name(self) -> &'static str {
        match self {
            Column::Sif => "sif",
            Column::Sip => "sip",
            Column::Dip => "dip",
            Column::Dif => "dif",
            Column::Proto => "proto",
            Column::Sport => "sport",
            Column::Dport => "dport",
            Column::Packets => "packets",
            Column::Octets => "octets",
            Column::Start => "start",
            Column::End => "end",
            Column::Flags => "flags",
            Column::Exporter => "exporter",
            Column::Sampling => "sampling",
        }
    }
}

impl Column {
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
