//! Scanners: sources whose attempts at many hosts or ports mostly fail.
//!
//! The window's flows are assembled to conversations. Each (host, port) that a source tried to reach is an
//! attempt that worked or failed (`attempt::Attempt`). The attempts are sorted by source, and become the
//! `Evidence` of one source after the other, of which the classes of scans (`class::CLASSES`) take their
//! measures. The paper's own rule is in [`super::paper`].

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;

use super::detector::Detector;
use super::judge::{Input, JudgeContext, is_new, knows_dark, visibility};
use super::paper::Subnet;
use super::site::Site;
use super::verdict::Verdict;
use super::visibility::conclusive;
use crate::conversation::Conversations;
use crate::finding::Kind;
use crate::flow::Flow;
use crate::time::{End, Timestamp};
use crate::window::Counter;

mod acquaintance;
mod answers;
mod attempt;
mod attempts;
mod case;
mod class;
mod evidence;
mod group;
mod judge;
mod listed;
mod memory;
mod setup;
mod sources;

pub(super) use class::{SURVEY, metrics};
pub use memory::Memory;
pub use setup::Setup;

use attempts::{AttemptWriter, HostsInUse, Written};
use case::ScanFacts;
use judge::ScanJudge;
use listed::ListedWriter;
use sources::Sources;

/// The detector of scanners: the conversations of a window, whose sources it judges.
#[derive(Debug)]
pub struct Scan {
    site: Arc<Site>,
    setup: Rc<Setup>,
    conversations: Conversations,
}

impl Scan {
    /// Returns an empty window.
    pub fn new(site: Arc<Site>, setup: Rc<Setup>) -> Scan {
        let conversations = Conversations::new(site.memory / 2);
        Scan { site, setup, conversations }
    }
}

impl Counter for Scan {
    fn add(&mut self, flows: &[Flow]) -> io::Result<()> {
        self.conversations.add(flows, &self.site.inside)
    }
}

impl Detector for Scan {
    type Row = Subnet;

    fn judge(self, end: &End, now: Timestamp) -> io::Result<Verdict<Subnet>> {
        let Scan { site, setup, mut conversations } = self;
        let Input { sampling, active } = Input::take(&mut conversations, end);
        let sampled = sampling.is_sampled();
        let memory = setup.memory.as_ref().map(RefCell::borrow_mut);
        // One sampled window does not show all addresses in use, but many of them do.
        let is_complete = !sampled || memory.as_ref().is_some_and(|memory| memory.is_warm());
        let knows_dark = knows_dark(&site, &active, is_complete);
        let hosts = HostsInUse {
            inside: knows_dark.then_some(&site.inside),
            active: &active,
            memory: memory.as_deref(),
            window: end.window,
        };
        let feeds = setup.feeds.borrow();
        let listed = (!feeds.is_empty())
            .then(|| ListedWriter::new(&feeds, setup.feed_any, &site, site.memory / 8));
        let memory_left = site.memory / 2 - listed.as_ref().map_or(0, |_| site.memory / 8);
        let mut writer = AttemptWriter::new(&site, memory_left, hosts, sampled, listed);
        let pairing = conclusive(conversations.visit(sampled, &mut writer)?);
        let Written { attempts, listed, outage } = writer.end();
        let context = JudgeContext {
            kind: Kind::Scan,
            site: &site,
            limits: &setup.limits,
            window: end.window,
            visibility: visibility(pairing, memory.as_deref()),
            sampled,
        };
        let is_new = is_new(memory.as_deref(), end.window, now);
        let facts = ScanFacts { knows_dark, outage };
        let mut judge = ScanJudge::new(context, &setup.survey, facts, memory, is_new);
        let mut v4 = Sources::<u32>::new();
        attempts.v4.sorted(|rows| v4.partition(rows, &mut judge))?;
        let mut v6 = Sources::<u128>::new();
        attempts.v6.sorted(|rows| v6.partition(rows, &mut judge))?;
        if let Some(listed) = listed {
            listed
                .v4
                .sorted(|rows| listed::partition::<u32>(rows, &feeds, |host| judge.listed(host)))?;
            listed.v6.sorted(|rows| {
                listed::partition::<u128>(rows, &feeds, |host| judge.listed(host))
            })?;
        }
        Ok(judge.end(&active, pairing))
    }
}

#[cfg(test)]
mod tests;
