//! The attacks of the paper's figures, flow by flow, and the counts of their flows.
//!
//! The flows of an attack are spread evenly over its window. Their number follows from the seed before the
//! first is played, so that a plan can promise totals.

use std::net::IpAddr;

use super::campus::{CROWDED, Campus, FLOODS, INSIDE, SCANNER, WORM, alive, world};
use super::draw::{Dice, mix};
use super::record::{
    ACK, FIN, HOST_UNREACHABLE, PORT_UNREACHABLE, PSH, PacketTotals, RST, SYN, flow, settle,
};
use crate::finding::MAX_SAMPLES;
use crate::flow::{Flow, ICMP, TCP, UDP};
use crate::time::Timestamp;

/// The first and the last /24 of the scan, by third byte.
pub(super) const WALK: (u32, u32) = (56, 71);
/// Hosts probed in each /24, from `.1`.
const WALKED_HOSTS: u32 = 254;
/// The port that the scanner probes: FTP.
const SCAN_PORT: u16 = 21;
/// Flows that the infected host opens.
pub(super) const WORM_FLOWS: u64 = 200_000;
/// One of so many flows of the worm gets a response.
const WORM_ANSWER: u64 = 400;
/// Flows of the main flood in the main window.
pub(super) const FLOOD_FLOWS: u64 = 2_000;
/// One of so many flows of a flood gets a response.
const FLOOD_ANSWER: u64 = 20;
/// Sources that flood [`CROWDED`] together.
pub(super) const CROWD: usize = 60;

/// The rank of the first of these sources among the clients.
const CROWD_RANK: usize = 1_000;
/// Protocol and port of the flood of each pair.
const FLOOD_WEB: (u8, u16) = (TCP, 80);
const FLOOD_ECHO: (u8, u16) = (UDP, 7);
const FLOOD_SMB: (u8, u16) = (TCP, 139);
/// The port that the worm attacks.
const WORM_PORT: u16 = 80;
/// Source ports of attackers: Windows' ephemeral range of 2001.
const FIRST_PORT: u16 = 1024;
const LAST_PORT: u16 = 4999;

/// The attack of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AttackKind {
    /// Figure 3: a scan.
    Scan,
    /// Figure 4: the flows of one pair.
    Pair { pair: usize, flows: u64 },
    /// Figure 4: the flows of many sources to one victim.
    Crowd { flows: u64 },
    /// Figure 5: a worm.
    Worm,
}

/// Returns the flood in a window of the day of figure 4. `offset` is the number of windows after the main one
/// at 14:00.
pub(super) fn of_the_day(seed: u64, offset: i64) -> Option<AttackKind> {
    let vary = |low: u64, span: u64| low + mix(mix(seed, 0xf100d), offset as u64) % span;
    match offset {
        0 => Some(AttackKind::Pair { pair: 0, flows: FLOOD_FLOWS }),
        // 13:00 to 16:00 and 20:00 to 22:00.
        -6..=11 | 36..=47 => Some(AttackKind::Pair { pair: 0, flows: vary(1950, 101) }),
        // 03:00 to 04:00.
        -66..=-61 => Some(AttackKind::Pair { pair: 1, flows: vary(1050, 451) }),
        // 17:30 to 18:30.
        21..=26 => Some(AttackKind::Pair { pair: 2, flows: vary(1050, 451) }),
        // 10:00 to 10:50.
        -24..=-20 => Some(AttackKind::Crowd { flows: vary(1700, 201) }),
        _ => None,
    }
}

impl AttackKind {
    /// Returns the number of flows of the attack, responses included.
    pub(super) fn flows(self, seed: u64) -> u64 {
        match self {
            AttackKind::Scan => walk().map(|target| 1 + Probe::of(seed, target).more()).sum(),
            AttackKind::Pair { flows, .. } | AttackKind::Crowd { flows } => {
                flows + flows / FLOOD_ANSWER
            }
            AttackKind::Worm => WORM_FLOWS + WORM_FLOWS / WORM_ANSWER,
        }
    }
}

/// Returns the addresses of figure 3 in the order of the scan.
fn walk() -> impl Iterator<Item = u32> {
    (0..(WALK.1 - WALK.0 + 1) * WALKED_HOSTS).map(step)
}

fn step(n: u32) -> u32 {
    INSIDE | ((WALK.0 + n / WALKED_HOSTS) << 8) | (1 + n % WALKED_HOSTS)
}

/// The outcome of the scanner's probe of one address.
struct Probe {
    retry: bool,
    answer: Option<Answer>,
}

/// The response of a TCP port to a SYN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Closed,
    Open,
}

impl Probe {
    fn of(seed: u64, target: u32) -> Probe {
        let hash = mix(mix(seed, 0x5ca7), u64::from(target));
        let answer = match (alive(seed, target), (hash >> 32) & 0xf) {
            (false, _) | (true, 0 | 1) => None,
            (true, 2..=4) => Some(Answer::Open),
            (true, _) => Some(Answer::Closed),
        };
        // A probe that got a response is not repeated.
        Probe { retry: answer.is_none() && hash % 50 == 0, answer }
    }

    /// Returns the number of flows after the first one.
    fn more(&self) -> u64 {
        u64::from(self.retry) + u64::from(self.answer.is_some())
    }
}

/// The counts of an attack in its forward direction, as played.
#[derive(Clone, Debug, Default)]
pub(super) struct AttackCounts {
    pub flows: u64,
    pub packets: u64,
    pub octets: u64,
    /// The other side of each flow: at most [`WORM_FLOWS`] and a few.
    pub peers: Vec<IpAddr>,
    pub sample: Vec<Flow>,
}

impl AttackCounts {
    fn count(&mut self, flow: &Flow, peer: IpAddr) {
        self.flows += 1;
        self.packets += flow.packets;
        self.octets += flow.octets;
        self.peers.push(peer);
        if self.sample.len() < MAX_SAMPLES {
            self.sample.push(*flow);
        }
    }
}

/// The attack that is being played.
#[derive(Clone, Debug)]
pub(super) struct Attack {
    kind: AttackKind,
    seed: u64,
    dice: Dice,
    /// The targets of a scan so far, or the flows of another attack.
    done: u32,
    sport: u16,
    /// The flow that follows the last one, and true if the attacker sent it.
    next: Option<(Flow, bool)>,
    counts: AttackCounts,
}

impl Attack {
    pub(super) fn new(kind: AttackKind, seed: u64, start: u64) -> Attack {
        let mut dice = Dice::new(seed, start, 0xa77);
        let sport = dice.port(FIRST_PORT, LAST_PORT);
        Attack { kind, seed, dice, done: 0, sport, next: None, counts: AttackCounts::default() }
    }

    pub(super) fn kind(&self) -> AttackKind {
        self.kind
    }

    pub(super) fn counts(&self) -> &AttackCounts {
        &self.counts
    }

    /// Returns the flow that arrives at a moment. May be called as often as [`AttackKind::flows`] says.
    pub(super) fn flow(&mut self, arrival: Timestamp, campus: &Campus) -> Flow {
        let (flow, is_forward) = match self.next.take() {
            Some(next) => next,
            None => (self.fresh(arrival, campus), true),
        };
        let flow = settle(flow, arrival);
        if is_forward {
            let peer = match self.kind {
                AttackKind::Scan | AttackKind::Worm => flow.dip,
                AttackKind::Pair { .. } | AttackKind::Crowd { .. } => flow.sip,
            };
            self.counts.count(&flow, peer);
        }
        flow
    }

    fn fresh(&mut self, arrival: Timestamp, campus: &Campus) -> Flow {
        // The exporter sees no end of these flows, so it exports them after the inactive timeout.
        let idle = u64::from(self.dice.between(15_000, 16_500));
        let end = (arrival.nanos() / 1_000_000).saturating_sub(idle);
        let n = self.done;
        self.done += 1;
        match self.kind {
            AttackKind::Scan => self.probe(step(n), end),
            AttackKind::Pair { pair, .. } => {
                let (victim, attacker) = FLOODS[pair % FLOODS.len()];
                self.flood(attacker, victim, [FLOOD_WEB, FLOOD_ECHO, FLOOD_SMB][pair % 3], end)
            }
            AttackKind::Crowd { .. } => {
                let source = campus.clients.rank(CROWD_RANK + n as usize % CROWD);
                self.flood(source, CROWDED, FLOOD_WEB, end)
            }
            AttackKind::Worm => self.infect(end),
        }
    }

    /// Returns the attacker's next source port. A socket library gives them one after the other.
    fn next_port(&mut self) -> u16 {
        self.sport = if self.sport >= LAST_PORT { FIRST_PORT } else { self.sport + 1 };
        self.sport
    }

    fn probe(&mut self, target: u32, end: u64) -> Flow {
        let from = (SCANNER, self.next_port());
        let to = (target, SCAN_PORT);
        let probe = Probe::of(self.seed, target);
        let packets = if self.dice.permille(100) { 2 } else { 1 };
        let (request, millis) = match probe.answer {
            Some(Answer::Open) => (PacketTotals { packets: 2, octets: 80, flags: SYN | RST }, 90),
            Some(Answer::Closed) => (PacketTotals { packets: 1, octets: 40, flags: SYN }, 0),
            None => (
                PacketTotals { packets, octets: packets * 40, flags: SYN },
                (u64::from(packets) - 1) * 3000,
            ),
        };
        self.next = match probe.answer {
            Some(Answer::Open) => {
                let response = PacketTotals { packets: 1, octets: 44, flags: SYN | ACK };
                Some((flow(TCP, to, from, response, end.saturating_sub(80), 0), false))
            }
            Some(Answer::Closed) => {
                let response = PacketTotals { packets: 1, octets: 40, flags: RST | ACK };
                Some((flow(TCP, to, from, response, end + 10, 0), false))
            }
            None if probe.retry => {
                let from = (SCANNER, self.next_port());
                let again = PacketTotals { packets: 1, octets: 40, flags: SYN };
                Some((flow(TCP, from, to, again, end + 6000, 0), true))
            }
            None => None,
        };
        flow(TCP, from, to, request, end, millis)
    }

    fn flood(&mut self, source: u32, victim: u32, (proto, port): (u8, u16), end: u64) -> Flow {
        let (from, to) = ((source, self.next_port()), (victim, port));
        let packets = self.dice.between(1, 3);
        let size = if proto == UDP { self.dice.between(29, 60) } else { 40 };
        let flags = if proto == TCP { SYN } else { 0 };
        let millis = u64::from(packets - 1) * 400;
        if u64::from(self.done) % FLOOD_ANSWER == 0 {
            let response = match proto {
                TCP => {
                    let response = PacketTotals { packets: 2, octets: 80, flags: RST | ACK };
                    flow(TCP, to, from, response, end + 1, 1)
                }
                _ => {
                    let response = PacketTotals { packets: 2, octets: 112, flags: 0 };
                    let (to, from) = ((victim, 0), (source, PORT_UNREACHABLE));
                    flow(ICMP, to, from, response, end + 1, 1)
                }
            };
            self.next = Some((response, false));
        }
        flow(proto, from, to, PacketTotals { packets, octets: packets * size, flags }, end, millis)
    }

    fn infect(&mut self, end: u64) -> Flow {
        let from = (WORM, self.next_port());
        let to = (world(&mut self.dice), WORM_PORT);
        // connect() of Windows sends a SYN at once, after 3 s and after 9 s.
        let mut request = PacketTotals { packets: 3, octets: 144, flags: SYN };
        let mut millis = 9_000;
        if self.dice.permille(30) {
            (request.packets, request.octets, millis) = (2, 96, 3_000);
        }
        if u64::from(self.done) % WORM_ANSWER == 0 {
            let response = match self.done as u64 / WORM_ANSWER % 3 {
                0 => {
                    (request, millis) =
                        (PacketTotals { packets: 3, octets: 144, flags: SYN }, 1_000);
                    let response = PacketTotals { packets: 3, octets: 120, flags: RST | ACK };
                    flow(TCP, to, from, response, end + 100, millis)
                }
                1 => {
                    // The request has 4,039 bytes in three segments.
                    let flags = SYN | ACK | PSH | FIN;
                    (request, millis) = (PacketTotals { packets: 7, octets: 4_327, flags }, 1_200);
                    let response = PacketTotals { packets: 6, octets: 412, flags };
                    flow(TCP, to, from, response, end + 100, millis)
                }
                _ => {
                    let (router, back) = ((world(&mut self.dice), 0), (WORM, HOST_UNREACHABLE));
                    let response = PacketTotals {
                        packets: request.packets,
                        octets: request.packets * 56,
                        flags: 0,
                    };
                    flow(ICMP, router, back, response, end + 200, millis)
                }
            };
            self.next = Some((response, false));
        }
        flow(TCP, from, to, request, end, millis)
    }
}
