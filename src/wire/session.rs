//! One datagram being read: what the protocols' files are given to put flows, templates and faults
//! into.

use std::net::IpAddr;

use super::cursor::Cursor;
use super::error::{Error, Reason};
use super::held::Shelf;
use super::limits::Limits;
use super::record::{Context, Record};
use super::set::Set;
use super::stats::Stats;
use super::template::{Field, Kind, Template, Templates};
use super::{Batch, Domain, Version};
use crate::flow::{Extra, Flow};
use crate::time::Timestamp;

/// What is kept of a domain.
#[derive(Debug, Default)]
pub(super) struct State {
    pub stats: Stats,
    pub templates: Templates,
    /// When the exporter started, where its options records say so.
    pub boot: Option<Timestamp>,
    /// Arrival of the last datagram.
    pub last: Timestamp,
}

/// What the caller of the decoder asked for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Want {
    /// Keep [`Batch::extras`].
    pub extras: bool,
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

    /// Takes the flow of one record of a protocol without templates. `extra` is called only where
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
        stats.sampling = stats.sampling.max(flow.sampling);
    }

    /// Takes the flows of a datagram's records of one fixed layout, all with the same sampling, at
    /// once: counting one by one costs as much as reading them.
    #[inline]
    pub fn add_all(
        &mut self,
        sampling: u32,
        flows: impl ExactSizeIterator<Item = Flow>,
        extras: impl Iterator<Item = Extra>,
    ) {
        let stats = &mut self.state.stats;
        stats.flows += flows.len() as u64;
        stats.records += flows.len() as u64;
        stats.sampling = stats.sampling.max(if flows.len() > 0 { sampling } else { 0 });
        self.call.out.flows.extend(flows);
        if self.want.extras {
            let domain = Some(self.domain.id);
            self.call.out.extras.extend(extras.map(|extra| Extra { domain, ..extra }));
        }
    }

    /// Reads a data set, or holds it until its template comes.
    pub fn data(&mut self, set: &Set<'_>) {
        if !self.call.counts {
            return;
        }
        let State { stats, templates, boot, .. } = &mut *self.state;
        let Some(template) = templates.get(set.id) else {
            let octets = set.body.left();
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
        let flows = &mut self.call.out.flows;
        let read = template.read(set.body, &self.context, boot, self.record, stats, flows);
        if let Err((at, reason)) = read {
            self.fault(at, Some(set.id), reason);
        }
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
        let mut template = Template::compile(id, kind, &fields, self.limits.fields)
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
            let State { stats, templates, boot, .. } = &mut *self.state;
            let Some(template) = templates.get(id) else { break };
            let before = stats.flows;
            stats.found(id, held.body.len() as u64);
            let body = Cursor::new(&held.body, held.at);
            let flows = &mut self.call.out.flows;
            let read = template.read(body, &held.context, boot, self.record, stats, flows);
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
