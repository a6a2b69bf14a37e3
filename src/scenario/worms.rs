//! What attacks a port: worms, whom they infect, and those that try passwords or send mail nobody
//! wants.
//!
//! Whom an infected host asks, it asks as any program does, by `connect()`; hardly anybody is there. A
//! chain is a scanner that gets into one inside host early in the first window of a scenario, which
//! gets into another: from then on each asks others itself.

use super::action::{ActionCtx, kernel_port, refused, silent};
use super::actor::Actor;
use super::actors::Activity;
use super::campus::world;
use super::draw::{Dice, mix};
use super::record::{ACK, FIN, PSH, PacketTotals, SYN};
use super::scans::{answer, victim};
use super::script::{Script, Shape};
use super::traffic::{Exchange, letter};
use crate::flow::TCP;

/// A turn of an attack on a port.
pub(super) fn turn(turn: &ActionCtx, script: &mut Script) {
    match turn.member.actor {
        Actor::CodeRed => {
            let to = (world(&mut script.dice), 80);
            // The request, and a page that says no or a host that is infected now.
            infect(turn, script, to, (4_039, 400));
        }
        Actor::SlowWorm => {
            let to = (world(&mut Dice::new(turn.member.key, turn.all, 0x51a)), 445);
            infect(turn, script, to, (3_000, 1_200));
        }
        Actor::Chain => chain(turn, script),
        Actor::Guess => guess(turn, script),
        Actor::Spam => spam(turn, script),
        _ => {}
    }
}

/// The next source port of a Windows of 2001 (as the paper's worm has).
fn windows_port(turn: &ActionCtx) -> u16 {
    1_024 + (turn.stable_hash(1u8).wrapping_add(turn.all) % 3_976) as u16
}

/// A target of a worm: one in a hundred talks, three in a hundred refuse.
fn infect(turn: &ActionCtx, script: &mut Script, to: (u32, u16), octets: (u32, u32)) {
    let from = (turn.host(), windows_port(turn));
    match script.dice.below(100) {
        0 => {
            let millis = script.dice.between(200, 3_000);
            script.own_talk(0, Exchange::stream(from, to, octets, millis));
        }
        1..=3 => {
            let talk = Exchange::refused(&mut script.dice, from, to);
            script.own_talk(0, talk);
        }
        _ => script.knock(0, from, to, Shape::Connect(48), None, 0),
    }
}

/// A scan that comes to something, and what its victims do. In the first window one turn each gets in.
fn chain(turn: &ActionCtx, script: &mut Script) {
    let [first, second] = turn.member.taken;
    let [early, later] = turn.member.infects();
    let (host, next, when) = match turn.strand {
        Activity::First => (first, second, Some(later)),
        Activity::Second => (second, first, None),
        Activity::Main | Activity::Visitors => (turn.host(), first, Some(early)),
    };
    let from = (host, kernel_port(turn.stable_hash(host), turn.all));
    if turn.index == 0 && when == Some(turn.n) {
        let millis = script.dice.between(2_000, 6_000);
        script.own_talk(0, Exchange::stream(from, (next, 445), (60_000, 2_500), millis));
        if turn.strand == Activity::First {
            return;
        }
    }
    let there = match turn.strand {
        // Others for each host, half of them of the campus and half of the world.
        Activity::First | Activity::Second if script.dice.permille(500) => {
            world(&mut Dice::new(turn.stable_hash(host), turn.all, 0xc4a))
        }
        _ => turn.address(u64::from(mix(0, host.into()) as u16) + turn.all),
    };
    // Whom it has already, it does not ask.
    let there = if [first, second].contains(&there) { there ^ 0x80 } else { there };
    let answer = answer(turn.seed, TCP, (there, 445));
    script.knock(0, from, (there, 445), Shape::Connect(48), answer, 0);
}

/// What a login port takes for a failed try: packets of each side, and octets of a packet.
const LOGINS: [(u16, [u32; 2], [u32; 2]); 5] = [
    (22, [17, 16], [140, 160]),
    (3_389, [16, 14], [150, 210]),
    (23, [24, 22], [43, 52]),
    (21, [13, 12], [56, 70]),
    (5_900, [12, 11], [50, 48]),
];

/// One try of a password: nearly the same as the one before.
fn guess(turn: &ActionCtx, script: &mut Script) {
    let number = turn.member.number;
    let (port, packets, sizes) = LOGINS[number as usize % LOGINS.len()];
    // Those of `ports` and `connect` have the first 200.
    let to = (victim(turn.seed, 200 + number), port);
    let from = (turn.host(), kernel_port(turn.stable_hash(1u8), turn.all));
    let dice = &mut script.dice;
    // A password is a few letters more or less, and an ACK comes alone or with the next segment.
    let mut heap = |side: usize| {
        let packets = packets[side] + dice.below(3);
        let octets = packets * sizes[side] + dice.below(24);
        PacketTotals { packets, octets, flags: SYN | ACK | PSH | FIN }
    };
    let (ask, answer) = (heap(0), Some(heap(1)));
    let millis = script.dice.between(1_800, 4_500);
    script.own_talk(0, Exchange { proto: TCP, from, to, request: ask, response: answer, millis });
}

/// A letter to a server that was never written to before; one in four does not take it.
fn spam(turn: &ActionCtx, script: &mut Script) {
    let server = turn.fixed_peer(turn.all);
    let from = (turn.host(), kernel_port(turn.stable_hash(1u8), turn.all));
    let to = (server, 25);
    let talk = match turn.stable_hash(server) % 8 {
        0 => silent(&mut script.dice, from, to),
        1 => refused(&mut script.dice, from, to),
        _ => letter(&mut script.dice, from, server),
    };
    script.own_talk(0, talk);
}
