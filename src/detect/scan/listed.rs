//! Inside hosts that talk with addresses of threat feeds.

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;

use super::attempt::Attempt;
use crate::conversation::{Address, Conversation, Families, Outcome, Together};
use crate::detect::Site;
use crate::detect::feed::Feeds;
use crate::detect::top::Top;
use crate::detect::traffic::Traffic;
use crate::finding::{Host, MAX_PEERS, MAX_SAMPLES, Peer, Sample, Side};
use crate::table::Sorted;

/// The fewest listed addresses that make a finding.
pub(super) const ADDRESSES: u64 = 1;

/// Bit of a row whose traffic came from the listed address.
const INBOUND: u8 = 1;
/// Bit of a row whose traffic came from the responder, because nothing of the initiator was seen.
const REVERSE: u8 = 2;

/// A writer of the conversations of inside hosts with listed addresses.
///
/// A host that *initiates* a conversation with a listed address and is answered may be driven from there: malware
/// calls home (MITRE ATT&CK, tactic TA0011). Those who are listed try everybody all day, so what they initiate counts
/// only if the operator asks for it.
pub(super) struct ListedWriter<'a> {
    feeds: &'a Feeds,
    /// True if any flow with a listed address counts.
    is_any: bool,
    site: &'a Site,
    rows: Families,
}

impl<'a> ListedWriter<'a> {
    /// Returns a writer to rows that take about `memory` bytes of memory.
    pub(super) fn new(
        feeds: &'a Feeds,
        is_any: bool,
        site: &'a Site,
        memory: u64,
    ) -> ListedWriter<'a> {
        ListedWriter { feeds, is_any, site, rows: Families::new(memory, Together::First) }
    }

    /// Writes a conversation, if it counts.
    ///
    /// # Errors
    /// A temporary file that cannot be written.
    #[inline]
    pub(super) fn conversation<A: Address>(
        &mut self,
        conversation: &Conversation<'_, A>,
    ) -> io::Result<()> {
        let Conversation { initiator, responder, forward, reverse, is_sure, outcome, .. } =
            conversation;
        // A reset is no answer: nobody talks with the host.
        let is_answered = *is_sure
            && reverse.is_present()
            && !matches!(outcome, Outcome::Rejected | Outcome::Unsolicited)
            && !(*outcome == Outcome::Accepted && conversation.may_be_unsolicited());
        let (host, listed) =
            if (is_answered || self.is_any) && self.is_ours_with_listed(*initiator, *responder) {
                (*initiator, *responder)
            } else if self.is_any && self.is_ours_with_listed(*responder, *initiator) {
                (*responder, *initiator)
            } else {
                return Ok(());
            };
        let is_forward = forward.is_present();
        let mut bits = if is_forward { 0 } else { REVERSE };
        if (host == *initiator) != is_forward {
            bits |= INBOUND;
        }
        let counted = if is_forward { forward } else { reverse };
        let row = Attempt::of(conversation, counted, bits);
        let row = Attempt { src: host, dst: listed, spoke: row.spoke && host == *initiator, ..row };
        self.rows.push([row.src, row.dst], row.pack())
    }

    /// Returns true for a host inside, and another one that is listed.
    fn is_ours_with_listed<A: Address>(&self, ours: A, listed: A) -> bool {
        self.site.side(ours.ip()) == Some(Side::Inside) && self.feeds.contains(listed.ip())
    }

    /// Returns all that was written.
    pub(super) fn end(self) -> Families {
        self.rows
    }
}

/// An inside host, and the listed addresses that it talked with by one protocol.
#[derive(Debug)]
pub(super) struct ListedHost {
    pub host: IpAddr,
    pub proto: u8,
    /// The port of all conversations, if it is the same.
    pub port: Option<u16>,
    /// Distinct listed addresses.
    pub addresses: u64,
    /// The addresses with most flows.
    pub peer: Vec<Peer>,
    /// The feeds that list any of them.
    pub feeds: BTreeSet<String>,
    pub traffic: Traffic,
    pub sample: Vec<Sample>,
    /// True if the host completed a TCP conversation with one of them.
    pub spoke: bool,
}

/// Reads the rows of a partition, sorted by host and protocol, and hands over each host.
///
/// # Errors
/// A temporary file that cannot be read back.
pub(super) fn partition<A: Address>(
    rows: &mut Sorted<'_, A::Row>,
    feeds: &Feeds,
    mut found: impl FnMut(ListedHost),
) -> io::Result<()> {
    let mut next = rows.next_row()?.map(|row| Attempt::<A>::unpack(&row));
    while let Some(first) = next {
        let mut host = ListedHost {
            host: first.src.ip(),
            proto: first.proto,
            port: Some(first.port),
            addresses: 0,
            peer: Vec::new(),
            feeds: BTreeSet::new(),
            traffic: Traffic::NONE,
            sample: Vec::new(),
            spoke: false,
        };
        let mut top: Top<A, MAX_PEERS> = Top::new();
        while let Some(one) = next.filter(|one| (one.src, one.proto) == (first.src, first.proto)) {
            let mut flows = 0;
            while let Some(row) = next
                .filter(|row| (row.src, row.proto, row.dst) == (first.src, first.proto, one.dst))
            {
                flows += u64::from(row.flows);
                host.port = host.port.filter(|port| *port == row.port);
                host.traffic.add(row.traffic());
                host.spoke |= row.spoke;
                if host.sample.len() < MAX_SAMPLES {
                    host.sample.push(sample(&row));
                }
                next = rows.next_row()?.map(|row| Attempt::<A>::unpack(&row));
            }
            host.addresses += 1;
            top.offer(flows, one.dst);
            host.feeds.extend(feeds.names(one.dst.ip()).map(str::to_owned));
        }
        let peer = |(flows, listed): (u64, A)| Peer {
            host: Host::Address(listed.ip()),
            flows: Some(flows),
        };
        host.peer = top.iter().map(peer).collect();
        found(host);
    }
    Ok(())
}

/// Returns the flow of a row as evidence of a finding, from its sender to its receiver.
fn sample<A: Address>(row: &Attempt<A>) -> Sample {
    let mut sample = row.sample();
    if row.has(INBOUND) {
        (sample.sip, sample.dip) = (sample.dip, sample.sip);
    }
    if row.has(REVERSE) {
        (sample.sport, sample.dport) = (sample.dport, sample.sport);
    }
    sample
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::super::tests::{INSIDE, OUTSIDE, ask, back, judge_by, names, nine, ours, theirs};
    use super::super::{Scan, Setup};
    use super::*;
    use crate::detect::SiteLimits;
    use crate::detect::feed::{self, Feed};
    use crate::detect::play::{reflected, reply, send, talk};
    use crate::finding::Finding;
    use crate::flow::{Flow, ICMP, Networks, UDP};
    use crate::time::End;

    const LISTED: [u8; 4] = [203, 0, 113, 5];

    fn feed(name: &str, text: &str) -> Feed {
        let networks = feed::read(text.as_bytes(), &Networks::default()).unwrap().networks;
        Feed { name: name.to_owned(), networks }
    }

    fn setup(feed_any: bool) -> Setup {
        let feeds =
            vec![feed("drop", "203.0.113.0/24\n2001:db8::/32\n"), feed("c2", "203.0.113.5\n")];
        Setup { feeds: RefCell::new(Feeds::new(feeds)), feed_any, ..Setup::default() }
    }

    fn findings(feed_any: bool, flows: &[Flow]) -> Vec<Finding> {
        judge_by(setup(feed_any), &End::default(), flows).findings
    }

    /// Returns the names of the findings, which must be the same with flags and on nine columns.
    fn both(feed_any: bool, flows: &[Flow]) -> Vec<String> {
        let named = names(&findings(feed_any, flows));
        assert_eq!(names(&findings(feed_any, &nine(flows))), named, "nine columns differ");
        named
    }

    #[test]
    fn an_inside_host_that_a_listed_address_answers_is_listed() {
        let mut flows = Vec::new();
        flows.extend(talk(INSIDE, LISTED, 443));
        flows.extend(talk(INSIDE, [203, 0, 113, 77], 443));
        flows.extend(talk(INSIDE, LISTED, 443));
        let found = &findings(false, &flows)[0];
        assert_eq!(names(std::slice::from_ref(found)), ["listed 10.7.7.7 source"]);
        assert_eq!((found.proto, found.port, found.peers, found.more), (Some(6), Some(443), 2, 0));
        assert_eq!(found.why, "addresses=2>=1,feed=c2,feed=drop");
        assert_eq!(found.marks, ["spoke"]);
        assert_eq!((found.flows, found.packets, found.octets), (3, 18, 2_100));
        let peers: Vec<_> =
            found.peer.iter().map(|peer| (peer.host.text(false), peer.flows)).collect();
        let expected = [("203.0.113.5".to_owned(), Some(2)), ("203.0.113.77".to_owned(), Some(1))];
        assert_eq!(peers, expected);
        assert_eq!((found.sample[0].sip, found.sample[0].dip), (INSIDE.into(), LISTED.into()));
        assert_eq!(both(false, &flows), ["listed 10.7.7.7 source"]);
        // Each protocol is a finding of its own, and has no port if there are several.
        flows.extend(reply(UDP, INSIDE, LISTED, 53));
        flows.extend(reply(ICMP, INSIDE, LISTED, 8 * 256));
        flows.extend(talk(INSIDE, LISTED, 8443));
        let found = findings(false, &flows);
        let mut ports: Vec<_> = found.iter().map(|one| (one.proto, one.port)).collect();
        ports.sort_unstable();
        assert_eq!(ports, [(Some(1), Some(2048)), (Some(6), None), (Some(17), Some(53))]);
    }

    #[test]
    fn what_is_not_answered_or_not_initiated_inside_counts_only_if_asked_for() {
        let silent = [ask(INSIDE, LISTED, 443)];
        let reset = [silent[0], back(&silent[0], 1, 40, 20)];
        let theirs_first = talk(LISTED, INSIDE, 443);
        let backscatter = reflected(LISTED, INSIDE, 80);
        let probe = [send(UDP, LISTED, INSIDE, 161)];
        for flows in [&silent[..], &reset, &theirs_first, &backscatter, &probe] {
            assert_eq!(both(false, flows), [""; 0], "{flows:?}");
            assert_eq!(both(true, flows), ["listed 10.7.7.7 source"], "{flows:?}");
        }
        let sample = &findings(true, &theirs_first)[0].sample[0];
        assert_eq!((sample.sip, sample.dip, sample.dport), (LISTED.into(), INSIDE.into(), 443));
        assert_eq!(findings(true, &theirs_first)[0].marks, [""; 0]);
        // A sample is a flow that was seen, whoever began.
        let shows = |flow: Flow| {
            let sample = findings(true, &[flow])[0].sample[0];
            let seen = (flow.sip, flow.sport, flow.dip, flow.dport);
            assert_eq!((sample.sip, sample.sport, sample.dip, sample.dport), seen);
        };
        shows(silent[0]);
        shows(probe[0]);
        // The answer of a server, and one of an inside server, whose questions were not seen.
        shows(back(&silent[0], 1, 44, 18));
        shows(back(&ask(LISTED, INSIDE, 443), 1, 44, 18));
        shows(Flow { sport: 123, ..send(UDP, INSIDE, LISTED, 123) });
        shows(Flow { sport: 123, ..send(UDP, LISTED, INSIDE, 123) });
        // Ports of 123 on both sides show no direction.
        let ntp = Flow { sport: 123, ..send(UDP, INSIDE, LISTED, 123) };
        let ntp = [ntp, back(&ntp, 1, 76, 0)];
        assert_eq!((both(false, &ntp).len(), both(true, &ntp).len()), (0, 1));
    }

    #[test]
    fn others_are_not_listed() {
        let mut flows: Vec<Flow> = (0..5).flat_map(|n| talk(ours(n), theirs(n), 443)).collect();
        flows.extend(talk(OUTSIDE, LISTED, 443));
        flows.extend(talk(INSIDE, [203, 0, 114, 5], 443));
        assert_eq!(both(false, &flows), [""; 0]);
        assert_eq!(both(true, &flows), [""; 0]);
    }

    #[test]
    fn addresses_of_ipv6_are_listed_too() {
        let wide = |[a, b, c, d]: [u8; 4]| -> IpAddr {
            let net = if a == 10 { [0xfd, 0x77] } else { [0x20, 0x01] };
            let rest = if a == 10 { [0, 0] } else { [0x0d, 0xb8] };
            let mut octets = [0; 16];
            octets[..4].copy_from_slice(&[net[0], net[1], rest[0], rest[1]]);
            octets[12..].copy_from_slice(&[a, b, c, d]);
            octets.into()
        };
        let flows = talk(INSIDE, LISTED, 443).map(|flow| {
            let old = |ip: IpAddr| match ip {
                IpAddr::V4(ip) => wide(ip.octets()),
                IpAddr::V6(_) => ip,
            };
            Flow { sip: old(flow.sip), dip: old(flow.dip), ..flow }
        });
        let inside = Networks::new(["fd77::/32".parse().unwrap()]);
        let site = Site { inside, memory: 1 << 30, ..Site::default() };
        let mut scan = Scan::new(site.into(), std::rc::Rc::new(setup(false)));
        crate::window::Counter::add(&mut scan, &flows).unwrap();
        let end = End::default();
        let verdict = crate::detect::Detector::judge(scan, &end, crate::detect::play::NOW).unwrap();
        assert_eq!(names(&verdict.findings), ["listed fd77::a07:707 source"]);
    }

    #[test]
    fn a_site_can_ask_for_more_addresses() {
        let flows: Vec<Flow> = (0..3).flat_map(|n| talk(INSIDE, [203, 0, 113, n], 443)).collect();
        let named = |limits: &str| {
            let limits = SiteLimits::parse(limits).unwrap();
            names(&judge_by(Setup { limits, ..setup(false) }, &End::default(), &flows).findings)
        };
        assert_eq!(named("*,listed,3"), ["listed 10.7.7.7 source"]);
        assert_eq!(named("*,listed,4"), [""; 0]);
        assert_eq!(named("10.7.0.0/16,listed,off"), [""; 0]);
    }

    #[test]
    fn a_scanner_can_be_listed_as_well() {
        let mut flows: Vec<Flow> = (0..200).map(|n| ask(INSIDE, theirs(n), 23)).collect();
        flows.extend(talk(INSIDE, LISTED, 443));
        let expected = ["horizontal 10.7.7.7 source", "listed 10.7.7.7 source"];
        assert_eq!(both(false, &flows), expected);
    }
}
