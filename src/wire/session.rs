//! One datagram being read: what the protocols' files are given to put flows, templates and faults
//! into.

use std::net::IpAddr;

use super::cursor::Cursor;
use super::error::{Error, Reason};
use super::limits::DecoderLimits;
use super::memory;
use super::options::Options;
use super::pending::{PendingSets, Room};
use super::record::{Context, NANOS_PER_MILLI, Reading, Record};
use super::sequence::{Numbered, Numbering, Sequence, SequenceStep, Unit};
use super::set::Set;
use super::shares::TableLoad;
use super::stats::{Lost, Source, Stats};
use super::template::{Field, Template, TemplateKind, Templates};
use super::{Batch, Domain, Version};
use crate::flow::{Extra, Flow};
use crate::time::Timestamp;

/// What is kept of a domain.
#[derive(Debug, Default)]
pub(super) struct DomainState {
    /// The address on whose account it is: the one that its first datagram came from.
    pub payer: Option<IpAddr>,
    pub stats: Stats,
    pub templates: Templates,
    pub options: Options,
    /// Once there was a number.
    pub sequence: Option<Sequence>,
    /// Until there was one: the number after that of the last datagram which was only learnt.
    pub learnt: Option<u32>,
    /// Arrival of the last datagram.
    pub last: Timestamp,
    /// Its sysUpTime, and the export time by its header.
    pub uptime: Option<(u32, Timestamp)>,
}

impl DomainState {
    /// Returns how much it holds of the tables that all domains share.
    pub fn load(&self) -> TableLoad {
        let DomainState { templates, options, .. } = self;
        TableLoad::of_domain(templates.len(), templates.octets(), options.len())
    }
}

/// What the caller of the decoder asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct DecodeOptions {
    /// Keep [`Batch::extras`].
    pub extras: bool,
    /// Read when flows started and ended.
    pub times: bool,
}

impl Default for DecodeOptions {
    fn default() -> DecodeOptions {
        DecodeOptions { extras: false, times: true }
    }
}

/// What a datagram is read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Its flows: everything in it is read and counted. It arrived then.
    Decode(Timestamp),
    /// What it holds: records are counted, and only those of options are read. It arrived then.
    Count(Timestamp),
    /// Templates and options alone: its exporter did not send it just now, so it counts for nothing.
    LearnOnly,
}

/// What belongs to one call.
pub(super) struct DatagramIn<'a> {
    /// The exporter's address: by its own word where the protocol has one (sFlow), else the sender.
    pub exporter: IpAddr,
    /// The source address of the datagram.
    pub sender: IpAddr,
    pub mode: Mode,
    pub out: &'a mut Batch,
    /// How many errors may still be appended.
    pub errors: usize,
}

impl DatagramIn<'_> {
    /// When it arrived; the epoch if it did not just now.
    pub const fn arrival(&self) -> Timestamp {
        match self.mode {
            Mode::Decode(arrival) | Mode::Count(arrival) => arrival,
            Mode::LearnOnly => Timestamp::from_secs(0),
        }
    }

    /// Whether it goes into the counts.
    #[inline]
    pub const fn counts(&self) -> bool {
        !matches!(self.mode, Mode::LearnOnly)
    }

    /// Whether its flows are asked for.
    #[inline]
    pub const fn decodes(&self) -> bool {
        matches!(self.mode, Mode::Decode(_))
    }

    pub fn error(&mut self, version: Option<Version>, set: Option<u16>, at: usize, reason: Reason) {
        if self.errors > 0 {
            self.errors -= 1;
            self.out.errors.push(Error { exporter: self.exporter, version, set, at, reason });
        }
    }
}

/// One datagram, or one message of it, on its way into its domain.
pub(super) struct MessageReader<'a, 'b> {
    /// What its header said.
    pub context: Context,
    pub limits: &'a DecoderLimits,
    pub options: DecodeOptions,
    pub domain: Domain,
    pub state: &'a mut DomainState,
    pub pending: &'a mut PendingSets,
    pub record: &'a mut Record,
    pub datagram: &'a mut DatagramIn<'b>,
    pub bad: bool,
    /// What is in force is not what it was.
    pub changed: bool,
    /// Records of it could not be counted: their template has not come, or they are torn.
    pub unread: bool,
    /// Its data records, options records among them, and without these.
    pub records: u64,
    pub flows: u64,
}

/// What a sequence number counts.
#[derive(Clone, Copy, Debug)]
pub(super) enum Count {
    /// Datagrams, and some exporters records instead.
    Datagram,
    /// Datagrams, whoever sends them.
    OnlyDatagram,
    /// Flows, of which the header says how many follow.
    Flows(u16),
    /// Data records, which are counted as they are read.
    Records,
}

impl MessageReader<'_, '_> {
    /// Says and counts that something could not be read.
    pub fn fault(&mut self, at: usize, set: Option<u16>, reason: Reason) {
        self.datagram.error(Some(self.domain.version), set, at, reason);
        if self.datagram.counts() {
            self.bad = true;
            self.state.stats.faults.count(reason.fault());
        }
    }

    /// Takes the flow of one sample of a packet. `extra` is called only where
    /// what it says is kept.
    #[inline]
    pub fn add(&mut self, flow: Flow, extra: impl FnOnce() -> Extra) {
        if self.options.extras {
            let domain = Some(self.domain.id);
            self.datagram.out.extras.push(Extra { domain, ..extra() });
        }
        self.datagram.out.flows.push(flow);
        let stats = &mut self.state.stats;
        stats.flows += 1;
        stats.records += 1;
        stats.sampled(flow.sampling, Source::Record);
    }

    /// Takes the flows of a datagram's records of one fixed layout, all with the same sampling, at
    /// once: counting one by one costs as much as reading them.
    #[inline]
    pub fn add_all<R>(
        &mut self,
        same: &Flow,
        records: &[R],
        fill: impl Fn(&R, &mut Flow),
        extra: impl Fn(&R) -> Extra,
    ) {
        let stats = &mut self.state.stats;
        stats.flows += records.len() as u64;
        stats.records += records.len() as u64;
        if !records.is_empty() {
            stats.sampled(same.sampling, Source::Header);
        }
        let flows = &mut self.datagram.out.flows;
        let before = flows.len();
        flows.resize(before + records.len(), *same);
        for (flow, record) in flows.iter_mut().skip(before).zip(records) {
            fill(record, flow);
        }
        if self.options.extras {
            let domain = Some(self.domain.id);
            let extras = records.iter().map(|record| Extra { domain, ..extra(record) });
            self.datagram.out.extras.extend(extras);
        }
    }

    /// Reads a data set as far as it is asked for, or holds it until its template comes.
    pub fn data(&mut self, set: &Set<'_>) {
        let DomainState { stats, templates, options, .. } = &mut *self.state;
        let Some(template) = templates.get(set.id) else { return self.unknown(set) };
        let kind = template.kind();
        let read = match (self.datagram.mode, kind) {
            (Mode::LearnOnly, TemplateKind::Data) => return,
            (Mode::Count(_), TemplateKind::Data) => {
                let (records, read) = template.count(set.body, self.limits.records);
                stats.records += records;
                self.records += records;
                self.flows += records;
                read
            }
            (purpose, _) => {
                let mut uncounted;
                let stats = match purpose {
                    Mode::LearnOnly => {
                        uncounted = Stats::default();
                        &mut uncounted
                    }
                    Mode::Decode(_) | Mode::Count(_) => stats,
                };
                let before = (stats.records, stats.option_records);
                let mut reading = Reading {
                    context: &self.context,
                    want: self.options,
                    domain: self.domain.id,
                    limits: self.limits,
                    options,
                    stats,
                    out: &mut *self.datagram.out,
                };
                let read = template.read(set.body, self.record, &mut reading);
                let flows = reading.stats.records - before.0;
                self.flows += flows;
                self.records += flows + reading.stats.option_records - before.1;
                read
            }
        };
        if let Err((at, reason)) = read {
            self.unread = true;
            self.fault(at, Some(set.id), reason);
        }
        if kind == TemplateKind::Options {
            self.keep(set.id, set.body);
        }
    }

    /// Takes a data set whose template is not known.
    fn unknown(&mut self, set: &Set<'_>) {
        self.unread = true;
        if !self.datagram.counts() {
            return;
        }
        let octets = set.body.left();
        self.state.stats.miss(set.id, octets as u64, self.limits.missing);
        if octets > 0 && self.datagram.decodes() {
            self.pending.hold(
                (self.domain, set.id),
                self.context,
                (set.body.at(), set.body.rest()),
                Room {
                    domain: self.limits.held,
                    exporter: self.limits.exporter_held,
                    all: self.limits.all_held,
                },
            );
        }
    }

    /// Keeps the records of a set of options, to be restated.
    fn keep(&mut self, id: u16, body: Cursor<'_>) {
        let keeping =
            self.state.templates.keep(id, body, (self.limits.records, self.limits.options));
        self.changed |= keeping.changed;
        if self.datagram.counts() {
            self.state.stats.refused_options += keeping.refused;
        }
    }

    /// Looks what is missing before this datagram, once it was read.
    pub fn follow(&mut self, number: u32, count: Count) {
        if !self.datagram.counts() {
            let count = match count {
                Count::Records => self.records as u32,
                _ => 1,
            };
            self.state.learnt = Some(number.wrapping_add(count));
            return;
        }
        let sent = self.context.export;
        let counted = |n: u64| u32::try_from(n).ok().filter(|_| !self.unread);
        let (unit, records, flows) = match count {
            Count::Flows(stated) => (Unit::Records, Some(stated.into()), Some(stated.into())),
            Count::Records => (Unit::Records, counted(self.records), counted(self.flows)),
            Count::Datagram => (Unit::Datagrams, counted(self.records), counted(self.flows)),
            Count::OnlyDatagram => (Unit::Datagrams, None, None),
        };
        let before = |uptime: u32| sent.offset(-i64::from(uptime) * NANOS_PER_MILLI);
        let start = self.context.uptime.map(before);
        let new = || Sequence::new(Numbering::by_the_book(unit));
        let sequence = self.state.sequence.get_or_insert_with(new);
        let step = sequence.take(Numbered { number, records, flows, sent, start });
        let unit = sequence.unit();
        let stats = &mut self.state.stats;
        let missing = match step {
            SequenceStep::Lost(n) => i64::from(n),
            SequenceStep::Found(n) => -i64::from(n),
            SequenceStep::Next | SequenceStep::Again | SequenceStep::Restart => 0,
        };
        stats.repeated += u64::from(step == SequenceStep::Again);
        stats.restarts += u64::from(step == SequenceStep::Restart);
        let lost = match unit {
            Unit::Datagrams => Lost { datagrams: Some(missing), flows: None },
            Unit::Records | Unit::Flows => Lost { flows: Some(missing), datagrams: None },
        };
        stats.lost.add(lost);
        self.datagram.out.lost.add(lost);
    }

    /// Puts a template in force, and reads the data that waited for it. `definition` is the record
    /// that defines it.
    ///
    /// # Errors
    /// A template that cannot be used. One of the same number is out of force then: it would read
    /// the new one's records wrong.
    pub fn define(
        &mut self,
        id: u16,
        kind: TemplateKind,
        fields: impl IntoIterator<Item = Field>,
        definition: &[u8],
    ) -> Result<(), Reason> {
        let keeps = self.limits.restated > 0;
        if !keeps || !self.state.templates.renew(id, kind, definition) {
            let compile = || {
                let fields = memory::collect(fields).ok_or(Reason::Memory)?;
                let template =
                    Template::compile(id, kind, &fields, self.limits.fields, self.options)?;
                if keeps { template.with_definition(definition, &fields) } else { Ok(template) }
            };
            let template =
                compile().inspect_err(|_| self.changed |= self.state.templates.withdraw(id))?;
            self.changed = true;
            let evicted = self.state.templates.define(template, self.limits.templates)?;
            self.state.stats.evicted_templates += u64::from(evicted);
        }
        let stats = &mut self.state.stats;
        if self.datagram.counts() {
            match kind {
                TemplateKind::Data => stats.templates += 1,
                TemplateKind::Options => stats.options_templates += 1,
            }
        }
        for held in self.pending.take(self.domain, id) {
            let DomainState { stats, templates, options, .. } = &mut *self.state;
            let Some(template) = templates.get(id) else { break };
            let before = stats.flows;
            stats.found(id, held.body.len() as u64);
            let body = Cursor::new(&held.body, held.at);
            let mut reading = Reading {
                context: &held.context,
                want: self.options,
                domain: self.domain.id,
                limits: self.limits,
                options,
                stats,
                out: &mut *self.datagram.out,
            };
            let read = template.read(body, self.record, &mut reading);
            let late = stats.flows - before;
            stats.late += late;
            self.datagram.out.late += late;
            if let Err((at, reason)) = read {
                self.fault(at, Some(id), reason);
            }
            if kind == TemplateKind::Options {
                self.keep(id, body);
            }
        }
        Ok(())
    }

    /// Takes a template out of force.
    pub fn withdraw(&mut self, id: u16) {
        let withdrawn = self.state.templates.withdraw(id);
        self.withdrew(withdrawn.into());
    }

    /// Takes all templates of a kind out of force.
    pub fn withdraw_all(&mut self, kind: TemplateKind) {
        let withdrawn = self.state.templates.withdraw_all(kind);
        self.withdrew(withdrawn as u64);
    }

    fn withdrew(&mut self, n: u64) {
        self.changed |= n > 0;
        if self.datagram.counts() {
            self.state.stats.withdrawn += n;
        }
    }
}
