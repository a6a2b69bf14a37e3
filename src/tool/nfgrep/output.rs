//! Writes gathered lines to stdout.

use std::io::Write;

use crate::cli::Io;

/// Writes the gathered lines, and leaves none.
///
/// # Errors
/// Fails if stdout cannot be written.
pub(super) fn flush(lines: &mut Vec<u8>, io: &mut Io) -> anyhow::Result<()> {
    if !lines.is_empty() {
        io.out.write_all(lines)?;
        lines.clear();
    }
    Ok(())
}
