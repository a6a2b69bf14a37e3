//! Why an expression cannot be read, and which word of it is to blame.

use std::fmt;
use std::ops::Range;

use super::{MAX_DEPTH, MAX_LENGTH, MAX_TERMS};

/// An expression that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterError {
    /// Line of the word, from 1, where the expression has several.
    pub line: Option<usize>,
    /// Character of the line at which the word begins, from 1.
    pub column: usize,
    /// Length of the word in characters, at least 1.
    pub width: usize,
    /// What is wrong with it.
    pub reason: Reason,
}

/// What is wrong with a word.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// Something else should stand here.
    #[error("expected {expected}, found {found:?}")]
    Expected {
        /// What could stand here.
        expected: &'static str,
        /// What does.
        found: String,
    },
    /// The expression ends too early.
    #[error("the expression ends where {expected} should follow")]
    Ends {
        /// What could follow.
        expected: &'static str,
    },
    /// There is no expression.
    #[error("empty expression; \"any\" means every flow")]
    Empty,
    /// A word that the language does not have.
    #[error("unknown word {found:?}; a term begins with {}", super::names::TERMS)]
    Unknown {
        /// The word.
        found: String,
    },
    /// A bare number with nothing before it to say what it is.
    #[error("{found} is a number of what? Say so: port {found}, proto {found}, if {found}")]
    Bare {
        /// The number.
        found: String,
    },
    /// A name where only addresses can stand.
    #[error("{found:?} is no address; names are not looked up")]
    Name {
        /// The name.
        found: String,
    },
    /// An address that was hidden for publication.
    #[error("{found:?} is masked: analyse first, mask last")]
    Masked {
        /// The address.
        found: String,
    },
    /// A name where only the number of a port can stand.
    #[error("{found:?} is no port; names of services are not looked up, give numbers, 0 to 65535")]
    Service {
        /// The name.
        found: String,
    },
    /// A network with bits set after its prefix.
    #[error("{found} has bits set after its prefix: {meant} is meant?")]
    HostBits {
        /// The network as it was given.
        found: String,
        /// The network that it lies in.
        meant: String,
    },
    /// A number that is too great for what it is compared with.
    #[error("{found} is too great: {what} is at most {most}")]
    Great {
        /// The number.
        found: String,
        /// What it is compared with.
        what: &'static str,
        /// The greatest that there is.
        most: u64,
    },
    /// A range whose end comes before its start.
    #[error("{found} ends before it starts")]
    Backwards {
        /// The range.
        found: String,
    },
    /// Something that cannot be ordered was compared by order.
    #[error("{what} can only be equal or not: = or !=, or in [ ... ]")]
    Order {
        /// What was compared.
        what: &'static str,
    },
    /// Something that other programs' filters know of and a flow line does not say to a filter.
    #[error("{found:?} cannot be asked for: filters see {}", super::names::COLUMNS)]
    NotCarried {
        /// The word.
        found: String,
    },
    /// `inside` without `--inside`.
    #[error("{found} needs to be told what is inside: --inside NETS")]
    Inside {
        /// The word.
        found: String,
    },
    /// The file of `in @FILE` cannot be used.
    #[error("{0}")]
    File(String),
    /// A control character.
    #[error("a control character")]
    Control,
    /// Longer than [`MAX_LENGTH`].
    #[error("longer than {MAX_LENGTH} octets")]
    Long,
    /// More terms than [`MAX_TERMS`].
    #[error(
        "more than {MAX_TERMS} terms; many addresses or ports can be one: in [ ... ], in @FILE"
    )]
    Many,
    /// Deeper than [`MAX_DEPTH`].
    #[error("more than {MAX_DEPTH} parentheses and nots inside each other")]
    Deep,
}

/// Characters of the line that are shown before and behind the word.
const AROUND: usize = 48;

impl FilterError {
    /// An error at the octets `span` of `text`.
    pub(super) fn new(text: &str, span: Range<usize>, reason: Reason) -> FilterError {
        let before = text.get(..span.start).unwrap_or(text);
        let begins = before.rfind('\n').map_or(0, |at| at + 1);
        let several = text.trim_end().contains('\n');
        FilterError {
            line: several.then(|| before.matches('\n').count() + 1),
            column: before.get(begins..).unwrap_or_default().chars().count() + 1,
            width: text.get(span).unwrap_or_default().chars().count().max(1),
            reason,
        }
    }

    /// The line of the expression and, below it, carets that point at the word. A long line is cut
    /// around the word.
    pub fn pointed(&self, text: &str) -> [String; 2] {
        let line = text.lines().nth(self.line.map_or(0, |line| line - 1)).unwrap_or_default();
        let at = self.column - 1;
        let from = at.saturating_sub(AROUND);
        let width = self.width.min(AROUND);
        let dots = |cut: bool| if cut { "..." } else { "" };
        let count = line.chars().count();
        let to = at + width + AROUND;
        // A tab would move the line against its carets.
        let part: String = line.chars().map(|c| if c == '\t' { ' ' } else { c }).collect();
        let part: String = part.chars().skip(from).take(to - from).collect();
        let (before, behind) = (dots(from > 0), dots(to < count));
        let blanks = " ".repeat(before.len() + at - from);
        [format!("{before}{part}{behind}"), format!("{blanks}{}", "^".repeat(width))]
    }
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}, ")?;
        }
        write!(f, "column {}: {}", self.column, self.reason)
    }
}

impl std::error::Error for FilterError {}
