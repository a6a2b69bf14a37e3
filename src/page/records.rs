//! The records of the incident database: `incidents.jsonl`, nfkit-incident(5).

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};

use super::course::{Part, digest};
use crate::finding::{Host, Role};
use crate::incident::export::Record;

/// The most bytes of a line. An incident has at most 64 matters with two finding lines each, and its journal.
const MAX_LINE: u64 = 16 << 20;

/// The most rows of a journal that are kept: a page shows the newest ones.
const MAX_JOURNAL: usize = 40;

/// The most records of one host and role.
const MAX_RECORDS: usize = 20;

/// A record, and the checksum of its line.
#[derive(Clone, Debug)]
pub struct KnownRecord {
    /// The incident.
    pub record: Record,
    /// The checksum.
    pub digest: u64,
}

/// The records of the hosts that have a page.
#[derive(Clone, Debug, Default)]
pub struct Records {
    by_subject: BTreeMap<(Host, Role), Vec<KnownRecord>>,
    /// Lines that could not be read.
    bad_lines: u64,
    /// The fault of the first such line.
    first_fault: Option<String>,
}

impl Records {
    /// Reads the lines of a file, and keeps those about hosts for which `is_wanted` returns true. A line that cannot be
    /// read is counted, and so is a file that cannot be read to its end.
    pub fn read(from: impl Read, is_wanted: impl Fn(Host) -> bool) -> Records {
        let mut records = Records::default();
        let mut from = BufReader::new(from);
        let mut line = Vec::new();
        for number in 1.. {
            match next_line(&mut from, &mut line) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    records.bad(format!("not read to its end: {error}"));
                    break;
                }
            }
            if line.trim_ascii().is_empty() {
                continue;
            }
            match Record::parse(&line) {
                Ok(record) if is_wanted(record.host) => records.add(record, digest(&line)),
                Ok(_) => {}
                Err(error) => records.bad(format!("line {number}: {error}")),
            }
        }
        records
    }

    fn bad(&mut self, fault: String) {
        self.bad_lines += 1;
        self.first_fault.get_or_insert(fault);
    }

    fn add(&mut self, mut record: Record, digest: u64) {
        let old = record.journal.len().saturating_sub(MAX_JOURNAL);
        record.journal.drain(..old);
        let known = self.by_subject.entry((record.host, record.role)).or_default();
        known.push(KnownRecord { record, digest });
        if known.len() > MAX_RECORDS {
            known.sort_by_key(|known| std::cmp::Reverse(known.record.id));
            known.truncate(MAX_RECORDS);
        }
    }

    /// Returns the number of lines that could not be read, with the fault of the first. `None` if there were none.
    pub fn fault(&self) -> Option<String> {
        let first = self.first_fault.as_ref()?;
        Some(match self.bad_lines {
            1 => first.clone(),
            all => format!("{first}, and {} more lines that cannot be read", all - 1),
        })
    }

    /// Returns the record of an incident: of those that share time with it, the newest.
    pub fn of(&self, part: &Part) -> Option<&KnownRecord> {
        let known = self.by_subject.get(&(part.host, part.role))?.iter();
        known
            .filter(|known| known.record.since <= part.last && known.record.last >= part.first)
            .max_by_key(|known| known.record.id)
    }
}

/// Reads the next line, at most [`MAX_LINE`] bytes of it. Returns false at the end.
fn next_line(from: &mut impl BufRead, line: &mut Vec<u8>) -> std::io::Result<bool> {
    line.clear();
    if from.by_ref().take(MAX_LINE).read_until(b'\n', line)? == 0 {
        return Ok(false);
    }
    if !line.ends_with(b"\n") && line.len() as u64 == MAX_LINE {
        from.skip_until(b'\n')?;
    }
    Ok(true)
}
