//! A whole batch of flows through a program at once.
//!
//! Sixty-four flows are a word of bits, and lie in the innermost cache together. Each test is asked of
//! all that came to it, in a loop of its own, and passes two words on to where its jumps lead: a test
//! is looked up once for so many flows, and most loops are free of branches.

use std::net::IpAddr;

use super::program::{Jump, NO, Program, Test, YES, has};
use super::tree::{Direction, Field, has_ports};
use crate::flow::Flow;

/// Flows of a word.
const WORD: usize = u64::BITS as usize;

/// With fewer than this left of a word, asking them one by one costs less.
const FEW: u32 = 12;

/// Which flows of a batch are chosen.
#[derive(Clone, Debug, Default)]
pub struct Chosen {
    /// A bit for each flow, from the lowest of the first word.
    words: Vec<u64>,
    /// Flows that wait at each test; nothing between two words.
    waiting: Vec<u64>,
}

impl Chosen {
    /// All of so many flows.
    pub fn all(&mut self, count: usize) {
        self.words.clear();
        self.words.extend((0..count).step_by(WORD).map(|at| full(count - at)));
    }

    /// Those that were not chosen, of `count` flows in all.
    pub fn invert(&mut self, count: usize) {
        for (n, word) in self.words.iter_mut().enumerate() {
            *word ^= full(count - n * WORD);
        }
    }

    /// Leaves out those that `keep` does not hold for.
    pub fn retain(&mut self, mut keep: impl FnMut(usize) -> bool) {
        for (n, word) in self.words.iter_mut().enumerate() {
            for bit in bits(*word) {
                if !keep(n * WORD + bit) {
                    *word ^= 1 << bit;
                }
            }
        }
    }

    /// The places of those that are chosen, in their order.
    pub fn iter(&self) -> impl Iterator<Item = usize> {
        let words = self.words.iter().enumerate();
        words.flat_map(|(n, word)| bits(*word).map(move |bit| n * WORD + bit))
    }

    /// How many are chosen.
    pub fn count(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }
}

/// The lowest bits of a word, so many or all.
fn full(count: usize) -> u64 {
    if count >= WORD { u64::MAX } else { (1 << count) - 1 }
}

/// The places of the bits that are set.
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
            let mut go = |waiting: &mut [u64], place: Jump, flows: u64| match place {
                YES => yes |= flows,
                NO => {}
                place => {
                    if let Some(word) = waiting.get_mut(usize::from(place)) {
                        *word |= flows;
                    }
                }
            };
            go(waiting, self.start, full(flows.len()));
            for (n, step) in self.steps.iter().enumerate().rev() {
                let come = waiting.get_mut(n).map(std::mem::take).unwrap_or_default();
                if come != 0 {
                    let held = step.test.holds_for(flows, come) & come;
                    go(waiting, step.yes, held);
                    go(waiting, step.no, come & !held);
                }
            }
            words.push(yes);
        }
    }
}

/// Asks flows, of which those with a bit in `come` count.
#[inline(always)]
fn ask(flows: &[Flow], come: u64, holds: impl Fn(&Flow) -> bool) -> u64 {
    if come.count_ones() < FEW {
        return ask_each(flows, come, holds);
    }
    let mut held = 0;
    for (n, flow) in flows.iter().enumerate() {
        held |= u64::from(holds(flow)) << n;
    }
    held
}

/// The same one by one: for what costs more than a few instructions.
#[inline(always)]
fn ask_each(flows: &[Flow], come: u64, holds: impl Fn(&Flow) -> bool) -> u64 {
    let mut held = 0;
    for bit in bits(come) {
        held |= u64::from(flows.get(bit).is_some_and(&holds)) << bit;
    }
    held
}

/// Asks one end or the other, or both: without a branch between the two.
#[inline(always)]
fn ask_ends<T>(
    flows: &[Flow],
    come: u64,
    ends: Direction,
    get: impl Fn(&Flow) -> (T, T),
    holds: impl Fn(&Flow, T) -> bool,
) -> u64 {
    match ends {
        Direction::Src => ask(flows, come, |flow| holds(flow, get(flow).0)),
        Direction::Dst => ask(flows, come, |flow| holds(flow, get(flow).1)),
        Direction::Either => ask(flows, come, |flow| {
            let (src, dst) = get(flow);
            holds(flow, src) | holds(flow, dst)
        }),
        Direction::Both => ask(flows, come, |flow| {
            let (src, dst) = get(flow);
            holds(flow, src) & holds(flow, dst)
        }),
    }
}

impl Test {
    /// The flows for which it holds, at least among those that have a bit in `come`.
    fn holds_for(&self, flows: &[Flow], come: u64) -> u64 {
        let ports = |flow: &Flow| (flow.sport, flow.dport);
        match self {
            Test::Net(ends, net, mask) => {
                let is_in = |_: &Flow, address| match address {
                    IpAddr::V4(address) => u32::from(address) & mask == *net,
                    IpAddr::V6(_) => false,
                };
                ask_ends(flows, come, *ends, |flow| (flow.sip, flow.dip), is_in)
            }
            Test::Proto(protos) => ask(flows, come, |flow| has(protos, u16::from(flow.proto))),
            Test::Port(ends, first, last) => ask_ends(flows, come, *ends, ports, |flow, port| {
                has_ports(flow.proto) & (*first <= port) & (port <= *last)
            }),
            Test::Ports(ends, set) => ask_ends(flows, come, *ends, ports, |flow, port| {
                has_ports(flow.proto) & has(set.as_slice(), port)
            }),
            Test::Interface(ends, set) => {
                let interfaces = |flow: &Flow| (flow.sif, flow.dif);
                ask_ends(flows, come, *ends, interfaces, |_, number| set.has(number.into()))
            }
            Test::Number(Field::Packets, set) => ask(flows, come, |flow| set.has(flow.packets)),
            Test::Number(Field::Octets, set) => ask(flows, come, |flow| set.has(flow.octets)),
            Test::Number(field, set) => {
                ask(flows, come, |flow| field.value(flow).is_some_and(|value| set.has(value)))
            }
            Test::AllFlags(mask) => {
                ask(flows, come, |flow| flow.flags.is_some_and(|flags| flags & mask == *mask))
            }
            Test::AnyFlag(mask) => {
                ask(flows, come, |flow| flow.flags.is_some_and(|flags| flags & mask != 0))
            }
            Test::V4 | Test::V6 => ask(flows, come, |flow| self.holds(flow)),
            Test::Nets(..) | Test::Exporter(_) | Test::Ratio(..) => {
                ask_each(flows, come, |flow| self.holds(flow))
            }
        }
    }
}
