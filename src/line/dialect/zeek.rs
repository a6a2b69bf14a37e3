//! Zeek's conn.log, between TABs or as an object of JSON a line. A connection is two flows: what its
//! originator sent, and what the responder sent back.

use serde_json::Value;

use super::{Dialect, Record, Role, Roles, Tool, plan};
use crate::flow::{Flow, ICMP, ICMPV6};
use crate::line::parse::{LineError, shown};

const COLUMNS: &[(&str, Role)] = &[
    ("ts", Role::Start),
    ("id.orig_h", Role::Sip),
    ("id.orig_p", Role::Sport),
    ("id.resp_h", Role::Dip),
    ("id.resp_p", Role::Dport),
    ("proto", Role::Proto),
    ("ip_proto", Role::ProtoNumber),
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
    let is_json = line.first() == Some(&b'{') && has_address(line);
    let separator = line.strip_prefix(b"#separator ").unwrap_or_default();
    let is_log = separator.len() == 1
        || separator.starts_with(b"\\x")
        || (line.starts_with(b"#fields") && !line.starts_with(b"#fields ") && has_address(line));
    if is_json || is_log {
        let separator = line.get(7).filter(|_| line.starts_with(b"#fields"));
        return Some(Dialect::unnamed(Tool::Zeek, *separator.unwrap_or(&b'\t')));
    }
    names(line)
}

/// Whether the line names the originator's address. Some call it so that their database takes it.
fn has_address(line: &[u8]) -> bool {
    let has = |name: &[u8]| memchr::memmem::find(line, name).is_some();
    has(b"id.orig_h") || has(b"id_orig_h")
}

/// A line of names alone, as Zeek begins a log with `tsv` set, and `zeek-cut -m` its output.
pub(super) fn names(line: &[u8]) -> Option<Dialect> {
    if !line.first()?.is_ascii_alphabetic() || !has_address(line) {
        return None;
    }
    let is_name = |octet: &&u8| octet.is_ascii_alphanumeric() || matches!(octet, b'_' | b'.');
    let separator = *line.get(line.iter().take_while(is_name).count())?;
    Some(Dialect::new(Tool::Zeek, separator, plan_of(line, separator)))
}

/// A line that begins with `#`: what separates columns, what they are called, what an unknown value
/// looks like. All others mean nothing here.
pub(super) fn header(dialect: &mut Dialect, line: &[u8]) -> Result<(), LineError> {
    if let Some(text) = line.strip_prefix(b"#separator ") {
        let separator = match text {
            [b'\\', b'x', digits @ ..] => {
                let digits = std::str::from_utf8(digits).ok();
                digits.and_then(|digits| u8::from_str_radix(digits, 16).ok())
            }
            [octet] => Some(*octet),
            _ => None,
        };
        *dialect = Dialect::unnamed(Tool::Zeek, separator.unwrap_or(b'\t'));
        return separator.map(drop).ok_or_else(|| foreign("#separator", text));
    }
    let separated = |word: &[u8]| {
        let rest = line.strip_prefix(word)?;
        rest.strip_prefix(&[dialect.separator])
    };
    if let Some(names) = separated(b"#fields") {
        dialect.plan = None;
        match plan_of(names, dialect.separator) {
            (plan, None) => dialect.plan = Some(plan),
            (_, Some(column)) => return Err(dialect.lack(column)),
        }
    } else if let Some(unset) = separated(b"#unset_field") {
        dialect.unset = unset.to_vec();
    }
    Ok(())
}

/// The columns of these names, and what they lack.
fn plan_of(names: &[u8], separator: u8) -> (Roles, Option<&'static str>) {
    let names = String::from_utf8_lossy(names);
    let dotted = |name: &str| match name.strip_prefix("id_") {
        Some(name) => format!("id.{name}"),
        None => name.to_owned(),
    };
    plan(names.split(char::from(separator)).map(dotted), COLUMNS)
}

fn foreign(column: &'static str, value: &[u8]) -> LineError {
    LineError::Foreign { tool: Tool::Zeek.name(), column, value: shown(value) }
}

pub(super) fn usual() -> Roles {
    plan(USUAL.split('\t').map(str::to_owned), COLUMNS).0
}

/// A connection as an object.
pub(super) fn json(line: &[u8]) -> Result<Record, LineError> {
    let Ok(Value::Object(object)) = serde_json::from_slice(line) else {
        return Err(foreign("line", line));
    };
    let value = |name: &str| {
        let value = object.get(name);
        value.or_else(|| object.get(&format!("id_{}", name.strip_prefix("id.")?)))
    };
    let mut record = Record::new(Tool::Zeek);
    for &(name, role) in COLUMNS {
        let text = match value(name) {
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
            Some(other) => return Err(foreign(name, other.to_string().as_bytes())),
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
/// are the originator's. A segment with data has ACK set. `None` of whom nothing was seen.
pub(super) fn history(text: &[u8]) -> (Option<u16>, Option<u16>) {
    let mut flags = (0, 0);
    for octet in text {
        let bits = match octet.to_ascii_lowercase() {
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
        match octet.is_ascii_uppercase() {
            true => flags.0 |= bits,
            false => flags.1 |= bits,
        }
    }
    let seen = |bits: u16| (bits != 0).then_some(bits);
    (seen(flags.0), seen(flags.1))
}

/// ICMP: the originator's port is the type. The responder's is the type that answers it where there is
/// one, else the code (Zeek's ICMP.cc, after RFC 792, RFC 4443, RFC 4861).
pub(super) fn finish(flow: &mut Flow, back: &mut Flow) -> Result<(), LineError> {
    if flow.proto == ICMP && flow.sip.is_ipv6() {
        flow.proto = ICMPV6;
        back.proto = ICMPV6;
    }
    let pairs: &[(u8, u8)] = match flow.proto {
        ICMP => &[(0, 8), (9, 10), (13, 14), (15, 16), (17, 18)],
        ICMPV6 => &[(128, 129), (130, 131), (133, 134), (135, 136), (139, 140), (144, 145)],
        _ => return Ok(()),
    };
    let octet = |column, port: u16| {
        u8::try_from(port).map_err(|_| foreign(column, port.to_string().as_bytes()))
    };
    let kind = octet("id.orig_p", flow.sport)?;
    let other = octet("id.resp_p", flow.dport)?;
    let answer = pairs.iter().find_map(|&(one, other)| match kind {
        kind if kind == one => Some(other),
        kind if kind == other => Some(one),
        _ => None,
    });
    let (answer, code) = answer.map_or((kind, other), |answer| (answer, 0));
    (flow.sport, flow.dport) = (0, u16::from_be_bytes([kind, code]));
    (back.sport, back.dport) = (0, u16::from_be_bytes([answer, code]));
    Ok(())
}
