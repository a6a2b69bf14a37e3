//! One line of another program's output, put together from its columns.

use super::columns::Role;
use super::history::{self, History};
use super::tool::Tool;
use super::value::{address, byte, flags, proto, seconds, time};
use crate::flow::{Flow, ICMP, ICMPV6, TCP};
use crate::line::parse::{self, LineError};
use crate::time::Timestamp;

/// Packets and bytes of one direction, as far as a line says them.
#[derive(Default)]
struct Counts {
    packets: Option<u64>,
    octets: Option<u64>,
    /// Bytes without headers.
    payload: Option<u64>,
}

/// The values of one line. It becomes no flow, one flow, or one for each direction.
pub(super) struct Record {
    tool: Tool,
    flow: Flow,
    forward: Counts,
    /// Counts of the reverse direction, if the program has them.
    reverse: Counts,
    /// Nanoseconds.
    duration: Option<u64>,
    icmp_type: Option<u8>,
    icmp_code: Option<u8>,
    /// The number of the protocol, which counts more than its name.
    proto_number: Option<u8>,
    history: Option<History>,
    /// The line holds no flow.
    is_empty: bool,
    /// The program says that it left out flows here.
    is_gap: bool,
}

impl Record {
    /// Returns a record without values.
    pub fn new(tool: Tool) -> Record {
        Record {
            tool,
            flow: Flow::default(),
            forward: Counts::default(),
            reverse: Counts::default(),
            duration: None,
            icmp_type: None,
            icmp_code: None,
            proto_number: None,
            history: None,
            is_empty: false,
            is_gap: false,
        }
    }

    /// Sets the value of one column; `name` is the program's own name for it.
    pub fn set(&mut self, role: Role, name: &'static str, text: &[u8]) -> Result<(), LineError> {
        // A line that holds no flow has nothing in the columns of one.
        if self.is_empty || self.is_gap {
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
            // A VPC's custom format may lack the status, and then the addresses say it.
            Role::Sip | Role::Dip if self.tool == Tool::Vpc && text == b"-" => self.is_empty = true,
            Role::Sip => flow.sip = address(self.tool, text)?,
            Role::Dip => flow.dip = address(self.tool, text)?,
            // The column does not apply to the flow's protocol.
            Role::Sport | Role::Dport | Role::Flags if text == b"-" => {}
            Role::Sport => flow.sport = parse::number(text)?.try_into().ok()?,
            // Some versions of nfdump print ICMP's type and code as `8.0`.
            Role::Dport => {
                flow.dport = match text.iter().position(|byte| *byte == b'.') {
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
            Role::ProtoNumber => self.proto_number = byte(text)?,
            Role::Packets => self.forward.packets = count()?,
            Role::Octets => self.forward.octets = count()?,
            Role::Sif => flow.sif = parse::number(text)?.try_into().ok()?,
            Role::Dif => flow.dif = parse::number(text)?.try_into().ok()?,
            Role::Start => flow.start = time(self.tool, text)?,
            Role::End => flow.end = time(self.tool, text)?,
            Role::Duration => self.duration = seconds(text)?,
            Role::Flags => flow.flags = Some(flags(text)?),
            Role::Exporter => flow.exporter = Some(address(self.tool, text)?),
            Role::IcmpType => self.icmp_type = byte(text)?,
            Role::IcmpCode => self.icmp_code = byte(text)?,
            Role::BackPackets => self.reverse.packets = count()?,
            Role::BackOctets => self.reverse.octets = count()?,
            Role::Payload => self.forward.payload = count()?,
            Role::BackPayload => self.reverse.payload = count()?,
            Role::History => self.history = Some(History::parse(text)),
            Role::Status => match text {
                b"OK" => {}
                b"NODATA" => self.is_empty = true,
                b"SKIPDATA" => self.is_gap = true,
                _ => return None,
            },
        }
        Some(())
    }

    /// Adds the flows of the line to `flows`.
    pub fn flows(mut self, flows: &mut Vec<Flow>) -> Result<(), LineError> {
        if self.is_gap {
            return Err(LineError::Skipped { tool: self.tool.name() });
        }
        if self.is_empty {
            return Ok(());
        }
        let flow = &mut self.flow;
        flow.packets = self.forward.packets.unwrap_or(0);
        flow.octets = self.forward.octets.or(self.forward.payload).unwrap_or(0);
        flow.proto = self.proto_number.unwrap_or(flow.proto);
        if let (Some(start), None, Some(length)) = (flow.start, flow.end, self.duration) {
            flow.end = start.nanos().checked_add(length).map(Timestamp::from_nanos);
        }
        if flow.proto != TCP {
            flow.flags = None;
        }
        let mut reverse = Flow { sip: flow.dip, dip: flow.sip, ..*flow };
        (reverse.sport, reverse.dport) = (flow.dport, flow.sport);
        (reverse.sif, reverse.dif) = (flow.dif, flow.sif);
        if self.tool == Tool::Zeek {
            history::set_icmp_types(flow, &mut reverse)?;
            let history = self.history.filter(|_| flow.proto == TCP).unwrap_or_default();
            (flow.flags, reverse.flags) = (history.originator, history.responder);
        } else if flow.proto == ICMP || flow.proto == ICMPV6 {
            flow.sport = 0;
            if let (Some(kind), Some(code)) = (self.icmp_type, self.icmp_code) {
                flow.dport = u16::from_be_bytes([kind, code]);
            }
        }
        // A connection of Zeek's may have no packet of its originator.
        if self.tool != Tool::Zeek || flow.packets > 0 {
            flows.push(*flow);
        }
        if let Some(packets @ 1..) = self.reverse.packets {
            let octets = self.reverse.octets.or(self.reverse.payload).unwrap_or(0);
            flows.push(Flow { packets, octets, ..reverse });
        }
        Ok(())
    }
}
