//! Totals: flows, packets and octets by address, network, port or whatever else a flow line says,
//! exact at any size.
//!
//! [`Per`] says what is counted under and [`By`] what ranks it. [`Totals`] adds up batches of flows in
//! [`Table`]s and returns a [`Ranking`]; only sums are kept, so that the order of the flows changes
//! nothing.

use std::io;
use std::net::IpAddr;

use crate::flow::Flow;
use crate::table::{Sum, Table};
use crate::window::Counter;

mod key;
mod ranking;

pub use key::{Key, Per, Side};
pub use ranking::{Ranking, Row, TimeStep};

/// The measure that ranks keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Octets.
    Octets,
    /// Packets.
    Packets,
    /// Flows.
    Flows,
    /// Distinct addresses at the other end.
    Peers,
}

/// Flows, packets and octets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// How many flows.
    pub flows: u64,
    /// Their packets.
    pub packets: u64,
    /// Their octets.
    pub octets: u64,
}

impl Counts {
    fn of(flow: &Flow) -> [u64; 3] {
        [1, flow.packets, flow.octets]
    }

    /// Both together.
    pub fn plus(self, other: Counts) -> Counts {
        Counts {
            flows: self.flows.saturating_add(other.flows),
            packets: self.packets.saturating_add(other.packets),
            octets: self.octets.saturating_add(other.octets),
        }
    }

    /// What ranks it; peers are no part of it.
    pub fn by(self, by: By) -> u64 {
        match by {
            By::Octets => self.octets,
            By::Packets => self.packets,
            By::Flows | By::Peers => self.flows,
        }
    }
}

impl From<[u64; 3]> for Counts {
    fn from([flows, packets, octets]: [u64; 3]) -> Counts {
        Counts { flows, packets, octets }
    }
}

/// What is to be counted.
#[derive(Clone, Copy, Debug)]
pub struct TotalSpec {
    /// What is counted under.
    pub per: Per,
    /// What ranks it.
    pub by: By,
    /// Seconds of the steps that the counts of each key are told apart by, if a series is wanted.
    pub step: Option<u32>,
    /// Memory in octets; what is more goes to temporary files.
    pub memory: u64,
}

/// Totals of the flows so far.
#[derive(Debug)]
pub struct Totals {
    plan: TotalSpec,
    total: [u64; 3],
    tables: Tables,
}

/// A key has the counts of one side or of both: those of pairs are many, and half as large.
#[derive(Debug)]
enum Tables {
    One(Sides<3>),
    Both(Sides<6>),
}

/// By key and the address at the other end.
type ByPeer<V> = Table<(Key, IpAddr), V>;
/// By key and the step's first second, if the flow has a time.
type ByStep<V> = Table<(Key, Option<u64>), V>;

/// Sums of `N` / 3 sides by key.
#[derive(Debug)]
struct Sides<const N: usize>
where
    [u64; N]: Sum,
{
    /// Keys of up to 64 bits, such as all of IPv4.
    narrow: Table<u64, [u64; N]>,
    wide: Table<Key, [u64; N]>,
    /// Instead of both, where peers are counted.
    peers: Option<ByPeer<[u64; N]>>,
    /// Instead of both, for a series.
    steps: Option<ByStep<[u64; N]>>,
    /// Keys of a batch, and which flow each is of and on which side.
    keys: Vec<u64>,
    rows: Vec<(u32, Side)>,
}

impl Totals {
    /// Nothing counted yet.
    pub fn new(plan: TotalSpec) -> Totals {
        let tables = match plan.per.sides() {
            [_] => Tables::One(Sides::new(&plan)),
            _ => Tables::Both(Sides::new(&plan)),
        };
        Totals { plan, total: [0; 3], tables }
    }

    /// Counts some flows.
    ///
    /// # Errors
    /// A temporary file that cannot be written.
    pub fn add(&mut self, flows: &[Flow]) -> io::Result<()> {
        flows.iter().for_each(|flow| self.total.merge(&Counts::of(flow)));
        match &mut self.tables {
            Tables::One(sides) => sides.add(&self.plan, flows),
            Tables::Both(sides) => sides.add(&self.plan, flows),
        }
    }

    /// All flows, each once.
    pub fn total(&self) -> Counts {
        self.total.into()
    }

    /// The first `limit` keys, or all of them, the greatest first.
    ///
    /// # Errors
    /// A temporary file that fails.
    pub fn rank(self, limit: Option<usize>) -> io::Result<Ranking> {
        match self.tables {
            Tables::One(sides) => sides.rank(&self.plan, limit),
            Tables::Both(sides) => sides.rank(&self.plan, limit),
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
    fn new(plan: &TotalSpec) -> Sides<N> {
        let (peers, steps) = (plan.by == By::Peers, plan.step.is_some());
        Sides {
            narrow: Table::new(plan.memory / 2),
            wide: Table::new(plan.memory / 2),
            peers: (peers && !steps).then(|| Table::new(plan.memory)),
            steps: steps.then(|| Table::new(plan.memory)),
            keys: Vec::new(),
            rows: Vec::new(),
        }
    }

    fn add(&mut self, plan: &TotalSpec, flows: &[Flow]) -> io::Result<()> {
        if let Some(table) = &mut self.steps {
            let step = u64::from(plan.step.unwrap_or(1).max(1));
            return for_each_side(plan.per, flows, |flow, side, key| {
                let time = flow.start.or(flow.end).map(|time| time.secs() - time.secs() % step);
                table.add((key, time), &on(side, flow))
            });
        }
        if let Some(table) = &mut self.peers {
            return for_each_side(plan.per, flows, |flow, side, key| {
                let peer = if side == Side::Source { flow.dip } else { flow.sip };
                table.add((key, peer), &on(side, flow))
            });
        }
        self.keys.clear();
        self.rows.clear();
        for (n, flow) in (0u32..).zip(flows) {
            for &side in plan.per.sides() {
                match plan.per.narrow(flow, side) {
                    Some(key) => {
                        self.keys.push(key);
                        self.rows.push((n, side));
                    }
                    None => self.wide.add(plan.per.key(flow, side), &on(side, flow))?,
                }
            }
        }
        let rows = &self.rows;
        self.narrow.update(&self.keys, |n, sums| {
            let row = rows.get(n).and_then(|&(n, side)| Some((flows.get(n as usize)?, side)));
            let Some((flow, side)) = row else { return };
            // The sums of the side that the key is on.
            let (first, second) = sums.split_at_mut(3);
            let sums = if side == Side::Source || N == 3 { first } else { second };
            for (sum, count) in sums.iter_mut().zip(Counts::of(flow)) {
                *sum = sum.saturating_add(count);
            }
        })
    }

    fn rank(self, plan: &TotalSpec, limit: Option<usize>) -> io::Result<Ranking> {
        if let Some(table) = self.steps {
            let entries = table.into_sorted()?;
            let entries = entries.map(|entry| entry.map(|((key, at), sums)| (key, at, sums)));
            return ranking::of_steps(entries, plan.by, limit);
        }
        if let Some(table) = self.peers {
            let entries = table.into_sorted()?;
            let entries = entries.map(|entry| entry.map(|((key, _), sums)| (key, sums)));
            return ranking::of_peers(entries, plan.memory, limit);
        }
        let per = plan.per;
        let narrow = self.narrow.into_entries()?;
        let narrow = narrow.map(move |entry| entry.map(|(key, sums)| (per.widen(key), sums)));
        ranking::of_sums(narrow.chain(self.wide.into_entries()?), plan, limit)
    }
}

/// The counts of a flow among the sums of a key that stands on this side of it.
fn on<const N: usize>(side: Side, flow: &Flow) -> [u64; N] {
    let from = if side == Side::Source || N == 3 { 0 } else { 3 };
    let mut sums = [0; N];
    for (sum, count) in sums.iter_mut().skip(from).zip(Counts::of(flow)) {
        *sum = count;
    }
    sums
}

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
