//! Hosts whose passwords are guessed by many: each source has few sessions, and together they have many of like size.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;

use foldhash::fast::RandomState;

use super::attempt::Attempt;
use super::evidence::{Session, alike};
use crate::conversation::Address;
use crate::detect::threshold::Measure;
use crate::detect::top::Top;
use crate::detect::traffic::Traffic;
use crate::finding::{Host, MAX_PEERS, MAX_SAMPLES, Peer, Sample};
use crate::table::Sorted;

/// The fewest sessions of like size with one host by many sources.
pub(super) const SESSIONS: u64 = 50;
/// The fewest sources of these sessions.
const SOURCES: u64 = 20;
/// The most sessions with one port of one host that are compared.
const MAX_SESSIONS: usize = 1 << 16;

/// A port of a host at which others logged in.
#[derive(Debug)]
pub(super) struct GuessedPort {
    pub host: IpAddr,
    pub proto: u8,
    pub port: u16,
    /// Sessions of like size.
    pub sessions: u64,
    /// Sources of these sessions.
    pub sources: u64,
    pub traffic: Traffic,
    pub peer: Vec<Peer>,
    pub sample: Vec<Sample>,
}

impl GuessedPort {
    /// Returns the measures of a host; the limit is the fewest sessions.
    pub(super) fn measures(&self, limit: u64) -> Vec<Measure> {
        vec![
            Measure::at_least("sessions", self.sessions, limit),
            Measure::at_least("sources", self.sources, SOURCES),
        ]
    }

    /// Returns the number of sources that are not among the peers.
    pub(super) fn more(&self) -> u64 {
        self.sources.saturating_sub(self.peer.len() as u64)
    }
}

/// Returns the row of a session under the host that the source logged in at.
pub(super) fn turned<A: Address>(session: &Attempt<A>) -> Attempt<A> {
    Attempt { src: session.dst, dst: session.src, ..*session }
}

/// Reads the sessions of a partition, sorted by host and port, and hands over each port with enough of them.
///
/// # Errors
/// A temporary file that cannot be read back.
pub(super) fn partition<A: Address>(
    rows: &mut Sorted<'_, A::Row>,
    mut found: impl FnMut(GuessedPort),
) -> io::Result<()> {
    let mut next = rows.next_row()?.map(|row| turned(&Attempt::<A>::unpack(&row)));
    let mut sessions: Vec<Attempt<A>> = Vec::new();
    while let Some(first) = next {
        sessions.clear();
        let is_same = |other: &Attempt<A>| {
            (other.dst, other.proto, other.port) == (first.dst, first.proto, first.port)
        };
        while let Some(session) = next.filter(is_same) {
            if sessions.len() < MAX_SESSIONS {
                sessions.push(session);
            }
            next = rows.next_row()?.map(|row| turned(&Attempt::<A>::unpack(&row)));
        }
        found(of_host(&first, &sessions));
    }
    Ok(())
}

/// Returns the sessions of like size with one host.
fn of_host<A: Address>(first: &Attempt<A>, sessions: &[Attempt<A>]) -> GuessedPort {
    let sizes = sessions.iter().map(|one| Session { bytes: one.bytes, packets: one.packets });
    let bounds = alike(&mut sizes.collect::<Vec<_>>());
    let mut sources: HashMap<A, u64, RandomState> = HashMap::default();
    let mut guessed = GuessedPort {
        host: first.dst.ip(),
        proto: first.proto,
        port: first.port,
        sessions: 0,
        sources: 0,
        traffic: Traffic::NONE,
        peer: Vec::new(),
        sample: Vec::new(),
    };
    let is_alike = |one: &&Attempt<A>| {
        bounds.as_ref().is_some_and(|bounds| bounds.contains(&u64::from(one.bytes)))
    };
    for session in sessions.iter().filter(is_alike) {
        guessed.sessions += 1;
        guessed.traffic.add(Traffic { flows: 1, ..session.traffic() });
        let count = sources.entry(session.src).or_default();
        *count += 1;
        if *count == 1 && guessed.sample.len() < MAX_SAMPLES {
            guessed.sample.push(session.sample());
        }
    }
    guessed.sources = sources.len() as u64;
    let mut top: Top<A, MAX_PEERS> = Top::new();
    sources.iter().for_each(|(src, count)| top.offer(*count, *src));
    let peer = |(flows, src): (u64, A)| Peer { host: Host::Address(src.ip()), flows: Some(flows) };
    guessed.peer = top.iter().map(peer).collect();
    guessed
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::super::{Port, Setup};
    use crate::detect::Detector;
    use crate::detect::play::*;
    use crate::finding::Finding;
    use crate::flow::Flow;
    use crate::time::End;
    use crate::window::Counter;

    fn judge(flows: &[Flow]) -> Vec<Finding> {
        let mut port = Port::new(site(1 << 30), Rc::new(Setup::default()));
        port.add(flows).unwrap();
        port.judge(&End::default(), NOW).unwrap().findings
    }

    /// Returns sessions of some outside sources with one inside host; `octets` of the client in each.
    fn sessions(sources: u32, each: u32, octets: fn(u32) -> u64) -> Vec<Flow> {
        let pairs = (0..sources).flat_map(|n| (0..each).map(move |k| (n, k)));
        let flows = pairs.flat_map(|(n, k)| {
            let sport = 30_000 + (n * each + k) as u16;
            let octets = octets(n * each + k);
            let there = Flow { packets: 14, octets, flags: Some(27), ..ask(theirs(n), INSIDE, 22) };
            let there = Flow { sport, ..there };
            [there, back(&there, 15, 3000, 27)]
        });
        flows.collect()
    }

    #[test]
    fn fifty_sessions_of_like_size_by_twenty_sources_are_password_guessing() {
        let like = |n: u32| 2000 + u64::from(n % 7) * 20;
        let named = |flows: &[Flow]| names(&judge(flows));
        assert_eq!(named(&sessions(20, 3, like)), ["bruteforce 10.7.7.7 target"]);
        assert_eq!(named(&nine(&sessions(20, 3, like))), ["bruteforce 10.7.7.7 target"]);
        assert_eq!(named(&sessions(24, 2, like)), [""; 0], "48 sessions");
        assert_eq!(named(&sessions(19, 3, like)), [""; 0], "19 sources");
        // People who work have sessions of all sizes.
        assert_eq!(named(&sessions(60, 1, |n| 1500 + u64::from(n) * 400)), [""; 0]);
        let finding = &judge(&sessions(60, 5, like))[0];
        assert_eq!((finding.peers, finding.flows, finding.port), (60, 300, Some(22)));
        assert_eq!(finding.why, "sessions=300>=50,sources=60>=20");
    }
}
