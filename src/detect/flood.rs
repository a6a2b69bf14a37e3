//! Floods: hosts and networks under DoS and DDoS, and the inside hosts that attack others.
//!
//! The window's flows are assembled to conversations. The failed conversations of each host, and those that it
//! initiated or served, are rows by host (`event::Event`). Sorted, they become the `evidence::Evidence` of one
//! host after the other, of which the classes of floods (`class::CLASSES`) take their measures. Floods that are
//! spread over the hosts of a network are found by `carpet`. The paper's own rule is in [`super::paper`].

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::detector::Detector;
use super::judge::{Input, Remembers, is_new, visibility};
use super::paper::AttackerVictim;
use super::site::Site;
use super::verdict::Verdict;
use super::visibility::conclusive;
use crate::conversation::Conversations;
use crate::finding::Finding;
use crate::flow::Flow;
use crate::time::{End, Timestamp, Window};
use crate::window::Counter;

mod answering_nets;
mod answers_seen;
mod bursts;
mod by_proto;
mod carpet;
mod carry_over;
mod case;
mod class;
mod clients;
mod clock;
mod event;
mod events;
mod evidence;
mod failed_attempts;
mod forged;
mod host_summary;
mod input_profile;
mod judge;
mod live;
mod memory;
mod reflected;
mod setup;
mod source_set;
mod source_traffic;
mod traffic_sum;
mod victims;

pub use answers_seen::AnswersSeen;
pub(super) use class::metrics;
pub use memory::Memory;
pub use setup::Setup;

use case::seconds;
use event::Events;
use events::EventWriter;
use input_profile::InputProfile;
use judge::FloodJudge;
use live::Live;
use victims::judge_all;

/// The detector of floods: the conversations of a window, whose hosts it judges.
#[derive(Debug)]
pub struct Flood {
    site: Arc<Site>,
    setup: Rc<Setup>,
    conversations: Conversations,
    live: Option<Live>,
}

impl Flood {
    /// Returns an empty window.
    pub fn new(site: Arc<Site>, setup: Rc<Setup>) -> Flood {
        let live = setup.live.then(|| Live::new(&site, &setup));
        let conversations =
            Conversations::with_outside_interfaces(site.memory / 2, setup.outside_if.clone());
        let mut flood = Flood { site, setup, conversations, live };
        flood.begin(None);
        flood
    }
}

impl Counter for Flood {
    fn begin(&mut self, window: Option<Window>) {
        self.conversations.rate_over(seconds(window));
        if let Some(live) = &mut self.live {
            live.slice.rate_over(seconds(window));
        }
    }

    fn add(&mut self, flows: &[Flow]) -> io::Result<()> {
        if let Some(live) = &mut self.live {
            live.add(flows)?;
        }
        self.conversations.add(flows, &self.site.inside)
    }
}

impl Detector for Flood {
    type Row = AttackerVictim;

    fn early(&mut self, window: Window, now: Duration) -> io::Result<Vec<Finding>> {
        let Flood { site, setup, conversations, live } = self;
        let Some(live) = live else { return Ok(Vec::new()) };
        live.judge_slice(site, setup, conversations, window, now)
    }

    fn judge(self, end: &End, now: Timestamp) -> io::Result<Verdict<AttackerVictim>> {
        let Flood { site, setup, mut conversations, .. } = self;
        let Input { sampling, active } = Input::take(&mut conversations, end);
        let sampled = sampling.is_sampled();
        let least_sent = setup.least_sent(seconds(end.window));
        let events = Events::new(site.memory / 2);
        let mut writer = EventWriter::new(&site, events, least_sent, seconds(end.window));
        if sampled {
            writer = writer.sampled();
        }
        let pairing = conclusive(conversations.visit(sampled, &mut writer)?);
        let answering = writer.take_answering();
        let events = writer.into_events()?;
        let memory = setup.memory.as_ref().map(RefCell::borrow_mut);
        let view = InputProfile {
            site: &site,
            answers: visibility(pairing, memory.as_deref()),
            knows_pairing: pairing
                .or_else(|| memory.as_deref().and_then(Remembers::pairing))
                .is_some(),
            sampled,
            reports: input_profile::reports(seconds(end.window)),
            live: false,
        };
        let is_new = is_new(memory.as_deref(), end.window, now);
        let mut judge =
            FloodJudge::new(&setup, view, sampling.usual(), end.window, &active, memory);
        (judge.is_new, judge.answering) = (is_new, answering);
        judge_all(events, &mut judge)?;
        Ok(judge.end(pairing))
    }
}

#[cfg(test)]
mod tests;
