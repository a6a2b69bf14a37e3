//! The decoder: whose datagram it is, and what is kept from one datagram to the next.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use foldhash::fast::RandomState;

use super::cursor::Cursor;
use super::error::{Error, Reason};
use super::held::Shelf;
use super::record::{Context, Record};
use super::set::Set;
use super::stats::{Foreign, Stats, Totals};
use super::template::{Field, Kind, Template, Templates};
use super::{Batch, Domain, Version, force, ipfix, v5, v9};
use crate::flow::Flow;
use crate::time::Timestamp;

/// How much a decoder keeps. UDP sources are forged at will: each limit stops one way to fill the
/// memory, and what is dropped for it is counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Domains, over all exporters: forged addresses and domain ids. The longest silent goes, with
    /// its templates and counts ([`Totals::evicted_domains`]).
    pub domains: usize,
    /// Templates of a domain: an exporter that defines ever new ones. The least recently used goes
    /// ([`Stats::evicted_templates`]).
    pub templates: usize,
    /// Templates of all domains: the product of the two limits above. The longest silent domains
    /// go until it is kept.
    pub all_templates: usize,
    /// Octets of the records that defined the templates of all domains: they are kept for
    /// [`Decoder::templates_in_force`], and exporters might define none but the largest. The longest
    /// silent domains go until it is kept. With 0 no definitions are kept, and nobody goes.
    pub definitions: usize,
    /// Fields of a template: few templates of great size. A larger one is refused
    /// ([`Fault::TemplateFields`](super::Fault::TemplateFields)).
    pub fields: usize,
    /// Octets held for templates to come, of a domain: data whose template never comes. The oldest
    /// goes ([`Stats::evicted_sets`]). When the template comes they make at most two flows for each
    /// nine octets, in one [`Batch`].
    pub held: usize,
    /// The same of all domains.
    pub all_held: usize,
    /// Template ids of a domain that [`Stats::missing`] names: data sets of ever new ids.
    pub missing: usize,
    /// Protocols that [`Totals::by_version`] names: datagrams of noise.
    pub foreign: usize,
    /// Errors that a datagram appends to [`Batch::errors`]: datagrams of many bad sets.
    pub errors: usize,
}

impl Default for Limits {
    /// Room for a large network: at worst some 100 MB, of which forged exporters must fill all.
    fn default() -> Limits {
        Limits {
            domains: 4096,
            templates: 512,
            all_templates: 16_384,
            definitions: 0,
            fields: 512,
            held: 2 << 20,
            all_held: 16 << 20,
            missing: 64,
            foreign: 64,
            errors: 8,
        }
    }
}

/// What is kept of a domain.
#[derive(Debug, Default)]
struct State {
    stats: Stats,
    templates: Templates,
    /// When the exporter started, where its options records say so.
    boot: Option<Timestamp>,
    /// Arrival of the last datagram.
    last: Timestamp,
}

/// Decodes the datagrams of many exporters; keeps templates, data that waits for them, and counts.
///
/// Memory is bounded by [`Limits`]. Data whose template is known costs no allocation once the batch
/// has room for its flows.
#[derive(Debug)]
pub struct Decoder {
    limits: Limits,
    domains: HashMap<Domain, State, RandomState>,
    /// The domains by their last arrival, or by an earlier one: brought up to date only when one
    /// must go, so that a flood of forged domains costs no search of the table for each.
    silent: BTreeSet<(Timestamp, Domain)>,
    shelf: Shelf,
    record: Record,
    totals: Totals,
    templates: usize,
    /// Octets of the definitions that are kept.
    definitions: usize,
}

/// What belongs to one call.
struct Call<'a> {
    exporter: IpAddr,
    /// When the exporter sent it; `None` if it did not just now.
    heard: Option<Timestamp>,
    /// Whether it is counted and its data read, or only templates are learnt.
    counts: bool,
    out: &'a mut Batch,
    /// How many errors may still be appended.
    errors: usize,
}

impl Call<'_> {
    fn error(&mut self, version: Option<Version>, set: Option<u16>, at: usize, reason: Reason) {
        if self.errors > 0 {
            self.errors -= 1;
            self.out.errors.push(Error { exporter: self.exporter, version, set, at, reason });
        }
    }
}

impl Decoder {
    /// A decoder that knows nothing yet.
    pub fn new(limits: Limits) -> Decoder {
        Decoder {
            limits,
            domains: HashMap::default(),
            silent: BTreeSet::new(),
            shelf: Shelf::default(),
            record: Record::new(),
            totals: Totals::default(),
            templates: 0,
            definitions: 0,
        }
    }

    /// Reads the payload of one UDP datagram. What can be read is read: flows are appended to
    /// `out.flows`, problems to `out.errors`. `arrival` tells which domain has been silent longest;
    /// moments in flows come from the datagram.
    pub fn datagram(
        &mut self,
        exporter: IpAddr,
        arrival: Timestamp,
        payload: &[u8],
        out: &mut Batch,
    ) {
        self.totals.datagrams += 1;
        let errors = self.limits.errors;
        self.read(payload, Call { exporter, heard: Some(arrival), counts: true, out, errors });
    }

    /// Learns the templates of a datagram that an exporter did not send just now: nfcap repeats
    /// those in force at the head of each file. It is in no count, and its data is passed over;
    /// data that waited for one of its templates is decoded.
    pub fn learn(&mut self, exporter: IpAddr, payload: &[u8], out: &mut Batch) {
        let errors = self.limits.errors;
        self.read(payload, Call { exporter, heard: None, counts: false, out, errors });
    }

    /// Learns the templates of a datagram that an exporter sent just now, as
    /// [`learn`](Decoder::learn) does: for a collector that decodes nothing but must know what is in
    /// force.
    pub fn watch(&mut self, exporter: IpAddr, arrival: Timestamp, payload: &[u8], out: &mut Batch) {
        let errors = self.limits.errors;
        self.read(payload, Call { exporter, heard: Some(arrival), counts: false, out, errors });
    }

    /// The templates and options templates in force, as payloads of fresh datagrams with the
    /// exporter that each stands for: what another decoder [`learn`](Decoder::learn)s from them is
    /// what this one knows. Nothing unless [`Limits::definitions`] lets it keep what it takes.
    ///
    /// In the order of exporter, version, domain, kind and number. A datagram has at most
    /// [`DATAGRAM`](super::DATAGRAM) octets unless one template alone has more; its header has `now` for the time of
    /// export, and zero for sequence and uptime.
    pub fn templates_in_force(
        &self,
        now: Timestamp,
    ) -> impl Iterator<Item = (IpAddr, Vec<u8>)> + '_ {
        let mut domains: Vec<_> = self.domains.iter().collect();
        domains.sort_unstable_by_key(|&(domain, _)| domain);
        domains.into_iter().flat_map(move |(domain, state)| {
            let datagrams = force::datagrams(domain, &state.templates, now);
            datagrams.into_iter().map(|datagram| (domain.exporter, datagram))
        })
    }

    /// What each domain counted, in the order of exporter, version and id.
    pub fn stats(&self) -> impl Iterator<Item = (&Domain, &Stats)> {
        let mut all: Vec<_> = self.domains.iter().map(|(d, state)| (d, &state.stats)).collect();
        all.sort_unstable_by_key(|&(domain, _)| domain);
        all.into_iter()
    }

    /// What was counted apart from domains.
    pub const fn totals(&self) -> &Totals {
        &self.totals
    }

    fn read(&mut self, payload: &[u8], mut call: Call<'_>) {
        let mut cursor = Cursor::new(payload, 0);
        let read = match payload {
            [0, 5, ..] => self.read_v5(&mut cursor, &mut call),
            [0, 9, ..] => self.read_v9(&mut cursor, &mut call),
            [0, 10, ..] => self.read_ipfix(&mut cursor, &mut call),
            &[a, b, ref rest @ ..] => {
                let found = u16::from_be_bytes([a, b]);
                let foreign = match (found, rest) {
                    (0, [0, 5, ..]) => Foreign::Sflow,
                    _ => Foreign::Version(found),
                };
                if call.counts {
                    self.count_foreign(foreign);
                }
                call.error(None, None, 0, Reason::Version { found });
                return;
            }
            _ => Err((None, Reason::Short { what: "version", needed: 2, left: payload.len() })),
        };
        if let Err((version, reason)) = read {
            if call.counts {
                self.totals.short += 1;
            }
            call.error(version, None, cursor.at(), reason);
        }
    }

    fn count_foreign(&mut self, foreign: Foreign) {
        self.totals.foreign += 1;
        let by_version = &mut self.totals.by_version;
        if by_version.len() < self.limits.foreign || by_version.contains_key(&foreign) {
            *by_version.entry(foreign).or_default() += 1;
        }
    }

    fn read_v5(&mut self, cursor: &mut Cursor<'_>, call: &mut Call<'_>) -> Read {
        let header = v5::Header::parse(cursor).map_err(|reason| (Some(Version::V5), reason))?;
        if !call.counts {
            return Ok(());
        }
        let id = header.engine.into();
        let uptime = Some(header.uptime);
        let rest = *cursor;
        self.visit((Version::V5, id), header.export(), uptime, call, |session| {
            v5::records(&header, rest, session);
        });
        Ok(())
    }

    fn read_v9(&mut self, cursor: &mut Cursor<'_>, call: &mut Call<'_>) -> Read {
        let header = v9::Header::parse(cursor).map_err(|reason| (Some(Version::V9), reason))?;
        let uptime = Some(header.uptime);
        let rest = *cursor;
        self.visit((Version::V9, header.source), header.export(), uptime, call, |session| {
            v9::sets(rest, session);
        });
        Ok(())
    }

    fn read_ipfix(&mut self, cursor: &mut Cursor<'_>, call: &mut Call<'_>) -> Read {
        for n in 0..ipfix::MESSAGES {
            let version = Version::Ipfix;
            let header = ipfix::Header::parse(cursor).map_err(|reason| (Some(version), reason))?;
            let rest = *cursor;
            let next = self.visit((version, header.domain), header.export(), None, call, |s| {
                ipfix::message(n, &header, rest, s)
            });
            match next {
                Some(next) => *cursor = next,
                None => break,
            }
        }
        Ok(())
    }

    /// Finds or makes the domain's state, and holds the limits that a datagram may have crossed.
    fn visit<T>(
        &mut self,
        (version, id): (Version, u32),
        export: Timestamp,
        uptime: Option<u32>,
        call: &mut Call<'_>,
        read: impl FnOnce(&mut Session<'_, '_>) -> T,
    ) -> T {
        let domain = Domain { exporter: call.exporter, version, id };
        if !self.domains.contains_key(&domain) {
            if self.domains.len() >= self.limits.domains.max(1) {
                self.evict(domain);
            }
            self.silent.insert((call.heard.unwrap_or_default(), domain));
        }
        let state = self.domains.entry(domain).or_default();
        state.last = state.last.max(call.heard.unwrap_or_default());
        state.stats.datagrams += u64::from(call.counts);
        let before = (state.templates.len(), state.templates.octets());
        let context = Context { exporter: call.exporter, export, uptime };
        let mut session = Session {
            context,
            limits: &self.limits,
            domain,
            state,
            shelf: &mut self.shelf,
            record: &mut self.record,
            call,
            bad: false,
        };
        let result = read(&mut session);
        if session.bad {
            session.state.stats.bad_datagrams += 1;
        }
        self.templates += session.state.templates.len();
        self.templates -= before.0;
        self.definitions += session.state.templates.octets();
        self.definitions -= before.1;
        session.state.stats.held_octets = session.shelf.octets(&domain) as u64;
        while (self.templates > self.limits.all_templates
            || self.definitions > self.limits.definitions)
            && self.evict(domain)
        {}
        self.count_dropped();
        result
    }

    /// Drops the longest silent domain but `keep`. Returns whether there was one. Of equally silent
    /// ones the least goes, so that a replay drops the same.
    fn evict(&mut self, keep: Domain) -> bool {
        let mut kept = None;
        let found = loop {
            let Some((arrival, domain)) = self.silent.pop_first() else { break None };
            match self.domains.get(&domain) {
                // Once brought up to date it does not come here again, so the loop ends.
                Some(state) if state.last > arrival => {
                    self.silent.insert((state.last, domain));
                }
                Some(_) if domain == keep => kept = Some((arrival, domain)),
                Some(_) => break Some(domain),
                None => {}
            }
        };
        self.silent.extend(kept);
        let Some(domain) = found else { return false };
        self.shelf.forget(domain);
        self.count_dropped();
        if let Some(state) = self.domains.remove(&domain) {
            self.templates -= state.templates.len();
            self.definitions -= state.templates.octets();
            self.totals.evicted_domains += 1;
            self.totals.evicted.add(&state.stats);
        }
        true
    }

    fn count_dropped(&mut self) {
        for (domain, octets) in self.shelf.take_dropped() {
            let held = self.shelf.octets(&domain) as u64;
            if let Some(state) = self.domains.get_mut(&domain) {
                state.stats.evicted_sets += 1;
                state.stats.evicted_octets += octets as u64;
                state.stats.held_octets = held;
            }
        }
    }
}

type Read = Result<(), (Option<Version>, Reason)>;

/// One datagram, or one message of it, on its way into its domain.
pub(super) struct Session<'a, 'b> {
    /// What its header said.
    pub context: Context,
    limits: &'a Limits,
    domain: Domain,
    state: &'a mut State,
    shelf: &'a mut Shelf,
    record: &'a mut Record,
    call: &'a mut Call<'b>,
    bad: bool,
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

    /// Takes the flows of a datagram that has no templates.
    pub fn add_flows(&mut self, flows: impl Iterator<Item = Flow>, sampling: u32) {
        let before = self.call.out.flows.len();
        self.call.out.flows.extend(flows);
        let added = (self.call.out.flows.len() - before) as u64;
        let stats = &mut self.state.stats;
        stats.flows += added;
        stats.records += added;
        stats.sampling = stats.sampling.max(sampling);
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
