//! Cuts an expression into tokens.

use std::ops::Range;

use super::error::{FilterError, Reason};
use super::tree::Compare;

/// The kind of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenKind {
    Word,
    /// `@` and the name of a file.
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

/// A token, with its place in the expression in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub kind: TokenKind,
    pub span: Range<usize>,
}

/// Bytes that end a word.
const ENDS: &[u8] = b"()[],!=<>&|#";

/// Cuts an expression into tokens; `#` begins a comment.
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
            [b'(', ..] => (TokenKind::Open, 1),
            [b')', ..] => (TokenKind::Close, 1),
            [b'[', ..] => (TokenKind::OpenList, 1),
            [b']', ..] => (TokenKind::CloseList, 1),
            [b',', ..] => (TokenKind::Comma, 1),
            [b'!', b'=', ..] => (TokenKind::Compare(Compare::Unequal), 2),
            [b'!', ..] => (TokenKind::Not, 1),
            [b'=', b'=', ..] => (TokenKind::Compare(Compare::Equal), 2),
            [b'=', ..] => (TokenKind::Compare(Compare::Equal), 1),
            [b'<', b'=', ..] => (TokenKind::Compare(Compare::AtMost), 2),
            [b'<', ..] => (TokenKind::Compare(Compare::Below), 1),
            [b'>', b'=', ..] => (TokenKind::Compare(Compare::AtLeast), 2),
            [b'>', ..] => (TokenKind::Compare(Compare::Above), 1),
            [b'&', b'&', ..] => (TokenKind::And, 2),
            [b'|', b'|', ..] => (TokenKind::Or, 2),
            [b'&' | b'|', ..] => (TokenKind::Word, 1),
            // The name of a file may hold bytes that would end a word, but not those that end a
            // list or a group.
            [b'@', ..] => (TokenKind::File, ends(rest, b")],")),
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

/// Returns the length of a word, which ends at white space or one of the bytes `at`.
fn ends(rest: &[u8], at: &[u8]) -> usize {
    let end = rest.iter().position(|b| b.is_ascii_whitespace() || at.contains(b));
    end.unwrap_or(rest.len())
}

/// Returns the kind of a word, which may be an operator.
fn word(text: &str) -> TokenKind {
    match text.to_ascii_lowercase().as_str() {
        "not" => TokenKind::Not,
        "and" => TokenKind::And,
        "or" => TokenKind::Or,
        "eq" => TokenKind::Compare(Compare::Equal),
        "ne" => TokenKind::Compare(Compare::Unequal),
        "lt" => TokenKind::Compare(Compare::Below),
        "le" => TokenKind::Compare(Compare::AtMost),
        "gt" => TokenKind::Compare(Compare::Above),
        "ge" => TokenKind::Compare(Compare::AtLeast),
        _ => TokenKind::Word,
    }
}
