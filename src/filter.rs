//! The filter language: expressions that select flows, in the words of tcpdump and nfdump.
//!
//! nfgrep(1) is the contract. An expression is cut into tokens, parsed into a tree and compiled
//! into a [`Filter`]: a list of tests, each with a jump for the case that it holds and one for the
//! case that it does not, as in BPF. A [`Context`] has the things that an expression refers to,
//! such as the site's networks. [`EvidenceQueries`] select the flows behind findings instead.
#![deny(clippy::indexing_slicing)]

use crate::flow::Flow;

mod batch;
mod context;
mod error;
mod evidence;
mod limits;
mod names;
mod parse;
mod program;
#[cfg(test)]
mod tests;
mod token;
mod tree;

pub use batch::Chosen;
pub use context::Context;
pub use error::{FilterError, Reason};
pub use evidence::{EvidenceQueries, EvidenceQuery};
pub use limits::{MAX_DEPTH, MAX_LENGTH, MAX_TERMS};

use program::Program;

/// A compiled expression.
#[derive(Clone, Debug)]
pub struct Filter(Program);

impl Filter {
    /// Parses an expression.
    ///
    /// # Errors
    /// The first word that cannot stand where it does, with the words that could.
    pub fn parse(text: &str, context: &mut Context<'_>) -> Result<Filter, FilterError> {
        Ok(Filter(Program::new(parse::parse(text, context)?)))
    }

    /// Returns true if the flow matches the expression.
    pub fn matches(&self, flow: &Flow) -> bool {
        self.0.holds(flow)
    }

    /// Chooses the matching flows of a batch, at a fraction of the cost of testing one by one.
    pub fn select(&self, flows: &[Flow], chosen: &mut Chosen) {
        self.0.choose(flows, chosen);
    }
}
