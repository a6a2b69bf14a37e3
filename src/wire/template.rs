//! Templates, compiled when they arrive into the few reads that fetch a flow's columns.

use std::collections::{BTreeSet, HashMap};

use foldhash::fast::RandomState;

use super::context::TimeUnits;
use super::cursor::Cursor;
use super::element::{self, Field, Slot, Unit, VARIABLE};
use super::error::Reason;
use super::memory;
use super::options_records::{OptionsRecords, Stored};
use super::plain::{FixedField, FixedLayout};
use super::record::Record;
use super::sink::{DecodeOptions, RecordSink};

/// The kind of a template's records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TemplateKind {
    /// Flow data records.
    Data,
    /// Options data records.
    Options,
}

/// One read in a record of variable length. Neighbouring fields that nobody wants are skipped
/// together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum VarField {
    Skip(u16),
    Take(u16, Slot),
    Variable(Option<Slot>),
}

#[derive(Clone, Debug)]
enum Layout {
    Plain(Box<FixedLayout>),
    Fixed(Box<[FixedField]>),
    Variable(Box<[VarField]>),
}

/// A template in force.
#[derive(Clone, Debug)]
pub(super) struct Template {
    id: u16,
    kind: TemplateKind,
    /// Bytes of the shortest record, at least 1; of every record if the layout is fixed.
    shortest: u16,
    layout: Layout,
    units: TimeUnits,
    /// The template record in its original bytes; empty if definitions are not kept.
    definition: Box<[u8]>,
    /// The records in force, if this is an options template and records are kept.
    options_records: Option<Box<OptionsRecords>>,
}

/// The outcome of storing the records of an options data set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct StoreOutcome {
    /// The records in force have changed.
    pub changed: bool,
    /// Number of records that had no room.
    pub refused: u64,
}

/// The use of a field that is wanted.
#[derive(Clone, Copy, Debug)]
struct Target {
    slot: Slot,
    rank: u8,
    unit: Unit,
}

impl Template {
    /// Compiles a template. If several elements fill the same column, the one of the best rank is
    /// read; of the same rank, the first. Fields that nobody wants are skipped.
    ///
    /// # Errors
    /// More than `limit` fields; records of no bytes, which would never end, or of more bytes than a
    /// set can hold; no memory.
    pub fn compile(
        id: u16,
        kind: TemplateKind,
        fields: &[Field],
        limit: usize,
        want: DecodeOptions,
    ) -> Result<Template, Reason> {
        if fields.len() > limit {
            return Err(Reason::TemplateFields { id, found: fields.len(), limit });
        }
        let is_variable = fields.iter().any(|field| field.len == VARIABLE);
        // A field of variable length has at least the byte that states its length.
        let lens = fields.iter().map(|f| if f.len == VARIABLE { 1 } else { usize::from(f.len) });
        let found = lens.sum();
        let shortest = match u16::try_from(found) {
            Ok(shortest) if shortest > 0 => shortest,
            _ => return Err(Reason::TemplateLength { id, found }),
        };
        // For each slot, the best field and its position in the template.
        let mut best: [Option<(Target, usize)>; Slot::COUNT] = [None; Slot::COUNT];
        for (n, field) in fields.iter().enumerate() {
            let Some(target) = wanted(field, want) else { continue };
            if let Some(best) = best.get_mut(target.slot as usize) {
                if best.is_none_or(|(other, _)| target.rank < other.rank) {
                    *best = Some((target, n));
                }
            }
        }
        let best = |slot: Slot| best.get(slot as usize).copied().flatten();
        let slot_of = |n: usize, field: &Field| {
            let Target { slot, .. } = wanted(field, want)?;
            best(slot).is_some_and(|(_, position)| position == n).then_some(slot)
        };
        let unit = |slot| best(slot).map(|(target, _)| target.unit).unwrap_or_default();
        let units = TimeUnits {
            start: unit(Slot::Start),
            end: unit(Slot::End),
            duration: unit(Slot::Duration),
            reverse_start: unit(Slot::ReverseStart),
            reverse_end: unit(Slot::ReverseEnd),
            reverse_duration: unit(Slot::ReverseDuration),
        };
        let fields = fields.iter().enumerate().map(|(n, field)| (slot_of(n, field), field.len));
        let layout = if is_variable {
            Layout::Variable(variable_fields(fields).ok_or(Reason::Memory)?)
        } else {
            let fields = fixed_fields(fields).ok_or(Reason::Memory)?;
            let plain = if kind == TemplateKind::Data && !want.extras {
                FixedLayout::of(&fields, &units)
            } else {
                None
            };
            plain.map_or(Layout::Fixed(fields), |plain| Layout::Plain(Box::new(plain)))
        };
        Ok(Template {
            id,
            kind,
            shortest,
            layout,
            units,
            definition: Box::default(),
            options_records: None,
        })
    }

    /// Adds the template record in its original bytes, and for an options template an empty store
    /// for its records. `fields` are those that the template was compiled from.
    ///
    /// # Errors
    /// There is no memory.
    pub fn with_definition(self, definition: &[u8], fields: &[Field]) -> Result<Template, Reason> {
        let definition = memory::boxed(definition).ok_or(Reason::Memory)?;
        let options_records = match self.kind {
            TemplateKind::Options => {
                Some(Box::new(OptionsRecords::new(fields).ok_or(Reason::Memory)?))
            }
            TemplateKind::Data => None,
        };
        Ok(Template { definition, options_records, ..self })
    }

    /// Returns the template record in its original bytes; empty if definitions are not kept.
    pub const fn definition(&self) -> &[u8] {
        &self.definition
    }

    /// Returns the kind of its records.
    pub const fn kind(&self) -> TemplateKind {
        self.kind
    }

    /// Returns the bytes of the shortest record.
    pub const fn shortest(&self) -> u16 {
        self.shortest
    }

    /// Returns the template id.
    pub const fn id(&self) -> u16 {
        self.id
    }

    /// Reads the records of a data set. Bytes at its end that are fewer than a record are padding.
    ///
    /// # Errors
    /// A record that ends after the set, or more records than the limit, with the offset in the
    /// datagram. The records before it have been read.
    pub fn read(
        &self,
        mut body: Cursor<'_>,
        record: &mut Record,
        sink: &mut RecordSink<'_>,
    ) -> Result<(), (usize, Reason)> {
        let shortest = usize::from(self.shortest).max(1);
        let limit = sink.limits.records;
        if let Layout::Variable(fields) = &self.layout {
            // The shortest record has at least one byte, so every round consumes one.
            for _ in 0..limit {
                if body.left() < shortest {
                    return Ok(());
                }
                let before = body;
                record.clear();
                let load = |slot, bytes: &[u8]| record.load(slot, bytes);
                if let Err(missing) = read_variable(fields, &mut body, load) {
                    return self.truncated(&before, missing);
                }
                self.finish(record, sink);
            }
            return if body.left() < shortest { Ok(()) } else { self.too_many(&body, limit) };
        }
        let taken = shortest * (body.left() / shortest).min(limit);
        let bytes = body.rest().get(..taken).unwrap_or_default();
        match &self.layout {
            Layout::Plain(plain) => plain.read(bytes, shortest, sink),
            Layout::Fixed(fields) => {
                for bytes in bytes.chunks_exact(shortest) {
                    record.clear();
                    for field in fields {
                        let from = usize::from(field.offset);
                        let to = from + usize::from(field.len);
                        if let Some(value) = bytes.get(from..to) {
                            record.load(field.slot, value);
                        }
                    }
                    self.finish(record, sink);
                }
            }
            Layout::Variable(_) => {}
        }
        body.skip(taken);
        if body.left() < shortest { Ok(()) } else { self.too_many(&body, limit) }
    }

    /// Returns the number of records in a data set, and the same fault as [`read`](Template::read).
    pub fn count(&self, mut body: Cursor<'_>, limit: usize) -> (u64, Result<(), (usize, Reason)>) {
        let shortest = usize::from(self.shortest).max(1);
        let mut count = 0;
        if let Layout::Variable(fields) = &self.layout {
            while count < limit && body.left() >= shortest {
                let before = body;
                if let Err(missing) = read_variable(fields, &mut body, |_, _| {}) {
                    let result = self.truncated(&before, missing);
                    return (count as u64, result);
                }
                count += 1;
            }
        } else {
            count = (body.left() / shortest).min(limit);
            body.skip(shortest * count);
        }
        let result = if body.left() < shortest { Ok(()) } else { self.too_many(&body, limit) };
        (count as u64, result)
    }

    /// Returns the fault of a record that lacks `missing` bytes, or `Ok` for padding: a tail of zeros,
    /// however long.
    fn truncated(&self, record: &Cursor<'_>, missing: usize) -> Result<(), (usize, Reason)> {
        if record.is_padding() {
            return Ok(());
        }
        let left = record.left();
        Err((record.at(), Reason::Record { id: self.id, needed: left + missing, left }))
    }

    fn too_many(&self, body: &Cursor<'_>, limit: usize) -> Result<(), (usize, Reason)> {
        Err((body.at(), Reason::Records { id: self.id, limit, left: body.left() }))
    }

    /// Makes flows of a record, or learns from it if it is an options data record.
    fn finish(&self, record: &Record, sink: &mut RecordSink<'_>) {
        match self.kind {
            TemplateKind::Data => {
                sink.stats.records += 1;
                match record.flows(&self.units, sink) {
                    0 => sink.stats.no_address += 1,
                    n => sink.stats.flows += n,
                }
            }
            TemplateKind::Options => {
                sink.stats.option_records += 1;
                let has_room = sink.options.learn(&record.options_values(), sink.limits.samplers);
                sink.stats.refused_samplers += u64::from(!has_room);
            }
        }
    }
}

/// Returns the use of a field, or `None` if nobody wants it.
fn wanted(field: &Field, want: DecodeOptions) -> Option<Target> {
    let element = element::find(field.enterprise, field.element);
    let is_named = |slot| matches!(slot, Slot::Ingress | Slot::Sampler | Slot::Selector);
    if field.scope && !element.is_some_and(|element| is_named(element.slot)) {
        let is_whole = field.enterprise == 0 && element::WHOLE.contains(&field.element);
        let part = Target { slot: Slot::Part, rank: 0, unit: Unit::Plain };
        return (!is_whole && field.len > 0).then_some(part);
    }
    let element = element?;
    let fits = field.len == VARIABLE || element.slot.takes(usize::from(field.len));
    let is_wanted =
        (want.extras || !element.slot.is_extra()) && (want.times || !element.slot.is_time());
    let target = Target { slot: element.slot, rank: element.rank, unit: element.unit };
    (fits && is_wanted).then_some(target)
}

/// Returns the wanted fields of a record of fixed length, or `None` if there is no memory.
fn fixed_fields(fields: impl Iterator<Item = (Option<Slot>, u16)>) -> Option<Box<[FixedField]>> {
    let mut offset = 0u16;
    let mut wanted = Vec::new();
    for (slot, len) in fields {
        if let Some(slot) = slot {
            wanted.try_reserve(1).ok()?;
            wanted.push(FixedField { offset, len, slot });
        }
        offset = offset.saturating_add(len);
    }
    Some(wanted.into())
}

/// Returns the reads of a record of variable length, or `None` if there is no memory.
fn variable_fields(fields: impl Iterator<Item = (Option<Slot>, u16)>) -> Option<Box<[VarField]>> {
    let mut reads: Vec<VarField> = Vec::new();
    for (slot, len) in fields {
        let next = match (slot, len) {
            (slot, VARIABLE) => VarField::Variable(slot),
            (Some(slot), len) => VarField::Take(len, slot),
            (None, len) => VarField::Skip(len),
        };
        match (reads.last_mut(), next) {
            (Some(VarField::Skip(len)), VarField::Skip(more)) => *len = len.saturating_add(more),
            _ => {
                reads.try_reserve(1).ok()?;
                reads.push(next);
            }
        }
    }
    Some(reads.into())
}

/// Reads one record of variable length. `load` gets the fields that are wanted.
///
/// # Errors
/// The number of bytes that the record still needs: exact for the fields read so far, a lower bound
/// for the rest. So it does not depend on which fields are wanted.
#[inline]
fn read_variable(
    fields: &[VarField],
    body: &mut Cursor<'_>,
    mut load: impl FnMut(Slot, &[u8]),
) -> Result<(), usize> {
    let mut fields = fields.iter();
    while let Some(field) = fields.next() {
        if let Err(reason) = field.read(body, &mut load) {
            let needed = match reason {
                Reason::Short { needed, .. } => needed,
                _ => 0,
            };
            let after: usize = fields.map(VarField::shortest).sum();
            return Err((needed + after).saturating_sub(body.left()));
        }
    }
    Ok(())
}

impl VarField {
    #[inline]
    fn read(
        &self,
        body: &mut Cursor<'_>,
        load: &mut impl FnMut(Slot, &[u8]),
    ) -> Result<(), Reason> {
        match *self {
            VarField::Skip(len) => {
                body.take("field", usize::from(len))?;
            }
            VarField::Take(len, slot) => load(slot, body.take("field", usize::from(len))?),
            VarField::Variable(slot) => {
                let len = body.field_len()?;
                let field = body.take("field", len)?;
                if let Some(slot) = slot {
                    load(slot, field);
                }
            }
        }
        Ok(())
    }

    /// Returns the bytes that it reads at least.
    fn shortest(&self) -> usize {
        match *self {
            VarField::Skip(len) | VarField::Take(len, _) => len.into(),
            VarField::Variable(_) => 1,
        }
    }
}

/// The templates of one domain. Data and options templates share one space of ids.
///
/// The table is bounded: a forged exporter may define ever new templates. The least recently used
/// template of the domain is evicted then, without a search.
#[derive(Debug, Default)]
pub(super) struct Templates {
    by_id: HashMap<u16, Entry, RandomState>,
    /// Template ids by their last use, or by an earlier use. An entry is brought up to date only when
    /// a template must go, so that neither the use of a template nor a flood of new templates costs a
    /// search.
    by_use: BTreeSet<(u64, u16)>,
    /// Number of uses so far: a clock that tells which template was used last.
    clock: u64,
    /// Bytes of all definitions that are kept.
    definitions: usize,
    /// Bytes that the options data records cost.
    options: usize,
    /// Scratch space: the bytes that name the subject of an options data record.
    name: Vec<u8>,
}

#[derive(Debug)]
struct Entry {
    template: Template,
    /// Time of the last use.
    used: u64,
    /// Time of the use under which the template stands in [`Templates::by_use`].
    listed: u64,
}

impl Templates {
    /// Returns the number of templates in force.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Returns the bytes that definitions and options data records cost.
    pub fn cost(&self) -> usize {
        self.definitions + self.options
    }

    /// Returns all templates: data templates first, each kind in the order of ids.
    pub fn in_order(&self) -> Vec<&Template> {
        let mut all: Vec<_> = self.by_id.values().map(|entry| &entry.template).collect();
        all.sort_unstable_by_key(|template| (template.kind == TemplateKind::Options, template.id));
        all
    }

    /// Returns the options data records in force, each with its template, in the order of their last
    /// repetition: if two of them contradict each other, the later one counts.
    pub fn records(&self) -> Vec<(&Template, &[u8])> {
        let mut all = Vec::new();
        for Entry { template, .. } in self.by_id.values() {
            let records = template.options_records.iter().flat_map(|records| records.iter());
            all.extend(records.map(|(repeated_at, bytes)| (repeated_at, template, bytes)));
        }
        all.sort_unstable_by_key(|&(repeated_at, _, _)| repeated_at);
        all.into_iter().map(|(_, template, bytes)| (template, bytes)).collect()
    }

    /// Stores the options data records of a set: at most `limit` of them, and only as long as all
    /// records of the domain cost at most `room` bytes.
    pub fn store(
        &mut self,
        id: u16,
        mut body: Cursor<'_>,
        limit: usize,
        room: usize,
    ) -> StoreOutcome {
        let mut outcome = StoreOutcome::default();
        let Some(Entry { template, .. }) = self.by_id.get_mut(&id) else { return outcome };
        let shortest = usize::from(template.shortest).max(1);
        let Some(records) = &mut template.options_records else { return outcome };
        let others = self.options - records.cost();
        for _ in 0..limit {
            if body.left() < shortest {
                break;
            }
            let Some(bytes) = records.next(&mut body, &mut self.name) else { break };
            self.clock += 1;
            match records.insert(&self.name, bytes, self.clock, room.saturating_sub(others)) {
                Stored::Same => {}
                Stored::New => outcome.changed = true,
                Stored::Refused(removed) => {
                    outcome.changed |= removed;
                    outcome.refused += 1;
                }
            }
        }
        self.options = others + records.cost();
        outcome
    }

    /// Returns true if the very same template is in force already. It counts as used then.
    pub fn renew(&mut self, id: u16, kind: TemplateKind, definition: &[u8]) -> bool {
        let is_same =
            |template: &Template| template.kind == kind && *template.definition == *definition;
        self.get(id).is_some_and(is_same)
    }

    /// Returns the template with this id, and marks it as used.
    pub fn get(&mut self, id: u16) -> Option<&Template> {
        let entry = self.by_id.get_mut(&id)?;
        self.clock += 1;
        entry.used = self.clock;
        Some(&entry.template)
    }

    /// Puts a template in force, in place of the one with the same id. Returns true if another
    /// template, the least recently used one, was evicted.
    ///
    /// # Errors
    /// There is no memory.
    pub fn define(&mut self, template: Template, limit: usize) -> Result<bool, Reason> {
        let id = template.id();
        let is_known = self.withdraw(id);
        self.by_id.try_reserve(1).map_err(|_| Reason::Memory)?;
        let evicted = !is_known && self.by_id.len() >= limit.max(1) && self.evict();
        self.clock += 1;
        self.definitions += template.definition.len();
        self.by_use.insert((self.clock, id));
        self.by_id.insert(id, Entry { template, used: self.clock, listed: self.clock });
        Ok(evicted)
    }

    /// Removes the least recently used template. Returns false if there is none.
    pub fn evict(&mut self) -> bool {
        while let Some((_, id)) = self.by_use.pop_first() {
            let Some(entry) = self.by_id.get_mut(&id) else { continue };
            if entry.used == entry.listed {
                return self.withdraw(id);
            }
            // Each entry is brought up to date at most once, so the loop ends.
            entry.listed = entry.used;
            self.by_use.insert((entry.used, id));
        }
        false
    }

    /// Removes a template. Returns false if it is not in force.
    pub fn withdraw(&mut self, id: u16) -> bool {
        let Some(Entry { template, listed, .. }) = self.by_id.remove(&id) else { return false };
        self.by_use.remove(&(listed, id));
        self.definitions -= template.definition.len();
        self.options -= template.options_records.map_or(0, |records| records.cost());
        true
    }

    /// Removes all templates of a kind. Returns their number.
    pub fn withdraw_all(&mut self, kind: TemplateKind) -> usize {
        let of_kind = self.by_id.values().map(|entry| &entry.template).filter(|t| t.kind == kind);
        let ids: Vec<u16> = of_kind.map(Template::id).collect();
        ids.into_iter().filter(|&id| self.withdraw(id)).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(element: u16, len: u16) -> Field {
        Field { enterprise: 0, element, len, scope: false }
    }

    fn compile(fields: &[Field]) -> Result<Template, Reason> {
        Template::compile(256, TemplateKind::Data, fields, 100, DecodeOptions::default())
    }

    #[test]
    fn only_fields_that_fill_a_column_are_read() {
        // An unknown element, a source address, an address of a wrong length, a port of no bytes, an
        // unknown enterprise, packets.
        let template = compile(&[
            field(61, 1),
            field(8, 4),
            field(12, 5),
            field(7, 0),
            Field { enterprise: 9, ..field(1, 8) },
            field(2, 3),
        ]);
        let Layout::Fixed(fields) = template.unwrap().layout else { panic!("a fixed layout") };
        assert_eq!(
            *fields,
            [
                FixedField { offset: 1, len: 4, slot: Slot::Source4 },
                FixedField { offset: 18, len: 3, slot: Slot::Packets }
            ]
        );
    }

    #[test]
    fn the_element_of_the_best_rank_is_read_and_of_equals_the_first() {
        let template = compile(&[
            field(85, 4),
            field(1, 4),
            field(1, 8),
            field(22, 4),
            field(152, 8),
            field(21, 4),
        ]);
        let template = template.unwrap();
        assert_eq!((template.units.start, template.units.end), (Unit::Millis, Unit::Uptime));
        let Layout::Fixed(fields) = template.layout else { panic!("a fixed layout") };
        assert_eq!(
            *fields,
            [
                FixedField { offset: 4, len: 4, slot: Slot::Octets },
                FixedField { offset: 20, len: 8, slot: Slot::Start },
                FixedField { offset: 28, len: 4, slot: Slot::End }
            ]
        );
    }

    #[test]
    fn neighbouring_skips_of_variable_records_are_joined() {
        let template = compile(&[field(61, 1), field(60, 2), field(82, VARIABLE), field(4, 1)]);
        let Layout::Variable(fields) = template.unwrap().layout else {
            panic!("a variable layout")
        };
        assert_eq!(
            *fields,
            [VarField::Skip(3), VarField::Variable(None), VarField::Take(1, Slot::Protocol)]
        );
    }

    #[test]
    fn templates_of_impossible_records_are_refused() {
        let length = |found| Reason::TemplateLength { id: 256, found };
        assert_eq!(compile(&[]).unwrap_err(), length(0));
        assert_eq!(compile(&[field(1, 0), field(2, 0)]).unwrap_err(), length(0));
        assert_eq!(compile(&[field(1, 40_000), field(2, 40_000)]).unwrap_err(), length(80_000));
        assert_eq!(
            Template::compile(
                256,
                TemplateKind::Data,
                &[field(1, 1); 3],
                2,
                DecodeOptions::default()
            )
            .unwrap_err(),
            Reason::TemplateFields { id: 256, found: 3, limit: 2 }
        );
        assert!(compile(&[field(82, VARIABLE)]).is_ok());
    }

    #[test]
    fn the_least_recently_used_template_is_evicted() {
        let mut templates = Templates::default();
        let with = |id| Template { id, ..compile(&[field(1, 4)]).unwrap() };
        assert_eq!(templates.define(with(256), 2), Ok(false));
        assert_eq!(templates.define(with(257), 2), Ok(false));
        assert!(templates.get(256).is_some());
        assert_eq!(templates.define(with(257), 2), Ok(false));
        assert!(templates.get(256).is_some());
        assert_eq!(templates.define(with(258), 2), Ok(true));
        assert!(templates.get(257).is_none());
        assert!(templates.get(256).is_some());
        assert_eq!(templates.len(), 2);
    }
}
