//! Reads sorted events: network by network, host by host.

use std::io;

use super::FloodJudge;
use super::carpet::Carpets;
use super::carry_over::HostRows;
use super::clients::{MAX_CLIENTS, hash};
use super::event::{Event, EventKind, Events};
use super::evidence::Builder;
use super::host_summary::HostSummary;
use crate::conversation::Address;
use crate::detect::traffic::Traffic;
use crate::table::Sorted;

/// The most events of one host that are kept until its summary shows whether it is worth building evidence;
/// most hosts are not. With more events, evidence is built as they are read.
const MAX_KEPT: usize = 4096;

/// Judges all hosts and networks that have events.
///
/// # Errors
/// Reading or writing a temporary file fails.
pub(super) fn judge_all(events: Events, judge: &mut FloodJudge) -> io::Result<()> {
    let mut v4 = Victims::<u32>::new();
    events.rows.v4.sorted(|rows| v4.read_partition(rows, judge))?;
    let mut v6 = Victims::<u128>::new();
    events.rows.v6.sorted(|rows| v6.read_partition(rows, judge))
}

/// The state of reading: the host and the network at hand.
struct Victims<A> {
    builder: Builder<A>,
    host: Option<A>,
    kept: Vec<Event<A>>,
    /// True if the host has so many events that its evidence is built as they are read.
    is_large: bool,
    /// True if a finding about the host was reported in this window. Its later events are left to the end of
    /// the window.
    is_reported: bool,
    summary: HostSummary,
    /// Hashes of the clients that the host served, as far as they matter.
    clients: Vec<u32>,
    carpets: Carpets<A>,
    host_rows: HostRows<A>,
}

impl<A: Address> Victims<A> {
    fn new() -> Victims<A> {
        Victims {
            builder: Builder::new(),
            host: None,
            kept: Vec::new(),
            is_large: false,
            is_reported: false,
            summary: HostSummary::default(),
            clients: Vec::new(),
            carpets: Carpets::new(),
            host_rows: HostRows::new(),
        }
    }

    /// Judges all hosts and networks of a partition.
    fn read_partition(
        &mut self,
        rows: &mut Sorted<'_, A::Row>,
        judge: &mut FloodJudge,
    ) -> io::Result<()> {
        let mut last: Option<Event<A>> = None;
        while let Some(row) = rows.next_row()? {
            let event = Event::<A>::unpack(&row);
            if last.as_mut().is_some_and(|last| last.absorb(&event)) {
                continue;
            }
            if let Some(event) = last.replace(event) {
                self.event(event, judge)?;
            }
        }
        if let Some(event) = last {
            self.event(event, judge)?;
        }
        self.end_host(judge)?;
        self.end_net(judge)
    }

    fn event(&mut self, event: Event<A>, judge: &mut FloodJudge) -> io::Result<()> {
        if self.host != Some(event.host) {
            self.end_host(judge)?;
            if self.carpets.net != Some(event.host.net()) {
                self.end_net(judge)?;
                self.carpets.net = Some(event.host.net());
            }
            self.host = Some(event.host);
            self.is_reported = judge.is_reported(event.host.ip());
        }
        if self.is_reported {
            return Ok(());
        }
        let (packets, bytes) = (event.packets, event.bytes);
        match event.kind {
            EventKind::Failed | EventKind::Unsolicited => {
                self.summary.failed += 1;
                self.summary.one_way.add(Traffic { flows: 1, packets, bytes });
                self.summary.per_window.add(event.per_window);
            }
            EventKind::Sent => self.summary.sent = self.summary.sent.saturating_add(packets),
            EventKind::Burst | EventKind::SentBurst => {
                self.summary.bursts = self.summary.bursts.saturating_add(packets);
            }
            EventKind::Opened => {}
            EventKind::Served => {
                self.summary.served += u64::from(event.flows);
                // A client has a row for each protocol.
                if self.clients.len() <= 4 * MAX_CLIENTS {
                    self.clients.push(hash(event.peer.ip()));
                }
            }
        }
        if judge.is_live() {
            self.host_rows.add(&event);
        }
        if self.is_large {
            self.builder.add(&event, judge.view);
            return Ok(());
        }
        self.kept.push(event);
        if self.kept.len() == MAX_KEPT {
            self.is_large = true;
            self.build(event.host, judge);
        }
        Ok(())
    }

    /// Builds the evidence of a host from the events that were kept.
    fn build(&mut self, host: A, judge: &FloodJudge) {
        self.builder.begin(host);
        self.kept.iter().for_each(|event| self.builder.add(event, judge.view));
    }

    /// Judges the host at hand, or lets the judge learn from it, and adds it to its network.
    fn end_host(&mut self, judge: &mut FloodJudge) -> io::Result<()> {
        let Some(host) = self.host.take().filter(|_| !self.is_reported) else { return Ok(()) };
        let mut is_flagged = false;
        if judge.looks_at(host.ip(), &self.summary) {
            if !self.is_large {
                self.build(host, judge);
            }
            let served = judge.carry.as_ref().map_or(0, |carry| carry.served(host.ip()));
            is_flagged = judge.host(self.builder.end(judge.view, served));
        }
        if !is_flagged {
            judge.learn(host.ip(), &self.summary);
            self.clients.sort_unstable();
            self.clients.dedup();
            judge.learn_served(host.ip(), &self.clients, self.summary.served);
            if let Some(carry) = &mut judge.carry {
                carry.host(&mut self.host_rows, &self.summary)?;
            }
        }
        if self.summary.one_way.flows > 0 {
            let is_dark = judge.is_dark(host.ip());
            self.carpets.host(&self.kept, &self.summary, is_dark);
        }
        self.kept.clear();
        self.clients.clear();
        self.host_rows.end_host();
        (self.is_large, self.summary) = (false, HostSummary::default());
        Ok(())
    }

    /// Judges the network at hand.
    fn end_net(&mut self, judge: &mut FloodJudge) -> io::Result<()> {
        let Carpets { net, sums, per_window, .. } = self.carpets;
        judge.carpet(self.carpets.end(judge.least_carpet));
        match (net, &mut judge.carry) {
            (Some(net), Some(carry)) => {
                carry.net(&mut self.host_rows, net.prefix(), sums, per_window.packets)
            }
            _ => Ok(()),
        }
    }
}
