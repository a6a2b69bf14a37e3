//! Limits of an expression. One from a file, which may be no expression at all, must not take more
//! memory or stack than a command can afford.

/// The longest expression, in bytes.
pub const MAX_LENGTH: usize = 1 << 20;

/// The most terms of an expression. The values of a list are not terms.
pub const MAX_TERMS: usize = 4096;

/// The most parentheses and `not`s around a term.
pub const MAX_DEPTH: usize = 100;
