//! The conditions under which the job would be clean for a false reason.

use std::path::Path;

use ipnet::IpNet;

use super::exporters::{Change, ChangeKind, Exporters};
use super::facts::Facts;
use super::health::Health;
use super::names::shown;
use super::slots::Look;
use crate::cli::Io;
use crate::tool::feeds::FeedState;

/// The most exporters that one slot names on stderr.
const NAMED: usize = 20;

/// The fewest flows that show that `--inside` is wrong if none of them has an end inside.
const FLOWS: u64 = 100;

/// Seconds by which an exporter's clock may be off.
pub(super) const CLOCK: u64 = 60;

/// Tells of exporters that fell silent, send data again, or are gone. After a kill, a change that health has
/// already is not told again.
pub(super) fn exporters(changes: &[Change], health: &mut Health, io: &mut Io) {
    let is_news = |change: &&Change| {
        let is_open = health.is_open("exporter-silent", &change.who);
        is_open != (change.kind == ChangeKind::Silent)
    };
    let news: Vec<&Change> = changes.iter().filter(is_news).collect();
    let of = |kind| news.iter().copied().filter(move |change| change.kind == kind);
    let mut lines = Vec::new();
    // If nobody speaks, one line is enough.
    let nobody = of(ChangeKind::Silent).find(|change| change.who == "*");
    match nobody {
        Some(change) => lines.push(change.text.clone()),
        None => lines.extend(told(of(ChangeKind::Silent), "more exporters fell silent")),
    }
    lines.extend(told(of(ChangeKind::Again), "more exporters speak again"));
    lines.extend(told(of(ChangeKind::Gone), "more exporters are forgotten"));
    lines.sort();
    lines.iter().for_each(|line| io.report.error(line));
    for change in changes {
        match change.kind {
            ChangeKind::Silent => {
                health.begin_untold("exporter-silent", &change.who, &change.text);
            }
            _ => health.end_untold("exporter-silent", &change.who, &change.text),
        }
    }
}

/// Returns the texts of the first changes, and the number of the others.
fn told<'a>(changes: impl Iterator<Item = &'a Change>, others: &str) -> Vec<String> {
    let mut texts: Vec<_> = changes.map(|change| change.text.clone()).collect();
    let more = texts.len().saturating_sub(NAMED);
    if more > 0 {
        texts.truncate(NAMED);
        texts.push(format!("{more} {others}"));
    }
    texts
}

/// Tells of exporters whose clock is wrong, and right again.
pub(super) fn clocks(facts: &Facts, exporters: &Exporters, health: &mut Health, io: &mut Io) {
    let (mut named, mut more) = (0, 0);
    for who in health.open_of("exporter-clock") {
        if !exporters.knows(&who) {
            // Nobody would ever see its clock set right.
            health.end_untold("exporter-clock", &who, "the exporter is not known any more");
        }
    }
    for (exporter, facts) in &facts.exporters {
        let Some(offset) = facts.clock else { continue };
        let who = exporter.to_string();
        // A sender of forged addresses must not fill the list.
        if !exporters.knows(&who) {
            continue;
        }
        if offset.unsigned_abs() <= CLOCK {
            let text = format!("the clock of exporter {who} is right again");
            health.end("exporter-clock", &who, &text, io);
            continue;
        }
        if !health.is_news("exporter-clock", &who) {
            continue;
        }
        let text = format!(
            "the clock of exporter {who} is {} s {} this machine's: set both by NTP, because flows have \
             the exporter's times",
            offset.unsigned_abs(),
            if offset > 0 { "ahead of" } else { "behind" }
        );
        if named < NAMED {
            named += 1;
            io.report.error(&text);
        } else {
            more += 1;
        }
        health.begin_untold("exporter-clock", &who, &text);
    }
    if more > 0 {
        io.report.error(format_args!("the clocks of {more} more exporters are wrong"));
    }
}

/// Tells if no flow of a slot has an end inside.
pub(super) fn inside_seen(facts: &Facts, health: &mut Health, io: &mut Io) {
    if facts.flows < FLOWS && !facts.inside_seen {
        return;
    }
    let begins = || {
        format!(
            "none of the {} flows of the slot {} has an end inside: is --inside right?",
            facts.flows, facts.slot
        )
    };
    let ends = "flows with an end inside are seen again";
    health.set("inside-unseen", !facts.inside_seen, begins, ends, io);
}

/// Tells of an address in `--inside` that looks like a network.
pub(super) fn inside_bare(inside: &[IpNet], health: &mut Health, io: &mut Io) {
    let bare: Vec<String> = inside.iter().filter_map(|net| suggested(*net)).collect();
    let begins = || bare.join("; ");
    let ends = "--inside has no address any more that looks like a network";
    health.set("inside-bare", !bare.is_empty(), begins, ends, io);
}

/// Returns the complaint about an address that ends in zeros, with the network that it looks like.
fn suggested(net: IpNet) -> Option<String> {
    if net.prefix_len() != net.max_prefix_len() {
        return None;
    }
    let prefix = match net {
        IpNet::V4(net) => {
            let zeros = net.addr().to_bits().trailing_zeros() / 8 * 8;
            32u32.checked_sub(zeros).filter(|_| (8..32).contains(&zeros))?
        }
        IpNet::V6(net) => {
            let zeros = net.addr().to_bits().trailing_zeros() / 16 * 16;
            128u32.checked_sub(zeros).filter(|_| (64..128).contains(&zeros))?
        }
    };
    let address = net.addr();
    Some(format!("--inside {address} is one address; did you mean {address}/{prefix}?"))
}

/// Tells of threat feeds at fault, and in order again. The other detectors have none.
pub(super) fn feeds(detector: &str, feeds: &[FeedState], health: &mut Health, io: &mut Io) {
    const KIND: &str = "feed-faulty";
    if detector != "nfscan" {
        return;
    }
    for FeedState { path, trouble } in feeds {
        match trouble {
            Some(text) => health.begin(KIND, path, text, io),
            None => health.end(KIND, path, &format!("feed {path}: in order again"), io),
        }
    }
    for path in health.open_of(KIND) {
        if !feeds.iter().any(|feed| feed.path == path) {
            health.end(KIND, &path, &format!("feed {path}: not used any more"), io);
        }
    }
}

/// Tells of directories of the spool that cannot be read, and that can be read again.
pub(super) fn unreadable(look: &Look, health: &mut Health, io: &mut Io) {
    const KIND: &str = "spool-unreadable";
    for (dir, error) in &look.errors {
        health.begin(KIND, dir, &format!("{dir}: {error}; files in it are not analysed"), io);
    }
    for dir in health.open_of(KIND) {
        if !look.errors.contains_key(&dir) {
            health.end(KIND, &dir, &format!("{dir}: can be read again"), io);
        }
    }
}

/// Tells of a spool without files of nfcap.
pub(super) fn spool(spool: &Path, look: &Look, health: &mut Health, io: &mut Io) {
    let spool = shown(spool);
    let is_foreign = look.files.is_empty() && look.foreign > 0;
    let begins = || {
        format!(
            "{spool} has {} files of nfcapd, which nf-every10 does not read; name the directory that \
             nfcap writes to (-w)",
            look.foreign
        )
    };
    let ends = format!("{spool} has files of nfcap now");
    health.set("spool-foreign", is_foreign, begins, &ends, io);
    let is_empty =
        look.files.is_empty() && look.foreign == 0 && look.odd.is_empty() && look.errors.is_empty();
    let begins =
        || format!("{spool} has no capture file; is it the directory that nfcap writes to (-w)?");
    let ends = format!("{spool} has capture files now");
    health.set("spool-empty", is_empty, begins, &ends, io);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_look_like_networks_are_noticed() {
        for (net, suggestion) in [
            ("140.119.0.0/32", Some("140.119.0.0/16")),
            ("10.0.0.0/32", Some("10.0.0.0/8")),
            ("192.0.2.0/32", Some("192.0.2.0/24")),
            ("2001:db8::/128", Some("2001:db8::/32")),
            ("2001:db8:7:1::/128", Some("2001:db8:7:1::/64")),
            ("192.0.2.1/32", None),
            ("192.0.2.0/24", None),
            ("2001:db8::1/128", None),
            ("0.0.0.0/32", None),
        ] {
            let text = suggested(net.parse().unwrap());
            let found = text.as_deref().and_then(|text| text.split("did you mean ").nth(1));
            assert_eq!(found.map(|text| text.trim_end_matches('?')), suggestion, "{net}");
        }
    }
}
