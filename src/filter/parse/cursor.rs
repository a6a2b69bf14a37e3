//! The cursor of the parser: the tokens of an expression, one after the other.

use crate::filter::context::Context;
use crate::filter::error::{FilterError, Reason};
use crate::filter::token::{Token, TokenKind};
use crate::filter::tree::{Compare, Direction, Term};

/// The result of a step of the parser.
pub(super) type Result<T> = std::result::Result<T, FilterError>;

/// The kind of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ValueKind {
    Host,
    Net,
    Port,
    Interface,
    Proto,
    Exporter,
}

/// The words before a value. A value without them takes those of the value before it.
#[derive(Clone, Debug)]
pub(super) struct Qualifier {
    /// A term that must hold as well: `tcp` in `tcp port 80`.
    pub guard: Option<Term>,
    pub direction: Direction,
    pub kind: ValueKind,
}

/// The state of a parser.
pub(super) struct Parser<'a, 'b> {
    pub text: &'a str,
    pub tokens: Vec<Token>,
    /// The place of the next token.
    pub at: usize,
    pub context: &'a mut Context<'b>,
    /// Parentheses and `not`s around the next term.
    pub depth: usize,
    /// Terms so far.
    pub terms: usize,
    /// The words before the last value, which a bare value takes.
    pub last: Option<Qualifier>,
}

impl Parser<'_, '_> {
    /// Returns the next token.
    pub fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    /// Takes the next token if it is of this kind, and returns true then.
    pub fn take(&mut self, kind: TokenKind) -> bool {
        let is_next = self.peek().is_some_and(|token| token.kind == kind);
        self.at += usize::from(is_next);
        is_next
    }

    /// Takes the next token if it is a comparison.
    pub fn compare(&mut self) -> Option<Compare> {
        let Some(Token { kind: TokenKind::Compare(compare), .. }) = self.peek() else {
            return None;
        };
        let compare = *compare;
        self.at += 1;
        Some(compare)
    }

    /// Returns the word at a place in lower case, without the backslash that tcpdump needs before
    /// some words; `None` if no word is there.
    pub fn word_at(&self, at: usize) -> Option<String> {
        let token = self.tokens.get(at).filter(|token| token.kind == TokenKind::Word)?;
        let word = self.text.get(token.span.clone())?;
        Some(word.strip_prefix('\\').unwrap_or(word).to_ascii_lowercase())
    }

    /// Returns the next token if it is a word, as [`Parser::word_at`] does.
    pub fn word(&self) -> Option<String> {
        self.word_at(self.at)
    }

    /// Returns true if the next token begins a list or a file, as it can after `in`.
    pub fn list_follows(&self) -> bool {
        self.peek().is_some_and(|token| matches!(token.kind, TokenKind::OpenList | TokenKind::File))
    }

    /// Returns true if addresses follow, and no other word.
    pub fn value_follows(&self) -> bool {
        match self.peek().map(|token| token.kind) {
            Some(TokenKind::Compare(_)) => true,
            Some(TokenKind::Word) => self.word().is_some_and(|word| {
                let next = self.tokens.get(self.at + 1).map(|token| token.kind);
                let is_list = matches!(next, Some(TokenKind::OpenList | TokenKind::File));
                is_value(&word) || (word == "in" && is_list)
            }),
            _ => false,
        }
    }

    /// Takes the next token if it is the word `in`, and returns true then.
    pub fn takes_in(&mut self) -> bool {
        let is_in = self.word().as_deref() == Some("in");
        self.at += usize::from(is_in);
        is_in
    }

    /// Returns the text of the next token, at most 60 characters, for a message.
    pub fn found(&self) -> String {
        let text = self.peek().and_then(|token| self.text.get(token.span.clone()));
        text.unwrap_or_default().chars().take(60).collect()
    }

    /// Returns the error of a next token that cannot stand there.
    pub fn refused(&self, expected: &'static str) -> FilterError {
        match self.peek() {
            Some(_) => self.wrong(Reason::Expected { expected, found: self.found() }),
            None => self.wrong(Reason::Ends { expected }),
        }
    }

    /// Returns an error that points at the next token, or behind the last one.
    pub fn wrong(&self, reason: Reason) -> FilterError {
        let end = self.tokens.last().map_or(0, |token| token.span.end);
        let span = self.peek().map_or(end..end, |token| token.span.clone());
        FilterError::new(self.text, span, reason)
    }
}

/// Returns true if a word looks like a number or an address.
pub(super) fn is_value(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_digit()) || word.contains(':')
}
