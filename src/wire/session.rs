//! One datagram being read: what the protocols' files are given to put flows, templates and faults
//! into.

use std::net::IpAddr;

use super::cursor::Cursor;
use super::error::{Error, Reason};
use super::held::Shelf;
use super::limits::Limits;
use super::options::Options;
use super::record::{Context, NANOS_PER_MILLI, Reading, Record};
use super::sequence::{Numbered, Sequence, Step, Unit, Way};
use super::set::Set;
use super::stats::{Lost, Source, Stats};
use super::template::{Field, Kind, Template, Templates};
use super::{Batch, Domain, Version};
use crate::flow::{Extra, Flow};
use crate::time::Timestamp;

/// What is kept of a domain.
#[derive(Debug, Default)]
pub(super) struct State {
    pub stats: Stats,
    pub templates: Templates,
    pub options: Options,
    /// Once there was a number.
    pub sequence: Option<Sequence>,
    /// Arrival of the last datagram.
    pub last: Timestamp,
}

/// What the caller of the decoder asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Want {
    /// Keep [`Batch::extras`].
    pub extras: bool,
    /// Read when flows started and ended.
    pub times: bool,
}

impl Default for Want {
    fn default() -> Want {
        Want { extras: false, times: true }
    }
}

/// What belongs to one call.
pub(super) struct Call<'a> {
    pub exporter: IpAddr,
    /// When the exporter sent it; `None` if it did not just now.
    pub heard: Option<Timestamp>,
    /// Whether it is counted and its data read, or only templates are learnt.
    pub counts: bool,
    pub out: &'a mut Batch,
    /// How many errors may still be appended.
    pub errors: usize,
}

impl Call<'_> {
    pub fn error(&mut self, version: Option<Version>, set: Option<u16>, at: usize, reason: Reason) {
        if self.errors > 0 {
            self.errors -= 1;
            self.out.errors.push(Error { exporter: self.exporter, version, set, at, reason });
        }
    }
}

/// One datagram, or one message of it, on its way into its domain.
pub(super) struct Session<'a, 'b> {
    /// What its header said.
    pub context: Context,
    pub limits: &'a Limits,
    pub want: Want,
    pub domain: Domain,
    pub state: &'a mut State,
    pub shelf: &'a mut Shelf,
    pub record: &'a mut Record,
    pub call: &'a mut Call<'b>,
    pub bad: bool,
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

impl Session<'_, '_> {
    /// Says and counts that something could not be read.
    pub fn fault(&mut self, at: usize, set: Option<u16>, reason: Reason) {
        self.call.error(Some(self.domain.version), set, at, reason);
        if self.call.counts {
            self.bad = true;
            self.state.stats.faults.count(reason.fault());
        }
    }

    /// Takes the flow of one sample of a packet. `extra` is called only where
    /// what it says is kept.
    #[inline]
    pub fn add(&mut self, flow: Flow, extra: impl FnOnce() -> Extra) {
        if self.want.extras {
            let domain = Some(self.domain.id);
            self.call.out.extras.push(Extra { domain, ..extra() });
        }
        self.call.out.flows.push(flow);
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
        let flows = &mut self.call.out.flows;
        let before = flows.len();
        flows.resize(before + records.len(), *same);
        for (flow, record) in flows.iter_mut().skip(before).zip(records) {
            fill(record, flow);
        }
        if self.want.extras {
            let domain = Some(self.domain.id);
            let extras = records.iter().map(|record| Extra { domain, ..extra(record) });
            self.call.out.extras.extend(extras);
        }
    }

    /// Reads a data set, or holds it until its template comes.
    pub fn data(&mut self, set: &Set<'_>) {
        if !self.call.counts {
            return self.learn(set);
        }
        let State { stats, templates, options, .. } = &mut *self.state;
        let Some(template) = templates.get(set.id) else {
            let octets = set.body.left();
            self.unread = true;
            stats.miss(set.id, octets as u64, self.limits.missing);
            if octets == 0 {
                return;
            }
            return self.shelf.hold(
                (self.domain, set.id),
                self.context,
                (set.body.at(), set.body.rest()),
                (self.limits.held, self.limits.all_held),
            );
        };
        let mut reading = Reading {
            context: &self.context,
            want: self.want,
            domain: self.domain.id,
            limits: self.limits,
            options,
            stats,
            out: &mut *self.call.out,
        };
        let count = |stats: &Stats| (stats.records, stats.records + stats.option_records);
        let before = count(reading.stats);
        let read = template.read(set.body, self.record, &mut reading);
        let after = count(reading.stats);
        self.flows += after.0 - before.0;
        self.records += after.1 - before.1;
        if let Err((at, reason)) = read {
            self.unread = true;
            self.fault(at, Some(set.id), reason);
        }
    }

    /// Reads a data set that counts for nothing: of options what they say, of flows nothing.
    fn learn(&mut self, set: &Set<'_>) {
        let State { templates, options, .. } = &mut *self.state;
        let Some(template) = templates.get(set.id).filter(|t| t.kind() == Kind::Options) else {
            return;
        };
        let mut reading = Reading {
            context: &self.context,
            want: self.want,
            domain: self.domain.id,
            limits: self.limits,
            options,
            stats: &mut Stats::default(),
            out: &mut *self.call.out,
        };
        if let Err((at, reason)) = template.read(set.body, self.record, &mut reading) {
            self.fault(at, Some(set.id), reason);
        }
    }

    /// Looks what is missing before this datagram, once it was read.
    pub fn follow(&mut self, number: u32, count: Count) {
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
        let new = || Sequence::new(Way::by_the_book(unit));
        let sequence = self.state.sequence.get_or_insert_with(new);
        let step = sequence.take(Numbered { number, records, flows, sent, start });
        let unit = sequence.unit();
        let stats = &mut self.state.stats;
        let missing = match step {
            Step::Lost(n) => i64::from(n),
            Step::Found(n) => -i64::from(n),
            Step::Next | Step::Again | Step::Restart => 0,
        };
        stats.repeated += u64::from(step == Step::Again);
        stats.restarts += u64::from(step == Step::Restart);
        let lost = match unit {
            Unit::Datagrams => Lost { datagrams: Some(missing), flows: None },
            Unit::Records | Unit::Flows => Lost { flows: Some(missing), datagrams: None },
        };
        stats.lost.add(lost);
        self.call.out.lost.add(lost);
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
        kind: Kind,
        fields: impl IntoIterator<Item = Field>,
        definition: &[u8],
    ) -> Result<(), Reason> {
        let fields: Vec<Field> = fields.into_iter().collect();
        let mut template = Template::compile(id, kind, &fields, self.limits.fields, self.want)
            .inspect_err(|_| _ = self.state.templates.withdraw(id))?;
        if self.limits.definitions > 0 {
            template = template.with_definition(definition);
        }
        let evicted = self.state.templates.define(template, self.limits.templates);
        let stats = &mut self.state.stats;
        stats.evicted_templates += u64::from(evicted);
        if self.call.counts {
            match kind {
                Kind::Data => stats.templates += 1,
                Kind::Options => stats.options_templates += 1,
            }
        }
        for held in self.shelf.take(self.domain, id) {
            let State { stats, templates, options, .. } = &mut *self.state;
            let Some(template) = templates.get(id) else { break };
            let before = stats.flows;
            stats.found(id, held.body.len() as u64);
            let body = Cursor::new(&held.body, held.at);
            let mut reading = Reading {
                context: &held.context,
                want: self.want,
                domain: self.domain.id,
                limits: self.limits,
                options,
                stats,
                out: &mut *self.call.out,
            };
            let read = template.read(body, self.record, &mut reading);
            let late = stats.flows - before;
            stats.late += late;
            self.call.out.late += late;
            if let Err((at, reason)) = read {
                self.fault(at, Some(id), reason);
            }
        }
        Ok(())
    }

    /// Takes a template out of force.
    pub fn withdraw(&mut self, id: u16) {
        let withdrawn = self.state.templates.withdraw(id);
        self.count_withdrawn(withdrawn.into());
    }

    /// Takes all templates of a kind out of force.
    pub fn withdraw_all(&mut self, kind: Kind) {
        let withdrawn = self.state.templates.withdraw_all(kind);
        self.count_withdrawn(withdrawn as u64);
    }

    fn count_withdrawn(&mut self, n: u64) {
        if self.call.counts {
            self.state.stats.withdrawn += n;
        }
    }
}
