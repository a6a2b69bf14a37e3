//! Peers: hosts that find each other without servers, and those that look for one that is gone.

use super::askers::piece;
use crate::flow::{ICMP, UDP};
use crate::scenario::action::{ActionCtx, refused, silent};
use crate::scenario::campus::INSIDE;
use crate::scenario::record::{HOST_UNREACHABLE, PORT_UNREACHABLE, PacketTotals, TIME_EXCEEDED};
use crate::scenario::script::Script;
use crate::scenario::traffic::{ACTIVE, Exchange, client_port};

/// The one port of its own that a BitTorrent host listens at, over TCP and UDP.
fn own(turn: &ActionCtx) -> u16 {
    10_000 + (turn.stable_hash(1u8) % 50_000) as u16
}

/// A question to a peer's DHT, or from one.
fn find(script: &mut Script, from: (u32, u16), to: (u32, u16), silent: u32) -> Exchange {
    let dice = &mut script.dice;
    let packets = dice.between(1, 2);
    let ask = PacketTotals { packets, octets: packets * dice.between(92, 132), flags: 0 };
    let answer = PacketTotals { packets, octets: packets * dice.between(86, 340), flags: 0 };
    let answer = (!dice.permille(silent)).then_some(answer);
    Exchange { proto: UDP, from, to, request: ask, response: answer, millis: (packets - 1) * 4_000 }
}

/// A BitTorrent host: it asks peers' DHT, connects to peers and is connected to.
pub(super) fn swarm(turn: &ActionCtx, script: &mut Script) {
    let peer = turn.campus.peer(&mut script.dice);
    let (own, host) = (own(turn), turn.host());
    let theirs = match script.dice.permille(250) {
        true => 6_881 + script.dice.below(9) as u16,
        false => script.dice.port(1_025, 65_535),
    };
    let talk = match script.dice.below(100) {
        0..45 => find(script, (host, own), (peer, theirs), 600),
        45..75 => {
            let (from, to) = ((host, client_port(&mut script.dice)), (peer, theirs));
            match script.dice.below(10) {
                0..5 => silent(&mut script.dice, from, to),
                5 => refused(&mut script.dice, from, to),
                _ => piece(script, from, to),
            }
        }
        75..88 => {
            let from = (peer, client_port(&mut script.dice));
            piece(script, from, (host, own))
        }
        _ => find(script, (peer, theirs), (host, own), 0),
    };
    script.talk(talk, 0);
}

/// A host that runs nothing, at an address and a port that peers remember. Every second one refuses,
/// the others drop what they did not ask for.
pub(super) fn leaver(turn: &ActionCtx, script: &mut Script) {
    let peer = turn.campus.peer(&mut script.dice);
    let to = (turn.host(), own(turn));
    let refuses = turn.member.number % 2 == 0;
    if script.dice.permille(500) {
        let from = (peer, client_port(&mut script.dice));
        let talk = match refuses {
            true => refused(&mut script.dice, from, to),
            false => silent(&mut script.dice, from, to),
        };
        script.talk(talk, 0);
        return;
    }
    let from = (peer, script.dice.port(1_025, 65_535));
    let talk = find(script, from, to, 1_000);
    script.talk(talk, 0);
    if refuses {
        let heap = PacketTotals {
            packets: talk.request.packets,
            octets: talk.request.packets * 56,
            flags: 0,
        };
        script.leg(ICMP, (to.0, 0), (peer, PORT_UNREACHABLE), heap, 1, talk.millis);
    }
}

/// A gateway: tunnels and telephone calls, whose flows the router cuts after five minutes. Each peer
/// has a turn in each half of the window.
pub(super) fn gateway(turn: &ActionCtx, script: &mut Script) {
    let which = turn.n % turn.member.size;
    let peer = turn.fixed_peer(which.into());
    let port = [4_500, 4_500, 1_194, 1_194, 5_060][turn.stable_hash(which) as usize / 7 % 5];
    let (ours, theirs) = ((turn.host(), port), (peer, port));
    // Who began it cannot be seen any more.
    let (from, to) = if script.dice.permille(500) { (ours, theirs) } else { (theirs, ours) };
    if (turn.stable_hash(which) / 64) % 10 == 0 {
        // A dead one: the gateway goes on asking.
        let packets = script.dice.between(4, 8);
        let ask =
            PacketTotals { packets, octets: packets * script.dice.between(100, 400), flags: 0 };
        let (from, to, millis) = (ours, theirs, packets * 2_000);
        script.talk(Exchange { proto: UDP, from, to, request: ask, response: None, millis }, 0);
        return;
    }
    let mut heap = || {
        let (packets, size) = match port {
            5_060 => (script.dice.between(10, 60), script.dice.between(300, 800)),
            _ => (script.dice.between(30, 20_000), script.dice.between(90, 1_100)),
        };
        PacketTotals { packets, octets: packets * size, flags: 0 }
    };
    let (ask, answer) = (heap(), Some(heap()));
    script
        .talk(Exchange { proto: UDP, from, to, request: ask, response: answer, millis: ACTIVE }, 0);
}

/// Errors about packets that inside hosts sent, or were said to have sent.
pub(super) fn misroute(turn: &ActionCtx, script: &mut Script) {
    let router = match turn.n {
        0 => turn.host(),
        _ => turn.campus.peer(&mut script.dice),
    };
    let dice = &mut script.dice;
    let to = match dice.permille(800) {
        true => turn.campus.clients.pick(dice),
        false => INSIDE | dice.below(1 << 16),
    };
    let what = [HOST_UNREACHABLE, PORT_UNREACHABLE, TIME_EXCEEDED][dice.below(3) as usize];
    let packets = dice.between(1, 3);
    let heap = PacketTotals { packets, octets: packets * 56, flags: 0 };
    script.leg(ICMP, (router, 0), (to, what), heap, 0, (packets - 1) * 3_000);
}
