//! Writes the attempts of a window's conversations.

use std::hash::BuildHasher;
use std::io;

use foldhash::fast::RandomState;

use super::attempt::{
    ACCEPTED, Attempt, DARK, FAILED, OPENED, PROTOCOLS, REJECTED, STREAM, WORKED,
};
use super::listed::ListedWriter;
use super::memory::Memory;
use crate::conversation::{
    Active, Address, Conversation, Families, Outcome, RST, Recent, SYN, Together, Visitor, has_port,
};
use crate::detect::Site;
use crate::detect::outage::{Answers, Outage};
use crate::flow::{Networks, TCP};
use crate::time::Window;

/// The inside addresses that are in use.
#[derive(Clone, Copy)]
pub(super) struct HostsInUse<'a> {
    /// The site's networks, if their unused addresses can be told from those in use.
    pub inside: Option<&'a Networks>,
    /// Hosts that were active in this window.
    pub active: &'a Active,
    /// The memory of hosts that were active before.
    pub memory: Option<&'a Memory>,
    pub window: Option<Window>,
}

impl HostsInUse<'_> {
    /// Returns true if the host is an inside address that is not in use.
    fn is_dark<A: Address>(&self, host: A) -> bool {
        let host = host.ip();
        self.inside.is_some_and(|inside| self.active.lacks(inside, host))
            && !self.memory.is_some_and(|memory| memory.holds(host, self.window))
    }
}

/// A visitor of conversations that writes attempts to a table.
pub(super) struct AttemptWriter<'a> {
    hosts: HostsInUse<'a>,
    /// True if the exporter saw only one packet in many.
    sampled: bool,
    hasher: RandomState,
    rows: Families,
    /// Recent successes, so that twenty connections to a web server are one row.
    recent: Recent,
    site: &'a Site,
    /// Outcomes of the conversations that inside hosts initiated with others.
    answers: Answers,
    /// The conversations with addresses of threat feeds, if there are any.
    listed: Option<ListedWriter<'a>>,
}

/// The attempts of a window.
pub(super) struct Written {
    pub attempts: Families,
    /// The conversations with addresses of threat feeds, if there are any.
    pub listed: Option<Families>,
    /// The address families by which hardly any inside host is answered.
    pub outage: Outage,
}

impl<'a> AttemptWriter<'a> {
    /// Returns a writer to rows that take about `memory` bytes of memory.
    pub(super) fn new(
        site: &'a Site,
        memory: u64,
        hosts: HostsInUse<'a>,
        sampled: bool,
        listed: Option<ListedWriter<'a>>,
    ) -> AttemptWriter<'a> {
        AttemptWriter {
            listed,
            site,
            answers: Answers::new(hosts.window),
            hosts,
            sampled,
            hasher: RandomState::default(),
            // The sources of one network are judged one after the other, to find groups.
            rows: Families::new(memory, Together::Net),
            recent: Recent::default(),
        }
    }

    /// Returns all that was written.
    pub(super) fn end(self) -> Written {
        let listed = self.listed.map(ListedWriter::end);
        Written { attempts: self.rows, listed, outage: self.answers.outage() }
    }

    fn write<A: Address>(&mut self, attempt: &Attempt<A>) -> io::Result<()> {
        self.rows.push([attempt.src, attempt.dst], attempt.pack())
    }

    /// Writes an attempt of `src` at a port of `dst` that worked.
    fn worked<A: Address>(
        &mut self,
        [src, dst]: [A; 2],
        proto: u8,
        [port, sport]: [u16; 2],
        spoke: bool,
    ) -> io::Result<()> {
        if !self.recent.is_new(self.hasher.hash_one((src, dst, proto, port, spoke))) {
            return Ok(());
        }
        let bits = WORKED;
        self.write(&Attempt { src, dst, proto, port, sport, bits, spoke, ..Attempt::default() })
    }

    /// Writes an unsolicited reply, and the success of its initiator if it was a late answer.
    fn unsolicited<A: Address>(&mut self, conversation: &Conversation<'_, A>) -> io::Result<()> {
        let &Conversation { initiator, responder, proto, port, sport, reverse, .. } = conversation;
        let is_bare = reverse.is_bare_reply();
        let mut bits = if proto != TCP || is_bare { 0 } else { STREAM };
        if self.hosts.is_dark(initiator) {
            bits |= DARK;
        }
        self.write(&Attempt {
            src: responder,
            dst: initiator,
            unsolicited: true,
            port: sport,
            sport: port,
            spoke: false,
            ..Attempt::of(conversation, reverse, bits)
        })?;
        // Of a check that was sampled, often only the SYN+ACK is there. The question may also have a forged source, so
        // that nothing is held against the initiator.
        if self.sampled && proto == TCP && reverse.accepts() {
            let (src, dst, bits) = (initiator, responder, ACCEPTED);
            self.write(&Attempt { src, dst, proto, port, sport, bits, ..Attempt::default() })?;
        }
        // A reply that carries data answers a request of the window before. Of a sampled flow without flags that
        // is known if it has a packet longer than a reset.
        let is_blind = self.sampled && !reverse.has_flags;
        let has_data = if is_blind { reverse.exceeds_reset } else { !is_bare };
        let is_reset = reverse.has_flags && reverse.flags & RST != 0;
        if proto != TCP || (has_data && !is_reset) {
            self.worked([initiator, responder], proto, [port, sport], false)?;
        }
        Ok(())
    }
}

impl Visitor for AttemptWriter<'_> {
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
            ..
        } = conversation;
        if let Some(listed) = &mut self.listed {
            listed.conversation(conversation)?;
        }
        if !has_port(proto) {
            let attempt = Attempt {
                proto: PROTOCOLS,
                port: proto.into(),
                ..Attempt::of(conversation, forward, FAILED)
            };
            let is_attempt = outcome == Outcome::Unanswered && is_sure;
            return if is_attempt { self.write(&attempt) } else { Ok(()) };
        }
        if !reverse.is_present() && self.site.is_unreachable(responder.ip()) {
            return Ok(());
        }
        if is_sure {
            self.answers.add(self.site, conversation);
        }
        match outcome {
            Outcome::Productive => {
                let spoke = !self.sampled && conversation.is_completed();
                self.worked([initiator, responder], proto, [port, sport], spoke)?;
                if !is_sure {
                    self.worked([responder, initiator], proto, [sport, port], false)?;
                }
                Ok(())
            }
            Outcome::Accepted | Outcome::Rejected if conversation.may_be_unsolicited() => Ok(()),
            // A connection that is closed in order asked if the server is there.
            Outcome::Accepted if conversation.is_closed() => Ok(()),
            // Nobody answers from an address that is not in use, so the sender is the initiator.
            Outcome::Unanswered | Outcome::Accepted | Outcome::Rejected
                if is_sure || (!reverse.is_present() && self.hosts.is_dark(responder)) =>
            {
                let bits = match outcome {
                    Outcome::Accepted => REJECTED | ACCEPTED,
                    Outcome::Rejected => REJECTED,
                    _ if self.hosts.is_dark(responder) => DARK,
                    _ => 0,
                };
                let mut bits = bits | FAILED;
                if proto == TCP && forward.has_flags && forward.flags & SYN != 0 {
                    bits |= OPENED;
                }
                self.write(&Attempt::of(conversation, forward, bits))
            }
            Outcome::Unanswered | Outcome::Accepted | Outcome::Rejected => Ok(()),
            Outcome::Partial => self.write(&Attempt::of(conversation, forward, STREAM)),
            Outcome::Unsolicited => self.unsolicited(conversation),
        }
    }
}
