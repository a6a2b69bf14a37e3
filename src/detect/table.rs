//! The one table that detectors count in: exact at any size, sorted at the end.
//!
//! Keys are chosen by whoever sends packets, so a flood of forged sources or a scan of a whole
//! country would fill any memory. A [`Table`] holds as many keys as its budget allows; then it
//! writes them, sorted, to an unnamed temporary file and goes on. At the end all of these runs are
//! merged. Nothing is evicted and nothing estimated: what bounds it is the disk, and a full one is
//! an error.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::fs::File;
use std::hash::Hash;
use std::io::{self, BufRead, BufReader, BufWriter, Seek, Write};

use foldhash::fast::RandomState;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Tally;

/// What can be counted under.
pub trait Key: Copy + Ord + Hash + Serialize + DeserializeOwned {}

impl<T: Copy + Ord + Hash + Serialize + DeserializeOwned> Key for T {}

/// As many runs are merged into one: each holds a file descriptor and a buffer.
const MAX_RUNS: usize = 64;

/// No budget is smaller than this many keys: with fewer the runs would be nothing but overhead.
const MIN_KEYS: usize = 1024;

/// The longest record in a run: two addresses, small numbers and six counts, each at most 10 octets.
const RECORD: usize = 256;

/// Tallies by key.
#[derive(Debug)]
pub struct Table<K> {
    map: HashMap<K, Tally, RandomState>,
    limit: usize,
    runs: Vec<File>,
    spilled: u64,
}

impl<K: Key> Table<K> {
    /// A table that keeps to about `memory` octets, not counting what the merge reads ahead.
    pub fn new(memory: u64) -> Table<K> {
        // A map that has just doubled is half empty, and sorting a run takes a copy of it.
        let key = 3 * (size_of::<(K, Tally)>() + 1);
        let limit = usize::try_from(memory).unwrap_or(usize::MAX) / key;
        Table { map: HashMap::default(), limit: limit.max(MIN_KEYS), runs: Vec::new(), spilled: 0 }
    }

    /// Counts one flow, or a tally of several, under `key`.
    ///
    /// # Errors
    /// A temporary file that cannot be written.
    pub fn add(&mut self, key: K, tally: Tally) -> io::Result<()> {
        if let Some(sum) = self.map.get_mut(&key) {
            sum.merge(&tally);
            return Ok(());
        }
        if self.map.len() >= self.limit {
            self.spill()?;
        }
        self.map.insert(key, tally);
        Ok(())
    }

    /// How many keys have gone to temporary files so far.
    pub fn spilled(&self) -> u64 {
        self.spilled
    }

    fn sorted(&mut self) -> Vec<(K, Tally)> {
        let mut sorted: Vec<_> = self.map.drain().collect();
        sorted.sort_unstable_by_key(|(key, _)| *key);
        sorted
    }

    fn spill(&mut self) -> io::Result<()> {
        let sorted = self.sorted();
        self.spilled += sorted.len() as u64;
        self.runs.push(write_run(sorted.into_iter().map(Ok))?);
        if self.runs.len() == MAX_RUNS {
            let merged = write_run(Merge::<K>::new(std::mem::take(&mut self.runs), Vec::new())?)?;
            self.runs.push(merged);
        }
        Ok(())
    }

    /// All keys in ascending order, each once.
    ///
    /// # Errors
    /// A temporary file that cannot be read back.
    pub fn into_sorted(mut self) -> io::Result<impl Iterator<Item = io::Result<(K, Tally)>>> {
        let sorted = self.sorted();
        Merge::new(self.runs, sorted)
    }
}

fn write_run<K: Key>(entries: impl Iterator<Item = io::Result<(K, Tally)>>) -> io::Result<File> {
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

/// Reads sorted runs as one, merging what has the same key.
struct Merge<K> {
    runs: Vec<BufReader<File>>,
    memory: std::vec::IntoIter<(K, Tally)>,
    /// The next entry of each run, the smallest key on top; the last place is the memory's.
    heads: BinaryHeap<Reverse<Head<K>>>,
}

struct Head<K> {
    key: K,
    run: usize,
    tally: Tally,
}

impl<K: Ord> Ord for Head<K> {
    fn cmp(&self, other: &Head<K>) -> std::cmp::Ordering {
        self.key.cmp(&other.key).then(self.run.cmp(&other.run))
    }
}

impl<K: Ord> PartialOrd for Head<K> {
    fn partial_cmp(&self, other: &Head<K>) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<K: Ord> PartialEq for Head<K> {
    fn eq(&self, other: &Head<K>) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<K: Ord> Eq for Head<K> {}

impl<K: Key> Merge<K> {
    fn new(runs: Vec<File>, memory: Vec<(K, Tally)>) -> io::Result<Merge<K>> {
        let runs: Vec<_> = runs.into_iter().map(BufReader::new).collect();
        let heads = BinaryHeap::with_capacity(runs.len() + 1);
        let mut merge = Merge { runs, memory: memory.into_iter(), heads };
        for run in 0..=merge.runs.len() {
            merge.refill(run)?;
        }
        Ok(merge)
    }

    /// Takes the next entry of one run up among the heads.
    fn refill(&mut self, run: usize) -> io::Result<()> {
        let entry = match self.runs.get_mut(run) {
            Some(file) => read_record(file)?,
            None => self.memory.next(),
        };
        if let Some((key, tally)) = entry {
            self.heads.push(Reverse(Head { key, run, tally }));
        }
        Ok(())
    }
}

fn read_record<K: Key>(file: &mut BufReader<File>) -> io::Result<Option<(K, Tally)>> {
    if file.fill_buf()?.is_empty() {
        return Ok(None);
    }
    let mut scratch = [0; RECORD];
    let (record, _) = postcard::from_io((file, &mut scratch)).map_err(io::Error::other)?;
    Ok(Some(record))
}

impl<K: Key> Iterator for Merge<K> {
    type Item = io::Result<(K, Tally)>;

    fn next(&mut self) -> Option<io::Result<(K, Tally)>> {
        let Reverse(Head { key, run, mut tally }) = self.heads.pop()?;
        if let Err(error) = self.refill(run) {
            return Some(Err(error));
        }
        while self.heads.peek().is_some_and(|Reverse(head)| head.key == key) {
            let Some(Reverse(head)) = self.heads.pop() else { break };
            tally.merge(&head.tally);
            if let Err(error) = self.refill(head.run) {
                return Some(Err(error));
            }
        }
        Some(Ok((key, tally)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::Flow;
    use std::collections::BTreeMap;

    #[test]
    fn a_table_that_spills_counts_the_same() {
        let mut table = Table::<(u32, u8)>::new(0);
        let mut twin = BTreeMap::<(u32, u8), Tally>::new();
        for n in 0..200_000u32 {
            let key = (n.wrapping_mul(2_654_435_761) % 150_000, (n % 3) as u8);
            let flow = Flow { packets: n.into(), dport: n as u16, ..Flow::default() };
            table.add(key, Tally::from(&flow)).unwrap();
            twin.entry(key)
                .and_modify(|sum| sum.merge(&Tally::from(&flow)))
                .or_insert((&flow).into());
        }
        assert!(table.spilled() > MAX_RUNS as u64 * MIN_KEYS as u64, "runs were merged on the way");
        let read: Vec<_> = table.into_sorted().unwrap().map(Result::unwrap).collect();
        assert_eq!(read, twin.into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn the_largest_record_fits() {
        let key = ([u8::MAX; 16], [u8::MAX; 16], u64::MAX, u64::MAX);
        let most = Flow {
            packets: u64::MAX,
            octets: u64::MAX,
            proto: 255,
            dport: 65535,
            sport: 65535,
            ..Flow::default()
        };
        let mut tally = Tally::from(&most);
        tally.flows = u64::MAX;
        let mut record = [0; RECORD];
        assert!(postcard::to_slice(&(key, tally), &mut record).is_ok());
    }
}
