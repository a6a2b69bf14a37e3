//! Servers: one service port, and very many clients.

use crate::flow::{TCP, UDP};
use crate::scenario::action::{ActionCtx, kernel_port, rejected, unanswered};
use crate::scenario::campus::alive;
use crate::scenario::draw::Dice;
use crate::scenario::record::{ACK, FIN, PacketTotals, RST, SYN};
use crate::scenario::script::Script;
use crate::scenario::traffic::{Exchange, PAGES, client_port, lookup};

/// Draws a connection to a web server, with one request or, if it is kept alive, several.
pub(super) fn page(dice: &mut Dice, from: (u32, u16), to: (u32, u16)) -> Exchange {
    let requests = if dice.permille(600) { 1 } else { dice.between(2, 12) };
    // The response is short if the browser has the page already.
    let one = |dice: &mut Dice| {
        if dice.permille(200) { dice.between(130, 250) } else { dice.tail(&PAGES) }
    };
    let octets: u32 = (0..requests).map(|_| one(dice)).sum();
    let speed = 20u32 << dice.below(7);
    let idle = if requests > 1 { dice.between(500, 15_000) } else { 0 };
    let millis = dice.between(20, 700) + octets / speed + idle;
    let sent = requests * dice.between(220, 620);
    let mut exchange = Exchange::stream(from, to, (sent, octets), millis);
    if dice.permille(60) {
        // Many browsers close connections by a reset.
        exchange.request.flags = exchange.request.flags & !FIN | RST;
    }
    exchange
}

/// Plays the connections of a visitor to this server, one after the other. `failed` draws whether one fails.
fn visit(
    ctx: &ActionCtx,
    script: &mut Script,
    count: u32,
    port: u16,
    failed: impl Fn(&mut Dice) -> Option<Failure>,
) {
    let visitor = ctx.campus.peer(&mut script.dice);
    let sport = client_port(&mut script.dice);
    let mut after = 0;
    for k in 0..count as u16 {
        // Clients have no ports below 1024.
        let from = (visitor, sport.checked_add(k).unwrap_or(1024 + k));
        let to = (ctx.host(), port);
        let exchange = match failed(&mut script.dice) {
            None => page(&mut script.dice, from, to),
            Some(Failure::QueueFull) => unanswered(&mut script.dice, from, to),
            Some(Failure::VisitorLeft) => visitor_left(&mut script.dice, from, to),
        };
        script.exchange(exchange, after);
        after += u64::from(script.dice.between(20, 4_000));
    }
}

/// The reason why a connection to an existing server fails.
#[derive(Clone, Copy)]
enum Failure {
    /// The queue of the server was full, and it did not respond.
    QueueFull,
    /// The visitor left. Nobody answers the SYN-ACK, or the visitor resets the connection.
    VisitorLeft,
}

fn visitor_left(dice: &mut Dice, from: (u32, u16), to: (u32, u16)) -> Exchange {
    let (request, response, millis) = if dice.permille(500) {
        // The server sends its SYN-ACK again after 1, 3 and 7 s.
        let response = PacketTotals { packets: 4, octets: 4 * 44, flags: SYN | ACK };
        (PacketTotals { packets: 1, octets: 48, flags: SYN }, response, 7_000)
    } else {
        let request = PacketTotals { packets: 2, octets: 88, flags: SYN | RST };
        let response = PacketTotals { packets: 1, octets: 44, flags: SYN | ACK };
        (request, response, dice.between(20, 300))
    };
    Exchange { proto: TCP, from, to, request, response: Some(response), millis }
}

/// Plays a web server: 1 to 6 connections of each visitor.
pub(super) fn web(ctx: &ActionCtx, script: &mut Script) {
    let count = script.dice.between(1, 6);
    let port = if script.dice.permille(700) { 443 } else { 80 };
    visit(ctx, script, count, port, |dice| dice.permille(20).then_some(Failure::VisitorLeft));
}

/// Plays a visit of an unrelated client to one of ten inside servers.
pub(super) fn visitors(ctx: &ActionCtx, script: &mut Script) {
    let client = ctx.fixed_peer(u64::from(ctx.step % ctx.member.size));
    let from = (client, kernel_port(ctx.stable_hash(client), ctx.overall));
    let exchange = page(&mut script.dice, from, (ctx.client(ctx.step), 443));
    script.exchange(exchange, 0);
}

/// Plays a flash crowd, with more connections than the server can accept.
pub(super) fn crowd(ctx: &ActionCtx, script: &mut Script) {
    let count = script.dice.between(3, 10);
    visit(ctx, script, count, 80, |dice| dice.permille(120).then_some(Failure::QueueFull));
}

/// Plays a rush: the first connection of a visitor succeeds, and a third of the others is rejected.
pub(super) fn opening(ctx: &ActionCtx, script: &mut Script) {
    let visitor = ctx.campus.peer(&mut script.dice);
    let first = script.dice.word();
    let mut after = 0;
    for k in 0..script.dice.between(3, 6) {
        let (from, to) = ((visitor, kernel_port(first, k.into())), (ctx.host(), 443));
        let exchange = if k > 0 && script.dice.permille(330) {
            rejected(&mut script.dice, from, to)
        } else {
            page(&mut script.dice, from, to)
        };
        script.exchange(exchange, after);
        after += u64::from(script.dice.between(20, 1_500));
    }
}

/// The ports of the `mobile` servers, for games, calls and tunnels.
const MOBILE_PORTS: [u16; 4] = [27_015, 30_120, 3_478, 51_820];

/// Plays a conversation of a client with a server on one high UDP port.
pub(super) fn mobile(ctx: &ActionCtx, script: &mut Script) {
    let client = ctx.campus.peer(&mut script.dice);
    let dice = &mut script.dice;
    let port = MOBILE_PORTS[ctx.member.number as usize % MOBILE_PORTS.len()];
    let (from, to) = ((client, dice.port(1_024, 65_535)), (ctx.host(), port));
    let packets = dice.tail(&[1, 4, 16, 60, 240, 900]);
    let request = PacketTotals::even(packets, dice.between(60, 140), 0);
    let response =
        Some(PacketTotals::even(dice.between(packets, 2 * packets), dice.between(80, 420), 0));
    let millis = packets * dice.between(20, 200);
    script.exchange(Exchange { proto: UDP, from, to, request, response, millis }, 0);
}

/// Plays an outside web server with many inside clients.
pub(super) fn cdn(ctx: &ActionCtx, script: &mut Script) {
    let client = ctx.client(ctx.step);
    let port = if script.dice.permille(800) { 443 } else { 80 };
    let mut after = 0;
    for _ in 0..script.dice.between(2, 6) {
        let from = (client, client_port(&mut script.dice));
        let exchange = page(&mut script.dice, from, (ctx.host(), port));
        script.exchange(exchange, after);
        after += u64::from(script.dice.between(20, 3_000));
    }
}

/// Plays a name server: one to three queries of each client.
pub(super) fn names(ctx: &ActionCtx, script: &mut Script) {
    let client = ctx.campus.peer(&mut script.dice);
    let is_old = script.dice.permille(100);
    let mut after = 0;
    for _ in 0..script.dice.between(1, 3) {
        let port = if is_old { 53 } else { script.dice.port(1024, 65_535) };
        let exchange = lookup(&mut script.dice, (client, port), ctx.host(), 30);
        script.exchange(exchange, after);
        after += u64::from(script.dice.between(5, 5_000));
        if is_old {
            // Another query from port 53 would belong to the same flow.
            break;
        }
    }
}

/// Plays a time server. Half of its clients are NTP daemons, which send from port 123.
pub(super) fn time(ctx: &ActionCtx, script: &mut Script) {
    let client = ctx.campus.peer(&mut script.dice);
    let dice = &mut script.dice;
    let port = if dice.permille(500) { 123 } else { dice.port(1024, 65_535) };
    let packets = if dice.permille(700) { 1 } else { dice.between(2, 8) };
    let totals = PacketTotals { packets, octets: packets * 76, flags: 0 };
    let millis = (packets - 1) * 2_000;
    let (from, to) = ((client, port), (ctx.host(), 123));
    script.exchange(
        Exchange { proto: UDP, from, to, request: totals, response: Some(totals), millis },
        0,
    );
}

/// Plays a response of a server that is flooded from forged sources. The port is open on every second server,
/// and closed on the others.
pub(super) fn backscatter(ctx: &ActionCtx, script: &mut Script) {
    let to = (ctx.address(ctx.overall), script.dice.port(1024, 65_535));
    let exists = alive(ctx.seed, to.0);
    let totals = match (ctx.member.number % 2, exists) {
        // A host that exists resets the connection. Otherwise the SYN-ACK is sent again.
        (0, true) => PacketTotals { packets: 1, octets: 44, flags: SYN | ACK },
        (0, false) => {
            let packets = script.dice.between(1, 4);
            PacketTotals { packets, octets: packets * 44, flags: SYN | ACK }
        }
        _ => PacketTotals { packets: 1, octets: 40, flags: RST | ACK },
    };
    let is_reset = exists && totals.flags & SYN != 0;
    script.backscatter((ctx.host(), 80), to, totals, is_reset);
}

/// Protocol, port, bytes and flags of the responses of each server in turn.
const ANSWERS: [(u8, u16, u32, u16); 6] = [
    (TCP, 80, 44, SYN | ACK),
    (TCP, 443, 40, RST | ACK),
    (TCP, 25_565, 40, RST | ACK),
    (TCP, 25_565, 44, SYN | ACK),
    (UDP, 53, 150, 0),
    (UDP, 1_812, 90, 0),
];

/// Plays a response to a request that this router does not see. Every second one goes to one of six outside
/// hosts.
pub(super) fn answers(ctx: &ActionCtx, script: &mut Script) {
    let (proto, port, octets, flags) = ANSWERS[ctx.member.number as usize % ANSWERS.len()];
    let client = match ctx.step % 12 {
        n @ 0..6 => ctx.fixed_peer(n.into()),
        _ => ctx.campus.peer(&mut script.dice),
    };
    let to = (client, kernel_port(ctx.stable_hash(0u32), ctx.overall));
    script.flow(proto, (ctx.host(), port), to, PacketTotals { packets: 1, octets, flags }, 0, 0);
}
