//! Totals: flows, packets and bytes by address, network, port or another column of flow lines,
//! exact at any size.
//!
//! [`Per`] is the key that flows are counted by, and [`By`] the measure that ranks the keys.
//! [`Totals`] adds up batches of flows in [`Table`]s and returns a [`Ranking`]. Only sums are kept,
//! so the order of the flows changes nothing.

use std::io;
use std::net::IpAddr;

use self::ranking::StepSums;
use crate::flow::Flow;
use crate::table::{Sum, Table};
use crate::window::Counter;

mod key;
mod ranking;
mod spec;

pub use key::{Key, Per, Side};
pub use ranking::{Ranking, Row, Selection, TimeStep};
pub use spec::{By, Counts, TotalSpec};

/// The totals of the flows so far.
#[derive(Debug)]
pub struct Totals {
    spec: TotalSpec,
    total: [u64; 3],
    tables: Tables,
}

/// The tables, with the counts of one side for each key or of both. Pairs are the most keys, and
/// need only one side, which takes half the room.
#[derive(Debug)]
enum Tables {
    One(Sides<3>),
    Both(Sides<6>),
}

/// Sums by key and the address at the other end.
type ByPeer<V> = Table<(Key, IpAddr), V>;
/// Sums by key and the step's first second; `None` for flows without a time.
type ByStep<V> = Table<(Key, Option<u64>), V>;

/// Sums by key, of `N` / 3 sides.
#[derive(Debug)]
struct Sides<const N: usize>
where
    [u64; N]: Sum,
{
    /// Sums of keys that fit into 64 bits, such as those of IPv4.
    narrow: Table<u64, [u64; N]>,
    /// Sums of all other keys.
    wide: Table<Key, [u64; N]>,
    /// Used instead of these two if peers are counted.
    peers: Option<ByPeer<[u64; N]>>,
    /// Used instead of these two for a series.
    steps: Option<ByStep<[u64; N]>>,
    /// Narrow keys of a batch.
    keys: Vec<u64>,
    /// The flow of each of these keys, by its place in the batch, and the side that the key stands
    /// on.
    rows: Vec<(u32, Side)>,
}

impl Totals {
    /// Returns totals without flows.
    pub fn new(spec: TotalSpec) -> Totals {
        let tables = match spec.per.sides() {
            [_] => Tables::One(Sides::new(&spec)),
            _ => Tables::Both(Sides::new(&spec)),
        };
        Totals { spec, total: [0; 3], tables }
    }

    /// Adds some flows.
    ///
    /// # Errors
    /// A temporary file that cannot be written.
    pub fn add(&mut self, flows: &[Flow]) -> io::Result<()> {
        flows.iter().for_each(|flow| self.total.merge(&Counts::of(flow)));
        match &mut self.tables {
            Tables::One(sides) => sides.add(&self.spec, flows),
            Tables::Both(sides) => sides.add(&self.spec, flows),
        }
    }

    /// Returns the counts of all flows, each counted once.
    pub fn total(&self) -> Counts {
        self.total.into()
    }

    /// Returns the first `limit` keys, or all keys, the largest first.
    ///
    /// # Errors
    /// A temporary file that fails.
    pub fn rank(self, limit: Option<usize>) -> io::Result<Ranking> {
        match self.tables {
            Tables::One(sides) => sides.rank(&self.spec, limit),
            Tables::Both(sides) => sides.rank(&self.spec, limit),
        }
    }

    /// Returns some of all keys: those that sent or received most bytes, and others. Totals of peers or of
    /// steps have none.
    ///
    /// # Errors
    /// A temporary file that fails.
    pub fn select(self, selection: &Selection<'_>) -> io::Result<Ranking> {
        match self.tables {
            Tables::One(sides) => sides.select(&self.spec, selection),
            Tables::Both(sides) => sides.select(&self.spec, selection),
        }
    }
}

impl Counter for Totals {
    fn add(&mut self, flows: &[Flow]) -> io::Result<()> {
        Totals::add(self, flows)
    }
}

impl<const N: usize> Sides<N>
where
    [u64; N]: Sum,
{
    fn new(spec: &TotalSpec) -> Sides<N> {
        let (peers, steps) = (spec.by == By::Peers, spec.step.is_some());
        Sides {
            narrow: Table::new(spec.memory / 2),
            wide: Table::new(spec.memory / 2),
            peers: (peers && !steps).then(|| Table::new(spec.memory)),
            steps: steps.then(|| Table::new(spec.memory)),
            keys: Vec::new(),
            rows: Vec::new(),
        }
    }

    fn add(&mut self, spec: &TotalSpec, flows: &[Flow]) -> io::Result<()> {
        if let Some(table) = &mut self.steps {
            let step = u64::from(spec.step.unwrap_or(1).max(1));
            return for_each_side(spec.per, flows, |flow, side, key| {
                let time = flow.start.or(flow.end).map(|time| time.secs() - time.secs() % step);
                table.add((key, time), &sums_of(side, flow))
            });
        }
        if let Some(table) = &mut self.peers {
            return for_each_side(spec.per, flows, |flow, side, key| {
                let peer = if side == Side::Source { flow.dip } else { flow.sip };
                table.add((key, peer), &sums_of(side, flow))
            });
        }
        self.keys.clear();
        self.rows.clear();
        for (n, flow) in (0u32..).zip(flows) {
            for &side in spec.per.sides() {
                match spec.per.narrow(flow, side) {
                    Some(key) => {
                        self.keys.push(key);
                        self.rows.push((n, side));
                    }
                    None => self.wide.add(spec.per.key(flow, side), &sums_of(side, flow))?,
                }
            }
        }
        let rows = &self.rows;
        self.narrow.update(&self.keys, |n, sums| {
            let row = rows.get(n).and_then(|&(n, side)| Some((flows.get(n as usize)?, side)));
            let Some((flow, side)) = row else { return };
            // The sums of the side that the key stands on.
            let (first, second) = sums.split_at_mut(3);
            let sums = if side == Side::Source || N == 3 { first } else { second };
            for (sum, count) in sums.iter_mut().zip(Counts::of(flow)) {
                *sum = sum.saturating_add(count);
            }
        })
    }

    fn rank(self, spec: &TotalSpec, limit: Option<usize>) -> io::Result<Ranking> {
        if let Some(table) = self.steps {
            let entries = table.into_sorted()?;
            let entries = entries
                .map(|entry| entry.map(|((key, start), sums)| StepSums { key, start, sums }));
            return ranking::of_steps(entries, spec.by, limit);
        }
        if let Some(table) = self.peers {
            let entries = table.into_sorted()?;
            let entries = entries.map(|entry| entry.map(|((key, _), sums)| (key, sums)));
            return ranking::of_peers(entries, spec.memory, limit);
        }
        ranking::of_sums(self.into_entries(spec.per)?, spec, limit)
    }

    fn select(self, spec: &TotalSpec, selection: &Selection<'_>) -> io::Result<Ranking> {
        ranking::selected(self.into_entries(spec.per)?, spec, selection)
    }

    /// Returns all keys with their sums, each once, in any order.
    fn into_entries(
        self,
        per: Per,
    ) -> io::Result<impl Iterator<Item = io::Result<(Key, [u64; N])>>> {
        let narrow = self.narrow.into_entries()?;
        let narrow = narrow.map(move |entry| entry.map(|(key, sums)| (per.widen(key), sums)));
        Ok(narrow.chain(self.wide.into_entries()?))
    }
}

/// Returns the sums that a flow adds to a key that stands on this side of it.
fn sums_of<const N: usize>(side: Side, flow: &Flow) -> [u64; N] {
    let from = if side == Side::Source || N == 3 { 0 } else { 3 };
    let mut sums = [0; N];
    for (sum, count) in sums.iter_mut().skip(from).zip(Counts::of(flow)) {
        *sum = count;
    }
    sums
}

/// Calls `count` with each flow, a side of it, and the key on that side.
fn for_each_side(
    per: Per,
    flows: &[Flow],
    mut count: impl FnMut(&Flow, Side, Key) -> io::Result<()>,
) -> io::Result<()> {
    for flow in flows {
        per.sides().iter().try_for_each(|&side| count(flow, side, per.key(flow, side)))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;

    /// Returns totals by address of flows between a few hosts.
    fn totals(flows: &[(u8, u8, u64)], memory: u64) -> Totals {
        let per = "addr".parse().unwrap();
        let mut totals = Totals::new(TotalSpec { per, by: By::Octets, step: None, memory });
        let host = |n: u8| match n % 3 {
            0 => IpAddr::V4(Ipv4Addr::new(10, 0, 0, n)),
            _ => format!("2001:db8::{n:x}").parse().unwrap(),
        };
        for &(sip, dip, octets) in flows {
            let flow = Flow { sip: host(sip), dip: host(dip), octets, ..Flow::default() };
            totals.add(&[flow]).unwrap();
        }
        totals
    }

    proptest! {
        /// The reference: all rows, sorted for each condition, and those in their order that meet one.
        #[test]
        fn a_selection_has_the_rows_that_meet_a_condition(
            flows in prop::collection::vec((0u8..40, 0u8..40, 0u64..5), 0..200),
            named in prop::collection::btree_set(0usize..40, 0..5),
            most in 0usize..6,
            matching in 0usize..6,
        ) {
            let all: Vec<Row> =
                totals(&flows, 1 << 20).rank(None).unwrap().rows.map(Result::unwrap).collect();
            let named: BTreeSet<Key> =
                named.iter().filter_map(|n| Some(all.get(*n)?.key)).collect();
            let is_v4 = |key| matches!(key, Key::Address(IpAddr::V4(_)));
            let first = |limit, measure: &dyn Fn(&Row) -> Option<u64>| {
                let rows = all.iter().filter_map(|row| Some((measure(row)?, row.key)));
                let mut rows: Vec<_> = rows.collect();
                rows.sort_by_key(|&(measure, key)| (std::cmp::Reverse(measure), key));
                rows.into_iter().take(limit).map(|(_, key)| key).collect::<BTreeSet<_>>()
            };
            let positive = |octets: u64| (octets > 0).then_some(octets);
            let sent = first(most, &|row| positive(row.sent.octets));
            let received = first(most, &|row| positive(row.received.unwrap().octets));
            let matched =
                first(matching, &|row| is_v4(row.key).then(|| row.counts().octets));
            let expected: Vec<_> = all
                .iter()
                .filter(|row| [&sent, &received, &matched, &named].iter().any(|s| s.contains(&row.key)))
                .cloned()
                .collect();
            let selection = Selection { most, named: &named, matching, matches: &is_v4 };
            let selected = totals(&flows, 0).select(&selection).unwrap();
            prop_assert_eq!(selected.keys, all.len() as u64);
            let rows: Vec<_> = selected.rows.map(Result::unwrap).collect();
            prop_assert_eq!(rows, expected);
        }
    }
}
