//! A table of sums by key, exact at any size. Everything is counted in it.
//!
//! Keys are chosen by the senders of packets, so a flood of forged sources or a scan of a whole
//! country would fill any memory. A [`Table`] holds as many keys as its budget allows. Then it
//! writes them, sorted, to an unnamed temporary file and continues empty. At the end all of these
//! runs are merged. Nothing is evicted or estimated. The disk is the only bound, and a full disk is
//! an error.
//!
//! In memory a table is a list of entries and an index of places in the list, found by a hash.
//! Growing the index moves only four bytes a key, and the list, which is the larger part, has no
//! empty places.
#![deny(clippy::indexing_slicing)]

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::hash::{BuildHasher, Hash};
use std::io::{self, BufRead, BufReader, BufWriter, Seek, Write};

use foldhash::fast::RandomState;
use serde::Serialize;
use serde::de::DeserializeOwned;

mod shards;

pub use shards::{Group, Merge as MergedRows, Row, Shards, Sorted};

/// A type that can be a key.
pub trait Key: Copy + Ord + Hash + Serialize + DeserializeOwned {}

impl<T: Copy + Ord + Hash + Serialize + DeserializeOwned> Key for T {}

/// A sum, which can be added up in any order.
pub trait Sum: Copy + Serialize + DeserializeOwned {
    /// The empty sum: merging it changes nothing.
    const EMPTY: Self;

    /// Adds another sum.
    fn merge(&mut self, other: &Self);
}

/// Counts that are added up one by one. They stop at the end of their range, so that wrong counts
/// of an exporter cannot wrap around.
impl<const N: usize> Sum for [u64; N]
where
    [u64; N]: Serialize + DeserializeOwned,
{
    const EMPTY: [u64; N] = [0; N];

    fn merge(&mut self, other: &[u64; N]) {
        for (sum, count) in self.iter_mut().zip(other) {
            *sum = sum.saturating_add(*count);
        }
    }
}

/// Number of runs that are merged into one. Each run holds a file descriptor and a buffer.
const MAX_RUNS: usize = 64;

/// The smallest budget in keys. With fewer keys the runs would be mostly overhead.
const MIN_KEYS: usize = 1024;

/// The most keys in memory. The index has 32 bits for a place.
const MAX_KEYS: usize = 1 << 30;

/// The longest record in a run, in bytes: two addresses, small numbers and six counts of at most 10
/// bytes each.
const RECORD: usize = 256;

/// A table of sums by key.
#[derive(Debug)]
pub struct Table<K, V> {
    entries: Vec<(K, V)>,
    /// Places in the list, counted from 1; 0 for an empty slot. The number of slots is a power of
    /// two, and at most half of them are taken. The search for a key begins at the slot of its hash
    /// and ends at the first empty one.
    index: Vec<u32>,
    hasher: RandomState,
    limit: usize,
    runs: Vec<File>,
    spilled: u64,
    /// Scratch memory of [`Table::update`]: the place that the first slot of each key names.
    guesses: Vec<u32>,
}

impl<K: Key, V: Sum> Table<K, V> {
    /// Returns an empty table that uses about `memory` bytes, not counting those that the merge
    /// reads ahead.
    pub fn new(memory: u64) -> Table<K, V> {
        // An index that has just doubled has four slots a key.
        let key = size_of::<(K, V)>() + 4 * size_of::<u32>();
        let limit = usize::try_from(memory).unwrap_or(usize::MAX) / key;
        Table {
            entries: Vec::new(),
            index: vec![0; 2 * MIN_KEYS],
            hasher: RandomState::default(),
            limit: limit.clamp(MIN_KEYS, MAX_KEYS),
            runs: Vec::new(),
            spilled: 0,
            guesses: Vec::new(),
        }
    }

    /// Adds one sum to that of `key`.
    ///
    /// # Errors
    /// A temporary file that cannot be written.
    pub fn add(&mut self, key: K, sum: &V) -> io::Result<()> {
        self.entry(key)?.merge(sum);
        Ok(())
    }

    /// Changes the sums of many keys: calls `change` with the number of each key and its sum. This
    /// hides the latency of memory, because no lookup waits for the one before it.
    ///
    /// # Errors
    /// A temporary file that cannot be written.
    pub fn update(&mut self, keys: &[K], mut change: impl FnMut(usize, &mut V)) -> io::Result<()> {
        let mut guesses = std::mem::take(&mut self.guesses);
        guesses.clear();
        guesses.extend(keys.iter().map(|key| self.index.get(self.place(key)).map_or(0, |at| *at)));
        let mut done = Ok(());
        for (n, (key, guess)) in keys.iter().zip(&guesses).enumerate() {
            // An entry keeps its place. One that went to a file meanwhile is no longer there.
            match self.entries.get_mut((*guess as usize).wrapping_sub(1)) {
                Some((found, sum)) if found == key => change(n, sum),
                _ => match self.entry(*key) {
                    Ok(sum) => change(n, sum),
                    Err(error) => {
                        done = Err(error);
                        break;
                    }
                },
            }
        }
        self.guesses = guesses;
        done
    }

    /// Returns the slot of the index where the search for a key begins.
    fn place(&self, key: &K) -> usize {
        // The lower bits are good enough, because the hash is a folded product.
        self.hasher.hash_one(key) as usize & (self.index.len() - 1)
    }

    /// Returns the sum of a key, which is added if it is new.
    fn entry(&mut self, key: K) -> io::Result<&mut V> {
        let mut place = self.place(&key);
        let found = loop {
            let at = self.index.get(place).map_or(0, |at| *at as usize);
            match self.entries.get(at.wrapping_sub(1)) {
                Some((found, _)) if *found == key => break Some(at),
                Some(_) => place = (place + 1) & (self.index.len() - 1),
                None => break None,
            }
        };
        let at = match found {
            Some(at) => at,
            None => {
                if self.entries.len() >= self.limit {
                    self.spill()?;
                    place = self.place(&key);
                }
                self.entries.push((key, V::EMPTY));
                self.take(place, self.entries.len() as u32);
                if self.entries.len() * 2 > self.index.len() {
                    self.grow();
                }
                self.entries.len()
            }
        };
        match self.entries.get_mut(at - 1) {
            Some((_, sum)) => Ok(sum),
            None => Err(io::Error::other("a table lost an entry")),
        }
    }

    fn take(&mut self, place: usize, at: u32) {
        if let Some(free) = self.index.get_mut(place) {
            *free = at;
        }
    }

    fn grow(&mut self) {
        let places = self.index.len() * 2;
        self.index.clear();
        self.index.resize(places, 0);
        for (at, (key, _)) in (1..).zip(&self.entries) {
            let mut place = self.hasher.hash_one(key) as usize & (places - 1);
            while let Some(other) = self.index.get_mut(place) {
                if *other == 0 {
                    *other = at;
                    break;
                }
                place = (place + 1) & (places - 1);
            }
        }
    }

    /// Returns the number of keys that went to temporary files so far.
    pub fn spilled(&self) -> u64 {
        self.spilled
    }

    /// Writes all entries to a file, and merges the files if there are many.
    fn spill(&mut self) -> io::Result<()> {
        self.entries.sort_unstable_by_key(|(key, _)| *key);
        self.spilled += self.entries.len() as u64;
        self.index.fill(0);
        self.runs.push(write_run(self.entries.drain(..).map(Ok))?);
        if self.runs.len() == MAX_RUNS {
            let runs = std::mem::take(&mut self.runs);
            let merged = write_run(Merge::<K, V>::new(runs, Vec::new())?)?;
            self.runs.push(merged);
        }
        Ok(())
    }

    /// Returns all keys with their sums, each once, in ascending order.
    ///
    /// # Errors
    /// A temporary file that cannot be read back.
    pub fn into_sorted(self) -> io::Result<impl Iterator<Item = io::Result<(K, V)>>> {
        let mut entries = self.entries;
        entries.sort_unstable_by_key(|(key, _)| *key);
        Merge::new(self.runs, entries)
    }

    /// Returns all keys with their sums, each once, in any order. Without files nothing has to be
    /// sorted.
    ///
    /// # Errors
    /// A temporary file that cannot be read back.
    pub fn into_entries(self) -> io::Result<impl Iterator<Item = io::Result<(K, V)>>> {
        let mut entries = self.entries;
        if !self.runs.is_empty() {
            entries.sort_unstable_by_key(|(key, _)| *key);
        }
        Merge::new(self.runs, entries)
    }
}

fn write_run<K: Key, V: Sum>(
    entries: impl Iterator<Item = io::Result<(K, V)>>,
) -> io::Result<File> {
    let mut to = BufWriter::with_capacity(1 << 16, tempfile::tempfile()?);
    for entry in entries {
        let mut record = [0; RECORD];
        let record = postcard::to_slice(&entry?, &mut record).map_err(io::Error::other)?;
        to.write_all(record)?;
    }
    let mut file = to.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.rewind()?;
    Ok(file)
}

/// A merge of sorted runs, which also merges the sums of equal keys.
struct Merge<K, V> {
    runs: Vec<BufReader<File>>,
    memory: std::vec::IntoIter<(K, V)>,
    /// The next entry of each run, the smallest key on top. The last run is the one in memory.
    heads: BinaryHeap<Reverse<Head<K, V>>>,
}

struct Head<K, V> {
    key: K,
    run: usize,
    sum: V,
}

impl<K: Ord, V> Ord for Head<K, V> {
    fn cmp(&self, other: &Head<K, V>) -> std::cmp::Ordering {
        self.key.cmp(&other.key).then(self.run.cmp(&other.run))
    }
}

impl<K: Ord, V> PartialOrd for Head<K, V> {
    fn partial_cmp(&self, other: &Head<K, V>) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<K: Ord, V> PartialEq for Head<K, V> {
    fn eq(&self, other: &Head<K, V>) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<K: Ord, V> Eq for Head<K, V> {}

impl<K: Key, V: Sum> Merge<K, V> {
    fn new(runs: Vec<File>, memory: Vec<(K, V)>) -> io::Result<Merge<K, V>> {
        let runs: Vec<_> = runs.into_iter().map(BufReader::new).collect();
        let heads = BinaryHeap::with_capacity(runs.len() + 1);
        let mut merge = Merge { runs, memory: memory.into_iter(), heads };
        // Without runs on disk the entries in memory need no merge.
        if !merge.runs.is_empty() {
            (0..=merge.runs.len()).try_for_each(|run| merge.refill(run))?;
        }
        Ok(merge)
    }

    /// Adds the next entry of one run to the heads.
    fn refill(&mut self, run: usize) -> io::Result<()> {
        let entry = match self.runs.get_mut(run) {
            Some(file) => read_record(file)?,
            None => self.memory.next(),
        };
        if let Some((key, sum)) = entry {
            self.heads.push(Reverse(Head { key, run, sum }));
        }
        Ok(())
    }
}

fn read_record<K: Key, V: Sum>(file: &mut BufReader<File>) -> io::Result<Option<(K, V)>> {
    if file.fill_buf()?.is_empty() {
        return Ok(None);
    }
    let mut scratch = [0; RECORD];
    let (record, _) = postcard::from_io((file, &mut scratch)).map_err(io::Error::other)?;
    Ok(Some(record))
}

impl<K: Key, V: Sum> Iterator for Merge<K, V> {
    type Item = io::Result<(K, V)>;

    fn next(&mut self) -> Option<io::Result<(K, V)>> {
        if self.runs.is_empty() {
            return self.memory.next().map(Ok);
        }
        let Reverse(Head { key, run, mut sum }) = self.heads.pop()?;
        if let Err(error) = self.refill(run) {
            return Some(Err(error));
        }
        while self.heads.peek().is_some_and(|Reverse(head)| head.key == key) {
            let Some(Reverse(head)) = self.heads.pop() else { break };
            sum.merge(&head.sum);
            if let Err(error) = self.refill(head.run) {
                return Some(Err(error));
            }
        }
        Some(Ok((key, sum)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    impl Sum for (u64, u64) {
        const EMPTY: (u64, u64) = (0, 0);

        fn merge(&mut self, other: &(u64, u64)) {
            *self = (self.0 + other.0, self.1.max(other.1));
        }
    }

    #[test]
    fn a_table_that_spills_has_the_same_sums() {
        let mut table = Table::<(u32, u8), (u64, u64)>::new(0);
        let mut expected = BTreeMap::<(u32, u8), (u64, u64)>::new();
        for n in 0..200_000u32 {
            let key = (n.wrapping_mul(2_654_435_761) % 150_000, (n % 3) as u8);
            let sum = (n.into(), (n % 1000).into());
            table.add(key, &sum).unwrap();
            expected.entry(key).or_default().merge(&sum);
        }
        assert!(
            table.spilled() > MAX_RUNS as u64 * MIN_KEYS as u64,
            "runs were merged before the end"
        );
        let read: Vec<_> = table.into_sorted().unwrap().map(Result::unwrap).collect();
        assert_eq!(read, expected.into_iter().collect::<Vec<_>>());
    }

    proptest! {
        #[test]
        fn updates_in_batches_equal_single_ones(
            batches in prop::collection::vec(prop::collection::vec(0..5000u32, 0..3000), 1..8),
            memory in prop::sample::select(vec![0u64, 1 << 20]),
        ) {
            let mut table = Table::<u32, (u64, u64)>::new(memory);
            let mut expected = BTreeMap::<u32, (u64, u64)>::new();
            for keys in &batches {
                table.update(keys, |n, sum| sum.merge(&(1, n as u64))).unwrap();
                for (n, key) in keys.iter().enumerate() {
                    expected.entry(*key).or_default().merge(&(1, n as u64));
                }
            }
            let mut read: Vec<_> = table.into_entries().unwrap().map(Result::unwrap).collect();
            read.sort_unstable();
            prop_assert_eq!(read, expected.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_table_keeps_its_budget() {
        let budget = 1 << 20;
        let mut table = Table::<[u64; 2], [u64; 6]>::new(budget);
        for n in 0..100_000 {
            table.add([n, !n], &[1; 6]).unwrap();
            let entries = table.entries.len() * size_of::<([u64; 2], [u64; 6])>();
            assert!(entries + table.index.len() * size_of::<u32>() <= budget as usize);
        }
        assert!(table.spilled() > 0);
    }
}
