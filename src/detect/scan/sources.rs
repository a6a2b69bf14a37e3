//! Goes through sorted trials: networks of sources, their sources, each by protocol.

use std::io;

use super::ScanJudge;
use super::attempt::{Attempt, FAILED, WORKED};
use super::class::dark::DARK;
use super::evidence::Builder;
use super::group::Members;
use crate::conversation::Address;
use crate::detect::visibility::Visibility;
use crate::flow::{TCP, UDP};
use crate::table::Sorted;

/// Trials of one source that are kept until it is known whether it is worth a look: most are not. With
/// more, evidence is built as they go by.
const KEPT: usize = 4096;

/// Web servers that one source could talk to, remembered to know what its QUIC is worth.
const MAX_WEB: usize = 1 << 20;

/// Browsers try QUIC (RFC 9114) where they have a connection; many firewalls let none through.
const QUIC: u16 = 443;

/// One source after the other.
pub(super) struct Sources<A> {
    builder: Builder<A>,
    /// Source and protocol that go by.
    of: Option<(A, u8)>,
    kept: Vec<Attempt<A>>,
    /// `kept` has been too small for this source.
    is_large: bool,
    failed: usize,
    unasked: usize,
    /// Where the source's web connections worked, in order.
    web: Vec<A>,
    members: Members<A>,
}

impl<A: Address> Sources<A> {
    pub(super) fn new() -> Sources<A> {
        Sources {
            builder: Builder::new(),
            of: None,
            kept: Vec::new(),
            is_large: false,
            failed: 0,
            unasked: 0,
            web: Vec::new(),
            members: Members::new(),
        }
    }

    /// All sources of a partition.
    pub(super) fn part(
        &mut self,
        rows: &mut Sorted<'_, A::Row>,
        judge: &mut ScanJudge,
    ) -> io::Result<()> {
        let mut pending: Option<Attempt<A>> = None;
        while let Some(row) = rows.next_row()? {
            let trial = Attempt::<A>::unpack(&row);
            match &mut pending {
                Some(last) if self.of == Some((trial.src, trial.proto)) && last.is_same(&trial) => {
                    last.merge(&trial);
                }
                _ => {
                    pending.into_iter().for_each(|done| self.trial(done, judge));
                    if self.of != Some((trial.src, trial.proto)) {
                        self.end(judge);
                        self.begin(trial.src, trial.proto, judge);
                    }
                    pending = Some(trial);
                }
            }
        }
        pending.into_iter().for_each(|done| self.trial(done, judge));
        self.end(judge);
        self.members.end(judge);
        self.of = None;
        Ok(())
    }

    fn begin(&mut self, src: A, proto: u8, judge: &mut ScanJudge) {
        let last = self.of.map(|(src, _)| src);
        if last.is_some_and(|last| last.net() != src.net()) {
            self.members.end(judge);
        }
        if last != Some(src) {
            self.web.clear();
        }
        self.of = Some((src, proto));
    }

    fn trial(&mut self, mut trial: Attempt<A>, judge: &ScanJudge) {
        if trial.proto == TCP && trial.port == QUIC && trial.bits & WORKED != 0 {
            if self.web.len() < MAX_WEB {
                self.web.push(trial.dst);
            }
        } else if trial.proto == UDP && trial.port == QUIC && trial.is_failed() {
            // Rows are in the order of their targets, and TCP came first.
            if self.web.binary_search(&trial.dst).is_ok() {
                trial.bits &= !FAILED;
            }
        }
        self.failed += usize::from(trial.is_failed());
        self.unasked += usize::from(trial.unsolicited);
        if self.is_large {
            self.builder.add(&trial, judge.answers == Visibility::OneWay);
            return;
        }
        self.kept.push(trial);
        if self.kept.len() == KEPT {
            self.is_large = true;
            self.build(judge);
        }
    }

    fn build(&mut self, judge: &ScanJudge) {
        if let Some((src, proto)) = self.of {
            self.builder.begin(src, proto);
        }
        let streams_work = judge.answers == Visibility::OneWay;
        self.kept.iter().for_each(|trial| self.builder.add(trial, streams_work));
    }

    fn end(&mut self, judge: &mut ScanJudge) {
        if let Some((src, proto)) = self.of {
            let mut class = None;
            if judge.looks_at(src.ip(), self.failed, self.unasked) {
                if !self.is_large {
                    self.build(judge);
                }
                class = judge.source(&self.builder.end());
            }
            // What a large source did in vain is more than a member of a group would, and more than a slow
            // scan; one that was named for what it is needs no company.
            if !self.is_large && self.failed > 0 && class.is_none_or(|class| class == DARK.name) {
                self.members.add(&self.kept);
            }
            if !self.is_large && (self.failed > 0 || judge.remembers(src.ip(), proto)) {
                judge.slow(&self.kept, class.is_some());
            }
        }
        self.kept.clear();
        (self.is_large, self.failed, self.unasked) = (false, 0, 0);
    }
}
