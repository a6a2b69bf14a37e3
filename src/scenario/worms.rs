//! Attacks on one port: worms and the hosts that they infect, guessers of passwords, and senders of spam.
//!
//! An infected host connects to its targets by `connect()`, as any program does. Few of the targets exist. A
//! chain is a scanner that infects one inside host early in the first window of a scenario, and that host
//! infects another. From then on each of them attacks other hosts itself.

use super::action::{ActionCtx, kernel_port, rejected, unanswered};
use super::actor::Actor;
use super::campus::world;
use super::draw::{Dice, mix};
use super::member::Activity;
use super::record::{ACK, FIN, PSH, PacketTotals, SYN};
use super::scans::{answer, victim};
use super::script::{Script, Shape};
use super::traffic::{Exchange, mail};
use crate::flow::TCP;

/// Plays an action of an attack on a port.
pub(super) fn act(ctx: &ActionCtx, script: &mut Script) {
    match ctx.member.actor {
        Actor::CodeRed => {
            let to = (world(&mut script.dice), 80);
            // The bytes of the request, and of an error page or of a host that is infected now.
            infect(ctx, script, to, (4_039, 400));
        }
        Actor::SlowWorm => {
            let to = (world(&mut Dice::new(ctx.member.key, ctx.overall, 0x51a)), 445);
            infect(ctx, script, to, (3_000, 1_200));
        }
        Actor::Chain => chain(ctx, script),
        Actor::Guess => guess(ctx, script),
        Actor::SlowGuess => slow_guess(ctx, script),
        Actor::Guessers => guessers(ctx, script),
        Actor::Swarm => swarm(ctx, script),
        Actor::Spam => spam(ctx, script),
        _ => {}
    }
}

/// Returns the next source port of Windows in 2001, the system of the paper's worm.
fn windows_port(ctx: &ActionCtx) -> u16 {
    1_024 + (ctx.stable_hash(1u8).wrapping_add(ctx.overall) % 3_976) as u16
}

/// Plays a connection of a worm to a target. One in a hundred targets accepts it, and three reject it.
fn infect(ctx: &ActionCtx, script: &mut Script, to: (u32, u16), octets: (u32, u32)) {
    let from = (ctx.host(), windows_port(ctx));
    match script.dice.below(100) {
        0 => {
            let millis = script.dice.between(200, 3_000);
            script.counted_exchange(0, Exchange::stream(from, to, octets, millis));
        }
        1..=3 => {
            let exchange = Exchange::rejected(&mut script.dice, from, to);
            script.counted_exchange(0, exchange);
        }
        _ => script.tcp_probe(0, from, to, Shape::Connect(48), None, 0),
    }
}

/// Plays an action of a chain of infections. In the first window, one action of the scanner and one of the first
/// victim infect the next host. All others are probes.
fn chain(ctx: &ActionCtx, script: &mut Script) {
    let [first, second] = ctx.member.taken;
    let [early, later] = ctx.member.infects();
    // The host that acts, the next host of the chain, and the action that infects it.
    let (host, next, when) = match ctx.activity {
        Activity::First => (first, second, Some(later)),
        Activity::Second => (second, first, None),
        Activity::Main | Activity::Visitors => (ctx.host(), first, Some(early)),
    };
    let from = (host, kernel_port(ctx.stable_hash(host), ctx.overall));
    if ctx.index == 0 && when == Some(ctx.step) {
        let millis = script.dice.between(2_000, 6_000);
        script.counted_exchange(0, Exchange::stream(from, (next, 445), (60_000, 2_500), millis));
        if ctx.activity == Activity::First {
            return;
        }
    }
    let target = match ctx.activity {
        // Each host has targets of its own, half of them on the campus and half in the world.
        Activity::First | Activity::Second if script.dice.permille(500) => {
            world(&mut Dice::new(ctx.stable_hash(host), ctx.overall, 0xc4a))
        }
        _ => ctx.address(u64::from(mix(0, host.into()) as u16) + ctx.overall),
    };
    // The infected hosts are no targets.
    let target = if [first, second].contains(&target) { target ^ 0x80 } else { target };
    let answer = answer(ctx.seed, TCP, (target, 445));
    script.tcp_probe(0, from, (target, 445), Shape::Connect(48), answer, 0);
}

/// The login ports, with the packets of a failed login in each direction, and the bytes of such a packet.
const LOGINS: [(u16, [u32; 2], [u32; 2]); 5] = [
    (22, [17, 16], [140, 160]),
    (3_389, [16, 14], [150, 210]),
    (23, [24, 22], [43, 52]),
    (21, [13, 12], [56, 70]),
    (5_900, [12, 11], [50, 48]),
];

/// Plays one failed login. All are nearly the same.
fn guess(ctx: &ActionCtx, script: &mut Script) {
    let number = ctx.member.number;
    let (port, packets, sizes) = LOGINS[number as usize % LOGINS.len()];
    // The first 200 victims are those of `ports` and `connect`.
    let to = (victim(ctx.seed, 200 + number), port);
    let from = (ctx.host(), kernel_port(ctx.stable_hash(1u8), ctx.overall));
    failed_login(script, from, to, packets, sizes);
}

/// Plays one failed login by ssh of a source that takes its time.
fn slow_guess(ctx: &ActionCtx, script: &mut Script) {
    let (port, packets, sizes) = LOGINS[0];
    // The victims of `guess` are the 100 before.
    let to = (victim(ctx.seed, 300 + ctx.member.number), port);
    let from = (ctx.host(), kernel_port(ctx.stable_hash(1u8), ctx.overall));
    failed_login(script, from, to, packets, sizes);
}

/// Adds a failed login, with about as many packets in each direction, of about these sizes.
fn failed_login(
    script: &mut Script,
    from: (u32, u16),
    to: (u32, u16),
    packets: [u32; 2],
    sizes: [u32; 2],
) {
    let dice = &mut script.dice;
    // Passwords differ in length, and an ACK comes alone or with the next segment.
    let mut totals = |direction: usize| {
        let packets = packets[direction] + dice.below(3);
        let octets = packets * sizes[direction] + dice.below(24);
        PacketTotals { packets, octets, flags: SYN | ACK | PSH | FIN }
    };
    let (request, response) = (totals(0), Some(totals(1)));
    let millis = script.dice.between(1_800, 4_500);
    script.counted_exchange(0, Exchange { proto: TCP, from, to, request, response, millis });
}

/// Plays one failed login by ssh of one of many sources.
fn guessers(ctx: &ActionCtx, script: &mut Script) {
    let source = ctx.fixed_peer(u64::from(ctx.step % ctx.member.size));
    let from = (source, kernel_port(ctx.stable_hash(source), ctx.overall));
    let (port, packets, sizes) = LOGINS[0];
    failed_login(script, from, (ctx.host(), port), packets, sizes);
}

/// The ports that swarms try.
const SWARMED: [u16; 4] = [8_728, 5_555, 2_375, 6_379];

/// Plays one SYN of a member of a swarm to an address that is not in use.
fn swarm(ctx: &ActionCtx, script: &mut Script) {
    let source = ctx.fixed_peer(u64::from(ctx.step % ctx.member.size));
    let place = ctx.index.wrapping_mul(97).wrapping_add(ctx.step) % 4_000;
    let to = (
        ctx.inside_host(false, place as usize),
        SWARMED[ctx.member.number as usize % SWARMED.len()],
    );
    let from = (source, kernel_port(ctx.stable_hash(source), ctx.overall));
    script.tcp_probe(0, from, to, Shape::Connect(60), None, 0);
}

/// Plays a mail to a server that has got none before. One server in four does not accept it.
fn spam(ctx: &ActionCtx, script: &mut Script) {
    let server = ctx.fixed_peer(ctx.overall);
    let from = (ctx.host(), kernel_port(ctx.stable_hash(1u8), ctx.overall));
    let to = (server, 25);
    let exchange = match ctx.stable_hash(server) % 8 {
        0 => unanswered(&mut script.dice, from, to),
        1 => rejected(&mut script.dice, from, to),
        _ => mail(&mut script.dice, from, server),
    };
    script.counted_exchange(0, exchange);
}
