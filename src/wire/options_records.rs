//! Options data records in force, as they came: a capture file whose head has them can be decoded
//! alone, by any program.

use std::collections::BTreeMap;

use super::cursor::Cursor;
use super::element::{self, VARIABLE};
use super::memory;
use super::template::Field;

/// What keeping a record costs besides its octets, about.
pub(super) const COST: usize = 128;

/// Neighbouring fields that all name what a record speaks of, or of which none does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FieldRun {
    /// Octets, or [`VARIABLE`] for one field of variable length.
    len: u16,
    names: bool,
}

impl FieldRun {
    fn of(field: &Field) -> FieldRun {
        let names = field.scope || element::names(field.enterprise, field.element);
        FieldRun { len: field.len, names }
    }
}

/// The latest record of one thing.
#[derive(Clone, Debug)]
struct KeptRecord {
    octets: Box<[u8]>,
    /// When it was told last.
    told: u64,
}

/// The options data records of one template: of each thing that they speak of the latest.
///
/// Things are told apart by the scope, and by elements that name something: nearly all routers give
/// "system" for the scope, and the number of the sampler or interface among the options.
#[derive(Clone, Debug)]
pub(super) struct OptionsRecords {
    runs: Box<[FieldRun]>,
    by_name: BTreeMap<Box<[u8]>, KeptRecord>,
    octets: usize,
}

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stored {
    /// It says what it said before.
    Same,
    /// It is new, or says something else than before.
    New,
    /// There was no room for it. `true`: nor for the one before it, which is not in force any more.
    Refused(bool),
}

impl OptionsRecords {
    /// None yet, of a template with these fields. `None` if there is no memory for it.
    pub fn new(fields: &[Field]) -> Option<OptionsRecords> {
        let mut runs: Vec<FieldRun> = Vec::new();
        runs.try_reserve(fields.len()).ok()?;
        for next in fields.iter().map(FieldRun::of) {
            let sum = |run: &FieldRun| run.len.checked_add(next.len).filter(|&sum| sum < VARIABLE);
            match runs.last_mut() {
                Some(run) if run.names == next.names && run.len < VARIABLE => match sum(run) {
                    Some(sum) => run.len = sum,
                    None => runs.push(next),
                },
                _ => runs.push(next),
            }
        }
        Some(OptionsRecords { runs: runs.into(), by_name: BTreeMap::new(), octets: 0 })
    }

    /// What keeping them costs.
    pub const fn octets(&self) -> usize {
        self.octets
    }

    /// All of them, with the moment when each was told last.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &[u8])> {
        self.by_name.values().map(|kept| (kept.told, &*kept.octets))
    }

    /// Takes the next record off a set, and puts the octets that name its thing in `name`. `None` if
    /// it is torn.
    pub fn next<'a>(&self, body: &mut Cursor<'a>, name: &mut Vec<u8>) -> Option<&'a [u8]> {
        let before = *body;
        name.clear();
        for run in &self.runs {
            let start = *body;
            let len = match run.len {
                // One octet, or 255 and two (RFC 7011 section 7).
                VARIABLE => match body.u8("field length").ok()? {
                    255 => usize::from(body.u16("field length").ok()?),
                    len => len.into(),
                },
                len => len.into(),
            };
            body.take("field", len).ok()?;
            if run.names {
                name.extend_from_slice(start.until(body));
            }
        }
        Some(before.until(body))
    }

    /// Keeps a record in place of the one of the same name, if what all cost stays within `room`.
    pub fn insert(&mut self, name: &[u8], octets: &[u8], now: u64, room: usize) -> Stored {
        if let Some(kept) = self.by_name.get_mut(name) {
            if *kept.octets == *octets {
                kept.told = now;
                return Stored::Same;
            }
        }
        let cost = |name: &[u8], octets: &[u8]| name.len() + octets.len() + COST;
        let before = self.by_name.remove(name);
        self.octets -= before.as_ref().map_or(0, |before| cost(name, &before.octets));
        if self.octets + cost(name, octets) > room {
            return Stored::Refused(before.is_some());
        }
        let Some((key, kept)) = memory::boxed(name).zip(memory::boxed(octets)) else {
            return Stored::Refused(before.is_some());
        };
        self.octets += cost(name, octets);
        self.by_name.insert(key, KeptRecord { octets: kept, told: now });
        Stored::New
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(element: u16, len: u16, scope: bool) -> Field {
        Field { enterprise: 0, element, len, scope }
    }

    fn octets(scoped: &OptionsRecords) -> Vec<Vec<u8>> {
        scoped.iter().map(|(_, octets)| octets.to_vec()).collect()
    }

    fn tell(scoped: &mut OptionsRecords, record: &[u8], now: u64, room: usize) -> Stored {
        let mut name = Vec::new();
        let mut body = Cursor::new(record, 0);
        let octets = scoped.next(&mut body, &mut name).unwrap();
        assert_eq!((octets, body.left()), (record, 0));
        scoped.insert(&name, octets, now, room)
    }

    #[test]
    fn a_later_record_of_a_thing_replaces_the_one_before() {
        // Scope system, a name, a sampler's number, its interval.
        let fields = [
            field(0, 1, true),
            field(84, VARIABLE, false),
            field(48, 1, false),
            field(50, 2, false),
        ];
        let mut scoped = OptionsRecords::new(&fields).unwrap();
        let names = |len, names| FieldRun { len, names };
        let runs = [names(1, true), names(VARIABLE, false), names(1, true), names(2, false)];
        assert_eq!(*scoped.runs, runs);
        let room = 2 * (2 + 7 + COST);
        assert_eq!(tell(&mut scoped, &[9, 2, b'a', b'b', 1, 0, 100], 1, room), Stored::New);
        assert_eq!(tell(&mut scoped, &[9, 1, b'c', 2, 0, 100], 2, room), Stored::New);
        assert_eq!(tell(&mut scoped, &[9, 2, b'a', b'b', 1, 0, 100], 3, room), Stored::Same);
        assert_eq!(tell(&mut scoped, &[9, 1, b'c', 3, 0, 100], 4, room), Stored::Refused(false));
        assert_eq!(
            octets(&scoped),
            [vec![9, 2, b'a', b'b', 1, 0, 100], vec![9, 1, b'c', 2, 0, 100]]
        );
        assert_eq!(scoped.iter().map(|(told, _)| told).collect::<Vec<_>>(), [3, 2]);
        assert_eq!(tell(&mut scoped, &[9, 0, 2, 0, 7], 5, room), Stored::New);
        // One too large leaves no stale one behind.
        assert_eq!(
            tell(&mut scoped, &[9, 3, 0, 0, 0, 2, 0, 7], 6, room - 2),
            Stored::Refused(true)
        );
        assert_eq!(octets(&scoped), [vec![9, 2, b'a', b'b', 1, 0, 100]]);
        assert_eq!(scoped.octets(), 2 + 7 + COST);
    }

    #[test]
    fn neighbours_are_walked_over_at_once() {
        let scoped = OptionsRecords::new(&[
            field(1, 40_000, false),
            field(2, 20_000, false),
            field(3, 9_000, false),
        ])
        .unwrap();
        assert_eq!(scoped.runs.iter().map(|run| run.len).collect::<Vec<_>>(), [60_000, 9_000]);
        let mut name = Vec::new();
        assert_eq!(scoped.next(&mut Cursor::new(&[0; 60_000], 0), &mut name), None);
    }
}
