//! Peers: hosts that find each other without servers, and peers that look for a host which is gone.

use crate::flow::{ICMP, UDP};
use crate::scenario::action::{ActionCtx, rejected, unanswered};
use crate::scenario::campus::INSIDE;
use crate::scenario::record::{HOST_UNREACHABLE, PORT_UNREACHABLE, PacketTotals, TIME_EXCEEDED};
use crate::scenario::script::Script;
use crate::scenario::traffic::{ACTIVE, Exchange, FILES, client_port};

/// Returns the port on which a BitTorrent host listens, over TCP and UDP.
fn listening_port(ctx: &ActionCtx) -> u16 {
    10_000 + (ctx.stable_hash(1u8) % 50_000) as u16
}

/// Draws a query to the DHT of a host. `lost` in a thousand get no response.
fn dht_query(script: &mut Script, from: (u32, u16), to: (u32, u16), lost: u32) -> Exchange {
    let dice = &mut script.dice;
    let packets = dice.between(1, 2);
    let request = PacketTotals { packets, octets: packets * dice.between(92, 132), flags: 0 };
    let response = PacketTotals { packets, octets: packets * dice.between(86, 340), flags: 0 };
    let response = (!dice.permille(lost)).then_some(response);
    Exchange { proto: UDP, from, to, request, response, millis: (packets - 1) * 4_000 }
}

/// Draws the transfer of a part of a shared file.
fn file_transfer(script: &mut Script, from: (u32, u16), to: (u32, u16)) -> Exchange {
    let octets = script.dice.tail(&FILES);
    let millis = script.dice.between(500, 20_000) + octets / 40;
    Exchange::stream(from, to, (script.dice.between(150, 900), octets), millis)
}

/// Plays a BitTorrent host, which queries the DHT of peers, connects to peers and accepts connections.
pub(super) fn swarm(ctx: &ActionCtx, script: &mut Script) {
    let peer = ctx.campus.peer(&mut script.dice);
    let (own, host) = (listening_port(ctx), ctx.host());
    let theirs = if script.dice.permille(250) {
        6_881 + script.dice.below(9) as u16
    } else {
        script.dice.port(1_025, 65_535)
    };
    let exchange = match script.dice.below(100) {
        0..45 => dht_query(script, (host, own), (peer, theirs), 600),
        45..75 => {
            let (from, to) = ((host, client_port(&mut script.dice)), (peer, theirs));
            match script.dice.below(10) {
                0..5 => unanswered(&mut script.dice, from, to),
                5 => rejected(&mut script.dice, from, to),
                _ => file_transfer(script, from, to),
            }
        }
        75..88 => {
            let from = (peer, client_port(&mut script.dice));
            file_transfer(script, from, (host, own))
        }
        _ => dht_query(script, (peer, theirs), (host, own), 0),
    };
    script.exchange(exchange, 0);
}

/// Plays a host that looks for peers by datagrams from one port, as clients of Ethereum do (devp2p, discv4). A third
/// of them answers; some addresses that it learned are private ones of other sites.
pub(super) fn discovery(ctx: &ActionCtx, script: &mut Script) {
    const PORT: u16 = 30_303;
    let n = ctx.overall;
    let is_private = script.dice.permille(80);
    let peer =
        if is_private { 0xc0a8_0000 | script.dice.between(1, 65_534) } else { ctx.fixed_peer(n) };
    let dice = &mut script.dice;
    let octets = dice.between(120, 180);
    let request = PacketTotals { packets: 2, octets: 2 * octets, flags: 0 };
    let is_alive = !is_private && ctx.stable_hash(n) % 3 == 0;
    let response = is_alive.then(|| {
        let packets = dice.between(2, 4);
        PacketTotals { packets, octets: packets * dice.between(140, 400), flags: 0 }
    });
    let (from, to) = ((ctx.host(), PORT), (peer, PORT));
    script.exchange(Exchange { proto: UDP, from, to, request, response, millis: 1_500 }, 0);
}

/// Plays a host without services, whose address and port peers remember. Every second such host rejects the
/// connections, the others drop them.
pub(super) fn leaver(ctx: &ActionCtx, script: &mut Script) {
    let peer = ctx.campus.peer(&mut script.dice);
    let to = (ctx.host(), listening_port(ctx));
    let rejects = ctx.member.number % 2 == 0;
    if script.dice.permille(500) {
        let from = (peer, client_port(&mut script.dice));
        let exchange = if rejects {
            rejected(&mut script.dice, from, to)
        } else {
            unanswered(&mut script.dice, from, to)
        };
        script.exchange(exchange, 0);
        return;
    }
    let from = (peer, script.dice.port(1_025, 65_535));
    let exchange = dht_query(script, from, to, 1_000);
    script.exchange(exchange, 0);
    if rejects {
        let totals = PacketTotals {
            packets: exchange.request.packets,
            octets: exchange.request.packets * 56,
            flags: 0,
        };
        script.flow(ICMP, (to.0, 0), (peer, PORT_UNREACHABLE), totals, 1, exchange.millis);
    }
}

/// Plays a gateway for tunnels and telephone calls, whose flows the router cuts after five minutes. Each peer
/// has one flow in each half of the window.
pub(super) fn gateway(ctx: &ActionCtx, script: &mut Script) {
    let which = ctx.step % ctx.member.size;
    let peer = ctx.fixed_peer(which.into());
    let port = [4_500, 4_500, 1_194, 1_194, 5_060][ctx.stable_hash(which) as usize / 7 % 5];
    let (ours, theirs) = ((ctx.host(), port), (peer, port));
    // A chunk of a flow does not show which side is the initiator.
    let (from, to) = if script.dice.permille(500) { (ours, theirs) } else { (theirs, ours) };
    if (ctx.stable_hash(which) / 64) % 10 == 0 {
        // The peer is dead, and the gateway keeps trying.
        let packets = script.dice.between(4, 8);
        let request =
            PacketTotals { packets, octets: packets * script.dice.between(100, 400), flags: 0 };
        let (from, to, millis) = (ours, theirs, packets * 2_000);
        script.exchange(Exchange { proto: UDP, from, to, request, response: None, millis }, 0);
        return;
    }
    let mut totals = || {
        let (packets, size) = match port {
            5_060 => (script.dice.between(10, 60), script.dice.between(300, 800)),
            _ => (script.dice.between(30, 20_000), script.dice.between(90, 1_100)),
        };
        PacketTotals { packets, octets: packets * size, flags: 0 }
    };
    let (request, response) = (totals(), Some(totals()));
    script.exchange(Exchange { proto: UDP, from, to, request, response, millis: ACTIVE }, 0);
}

/// Plays ICMP errors about packets with source addresses of inside hosts, real or forged.
pub(super) fn misroute(ctx: &ActionCtx, script: &mut Script) {
    let router = if ctx.step == 0 { ctx.host() } else { ctx.campus.peer(&mut script.dice) };
    let dice = &mut script.dice;
    let to = if dice.permille(800) {
        ctx.campus.clients.pick(dice)
    } else {
        INSIDE | dice.below(1 << 16)
    };
    let what = [HOST_UNREACHABLE, PORT_UNREACHABLE, TIME_EXCEEDED][dice.below(3) as usize];
    let packets = dice.between(1, 3);
    let totals = PacketTotals { packets, octets: packets * 56, flags: 0 };
    script.flow(ICMP, (router, 0), (to, what), totals, 0, (packets - 1) * 3_000);
}
