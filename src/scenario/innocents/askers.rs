//! Clients that ask very many, or ask where nobody answers.

use super::servers::page;
use crate::flow::{ICMP, TCP, UDP};
use crate::scenario::action::{ActionCtx, kernel_port, refused, silent};
use crate::scenario::draw::Order;
use crate::scenario::record::{
    ACK, ECHO, FIN, PORT_UNREACHABLE, PSH, PacketTotals, SYN, TIME_EXCEEDED,
};
use crate::scenario::script::Script;
use crate::scenario::traffic::{ACTIVE, Exchange, FILES, client_port, letter, lookup};

/// A resolver: one or two questions to each name server, and over TCP what did not fit.
pub(super) fn resolver(turn: &ActionCtx, script: &mut Script) {
    let names = &turn.campus.names;
    let server = match turn.n % 5 == 0 {
        true => names.rank(Order::new(turn.member.key, names.len()).at(turn.n.into()) as usize),
        false => turn.campus.peer(&mut script.dice),
    };
    for k in 0..script.dice.between(1, 2) {
        let from = (turn.host(), script.dice.port(1024, 65_535));
        let mut talk = lookup(&mut script.dice, from, server, 40);
        let answered = talk.response.is_some();
        let truncated = answered && script.dice.permille(20);
        if let Some(answer) = talk.response.as_mut().filter(|_| truncated) {
            (answer.packets, answer.octets) = (1, script.dice.between(40, 512).max(60));
        }
        script.talk(talk, u64::from(k) * 700);
        if truncated {
            let from = (turn.host(), script.dice.port(1024, 65_535));
            let octets = (script.dice.between(40, 70), script.dice.between(600, 4_000));
            let talk = Exchange::stream(from, (server, 53), octets, script.dice.between(40, 700));
            script.talk(talk, u64::from(k) * 700 + 300);
        }
    }
}

/// Many clients behind one address. Of some thousand sites one in twenty-five is down.
pub(super) fn nat(turn: &ActionCtx, script: &mut Script) {
    // The first are the most popular.
    let rank = script.dice.below(1300).min(script.dice.below(1300));
    let site = turn.fixed_peer(rank.into());
    let from = (turn.host(), script.dice.port(1024, 65_535));
    let port = match script.dice.below(100) {
        0..35 => 80,
        35..85 => 443,
        85..92 => 993,
        92..96 => 8080,
        96..98 => 5222,
        _ => 22,
    };
    let down = turn.stable_hash(site) % 1000 < 40 || script.dice.permille(20);
    let talk = match (down, (turn.stable_hash(site) >> 20) & 1) {
        (true, 0) => silent(&mut script.dice, from, (site, port)),
        (true, _) => refused(&mut script.dice, from, (site, port)),
        (false, _) => page(&mut script.dice, from, (site, port)),
    };
    script.talk(talk, 0);
}

/// Many clients behind one address, whose browsers speak QUIC.
pub(super) fn quic(turn: &ActionCtx, script: &mut Script) {
    let rank = script.dice.below(900).min(script.dice.below(900));
    let site = turn.fixed_peer(rank.into());
    let dice = &mut script.dice;
    let (from, to) = ((turn.host(), dice.port(1_024, 65_535)), (site, 443));
    let back = dice.tail(&[10, 30, 70, 150, 300]);
    // Two of the handshake are full, the rest are requests and an ACK for every second to fourth.
    let asked = 2 + back / dice.between(2, 4);
    let octets = 2_500 + (asked - 2) * dice.between(70, 160);
    let ask = PacketTotals { packets: asked, octets, flags: 0 };
    let answer = Some(PacketTotals::even(back, dice.between(1_150, 1_250), 0));
    let millis = dice.between(60, 900) + back * dice.between(2, 60);
    script.talk(Exchange { proto: UDP, from, to, request: ask, response: answer, millis }, 0);
}

/// Work at one of ten hosts by ssh, from a look at a file to a copy of a disk.
pub(super) fn logins(turn: &ActionCtx, script: &mut Script) {
    let which = u64::from(turn.n) % 10;
    let target = match which {
        0..5 => turn.there(true, which as usize),
        _ => turn.fixed_peer(which),
    };
    let dice = &mut script.dice;
    let packets = dice.tail(&[12, 40, 120, 400, 1_200, 4_000]);
    let answers = packets * dice.between(6, 14) / 10;
    let flags = SYN | ACK | PSH | FIN;
    let ask = PacketTotals::even(packets, dice.between(70, 600), flags);
    let answer = Some(PacketTotals::even(answers.max(11), dice.between(90, 700), flags));
    let millis = (packets * dice.between(20, 90)).min(ACTIVE - 1);
    let from = (turn.host(), kernel_port(turn.stable_hash(0u8), turn.all));
    script.talk(
        Exchange { proto: TCP, from, to: (target, 22), request: ask, response: answer, millis },
        0,
    );
}

/// A mail server: to each remote one a mail or two, and for two that it writes one that it gets.
pub(super) fn mail(turn: &ActionCtx, script: &mut Script) {
    let there = turn.fixed_peer(turn.n.into());
    let to = (there, 25);
    if turn.stable_hash(there) % 1000 < 120 {
        // All that is in the queue for a dead server is tried, each from a port of its own.
        for k in 0..script.dice.between(2, 4) {
            let from = (turn.host(), script.dice.port(32_768, 61_000));
            let talk = silent(&mut script.dice, from, to);
            script.talk(talk, u64::from(k) * 2_500);
        }
    } else {
        for k in 0..script.dice.between(1, 2) {
            let from = (turn.host(), script.dice.port(32_768, 61_000));
            let talk = letter(&mut script.dice, from, there);
            script.talk(talk, u64::from(k) * 900);
        }
    }
    if script.dice.permille(500) {
        let from = (turn.campus.peer(&mut script.dice), script.dice.port(1024, 65_535));
        let talk = letter(&mut script.dice, from, turn.host());
        script.talk(talk, 0);
    }
}

/// A crawler of the world: for each site a question to a resolver and one to three connections.
pub(super) fn crawler(turn: &ActionCtx, script: &mut Script) {
    let resolver = turn.campus.resolvers.pick(&mut script.dice);
    let from = (turn.host(), script.dice.port(1024, 65_535));
    let talk = lookup(&mut script.dice, from, resolver, 5);
    script.talk(talk, 0);
    let site = turn.campus.peer(&mut script.dice);
    let port = if script.dice.permille(300) { 80 } else { 443 };
    let failed = script.dice.permille(80);
    for k in 0..if failed { 1 } else { script.dice.between(1, 3) } {
        let from = (turn.host(), script.dice.port(32_768, 61_000));
        let talk = match (failed, script.dice.below(3)) {
            (true, 0) => refused(&mut script.dice, from, (site, port)),
            (true, _) => silent(&mut script.dice, from, (site, port)),
            (false, _) => page(&mut script.dice, from, (site, port)),
        };
        script.talk(talk, 200 + u64::from(k) * 1_500);
    }
}

/// Hosts in an outside crawler's list that serve no more.
const RETIRED: u32 = 40;

/// An outside crawler: every eighth page is on a host that serves no more.
pub(super) fn spider(turn: &ActionCtx, script: &mut Script) {
    let from = (turn.host(), script.dice.port(32_768, 61_000));
    let port = if script.dice.permille(500) { 80 } else { 443 };
    let talk = if turn.n % 8 == 0 {
        let retired = turn.n / 8 % RETIRED;
        // Half of them still exist, and refuse.
        let there = retired % 2 == 0;
        let to = (turn.there(there, retired as usize), port);
        match there {
            true => refused(&mut script.dice, from, to),
            false => silent(&mut script.dice, from, to),
        }
    } else {
        let to = (turn.campus.web.pick(&mut script.dice), port);
        page(&mut script.dice, from, to)
    };
    script.talk(talk, 0);
}

/// A station that looks after hosts: are they there, how are they, does ssh answer.
pub(super) fn monitor(turn: &ActionCtx, script: &mut Script) {
    let (host, down) = (turn.host(), turn.stable_hash(turn.n) % 1000 < 30);
    let target = if down { turn.there(false, turn.n as usize) } else { turn.client(turn.n) };
    let heap = |packets, octets| PacketTotals { packets, octets, flags: 0 };
    let told = |heap| (!down).then_some(heap);
    let (from, to) = ((host, 0), (target, ECHO));
    let (ask, answer) = (heap(3, 252), told(heap(3, 252)));
    script
        .talk(Exchange { proto: ICMP, from, to, request: ask, response: answer, millis: 2_000 }, 0);

    let (from, to) = ((host, script.dice.port(32_768, 61_000)), (target, 161));
    let packets = if down { 3 } else { script.dice.between(1, 6) };
    let ask = heap(packets, packets * 78);
    let answer = told(heap(packets, packets * script.dice.between(90, 400)));
    let millis = if down { 10_000 } else { packets * 30 };
    script.talk(Exchange { proto: UDP, from, to, request: ask, response: answer, millis }, 1_000);

    let (from, to) = ((host, script.dice.port(32_768, 61_000)), (target, 22));
    let talk = match down {
        true => silent(&mut script.dice, from, to),
        // The banner of either side, and the close.
        false => Exchange::stream(from, to, (24, 42), script.dice.between(10, 90)),
    };
    script.talk(talk, 2_000);
}

/// What a client asks the five hosts for that are gone: a printer, a share, a database, an update
/// server, a proxy.
const GONE: [u16; 5] = [9_100, 445, 3_306, 8_530, 3_128];

/// A client that was not told what moved. Two of the five hosts were on the campus.
pub(super) fn stale(turn: &ActionCtx, script: &mut Script) {
    let which = turn.n as usize % GONE.len();
    let target = match which {
        0 | 1 => turn.there(false, which),
        _ => turn.fixed_peer(which as u64),
    };
    let from = (turn.host(), client_port(&mut script.dice));
    let talk = silent(&mut script.dice, from, (target, GONE[which]));
    script.talk(talk, 0);
    if which == 0 && script.dice.permille(300) {
        // Is the printer out of paper?
        let from = (turn.host(), client_port(&mut script.dice));
        let ask = PacketTotals { packets: 2, octets: 156, flags: 0 };
        let (to, millis) = ((target, 161), 5_000);
        script.talk(Exchange { proto: UDP, from, to, request: ask, response: None, millis }, 1_000);
    }
}

/// Where traceroute's ports begin.
const TRACE: u16 = 33_434;

/// traceroute: three datagrams for each hop, each to the next port.
pub(super) fn trace(turn: &ActionCtx, script: &mut Script) {
    let from = (turn.host(), 32_768 + (turn.stable_hash(turn.n) % 28_000) as u16);
    let target = turn.campus.sites.rank(turn.stable_hash(turn.n) as usize % 3000);
    let hops = script.dice.between(6, 14);
    let one = PacketTotals { packets: 1, octets: 60, flags: 0 };
    let mut after = 0;
    for hop in 0..hops {
        let begin = after;
        // Some routers on the way say nothing, then each probe waits for its five seconds.
        let mute = hop + 1 < hops && script.dice.permille(100);
        for k in 0..3 {
            let port = TRACE + (3 * hop + k) as u16;
            script.leg(UDP, from, (target, port), one, after, 0);
            after += if mute { 1_000 } else { u64::from(script.dice.between(5, 40) + 8 * hop) };
        }
        if !mute {
            let last = hop + 1 == hops;
            // The first hop is the campus' own router, which the flows have not passed.
            let router = match hop {
                0 => continue,
                _ if last => target,
                // The first routers are those of everybody's way.
                1..5 => turn.fixed_peer(1_000 + u64::from(hop)),
                _ => turn.fixed_peer(2_000 + u64::from(turn.n) * 32 + u64::from(hop)),
            };
            let what = if last { PORT_UNREACHABLE } else { TIME_EXCEEDED };
            let heap = PacketTotals { packets: 3, octets: 168, flags: 0 };
            let lasted = (after - begin) as u32;
            script.leg(ICMP, (router, 0), (from.0, what), heap, begin + 5, lasted);
        }
    }
}

/// A piece of a shared file.
pub(super) fn piece(turn: &mut Script, from: (u32, u16), to: (u32, u16)) -> Exchange {
    let octets = turn.dice.tail(&FILES);
    let millis = turn.dice.between(500, 20_000) + octets / 40;
    Exchange::stream(from, to, (turn.dice.between(150, 900), octets), millis)
}
