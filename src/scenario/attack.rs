//! The attacks of the paper's figures, flow by flow, and the count of what was played.
//!
//! An attack's flows are spread evenly over its window. How many there are follows from the seed
//! before the first is played, so that a plan can promise totals.

use std::net::IpAddr;

use super::campus::{CROWDED, Campus, FLOODS, INSIDE, SCANNER, WORM, alive, world};
use super::draw::{Dice, mix};
use super::record::{
    ACK, FIN, HOST_UNREACHABLE, PORT_UNREACHABLE, PSH, PacketTotals, RST, SYN, flow, settle,
};
use crate::finding::MAX_SAMPLES;
use crate::flow::{Flow, ICMP, TCP, UDP};
use crate::time::Timestamp;

/// The first and the last /24 that the scanner walks, by third octet.
pub(super) const WALK: (u32, u32) = (56, 71);
/// Hosts probed in each of them, from `.1`.
const WALKED_HOSTS: u32 = 254;
/// The port that the scanner knocks at: FTP.
const SCAN_PORT: u16 = 21;
/// Flows that the infected host opens.
pub(super) const WORM_FLOWS: u64 = 200_000;
/// Of how many flows one is answered.
const WORM_ANSWER: u64 = 400;
/// Flows of the main flood in the main window.
pub(super) const FLOOD_FLOWS: u64 = 2_000;
/// Of how many flows of a flood one is answered.
const FLOOD_ANSWER: u64 = 20;
/// Sources that flood the crowded victim.
pub(super) const CROWD: usize = 60;

/// The rank of the first of them among the clients.
const CROWD_RANK: usize = 1_000;
/// Protocol and port of each flood.
const FLOOD_WEB: (u8, u16) = (TCP, 80);
const FLOOD_ECHO: (u8, u16) = (UDP, 7);
const FLOOD_SMB: (u8, u16) = (TCP, 139);
/// The port that the worm attacks.
const WORM_PORT: u16 = 80;
/// Source ports of attackers: Windows' ephemeral range of 2001.
const FIRST_PORT: u16 = 1024;
const LAST_PORT: u16 = 4999;

/// What a window's attack is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// Figure 3.
    Scan,
    /// Figure 4: the flows of one pair.
    Pair { pair: usize, flows: u64 },
    /// Figure 4: the flows of many sources to one victim.
    Crowd { flows: u64 },
    /// Figure 5.
    Worm,
}

/// Which flood plays in a window of figure 4's day, counted from the main one at 14:00.
pub(super) fn of_the_day(seed: u64, offset: i64) -> Option<Act> {
    let vary = |low: u64, span: u64| low + mix(mix(seed, 0xf100d), offset as u64) % span;
    match offset {
        0 => Some(Act::Pair { pair: 0, flows: FLOOD_FLOWS }),
        // 13:00 to 16:00 and 20:00 to 22:00.
        -6..=11 | 36..=47 => Some(Act::Pair { pair: 0, flows: vary(1950, 101) }),
        // 03:00 to 04:00.
        -66..=-61 => Some(Act::Pair { pair: 1, flows: vary(1050, 451) }),
        // 17:30 to 18:30.
        21..=26 => Some(Act::Pair { pair: 2, flows: vary(1050, 451) }),
        // 10:00 to 10:50.
        -24..=-20 => Some(Act::Crowd { flows: vary(1700, 201) }),
        _ => None,
    }
}

impl Act {
    /// Flows of the attack, answers included.
    pub(super) fn flows(self, seed: u64) -> u64 {
        match self {
            Act::Scan => walk().map(|target| 1 + Knock::of(seed, target).more()).sum(),
            Act::Pair { flows, .. } | Act::Crowd { flows } => flows + flows / FLOOD_ANSWER,
            Act::Worm => WORM_FLOWS + WORM_FLOWS / WORM_ANSWER,
        }
    }
}

/// The addresses of figure 3 in the order of the walk.
fn walk() -> impl Iterator<Item = u32> {
    (0..(WALK.1 - WALK.0 + 1) * WALKED_HOSTS).map(step)
}

fn step(n: u32) -> u32 {
    INSIDE | ((WALK.0 + n / WALKED_HOSTS) << 8) | (1 + n % WALKED_HOSTS)
}

/// What comes of the scanner's knock at one address.
struct Knock {
    retry: bool,
    answer: Option<Answer>,
}

/// What a port says to a knock, if anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Closed,
    Open,
}

impl Knock {
    fn of(seed: u64, target: u32) -> Knock {
        let lot = mix(mix(seed, 0x5ca7), u64::from(target));
        let answer = match (alive(seed, target), (lot >> 32) & 0xf) {
            (false, _) | (true, 0 | 1) => None,
            (true, 2..=4) => Some(Answer::Open),
            (true, _) => Some(Answer::Closed),
        };
        // Nobody asks twice where somebody answered.
        Knock { retry: answer.is_none() && lot % 50 == 0, answer }
    }

    fn more(&self) -> u64 {
        u64::from(self.retry) + u64::from(self.answer.is_some())
    }
}

/// Counts of the attack's own direction, as played.
#[derive(Clone, Debug, Default)]
pub(super) struct AttackCounts {
    pub flows: u64,
    pub packets: u64,
    pub octets: u64,
    /// The other side of each flow, at most [`WORM_FLOWS`] and a few.
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

/// An attack while it is played.
#[derive(Clone, Debug)]
pub(super) struct Attack {
    act: Act,
    seed: u64,
    dice: Dice,
    /// Targets of a scan, flows of the others so far.
    done: u32,
    sport: u16,
    /// What belongs to the flow before, and whether the attacker sent it.
    next: Option<(Flow, bool)>,
    tally: AttackCounts,
}

impl Attack {
    pub(super) fn new(act: Act, seed: u64, place: u64) -> Attack {
        let mut dice = Dice::new(seed, place, 0xa77);
        let sport = dice.port(FIRST_PORT, LAST_PORT);
        Attack { act, seed, dice, done: 0, sport, next: None, tally: AttackCounts::default() }
    }

    pub(super) fn act(&self) -> Act {
        self.act
    }

    pub(super) fn tally(&self) -> &AttackCounts {
        &self.tally
    }

    /// The flow that arrives at a moment, to be asked for as often as [`Act::flows`] says.
    pub(super) fn flow(&mut self, arrival: Timestamp, campus: &Campus) -> Flow {
        let (flow, own) = match self.next.take() {
            Some(next) => next,
            None => (self.fresh(arrival, campus), true),
        };
        let flow = settle(flow, arrival);
        if own {
            let peer = match self.act {
                Act::Scan | Act::Worm => flow.dip,
                Act::Pair { .. } | Act::Crowd { .. } => flow.sip,
            };
            self.tally.count(&flow, peer);
        }
        flow
    }

    fn fresh(&mut self, arrival: Timestamp, campus: &Campus) -> Flow {
        // None of these flows ends in a way that the exporter sees: they go when they were idle.
        let idle = u64::from(self.dice.between(15_000, 16_500));
        let end = (arrival.nanos() / 1_000_000).saturating_sub(idle);
        let n = self.done;
        self.done += 1;
        match self.act {
            Act::Scan => self.knock(step(n), end),
            Act::Pair { pair, .. } => {
                let (victim, attacker) = FLOODS[pair % FLOODS.len()];
                self.flood(attacker, victim, [FLOOD_WEB, FLOOD_ECHO, FLOOD_SMB][pair % 3], end)
            }
            Act::Crowd { .. } => {
                let source = campus.clients.rank(CROWD_RANK + n as usize % CROWD);
                self.flood(source, CROWDED, FLOOD_WEB, end)
            }
            Act::Worm => self.infect(end),
        }
    }

    /// The attacker's next source port, one after the other as a socket library gives them.
    fn turn(&mut self) -> u16 {
        self.sport = if self.sport >= LAST_PORT { FIRST_PORT } else { self.sport + 1 };
        self.sport
    }

    fn knock(&mut self, target: u32, end: u64) -> Flow {
        let from = (SCANNER, self.turn());
        let to = (target, SCAN_PORT);
        let knock = Knock::of(self.seed, target);
        let packets = if self.dice.permille(100) { 2 } else { 1 };
        let (ask, millis) = match knock.answer {
            Some(Answer::Open) => (PacketTotals { packets: 2, octets: 80, flags: SYN | RST }, 90),
            Some(Answer::Closed) => (PacketTotals { packets: 1, octets: 40, flags: SYN }, 0),
            None => (
                PacketTotals { packets, octets: packets * 40, flags: SYN },
                (u64::from(packets) - 1) * 3000,
            ),
        };
        self.next = match knock.answer {
            Some(Answer::Open) => {
                let answer = PacketTotals { packets: 1, octets: 44, flags: SYN | ACK };
                Some((flow(TCP, to, from, answer, end.saturating_sub(80), 0), false))
            }
            Some(Answer::Closed) => {
                let answer = PacketTotals { packets: 1, octets: 40, flags: RST | ACK };
                Some((flow(TCP, to, from, answer, end + 10, 0), false))
            }
            None if knock.retry => {
                let from = (SCANNER, self.turn());
                let again = PacketTotals { packets: 1, octets: 40, flags: SYN };
                Some((flow(TCP, from, to, again, end + 6000, 0), true))
            }
            None => None,
        };
        flow(TCP, from, to, ask, end, millis)
    }

    fn flood(&mut self, source: u32, victim: u32, (proto, port): (u8, u16), end: u64) -> Flow {
        let (from, to) = ((source, self.turn()), (victim, port));
        let packets = self.dice.between(1, 3);
        let size = if proto == UDP { self.dice.between(29, 60) } else { 40 };
        let flags = if proto == TCP { SYN } else { 0 };
        let millis = u64::from(packets - 1) * 400;
        if u64::from(self.done) % FLOOD_ANSWER == 0 {
            let answer = match proto {
                TCP => {
                    let answer = PacketTotals { packets: 2, octets: 80, flags: RST | ACK };
                    flow(TCP, to, from, answer, end + 1, 1)
                }
                _ => {
                    let answer = PacketTotals { packets: 2, octets: 112, flags: 0 };
                    let (to, from) = ((victim, 0), (source, PORT_UNREACHABLE));
                    flow(ICMP, to, from, answer, end + 1, 1)
                }
            };
            self.next = Some((answer, false));
        }
        flow(proto, from, to, PacketTotals { packets, octets: packets * size, flags }, end, millis)
    }

    fn infect(&mut self, end: u64) -> Flow {
        let from = (WORM, self.turn());
        let to = (world(&mut self.dice), WORM_PORT);
        // Three tries of Windows' connect: at once, after 3 s and after 9 s.
        let mut ask = PacketTotals { packets: 3, octets: 144, flags: SYN };
        let mut millis = 9_000;
        if self.dice.permille(30) {
            (ask.packets, ask.octets, millis) = (2, 96, 3_000);
        }
        if u64::from(self.done) % WORM_ANSWER == 0 {
            let answer = match self.done as u64 / WORM_ANSWER % 3 {
                0 => {
                    (ask, millis) = (PacketTotals { packets: 3, octets: 144, flags: SYN }, 1_000);
                    let answer = PacketTotals { packets: 3, octets: 120, flags: RST | ACK };
                    flow(TCP, to, from, answer, end + 100, millis)
                }
                1 => {
                    // The request is 4,039 octets in three segments.
                    let flags = SYN | ACK | PSH | FIN;
                    (ask, millis) = (PacketTotals { packets: 7, octets: 4_327, flags }, 1_200);
                    let answer = PacketTotals { packets: 6, octets: 412, flags };
                    flow(TCP, to, from, answer, end + 100, millis)
                }
                _ => {
                    let (router, back) = ((world(&mut self.dice), 0), (WORM, HOST_UNREACHABLE));
                    let answer =
                        PacketTotals { packets: ask.packets, octets: ask.packets * 56, flags: 0 };
                    flow(ICMP, router, back, answer, end + 200, millis)
                }
            };
            self.next = Some((answer, false));
        }
        flow(TCP, from, to, ask, end, millis)
    }
}
