//! The decoder: finds the domain of a datagram, and keeps the state of all domains.

use std::collections::HashMap;
use std::net::IpAddr;

use foldhash::fast::RandomState;

use super::batch::Batch;
use super::context::Context;
use super::cursor::Cursor;
use super::domain::{Domain, Version};
use super::error::{Foreign, Reason};
use super::limits::DecoderLimits;
use super::pending::{DroppedSet, PendingSets};
use super::reader::{Count, DatagramIn, DomainState, MessageReader, Mode};
use super::record::Record;
use super::shares::{Shares, Table};
use super::sink::DecodeOptions;
use super::stats::{Stats, Totals};
use super::{ipfix, restate, sflow, v1, v5, v7, v9};
use crate::time::Timestamp;

/// The result of reading a header: an error has the protocol, if it is known.
type HeaderResult = Result<(), (Option<Version>, Reason)>;

/// A decoder for the datagrams of many exporters. It keeps templates, data that waits for them, and
/// counters.
///
/// Memory is bounded by [`DecoderLimits`]. Decoding data whose template is known does not allocate
/// once the batch has room for its flows.
#[derive(Debug)]
pub struct Decoder {
    limits: DecoderLimits,
    want: DecodeOptions,
    domains: HashMap<Domain, DomainState, RandomState>,
    /// The load of each exporter address, from which follows which one is evicted when a table is
    /// full.
    shares: Shares,
    pending: PendingSets,
    record: Record,
    totals: Totals,
    generation: u64,
}

/// The contents of a header, for any protocol.
struct Heading {
    version: Version,
    /// Number of the domain.
    id: u32,
    export: Timestamp,
    /// sysUpTime in milliseconds.
    uptime: Option<u32>,
    /// The sequence number and its unit.
    number: Option<(u32, Count)>,
}

impl Decoder {
    /// Creates a decoder without any templates.
    pub fn new(limits: DecoderLimits) -> Decoder {
        Decoder {
            limits,
            want: DecodeOptions::default(),
            domains: HashMap::default(),
            shares: Shares::default(),
            pending: PendingSets::default(),
            record: Record::new(),
            totals: Totals::default(),
            generation: 0,
        }
    }

    /// Makes the decoder fill [`Batch::extras`].
    pub fn with_extras(mut self) -> Decoder {
        self.want.extras = true;
        self
    }

    /// Allows the decoder to leave out start and end of flows. They are a tenth of the work, which a
    /// caller that prints no times can save.
    pub fn without_times(mut self) -> Decoder {
        self.want.times = false;
        self
    }

    /// Decodes the payload of one UDP datagram. Flows are appended to `out.flows`, errors to
    /// `out.errors`; an error never hides the rest of the datagram. `arrival` decides which domain has
    /// been silent longest. The times of flows come from the datagram.
    pub fn datagram(
        &mut self,
        exporter: IpAddr,
        arrival: Timestamp,
        payload: &[u8],
        out: &mut Batch,
    ) {
        self.read(exporter, Mode::Decode(arrival), payload, out);
    }

    /// Reads a datagram for its counters, templates and options only, and makes no flows. It is meant
    /// for a collector that stores datagrams undecoded and must know which templates are in force and
    /// how many datagrams are missing.
    ///
    /// The counters are those of [`datagram`](Decoder::datagram) as far as they follow from headers
    /// and lengths: datagrams, records, templates, and losses by sequence number. Data whose template
    /// is missing is not held. Only the heads of sFlow samples are read.
    pub fn watch(&mut self, exporter: IpAddr, arrival: Timestamp, payload: &[u8], out: &mut Batch) {
        self.read(exporter, Mode::Count(arrival), payload, out);
    }

    /// Learns the templates and options of a datagram that an exporter did not send just now. nfcap
    /// writes such datagrams at the head of each file. The datagram is not counted, and its flows are
    /// skipped. Data that waited for one of its templates is decoded.
    pub fn learn(&mut self, exporter: IpAddr, payload: &[u8], out: &mut Batch) {
        self.read(exporter, Mode::LearnOnly, payload, out);
    }

    /// Returns the templates, options templates and options data records in force as payloads of new
    /// datagrams, each with the exporter that it stands for. A decoder that
    /// [`learn`](Decoder::learn)s them knows what this one knows. Returns nothing unless
    /// [`DecoderLimits::restated`] is above 0.
    ///
    /// The order is: exporter, version, domain, kind and number; options data records in the order of
    /// their last repetition. A datagram has at most [`DATAGRAM`](super::exporter::DATAGRAM) bytes
    /// unless one record alone has more. Its export time is `now`; in v9 its sysUpTime is that of the
    /// exporter at `now`. The exporter's next datagram follows its sequence number without a gap, so
    /// a reader that gets both finds no loss. The number is 0 if none is known.
    pub fn restate(&self, now: Timestamp) -> impl Iterator<Item = (IpAddr, Vec<u8>)> + '_ {
        let mut domains: Vec<_> = self.domains.iter().collect();
        domains.sort_unstable_by_key(|&(domain, _)| domain);
        domains.into_iter().flat_map(move |(domain, state)| {
            let datagrams = restate::datagrams(domain, state, now);
            datagrams.into_iter().map(|datagram| (domain.exporter, datagram))
        })
    }

    /// Returns a number that grows whenever the output of [`restate`](Decoder::restate) changes, times
    /// and sequence numbers aside. Repetitions of the same templates and options do not change it. It
    /// stays 0 as long as nothing is kept.
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// Returns the counters of each domain, in the order of exporter, version and id.
    pub fn stats(&self) -> impl Iterator<Item = (&Domain, &Stats)> {
        let mut all: Vec<_> = self.domains.iter().map(|(d, state)| (d, &state.stats)).collect();
        all.sort_unstable_by_key(|&(domain, _)| domain);
        all.into_iter()
    }

    /// Returns the counters that belong to no domain, and those of evicted domains.
    pub const fn totals(&self) -> &Totals {
        &self.totals
    }

    fn read(&mut self, exporter: IpAddr, mode: Mode, payload: &[u8], out: &mut Batch) {
        let mut datagram =
            DatagramIn { exporter, sender: exporter, mode, out, errors: self.limits.errors };
        self.totals.datagrams += u64::from(datagram.counts());
        let mut cursor = Cursor::new(payload, 0);
        let result = match payload {
            [0, 1, ..] => self.read_v1(&mut cursor, &mut datagram),
            [0, 5, ..] => self.read_v5(Version::V5, &mut cursor, &mut datagram),
            [0, 7, ..] => self.read_v5(Version::V7, &mut cursor, &mut datagram),
            [0, 9, ..] => self.read_v9(&mut cursor, &mut datagram),
            [0, 10, ..] => self.read_ipfix(&mut cursor, &mut datagram),
            [0, 0, 0, 5, ..] => self.read_sflow(&mut cursor, &mut datagram),
            &[a, b, ref rest @ ..] => {
                let found = u16::from_be_bytes([a, b]);
                let foreign = match (found, rest) {
                    (0, &[0, old @ (2 | 4), ..]) => Foreign::Sflow(old.into()),
                    _ => Foreign::Version(found),
                };
                if datagram.counts() {
                    self.count_foreign(foreign);
                }
                datagram.error(None, None, 0, Reason::Version { found: foreign });
                return;
            }
            _ => Err((None, Reason::Short { what: "version", needed: 2, left: payload.len() })),
        };
        if let Err((version, reason)) = result {
            if datagram.counts() {
                self.totals.short += 1;
            }
            datagram.error(version, None, cursor.at(), reason);
        }
    }

    fn count_foreign(&mut self, foreign: Foreign) {
        self.totals.foreign += 1;
        let by_version = &mut self.totals.by_version;
        if by_version.len() < self.limits.foreign || by_version.contains_key(&foreign) {
            *by_version.entry(foreign).or_default() += 1;
        }
    }

    fn read_v1(&mut self, cursor: &mut Cursor<'_>, datagram: &mut DatagramIn<'_>) -> HeaderResult {
        let header = v1::parse_header(cursor).map_err(|reason| (Some(Version::V1), reason))?;
        if !datagram.counts() {
            return Ok(());
        }
        let heading = Heading {
            version: Version::V1,
            id: 0,
            export: header.export(),
            uptime: Some(header.uptime),
            number: None,
        };
        let rest = *cursor;
        self.visit(heading, datagram, |reader| v1::records(&header, rest, reader));
        Ok(())
    }

    /// Reads a datagram of v5, or of v7, which has the same header.
    fn read_v5(
        &mut self,
        version: Version,
        cursor: &mut Cursor<'_>,
        datagram: &mut DatagramIn<'_>,
    ) -> HeaderResult {
        let header = v5::Header::parse(cursor).map_err(|reason| (Some(version), reason))?;
        if !datagram.counts() {
            return Ok(());
        }
        let heading = Heading {
            version,
            id: header.engine.into(),
            export: header.shared.export(),
            uptime: Some(header.shared.uptime),
            number: Some((header.sequence, Count::Flows(header.shared.count))),
        };
        let rest = *cursor;
        self.visit(heading, datagram, |reader| match version {
            Version::V7 => v7::records(&header, rest, reader),
            _ => v5::records(&header, rest, reader),
        });
        Ok(())
    }

    fn read_v9(&mut self, cursor: &mut Cursor<'_>, datagram: &mut DatagramIn<'_>) -> HeaderResult {
        let header = v9::Header::parse(cursor).map_err(|reason| (Some(Version::V9), reason))?;
        let heading = Heading {
            version: Version::V9,
            id: header.source,
            export: header.export(),
            uptime: Some(header.uptime),
            number: Some((header.sequence, Count::Datagram)),
        };
        let rest = *cursor;
        self.visit(heading, datagram, |reader| v9::sets(rest, reader));
        Ok(())
    }

    fn read_ipfix(
        &mut self,
        cursor: &mut Cursor<'_>,
        datagram: &mut DatagramIn<'_>,
    ) -> HeaderResult {
        for n in 0..ipfix::MESSAGES {
            let version = Version::Ipfix;
            let header = ipfix::Header::parse(cursor).map_err(|reason| (Some(version), reason))?;
            let heading = Heading {
                version,
                id: header.domain,
                export: header.export(),
                uptime: None,
                number: Some((header.sequence, Count::Records)),
            };
            let rest = *cursor;
            let next =
                self.visit(heading, datagram, |reader| ipfix::message(n, &header, rest, reader));
            match next.flatten() {
                Some(next) => *cursor = next,
                None => break,
            }
        }
        Ok(())
    }

    fn read_sflow(
        &mut self,
        cursor: &mut Cursor<'_>,
        datagram: &mut DatagramIn<'_>,
    ) -> HeaderResult {
        let header =
            sflow::Header::parse(cursor).map_err(|reason| (Some(Version::Sflow), reason))?;
        if !datagram.counts() {
            return Ok(());
        }
        // The header names the agent, whose datagrams may leave by any of its addresses. sFlow has no
        // time of day, so samples get the arrival of their datagram.
        datagram.exporter = header.agent.unwrap_or(datagram.exporter);
        let heading = Heading {
            version: Version::Sflow,
            id: header.sub_agent,
            export: datagram.arrival(),
            uptime: Some(header.uptime),
            number: Some((header.sequence, Count::OnlyDatagram)),
        };
        let rest = *cursor;
        self.visit(heading, datagram, |reader| sflow::samples(&header, rest, reader));
        Ok(())
    }

    /// Reads a datagram or message into the state of its domain, which is created if necessary. Then
    /// evicts whatever exceeds the limits. Returns `None` if there is no memory for the domain.
    fn visit<T>(
        &mut self,
        heading: Heading,
        datagram: &mut DatagramIn<'_>,
        read: impl FnOnce(&mut MessageReader<'_, '_>) -> T,
    ) -> Option<T> {
        let Heading { version, id, export, uptime, number } = heading;
        let domain = Domain { exporter: datagram.exporter, version, id };
        if !self.domains.contains_key(&domain) && !self.open(domain, datagram) {
            return None;
        }
        let state = self.domains.get_mut(&domain)?;
        let owner = *state.owner.get_or_insert(datagram.sender);
        state.last = state.last.max(datagram.arrival());
        state.stats.datagrams += u64::from(datagram.counts());
        // sFlow has no export time, and a restated template has that of the restatement.
        if datagram.counts() && version != Version::Sflow {
            state.stats.compare_clock(export, datagram.arrival());
        }
        if datagram.counts() || state.uptime.is_none() {
            state.uptime = uptime.map(|uptime| (uptime, export));
        }
        let before = state.load();
        let evicted = state.stats.evicted_templates;
        let context = Context { exporter: datagram.exporter, export, uptime };
        let mut reader = MessageReader {
            context,
            limits: &self.limits,
            options: self.want,
            domain,
            state,
            pending: &mut self.pending,
            record: &mut self.record,
            datagram,
            bad: false,
            changed: false,
            unread: false,
            records: 0,
            flows: 0,
        };
        let result = read(&mut reader);
        if let Some((number, count)) = number {
            reader.follow(number, count);
        }
        self.generation += u64::from(reader.changed && self.limits.restated > 0);
        if reader.bad {
            reader.state.stats.bad_datagrams += 1;
        }
        reader.state.stats.held_bytes = reader.pending.cost(&domain) as u64;
        self.totals.evicted_templates += reader.state.stats.evicted_templates - evicted;
        let after = reader.state.load();
        if before != after {
            self.shares.change(owner, before, after);
            self.hold_limits(owner, domain);
        }
        self.count_dropped();
        Some(result)
    }

    /// Creates a domain, if need be in place of another one. Returns false if there is no memory for
    /// it.
    fn open(&mut self, domain: Domain, datagram: &DatagramIn<'_>) -> bool {
        let owner = datagram.sender;
        if self.shares.is_own_over(owner, Table::Domains, &self.limits, true) {
            self.evict_own(owner, domain);
        } else if self.shares.is_over(Table::Domains, &self.limits, true) {
            self.evict(Table::Domains, datagram.arrival(), domain);
        }
        let has_room = self.domains.try_reserve(1).is_ok()
            && self.shares.open(owner, domain, datagram.arrival());
        if has_room {
            self.domains
                .insert(domain, DomainState { owner: Some(owner), ..DomainState::default() });
        } else {
            self.totals.refused += u64::from(datagram.counts());
        }
        has_room
    }

    /// Evicts domains and templates until the limits hold again that a datagram of `domain`, which is
    /// charged to `owner`, may have exceeded.
    fn hold_limits(&mut self, owner: IpAddr, domain: Domain) {
        let now = self.domains.get(&domain).map_or_else(Timestamp::default, |state| state.last);
        for table in [Table::Templates, Table::Restated, Table::Samplers] {
            while self.shares.is_own_over(owner, table, &self.limits, false)
                && (self.evict_own(owner, domain)
                    || (table != Table::Samplers && self.evict_template(owner, domain)))
            {
            }
            while self.shares.is_over(table, &self.limits, false) && self.evict(table, now, domain)
            {
            }
        }
    }

    /// Evicts the longest silent domain of an address except `keep`. Returns false if there is none.
    fn evict_own(&mut self, owner: IpAddr, keep: Domain) -> bool {
        let last = |domain: &Domain| self.domains.get(domain).map(|state| state.last);
        let found = self.shares.oldest(owner, keep, last);
        found.is_some_and(|domain| self.drop_domain(owner, domain))
    }

    /// Evicts a domain except `keep`, because a table is full at `now`. Returns false if there is
    /// none.
    fn evict(&mut self, table: Table, now: Timestamp, keep: Domain) -> bool {
        let last = |domain: &Domain| self.domains.get(domain).map(|state| state.last);
        let found = self.shares.pick(table, &self.limits, now, keep, last);
        found.is_some_and(|(owner, domain)| self.drop_domain(owner, domain))
    }

    fn drop_domain(&mut self, owner: IpAddr, domain: Domain) -> bool {
        self.pending.forget(domain);
        self.count_dropped();
        let Some(state) = self.domains.remove(&domain) else { return false };
        self.shares.close(owner, state.load());
        self.generation += u64::from(state.templates.cost() > 0);
        self.totals.evicted_domains += 1;
        self.totals.evicted.add(&state.stats);
        self.totals.evicted_from(owner, self.limits.named);
        true
    }

    /// Evicts the least recently used template of the only domain of an address. Returns false if
    /// there is only one template.
    fn evict_template(&mut self, owner: IpAddr, domain: Domain) -> bool {
        let Some(state) = self.domains.get_mut(&domain) else { return false };
        let before = state.load();
        if state.templates.len() < 2 || !state.templates.evict() {
            return false;
        }
        state.stats.evicted_templates += 1;
        let after = state.load();
        self.generation += u64::from(self.limits.restated > 0);
        self.totals.evicted_templates += 1;
        self.shares.change(owner, before, after);
        true
    }

    /// Adds the pending sets that were dropped to the counters.
    fn count_dropped(&mut self) {
        if !self.pending.has_dropped() {
            return;
        }
        for DroppedSet { domain, bytes } in self.pending.take_dropped() {
            let held = self.pending.cost(&domain) as u64;
            if let Some(state) = self.domains.get_mut(&domain) {
                state.stats.evicted_sets += 1;
                state.stats.evicted_bytes += bytes as u64;
                state.stats.held_bytes = held;
            }
        }
    }
}
