//! What other programs print of flows, read as if it were flow lines.
//!
//! nfkit-flow(5), "Other programs' output", is the contract. Each program has a file of its own here:
//! how its output begins, what its columns are called and how it writes their values. All of them put
//! a [`Record`] together, which becomes a flow, or one flow for each direction.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use super::parse::{self, LineError};
use crate::flow::{Flow, ICMP, ICMPV6, TCP};
use crate::time::Timestamp;

mod names;
mod nfdump;
mod rwcut;
#[cfg(test)]
mod tests;
mod vpc;
mod zeek;

/// Whose output a stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// Flow lines.
    Flow,
    /// nfdump's CSV.
    Nfdump,
    /// SiLK's rwcut.
    Rwcut,
    /// Zeek's conn.log, between TABs or JSON.
    Zeek,
    /// Flow logs of an AWS VPC.
    Vpc,
}

impl Tool {
    /// All of them.
    pub const ALL: [Tool; 5] = [Tool::Flow, Tool::Nfdump, Tool::Rwcut, Tool::Zeek, Tool::Vpc];

    /// The name for options.
    pub const fn name(self) -> &'static str {
        match self {
            Tool::Flow => "flow",
            Tool::Nfdump => "nfdump",
            Tool::Rwcut => "rwcut",
            Tool::Zeek => "zeek",
            Tool::Vpc => "vpc",
        }
    }
}

impl FromStr for Tool {
    type Err = String;

    fn from_str(text: &str) -> Result<Tool, String> {
        let found = Tool::ALL.into_iter().find(|tool| tool.name() == text);
        found.ok_or_else(|| format!("there are {}", Tool::ALL.map(Tool::name).join(" ")))
    }
}

/// What a column holds, in whatever way its program writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
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
    /// The protocol's number beside a name that does not always say it.
    ProtoNumber,
    /// What came back, where a line tells of both directions.
    BackPackets,
    BackOctets,
    /// Octets without headers, where those with them are not told.
    Payload,
    BackPayload,
    /// Zeek's letters for what it saw of a connection.
    History,
    /// Whether a line of a VPC tells of a flow at all.
    Status,
}

/// The columns of a stream, in their order.
type Roles = Vec<Option<(Role, &'static str)>>;

/// Another program's stream.
#[derive(Debug)]
pub(super) struct Dialect {
    tool: Tool,
    /// `None` until the stream has named its columns.
    plan: Option<Roles>,
    /// What its line of names lacks, so that no line of it can be a flow.
    lacks: Option<&'static str>,
    separator: u8,
    /// What Zeek writes where it has no value.
    unset: Vec<u8>,
    /// Lines to pass over: nfdump closes with a summary.
    skip: u32,
}

impl Dialect {
    /// A stream that has yet to name its columns.
    fn unnamed(tool: Tool, separator: u8) -> Dialect {
        Dialect { tool, plan: None, lacks: None, separator, unset: b"-".to_vec(), skip: 0 }
    }

    /// A stream of these columns, or of ones that lack the one named.
    fn new(tool: Tool, separator: u8, (plan, lacks): (Roles, Option<&'static str>)) -> Dialect {
        let plan = lacks.is_none().then_some(plan);
        Dialect { plan, lacks, ..Dialect::unnamed(tool, separator) }
    }

    /// The program whose output begins with this line, unless flow lines do. The line is still to be
    /// [read](Dialect::read).
    pub fn of(first: &[u8]) -> Option<Dialect> {
        let tools = [zeek::begins, nfdump::names, rwcut::names, vpc::begins];
        tools.into_iter().find_map(|begins| begins(first))
    }

    /// A stream of this program's that need not begin as it should: without names its usual columns
    /// are assumed. `None` for flow lines.
    pub fn forced(tool: Tool) -> Option<Dialect> {
        let (plan, separator) = match tool {
            Tool::Flow => return None,
            Tool::Nfdump => (nfdump::usual(), b','),
            Tool::Rwcut => (rwcut::usual(), b'|'),
            Tool::Zeek => (zeek::usual(), b'\t'),
            Tool::Vpc => (vpc::usual(), b' '),
        };
        Some(Dialect::new(tool, separator, (plan, None)))
    }

    /// Reads one line, which holds no, one or two flows, and adds them.
    pub fn read(&mut self, line: &[u8], flows: &mut Vec<Flow>) -> Result<(), LineError> {
        if self.names(line)? {
            return Ok(());
        }
        if self.tool == Tool::Nfdump {
            if let Some(lines) = nfdump::summary(line) {
                self.skip = lines;
            }
        }
        if self.skip > 0 {
            self.skip -= 1;
            return Ok(());
        }
        match self.tool {
            Tool::Zeek if line.first() == Some(&b'{') => zeek::json(line)?.flows(flows),
            _ => self.record(line)?.flows(flows),
        }
    }

    /// Whether the line tells of columns instead of a flow. A file behind another one begins anew.
    fn names(&mut self, line: &[u8]) -> Result<bool, LineError> {
        let again = match self.tool {
            Tool::Nfdump => nfdump::names(line),
            Tool::Rwcut => rwcut::names(line),
            Tool::Zeek if line.first() == Some(&b'#') => {
                return zeek::header(self, line).map(|()| true);
            }
            Tool::Zeek => zeek::names(line),
            Tool::Vpc => vpc::names(line),
            Tool::Flow => None,
        };
        let Some(again) = again else { return Ok(false) };
        *self = again;
        self.lacks.map_or(Ok(true), |column| Err(self.lack(column)))
    }

    /// What the columns of a line tell.
    fn record(&self, line: &[u8]) -> Result<Record, LineError> {
        let plan = match (&self.plan, self.lacks) {
            (Some(plan), _) => plan,
            (None, Some(column)) => return Err(self.lack(column)),
            (None, None) => return Err(LineError::Unknown),
        };
        let mut record = Record::new(self.tool);
        let is_status = |column: &Option<(Role, _)>| matches!(column, Some((Role::Status, _)));
        if let Some(at) = plan.iter().position(is_status) {
            // Where there is no flow the columns of one hold nothing.
            if let Some(field) = fields(self.tool, self.separator, line).nth(at) {
                record.set(Role::Status, "log-status", field)?;
            }
        }
        let mut seen = 0;
        for (field, column) in fields(self.tool, self.separator, line).zip(plan) {
            seen += 1;
            if let Some((role, name)) = *column {
                let is_unset = self.tool == Tool::Zeek && field == self.unset;
                record.set(role, name, if is_unset { b"-" } else { field })?;
            }
        }
        match plan.iter().skip(seen).flatten().next() {
            Some((_, column)) => Err(self.lack(column)),
            None => Ok(record),
        }
    }

    fn lack(&self, column: &'static str) -> LineError {
        LineError::Lacks { tool: self.tool.name(), column }
    }
}

/// The fields of a line.
fn fields(tool: Tool, separator: u8, line: &[u8]) -> Box<dyn Iterator<Item = &[u8]> + '_> {
    match tool {
        Tool::Vpc => Box::new(line.split(|octet| *octet == b' ').filter(|field| !field.is_empty())),
        // A last separator ends the line.
        Tool::Rwcut => {
            let end = [separator];
            let line = line.strip_suffix(&end).unwrap_or(line);
            Box::new(line.split(move |octet| *octet == separator).map(<[u8]>::trim_ascii))
        }
        // No program here puts what holds its separator into quotes: nfdump exchanges it, Zeek writes
        // it as an escape.
        _ => Box::new(line.split(move |octet| *octet == separator).map(<[u8]>::trim_ascii)),
    }
}

/// The plan of a line of names, and whether it names all that a flow needs.
fn plan(
    names: impl Iterator<Item = String>,
    columns: &'static [(&'static str, Role)],
) -> (Roles, Option<&'static str>) {
    let mut plan: Roles = Vec::new();
    for name in names {
        let column = columns.iter().find(|(column, _)| *column == name);
        let role = column.map(|&(name, role)| (role, name));
        // Of two columns for one thing the first holds.
        let is_new = |role: &(Role, &str)| !plan.iter().flatten().any(|(seen, _)| *seen == role.0);
        let role = role.filter(is_new);
        plan.push(role);
    }
    let needed =
        [Role::Sip, Role::Dip, Role::Sport, Role::Dport, Role::Proto, Role::Packets, Role::Octets];
    let has = |role: Role| {
        plan.iter().flatten().any(|(seen, _)| {
            *seen == role || (role == Role::Octets && matches!(seen, Role::Payload))
        })
    };
    let missing = needed.into_iter().find(|role| !has(*role));
    let name = missing.and_then(|role| columns.iter().find(|(_, other)| *other == role));
    let last = plan.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
    plan.truncate(last);
    (plan, name.map(|(name, _)| *name))
}

/// What a line tells.
struct Record {
    tool: Tool,
    flow: Flow,
    /// What came back, if the program tells of that: packets and octets.
    back: (Option<u64>, Option<u64>),
    payload: (Option<u64>, Option<u64>),
    octets: Option<u64>,
    duration: Option<u64>,
    icmp: (Option<u8>, Option<u8>),
    number: Option<u8>,
    history: Option<(Option<u16>, Option<u16>)>,
    /// There is no flow in it.
    empty: bool,
    /// Flows are missing here, as the program says.
    skipped: bool,
}

impl Record {
    fn new(tool: Tool) -> Record {
        Record {
            tool,
            flow: Flow::default(),
            back: (None, None),
            payload: (None, None),
            octets: None,
            duration: None,
            icmp: (None, None),
            number: None,
            history: None,
            empty: false,
            skipped: false,
        }
    }

    /// Puts the text of one column where it belongs.
    fn set(&mut self, role: Role, name: &'static str, text: &[u8]) -> Result<(), LineError> {
        // A line without a flow in it has nothing in the columns of one.
        if self.empty || self.skipped {
            return Ok(());
        }
        self.put(role, text).ok_or_else(|| LineError::Foreign {
            tool: self.tool.name(),
            column: name,
            value: parse::shown(text),
        })
    }

    fn put(&mut self, role: Role, text: &[u8]) -> Option<()> {
        let flow = &mut self.flow;
        let count = || match text {
            b"-" if self.tool == Tool::Zeek => Some(None),
            text => parse::number(text).map(Some),
        };
        match role {
            // A format of one's own need not say so in a column for it.
            Role::Sip | Role::Dip if self.tool == Tool::Vpc && text == b"-" => self.empty = true,
            Role::Sip => flow.sip = address(self.tool, text)?,
            Role::Dip => flow.dip = address(self.tool, text)?,
            // What does not apply to the flow.
            Role::Sport | Role::Dport | Role::Flags if text == b"-" => {}
            Role::Sport => flow.sport = parse::number(text)?.try_into().ok()?,
            // Some versions of nfdump print type and code of ICMP so.
            Role::Dport => {
                flow.dport = match text.iter().position(|octet| *octet == b'.') {
                    Some(dot) if self.tool == Tool::Nfdump => {
                        let (kind, code) = text.split_at_checked(dot)?;
                        let kind = u8::try_from(parse::number(kind)?).ok()?;
                        let code = u8::try_from(parse::number(code.get(1..)?)?).ok()?;
                        u16::from_be_bytes([kind, code])
                    }
                    _ => parse::number(text)?.try_into().ok()?,
                }
            }
            Role::Proto => flow.proto = proto(text)?,
            Role::ProtoNumber => self.number = octet(text)?,
            Role::Packets => flow.packets = count()?.unwrap_or(0),
            Role::Octets => self.octets = count()?,
            Role::Sif => flow.sif = parse::number(text)?.try_into().ok()?,
            Role::Dif => flow.dif = parse::number(text)?.try_into().ok()?,
            Role::Start => flow.start = time(self.tool, text)?,
            Role::End => flow.end = time(self.tool, text)?,
            Role::Duration => self.duration = seconds(text)?,
            Role::Flags => flow.flags = Some(flags(text)?),
            Role::Exporter => flow.exporter = Some(address(self.tool, text)?),
            Role::IcmpType => self.icmp.0 = octet(text)?,
            Role::IcmpCode => self.icmp.1 = octet(text)?,
            Role::BackPackets => self.back.0 = count()?,
            Role::BackOctets => self.back.1 = count()?,
            Role::Payload => self.payload.0 = count()?,
            Role::BackPayload => self.payload.1 = count()?,
            Role::History => self.history = Some(zeek::history(text)),
            Role::Status => match text {
                b"OK" => {}
                b"NODATA" => self.empty = true,
                b"SKIPDATA" => self.skipped = true,
                _ => return None,
            },
        }
        Some(())
    }

    /// The flows that it tells of.
    fn flows(mut self, flows: &mut Vec<Flow>) -> Result<(), LineError> {
        if self.skipped {
            return Err(LineError::Skipped { tool: self.tool.name() });
        }
        if self.empty {
            return Ok(());
        }
        let flow = &mut self.flow;
        flow.octets = self.octets.or(self.payload.0).unwrap_or(0);
        flow.proto = self.number.unwrap_or(flow.proto);
        if let (Some(start), None, Some(length)) = (flow.start, flow.end, self.duration) {
            flow.end = start.nanos().checked_add(length).map(Timestamp::from_nanos);
        }
        if flow.proto != TCP {
            flow.flags = None;
        }
        let mut back = Flow { sip: flow.dip, dip: flow.sip, ..*flow };
        (back.sport, back.dport) = (flow.dport, flow.sport);
        (back.sif, back.dif) = (flow.dif, flow.sif);
        if self.tool == Tool::Zeek {
            zeek::finish(flow, &mut back)?;
            let flags = self.history.filter(|_| flow.proto == TCP).unwrap_or_default();
            (flow.flags, back.flags) = flags;
        } else if flow.proto == ICMP || flow.proto == ICMPV6 {
            flow.sport = 0;
            if let (Some(kind), Some(code)) = self.icmp {
                flow.dport = u16::from_be_bytes([kind, code]);
            }
        }
        let is_flow = self.tool != Tool::Zeek || flow.packets > 0;
        if is_flow {
            flows.push(*flow);
        }
        if let (Some(packets @ 1..), octets) = self.back {
            let octets = octets.or(self.payload.1).unwrap_or(0);
            flows.push(Flow { packets, octets, ..back });
        }
        Ok(())
    }
}

fn address(tool: Tool, text: &[u8]) -> Option<IpAddr> {
    if let Some(address) = parse::address(text) {
        return Some(address);
    }
    // rwcut can print addresses as numbers, and pad their octets with zeros.
    if tool != Tool::Rwcut {
        return None;
    }
    if text.iter().all(u8::is_ascii_digit) {
        let number: u128 = std::str::from_utf8(text).ok()?.parse().ok()?;
        return Some(match u32::try_from(number) {
            Ok(word) => Ipv4Addr::from(word).into(),
            Err(_) => Ipv6Addr::from(number).into(),
        });
    }
    let mut octets = text.split(|octet| *octet == b'.').map(|part| match part.len() {
        1..=3 => parse::number(part).and_then(|octet| u8::try_from(octet).ok()),
        _ => None,
    });
    let mut next = || octets.next().flatten();
    let address = Ipv4Addr::new(next()?, next()?, next()?, next()?);
    octets.next().is_none().then_some(address.into())
}

/// A protocol by its number, or by the name that one of the programs has for it.
fn proto(text: &[u8]) -> Option<u8> {
    if let Some(number) = parse::number(text) {
        return u8::try_from(number).ok();
    }
    let is = |name: &str| text.eq_ignore_ascii_case(name.as_bytes());
    names::NAMES.iter().find(|(name, _)| is(name)).map(|(_, number)| *number)
}

/// A number of 8 bits; nothing, or `-`, where there is none.
fn octet(text: &[u8]) -> Option<Option<u8>> {
    match text {
        b"-" | b"" => Some(None),
        text => parse::number(text)?.try_into().ok().map(Some),
    }
}

/// TCP flags by their number (`27`, `0x1b`), or by their letters among dots and blanks.
fn flags(text: &[u8]) -> Option<u16> {
    if let Some(number) = parse::number(text) {
        return u16::try_from(number).ok();
    }
    if let Some(digits) = text.strip_prefix(b"0x") {
        return u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok();
    }
    let mut flags = 0;
    for octet in text {
        flags |= match octet {
            b'F' => 0x01,
            b'S' => 0x02,
            b'R' => 0x04,
            b'P' => 0x08,
            b'A' => 0x10,
            b'U' => 0x20,
            b'E' => 0x40,
            b'C' | b'W' => 0x80,
            b'.' | b' ' => 0,
            _ => return None,
        };
    }
    Some(flags)
}

/// A length in seconds with decimals, as nanoseconds; `-` where it is not known.
fn seconds(text: &[u8]) -> Option<Option<u64>> {
    match text {
        b"-" | b"" => Some(None),
        text => Timestamp::parse(text).map(|length| Some(length.nanos())),
    }
}

/// A moment as one of the programs writes it, taken for UTC where it does not say.
fn time(tool: Tool, text: &[u8]) -> Option<Option<Timestamp>> {
    // Zeros are nfdump's way to say that it does not know.
    let is_known = |time: &Timestamp| tool != Tool::Nfdump || time.nanos() > 0;
    match text {
        b"-" | b"" => return Some(None),
        text if text.starts_with(b"0000-00-00") => return Some(None),
        _ => {}
    }
    let whole = text.iter().take_while(|octet| octet.is_ascii_digit()).count();
    let time = match (tool, whole) {
        // Of seconds there are eleven digits at most.
        (Tool::Nfdump | Tool::Zeek, 12..=14) => millis(text, whole)?,
        _ => match Timestamp::parse(text) {
            Some(time) => time,
            None => Timestamp::parse(&rfc3339(text)?)?,
        },
    };
    Some(Some(time).filter(is_known))
}

/// Milliseconds since 1970 with decimals: nfdump's `csv-fast` has them, and Zeek if it is set up so.
fn millis(text: &[u8], whole: usize) -> Option<Timestamp> {
    let (whole, decimals) = text.split_at_checked(whole)?;
    let nanos = match decimals {
        [] => 0,
        [b'.', decimals @ ..] if !decimals.is_empty() => {
            let decimals = decimals.get(..6).unwrap_or(decimals);
            parse::number(decimals)? * 10u64.pow(6 - decimals.len() as u32)
        }
        _ => return None,
    };
    let millis = parse::number(whole)?.checked_mul(1_000_000)?;
    Some(Timestamp::from_nanos(millis.checked_add(nanos)?))
}

/// RFC 3339 of `2009/02/12T00:00:00.000`, `2009-02-12 00:00:00.000` and `02/12/2009 00:00:00.000`.
fn rfc3339(text: &[u8]) -> Option<Vec<u8>> {
    let mut text = text.to_vec();
    if text.get(2) == Some(&b'/') && text.get(5) == Some(&b'/') {
        let date = text.get_mut(..10)?;
        // The year goes first, and the slash before it behind it.
        date.rotate_right(5);
        date.get_mut(..5)?.rotate_left(1);
    }
    for (at, to) in [(4, b'-'), (7, b'-'), (10, b'T')] {
        let octet = text.get_mut(at).filter(|octet| matches!(octet, b'-' | b'/' | b' ' | b'T'))?;
        *octet = to;
    }
    if text.last() != Some(&b'Z') {
        text.push(b'Z');
    }
    Some(text)
}
