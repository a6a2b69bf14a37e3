//! Text that is safe to show on a terminal.

use std::fmt::{self, Write as _};

/// Text that may come from the network, made harmless for a terminal: control characters and
/// invisible formatting characters are shown as `\x1b` or `\u{202e}`.
#[derive(Clone, Copy, Debug)]
pub struct Escaped<T>(pub T);

impl<T: fmt::Display> fmt::Display for Escaped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        struct Filter<'a, 'b>(&'a mut fmt::Formatter<'b>);
        impl fmt::Write for Filter<'_, '_> {
            fn write_str(&mut self, text: &str) -> fmt::Result {
                for c in text.chars() {
                    match c {
                        '\n' => self.0.write_str("\\n")?,
                        '\t' => self.0.write_str("\\t")?,
                        '\r' => self.0.write_str("\\r")?,
                        c if c.is_ascii_control() => write!(self.0, "\\x{:02x}", u32::from(c))?,
                        // Control characters above ASCII, and characters that reorder or hide text
                        // (UAX #9).
                        '\u{80}'..='\u{9f}'
                        | '\u{61c}'
                        | '\u{200b}'..='\u{200f}'
                        | '\u{2028}'..='\u{202e}'
                        | '\u{2060}'..='\u{206f}'
                        | '\u{feff}' => write!(self.0, "\\u{{{:x}}}", u32::from(c))?,
                        c => self.0.write_char(c)?,
                    }
                }
                Ok(())
            }
        }
        write!(Filter(f), "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_that_could_move_a_cursor_are_escaped() {
        let text = "a\u{1b}[2J\n\u{202e}gpj.\u{9b}é";
        assert_eq!(Escaped(text).to_string(), "a\\x1b[2J\\n\\u{202e}gpj.\\u{9b}é");
    }
}
