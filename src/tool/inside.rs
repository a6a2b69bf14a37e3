//! `--inside`: the networks of the site.

use anyhow::Context;
use ipnet::IpNet;

use crate::cli::Nets;

/// Returns the networks of `--inside`; `None` without the option.
///
/// # Errors
/// Fails if the file of networks cannot be read. An empty list is an error too: it would switch off,
/// without a word, all that depends on it.
pub(super) fn load(nets: Option<&Nets>) -> anyhow::Result<Option<Vec<IpNet>>> {
    let Some(nets) = nets else { return Ok(None) };
    let nets = nets.load().context("--inside")?;
    anyhow::ensure!(!nets.is_empty(), "--inside: no network in it");
    Ok(Some(nets))
}
