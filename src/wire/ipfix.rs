//! IPFIX (RFC 7011): messages of sets, whose templates say what the records hold.

use super::cursor::Cursor;
use super::element;
use super::error::Reason;
use super::session::MessageReader;
use super::set::{DATA, Set, put};
use super::template::{Field, TemplateKind};
use crate::flow::Flow;
use crate::time::Timestamp;

/// Set id of templates.
pub(super) const TEMPLATES: u16 = 2;
/// Set id of options templates.
pub(super) const OPTIONS: u16 = 3;

/// Octets of the header.
pub(super) const HEADER: usize = 16;

/// Messages in one datagram at most. Exporters put a few there; a forger would put thousands, each
/// of a domain of its own, and push out every other domain with one datagram.
pub(super) const MESSAGES: usize = 64;

/// In an element's number: an enterprise number of four octets follows (RFC 7011 section 3.2).
const ENTERPRISE: u16 = 0x8000;

/// The header without its version (RFC 7011 section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Octets of the message, the header included.
    pub len: u16,
    /// Export time in seconds.
    pub secs: u32,
    /// Data records before this message, modulo 2^32.
    pub sequence: u32,
    /// Observation domain.
    pub domain: u32,
}

impl Header {
    /// Reads a header.
    ///
    /// # Errors
    /// Fewer than [`HEADER`] octets.
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
    pub fn emit(&self, octets: &mut [u8; HEADER]) {
        let [v0, v1] = 10u16.to_be_bytes();
        let [l0, l1] = self.len.to_be_bytes();
        let [t0, t1, t2, t3] = self.secs.to_be_bytes();
        let [n0, n1, n2, n3] = self.sequence.to_be_bytes();
        let [d0, d1, d2, d3] = self.domain.to_be_bytes();
        *octets = [v0, v1, l0, l1, t0, t1, t2, t3, n0, n1, n2, n3, d0, d1, d2, d3];
    }

    /// Export time.
    pub const fn export(&self) -> Timestamp {
        Timestamp::from_secs(self.secs as u64)
    }
}

/// Reads the sets after the header of message `n`. Returns what follows in the datagram, if that
/// begins another message: some exporters put several into one.
pub(super) fn message<'a>(
    n: usize,
    header: &Header,
    mut cursor: Cursor<'a>,
    session: &mut MessageReader<'_, '_>,
) -> Option<Cursor<'a>> {
    let at = cursor.at() - HEADER;
    let held = cursor.left();
    let stated = usize::from(header.len).checked_sub(HEADER);
    let Some(len) = stated.filter(|&len| len <= held) else {
        let reason = Reason::MessageLength { stated: header.len, held: held + HEADER };
        session.fault(at, None, reason);
        sets(cursor, session);
        return None;
    };
    sets(Cursor::new(cursor.rest().get(..len).unwrap_or_default(), cursor.at()), session);
    cursor.skip(len);
    if cursor.is_padding() {
        return None;
    }
    if n + 1 < MESSAGES && cursor.left() >= HEADER && cursor.rest().starts_with(&[0, 10]) {
        return Some(cursor);
    }
    session.fault(cursor.at(), None, Reason::Trailing { left: cursor.left() });
    None
}

fn sets(mut cursor: Cursor<'_>, session: &mut MessageReader<'_, '_>) {
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
            TEMPLATES => templates(&set, TemplateKind::Data, session),
            OPTIONS => templates(&set, TemplateKind::Options, session),
            DATA.. => session.data(&set),
            _ => session.fault(set.at, Some(set.id), Reason::SetId),
        }
    }
}

/// Reads template records up to padding or to the first that is wrong.
fn templates(set: &Set<'_>, kind: TemplateKind, session: &mut MessageReader<'_, '_>) {
    let mut body = set.body;
    while body.left() >= 4 && !body.is_padding() {
        let at = body.at();
        if let Err(reason) = template(&mut body, set.id, kind, session) {
            return session.fault(at, Some(set.id), reason);
        }
    }
}

/// Reads a template (RFC 7011 section 3.4.1), options template (3.4.2.2) or withdrawal (8.1: no
/// fields; the set's own id withdraws all of the kind).
fn template(
    body: &mut Cursor<'_>,
    set: u16,
    kind: TemplateKind,
    session: &mut MessageReader<'_, '_>,
) -> Result<(), Reason> {
    let before = *body;
    let (id, count) = (body.u16("template")?, body.u16("template")?);
    if count == 0 && id == set {
        session.withdraw_all(kind);
        return Ok(());
    }
    if id < DATA {
        return Err(Reason::TemplateId { found: id });
    }
    if count == 0 {
        session.withdraw(id);
        return Ok(());
    }
    let scopes = match kind {
        TemplateKind::Data => 0,
        TemplateKind::Options => body.u16("options template")?,
    };
    let mut fields = *body;
    for _ in 0..count {
        field(body)?;
    }
    let fields = (0..count).map_while(|n| {
        let (enterprise, element, len) = field(&mut fields).ok()?;
        Some(Field { enterprise, element, len, scope: n < scopes })
    });
    session.define(id, kind, fields, before.until(body))
}

/// Reads a field specifier (RFC 7011 section 3.2): enterprise, element, length.
fn field(body: &mut Cursor<'_>) -> Result<(u32, u16, u16), Reason> {
    let (element, len) = (body.u16("field")?, body.u16("field")?);
    let enterprise = match element & ENTERPRISE {
        0 => 0,
        _ => body.u32("enterprise")?,
    };
    Ok((enterprise, element & !ENTERPRISE, len))
}

/// Octets of a record before its addresses.
pub(super) const RECORD: usize = 49;

/// The fields of [`emit_record`], in their order.
pub(super) const FIELDS: [(u16, u16); 11] = [
    (element::INGRESS_INTERFACE, 4),
    (element::EGRESS_INTERFACE, 4),
    (element::PACKET_DELTA_COUNT, 8),
    (element::OCTET_DELTA_COUNT, 8),
    (element::FLOW_START_MILLISECONDS, 8),
    (element::FLOW_END_MILLISECONDS, 8),
    (element::SOURCE_TRANSPORT_PORT, 2),
    (element::DESTINATION_TRANSPORT_PORT, 2),
    (element::TCP_CONTROL_BITS, 2),
    (element::PROTOCOL_IDENTIFIER, 1),
    // That of IPv4; an IPv6 template names element 139 here.
    (element::ICMP_TYPE_CODE_IPV4, 2),
];

/// Writes a record up to its addresses. `first` and `last` are milliseconds since the epoch.
pub(super) fn emit_record(
    flow: &Flow,
    icmp: u16,
    [first, last]: [u64; 2],
    octets: &mut [u8; RECORD],
) {
    put(octets, 0, flow.sif.to_be_bytes());
    put(octets, 4, flow.dif.to_be_bytes());
    put(octets, 8, flow.packets.to_be_bytes());
    put(octets, 16, flow.octets.to_be_bytes());
    put(octets, 24, first.to_be_bytes());
    put(octets, 32, last.to_be_bytes());
    put(octets, 40, flow.sport.to_be_bytes());
    put(octets, 42, flow.dport.to_be_bytes());
    put(octets, 44, flow.flags.unwrap_or(0).to_be_bytes());
    put(octets, 46, [flow.proto]);
    put(octets, 47, icmp.to_be_bytes());
}

/// How packets are picked (element 304): by count, so many and then a space (RFC 5477 section 8.2).
const BY_COUNT: u16 = 1;

/// Appends an options template that tells the sampling of a whole observation domain.
pub(super) fn emit_options_template(id: u16, out: &mut Vec<u8>) {
    // Four fields, the first of which is the scope.
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

/// Appends a record of it: one packet, and the space up to the next.
pub(super) fn emit_options(domain: u32, interval: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(&domain.to_be_bytes());
    out.extend_from_slice(&BY_COUNT.to_be_bytes());
    out.extend_from_slice(&1u32.to_be_bytes());
    out.extend_from_slice(&interval.saturating_sub(1).to_be_bytes());
}
