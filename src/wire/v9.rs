//! NetFlow v9 (RFC 3954): a header and sets, whose templates say what the records hold.
//!
//! The header's count is of records, and many devices count sets or nothing; it is not used. Field
//! types above 32767 are a vendor's own numbers and no enterprise bit (ASA, Palo Alto), and a
//! length of 65535 is a field of variable length as in IPFIX (H3C).

use super::cursor::Cursor;
use super::element;
use super::error::Reason;
use super::session::MessageReader;
use super::set::{DATA, Set, put};
use super::template::{Field, TemplateKind};
use crate::flow::Flow;
use crate::time::Timestamp;

/// Set id of templates.
pub(super) const TEMPLATES: u16 = 0;
/// Set id of options templates.
pub(super) const OPTIONS: u16 = 1;

/// The scope "interface".
const SCOPE_INTERFACE: u16 = 2;

/// Those of a part that flows do not name.
const SCOPE_LINE_CARD: u16 = 3;
const SCOPE_TEMPLATE: u16 = 5;

/// Octets of the header.
pub(super) const HEADER: usize = 20;

/// The header without its version and count (RFC 3954 section 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Milliseconds since the exporter started.
    pub uptime: u32,
    /// Export time in seconds.
    pub secs: u32,
    /// Datagrams before this one.
    pub sequence: u32,
    /// Source id.
    pub source: u32,
}

impl Header {
    /// Reads a header.
    ///
    /// # Errors
    /// Fewer than [`HEADER`] octets.
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

    /// Writes a header that counts `count` records.
    pub fn emit(&self, count: u16, octets: &mut [u8; HEADER]) {
        let [v0, v1] = 9u16.to_be_bytes();
        let [c0, c1] = count.to_be_bytes();
        let [u0, u1, u2, u3] = self.uptime.to_be_bytes();
        let [t0, t1, t2, t3] = self.secs.to_be_bytes();
        let [n0, n1, n2, n3] = self.sequence.to_be_bytes();
        let [s0, s1, s2, s3] = self.source.to_be_bytes();
        *octets = [v0, v1, c0, c1, u0, u1, u2, u3, t0, t1, t2, t3, n0, n1, n2, n3, s0, s1, s2, s3];
    }

    /// Export time.
    pub const fn export(&self) -> Timestamp {
        Timestamp::from_secs(self.secs as u64)
    }
}

/// Reads the sets after a header.
pub(super) fn sets(mut cursor: Cursor<'_>, session: &mut MessageReader<'_, '_>) {
    loop {
        let at = cursor.at();
        // A set has a header of four octets, so every round gets on.
        let set = match Set::next(&mut cursor) {
            None => return,
            Some(Err(reason)) => return session.fault(at, None, reason),
            Some(Ok(set)) => set,
        };
        if let Some(reason) = set.overrun {
            session.fault(set.at, Some(set.id), reason);
        }
        match set.id {
            TEMPLATES => templates(&set, session),
            OPTIONS => options(&set, session),
            DATA.. => session.data(&set),
            _ => session.fault(set.at, Some(set.id), Reason::SetId),
        }
    }
}

/// Reads template records (RFC 3954 section 5.2) up to padding or to the first that is wrong.
fn templates(set: &Set<'_>, session: &mut MessageReader<'_, '_>) {
    let mut body = set.body;
    while body.left() >= 4 && !body.is_padding() {
        let at = body.at();
        if let Err(reason) = template(&mut body, session) {
            return session.fault(at, Some(set.id), reason);
        }
    }
}

fn template(body: &mut Cursor<'_>, session: &mut MessageReader<'_, '_>) -> Result<(), Reason> {
    let before = *body;
    let (id, count) = (body.u16("template")?, body.u16("template")?);
    if id < DATA {
        return Err(Reason::TemplateId { found: id });
    }
    let fields = body.take("fields", usize::from(count) * 4)?;
    session.define(id, TemplateKind::Data, fields_of(fields, false), before.until(body))
}

/// Reads options template records (RFC 3954 section 6.1): two lengths in octets, of the scopes and
/// of the options. What does not divide by four is rounded down.
fn options(set: &Set<'_>, session: &mut MessageReader<'_, '_>) {
    let mut body = set.body;
    while body.left() >= 6 && !body.is_padding() {
        let at = body.at();
        if let Err(reason) = options_template(&mut body, session) {
            return session.fault(at, Some(set.id), reason);
        }
    }
}

fn options_template(
    body: &mut Cursor<'_>,
    session: &mut MessageReader<'_, '_>,
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
    session.define(id, TemplateKind::Options, fields, before.until(body))
}

/// Scopes have numbers of their own (RFC 3954 section 6.1). They become the elements that say the
/// same; system and cache, of which an exporter has one, none.
fn fields_of(octets: &[u8], scope: bool) -> impl Iterator<Item = Field> {
    octets.chunks_exact(4).map(move |octets| {
        let [a, b, c, d] = octets.first_chunk().copied().unwrap_or_default();
        Field {
            enterprise: 0,
            element: match (scope, u16::from_be_bytes([a, b])) {
                (false, element) => element,
                (true, SCOPE_INTERFACE) => element::INGRESS_INTERFACE,
                (true, SCOPE_LINE_CARD) => element::LINE_CARD_ID,
                (true, SCOPE_TEMPLATE) => element::TEMPLATE_ID,
                (true, _) => element::NONE,
            },
            len: u16::from_be_bytes([c, d]),
            scope,
        }
    })
}

/// Octets of a record before its addresses.
pub(super) const RECORD: usize = 41;

/// The fields of [`emit_record`], in their order.
pub(super) const FIELDS: [(u16, u16); 11] = [
    (element::INGRESS_INTERFACE, 4),
    (element::EGRESS_INTERFACE, 4),
    (element::PACKET_DELTA_COUNT, 8),
    (element::OCTET_DELTA_COUNT, 8),
    (element::FLOW_START_SYS_UP_TIME, 4),
    (element::FLOW_END_SYS_UP_TIME, 4),
    (element::SOURCE_TRANSPORT_PORT, 2),
    (element::DESTINATION_TRANSPORT_PORT, 2),
    (element::TCP_CONTROL_BITS, 2),
    (element::PROTOCOL_IDENTIFIER, 1),
    // That of IPv4; an IPv6 template names element 139 here.
    (element::ICMP_TYPE_CODE_IPV4, 2),
];

/// Writes a record up to its addresses. `first` and `last` are sysUpTime.
pub(super) fn emit_record(
    flow: &Flow,
    icmp: u16,
    [first, last]: [u32; 2],
    octets: &mut [u8; RECORD],
) {
    put(octets, 0, flow.sif.to_be_bytes());
    put(octets, 4, flow.dif.to_be_bytes());
    put(octets, 8, flow.packets.to_be_bytes());
    put(octets, 16, flow.octets.to_be_bytes());
    put(octets, 24, first.to_be_bytes());
    put(octets, 28, last.to_be_bytes());
    put(octets, 32, flow.sport.to_be_bytes());
    put(octets, 34, flow.dport.to_be_bytes());
    put(octets, 36, flow.flags.unwrap_or(0).to_be_bytes());
    put(octets, 38, [flow.proto]);
    put(octets, 39, icmp.to_be_bytes());
}

/// Scope "system" (RFC 3954 section 6.1).
const SCOPE_SYSTEM: u16 = 1;

/// How packets are picked (element 35): at random. The other one is 1, every Nth.
const RANDOM: u8 = 2;

/// Appends an options template that tells the sampling of a whole system.
pub(super) fn emit_options_template(id: u16, out: &mut Vec<u8>) {
    // One scope and two options, by their octets here.
    for number in [id, 4, 8, SCOPE_SYSTEM, 4] {
        out.extend_from_slice(&number.to_be_bytes());
    }
    for number in [element::SAMPLING_INTERVAL, 4, element::SAMPLING_ALGORITHM, 1] {
        out.extend_from_slice(&number.to_be_bytes());
    }
}

/// Appends a record of it.
pub(super) fn emit_options(system: u32, interval: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(&system.to_be_bytes());
    out.extend_from_slice(&interval.to_be_bytes());
    out.push(RANDOM);
}
