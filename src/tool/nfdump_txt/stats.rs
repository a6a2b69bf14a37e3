//! The table of `nfdump-txt --stats`.

use std::io::{self, Write};

use crate::finding::Host;
use crate::tool::decode::{Packets, skipped_text, total};
use crate::wire::{Decoder, Domain, Source, Stats};

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
        writeln!(out, "# packets that hold no datagram: {}", skipped_text(&packets.skipped))?;
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
