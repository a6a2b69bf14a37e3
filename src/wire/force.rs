//! What is in force, packed into datagrams again: a capture file that begins with them can be decoded
//! alone.

use super::exporter::DATAGRAM;
use super::exporter::sets::{Head, Protocol};
use super::sequence::{Unit, Way};
use super::session::State;
use super::template::Kind;
use super::{Domain, Version, set};
use crate::time::Timestamp;

/// The datagrams that define a domain's templates and tell its options; none of a protocol without
/// templates. A template whose definition was not kept is left out.
pub(super) fn datagrams(domain: &Domain, state: &State, now: Timestamp) -> Vec<Vec<u8>> {
    let (protocol, unit) = match domain.version {
        Version::V1 | Version::V5 | Version::V7 | Version::Sflow => return Vec::new(),
        Version::V9 => (Protocol::V9, Unit::Datagrams),
        Version::Ipfix => (Protocol::Ipfix, Unit::Records),
    };
    let mut packing = Packing { protocol, full: Vec::new(), open: Datagram::new(protocol) };
    let [data, options] = protocol.ids();
    for template in state.templates.in_order() {
        let id = match template.kind() {
            Kind::Data => data,
            Kind::Options => options,
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
    let learnt = || state.learnt.map(|next| (Way::by_the_book(unit), next));
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
fn uptime(state: &State, now: Timestamp) -> u32 {
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

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use proptest::prelude::*;

    use super::super::{Batch, Decoder, Limits};
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_000_000_000);

    fn exporter(octet: u8) -> IpAddr {
        [192, 0, 2, octet].into()
    }

    fn keeping() -> Decoder {
        Decoder::new(Limits { restated: 1 << 20, ..Limits::default() })
    }

    fn in_force(decoder: &Decoder) -> Vec<(IpAddr, Vec<u8>)> {
        decoder.in_force(NOW).collect()
    }

    /// A v9 or IPFIX datagram of these sets, from domain 3.
    fn datagram(version: u8, sets: &[u8]) -> Vec<u8> {
        let [high, low] = (16 + sets.len() as u16).to_be_bytes();
        let header: &[u8] = match version {
            9 => &[0, 9, 0, 1, 0, 0, 0, 9, 0, 0, 0, 8, 0, 0, 0, 7, 0, 0, 0, 3],
            _ => &[0, 10, high, low, 0, 0, 0, 8, 0, 0, 0, 7, 0, 0, 0, 3],
        };
        [header, sets].concat()
    }

    #[test]
    fn literal_octets() {
        let template = [0, 0, 0, 20, 1, 1, 0, 3, 0, 8, 0, 4, 0, 12, 0, 4, 0, 2, 0, 1];
        let options = [0, 1, 0, 20, 1, 0, 0, 4, 0, 4, 0, 1, 0, 4, 0, 34, 0, 4, 0, 0];
        let other = [0, 0, 0, 12, 1, 2, 0, 1, 0, 8, 0, 4];
        let mut decoder = keeping();
        let mut batch = Batch::default();
        let all = datagram(9, &[&options[..], &other, &template].concat());
        decoder.watch(exporter(1), NOW, &all, &mut batch);
        decoder.watch(exporter(1), NOW, &[0, 5], &mut batch);
        #[rustfmt::skip]
        let expected = [
            0, 9, 0, 3, 0xd4, 0xa4, 0xf0, 0xc9, 0x3b, 0x9a, 0xca, 0, 0, 0, 0, 7, 0, 0, 0, 3,
            0, 0, 0, 28, 1, 1, 0, 3, 0, 8, 0, 4, 0, 12, 0, 4, 0, 2, 0, 1, 1, 2, 0, 1, 0, 8, 0, 4,
            0, 1, 0, 20, 1, 0, 0, 4, 0, 4, 0, 1, 0, 4, 0, 34, 0, 4, 0, 0,
        ];
        assert_eq!(in_force(&decoder), [(exporter(1), expected.to_vec())]);

        let mut decoder = Decoder::new(Limits::default());
        decoder.watch(exporter(1), NOW, &all, &mut batch);
        assert_eq!(in_force(&decoder), []);
    }

    #[test]
    fn withdrawn_and_redefined_ones_are_gone() {
        let define = [0, 2, 0, 20, 1, 0, 0, 1, 0, 8, 0, 4, 1, 1, 0, 1, 0, 12, 0, 4];
        let withdraw = [0, 2, 0, 8, 1, 0, 0, 0];
        let redefine = [0, 2, 0, 16, 1, 1, 0, 2, 0, 12, 0, 4, 0, 8, 0, 4];
        let mut decoder = keeping();
        let mut batch = Batch::default();
        let sets = [&define[..], &withdraw, &redefine].concat();
        decoder.watch(exporter(1), NOW, &datagram(10, &sets), &mut batch);
        let [(_, octets)] = &in_force(&decoder)[..] else { panic!("one datagram") };
        assert_eq!(octets[..4], [0, 10, 0, 32]);
        assert_eq!(octets[16..], redefine);
    }

    #[test]
    fn definitions_are_bounded_by_the_longest_silent() {
        let limits = Limits { restated: 40, ..Limits::default() };
        let mut decoder = Decoder::new(limits);
        let mut batch = Batch::default();
        let define = [0, 0, 0, 20, 1, 1, 0, 3, 0, 8, 0, 4, 0, 12, 0, 4, 0, 2, 0, 1];
        for (octet, secs) in [(1, 5), (2, 6), (1, 7), (3, 8)] {
            let arrival = Timestamp::from_secs(secs);
            decoder.watch(exporter(octet), arrival, &datagram(9, &define), &mut batch);
        }
        let left: Vec<_> = in_force(&decoder).into_iter().map(|(exporter, _)| exporter).collect();
        assert_eq!(left, [exporter(1), exporter(3)]);
    }

    #[test]
    fn datagrams_are_split_between_templates() {
        let mut decoder = keeping();
        let mut batch = Batch::default();
        for (id, fields) in [(0, 3), (1, 300), (2, 500), (3, 4), (4, 250), (5, 100), (6, 1)] {
            let mut record = vec![1, id];
            record.extend_from_slice(&(fields as u16).to_be_bytes());
            (0..fields).for_each(|_| record.extend_from_slice(&[0, 8, 0, 4]));
            let len = (record.len() as u16 + 4).to_be_bytes();
            let set = [&[0, 2], &len[..], &record].concat();
            decoder.watch(exporter(1), NOW, &datagram(10, &set), &mut batch);
        }
        let lens: Vec<_> = in_force(&decoder).iter().map(|(_, octets)| octets.len()).collect();
        // The first two fill one, the largest is too large for any.
        let record = |fields: usize| 4 + 4 * fields;
        let head = 16 + 4;
        assert_eq!(
            lens,
            [
                head + record(3) + record(300),
                head + record(500),
                head + record(4) + record(250),
                head + record(100) + record(1)
            ]
        );
    }

    /// A set of templates or options templates, right or with an odd number in it.
    fn set(version: u8) -> impl Strategy<Value = Vec<u8>> {
        let field = (1..400u16, prop_oneof![Just(4u16), Just(65535), 0..9u16], any::<bool>());
        let record = (250..262u16, prop::collection::vec(field, 0..30), 0..3u16);
        (any::<bool>(), prop::collection::vec(record, 1..12), 0..3usize).prop_map(
            move |(options, records, padding)| {
                let mut out = Vec::new();
                let id = u16::from(options) + if version == 9 { 0 } else { 2 };
                out.extend_from_slice(&id.to_be_bytes());
                out.extend_from_slice(&[0, 0]);
                for (id, fields, scopes) in records {
                    let count = fields.len() as u16;
                    let head = match (version, options) {
                        (9, true) => {
                            let scopes = scopes.min(count);
                            vec![id, scopes * 4, (count - scopes) * 4]
                        }
                        (_, true) => vec![id, count, scopes],
                        (_, false) => vec![id, count],
                    };
                    head.iter().for_each(|n| out.extend_from_slice(&n.to_be_bytes()));
                    for (element, len, enterprise) in fields {
                        let own = enterprise && version == 10;
                        let element = element | if own { 0x8000 } else { 0 };
                        out.extend_from_slice(&element.to_be_bytes());
                        out.extend_from_slice(&len.to_be_bytes());
                        if own {
                            out.extend_from_slice(&[0, 0, 0x72, 0x79]);
                        }
                    }
                }
                out.resize(out.len() + padding, 0);
                let len = (out.len() as u16).to_be_bytes();
                out[2..4].copy_from_slice(&len);
                out
            },
        )
    }

    fn sent() -> impl Strategy<Value = (u8, Vec<u8>)> {
        prop_oneof![Just(9u8), Just(10u8)].prop_flat_map(|version| {
            let sets = prop::collection::vec(set(version), 1..4);
            (1..3u8, sets.prop_map(move |sets| datagram(version, &sets.concat())))
        })
    }

    proptest! {
        #[test]
        fn who_learns_them_knows_the_same(
            sent in prop::collection::vec(sent(), 1..8),
            data in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let mut batch = Batch::default();
            let (mut first, mut second) = (keeping(), keeping());
            for (octet, datagram) in &sent {
                first.watch(exporter(*octet), NOW, datagram, &mut batch);
            }
            batch.clear();
            for (exporter, datagram) in first.in_force(NOW) {
                prop_assert!(datagram.len() <= DATAGRAM);
                second.learn(exporter, &datagram, &mut batch);
            }
            prop_assert!(batch.errors.is_empty(), "{:?}", batch.errors);
            prop_assert_eq!(in_force(&first), in_force(&second));
            // Data of every template means the same to both.
            let mut sets = Vec::new();
            for id in 256..262u16 {
                sets.extend_from_slice(&id.to_be_bytes());
                sets.extend_from_slice(&(4 + data.len() as u16).to_be_bytes());
                sets.extend_from_slice(&data);
            }
            let mut read = [Batch::default(), Batch::default()];
            for version in [9, 10] {
                let datagram = datagram(version, &sets);
                first.datagram(exporter(1), NOW, &datagram, &mut read[0]);
                second.datagram(exporter(1), NOW, &datagram, &mut read[1]);
            }
            prop_assert_eq!(&read[0].flows, &read[1].flows);
            prop_assert_eq!(&read[0].errors, &read[1].errors);
        }
    }
}
