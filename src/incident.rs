//! Incidents: what a host does or suffers over as many windows as it lasts, and what is to follow from it.
//!
//! An [`Incident`] is about one host in one role. The [`Machine`] makes incidents of windows with findings,
//! without I/O and without a clock, so that the command that keeps them in a database and the page that has
//! findings alone show the same. [`Policy`] is what the site wants; [`follow()`] and [`clauses()`] say who is
//! to be told, and whether the host may be isolated.
//!
//! Findings come from the network and may be forged. An incident of forged findings may be opened, but
//! everything it holds is bounded, and the clauses of a block ask for more than a forger can show.
#![deny(clippy::indexing_slicing)]

mod clauses;
mod decision;
mod delivery;
mod due;
mod explain;
pub mod export;
mod hours;
mod machine;
mod model;
mod policy;
pub mod store;
mod words;

pub use clauses::{Clause, FRESH, Facts, Mode, all as clauses, standing};
pub use decision::{Person, Refused, claim, ignore, resolve};
pub use delivery::{arrive, delay, settle, settled_row};
pub use due::{Followed, Next, Notice, NoticeState, Step, earliest, follow, next, unmet};
pub use hours::Hours;
pub use machine::{JudgedWindow, MAX_LIVE, Machine, Newest, Outcome, Verdict, wish_text};
pub use model::{
    Body, Changed, Claim, Clean, CloseReason, Deadline, Ignore, Incident, JournalRow, MAX_MATTERS,
    Matter, MatterKey, Peak, State, Subject, Wish, is_for_operator,
};
pub use policy::{Act, BAN_STEPS, Opening, Policy, PortMatch, Rule};
pub use words::{behaviours, what};

#[cfg(test)]
mod tests;
