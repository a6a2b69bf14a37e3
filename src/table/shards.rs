//! Groups rows of a fixed layout: spreads them over partitions by the hash of their group, and
//! returns them partition by partition, each group in ascending order.
//!
//! A partition of an ordinary window fits into the processor's cache. Spreading its rows once more
//! by the same hash, into buckets of a few rows that are then sorted, costs less than a look-up for
//! each row in a table that does not fit. Beyond the budget, full blocks of the partitions go to
//! one unnamed temporary file. Nothing is evicted. A partition that is itself larger than the
//! budget, as when one host floods another, is sorted piece by piece on disk, and the pieces are
//! merged.
#![deny(clippy::indexing_slicing)]

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io;
use std::mem::size_of;
use std::os::unix::fs::FileExt;

use bytemuck::Pod;
use foldhash::fast::RandomState;

/// The number of partitions: of 10 million rows of 32 bytes, each holds 640 kB.
const PARTS: usize = 512;

/// Rows of a block, which is the unit of reads and writes.
const BLOCK: usize = 512;

/// Rows of a partition that are staged before they move to its block. The staged rows of all
/// partitions fit into the processor's cache; the ends of as many blocks do not.
const STAGED: usize = 16;

/// Rows of a bucket on average, which are sorted together. Moving a row into a bucket costs as much
/// as a few steps of sorting.
const SORTED: usize = 8;

/// The smallest budget in blocks. Merging needs some of each piece.
const MIN_BLOCKS: usize = 128;

/// A row: plain words, in an order that sorts the rows of one group next to each other.
pub trait Row: Pod + Ord {}

impl<T: Pod + Ord> Row for T {}

/// The hash of a row's group. Rows with the same hash come back together.
pub type Group<R> = fn(&R, &RandomState) -> u64;

/// Rows, spread over partitions.
#[derive(Debug)]
pub struct Shards<R> {
    group: Group<R>,
    hasher: RandomState,
    /// Room for [`STAGED`] rows of each partition.
    staged: Vec<R>,
    /// The number of staged rows of each partition.
    counts: Vec<u8>,
    parts: Vec<Partition<R>>,
    /// Full blocks in memory.
    resident: usize,
    /// The most full blocks in memory.
    limit: usize,
    store: Store,
    spilled: u64,
}

#[derive(Debug)]
struct Partition<R> {
    open: Vec<R>,
    full: Vec<Vec<R>>,
    /// Numbers of its blocks in the file.
    stored: Vec<u32>,
}

/// Blocks in an unnamed temporary file, found by number.
#[derive(Debug, Default)]
struct Store {
    file: Option<File>,
    blocks: u32,
}

impl Store {
    fn write<R: Row>(&mut self, rows: &[R]) -> io::Result<u32> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(tempfile::tempfile()?),
        };
        let at = u64::from(self.blocks) * (BLOCK * size_of::<R>()) as u64;
        file.write_all_at(bytemuck::cast_slice(rows), at)?;
        let number = self.blocks;
        self.blocks = number.checked_add(1).ok_or_else(|| io::Error::other("too many rows"))?;
        Ok(number)
    }

    /// Appends the `rows` rows of a block to `to`.
    fn read<R: Row>(&self, number: u32, rows: usize, to: &mut Vec<R>) -> io::Result<()> {
        let from = to.len();
        to.resize(from + rows, R::zeroed());
        let at = u64::from(number) * (BLOCK * size_of::<R>()) as u64;
        match (&self.file, to.get_mut(from..)) {
            (Some(file), Some(rows)) => file.read_exact_at(bytemuck::cast_slice_mut(rows), at),
            _ => Err(io::Error::other("a block was never stored")),
        }
    }
}

impl<R: Row> Shards<R> {
    /// Returns empty partitions that keep about `memory` bytes of rows in memory, at least a block
    /// for each. `group` returns the hash of a row's group, made with `hasher`.
    pub fn new(memory: u64, hasher: RandomState, group: Group<R>) -> Shards<R> {
        let block = BLOCK * size_of::<R>();
        // Blocks that are not full need memory too: on average they are half full.
        let blocks = usize::try_from(memory).unwrap_or(usize::MAX) / block;
        Shards {
            group,
            hasher,
            staged: Vec::new(),
            counts: Vec::new(),
            parts: Vec::new(),
            resident: 0,
            limit: blocks.saturating_sub(PARTS / 2).max(MIN_BLOCKS),
            store: Store::default(),
            spilled: 0,
        }
    }

    /// Adds a row. `hash` is that of its group.
    ///
    /// # Errors
    /// A temporary file that cannot be written.
    #[inline]
    pub fn push(&mut self, hash: u64, row: R) -> io::Result<()> {
        debug_assert_eq!(hash, (self.group)(&row, &self.hasher));
        // The upper bits, because the rows of a partition are spread by the lower ones.
        let part = (hash >> 32) as usize % PARTS;
        if self.parts.is_empty() {
            self.parts.resize_with(PARTS, Partition::default);
            self.staged.resize(PARTS * STAGED, R::zeroed());
            self.counts.resize(PARTS, 0);
        }
        let Some(count) = self.counts.get_mut(part) else { return Ok(()) };
        if let Some(place) = self.staged.get_mut(part * STAGED + usize::from(*count)) {
            *place = row;
            *count += 1;
            if usize::from(*count) == STAGED {
                return self.unstage(part);
            }
        }
        Ok(())
    }

    /// Moves the staged rows of a partition to its block.
    fn unstage(&mut self, number: usize) -> io::Result<()> {
        let count = self.counts.get_mut(number).map_or(0, std::mem::take);
        let from = number * STAGED;
        let rows = self.staged.get(from..from + usize::from(count)).unwrap_or_default();
        let Some(part) = self.parts.get_mut(number) else { return Ok(()) };
        part.open.extend_from_slice(rows);
        if part.open.len() < BLOCK {
            return Ok(());
        }
        let full = std::mem::replace(&mut part.open, Vec::with_capacity(BLOCK));
        part.full.push(full);
        self.resident += 1;
        if self.resident >= self.limit { self.spill() } else { Ok(()) }
    }

    /// Writes all full blocks to the file.
    fn spill(&mut self) -> io::Result<()> {
        for part in &mut self.parts {
            for block in part.full.drain(..) {
                self.spilled += block.len() as u64;
                part.stored.push(self.store.write(&block)?);
            }
        }
        self.resident = 0;
        Ok(())
    }

    /// Returns the number of rows that went to the temporary file.
    pub fn spilled(&self) -> u64 {
        self.spilled
    }

    /// Calls `of_part` with the rows of each partition that has any: group by group, each group in
    /// ascending order. The memory of a partition is freed before the next one's is taken.
    ///
    /// # Errors
    /// A temporary file that fails, or the error of `of_part`.
    pub fn sorted(
        self,
        of_part: impl FnMut(&mut Sorted<'_, R>) -> io::Result<()>,
    ) -> io::Result<()> {
        self.large(0, of_part)
    }

    /// Does the same as [`Shards::sorted`], but may leave out groups of fewer than `least` rows: a
    /// caller that ignores them saves their sorting.
    ///
    /// # Errors
    /// A temporary file that fails, or the error of `of_part`.
    pub fn large(
        mut self,
        least: usize,
        mut of_part: impl FnMut(&mut Sorted<'_, R>) -> io::Result<()>,
    ) -> io::Result<()> {
        (0..self.parts.len()).try_for_each(|part| self.unstage(part))?;
        let Shards { group, hasher, parts, limit, mut store, .. } = self;
        let most = limit * BLOCK;
        let (mut rows, mut buckets) = (Vec::new(), Buckets::default());
        for part in parts {
            rows.clear();
            let stored = part.stored.len() * BLOCK;
            let full = part.full.len() * BLOCK;
            let count = stored + full + part.open.len();
            if count > most {
                let mut merge = Merge::new(part, most / 2, &mut store)?;
                of_part(&mut Sorted::Merged(&mut merge))?;
                continue;
            }
            // A large partition leaves no room for its rows in buckets, nor for those of another
            // partition.
            let is_large = count > most / 2;
            if is_large {
                buckets = Buckets::default();
            }
            part.stored.iter().try_for_each(|n| store.read(*n, BLOCK, &mut rows))?;
            part.full.into_iter().for_each(|block| rows.extend_from_slice(&block));
            rows.extend_from_slice(&part.open);
            let sorted = if is_large {
                rows.sort_unstable();
                &rows
            } else {
                buckets.sort(&rows, least, |row| group(row, &hasher))
            };
            if !sorted.is_empty() {
                of_part(&mut Sorted::InMemory(sorted.iter()))?;
            }
            if is_large {
                rows = Vec::new();
            }
        }
        Ok(())
    }
}

/// Buckets, into which the rows of a partition are spread.
#[derive(Debug)]
struct Buckets<R> {
    rows: Vec<R>,
    /// The place of the next row of each bucket, and finally the end of the bucket; [`NOWHERE`] for
    /// a bucket that is left out.
    ends: Vec<usize>,
}

impl<R> Default for Buckets<R> {
    fn default() -> Buckets<R> {
        Buckets { rows: Vec::new(), ends: Vec::new() }
    }
}

/// The place of a bucket that is left out.
const NOWHERE: usize = usize::MAX;

impl<R: Row> Buckets<R> {
    /// Returns the rows bucket by bucket, each bucket sorted, without buckets of fewer than `least`
    /// rows.
    fn sort(&mut self, rows: &[R], least: usize, hash: impl Fn(&R) -> u64) -> &Vec<R> {
        let count = (rows.len() / SORTED).next_power_of_two();
        let bucket = |row: &R| hash(row) as usize & (count - 1);
        self.ends.clear();
        self.ends.resize(count, 0);
        for row in rows {
            self.ends.get_mut(bucket(row)).into_iter().for_each(|size| *size += 1);
        }
        let mut before = 0;
        for end in &mut self.ends {
            if *end < least {
                *end = NOWHERE;
            } else {
                before += std::mem::replace(end, before);
            }
        }
        self.rows.resize(before, R::zeroed());
        for row in rows {
            let Some(end) = self.ends.get_mut(bucket(row)) else { continue };
            if let Some(place) = self.rows.get_mut(*end) {
                *place = *row;
                *end += 1;
            }
        }
        let mut rest = self.rows.as_mut_slice();
        let mut from = 0;
        for end in self.ends.iter().filter(|end| **end != NOWHERE) {
            let (bucket, behind) = rest.split_at_mut(end - from);
            bucket.sort_unstable();
            (rest, from) = (behind, *end);
        }
        &self.rows
    }
}

impl<R> Default for Partition<R> {
    fn default() -> Partition<R> {
        Partition { open: Vec::new(), full: Vec::new(), stored: Vec::new() }
    }
}

/// The rows of one partition, each group in ascending order.
#[derive(Debug)]
pub enum Sorted<'a, R> {
    /// Rows in memory, group by group.
    InMemory(std::slice::Iter<'a, R>),
    /// Rows on disk, all of them in ascending order.
    Merged(&'a mut Merge<'a, R>),
}

impl<R: Row> Sorted<'_, R> {
    /// Returns the next row.
    ///
    /// # Errors
    /// A temporary file that cannot be read back.
    #[inline]
    pub fn next_row(&mut self) -> io::Result<Option<R>> {
        match self {
            Sorted::InMemory(rows) => Ok(rows.next().copied()),
            Sorted::Merged(merge) => merge.next_row(),
        }
    }
}

/// A partition larger than memory, as sorted pieces that are merged.
#[derive(Debug)]
pub struct Merge<'a, R> {
    store: &'a Store,
    pieces: Vec<Piece<R>>,
    /// The next row of each piece, the smallest on top.
    heads: BinaryHeap<Reverse<(R, usize)>>,
}

/// The rest of a sorted piece: its blocks in the file, and the rows of the block that is being
/// read.
#[derive(Debug)]
struct Piece<R> {
    blocks: std::vec::IntoIter<u32>,
    /// The number of rows in the last block, which need not be full.
    last: usize,
    rows: Vec<R>,
    next: usize,
}

impl<'a, R: Row> Merge<'a, R> {
    /// Sorts a partition in pieces of at most `most` rows.
    fn new(part: Partition<R>, most: usize, store: &'a mut Store) -> io::Result<Merge<'a, R>> {
        let mut pieces = Vec::new();
        let mut rows: Vec<R> = Vec::with_capacity(most);
        let Partition { open, full, stored } = part;
        let mut sort = |rows: &mut Vec<R>, store: &mut Store| -> io::Result<()> {
            rows.sort_unstable();
            let blocks = rows.chunks(BLOCK).map(|block| store.write(block));
            let blocks: Vec<u32> = blocks.collect::<io::Result<_>>()?;
            let last = rows.len() - (blocks.len().max(1) - 1) * BLOCK;
            pieces.push(Piece { blocks: blocks.into_iter(), last, rows: Vec::new(), next: 0 });
            rows.clear();
            Ok(())
        };
        for number in stored {
            store.read(number, BLOCK, &mut rows)?;
            if rows.len() + BLOCK > most {
                sort(&mut rows, store)?;
            }
        }
        for block in full.into_iter().chain([open]) {
            rows.extend_from_slice(&block);
            if rows.len() + BLOCK > most {
                sort(&mut rows, store)?;
            }
        }
        if !rows.is_empty() {
            sort(&mut rows, store)?;
        }
        let mut merge = Merge { store, heads: BinaryHeap::with_capacity(pieces.len()), pieces };
        (0..merge.pieces.len()).try_for_each(|piece| merge.refill(piece))?;
        Ok(merge)
    }

    /// Adds the next row of a piece to the heads.
    fn refill(&mut self, number: usize) -> io::Result<()> {
        let Some(piece) = self.pieces.get_mut(number) else { return Ok(()) };
        if piece.next == piece.rows.len() {
            if let Some(block) = piece.blocks.next() {
                piece.rows.clear();
                piece.next = 0;
                let rows = if piece.blocks.len() == 0 { piece.last } else { BLOCK };
                self.store.read(block, rows, &mut piece.rows)?;
            }
        }
        if let Some(row) = piece.rows.get(piece.next) {
            piece.next += 1;
            self.heads.push(Reverse((*row, number)));
        }
        Ok(())
    }

    fn next_row(&mut self) -> io::Result<Option<R>> {
        let Some(Reverse((row, piece))) = self.heads.pop() else { return Ok(None) };
        self.refill(piece)?;
        Ok(Some(row))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};
    use std::hash::BuildHasher;

    fn spread(memory: u64) -> Shards<[u32; 8]> {
        let hasher = RandomState::default();
        Shards::new(memory, hasher, |row: &[u32; 8], hasher| hasher.hash_one(row[0]))
    }

    /// Adds rows of a few groups, `heavy` of them in one group, and returns them sorted.
    fn fill(shards: &mut Shards<[u32; 8]>, rows: u32, heavy: u32) -> Vec<[u32; 8]> {
        let mut all = Vec::new();
        for n in 0..rows {
            let mixed = n.wrapping_mul(2_654_435_761);
            let group = if n < heavy { 7 } else { mixed >> 20 };
            let row = [group, mixed % 1000, n, 3, 4, 5, 6, 7];
            let hash = shards.hasher.hash_one(group);
            shards.push(hash, row).unwrap();
            all.push(row);
        }
        all.sort_unstable();
        all
    }

    fn read(shards: Shards<[u32; 8]>) -> Vec<[u32; 8]> {
        let mut all = Vec::new();
        let mut groups = BTreeSet::new();
        let read = shards.sorted(|rows| {
            let mut here = Vec::new();
            while let Some(row) = rows.next_row()? {
                here.push(row);
            }
            for group in here.chunk_by(|a, b| a[0] == b[0]) {
                assert!(group.is_sorted());
                assert!(groups.insert(group[0][0]), "a group in two places");
            }
            all.append(&mut here);
            Ok(())
        });
        read.unwrap();
        all.sort_unstable();
        all
    }

    #[test]
    fn rows_come_back_sorted_and_each_group_together() {
        for (memory, rows, heavy) in [
            (1 << 30, 0, 0),
            (1 << 30, 5, 0),
            (1 << 30, 100_000, 0),
            (0, 300_000, 0),
            (0, 300_000, 200_000),
            (0, 66_049, 66_049),
        ] {
            let mut shards = spread(memory);
            let all = fill(&mut shards, rows, heavy);
            assert_eq!(shards.spilled() > 0, memory == 0 && rows > 0, "{rows}");
            assert_eq!(read(shards), all, "{memory} {rows} {heavy}");
        }
    }

    #[test]
    fn only_groups_below_the_least_size_may_be_missing() {
        for (memory, least) in [(1 << 30, 40), (0, 40), (1 << 30, 300_000)] {
            let mut shards = spread(memory);
            let all = fill(&mut shards, 100_000, 50_000);
            let mut rest = Vec::new();
            let read = shards.large(least, |rows| {
                while let Some(row) = rows.next_row()? {
                    rest.push(row);
                }
                Ok(())
            });
            read.unwrap();
            rest.sort_unstable();
            assert!(rest.len() < all.len(), "some were left out");
            let groups = |rows: &'_ [[u32; 8]]| -> BTreeMap<u32, Vec<[u32; 8]>> {
                rows.chunk_by(|a, b| a[0] == b[0]).map(|rows| (rows[0][0], rows.to_vec())).collect()
            };
            let mut found = groups(&rest);
            for (group, rows) in groups(&all) {
                match found.remove(&group) {
                    Some(found) => assert_eq!(found, rows),
                    None => assert!(rows.len() < least, "{group}"),
                }
            }
            assert!(found.is_empty());
        }
    }
}
