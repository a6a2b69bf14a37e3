//! The table of `nfdump-txt --stats`, and the complaints about the input as a whole.

use std::io::{self, Write};

use crate::capture::Skipped;
use crate::finding::Host;
use crate::wire::{Decoder, Domain, Source, Stats};

/// Packets that were decoded, and those that were passed over.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Packets {
    /// Datagrams decoded.
    pub datagrams: u64,
    /// Datagrams to ports that are not wanted.
    pub other_ports: u64,
    /// Datagrams that arrived outside of the wanted range of time.
    pub other_times: u64,
    skipped: Skipped,
}

impl Packets {
    /// Adds the packets that the reader of one file passed over.
    pub(super) fn skip(&mut self, by: &Skipped) {
        let all = &mut self.skipped;
        all.link += by.link;
        all.not_ip += by.not_ip;
        all.not_udp += by.not_udp;
        all.fragments += by.fragments;
        all.overlaps += by.overlaps;
        all.evicted += by.evicted;
        all.truncated += by.truncated;
        all.malformed += by.malformed;
    }
}

/// Returns the reasons of skipped packets with their counts: `not UDP 3, malformed 1`.
pub(super) fn skipped(skipped: &Skipped) -> String {
    let reasons = [
        (skipped.link, "unknown link type"),
        (skipped.not_ip, "not IP"),
        (skipped.not_udp, "not UDP"),
        (skipped.fragments, "fragments without the rest"),
        (skipped.overlaps, "overlapping fragments"),
        (skipped.evicted, "fragments beyond the limits"),
        (skipped.truncated, "cut by the capture"),
        (skipped.malformed, "malformed"),
    ];
    let seen = reasons.iter().filter(|(count, _)| *count > 0);
    seen.map(|(count, reason)| format!("{reason} {count}")).collect::<Vec<_>>().join(", ")
}

/// Returns warnings about the whole input, which no single datagram shows.
pub(super) fn complaints(decoder: &Decoder, mask: bool) -> Vec<String> {
    let mut warnings = Vec::new();
    for (foreign, count) in &decoder.totals().by_version {
        warnings.push(format!(
            "{count} datagrams of {foreign} were skipped: only NetFlow 1, 5, 7, 9, IPFIX and sFlow 5 are decoded"
        ));
    }
    let all = total(decoder);
    if all.undecodable_sets > 0 {
        warnings.push(format!(
            "{} data sets could not be decoded: their templates never came (see --stats)",
            all.undecodable_sets
        ));
    }
    let totals = decoder.totals();
    if totals.evicted_domains > 0 {
        let mut by: Vec<_> = totals.evicted_by.iter().collect();
        by.sort_by_key(|&(address, count)| (std::cmp::Reverse(*count), *address));
        let by = by
            .iter()
            .take(5)
            .map(|(address, count)| format!("{} ({count})", Host::Address(**address).text(mask)));
        warnings.push(format!(
            "{} domains of exporters were forgotten with their templates, because there were too many: of {}",
            totals.evicted_domains,
            by.collect::<Vec<_>>().join(", ")
        ));
    }
    if totals.evicted_templates > 0 {
        warnings.push(format!(
            "{} templates were forgotten, because their exporters sent too many (see --stats)",
            totals.evicted_templates
        ));
    }
    if all.refused_samplers > 0 {
        warnings.push(format!(
            "the sampling of {} samplers is unknown, because their exporters described too many",
            all.refused_samplers
        ));
    }
    if all.evicted_sets > 0 {
        warnings.push(format!(
            "{} data sets were dropped, because too many waited for their templates",
            all.evicted_sets
        ));
    }
    warnings
}

/// Returns the counts of all domains together.
fn total(decoder: &Decoder) -> Stats {
    let mut all = decoder.totals().evicted.clone();
    decoder.stats().for_each(|(_, stats)| all.add(stats));
    all
}

/// Prints the table: a line for each domain, a total, and `#` lines for counts of no domain.
pub(super) fn print(
    decoder: &Decoder,
    packets: &Packets,
    mask: bool,
    out: &mut impl Write,
) -> io::Result<()> {
    writeln!(
        out,
        "#fields\texporter\tversion\tdomain\tdatagrams\tbad\tflows\trecords\toptions\tnoaddress\t\
         counters\tdiscards\tothers\ttemplates\twithdrawn\tforgotten\tlate\tundecodable\tdropped\t\
         lostflows\tlostdatagrams\trestarts\trepeated\tsampling\tfrom\tfaults\tmissing\tclock"
    )?;
    for (Domain { exporter, version, id }, stats) in decoder.stats() {
        let exporter = Host::Address(*exporter).text(mask);
        writeln!(out, "{exporter}\t{version}\t{id}\t{}", cells(stats))?;
    }
    writeln!(out, "total\t-\t-\t{}", cells(&total(decoder)))?;
    let totals = decoder.totals();
    writeln!(
        out,
        "# datagrams={} short={} foreign={} otherports={} othertimes={} evicteddomains={}",
        packets.datagrams,
        totals.short,
        totals.foreign,
        packets.other_ports,
        packets.other_times,
        totals.evicted_domains
    )?;
    for (foreign, count) in &totals.by_version {
        writeln!(out, "# {foreign}, not decoded: {count}")?;
    }
    for (address, count) in &totals.evicted_by {
        let address = Host::Address(*address).text(mask);
        writeln!(out, "# domains of {address} that were forgotten: {count}")?;
    }
    if packets.skipped.total() > 0 {
        writeln!(out, "# packets that hold no datagram: {}", skipped(&packets.skipped))?;
    }
    Ok(())
}

/// Returns the cells of one line behind its first three.
fn cells(stats: &Stats) -> String {
    let list = |items: Vec<String>| if items.is_empty() { "-".to_owned() } else { items.join(",") };
    let faults = stats.faults.iter().map(|(fault, count)| format!("{}={count}", fault.as_str()));
    let missing = stats.missing.iter().map(|(id, missing)| format!("{id}={}", missing.sets));
    let known = |n: Option<i64>| n.map_or("-".to_owned(), |n| n.max(0).to_string());
    let numbers = [
        stats.datagrams,
        stats.bad_datagrams,
        stats.flows,
        stats.records,
        stats.option_records,
        stats.no_address,
        stats.counter_samples,
        stats.discard_samples,
        stats.other_samples,
        stats.templates + stats.options_templates,
        stats.withdrawn,
        stats.evicted_templates,
        stats.late,
        stats.undecodable_sets,
        stats.evicted_sets,
    ];
    let numbers = numbers.map(|number| number.to_string()).join("\t");
    let (flows, datagrams) = (known(stats.lost.flows), known(stats.lost.datagrams));
    let Stats { restarts, repeated, sampling, .. } = stats;
    let from = stats.sampling_from.map_or("-", Source::as_str);
    let (faults, missing) = (list(faults.collect()), list(missing.collect()));
    let clock = match stats.clock {
        None => "-".to_owned(),
        Some(0) => "0".to_owned(),
        Some(ahead) => format!("{ahead:+}"),
    };
    format!(
        "{numbers}\t{flows}\t{datagrams}\t{restarts}\t{repeated}\t{sampling}\t{from}\t{faults}\t{missing}\t\
         {clock}"
    )
}
