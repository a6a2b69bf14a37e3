//! Outages: times in which hardly any inside host is answered, so that a missing answer says nothing about who asked.

use std::net::IpAddr;

use crate::conversation::{Address, AnswerRate, CLIENT_PORTS, Conversation, Outcome};
use crate::detect::Site;
use crate::finding::Side;
use crate::flow::TCP;
use crate::time::Window;

/// Inside hosts that try to reach only others inside, for each that tries to reach the outside, from which on there is no
/// outage: at a site that reaches the outside by proxies alone, those that try it by themselves may all be infected.
const INSIDERS: u64 = 3;

/// Parts of a window in which an outage is looked for, because it begins and ends at any time: some two minutes each.
const PARTS: u64 = 4;
/// The fewest hosts that show an outage of a part of the window. Fewer show one of a whole window.
const PART_HOSTS: u64 = 10;

/// The answers that inside hosts got, by address family.
#[derive(Debug, Default)]
pub(super) struct Answers {
    window: Option<Window>,
    v4: AnswersOfFamily,
    v6: AnswersOfFamily,
}

/// The answers of one family, by the part of the window in which the attempts began; all in the first if no time is
/// known.
#[derive(Debug, Default)]
struct AnswersOfFamily(Vec<AnswersOfPart>);

/// The answers to attempts that began in one part of the window.
#[derive(Debug, Default)]
struct AnswersOfPart {
    /// Attempts at hosts outside.
    outward: AnswerRate,
    /// Attempts at hosts inside, which an outage leaves as they are: resolvers answer what they know, and servers serve.
    inward: AnswerRate,
}

/// The address families by which hardly any inside host is answered: an uplink can be down for one of them alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Outage {
    v4: Option<u64>,
    v6: Option<u64>,
}

impl Answers {
    /// Returns no answers yet, of a window.
    pub(super) fn new(window: Option<Window>) -> Answers {
        Answers { window, ..Answers::default() }
    }

    /// Adds a conversation whose initiator is known, if it is an inside host.
    pub(super) fn add<A: Address>(&mut self, site: &Site, conversation: &Conversation<'_, A>) {
        let Conversation { initiator, responder, outcome, forward, .. } = *conversation;
        if matches!(outcome, Outcome::Unsolicited | Outcome::Partial)
            || site.side(initiator.ip()) != Some(Side::Inside)
            || may_be_answer(conversation)
        {
            return;
        }
        let Some(part) = self.part(forward.start) else { return };
        // A reset is an answer. Without flags an attempt is rejected only if something came back.
        let is_answered =
            matches!(outcome, Outcome::Productive | Outcome::Accepted | Outcome::Rejected);
        let family = if initiator.ip().is_ipv4() { &mut self.v4 } else { &mut self.v6 };
        if family.0.len() <= part {
            family.0.resize_with(part + 1, AnswersOfPart::default);
        }
        let Some(answers) = family.0.get_mut(part) else { return };
        if site.side(responder.ip()) == Some(Side::Inside) {
            answers.inward.add(initiator, is_answered);
        } else {
            answers.outward.add(initiator, is_answered);
        }
    }

    /// Returns the part of the window in which an attempt began, by its start in milliseconds since the epoch; `None` if
    /// it began before. The record of such an attempt came only now, and does not show whether its host is answered in
    /// this window.
    fn part(&self, start: u64) -> Option<usize> {
        let Some(window) = self.window.filter(|_| start != 0) else { return Some(0) };
        let since = start.checked_sub(window.start().saturating_mul(1000))?;
        let length = u64::from(window.seconds()).saturating_mul(1000).max(1);
        Some((since.saturating_mul(PARTS) / length).min(PARTS - 1) as usize)
    }

    /// Returns the families by which hardly any inside host was answered.
    pub(super) fn outage(self) -> Outage {
        Outage { v4: self.v4.cut_off(), v6: self.v6.cut_off() }
    }
}

impl AnswersOfFamily {
    /// Returns how many hosts try to reach the outside, if hardly any of them is answered in the window, or in a part.
    fn cut_off(mut self) -> Option<u64> {
        let of_part = |part: &AnswersOfPart| part.cut_off().filter(|hosts| *hosts >= PART_HOSTS);
        let in_part = self.0.iter().filter_map(of_part).max();
        let mut whole = self.0.pop()?;
        self.0.iter().for_each(|part| whole.merge(part));
        in_part.max(whole.cut_off())
    }
}

impl AnswersOfPart {
    fn merge(&mut self, other: &AnswersOfPart) {
        self.outward.merge(&other.outward);
        self.inward.merge(&other.inward);
    }

    /// Returns how many hosts try to reach the outside, if hardly any of them is answered.
    fn cut_off(&self) -> Option<u64> {
        let AnswersOfPart { outward, inward } = self;
        let hosts = outward.hosts();
        let is_outage = outward.is_outage().unwrap_or(false)
            && inward.hosts_without(outward) < INSIDERS * hosts;
        is_outage.then_some(hosts)
    }
}

/// Returns true if most of these targets are inside. An outage of the uplink is no reason that they do not answer.
pub(super) fn are_inside(site: &Site, targets: impl Iterator<Item = IpAddr>) -> bool {
    let (mut all, mut inside) = (0u64, 0u64);
    for target in targets {
        all += 1;
        inside += u64::from(site.side(target) == Some(Side::Inside));
    }
    inside * 2 > all
}

/// Returns true if the packets may be the answers to questions that were not exported: without flags, from a low port to
/// one of those that clients have.
fn may_be_answer<A: Address>(conversation: &Conversation<'_, A>) -> bool {
    let Conversation { proto, port, sport, forward, reverse, .. } = conversation;
    *proto == TCP
        && !forward.has_flags
        && !reverse.is_present()
        && *sport < CLIENT_PORTS
        && *port >= CLIENT_PORTS
}

impl Outage {
    /// Returns how many inside hosts try to reach others by the family, if hardly any of them is answered.
    pub(super) fn hosts(&self, is_v4: bool) -> Option<u64> {
        if is_v4 { self.v4 } else { self.v6 }
    }
}
