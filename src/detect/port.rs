//! Attacks on one port: worms, password guessing, spam, and hosts that were infected.
//!
//! The window's flows are assembled to conversations. The attempts of clients at each port of a server are rows
//! by source (`attempt::Attempt`). Sorted, they become the `evidence::Evidence` of one source and port after the
//! other, of which the classes (`class::CLASSES`) take their measures. The paper's own rule is in
//! [`super::paper`].

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;

use super::detector::Detector;
use super::judge::{Input, JudgeContext, is_new, knows_dark, visibility};
use super::site::Site;
use super::verdict::Verdict;
use super::visibility::conclusive;
use crate::conversation::{Address, Conversations};
use crate::finding::Kind;
use crate::flow::Flow;
use crate::table::Sorted;
use crate::time::{End, Timestamp};
use crate::window::Counter;

mod attempt;
mod attempts;
mod class;
mod evidence;
mod guessing;
mod judge;
mod memory;
mod setup;
mod swarm;

pub(super) use class::metrics;
pub use memory::Memory;
pub use setup::Setup;

use attempt::Attempt;
use attempts::{AttemptWriter, Written};
use evidence::Builder;
use judge::{AttemptSums, PortJudge};
use swarm::DarkHits;

/// Attempts of one source at one port that are kept until it is known whether to judge them: most are not
/// judged. Beyond them, the evidence is built as attempts are read.
const KEPT: usize = 4096;

/// The detector of attacks on ports: the conversations of a window, whose clients it judges.
#[derive(Debug)]
pub struct Port {
    site: Arc<Site>,
    setup: Rc<Setup>,
    conversations: Conversations,
}

impl Port {
    /// Returns an empty window.
    pub fn new(site: Arc<Site>, setup: Rc<Setup>) -> Port {
        let conversations = Conversations::new(site.memory / 2);
        Port { site, setup, conversations }
    }
}

impl Counter for Port {
    fn add(&mut self, flows: &[Flow]) -> io::Result<()> {
        self.conversations.add(flows, &self.site.inside)
    }
}

impl Detector for Port {
    /// Figure 5 consists of the findings themselves.
    type Row = ();

    fn judge(self, end: &End, now: Timestamp) -> io::Result<Verdict<()>> {
        let Port { site, setup, mut conversations } = self;
        let Input { sampling, active } = Input::take(&mut conversations, end);
        let sampled = sampling.is_sampled();
        let knows_dark = knows_dark(&site, &active, !sampled);
        let mut writer =
            AttemptWriter::new(&site, site.memory / 2, &active, knows_dark, end.window);
        let pairing = conclusive(conversations.visit(sampled, &mut writer)?);
        let Written { attempts, logins, mail, outage } = writer.end();
        let memory = setup.memory.as_ref().map(RefCell::borrow_mut);
        let context = JudgeContext {
            kind: Kind::Port,
            site: &site,
            limits: &setup.limits,
            window: end.window,
            visibility: visibility(pairing, memory.as_deref()),
            sampled,
        };
        let is_new = is_new(memory.as_deref(), end.window, now);
        let mut judge = PortJudge::new(context, outage, mail, memory, is_new);
        attempts.v4.sorted(|rows| partition::<u32>(rows, &mut judge))?;
        attempts.v6.sorted(|rows| partition::<u128>(rows, &mut judge))?;
        logins.v4.sorted(|rows| guessing::partition::<u32>(rows, |host| judge.guessed(host)))?;
        logins.v6.sorted(|rows| guessing::partition::<u128>(rows, |host| judge.guessed(host)))?;
        Ok(judge.end(pairing))
    }
}

/// Judges all sources of a partition, port by port.
fn partition<A: Address>(rows: &mut Sorted<'_, A::Row>, judge: &mut PortJudge) -> io::Result<()> {
    let mut next = rows.next_row()?.map(|row| Attempt::<A>::unpack(&row));
    let mut kept: Vec<Attempt<A>> = Vec::new();
    while let Some(first) = next {
        let mut builder: Option<Builder<A>> = None;
        let mut sums = AttemptSums::default();
        let mut hits = DarkHits::NONE;
        let mut last = None;
        kept.clear();
        while let Some(attempt) = next.filter(|attempt| attempt.is_same_scope(&first)) {
            let attempt = judge.counted(attempt);
            sums.add(&attempt, last != Some(attempt.dst));
            hits.add(&attempt);
            last = Some(attempt.dst);
            match &mut builder {
                Some(builder) => builder.add(&attempt),
                None => {
                    kept.push(attempt);
                    if kept.len() == KEPT {
                        builder = Some(judge.build(&kept, &first));
                    }
                }
            }
            next = rows.next_row()?.map(|row| Attempt::unpack(&row));
        }
        judge.swarm(&first, &hits);
        judge.spoke(&first, sums);
        if judge.looks_at(&first, sums) {
            let builder = builder.unwrap_or_else(|| judge.build(&kept, &first));
            judge.source(builder.end());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
