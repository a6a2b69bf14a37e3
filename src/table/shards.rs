//! Rows of a fixed layout, spread over partitions by the hash of what belongs together, and given back
//! partition by partition: what belongs together in ascending order.
//!
//! A partition of an ordinary window fits into the processor's cache, so that spreading its rows once more,
//! by the same hash, until a few are left to be sorted, costs less than looking each up in a table that
//! does not. The partitions are also what spills: beyond the budget their full blocks go to one unnamed
//! temporary file. Nothing is evicted. A partition that is itself larger than the budget, as when one host
//! floods another, is sorted piece by piece on disk, and the pieces are merged.
#![deny(clippy::indexing_slicing)]

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io;
use std::mem::size_of;
use std::os::unix::fs::FileExt;

use bytemuck::Pod;
use foldhash::fast::RandomState;

/// How many partitions there are: 10 million rows of 32 octets are then 640 kB each.
const PARTS: usize = 512;

/// Rows of one block: what moves between memory and the file.
const BLOCK: usize = 512;

/// Rows of a partition that wait to be moved to its block. Those of all partitions fit into the processor's
/// cache, which the ends of as many blocks do not.
const STAGED: usize = 16;

/// Rows of a partition that are sorted together, on average: moving a row costs as much as a few steps of
/// sorting.
const SORTED: usize = 8;

/// No budget is smaller than this many blocks in memory: merging needs some of each piece.
const MIN_BLOCKS: usize = 128;

/// What can be kept: words in an order that sorts rows which belong together next to each other.
pub trait Row: Pod + Ord {}

impl<T: Pod + Ord> Row for T {}

/// The hash of what belongs together: rows with the same come back together.
pub type Group<R> = fn(&R, &RandomState) -> u64;

/// Rows by partition.
#[derive(Debug)]
pub struct Shards<R> {
    group: Group<R>,
    hasher: RandomState,
    /// Room for so many rows of each partition, and how many are there.
    staged: Vec<R>,
    counts: Vec<u8>,
    parts: Vec<Partition<R>>,
    /// Full blocks in memory, and how many there may be.
    resident: usize,
    limit: usize,
    store: Store,
    spilled: u64,
}

#[derive(Debug)]
struct Partition<R> {
    open: Vec<R>,
    full: Vec<Vec<R>>,
    /// Numbers of the blocks in the file.
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

    /// Appends the `rows` rows of a block.
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
    /// Partitions that keep about `memory` octets of rows in memory, not less than a block for each. What
    /// belongs together is what `group` has the same hash for, made with `hasher`.
    pub fn new(memory: u64, hasher: RandomState, group: Group<R>) -> Shards<R> {
        let block = BLOCK * size_of::<R>();
        // The blocks that are still open count too: on average they are half full.
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

    /// Adds a row, of which this is the hash of what belongs together.
    ///
    /// # Errors
    /// A temporary file that cannot be written.
    #[inline]
    pub fn push(&mut self, hash: u64, row: R) -> io::Result<()> {
        debug_assert_eq!(hash, (self.group)(&row, &self.hasher));
        // The upper bits: a partition's rows are spread by the lower ones.
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

    /// Moves what waits to the partition's block.
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
        match self.resident >= self.limit {
            true => self.spill(),
            false => Ok(()),
        }
    }

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

    /// How many rows have gone to the temporary file.
    pub fn spilled(&self) -> u64 {
        self.spilled
    }

    /// Calls `of_part` with the rows of each partition that has any: those that belong together one after
    /// the other, in ascending order. A partition's memory is free again before the next one's is taken.
    ///
    /// # Errors
    /// A temporary file that fails, or what `of_part` returns.
    pub fn sorted(
        self,
        of_part: impl FnMut(&mut Sorted<'_, R>) -> io::Result<()>,
    ) -> io::Result<()> {
        self.large(0, of_part)
    }

    /// The same, but what belongs together may be missing where it is fewer than `least` rows: what nobody
    /// will look at need not be sorted.
    ///
    /// # Errors
    /// A temporary file that fails, or what `of_part` returns.
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
            // There is no room for as many twice, nor for others' beside them.
            let is_large = count > most / 2;
            if is_large {
                buckets = Buckets::default();
            }
            part.stored.iter().try_for_each(|n| store.read(*n, BLOCK, &mut rows))?;
            part.full.into_iter().for_each(|block| rows.extend_from_slice(&block));
            rows.extend_from_slice(&part.open);
            let sorted = match is_large {
                true => {
                    rows.sort_unstable();
                    &rows
                }
                false => buckets.sort(&rows, least, |row| group(row, &hasher)),
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

/// Where the rows of a partition are spread.
#[derive(Debug)]
struct Buckets<R> {
    rows: Vec<R>,
    /// Where the next row of each bucket goes, and in the end where the bucket ends; [`NOWHERE`] if it is
    /// left out.
    ends: Vec<usize>,
}

impl<R> Default for Buckets<R> {
    fn default() -> Buckets<R> {
        Buckets { rows: Vec::new(), ends: Vec::new() }
    }
}

const NOWHERE: usize = usize::MAX;

impl<R: Row> Buckets<R> {
    /// The rows bucket by bucket, each of them sorted, those of fewer than `least` left out.
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
            match *end < least {
                true => *end = NOWHERE,
                false => before += std::mem::replace(end, before),
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

/// The rows of one partition, those that belong together in ascending order.
#[derive(Debug)]
pub enum Sorted<'a, R> {
    /// All of them in memory, group by group.
    InMemory(std::slice::Iter<'a, R>),
    /// Pieces on disk, all of them in ascending order.
    Merged(&'a mut Merge<'a, R>),
}

impl<R: Row> Sorted<'_, R> {
    /// The next row.
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

/// A partition larger than memory, sorted in pieces.
#[derive(Debug)]
pub struct Merge<'a, R> {
    store: &'a Store,
    pieces: Vec<Piece<R>>,
    /// The next row of each piece, the smallest on top.
    heads: BinaryHeap<Reverse<(R, usize)>>,
}

/// What is left of a sorted piece: blocks in the file, and the one that is read.
#[derive(Debug)]
struct Piece<R> {
    blocks: std::vec::IntoIter<u32>,
    /// Rows of the last block, which need not be full.
    last: usize,
    rows: Vec<R>,
    next: usize,
}

impl<'a, R: Row> Merge<'a, R> {
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

    /// Takes the next row of a piece up among the heads.
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

    /// Rows of a few groups, `heavy` of them under one.
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
    fn what_goes_in_comes_out_sorted_and_together() {
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
    fn what_is_too_few_may_be_missing_and_nothing_else() {
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
