//! Compiles an expression into tests with jumps.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

use super::tree::{Direction, Expr, Field, Ranges, Term, has_ports};
use crate::flow::{Flow, Networks};

/// The place of the next test, or one of the two ends.
pub(super) type Jump = u16;

/// The end for flows that pass.
pub(super) const YES: Jump = Jump::MAX;

/// The end for all other flows.
pub(super) const NO: Jump = Jump::MAX - 1;

/// A compiled expression. All jumps go backwards, so every run ends.
#[derive(Clone, Debug)]
pub(super) struct Program {
    pub steps: Vec<TestStep>,
    /// The first test.
    pub start: Jump,
}

/// A test and its two jumps.
#[derive(Clone, Debug)]
pub(super) struct TestStep {
    pub test: Test,
    pub yes: Jump,
    pub no: Jump,
}

/// One test. The most frequent conditions have variants of their own.
#[derive(Clone, Debug)]
pub(super) enum Test {
    V4,
    V6,
    /// IPv4 addresses of one network or host.
    Net {
        ends: Direction,
        net: u32,
        mask: u32,
    },
    Nets(Direction, Networks),
    Exporter(Networks),
    /// A bit for each protocol.
    Proto([u64; 4]),
    /// A range of ports.
    Port {
        ends: Direction,
        first: u16,
        last: u16,
    },
    /// A bit for each port.
    Ports(Direction, Box<[u64; 1024]>),
    Interface(Direction, Set),
    Number(Field, Set),
    Ratio(Field, Set),
    AllFlags(u16),
    AnyFlag(u16),
}

/// A set of numbers: one range, as its first number and the distance to the last, or several ranges
/// in ascending order.
#[derive(Clone, Debug)]
pub(super) enum Set {
    One(u64, u64),
    Many(Ranges),
}

impl Program {
    /// Compiles an expression.
    pub fn new(expr: Expr) -> Program {
        let mut program = Program { steps: Vec::new(), start: NO };
        program.start = program.compile(joined(expr), YES, NO);
        program
    }

    /// Returns true if the flow passes.
    #[inline]
    pub fn holds(&self, flow: &Flow) -> bool {
        let mut at = self.start;
        while let Some(step) = self.steps.get(usize::from(at)) {
            at = if step.test.holds(flow) { step.yes } else { step.no };
        }
        at == YES
    }

    /// Adds the tests of an expression and returns its start. A jump can name far more tests than
    /// there are: each term is at most one.
    fn compile(&mut self, expr: Expr, yes: Jump, no: Jump) -> Jump {
        match expr {
            Expr::Not(inner) => self.compile(*inner, no, yes),
            Expr::And(all) => {
                all.into_iter().rev().fold(yes, |next, expr| self.compile(expr, next, no))
            }
            Expr::Or(all) => {
                all.into_iter().rev().fold(no, |next, expr| self.compile(expr, yes, next))
            }
            Expr::Term(term) => match Test::of(term) {
                Ok(test) => {
                    self.steps.push(TestStep { test, yes, no });
                    Jump::try_from(self.steps.len() - 1).unwrap_or(NO)
                }
                Err(always) => {
                    if always {
                        yes
                    } else {
                        no
                    }
                }
            },
        }
    }
}

impl Test {
    /// Returns the test of a term, or its result if that is the same for every flow.
    fn of(term: Term) -> Result<Test, bool> {
        Ok(match term {
            Term::Any => return Err(true),
            Term::V4 => Test::V4,
            Term::V6 => Test::V6,
            Term::Address(ends, nets) => match nets.as_slice() {
                [] => return Err(false),
                [IpNet::V4(net)] => {
                    Test::Net { ends, net: net.network().into(), mask: net.netmask().into() }
                }
                _ => Test::Nets(ends, Networks::new(nets)),
            },
            Term::Exporter(nets) => Test::Exporter(Networks::new(nets)),
            Term::Port(ends, ranges) => match ordered(ranges).as_slice() {
                [] => return Err(false),
                &[(first, last)] => match u16::try_from(first) {
                    Ok(first) => {
                        let last = u16::try_from(last).unwrap_or(u16::MAX);
                        Test::Port { ends, first, last }
                    }
                    // No port is that large, as in `port > 65535`.
                    Err(_) => return Err(false),
                },
                ranges => Test::Ports(ends, Box::new(bits(ranges))),
            },
            Term::Number(Field::Proto, ranges) if ranges.is_empty() => return Err(false),
            Term::Number(Field::Proto, ranges) => Test::Proto(bits(&ranges)),
            Term::Interface(ends, ranges) => Test::Interface(ends, Set::of(ranges)?),
            Term::Number(field, ranges) if field.is_ratio() => Test::Ratio(field, Set::of(ranges)?),
            Term::Number(field, ranges) => Test::Number(field, Set::of(ranges)?),
            Term::Flags { mask, all: true } => Test::AllFlags(mask),
            Term::Flags { mask, all: false } => Test::AnyFlag(mask),
        })
    }

    /// Returns true if the flow passes.
    #[inline(always)]
    pub fn holds(&self, flow: &Flow) -> bool {
        match self {
            Test::V4 => flow.sip.is_ipv4() && flow.dip.is_ipv4(),
            Test::V6 => flow.sip.is_ipv6() && flow.dip.is_ipv6(),
            Test::Net { ends, net, mask } => {
                ends.hold(flow.sip, flow.dip, |address| match address {
                    IpAddr::V4(address) => u32::from(address) & mask == *net,
                    IpAddr::V6(_) => false,
                })
            }
            Test::Nets(ends, nets) => {
                ends.hold(flow.sip, flow.dip, |address| nets.contains(address))
            }
            Test::Exporter(nets) => flow.exporter.is_some_and(|address| nets.contains(address)),
            Test::Proto(protos) => has(protos, u16::from(flow.proto)),
            Test::Port { ends, first, last } => {
                has_ports(flow.proto)
                    && ends.hold(flow.sport, flow.dport, |port| *first <= port && port <= *last)
            }
            Test::Ports(ends, ports) => {
                has_ports(flow.proto)
                    && ends.hold(flow.sport, flow.dport, |port| has(ports.as_slice(), port))
            }
            Test::Interface(ends, set) => {
                ends.hold(flow.sif, flow.dif, |interface| set.has(u64::from(interface)))
            }
            Test::Number(field, set) => field.value(flow).is_some_and(|value| set.has(value)),
            Test::Ratio(field, set) => field
                .ratio(flow)
                .is_some_and(|(dividend, divisor)| set.has_ratio(dividend, divisor)),
            Test::AllFlags(mask) => flow.flags.is_some_and(|flags| flags & mask == *mask),
            Test::AnyFlag(mask) => flow.flags.is_some_and(|flags| flags & mask != 0),
        }
    }
}

impl Direction {
    #[inline(always)]
    fn hold<T>(self, src: T, dst: T, holds: impl Fn(T) -> bool) -> bool {
        match self {
            Direction::Src => holds(src),
            Direction::Dst => holds(dst),
            Direction::Either => holds(src) || holds(dst),
            Direction::Both => holds(src) && holds(dst),
        }
    }
}

impl Set {
    fn of(ranges: Ranges) -> Result<Set, bool> {
        let ranges = ordered(ranges);
        match ranges.as_slice() {
            [] => Err(false),
            &[(first, last)] => Ok(Set::One(first, last - first)),
            _ => Ok(Set::Many(ranges)),
        }
    }

    #[inline(always)]
    pub fn has(&self, value: u64) -> bool {
        match self {
            Set::One(first, more) => value.wrapping_sub(*first) <= *more,
            Set::Many(ranges) => {
                let after = ranges.partition_point(|&(first, _)| first <= value);
                let range = after.checked_sub(1).and_then(|n| ranges.get(n));
                range.is_some_and(|&(_, last)| value <= last)
            }
        }
    }

    /// Returns true if the set has `dividend / divisor` rounded down. It multiplies, because that
    /// costs less than a division of 128 bits.
    fn has_ratio(&self, dividend: u128, divisor: u64) -> bool {
        let divisor = u128::from(divisor);
        let lies_in = |first: u64, last: u64| {
            let is_below = last == u64::MAX || dividend < (u128::from(last) + 1) * divisor;
            u128::from(first) * divisor <= dividend && is_below
        };
        match self {
            Set::One(first, more) => lies_in(*first, first + more),
            Set::Many(ranges) => ranges.iter().any(|&(first, last)| lies_in(first, last)),
        }
    }
}

/// Sorts ranges, and joins those that overlap or touch.
fn ordered(mut ranges: Ranges) -> Ranges {
    ranges.sort_unstable();
    ranges.dedup_by(|after, before| {
        let touches = after.0 <= before.1.saturating_add(1);
        if touches {
            before.1 = before.1.max(after.1);
        }
        touches
    });
    ranges
}

/// Returns a bit set of the numbers in the ranges, without those beyond its size.
fn bits<const N: usize>(ranges: &[(u64, u64)]) -> [u64; N] {
    let mut bits = [0; N];
    for &(first, last) in ranges {
        for number in first..=last.min(64 * N as u64 - 1) {
            if let Some(word) = bits.get_mut((number / 64) as usize) {
                *word |= 1 << (number % 64);
            }
        }
    }
    bits
}

/// Returns true if a bit set has the number.
#[inline(always)]
pub(super) fn has(bits: &[u64], number: u16) -> bool {
    bits.get(usize::from(number / 64)).is_some_and(|word| (word >> (number % 64)) & 1 == 1)
}

/// The kind of a term. Two terms of one kind with `or` between them can be one term.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Group {
    Address(u8),
    Exporter,
    Port(u8),
    Interface(u8),
    Number(u8),
}

impl Group {
    fn of(expr: &Expr) -> Option<Group> {
        // `Both` cannot be joined: each of two sets must hold both ends, not their union.
        let ends = |ends: &Direction| (*ends != Direction::Both).then_some(*ends as u8);
        match expr {
            Expr::Term(Term::Address(at, _)) => ends(at).map(Group::Address),
            Expr::Term(Term::Exporter(_)) => Some(Group::Exporter),
            Expr::Term(Term::Port(at, _)) => ends(at).map(Group::Port),
            Expr::Term(Term::Interface(at, _)) => ends(at).map(Group::Interface),
            Expr::Term(Term::Number(field, _)) => Some(Group::Number(*field as u8)),
            _ => None,
        }
    }
}

/// Joins alternatives of one kind into one term, so that a thousand hosts with `or` between them
/// are one look-up.
fn joined(expr: Expr) -> Expr {
    match expr {
        Expr::Or(all) => any_of(all),
        // `not a and not b` is `not (a or b)`.
        Expr::And(all) => {
            let (not, mut rest): (Vec<_>, Vec<_>) =
                all.into_iter().partition(|expr| matches!(expr, Expr::Not(_)));
            let not = not.into_iter().filter_map(|expr| match expr {
                Expr::Not(inner) => Some(*inner),
                _ => None,
            });
            let not: Vec<_> = not.collect();
            rest = rest.into_iter().map(joined).collect();
            if !not.is_empty() {
                rest.push(Expr::Not(Box::new(any_of(not))));
            }
            Expr::And(rest)
        }
        Expr::Not(inner) => Expr::Not(Box::new(joined(*inner))),
        Expr::Term(term) => Expr::Term(term),
    }
}

/// Returns the expression that holds if any of `all` does.
fn any_of(all: Vec<Expr>) -> Expr {
    let mut kept: Vec<Expr> = Vec::new();
    let mut places: BTreeMap<Group, usize> = BTreeMap::new();
    for expr in all {
        let parts = match joined(expr) {
            Expr::Or(parts) => parts,
            other => vec![other],
        };
        for part in parts {
            let Some(group) = Group::of(&part) else {
                kept.push(part);
                continue;
            };
            let place = *places.entry(group).or_insert(kept.len());
            match (kept.get_mut(place), part) {
                (Some(Expr::Term(into)), Expr::Term(term)) => into.take(term),
                (_, part) => kept.push(part),
            }
        }
    }
    if kept.len() == 1 { kept.remove(0) } else { Expr::Or(kept) }
}

impl Term {
    /// Adds the values of another term of the same kind.
    fn take(&mut self, other: Term) {
        match (self, other) {
            (
                Term::Address(_, nets) | Term::Exporter(nets),
                Term::Address(_, more) | Term::Exporter(more),
            ) => nets.extend(more),
            (
                Term::Port(_, ranges) | Term::Interface(_, ranges) | Term::Number(_, ranges),
                Term::Port(_, more) | Term::Interface(_, more) | Term::Number(_, more),
            ) => ranges.extend(more),
            _ => {}
        }
    }
}
