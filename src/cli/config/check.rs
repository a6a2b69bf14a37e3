//! Checks of values that several tables use. A table may have checks of its own.

use crate::cli::args::{parse_duration, parse_net, parse_size};

/// Accepts any text.
///
/// # Errors
/// Never fails.
pub fn any(_: &str) -> Result<(), String> {
    Ok(())
}

/// Accepts a network, or an address alone.
///
/// # Errors
/// A message for the user that says what is wrong.
pub fn network(text: &str) -> Result<(), String> {
    parse_net(text).map(drop)
}

/// Accepts a duration with its unit.
///
/// # Errors
/// A message for the user that says what is wrong.
pub fn duration(text: &str) -> Result<(), String> {
    parse_duration(text).map(drop)
}

/// Accepts a size with its unit.
///
/// # Errors
/// A message for the user that says what is wrong.
pub fn size(text: &str) -> Result<(), String> {
    parse_size(text).map(drop)
}
