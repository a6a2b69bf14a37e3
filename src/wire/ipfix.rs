//! IPFIX (RFC 7011): messages of sets, whose templates describe the records.

use super::cursor::Cursor;
use super::element::{self, Field};
use super::error::Reason;
use super::reader::MessageReader;
use super::set::{self, DATA};
use super::template::TemplateKind;
use crate::flow::Flow;
use crate::time::Timestamp;

/// Set id of templates.
pub(super) const TEMPLATES: u16 = 2;
/// Set id of options templates.
pub(super) const OPTIONS: u16 = 3;

/// Bytes of the header.
pub(super) const HEADER: usize = 16;

/// The most messages that are read from one datagram. Exporters send a few; an attacker could send
/// thousands, each of another domain, and evict every other domain with one datagram.
pub(super) const MESSAGES: usize = 64;

/// Bit of an element's number: an enterprise number of four bytes follows (RFC 7011 section 3.2).
const ENTERPRISE: u16 = 0x8000;

/// The header without its version (RFC 7011 section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Bytes of the message, header included.
    pub len: u16,
    /// Export time in seconds.
    pub secs: u32,
    /// Number of data records before this message, modulo 2^32.
    pub sequence: u32,
    /// Observation domain.
    pub domain: u32,
}

impl Header {
    /// Reads a header.
    ///
    /// # Errors
    /// Fewer than [`HEADER`] bytes.
    pub fn parse(cursor: &mut Cursor<'_>) -> Result<Header, Reason> {
        let mut header = Cursor::new(cursor.array::<HEADER>("header")?, cursor.at());
        let _version = header.u16("header")?;
        Ok(Header {
            len: header.u16("header")?,
            secs: header.u32("header")?,
            sequence: header.u32("header")?,
            domain: header.u32("header")?,
        })
    }

    /// Writes a header.
    pub fn emit(&self, bytes: &mut [u8; HEADER]) {
        let [v0, v1] = 10u16.to_be_bytes();
        let [l0, l1] = self.len.to_be_bytes();
        let [t0, t1, t2, t3] = self.secs.to_be_bytes();
        let [n0, n1, n2, n3] = self.sequence.to_be_bytes();
        let [d0, d1, d2, d3] = self.domain.to_be_bytes();
        *bytes = [v0, v1, l0, l1, t0, t1, t2, t3, n0, n1, n2, n3, d0, d1, d2, d3];
    }

    /// Returns the export time.
    pub const fn export(&self) -> Timestamp {
        Timestamp::from_secs(self.secs as u64)
    }
}

/// Reads the sets after the header of message `n` of a datagram. Returns the rest of the datagram if
/// another message begins there: some exporters put several into one datagram.
pub(super) fn message<'a>(
    n: usize,
    header: &Header,
    mut cursor: Cursor<'a>,
    reader: &mut MessageReader<'_, '_>,
) -> Option<Cursor<'a>> {
    let at = cursor.at() - HEADER;
    let held = cursor.left();
    let stated = usize::from(header.len).checked_sub(HEADER);
    let Some(len) = stated.filter(|&len| len <= held) else {
        let reason = Reason::MessageLength { stated: header.len, held: held + HEADER };
        reader.fault(at, None, reason);
        sets(cursor, reader);
        return None;
    };
    sets(Cursor::new(cursor.rest().get(..len).unwrap_or_default(), cursor.at()), reader);
    cursor.skip(len);
    if cursor.is_padding() {
        return None;
    }
    if n + 1 < MESSAGES && cursor.left() >= HEADER && cursor.rest().starts_with(&[0, 10]) {
        return Some(cursor);
    }
    reader.fault(cursor.at(), None, Reason::Trailing { left: cursor.left() });
    None
}

fn sets(cursor: Cursor<'_>, reader: &mut MessageReader<'_, '_>) {
    reader.sets(cursor, |reader, set| {
        let kind = match set.id {
            TEMPLATES => TemplateKind::Data,
            OPTIONS => TemplateKind::Options,
            _ => return reader.fault(set.at, Some(set.id), Reason::SetId),
        };
        reader.definitions(set, 4, |reader, body| template(reader, body, set.id, kind));
    });
}

/// Reads a template record (RFC 7011 section 3.4.1), options template record (3.4.2.2) or withdrawal
/// (8.1). A withdrawal has no fields; with the id of the set itself it withdraws all templates of
/// the kind.
fn template(
    reader: &mut MessageReader<'_, '_>,
    body: &mut Cursor<'_>,
    set: u16,
    kind: TemplateKind,
) -> Result<(), Reason> {
    let before = *body;
    let (id, count) = (body.u16("template")?, body.u16("template")?);
    if count == 0 && id == set {
        reader.withdraw_all(kind);
        return Ok(());
    }
    if id < DATA {
        return Err(Reason::TemplateId { found: id });
    }
    if count == 0 {
        reader.withdraw(id);
        return Ok(());
    }
    let scopes = match kind {
        TemplateKind::Data => 0,
        TemplateKind::Options => body.u16("options template")?,
    };
    let mut fields = *body;
    for _ in 0..count {
        field(body, false)?;
    }
    let fields = (0..count).map_while(|n| field(&mut fields, n < scopes).ok());
    reader.define(id, kind, fields, before.until(body))
}

/// Reads a field specifier (RFC 7011 section 3.2).
fn field(body: &mut Cursor<'_>, scope: bool) -> Result<Field, Reason> {
    let (number, len) = (body.u16("field")?, body.u16("field")?);
    let enterprise = if number & ENTERPRISE == 0 { 0 } else { body.u32("enterprise")? };
    Ok(Field { enterprise, element: number & !ENTERPRISE, len, scope })
}

/// Bytes of a record before its addresses.
pub(super) const RECORD: usize = set::RECORD + 2 * 8;

/// The fields of [`emit_record`] in order, as (element, length).
pub(super) const FIELDS: [(u16, u16); 11] =
    set::record_fields(element::FLOW_START_MILLISECONDS, element::FLOW_END_MILLISECONDS, 8);

/// Writes a record up to its addresses. `times` are start and end in milliseconds since the epoch.
pub(super) fn emit_record(flow: &Flow, icmp: u16, times: [u64; 2], bytes: &mut [u8; RECORD]) {
    set::emit_record(flow, icmp, times.map(u64::to_be_bytes), bytes);
}

/// Selector algorithm (element 304) "systematic count-based": a number of packets is taken, then a
/// number is left out (RFC 5477 section 8.2).
const BY_COUNT: u16 = 1;

/// Appends an options template for the sampling of a whole observation domain.
pub(super) fn emit_options_template(id: u16, out: &mut Vec<u8>) {
    // The numbers of fields, and of scopes among them.
    for number in [id, 4, 1, element::OBSERVATION_DOMAIN_ID, 4] {
        out.extend_from_slice(&number.to_be_bytes());
    }
    for number in [
        element::SELECTOR_ALGORITHM,
        2,
        element::SAMPLING_PACKET_INTERVAL,
        4,
        element::SAMPLING_PACKET_SPACE,
        4,
    ] {
        out.extend_from_slice(&number.to_be_bytes());
    }
}

/// Appends a record of the options template: one packet is taken, `interval - 1` are left out.
pub(super) fn emit_options(domain: u32, interval: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(&domain.to_be_bytes());
    out.extend_from_slice(&BY_COUNT.to_be_bytes());
    out.extend_from_slice(&1u32.to_be_bytes());
    out.extend_from_slice(&interval.saturating_sub(1).to_be_bytes());
}
