//! Packet sampling: the part of a flow that a router sees if it looks at one packet in N.

use super::draw::Dice;
use crate::flow::Flow;
use crate::time::Window;

/// A sampler that takes each packet with a probability of 1/N, independently of the others.
#[derive(Clone, Debug)]
pub struct Sampler {
    seed: u64,
    interval: u32,
    dice: Dice,
}

impl Sampler {
    /// Returns a sampler of one packet in `interval`. An interval of 0 counts as 1.
    pub fn new(seed: u64, interval: u32) -> Sampler {
        let dice = Dice::new(seed, 0, PURPOSE);
        Sampler { seed, interval: interval.max(1), dice }
    }

    /// Begins a window. The random numbers of a window do not depend on those before it.
    pub fn enter(&mut self, window: Window) {
        self.dice = Dice::new(self.seed, window.start(), PURPOSE);
    }

    /// Returns the flow as the router reports it, with bytes in proportion to its packets, or `None` if it saw
    /// no packet. Flags and times stay those of the whole flow.
    ///
    /// It draws once for each packet, which gives the exact binomial distribution in whole numbers.
    pub fn take(&mut self, flow: &Flow) -> Option<Flow> {
        let packets = match self.interval {
            1 => flow.packets,
            n => (0..flow.packets).map(|_| u64::from(self.dice.below(n) == 0)).sum(),
        };
        if packets == 0 {
            return None;
        }
        // Rounded half up, which is never more than the flow has.
        let (all, taken) = (u128::from(flow.packets), u128::from(packets));
        let octets = (u128::from(flow.octets) * taken + all / 2) / all;
        let octets = u64::try_from(octets).unwrap_or(u64::MAX);
        Some(Flow { packets, octets, sampling: self.interval, ..*flow })
    }
}

/// The purpose of the sampler's random numbers.
const PURPOSE: u64 = 0x5a3b1e;

#[cfg(test)]
mod tests {
    use super::*;

    fn sampler(interval: u32) -> Sampler {
        let mut sampler = Sampler::new(1, interval);
        sampler.enter(Window::new(600, 600).unwrap());
        sampler
    }

    #[test]
    fn an_interval_of_one_takes_all_packets() {
        let flow = Flow { packets: 7, octets: 1001, ..Flow::default() };
        let whole = Flow { sampling: 1, ..flow };
        assert_eq!(sampler(1).take(&flow), Some(whole));
        assert_eq!(sampler(0).take(&flow), Some(whole));
        assert_eq!(sampler(1).take(&Flow { packets: 0, ..flow }), None);
    }

    #[test]
    fn packets_are_taken_one_in_n_and_bytes_in_proportion() {
        let mut sampler = sampler(100);
        let flow = Flow { packets: 50, octets: 50_000, ..Flow::default() };
        let mut seen = [0u32; 51];
        for _ in 0..100_000 {
            let taken = sampler.take(&flow);
            let packets = taken.map_or(0, |flow| flow.packets);
            assert_eq!(taken.map_or(0, |flow| flow.octets), packets * 1_000);
            assert!(taken.is_none_or(|flow| flow.sampling == 100));
            seen[packets as usize] += 1;
        }
        // Binomial with n 50 and p 0.01: five standard deviations around each.
        for (packets, expected) in [(0, 60_501), (1, 30_556), (2, 7_562), (3, 1_222), (4, 145)] {
            let wide = 5.0 * f64::from(expected).sqrt();
            assert!(f64::from(seen[packets].abs_diff(expected)) < wide, "{packets}: {seen:?}");
        }
    }

    #[test]
    fn windows_are_independent_of_each_other() {
        let flow = Flow { packets: 1000, octets: 1_000_000, ..Flow::default() };
        let window = |start| Window::new(start, 600).unwrap();
        let mut sampler = Sampler::new(1, 10);
        sampler.enter(window(1200));
        let second: Vec<_> = (0..9).map(|_| sampler.take(&flow)).collect();
        sampler.enter(window(600));
        let first: Vec<_> = (0..9).map(|_| sampler.take(&flow)).collect();
        sampler.enter(window(1200));
        assert_eq!((0..9).map(|_| sampler.take(&flow)).collect::<Vec<_>>(), second);
        assert_ne!(first, second);
        let mut other = Sampler::new(2, 10);
        other.enter(window(1200));
        assert_ne!((0..9).map(|_| other.take(&flow)).collect::<Vec<_>>(), second);
    }

    #[test]
    fn bytes_are_rounded_and_never_grow() {
        let flow = Flow { packets: 3, octets: 100, ..Flow::default() };
        let mut sampler = sampler(2);
        for _ in 0..100 {
            let octets = sampler.take(&flow).map_or(0, |flow| flow.octets);
            assert!([0, 33, 67, 100].contains(&octets), "{octets}");
        }
        let much = Flow { packets: 1, octets: u64::MAX, ..Flow::default() };
        assert!((0..99).filter_map(|_| sampler.take(&much)).all(|flow| flow.octets == u64::MAX));
    }
}
