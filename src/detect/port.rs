//! Who is spreading.

mod paper;

pub use paper::{Paper, Rules};

/// The names of the limits that a site can set.
pub(super) fn metrics() -> impl Iterator<Item = &'static str> {
    std::iter::empty()
}
