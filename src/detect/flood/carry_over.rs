//! The events that an open window carries over from one slice to the next.

use std::collections::{HashMap, HashSet};
use std::io;
use std::net::IpAddr;

use foldhash::fast::RandomState;
use ipnet::IpNet;

use super::carpet;
use super::class::OUTBOUND;
use super::event::{Event, EventKind, Events};
use super::host_summary::HostSummary;
use crate::conversation::Address;
use crate::detect::traffic::Traffic;
use crate::finding::{Finding, Host, Role};
use crate::flow::UDP;

/// The most rows that are carried over, 32 bytes each for IPv4. A host whose rows have no room begins anew.
const MAX_ROWS: u64 = 1 << 21;
/// The most rows that are carried over for one host, and for the other hosts of one network.
const MAX_HOST_ROWS: usize = 1 << 16;
/// The most hosts whose number of served conversations is remembered.
const MAX_SERVERS: usize = 1 << 18;
/// The most hosts and networks that are reported early. Others are reported at the end of the window.
const MAX_REPORTED: usize = 1 << 16;

/// The hosts and networks that were reported in an open window, so that each is reported early only once.
#[derive(Debug, Default)]
pub(super) struct AlreadyReported {
    hosts: HashSet<IpAddr, RandomState>,
    nets: HashSet<IpNet, RandomState>,
}

impl AlreadyReported {
    pub(super) fn add(&mut self, finding: &Finding) {
        match finding.host {
            // An attacker is reported again with each of its victims.
            Host::Address(_) if finding.role == Role::Source && finding.class != OUTBOUND.name => {}
            Host::Address(host) => _ = self.hosts.insert(host),
            Host::Prefix(net) => _ = self.nets.insert(net),
        }
    }

    /// Returns true if no other host or network can be reported early.
    fn is_full(&self) -> bool {
        self.hosts.len() + self.nets.len() >= MAX_REPORTED
    }
}

/// Carries the events of hosts and networks that may yet become a flood over to the next slice.
#[derive(Debug)]
pub(super) struct CarryOver<'a> {
    pub next: &'a mut Events,
    pub reported: &'a AlreadyReported,
    /// Conversations that hosts served in this window so far.
    pub served: &'a mut HashMap<IpAddr, u32, RandomState>,
    /// The fewest failed attempts of a host that is carried over.
    pub least_failed: u64,
    /// The fewest packets of a host that is carried over.
    pub least_packets: u64,
    /// The fewest packets of a network that is carried over, if they are large.
    pub least_net: u64,
    /// Number of rows that were carried over.
    pub rows: u64,
    /// Number of rows that had no room.
    pub dropped: u64,
}

impl CarryOver<'_> {
    /// Returns true if nothing about this host is to be reported early any more.
    pub(super) fn has_reported(&self, host: IpAddr) -> bool {
        self.reported.is_full() || self.reported.hosts.contains(&host)
    }

    /// Returns true if nothing about this network is to be reported early any more: it was reported, alone
    /// or as part of a larger one.
    pub(super) fn has_reported_net(&self, net: IpNet) -> bool {
        let mut wider = std::iter::successors(Some(net), IpNet::supernet);
        self.reported.is_full() || wider.any(|net| self.reported.nets.contains(&net))
    }

    fn push<A: Address>(&mut self, events: &[Event<A>]) -> io::Result<()> {
        let rests = events.iter().filter(|event| event.has_rest()).count();
        let rows = (events.len() + rests) as u64;
        if self.rows + rows > MAX_ROWS {
            self.dropped += events.len() as u64;
            return Ok(());
        }
        self.rows += rows;
        events.iter().try_for_each(|event| self.next.push(event))
    }

    /// Carries over a host that is not flooded so far, if it may become so.
    pub(super) fn host<A: Address>(
        &mut self,
        rows: &mut HostRows<A>,
        summary: &HostSummary,
    ) -> io::Result<()> {
        let may_be_flooded =
            summary.failed >= self.least_failed || summary.per_window.packets >= self.least_packets;
        if may_be_flooded || summary.sent > 0 {
            self.push(&rows.events)?;
        } else {
            rows.keep_for_net();
        }
        if let Some((host, flows)) = rows.served {
            let is_full = self.served.len() >= MAX_SERVERS;
            match self.served.get_mut(&host.ip()) {
                Some(served) => *served = served.saturating_add(flows),
                None if is_full => {}
                None => _ = self.served.insert(host.ip(), flows),
            }
        }
        Ok(())
    }

    /// Returns the number of conversations that a host served in earlier slices.
    pub(super) fn served(&self, host: IpAddr) -> u64 {
        self.served.get(&host).copied().unwrap_or(0).into()
    }

    /// Carries over the other hosts of a network, if it may become a carpet. `sums` and `packets` are the
    /// traffic of all its hosts and the packets that count for a rate.
    pub(super) fn net<A: Address>(
        &mut self,
        rows: &mut HostRows<A>,
        net: IpNet,
        sums: Traffic,
        packets: u64,
    ) -> io::Result<()> {
        let times =
            if carpet::is_large(sums) { 1 } else { carpet::PACKETS / carpet::LARGE_PACKETS };
        if packets >= self.least_net.saturating_mul(times) && !self.has_reported_net(net) {
            self.push(&rows.others)?;
        }
        rows.others.clear();
        Ok(())
    }
}

/// The rows that may be carried over: of the host at hand, and of the other hosts of its network.
#[derive(Debug)]
pub(super) struct HostRows<A> {
    events: Vec<Event<A>>,
    /// The host and the number of conversations that it served, if any.
    served: Option<(A, u32)>,
    /// Failed and unsolicited conversations of hosts that are not carried over by themselves.
    others: Vec<Event<A>>,
}

impl<A: Address> HostRows<A> {
    pub(super) fn new() -> HostRows<A> {
        HostRows { events: Vec::new(), served: None, others: Vec::new() }
    }

    /// Adds an event of the host at hand.
    pub(super) fn add(&mut self, event: &Event<A>) {
        match event.kind {
            EventKind::Served => {
                let (_, flows) = self.served.get_or_insert((event.host, 0));
                *flows = flows.saturating_add(event.flows);
            }
            // UDP answers are wanted if the host opened conversations with their sender. TCP answers show
            // by themselves whether they are unsolicited.
            EventKind::Opened if event.proto != UDP => {}
            _ if self.events.len() < MAX_HOST_ROWS => self.events.push(*event),
            _ => {}
        }
    }

    /// Keeps the events of a host that is not carried over, because its network may be.
    fn keep_for_net(&mut self) {
        let is_one_way =
            |event: &&Event<A>| matches!(event.kind, EventKind::Failed | EventKind::Unsolicited);
        let room = MAX_HOST_ROWS - self.others.len().min(MAX_HOST_ROWS);
        self.others.extend(self.events.iter().filter(is_one_way).take(room));
    }

    /// Ends the host at hand.
    pub(super) fn end_host(&mut self) {
        self.events.clear();
        self.served = None;
    }
}
