//! Zeek's conn.log, between TABs or as an object of JSON a line. A connection is two flows: what its
//! originator sent, and what the responder sent back.

use serde_json::Value;

use super::{Dialect, Plan, Record, Role, Tool, plan};
use crate::flow::{Flow, ICMP, ICMPV6};
use crate::line::parse::{LineError, shown};

const COLUMNS: &[(&str, Role)] = &[
    ("ts", Role::Start),
    ("id.orig_h", Role::Sip),
    ("id.orig_p", Role::Sport),
    ("id.resp_h", Role::Dip),
    ("id.resp_p", Role::Dport),
    ("proto", Role::Proto),
    ("duration", Role::Duration),
    ("orig_bytes", Role::Payload),
    ("resp_bytes", Role::BackPayload),
    ("history", Role::History),
    ("orig_pkts", Role::Packets),
    ("orig_ip_bytes", Role::Octets),
    ("resp_pkts", Role::BackPackets),
    ("resp_ip_bytes", Role::BackOctets),
];

const USUAL: &str = "ts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tservice\tduration\t\
    orig_bytes\tresp_bytes\tconn_state\tlocal_orig\tlocal_resp\tmissed_bytes\thistory\torig_pkts\t\
    orig_ip_bytes\tresp_pkts\tresp_ip_bytes";

pub(super) fn begins(line: &[u8]) -> Option<Dialect> {
    let is_json =
        line.first() == Some(&b'{') && memchr::memmem::find(line, b"\"id.orig_h\"").is_some();
    if !is_json && !line.starts_with(b"#separator \\x") {
        return None;
    }
    Some(Dialect { tool: Tool::Zeek, plan: None, separator: b'\t', skip: 0 })
}

/// The columns that `#fields` names.
pub(super) fn plan_of(names: &[u8]) -> Result<Plan, LineError> {
    let names = String::from_utf8_lossy(names);
    match plan(names.split('\t').map(str::to_owned), COLUMNS) {
        (plan, None) => Ok(plan),
        (_, Some(column)) => Err(LineError::Lacks { tool: Tool::Zeek.name(), column }),
    }
}

pub(super) fn usual() -> Plan {
    plan(USUAL.split('\t').map(str::to_owned), COLUMNS).0
}

/// A connection as an object.
pub(super) fn json(line: &[u8]) -> Result<Record, LineError> {
    let wrong = |column: &'static str, value: &[u8]| LineError::Foreign {
        tool: Tool::Zeek.name(),
        column,
        value: shown(value),
    };
    let Ok(Value::Object(object)) = serde_json::from_slice(line) else {
        return Err(wrong("line", line));
    };
    let mut record = Record::new(Tool::Zeek);
    for &(name, role) in COLUMNS {
        let text = match object.get(name) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) => number.to_string(),
            // What is not known is left out.
            None | Some(Value::Null) => {
                let needed =
                    [Role::Sip, Role::Dip, Role::Sport, Role::Dport, Role::Proto, Role::Packets];
                match needed.contains(&role) {
                    true => return Err(LineError::Lacks { tool: Tool::Zeek.name(), column: name }),
                    false => continue,
                }
            }
            Some(other) => return Err(wrong(name, other.to_string().as_bytes())),
        };
        match role {
            // As a number of JSON it has any form that a number can have.
            Role::Start | Role::Duration => {
                let text = decimal(&text);
                record.set(role, name, text.as_bytes())?;
            }
            _ => record.set(role, name, text.as_bytes())?,
        }
    }
    Ok(record)
}

/// A number of JSON with at most nine decimals and without an exponent; other text as it is.
fn decimal(text: &str) -> String {
    match text.parse::<f64>() {
        Ok(number) if text.contains(['e', 'E']) => format!("{number:.9}"),
        _ => match text.split_once('.') {
            Some((whole, decimals)) if decimals.bytes().all(|octet| octet.is_ascii_digit()) => {
                format!("{whole}.{}", decimals.get(..9).unwrap_or(decimals))
            }
            _ => text.to_owned(),
        },
    }
}

/// TCP flags of originator and responder, by the letters for what was seen of a connection; capitals
/// are the originator's. A segment with data has ACK set.
pub(super) fn history(text: &[u8]) -> Option<(u16, u16)> {
    if text == b"-" {
        return None;
    }
    let mut flags = (0, 0);
    for octet in text {
        let bits = match octet.to_ascii_lowercase() {
            b's' => 0x02,
            b'h' => 0x12,
            b'a' | b'd' => 0x10,
            b'f' => 0x01,
            b'r' => 0x04,
            _ => 0,
        };
        match octet.is_ascii_uppercase() {
            true => flags.0 |= bits,
            false => flags.1 |= bits,
        }
    }
    Some(flags)
}

/// ICMP: the originator's port is the type. The responder's is the type that answers it where there is
/// one, else the code (Zeek's ICMP.cc, after RFC 792, RFC 4443, RFC 4861).
pub(super) fn finish(flow: &mut Flow, back: &mut Flow) {
    if flow.proto == ICMP && flow.sip.is_ipv6() {
        flow.proto = ICMPV6;
        back.proto = ICMPV6;
    }
    let pairs: &[(u16, u16)] = match flow.proto {
        ICMP => &[(0, 8), (9, 10), (13, 14), (15, 16), (17, 18)],
        ICMPV6 => &[(128, 129), (130, 131), (133, 134), (135, 136), (139, 140), (144, 145)],
        _ => return,
    };
    let kind = flow.sport & 0xff;
    let answer = pairs.iter().find_map(|&(one, other)| match kind {
        kind if kind == one => Some(other),
        kind if kind == other => Some(one),
        _ => None,
    });
    let (answer, code) = match answer {
        Some(answer) => (answer, 0),
        None => (kind, flow.dport & 0xff),
    };
    (flow.sport, flow.dport) = (0, kind << 8 | code);
    (back.sport, back.dport) = (0, answer << 8 | code);
}
