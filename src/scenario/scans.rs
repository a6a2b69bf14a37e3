//! Scanners: the next target of each, the form of its probe, and the response.
//!
//! Targets are probed alike whether they exist or not. In a window a scanner continues where it was at the end
//! of the one before. It probes no host again before it has probed all of them.

use super::action::ActionCtx;
use super::actor::Actor;
use super::attack::Answer;
use super::campus::{INSIDE, alive, world};
use super::draw::{Order, mix};
use super::member::{self, Member};
use super::record::{ECHO, ECHO_REPLY, PORT_UNREACHABLE, PacketTotals};
use super::script::{ProbeResponse, Script, Shape};
use crate::flow::{ICMP, TCP, UDP};

/// The number of addresses of the inside network.
const SPACE: u32 = 1 << 16;
/// The number of addresses of a /24 that a walk probes.
const WALKED: u64 = 254;
/// The ports that a block scan and a survey probe on each host.
const PORTS: [u16; 10] = [80, 443, 22, 21, 23, 8080, 3389, 5900, 445, 3306];

/// The login ports that a host tries which moves from machine to machine.
const LOGIN_PORTS: [u16; 4] = [22, 445, 3389, 5985];

/// Returns the response of an inside host to a probe of a port, or `None` if there is none. It does not depend
/// on the scanner.
pub(super) fn answer(seed: u64, proto: u8, (target, port): (u32, u16)) -> Option<Answer> {
    let hash =
        mix(mix(seed, (0x5ca7 << 24) | (u64::from(proto) << 16) | u64::from(port)), target.into());
    match (alive(seed, target), (hash >> 32) & 0xf) {
        // The packet filters of some hosts drop probes.
        (false, _) | (true, 0 | 1) => None,
        (true, 2..=4) => Some(Answer::Open),
        (true, _) => Some(Answer::Closed),
    }
}

/// Returns an inside host that exists, a different one for each number.
pub(super) fn victim(seed: u64, number: u32) -> u32 {
    let order = Order::new(mix(seed, 0x71c7), SPACE);
    let hosts = (0..u64::from(SPACE)).map(|place| INSIDE | order.at(place));
    hosts.filter(|&host| alive(seed, host)).nth(number as usize).unwrap_or(INSIDE | 0x0101)
}

/// Plays an action of a scanner.
pub(super) fn act(ctx: &ActionCtx, script: &mut Script) {
    let outside = ctx.fixed_peer(0);
    let &ActionCtx { seed, member, overall: step, .. } = ctx;
    let &Member { actor, size, host, key, number, .. } = member;
    let anywhere = || INSIDE | Order::new(key, SPACE).at(step);
    // The next address of a walk through consecutive networks, which begins at one of the actor's own.
    let walk = || {
        let window = step / u64::from(size);
        let n = step % u64::from(size);
        let nets = u64::from(size).div_ceil(WALKED);
        let net = (key % 200 + window * nets + n / WALKED) % 256;
        INSIDE | ((net as u32) << 8) | (1 + n % WALKED) as u32
    };
    // Source ports: one for the whole scan, one after the other as a kernel gives them, or any.
    let fixed = 40_000 + (key >> 32) as u16 % 20_000;
    let next = 32_768 + ((key >> 16).wrapping_add(step) % 28_232) as u16;
    let any = 32_768 + (mix(key, step) % 28_232) as u16;
    let with_answer = |to| (to, answer(seed, TCP, to));
    match actor {
        Actor::Sweep => {
            let (to, answer) = with_answer((walk(), 23));
            script.tcp_probe(0, (host, next), to, Shape::Raw(40), answer, 0);
        }
        Actor::Horizontal => {
            let (to, answer) = with_answer((anywhere(), 445));
            script.tcp_probe(0, (host, fixed), to, Shape::Raw(40), answer, 0);
        }
        Actor::Large => {
            let (to, answer) = with_answer((anywhere(), 80));
            script.tcp_probe(0, (host, any), to, Shape::Raw(40), answer, 0);
        }
        Actor::Small => {
            let (to, answer) = with_answer((anywhere(), 22));
            script.tcp_probe(0, (host, fixed), to, Shape::Raw(44), answer, 0);
        }
        Actor::Patient => {
            let (to, answer) = with_answer((anywhere(), 445));
            // The SYN of an old Windows, a newer one, or Linux.
            let syn = [48, 60, 52][number as usize % 3];
            script.tcp_probe(0, (host, next), to, Shape::Connect(syn), answer, 0);
        }
        Actor::Slow => {
            let (to, answer) = with_answer((anywhere(), 22));
            script.tcp_probe(0, (host, next), to, Shape::Connect(60), answer, 40);
        }
        Actor::Lateral => {
            // Each window has other hosts.
            let host_of = (step / LOGIN_PORTS.len() as u64) as u32;
            let to = (
                victim(seed, 400 + 1_000 * number + host_of),
                LOGIN_PORTS[step as usize % LOGIN_PORTS.len()],
            );
            script.tcp_probe(0, (host, next), to, Shape::Connect(60), Some(Answer::Closed), 0);
        }
        Actor::Protocols => {
            // The first and the last protocol number of those that are assigned (IANA), without ICMP, TCP and UDP.
            let proto = (2 + Order::new(key, 140).at(step) as u8) % 142;
            let proto = if matches!(proto, 6 | 17) { proto + 140 } else { proto };
            let target = victim(seed, 600 + number);
            let totals = PacketTotals { packets: 1, octets: 28, flags: 0 };
            script.counted_flow(0, proto, ((host, 0), (target, 0)), totals, 0);
        }
        Actor::Inner => {
            let to = (world(&mut script.dice), 445);
            let answer = match script.dice.below(100) {
                0 => Some(Answer::Open),
                1..=3 => Some(Answer::Closed),
                _ => None,
            };
            script.tcp_probe(0, (host, next), to, Shape::Connect(48), answer, 0);
        }
        Actor::Ports | Actor::Connect => {
            let (n, size) = (step % u64::from(size), u64::from(size));
            let port = 1 + Order::new(key, 65_535).at(step) as u16;
            // Two of the ports of each window are open.
            let open = mix(key, step / size) % size;
            let open = n == open || n == (open + size / 2) % size;
            let answer = Some(if open { Answer::Open } else { Answer::Closed });
            let (shape, sport) = match actor {
                Actor::Ports => (Shape::Raw(44), fixed),
                _ => (Shape::Connect(60), next),
            };
            // Scanners of the two kinds have different victims.
            let target = victim(seed, 2 * number + u32::from(actor == Actor::Connect));
            script.tcp_probe(0, (host, sport), (target, port), shape, answer, 0);
        }
        Actor::InnerPorts => {
            let port = 1 + Order::new(key, 65_535).at(step) as u16;
            let answer = match mix(key, port.into()) % 400 {
                0 => Some(Answer::Open),
                1..=20 => None,
                _ => Some(Answer::Closed),
            };
            // nmap as root uses one source port for all probes, and as another user connect().
            let (shape, sport) = match number % 2 {
                0 => (Shape::Raw(44), fixed),
                _ => (Shape::Connect(60), next),
            };
            script.tcp_probe(0, (host, sport), (outside, port), shape, answer, 0);
        }
        Actor::Block => {
            // The pairs of host and port of a window, in a random order. Each window has new hosts.
            let (window, n) = (step / u64::from(size), step % u64::from(size));
            let pair = u64::from(Order::new(mix(key, window), size).at(n));
            let hosts = u64::from(size).div_ceil(10);
            let target = INSIDE | Order::new(key, SPACE).at(window * hosts + pair / 10);
            let (to, answer) = with_answer((target, PORTS[pair as usize % 10]));
            script.tcp_probe(0, (host, next), to, Shape::Raw(44), answer, 0);
        }
        Actor::Survey => {
            let (to, answer) = with_answer((anywhere(), PORTS[step as usize % 10]));
            script.tcp_probe(0, (host, any), to, Shape::Raw(40), answer, 0);
        }
        Actor::Group => {
            // Each source has one of every sixteen probes, as with a program that splits a list.
            let sources = u32::from(member::SOURCES);
            let source = Order::new(mix(key, step / u64::from(sources)), sources).at(step) as u8;
            let (to, answer) = with_answer((anywhere(), 3389));
            // The sources have consecutive addresses, and each has a port of its own.
            let from = (member::source(host, source.into()), fixed + u16::from(source));
            script.tcp_probe(source, from, to, Shape::Raw(40), answer, 0);
        }
        Actor::Udp | Actor::UdpWalk => {
            let (target, port, sport, size) = match actor {
                Actor::Udp => (anywhere(), 161, fixed, 71),
                _ => (walk(), 53, next, 58),
            };
            let hash = (mix(mix(seed, u64::from(port)), u64::from(target)) >> 32) & 0xf;
            let response = match (alive(seed, target), hash) {
                (true, 0..=7) => Some((ICMP, PORT_UNREACHABLE, 56)),
                (true, 8) => Some((UDP, 0, 110 + (hash as u32 & 7) * 9)),
                _ => None,
            };
            let response =
                response.map(|(proto, message, octets)| ProbeResponse { proto, message, octets });
            script.probe(UDP, (host, sport), (target, port), size, response);
        }
        Actor::Icmp => {
            let target = walk();
            let reply = ProbeResponse { proto: ICMP, message: ECHO_REPLY, octets: 28 };
            let response = answer(seed, ICMP, (target, 0)).map(|_| reply);
            script.probe(ICMP, (host, 0), (target, ECHO), 28, response);
        }
        _ => {}
    }
}
