//! Servers: one service port here, many hosts there.

use crate::flow::{TCP, UDP};
use crate::scenario::action::{ActionCtx, kernel_port, refused, silent};
use crate::scenario::campus::alive;
use crate::scenario::draw::Dice;
use crate::scenario::record::{ACK, FIN, PacketTotals, RST, SYN};
use crate::scenario::script::Script;
use crate::scenario::traffic::{Exchange, PAGES, client_port, lookup};

/// One connection to a web server, with one request or, kept alive, several.
pub(super) fn page(dice: &mut Dice, from: (u32, u16), to: (u32, u16)) -> Exchange {
    let requests = if dice.permille(600) { 1 } else { dice.between(2, 12) };
    // What a browser has already is answered in a few octets.
    let one = |dice: &mut Dice| match dice.permille(200) {
        true => dice.between(130, 250),
        false => dice.tail(&PAGES),
    };
    let octets: u32 = (0..requests).map(|_| one(dice)).sum();
    let speed = 20u32 << dice.below(7);
    let idle = if requests > 1 { dice.between(500, 15_000) } else { 0 };
    let millis = dice.between(20, 700) + octets / speed + idle;
    let asked = requests * dice.between(220, 620);
    let mut talk = Exchange::stream(from, to, (asked, octets), millis);
    if dice.permille(60) {
        // Closed by a reset, as many browsers do.
        talk.request.flags = talk.request.flags & !FIN | RST;
    }
    talk
}

/// A visitor's connections to this server, one after the other.
fn visit(
    turn: &ActionCtx,
    script: &mut Script,
    count: u32,
    port: u16,
    failed: impl Fn(&mut Dice) -> Option<Fail>,
) {
    let visitor = turn.campus.peer(&mut script.dice);
    let sport = client_port(&mut script.dice);
    let mut after = 0;
    for k in 0..count as u16 {
        // Ports below 1024 are no client's.
        let from = (visitor, sport.checked_add(k).unwrap_or(1024 + k));
        let to = (turn.host(), port);
        let talk = match failed(&mut script.dice) {
            None => page(&mut script.dice, from, to),
            Some(Fail::Silent) => silent(&mut script.dice, from, to),
            Some(Fail::Gone) => gone(&mut script.dice, from, to),
        };
        script.talk(talk, after);
        after += u64::from(script.dice.between(20, 4_000));
    }
}

/// How a connection to a server that is there can come to nothing.
#[derive(Clone, Copy)]
enum Fail {
    /// Its queue was full: no answer.
    Silent,
    /// The visitor left: the answer goes nowhere, or he resets.
    Gone,
}

fn gone(dice: &mut Dice, from: (u32, u16), to: (u32, u16)) -> Exchange {
    let (ask, answer, millis) = match dice.permille(500) {
        // The server sends its SYN and ACK again: after 1, 3 and 7 s.
        true => {
            let answer = PacketTotals { packets: 4, octets: 4 * 44, flags: SYN | ACK };
            (PacketTotals { packets: 1, octets: 48, flags: SYN }, answer, 7_000)
        }
        false => {
            let answer = PacketTotals { packets: 1, octets: 44, flags: SYN | ACK };
            (
                PacketTotals { packets: 2, octets: 88, flags: SYN | RST },
                answer,
                dice.between(20, 300),
            )
        }
    };
    Exchange { proto: TCP, from, to, request: ask, response: Some(answer), millis }
}

/// A web server: 1 to 6 connections of each visitor.
pub(super) fn web(turn: &ActionCtx, script: &mut Script) {
    let count = script.dice.between(1, 6);
    let port = if script.dice.permille(700) { 443 } else { 80 };
    visit(turn, script, count, port, |dice| dice.permille(20).then_some(Fail::Gone));
}

/// A flash crowd: more than the server can take.
pub(super) fn crowd(turn: &ActionCtx, script: &mut Script) {
    let count = script.dice.between(3, 10);
    visit(turn, script, count, 80, |dice| dice.permille(120).then_some(Fail::Silent));
}

/// A rush: a visitor gets a page, and of what he opens then a third is refused.
pub(super) fn opening(turn: &ActionCtx, script: &mut Script) {
    let visitor = turn.campus.peer(&mut script.dice);
    let first = script.dice.word();
    let mut after = 0;
    for k in 0..script.dice.between(3, 6) {
        let (from, to) = ((visitor, kernel_port(first, k.into())), (turn.host(), 443));
        let talk = match k > 0 && script.dice.permille(330) {
            true => refused(&mut script.dice, from, to),
            false => page(&mut script.dice, from, to),
        };
        script.talk(talk, after);
        after += u64::from(script.dice.between(20, 1_500));
    }
}

/// What `mobile` serves: games, calls and tunnels.
const SERVED: [u16; 4] = [27_015, 30_120, 3_478, 51_820];

/// A server with one high port over UDP, and a client that asked it.
pub(super) fn mobile(turn: &ActionCtx, script: &mut Script) {
    let client = turn.campus.peer(&mut script.dice);
    let dice = &mut script.dice;
    let port = SERVED[turn.member.number as usize % SERVED.len()];
    let (from, to) = ((client, dice.port(1_024, 65_535)), (turn.host(), port));
    let packets = dice.tail(&[1, 4, 16, 60, 240, 900]);
    let ask = PacketTotals::even(packets, dice.between(60, 140), 0);
    let answer =
        Some(PacketTotals::even(dice.between(packets, 2 * packets), dice.between(80, 420), 0));
    let millis = packets * dice.between(20, 200);
    script.talk(Exchange { proto: UDP, from, to, request: ask, response: answer, millis }, 0);
}

/// A server of the world that many inside clients fetch from.
pub(super) fn cdn(turn: &ActionCtx, script: &mut Script) {
    let client = turn.client(turn.n);
    let port = if script.dice.permille(800) { 443 } else { 80 };
    let mut after = 0;
    for _ in 0..script.dice.between(2, 6) {
        let from = (client, client_port(&mut script.dice));
        let talk = page(&mut script.dice, from, (turn.host(), port));
        script.talk(talk, after);
        after += u64::from(script.dice.between(20, 3_000));
    }
}

/// A name server: of every client one to three questions.
pub(super) fn names(turn: &ActionCtx, script: &mut Script) {
    let client = turn.campus.peer(&mut script.dice);
    let old = script.dice.permille(100);
    let mut after = 0;
    for _ in 0..script.dice.between(1, 3) {
        let port = if old { 53 } else { script.dice.port(1024, 65_535) };
        let talk = lookup(&mut script.dice, (client, port), turn.host(), 30);
        script.talk(talk, after);
        after += u64::from(script.dice.between(5, 5_000));
        if old {
            // The same ports are the same flow.
            break;
        }
    }
}

/// A time server; half its clients are time servers' programs, which ask from port 123.
pub(super) fn time(turn: &ActionCtx, script: &mut Script) {
    let client = turn.campus.peer(&mut script.dice);
    let dice = &mut script.dice;
    let port = if dice.permille(500) { 123 } else { dice.port(1024, 65_535) };
    let packets = if dice.permille(700) { 1 } else { dice.between(2, 8) };
    let heap = PacketTotals { packets, octets: packets * 76, flags: 0 };
    let millis = (packets - 1) * 2_000;
    let (from, to) = ((client, port), (turn.host(), 123));
    script.talk(Exchange { proto: UDP, from, to, request: heap, response: Some(heap), millis }, 0);
}

/// What a server that is flooded from forged sources sends to them. Of two such victims one has the
/// port open, one closed.
pub(super) fn backscatter(turn: &ActionCtx, script: &mut Script) {
    let to = (turn.address(turn.all), script.dice.port(1024, 65_535));
    let there = alive(turn.seed, to.0);
    let heap = match (turn.member.number % 2, there) {
        // A reset stops it; else it is sent again, as nobody acknowledges.
        (0, true) => PacketTotals { packets: 1, octets: 44, flags: SYN | ACK },
        (0, false) => {
            let packets = script.dice.between(1, 4);
            PacketTotals { packets, octets: packets * 44, flags: SYN | ACK }
        }
        _ => PacketTotals { packets: 1, octets: 40, flags: RST | ACK },
    };
    let reset = there && heap.flags & SYN != 0;
    script.stray((turn.host(), 80), to, heap, reset);
}

/// Protocol, port, bytes and flags of the answers that one server after the other sends.
const ANSWERS: [(u8, u16, u32, u16); 6] = [
    (TCP, 80, 44, SYN | ACK),
    (TCP, 443, 40, RST | ACK),
    (TCP, 25_565, 40, RST | ACK),
    (TCP, 25_565, 44, SYN | ACK),
    (UDP, 53, 150, 0),
    (UDP, 1_812, 90, 0),
];

/// An answer to a question that this router does not see: every second one to one of six hosts outside.
pub(super) fn answers(turn: &ActionCtx, script: &mut Script) {
    let (proto, port, octets, flags) = ANSWERS[turn.member.number as usize % ANSWERS.len()];
    let client = match turn.n % 12 {
        n @ 0..6 => turn.fixed_peer(n.into()),
        _ => turn.campus.peer(&mut script.dice),
    };
    let to = (client, kernel_port(turn.stable_hash(0u32), turn.all));
    script.leg(proto, (turn.host(), port), to, PacketTotals { packets: 1, octets, flags }, 0, 0);
}
