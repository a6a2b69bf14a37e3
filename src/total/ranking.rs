//! The greatest keys, with their counts.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;

use super::{By, Counts, Key, TotalSpec};
use crate::table::{Sum, Table};

/// One key and what was counted under it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The key.
    pub key: Key,
    /// What it sent, or all that there is of a key on one side.
    pub sent: Counts,
    /// What it received; `None` for a key on one side.
    pub received: Option<Counts>,
    /// Distinct addresses at the other end, where they were counted.
    pub peers: Option<u64>,
    /// What was counted in each step that has any flow, in order of time.
    pub steps: Vec<TimeStep>,
}

impl Row {
    /// Both sides together.
    pub fn counts(&self) -> Counts {
        self.received.map_or(self.sent, |received| self.sent.plus(received))
    }
}

/// What was counted under a key in one step of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeStep {
    /// When it begins, in Unix seconds; `None` for flows without a time.
    pub start: Option<u64>,
    /// As in a [`Row`].
    pub sent: Counts,
    /// As in a [`Row`].
    pub received: Option<Counts>,
}

/// Rows with the greatest first; of equal ones that with the smaller key.
pub struct Ranking {
    /// How many keys there are in all.
    pub keys: u64,
    /// The rows that were asked for.
    pub rows: Box<dyn Iterator<Item = io::Result<Row>>>,
}

/// More rows than that are put in order on disk.
const MANY: usize = 100_000;

/// More steps of one key are no series but a mistake, or somebody's wrong clocks.
const MAX_STEPS: usize = 1_000_000;

fn row<const N: usize>(key: Key, sums: &[u64; N]) -> Row {
    let (sent, received) = sides(sums);
    Row { key, sent, received, peers: None, steps: Vec::new() }
}

fn sides<const N: usize>(sums: &[u64; N]) -> (Counts, Option<Counts>) {
    let mut halves = sums.chunks_exact(3).map(|half| {
        let mut counts = [0; 3];
        counts.copy_from_slice(half);
        Counts::from(counts)
    });
    (halves.next().unwrap_or_default(), halves.next())
}

/// The greatest of what is offered.
struct Top {
    limit: usize,
    /// The least on top.
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

    /// `row` is made only if it has a place.
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
        // The greatest is the least of the reversed ones.
        let rows = self.heap.into_sorted_vec().into_iter();
        Ranking { keys, rows: Box::new(rows.map(|Reverse(place)| Ok(place.row))) }
    }
}

/// Keys with their sums, each once.
pub(super) fn of_sums<const N: usize>(
    entries: impl Iterator<Item = io::Result<(Key, [u64; N])>>,
    plan: &TotalSpec,
    limit: Option<usize>,
) -> io::Result<Ranking>
where
    [u64; N]: Sum,
{
    let measured = entries.map(|entry| {
        let (key, sums) = entry?;
        let row = row(key, &sums);
        Ok((row.counts().by(plan.by), row))
    });
    ranked(measured, limit, plan.memory)
}

/// Keys with their sums, as often as they have peers, all of one key in a row.
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
    // A table is also what puts more in order than there is memory for.
    let mut order = Table::<(Reverse<u64>, Key), Whole>::new(memory);
    for entry in rows {
        let (measure, row) = entry?;
        keys += 1;
        order.add((Reverse(measure), row.key), &Whole::from(&row))?;
    }
    let rows = order.into_sorted()?.map(|entry| entry.map(|((_, key), whole)| whole.row(key)));
    Ok(Ranking { keys, rows: Box::new(rows.take(limit.unwrap_or(usize::MAX))) })
}

/// All of a row but its key: what the sums are, and what they stand for.
#[derive(Clone, Copy, Debug, serde::Serialize, serde::Deserialize)]
struct Whole {
    sent: [u64; 3],
    received: Option<[u64; 3]>,
    peers: Option<u64>,
}

impl From<&Row> for Whole {
    fn from(row: &Row) -> Whole {
        let sums = |counts: Counts| [counts.flows, counts.packets, counts.octets];
        Whole { sent: sums(row.sent), received: row.received.map(sums), peers: row.peers }
    }
}

impl Whole {
    fn row(self, key: Key) -> Row {
        let (sent, received) = (self.sent.into(), self.received.map(Counts::from));
        Row { key, sent, received, peers: self.peers, steps: Vec::new() }
    }
}

impl Sum for Whole {
    const EMPTY: Whole = Whole { sent: [0; 3], received: None, peers: None };

    /// No key comes twice: this is for the first time.
    fn merge(&mut self, other: &Whole) {
        *self = *other;
    }
}

/// Keys with their sums in each step, in order of key and time.
pub(super) fn of_steps<const N: usize>(
    entries: impl Iterator<Item = io::Result<(Key, Option<u64>, [u64; N])>>,
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
        let (key, start, mut sums) = entry?;
        let (sent, received) = sides(&sums);
        let mut steps = vec![TimeStep { start, sent, received }];
        while let Some(entry) = entries.next_if(|next| next.as_ref().is_ok_and(|(k, ..)| *k == key))
        {
            let (_, start, more) = entry?;
            let (sent, received) = sides(&more);
            if steps.len() == MAX_STEPS {
                return Err(io::Error::other(
                    "one key has more than a million steps: --series takes longer ones",
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
