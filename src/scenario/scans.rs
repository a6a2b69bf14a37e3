//! What scanners do: whom each asks next, how, and what he hears.
//!
//! Targets are asked for alike whether they exist or not. A scanner goes on in a window where he was
//! at the end of the one before: nobody asks the same host again before he was everywhere.

use super::action::ActionCtx;
use super::actor::Actor;
use super::actors::{self, Member};
use super::attack::Answer;
use super::campus::{INSIDE, alive, world};
use super::draw::{Order, mix};
use super::record::{ECHO, ECHO_REPLY, PORT_UNREACHABLE};
use super::script::{Script, Shape};
use crate::flow::{ICMP, TCP, UDP};

/// Addresses of the inside network.
const SPACE: u32 = 1 << 16;
/// Addresses of a /24 that a walk asks.
const WALKED: u64 = 254;
/// What a block scan and a survey ask each host for.
const PORTS: [u16; 10] = [80, 443, 22, 21, 23, 8080, 3389, 5900, 445, 3306];

/// What a living host says to a knock at one of its ports; the same to whoever asks.
pub(super) fn answer(seed: u64, proto: u8, (target, port): (u32, u16)) -> Option<Answer> {
    let lot =
        mix(mix(seed, (0x5ca7 << 24) | (u64::from(proto) << 16) | u64::from(port)), target.into());
    match (alive(seed, target), (lot >> 32) & 0xf) {
        // A packet filter drops what nobody asked for.
        (false, _) | (true, 0 | 1) => None,
        (true, 2..=4) => Some(Answer::Open),
        (true, _) => Some(Answer::Closed),
    }
}

/// A host that exists, another one for each scanner.
pub(super) fn victim(seed: u64, number: u32) -> u32 {
    let order = Order::new(mix(seed, 0x71c7), SPACE);
    let hosts = (0..u64::from(SPACE)).map(|place| INSIDE | order.at(place));
    hosts.filter(|&host| alive(seed, host)).nth(number as usize).unwrap_or(INSIDE | 0x0101)
}

/// A turn of a scanner.
pub(super) fn turn(turn: &ActionCtx, script: &mut Script) {
    let outside = turn.fixed_peer(0);
    let &ActionCtx { seed, member, all: turn, .. } = turn;
    let &Member { actor, size, host, key, number, .. } = member;
    let anywhere = || INSIDE | Order::new(key, SPACE).at(turn);
    // The nth address of a walk that begins somewhere.
    let walk = || {
        let window = turn / u64::from(size);
        let n = turn % u64::from(size);
        let nets = u64::from(size).div_ceil(WALKED);
        let net = (key % 200 + window * nets + n / WALKED) % 256;
        INSIDE | ((net as u32) << 8) | (1 + n % WALKED) as u32
    };
    // Source ports: one for a whole scan, one after the other as a kernel gives them, or any.
    let fixed = 40_000 + (key >> 32) as u16 % 20_000;
    let next = 32_768 + ((key >> 16).wrapping_add(turn) % 28_232) as u16;
    let any = 32_768 + (mix(key, turn) % 28_232) as u16;
    let syn = |to| (to, answer(seed, TCP, to));
    match actor {
        Actor::Sweep => {
            let (to, answer) = syn((walk(), 23));
            script.knock(0, (host, next), to, Shape::Raw(40), answer, 0);
        }
        Actor::Horizontal => {
            let (to, answer) = syn((anywhere(), 445));
            script.knock(0, (host, fixed), to, Shape::Raw(40), answer, 0);
        }
        Actor::Large => {
            let (to, answer) = syn((anywhere(), 80));
            script.knock(0, (host, any), to, Shape::Raw(40), answer, 0);
        }
        Actor::Small => {
            let (to, answer) = syn((anywhere(), 22));
            script.knock(0, (host, fixed), to, Shape::Raw(44), answer, 0);
        }
        Actor::Patient => {
            let (to, answer) = syn((anywhere(), 445));
            // An old Windows, a newer one, or Linux.
            let syn = [48, 60, 52][number as usize % 3];
            script.knock(0, (host, next), to, Shape::Connect(syn), answer, 0);
        }
        Actor::Slow => {
            let (to, answer) = syn((anywhere(), 22));
            script.knock(0, (host, next), to, Shape::Connect(60), answer, 40);
        }
        Actor::Inner => {
            let to = (world(&mut script.dice), 445);
            let answer = match script.dice.below(100) {
                0 => Some(Answer::Open),
                1..=3 => Some(Answer::Closed),
                _ => None,
            };
            script.knock(0, (host, next), to, Shape::Connect(48), answer, 0);
        }
        Actor::Ports | Actor::Connect => {
            let (n, size) = (turn % u64::from(size), u64::from(size));
            let port = 1 + Order::new(key, 65_535).at(turn) as u16;
            // Two ports of each window are open, wherever in it.
            let open = mix(key, turn / size) % size;
            let open = n == open || n == (open + size / 2) % size;
            let answer = Some(if open { Answer::Open } else { Answer::Closed });
            let (shape, sport) = match actor {
                Actor::Ports => (Shape::Raw(44), fixed),
                _ => (Shape::Connect(60), next),
            };
            // Those of the two kinds have different victims.
            let target = victim(seed, 2 * number + u32::from(actor == Actor::Connect));
            script.knock(0, (host, sport), (target, port), shape, answer, 0);
        }
        Actor::InnerPorts => {
            let port = 1 + Order::new(key, 65_535).at(turn) as u16;
            let answer = match mix(key, port.into()) % 400 {
                0 => Some(Answer::Open),
                1..=20 => None,
                _ => Some(Answer::Closed),
            };
            // nmap as root, with a source port for all, and as somebody else.
            let (shape, sport) = match number % 2 {
                0 => (Shape::Raw(44), fixed),
                _ => (Shape::Connect(60), next),
            };
            script.knock(0, (host, sport), (outside, port), shape, answer, 0);
        }
        Actor::Block => {
            // Pairs of a window in a random order, its hosts all others than those before.
            let (window, n) = (turn / u64::from(size), turn % u64::from(size));
            let pair = u64::from(Order::new(mix(key, window), size).at(n));
            let hosts = u64::from(size).div_ceil(10);
            let target = INSIDE | Order::new(key, SPACE).at(window * hosts + pair / 10);
            let (to, answer) = syn((target, PORTS[pair as usize % 10]));
            script.knock(0, (host, next), to, Shape::Raw(44), answer, 0);
        }
        Actor::Survey => {
            let (to, answer) = syn((anywhere(), PORTS[turn as usize % 10]));
            script.knock(0, (host, any), to, Shape::Raw(40), answer, 0);
        }
        Actor::Group => {
            // Each has his share of every sixteen, as programs do that split a list.
            let sources = u32::from(actors::SOURCES);
            let source = Order::new(mix(key, turn / u64::from(sources)), sources).at(turn) as u8;
            let (to, answer) = syn((anywhere(), 3389));
            // Addresses one after the other, each source with its own port.
            let from = (actors::source(host, source.into()), fixed + u16::from(source));
            script.knock(source, from, to, Shape::Raw(40), answer, 0);
        }
        Actor::Udp | Actor::UdpWalk => {
            let (target, port, sport, size) = match actor {
                Actor::Udp => (anywhere(), 161, fixed, 71),
                _ => (walk(), 53, next, 58),
            };
            let lot = (mix(mix(seed, u64::from(port)), u64::from(target)) >> 32) & 0xf;
            let answer = match (alive(seed, target), lot) {
                (true, 0..=7) => Some((ICMP, PORT_UNREACHABLE, 56)),
                (true, 8) => Some((UDP, 0, 110 + (lot as u32 & 7) * 9)),
                _ => None,
            };
            script.probe(UDP, (host, sport), (target, port), size, answer);
        }
        Actor::Icmp => {
            let target = walk();
            let there = answer(seed, ICMP, (target, 0)).is_some();
            let answer = there.then_some((ICMP, ECHO_REPLY, 28));
            script.probe(ICMP, (host, 0), (target, ECHO), 28, answer);
        }
        _ => {}
    }
}
