//! What is in force, packed into datagrams again: a capture file that begins with them can be decoded
//! alone.

use super::exporter::DATAGRAM;
use super::exporter::sets::{Head, Protocol};
use super::sequence::{Numbering, Unit};
use super::session::DomainState;
use super::template::TemplateKind;
use super::{Domain, Version, set};
use crate::time::Timestamp;

#[cfg(test)]
mod tests;

/// The datagrams that define a domain's templates and tell its options; none of a protocol without
/// templates. A template whose definition was not kept is left out.
pub(super) fn datagrams(domain: &Domain, state: &DomainState, now: Timestamp) -> Vec<Vec<u8>> {
    let (protocol, unit) = match domain.version {
        Version::V1 | Version::V5 | Version::V7 | Version::Sflow => return Vec::new(),
        Version::V9 => (Protocol::V9, Unit::Datagrams),
        Version::Ipfix => (Protocol::Ipfix, Unit::Records),
    };
    let mut packing = Packing { protocol, full: Vec::new(), open: Datagram::new(protocol) };
    let [data, options] = protocol.ids();
    for template in state.templates.in_order() {
        let id = match template.kind() {
            TemplateKind::Data => data,
            TemplateKind::Options => options,
        };
        // Nothing so short as padding defines a template.
        packing.add(Set { id, shortest: 4, is_data: false }, template.definition());
    }
    for (template, record) in state.templates.records() {
        let shortest = template.shortest().into();
        packing.add(Set { id: template.id(), shortest, is_data: true }, record);
    }
    let datagrams = packing.end();
    let options: Vec<u32> = datagrams.iter().map(|datagram| datagram.options.into()).collect();
    let heard = state.sequence.as_ref().and_then(|sequence| sequence.next());
    let learnt = || state.learnt.map(|next| (Numbering::by_the_book(unit), next));
    let numbers = match heard.or_else(learnt) {
        Some((way, next)) => way.before(next, &options),
        None => vec![0; datagrams.len()],
    };
    let secs = u32::try_from(now.secs()).unwrap_or(u32::MAX);
    let uptime = uptime(state, now);
    let close = |(datagram, sequence): (Datagram, u32)| {
        let Datagram { mut octets, count, .. } = datagram;
        let head = Head { uptime, secs, sequence, domain: domain.id, count };
        protocol.finish(&head, &mut octets);
        octets
    };
    datagrams.into_iter().zip(numbers).map(close).collect()
}

/// sysUpTime at `now`, which wraps: the exporter started when its last header says.
fn uptime(state: &DomainState, now: Timestamp) -> u32 {
    let Some((uptime, export)) = state.uptime else { return 0 };
    let millis = |secs: u64| (secs as u32).wrapping_mul(1000);
    uptime.wrapping_add(millis(now.secs())).wrapping_sub(millis(export.secs()))
}

/// A set that records go into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Set {
    id: u16,
    /// Octets of its shortest record: as many zeros at its end would be one.
    shortest: usize,
    /// It is one of options data.
    is_data: bool,
}

/// A datagram under way, its header still zeros.
struct Datagram {
    octets: Vec<u8>,
    /// Where the set under way began, and which it is.
    set: Option<(usize, Set)>,
    /// Records in it, and those of them that are options data.
    count: u16,
    options: u16,
}

impl Datagram {
    fn new(protocol: Protocol) -> Datagram {
        Datagram { octets: vec![0; protocol.header()], set: None, count: 0, options: 0 }
    }

    fn add(&mut self, set: Set, record: &[u8]) {
        if self.set.is_none_or(|(_, open)| open != set) {
            self.end_set();
            self.set = Some((set::begin(&mut self.octets, set.id), set));
        }
        self.octets.extend_from_slice(record);
        self.count = self.count.saturating_add(1);
        self.options = self.options.saturating_add(set.is_data.into());
    }

    /// Pads the set under way to four octets, unless that could be taken for a record or would make
    /// the datagram too large.
    fn end_set(&mut self) {
        let Some((at, set)) = self.set.take() else { return };
        let padding = (self.octets.len() - at).next_multiple_of(4) - (self.octets.len() - at);
        match padding < set.shortest && self.octets.len() + padding <= DATAGRAM {
            true => set::end(&mut self.octets, at),
            false => set::end_unpadded(&mut self.octets, at),
        }
    }
}

struct Packing {
    protocol: Protocol,
    full: Vec<Datagram>,
    open: Datagram,
}

impl Packing {
    fn add(&mut self, set: Set, record: &[u8]) {
        if record.is_empty() {
            return;
        }
        // A further set costs its header, and the padding of the one before and of its own.
        let most = record.len() + set::HEADER + 6;
        if self.open.count > 0 && self.open.octets.len() + most > DATAGRAM {
            self.close();
        }
        self.open.add(set, record);
    }

    fn close(&mut self) {
        let mut full = std::mem::replace(&mut self.open, Datagram::new(self.protocol));
        full.end_set();
        self.full.push(full);
    }

    fn end(mut self) -> Vec<Datagram> {
        if self.open.count > 0 {
            self.close();
        }
        self.full
    }
}
