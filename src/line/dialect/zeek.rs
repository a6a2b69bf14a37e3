//! Zeek's conn.log: columns separated by TABs, or one JSON object a line. A connection is two
//! flows, one of the originator and one of the responder.

use serde_json::Value;

use super::columns::{Columns, Role};
use super::history::foreign;
use super::record::Record;
use super::stream::Dialect;
use super::tool::Tool;
use crate::line::parse::LineError;

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

/// Returns the stream that begins with this line: a `#` line of Zeek's, an object, or one of names.
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

/// Returns true if the line names the originator's address, by Zeek's name or by the one that
/// databases accept.
fn has_address(line: &[u8]) -> bool {
    let has = |name: &[u8]| memchr::memmem::find(line, name).is_some();
    has(b"id.orig_h") || has(b"id_orig_h")
}

/// Reads a line of names alone, as Zeek writes it with `tsv` set, and `zeek-cut -m`.
pub(super) fn names(line: &[u8]) -> Option<Dialect> {
    if !line.first()?.is_ascii_alphabetic() || !has_address(line) {
        return None;
    }
    let is_name = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.');
    let separator = *line.get(line.iter().take_while(is_name).count())?;
    Some(Dialect::new(Tool::Zeek, separator, columns_of(line, separator)))
}

/// Reads a line that begins with `#`: the separator of the columns, their names, or the text of a
/// value that is not set. All others are passed over.
pub(super) fn header(dialect: &mut Dialect, line: &[u8]) -> Result<(), LineError> {
    if let Some(text) = line.strip_prefix(b"#separator ") {
        let separator = match text {
            [b'\\', b'x', digits @ ..] => {
                let digits = std::str::from_utf8(digits).ok();
                digits.and_then(|digits| u8::from_str_radix(digits, 16).ok())
            }
            [byte] => Some(*byte),
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
        let columns = columns_of(names, dialect.separator);
        if let Some(column) = columns.missing {
            dialect.columns = None;
            return Err(dialect.lacks(column));
        }
        dialect.columns = Some(columns);
    } else if let Some(unset) = separated(b"#unset_field") {
        dialect.unset = unset.to_vec();
    }
    Ok(())
}

fn columns_of(names: &[u8], separator: u8) -> Columns {
    let names = String::from_utf8_lossy(names);
    let dotted = |name: &str| match name.strip_prefix("id_") {
        Some(name) => format!("id.{name}"),
        None => name.to_owned(),
    };
    Columns::of(names.split(char::from(separator)).map(dotted), COLUMNS)
}

pub(super) fn usual() -> Columns {
    Columns::of(USUAL.split('\t').map(str::to_owned), COLUMNS)
}

/// Reads a connection from a JSON object.
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
            None | Some(Value::Null) => {
                let needed =
                    [Role::Sip, Role::Dip, Role::Sport, Role::Dport, Role::Proto, Role::Packets];
                if needed.contains(&role) {
                    return Err(LineError::Lacks { tool: Tool::Zeek.name(), column: name });
                }
                // Zeek leaves out unknown values.
                continue;
            }
            Some(other) => return Err(foreign(name, other.to_string().as_bytes())),
        };
        match role {
            // A JSON number can have more decimals than a time, or an exponent.
            Role::Start | Role::Duration => {
                let text = decimal(&text);
                record.set(role, name, text.as_bytes())?;
            }
            _ => record.set(role, name, text.as_bytes())?,
        }
    }
    Ok(record)
}

/// Returns a JSON number with at most nine decimals and without an exponent, and other text
/// unchanged.
fn decimal(text: &str) -> String {
    match text.parse::<f64>() {
        Ok(number) if text.contains(['e', 'E']) => format!("{number:.9}"),
        _ => match text.split_once('.') {
            Some((whole, decimals)) if decimals.bytes().all(|byte| byte.is_ascii_digit()) => {
                format!("{whole}.{}", decimals.get(..9).unwrap_or(decimals))
            }
            _ => text.to_owned(),
        },
    }
}
