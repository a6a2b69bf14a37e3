//! Zeek's own way to say the TCP flags and the ICMP types of a connection.

use super::tool::Tool;
use crate::flow::{Flow, ICMP, ICMPV6};
use crate::line::parse::{LineError, shown};

/// TCP flags of a connection's two sides; `None` for a side that sent nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct History {
    pub originator: Option<u16>,
    pub responder: Option<u16>,
}

impl History {
    /// Reads Zeek's letters for the events of a connection, of which capitals are the originator's.
    /// A segment with data has ACK set.
    pub fn parse(text: &[u8]) -> History {
        let (mut originator, mut responder) = (0, 0);
        for letter in text {
            let bits = match letter.to_ascii_lowercase() {
                b's' => 0x02,
                b'h' => 0x12,
                b'a' | b'd' => 0x10,
                b'f' => 0x01,
                b'r' => 0x04,
                // FIN and RST in one segment; SYN and one of these.
                b'i' => 0x05,
                b'q' => 0x02,
                _ => 0,
            };
            if letter.is_ascii_uppercase() {
                originator |= bits;
            } else {
                responder |= bits;
            }
        }
        let seen = |bits: u16| (bits != 0).then_some(bits);
        History { originator: seen(originator), responder: seen(responder) }
    }
}

/// Returns the error of a value of Zeek's that cannot be read.
pub(super) fn foreign(column: &'static str, value: &[u8]) -> LineError {
    LineError::Foreign { tool: Tool::Zeek.name(), column, value: shown(value) }
}

/// Sets type and code of ICMP. Zeek writes the type as the originator's port. The responder's port
/// is the type of the answer if the type has one, else the code (Zeek's ICMP.cc, after RFC 792, RFC
/// 4443, RFC 4861).
pub(super) fn set_icmp_types(flow: &mut Flow, reverse: &mut Flow) -> Result<(), LineError> {
    if flow.proto == ICMP && flow.sip.is_ipv6() {
        flow.proto = ICMPV6;
        reverse.proto = ICMPV6;
    }
    let pairs: &[(u8, u8)] = match flow.proto {
        ICMP => &[(0, 8), (9, 10), (13, 14), (15, 16), (17, 18)],
        ICMPV6 => &[(128, 129), (130, 131), (133, 134), (135, 136), (139, 140), (144, 145)],
        _ => return Ok(()),
    };
    let byte = |column, port: u16| {
        u8::try_from(port).map_err(|_| foreign(column, port.to_string().as_bytes()))
    };
    let kind = byte("id.orig_p", flow.sport)?;
    let other = byte("id.resp_p", flow.dport)?;
    let answer = pairs.iter().find_map(|&(one, other)| match kind {
        kind if kind == one => Some(other),
        kind if kind == other => Some(one),
        _ => None,
    });
    let (answer, code) = answer.map_or((kind, other), |answer| (answer, 0));
    (flow.sport, flow.dport) = (0, u16::from_be_bytes([kind, code]));
    (reverse.sport, reverse.dport) = (0, u16::from_be_bytes([answer, code]));
    Ok(())
}
