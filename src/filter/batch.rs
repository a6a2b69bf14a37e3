//! Runs a whole batch of flows through a program at once.
//!
//! Sixty-four flows are the bits of a word, and fit into the innermost cache together. Each test
//! runs in a loop of its own over all flows that reached it, and passes them on in two words, along
//! its two jumps. So a test is fetched once for up to 64 flows, and most loops have no branches.

use std::net::IpAddr;

use super::program::{Jump, NO, Program, Test, YES, has};
use super::tree::{Direction, Field, has_ports};
use crate::flow::Flow;

/// Flows in a word.
const WORD: usize = u64::BITS as usize;

/// Number of flows in a word below which testing them one by one costs less.
const FEW: u32 = 12;

/// The chosen flows of a batch.
#[derive(Clone, Debug, Default)]
pub struct Chosen {
    /// A bit for each flow; the first flow is the lowest bit of the first word.
    words: Vec<u64>,
    /// Flows that wait at each test; all zero between two words.
    waiting: Vec<u64>,
}

impl Chosen {
    /// Chooses all of `count` flows.
    pub fn all(&mut self, count: usize) {
        self.words.clear();
        self.words.extend((0..count).step_by(WORD).map(|at| full(count - at)));
    }

    /// Chooses the others instead, of `count` flows in all.
    pub fn invert(&mut self, count: usize) {
        for (n, word) in self.words.iter_mut().enumerate() {
            *word ^= full(count - n * WORD);
        }
    }

    /// Removes the flows for which `keep` returns false.
    pub fn retain(&mut self, mut keep: impl FnMut(usize) -> bool) {
        for (n, word) in self.words.iter_mut().enumerate() {
            for bit in bits(*word) {
                if !keep(n * WORD + bit) {
                    *word ^= 1 << bit;
                }
            }
        }
    }

    /// Returns the places of the chosen flows in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = usize> {
        let words = self.words.iter().enumerate();
        words.flat_map(|(n, word)| bits(*word).map(move |bit| n * WORD + bit))
    }

    /// Returns the number of chosen flows.
    pub fn count(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }
}

/// Returns a word with its `count` lowest bits set, or all.
fn full(count: usize) -> u64 {
    if count >= WORD { u64::MAX } else { (1 << count) - 1 }
}

/// Returns the places of the set bits.
fn bits(mut word: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let bit = word.trailing_zeros() as usize;
        word &= word.checked_sub(1)?;
        Some(bit)
    })
}

impl Program {
    /// Chooses the flows that the program holds for.
    pub fn choose(&self, flows: &[Flow], chosen: &mut Chosen) {
        let Chosen { words, waiting } = chosen;
        words.clear();
        waiting.clear();
        waiting.resize(self.steps.len(), 0);
        for flows in flows.chunks(WORD) {
            let mut yes = 0;
            let mut pass = |waiting: &mut [u64], place: Jump, flows: u64| match place {
                YES => yes |= flows,
                NO => {}
                place => {
                    if let Some(word) = waiting.get_mut(usize::from(place)) {
                        *word |= flows;
                    }
                }
            };
            pass(waiting, self.start, full(flows.len()));
            for (n, step) in self.steps.iter().enumerate().rev() {
                let reached = waiting.get_mut(n).map(std::mem::take).unwrap_or_default();
                if reached != 0 {
                    let held = step.test.holds_for(flows, reached) & reached;
                    pass(waiting, step.yes, held);
                    pass(waiting, step.no, reached & !held);
                }
            }
            words.push(yes);
        }
    }
}

/// Tests the flows that have a bit in `reached`, and returns a bit for each that passes. Bits of
/// other flows are meaningless.
#[inline(always)]
fn test(flows: &[Flow], reached: u64, holds: impl Fn(&Flow) -> bool) -> u64 {
    if reached.count_ones() < FEW {
        return test_each(flows, reached, holds);
    }
    let mut held = 0;
    for (n, flow) in flows.iter().enumerate() {
        held |= u64::from(holds(flow)) << n;
    }
    held
}

/// Tests the flows one by one, for tests that cost more than a few instructions.
#[inline(always)]
fn test_each(flows: &[Flow], reached: u64, holds: impl Fn(&Flow) -> bool) -> u64 {
    let mut held = 0;
    for bit in bits(reached) {
        held |= u64::from(flows.get(bit).is_some_and(&holds)) << bit;
    }
    held
}

/// Tests one end of the flows, the other, or both, without a branch between the two.
#[inline(always)]
fn test_ends<T>(
    flows: &[Flow],
    reached: u64,
    direction: Direction,
    get: impl Fn(&Flow) -> (T, T),
    holds: impl Fn(&Flow, T) -> bool,
) -> u64 {
    match direction {
        Direction::Src => test(flows, reached, |flow| holds(flow, get(flow).0)),
        Direction::Dst => test(flows, reached, |flow| holds(flow, get(flow).1)),
        Direction::Either => test(flows, reached, |flow| {
            let (src, dst) = get(flow);
            holds(flow, src) | holds(flow, dst)
        }),
        Direction::Both => test(flows, reached, |flow| {
            let (src, dst) = get(flow);
            holds(flow, src) & holds(flow, dst)
        }),
    }
}

impl Test {
    /// Returns a bit for each flow that passes, among those that have a bit in `reached`.
    fn holds_for(&self, flows: &[Flow], reached: u64) -> u64 {
        let ports = |flow: &Flow| (flow.sport, flow.dport);
        match self {
            Test::Net { ends, net, mask } => {
                let is_in = |_: &Flow, address| match address {
                    IpAddr::V4(address) => u32::from(address) & mask == *net,
                    IpAddr::V6(_) => false,
                };
                test_ends(flows, reached, *ends, |flow| (flow.sip, flow.dip), is_in)
            }
            Test::Proto(protos) => test(flows, reached, |flow| has(protos, u16::from(flow.proto))),
            Test::Port { ends, first, last } => {
                test_ends(flows, reached, *ends, ports, |flow, port| {
                    has_ports(flow.proto) & (*first <= port) & (port <= *last)
                })
            }
            Test::Ports(ends, set) => test_ends(flows, reached, *ends, ports, |flow, port| {
                has_ports(flow.proto) & has(set.as_slice(), port)
            }),
            Test::Interface(ends, set) => {
                let interfaces = |flow: &Flow| (flow.sif, flow.dif);
                test_ends(flows, reached, *ends, interfaces, |_, number| set.has(number.into()))
            }
            Test::Number(Field::Packets, set) => test(flows, reached, |flow| set.has(flow.packets)),
            Test::Number(Field::Octets, set) => test(flows, reached, |flow| set.has(flow.octets)),
            Test::Number(field, set) => {
                test(flows, reached, |flow| field.value(flow).is_some_and(|value| set.has(value)))
            }
            Test::AllFlags(mask) => {
                test(flows, reached, |flow| flow.flags.is_some_and(|flags| flags & mask == *mask))
            }
            Test::AnyFlag(mask) => {
                test(flows, reached, |flow| flow.flags.is_some_and(|flags| flags & mask != 0))
            }
            Test::V4 | Test::V6 => test(flows, reached, |flow| self.holds(flow)),
            Test::Nets(..) | Test::Exporter(_) | Test::Ratio(..) => {
                test_each(flows, reached, |flow| self.holds(flow))
            }
        }
    }
}
