//! The surroundings of an expression.

use ipnet::IpNet;

/// Things that an expression may refer to.
pub struct Context<'a> {
    /// The site's networks, for `inside`; `None` if the user named none.
    pub inside: Option<&'a [IpNet]>,
    /// Reads the networks of `in @FILE`, or returns the reason why it cannot.
    pub file: &'a mut dyn FnMut(&str) -> Result<Vec<IpNet>, String>,
}
