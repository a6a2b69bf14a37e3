//! Fragments of IP packets, put together (RFC 791 section 3.2, RFC 815, RFC 8200 section 4.5).
//!
//! An exporter whose datagrams are longer than some link on the way sends them in pieces, and a
//! capture holds the pieces. Only those of UDP come here. Overlapping pieces make the whole datagram
//! void (RFC 5722, for IPv4 too), and all that waits is bounded in number, octets, pieces and age.
//!
//! `etherparse::defrag` is not used: its pool has no bounds, as its own documentation warns, and its
//! buffer lets a later piece overwrite an earlier one.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use foldhash::fast::RandomState;

use super::packet::{Skip, Skipped};
use crate::time::Timestamp;

/// Octets of the longest IPv4 packet, and of the longest payload of IPv6. Pieces that would make
/// more (the ping of death) are not taken.
pub(super) const MAX_LEN: usize = 65_535;

/// Datagrams under way at most; the oldest goes first. It keeps a flood of first fragments, each of
/// another forged datagram, from taking the memory.
const MAX_DATAGRAMS: usize = 1024;

/// Octets under way at most, in buffers of at most twice that; the oldest datagram goes first. It keeps long fragments of datagrams
/// that never get whole from taking the memory.
const MAX_OCTETS: usize = 8 << 20;

/// Pieces of one datagram at most: 65,535 octets over links of 576 are 119. It keeps a datagram in
/// 8,192 pieces of eight octets (FragmentSmack) from taking the time to sort them in.
const MAX_PIECES: usize = 128;

/// How long the rest of a datagram may take, by the capture's time: RFC 791 says 15 s at least, RFC
/// 8200 60. In 30 s an exporter of 2184 datagrams a second comes round to the same IPv4
/// identification.
const MAX_AGE: u64 = 30_000_000_000;

/// A piece of a datagram as [`packet::fragment`](super::packet::fragment) reads it: it is not empty,
/// ends within [`MAX_LEN`], and is a multiple of eight octets if there are more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fragment<'a> {
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    pub(super) identification: u32,
    /// Type of the first header in the datagram. With IPv6 it counts where `offset` is 0 alone.
    pub(super) first: u8,
    /// Octets of the datagram before this piece.
    pub(super) offset: u16,
    pub(super) more: bool,
    pub(super) data: &'a [u8],
}

/// What belongs together. The protocol is no part of it: all are UDP's, and RFC 8200 lets it differ
/// between fragments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    source: IpAddr,
    destination: IpAddr,
    identification: u32,
}

/// Where in a datagram a piece lies, and where in [`Datagram::octets`].
#[derive(Clone, Copy, Debug)]
struct Piece {
    start: usize,
    end: usize,
    at: usize,
}

/// A datagram under way.
#[derive(Debug)]
struct Datagram {
    /// Its place in [`Fragments::order`].
    number: u64,
    /// Arrival of the fragment that came first.
    begun: Timestamp,
    /// Fragments that no [`Skipped`] counts yet, duplicates among them.
    packets: u64,
    /// Why it is void: those of its fragments that still come are counted so (RFC 5722).
    void: Option<Skip>,
    first: u8,
    /// Its length, once the last fragment came.
    end: Option<usize>,
    /// In the order of the datagram, without overlap.
    pieces: Vec<Piece>,
    /// The pieces' data, in the order of arrival.
    octets: Vec<u8>,
}

/// Datagrams under way. Without fragments it costs nothing: it is asked about fragments alone.
#[derive(Debug, Default)]
pub(super) struct Fragments {
    datagrams: HashMap<Key, Datagram, RandomState>,
    /// The same datagrams by age: numbers rise in the order in which they began.
    order: BTreeMap<u64, Key>,
    next: u64,
    /// Octets in all datagrams.
    octets: usize,
    /// The datagram that last got whole.
    whole: Vec<u8>,
}

/// A datagram that has got whole.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Whole {
    pub(super) source: IpAddr,
    /// Type of the first header in it.
    pub(super) first: u8,
    /// Fragments it came in.
    pub(super) packets: u64,
}

impl Fragments {
    /// Takes a fragment that arrived at `at`. If that makes its datagram whole, [`whole`] has it.
    ///
    /// Exact duplicates are passed over. What is given up is counted in `skipped`.
    ///
    /// [`whole`]: Fragments::whole
    pub(super) fn add(
        &mut self,
        at: Timestamp,
        fragment: &Fragment<'_>,
        skipped: &mut Skipped,
    ) -> Option<Whole> {
        let Fragment { source, destination, identification, .. } = *fragment;
        let key = Key { source, destination, identification };
        // After a clock was set back, the age of what came before is not known: it counts as old.
        let old = |begun: Timestamp| begun.nanos().abs_diff(at.nanos()) > MAX_AGE;
        while self.oldest().is_some_and(|oldest| old(oldest.begun)) {
            self.drop_oldest(Skip::Fragment, skipped);
        }
        if self.datagrams.get(&key).is_some_and(|datagram| old(datagram.begun)) {
            self.drop(&key, Skip::Fragment, skipped);
        }
        while self.octets + fragment.data.len() > MAX_OCTETS && !self.order.is_empty() {
            self.drop_oldest(Skip::Evicted, skipped);
        }
        if self.datagrams.len() >= MAX_DATAGRAMS && !self.datagrams.contains_key(&key) {
            self.drop_oldest(Skip::Evicted, skipped);
        }
        let datagram = self.datagrams.entry(key).or_insert_with(|| {
            let number = self.next;
            self.next += 1;
            self.order.insert(number, key);
            Datagram::new(number, at, fragment.first)
        });
        let before = datagram.octets.len();
        datagram.add(fragment, skipped);
        self.octets = self.octets - before + datagram.octets.len();
        if !datagram.is_whole() {
            return None;
        }
        let datagram = self.remove(&key)?;
        datagram.copy(&mut self.whole);
        Some(Whole { source, first: datagram.first, packets: datagram.packets })
    }

    /// The octets of the datagram that last got whole, behind the IP headers.
    pub(super) fn whole(&self) -> &[u8] {
        &self.whole
    }

    /// Gives up all datagrams under way.
    pub(super) fn clear(&mut self, skipped: &mut Skipped) {
        while !self.order.is_empty() {
            self.drop_oldest(Skip::Fragment, skipped);
        }
    }

    fn oldest(&self) -> Option<&Datagram> {
        let (_, key) = self.order.first_key_value()?;
        self.datagrams.get(key)
    }

    fn drop_oldest(&mut self, skip: Skip, skipped: &mut Skipped) {
        if let Some((_, key)) = self.order.pop_first() {
            self.drop(&key, skip, skipped);
        }
    }

    fn drop(&mut self, key: &Key, skip: Skip, skipped: &mut Skipped) {
        if let Some(datagram) = self.remove(key) {
            skipped.count(skip, datagram.packets);
        }
    }

    fn remove(&mut self, key: &Key) -> Option<Datagram> {
        let datagram = self.datagrams.remove(key)?;
        self.order.remove(&datagram.number);
        self.octets -= datagram.octets.len();
        Some(datagram)
    }
}

impl Datagram {
    fn new(number: u64, begun: Timestamp, first: u8) -> Datagram {
        let (pieces, octets) = (Vec::new(), Vec::new());
        Datagram { number, begun, packets: 0, void: None, first, end: None, pieces, octets }
    }

    fn add(&mut self, fragment: &Fragment<'_>, skipped: &mut Skipped) {
        if let Some(void) = self.void {
            return skipped.count(void, 1);
        }
        self.packets += 1;
        if let Err(void) = self.insert(fragment) {
            skipped.count(void, self.packets);
            self.void = Some(void);
            self.packets = 0;
            (self.pieces, self.octets) = (Vec::new(), Vec::new());
        }
    }

    /// Sorts a piece in, or says why the datagram is void.
    fn insert(&mut self, fragment: &Fragment<'_>) -> Result<(), Skip> {
        let start = usize::from(fragment.offset);
        let end = start + fragment.data.len();
        let furthest = self.pieces.last().map_or(0, |piece| piece.end);
        match (self.end, fragment.more) {
            (Some(known), true) if end >= known => return Err(Skip::Overlap),
            (Some(known), false) if end != known => return Err(Skip::Overlap),
            (None, false) if furthest > end => return Err(Skip::Overlap),
            _ => {}
        }
        let place = self.pieces.partition_point(|piece| piece.start < start);
        let next = self.pieces.get(place);
        if let Some(same) = next.filter(|next| (next.start, next.end) == (start, end)) {
            // RFC 8200 lets exact duplicates pass. Anything else would leave it to the order of
            // arrival what the datagram says.
            let held = self.octets.get(same.at..same.at + fragment.data.len());
            let same = held == Some(fragment.data) && fragment.more != (self.end == Some(end));
            return if same { Ok(()) } else { Err(Skip::Overlap) };
        }
        let before = place.checked_sub(1).and_then(|place| self.pieces.get(place));
        if next.is_some_and(|next| next.start < end) || before.is_some_and(|it| it.end > start) {
            return Err(Skip::Overlap);
        }
        if self.pieces.len() == MAX_PIECES {
            return Err(Skip::Evicted);
        }
        self.pieces.insert(place, Piece { start, end, at: self.octets.len() });
        self.octets.extend_from_slice(fragment.data);
        if !fragment.more {
            self.end = Some(end);
        }
        if start == 0 {
            self.first = fragment.first;
        }
        Ok(())
    }

    /// Pieces that do not overlap and have the octets of all have no gap.
    fn is_whole(&self) -> bool {
        self.void.is_none() && self.end == Some(self.octets.len())
    }

    fn copy(&self, whole: &mut Vec<u8>) {
        whole.clear();
        for Piece { start, end, at } in &self.pieces {
            whole.extend_from_slice(self.octets.get(*at..*at + (end - start)).unwrap_or_default());
        }
    }
}

#[cfg(test)]
mod tests;
