//! Floods: thousands of packets to one host or one network, and the few responses.
//!
//! The actor is the victim, except in `outbound` and `outsyn`, where it is the attacker. Sources and servers
//! that exist are the same in every window, like a list of bots or reflectors. Forged sources are drawn for
//! every packet. An action is one flow of a source, or all flows of one server. If the size of the flood is
//! packets a second, it is one chunk of each of its flows.

use super::action::{ActionCtx, kernel_port};
use super::actor::Actor;
use super::attack::Answer;
use super::campus::{INSIDE, alive, world};
use super::draw::mix;
use super::record::{ACK, PORT_UNREACHABLE, PacketTotals, RST, SYN};
use super::script::{Script, Shape};
use crate::flow::{ICMP, TCP, UDP};

/// The sources of a `botnet` flood.
const BOTS: u64 = 300;
/// The sources of a `carpet`.
const CARPET_SOURCES: u32 = 200;
/// The SYNs in an action of a `carpet` of SYNs.
const SYNS: u32 = 4;
/// The sources of a `quicflood`.
const QUIC_SOURCES: u32 = 500;
/// The bots that silence a server.
const SILENCERS: u64 = 500;
/// The sources, with one flow each, of a `volume` flood.
const STREAMS: u32 = 20;

/// The well-known ports of reflection: their servers send more than they receive. Each has the least and the
/// most bytes a packet of its responses.
const REFLECTORS: [(u16, u32, u32); 10] = [
    (53, 900, 1_400),
    // Six entries of monlist.
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
/// Less known ports of reflection: cameras, remote desktops, media and game servers, CoAP.
const UNLISTED: [u16; 6] = [10_074, 37_810, 3_283, 32_414, 5_683, 27_016];

/// The first bytes of the /8s that every second `drawn` draws its sources from. None has a reserved block.
const DRAWN_NETS: [u32; 8] = [24, 62, 80, 93, 114, 177, 187, 211];

/// Plays an action of a flood.
pub(super) fn act(ctx: &ActionCtx, script: &mut Script) {
    match ctx.member.actor {
        Actor::Flood => single(ctx, script),
        Actor::UdpFlood => datagrams(ctx, script),
        Actor::Botnet => bots(ctx, script),
        Actor::Forged => {
            let source = script.dice.between(1, u32::MAX - 1);
            forged_syn(ctx, script, source, 80);
        }
        Actor::Drawn => {
            let source = match ctx.member.number % 2 {
                0 => world(&mut script.dice),
                _ => {
                    let net = DRAWN_NETS[ctx.stable_hash(8u8) as usize % DRAWN_NETS.len()];
                    (net << 24) | script.dice.between(1, (1 << 24) - 2)
                }
            };
            forged_syn(ctx, script, source, 443);
        }
        Actor::Spoofed => {
            let source = INSIDE | script.dice.between(1, (1 << 16) - 2);
            forged_syn(ctx, script, source, 80);
        }
        Actor::Reflected | Actor::Unlisted => reflection(ctx, script),
        Actor::SynAck => syn_acks(ctx, script),
        Actor::Carpet => carpet(ctx, script),
        Actor::QuicFlood => quic_initials(ctx, script),
        Actor::Outbound => outbound(ctx, script),
        Actor::OutSyn => outsyn(ctx, script),
        Actor::Volume => volume(ctx, script),
        Actor::Silenced => silencing(ctx, script),
        Actor::OneTuple => {
            let from = (ctx.fixed_peer(0), counting_port(&ActionCtx { overall: 0, ..*ctx }));
            tuple(ctx, script, from, ctx.host());
        }
        Actor::OutTuple => {
            let from = (ctx.host(), counting_port(&ActionCtx { overall: 0, ..*ctx }));
            tuple(ctx, script, from, ctx.fixed_peer(0));
        }
        _ => {}
    }
}

/// Returns the next source port of a program that counts its packets up, as hping does.
fn counting_port(ctx: &ActionCtx) -> u16 {
    1_024 + ((ctx.stable_hash(1u8).wrapping_add(ctx.overall)) % 64_000) as u16
}

/// Plays one SYN of the only source. Every second victim uses SYN cookies and sends its SYN-ACK once.
fn single(ctx: &ActionCtx, script: &mut Script) {
    let (from, to) = ((ctx.fixed_peer(0), counting_port(ctx)), (ctx.host(), 80));
    script.counted_flow(0, TCP, (from, to), PacketTotals::even(1, 40, SYN), 0);
    respond(ctx, script, from, to, [4, 1]);
}

/// Plays the response of a flooded server to a SYN. In `open` of six cases the port is open, and in `closed` of
/// six it is closed; in the others there is no response.
fn respond(
    ctx: &ActionCtx,
    script: &mut Script,
    from: (u32, u16),
    to: (u32, u16),
    [open, closed]: [u32; 2],
) {
    let delay = u64::from(script.dice.between(1, 40));
    let draw = script.dice.below(6);
    if draw < open {
        let tries = if ctx.member.number % 2 == 0 { 1 } else { script.dice.between(1, 4) };
        // The SYN-ACK is sent again after 1, 3 and 7 s.
        let millis = ((1 << (tries - 1)) - 1) * 1_000;
        script.flow(TCP, to, from, PacketTotals::even(tries, 44, SYN | ACK), delay, millis);
    } else if draw < open + closed {
        script.flow(TCP, to, from, PacketTotals::even(1, 40, RST | ACK), delay, 0);
    }
}

/// Plays datagrams to any port. The host sends few ICMP errors, because kernels limit their rate.
fn datagrams(ctx: &ActionCtx, script: &mut Script) {
    let sport = match ctx.member.number % 2 {
        0 => 1_024 + (ctx.stable_hash(1u8) % 64_000) as u16,
        _ => script.dice.port(1_024, 65_535),
    };
    let from = (ctx.fixed_peer(0), sport);
    let to = (ctx.host(), script.dice.port(1, 65_535));
    let packets = script.dice.between(1, 3);
    script.counted_flow(
        0,
        UDP,
        (from, to),
        PacketTotals::even(packets, 540, 0),
        (packets - 1) * 20,
    );
    if script.dice.permille(30) {
        let delay = u64::from(script.dice.between(1, 40));
        let error = PacketTotals::even(1, 568, 0);
        script.flow(ICMP, (to.0, 0), (from.0, PORT_UNREACHABLE), error, delay, 0);
    }
}

/// Plays one connection of a bot, whose kernel sends the SYN again if there is no response.
fn bots(ctx: &ActionCtx, script: &mut Script) {
    let bots = BOTS.min(ctx.member.size.into());
    let bot = ctx.overall % bots;
    let from = (ctx.fixed_peer(bot), kernel_port(ctx.stable_hash(bot), ctx.overall / bots));
    let answer = match script.dice.below(100) {
        0..8 => Some(Answer::Open),
        8..16 => Some(Answer::Closed),
        _ => None,
    };
    script.tcp_probe(0, from, (ctx.host(), 443), Shape::Connect(60), answer, 0);
}

/// Plays one SYN with a forged source. The response goes to the host of that address, which resets the
/// connection if it exists.
fn forged_syn(ctx: &ActionCtx, script: &mut Script, source: u32, port: u16) {
    // The victim does not flood itself.
    let source = if source == ctx.host() { source ^ 1 } else { source };
    let (from, to) = ((source, script.dice.port(1, 65_535)), (ctx.host(), port));
    script.forged(TCP, from, to, PacketTotals::even(1, 40, SYN));
    // No kernel answers a source in 0/8 or 127/8, or a multicast group.
    if matches!(source >> 24, 0 | 127 | 224..) {
        return;
    }
    let before = script.flows.len();
    respond(ctx, script, from, to, [2, 0]);
    if script.flows.len() > before && alive(ctx.seed, source) {
        script.flow(TCP, from, to, PacketTotals::even(1, 40, RST), 50, 0);
    }
}

/// Plays, in a window in which the server is down, a connection of a bot or a SYN from a forged source, neither of
/// which the server ever served. Nobody answers.
fn silencing(ctx: &ActionCtx, script: &mut Script) {
    if !ctx.is_down() {
        return;
    }
    if ctx.member.has_forged_sources() {
        let source = (world(&mut script.dice), script.dice.port(1_024, 65_535));
        script.forged(TCP, source, (ctx.host(), 443), PacketTotals::even(1, 40, SYN));
        return;
    }
    let bot = ctx.overall % SILENCERS;
    let from = (ctx.fixed_peer(bot), kernel_port(ctx.stable_hash(bot), ctx.overall / SILENCERS));
    script.tcp_probe(0, from, (ctx.host(), 443), Shape::Connect(60), None, 0);
}

/// Plays the responses of one server to queries in the victim's name. Every second victim is attacked on one
/// port only.
fn reflection(ctx: &ActionCtx, script: &mut Script) {
    let number = ctx.member.number;
    let (port, least, most) = match ctx.member.actor {
        Actor::Reflected => REFLECTORS[number as usize % REFLECTORS.len()],
        _ => match UNLISTED.get(number as usize % (UNLISTED.len() + 1)) {
            Some(&port) => (port, 400, 1_400),
            None => (1_024 + (ctx.stable_hash(2u8) % 64_000) as u16, 400, 1_400),
        },
    };
    let is_one_port = (number + number / 10) % 2 == 0;
    let from = (ctx.fixed_peer(ctx.step.into()), port);
    let size = least + (ctx.stable_hash(from.0) % u64::from(most - least + 1)) as u32;
    let flows = if is_one_port { 1 } else { script.dice.between(1, 2) };
    for _ in 0..flows {
        let dport = if is_one_port {
            [80, 443, 53][number as usize % 3]
        } else {
            script.dice.port(1, 65_535)
        };
        let packets = script.dice.between(3, 60);
        let millis = script.dice.between(packets, packets * 100);
        let totals = PacketTotals::even(packets, size, 0);
        script.counted_flow(0, UDP, (from, (ctx.host(), dport)), totals, millis);
    }
}

/// Plays the SYN-ACKs of a web server to a SYN that the victim did not send. The server sends them again unless
/// the victim resets the connection.
fn syn_acks(ctx: &ActionCtx, script: &mut Script) {
    let server = ctx.fixed_peer(ctx.step.into());
    let from = (server, if ctx.stable_hash(server) % 3 == 0 { 80 } else { 443 });
    let to = (ctx.host(), script.dice.port(1_024, 65_535));
    let size = [44, 48, 52, 60][ctx.stable_hash(server) as usize / 3 % 4];
    let reset = script.dice.permille(250);
    let packets = if reset { 1 } else { script.dice.between(1, 3) };
    let millis = ((1 << (packets - 1)) - 1) * 1_000;
    script.counted_flow(0, TCP, (from, to), PacketTotals::even(packets, size, SYN | ACK), millis);
    if reset {
        script.flow(TCP, to, from, PacketTotals::even(1, 40, RST), 2, 0);
    }
}

/// Returns the prefix length of the network of a carpet.
pub(super) fn carpet_prefix(number: u32) -> u8 {
    if number % 2 == 0 { 24 } else { 23 }
}

/// Plays packets to any hosts of a network: a few datagrams, or several SYNs, because few would not stand out
/// among those of scanners. One host in twelve exists, and sometimes sends a response.
fn carpet(ctx: &ActionCtx, script: &mut Script) {
    for _ in 0..if ctx.member.number % 2 == 0 { 1 } else { SYNS } {
        carpet_flow(ctx, script);
    }
}

/// Plays one flow of a carpet.
fn carpet_flow(ctx: &ActionCtx, script: &mut Script) {
    let nets = 1 << (24 - carpet_prefix(ctx.member.number));
    let dice = &mut script.dice;
    let host = ctx.host() | (dice.below(nets) << 8) | dice.between(1, 254);
    let source = ctx.fixed_peer(dice.below(CARPET_SOURCES).into());
    let from = (source, dice.port(1_024, 65_535));
    let responds = mix(ctx.stable_hash(0u8), host.into()) % 12 == 0 && dice.permille(100);
    if ctx.member.number % 2 == 0 {
        let (to, packets) = ((host, dice.port(1, 65_535)), dice.between(1, 4));
        let size = dice.between(300, 1_400);
        script.counted_flow(
            0,
            UDP,
            (from, to),
            PacketTotals::even(packets, size, 0),
            (packets - 1) * 30,
        );
        if responds {
            let totals = PacketTotals::even(1, (size + 28).min(576), 0);
            script.flow(ICMP, (host, 0), (source, PORT_UNREACHABLE), totals, 3, 0);
        }
    } else {
        let to = (host, 80);
        script.counted_flow(0, TCP, (from, to), PacketTotals::even(1, 40, SYN), 0);
        if responds {
            script.flow(TCP, to, from, PacketTotals::even(1, 40, RST | ACK), 3, 0);
        }
    }
}

/// Plays datagrams of the length that the first ones of QUIC must have. The server answers few.
fn quic_initials(ctx: &ActionCtx, script: &mut Script) {
    let dice = &mut script.dice;
    let from = (ctx.fixed_peer(dice.below(QUIC_SOURCES).into()), dice.port(1_024, 65_535));
    let to = (ctx.host(), 443);
    let (packets, size) = (dice.between(1, 2), dice.between(1_228, 1_350));
    script.counted_flow(
        0,
        UDP,
        (from, to),
        PacketTotals::even(packets, size, 0),
        (packets - 1) * 300,
    );
    if script.dice.permille(50) {
        let (packets, size) = (script.dice.between(1, 3), script.dice.between(1_200, 1_250));
        script.flow(UDP, to, from, PacketTotals::even(packets, size, 0), 20, (packets - 1) * 400);
    }
}

/// Plays a flood from an inside host to an outside one: one flow, or flows to eight ports.
fn outbound(ctx: &ActionCtx, script: &mut Script) {
    let (victim, has_ports) = (ctx.fixed_peer(0), ctx.member.number % 2 == 1);
    let flows = if has_ports { 8 } else { 1 };
    let size = 100 + (ctx.stable_hash(0u8) % 1_301) as u32;
    for flow in 0..flows {
        let hash = ctx.stable_hash(10 + u64::from(flow));
        let from = (ctx.host(), 32_768 + (hash % 28_000) as u16);
        let dport = if has_ports { 1 + (hash >> 20) % 65_535 } else { 80 };
        let totals = PacketTotals::even(ctx.file_chunk(flows), size, 0);
        script.chunk(
            Some(0),
            UDP,
            (from, (victim, dport as u16)),
            totals,
            ctx.member.chunk_millis(),
        );
    }
    if has_ports {
        let totals = PacketTotals::even(3, 576.min(size + 28), 0);
        script.flow(ICMP, (victim, 0), (ctx.host(), PORT_UNREACHABLE), totals, 0, 2_000);
    }
}

/// Plays one SYN from an inside host to an outside one.
fn outsyn(ctx: &ActionCtx, script: &mut Script) {
    let port = [80, 443][ctx.member.number as usize % 2];
    let (from, to) = ((ctx.host(), counting_port(ctx)), (ctx.fixed_peer(0), port));
    script.counted_flow(0, TCP, (from, to), PacketTotals::even(1, 40, SYN), 0);
    respond(ctx, script, from, to, [2, 1]);
}

/// Plays a chunk of a flood from one port: SYNs, or by every second actor that floods an inside host, datagrams.
fn tuple(ctx: &ActionCtx, script: &mut Script, from: (u32, u16), victim: u32) {
    let is_udp = ctx.member.actor == Actor::OneTuple && ctx.member.number % 2 == 1;
    let size = 100 + (ctx.stable_hash(0u8) % 1_301) as u32;
    let (proto, port, size, flags) =
        if is_udp { (UDP, 9_000, size, 0) } else { (TCP, 80, 40, SYN) };
    let totals = PacketTotals::even(ctx.file_chunk(1), size, flags);
    script.chunk(Some(0), proto, (from, (victim, port)), totals, ctx.member.chunk_millis());
}

/// Plays a chunk of each of the long flows.
fn volume(ctx: &ActionCtx, script: &mut Script) {
    for source in 0..STREAMS {
        let hash = ctx.stable_hash(u64::from(source));
        let from = (ctx.fixed_peer(source.into()), 1_024 + (hash % 64_000) as u16);
        let size = 200 + (hash >> 20) as u32 % 1_201;
        let totals = PacketTotals::even(ctx.file_chunk(STREAMS), size, 0);
        script.chunk(Some(0), UDP, (from, (ctx.host(), 443)), totals, ctx.member.chunk_millis());
    }
}
