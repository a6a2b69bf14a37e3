//! Goes through sorted events: networks, their hosts, what came upon each.

use std::io;

use super::Judge;
use super::carpet::Carpets;
use super::event::{Event, Kind};
use super::evidence::{Builder, Counts};
use crate::detect::conversation::Address;
use crate::table::Sorted;

/// Events of one host that are kept until it is known whether it is worth a look: most are not. With
/// more, evidence is built as they go by.
const KEPT: usize = 4096;

/// What a few sums say of a host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Glance {
    /// Conversations in vain.
    pub tried: u64,
    /// What was not answered: conversations, packets, octets.
    pub stream: Counts,
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
    glance: Glance,
    carpets: Carpets<A>,
}

impl<A: Address> Victims<A> {
    pub(super) fn new() -> Victims<A> {
        Victims {
            builder: Builder::new(),
            host: None,
            kept: Vec::new(),
            is_large: false,
            glance: Glance::default(),
            carpets: Carpets::new(),
        }
    }

    /// All hosts of a partition.
    pub(super) fn part(
        &mut self,
        rows: &mut Sorted<'_, A::Row>,
        judge: &mut Judge,
    ) -> io::Result<()> {
        while let Some(row) = rows.next_row()? {
            let event = Event::<A>::unpack(&row);
            if self.host != Some(event.host) {
                self.end(judge);
                if self.carpets.net != Some(event.host.net()) {
                    judge.carpet(self.carpets.end(judge.least_carpet));
                    self.carpets.net = Some(event.host.net());
                }
                self.host = Some(event.host);
            }
            self.event(event, judge);
        }
        self.end(judge);
        judge.carpet(self.carpets.end(judge.least_carpet));
        Ok(())
    }

    fn event(&mut self, event: Event<A>, judge: &Judge) {
        let (packets, octets) = (u64::from(event.packets), u64::from(event.octets));
        match event.kind {
            Kind::Tried | Kind::Unasked => {
                self.glance.tried += u64::from(event.kind == Kind::Tried);
                let (flows, all, sum) = &mut self.glance.stream;
                *flows += 1;
                *all = all.saturating_add(packets);
                *sum = sum.saturating_add(octets);
            }
            Kind::Sent => self.glance.sent = self.glance.sent.saturating_add(packets),
            Kind::Asked | Kind::Served => {}
        }
        if self.is_large {
            self.builder.add(&event, judge.view);
            return;
        }
        self.kept.push(event);
        if self.kept.len() == KEPT {
            self.is_large = true;
            self.build(event.host, judge);
        }
    }

    fn build(&mut self, host: A, judge: &Judge) {
        self.builder.begin(host);
        self.kept.iter().for_each(|event| self.builder.add(event, judge.view));
    }

    fn end(&mut self, judge: &mut Judge) {
        let Some(host) = self.host.take() else { return };
        let mut is_flagged = false;
        if judge.looks_at(host.ip(), &self.glance) {
            if !self.is_large {
                self.build(host, judge);
            }
            is_flagged = judge.host(self.builder.end(judge.view));
        }
        if !is_flagged {
            judge.learn(host.ip(), &self.glance);
        }
        if self.glance.stream.0 > 0 {
            let is_dark = judge.is_dark(host.ip());
            self.carpets.host(&self.kept, self.glance.stream, is_dark);
        }
        self.kept.clear();
        (self.is_large, self.glance) = (false, Glance::default());
    }
}
