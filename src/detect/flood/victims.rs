//! Goes through sorted events: networks, their hosts, what came upon each.

use std::io;

use super::FloodJudge;
use super::carpet::Carpets;
use super::event::{Event, EventKind};
use super::evidence::Builder;
use super::live::HostRows;
use super::traffic::Counts;
use crate::conversation::{Address, PerWindow};
use crate::table::Sorted;

/// Events of one host that are kept until it is known whether it is worth a look: most are not. With
/// more, evidence is built as they go by.
const KEPT: usize = 4096;

/// What a few sums say of a host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct HostSummary {
    /// Conversations in vain.
    pub failed: u64,
    /// What was not answered: conversations, packets, bytes.
    pub stream: Counts,
    /// Packets and bytes of these as a rate counts them.
    pub per_window: PerWindow,
    /// Packets sent to single hosts, unanswered.
    pub sent: u64,
}

/// One host after the other.
pub(super) struct Victims<A> {
    builder: Builder<A>,
    host: Option<A>,
    kept: Vec<Event<A>>,
    /// `kept` has been too small for this host.
    is_large: bool,
    /// It was found before, and what still comes upon it is the end of the window's to count.
    is_told: bool,
    summary: HostSummary,
    carpets: Carpets<A>,
    host_rows: HostRows<A>,
}

impl<A: Address> Victims<A> {
    pub(super) fn new() -> Victims<A> {
        Victims {
            builder: Builder::new(),
            host: None,
            kept: Vec::new(),
            is_large: false,
            is_told: false,
            summary: HostSummary::default(),
            carpets: Carpets::new(),
            host_rows: HostRows::new(),
        }
    }

    /// All hosts of a partition.
    pub(super) fn part(
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
        self.end(judge)?;
        self.end_net(judge)
    }

    fn event(&mut self, event: Event<A>, judge: &mut FloodJudge) -> io::Result<()> {
        if self.host != Some(event.host) {
            self.end(judge)?;
            if self.carpets.net != Some(event.host.net()) {
                self.end_net(judge)?;
                self.carpets.net = Some(event.host.net());
            }
            self.host = Some(event.host);
            self.is_told = judge.is_told(event.host.ip());
        }
        if self.is_told {
            return Ok(());
        }
        let (packets, bytes) = (event.packets, event.bytes);
        match event.kind {
            EventKind::Failed | EventKind::Unsolicited => {
                self.summary.failed += 1;
                let (flows, all, sum) = &mut self.summary.stream;
                *flows += 1;
                *all = all.saturating_add(packets);
                *sum = sum.saturating_add(bytes);
                self.summary.per_window.add(event.per_window);
            }
            EventKind::Sent => self.summary.sent = self.summary.sent.saturating_add(packets),
            EventKind::Opened | EventKind::Served => {}
        }
        if judge.is_live() {
            self.host_rows.add(&event);
        }
        if self.is_large {
            self.builder.add(&event, judge.view);
            return Ok(());
        }
        self.kept.push(event);
        if self.kept.len() == KEPT {
            self.is_large = true;
            self.build(event.host, judge);
        }
        Ok(())
    }

    fn build(&mut self, host: A, judge: &FloodJudge) {
        self.builder.begin(host);
        self.kept.iter().for_each(|event| self.builder.add(event, judge.view));
    }

    fn end(&mut self, judge: &mut FloodJudge) -> io::Result<()> {
        let Some(host) = self.host.take().filter(|_| !self.is_told) else { return Ok(()) };
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
            if let Some(carry) = &mut judge.carry {
                carry.host(&mut self.host_rows, &self.summary)?;
            }
        }
        if self.summary.stream.0 > 0 {
            let is_dark = judge.is_dark(host.ip());
            self.carpets.host(&self.kept, &self.summary, is_dark);
        }
        self.kept.clear();
        self.host_rows.end();
        (self.is_large, self.summary) = (false, HostSummary::default());
        Ok(())
    }

    fn end_net(&mut self, judge: &mut FloodJudge) -> io::Result<()> {
        let (net, sums, packets) =
            (self.carpets.net, self.carpets.sums, self.carpets.per_window.packets);
        judge.carpet(self.carpets.end(judge.least_carpet));
        match (net, &mut judge.carry) {
            (Some(net), Some(carry)) => carry.net(&mut self.host_rows, net.prefix(), sums, packets),
            _ => Ok(()),
        }
    }
}
