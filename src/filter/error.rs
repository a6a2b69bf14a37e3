//! Errors of an expression: the word that is wrong, and the reason.

use std::fmt;
use std::ops::Range;

use super::limits::{MAX_DEPTH, MAX_LENGTH, MAX_TERMS};

/// An expression that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterError {
    /// Line of the word, from 1, if the expression has several lines.
    pub line: Option<usize>,
    /// Character of the line at which the word begins, from 1.
    pub column: usize,
    /// Length of the word in characters, at least 1.
    pub width: usize,
    /// The reason.
    pub reason: Reason,
}

/// The reason why an expression cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// A word that cannot stand here.
    #[error("expected {expected}, found {found:?}")]
    Expected {
        /// The words that could stand here.
        expected: &'static str,
        /// The word that does.
        found: String,
    },
    /// An expression that ends too early.
    #[error("the expression ends where {expected} should follow")]
    Ends {
        /// The words that could follow.
        expected: &'static str,
    },
    /// An empty expression.
    #[error("empty expression; \"any\" means every flow")]
    Empty,
    /// A word that the language does not have.
    #[error("unknown word {found:?}; a term begins with {}", super::names::TERMS)]
    Unknown {
        /// The word.
        found: String,
    },
    /// A bare number with nothing before it that says its meaning.
    #[error("{found} has no meaning by itself; write port {found}, proto {found} or if {found}")]
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
    #[error("{found:?} is no port; names of services are not looked up; give a number, 0 to 65535")]
    Service {
        /// The name.
        found: String,
    },
    /// A network with bits set after its prefix.
    #[error("{found} has bits set after its prefix; did you mean {meant}?")]
    HostBits {
        /// The network as it was given.
        found: String,
        /// The network that it lies in.
        meant: String,
    },
    /// A number above the range of the value that it is compared with.
    #[error("{found} is too large: {what} is at most {most}")]
    Great {
        /// The number.
        found: String,
        /// The value that the number is compared with.
        what: &'static str,
        /// The largest value.
        most: u64,
    },
    /// A range whose end comes before its start.
    #[error("{found} ends before it starts")]
    Backwards {
        /// The range.
        found: String,
    },
    /// A comparison by order of values that have none.
    #[error("{what} have no order; use = or !=, or in [ ... ]")]
    Order {
        /// The values that were compared.
        what: &'static str,
    },
    /// A word of other programs' filters for a value that filters cannot see in flow lines.
    #[error(
        "{found:?} is not in flow lines as filters read them; they see {}",
        super::names::COLUMNS
    )]
    NotCarried {
        /// The word.
        found: String,
    },
    /// `inside` or `outside` without `--inside`.
    #[error("{found} needs your networks; give --inside NETS")]
    Inside {
        /// The word.
        found: String,
    },
    /// A file of `in @FILE` that cannot be read.
    #[error("{0}")]
    File(String),
    /// A control character.
    #[error("a control character")]
    Control,
    /// An expression longer than [`MAX_LENGTH`].
    #[error("longer than {MAX_LENGTH} bytes")]
    Long,
    /// An expression of more terms than [`MAX_TERMS`].
    #[error(
        "more than {MAX_TERMS} terms; put many addresses or ports into one: in [ ... ], in @FILE"
    )]
    Many,
    /// An expression nested deeper than [`MAX_DEPTH`].
    #[error("more than {MAX_DEPTH} parentheses and nots inside each other")]
    Deep,
}

/// Characters of the line that are shown before and behind the word.
const AROUND: usize = 48;

impl FilterError {
    /// Returns the error of the bytes `span` of `text`.
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

    /// Returns the line of the expression, and a line of carets that point at the word. A long line
    /// is cut around the word.
    pub fn pointed(&self, text: &str) -> [String; 2] {
        let line = text.lines().nth(self.line.map_or(0, |line| line - 1)).unwrap_or_default();
        let at = self.column - 1;
        let from = at.saturating_sub(AROUND);
        let width = self.width.min(AROUND);
        let dots = |cut: bool| if cut { "..." } else { "" };
        let count = line.chars().count();
        let to = at + width + AROUND;
        // A TAB would shift the line against its carets.
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
