//! The columns of another program's output: their roles and a line of their names.

/// The meaning of a column, in whatever way its program writes the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Sip,
    Dip,
    Sport,
    Dport,
    Proto,
    Packets,
    Octets,
    Sif,
    Dif,
    Start,
    End,
    Duration,
    Flags,
    Exporter,
    IcmpType,
    IcmpCode,
    /// The number of the protocol, beside a name that may not tell it.
    ProtoNumber,
    /// Packets of the reverse direction, if a line holds both directions.
    BackPackets,
    /// Bytes of the reverse direction, if a line holds both directions.
    BackOctets,
    /// Bytes without headers, used where those with headers are missing.
    Payload,
    /// Bytes of the reverse direction without headers.
    BackPayload,
    /// Zeek's letters for the events of a connection.
    History,
    /// The status of a VPC's line: it may hold no flow at all.
    Status,
}

/// A column that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KnownColumn {
    pub role: Role,
    /// The program's own name for it, for messages.
    pub name: &'static str,
}

/// The columns of a stream.
#[derive(Debug)]
pub(super) struct Columns {
    /// The columns in their order, up to the last that is read; `None` for one that is passed over.
    pub known: Vec<Option<KnownColumn>>,
    /// A column that a flow needs and that is missing, so that no line of the stream can be a flow.
    pub missing: Option<&'static str>,
}

impl Columns {
    /// Reads a line of names, of which `table` has the roles. If two columns have one role, the
    /// first holds.
    pub fn of(
        names: impl Iterator<Item = String>,
        table: &'static [(&'static str, Role)],
    ) -> Columns {
        let mut known: Vec<Option<KnownColumn>> = Vec::new();
        for name in names {
            let column = table.iter().find(|(known, _)| *known == name);
            let column = column.map(|&(name, role)| KnownColumn { role, name });
            let is_new =
                |column: &KnownColumn| !known.iter().flatten().any(|seen| seen.role == column.role);
            let column = column.filter(is_new);
            known.push(column);
        }
        let needed = [
            Role::Sip,
            Role::Dip,
            Role::Sport,
            Role::Dport,
            Role::Proto,
            Role::Packets,
            Role::Octets,
        ];
        let has = |role: Role| {
            known.iter().flatten().any(|seen| {
                seen.role == role || (role == Role::Octets && seen.role == Role::Payload)
            })
        };
        let missing = needed.into_iter().find(|role| !has(*role));
        let missing = missing.and_then(|role| table.iter().find(|(_, other)| *other == role));
        let missing = missing.map(|(name, _)| *name);
        let last = known.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
        known.truncate(last);
        Columns { known, missing }
    }
}
