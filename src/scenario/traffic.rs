//! Ordinary traffic: the conversations of a campus of 2001, each as the flows of its two directions.
//!
//! The reverse direction is exported within about a second of the forward one, as by real routers. Servers,
//! resolvers and mail servers are as busy as real ones: several receive far more than 1000 flows in ten
//! minutes, and are innocent. Failed connections are rare and of the kinds that innocent hosts have: dead mail
//! exchangers, peers that left, servers that are down.

use std::collections::VecDeque;

use super::campus::{Campus, Pool};
use super::draw::{Alias, Dice, mix};
use super::record::{
    ACK, ECHO, ECHO_REPLY, FIN, HOST_UNREACHABLE, PORT_UNREACHABLE, PSH, PacketTotals, RST, SYN,
    TIME_EXCEEDED, flow, settle,
};
use crate::flow::{Flow, ICMP, TCP, UDP};
use crate::time::Timestamp;

/// The most responses that wait for their time. With more, the oldest is exported early. This bounds the memory
/// for any number of flows.
const PENDING: usize = 256;

/// A kind of traffic.
#[derive(Clone, Copy, Debug)]
enum TrafficKind {
    /// Inside clients at outside web servers.
    Surf,
    /// Outside visitors at inside web servers.
    Visit,
    /// Inside clients at inside web servers.
    Local,
    /// Queries of inside clients to their resolvers.
    Lookup,
    /// Queries of the resolvers to the world.
    Recurse,
    /// Queries of the world to the campus' name servers.
    Authority,
    /// Mail to the world.
    Send,
    /// Mail from the world.
    Receive,
    /// Clients that fetch their mail.
    Fetch,
    /// Time synchronisation.
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

/// The share of each kind in all conversations, in thousandths.
const MIX: [(TrafficKind, u64); 15] = [
    (TrafficKind::Surf, 320),
    (TrafficKind::Visit, 180),
    (TrafficKind::Local, 40),
    (TrafficKind::Lookup, 150),
    (TrafficKind::Recurse, 80),
    (TrafficKind::Authority, 20),
    (TrafficKind::Send, 25),
    (TrafficKind::Receive, 30),
    (TrafficKind::Fetch, 20),
    (TrafficKind::Clock, 15),
    (TrafficKind::Share, 80),
    (TrafficKind::Login, 25),
    (TrafficKind::Play, 8),
    (TrafficKind::Ping, 5),
    (TrafficKind::Error, 2),
];

/// Bytes of a web server's response.
pub(super) const PAGES: [u32; 16] = [
    250, 2_000, 4_500, 8_000, 14_200, 25_300, 45_100, 80_200, 143_000, 254_000, 452_000, 805_000,
    1_430_000, 2_550_000, 4_540_000, 8_080_000,
];
/// Bytes of a mail.
const MAILS: [u32; 9] = [600, 2_500, 4_500, 8_000, 14_200, 45_000, 143_000, 452_000, 1_430_000];
/// Bytes of a shared file, or of the part of it that one connection transfers.
pub(super) const FILES: [u32; 8] = [300, 900, 3_000, 12_000, 60_000, 400_000, 2_500_000, 6_000_000];

/// The longest flow in milliseconds. The router's active timeout cuts flows that last longer.
pub(super) const ACTIVE: u32 = 300_000;

/// One conversation: the two endpoints, and the packets of each direction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exchange {
    pub(super) proto: u8,
    /// The initiator.
    pub(super) from: (u32, u16),
    /// The responder.
    pub(super) to: (u32, u16),
    pub(super) request: PacketTotals,
    pub(super) response: Option<PacketTotals>,
    /// The length in milliseconds.
    pub(super) millis: u32,
}

/// The ordinary traffic of a window that is being played.
#[derive(Clone, Debug)]
pub(super) struct Traffic {
    dice: Dice,
    kinds: Alias,
    /// Flows of responses, each with the moment when it is due.
    pending: VecDeque<(Timestamp, Flow)>,
}

impl Traffic {
    pub(super) fn new(seed: u64, start: u64) -> Traffic {
        let kinds = Alias::new(&MIX.map(|(_, share)| share));
        let dice = Dice::new(seed, start, 0x7aff1c);
        Traffic { dice, kinds, pending: VecDeque::with_capacity(PENDING) }
    }

    /// Returns the flow that arrives at a moment. `left` more calls will follow, and all responses are returned
    /// by then.
    pub(super) fn flow(&mut self, arrival: Timestamp, left: u64, campus: &Campus) -> Flow {
        let (waiting, room) = (self.pending.len(), left + 1);
        let due = self.pending.front().is_some_and(|(due, _)| *due <= arrival);
        if due || waiting == PENDING || waiting as u64 >= room {
            if let Some((_, flow)) = self.pending.pop_front() {
                return settle(flow, arrival);
            }
        }
        let mut exchange = self.draw(campus);
        if waiting as u64 + 1 == room {
            // The response would not fit any more.
            exchange.drop_response();
        }
        self.begin(exchange, arrival)
    }

    /// Returns the flow of the forward direction, and keeps that of the reverse one until it is due.
    fn begin(&mut self, exchange: Exchange, arrival: Timestamp) -> Flow {
        let dice = &mut self.dice;
        let closed = exchange.proto == TCP && exchange.request.flags & (FIN | RST) != 0;
        // The router exports a closed connection at once, and others after the inactive timeout of 15 s.
        let idle = if closed { dice.between(10, 900) } else { dice.between(15_000, 16_500) };
        let end = (arrival.nanos() / 1_000_000).saturating_sub(u64::from(idle));
        let lasted =
            |totals: PacketTotals| if totals.packets == 1 { 0 } else { u64::from(exchange.millis) };
        if let Some(totals) = exchange.response {
            let delay = u64::from(dice.between(1, 180));
            // A single packet follows the first packet of the request. Longer flows of both directions end
            // together.
            let back = match totals.packets {
                1 => end.saturating_sub(lasted(exchange.request)) + delay,
                _ => end + delay,
            };
            let due = arrival.offset(i64::from(dice.between(200, 1_200)) * 1_000_000);
            let (from, to) = match exchange.proto {
                ICMP => ((exchange.to.0, 0), (exchange.from.0, ECHO_REPLY)),
                _ => (exchange.to, exchange.from),
            };
            self.pending
                .push_back((due, flow(exchange.proto, from, to, totals, back, lasted(totals))));
        }
        let flow = flow(
            exchange.proto,
            exchange.from,
            exchange.to,
            exchange.request,
            end,
            lasted(exchange.request),
        );
        settle(flow, arrival)
    }

    /// Draws a conversation.
    fn draw(&mut self, campus: &Campus) -> Exchange {
        let dice = &mut self.dice;
        let (kind, _) = MIX[self.kinds.pick(dice)];
        match kind {
            TrafficKind::Surf => web(dice, &campus.clients, &campus.sites, 25),
            TrafficKind::Visit => web(dice, &campus.visitors, &campus.web, 8),
            TrafficKind::Local => web(dice, &campus.clients, &campus.web, 8),
            TrafficKind::Lookup => {
                let from = (campus.clients.pick(dice), client_port(dice));
                let server = campus.resolvers.pick(dice);
                lookup(dice, from, server, 2)
            }
            TrafficKind::Recurse => {
                let resolver = campus.resolvers.pick(dice);
                // BIND 4 and 8 send queries from port 53, others from any port.
                let is_old = resolver & 1 == 0;
                let port = if is_old { 53 } else { dice.port(1024, 65_535) };
                let server = campus.names.pick(dice);
                lookup(dice, (resolver, port), server, 40)
            }
            TrafficKind::Authority => {
                let port = if dice.permille(500) { 53 } else { dice.port(1024, 65_535) };
                let from = (campus.names.pick(dice), port);
                let server = campus.authorities.pick(dice);
                lookup(dice, from, server, 2)
            }
            TrafficKind::Send => {
                let exchanger = campus.exchanges.pick(dice);
                let from = (campus.mail.pick(dice), dice.port(1024, 65_535));
                // One in eight mail exchangers of the world is dead, the same ones in every window.
                match mix(0xdead, u64::from(exchanger)) % 8 {
                    0 => Exchange::unanswered(dice, from, (exchanger, 25)),
                    _ => mail(dice, from, exchanger),
                }
            }
            TrafficKind::Receive => {
                let from = (campus.exchanges.pick(dice), dice.port(1024, 65_535));
                let to = campus.mail.pick(dice);
                mail(dice, from, to)
            }
            TrafficKind::Fetch => {
                let from = (campus.clients.pick(dice), client_port(dice));
                let port = if dice.permille(800) { 110 } else { 143 };
                let octets = if dice.permille(600) { 300 } else { dice.tail(&MAILS) };
                let millis = dice.between(100, 4_000);
                Exchange::stream(from, (campus.mail.pick(dice), port), (90, octets), millis)
            }
            TrafficKind::Clock => {
                let inner = dice.permille(850);
                let from = if inner { &campus.clients } else { &campus.clocks }.pick(dice);
                let to = if inner { &campus.clocks } else { &campus.names }.pick(dice);
                let totals = PacketTotals { packets: 1, octets: 76, flags: 0 };
                let response = (!dice.permille(10)).then_some(totals);
                Exchange {
                    proto: UDP,
                    from: (from, 123),
                    to: (to, 123),
                    request: totals,
                    response,
                    millis: 0,
                }
            }
            TrafficKind::Share => share(dice, campus),
            TrafficKind::Login => {
                let is_inward = dice.permille(400);
                let from = if is_inward { &campus.visitors } else { &campus.clients }.pick(dice);
                let is_inside = is_inward || dice.permille(500);
                let to = if is_inside { &campus.shells } else { &campus.sites }.pick(dice);
                let from = (from, client_port(dice));
                login(dice, from, to)
            }
            TrafficKind::Play => play(dice, campus),
            TrafficKind::Ping => {
                let is_inward = dice.permille(400);
                let from = if is_inward { &campus.visitors } else { &campus.clients }.pick(dice);
                let to = if is_inward { &campus.web } else { &campus.sites }.pick(dice);
                let packets = if dice.permille(700) { 4 } else { dice.between(1, 30) };
                let size = if dice.permille(600) { 60 } else { 84 };
                let totals = PacketTotals { packets, octets: packets * size, flags: 0 };
                let response = (!dice.permille(80)).then_some(totals);
                let millis = (packets - 1) * 1000;
                Exchange {
                    proto: ICMP,
                    from: (from, 0),
                    to: (to, ECHO),
                    request: totals,
                    response,
                    millis,
                }
            }
            TrafficKind::Error => {
                let from = (campus.peer(dice), 0);
                let what = [HOST_UNREACHABLE, PORT_UNREACHABLE, TIME_EXCEEDED];
                let to = (campus.clients.pick(dice), what[dice.below(3) as usize]);
                let packets = dice.between(1, 3);
                let request = PacketTotals { packets, octets: packets * 56, flags: 0 };
                let millis = (packets - 1) * 3000;
                Exchange { proto: ICMP, from, to, request, response: None, millis }
            }
        }
    }
}

impl Exchange {
    /// Returns a TCP connection that was opened, carried `octets` bytes of data forward and back, and was
    /// closed.
    pub(super) fn stream(
        from: (u32, u16),
        to: (u32, u16),
        octets: (u32, u32),
        millis: u32,
    ) -> Exchange {
        let segments = |octets: u32| octets.div_ceil(1_460);
        let (requests, responses) = (segments(octets.0), segments(octets.1));
        // Besides data there are the handshake, an ACK of every second segment, and the close.
        let totals = |own: u32, other: u32, octets: u32| {
            let packets = 2 + own + other.div_ceil(2);
            PacketTotals {
                packets,
                octets: packets * 40 + 8 + octets,
                flags: SYN | ACK | PSH | FIN,
            }
        };
        let (mut request, response) =
            (totals(requests, responses, octets.0), totals(responses, requests, octets.1));
        (request.packets, request.octets) = (request.packets + 1, request.octets + 40);
        Exchange {
            proto: TCP,
            from,
            to,
            request,
            response: Some(response),
            millis: millis.min(ACTIVE),
        }
    }

    /// Returns a TCP connection that nobody answered: two or three SYNs.
    pub(super) fn unanswered(dice: &mut Dice, from: (u32, u16), to: (u32, u16)) -> Exchange {
        let packets = dice.between(2, 3);
        let request = PacketTotals { packets, octets: packets * 48, flags: SYN };
        Exchange {
            proto: TCP,
            from,
            to,
            request,
            response: None,
            millis: (packets - 1) * 4_500 - 1_500,
        }
    }

    /// Returns a TCP connection that was rejected.
    pub(super) fn rejected(dice: &mut Dice, from: (u32, u16), to: (u32, u16)) -> Exchange {
        let packets = dice.between(1, 3);
        let request = PacketTotals { packets, octets: packets * 48, flags: SYN };
        let response = Some(PacketTotals { packets, octets: packets * 40, flags: RST | ACK });
        Exchange { proto: TCP, from, to, request, response, millis: (packets - 1) * 500 }
    }

    /// Removes the response, and the packets that the initiator can only send after it.
    fn drop_response(&mut self) {
        if self.response.take().is_some() && self.proto == TCP {
            self.request = PacketTotals { packets: 3, octets: 144, flags: SYN };
            self.millis = 9_000;
        }
    }
}

/// Draws a client's port, of the range of Windows or of Linux.
pub(super) fn client_port(dice: &mut Dice) -> u16 {
    if dice.permille(800) { dice.port(1024, 4999) } else { dice.port(32_768, 61_000) }
}

/// Draws the fetch of a page or a picture. `down` in a thousand servers reject it or do not answer.
fn web(dice: &mut Dice, clients: &Pool, servers: &Pool, down: u32) -> Exchange {
    let from = (clients.pick(dice), client_port(dice));
    let draw = dice.below(1000);
    let port = match draw {
        0..950 => 80,
        950..985 => 443,
        _ => 8080,
    };
    let to = (servers.pick(dice), port);
    if dice.permille(down) {
        return match draw % 3 {
            0 => Exchange::rejected(dice, from, to),
            _ => Exchange::unanswered(dice, from, to),
        };
    }
    let octets = dice.tail(&PAGES);
    // From the 5 bytes a millisecond of a modem to the 320 of a good line.
    let speed = 5u32 << dice.below(7);
    let millis = dice.between(20, 900) + octets / speed;
    let mut exchange = Exchange::stream(from, to, (dice.between(220, 520), octets), millis);
    if dice.permille(60) {
        // Many browsers closed connections by a reset.
        exchange.request.flags = exchange.request.flags & !FIN | RST;
    }
    exchange
}

/// Draws a query to a name server. `lost` in a thousand get no response.
pub(super) fn lookup(dice: &mut Dice, from: (u32, u16), server: u32, lost: u32) -> Exchange {
    let tries = if dice.permille(lost) { dice.between(2, 3) } else { 1 };
    let size = dice.between(54, 76);
    let request = PacketTotals { packets: tries, octets: tries * size, flags: 0 };
    let octets = dice.tail(&[70, 180, 300, 512]).min(512);
    let response = (tries == 1).then_some(PacketTotals { packets: 1, octets, flags: 0 });
    Exchange { proto: UDP, from, to: (server, 53), request, response, millis: (tries - 1) * 5_000 }
}

/// Draws a mail from server to server.
pub(super) fn mail(dice: &mut Dice, from: (u32, u16), server: u32) -> Exchange {
    let octets = dice.tail(&MAILS);
    let millis = dice.between(300, 6_000) + octets / 20;
    Exchange::stream(from, (server, 25), (octets, dice.between(350, 700)), millis)
}

/// Draws a conversation of file sharing: half are Gnutella over TCP, half a network whose peers find each other
/// over UDP. A sharer has one port of its own, and its peers have any ports.
fn share(dice: &mut Dice, campus: &Campus) -> Exchange {
    let sharer = campus.sharers.pick(dice);
    let hash = mix(0x54a2e, u64::from(sharer));
    let own = if hash % 4 == 0 { 6346 } else { 1_024 + (hash >> 32) as u16 % 60_000 };
    let peer = campus.peer(dice);
    let theirs = if dice.permille(250) { 6346 } else { dice.port(1_025, 65_535) };
    let is_inward = dice.permille(500);
    if dice.permille(500) {
        let packets = dice.between(1, 3);
        let request = PacketTotals { packets, octets: packets * dice.between(46, 120), flags: 0 };
        let packets = dice.between(1, 3);
        let response = PacketTotals { packets, octets: packets * dice.between(46, 400), flags: 0 };
        let response = (!dice.permille(200)).then_some(response);
        let (ours, theirs) = ((sharer, own), (peer, theirs));
        let (from, to) = if is_inward { (theirs, ours) } else { (ours, theirs) };
        return Exchange {
            proto: UDP,
            from,
            to,
            request,
            response,
            millis: dice.between(500, 20_000),
        };
    }
    let (from, to) = if is_inward {
        ((peer, client_port(dice)), (sharer, own))
    } else {
        ((sharer, client_port(dice)), (peer, theirs))
    };
    // A quarter of the peers whose addresses others pass on is gone.
    match dice.below(if is_inward { 750 } else { 1000 }) {
        0..750 => {
            let octets = dice.tail(&FILES);
            let millis = dice.between(500, 20_000) + octets / 12;
            Exchange::stream(from, to, (dice.between(150, 900), octets), millis)
        }
        750..900 => Exchange::unanswered(dice, from, to),
        _ => Exchange::rejected(dice, from, to),
    }
}

/// Draws a login session or a file transfer.
fn login(dice: &mut Dice, from: (u32, u16), server: u32) -> Exchange {
    let port = [22, 23, 21, 21][dice.below(4) as usize];
    let to = (server, port);
    if dice.permille(20) {
        return Exchange::rejected(dice, from, to);
    }
    let keys = dice.tail(&[40, 200, 800, 3_000, 9_000]);
    let millis = (keys * 60).min(ACTIVE);
    // Each key and each echo is a packet of its own.
    let totals = |octets| PacketTotals {
        packets: keys + 6,
        octets: (keys + 6) * 40 + octets + 8,
        flags: SYN | ACK | PSH | FIN,
    };
    let (mut request, mut response) = (totals(keys * 2), totals(keys * 30));
    if millis == ACTIVE {
        // The flow is the middle of a longer session, without its beginning and its end.
        (request.flags, response.flags) = (ACK | PSH, ACK | PSH);
    }
    Exchange { proto: TCP, from, to, request, response: Some(response), millis }
}

/// Draws a game or a chat.
fn play(dice: &mut Dice, campus: &Campus) -> Exchange {
    let from = (campus.clients.pick(dice), client_port(dice));
    let to = campus.sites.pick(dice);
    let millis = dice.between(20_000, ACTIVE);
    let totals =
        |packets: u32, size: u32, flags| PacketTotals { packets, octets: packets * size, flags };
    if dice.permille(500) {
        let (rate, size) = (dice.between(8, 30), dice.between(60, 140));
        let packets = millis / 1000 * rate;
        let (request, response) = (totals(packets, size, 0), Some(totals(packets, size + 60, 0)));
        return Exchange { proto: UDP, from, to: (to, 27_015), request, response, millis };
    }
    let port = [5190, 6667, 1863][dice.below(3) as usize];
    let packets = 2 + millis / dice.between(4_000, 30_000);
    let flags = ACK | PSH;
    let (request, response) = (totals(packets, 62, flags), Some(totals(packets + 1, 110, flags)));
    Exchange { proto: TCP, from, to: (to, port), request, response, millis }
}
