//! The filter language: which flows an expression means, in the words of tcpdump and nfdump.
//!
//! nfgrep(1) is the contract. An expression is cut into tokens, read into a tree and compiled into a
//! [`Filter`]: a row of tests, each of which knows where to go on if it holds and where if not, as
//! BPF does it. What stands beside an expression, such as the networks inside, is a [`Context`]. A
//! [`EvidenceQueries`] selects the flows behind findings instead.
#![deny(clippy::indexing_slicing)]

use ipnet::IpNet;

use crate::flow::Flow;

mod batch;
mod error;
mod evidence;
mod names;
mod parse;
mod program;
#[cfg(test)]
mod tests;
mod token;
mod tree;

pub use batch::Chosen;
pub use error::{FilterError, Reason};
pub use evidence::{EvidenceQueries, EvidenceQuery};

use program::Program;

/// The longest expression, in octets. With this and the next two an expression from a file, which
/// may not be one, costs no more memory and no more stack than one can afford.
pub const MAX_LENGTH: usize = 1 << 20;

/// The most terms of an expression. The values of a list are not terms.
pub const MAX_TERMS: usize = 4096;

/// The most parentheses and `not`s around a term.
pub const MAX_DEPTH: usize = 100;

/// What an expression may refer to.
pub struct Context<'a> {
    /// Our networks, for `inside`; `None` if nobody said.
    pub inside: Option<&'a [IpNet]>,
    /// Reads the networks of `in @FILE`, or says why not.
    pub file: &'a mut dyn FnMut(&str) -> Result<Vec<IpNet>, String>,
}

/// A compiled expression.
#[derive(Clone, Debug)]
pub struct Filter(Program);

impl Filter {
    /// Reads an expression.
    ///
    /// # Errors
    /// The first word that cannot stand where it does, and what could.
    pub fn parse(text: &str, context: &mut Context<'_>) -> Result<Filter, FilterError> {
        Ok(Filter(Program::new(parse::parse(text, context)?)))
    }

    /// Whether the flow is one of those that the expression means.
    pub fn matches(&self, flow: &Flow) -> bool {
        self.0.holds(flow)
    }

    /// Chooses those of a batch, at a fraction of what it costs to ask one by one.
    pub fn select(&self, flows: &[Flow], chosen: &mut Chosen) {
        self.0.choose(flows, chosen);
    }
}
