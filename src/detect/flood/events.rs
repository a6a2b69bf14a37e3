//! From conversations to what came upon each host.

use std::io;
use std::net::IpAddr;

use super::event::{Event, EventKind, Events, FLAGS, MAYBE_RESET, SPOOFED, STREAM, is_answer};
use crate::conversation::{
    ACK, Address, AnswerRate, Conversation, DirectionTotals, FIN, Outcome, PerWindow, RST, SYN,
    Visitor, narrow,
};
use crate::detect::Site;
use crate::finding::Side;
use crate::flow::UDP;

/// Writes events.
pub(super) struct EventWriter<'a> {
    site: &'a Site,
    events: Events,
    /// Fewer packets to one host in vain make nobody an attacker.
    least_sent: u64,
    pair: Option<(IpAddr, IpAddr, u8)>,
    /// Of the pair that goes by, what each of the two asked the other, served it and sent it in vain.
    sides: [Sides; 2],
    /// Of who was answered, whether the question is there too; and whether any is.
    heard: Option<(AnswerRate, bool)>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sides {
    asked: Sum,
    served: Sum,
    sent: Sum,
    /// The traffic sent, as a rate counts it; and the packets of it that may be answers.
    sent_per_window: PerWindow,
    sent_answers: u64,
}

impl Sides {
    /// Sent in vain, from the first of these ports to the second.
    fn send(&mut self, [from, to]: [u16; 2], half: &DirectionTotals, is_answer: bool) {
        self.sent.add([from, to], half, &DirectionTotals::NONE);
        let per_window = half.per_window();
        self.sent_per_window.add(per_window);
        if is_answer {
            self.sent_answers = self.sent_answers.saturating_add(per_window.packets);
        }
    }
}

/// Conversations of a pair that are alike.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    flows: u32,
    packets: u64,
    bytes: u64,
    /// Packets the other way, as a rate counts them.
    out: u64,
    port: u16,
    sport: u16,
}

impl Sum {
    fn add(&mut self, [port, sport]: [u16; 2], there: &DirectionTotals, back: &DirectionTotals) {
        let same = |own: u16, other| if own == other { own } else { 0 };
        match self.flows {
            0 => (self.port, self.sport) = (port, sport),
            _ => (self.port, self.sport) = (same(self.port, port), same(self.sport, sport)),
        }
        self.flows = self.flows.saturating_add(1);
        self.packets += there.packets;
        self.bytes += there.bytes;
        self.out = self.out.saturating_add(back.per_window().packets);
    }
}

fn clamp(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

impl<'a> EventWriter<'a> {
    /// Adds to `events`; what an inside host sent one outside in vain only from `least_sent` packets.
    pub(super) fn new(site: &'a Site, events: Events, least_sent: u64) -> EventWriter<'a> {
        EventWriter { site, events, least_sent, pair: None, sides: Default::default(), heard: None }
    }

    /// Of a slice: looks where the questions of answers are.
    pub(super) fn live(self) -> EventWriter<'a> {
        EventWriter { heard: Some((AnswerRate::default(), false)), ..self }
    }

    /// What a slice says of answers and their questions, and whether any question has its answer.
    pub(super) fn heard(&self) -> Option<(&AnswerRate, bool)> {
        self.heard.as_ref().map(|(answers, is_answered)| (answers, *is_answered))
    }

    /// All events.
    pub(super) fn into_events(mut self) -> io::Result<Events> {
        self.over()?;
        Ok(self.events)
    }

    /// The pair that went by is over.
    fn over(&mut self) -> io::Result<()> {
        match self.pair.take() {
            Some((IpAddr::V4(a), IpAddr::V4(b), proto)) => {
                self.sums::<u32>([a.into(), b.into()], proto)
            }
            Some((IpAddr::V6(a), IpAddr::V6(b), proto)) => {
                self.sums::<u128>([a.into(), b.into()], proto)
            }
            _ => Ok(()),
        }
    }

    fn sums<A: Address>(&mut self, [a, b]: [A; 2], proto: u8) -> io::Result<()> {
        let EventWriter { site, events, least_sent, sides, .. } = self;
        for (side, (host, peer)) in sides.iter().zip([(a, b), (b, a)]) {
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
                ..Event::default()
            };
            for (kind, sum) in [(EventKind::Opened, &side.asked), (EventKind::Served, &side.served)]
            {
                if sum.flows > 0 {
                    // No rate is taken of these but of what went the other way.
                    let all = PerWindow { packets: sum.packets, bytes: sum.bytes };
                    events.push(&event(kind, sum, all, clamp(sum.out)))?;
                }
            }
            let is_enough = side.sent.flows > 0
                && side.sent_per_window.packets >= *least_sent
                && site.side(host.ip()) == Some(Side::Inside)
                && site.side(peer.ip()) == Some(Side::Outside);
            if is_enough {
                let answers = narrow(side.sent_answers);
                events.push(&event(EventKind::Sent, &side.sent, side.sent_per_window, answers))?;
            }
        }
        *sides = Default::default();
        Ok(())
    }
}

impl Visitor for EventWriter<'_> {
    fn conversation<A: Address>(&mut self, talk: &Conversation<A>) -> io::Result<()> {
        let &Conversation {
            initiator: asker,
            responder: host,
            proto,
            port,
            sport,
            forward: asked,
            reverse: answered,
            is_sure,
            outcome,
        } = talk;
        let (a, b) = (asker.min(host).ip(), asker.max(host).ip());
        if self.pair != Some((a, b, proto)) {
            self.over()?;
            self.pair = Some((a, b, proto));
        }
        let is_first = asker <= host;
        let [first, second] = &mut self.sides;
        let (of_asker, of_host) = if is_first { (first, second) } else { (second, first) };
        let event =
            |host, peer, half: &DirectionTotals, kind, [port, sport]: [u16; 2], bits: u8| Event {
                host,
                kind,
                proto,
                peer,
                port,
                sport,
                bits: bits
                    | if half.spoofed { SPOOFED } else { 0 }
                    | if half.has_flags { FLAGS } else { 0 },
                flags: half.flags,
                flows: half.flows,
                packets: half.packets,
                bytes: half.bytes,
                per_window: half.per_window(),
                // 0 is unknown, and the lower bits of a real moment can be 0 too.
                more: if half.start == 0 { 0 } else { (half.start as u32).max(1) },
            };
        let is_answered = asked.is_present() && answered.is_present();
        // Our own look whether our own are still there: opened, and closed by who asked.
        let is_check = outcome == Outcome::Rejected
            && answered.has_flags
            && answered.flags & (SYN | ACK) == SYN | ACK
            && asked.flags & (FIN | RST) != 0
            && [asker, host].iter().all(|end| self.site.side(end.ip()) == Some(Side::Inside));
        if let Some((answers, has_any)) = self.heard.as_mut().filter(|_| answered.is_present()) {
            answers.add(asker, is_answered);
            *has_any |= is_answered;
        }
        match outcome {
            Outcome::Unanswered | Outcome::Rejected | Outcome::Partial
                if is_sure && !is_check && (outcome != Outcome::Partial || !is_answered) =>
            {
                // Without flags, resets to answers that nobody asked for look like questions.
                let may_be_reset =
                    outcome == Outcome::Rejected && !asked.has_flags && talk.may_be_unsolicited();
                of_asker.send([sport, port], &asked, may_be_reset);
                if proto == UDP {
                    of_asker.asked.add([port, sport], &DirectionTotals::NONE, &asked);
                }
                let bits = if outcome == Outcome::Partial { STREAM } else { 0 };
                let mut event = event(host, asker, &asked, EventKind::Failed, [port, sport], bits);
                if may_be_reset {
                    event.flags = MAYBE_RESET;
                }
                self.events.push(&event)
            }
            Outcome::Unsolicited => {
                let flags = answered.has_flags.then_some(answered.flags);
                of_host.send([port, sport], &answered, is_answer(proto, port, sport, flags));
                if proto == UDP {
                    of_host.asked.add([sport, port], &DirectionTotals::NONE, &answered);
                }
                let bits = if answered.is_bare_reply() { 0 } else { STREAM };
                self.events.push(&event(
                    asker,
                    host,
                    &answered,
                    EventKind::Unsolicited,
                    [sport, port],
                    bits,
                ))
            }
            _ => {
                of_asker.asked.add([port, sport], &answered, &asked);
                of_host.served.add([port, sport], &asked, &answered);
                Ok(())
            }
        }
    }
}
