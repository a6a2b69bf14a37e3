//! What floods are made of: packets by the thousand to one host or one network, and the little that
//! comes back.
//!
//! The victim is the actor; of `outbound` and `outsyn` it is the attacker. Sources and servers that
//! exist are the same in every window, as a list of bots or reflectors is; forged sources are drawn
//! for every packet. A turn is one flow of a source or one server's share, and of a flood that is
//! told in packets a second a piece of each of its flows.

use super::action::{ActionCtx, kernel_port};
use super::actor::Actor;
use super::attack::Answer;
use super::campus::{INSIDE, alive, world};
use super::draw::mix;
use super::record::{ACK, PORT_UNREACHABLE, PacketTotals, RST, SYN};
use super::script::{Script, Shape};
use crate::flow::{ICMP, TCP, UDP};

/// Hosts that send a `botnet` flood, a `carpet`, a `quicflood` and a `volume` flood.
const BOTS: u64 = 300;
const CARPETERS: u32 = 200;
/// SYNs of a turn of a `carpet` that is made of them.
const SYNS: u32 = 4;
const QUICKERS: u32 = 500;
const STREAMS: u32 = 20;

/// Ports whose servers send more than they are asked for: the list that everybody has. With each what
/// its replies have at least and at most, in octets a packet.
const REFLECTORS: [(u16, u32, u32); 10] = [
    (53, 900, 1_400),
    // Six of monlist's entries.
    (123, 468, 468),
    (389, 1_200, 1_400),
    (1_900, 400, 460),
    (11_211, 1_350, 1_400),
    (19, 400, 1_052),
    (161, 500, 1_300),
    (111, 400, 700),
    (3_702, 600, 1_300),
    (17, 400, 540),
];
/// Those of some that few lists have: cameras, remote desktops, media and game servers, CoAP.
const UNLISTED: [u16; 6] = [10_074, 37_810, 3_283, 32_414, 5_683, 27_016];

/// Reserved nowhere, so that all of it can send: the first octets of what `drawn` is drawn from.
const EIGHTS: [u32; 8] = [24, 62, 80, 93, 114, 177, 187, 211];

/// A turn of a flood.
pub(super) fn turn(turn: &ActionCtx, script: &mut Script) {
    match turn.member.actor {
        Actor::Flood => single(turn, script),
        Actor::UdpFlood => datagrams(turn, script),
        Actor::Botnet => bots(turn, script),
        Actor::Forged => {
            let source = script.dice.between(1, u32::MAX - 1);
            made_up(turn, script, source, 80);
        }
        Actor::Drawn => {
            let source = match turn.member.number % 2 {
                0 => world(&mut script.dice),
                _ => {
                    let eight = EIGHTS[turn.stable_hash(8u8) as usize % EIGHTS.len()];
                    (eight << 24) | script.dice.between(1, (1 << 24) - 2)
                }
            };
            made_up(turn, script, source, 443);
        }
        Actor::Spoofed => {
            let source = INSIDE | script.dice.between(1, (1 << 16) - 2);
            made_up(turn, script, source, 80);
        }
        Actor::Reflected | Actor::Unlisted => reflection(turn, script),
        Actor::SynAck => handshakes(turn, script),
        Actor::Carpet => carpet(turn, script),
        Actor::QuicFlood => initials(turn, script),
        Actor::Outbound => outbound(turn, script),
        Actor::OutSyn => outsyn(turn, script),
        Actor::Volume => volume(turn, script),
        _ => {}
    }
}

/// The next source port of a program that counts its packets from somewhere, as hping does.
fn counted(turn: &ActionCtx) -> u16 {
    1_024 + ((turn.stable_hash(1u8).wrapping_add(turn.all)) % 64_000) as u16
}

/// One SYN from one host. Of two victims one sends cookies and its SYN-ACK once.
fn single(turn: &ActionCtx, script: &mut Script) {
    let (from, to) = ((turn.fixed_peer(0), counted(turn)), (turn.host(), 80));
    script.own(0, TCP, (from, to), PacketTotals::even(1, 40, SYN), 0);
    reply(turn, script, from, to, [4, 1]);
}

/// What a flooded server says to a SYN: in so many of six cases that the port is open, and that it is
/// closed.
fn reply(turn: &ActionCtx, script: &mut Script, from: (u32, u16), to: (u32, u16), of: [u32; 2]) {
    let way = u64::from(script.dice.between(1, 40));
    let [open, closed] = of;
    let lot = script.dice.below(6);
    if lot < open {
        let tries = if turn.member.number % 2 == 0 { 1 } else { script.dice.between(1, 4) };
        // Sent again after 1, 3 and 7 s.
        let millis = ((1 << (tries - 1)) - 1) * 1_000;
        script.leg(TCP, to, from, PacketTotals::even(tries, 44, SYN | ACK), way, millis);
    } else if lot < open + closed {
        script.leg(TCP, to, from, PacketTotals::even(1, 40, RST | ACK), way, 0);
    }
}

/// Datagrams to any port; a host says of few that nobody listens there, for kernels limit that.
fn datagrams(turn: &ActionCtx, script: &mut Script) {
    let sport = match turn.member.number % 2 {
        0 => 1_024 + (turn.stable_hash(1u8) % 64_000) as u16,
        _ => script.dice.port(1_024, 65_535),
    };
    let from = (turn.fixed_peer(0), sport);
    let to = (turn.host(), script.dice.port(1, 65_535));
    let packets = script.dice.between(1, 3);
    script.own(0, UDP, (from, to), PacketTotals::even(packets, 540, 0), (packets - 1) * 20);
    if script.dice.permille(30) {
        let way = u64::from(script.dice.between(1, 40));
        script.leg(
            ICMP,
            (to.0, 0),
            (from.0, PORT_UNREACHABLE),
            PacketTotals::even(1, 568, 0),
            way,
            0,
        );
    }
}

/// One connection of a bot, whose kernel sends the SYN again where nobody answers.
fn bots(turn: &ActionCtx, script: &mut Script) {
    let bots = BOTS.min(turn.member.size.into());
    let bot = turn.all % bots;
    let from = (turn.fixed_peer(bot), kernel_port(turn.stable_hash(bot), turn.all / bots));
    let answer = match script.dice.below(100) {
        0..8 => Some(Answer::Open),
        8..16 => Some(Answer::Closed),
        _ => None,
    };
    script.knock(0, from, (turn.host(), 443), Shape::Connect(60), answer, 0);
}

/// One SYN from a source that it does not come from. An answer goes to whoever has that address, and
/// who is there says that he asked nothing.
fn made_up(turn: &ActionCtx, script: &mut Script, source: u32, port: u16) {
    // The victim does not flood itself.
    let source = if source == turn.host() { source ^ 1 } else { source };
    let (from, to) = ((source, script.dice.port(1, 65_535)), (turn.host(), port));
    script.forged(TCP, from, to, PacketTotals::even(1, 40, SYN));
    // No kernel answers this host, that net or a group.
    if matches!(source >> 24, 0 | 127 | 224..) {
        return;
    }
    let before = script.legs.len();
    reply(turn, script, from, to, [2, 0]);
    if script.legs.len() > before && alive(turn.seed, source) {
        script.leg(TCP, from, to, PacketTotals::even(1, 40, RST), 50, 0);
    }
}

/// What one server was asked for in the victim's name. Of two victims one has one port attacked.
fn reflection(turn: &ActionCtx, script: &mut Script) {
    let number = turn.member.number;
    let (port, least, most) = match turn.member.actor {
        Actor::Reflected => REFLECTORS[number as usize % REFLECTORS.len()],
        _ => match UNLISTED.get(number as usize % (UNLISTED.len() + 1)) {
            Some(&port) => (port, 400, 1_400),
            None => (1_024 + (turn.stable_hash(2u8) % 64_000) as u16, 400, 1_400),
        },
    };
    let one = (number + number / 10) % 2 == 0;
    let from = (turn.fixed_peer(turn.n.into()), port);
    let size = least + (turn.stable_hash(from.0) % u64::from(most - least + 1)) as u32;
    let flows = if one { 1 } else { script.dice.between(1, 2) };
    for _ in 0..flows {
        let dport =
            if one { [80, 443, 53][number as usize % 3] } else { script.dice.port(1, 65_535) };
        let packets = script.dice.between(3, 60);
        let millis = script.dice.between(packets, packets * 100);
        script.own(
            0,
            UDP,
            (from, (turn.host(), dport)),
            PacketTotals::even(packets, size, 0),
            millis,
        );
    }
}

/// What a web server says to a SYN that the victim did not send. A reset stops it, else it is said
/// again.
fn handshakes(turn: &ActionCtx, script: &mut Script) {
    let server = turn.fixed_peer(turn.n.into());
    let from = (server, if turn.stable_hash(server) % 3 == 0 { 80 } else { 443 });
    let to = (turn.host(), script.dice.port(1_024, 65_535));
    let size = [44, 48, 52, 60][turn.stable_hash(server) as usize / 3 % 4];
    let reset = script.dice.permille(250);
    let packets = if reset { 1 } else { script.dice.between(1, 3) };
    let millis = ((1 << (packets - 1)) - 1) * 1_000;
    script.own(0, TCP, (from, to), PacketTotals::even(packets, size, SYN | ACK), millis);
    if reset {
        script.leg(TCP, to, from, PacketTotals::even(1, 40, RST), 2, 0);
    }
}

/// The prefix length of a network that is carpeted.
pub(super) fn carpeted(number: u32) -> u8 {
    if number % 2 == 0 { 24 } else { 23 }
}

/// Packets to any hosts of a network: a datagram or a few, or SYNs, of which it takes more to be noticed
/// among all that scanners send. One host in twelve is there and sometimes says so.
fn carpet(turn: &ActionCtx, script: &mut Script) {
    for _ in 0..if turn.member.number % 2 == 0 { 1 } else { SYNS } {
        one_of_carpet(turn, script);
    }
}

fn one_of_carpet(turn: &ActionCtx, script: &mut Script) {
    let nets = 1 << (24 - carpeted(turn.member.number));
    let dice = &mut script.dice;
    let host = turn.host() | (dice.below(nets) << 8) | dice.between(1, 254);
    let source = turn.fixed_peer(dice.below(CARPETERS).into());
    let from = (source, dice.port(1_024, 65_535));
    let says = mix(turn.stable_hash(0u8), host.into()) % 12 == 0 && dice.permille(100);
    if turn.member.number % 2 == 0 {
        let (to, packets) = ((host, dice.port(1, 65_535)), dice.between(1, 4));
        let size = dice.between(300, 1_400);
        script.own(0, UDP, (from, to), PacketTotals::even(packets, size, 0), (packets - 1) * 30);
        if says {
            let heap = PacketTotals::even(1, (size + 28).min(576), 0);
            script.leg(ICMP, (host, 0), (source, PORT_UNREACHABLE), heap, 3, 0);
        }
    } else {
        let to = (host, 80);
        script.own(0, TCP, (from, to), PacketTotals::even(1, 40, SYN), 0);
        if says {
            script.leg(TCP, to, from, PacketTotals::even(1, 40, RST | ACK), 3, 0);
        }
    }
}

/// Datagrams as long as QUIC's first must be; a server answers few.
fn initials(turn: &ActionCtx, script: &mut Script) {
    let dice = &mut script.dice;
    let from = (turn.fixed_peer(dice.below(QUICKERS).into()), dice.port(1_024, 65_535));
    let to = (turn.host(), 443);
    let (packets, size) = (dice.between(1, 2), dice.between(1_228, 1_350));
    script.own(0, UDP, (from, to), PacketTotals::even(packets, size, 0), (packets - 1) * 300);
    if script.dice.permille(50) {
        let (packets, size) = (script.dice.between(1, 3), script.dice.between(1_200, 1_250));
        script.leg(UDP, to, from, PacketTotals::even(packets, size, 0), 20, (packets - 1) * 400);
    }
}

/// An inside host at an outside one: by one flow, or to eight ports.
fn outbound(turn: &ActionCtx, script: &mut Script) {
    let (victim, wide) = (turn.fixed_peer(0), turn.member.number % 2 == 1);
    let flows = if wide { 8 } else { 1 };
    let size = 100 + (turn.stable_hash(0u8) % 1_301) as u32;
    for flow in 0..flows {
        let lot = turn.stable_hash(10 + u64::from(flow));
        let from = (turn.host(), 32_768 + (lot % 28_000) as u16);
        let dport = if wide { 1 + (lot >> 20) % 65_535 } else { 80 };
        let heap = PacketTotals::even(turn.file_chunk(flows), size, 0);
        script.piece(Some(0), UDP, (from, (victim, dport as u16)), heap, turn.member.cut());
    }
    if wide {
        let heap = PacketTotals::even(3, 576.min(size + 28), 0);
        script.leg(ICMP, (victim, 0), (turn.host(), PORT_UNREACHABLE), heap, 0, 2_000);
    }
}

/// One SYN of an inside host at an outside one.
fn outsyn(turn: &ActionCtx, script: &mut Script) {
    let port = [80, 443][turn.member.number as usize % 2];
    let (from, to) = ((turn.host(), counted(turn)), (turn.fixed_peer(0), port));
    script.own(0, TCP, (from, to), PacketTotals::even(1, 40, SYN), 0);
    reply(turn, script, from, to, [2, 1]);
}

/// Twenty long flows at once.
fn volume(turn: &ActionCtx, script: &mut Script) {
    for source in 0..STREAMS {
        let lot = turn.stable_hash(u64::from(source));
        let from = (turn.fixed_peer(source.into()), 1_024 + (lot % 64_000) as u16);
        let size = 200 + (lot >> 20) as u32 % 1_201;
        let heap = PacketTotals::even(turn.file_chunk(STREAMS), size, 0);
        script.piece(Some(0), UDP, (from, (turn.host(), 443)), heap, turn.member.cut());
    }
}
