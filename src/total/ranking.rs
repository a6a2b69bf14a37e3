//! Ranks keys by their counts.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::io;

use super::key::Key;
use super::spec::{By, Counts, TotalSpec};
use crate::table::{Sum, Table};

/// One key with its counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The key.
    pub key: Key,
    /// Flows that the key sent; all of its flows if it stands on one side.
    pub sent: Counts,
    /// Flows that the key received; `None` for a key on one side.
    pub received: Option<Counts>,
    /// Distinct addresses at the other end, if they were counted.
    pub peers: Option<u64>,
    /// Counts of each step that has flows, in order of time.
    pub steps: Vec<TimeStep>,
}

impl Row {
    /// Returns the counts of both sides together.
    pub fn counts(&self) -> Counts {
        self.received.map_or(self.sent, |received| self.sent.plus(received))
    }
}

/// The counts of a key in one step of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeStep {
    /// Start of the step in Unix seconds; `None` for flows without a time.
    pub start: Option<u64>,
    /// Flows that the key sent, as in a [`Row`].
    pub sent: Counts,
    /// Flows that the key received, as in a [`Row`].
    pub received: Option<Counts>,
}

/// The keys that are selected of all: those that sent or received most bytes, and others.
pub struct Selection<'a> {
    /// The number of keys that sent most bytes, and of those that received most.
    pub most: usize,
    /// Keys that are selected whatever their counts are.
    pub named: &'a BTreeSet<Key>,
    /// The number of keys with most bytes that are selected of those that `matches` accepts.
    pub matching: usize,
    /// Returns true for a key of these.
    pub matches: &'a dyn Fn(Key) -> bool,
}

/// Rows in descending order of their measure; equal ones in ascending order of their keys.
pub struct Ranking {
    /// The number of all keys.
    pub keys: u64,
    /// The rows, at most as many as the limit.
    pub rows: Box<dyn Iterator<Item = io::Result<Row>>>,
}

/// The most rows that are sorted in memory; more are sorted on disk.
const MANY: usize = 100_000;

/// The most steps of one key. More come from a mistake or from wrong clocks, and would take all
/// memory.
const MAX_STEPS: usize = 1_000_000;

/// Returns the row of a key.
fn row<const N: usize>(key: Key, sums: &[u64; N]) -> Row {
    let (sent, received) = sides(sums);
    Row { key, sent, received, peers: None, steps: Vec::new() }
}

/// Splits sums into those of the two sides.
fn sides<const N: usize>(sums: &[u64; N]) -> (Counts, Option<Counts>) {
    let mut sides = sums.chunks_exact(3).map(|side| {
        let mut counts = [0; 3];
        counts.copy_from_slice(side);
        Counts::from(counts)
    });
    (sides.next().unwrap_or_default(), sides.next())
}

/// The largest of the rows that are offered.
struct Top {
    limit: usize,
    /// The smallest is on top.
    heap: BinaryHeap<Reverse<RankedRow>>,
}

struct RankedRow {
    measure: u64,
    row: Row,
}

impl Ord for RankedRow {
    fn cmp(&self, other: &RankedRow) -> std::cmp::Ordering {
        self.measure.cmp(&other.measure).then(other.row.key.cmp(&self.row.key))
    }
}

impl PartialOrd for RankedRow {
    fn partial_cmp(&self, other: &RankedRow) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for RankedRow {
    fn eq(&self, other: &RankedRow) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for RankedRow {}

impl Top {
    fn new(limit: usize) -> Top {
        Top { limit, heap: BinaryHeap::new() }
    }

    /// Keeps the row if it is among the largest. `row` is called only then.
    fn offer(&mut self, measure: u64, key: Key, row: impl FnOnce() -> Row) {
        if self.heap.len() >= self.limit {
            let Some(Reverse(least)) = self.heap.peek() else { return };
            if (measure, Reverse(key)) < (least.measure, Reverse(least.row.key)) {
                return;
            }
            self.heap.pop();
        }
        self.heap.push(Reverse(RankedRow { measure, row: row() }));
    }

    fn into_ranking(self, keys: u64) -> Ranking {
        // The largest row is the smallest reversed one.
        let rows = self.heap.into_sorted_vec().into_iter();
        Ranking { keys, rows: Box::new(rows.map(|Reverse(place)| Ok(place.row))) }
    }
}

/// Ranks keys with their sums, of which each key comes once.
pub(super) fn of_sums<const N: usize>(
    entries: impl Iterator<Item = io::Result<(Key, [u64; N])>>,
    spec: &TotalSpec,
    limit: Option<usize>,
) -> io::Result<Ranking>
where
    [u64; N]: Sum,
{
    let measured = entries.map(|entry| {
        let (key, sums) = entry?;
        let row = row(key, &sums);
        Ok((row.counts().by(spec.by), row))
    });
    ranked(measured, limit, spec.memory)
}

/// Selects keys with their sums, of which each key comes once. The rows have the order and the number of
/// keys that [`of_sums`] gives them.
pub(super) fn selected<const N: usize>(
    entries: impl Iterator<Item = io::Result<(Key, [u64; N])>>,
    spec: &TotalSpec,
    selection: &Selection<'_>,
) -> io::Result<Ranking>
where
    [u64; N]: Sum,
{
    let (mut sent, mut received) = (Top::new(selection.most), Top::new(selection.most));
    let mut matching = Top::new(selection.matching);
    let mut named = Vec::new();
    let mut keys = 0;
    for entry in entries {
        let (key, sums) = entry?;
        keys += 1;
        let row = row(key, &sums);
        let counts = row.counts();
        let received_octets = row.received.map_or(0, |received| received.octets);
        if row.sent.octets > 0 {
            sent.offer(row.sent.octets, key, || row.clone());
        }
        if received_octets > 0 {
            received.offer(received_octets, key, || row.clone());
        }
        if selection.matching > 0 && (selection.matches)(key) {
            matching.offer(counts.octets, key, || row.clone());
        }
        if selection.named.contains(&key) {
            named.push(row);
        }
    }
    let of_tops = [sent, received, matching].into_iter().flat_map(|top| top.heap);
    let rows = of_tops.map(|Reverse(place)| place.row).chain(named);
    let order = |row: Row| ((Reverse(row.counts().by(spec.by)), row.key), row);
    let rows: BTreeMap<_, _> = rows.map(order).collect();
    Ok(Ranking { keys, rows: Box::new(rows.into_values().map(Ok)) })
}

/// Ranks keys by peers. Each key comes once for each of its peers, with its sums, one after the
/// other.
pub(super) fn of_peers<const N: usize>(
    entries: impl Iterator<Item = io::Result<(Key, [u64; N])>>,
    memory: u64,
    limit: Option<usize>,
) -> io::Result<Ranking>
where
    [u64; N]: Sum,
{
    let mut entries = entries.peekable();
    let grouped = std::iter::from_fn(move || {
        let (key, mut sums) = match entries.next()? {
            Ok(entry) => entry,
            Err(error) => return Some(Err(error)),
        };
        let mut peers = 1;
        while let Some(entry) = entries.next_if(|next| next.as_ref().is_ok_and(|(k, _)| *k == key))
        {
            let Ok((_, more)) = entry else { break };
            sums.merge(&more);
            peers += 1;
        }
        Some(Ok((peers, Row { peers: Some(peers), ..row(key, &sums) })))
    });
    ranked(grouped, limit, memory)
}

/// Ranks rows by their measures.
fn ranked(
    rows: impl Iterator<Item = io::Result<(u64, Row)>>,
    limit: Option<usize>,
    memory: u64,
) -> io::Result<Ranking> {
    let mut keys = 0;
    if let Some(limit) = limit.filter(|limit| *limit <= MANY) {
        let mut top = Top::new(limit);
        for entry in rows {
            let (measure, row) = entry?;
            keys += 1;
            top.offer(measure, row.key, || row);
        }
        return Ok(top.into_ranking(keys));
    }
    // A table sorts more rows than memory holds.
    let mut order = Table::<(Reverse<u64>, Key), RowSums>::new(memory);
    for entry in rows {
        let (measure, row) = entry?;
        keys += 1;
        order.add((Reverse(measure), row.key), &RowSums::from(&row))?;
    }
    let rows = order.into_sorted()?.map(|entry| entry.map(|((_, key), sums)| sums.row(key)));
    Ok(Ranking { keys, rows: Box::new(rows.take(limit.unwrap_or(usize::MAX))) })
}

/// The counts of a row, without its key.
#[derive(Clone, Copy, Debug, serde::Serialize, serde::Deserialize)]
struct RowSums {
    sent: [u64; 3],
    received: Option<[u64; 3]>,
    peers: Option<u64>,
}

impl From<&Row> for RowSums {
    fn from(row: &Row) -> RowSums {
        let sums = |counts: Counts| [counts.flows, counts.packets, counts.octets];
        RowSums { sent: sums(row.sent), received: row.received.map(sums), peers: row.peers }
    }
}

impl RowSums {
    fn row(self, key: Key) -> Row {
        let (sent, received) = (self.sent.into(), self.received.map(Counts::from));
        Row { key, sent, received, peers: self.peers, steps: Vec::new() }
    }
}

impl Sum for RowSums {
    const EMPTY: RowSums = RowSums { sent: [0; 3], received: None, peers: None };

    /// Replaces the empty counts: no key comes twice.
    fn merge(&mut self, other: &RowSums) {
        *self = *other;
    }
}

/// The sums of a key in one step.
pub(super) struct StepSums<const N: usize> {
    pub key: Key,
    /// Start of the step in Unix seconds; `None` for flows without a time.
    pub start: Option<u64>,
    pub sums: [u64; N],
}

/// Ranks keys with their sums in each step, which come in order of key and time.
pub(super) fn of_steps<const N: usize>(
    entries: impl Iterator<Item = io::Result<StepSums<N>>>,
    by: By,
    limit: Option<usize>,
) -> io::Result<Ranking>
where
    [u64; N]: Sum,
{
    let mut entries = entries.peekable();
    let mut top = Top::new(limit.unwrap_or(MANY));
    let mut keys = 0;
    while let Some(entry) = entries.next() {
        let StepSums { key, start, mut sums } = entry?;
        let (sent, received) = sides(&sums);
        let mut steps = vec![TimeStep { start, sent, received }];
        while let Some(entry) =
            entries.next_if(|next| next.as_ref().is_ok_and(|next| next.key == key))
        {
            let StepSums { start, sums: more, .. } = entry?;
            let (sent, received) = sides(&more);
            if steps.len() == MAX_STEPS {
                return Err(io::Error::other(
                    "one key has more than 1,000,000 steps; give a longer step to --series",
                ));
            }
            steps.push(TimeStep { start, sent, received });
            sums.merge(&more);
        }
        keys += 1;
        let row = Row { steps, ..row(key, &sums) };
        top.offer(row.counts().by(by), key, || row);
    }
    Ok(top.into_ranking(keys))
}
