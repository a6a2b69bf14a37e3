//! Floods that are reported while their window is open: every ten seconds of the flows' own time.
//!
//! The end of a window judges all of its flows, whatever was reported before. Meanwhile each slice is put
//! together by itself, and only events that may yet become a flood are carried over into the next slice:
//! those of hosts and networks that got enough failed attempts or unanswered packets. So a slice costs as
//! much as its own flows, not as much as the window. A flood is reported at the end of the first slice at
//! which the traffic so far passes the limits of the whole window.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use foldhash::fast::RandomState;

use super::answers_seen::AnswersSeen;
use super::carpet::{CARPET, LARGE_PACKETS};
use super::carry_over::{AlreadyReported, CarryOver};
use super::class::{DDOS, DOS, REFLECTION, VOLUME};
use super::clock::{Clock, SLICE};
use super::event::Events;
use super::events::EventWriter;
use super::input_profile::{InputProfile, reports};
use super::judge::FloodJudge;
use super::setup::Setup;
use super::victims::judge_all;
use crate::conversation::Conversations;
use crate::detect::judge::Remembers;
use crate::detect::site::Site;
use crate::finding::{Finding, UNKNOWN_SECONDS};
use crate::flow::{Flow, Networks};
use crate::time::Window;

/// Part of a limit, 1 in N, from which a host is carried over to the next slice. Limits are for ten minutes,
/// which are 60 slices: a steady flood has a 60th of its limit in each, and 1 in 100 leaves some room.
const PARTS: u64 = 100;

/// Part of the memory that each slice gets for its flows, and for the events that are carried over: 1 in N.
const MEMORY_SHARE: u64 = 8;

/// Carried rows that may be judged again for each flow that came since they were last judged. So the time for
/// a file stays in proportion to its flows, even if its window is a day.
const ROWS_PER_FLOW: u64 = 8;
/// Number of carried rows below which judging them at every slice is cheap.
const FEW_ROWS: u64 = 1 << 16;
/// Time between two judgements after which a slice is judged anyway, so that an operator who watches a live
/// stream does not wait.
const PATIENCE: Duration = Duration::from_secs(1);

/// The state of an open window.
#[derive(Debug)]
pub(super) struct Live {
    clock: Clock,
    pub slice: Conversations,
    /// Events of earlier slices.
    carried: Events,
    reported: AlreadyReported,
    /// Conversations that hosts served in earlier slices.
    served: HashMap<IpAddr, u32, RandomState>,
    answers: AnswersSeen,
    /// Number of rows that were carried over.
    rows: u64,
    /// Number of flows since a slice was last judged.
    flows: u64,
    /// The caller's time when a slice was last judged.
    judged: Option<Duration>,
}

impl Live {
    pub(super) fn new(site: &Site, setup: &Setup) -> Live {
        let memory = site.memory / MEMORY_SHARE;
        Live {
            clock: Clock::default(),
            slice: Conversations::with_outside_interfaces(memory, setup.outside_if.clone()),
            carried: Events::new(memory),
            reported: AlreadyReported::default(),
            served: HashMap::default(),
            // The answers of the window before count until this one has shown enough.
            answers: setup.answers_seen.get().for_next_window(),
            rows: 0,
            flows: 0,
            judged: None,
        }
    }

    /// Returns true if it is time to judge a slice that has ended: enough flows came for the rows that were
    /// carried over, or the last judgement is long enough ago.
    fn is_due(&self, now: Duration) -> bool {
        self.rows < FEW_ROWS
            || self.flows.saturating_mul(ROWS_PER_FLOW) >= self.rows
            || self.judged.is_none_or(|judged| now.saturating_sub(judged) >= PATIENCE)
    }

    /// Adds flows to the slice.
    ///
    /// # Errors
    /// Writing a temporary file fails.
    pub(super) fn add(&mut self, flows: &[Flow]) -> io::Result<()> {
        self.clock.add(flows);
        self.flows += flows.len() as u64;
        // No inside networks: the window itself collects the active hosts.
        self.slice.add(flows, &Networks::default())
    }

    /// Judges the slice if it has ended and is due. Returns the floods that were not reported before.
    ///
    /// `whole` is the window so far, and `now` a monotonic time.
    ///
    /// # Errors
    /// Reading or writing a temporary file fails.
    pub(super) fn judge_slice(
        &mut self,
        site: &Site,
        setup: &Setup,
        whole: &Conversations,
        window: Window,
        now: Duration,
    ) -> io::Result<Vec<Finding>> {
        if !self.clock.ends_slice(window) || !self.is_due(now) {
            return Ok(Vec::new());
        }
        (self.flows, self.judged) = (0, Some(now));
        let (sampled, sampling) = (whole.sampling().is_sampled(), whole.sampling().usual());
        let memory = site.memory / MEMORY_SHARE;
        let mut next = Conversations::with_outside_interfaces(memory, setup.outside_if.clone());
        // A rate is over the whole window, not over a slice.
        next.rate_over(super::case::seconds(Some(window)));
        let slice = std::mem::replace(&mut self.slice, next);
        let events = std::mem::replace(&mut self.carried, Events::new(memory));
        let seconds = SLICE / 1000;
        let mut writer = EventWriter::new(site, events, setup.least_sent(seconds), seconds).live();
        let paired = slice.visit(sampled, &mut writer)?;
        if let Some(answers) = writer.slice_answers() {
            self.answers.add(paired, answers);
            setup.answers_seen.set(self.answers);
        }
        let memory = setup.memory.as_ref().map(RefCell::borrow_mut);
        let remembered = memory.as_ref().and_then(|memory| memory.pairing());
        let answers = self.answers.visibility(remembered);
        let input = InputProfile {
            site,
            answers,
            sampled,
            reports: reports(seconds),
            live: true,
            knows_pairing: false,
        };
        let active = whole.active();
        let mut judge = FloodJudge::new(setup, input, sampling, Some(window), active, memory);
        judge.is_new = false;
        let part = |limit: u64| (limit / PARTS / sampling).max(1);
        // The limit of `volume` is packets per second; all others are packets or flows in ten minutes.
        let volume = setup.least(&VOLUME).saturating_mul(UNKNOWN_SECONDS.into());
        judge.carry = Some(CarryOver {
            next: &mut self.carried,
            reported: &self.reported,
            served: &mut self.served,
            least_failed: part(setup.least(&DOS).min(setup.least(&DDOS))),
            least_packets: part(setup.least(&REFLECTION).min(volume)),
            least_net: part(setup.own(CARPET, LARGE_PACKETS)),
            rows: 0,
            dropped: 0,
        });
        judge_all(writer.into_events()?, &mut judge)?;
        let (rows, dropped) =
            judge.carry.as_ref().map_or((0, 0), |carry| (carry.rows, carry.dropped));
        let findings = judge.end(None).findings;
        setup.forgotten.set(setup.forgotten.get() + dropped);
        findings.iter().for_each(|finding| self.reported.add(finding));
        self.rows = rows;
        Ok(findings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_carried_rows_wait_for_flows_or_for_a_second() {
        let mut live = Live::new(&Site::default(), &Setup::default());
        let at = Duration::from_secs(100);
        assert!(live.is_due(at), "never judged");
        (live.rows, live.flows, live.judged) = (FEW_ROWS, 0, Some(at));
        assert!(!live.is_due(at + Duration::from_millis(999)));
        assert!(live.is_due(at + PATIENCE));
        live.flows = FEW_ROWS / ROWS_PER_FLOW;
        assert!(live.is_due(at), "as many flows as the rows are worth");
        (live.rows, live.flows) = (FEW_ROWS - 1, 0);
        assert!(live.is_due(at), "few rows");
    }
}
