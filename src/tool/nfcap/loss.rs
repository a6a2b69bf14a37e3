//! Describes datagrams and flows that are missing by the exporters' sequence numbers.

use std::cmp::Reverse;

use crate::capture::{Closing, Followed};
use crate::wire::Domain;

/// Returns the datagrams and flows that an exporter's domain misses, added up.
pub fn missing(followed: &Followed) -> i64 {
    let lost = followed.missing;
    lost.flows.unwrap_or(0).saturating_add(lost.datagrams.unwrap_or(0))
}

/// Describes what a slot misses, `None` if nothing. Datagrams lost before they reached this host
/// are told apart from those dropped here only if all exporters count datagrams, as nfcap does.
pub fn missing_in_slot(closing: &Closing) -> Option<String> {
    let lost = closing.missing;
    let count = |n: Option<i64>| n.and_then(|n| u64::try_from(n).ok()).filter(|&n| n > 0);
    match (count(lost.datagrams), count(lost.flows)) {
        (None, None) => None,
        (None, Some(flows)) => Some(format!("{flows} flows")),
        (Some(datagrams), Some(flows)) => Some(format!("{datagrams} datagrams, {flows} flows")),
        (Some(datagrams), None) if lost.flows.is_some() => Some(format!("{datagrams} datagrams")),
        (Some(datagrams), None) => {
            let before = datagrams - closing.dropped().min(datagrams);
            Some(format!("{datagrams} datagrams, {before} of them lost on the way here"))
        }
    }
}

/// Names the `most` domains that missed most between two states, both sorted by domain: the text
/// begins with a colon, or is empty if nothing is missing.
pub fn worst_domains(before: &[Followed], now: &[Followed], most: usize) -> String {
    let missing_before = |domain: &Domain| {
        let found = before.binary_search_by_key(domain, |followed: &Followed| followed.domain);
        found.ok().and_then(|n| before.get(n)).map_or(0, missing)
    };
    let increase = |followed: &Followed| missing(followed) - missing_before(&followed.domain);
    let mut all: Vec<_> = now.iter().map(|f| (increase(f), f.domain)).collect();
    all.retain(|&(increase, _)| increase > 0);
    all.sort_by_key(|&(increase, domain)| (Reverse(increase), domain));
    all.truncate(most);
    let named: Vec<_> = all
        .iter()
        .map(|(n, domain)| {
            format!("{} {} domain {} ({n})", domain.exporter, domain.version, domain.id)
        })
        .collect();
    if named.is_empty() { String::new() } else { format!(": {}", named.join(", ")) }
}
