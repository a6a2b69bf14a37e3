//! Writes the attempts of a window's conversations: those of clients at servers.

use std::collections::HashSet;
use std::hash::BuildHasher;
use std::io;
use std::net::IpAddr;

use foldhash::fast::RandomState;

use super::attempt::{ACCEPTED, Attempt, DARK, FAILED, LOGIN, SPOKE, WORKED};
use super::guessing::turned;
use crate::conversation::{
    Active, Address, Conversation, Families, Outcome, Recent, Together, Visitor,
};
use crate::detect::outage::{Answers, Outage};
use crate::detect::site::Site;
use crate::finding::Side;
use crate::flow::{TCP, UDP};
use crate::time::Window;

/// Ports at which people log in with a password.
const LOGINS: [u16; 10] = [21, 22, 23, 2222, 2323, 3389, 5900, 5901, 5985, 8291];
/// Ports at which programs log in too, so that many short sessions of an inside client are ordinary.
const SERVICES: [u16; 6] = [445, 1433, 3306, 5432, 6379, 27017];
/// Packets that the client of a failed login sends. With fewer there was no session, with more it was let in.
const SESSION: std::ops::RangeInclusive<u32> = 11..=51;

/// Ports at which a mail server takes mail (RFC 5321, RFC 6409, RFC 8314).
const MAIL: [u16; 3] = [25, 465, 587];
/// The most inside mail servers that are stored, so that a host that forges answers cannot fill memory. With
/// more, nobody is called a spammer.
pub(super) const MAX_MAIL: usize = 1 << 16;

/// A visitor of conversations that writes attempts to a table.
pub(super) struct AttemptWriter<'a> {
    site: &'a Site,
    active: &'a Active,
    knows_dark: bool,
    hasher: RandomState,
    rows: Families,
    /// Sessions of outside hosts with inside ones, by the latter.
    logins: Families,
    /// Recent successes, so that twenty connections to a web server are one row.
    recent: Recent,
    /// Inside hosts that took mail.
    mail: HashSet<IpAddr, RandomState>,
    /// Outcomes of the conversations that inside hosts initiated.
    answers: Answers,
}

/// The attempts of a window.
pub(super) struct Written {
    pub attempts: Families,
    /// Sessions that may be failed logins, of outside hosts with others, by the host that they logged in at.
    pub logins: Families,
    /// Inside hosts that took mail.
    pub mail: HashSet<IpAddr, RandomState>,
    /// The address families by which hardly any inside host is answered.
    pub outage: Outage,
}

impl<'a> AttemptWriter<'a> {
    /// Returns a writer to rows that take about `memory` bytes of memory.
    pub(super) fn new(
        site: &'a Site,
        memory: u64,
        active: &'a Active,
        knows_dark: bool,
        window: Option<Window>,
    ) -> AttemptWriter<'a> {
        AttemptWriter {
            site,
            active,
            knows_dark,
            hasher: RandomState::default(),
            rows: Families::new(memory / 8 * 7, Together::First),
            logins: Families::new(memory / 8, Together::First),
            recent: Recent::default(),
            mail: HashSet::default(),
            answers: Answers::new(window),
        }
    }

    /// Returns all that was written.
    pub(super) fn end(self) -> Written {
        let outage = self.answers.outage();
        Written { attempts: self.rows, logins: self.logins, mail: self.mail, outage }
    }

    fn write<A: Address>(&mut self, attempt: &Attempt<A>) -> io::Result<()> {
        self.rows.push([attempt.src, attempt.dst], attempt.pack())
    }

    fn is_dark(&self, host: IpAddr) -> bool {
        self.knows_dark && self.active.lacks(&self.site.inside, host)
    }

    fn is_login<A: Address>(&self, conversation: &Conversation<'_, A>) -> bool {
        let is_from_outside = || {
            self.site.side(conversation.initiator.ip()) != Some(Side::Inside)
                && self.site.side(conversation.responder.ip()) != Some(Side::Outside)
        };
        let port = conversation.port;
        conversation.proto == TCP
            && SESSION.contains(&conversation.forward.largest_packets)
            && (LOGINS.contains(&port) || (SERVICES.contains(&port) && is_from_outside()))
    }

    fn productive<A: Address>(&mut self, conversation: &Conversation<'_, A>) -> io::Result<()> {
        let &Conversation { initiator, responder, proto, port, .. } = conversation;
        if proto == TCP
            && MAIL.contains(&port)
            && self.mail.len() < MAX_MAIL
            && self.site.side(responder.ip()) == Some(Side::Inside)
        {
            self.mail.insert(responder.ip());
        }
        if self.is_login(conversation) {
            let session = attempt(conversation, LOGIN);
            self.write(&session)?;
            if self.site.side(initiator.ip()) != Some(Side::Inside) {
                self.logins.push([responder, initiator], turned(&session).pack())?;
            }
        }
        let spoke = conversation.is_completed();
        if !self.recent.is_new(self.hasher.hash_one((initiator, responder, proto, port, spoke))) {
            return Ok(());
        }
        self.write(&attempt(conversation, WORKED))
    }
}

impl Visitor for AttemptWriter<'_> {
    fn conversation<A: Address>(&mut self, conversation: &Conversation<'_, A>) -> io::Result<()> {
        let &Conversation { responder, proto, is_sure, outcome, .. } = conversation;
        let may_be_reply = matches!(outcome, Outcome::Accepted | Outcome::Rejected)
            && conversation.may_be_unsolicited();
        // Nobody answers from an address that is not in use, so the sender is the initiator.
        let is_sure = is_sure || (outcome == Outcome::Unanswered && self.is_dark(responder.ip()));
        if !is_sure || may_be_reply || (proto != TCP && proto != UDP) {
            return Ok(());
        }
        if !conversation.reverse.is_present() && self.site.is_unreachable(responder.ip()) {
            return Ok(());
        }
        self.answers.add(self.site, conversation);
        match outcome {
            Outcome::Productive => self.productive(conversation),
            // A connection that is closed in order asked if the server is there.
            Outcome::Accepted if conversation.is_closed() => Ok(()),
            Outcome::Unanswered | Outcome::Accepted | Outcome::Rejected => {
                let bits = match outcome {
                    Outcome::Accepted => ACCEPTED,
                    Outcome::Unanswered if self.is_dark(responder.ip()) => DARK,
                    _ => 0,
                };
                self.write(&attempt(conversation, FAILED | bits))
            }
            Outcome::Unsolicited | Outcome::Partial => Ok(()),
        }
    }
}

/// Returns the attempt of a conversation's initiator.
fn attempt<A: Address>(conversation: &Conversation<'_, A>, bits: u8) -> Attempt<A> {
    let forward = conversation.forward;
    let spoke = if conversation.is_completed() { SPOKE } else { 0 };
    Attempt {
        src: conversation.initiator,
        proto: conversation.proto,
        port: conversation.port,
        dst: conversation.responder,
        bits: bits | spoke,
        sport: conversation.sport,
        flows: forward.flows,
        packets: u32::try_from(forward.packets).unwrap_or(u32::MAX),
        bytes: u32::try_from(forward.bytes).unwrap_or(u32::MAX),
        start: forward.start_in_row(),
    }
}
