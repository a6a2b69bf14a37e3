//! One datagram on its way into the state of its domain.
//!
//! The files of the protocols parse, and hand flows, templates and faults to a [`MessageReader`].

use std::net::IpAddr;

use super::batch::Batch;
use super::context::{Context, NANOS_PER_MILLI};
use super::cursor::Cursor;
use super::domain::{Domain, Version};
use super::element::Field;
use super::error::{Error, Reason};
use super::limits::DecoderLimits;
use super::memory;
use super::options::Options;
use super::pending::{PendingSets, Room};
use super::record::Record;
use super::sequence::{Numbered, Numbering, Sequence, SequenceStep, Unit};
use super::set::{DATA, Set};
use super::shares::TableLoad;
use super::sink::{DecodeOptions, RecordSink};
use super::stats::{Lost, Source, Stats};
use super::template::{Template, TemplateKind, Templates};
use crate::flow::{Extra, Flow};
use crate::time::Timestamp;

/// The state of a domain.
#[derive(Debug, Default)]
pub(super) struct DomainState {
    /// The address to which the domain is charged: the sender of its first datagram.
    pub owner: Option<IpAddr>,
    pub stats: Stats,
    pub templates: Templates,
    pub options: Options,
    /// Sequence numbers, once a datagram had one.
    pub sequence: Option<Sequence>,
    /// The number expected after the last datagram that was read by [`Mode::LearnOnly`], used until
    /// there is a sequence.
    pub learnt: Option<u32>,
    /// Arrival of the last datagram.
    pub last: Timestamp,
    /// sysUpTime and export time in the header of the last datagram.
    pub uptime: Option<(u32, Timestamp)>,
}

impl DomainState {
    /// Returns the load that the domain puts on the tables that all domains share.
    pub fn load(&self) -> TableLoad {
        let DomainState { templates, options, .. } = self;
        TableLoad::of_domain(templates.len(), templates.cost(), options.len())
    }
}

/// The purpose of reading a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Make flows and count everything. Holds the arrival of the datagram.
    Decode(Timestamp),
    /// Count records, and read only options records. Holds the arrival of the datagram.
    Count(Timestamp),
    /// Learn templates and options only. The exporter did not send the datagram just now, so nothing
    /// is counted.
    LearnOnly,
}

/// A datagram as the caller of the decoder hands it over, with the place for its output.
pub(super) struct DatagramIn<'a> {
    /// Address of the exporter: the agent's address in the header for sFlow, else the sender.
    pub exporter: IpAddr,
    /// Source address of the datagram.
    pub sender: IpAddr,
    pub mode: Mode,
    pub out: &'a mut Batch,
    /// Number of errors that may still be appended.
    pub errors: usize,
}

impl DatagramIn<'_> {
    /// Returns the arrival; the epoch for [`Mode::LearnOnly`].
    pub const fn arrival(&self) -> Timestamp {
        match self.mode {
            Mode::Decode(arrival) | Mode::Count(arrival) => arrival,
            Mode::LearnOnly => Timestamp::from_secs(0),
        }
    }

    /// Returns true if the datagram is counted.
    #[inline]
    pub const fn counts(&self) -> bool {
        !matches!(self.mode, Mode::LearnOnly)
    }

    /// Returns true if the caller wants flows.
    #[inline]
    pub const fn decodes(&self) -> bool {
        matches!(self.mode, Mode::Decode(_))
    }

    /// Appends an error to the batch, unless the datagram has too many.
    pub fn error(&mut self, version: Option<Version>, set: Option<u16>, at: usize, reason: Reason) {
        if self.errors > 0 {
            self.errors -= 1;
            self.out.errors.push(Error { exporter: self.exporter, version, set, at, reason });
        }
    }
}

/// A reader of one datagram, or of one message in it, into its domain.
pub(super) struct MessageReader<'a, 'b> {
    pub context: Context,
    pub limits: &'a DecoderLimits,
    pub options: DecodeOptions,
    pub domain: Domain,
    pub state: &'a mut DomainState,
    pub pending: &'a mut PendingSets,
    pub record: &'a mut Record,
    pub datagram: &'a mut DatagramIn<'b>,
    /// A part could not be read.
    pub bad: bool,
    /// The templates or options in force have changed.
    pub changed: bool,
    /// Some records could not be counted: their template is missing, or they are cut off.
    pub unread: bool,
    /// Number of data records, options data records among them.
    pub records: u64,
    /// Number of data records without options data records.
    pub flows: u64,
}

/// The unit of a sequence number, by protocol.
#[derive(Clone, Copy, Debug)]
pub(super) enum Count {
    /// Datagrams; some exporters count records instead (v9).
    Datagram,
    /// Datagrams, with every exporter (sFlow).
    OnlyDatagram,
    /// Flows, whose number is in the header (v5, v7).
    Flows(u16),
    /// Data records, which are counted while they are read (IPFIX).
    Records,
}

impl MessageReader<'_, '_> {
    /// Reports and counts a part that could not be read.
    pub fn fault(&mut self, at: usize, set: Option<u16>, reason: Reason) {
        self.datagram.error(Some(self.domain.version), set, at, reason);
        if self.datagram.counts() {
            self.bad = true;
            self.state.stats.faults.count(reason.fault());
        }
    }

    /// Appends the flow of one sampled packet. `extra` is called only if extras are kept.
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

    /// Appends the flows of a datagram of one fixed layout. `same` has the columns that they share.
    /// All are added and counted at once, because counting them one by one costs as much as reading
    /// them.
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

    /// Reads the sets of v9 or IPFIX up to the end of `cursor`. `other` reads a set that is not data.
    #[inline]
    pub fn sets(&mut self, mut cursor: Cursor<'_>, other: impl Fn(&mut Self, &Set<'_>)) {
        loop {
            let at = cursor.at();
            // A set has a header of four bytes, so every round consumes some.
            let set = match Set::next(&mut cursor) {
                None => return,
                Some(Err(reason)) => return self.fault(at, None, reason),
                Some(Ok(set)) => set,
            };
            if let Some(reason) = set.overrun {
                self.fault(set.at, Some(set.id), reason);
            }
            if set.id >= DATA {
                self.data(&set);
            } else {
                other(self, &set);
            }
        }
    }

    /// Reads the template records of a set up to padding, or to the first that is wrong. `read` reads
    /// one of them, which has at least `shortest` bytes.
    pub fn definitions(
        &mut self,
        set: &Set<'_>,
        shortest: usize,
        read: impl Fn(&mut Self, &mut Cursor<'_>) -> Result<(), Reason>,
    ) {
        let mut body = set.body;
        while body.left() >= shortest && !body.is_padding() {
            let at = body.at();
            if let Err(reason) = read(self, &mut body) {
                return self.fault(at, Some(set.id), reason);
            }
        }
    }

    /// Reads a data set as far as the mode asks for it, or holds it until its template arrives.
    pub fn data(&mut self, set: &Set<'_>) {
        let DomainState { stats, templates, options, .. } = &mut *self.state;
        let Some(template) = templates.get(set.id) else { return self.without_template(set) };
        let kind = template.kind();
        let result = match (self.datagram.mode, kind) {
            (Mode::LearnOnly, TemplateKind::Data) => return,
            (Mode::Count(_), TemplateKind::Data) => {
                let (records, result) = template.count(set.body, self.limits.records);
                stats.records += records;
                self.records += records;
                self.flows += records;
                result
            }
            (mode, _) => {
                let mut uncounted;
                let stats = match mode {
                    Mode::LearnOnly => {
                        uncounted = Stats::default();
                        &mut uncounted
                    }
                    Mode::Decode(_) | Mode::Count(_) => stats,
                };
                let (records, option_records) = (stats.records, stats.option_records);
                let mut sink = RecordSink {
                    context: &self.context,
                    want: self.options,
                    domain: self.domain.id,
                    limits: self.limits,
                    options,
                    stats,
                    out: &mut *self.datagram.out,
                };
                let result = template.read(set.body, self.record, &mut sink);
                let flows = sink.stats.records - records;
                self.flows += flows;
                self.records += flows + sink.stats.option_records - option_records;
                result
            }
        };
        if let Err((at, reason)) = result {
            self.unread = true;
            self.fault(at, Some(set.id), reason);
        }
        if kind == TemplateKind::Options {
            self.store(set.id, set.body);
        }
    }

    /// Adds a data set whose template is missing to the counters, and holds it if flows are wanted.
    fn without_template(&mut self, set: &Set<'_>) {
        self.unread = true;
        if !self.datagram.counts() {
            return;
        }
        let bytes = set.body.left();
        self.state.stats.miss(set.id, bytes as u64, self.limits.missing);
        if bytes > 0 && self.datagram.decodes() {
            let room = Room {
                domain: self.limits.held,
                exporter: self.limits.exporter_held,
                all: self.limits.all_held,
            };
            let Set { id, body, .. } = set;
            self.pending.hold(self.domain, *id, self.context, body.at(), body.rest(), room);
        }
    }

    /// Stores the records of an options data set, to be restated.
    fn store(&mut self, id: u16, body: Cursor<'_>) {
        let outcome =
            self.state.templates.store(id, body, self.limits.records, self.limits.options);
        self.changed |= outcome.changed;
        if self.datagram.counts() {
            self.state.stats.refused_options += outcome.refused;
        }
    }

    /// Adds the loss before this datagram, by its sequence number, to the counters. Must be called
    /// after the datagram has been read, because IPFIX numbers records.
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
        let boot = |uptime: u32| sent.offset(-i64::from(uptime) * NANOS_PER_MILLI);
        let start = self.context.uptime.map(boot);
        let new = || Sequence::new(Numbering::by_specification(unit));
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

    /// Puts a template in force, and reads the data that waited for it. `definition` is the template
    /// record in its original bytes.
    ///
    /// # Errors
    /// A template that cannot be used. The template of the same id is then withdrawn, because it
    /// would read the records of the new one wrong.
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
        self.read_pending(id, kind);
        Ok(())
    }

    /// Reads the data sets that waited for a template, each with the header of its own datagram.
    fn read_pending(&mut self, id: u16, kind: TemplateKind) {
        for set in self.pending.take(self.domain, id) {
            let DomainState { stats, templates, options, .. } = &mut *self.state;
            let Some(template) = templates.get(id) else { break };
            let before = stats.flows;
            stats.found(id, set.body.len() as u64);
            let body = Cursor::new(&set.body, set.at);
            let mut sink = RecordSink {
                context: &set.context,
                want: self.options,
                domain: self.domain.id,
                limits: self.limits,
                options,
                stats,
                out: &mut *self.datagram.out,
            };
            let result = template.read(body, self.record, &mut sink);
            let late = stats.flows - before;
            stats.late += late;
            self.datagram.out.late += late;
            if let Err((at, reason)) = result {
                self.fault(at, Some(id), reason);
            }
            if kind == TemplateKind::Options {
                self.store(id, body);
            }
        }
    }

    /// Withdraws a template.
    pub fn withdraw(&mut self, id: u16) {
        let withdrawn = self.state.templates.withdraw(id);
        self.count_withdrawn(withdrawn.into());
    }

    /// Withdraws all templates of a kind.
    pub fn withdraw_all(&mut self, kind: TemplateKind) {
        let withdrawn = self.state.templates.withdraw_all(kind);
        self.count_withdrawn(withdrawn as u64);
    }

    fn count_withdrawn(&mut self, n: u64) {
        self.changed |= n > 0;
        if self.datagram.counts() {
            self.state.stats.withdrawn += n;
        }
    }
}
