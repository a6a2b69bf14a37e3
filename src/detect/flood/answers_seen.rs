//! The answers that the slices of an open window and those of earlier windows showed.

use super::events::SliceAnswers;
use crate::conversation::PairedFlows;
use crate::detect::visibility::{self, Visibility};

/// Weight of the pairing of earlier windows, in long flows.
const KEPT_FLOWS: u64 = 20;

/// Knowledge about which answers are exported, over this window and those before.
#[derive(Clone, Copy, Debug, Default)]
pub struct AnswersSeen {
    paired: PairedFlows,
    /// True if some request was seen with its answer.
    has_any: bool,
    /// True if most answers come in a later slice than their requests.
    is_delayed: bool,
}

impl AnswersSeen {
    /// Adds the answers of a slice.
    pub(super) fn add(&mut self, paired: PairedFlows, answers: &SliceAnswers) {
        self.paired.long_flows += paired.long_flows;
        self.paired.paired += paired.paired;
        self.has_any |= answers.has_any;
        self.is_delayed = answers.with_request.is_outage().unwrap_or(self.is_delayed);
    }

    /// Returns what the next window begins with: the pairing with so little weight that the next window's own
    /// soon counts more.
    pub(super) fn for_next_window(&self) -> AnswersSeen {
        let PairedFlows { long_flows, paired } = self.paired;
        let paired = match visibility::conclusive(self.paired) {
            Some(_) => {
                let paired = paired * KEPT_FLOWS / long_flows.max(1);
                PairedFlows { long_flows: KEPT_FLOWS, paired }
            }
            None => self.paired,
        };
        AnswersSeen { paired, ..*self }
    }

    /// Returns the directions that are exported. `remembered` is the pairing of the state file, for an input
    /// that has not shown enough itself.
    ///
    /// Until the first answer, and while answers come later than the slice of their requests, the input
    /// counts as one direction only. Otherwise every busy server would seem flooded.
    pub(super) fn visibility(&self, remembered: Option<PairedFlows>) -> Visibility {
        let known = visibility::conclusive(self.paired).or(remembered);
        if self.is_delayed || (known.is_none() && !self.has_any) {
            Visibility::OneWay
        } else {
            Visibility::of(known)
        }
    }
}
