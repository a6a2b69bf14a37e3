//! The traffic of a slot, for the site of `[page]`: tables of nftop's CSV, counted beside the detectors.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::Receiver;

use anyhow::{Context, anyhow, ensure};
use ipnet::IpNet;

use super::detectors::{Buffer, DetectorRun, gathered, panic_text};
use crate::finding::{Host, Item, Reader};
use crate::flow::{Flow, Networks};
use crate::time::End;
use crate::tool::nftop::print::{Form, Printer};
use crate::tool::page_table::PageWanted;
use crate::tool::windowed::{Piece, WindowStage, Windowed};
use crate::total::{By, Counts, Key, Per, Ranking, Row, Selection, TotalSpec, Totals};
use crate::window::{Counter, Windows};

/// The addresses that sent most bytes, and those that received most.
const MOST: usize = 20;

/// The most addresses that are counted because a finding names them. Forged sources must not fill the file.
const MAX_OF_FINDINGS: usize = 200;

/// The most addresses that are counted because `[page] hosts` has them.
const MAX_HOSTS: usize = 100;

/// The ports with most bytes.
const PORTS: usize = 20;

/// The interfaces with most bytes.
const INTERFACES: usize = 50;

/// The most windows of a slot. One of nfcap's has one; only a file of another program has more, and the totals
/// of each are kept until the findings are known.
const MAX_WINDOWS: usize = 64;

/// The level of compression: the text is small.
const ZSTD_LEVEL: i32 = 3;

/// The tables in the order of the file.
const TABLES: [Per; 4] = [Per::Proto, Per::ADDRESS, Per::PORT, Per::INTERFACE];

/// The specification of what is counted of each slot.
#[derive(Debug)]
pub(super) struct TrafficPlan {
    /// The memory to count in, in bytes.
    memory: u64,
    inside: Networks,
    /// Single addresses of `[page] hosts`.
    named: BTreeSet<Key>,
    /// Networks of `[page] hosts`.
    networks: Networks,
    /// The message about `[page] hosts`, if not all of them can be counted.
    fault: Option<String>,
}

impl TrafficPlan {
    /// Returns what is counted for a site. `memory` is in bytes.
    pub fn new(page: &PageWanted, inside: &Networks, memory: u64) -> TrafficPlan {
        let hosts = page.hosts.as_ref().map_or_else(|| Ok(Vec::new()), |hosts| hosts.load());
        let (hosts, mut fault) = match hosts {
            Ok(hosts) => (hosts, None),
            Err(error) => {
                let text = format!("[page] hosts: {error:#}; the traffic is counted without them");
                (Vec::new(), Some(text))
            }
        };
        let is_address = |net: &IpNet| net.prefix_len() == net.max_prefix_len();
        let (single, networks): (Vec<IpNet>, Vec<IpNet>) = hosts.into_iter().partition(is_address);
        let is_ours = |address: &IpAddr| inside.is_empty() || inside.contains(*address);
        let single: BTreeSet<_> = single.iter().map(IpNet::addr).filter(is_ours).collect();
        if single.len() > MAX_HOSTS {
            fault = Some(format!(
                "[page] hosts: {} addresses; the limit is {MAX_HOSTS}, so the highest are left out",
                single.len()
            ));
        }
        TrafficPlan {
            memory,
            inside: inside.clone(),
            named: single.into_iter().map(Key::Address).take(MAX_HOSTS).collect(),
            networks: Networks::new(networks),
            fault,
        }
    }

    /// Returns a message about `[page] hosts`, if not all of them can be counted.
    pub fn fault(&self) -> Option<&str> {
        self.fault.as_deref()
    }

    /// Returns true for an inside address, and for any if our networks are not known.
    fn is_ours(&self, address: IpAddr) -> bool {
        self.inside.is_empty() || self.inside.contains(address)
    }
}

/// The totals of an open window, in the order of [`TABLES`].
struct WindowTotals([Totals; 4]);

impl WindowTotals {
    fn new(memory: u64) -> WindowTotals {
        let of = |per, memory| Totals::new(spec(per, memory));
        // Addresses are the most keys. Protocols and interfaces fit into the least memory of a table.
        WindowTotals([
            of(Per::Proto, 0),
            of(Per::ADDRESS, memory / 4 * 3),
            of(Per::PORT, memory / 4),
            of(Per::INTERFACE, 0),
        ])
    }
}

impl Counter for WindowTotals {
    fn add(&mut self, flows: &[Flow]) -> std::io::Result<()> {
        self.0.iter_mut().try_for_each(|totals| totals.add(flows))
    }
}

fn spec(per: Per, memory: u64) -> TotalSpec {
    TotalSpec { per, by: By::Octets, step: None, memory }
}

/// The traffic of a slot. The addresses wait for the findings.
#[derive(Debug, Default)]
pub(super) struct Counted(Vec<CountedWindow>);

/// The traffic of one window.
#[derive(Debug)]
struct CountedWindow {
    end: End,
    total: Counts,
    protocols: Vec<Row>,
    addresses: Totals,
    ports: Vec<Row>,
    interfaces: Vec<Row>,
}

/// Counts the flows of a slot, in a thread as a detector does. The run says if it failed; else `counted` has
/// the traffic.
pub(super) fn run(
    plan: &TrafficPlan,
    pieces: Receiver<Piece>,
    counted: &mut Option<Counted>,
) -> DetectorRun {
    match count(plan.memory, pieces.into_iter()) {
        Ok(traffic) => {
            *counted = Some(traffic);
            DetectorRun::default()
        }
        Err(error) => DetectorRun { failed: Some(format!("{error:#}")), ..DetectorRun::default() },
    }
}

fn count(memory: u64, pieces: impl Iterator<Item = Piece>) -> anyhow::Result<Counted> {
    let nowhere = Buffer::new(Vec::new());
    let mut io = gathered("nftop", &Buffer::new(std::io::sink()), &nowhere);
    let mut left = memory;
    // A slot has one window. If it has more, each gets half of what is left.
    let make = || {
        left /= 2;
        WindowTotals::new(left)
    };
    let mut windowed = Windowed::new(Windows::new(None, make).takes_scaled(), false, None);
    let mut counted = Counted::default();
    windowed.pieces(pieces, &mut io, |stage, _| {
        let WindowStage::Over(closed) = stage else { return Ok(()) };
        ensure!(counted.0.len() < MAX_WINDOWS, "the slot has more than {MAX_WINDOWS} windows");
        let WindowTotals([protocols, addresses, ports, interfaces]) = closed.counter;
        counted.0.push(CountedWindow {
            end: closed.end,
            total: protocols.total(),
            protocols: rows(protocols.rank(None))?,
            addresses,
            ports: rows(ports.rank(Some(PORTS)))?,
            interfaces: rows(interfaces.rank(Some(INTERFACES)))?,
        });
        Ok(())
    })?;
    Ok(counted)
}

fn rows(ranking: std::io::Result<Ranking>) -> anyhow::Result<Vec<Row>> {
    let rows = ranking.and_then(|ranking| ranking.rows.collect());
    rows.context("counting")
}

impl Counted {
    /// Returns the file of the slot: its tables, compressed. A fault of our own is an error, too.
    ///
    /// # Errors
    /// A temporary file that fails.
    pub fn file(self, plan: &TrafficPlan, findings: &[u8]) -> anyhow::Result<Vec<u8>> {
        let text = catch_unwind(AssertUnwindSafe(|| self.text(plan, findings)));
        let text =
            text.unwrap_or_else(|panic| Err(anyhow!("a panic: {}", panic_text(panic.as_ref()))))?;
        Ok(zstd::encode_all(text.as_slice(), ZSTD_LEVEL)?)
    }

    /// Returns the tables, one behind the other.
    fn text(self, plan: &TrafficPlan, findings: &[u8]) -> anyhow::Result<Vec<u8>> {
        let mut named = plan.named.clone();
        named.extend(of_findings(findings, &plan.inside).into_iter().map(Key::Address));
        let of_networks = |key| match key {
            Key::Address(address) => plan.networks.contains(address) && plan.is_ours(address),
            _ => false,
        };
        let matching = if plan.networks.is_empty() { 0 } else { MAX_HOSTS - plan.named.len() };
        let selection = Selection { most: MOST, named: &named, matching, matches: &of_networks };
        let mut tables = TABLES.map(|_| Vec::new());
        for window in self.0 {
            let addresses = rows(window.addresses.select(&selection))?;
            let of_window = [window.protocols, addresses, window.ports, window.interfaces];
            for (table, rows) in tables.iter_mut().zip(of_window) {
                table.push((window.end.clone(), window.total, rows));
            }
        }
        let mut out = Vec::new();
        for (per, windows) in TABLES.into_iter().zip(tables) {
            let is_known = |row: &Row| row.key != Key::Interface(0);
            let mut keys = windows.iter().flat_map(|(_, _, rows)| rows);
            if per == Per::INTERFACE && !keys.any(is_known) {
                continue;
            }
            let mut printer =
                Printer { form: Form::Csv, spec: spec(per, 0), mask: false, no_header: false };
            printer.fields(&mut out)?;
            for (end, total, rows) in windows {
                let keys = rows.len() as u64;
                let rows = Box::new(rows.into_iter().map(Ok));
                printer.window(end, total, Ranking { keys, rows }, &mut out)?;
            }
        }
        Ok(out)
    }
}

/// The reason why an address of a finding is counted. If there are too many, earlier reasons come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reason {
    /// A finding is about it, and it is inside.
    InsideHost,
    /// A finding is about it.
    Host,
    /// A finding names it as a peer, and it is inside.
    InsidePeer,
}

/// Returns the addresses that findings are about, and the inside ones among their peers: those of findings with
/// most flows, at most [`MAX_OF_FINDINGS`].
fn of_findings(findings: &[u8], inside: &Networks) -> BTreeSet<IpAddr> {
    let mut found = BTreeMap::<IpAddr, (Reason, Reverse<u64>)>::new();
    let mut add = |host: Host, reason: Reason, flows: u64| {
        if let Host::Address(address) = host {
            let this = (reason, Reverse(flows));
            let best = found.entry(address).or_insert(this);
            *best = this.min(*best);
        }
    };
    let is_inside = |host: Host| match host {
        Host::Address(address) => inside.contains(address),
        Host::Prefix(_) => false,
    };
    let mut reader = Reader::new();
    for line in findings.split(|byte| *byte == b'\n') {
        // The lines are our own.
        let Ok(Some(Item::Finding(finding))) = reader.line(line) else { continue };
        let reason = if is_inside(finding.host) { Reason::InsideHost } else { Reason::Host };
        add(finding.host, reason, finding.flows);
        for peer in finding.peer.iter().filter(|peer| is_inside(peer.host)) {
            add(peer.host, Reason::InsidePeer, peer.flows.unwrap_or(finding.flows));
        }
    }
    let mut found: Vec<_> =
        found.into_iter().map(|(address, (reason, flows))| (reason, flows, address)).collect();
    found.sort_unstable();
    found.into_iter().take(MAX_OF_FINDINGS).map(|(.., address)| address).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::{Mark, Window};

    fn inside() -> Networks {
        Networks::new(["140.119.0.0/16".parse().unwrap()])
    }

    fn plan(hosts: &str) -> TrafficPlan {
        let hosts = Some(hosts.parse().unwrap());
        let page = PageWanted { write: "/srv/www".into(), hosts };
        TrafficPlan::new(&page, &inside(), 1 << 20)
    }

    #[test]
    fn only_our_hosts_are_always_counted() {
        let of = plan("140.119.1.7,10.0.0.1,140.119.2.0/24,192.0.2.0/24");
        assert_eq!(of.named, BTreeSet::from([Key::Address("140.119.1.7".parse().unwrap())]));
        assert!(of.fault().is_none());
        let of = plan("@/nowhere/at/all");
        assert!(of.named.is_empty());
        assert!(of.fault().unwrap().starts_with("[page] hosts: /nowhere/at/all"), "{of:?}");
        let many: Vec<_> = (0..130).map(|n| format!("140.119.1.{n}")).collect();
        let of = plan(&many.join(","));
        let text = "[page] hosts: 130 addresses; the limit is 100, so the highest are left out";
        assert_eq!((of.named.len(), of.fault()), (100, Some(text)));
    }

    fn finding(host: &str, peer: &str, flows: u64) -> String {
        format!(
            "2001-07-01T00:20:00Z\t600\tscan\tsweep\t{host}\tsource\toutside\t6\t21\t4064\t{peer}\t\
             {flows}\t4600\t184000\t6.89\t-\tnets=16>=2\t-\n"
        )
    }

    #[test]
    fn hosts_of_findings_come_before_their_peers_and_inside_ones_first() {
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let mut text = String::new();
        for n in 0..300u32 {
            let host = format!("203.0.{}.{}", n / 200, n % 200);
            text += &finding(&host, "140.119.9.9,192.0.2.1,140.119.8.0/24", 1000 + u64::from(n));
        }
        text += &finding("140.119.7.7", "-", 1);
        text += &finding("203.0.9.0/24", "-", 1_000_000);
        let found = of_findings(text.as_bytes(), &inside());
        assert_eq!(found.len(), MAX_OF_FINDINGS);
        assert!(found.contains(&address("140.119.7.7")));
        assert!(found.contains(&address("203.0.1.99")) && !found.contains(&address("203.0.0.100")));
        assert!(!found.contains(&address("140.119.9.9")));
        let few: String = text.lines().take(2).map(|line| format!("{line}\n")).collect();
        let few = of_findings(few.as_bytes(), &inside());
        let expected = ["203.0.0.0", "203.0.0.1", "140.119.9.9"].map(address);
        assert_eq!(few, BTreeSet::from(expected));
    }

    fn flow(sip: &str, dip: &str, sif: u32, octets: u64) -> Flow {
        let (sip, dip) = (sip.parse().unwrap(), dip.parse().unwrap());
        Flow { sip, dip, sif, octets, packets: 1, proto: 6, ..Flow::default() }
    }

    fn piece(flows: Vec<Flow>) -> Piece {
        Piece::Flows(std::sync::Arc::new(flows))
    }

    #[test]
    fn a_table_without_interfaces_is_left_out() {
        for (sif, tables) in [(0, 3), (5, 4)] {
            let flows = piece(vec![flow("140.119.1.7", "192.0.2.1", sif, 10)]);
            let counted = count(1 << 20, [flows].into_iter()).unwrap();
            let text = String::from_utf8(counted.text(&plan("::/0"), b"").unwrap()).unwrap();
            let names = text.lines().filter(|line| line.starts_with("window,")).count();
            assert_eq!(names, tables, "{text}");
        }
    }

    #[test]
    fn the_busiest_hosts_of_a_network_are_counted_and_all_that_are_named() {
        // 30 outside hosts send and receive more than all of ours.
        let mut flows: Vec<_> = (0..30)
            .flat_map(|n| {
                let [a, b] = [format!("192.0.2.{n}"), format!("198.51.100.{n}")];
                [flow(&a, &b, 0, 1_000_000), flow(&b, &a, 0, 1_000_000)]
            })
            .collect();
        flows.extend((0..250).map(|n| flow(&format!("140.119.3.{n}"), "10.9.9.9", 0, 100 + n)));
        flows.push(flow("140.119.1.7", "10.9.9.9", 0, 1));
        let counted = count(1 << 20, [piece(flows)].into_iter()).unwrap();
        let plan = plan("140.119.1.7,140.119.1.8,140.119.3.0/24");
        let text = String::from_utf8(counted.text(&plan, b"").unwrap()).unwrap();
        let ours: Vec<_> = text
            .lines()
            .filter_map(|line| line.split(',').nth(2).filter(|cell| cell.starts_with("140.119.")))
            .collect();
        // One that is named has no traffic; it keeps its place.
        assert_eq!(ours.len(), 98 + 1, "{ours:?}");
        assert_eq!(
            (ours[0], ours[97], ours[98]),
            ("140.119.3.249", "140.119.3.152", "140.119.1.7")
        );
    }

    #[test]
    fn a_slot_of_too_many_windows_is_not_counted() {
        let windows = |n: u64| {
            (0..n).flat_map(|n| {
                let window = Window::new(600 * n, 600);
                let end = End { window, ..End::default() };
                [Piece::Mark(Mark::Window(window)), Piece::Mark(Mark::End(end))]
            })
        };
        assert_eq!(count(1 << 20, windows(64)).unwrap().0.len(), 64);
        let error = count(1 << 20, windows(65)).unwrap_err();
        assert_eq!(error.to_string(), "the slot has more than 64 windows");
    }
}
