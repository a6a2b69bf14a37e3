//! From conversations to what each source did at the ports of others: only what clients do to servers.

use std::collections::HashSet;
use std::hash::BuildHasher;
use std::io;
use std::net::IpAddr;

use foldhash::fast::RandomState;

use super::attempt::{Attempt, DARK, FAILED, LOGIN, WORKED};
use crate::conversation::{
    Active, Address, AnswerRate, Conversation, DirectionTotals, Families, Outcome, Recent,
    Together, Visitor,
};
use crate::detect::Site;
use crate::finding::Side;
use crate::flow::{TCP, UDP};

/// Where people log in by name and password.
const LOGINS: [u16; 10] = [21, 22, 23, 2222, 2323, 3389, 5900, 5901, 5985, 8291];
/// Where programs do too, so that many short sessions are nothing of note among our own hosts.
const SERVICES: [u16; 6] = [445, 1433, 3306, 5432, 6379, 27017];
/// Packets that the client of a failed login sends: fewer are no session, more are one that got in.
const SESSION: std::ops::RangeInclusive<u32> = 11..=51;

/// Ports at which a mail server takes letters (RFC 5321, RFC 6409, RFC 8314).
const MAIL: [u16; 3] = [25, 465, 587];
/// Inside mail servers that are told apart: a host that forges answers must not fill memory. With more,
/// nobody is called a spammer.
pub(super) const MAX_MAIL: usize = 1 << 16;

/// Writes trials.
pub(super) struct AttemptWriter<'a> {
    site: &'a Site,
    active: &'a Active,
    knows_dark: bool,
    hasher: RandomState,
    rows: Families,
    /// What worked, of the pair that goes by, so that twenty connections to a web server are one row.
    recent: Recent,
    /// Inside hosts that took letters.
    mail: HashSet<IpAddr, RandomState>,
    /// What became of what inside hosts asked.
    answers: AnswerRate,
}

/// What was written.
pub(super) struct Written {
    pub trials: Families,
    /// The inside mail servers.
    pub mail: HashSet<IpAddr, RandomState>,
    /// So many of ours ask, if hardly anybody answers any of them: an outage.
    pub outage: Option<u64>,
}

impl<'a> AttemptWriter<'a> {
    /// Writes trials to rows that keep about `memory` octets in memory.
    pub(super) fn new(
        site: &'a Site,
        memory: u64,
        active: &'a Active,
        knows_dark: bool,
    ) -> AttemptWriter<'a> {
        AttemptWriter {
            site,
            active,
            knows_dark,
            hasher: RandomState::default(),
            rows: Families::new(memory, Together::First),
            recent: Recent::default(),
            mail: HashSet::default(),
            answers: AnswerRate::default(),
        }
    }

    /// All of it.
    pub(super) fn end(self) -> Written {
        Written {
            trials: self.rows,
            mail: self.mail,
            outage: (self.answers.is_outage() == Some(true)).then(|| self.answers.hosts()),
        }
    }

    fn write<A: Address>(&mut self, trial: &Attempt<A>) -> io::Result<()> {
        self.rows.push([trial.src, trial.dst], trial.pack())
    }

    fn is_dark(&self, host: IpAddr) -> bool {
        self.knows_dark && self.active.lacks(&self.site.inside, host)
    }

    fn is_login<A: Address>(&self, talk: &Conversation<A>) -> bool {
        let is_stranger = || {
            self.site.side(talk.initiator.ip()) != Some(Side::Inside)
                && self.site.side(talk.responder.ip()) != Some(Side::Outside)
        };
        talk.proto == TCP
            && SESSION.contains(&talk.forward.largest_packets)
            && (LOGINS.contains(&talk.port) || (SERVICES.contains(&talk.port) && is_stranger()))
    }
}

impl Visitor for AttemptWriter<'_> {
    fn conversation<A: Address>(&mut self, talk: &Conversation<A>) -> io::Result<()> {
        let &Conversation {
            initiator: asker,
            responder: host,
            proto,
            port,
            sport,
            forward: asked,
            is_sure,
            outcome,
            ..
        } = talk;
        let is_asked = outcome != Outcome::Rejected || !talk.may_be_unsolicited();
        if !is_sure || !is_asked || (proto != TCP && proto != UDP) {
            return Ok(());
        }
        let with = |half: &DirectionTotals, bits| Attempt {
            src: asker,
            proto,
            port,
            dst: host,
            bits,
            sport,
            flows: half.flows,
            packets: u32::try_from(half.packets).unwrap_or(u32::MAX),
            octets: u32::try_from(half.bytes).unwrap_or(u32::MAX),
            // 0 is unknown, and the lower bits of a real moment can be 0 too.
            start: if half.start == 0 { 0 } else { (half.start as u32).max(1) },
        };
        if matches!(outcome, Outcome::Productive | Outcome::Unanswered | Outcome::Rejected)
            && self.site.side(asker.ip()) == Some(Side::Inside)
        {
            self.answers.add(asker, outcome == Outcome::Productive);
        }
        match outcome {
            Outcome::Productive => {
                if proto == TCP
                    && MAIL.contains(&port)
                    && self.mail.len() < MAX_MAIL
                    && self.site.side(host.ip()) == Some(Side::Inside)
                {
                    self.mail.insert(host.ip());
                }
                if self.is_login(talk) {
                    self.write(&with(&asked, LOGIN))?;
                }
                if !self.recent.is_new(self.hasher.hash_one((asker, host, proto, port))) {
                    return Ok(());
                }
                self.write(&with(&asked, WORKED))
            }
            Outcome::Unanswered | Outcome::Rejected => {
                let is_dark = outcome == Outcome::Unanswered && self.is_dark(host.ip());
                self.write(&with(&asked, if is_dark { FAILED | DARK } else { FAILED }))
            }
            Outcome::Unsolicited | Outcome::Partial => Ok(()),
        }
    }
}
