//! Windows: spans of time whose rows are counted together. They open, are cut, and end.
//!
//! The word `state=` in a window's `#end` is what everyone downstream believes: `ok` says that the
//! window was seen whole, so that "no finding" means "no attack". A false `ok` is a false
//! all-clear, so the rules for that word are here and nowhere else. Three kinds of input lead to it:
//!
//! * [`ArrivalWindows`] follow datagrams by their arrival and give the first marks. A window is `ok`
//!   only if the collector listened for all of it and understood a datagram in it.
//! * [`FilteredMarks`] pass marks on when some of the lines between them are left out.
//! * [`Windows`] read flows and marks. They keep a [`Counter`] for each window, and return both
//!   when the window is over. Marked windows may be merged into longer ones; the result is `ok`
//!   only if its parts are `ok` and leave no gap.
//!
//! The rules that all three share: a window that opens and never ends is `cut`; so is one that ends
//! without having been opened, one whose input broke off, and one with more unreadable lines than
//! rows. Nothing turns a `cut` window into an `ok` one. An input without marks gives windows
//! without a state. nfkit-flow(5), "Windows", is the contract.

mod arrival;
mod arrivals;
mod counter;
mod end;
mod filtered;
mod open;
mod parts;
mod range;
mod windows;

pub use arrival::{ArrivalWindow, MissingCounts, SlotReport};
pub use arrivals::{ArrivalWindows, Slot, Transition};
pub use counter::{Counter, Exclusion};
pub use filtered::FilteredMarks;
pub use open::Closed;
pub use range::TimeRange;
pub use windows::{WindowError, Windows};
