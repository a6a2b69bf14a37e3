use super::*;
use crate::packet::MAX_LEN;
use proptest::prelude::*;

/// Returns a fragment from 192.0.2.`host` to 192.0.2.9.
fn fragment(host: u8, id: u32, offset: usize, more: bool, data: &[u8]) -> Fragment<'_> {
    Fragment {
        source: IpAddr::from([192, 0, 2, host]),
        destination: IpAddr::from([192, 0, 2, 9]),
        identification: id,
        first: 17,
        offset: offset as u16,
        more,
        data,
    }
}

/// The fragments of a test, and their counters.
#[derive(Default)]
struct Table {
    fragments: Fragments,
    skipped: Skipped,
}

impl Table {
    /// Adds a fragment. Returns its datagram if that is whole now.
    fn add(&mut self, seconds: u64, fragment: &Fragment<'_>) -> Option<(Vec<u8>, Whole)> {
        let at = Timestamp::from_secs(seconds);
        let whole = self.fragments.add(at, fragment, &mut self.skipped);
        self.check();
        whole.map(|whole| (self.fragments.whole().to_vec(), whole))
    }

    /// Adds a fragment to one datagram of 192.0.2.1. Returns the datagram's bytes if it is whole now.
    fn one(&mut self, offset: usize, more: bool, data: &[u8]) -> Option<Vec<u8>> {
        self.add(0, &fragment(1, 7, offset, more, data)).map(|(bytes, _)| bytes)
    }

    /// Checks the bounds and the sums.
    fn check(&self) {
        let Fragments { datagrams, order, bytes, .. } = &self.fragments;
        assert_eq!(datagrams.len(), order.len());
        assert!(datagrams.len() <= MAX_DATAGRAMS && *bytes <= MAX_BYTES);
        if datagrams.len() < 8 {
            assert_eq!(datagrams.values().map(|it| it.bytes.len()).sum::<usize>(), *bytes);
            assert!(datagrams.values().all(|it| it.pieces.len() <= MAX_PIECES));
        }
    }

    fn left(mut self) -> Skipped {
        self.fragments.clear(&mut self.skipped);
        self.check();
        assert!(self.fragments.datagrams.is_empty());
        self.skipped
    }
}

#[test]
fn pieces_may_arrive_in_any_order() {
    let pieces = [(0, true, &b"abcdefgh"[..]), (8, true, b"ijklmnop"), (16, false, b"qrs")];
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let mut table = Table::default();
        let add = |piece: usize| {
            let (offset, more, data) = pieces[piece];
            table.one(offset, more, data)
        };
        let whole = Some(b"abcdefghijklmnopqrs".to_vec());
        assert_eq!(order.map(add), [None, None, whole]);
        assert_eq!(table.left(), Skipped::default());
    }
}

#[test]
fn duplicates_are_ignored() {
    let mut table = Table::default();
    for _ in 0..3 {
        assert_eq!(table.one(8, false, b"ijk"), None);
    }
    let (bytes, whole) = table.add(0, &fragment(1, 7, 0, true, b"abcdefgh")).unwrap();
    assert_eq!(bytes, b"abcdefghijk");
    assert_eq!((whole.first, whole.packets), (17, 4));
    // A later duplicate begins a datagram that never becomes whole.
    assert_eq!(table.one(8, false, b"ijk"), None);
    assert_eq!(table.left(), Skipped { fragments: 1, ..Skipped::default() });
}

#[test]
fn fragments_are_joined_by_addresses_and_identification() {
    let mut table = Table::default();
    assert_eq!(table.add(0, &fragment(1, 7, 0, true, b"abcdefgh")), None);
    assert_eq!(table.add(0, &fragment(2, 7, 0, true, b"bcdefghi")), None);
    assert_eq!(table.add(0, &fragment(1, 8, 0, true, b"cdefghij")), None);
    let elsewhere = Fragment {
        destination: IpAddr::from([192, 0, 2, 10]),
        ..fragment(1, 7, 0, true, b"defghijk")
    };
    assert_eq!(table.add(0, &elsewhere), None);
    for (host, id, whole) in [(1, 7, b"abcdefgh."), (1, 8, b"cdefghij."), (2, 7, b"bcdefghi.")] {
        let (bytes, of) = table.add(0, &fragment(host, id, 8, false, b".")).unwrap();
        assert_eq!((&bytes[..], of.source), (&whole[..], IpAddr::from([192, 0, 2, host])));
    }
    assert_eq!(table.left(), Skipped { fragments: 1, ..Skipped::default() });
}

#[test]
fn first_piece_decides_the_type_of_the_first_header() {
    for swapped in [false, true] {
        let mut table = Table::default();
        let options = Fragment { first: 60, ..fragment(1, 7, 0, true, b"abcdefgh") };
        let mut pieces = [options, fragment(1, 7, 8, false, b"i")];
        if swapped {
            pieces.swap(0, 1);
        }
        assert_eq!(table.add(0, &pieces[0]), None);
        let (_, whole) = table.add(0, &pieces[1]).unwrap();
        assert_eq!(whole.first, 60);
    }
}

#[test]
fn overlaps_void_the_datagram() {
    let eight = b"abcdefgh";
    for (name, second) in [
        ("teardrop: inside another", (8, true, &eight[..])),
        ("from before", (0, true, b"abcdefghijklmnop")),
        ("to behind", (16, true, b"abcdefghijklmnop")),
        ("around", (0, true, b"abcdefghijklmnopabcdefghijklmnop")),
        ("the same place, other bytes", (8, true, b"abcdefgh--------")),
        ("an end inside it", (8, false, eight)),
        ("the same, but the last", (8, false, b"abcdefghijklmnop")),
    ] {
        for swapped in [false, true] {
            let mut table = Table::default();
            let mut pieces = [(8, true, &b"abcdefghijklmnop"[..]), second];
            if swapped {
                pieces.swap(0, 1);
            }
            for (offset, more, data) in pieces {
                assert_eq!(table.one(offset, more, data), None, "{name}");
            }
            let overlaps = |overlaps| Skipped { overlaps, ..Skipped::default() };
            assert_eq!(table.skipped, overlaps(2), "{name}");
            // Later fragments are void too, and their bytes are not kept.
            assert_eq!(table.one(0, true, eight), None);
            assert_eq!(table.one(24, false, eight), None);
            assert_eq!((table.skipped, table.fragments.bytes), (overlaps(4), 0), "{name}");
            assert_eq!(table.left(), overlaps(4));
        }
    }
    // Two ends, and an end in front of a piece.
    for more in [false, true] {
        for offsets in [[8, 24], [24, 8]] {
            let mut table = Table::default();
            for offset in offsets {
                assert_eq!(table.one(offset, offset == 24 && more, eight), None);
            }
            assert_eq!(table.left(), Skipped { overlaps: 2, ..Skipped::default() });
        }
    }
}

#[test]
fn age_is_measured_by_the_time_of_the_capture() {
    let first = fragment(1, 7, 0, true, b"abcdefgh");
    let last = fragment(1, 7, 8, false, b"i");
    for (between, whole) in [(0, true), (30, true), (31, false)] {
        for back in [false, true] {
            let mut table = Table::default();
            let (from, to) = if back { (1000, 1000 - between) } else { (1000, 1000 + between) };
            assert_eq!(table.add(from, &first), None);
            assert_eq!(table.add(to, &last).is_some(), whole, "{from} {to}");
            let fragments = if whole { 0 } else { 2 };
            assert_eq!(table.left(), Skipped { fragments, ..Skipped::default() });
        }
    }
    // A void datagram is forgotten as well: its identification can be used again.
    let mut table = Table::default();
    table.add(0, &first);
    table.add(0, &fragment(1, 7, 0, true, b"--------"));
    table.add(30, &last);
    table.add(31, &first);
    assert!(table.add(31, &last).is_some());
    assert_eq!(table.left(), Skipped { overlaps: 3, ..Skipped::default() });
    // Any fragment causes old datagrams to be given up.
    let mut table = Table::default();
    table.add(0, &first);
    table.add(31, &fragment(2, 9, 0, true, b"abcdefgh"));
    assert_eq!(table.skipped, Skipped { fragments: 1, ..Skipped::default() });
    assert_eq!(table.fragments.bytes, 8);
}

#[test]
fn flood_of_first_fragments_is_bounded() {
    let mut table = Table::default();
    for id in 0..3000 {
        assert_eq!(table.add(0, &fragment(1, id, 0, true, b"abcdefgh")), None);
    }
    let evicted = 3000 - MAX_DATAGRAMS as u64;
    assert_eq!(table.skipped, Skipped { evicted, ..Skipped::default() });
    // The latest datagrams are kept.
    assert!(table.add(0, &fragment(1, 2999, 8, false, b"i")).is_some());
    assert!(table.add(0, &fragment(1, 3000 - MAX_DATAGRAMS as u32, 8, false, b"i")).is_some());
    let fragments = MAX_DATAGRAMS as u64 - 2;
    assert_eq!(table.left(), Skipped { fragments, evicted, ..Skipped::default() });
}

#[test]
fn bytes_of_incomplete_datagrams_are_bounded() {
    let mut table = Table::default();
    let long = [0; 65_528];
    for id in 0..200 {
        assert_eq!(table.add(0, &fragment(1, id, 0, true, &long)), None);
    }
    let evicted = 200 - (MAX_BYTES / long.len()) as u64;
    assert_eq!(table.skipped, Skipped { evicted, ..Skipped::default() });
    // The oldest datagram is evicted by its own piece, which begins the datagram again.
    let mut table = Table::default();
    for id in 0..128 {
        table.add(0, &fragment(1, id, 0, true, &long));
    }
    let rest = MAX_BYTES - table.fragments.bytes;
    table.add(0, &fragment(1, 128, 0, true, &long[..rest / 8 * 8]));
    assert_eq!(table.skipped.evicted, 0);
    assert_eq!(table.add(0, &fragment(1, 0, 65_528, false, b"1234567")), None);
    assert_eq!(table.left(), Skipped { evicted: 1, fragments: 129, ..Skipped::default() });
}

#[test]
fn pieces_of_a_datagram_are_bounded() {
    let mut table = Table::default();
    for piece in 0..1000 {
        assert_eq!(table.one(piece * 8, true, b"abcdefgh"), None);
    }
    assert_eq!(table.left(), Skipped { evicted: 1000, ..Skipped::default() });
    // As many pieces as the limit allows.
    let mut table = Table::default();
    for piece in (1..MAX_PIECES).rev() {
        assert_eq!(table.one(piece * 8, piece + 1 < MAX_PIECES, b"abcdefgh"), None);
    }
    assert_eq!(table.one(0, true, b"abcdefgh").map(|whole| whole.len()), Some(MAX_PIECES * 8));
}

/// The reference implementation: it keeps all fragments, and compares each with all others.
#[derive(Default)]
struct Reference {
    held: Vec<(usize, bool, Vec<u8>)>,
    void: bool,
}

impl Reference {
    fn add(&mut self, offset: usize, more: bool, data: &[u8]) -> Option<Vec<u8>> {
        self.held.push((offset, more, data.to_vec()));
        for one in &self.held {
            for other in &self.held {
                let end = one.0 + one.2.len();
                let apart = end <= other.0 || other.0 + other.2.len() <= one.0;
                let beyond = !one.1 && other.0 + other.2.len() > end;
                self.void |= (one != other && !apart) || beyond;
            }
        }
        let (last, ..) = self.held.iter().map(|it| (it.0 + it.2.len(), it.1)).find(|it| !it.1)?;
        let mut whole = vec![None; last];
        for (offset, _, data) in self.held.iter().filter(|_| !self.void) {
            for (n, byte) in data.iter().enumerate() {
                whole[offset + n] = Some(*byte);
            }
        }
        let whole: Vec<u8> = whole.into_iter().collect::<Option<_>>()?;
        self.held.clear();
        Some(whole)
    }
}

proptest! {
    #[test]
    fn random_pieces_make_their_datagram(
        data in prop::collection::vec(any::<u8>(), 2..3000),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
        order in prop::collection::vec(any::<u32>(), 90),
        twice in prop::collection::vec(any::<bool>(), 45),
    ) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(data.len()) / 8 * 8).collect();
        cuts.extend([0, data.len()]);
        cuts.sort_unstable();
        cuts.dedup();
        let pieces = cuts.windows(2).map(|ends| (ends[0], ends[1]));
        let mut sent: Vec<_> = pieces
            .zip(twice)
            .flat_map(|(piece, twice)| std::iter::repeat_n(piece, 1 + usize::from(twice)))
            .zip(order)
            .collect();
        sent.sort_by_key(|(_, order)| *order);
        let mut table = Table::default();
        let (mut made, mut used) = (0, 0);
        for ((start, end), _) in &sent {
            let piece = fragment(1, 7, *start, *end < data.len(), &data[*start..*end]);
            if let Some((bytes, whole)) = table.add(0, &piece) {
                prop_assert_eq!(&bytes, &data);
                made += 1;
                used += whole.packets;
            }
        }
        prop_assert!(made == 1 || made == 2);
        let fragments = sent.len() as u64 - used;
        prop_assert_eq!(table.left(), Skipped { fragments, ..Skipped::default() });
    }

    #[test]
    fn any_pieces_are_judged_as_by_the_reference(
        pieces in prop::collection::vec((0_u32..3, 0_usize..6, 1_usize..20, 0_u8..9, 0_u8..12), 0..60),
    ) {
        let mut table = Table::default();
        let mut references: [Reference; 3] = Default::default();
        for (id, place, len, last, content) in pieces {
            let more = last > 0;
            let len = if more { len.next_multiple_of(8) } else { len };
            // Mostly the bytes of one datagram, so that duplicates and whole datagrams occur.
            let mut data: Vec<u8> = (0..len).map(|n| (place * 8 + n) as u8).collect();
            if content == 0 {
                data[0] ^= 1;
            }
            let expected = references[id as usize].add(place * 8, more, &data);
            let found = table.add(0, &fragment(1, id, place * 8, more, &data));
            prop_assert_eq!(found.map(|(bytes, _)| bytes), expected);
        }
        for (id, reference) in references.iter().enumerate() {
            let key = Key {
                source: IpAddr::from([192, 0, 2, 1]),
                destination: IpAddr::from([192, 0, 2, 9]),
                identification: id as u32,
            };
            let void = table.fragments.datagrams.get(&key).is_some_and(|it| it.void.is_some());
            prop_assert_eq!(void, reference.void);
        }
    }

    #[test]
    fn any_fragments_keep_the_bounds(
        fragments in prop::collection::vec(
            (0_u32..2000, any::<u16>(), any::<bool>(), 1_usize..65_535, 0_u64..40),
            0..300,
        ),
    ) {
        let data = vec![0xa5; MAX_LEN];
        let mut table = Table::default();
        let (mut sent, mut used, mut seconds) = (0, 0, 0);
        for (id, offset, more, len, after) in fragments {
            let offset = usize::from(offset & !7);
            let len = len.min(MAX_LEN - offset);
            let len = if more { len / 8 * 8 } else { len };
            if len == 0 {
                continue;
            }
            seconds += if after > 30 { after } else { 0 };
            sent += 1;
            if let Some((_, whole)) = table.add(seconds, &fragment(1, id, offset, more, &data[..len])) {
                used += whole.packets;
            }
        }
        // Every fragment is counted.
        prop_assert_eq!(table.left().total() + used, sent);
    }
}
