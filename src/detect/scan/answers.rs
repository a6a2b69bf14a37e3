//! Answers of a service at a port that is on no list, seen without flags.
//!
//! A server that refuses or accepts what forged clients seem to ask sends resets, or SYN and ACK, from its
//! own port to the ports of clients. Flags say that these are answers, and so does the port of a service
//! that is known. Without both, and by UDP, what is left is where they go: a scan looks for services, and answers go to
//! ports at which there are none.

use super::attempt::{Attempt, REJECTED};
use crate::conversation::service::strength;
use crate::flow::{TCP, UDP};

/// The most ports of its own that a server sends answers from.
const OWN_PORTS: u64 = 4;
/// The least targets for each port of its own, if it has more than one.
const TARGETS: u64 = 4;
/// With this many ports, none has more than a twentieth of the attempts; with fewer, nearly each has one.
const MANY_PORTS: u64 = 100;
/// Systems of today number their clients' ports from here (RFC 6056 section 2.1), and translators from 1024.
const CLIENTS: u16 = 32_768;
/// Among this many ports drawn from all, one is below 1024; the chance of none is one in 2500.
const SURE: u64 = 500;
/// The ports that a translator draws span at least this many; a scan takes a range.
const SPAN: u16 = 32_768;
/// At most one attempt in this many may go to a well-known port above 1023: translators number their
/// clients from 1024 on.
const LISTED: u64 = 100;

/// Attempts of one source by one protocol, counted by ports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Attempts {
    /// Attempts in all, and those whose exporter told flags.
    pub all: u64,
    pub flagged: u64,
    /// Attempts that were refused: whoever only answers gets no answer.
    pub refused: u64,
    /// Distinct ports of the source, and of the targets.
    pub sports: u64,
    pub ports: u64,
    /// Attempts at the commonest port of the targets.
    pub most: u64,
    /// Attempts at ports below 1024, and at well-known ports above.
    pub low: u64,
    pub listed: u64,
    /// Attempts at ports below those of most clients.
    pub below: u64,
    /// The lowest and the highest port of the targets.
    pub range: Option<(u16, u16)>,
}

impl Attempts {
    /// Counts the failed attempts among trials.
    pub(super) fn of<A>(trials: &[Attempt<A>]) -> Attempts
    where
        A: crate::conversation::Address,
    {
        let failed = || trials.iter().filter(|trial| trial.is_failed());
        let sorted = |port: fn(&Attempt<A>) -> u16| {
            let mut ports: Vec<u16> = failed().map(port).collect();
            ports.sort_unstable();
            ports
        };
        let (ports, sports) = (sorted(|trial| trial.port), sorted(|trial| trial.sport));
        let mut attempts = Attempts {
            all: ports.len() as u64,
            flagged: failed().filter(|trial| trial.flags != 0).count() as u64,
            refused: failed().filter(|trial| trial.has(REJECTED)).count() as u64,
            sports: sports.chunk_by(|a, b| a == b).count() as u64,
            ..Attempts::default()
        };
        for of_port in ports.chunk_by(|a, b| a == b) {
            if let Some(port) = of_port.first() {
                attempts.add_port(*port, of_port.len() as u64);
            }
        }
        attempts
    }

    /// Adds a port of the targets with the attempts at it.
    pub(super) fn add_port(&mut self, port: u16, count: u64) {
        self.ports += 1;
        self.most = self.most.max(count);
        self.below += if port < CLIENTS { count } else { 0 };
        let (least, most) = self.range.unwrap_or((port, port));
        self.range = Some((least.min(port), most.max(port)));
        match strength(port) {
            0 => {}
            1 => self.listed += count,
            _ => self.low += count,
        }
    }

    /// Returns true if attempts by this protocol may well be answers: without flags, from a few ports, to many
    /// that are no service's, hardly any of them twice.
    pub(super) fn may_be_answers(&self, proto: u8) -> bool {
        let Attempts { all, flagged, refused, sports, ports, most, low, listed, .. } = *self;
        let is_wide = self.range.is_some_and(|(least, most)| most - least >= SPAN);
        let are_clients = self.below * 10 <= all || (all >= SURE && is_wide);
        let has_own_ports = sports == 1 || (sports <= OWN_PORTS && sports * TARGETS <= all);
        let is_scattered = ports * 10 >= all * 9 || (ports >= MANY_PORTS && most * 20 <= all);
        (proto == TCP || proto == UDP)
            && all > 1
            && flagged == 0
            && refused * 10 <= all
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
    use crate::detect::Counter;
    use crate::detect::Detector;
    use crate::detect::play::site;
    use crate::flow::{Flow, UDP};
    use crate::time::{End, Window};
    use std::rc::Rc;

    /// Packets from port 25565 of a server to this many ports of clients.
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
    fn a_server_at_an_unknown_port_answers_one_host_or_many() {
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
            // A few clients, behind a translator that numbers them from 1024 on.
            let flows =
                nine(&answers(3000, |n| hosts[0](n % 12), from, |n| 1024 + n * 17 % 64_000));
            assert_eq!(names(&judge(&flows)), [""; 0], "{from:?}");
        }
    }

    #[test]
    fn a_scan_from_a_fixed_port_is_one() {
        let one = |_: u32| INSIDE;
        let named = |flows: &[Flow]| names(&judge(&nine(flows)));
        let ports = ["vertical 192.0.2.9 source"];
        assert_eq!(named(&answers(1000, one, OUTSIDE, |n| 1 + n)), ports);
        assert_eq!(named(&answers(65_000, one, OUTSIDE, |n| 1 + n)), ports);
        // Services above 1023.
        let listed =
            |n: u32| [1433, 3306, 3389, 5432, 5900, 6379, 8080, 9200][n as usize % 8] + n / 8;
        assert_eq!(named(&answers(80, one, OUTSIDE, listed)), ports);
        // Ports of clients that refuse: an answer is not answered.
        let refused = |flow: &Flow| [*flow, back(flow, 1, 40, 20)];
        let high: Vec<Flow> =
            answers(1000, one, OUTSIDE, clients).iter().flat_map(refused).collect();
        assert_eq!(named(&high), ports);
        // A range of unknown ports.
        assert_eq!(named(&answers(600, one, OUTSIDE, |n| 30_000 + n)), ports);
        // Some that happen to be above 1023.
        assert_eq!(named(&answers(60, one, OUTSIDE, |n| 1024 + n * 1009 % 64_000)), ports);
        // One unknown port of many hosts.
        let worm = named(&answers(600, ours, OUTSIDE, |_| 37_777));
        assert!(worm[0].ends_with("192.0.2.9 source"), "{worm:?}");
        // Flags say that it asks.
        assert_eq!(names(&judge(&answers(1000, one, OUTSIDE, clients))), ports);
        let fin: Vec<Flow> = answers(1000, one, OUTSIDE, clients)
            .iter()
            .map(|flow| Flow { flags: Some(1), ..*flow })
            .collect();
        assert_eq!(names(&judge(&fin)), ports);
    }

    #[test]
    fn answers_are_not_remembered_as_a_slow_scan() {
        let find = |port: fn(u32) -> u32| {
            let setup = Setup { memory: Some(Memory::default().into()), ..Setup::default() };
            let setup = Rc::new(setup);
            let mut found = Vec::new();
            for n in 0..40u32 {
                let mut scan = Scan::new(site(1 << 30), setup.clone());
                let all = answers(40 * 11, |_| INSIDE, OUTSIDE, port);
                scan.add(&nine(&all[n as usize * 11..][..11])).unwrap();
                let window = Window::new(u64::from(n) * 600, 600);
                let verdict = scan.judge(&End { window, ..End::default() }).unwrap();
                found.extend(names(&verdict.findings));
            }
            found
        };
        assert_eq!(find(clients), [""; 0]);
        assert!(find(|n| 1 + n).contains(&"slow 192.0.2.9 source".to_owned()));
    }

    #[test]
    fn the_sites_limits_change_nothing() {
        let flows = nine(&answers(3000, |_| OUTSIDE, INSIDE, clients));
        let setup = Setup {
            bounds: crate::detect::SiteLimits::parse("*,ports,2").unwrap(),
            ..Setup::default()
        };
        assert_eq!(names(&judge_by(setup, &End::default(), &flows).findings), [""; 0]);
    }
}
