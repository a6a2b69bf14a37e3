//! The decoder: whose datagram it is, and what is kept from one datagram to the next.

use std::collections::HashMap;
use std::net::IpAddr;

use foldhash::fast::RandomState;

use super::cursor::Cursor;
use super::error::Reason;
use super::limits::DecoderLimits;
use super::pending::PendingSets;
use super::record::{Context, Record};
use super::session::{Count, DatagramIn, DecodeOptions, DomainState, MessageReader, Mode};
use super::shares::{Shares, Table};
use super::stats::{Foreign, Stats, Totals};
use super::{Batch, Domain, Version, ipfix, restate, sflow, v1, v5, v7, v9};
use crate::time::Timestamp;

/// How the reading of a header ended: the protocol, once it is known, and what is wrong.
type Read = Result<(), (Option<Version>, Reason)>;

/// Decodes the datagrams of many exporters; keeps templates, data that waits for them, and counts.
///
/// Memory is bounded by [`DecoderLimits`]. Data whose template is known costs no allocation once the batch
/// has room for its flows.
#[derive(Debug)]
pub struct Decoder {
    limits: DecoderLimits,
    want: DecodeOptions,
    domains: HashMap<Domain, DomainState, RandomState>,
    /// The accounts of exporter addresses: how much each holds, and which one pays when a table is full.
    shares: Shares,
    shelf: PendingSets,
    record: Record,
    totals: Totals,
    generation: u64,
}

/// What the header of a datagram says, whatever its version.
struct Heading {
    version: Version,
    /// Number of the domain.
    id: u32,
    export: Timestamp,
    /// sysUpTime in milliseconds.
    uptime: Option<u32>,
    /// The sequence number, and what it counts.
    number: Option<(u32, Count)>,
}

impl Decoder {
    /// A decoder that knows nothing yet.
    pub fn new(limits: DecoderLimits) -> Decoder {
        Decoder {
            limits,
            want: DecodeOptions::default(),
            domains: HashMap::default(),
            shares: Shares::default(),
            shelf: PendingSets::default(),
            record: Record::new(),
            totals: Totals::default(),
            generation: 0,
        }
    }

    /// The same decoder, that fills [`Batch::extras`].
    pub fn with_extras(mut self) -> Decoder {
        self.want.extras = true;
        self
    }

    /// The same decoder, that may leave out when flows started and ended: for who prints no times
    /// they are a tenth of the work.
    pub fn without_times(mut self) -> Decoder {
        self.want.times = false;
        self
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
        self.read(exporter, Mode::Decode(arrival), payload, out);
    }

    /// Counts a datagram and learns its templates and options, but makes no flows of it: for a
    /// collector that stores datagrams undecoded, and must know what is in force and what is missing.
    ///
    /// It is in the same counts as by [`datagram`](Decoder::datagram), as far as these follow from
    /// headers and lengths: datagrams, records, templates, and all that sequence numbers tell. Data
    /// whose template is not known is not held. Of sFlow samples only the heads are looked at.
    pub fn watch(&mut self, exporter: IpAddr, arrival: Timestamp, payload: &[u8], out: &mut Batch) {
        self.read(exporter, Mode::Count(arrival), payload, out);
    }

    /// Learns the templates and options of a datagram that an exporter did not send just now: nfcap
    /// repeats those in force at the head of each file. It is in no count, and its flows are passed
    /// over; data that waited for one of its templates is decoded.
    pub fn learn(&mut self, exporter: IpAddr, payload: &[u8], out: &mut Batch) {
        self.read(exporter, Mode::LearnOnly, payload, out);
    }

    /// What is in force, as payloads of fresh datagrams with the exporter that each stands for:
    /// templates, options templates, and of each thing that options data records speak of the latest.
    /// What another decoder [`learn`](Decoder::learn)s from them is what this one knows. Nothing unless
    /// [`DecoderLimits::restated`] lets it keep what it takes.
    ///
    /// In the order of exporter, version, domain, kind and number; options data in the order in which
    /// it was told last. A datagram has at most [`DATAGRAM`](super::DATAGRAM) octets unless one record
    /// alone has more. Its header has `now` for the time of export, in v9 the sysUpTime that the
    /// exporter has then, and a number from which the exporter's next datagram goes on, so that who
    /// reads them before it finds nothing missing; 0 if no number is known.
    pub fn restate(&self, now: Timestamp) -> impl Iterator<Item = (IpAddr, Vec<u8>)> + '_ {
        let mut domains: Vec<_> = self.domains.iter().collect();
        domains.sort_unstable_by_key(|&(domain, _)| domain);
        domains.into_iter().flat_map(move |(domain, state)| {
            let datagrams = restate::datagrams(domain, state, now);
            datagrams.into_iter().map(|datagram| (domain.exporter, datagram))
        })
    }

    /// Goes up whenever [`in_force`](Decoder::restate) has something else to say, times and sequence
    /// numbers aside; an exporter that only repeats what it said changes nothing. 0 as long as nothing
    /// is kept.
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// What each domain counted, in the order of exporter, version and id.
    pub fn stats(&self) -> impl Iterator<Item = (&Domain, &Stats)> {
        let mut all: Vec<_> = self.domains.iter().map(|(d, state)| (d, &state.stats)).collect();
        all.sort_unstable_by_key(|&(domain, _)| domain);
        all.into_iter()
    }

    /// Returns the counts that belong to no domain, and those of domains that were forgotten.
    pub const fn totals(&self) -> &Totals {
        &self.totals
    }

    fn read(&mut self, exporter: IpAddr, purpose: Mode, payload: &[u8], out: &mut Batch) {
        let mut call = DatagramIn {
            exporter,
            sender: exporter,
            mode: purpose,
            out,
            errors: self.limits.errors,
        };
        self.totals.datagrams += u64::from(call.counts());
        let mut cursor = Cursor::new(payload, 0);
        let read = match payload {
            [0, 1, ..] => self.read_v1(&mut cursor, &mut call),
            [0, 5, ..] => self.read_v5(&mut cursor, &mut call),
            [0, 7, ..] => self.read_v7(&mut cursor, &mut call),
            [0, 9, ..] => self.read_v9(&mut cursor, &mut call),
            [0, 10, ..] => self.read_ipfix(&mut cursor, &mut call),
            [0, 0, 0, 5, ..] => self.read_sflow(&mut cursor, &mut call),
            &[a, b, ref rest @ ..] => {
                let found = u16::from_be_bytes([a, b]);
                let foreign = match (found, rest) {
                    (0, &[0, old @ (2 | 4), ..]) => Foreign::Sflow(old.into()),
                    _ => Foreign::Version(found),
                };
                if call.counts() {
                    self.count_foreign(foreign);
                }
                call.error(None, None, 0, Reason::Version { found: foreign });
                return;
            }
            _ => Err((None, Reason::Short { what: "version", needed: 2, left: payload.len() })),
        };
        if let Err((version, reason)) = read {
            if call.counts() {
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

    fn read_v1(&mut self, cursor: &mut Cursor<'_>, call: &mut DatagramIn<'_>) -> Read {
        let header = v1::Header::parse(cursor).map_err(|reason| (Some(Version::V1), reason))?;
        if !call.counts() {
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
        self.visit(heading, call, |session| v1::records(&header, rest, session));
        Ok(())
    }

    fn read_v5(&mut self, cursor: &mut Cursor<'_>, call: &mut DatagramIn<'_>) -> Read {
        let header = v5::Header::parse(cursor).map_err(|reason| (Some(Version::V5), reason))?;
        if !call.counts() {
            return Ok(());
        }
        let heading = Heading {
            version: Version::V5,
            id: header.engine.into(),
            export: header.export(),
            uptime: Some(header.uptime),
            number: Some((header.sequence, Count::Flows(header.count))),
        };
        let rest = *cursor;
        self.visit(heading, call, |session| v5::records(&header, rest, session));
        Ok(())
    }

    fn read_v7(&mut self, cursor: &mut Cursor<'_>, call: &mut DatagramIn<'_>) -> Read {
        let header = v7::Header::parse(cursor).map_err(|reason| (Some(Version::V7), reason))?;
        if !call.counts() {
            return Ok(());
        }
        let heading = Heading {
            version: Version::V7,
            id: header.engine.into(),
            export: header.export(),
            uptime: Some(header.uptime),
            number: Some((header.sequence, Count::Flows(header.count))),
        };
        let rest = *cursor;
        self.visit(heading, call, |session| v7::records(&header, rest, session));
        Ok(())
    }

    fn read_v9(&mut self, cursor: &mut Cursor<'_>, call: &mut DatagramIn<'_>) -> Read {
        let header = v9::Header::parse(cursor).map_err(|reason| (Some(Version::V9), reason))?;
        let heading = Heading {
            version: Version::V9,
            id: header.source,
            export: header.export(),
            uptime: Some(header.uptime),
            number: Some((header.sequence, Count::Datagram)),
        };
        let rest = *cursor;
        self.visit(heading, call, |session| v9::sets(rest, session));
        Ok(())
    }

    fn read_ipfix(&mut self, cursor: &mut Cursor<'_>, call: &mut DatagramIn<'_>) -> Read {
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
            let next = self.visit(heading, call, |s| ipfix::message(n, &header, rest, s));
            match next.flatten() {
                Some(next) => *cursor = next,
                None => break,
            }
        }
        Ok(())
    }

    fn read_sflow(&mut self, cursor: &mut Cursor<'_>, call: &mut DatagramIn<'_>) -> Read {
        let header =
            sflow::Header::parse(cursor).map_err(|reason| (Some(Version::Sflow), reason))?;
        if !call.counts() {
            return Ok(());
        }
        // The agent says who it is: its datagrams may leave by any of its addresses. sFlow tells no
        // time of day, so a sample is as old as its datagram.
        call.exporter = header.agent.unwrap_or(call.exporter);
        let heading = Heading {
            version: Version::Sflow,
            id: header.sub_agent,
            export: call.arrival(),
            uptime: Some(header.uptime),
            number: Some((header.sequence, Count::OnlyDatagram)),
        };
        let rest = *cursor;
        self.visit(heading, call, |session| sflow::samples(&header, rest, session));
        Ok(())
    }

    /// Finds or makes the domain's state, and holds the limits that a datagram may have crossed.
    /// `None` if there is no memory for it.
    fn visit<T>(
        &mut self,
        heading: Heading,
        call: &mut DatagramIn<'_>,
        read: impl FnOnce(&mut MessageReader<'_, '_>) -> T,
    ) -> Option<T> {
        let Heading { version, id, export, uptime, number } = heading;
        let domain = Domain { exporter: call.exporter, version, id };
        if !self.domains.contains_key(&domain) && !self.open(domain, call) {
            return None;
        }
        let state = self.domains.get_mut(&domain)?;
        let payer = *state.payer.get_or_insert(call.sender);
        state.last = state.last.max(call.arrival());
        state.stats.datagrams += u64::from(call.counts());
        if call.counts() || state.uptime.is_none() {
            state.uptime = uptime.map(|uptime| (uptime, export));
        }
        let before = state.load();
        let evicted = state.stats.evicted_templates;
        let context = Context { exporter: call.exporter, export, uptime };
        let mut session = MessageReader {
            context,
            limits: &self.limits,
            options: self.want,
            domain,
            state,
            pending: &mut self.shelf,
            record: &mut self.record,
            datagram: call,
            bad: false,
            changed: false,
            unread: false,
            records: 0,
            flows: 0,
        };
        let result = read(&mut session);
        if let Some((number, count)) = number {
            session.follow(number, count);
        }
        self.generation += u64::from(session.changed && self.limits.restated > 0);
        if session.bad {
            session.state.stats.bad_datagrams += 1;
        }
        session.state.stats.held_octets = session.pending.octets(&domain) as u64;
        self.totals.evicted_templates += session.state.stats.evicted_templates - evicted;
        let after = session.state.load();
        if before != after {
            self.shares.change(payer, before, after);
            self.hold_limits(payer, domain);
        }
        self.count_dropped();
        Some(result)
    }

    /// Makes a domain, if need be in place of others. Returns false if there is no memory for it.
    fn open(&mut self, domain: Domain, call: &DatagramIn<'_>) -> bool {
        let payer = call.sender;
        if self.shares.is_own_over(payer, Table::Domains, &self.limits, true) {
            self.evict_own(payer, domain);
        } else if self.shares.is_over(Table::Domains, &self.limits, true) {
            self.evict(Table::Domains, call.arrival(), domain);
        }
        let has_room =
            self.domains.try_reserve(1).is_ok() && self.shares.open(payer, domain, call.arrival());
        if has_room {
            self.domains
                .insert(domain, DomainState { payer: Some(payer), ..DomainState::default() });
        } else {
            self.totals.refused += u64::from(call.counts());
        }
        has_room
    }

    /// Holds the limits that a datagram of `domain`, on the account of `payer`, may have crossed.
    fn hold_limits(&mut self, payer: IpAddr, domain: Domain) {
        let now = self.domains.get(&domain).map_or_else(Timestamp::default, |state| state.last);
        for table in [Table::Templates, Table::Restated, Table::Samplers] {
            while self.shares.is_own_over(payer, table, &self.limits, false)
                && (self.evict_own(payer, domain)
                    || (table != Table::Samplers && self.shed(payer, domain)))
            {}
            while self.shares.is_over(table, &self.limits, false) && self.evict(table, now, domain)
            {
            }
        }
    }

    /// Drops the longest silent domain of an address but `keep`. Returns whether there was one.
    fn evict_own(&mut self, payer: IpAddr, keep: Domain) -> bool {
        let last = |domain: &Domain| self.domains.get(domain).map(|state| state.last);
        let found = self.shares.oldest(payer, keep, last);
        found.is_some_and(|domain| self.drop_domain(payer, domain))
    }

    /// Drops the domain that must go where a table is full at `now`, but not `keep`. Returns whether
    /// there was one.
    fn evict(&mut self, table: Table, now: Timestamp, keep: Domain) -> bool {
        let last = |domain: &Domain| self.domains.get(domain).map(|state| state.last);
        let found = self.shares.pick(table, &self.limits, now, keep, last);
        found.is_some_and(|(payer, domain)| self.drop_domain(payer, domain))
    }

    fn drop_domain(&mut self, payer: IpAddr, domain: Domain) -> bool {
        self.shelf.forget(domain);
        self.count_dropped();
        let Some(state) = self.domains.remove(&domain) else { return false };
        self.shares.close(payer, state.load());
        self.generation += u64::from(state.templates.octets() > 0);
        self.totals.evicted_domains += 1;
        self.totals.evicted.add(&state.stats);
        self.totals.paid(payer, self.limits.named);
        true
    }

    /// Drops the least recently used template of the only domain of an address. Returns whether there
    /// was another one than the last.
    fn shed(&mut self, payer: IpAddr, domain: Domain) -> bool {
        let Some(state) = self.domains.get_mut(&domain) else { return false };
        let before = state.load();
        if state.templates.len() < 2 || !state.templates.evict() {
            return false;
        }
        state.stats.evicted_templates += 1;
        let after = state.load();
        self.generation += u64::from(self.limits.restated > 0);
        self.totals.evicted_templates += 1;
        self.shares.change(payer, before, after);
        true
    }

    fn count_dropped(&mut self) {
        if !self.shelf.has_dropped() {
            return;
        }
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
