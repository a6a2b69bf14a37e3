//! Turns conversations into events of the hosts that take part in them.

use std::io;
use std::net::IpAddr;

use super::answering_nets::AnsweringNets;
use super::event::{Event, EventKind, Events, FLAGS, LARGE, MAYBE_RESET, SPOOFED, is_answer};
use super::input_profile::reports;
use crate::conversation::{
    ACK, Address, AnswerRate, Conversation, DirectionTotals, FIN, Outcome, Peak, PerWindow, RST,
    Visitor, narrow,
};
use crate::detect::Site;
use crate::finding::Side;
use crate::flow::{ICMP, ICMPV6, TCP, UDP};

/// A visitor of conversations that writes events.
///
/// Failed and unsolicited conversations become an event each. All others of a pair of hosts are summed up
/// and become one event of each kind, host and protocol.
pub(super) struct EventWriter<'a> {
    site: &'a Site,
    events: Events,
    /// The fewest unanswered packets to one outside host that may make an inside host an attacker.
    least_sent: u64,
    /// The fewest unanswered packets to one outside host in a minute that may make an inside host an attacker.
    least_burst: u64,
    /// Packets in the other direction that show that unanswered datagrams have a receiver that takes part.
    reports: u64,
    /// Answered echo requests of a pair that are a flood.
    echo_flood: u64,
    /// The pair of hosts at hand, the smaller address first, and the protocol.
    pair: Option<(IpAddr, IpAddr, u8)>,
    /// Sums of the pair's smaller and larger address.
    sides: [SideSums; 2],
    /// For sampled input: the networks whose answers are exported.
    answering: Option<AnsweringNets>,
    /// For a slice: how often initiators were answered.
    answers: Option<SliceAnswers>,
}

/// Echo requests a second of a host to one other from which on they are a flood although they are answered: `ping -f`
/// sends at least as many, and a monitor a few.
const ECHO_FLOOD: u64 = 100;

/// The most minutes of one pair of hosts whose traffic is summed up; those of a window, and then some.
const MAX_MINUTES: usize = 128;

/// The answers in a slice of an open window.
#[derive(Debug, Default)]
pub(super) struct SliceAnswers {
    /// Conversations with an answer, by initiator: how many have their request in this slice too.
    pub with_request: AnswerRate,
    /// True if any conversation has both a request and an answer.
    pub has_any: bool,
}

/// The sums of one of a pair's two hosts.
#[derive(Clone, Debug, Default)]
struct SideSums {
    /// Conversations that the host opened with the other.
    opened: Sum,
    /// Conversations that the other host opened and that did not fail.
    served: Sum,
    /// Unanswered traffic that the host sent.
    sent: Sum,
    /// The part of the sent traffic that counts for a rate.
    sent_per_window: PerWindow,
    /// The packets of that part that may be answers.
    sent_answers: u64,
    /// The busiest minutes of the sent traffic, each with a sum over its conversations.
    bursts: Vec<Peak>,
    /// Packets that the host sent the other in conversations of any ports.
    packets: u64,
}

impl SideSums {
    /// Adds unanswered traffic that the host sent from its port `own` to the peer's port `peer`.
    fn add_sent(&mut self, [own, peer]: [u16; 2], direction: &DirectionTotals, is_answer: bool) {
        self.sent.add([own, peer], direction, &DirectionTotals::NONE);
        let per_window = direction.per_window();
        self.sent_per_window.add(per_window);
        if is_answer {
            self.sent_answers = self.sent_answers.saturating_add(per_window.packets);
        } else if direction.peak.packets > 0 {
            self.add_burst(direction.peak);
        }
    }

    #[cold]
    fn add_burst(&mut self, peak: Peak) {
        let has_room = self.bursts.len() < MAX_MINUTES;
        match self.bursts.iter_mut().find(|known| known.minute == peak.minute) {
            Some(known) => known.add(peak),
            None if has_room => self.bursts.push(peak),
            None => {}
        }
    }

    /// Returns the busiest minute of the unanswered traffic that the host sent.
    fn burst(&self) -> Peak {
        let mut burst = Peak::default();
        self.bursts.iter().for_each(|peak| burst.raise(*peak));
        burst
    }
}

/// A sum of conversations of a pair that are alike.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    flows: u32,
    packets: u64,
    bytes: u64,
    /// The part of the packets and bytes that counts for a rate.
    per_window: PerWindow,
    /// Packets in the other direction that count for a rate.
    packets_back: u64,
    /// True if one of the conversations is TCP, and its initiator completed its opening.
    is_completed: bool,
    /// The ports of an event; 0 for a port that the conversations do not share.
    port: u16,
    sport: u16,
}

impl Sum {
    fn add(&mut self, [port, sport]: [u16; 2], counted: &DirectionTotals, other: &DirectionTotals) {
        let common = |known: u16, new| if known == new { known } else { 0 };
        if self.flows == 0 {
            (self.port, self.sport) = (port, sport);
        } else {
            (self.port, self.sport) = (common(self.port, port), common(self.sport, sport));
        }
        self.flows = self.flows.saturating_add(1);
        self.packets += counted.packets;
        self.bytes += counted.bytes;
        self.per_window.add(counted.per_window());
        self.packets_back = self.packets_back.saturating_add(other.per_window().packets);
    }
}

impl<'a> EventWriter<'a> {
    /// Returns a writer that adds to `events`. Unanswered traffic of an inside host to an outside one becomes
    /// an event from `least_sent` packets on. `seconds` is the length of the window.
    pub(super) fn new(
        site: &'a Site,
        events: Events,
        least_sent: u64,
        seconds: u64,
    ) -> EventWriter<'a> {
        EventWriter {
            site,
            events,
            least_sent,
            least_burst: (least_sent.saturating_mul(60) / seconds.max(1)).max(1),
            echo_flood: seconds * ECHO_FLOOD,
            reports: reports(seconds),
            pair: None,
            sides: Default::default(),
            answering: None,
            answers: None,
        }
    }

    /// Makes the writer one for sampled input: it also finds out whose answers are exported.
    pub(super) fn sampled(self) -> EventWriter<'a> {
        EventWriter { answering: Some(AnsweringNets::default()), ..self }
    }

    /// Takes the networks out whose answers are exported; none if the input is not sampled.
    pub(super) fn take_answering(&mut self) -> AnsweringNets {
        self.answering.take().unwrap_or_default()
    }

    /// Makes the writer one for a slice of an open window: it also counts answers and their requests.
    pub(super) fn live(self) -> EventWriter<'a> {
        EventWriter { answers: Some(SliceAnswers::default()), ..self }
    }

    /// Returns the answers of a slice, or `None` if the writer is for a whole window.
    pub(super) fn slice_answers(&self) -> Option<&SliceAnswers> {
        self.answers.as_ref()
    }

    /// Returns all events.
    ///
    /// # Errors
    /// Writing a temporary file fails.
    pub(super) fn into_events(mut self) -> io::Result<Events> {
        self.end_pair()?;
        Ok(self.events)
    }

    /// Writes the busiest minute of an event, if it shows one. In a slice of an open window an answer may still come.
    fn push_burst<A: Address>(&mut self, event: &Event<A>, peak: Peak) -> io::Result<()> {
        match event.burst(EventKind::Burst, peak) {
            Some(burst) if self.answers.is_none() => self.events.push(&burst),
            _ => Ok(()),
        }
    }

    /// Writes the sums of the pair at hand.
    fn end_pair(&mut self) -> io::Result<()> {
        match self.pair.take() {
            Some((IpAddr::V4(a), IpAddr::V4(b), proto)) => {
                self.write_sums::<u32>([a.into(), b.into()], proto)
            }
            Some((IpAddr::V6(a), IpAddr::V6(b), proto)) => {
                self.write_sums::<u128>([a.into(), b.into()], proto)
            }
            _ => Ok(()),
        }
    }

    fn write_sums<A: Address>(&mut self, [a, b]: [A; 2], proto: u8) -> io::Result<()> {
        let is_live = &self.answers.is_some();
        let EventWriter { site, events, least_sent, least_burst, reports, sides, .. } = self;
        let [of_a, of_b] = &*sides;
        for (side, other, host, peer) in [(of_a, of_b, a, b), (of_b, of_a, b, a)] {
            let event = |kind, sum: &Sum, per_window, more| Event {
                host,
                kind,
                proto,
                peer,
                port: sum.port,
                sport: sum.sport,
                flows: sum.flows,
                packets: sum.packets,
                bytes: sum.bytes,
                per_window,
                more,
                flags: if sum.is_completed { ACK } else { 0 },
                ..Event::default()
            };
            for (kind, sum) in
                [(EventKind::Opened, &side.opened), (EventKind::Served, &side.served)]
            {
                if sum.flows > 0 {
                    events.push(&event(kind, sum, sum.per_window, clamp(sum.packets_back)))?;
                }
            }
            // Datagrams are judged by the pair of hosts, whatever their ports.
            let is_answered = proto == UDP && other.packets >= *reports;
            let burst = if *is_live { Peak::default() } else { side.burst() };
            let may_attack = side.sent.flows > 0
                && !is_answered
                && (side.sent_per_window.packets >= *least_sent || burst.packets >= *least_burst)
                && site.side(host.ip()) == Some(Side::Inside)
                && site.side(peer.ip()) == Some(Side::Outside);
            if may_attack {
                let answers = narrow(side.sent_answers);
                let sent = event(EventKind::Sent, &side.sent, side.sent_per_window, answers);
                events.push(&sent)?;
                if let Some(burst) = sent.burst(EventKind::SentBurst, burst) {
                    events.push(&burst)?;
                }
            }
        }
        *sides = Default::default();
        Ok(())
    }
}

fn clamp(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

impl Visitor for EventWriter<'_> {
    fn conversation<A: Address>(&mut self, conversation: &Conversation<'_, A>) -> io::Result<()> {
        let &Conversation {
            initiator,
            responder,
            proto,
            port,
            sport,
            forward,
            reverse,
            is_sure,
            outcome,
        } = conversation;
        let (a, b) = (initiator.min(responder).ip(), initiator.max(responder).ip());
        if self.pair != Some((a, b, proto)) {
            self.end_pair()?;
            self.pair = Some((a, b, proto));
        }
        let [smaller, larger] = &mut self.sides;
        let (of_initiator, of_responder) =
            if initiator <= responder { (smaller, larger) } else { (larger, smaller) };
        of_initiator.packets = of_initiator.packets.saturating_add(forward.packets);
        of_responder.packets = of_responder.packets.saturating_add(reverse.packets);
        let event =
            |host, peer, direction: &DirectionTotals, kind, [port, sport]: [u16; 2], bits: u8| {
                Event {
                    host,
                    kind,
                    proto,
                    peer,
                    port,
                    sport,
                    bits: bits
                        | if direction.spoofed { SPOOFED } else { 0 }
                        | if direction.has_flags { FLAGS } else { 0 },
                    flags: direction.flags,
                    flows: direction.flows,
                    packets: direction.packets,
                    bytes: direction.bytes,
                    per_window: direction.per_window(),
                    // 0 stands for an unknown start, and the lower bits of a known start can be 0 too.
                    more: if direction.start == 0 { 0 } else { (direction.start as u32).max(1) },
                }
            };
        let is_both_ways = forward.is_present() && reverse.is_present();
        // Inside hosts check whether inside servers still accept connections: opened, accepted, and closed
        // or reset by the initiator without data.
        let is_check = outcome == Outcome::Accepted
            && forward.flags & (FIN | RST) != 0
            && [initiator, responder]
                .iter()
                .all(|host| self.site.side(host.ip()) == Some(Side::Inside));
        // An upload whose acknowledgements are not exported. Such segments from outside may be a flood.
        let is_upload = proto == TCP
            && !is_both_ways
            && forward.is_transfer()
            && self.site.side(initiator.ip()) == Some(Side::Inside);
        if is_upload {
            return Ok(());
        }
        // A host that answers each echo request is flooded too.
        let is_echo_flood = matches!(proto, ICMP | ICMPV6)
            && outcome == Outcome::Productive
            && forward.per_window().packets >= self.echo_flood;
        if let Some(answering) = &mut self.answering {
            answering.add(self.site, conversation);
        }
        if let Some(answers) = self.answers.as_mut().filter(|_| reverse.is_present()) {
            answers.with_request.add(initiator, is_both_ways);
            answers.has_any |= is_both_ways;
        }
        match outcome {
            Outcome::Productive if is_echo_flood => {
                let ports = [port, sport];
                self.events.push(&event(responder, initiator, forward, EventKind::Failed, ports, 0))
            }
            Outcome::Unanswered | Outcome::Accepted | Outcome::Rejected | Outcome::Partial
                if (is_sure || !is_both_ways)
                    && !is_check
                    && (outcome != Outcome::Partial || !is_both_ways) =>
            {
                // Without flags, resets of unsolicited answers look like rejected attempts.
                let may_be_reset = matches!(outcome, Outcome::Accepted | Outcome::Rejected)
                    && !forward.has_flags
                    && conversation.may_be_unsolicited();
                of_initiator.add_sent([sport, port], forward, may_be_reset);
                if proto == UDP {
                    of_initiator.opened.add([port, sport], &DirectionTotals::NONE, forward);
                }
                let bits = if outcome == Outcome::Partial { LARGE } else { 0 };
                let ports = [port, sport];
                let mut event =
                    event(responder, initiator, forward, EventKind::Failed, ports, bits);
                if may_be_reset {
                    event.flags = MAYBE_RESET;
                }
                self.events.push(&event)?;
                self.push_burst(&event, forward.peak)
            }
            Outcome::Unsolicited => {
                let flags = reverse.has_flags.then_some(reverse.flags);
                let is_answer = is_answer(proto, port, sport, flags);
                of_responder.add_sent([port, sport], reverse, is_answer);
                if proto == UDP {
                    of_responder.opened.add([sport, port], &DirectionTotals::NONE, reverse);
                }
                let bits = if reverse.is_bare_reply() { 0 } else { LARGE };
                let ports = [sport, port];
                let kind = EventKind::Unsolicited;
                let event = event(initiator, responder, reverse, kind, ports, bits);
                self.events.push(&event)?;
                self.push_burst(&event, reverse.peak)
            }
            _ => {
                of_initiator.opened.add([port, sport], reverse, forward);
                of_responder.served.add([port, sport], forward, reverse);
                let is_completed = conversation.is_completed();
                of_initiator.opened.is_completed |= is_completed;
                of_responder.served.is_completed |= is_completed;
                Ok(())
            }
        }
    }
}
