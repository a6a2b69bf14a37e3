//! The receiver of a window's conversations.

use std::io;

use super::address::Address;
use super::outcome::Conversation;

/// A receiver of the conversations of a window, pair by pair.
pub trait Visitor {
    /// Takes one conversation. Conversations of the same two hosts and protocol follow each other.
    ///
    /// # Errors
    /// Writing a temporary file fails.
    fn conversation<A: Address>(&mut self, conversation: &Conversation<'_, A>) -> io::Result<()>;
}
