//! The templates and options in force, packed into datagrams. A capture file that begins with them
//! can be decoded on its own.

use super::domain::{Domain, Version};
use super::exporter::origin::DATAGRAM;
use super::exporter::sets::{Head, Protocol};
use super::reader::DomainState;
use super::sequence::{Numbering, Unit};
use super::set;
use super::template::TemplateKind;
use crate::time::Timestamp;

#[cfg(test)]
mod tests;

/// Returns datagrams with the templates and options of a domain; none for a protocol without
/// templates. A template whose definition was not kept is left out.
pub(super) fn datagrams(domain: &Domain, state: &DomainState, now: Timestamp) -> Vec<Vec<u8>> {
    let (protocol, unit) = match domain.version {
        Version::V1 | Version::V5 | Version::V7 | Version::Sflow => return Vec::new(),
        Version::V9 => (Protocol::V9, Unit::Datagrams),
        Version::Ipfix => (Protocol::Ipfix, Unit::Records),
    };
    let mut packer = Packer { protocol, full: Vec::new(), open: Datagram::new(protocol) };
    let [data, options] = protocol.ids();
    for template in state.templates.in_order() {
        let id = match template.kind() {
            TemplateKind::Data => data,
            TemplateKind::Options => options,
        };
        // A template record has at least four bytes, more than padding.
        packer.add(Set { id, shortest: 4, is_data: false }, template.definition());
    }
    for (template, record) in state.templates.records() {
        let shortest = template.shortest().into();
        packer.add(Set { id: template.id(), shortest, is_data: true }, record);
    }
    let datagrams = packer.finish();
    let options: Vec<u32> = datagrams.iter().map(|datagram| datagram.options.into()).collect();
    let received = state.sequence.as_ref().and_then(|sequence| sequence.next());
    let learnt = || state.learnt.map(|next| (Numbering::by_specification(unit), next));
    let numbers = match received.or_else(learnt) {
        Some((numbering, next)) => numbering.before(next, &options),
        None => vec![0; datagrams.len()],
    };
    let secs = u32::try_from(now.secs()).unwrap_or(u32::MAX);
    let uptime = uptime(state, now);
    let close = |(datagram, sequence): (Datagram, u32)| {
        let Datagram { mut bytes, count, .. } = datagram;
        let head = Head { uptime, secs, sequence, domain: domain.id, count };
        protocol.finish(&head, &mut bytes);
        bytes
    };
    datagrams.into_iter().zip(numbers).map(close).collect()
}

/// Returns sysUpTime at `now`, which wraps. The start of the exporter follows from its last header.
fn uptime(state: &DomainState, now: Timestamp) -> u32 {
    let Some((uptime, export)) = state.uptime else { return 0 };
    let millis = |secs: u64| (secs as u32).wrapping_mul(1000);
    uptime.wrapping_add(millis(now.secs())).wrapping_sub(millis(export.secs()))
}

/// The set that a record belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Set {
    id: u16,
    /// Bytes of its shortest record. A reader would take as many zeros at the end for a record.
    shortest: usize,
    /// The set holds options data.
    is_data: bool,
}

/// An open datagram, whose header is still zero.
struct Datagram {
    bytes: Vec<u8>,
    /// Offset of the open set, and the set.
    set: Option<(usize, Set)>,
    /// Number of records.
    count: u16,
    /// Number of options data records among them.
    options: u16,
}

impl Datagram {
    fn new(protocol: Protocol) -> Datagram {
        Datagram { bytes: vec![0; protocol.header()], set: None, count: 0, options: 0 }
    }

    fn add(&mut self, set: Set, record: &[u8]) {
        if self.set.is_none_or(|(_, open)| open != set) {
            self.end_set();
            self.set = Some((set::begin(&mut self.bytes, set.id), set));
        }
        self.bytes.extend_from_slice(record);
        self.count = self.count.saturating_add(1);
        self.options = self.options.saturating_add(set.is_data.into());
    }

    /// Pads the open set to a multiple of four bytes, unless the padding could be read as a record or
    /// would make the datagram too large.
    fn end_set(&mut self) {
        let Some((at, set)) = self.set.take() else { return };
        let padding = (self.bytes.len() - at).next_multiple_of(4) - (self.bytes.len() - at);
        if padding < set.shortest && self.bytes.len() + padding <= DATAGRAM {
            set::end(&mut self.bytes, at);
        } else {
            set::end_unpadded(&mut self.bytes, at);
        }
    }
}

struct Packer {
    protocol: Protocol,
    full: Vec<Datagram>,
    open: Datagram,
}

impl Packer {
    fn add(&mut self, set: Set, record: &[u8]) {
        if record.is_empty() {
            return;
        }
        // Another set costs its header, and up to 3 bytes of padding for itself and for the one
        // before.
        let most = record.len() + set::HEADER + 6;
        if self.open.count > 0 && self.open.bytes.len() + most > DATAGRAM {
            self.close();
        }
        self.open.add(set, record);
    }

    fn close(&mut self) {
        let mut full = std::mem::replace(&mut self.open, Datagram::new(self.protocol));
        full.end_set();
        self.full.push(full);
    }

    fn finish(mut self) -> Vec<Datagram> {
        if self.open.count > 0 {
            self.close();
        }
        self.full
    }
}
