//! Compares our decoder with other programs on the same captures: nfdump, through its collector,
//! and tshark. The nine columns of every flow agree, compared as multisets because each program
//! prints in its own order.
//!
//! Where a program is known to see something else, [`NFDUMP`] and [`TSHARK`] name the capture and
//! the reason. A capture listed there that agrees after all fails the test, so the lists stay true.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nfkit::capture::{Event, Reader};

use crate::harness::{LIMIT, Live, Scene, installed, package, skipped, tool};
use crate::nfgen::EXPORTS;

mod csv;
mod filters;
mod restated;
mod softflowd;

/// Lines with how often each occurs.
type Multiset = BTreeMap<String, i64>;

fn multiset(lines: impl IntoIterator<Item = String>) -> Multiset {
    let mut set = Multiset::new();
    lines.into_iter().for_each(|line| *set.entry(line).or_default() += 1);
    set
}

/// Returns the flow lines that nfdump-txt prints for a capture.
fn ours(capture: &Path) -> Multiset {
    let ran = tool("nfdump-txt").arg("-N").arg(capture).run().status(0);
    multiset(ran.rows().into_iter().map(str::to_owned))
}

/// Returns our flow lines as sfcapd would see samples of untagged Ethernet. sfcapd counts the bytes
/// of the frame with its check sequence and padding, multiplies by the sampling, and has the type
/// and code of ICMP as one port each.
fn as_frames(capture: &Path) -> Multiset {
    let ran = tool("nfdump-txt").args(["-N", "--fields", "+sampling"]).arg(capture).run().status(0);
    multiset(ran.rows().into_iter().map(|row| {
        let mut cells: Vec<_> = row.split('\t').map(str::to_owned).collect();
        let sampling: u64 = cells.pop().unwrap().parse().unwrap();
        let octets: u64 = cells.pop().unwrap().parse().unwrap();
        cells.pop();
        let frame = (octets + 14).max(60) + 4;
        if cells[4] == "1" {
            let both: u16 = cells[6].parse().unwrap();
            (cells[5], cells[6]) = ((both >> 8).to_string(), (both & 0xff).to_string());
        }
        format!("{}\t{sampling}\t{}", cells.join("\t"), frame * sampling)
    }))
}

/// Returns true if the first datagram of a capture is sFlow.
fn is_sflow(capture: &Path) -> bool {
    payloads(capture).first().is_some_and(|first| first.starts_with(&[0, 0, 0, 5]))
}

/// Returns at most a few lines that only one side has, and an empty text if both agree.
fn difference(ours: &Multiset, theirs: &Multiset) -> String {
    let mut balance = ours.clone();
    theirs.iter().for_each(|(line, count)| *balance.entry(line.clone()).or_default() -= count);
    let mut text = String::new();
    for (side, sign) in [("only we", 1), ("only they", -1)] {
        let lines = balance.iter().filter(|(_, count)| **count * sign > 0);
        lines.take(4).for_each(|(line, count)| {
            text += &format!("  {side} have {} of: {line}\n", count * sign)
        });
    }
    text
}

/// Returns the payloads of a capture's datagrams in their order.
fn payloads(capture: &Path) -> Vec<Vec<u8>> {
    let mut reader = Reader::new(File::open(capture).unwrap()).unwrap();
    let mut all = Vec::new();
    while let Some(event) = reader.next().unwrap() {
        if let Event::Datagram(datagram) = event {
            all.push(datagram.payload.to_vec());
        }
    }
    all
}

/// Returns true if nfdump is 1.7.5 or later, which decodes and prints some things in another way; `None`
/// without nfdump.
fn is_since_1_7_5() -> Option<bool> {
    let ran = installed("nfdump")?.arg("-V").run().status(0);
    let version = ran.text().split_once("ersion: ").expect("a version").1;
    let mut numbers = version.split(['.', '-', ' ']).map_while(|word| word.parse::<u32>().ok());
    let version = [(); 3].map(|()| numbers.next().unwrap_or_default());
    Some(version >= [1, 7, 5])
}

/// Polls until `done` returns true. Panics after [`LIMIT`].
fn wait(what: &str, mut done: impl FnMut() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < LIMIT, "{what} takes too long");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The kernel's counts for a UDP socket.
struct SocketCounts {
    /// Bytes that wait in the receive buffer.
    waiting: u64,
    /// Datagrams that the kernel dropped.
    dropped: u64,
}

/// Returns the kernel's counts for the socket bound to a port of 127.0.0.1, or `None` if there is none.
fn socket_counts(port: u16) -> Option<SocketCounts> {
    let table = fs::read_to_string("/proc/net/udp").unwrap();
    let local = format!("0100007F:{port:04X}");
    let line = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let line = line.into_iter().find(|cells| cells.get(1) == Some(&local.as_str()))?;
    let waiting = u64::from_str_radix(line[4].split_once(':')?.1, 16).ok()?;
    Some(SocketCounts { waiting, dropped: line.last()?.parse().ok()? })
}

/// A collector of nfdump on a port of its own: nfcapd, or sfcapd for sFlow.
struct Collector {
    live: Live,
    port: u16,
    dir: PathBuf,
}

impl Collector {
    /// Sends a capture to a collector and returns the flows that it stored, as our nine columns.
    fn sees(capture: &Path) -> Option<Multiset> {
        let scene = Scene::new();
        let name = if is_sflow(capture) { "sfcapd" } else { "nfcapd" };
        let collector = Collector::start(name, &scene)?;
        collector.send(&payloads(capture));
        Some(collector.stop())
    }

    fn start(name: &str, scene: &Scene) -> Option<Collector> {
        let dir = scene.path(name);
        fs::create_dir(&dir).unwrap();
        let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let args = ["-b", "127.0.0.1", "-p", &port.to_string(), "-t", "3600", "-w"];
        let live = installed(name)?.args(args).arg(&dir).live();
        wait(name, || socket_counts(port).is_some());
        Some(Collector { live, port, dir })
    }

    fn send(&self, payloads: &[Vec<u8>]) {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        for payload in payloads {
            socket.send_to(payload, ("127.0.0.1", self.port)).unwrap();
            wait("a datagram to nfdump's collector", || {
                socket_counts(self.port).is_none_or(|counts| counts.waiting < 64 << 10)
            });
        }
        wait("the last datagrams to nfdump's collector", || {
            socket_counts(self.port).is_none_or(|counts| counts.waiting == 0)
        });
        let dropped = socket_counts(self.port).map(|counts| counts.dropped);
        assert_eq!(dropped, Some(0), "datagrams were lost");
    }

    /// Stops the collector and returns the flows that it stored, as our nine columns.
    fn stop(self) -> Multiset {
        listed(&self.end(), None)
    }

    /// Stops the collector and returns the directory of its files.
    fn end(self) -> PathBuf {
        // nfcapd notices a signal only after the next datagram if it arrives just before nfcapd
        // waits for one, so one signal is not always enough.
        for _ in 0..30 {
            installed("kill").unwrap().args(["-TERM", &self.live.id().to_string()]).run().ok();
            let end = Instant::now() + Duration::from_secs(1);
            while socket_counts(self.port).is_some() && Instant::now() < end {
                std::thread::sleep(Duration::from_millis(10));
            }
            if socket_counts(self.port).is_none() {
                break;
            }
        }
        let ran = self.live.close();
        assert!(ran.status.success(), "{ran}");
        self.dir
    }
}

/// Returns the flows of nfdump's files that pass the filter, as our nine columns.
fn listed(dir: &Path, filter: Option<&str>) -> Multiset {
    let format = "fmt:%in %sa %da %out %pr %sp %dp %pkt %byt";
    let run = installed("nfdump").unwrap().args(["-q", "-N", "-6", "-o", format, "-R"]);
    let ran = run.arg(dir).args(filter).run().status(0);
    multiset(
        ran.text()
            .lines()
            .filter(|line| !line.trim().is_empty() && *line != "No matching flows")
            .map(|line| nine(line, &ran.err)),
    )
}

/// Returns a line of nfdump in our form. nfdump prints the ports of ICMP as `type.code`, and some
/// protocols by name.
fn nine(line: &str, context: &str) -> String {
    let cells: Vec<_> = line.split_whitespace().collect();
    let [sif, sip, dip, dif, proto, sport, dport, packets, octets] = cells[..] else {
        panic!("nfdump: {line:?} {context}")
    };
    let address =
        |text: &str| text.parse::<IpAddr>().unwrap_or_else(|_| panic!("{line:?}")).to_string();
    let dport = match dport.split_once('.') {
        Some((kind, code)) => kind.parse::<u32>().unwrap() * 256 + code.parse::<u32>().unwrap(),
        None => dport.parse().unwrap(),
    };
    let (sip, dip) = (address(sip), address(dip));
    format!("{sif}\t{sip}\t{dip}\t{dif}\t{proto}\t{sport}\t{dport}\t{packets}\t{octets}")
}

/// Returns the flows that tshark sees in a capture, as our nine columns.
fn tshark(capture: &Path) -> Option<Multiset> {
    let protocol = if is_sflow(capture) { "sflow" } else { "cflow" };
    let ports = [2055, 6343, 9999].map(|port| format!("udp.port=={port},{protocol}"));
    let run = installed("tshark")?.args(["-d", &ports[0], "-d", &ports[1], "-d", &ports[2]]);
    let ran = run.args(["-J", protocol, "-T", "pdml", "-r"]).arg(capture).run().status(0);
    let mut lines = Vec::new();
    let mut record: Option<BTreeMap<&str, &str>> = None;
    let mut depth = 0;
    for line in ran.text().lines() {
        let tag = line.trim_start();
        let indent = line.len() - tag.len();
        let name = attribute(tag, "name").unwrap_or_default();
        let show = attribute(tag, "show").unwrap_or_default();
        if tag.starts_with("<field") && name.is_empty() && is_record(show) {
            record = Some(BTreeMap::new());
            depth = indent;
        } else if let Some(fields) = record.as_mut().filter(|_| tag.starts_with("<field")) {
            // The first occurrence of an element counts.
            let value =
                if ADDRESSES.contains(&name) { attribute(tag, "value") } else { Some(show) };
            fields.entry(name).or_insert(value.unwrap_or_default());
        } else if tag.starts_with("</field") && indent == depth {
            lines.extend(record.take().and_then(|fields| line_of_record(&fields)));
        }
    }
    Some(multiset(lines))
}

/// Fields of which the raw value is used instead of the text.
const ADDRESSES: [&str; 8] = [
    "cflow.srcaddr",
    "cflow.srcaddrv6",
    "cflow.dstaddr",
    "cflow.dstaddrv6",
    "ip.src",
    "ipv6.src",
    "ip.dst",
    "ipv6.dst",
];

fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let rest = &tag[tag.find(&format!(" {name}=\""))? + name.len() + 3..];
    Some(&rest[..rest.find('"')?])
}

/// Returns true for the title of a record: `Flow 3`, `pdu 3/30` of v1, v5 and v7, `Flow sample, seq
/// 3` or `Expanded flow sample, seq 3`.
fn is_record(show: &str) -> bool {
    ["Flow ", "pdu ", "Expanded flow "].iter().any(|kind| show.starts_with(kind))
}

/// Returns a record as a flow line, or `None` if it has no addresses; we make no flow of such a
/// record either.
fn line_of_record(fields: &BTreeMap<&str, &str>) -> Option<String> {
    let address = |v4: &str, v6: &str| {
        let hex = fields.get(v4).or(fields.get(v6))?;
        Some(match hex.len() {
            8 => IpAddr::from(Ipv4Addr::from(u32::from_str_radix(hex, 16).ok()?)),
            _ => IpAddr::from(Ipv6Addr::from(u128::from_str_radix(hex, 16).ok()?)),
        })
    };
    let number = |name: &str| {
        let text = fields.get(name).copied().unwrap_or("0");
        match text.strip_prefix("0x") {
            Some(hex) => u64::from_str_radix(hex, 16).unwrap(),
            None => text.parse().unwrap(),
        }
    };
    let first =
        |names: &[&str]| names.iter().map(|name| number(name)).find(|&n| n > 0).unwrap_or(0);
    let is_sample = fields.contains_key("sflow.flow_sample.sampling_rate");
    let (sip, dip, proto, mut sport, mut dport) = if is_sample {
        (
            address("ip.src", "ipv6.src")?,
            address("ip.dst", "ipv6.dst")?,
            first(&["ip.proto", "ipv6.nxt"]),
            first(&["tcp.srcport", "udp.srcport"]),
            first(&["tcp.dstport", "udp.dstport"]),
        )
    } else {
        (
            address("cflow.srcaddr", "cflow.srcaddrv6")?,
            address("cflow.dstaddr", "cflow.dstaddrv6")?,
            number("cflow.protocol"),
            number("cflow.srcport"),
            number("cflow.dstport"),
        )
    };
    if proto == 1 || proto == 58 {
        let icmp = ["cflow.icmp_type_code_ipv4", "cflow.icmp_type_code_ipv6", "cflow.icmp_type"];
        let parts = |kind, code| number(kind) * 256 + number(code);
        let parts = [
            parts("icmp.type", "icmp.code"),
            parts("icmpv6.type", "icmpv6.code"),
            parts("cflow.icmp_ipv4_type", "cflow.icmp_ipv4_code"),
            parts("cflow.icmp_ipv6_type", "cflow.icmp_ipv6_code"),
        ];
        let parts = parts.into_iter().max().unwrap_or(0);
        (sport, dport) = (0, first(&icmp).max(dport).max(parts));
    }
    let (sif, dif, packets, octets) = if is_sample {
        (
            first(&[
                "sflow.flow_sample.input_interface",
                "sflow.flow_sample.input_interface_value",
            ]),
            first(&["sflow.flow_sample.output_interface_value"]),
            1,
            match fields.get("ip.len") {
                Some(_) => number("ip.len"),
                None => number("ipv6.plen") + 40,
            },
        )
    } else {
        (
            number("cflow.inputint"),
            number("cflow.outputint"),
            number("cflow.packets"),
            number("cflow.octets"),
        )
    };
    Some(format!("{sif}\t{sip}\t{dip}\t{dif}\t{proto}\t{sport}\t{dport}\t{packets}\t{octets}"))
}

/// Generates the captures to compare: ordinary traffic of all protocols, a scan with its answers,
/// and a flood.
fn played(scene: &Scene) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for export in EXPORTS.into_iter().chain(["sflow"]) {
        for (name, args) in [
            ("campus", &["campus", "--flows", "3000"][..]),
            ("scan", &["paper", "--figure", "3", "--flows", "6000"]),
            ("flood", &["paper", "--figure", "4", "--flows", "3000"]),
        ] {
            let path = scene.path(&format!("{name}{export}.pcapng"));
            let run = tool("nfgen").args(args).args(["--export", export, "-w"]).arg(&path);
            // As many unsampled flows would be a hundred thousand packets.
            let run = if export == "sflow" { run.args(["--sampling", "20"]) } else { run };
            run.run().ok();
            all.push(path);
        }
    }
    all
}

/// Returns the golden captures and the real ones, by their names.
fn captured() -> Vec<(String, PathBuf)> {
    let mut all: Vec<_> = crate::golden::captures()
        .into_iter()
        .map(|(name, _)| (name.to_owned(), package("tests/data").join(name)))
        .collect();
    let exports = package("../shared/exports");
    let Ok(table) = fs::read_to_string(exports.join("EXPECTED.tsv")) else {
        skipped(format_args!("no real exports in {}", exports.display()));
        return all;
    };
    let names = table.lines().skip(1).filter_map(|line| line.split('\t').next());
    all.extend(names.map(|name| (name.to_owned(), exports.join(name))));
    all
}

/// Captures that nfdump up to 1.7.4 reads in another way than we do, beside those of [`NFDUMP`],
/// with the reasons.
const NFDUMP_BEFORE_1_7_5: &[(&str, &str)] = &[
    ("ipfix-options.pcapng", "it multiplies counts by the sampling of the options record"),
    ("ipv6.pcapng", "of ICMPv6 it does not read element 139"),
    (
        "logstash/Netflow-9-multiple-netflow-exporters.pcap",
        "of ICMPv6 it does not read element 139",
    ),
    ("logstash/Netflow-9-valid-01.pcap", "of ICMPv6 it does not read element 139"),
    (
        "logstash/Netflow-9-Cisco-NBAR-flowset-262.pcap",
        "of ICMP in v9 it does not read type and code out of the port; tshark sees what we see",
    ),
];

/// Captures that nfdump 1.7.5 and later read in another way than we do, beside those of [`NFDUMP`],
/// with the reasons.
const NFDUMP_SINCE_1_7_5: &[(&str, &str)] = &[
    (
        "logstash/Netflow-9-Cisco-ASA.pcap",
        "of ICMP it takes the port, which is an echo's identifier here, before type and code",
    ),
    ("logstash/Netflow-9-invalid-01.pcap", "it multiplies counts by the sampling of an option"),
];

/// Captures that every nfdump reads in another way than we do, with the reasons.
const NFDUMP: &[(&str, &str)] = &[
    ("v5-sampled.pcapng", "it multiplies counts by the sampling; lines hold them as exported"),
    ("logstash/Netflow5-Juniper-MX80.pcap", "it multiplies counts by the sampling of the header"),
    ("v9-late.pcapng", "it drops data that comes before its template"),
    ("bitkeks/PACKET_V9_TEMPLATE_MIXED.0.bin.pcap", "it drops data that comes before its template"),
    (
        "logstash/IPFIX-Netscaler-with-variable-length-fields.pcap",
        "it drops data that comes before its template",
    ),
    (
        "bitkeks/bitkeks-ipfix-ether.pcap",
        "no protocol is exported: that it is ICMP follows from its elements",
    ),
    (
        "bitkeks/bitkeks-ipfix.pcap",
        "no protocol is exported: that it is ICMP follows from its elements",
    ),
    (
        "logstash/IPFIX-Procera.pcap",
        "records have the addresses of both families, one of them zero: it takes the last",
    ),
    (
        "logstash/IPFIX-YAF-basic-with-applabel.pcap",
        "it has no reverse flows of a biflow (RFC 5103)",
    ),
    ("logstash/Netflow-9-Cisco-ASA-2.pcap", "it has no flow of the responder's octets"),
    (
        "logstash/Netflow-5-invalid-01.pcap",
        "it refuses a datagram with fewer records than its header counts; tshark reads them as we do",
    ),
    (
        "logstash/Netflow-5-invalid-02.pcap",
        "it refuses a datagram with fewer records than its header counts; tshark reads them as we do",
    ),
    ("logstash/Netflow-9-Cisco-WLC.pcap", "it has flows of records without addresses"),
    (
        "netflow_parser/base-tests-can-read-v9-with-options-template-and-template.pcap",
        "it has flows of records without a destination",
    ),
    (
        "netflow_parser/restored-legacy-tests-it-parses-ipfix-enterprise-bit-template-and-data.pcap",
        "it has flows of records without addresses",
    ),
    (
        "netflow_parser/restored-legacy-tests-it-parses-ipfix-mixed-enteprise-and-non-enterprise-fields.pcap",
        "it has flows of records without addresses",
    ),
    (
        "netflow_parser/restored-legacy-tests-it-parses-ipfix-multiple-flow-records.pcap",
        "it has flows of records without addresses",
    ),
    (
        "netflow_parser/base-tests-ipfix-repeated-information-elements-parse-template-and-data.pcap",
        "of an element that comes twice it takes the last",
    ),
    (
        "netflow_parser/restored-legacy-tests-it-parses-multiple-packets.pcap",
        "it multiplies by the sampling, and has flows of records without addresses",
    ),
    ("sflow.pcapng", "it counts a frame's tag, and of ICMPv6 it reads no type"),
    ("goflow2/TestExpandedSFlowDecode.0.data.bin.pcap", "it counts the frames' tags"),
    ("goflow2/TestSFlowDecode.0.data.bin.pcap", "it counts the frame's tag"),
    ("tcpdump/sflow_expanded.pcap", "it counts the frame's tag"),
    (
        "tcpdump/sflow_multiple_counter_30_pdus.pcap",
        "its two collectors read either sFlow or NetFlow, and both come here",
    ),
];

/// Captures that tshark 4.0 reads in another way than we do, with the reasons.
const TSHARK: &[(&str, &str)] = &[
    ("fragments.pcapng", "it reads the datagram whose fragments overlap, and all others as we do"),
    ("v9-late.pcapng", "it drops data that comes before its template"),
    ("bitkeks/PACKET_V9_TEMPLATE_MIXED.0.bin.pcap", "it drops data that comes before its template"),
    (
        "logstash/IPFIX-Netscaler-with-variable-length-fields.pcap",
        "it drops data that comes before its template",
    ),
    (
        "ipv6.pcapng",
        "v9 and IPFIX of one exporter share their template ids in it: it decodes one by the other's",
    ),
    (
        "bitkeks/bitkeks-ipfix-ether.pcap",
        "no protocol is exported: that it is ICMP follows from its elements",
    ),
    (
        "bitkeks/bitkeks-ipfix.pcap",
        "no protocol is exported: that it is ICMP follows from its elements",
    ),
    (
        "logstash/IPFIX-Procera.pcap",
        "records have the addresses of both families, one of them zero: we take the other",
    ),
    (
        "logstash/IPFIX-YAF-basic-with-applabel.pcap",
        "it shows totals and the reverse direction (RFC 5103) under other names",
    ),
    (
        "logstash/Netflow-9-Cisco-ASA.pcap",
        "it shows the initiator's octets, and type and code apart, under other names",
    ),
    (
        "logstash/Netflow-9-Cisco-ASA-2.pcap",
        "it shows the initiator's and the responder's octets under other names",
    ),
    ("logstash/Netflow-9-H3C.pcap", "it loses the template's records after the first"),
    (
        "logstash/Netflow-9-invalid-01.pcap",
        "it refuses the datagram, of which some sets can be read",
    ),
    ("sflow.pcapng", "it shows what the agent read itself of a packet under other names"),
    (
        "tcpdump/sflow_multiple_counter_30_pdus.pcap",
        "on one port it takes all for sFlow, and some are v5",
    ),
];

/// Compares all captures. Those in the list must differ, all others must agree.
fn assert_agree_except(
    known: &[(&str, &str)],
    theirs: impl Fn(&Path) -> Option<Multiset>,
    ours: impl Fn(&Path) -> Multiset,
) {
    let mut wrong = String::new();
    let mut equal = 0;
    let captures = captured();
    for (name, path) in &captures {
        let Some(theirs) = theirs(path) else { return };
        let difference = difference(&ours(path), &theirs);
        let known = known.iter().find(|(file, _)| file == name);
        match (difference.is_empty(), known) {
            (true, None) => equal += 1,
            (false, Some(_)) => {}
            (true, Some((_, why))) => wrong += &format!("{name} agrees now, known was: {why}\n"),
            (false, None) => wrong += &format!("{name}\n{difference}"),
        }
    }
    let gone = known.iter().filter(|(file, _)| captures.iter().all(|(name, _)| name != file));
    // Without the real exports only the golden captures are there.
    if captures.len() > crate::golden::captures().len() {
        gone.for_each(|(file, _)| wrong += &format!("{file} is not there any more\n"));
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(equal * 2 > captures.len(), "only {equal} of {} agree", captures.len());
}

#[test]
fn nfdump_sees_the_flows_that_nfgen_exports() {
    let scene = Scene::new();
    for capture in played(&scene) {
        let Some(theirs) = Collector::sees(&capture) else { return };
        let ours = if is_sflow(&capture) { as_frames(&capture) } else { ours(&capture) };
        let difference = difference(&ours, &theirs);
        assert!(difference.is_empty(), "{}\n{difference}", capture.display());
    }
}

#[test]
fn nfdump_sees_the_same_flows_in_real_exports() {
    let Some(is_since_1_7_5) = is_since_1_7_5() else { return };
    let of_version = if is_since_1_7_5 { NFDUMP_SINCE_1_7_5 } else { NFDUMP_BEFORE_1_7_5 };
    let known = [NFDUMP, of_version].concat();
    assert_agree_except(&known, Collector::sees, |path| {
        if is_sflow(path) { as_frames(path) } else { ours(path) }
    });
}

#[test]
fn tshark_sees_the_flows_that_nfgen_exports() {
    let scene = Scene::new();
    for capture in played(&scene) {
        let Some(theirs) = tshark(&capture) else { return };
        let difference = difference(&ours(&capture), &theirs);
        assert!(difference.is_empty(), "{}\n{difference}", capture.display());
    }
}

#[test]
fn tshark_sees_the_same_flows_in_real_exports() {
    assert_agree_except(TSHARK, tshark, ours);
}
