//! Ordinary traffic: conversations of a campus of 2001, each as the flows of its two directions.
//!
//! The second direction is exported within about a second of the first, as routers do. Servers,
//! resolvers and mail servers are as busy as they really are: several receive far more than 1000
//! flows in ten minutes, and innocent they stay. Failures are rare and of the kinds that innocent
//! hosts have: dead mail exchangers, peers that left, servers that are down.

use std::collections::VecDeque;

use super::campus::{Campus, Pool};
use super::draw::{Alias, Dice, mix};
use super::record::{
    ACK, ECHO, ECHO_REPLY, FIN, HOST_UNREACHABLE, PORT_UNREACHABLE, PSH, PacketTotals, RST, SYN,
    TIME_EXCEEDED, flow, settle,
};
use crate::flow::{Flow, ICMP, TCP, UDP};
use crate::time::Timestamp;

/// Answers that wait for their turn at most; with more, the oldest is early. It bounds memory
/// however many flows are asked for.
const PENDING: usize = 256;

/// A kind of traffic.
#[derive(Clone, Copy, Debug)]
enum Use {
    /// Inside clients at outside web servers.
    Surf,
    /// Outside visitors at inside web servers.
    Visit,
    /// Inside clients at inside web servers.
    Local,
    /// Inside clients ask their resolvers.
    Lookup,
    /// The resolvers ask the world.
    Recurse,
    /// The world asks the campus' name servers.
    Authority,
    /// Mail to the world.
    Send,
    /// Mail from the world.
    Receive,
    /// People fetch their mail.
    Fetch,
    /// Clocks are set.
    Clock,
    /// File sharing.
    Share,
    /// ssh, telnet and ftp.
    Login,
    /// Games and chat: long flows of small packets.
    Play,
    /// Echo requests.
    Ping,
    /// Lone ICMP errors from routers on the way.
    Error,
}

/// Shares of all conversations, in thousandths.
const MIX: [(Use, u64); 15] = [
    (Use::Surf, 320),
    (Use::Visit, 180),
    (Use::Local, 40),
    (Use::Lookup, 150),
    (Use::Recurse, 80),
    (Use::Authority, 20),
    (Use::Send, 25),
    (Use::Receive, 30),
    (Use::Fetch, 20),
    (Use::Clock, 15),
    (Use::Share, 80),
    (Use::Login, 25),
    (Use::Play, 8),
    (Use::Ping, 5),
    (Use::Error, 2),
];

/// Octets of a web server's answer.
pub(super) const PAGES: [u32; 16] = [
    250, 2_000, 4_500, 8_000, 14_200, 25_300, 45_100, 80_200, 143_000, 254_000, 452_000, 805_000,
    1_430_000, 2_550_000, 4_540_000, 8_080_000,
];
/// Octets of a mail.
const LETTERS: [u32; 9] = [600, 2_500, 4_500, 8_000, 14_200, 45_000, 143_000, 452_000, 1_430_000];
/// Octets of a shared file, or of the piece of it that one connection fetched.
pub(super) const FILES: [u32; 8] = [300, 900, 3_000, 12_000, 60_000, 400_000, 2_500_000, 6_000_000];

/// Longest flow in milliseconds: the router's active timeout cuts what lasts longer.
pub(super) const ACTIVE: u32 = 300_000;

/// One conversation: who asks whom, and what went each way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exchange {
    pub(super) proto: u8,
    pub(super) from: (u32, u16),
    pub(super) to: (u32, u16),
    pub(super) request: PacketTotals,
    pub(super) response: Option<PacketTotals>,
    pub(super) millis: u32,
}

/// Ordinary traffic while it is played.
#[derive(Clone, Debug)]
pub(super) struct Traffic {
    dice: Dice,
    uses: Alias,
    /// Answers, each with the moment when it is due.
    pending: VecDeque<(Timestamp, Flow)>,
}

impl Traffic {
    pub(super) fn new(seed: u64, place: u64) -> Traffic {
        let uses = Alias::new(&MIX.map(|(_, share)| share));
        let dice = Dice::new(seed, place, 0x7aff1c);
        Traffic { dice, uses, pending: VecDeque::with_capacity(PENDING) }
    }

    /// The flow that arrives at a moment; `left` more will be asked for after it. All answers are
    /// out when none is left.
    pub(super) fn flow(&mut self, arrival: Timestamp, left: u64, campus: &Campus) -> Flow {
        let (waiting, room) = (self.pending.len(), left + 1);
        let due = self.pending.front().is_some_and(|(due, _)| *due <= arrival);
        if due || waiting == PENDING || waiting as u64 >= room {
            if let Some((_, flow)) = self.pending.pop_front() {
                return settle(flow, arrival);
            }
        }
        let mut talk = self.talk(campus);
        if waiting as u64 + 1 == room {
            // There is place for one flow alone.
            talk.unanswered();
        }
        self.begin(talk, arrival)
    }

    /// The first direction's flow; the second waits.
    fn begin(&mut self, talk: Exchange, arrival: Timestamp) -> Flow {
        let dice = &mut self.dice;
        let closed = talk.proto == TCP && talk.request.flags & (FIN | RST) != 0;
        // A connection that was closed is exported at once, the others when they were idle 15 s.
        let idle = if closed { dice.between(10, 900) } else { dice.between(15_000, 16_500) };
        let end = (arrival.nanos() / 1_000_000).saturating_sub(u64::from(idle));
        let lasted =
            |heap: PacketTotals| if heap.packets == 1 { 0 } else { u64::from(talk.millis) };
        if let Some(heap) = talk.response {
            let lag = u64::from(dice.between(1, 180));
            // Single packets of both directions follow each other; the rest ends together.
            let back = match heap.packets {
                1 => end.saturating_sub(lasted(talk.request)) + lag,
                _ => end + lag,
            };
            let due = arrival.offset(i64::from(dice.between(200, 1_200)) * 1_000_000);
            let (from, to) = match talk.proto {
                ICMP => ((talk.to.0, 0), (talk.from.0, ECHO_REPLY)),
                _ => (talk.to, talk.from),
            };
            self.pending.push_back((due, flow(talk.proto, from, to, heap, back, lasted(heap))));
        }
        let flow = flow(talk.proto, talk.from, talk.to, talk.request, end, lasted(talk.request));
        settle(flow, arrival)
    }

    fn talk(&mut self, campus: &Campus) -> Exchange {
        let dice = &mut self.dice;
        let (kind, _) = MIX[self.uses.pick(dice)];
        match kind {
            Use::Surf => web(dice, &campus.clients, &campus.sites, 25),
            Use::Visit => web(dice, &campus.visitors, &campus.web, 8),
            Use::Local => web(dice, &campus.clients, &campus.web, 8),
            Use::Lookup => {
                let from = (campus.clients.pick(dice), client_port(dice));
                let server = campus.resolvers.pick(dice);
                lookup(dice, from, server, 2)
            }
            Use::Recurse => {
                let resolver = campus.resolvers.pick(dice);
                // BIND 4 and 8 ask from port 53, others from any.
                let old = resolver & 1 == 0;
                let port = if old { 53 } else { dice.port(1024, 65_535) };
                let server = campus.names.pick(dice);
                lookup(dice, (resolver, port), server, 40)
            }
            Use::Authority => {
                let port = if dice.permille(500) { 53 } else { dice.port(1024, 65_535) };
                let from = (campus.names.pick(dice), port);
                let server = campus.authorities.pick(dice);
                lookup(dice, from, server, 2)
            }
            Use::Send => {
                let exchange = campus.exchanges.pick(dice);
                let from = (campus.mail.pick(dice), dice.port(1024, 65_535));
                // One in eight mail exchangers of the world is dead, always the same.
                match mix(0xdead, u64::from(exchange)) % 8 {
                    0 => Exchange::silent(dice, from, (exchange, 25)),
                    _ => letter(dice, from, exchange),
                }
            }
            Use::Receive => {
                let from = (campus.exchanges.pick(dice), dice.port(1024, 65_535));
                let to = campus.mail.pick(dice);
                letter(dice, from, to)
            }
            Use::Fetch => {
                let from = (campus.clients.pick(dice), client_port(dice));
                let port = if dice.permille(800) { 110 } else { 143 };
                let octets = if dice.permille(600) { 300 } else { dice.tail(&LETTERS) };
                let millis = dice.between(100, 4_000);
                Exchange::stream(from, (campus.mail.pick(dice), port), (90, octets), millis)
            }
            Use::Clock => {
                let inner = dice.permille(850);
                let from = if inner { &campus.clients } else { &campus.clocks }.pick(dice);
                let to = if inner { &campus.clocks } else { &campus.names }.pick(dice);
                let heap = PacketTotals { packets: 1, octets: 76, flags: 0 };
                let answer = (!dice.permille(10)).then_some(heap);
                Exchange {
                    proto: UDP,
                    from: (from, 123),
                    to: (to, 123),
                    request: heap,
                    response: answer,
                    millis: 0,
                }
            }
            Use::Share => share(dice, campus),
            Use::Login => {
                let inward = dice.permille(400);
                let from = if inward { &campus.visitors } else { &campus.clients }.pick(dice);
                let to = match inward || dice.permille(500) {
                    true => campus.shells.pick(dice),
                    false => campus.sites.pick(dice),
                };
                let from = (from, client_port(dice));
                login(dice, from, to)
            }
            Use::Play => play(dice, campus),
            Use::Ping => {
                let inward = dice.permille(400);
                let from = if inward { &campus.visitors } else { &campus.clients }.pick(dice);
                let to = if inward { &campus.web } else { &campus.sites }.pick(dice);
                let packets = if dice.permille(700) { 4 } else { dice.between(1, 30) };
                let size = if dice.permille(600) { 60 } else { 84 };
                let heap = PacketTotals { packets, octets: packets * size, flags: 0 };
                let answer = (!dice.permille(80)).then_some(heap);
                let millis = (packets - 1) * 1000;
                Exchange {
                    proto: ICMP,
                    from: (from, 0),
                    to: (to, ECHO),
                    request: heap,
                    response: answer,
                    millis,
                }
            }
            Use::Error => {
                let from = (campus.peer(dice), 0);
                let what = [HOST_UNREACHABLE, PORT_UNREACHABLE, TIME_EXCEEDED];
                let to = (campus.clients.pick(dice), what[dice.below(3) as usize]);
                let packets = dice.between(1, 3);
                let ask = PacketTotals { packets, octets: packets * 56, flags: 0 };
                let millis = (packets - 1) * 3000;
                Exchange { proto: ICMP, from, to, request: ask, response: None, millis }
            }
        }
    }
}

impl Exchange {
    /// A TCP connection that opened, carried octets both ways and was closed.
    pub(super) fn stream(
        from: (u32, u16),
        to: (u32, u16),
        octets: (u32, u32),
        millis: u32,
    ) -> Exchange {
        let segments = |octets: u32| octets.div_ceil(1_460);
        let (asks, answers) = (segments(octets.0), segments(octets.1));
        // Beside the data: the handshake, an acknowledgement of every second segment, the close.
        let heap = |own: u32, other: u32, octets: u32| {
            let packets = 2 + own + other.div_ceil(2);
            PacketTotals {
                packets,
                octets: packets * 40 + 8 + octets,
                flags: SYN | ACK | PSH | FIN,
            }
        };
        let (mut ask, answer) = (heap(asks, answers, octets.0), heap(answers, asks, octets.1));
        (ask.packets, ask.octets) = (ask.packets + 1, ask.octets + 40);
        Exchange {
            proto: TCP,
            from,
            to,
            request: ask,
            response: Some(answer),
            millis: millis.min(ACTIVE),
        }
    }

    /// A TCP connection that nobody answered: two or three tries.
    pub(super) fn silent(dice: &mut Dice, from: (u32, u16), to: (u32, u16)) -> Exchange {
        let packets = dice.between(2, 3);
        let ask = PacketTotals { packets, octets: packets * 48, flags: SYN };
        Exchange {
            proto: TCP,
            from,
            to,
            request: ask,
            response: None,
            millis: (packets - 1) * 4_500 - 1_500,
        }
    }

    /// A TCP connection that was refused.
    pub(super) fn refused(dice: &mut Dice, from: (u32, u16), to: (u32, u16)) -> Exchange {
        let packets = dice.between(1, 3);
        let ask = PacketTotals { packets, octets: packets * 48, flags: SYN };
        let answer = Some(PacketTotals { packets, octets: packets * 40, flags: RST | ACK });
        Exchange {
            proto: TCP,
            from,
            to,
            request: ask,
            response: answer,
            millis: (packets - 1) * 500,
        }
    }

    /// Takes the answer away, and what the asker could only send after it.
    fn unanswered(&mut self) {
        if self.response.take().is_some() && self.proto == TCP {
            self.request = PacketTotals { packets: 3, octets: 144, flags: SYN };
            self.millis = 9_000;
        }
    }
}

/// A client's port: Windows' range, or Linux'.
pub(super) fn client_port(dice: &mut Dice) -> u16 {
    match dice.permille(800) {
        true => dice.port(1024, 4999),
        false => dice.port(32_768, 61_000),
    }
}

/// A page or a picture. `down` in a thousand of the servers do not answer or refuse.
fn web(dice: &mut Dice, clients: &Pool, servers: &Pool, down: u32) -> Exchange {
    let from = (clients.pick(dice), client_port(dice));
    let lot = dice.below(1000);
    let port = match lot {
        0..950 => 80,
        950..985 => 443,
        _ => 8080,
    };
    let to = (servers.pick(dice), port);
    if dice.permille(down) {
        return match lot % 3 {
            0 => Exchange::refused(dice, from, to),
            _ => Exchange::silent(dice, from, to),
        };
    }
    let octets = dice.tail(&PAGES);
    // From a modem's 5 octets a millisecond to a good line's 400.
    let speed = 5u32 << dice.below(7);
    let millis = dice.between(20, 900) + octets / speed;
    let mut talk = Exchange::stream(from, to, (dice.between(220, 520), octets), millis);
    if dice.permille(60) {
        // Closed by a reset, as many browsers did.
        talk.request.flags = talk.request.flags & !FIN | RST;
    }
    talk
}

/// A question to a name server; `lost` in a thousand get no answer.
pub(super) fn lookup(dice: &mut Dice, from: (u32, u16), server: u32, lost: u32) -> Exchange {
    let tries = if dice.permille(lost) { dice.between(2, 3) } else { 1 };
    let size = dice.between(54, 76);
    let ask = PacketTotals { packets: tries, octets: tries * size, flags: 0 };
    let octets = dice.tail(&[70, 180, 300, 512]).min(512);
    let answer = (tries == 1).then_some(PacketTotals { packets: 1, octets, flags: 0 });
    Exchange {
        proto: UDP,
        from,
        to: (server, 53),
        request: ask,
        response: answer,
        millis: (tries - 1) * 5_000,
    }
}

/// One mail from server to server.
pub(super) fn letter(dice: &mut Dice, from: (u32, u16), server: u32) -> Exchange {
    let octets = dice.tail(&LETTERS);
    let millis = dice.between(300, 6_000) + octets / 20;
    Exchange::stream(from, (server, 25), (octets, dice.between(350, 700)), millis)
}

/// Half Gnutella over TCP, half one of the networks that find each other over UDP. A sharer keeps
/// one port of its own; its peers' ports are scattered.
fn share(dice: &mut Dice, campus: &Campus) -> Exchange {
    let sharer = campus.sharers.pick(dice);
    let lot = mix(0x54a2e, u64::from(sharer));
    let own = if lot % 4 == 0 { 6346 } else { 1_024 + (lot >> 32) as u16 % 60_000 };
    let peer = campus.peer(dice);
    let theirs = if dice.permille(250) { 6346 } else { dice.port(1_025, 65_535) };
    let inward = dice.permille(500);
    if dice.permille(500) {
        let packets = dice.between(1, 3);
        let ask = PacketTotals { packets, octets: packets * dice.between(46, 120), flags: 0 };
        let packets = dice.between(1, 3);
        let answer = PacketTotals { packets, octets: packets * dice.between(46, 400), flags: 0 };
        let answer = (!dice.permille(200)).then_some(answer);
        let (ours, theirs) = ((sharer, own), (peer, theirs));
        let (from, to) = if inward { (theirs, ours) } else { (ours, theirs) };
        return Exchange {
            proto: UDP,
            from,
            to,
            request: ask,
            response: answer,
            millis: dice.between(500, 20_000),
        };
    }
    let (from, to) = match inward {
        true => ((peer, client_port(dice)), (sharer, own)),
        false => ((sharer, client_port(dice)), (peer, theirs)),
    };
    // Of the peers that others name, a quarter is gone.
    match dice.below(if inward { 750 } else { 1000 }) {
        0..750 => {
            let octets = dice.tail(&FILES);
            let millis = dice.between(500, 20_000) + octets / 12;
            Exchange::stream(from, to, (dice.between(150, 900), octets), millis)
        }
        750..900 => Exchange::silent(dice, from, to),
        _ => Exchange::refused(dice, from, to),
    }
}

/// A session or a file transfer.
fn login(dice: &mut Dice, from: (u32, u16), server: u32) -> Exchange {
    let port = [22, 23, 21, 21][dice.below(4) as usize];
    let to = (server, port);
    if dice.permille(20) {
        return Exchange::refused(dice, from, to);
    }
    let keys = dice.tail(&[40, 200, 800, 3_000, 9_000]);
    let millis = (keys * 60).min(ACTIVE);
    // A key is a packet of its own, and so is its echo.
    let heap = |octets| PacketTotals {
        packets: keys + 6,
        octets: (keys + 6) * 40 + octets + 8,
        flags: SYN | ACK | PSH | FIN,
    };
    let (mut ask, mut answer) = (heap(keys * 2), heap(keys * 30));
    if millis == ACTIVE {
        // The middle of a long session: neither its beginning nor its end.
        (ask.flags, answer.flags) = (ACK | PSH, ACK | PSH);
    }
    Exchange { proto: TCP, from, to, request: ask, response: Some(answer), millis }
}

/// A game or a chat.
fn play(dice: &mut Dice, campus: &Campus) -> Exchange {
    let from = (campus.clients.pick(dice), client_port(dice));
    let to = campus.sites.pick(dice);
    let millis = dice.between(20_000, ACTIVE);
    let heap =
        |packets: u32, size: u32, flags| PacketTotals { packets, octets: packets * size, flags };
    if dice.permille(500) {
        let (rate, size) = (dice.between(8, 30), dice.between(60, 140));
        let packets = millis / 1000 * rate;
        let (ask, answer) = (heap(packets, size, 0), Some(heap(packets, size + 60, 0)));
        return Exchange {
            proto: UDP,
            from,
            to: (to, 27_015),
            request: ask,
            response: answer,
            millis,
        };
    }
    let port = [5190, 6667, 1863][dice.below(3) as usize];
    let packets = 2 + millis / dice.between(4_000, 30_000);
    let flags = ACK | PSH;
    let (ask, answer) = (heap(packets, 62, flags), Some(heap(packets + 1, 110, flags)));
    Exchange { proto: TCP, from, to: (to, port), request: ask, response: answer, millis }
}
