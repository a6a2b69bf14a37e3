//! NetFlow v9 (RFC 3954): a header and sets, whose templates describe the records.
//!
//! The count in the header is of records, but many devices count sets or nothing, so it is ignored.
//! Field types above 32767 are a vendor's own numbers and have no enterprise bit (ASA, Palo Alto). A
//! length of 65535 means variable length, as in IPFIX (H3C).

use super::cursor::Cursor;
use super::element::{self, Field};
use super::error::Reason;
use super::reader::MessageReader;
use super::set::{self, DATA};
use super::template::TemplateKind;
use crate::flow::Flow;
use crate::time::Timestamp;

/// Set id of templates.
pub(super) const TEMPLATES: u16 = 0;
/// Set id of options templates.
pub(super) const OPTIONS: u16 = 1;

/// Scopes of options templates (RFC 3954 section 6.1).
mod scope {
    pub const SYSTEM: u16 = 1;
    pub const INTERFACE: u16 = 2;
    pub const LINE_CARD: u16 = 3;
    pub const TEMPLATE: u16 = 5;
}

/// Bytes of the header.
pub(super) const HEADER: usize = 20;

/// The header without its version and count (RFC 3954 section 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Milliseconds since the exporter started.
    pub uptime: u32,
    /// Export time in seconds.
    pub secs: u32,
    /// Number of datagrams before this one.
    pub sequence: u32,
    /// Source id.
    pub source: u32,
}

impl Header {
    /// Reads a header.
    ///
    /// # Errors
    /// Fewer than [`HEADER`] bytes.
    pub fn parse(cursor: &mut Cursor<'_>) -> Result<Header, Reason> {
        let mut header = Cursor::new(cursor.array::<HEADER>("header")?, cursor.at());
        let (_version, _count) = (header.u16("header")?, header.u16("header")?);
        Ok(Header {
            uptime: header.u32("header")?,
            secs: header.u32("header")?,
            sequence: header.u32("header")?,
            source: header.u32("header")?,
        })
    }

    /// Writes a header with a count of `count` records.
    pub fn emit(&self, count: u16, bytes: &mut [u8; HEADER]) {
        let [v0, v1] = 9u16.to_be_bytes();
        let [c0, c1] = count.to_be_bytes();
        let [u0, u1, u2, u3] = self.uptime.to_be_bytes();
        let [t0, t1, t2, t3] = self.secs.to_be_bytes();
        let [n0, n1, n2, n3] = self.sequence.to_be_bytes();
        let [s0, s1, s2, s3] = self.source.to_be_bytes();
        *bytes = [v0, v1, c0, c1, u0, u1, u2, u3, t0, t1, t2, t3, n0, n1, n2, n3, s0, s1, s2, s3];
    }

    /// Returns the export time.
    pub const fn export(&self) -> Timestamp {
        Timestamp::from_secs(self.secs as u64)
    }
}

/// Reads the sets after a header.
pub(super) fn sets(cursor: Cursor<'_>, reader: &mut MessageReader<'_, '_>) {
    reader.sets(cursor, |reader, set| match set.id {
        TEMPLATES => reader.definitions(set, 4, template),
        OPTIONS => reader.definitions(set, 6, options_template),
        _ => reader.fault(set.at, Some(set.id), Reason::SetId),
    });
}

/// Reads a template record (RFC 3954 section 5.2).
fn template(reader: &mut MessageReader<'_, '_>, body: &mut Cursor<'_>) -> Result<(), Reason> {
    let before = *body;
    let (id, count) = (body.u16("template")?, body.u16("template")?);
    if id < DATA {
        return Err(Reason::TemplateId { found: id });
    }
    let fields = body.take("fields", usize::from(count) * 4)?;
    reader.define(id, TemplateKind::Data, fields_of(fields, false), before.until(body))
}

/// Reads an options template record (RFC 3954 section 6.1). Its header has the lengths of scopes and
/// options in bytes, which are rounded down to a multiple of four.
fn options_template(
    reader: &mut MessageReader<'_, '_>,
    body: &mut Cursor<'_>,
) -> Result<(), Reason> {
    let before = *body;
    let id = body.u16("options template")?;
    let (scopes, options) = (body.u16("options template")?, body.u16("options template")?);
    if id < DATA {
        return Err(Reason::TemplateId { found: id });
    }
    let scopes = body.take("scopes", usize::from(scopes & !3))?;
    let options = body.take("options", usize::from(options & !3))?;
    let fields = fields_of(scopes, true).chain(fields_of(options, false));
    reader.define(id, TemplateKind::Options, fields, before.until(body))
}

/// Returns the fields of a template. Scopes have numbers of their own (RFC 3954 section 6.1), which
/// are translated to elements of the same meaning. "System" and "cache", of which an exporter has
/// one each, become no element.
fn fields_of(bytes: &[u8], scope: bool) -> impl Iterator<Item = Field> {
    bytes.chunks_exact(4).map(move |bytes| {
        let [a, b, c, d] = bytes.first_chunk().copied().unwrap_or_default();
        Field {
            enterprise: 0,
            element: match (scope, u16::from_be_bytes([a, b])) {
                (false, element) => element,
                (true, scope::INTERFACE) => element::INGRESS_INTERFACE,
                (true, scope::LINE_CARD) => element::LINE_CARD_ID,
                (true, scope::TEMPLATE) => element::TEMPLATE_ID,
                (true, _) => element::NONE,
            },
            len: u16::from_be_bytes([c, d]),
            scope,
        }
    })
}

/// Bytes of a record before its addresses.
pub(super) const RECORD: usize = set::RECORD + 2 * 4;

/// The fields of [`emit_record`] in order, as (element, length).
pub(super) const FIELDS: [(u16, u16); 11] =
    set::record_fields(element::FLOW_START_SYS_UP_TIME, element::FLOW_END_SYS_UP_TIME, 4);

/// Writes a record up to its addresses. `times` are the sysUpTime at start and end.
pub(super) fn emit_record(flow: &Flow, icmp: u16, times: [u32; 2], bytes: &mut [u8; RECORD]) {
    set::emit_record(flow, icmp, times.map(u32::to_be_bytes), bytes);
}

/// Sampling algorithm (element 35) "random". The other value is 1, "deterministic".
const RANDOM: u8 = 2;

/// Appends an options template for the sampling of a whole system.
pub(super) fn emit_options_template(id: u16, out: &mut Vec<u8>) {
    // The lengths in bytes of one scope and of two options.
    for number in [id, 4, 8, scope::SYSTEM, 4] {
        out.extend_from_slice(&number.to_be_bytes());
    }
    for number in [element::SAMPLING_INTERVAL, 4, element::SAMPLING_ALGORITHM, 1] {
        out.extend_from_slice(&number.to_be_bytes());
    }
}

/// Appends a record of the options template.
pub(super) fn emit_options(system: u32, interval: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(&system.to_be_bytes());
    out.extend_from_slice(&interval.to_be_bytes());
    out.push(RANDOM);
}
