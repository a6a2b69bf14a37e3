//! Lines of a mail.

use std::fmt::{self, Write};

use textwrap::{Options, WordSeparator, WordSplitter, WrapAlgorithm};
use unicode_width::UnicodeWidthStr;

/// The most columns of a line of mail. A Chinese character takes two.
pub(in crate::notice) const WIDTH: usize = 72;

/// Appends a paragraph in lines of at most [`WIDTH`] columns, with `first` before the first line and as many
/// blanks before the others. A word that is too long for a line is cut.
pub(in crate::notice) fn wrap(out: &mut String, first: &str, text: &str) {
    let blanks = " ".repeat(first.width());
    // Chinese has no blanks between words. In other texts an address or a path stays in one piece.
    let has_wide = text.width() > text.chars().count();
    let separator =
        if has_wide { WordSeparator::UnicodeBreakProperties } else { WordSeparator::AsciiSpace };
    let options = Options::new(WIDTH)
        .initial_indent(first)
        .subsequent_indent(&blanks)
        .word_separator(separator)
        .word_splitter(WordSplitter::NoHyphenation)
        .wrap_algorithm(WrapAlgorithm::FirstFit);
    for part in textwrap::wrap(text, options) {
        line(out, format_args!("{}", part.trim_end()));
    }
}

/// Returns a text with blanks behind it, up to so many columns.
pub(in crate::notice) fn columns(text: &str, count: usize) -> String {
    format!("{text}{}", " ".repeat(count.saturating_sub(text.width())))
}

/// Appends a formatted line.
pub(in crate::notice) fn line(out: &mut String, text: fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = out.write_fmt(text);
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn chinese_breaks_between_characters_but_not_before_a_full_stop() {
        let mut out = String::new();
        wrap(&mut out, "1. ", &"檢查這台機器的紀錄檔。".repeat(8));
        assert!(out.lines().count() > 2);
        assert!(out.lines().all(|line| line.width() <= WIDTH && !line.trim().starts_with('。')));
        let mut out = String::new();
        wrap(&mut out, "", &"2001:db8::/32 203.0.113.0/24 a-b ".repeat(9));
        let words: Vec<_> = out.split_whitespace().collect();
        assert!(words.iter().all(|word| ["2001:db8::/32", "203.0.113.0/24", "a-b"].contains(word)));
    }

    proptest! {
        #[test]
        fn wrapped_lines_fit_and_no_character_is_lost(text in "[ -~é張。]{0,400}", first in "[ -]{0,12}") {
            let mut out = String::new();
            wrap(&mut out, &first, &text);
            prop_assert!(out.lines().all(|line| line.width() <= WIDTH));
            let letters = |text: &str| text.split_whitespace().collect::<String>();
            prop_assert_eq!(letters(&out), letters(&format!("{first}{text}")));
        }
    }
}
