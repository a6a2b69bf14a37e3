//! Answers that look like attempts: those of a service at an unknown port, seen without flags.
//!
//! A server that answers forged clients sends resets, or SYN and ACK, from its own port to the ports of clients.
//! Flags show that these are answers, and so does the port of a known service. Without both, and by UDP, only the
//! destination ports tell them apart: a scan looks for services, and answers go to ports without one.

use super::attempt::{Attempt, REJECTED};
use crate::conversation::Address;
use crate::conversation::service::strength;
use crate::flow::{TCP, UDP};

/// The most ports from which a server sends answers.
const OWN_PORTS: u64 = 4;
/// The fewest targets for each of these ports, if there is more than one.
const TARGETS: u64 = 4;
/// Target ports from which on none may have more than a twentieth of the attempts. With fewer ports, nearly each
/// attempt must have a port of its own.
const MANY_PORTS: u64 = 100;
/// The lowest ephemeral port of today's systems (RFC 6056 section 2.1). Address translators begin at 1024.
const EPHEMERAL: u16 = 32_768;
/// Attempts that show the range of their ports: of 500 ports drawn at random, none is below 1024 with a
/// probability of 1 in 2500.
const SURE: u64 = 500;
/// The least span of the ports that a translator draws. A scan of a range of ports is narrower.
const SPAN: u16 = 32_768;
/// Attempts for each one that may go to a well-known port above 1023, because translators draw from 1024 on.
const LISTED: u64 = 100;

/// Counts of the failed attempts of one source by one protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct AttemptCounts {
    /// All failed attempts.
    pub all: u64,
    /// Attempts for which the exporter sent TCP flags.
    pub flagged: u64,
    /// Attempts that were rejected. Answers are not answered.
    pub rejected: u64,
    /// Distinct source ports.
    pub sports: u64,
    /// Distinct target ports.
    pub ports: u64,
    /// Attempts at the commonest target port.
    pub most: u64,
    /// Attempts at ports below 1024.
    pub low: u64,
    /// Attempts at well-known ports above 1023.
    pub listed: u64,
    /// Attempts at ports below the ephemeral ones.
    pub below: u64,
    /// The lowest and the highest target port.
    pub range: Option<(u16, u16)>,
}

impl AttemptCounts {
    /// Returns the counts of the failed attempts of a source.
    pub(super) fn of<A: Address>(attempts: &[Attempt<A>]) -> AttemptCounts {
        let failed = || attempts.iter().filter(|attempt| attempt.is_failed());
        let sorted = |port: fn(&Attempt<A>) -> u16| {
            let mut ports: Vec<u16> = failed().map(port).collect();
            ports.sort_unstable();
            ports
        };
        let (ports, sports) = (sorted(|attempt| attempt.port), sorted(|attempt| attempt.sport));
        let mut counts = AttemptCounts {
            all: ports.len() as u64,
            flagged: failed().filter(|attempt| attempt.flags != 0).count() as u64,
            rejected: failed().filter(|attempt| attempt.has(REJECTED)).count() as u64,
            sports: sports.chunk_by(|a, b| a == b).count() as u64,
            ..AttemptCounts::default()
        };
        for of_port in ports.chunk_by(|a, b| a == b) {
            if let Some(port) = of_port.first() {
                counts.add_port(*port, of_port.len() as u64);
            }
        }
        counts
    }

    /// Adds a target port with the failed attempts at it.
    pub(super) fn add_port(&mut self, port: u16, count: u64) {
        self.ports += 1;
        self.most = self.most.max(count);
        self.below += if port < EPHEMERAL { count } else { 0 };
        let (least, most) = self.range.unwrap_or((port, port));
        self.range = Some((least.min(port), most.max(port)));
        match strength(port) {
            0 => {}
            1 => self.listed += count,
            _ => self.low += count,
        }
    }

    /// Returns true if the attempts by this protocol are probably answers: they have no flags, come from a few
    /// ports, and go to many ports that are no service's, hardly to any of them twice.
    pub(super) fn may_be_answers(&self, proto: u8) -> bool {
        let AttemptCounts { all, flagged, rejected, sports, ports, most, low, listed, .. } = *self;
        let is_wide = self.range.is_some_and(|(least, most)| most - least >= SPAN);
        let are_clients = self.below * 10 <= all || (all >= SURE && is_wide);
        let has_own_ports = sports == 1 || (sports <= OWN_PORTS && sports * TARGETS <= all);
        let is_scattered = ports * 10 >= all * 9 || (ports >= MANY_PORTS && most * 20 <= all);
        (proto == TCP || proto == UDP)
            && all > 1
            && flagged == 0
            && rejected * 10 <= all
            && has_own_ports
            && is_scattered
            && low == 0
            && are_clients
            && listed * LISTED <= all
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{
        INSIDE, OUTSIDE, ask, back, judge, judge_by, names, nine, ours, theirs,
    };
    use super::super::{Memory, Scan, Setup};
    use crate::detect::Detector;
    use crate::detect::play::{NOW, site};
    use crate::flow::{Flow, UDP};
    use crate::time::{End, Window};
    use crate::window::Counter;
    use std::rc::Rc;

    /// Returns packets from port 25565 of a server to this many ports of clients.
    fn answers(
        count: u32,
        to: impl Fn(u32) -> [u8; 4],
        from: [u8; 4],
        port: fn(u32) -> u32,
    ) -> Vec<Flow> {
        let answer = |n| Flow { sport: 25_565, ..ask(from, to(n), port(n) as u16) };
        (0..count).map(answer).collect()
    }

    fn clients(n: u32) -> u32 {
        32_768 + n * 7919 % 28_000
    }

    #[test]
    fn a_server_at_an_unknown_port_is_no_scanner_of_its_clients() {
        for from in [INSIDE, OUTSIDE] {
            let hosts: [fn(u32) -> [u8; 4]; 2] =
                if from == INSIDE { [theirs, |_| OUTSIDE] } else { [ours, |_| INSIDE] };
            for to in hosts {
                for count in [14, 15, 60, 500, 3000, 20_000] {
                    let flows = nine(&answers(count, to, from, clients));
                    assert_eq!(names(&judge(&flows)), [""; 0], "{count} of {from:?}");
                    let datagrams: Vec<Flow> =
                        flows.iter().map(|flow| Flow { proto: UDP, ..*flow }).collect();
                    assert_eq!(names(&judge(&datagrams)), [""; 0], "UDP, {count} of {from:?}");
                }
            }
            // A few clients behind a translator, which draws ports from 1024 on.
            let flows =
                nine(&answers(3000, |n| hosts[0](n % 12), from, |n| 1024 + n * 17 % 64_000));
            assert_eq!(names(&judge(&flows)), [""; 0], "{from:?}");
        }
    }

    #[test]
    fn a_scan_from_a_fixed_port_is_found() {
        let one = |_: u32| INSIDE;
        let named = |flows: &[Flow]| names(&judge(&nine(flows)));
        let ports = ["vertical 192.0.2.9 source"];
        assert_eq!(named(&answers(1000, one, OUTSIDE, |n| 1 + n)), ports);
        assert_eq!(named(&answers(65_000, one, OUTSIDE, |n| 1 + n)), ports);
        // Services above 1023.
        let listed =
            |n: u32| [1433, 3306, 3389, 5432, 5900, 6379, 8080, 9200][n as usize % 8] + n / 8;
        assert_eq!(named(&answers(80, one, OUTSIDE, listed)), ports);
        // Ephemeral ports that reject: an answer is never rejected.
        let rejected = |flow: &Flow| [*flow, back(flow, 1, 40, 20)];
        let high: Vec<Flow> =
            answers(1000, one, OUTSIDE, clients).iter().flat_map(rejected).collect();
        assert_eq!(named(&high), ports);
        // A range of unknown ports.
        assert_eq!(named(&answers(600, one, OUTSIDE, |n| 30_000 + n)), ports);
        // A few ports, all of which happen to be above 1023.
        assert_eq!(named(&answers(60, one, OUTSIDE, |n| 1024 + n * 1009 % 64_000)), ports);
        // An unknown port of many hosts.
        let worm = named(&answers(600, ours, OUTSIDE, |_| 37_777));
        assert!(worm[0].ends_with("192.0.2.9 source"), "{worm:?}");
        // Flags show that the source is the initiator.
        assert_eq!(names(&judge(&answers(1000, one, OUTSIDE, clients))), ports);
        let fin: Vec<Flow> = answers(1000, one, OUTSIDE, clients)
            .iter()
            .map(|flow| Flow { flags: Some(1), ..*flow })
            .collect();
        assert_eq!(names(&judge(&fin)), ports);
    }

    #[test]
    fn answers_over_many_windows_are_no_slow_scan() {
        let find = |port: fn(u32) -> u32| {
            let setup = Setup { memory: Some(Memory::default().into()), ..Setup::default() };
            let setup = Rc::new(setup);
            let mut found = Vec::new();
            for n in 0..40u32 {
                let mut scan = Scan::new(site(1 << 30), setup.clone());
                let all = answers(40 * 11, |_| INSIDE, OUTSIDE, port);
                scan.add(&nine(&all[n as usize * 11..][..11])).unwrap();
                let window = Window::new(u64::from(n) * 600, 600);
                let verdict = scan.judge(&End { window, ..End::default() }, NOW).unwrap();
                found.extend(names(&verdict.findings));
            }
            found
        };
        assert_eq!(find(clients), [""; 0]);
        assert!(find(|n| 1 + n).contains(&"slow 192.0.2.9 source".to_owned()));
    }

    #[test]
    fn a_sites_limits_do_not_make_answers_a_scan() {
        let flows = nine(&answers(3000, |_| OUTSIDE, INSIDE, clients));
        let setup = Setup {
            limits: crate::detect::SiteLimits::parse("*,ports,2").unwrap(),
            ..Setup::default()
        };
        assert_eq!(names(&judge_by(setup, &End::default(), &flows).findings), [""; 0]);
    }
}
