//! Cuts an expression into tokens.

use std::ops::Range;

use super::error::{FilterError, Reason};
use super::tree::Compare;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Word,
    /// `@` and a name.
    File,
    Open,
    Close,
    OpenList,
    CloseList,
    Comma,
    Not,
    And,
    Or,
    Compare(Compare),
}

/// A token and the octets of the expression that it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub kind: Kind,
    pub span: Range<usize>,
}

/// Octets that end a word.
const ENDS: &[u8] = b"()[],!=<>&|#";

/// The tokens of an expression; `#` begins a comment.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, FilterError> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(rest) = text.as_bytes().get(at..).filter(|rest| !rest.is_empty()) {
        let (kind, length) = match *rest {
            [b'#', ..] => {
                at += rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len());
                continue;
            }
            [b, ..] if b.is_ascii_whitespace() => {
                at += 1;
                continue;
            }
            [b'(', ..] => (Kind::Open, 1),
            [b')', ..] => (Kind::Close, 1),
            [b'[', ..] => (Kind::OpenList, 1),
            [b']', ..] => (Kind::CloseList, 1),
            [b',', ..] => (Kind::Comma, 1),
            [b'!', b'=', ..] => (Kind::Compare(Compare::Unequal), 2),
            [b'!', ..] => (Kind::Not, 1),
            [b'=', b'=', ..] => (Kind::Compare(Compare::Equal), 2),
            [b'=', ..] => (Kind::Compare(Compare::Equal), 1),
            [b'<', b'=', ..] => (Kind::Compare(Compare::AtMost), 2),
            [b'<', ..] => (Kind::Compare(Compare::Below), 1),
            [b'>', b'=', ..] => (Kind::Compare(Compare::AtLeast), 2),
            [b'>', ..] => (Kind::Compare(Compare::Above), 1),
            [b'&', b'&', ..] => (Kind::And, 2),
            [b'|', b'|', ..] => (Kind::Or, 2),
            [b'&' | b'|', ..] => (Kind::Word, 1),
            // Names of files may hold what would end a word, but not what ends a list or a group.
            [b'@', ..] => (Kind::File, ends(rest, b")],")),
            _ => {
                let length = ends(rest, ENDS);
                (word(text.get(at..at + length).unwrap_or_default()), length)
            }
        };
        let token = Token { kind, span: at..at + length };
        let is_control = |word: &str| word.chars().any(char::is_control);
        if text.get(token.span.clone()).is_none_or(is_control) {
            return Err(FilterError::new(text, token.span, Reason::Control));
        }
        at = token.span.end;
        tokens.push(token);
    }
    Ok(tokens)
}

/// Where a word ends: at white space or one of these.
fn ends(rest: &[u8], at: &[u8]) -> usize {
    let end = rest.iter().position(|b| b.is_ascii_whitespace() || at.contains(b));
    end.unwrap_or(rest.len())
}

/// Words that are operators.
fn word(text: &str) -> Kind {
    match text.to_ascii_lowercase().as_str() {
        "not" => Kind::Not,
        "and" => Kind::And,
        "or" => Kind::Or,
        "eq" => Kind::Compare(Compare::Equal),
        "ne" => Kind::Compare(Compare::Unequal),
        "lt" => Kind::Compare(Compare::Below),
        "le" => Kind::Compare(Compare::AtMost),
        "gt" => Kind::Compare(Compare::Above),
        "ge" => Kind::Compare(Compare::AtLeast),
        _ => Kind::Word,
    }
}
