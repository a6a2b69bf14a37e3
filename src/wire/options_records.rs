//! Options data records in force, in their original bytes: a capture file that begins with them can
//! be decoded on its own, by any program.

use std::collections::BTreeMap;

use super::cursor::Cursor;
use super::element::{self, Field, VARIABLE};
use super::memory;

/// Bytes that one stored record costs besides its own, approximately.
pub(super) const COST: usize = 128;

/// Neighbouring fields that all name the subject of a record, or that all do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FieldRun {
    /// Bytes, or [`VARIABLE`] for one field of variable length.
    len: u16,
    is_name: bool,
}

impl FieldRun {
    fn of(field: &Field) -> FieldRun {
        let is_name = field.scope || element::is_name(field.enterprise, field.element);
        FieldRun { len: field.len, is_name }
    }
}

/// The latest record of one subject.
#[derive(Clone, Debug)]
struct StoredRecord {
    bytes: Box<[u8]>,
    /// Time of the last repetition, by the caller's clock.
    repeated_at: u64,
}

/// The options data records of one template: the latest record of each subject.
///
/// A subject is known by the scope fields and by the elements that name something. The scope alone is
/// not enough: nearly all routers send the scope "system", and the number of the sampler or interface
/// among the options.
#[derive(Clone, Debug)]
pub(super) struct OptionsRecords {
    runs: Box<[FieldRun]>,
    by_name: BTreeMap<Box<[u8]>, StoredRecord>,
    cost: usize,
}

/// The outcome of [`OptionsRecords::insert`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stored {
    /// The record is the same as the one before.
    Same,
    /// The subject is new, or its record has changed.
    New,
    /// There was no room for the record. `true` if an older record of the subject was removed for
    /// it.
    Refused(bool),
}

impl OptionsRecords {
    /// Creates an empty store for a template with these fields. Returns `None` if there is no
    /// memory.
    pub fn new(fields: &[Field]) -> Option<OptionsRecords> {
        let mut runs: Vec<FieldRun> = Vec::new();
        runs.try_reserve(fields.len()).ok()?;
        for next in fields.iter().map(FieldRun::of) {
            let sum = |run: &FieldRun| run.len.checked_add(next.len).filter(|&sum| sum < VARIABLE);
            match runs.last_mut() {
                Some(run) if run.is_name == next.is_name && run.len < VARIABLE => match sum(run) {
                    Some(sum) => run.len = sum,
                    None => runs.push(next),
                },
                _ => runs.push(next),
            }
        }
        Some(OptionsRecords { runs: runs.into(), by_name: BTreeMap::new(), cost: 0 })
    }

    /// Returns the bytes that all records cost, with [`COST`] for each.
    pub const fn cost(&self) -> usize {
        self.cost
    }

    /// Returns all records, each with the time of its last repetition.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &[u8])> {
        self.by_name.values().map(|stored| (stored.repeated_at, &*stored.bytes))
    }

    /// Takes the next record off a set, and writes the bytes that name its subject to `name`.
    /// Returns `None` if the record ends after the set.
    pub fn next<'a>(&self, body: &mut Cursor<'a>, name: &mut Vec<u8>) -> Option<&'a [u8]> {
        let before = *body;
        name.clear();
        for run in &self.runs {
            let start = *body;
            let len = match run.len {
                VARIABLE => body.field_len().ok()?,
                len => len.into(),
            };
            body.take("field", len).ok()?;
            if run.is_name {
                name.extend_from_slice(start.until(body));
            }
        }
        Some(before.until(body))
    }

    /// Stores a record in place of the one of the same name, if all records together then cost at
    /// most `room` bytes.
    pub fn insert(&mut self, name: &[u8], bytes: &[u8], now: u64, room: usize) -> Stored {
        if let Some(stored) = self.by_name.get_mut(name) {
            if *stored.bytes == *bytes {
                stored.repeated_at = now;
                return Stored::Same;
            }
        }
        let cost = |name: &[u8], bytes: &[u8]| name.len() + bytes.len() + COST;
        let before = self.by_name.remove(name);
        self.cost -= before.as_ref().map_or(0, |before| cost(name, &before.bytes));
        if self.cost + cost(name, bytes) > room {
            return Stored::Refused(before.is_some());
        }
        let Some((key, stored)) = memory::boxed(name).zip(memory::boxed(bytes)) else {
            return Stored::Refused(before.is_some());
        };
        self.cost += cost(name, bytes);
        self.by_name.insert(key, StoredRecord { bytes: stored, repeated_at: now });
        Stored::New
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(element: u16, len: u16, scope: bool) -> Field {
        Field { enterprise: 0, element, len, scope }
    }

    fn stored(records: &OptionsRecords) -> Vec<Vec<u8>> {
        records.iter().map(|(_, bytes)| bytes.to_vec()).collect()
    }

    fn insert(records: &mut OptionsRecords, record: &[u8], now: u64, room: usize) -> Stored {
        let mut name = Vec::new();
        let mut body = Cursor::new(record, 0);
        let bytes = records.next(&mut body, &mut name).unwrap();
        assert_eq!((bytes, body.left()), (record, 0));
        records.insert(&name, bytes, now, room)
    }

    #[test]
    fn a_later_record_of_a_subject_replaces_the_earlier_one() {
        // The scope "system", a name, the number of a sampler, its interval.
        let fields = [
            field(0, 1, true),
            field(84, VARIABLE, false),
            field(48, 1, false),
            field(50, 2, false),
        ];
        let mut records = OptionsRecords::new(&fields).unwrap();
        let run = |len, is_name| FieldRun { len, is_name };
        let runs = [run(1, true), run(VARIABLE, false), run(1, true), run(2, false)];
        assert_eq!(*records.runs, runs);
        let room = 2 * (2 + 7 + COST);
        assert_eq!(insert(&mut records, &[9, 2, b'a', b'b', 1, 0, 100], 1, room), Stored::New);
        assert_eq!(insert(&mut records, &[9, 1, b'c', 2, 0, 100], 2, room), Stored::New);
        assert_eq!(insert(&mut records, &[9, 2, b'a', b'b', 1, 0, 100], 3, room), Stored::Same);
        assert_eq!(insert(&mut records, &[9, 1, b'c', 3, 0, 100], 4, room), Stored::Refused(false));
        assert_eq!(
            stored(&records),
            [vec![9, 2, b'a', b'b', 1, 0, 100], vec![9, 1, b'c', 2, 0, 100]]
        );
        assert_eq!(records.iter().map(|(repeated_at, _)| repeated_at).collect::<Vec<_>>(), [3, 2]);
        assert_eq!(insert(&mut records, &[9, 0, 2, 0, 7], 5, room), Stored::New);
        // A record that is too large removes the earlier one, which is out of date.
        assert_eq!(
            insert(&mut records, &[9, 3, 0, 0, 0, 2, 0, 7], 6, room - 2),
            Stored::Refused(true)
        );
        assert_eq!(stored(&records), [vec![9, 2, b'a', b'b', 1, 0, 100]]);
        assert_eq!(records.cost(), 2 + 7 + COST);
    }

    #[test]
    fn neighbouring_fields_are_joined() {
        let records = OptionsRecords::new(&[
            field(1, 40_000, false),
            field(2, 20_000, false),
            field(3, 9_000, false),
        ])
        .unwrap();
        assert_eq!(records.runs.iter().map(|run| run.len).collect::<Vec<_>>(), [60_000, 9_000]);
        let mut name = Vec::new();
        assert_eq!(records.next(&mut Cursor::new(&[0; 60_000], 0), &mut name), None);
    }
}
