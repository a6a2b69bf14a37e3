//! `--calibrate`: percentiles of the measures at this site, the limits that they suggest, and lines for `--ignore`.

use std::collections::BTreeMap;
use std::io::{self, Write};

use crate::detect::{Metric, Proposal, proto_name};
use crate::finding::{Host, Side};

const COLUMNS: [&str; 10] =
    ["metric", "side", "seen", "p50", "p90", "p99", "p999", "max", "limit", "suggest"];

const PROPOSED: [&str; 9] =
    ["host", "class", "days", "windows", "from", "to", "targets", "samepct", "ignore"];

/// Prints a line for each proposal, after the line that names the columns. With `mask`, the lines for `--ignore` are
/// left out, because they need the addresses.
///
/// # Errors
/// Fails if the output cannot be written.
pub fn print_proposals(proposals: &[Proposal], mask: bool, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "#fields\t{}", PROPOSED.join("\t"))?;
    for proposal in proposals {
        let Proposal { class, days, windows, targets, same, .. } = proposal;
        let host = Host::Address(proposal.host).text(mask);
        let [from, to] = [proposal.from, proposal.to].map(time_of_day);
        let line = if mask { "-".to_owned() } else { ignore_line(proposal) };
        writeln!(
            out,
            "{host}\t{class}\t{days}\t{windows}\t{from}\t{to}\t{targets}\t{same}\t{line}"
        )?;
    }
    Ok(())
}

/// Returns a time of the day as `02:30`; the end of the day as `24:00`.
fn time_of_day(seconds: u32) -> String {
    format!("{:02}:{:02}", seconds / 3600, seconds / 60 % 60)
}

/// Returns the line `src dst [proto/port]` of a proposal.
fn ignore_line(proposal: &Proposal) -> String {
    let net = proposal.net.map_or_else(|| "*".to_owned(), |net| Host::Prefix(net).text(false));
    let mut line = format!("{} {net}", proposal.host);
    if let Some(proto) = proposal.proto {
        let port = proposal.port.map_or_else(|| "*".to_owned(), |port| port.to_string());
        line.push_str(&format!(" {}/{port}", proto_name(proto)));
    }
    line
}

/// The values of all windows, by metric and side: a counter for each distinct value. A source has at
/// most as many distinct values as it can have targets.
#[derive(Debug, Default)]
pub struct Calibration(BTreeMap<(&'static str, Option<Side>), Values>);

#[derive(Debug, Default)]
struct Values {
    /// The limit in force.
    limit: u64,
    /// The number of sources with each value.
    counts: BTreeMap<u64, u64>,
}

impl Calibration {
    /// Adds the values of one window.
    pub fn add(&mut self, metrics: &[Metric]) {
        for Metric { name, side, value, limit } in metrics {
            let values = self.0.entry((name, *side)).or_default();
            values.limit = *limit;
            *values.counts.entry(*value).or_default() += 1;
        }
    }

    /// Prints a line for each metric and side, after the line that names the columns.
    ///
    /// # Errors
    /// Fails if the output cannot be written.
    pub fn print(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "#fields\t{}", COLUMNS.join("\t"))?;
        for ((metric, side), values) in &self.0 {
            let side = side.map_or("-", Side::as_str);
            let seen: u64 = values.counts.values().sum();
            let [p50, p90, p99, p999] = [500, 900, 990, 999].map(|p| values.percentile(p, seen));
            let max = values.counts.keys().last().copied().unwrap_or(0);
            let limit = values.limit;
            // A quarter above 99.9 % of the sources, and never below the limit in force.
            let suggest = limit.max(p999 + p999.div_ceil(4));
            writeln!(
                out,
                "{metric}\t{side}\t{seen}\t{p50}\t{p90}\t{p99}\t{p999}\t{max}\t{limit}\t{suggest}"
            )?;
        }
        Ok(())
    }
}

impl Values {
    /// Returns the least value that `permille` of the `seen` sources do not exceed.
    fn percentile(&self, permille: u64, seen: u64) -> u64 {
        let rank = (u128::from(seen) * u128::from(permille)).div_ceil(1000).max(1);
        let mut sum = 0u128;
        for (value, count) in &self.counts {
            sum += u128::from(*count);
            if sum >= rank {
                return *value;
            }
        }
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_of_sources() {
        let metric =
            |value| Metric { name: "horizontal", side: Some(Side::Inside), value, limit: 100 };
        let mut calibration = Calibration::default();
        calibration.add(&(1..=1000).map(metric).collect::<Vec<_>>());
        calibration.add(&[Metric { name: "dark", side: None, value: 2, limit: 12 }]);
        let mut out = Vec::new();
        calibration.print(&mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<_> = text.lines().skip(1).collect();
        assert_eq!(
            lines,
            [
                "dark\t-\t1\t2\t2\t2\t2\t2\t12\t12",
                "horizontal\tinside\t1000\t500\t900\t990\t999\t1000\t100\t1249"
            ]
        );
    }
}
