//! From conversations to trials, by source.

use std::hash::BuildHasher;
use std::io;

use foldhash::fast::RandomState;

use super::attempt::{Attempt, DARK, FAILED, OPENED, REJECTED, STREAM, WORKED};
use super::memory::Memory;
use crate::conversation::{
    Active, Address, Conversation, DirectionTotals, Families, Outcome, RST, Recent, SYN, Together,
    Visitor, has_port,
};
use crate::flow::{Networks, TCP};
use crate::time::Window;

/// Which addresses are in use.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    /// Our networks, if it can be said of an address of theirs that it is not in use.
    pub inside: Option<&'a Networks>,
    /// Who was active in this window.
    pub active: &'a Active,
    /// Who was before.
    pub memory: Option<&'a Memory>,
    pub window: Option<Window>,
    /// One packet in many was seen.
    pub sampled: bool,
}

impl Known<'_> {
    fn is_dark<A: Address>(&self, host: A) -> bool {
        let host = host.ip();
        self.inside.is_some_and(|inside| self.active.lacks(inside, host))
            && !self.memory.is_some_and(|memory| memory.holds(host, self.window))
    }
}

/// Writes trials.
pub(super) struct AttemptWriter<'a> {
    known: Known<'a>,
    hasher: RandomState,
    rows: Families,
    /// What worked, of the pair that goes by, so that twenty connections to a web server are one row.
    recent: Recent,
}

impl<'a> AttemptWriter<'a> {
    /// Writes trials to rows that keep about `memory` octets in memory.
    pub(super) fn new(memory: u64, known: Known<'a>) -> AttemptWriter<'a> {
        AttemptWriter {
            known,
            hasher: RandomState::default(),
            // Sources of one network are judged one after the other, for those that scan together.
            rows: Families::new(memory, Together::Net),
            recent: Recent::default(),
        }
    }

    /// All trials.
    pub(super) fn into_attempts(self) -> Families {
        self.rows
    }

    fn write<A: Address>(&mut self, trial: &Attempt<A>) -> io::Result<()> {
        self.rows.push([trial.src, trial.dst], trial.pack())
    }

    /// `src` asked `dst` for a port, and it worked.
    fn worked<A: Address>(
        &mut self,
        [src, dst]: [A; 2],
        proto: u8,
        [port, sport]: [u16; 2],
    ) -> io::Result<()> {
        if !self.recent.is_new(self.hasher.hash_one((src, dst, proto, port))) {
            return Ok(());
        }
        self.write(&Attempt { src, dst, proto, port, sport, bits: WORKED, ..Attempt::default() })
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
            reverse: answered,
            is_sure,
            outcome,
        } = talk;
        if !has_port(proto) {
            return Ok(());
        }
        let with = |half: &DirectionTotals, bits| Attempt {
            src: asker,
            dst: host,
            proto,
            port,
            sport,
            bits,
            flags: half.flags,
            flows: half.flows,
            packets: u32::try_from(half.packets).unwrap_or(u32::MAX),
            octets: u32::try_from(half.bytes).unwrap_or(u32::MAX),
            // 0 is unknown, and the lower bits of a real moment can be 0 too.
            start: if half.start == 0 { 0 } else { (half.start as u32).max(1) },
            ..Attempt::default()
        };
        match outcome {
            Outcome::Productive => {
                self.worked([asker, host], proto, [port, sport])?;
                match is_sure {
                    true => Ok(()),
                    false => self.worked([host, asker], proto, [sport, port]),
                }
            }
            Outcome::Rejected if talk.may_be_unsolicited() => Ok(()),
            Outcome::Unanswered | Outcome::Rejected if is_sure => {
                let mut bits = FAILED;
                bits |= match outcome {
                    Outcome::Rejected => REJECTED,
                    _ if self.known.is_dark(host) => DARK,
                    _ => 0,
                };
                if proto == TCP && asked.has_flags && asked.flags & SYN != 0 {
                    bits |= OPENED;
                }
                self.write(&with(&asked, bits))
            }
            Outcome::Unanswered | Outcome::Rejected => Ok(()),
            Outcome::Partial => self.write(&with(&asked, STREAM)),
            Outcome::Unsolicited => {
                let is_lone = answered.is_bare_reply();
                let mut bits = if proto != TCP || is_lone { 0 } else { STREAM };
                if self.known.is_dark(asker) {
                    bits |= DARK;
                }
                let answer = with(&answered, bits);
                let answer = Attempt {
                    src: host,
                    dst: asker,
                    unsolicited: true,
                    port: sport,
                    sport: port,
                    ..answer
                };
                self.write(&answer)?;
                // An answer that carries something is one to a question, asked in the window before.
                // Of one packet in many, one that is longer than a reset does.
                let is_one = self.known.sampled && !answered.has_flags;
                let says = if is_one { answered.exceeds_reset } else { !is_lone };
                let refused = answered.has_flags && answered.flags & RST != 0;
                match proto != TCP || (says && !refused) {
                    true => self.worked([asker, host], proto, [port, sport]),
                    false => Ok(()),
                }
            }
        }
    }
}
