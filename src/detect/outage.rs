//! Outages: times in which hardly any inside host is answered, so that a missing answer says nothing about who asked.

use crate::conversation::{Address, AnswerRate, CLIENT_PORTS, Conversation, Outcome};
use crate::detect::Site;
use crate::finding::Side;
use crate::flow::TCP;

/// The answers that inside hosts got, by address family.
#[derive(Debug, Default)]
pub(super) struct Answers {
    v4: AnswerRate,
    v6: AnswerRate,
}

/// The address families by which hardly any inside host is answered: an uplink can be down for one of them alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Outage {
    v4: Option<u64>,
    v6: Option<u64>,
}

impl Answers {
    /// Adds a conversation whose initiator is known, if it is an inside host.
    pub(super) fn add<A: Address>(&mut self, site: &Site, conversation: &Conversation<A>) {
        let Conversation { initiator, outcome, proto, port, sport, forward, reverse, .. } =
            *conversation;
        if matches!(outcome, Outcome::Unsolicited | Outcome::Partial)
            || site.side(initiator.ip()) != Some(Side::Inside)
        {
            return;
        }
        // Without flags, packets from a low port to a client's port may be answers to questions that were not exported.
        let may_be_answer = proto == TCP
            && !forward.has_flags
            && !reverse.is_present()
            && sport < CLIENT_PORTS
            && port >= CLIENT_PORTS;
        if may_be_answer {
            return;
        }
        // A reset is an answer. Without flags an attempt is rejected only if something came back.
        let is_answered =
            matches!(outcome, Outcome::Productive | Outcome::Accepted | Outcome::Rejected);
        let rate = if initiator.ip().is_ipv4() { &mut self.v4 } else { &mut self.v6 };
        rate.add(initiator, is_answered);
    }

    /// Returns the families by which hardly any inside host was answered.
    pub(super) fn outage(&self) -> Outage {
        let hosts = |rate: &AnswerRate| rate.is_outage().unwrap_or(false).then(|| rate.hosts());
        Outage { v4: hosts(&self.v4), v6: hosts(&self.v6) }
    }
}

impl Outage {
    /// Returns how many inside hosts try to reach others by the family, if hardly any of them is answered.
    pub(super) fn hosts(&self, is_v4: bool) -> Option<u64> {
        if is_v4 { self.v4 } else { self.v6 }
    }
}
