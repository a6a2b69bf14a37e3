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

use crate::window::Counter;
use super::detector::Detector;
use super::judge::{Input, is_new, visibility};
use super::paper::AttackerVictim;
use super::site::Site;
use super::verdict::Verdict;
use super::visibility::conclusive;
use crate::conversation::Conversations;
use crate::finding::Finding;
use crate::flow::Flow;
use crate::time::{End, Timestamp, Window};

mod carpet;
mod case;
mod class;
mod event;
mod events;
mod evidence;
mod forged;
mod judge;
mod live;
mod memory;
mod setup;
mod source_traffic;
mod traffic;
mod victims;

pub(super) use class::metrics;
pub use live::AnswersSeen;
pub use memory::Memory;
pub use setup::Setup;

use case::seconds;
use class::CARPET;
use event::Events;
use events::EventWriter;
use evidence::InputProfile;
use judge::FloodJudge;
use live::Live;
use victims::Victims;

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
        let conversations = Conversations::at(site.memory / 2, setup.outside_if.clone());
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

    fn early(&mut self, window: Window) -> io::Result<Vec<Finding>> {
        self.slice(window)
    }

    fn judge(self, end: &End, now: Timestamp) -> io::Result<Verdict<AttackerVictim>> {
        let Flood { site, setup, mut conversations, .. } = self;
        let Input { sampling, active } = Input::take(&mut conversations, end);
        let sampled = sampling.is_sampled();
        let least_sent = setup.least_sent(seconds(end.window));
        let mut writer = EventWriter::new(&site, Events::new(site.memory / 2), least_sent);
        let pairing = conclusive(conversations.visit(sampled, &mut writer)?);
        let events = writer.into_events()?;
        let memory = setup.memory.as_ref().map(RefCell::borrow_mut);
        let view = InputProfile {
            site: &site,
            answers: visibility(pairing, memory.as_deref()),
            sampled,
            live: false,
        };
        let is_new = is_new(memory.as_deref(), end.window, now);
        let mut judge =
            FloodJudge::new(&setup, view, sampling.usual(), end.window, &active, memory);
        judge.is_new = is_new;
        judge.all(events)?;
        Ok(judge.end(pairing))
    }
}

impl FloodJudge<'_> {
    /// Judges all hosts and networks.
    ///
    /// # Errors
    /// A temporary file that cannot be read back.
    fn all(&mut self, events: Events) -> io::Result<()> {
        let mut v4 = Victims::<u32>::new();
        events.rows.v4.sorted(|rows| v4.part(rows, self))?;
        let mut v6 = Victims::<u128>::new();
        events.rows.v6.sorted(|rows| v6.part(rows, self))
    }
}

#[cfg(test)]
mod tests;
