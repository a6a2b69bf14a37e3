//! Reassembles fragmented UDP datagrams (RFC 791 section 3.2, RFC 815, RFC 8200 section 4.5).
//!
//! If an exporter's datagrams are longer than a link on the way carries, they are sent in pieces, and a
//! capture holds the pieces. Overlapping pieces make the whole datagram void (RFC 5722, here for IPv4
//! too). Incomplete datagrams are bounded in number, bytes, pieces and age.
//!
//! `etherparse::defrag` is not used: its pool has no bounds, as its own documentation warns, and its
//! buffer lets a later piece overwrite an earlier one.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use foldhash::fast::RandomState;

use super::skipped::{Skip, Skipped};
use crate::packet::Fragment;
use crate::time::Timestamp;

/// The most incomplete datagrams; the oldest one is evicted. Without this bound, a flood of first
/// fragments, each of another forged datagram, would take all memory.
const MAX_DATAGRAMS: usize = 1024;

/// The most bytes of incomplete datagrams, in buffers of at most twice that; the oldest datagram is
/// evicted. Without this bound, long fragments of datagrams that never become whole would take all
/// memory.
const MAX_BYTES: usize = 8 << 20;

/// The most pieces of one datagram: 65,535 bytes over links of 576 bytes make 119. Without this bound,
/// a datagram in 8,192 pieces of 8 bytes (FragmentSmack) would take the time to sort them in.
const MAX_PIECES: usize = 128;

/// The longest age of an incomplete datagram in nanoseconds of the capture's time. RFC 791 asks for 15 s
/// at least, RFC 8200 for 60 s. At 2,184 datagrams a second an exporter repeats an IPv4 identification
/// after 30 s.
const MAX_AGE: u64 = 30_000_000_000;

/// The fields that fragments of one datagram share. The protocol is not among them: only UDP comes here,
/// and RFC 8200 lets the first header's type differ between fragments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    source: IpAddr,
    destination: IpAddr,
    identification: u32,
}

/// A piece's place in its datagram, and in [`Datagram::bytes`].
#[derive(Clone, Copy, Debug)]
struct Piece {
    start: usize,
    end: usize,
    at: usize,
}

/// An incomplete datagram.
#[derive(Debug)]
struct Datagram {
    /// The datagram's key in [`Fragments::order`].
    number: u64,
    /// Arrival of the fragment that arrived first.
    begun: Timestamp,
    /// Fragments that no [`Skipped`] counts yet, including duplicates.
    packets: u64,
    /// The reason why the datagram is void. Fragments that arrive later count for it too (RFC 5722).
    void: Option<Skip>,
    /// Type of the first header in the datagram.
    first: u8,
    /// Length of the datagram, once the last fragment arrived.
    end: Option<usize>,
    /// Pieces in the order of the datagram, without overlap.
    pieces: Vec<Piece>,
    /// Data of the pieces, in the order of arrival.
    bytes: Vec<u8>,
}

/// The incomplete datagrams of a section.
#[derive(Debug, Default)]
pub(super) struct Fragments {
    datagrams: HashMap<Key, Datagram, RandomState>,
    /// Keys of the datagrams by age: the numbers rise in the order in which they began.
    order: BTreeMap<u64, Key>,
    next: u64,
    /// Bytes of all datagrams.
    bytes: usize,
    /// The datagram that last became whole.
    whole: Vec<u8>,
}

/// A datagram that has become whole.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Whole {
    pub(super) source: IpAddr,
    /// Type of the first header in the datagram.
    pub(super) first: u8,
    /// Fragments that the datagram arrived in.
    pub(super) packets: u64,
}

impl Fragments {
    /// Adds a fragment that arrived at `at`. If that makes its datagram whole, returns the datagram,
    /// whose data [`whole`](Fragments::whole) then has.
    ///
    /// Exact duplicates are ignored. Fragments of datagrams that are given up count in `skipped`.
    pub(super) fn add(
        &mut self,
        at: Timestamp,
        fragment: &Fragment<'_>,
        skipped: &mut Skipped,
    ) -> Option<Whole> {
        let Fragment { source, destination, identification, .. } = *fragment;
        let key = Key { source, destination, identification };
        // If the clock was set back, the age of earlier fragments is unknown: they count as old.
        let old = |begun: Timestamp| begun.nanos().abs_diff(at.nanos()) > MAX_AGE;
        while self.oldest().is_some_and(|oldest| old(oldest.begun)) {
            self.drop_oldest(Skip::Fragment, skipped);
        }
        if self.datagrams.get(&key).is_some_and(|datagram| old(datagram.begun)) {
            self.drop(&key, Skip::Fragment, skipped);
        }
        while self.bytes + fragment.data.len() > MAX_BYTES && !self.order.is_empty() {
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
        let before = datagram.bytes.len();
        datagram.add(fragment, skipped);
        self.bytes = self.bytes - before + datagram.bytes.len();
        if !datagram.is_whole() {
            return None;
        }
        let datagram = self.remove(&key)?;
        datagram.copy(&mut self.whole);
        Some(Whole { source, first: datagram.first, packets: datagram.packets })
    }

    /// Returns the datagram that last became whole, without the IP headers.
    pub(super) fn whole(&self) -> &[u8] {
        &self.whole
    }

    /// Gives up all incomplete datagrams.
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
        self.bytes -= datagram.bytes.len();
        Some(datagram)
    }
}

impl Datagram {
    fn new(number: u64, begun: Timestamp, first: u8) -> Datagram {
        let (pieces, bytes) = (Vec::new(), Vec::new());
        Datagram { number, begun, packets: 0, void: None, first, end: None, pieces, bytes }
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
            (self.pieces, self.bytes) = (Vec::new(), Vec::new());
        }
    }

    /// Inserts a piece at its place.
    ///
    /// # Errors
    /// The reason why the datagram is void.
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
            // RFC 8200 lets receivers ignore exact duplicates. If others were allowed, the order of
            // arrival would decide what the datagram contains.
            let held = self.bytes.get(same.at..same.at + fragment.data.len());
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
        self.pieces.insert(place, Piece { start, end, at: self.bytes.len() });
        self.bytes.extend_from_slice(fragment.data);
        if !fragment.more {
            self.end = Some(end);
        }
        if start == 0 {
            self.first = fragment.first;
        }
        Ok(())
    }

    /// Returns true if no piece is missing: pieces that do not overlap and have all bytes have no gap.
    fn is_whole(&self) -> bool {
        self.void.is_none() && self.end == Some(self.bytes.len())
    }

    fn copy(&self, whole: &mut Vec<u8>) {
        whole.clear();
        for Piece { start, end, at } in &self.pieces {
            whole.extend_from_slice(self.bytes.get(*at..*at + (end - start)).unwrap_or_default());
        }
    }
}

#[cfg(test)]
mod tests;
