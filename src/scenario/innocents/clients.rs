//! Clients of very many servers, or of servers that do not respond.

use super::servers::page;
use crate::flow::{ICMP, TCP, UDP};
use crate::scenario::action::{ActionCtx, kernel_port, rejected, unanswered};
use crate::scenario::draw::Order;
use crate::scenario::record::{
    ACK, ECHO, FIN, PORT_UNREACHABLE, PSH, PacketTotals, RST, SYN, TIME_EXCEEDED,
};
use crate::scenario::script::Script;
use crate::scenario::traffic::{self, ACTIVE, Exchange, client_port, lookup};

/// Plays a resolver: one or two queries to each name server, repeated over TCP if the response was truncated.
pub(super) fn resolver(ctx: &ActionCtx, script: &mut Script) {
    let names = &ctx.campus.names;
    let server = if ctx.step % 5 == 0 {
        names.rank(Order::new(ctx.member.key, names.len()).at(ctx.step.into()) as usize)
    } else {
        ctx.campus.peer(&mut script.dice)
    };
    for k in 0..script.dice.between(1, 2) {
        let from = (ctx.host(), script.dice.port(1024, 65_535));
        let mut exchange = lookup(&mut script.dice, from, server, 40);
        let is_truncated = exchange.response.is_some() && script.dice.permille(20);
        if let Some(response) = exchange.response.as_mut().filter(|_| is_truncated) {
            (response.packets, response.octets) = (1, script.dice.between(40, 512).max(60));
        }
        script.exchange(exchange, u64::from(k) * 700);
        if is_truncated {
            let from = (ctx.host(), script.dice.port(1024, 65_535));
            let octets = (script.dice.between(40, 70), script.dice.between(600, 4_000));
            let exchange =
                Exchange::stream(from, (server, 53), octets, script.dice.between(40, 700));
            script.exchange(exchange, u64::from(k) * 700 + 300);
        }
    }
}

/// Plays many clients behind one address. Of some thousand sites, one in twenty-five is down.
pub(super) fn nat(ctx: &ActionCtx, script: &mut Script) {
    // The lesser of two draws makes the first sites the most popular.
    let rank = script.dice.below(1300).min(script.dice.below(1300));
    let site = ctx.fixed_peer(rank.into());
    let from = (ctx.host(), script.dice.port(1024, 65_535));
    let port = match script.dice.below(100) {
        0..35 => 80,
        35..85 => 443,
        85..92 => 993,
        92..96 => 8080,
        96..98 => 5222,
        _ => 22,
    };
    let is_down = ctx.stable_hash(site) % 1000 < 40 || script.dice.permille(20);
    let exchange = match (is_down, (ctx.stable_hash(site) >> 20) & 1) {
        (true, 0) => unanswered(&mut script.dice, from, (site, port)),
        (true, _) => rejected(&mut script.dice, from, (site, port)),
        (false, _) => page(&mut script.dice, from, (site, port)),
    };
    script.exchange(exchange, 0);
}

/// Plays many clients behind one address, whose browsers use QUIC.
pub(super) fn quic(ctx: &ActionCtx, script: &mut Script) {
    let rank = script.dice.below(900).min(script.dice.below(900));
    let site = ctx.fixed_peer(rank.into());
    let dice = &mut script.dice;
    let (from, to) = ((ctx.host(), dice.port(1_024, 65_535)), (site, 443));
    let responses = dice.tail(&[10, 30, 70, 150, 300]);
    // Two packets of the handshake are full. The others are requests, and an ACK of every second to fourth packet.
    let packets = 2 + responses / dice.between(2, 4);
    let octets = 2_500 + (packets - 2) * dice.between(70, 160);
    let request = PacketTotals { packets, octets, flags: 0 };
    let response = Some(PacketTotals::even(responses, dice.between(1_150, 1_250), 0));
    let millis = dice.between(60, 900) + responses * dice.between(2, 60);
    script.exchange(Exchange { proto: UDP, from, to, request, response, millis }, 0);
}

/// Plays a session by ssh at one of ten hosts, of any size from a look at a file to the copy of a disk.
pub(super) fn logins(ctx: &ActionCtx, script: &mut Script) {
    let which = u64::from(ctx.step) % 10;
    let target = match which {
        0..5 => ctx.inside_host(true, which as usize),
        _ => ctx.fixed_peer(which),
    };
    let from = (ctx.host(), kernel_port(ctx.stable_hash(0u8), ctx.overall));
    session(script, from, target, &[12, 40, 120, 400, 1_200, 4_000]);
}

/// Plays a session of a student at the host of a class: some are short, some last.
pub(super) fn class(ctx: &ActionCtx, script: &mut Script) {
    let student = ctx.fixed_peer(u64::from(ctx.step % ctx.member.size));
    let from = (student, kernel_port(ctx.stable_hash(student), ctx.overall));
    session(script, from, ctx.host(), &[14, 60, 200, 700, 2_000, 4_000]);
}

/// Plays a login of a program, with success, about once a minute. The first program fetches something each time, so its
/// sessions are longer than a failed login. The next two ask for news of which there are none, which takes as many
/// packets as a wrong password: one from inside, and one from outside.
pub(super) fn cron(ctx: &ActionCtx, script: &mut Script) {
    let kind = ctx.member.number % 3;
    let client = if kind == 1 { ctx.client(0) } else { ctx.fixed_peer(0) };
    let from = (client, kernel_port(ctx.stable_hash(3u8), ctx.overall));
    let dice = &mut script.dice;
    let (packets, responses) = if kind == 0 { (64, 88) } else { (22, 21) };
    let flags = SYN | ACK | PSH | FIN;
    let mut totals = |packets: u32, size: u32| {
        let packets = packets + dice.below(4);
        PacketTotals { packets, octets: packets * size + dice.below(40), flags }
    };
    let request = totals(packets, 150);
    let response = Some(totals(responses, if kind == 0 { 480 } else { 170 }));
    let millis = dice.between(700, 2_500);
    let to = (ctx.host(), 22);
    script.exchange(Exchange { proto: TCP, from, to, request, response, millis }, 0);
}

/// Plays a session by ssh. `lengths` are its packets at even steps of the share of sessions that are shorter.
fn session(script: &mut Script, from: (u32, u16), server: u32, lengths: &[u32; 6]) {
    let dice = &mut script.dice;
    let packets = dice.tail(lengths);
    let responses = packets * dice.between(6, 14) / 10;
    let flags = SYN | ACK | PSH | FIN;
    let request = PacketTotals::even(packets, dice.between(70, 600), flags);
    let response = Some(PacketTotals::even(responses.max(11), dice.between(90, 700), flags));
    let millis = (packets * dice.between(20, 90)).min(ACTIVE - 1);
    script.exchange(Exchange { proto: TCP, from, to: (server, 22), request, response, millis }, 0);
}

/// Plays a mail server: one or two mails to each remote server, and half as many from others.
pub(super) fn mail(ctx: &ActionCtx, script: &mut Script) {
    let server = ctx.fixed_peer(ctx.step.into());
    let to = (server, 25);
    if ctx.stable_hash(server) % 1000 < 120 {
        // The server is dead. Each mail in the queue is tried from a port of its own.
        for k in 0..script.dice.between(2, 4) {
            let from = (ctx.host(), script.dice.port(32_768, 61_000));
            let exchange = unanswered(&mut script.dice, from, to);
            script.exchange(exchange, u64::from(k) * 2_500);
        }
    } else {
        for k in 0..script.dice.between(1, 2) {
            let from = (ctx.host(), script.dice.port(32_768, 61_000));
            let exchange = traffic::mail(&mut script.dice, from, server);
            script.exchange(exchange, u64::from(k) * 900);
        }
    }
    if script.dice.permille(500) {
        let from = (ctx.campus.peer(&mut script.dice), script.dice.port(1024, 65_535));
        let exchange = traffic::mail(&mut script.dice, from, ctx.host());
        script.exchange(exchange, 0);
    }
}

/// Plays a crawler of the world: for each site, a query to a resolver and one to three connections.
pub(super) fn crawler(ctx: &ActionCtx, script: &mut Script) {
    let resolver = ctx.campus.resolvers.pick(&mut script.dice);
    let from = (ctx.host(), script.dice.port(1024, 65_535));
    let exchange = lookup(&mut script.dice, from, resolver, 5);
    script.exchange(exchange, 0);
    let site = ctx.campus.peer(&mut script.dice);
    let port = if script.dice.permille(300) { 80 } else { 443 };
    let is_down = script.dice.permille(80);
    for k in 0..if is_down { 1 } else { script.dice.between(1, 3) } {
        let from = (ctx.host(), script.dice.port(32_768, 61_000));
        let exchange = match (is_down, script.dice.below(3)) {
            (true, 0) => rejected(&mut script.dice, from, (site, port)),
            (true, _) => unanswered(&mut script.dice, from, (site, port)),
            (false, _) => page(&mut script.dice, from, (site, port)),
        };
        script.exchange(exchange, 200 + u64::from(k) * 1_500);
    }
}

/// The hosts in the list of an outside crawler that are no servers any more.
const RETIRED: u32 = 40;

/// Plays an outside crawler. Every eighth page is on a host that is no server any more.
pub(super) fn spider(ctx: &ActionCtx, script: &mut Script) {
    let from = (ctx.host(), script.dice.port(32_768, 61_000));
    let port = if script.dice.permille(500) { 80 } else { 443 };
    let exchange = if ctx.step % 8 == 0 {
        let retired = ctx.step / 8 % RETIRED;
        // Half of these hosts still exist, and reject the connection.
        let exists = retired % 2 == 0;
        let to = (ctx.inside_host(exists, retired as usize), port);
        if exists {
            rejected(&mut script.dice, from, to)
        } else {
            unanswered(&mut script.dice, from, to)
        }
    } else {
        let to = (ctx.campus.web.pick(&mut script.dice), port);
        page(&mut script.dice, from, to)
    };
    script.exchange(exchange, 0);
}

/// Plays a monitoring station: for each host an echo request, SNMP and a connection to ssh.
pub(super) fn monitor(ctx: &ActionCtx, script: &mut Script) {
    let (host, is_down) = (ctx.host(), ctx.stable_hash(ctx.step) % 1000 < 30);
    let target =
        if is_down { ctx.inside_host(false, ctx.step as usize) } else { ctx.client(ctx.step) };
    let totals = |packets, octets| PacketTotals { packets, octets, flags: 0 };
    let unless_down = |totals| (!is_down).then_some(totals);
    let (from, to) = ((host, 0), (target, ECHO));
    let (request, response) = (totals(3, 252), unless_down(totals(3, 252)));
    script.exchange(Exchange { proto: ICMP, from, to, request, response, millis: 2_000 }, 0);

    let (from, to) = ((host, script.dice.port(32_768, 61_000)), (target, 161));
    let packets = if is_down { 3 } else { script.dice.between(1, 6) };
    let request = totals(packets, packets * 78);
    let response = unless_down(totals(packets, packets * script.dice.between(90, 400)));
    let millis = if is_down { 10_000 } else { packets * 30 };
    script.exchange(Exchange { proto: UDP, from, to, request, response, millis }, 1_000);

    let (from, to) = ((host, script.dice.port(32_768, 61_000)), (target, 22));
    let exchange = if is_down {
        unanswered(&mut script.dice, from, to)
    } else {
        // The banners of both sides, and the close.
        Exchange::stream(from, to, (24, 42), script.dice.between(10, 90))
    };
    script.exchange(exchange, 2_000);
}

/// The ports that a balancer checks on each of its servers.
const CHECKED: [u16; 5] = [80, 443, 8_080, 8_443, 9_000];
/// The servers of a balancer.
const BACKENDS: u32 = 12;

/// Plays a balancer that asks each of its servers, port by port, if it is there: the first by half-open connections, the
/// next one by connections that both sides close. None carries data.
pub(super) fn checks(ctx: &ActionCtx, script: &mut Script) {
    let backend = ctx.client(ctx.step % BACKENDS);
    let port = CHECKED[(ctx.step / BACKENDS) as usize % CHECKED.len()];
    let from = (ctx.host(), kernel_port(ctx.stable_hash(2u8), ctx.overall));
    let totals = |packets, octets, flags| PacketTotals { packets, octets, flags };
    let (request, response) = match ctx.member.number % 2 {
        0 => (totals(2, 100, SYN | RST), totals(1, 60, SYN | ACK)),
        _ => (totals(4, 172, SYN | ACK | FIN), totals(3, 124, SYN | ACK | FIN)),
    };
    let (to, response) = ((backend, port), Some(response));
    script.exchange(Exchange { proto: TCP, from, to, request, response, millis: 2 }, 0);
}

/// Plays clients behind one address that keep idle connections alive: a packet each way, with timestamps or, by
/// Windows, with one byte. One in eight answers passes another router.
pub(super) fn idle(ctx: &ActionCtx, script: &mut Script) {
    let server = ctx.fixed_peer(u64::from(ctx.step));
    let from = (ctx.host(), 1_024 + (ctx.stable_hash(ctx.step) % 64_000) as u16);
    let has_timestamps = ctx.stable_hash(server) % 3 > 0;
    let is_lost = has_timestamps && script.dice.permille(125);
    let single = |octets| PacketTotals { packets: 1, octets, flags: ACK };
    let (there, back) = if has_timestamps { (52, 52) } else { (41, 52) };
    let (request, response) = (single(there), (!is_lost).then_some(single(back)));
    let to = (server, 443);
    script.exchange(Exchange { proto: TCP, from, to, request, response, millis: 0 }, 0);
}

/// The ports that a client tries on five hosts that are gone: a printer, a share, a database, an update server
/// and a proxy.
const GONE: [u16; 5] = [9_100, 445, 3_306, 8_530, 3_128];

/// Plays a client that still tries five hosts which are gone. Two of them were on the campus.
pub(super) fn stale(ctx: &ActionCtx, script: &mut Script) {
    let which = ctx.step as usize % GONE.len();
    let target = match which {
        0 | 1 => ctx.inside_host(false, which),
        _ => ctx.fixed_peer(which as u64),
    };
    let from = (ctx.host(), client_port(&mut script.dice));
    let exchange = unanswered(&mut script.dice, from, (target, GONE[which]));
    script.exchange(exchange, 0);
    if which == 0 && script.dice.permille(300) {
        // The client asks for the printer's state by SNMP.
        let from = (ctx.host(), client_port(&mut script.dice));
        let request = PacketTotals { packets: 2, octets: 156, flags: 0 };
        let (to, millis) = ((target, 161), 5_000);
        script.exchange(Exchange { proto: UDP, from, to, request, response: None, millis }, 1_000);
    }
}

/// The first port of traceroute.
const TRACE: u16 = 33_434;

/// Plays traceroute: three datagrams for each hop, each to the next port.
pub(super) fn trace(ctx: &ActionCtx, script: &mut Script) {
    let from = (ctx.host(), 32_768 + (ctx.stable_hash(ctx.step) % 28_000) as u16);
    let target = ctx.campus.sites.rank(ctx.stable_hash(ctx.step) as usize % 3000);
    let hops = script.dice.between(6, 14);
    let one = PacketTotals { packets: 1, octets: 60, flags: 0 };
    let mut after = 0;
    for hop in 0..hops {
        let begin = after;
        // Some routers do not respond. traceroute then waits for each probe.
        let is_mute = hop + 1 < hops && script.dice.permille(100);
        for k in 0..3 {
            let port = TRACE + (3 * hop + k) as u16;
            script.flow(UDP, from, (target, port), one, after, 0);
            after += if is_mute { 1_000 } else { u64::from(script.dice.between(5, 40) + 8 * hop) };
        }
        if !is_mute {
            let is_last = hop + 1 == hops;
            // The first hop is the router of the campus, whose responses are no flows through it.
            let router = match hop {
                0 => continue,
                _ if is_last => target,
                // The first routers are the same for all targets.
                1..5 => ctx.fixed_peer(1_000 + u64::from(hop)),
                _ => ctx.fixed_peer(2_000 + u64::from(ctx.step) * 32 + u64::from(hop)),
            };
            let what = if is_last { PORT_UNREACHABLE } else { TIME_EXCEEDED };
            let totals = PacketTotals { packets: 3, octets: 168, flags: 0 };
            let lasted = (after - begin) as u32;
            script.flow(ICMP, (router, 0), (from.0, what), totals, begin + 5, lasted);
        }
    }
}
