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

/// Accepts a path of a list, which is given with commas between them.
///
/// # Errors
/// A message for the user that says what is wrong.
pub fn path(text: &str) -> Result<(), String> {
    if text.contains(',') {
        return Err(format!("{text:?} has a comma, which parts the paths of a list"));
    }
    Ok(())
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
