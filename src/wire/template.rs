//! Templates, compiled when they arrive into the few steps that fetch a flow's columns.

use std::collections::{BTreeSet, HashMap};

use foldhash::fast::RandomState;

use super::cursor::Cursor;
use super::element::{self, Slot, Unit, VARIABLE};
use super::error::Reason;
use super::memory;
use super::options_records::{OptionsRecords, Stored};
use super::plain::FixedLayout;
use super::record::{Reading, Record, Units};
use super::session::DecodeOptions;

/// A field as a template names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Field {
    /// Private enterprise number, 0 for IANA's elements.
    pub enterprise: u32,
    /// Number of the element.
    pub element: u16,
    /// Octets, or [`VARIABLE`].
    pub len: u16,
    /// The field says what an options record is about, and is no value of it.
    pub scope: bool,
}

/// What the records of a template are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TemplateKind {
    /// Flow data records.
    Data,
    /// Options data records.
    Options,
}

/// Fetches one field of a record of fixed length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FixedField {
    offset: u16,
    len: u16,
    slot: Slot,
}

/// Walks over one field, or over several that nobody wants, of a record of variable length.
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
    /// Octets of the shortest record, at least 1; of every record if the plan is fixed.
    shortest: u16,
    layout: Layout,
    units: Units,
    /// The record that defined it, as it came; empty if definitions are not kept.
    definition: Box<[u8]>,
    /// Its records in force, if it is one of options and they are kept.
    options_records: Option<Box<OptionsRecords>>,
}

/// What became of the records of a set that were to be kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct StoreOutcome {
    /// What is in force is not what it was.
    pub changed: bool,
    /// Records that there was no room for.
    pub refused: u64,
}

impl Template {
    /// Compiles a template. Of several elements for the same column the one of the best rank is
    /// fetched, of several of the same rank the first. What nobody wants is not fetched.
    ///
    /// # Errors
    /// Records that have no octets, which would never end, or more than a set can hold; more than
    /// `limit` fields; no memory.
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
        let variable = fields.iter().any(|field| field.len == VARIABLE);
        // A field of variable length has at least the octet that tells its length.
        let lens = fields.iter().map(|f| if f.len == VARIABLE { 1 } else { usize::from(f.len) });
        let found = lens.sum();
        let shortest = match u16::try_from(found) {
            Ok(shortest) if shortest > 0 => shortest,
            _ => return Err(Reason::TemplateLength { id, found }),
        };
        let mut best: [Option<(u8, usize, Unit)>; Slot::COUNT] = [None; Slot::COUNT];
        for (n, field) in fields.iter().enumerate() {
            let Some((slot, rank, unit)) = wanted(field, want) else { continue };
            if let Some(best) = best.get_mut(slot as usize) {
                if best.is_none_or(|(other, _, _)| rank < other) {
                    *best = Some((rank, n, unit));
                }
            }
        }
        let best = |slot: Slot| best.get(slot as usize).copied().flatten();
        let slot_of = |n: usize, field: &Field| {
            let (slot, _, _) = wanted(field, want)?;
            best(slot).is_some_and(|(_, taken, _)| taken == n).then_some(slot)
        };
        let unit = |slot| best(slot).map(|(_, _, unit)| unit).unwrap_or_default();
        let units = Units {
            start: unit(Slot::Start),
            end: unit(Slot::End),
            duration: unit(Slot::Duration),
            reverse_start: unit(Slot::ReverseStart),
            reverse_end: unit(Slot::ReverseEnd),
            reverse_duration: unit(Slot::ReverseDuration),
        };
        let fields = fields.iter().enumerate().map(|(n, field)| (slot_of(n, field), field.len));
        let plan = match variable {
            false => fixed(steps(fields).ok_or(Reason::Memory)?, kind, want, &units),
            true => Layout::Variable(strides(fields).ok_or(Reason::Memory)?),
        };
        Ok(Template {
            id,
            kind,
            shortest,
            layout: plan,
            units,
            definition: Box::default(),
            options_records: None,
        })
    }

    /// The same template, of these fields, with the record that defined it, and with room for records
    /// of options.
    ///
    /// # Errors
    /// There is no memory for it.
    pub fn with_definition(self, definition: &[u8], fields: &[Field]) -> Result<Template, Reason> {
        let definition = memory::boxed(definition).ok_or(Reason::Memory)?;
        let scoped = match self.kind {
            TemplateKind::Options => {
                Some(Box::new(OptionsRecords::new(fields).ok_or(Reason::Memory)?))
            }
            TemplateKind::Data => None,
        };
        Ok(Template { definition, options_records: scoped, ..self })
    }

    /// The record that defined it; empty if definitions are not kept.
    pub const fn definition(&self) -> &[u8] {
        &self.definition
    }

    /// What its records are.
    pub const fn kind(&self) -> TemplateKind {
        self.kind
    }

    /// Octets of the shortest record.
    pub const fn shortest(&self) -> u16 {
        self.shortest
    }

    /// Its number.
    pub const fn id(&self) -> u16 {
        self.id
    }

    /// Reads the records of a data set. What is left at its end and is shorter than a record is
    /// padding.
    ///
    /// # Errors
    /// A record that ends after the set, or more records than the limit, with the offset; the records
    /// before it were read.
    pub fn read(
        &self,
        mut body: Cursor<'_>,
        record: &mut Record,
        reading: &mut Reading<'_>,
    ) -> Result<(), (usize, Reason)> {
        let shortest = usize::from(self.shortest).max(1);
        let limit = reading.limits.records;
        if let Layout::Variable(strides) = &self.layout {
            // The shortest record has an octet at least, so every round gets on.
            for _ in 0..limit {
                if body.left() < shortest {
                    return Ok(());
                }
                let before = body;
                record.clear();
                let load = |slot, octets: &[u8]| record.load(slot, octets);
                if let Err(missing) = walk(strides, &mut body, load) {
                    return self.torn(&before, missing);
                }
                self.done(record, reading);
            }
            return if body.left() < shortest { Ok(()) } else { self.too_many(&body, limit) };
        }
        let taken = shortest * (body.left() / shortest).min(limit);
        let octets = body.rest().get(..taken).unwrap_or_default();
        match &self.layout {
            Layout::Plain(plain) => plain.read(octets, shortest, reading),
            Layout::Fixed(steps) => {
                for octets in octets.chunks_exact(shortest) {
                    record.clear();
                    for step in steps {
                        let from = usize::from(step.offset);
                        let to = from + usize::from(step.len);
                        if let Some(field) = octets.get(from..to) {
                            record.load(step.slot, field);
                        }
                    }
                    self.done(record, reading);
                }
            }
            Layout::Variable(_) => {}
        }
        body.skip(taken);
        if body.left() < shortest { Ok(()) } else { self.too_many(&body, limit) }
    }

    /// Counts the records of a data set, and finds of it the same wrong as [`read`](Template::read).
    pub fn count(&self, mut body: Cursor<'_>, limit: usize) -> (u64, Result<(), (usize, Reason)>) {
        let shortest = usize::from(self.shortest).max(1);
        let mut count = 0;
        if let Layout::Variable(strides) = &self.layout {
            while count < limit && body.left() >= shortest {
                let before = body;
                if let Err(missing) = walk(strides, &mut body, |_, _| {}) {
                    let torn = self.torn(&before, missing);
                    return (count as u64, torn);
                }
                count += 1;
            }
        } else {
            count = (body.left() / shortest).min(limit);
            body.skip(shortest * count);
        }
        let all = if body.left() < shortest { Ok(()) } else { self.too_many(&body, limit) };
        (count as u64, all)
    }

    /// What is wrong with a record that lacks `missing` octets.
    fn torn(&self, record: &Cursor<'_>, missing: usize) -> Result<(), (usize, Reason)> {
        // A tail of zeros is padding, however long.
        if record.is_padding() {
            return Ok(());
        }
        let left = record.left();
        Err((record.at(), Reason::Record { id: self.id, needed: left + missing, left }))
    }

    fn too_many(&self, body: &Cursor<'_>, limit: usize) -> Result<(), (usize, Reason)> {
        Err((body.at(), Reason::Records { id: self.id, limit, left: body.left() }))
    }

    fn done(&self, record: &Record, reading: &mut Reading<'_>) {
        match self.kind {
            TemplateKind::Data => {
                reading.stats.records += 1;
                match record.flows(&self.units, reading) {
                    0 => reading.stats.no_address += 1,
                    n => reading.stats.flows += n,
                }
            }
            TemplateKind::Options => {
                reading.stats.option_records += 1;
                let told = reading.options.learn(record, reading.limits.samplers);
                reading.stats.refused_samplers += u64::from(!told);
            }
        }
    }
}

/// Where a field goes, if anywhere.
fn wanted(field: &Field, want: DecodeOptions) -> Option<(Slot, u8, Unit)> {
    let element = element::find(field.enterprise, field.element);
    let is_named = |slot| matches!(slot, Slot::Ingress | Slot::Sampler | Slot::Selector);
    if field.scope && !element.is_some_and(|element| is_named(element.slot)) {
        let is_whole = field.enterprise == 0 && element::WHOLE.contains(&field.element);
        return (!is_whole && field.len > 0).then_some((Slot::Part, 0, Unit::Plain));
    }
    let element = element?;
    let fits = field.len == VARIABLE || element.slot.takes(usize::from(field.len));
    let asked =
        (want.extras || !element.slot.is_extra()) && (want.times || !element.slot.is_time());
    (fits && asked).then_some((element.slot, element.rank, element.unit))
}

/// The plan for records of fixed length.
fn fixed(
    steps: Box<[FixedField]>,
    kind: TemplateKind,
    want: DecodeOptions,
    units: &Units,
) -> Layout {
    if kind == TemplateKind::Data && !want.extras {
        let fields: Vec<_> = steps.iter().map(|step| (step.slot, step.offset, step.len)).collect();
        if let Some(plain) = FixedLayout::of(&fields, units) {
            return Layout::Plain(Box::new(plain));
        }
    }
    Layout::Fixed(steps)
}

fn steps(fields: impl Iterator<Item = (Option<Slot>, u16)>) -> Option<Box<[FixedField]>> {
    let mut offset = 0u16;
    let mut steps = Vec::new();
    for (slot, len) in fields {
        if let Some(slot) = slot {
            steps.try_reserve(1).ok()?;
            steps.push(FixedField { offset, len, slot });
        }
        offset = offset.saturating_add(len);
    }
    Some(steps.into())
}

fn strides(fields: impl Iterator<Item = (Option<Slot>, u16)>) -> Option<Box<[VarField]>> {
    let mut strides: Vec<VarField> = Vec::new();
    for (slot, len) in fields {
        let stride = match (slot, len) {
            (slot, VARIABLE) => VarField::Variable(slot),
            (Some(slot), len) => VarField::Take(len, slot),
            (None, len) => VarField::Skip(len),
        };
        match (strides.last_mut(), stride) {
            (Some(VarField::Skip(run)), VarField::Skip(more)) => *run = run.saturating_add(more),
            _ => {
                strides.try_reserve(1).ok()?;
                strides.push(stride);
            }
        }
    }
    Some(strides.into())
}

/// Reads one record: `load` gets the fields that are wanted.
///
/// # Errors
/// Octets that it has at least and the set has not: up to where its lengths are known, and the least
/// after that. So they do not depend on which of its fields somebody wants.
#[inline]
fn walk(
    strides: &[VarField],
    body: &mut Cursor<'_>,
    mut load: impl FnMut(Slot, &[u8]),
) -> Result<(), usize> {
    let mut strides = strides.iter();
    while let Some(stride) = strides.next() {
        if let Err(reason) = stride.walk(body, &mut load) {
            let needed = match reason {
                Reason::Short { needed, .. } => needed,
                _ => 0,
            };
            let after: usize = strides.map(VarField::shortest).sum();
            return Err((needed + after).saturating_sub(body.left()));
        }
    }
    Ok(())
}

impl VarField {
    #[inline]
    fn walk(
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
                // One octet, or 255 and two (RFC 7011 section 7).
                let len = match body.u8("field length")? {
                    255 => usize::from(body.u16("field length")?),
                    len => usize::from(len),
                };
                let field = body.take("field", len)?;
                if let Some(slot) = slot {
                    load(slot, field);
                }
            }
        }
        Ok(())
    }

    /// Octets that it walks over at least.
    fn shortest(&self) -> usize {
        match *self {
            VarField::Skip(len) | VarField::Take(len, _) => len.into(),
            VarField::Variable(_) => 1,
        }
    }
}

/// The templates of one domain, data and options under the same numbers.
///
/// Bounded: a forged exporter that defines ever new templates costs a domain its least recently
/// used ones, and no memory.
#[derive(Debug, Default)]
pub(super) struct Templates {
    by_id: HashMap<u16, Entry, RandomState>,
    /// The numbers by their last use, or by an earlier one: brought up to date only when one must
    /// go, so that neither the use of a template nor a flood of new ones costs a search.
    unused: BTreeSet<(u64, u16)>,
    /// Counts uses, to tell which template was used last.
    clock: u64,
    /// Octets of all definitions that are kept.
    definitions: usize,
    /// What keeping options data records costs.
    options: usize,
    /// The octets that name what a record speaks of.
    name: Vec<u8>,
}

#[derive(Debug)]
struct Entry {
    template: Template,
    /// Its last use.
    used: u64,
    /// The use under which it stands in [`Templates::unused`].
    listed: u64,
}

impl Templates {
    /// How many are in force.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Octets of the definitions that are kept, and of options data records.
    pub fn octets(&self) -> usize {
        self.definitions + self.options
    }

    /// All of them, those of data first, in the order of their numbers.
    pub fn in_order(&self) -> Vec<&Template> {
        let mut all: Vec<_> = self.by_id.values().map(|entry| &entry.template).collect();
        all.sort_unstable_by_key(|template| (template.kind == TemplateKind::Options, template.id));
        all
    }

    /// The options data records in force, with the template of each, in the order in which they were
    /// told last: of two that contradict each other the last one holds.
    pub fn records(&self) -> Vec<(&Template, &[u8])> {
        let mut all = Vec::new();
        for Entry { template, .. } in self.by_id.values() {
            let records = template.options_records.iter().flat_map(|scoped| scoped.iter());
            all.extend(records.map(|(told, octets)| (told, template, octets)));
        }
        all.sort_unstable_by_key(|&(told, _, _)| told);
        all.into_iter().map(|(_, template, octets)| (template, octets)).collect()
    }

    /// Keeps the options data records of a set, at most so many and as many as there is room for: what
    /// all of the domain cost stays within `room`.
    pub fn keep(
        &mut self,
        id: u16,
        mut body: Cursor<'_>,
        (limit, room): (usize, usize),
    ) -> StoreOutcome {
        let mut keeping = StoreOutcome::default();
        let Some(Entry { template, .. }) = self.by_id.get_mut(&id) else { return keeping };
        let shortest = usize::from(template.shortest).max(1);
        let Some(scoped) = &mut template.options_records else { return keeping };
        let others = self.options - scoped.octets();
        for _ in 0..limit {
            if body.left() < shortest {
                break;
            }
            let Some(octets) = scoped.next(&mut body, &mut self.name) else { break };
            self.clock += 1;
            match scoped.insert(&self.name, octets, self.clock, room.saturating_sub(others)) {
                Stored::Same => {}
                Stored::New => keeping.changed = true,
                Stored::Refused(gone) => {
                    keeping.changed |= gone;
                    keeping.refused += 1;
                }
            }
        }
        self.options = others + scoped.octets();
        keeping
    }

    /// Whether the very same template is in force already; it counts as used then.
    pub fn renew(&mut self, id: u16, kind: TemplateKind, definition: &[u8]) -> bool {
        let same =
            |template: &Template| template.kind == kind && *template.definition == *definition;
        self.get(id).is_some_and(same)
    }

    /// The template of this number.
    pub fn get(&mut self, id: u16) -> Option<&Template> {
        let entry = self.by_id.get_mut(&id)?;
        self.clock += 1;
        entry.used = self.clock;
        Some(&entry.template)
    }

    /// Puts a template in force, in place of the one of the same number. Returns whether another
    /// one, the least recently used, had to go.
    ///
    /// # Errors
    /// There is no memory for it.
    pub fn define(&mut self, template: Template, limit: usize) -> Result<bool, Reason> {
        let id = template.id();
        let known = self.withdraw(id);
        self.by_id.try_reserve(1).map_err(|_| Reason::Memory)?;
        let evicted = !known && self.by_id.len() >= limit.max(1) && self.evict();
        self.clock += 1;
        self.definitions += template.definition.len();
        self.unused.insert((self.clock, id));
        self.by_id.insert(id, Entry { template, used: self.clock, listed: self.clock });
        Ok(evicted)
    }

    /// Takes the least recently used template out of force. Returns whether there was one.
    pub fn evict(&mut self) -> bool {
        while let Some((_, id)) = self.unused.pop_first() {
            let Some(entry) = self.by_id.get_mut(&id) else { continue };
            if entry.used == entry.listed {
                return self.withdraw(id);
            }
            // Once brought up to date it does not come here again, so the loop ends.
            entry.listed = entry.used;
            self.unused.insert((entry.used, id));
        }
        false
    }

    /// Takes a template out of force. Returns whether there was one.
    pub fn withdraw(&mut self, id: u16) -> bool {
        let Some(Entry { template, listed, .. }) = self.by_id.remove(&id) else { return false };
        self.unused.remove(&(listed, id));
        self.definitions -= template.definition.len();
        self.options -= template.options_records.map_or(0, |scoped| scoped.octets());
        true
    }

    /// Takes all templates of a kind out of force. Returns how many there were.
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
    fn only_what_makes_a_flow_becomes_a_step() {
        // An unknown field, a source address, one of a wrong length, a zero-length one, packets.
        let template = compile(&[
            field(61, 1),
            field(8, 4),
            field(12, 5),
            field(7, 0),
            Field { enterprise: 9, ..field(1, 8) },
            field(2, 3),
        ]);
        let Layout::Fixed(steps) = template.unwrap().layout else { panic!("a fixed plan") };
        assert_eq!(
            *steps,
            [
                FixedField { offset: 1, len: 4, slot: Slot::Source4 },
                FixedField { offset: 18, len: 3, slot: Slot::Packets }
            ]
        );
    }

    #[test]
    fn the_first_of_equals_and_the_best_of_ranks() {
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
        let Layout::Fixed(steps) = template.layout else { panic!("a fixed plan") };
        assert_eq!(
            *steps,
            [
                FixedField { offset: 4, len: 4, slot: Slot::Octets },
                FixedField { offset: 20, len: 8, slot: Slot::Start },
                FixedField { offset: 28, len: 4, slot: Slot::End }
            ]
        );
    }

    #[test]
    fn skips_of_variable_records_are_joined() {
        let template = compile(&[field(61, 1), field(60, 2), field(82, VARIABLE), field(4, 1)]);
        let Layout::Variable(strides) = template.unwrap().layout else { panic!("a variable plan") };
        assert_eq!(
            *strides,
            [VarField::Skip(3), VarField::Variable(None), VarField::Take(1, Slot::Protocol)]
        );
    }

    #[test]
    fn records_without_an_end_are_refused() {
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
    fn the_least_recently_used_goes() {
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
