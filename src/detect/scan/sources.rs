//! Reads sorted attempts: networks of sources, their sources, and each source by protocol.

use std::io;

use super::attempt::{ACCEPTED, Attempt, FAILED, PROTOCOLS, REJECTED, REPEATED, WORKED};
use super::class::dark::DARK;
use super::class::lateral::is_login_port;
use super::evidence::{Builder, LoginPorts};
use super::group::Members;
use super::judge::ScanJudge;
use crate::conversation::Address;
use crate::detect::spoke::MAX_PORTS;
use crate::detect::visibility::Visibility;
use crate::flow::{TCP, UDP};
use crate::table::Sorted;

/// Attempts of one source that are kept until it is known whether to judge it: most sources are not judged.
/// Beyond them, the evidence is built as attempts are read.
const KEPT: usize = 4096;

/// The most web servers of one source that are kept, to excuse failed QUIC.
const MAX_WEB: usize = 1 << 20;

/// The port of HTTPS. Browsers try QUIC (RFC 9114) where they have a TCP connection, and many firewalls drop it.
const QUIC: u16 = 443;

/// A reader of sorted attempts, which passes one source after the other to a judge.
pub(super) struct Sources<A> {
    builder: Builder<A>,
    /// The source and protocol of the attempts that are being read.
    current: Option<(A, u8)>,
    kept: Vec<Attempt<A>>,
    /// True if `kept` was too small for this source.
    is_large: bool,
    /// Failed attempts of the source.
    failed: usize,
    /// Unsolicited replies of the source.
    unsolicited: usize,
    /// Login ports of other inside hosts that an inside source came to.
    login_ports: LoginPorts,
    /// Some ports at which the source completed a TCP conversation.
    spoken: Vec<u16>,
    /// Hosts at which a web connection of the source worked, sorted.
    web: Vec<A>,
    members: Members<A>,
}

impl<A: Address> Sources<A> {
    pub(super) fn new() -> Sources<A> {
        Sources {
            builder: Builder::new(),
            current: None,
            kept: Vec::new(),
            is_large: false,
            failed: 0,
            unsolicited: 0,
            login_ports: LoginPorts::default(),
            spoken: Vec::new(),
            web: Vec::new(),
            members: Members::new(),
        }
    }

    /// Judges all sources of a partition.
    ///
    /// # Errors
    /// A temporary file that cannot be read back.
    pub(super) fn partition(
        &mut self,
        rows: &mut Sorted<'_, A::Row>,
        judge: &mut ScanJudge,
    ) -> io::Result<()> {
        let mut pending: Option<Attempt<A>> = None;
        while let Some(row) = rows.next_row()? {
            let attempt = Attempt::<A>::unpack(&row);
            let source = Some((attempt.src, attempt.proto));
            match &mut pending {
                Some(last) if self.current == source && last.is_same(&attempt) => {
                    last.merge(&attempt);
                }
                _ => {
                    pending.into_iter().for_each(|done| self.attempt(done, judge));
                    if self.current != source {
                        self.end(judge);
                        self.begin(attempt.src, attempt.proto, judge);
                    }
                    pending = Some(attempt);
                }
            }
        }
        pending.into_iter().for_each(|done| self.attempt(done, judge));
        self.end(judge);
        self.end_net(judge);
        self.current = None;
        Ok(())
    }

    fn begin(&mut self, src: A, proto: u8, judge: &mut ScanJudge) {
        let last = self.current.map(|(src, _)| src);
        if last.is_some_and(|last| last.net() != src.net()) {
            self.end_net(judge);
        }
        if last != Some(src) {
            self.web.clear();
        }
        self.current = Some((src, proto));
    }

    fn attempt(&mut self, mut attempt: Attempt<A>, judge: &mut ScanJudge) {
        let is_habit = attempt.has(ACCEPTED) && judge.is_habit(&attempt);
        if attempt.has(REPEATED) || is_habit {
            attempt.bits &= !FAILED;
        }
        if attempt.proto == TCP && attempt.port == QUIC && attempt.has(WORKED) {
            if self.web.len() < MAX_WEB {
                self.web.push(attempt.dst);
            }
        } else if attempt.proto == UDP && attempt.port == QUIC && attempt.is_failed() {
            // TCP sorts before UDP, and the attempts of one protocol by their targets.
            if self.web.binary_search(&attempt.dst).is_ok() {
                attempt.bits &= !FAILED;
            }
        }
        if attempt.proto == TCP && is_login_port(attempt.port) && !attempt.unsolicited {
            let is_known = judge.is_acquainted(&attempt);
            let is_refused = attempt.is_failed() && attempt.has(REJECTED) && !attempt.has(ACCEPTED);
            self.login_ports.refused += u64::from(is_refused && !is_known);
            self.login_ports.let_in +=
                u64::from(attempt.has(WORKED) && judge.is_among_inside(&attempt));
        }
        if attempt.spoke && self.spoken.len() < MAX_PORTS && !self.spoken.contains(&attempt.port) {
            self.spoken.push(attempt.port);
        }
        self.failed += usize::from(attempt.is_failed());
        self.unsolicited += usize::from(attempt.unsolicited);
        if self.is_large {
            self.builder.add(&attempt, streams_work(judge));
            return;
        }
        self.kept.push(attempt);
        if self.kept.len() == KEPT {
            self.is_large = true;
            self.build(judge);
        }
    }

    /// Builds the evidence of the attempts that were kept.
    fn build(&mut self, judge: &ScanJudge) {
        if let Some((src, proto)) = self.current {
            self.builder.begin(src, proto);
        }
        let streams_work = streams_work(judge);
        self.kept.iter().for_each(|attempt| self.builder.add(attempt, streams_work));
    }

    /// Judges the current source.
    fn end(&mut self, judge: &mut ScanJudge) {
        if let Some((src, proto)) = self.current {
            let mut class = None;
            if judge.looks_at(src.ip(), self.failed, self.unsolicited) {
                if !self.is_large {
                    self.build(judge);
                }
                class = judge.source(&self.builder.end(self.login_ports));
            }
            // A large source has more failures than a member of a group or a slow scanner would. One that is
            // flagged for a class of its own needs no group.
            let has_ports = proto != PROTOCOLS;
            if has_ports
                && !self.is_large
                && self.failed > 0
                && class.is_none_or(|class| class == DARK.name)
            {
                self.members.add(&self.kept);
            }
            if has_ports && !self.is_large && (self.failed > 0 || judge.remembers(src.ip(), proto))
            {
                judge.slow(&self.kept, class.is_some());
            }
            if self.failed > 0 || judge.remembers(src.ip(), proto) || judge.is_inside(src) {
                judge.spoke(src.ip(), &self.spoken);
            }
        }
        self.kept.clear();
        self.login_ports = LoginPorts::default();
        self.spoken.clear();
        (self.is_large, self.failed, self.unsolicited) = (false, 0, 0);
    }

    /// Judges the sources of the current network as a group.
    fn end_net(&mut self, judge: &mut ScanJudge) {
        let groups = self.members.groups(judge.group_floor());
        judge.end_net(groups, |proto, sources| self.members.carpet(proto, sources));
        self.members.clear();
    }
}

/// Returns true if traffic in one direction shows that the target exists, because only one is exported.
fn streams_work(judge: &ScanJudge) -> bool {
    judge.context.visibility == Visibility::OneWay
}
