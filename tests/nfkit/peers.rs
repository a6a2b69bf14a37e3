//! Other programs decode the same captures: nfdump by way of its collector, and tshark. The nine
//! columns of every flow agree, as multisets: both print in an order of their own.
//!
//! Where one of them is known to see something else, [`NFDUMP`] and [`TSHARK`] name the capture and
//! the reason; a capture that agrees after all fails, so that the lists stay true.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nfkit::capture::{Event, Reader};

use crate::harness::{LIMIT, Live, Scene, other, package, skipped, tool};
use crate::nfgen::EXPORTS;

/// Lines with how often each occurs.
type Multiset = BTreeMap<String, i64>;

fn multiset(lines: impl IntoIterator<Item = String>) -> Multiset {
    let mut set = Multiset::new();
    lines.into_iter().for_each(|line| *set.entry(line).or_default() += 1);
    set
}

/// The flow lines that we make of a capture.
fn ours(capture: &Path) -> Multiset {
    let ran = tool("nfdump-txt").arg("-N").arg(capture).run().status(0);
    multiset(ran.rows().into_iter().map(str::to_owned))
}

/// What only one side has, at most a few lines of it. Empty: they agree.
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

/// The payloads of a capture's datagrams in their order.
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

/// Waits until `done`, which is asked again and again; fails if that takes too long.
fn wait(what: &str, mut done: impl FnMut() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < LIMIT, "{what} takes too long");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// What the kernel says of the socket bound to a port of 127.0.0.1: octets that wait in it, and
/// datagrams that it dropped. `None`: nobody is bound.
fn socket(port: u16) -> Option<(u64, u64)> {
    let table = fs::read_to_string("/proc/net/udp").unwrap();
    let local = format!("0100007F:{port:04X}");
    let line = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let line = line.into_iter().find(|cells| cells.get(1) == Some(&local.as_str()))?;
    let waiting = u64::from_str_radix(line[4].split_once(':')?.1, 16).ok()?;
    Some((waiting, line.last()?.parse().ok()?))
}

/// nfdump's collector on a port of its own.
struct Collector {
    live: Live,
    port: u16,
    dir: PathBuf,
}

impl Collector {
    fn start(scene: &Scene) -> Option<Collector> {
        let dir = scene.path("nfcapd");
        fs::create_dir(&dir).unwrap();
        let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let args = ["-b", "127.0.0.1", "-p", &port.to_string(), "-t", "3600", "-w"];
        let live = other("nfcapd")?.args(args).arg(&dir).live();
        wait("nfcapd", || socket(port).is_some());
        Some(Collector { live, port, dir })
    }

    fn send(&self, payloads: &[Vec<u8>]) {
        let socket_out = UdpSocket::bind("127.0.0.1:0").unwrap();
        for payload in payloads {
            socket_out.send_to(payload, ("127.0.0.1", self.port)).unwrap();
            wait("a datagram to nfcapd", || {
                socket(self.port).is_none_or(|(waiting, _)| waiting < 64 << 10)
            });
        }
        wait("the last datagrams to nfcapd", || {
            socket(self.port).is_none_or(|(waiting, _)| waiting == 0)
        });
        assert_eq!(socket(self.port).map(|(_, dropped)| dropped), Some(0), "nfcapd lost datagrams");
    }

    /// The flows that it has, as our nine columns.
    fn stop(self) -> Multiset {
        other("kill").unwrap().args(["-TERM", &self.live.id().to_string()]).run().ok();
        let ran = self.live.close();
        assert!(ran.status.success(), "{ran}");
        let format = "fmt:%in %sa %da %out %pr %sp %dp %pkt %byt";
        let run = other("nfdump").unwrap().args(["-q", "-N", "-6", "-o", format, "-R"]);
        let ran = run.arg(&self.dir).run().status(0);
        multiset(
            ran.text()
                .lines()
                .filter(|line| !line.trim().is_empty() && *line != "No matching flows")
                .map(|line| nine(line, &ran.err)),
        )
    }
}

/// One line of nfdump's as ours: it prints the ports of ICMP as `type.code`, and protocols by name
/// where it knows one.
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

/// What tshark makes of a capture, as our nine columns.
fn tshark(capture: &Path) -> Option<Multiset> {
    let args = [
        "-d",
        "udp.port==2055,cflow",
        "-d",
        "udp.port==9999,cflow",
        "-J",
        "cflow",
        "-T",
        "pdml",
        "-r",
    ];
    let ran = other("tshark")?.args(args).arg(capture).run().status(0);
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
            // Where an element comes twice, the first holds.
            let value = match name.ends_with("addr") || name.ends_with("addrv6") {
                true => attribute(tag, "value"),
                false => Some(show),
            };
            fields.entry(name).or_insert(value.unwrap_or_default());
        } else if tag.starts_with("</field") && indent == depth {
            lines.extend(record.take().and_then(|fields| of_tshark(&fields)));
        }
    }
    Some(multiset(lines))
}

fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let rest = &tag[tag.find(&format!(" {name}=\""))? + name.len() + 3..];
    Some(&rest[..rest.find('"')?])
}

/// `Flow 3`, and `pdu 3/30` of v5.
fn is_record(show: &str) -> bool {
    show.starts_with("Flow ") || show.starts_with("pdu ")
}

/// A record as a flow line; `None` without addresses, which makes none of ours either.
fn of_tshark(fields: &BTreeMap<&str, &str>) -> Option<String> {
    let address = |v4: &str, v6: &str| {
        let hex = fields.get(v4).or(fields.get(v6))?;
        Some(match hex.len() {
            8 => IpAddr::from(Ipv4Addr::from(u32::from_str_radix(hex, 16).ok()?)),
            _ => IpAddr::from(Ipv6Addr::from(u128::from_str_radix(hex, 16).ok()?)),
        })
    };
    let sip = address("cflow.srcaddr", "cflow.srcaddrv6")?;
    let dip = address("cflow.dstaddr", "cflow.dstaddrv6")?;
    let number = |name: &str| {
        let text = fields.get(name).copied().unwrap_or("0");
        match text.strip_prefix("0x") {
            Some(hex) => u64::from_str_radix(hex, 16).unwrap(),
            None => text.parse().unwrap(),
        }
    };
    let proto = number("cflow.protocol");
    let (mut sport, mut dport) = (number("cflow.srcport"), number("cflow.dstport"));
    if proto == 1 || proto == 58 {
        let icmp = ["cflow.icmp_type_code_ipv4", "cflow.icmp_type_code_ipv6", "cflow.icmp_type"];
        (sport, dport) = (0, icmp.iter().map(|name| number(name)).max().unwrap_or(0).max(dport));
    }
    let (sif, dif) = (number("cflow.inputint"), number("cflow.outputint"));
    let (packets, octets) = (number("cflow.packets"), number("cflow.octets"));
    Some(format!("{sif}\t{sip}\t{dip}\t{dif}\t{proto}\t{sport}\t{dport}\t{packets}\t{octets}"))
}

/// The captures of nfgen that are compared: all ordinary protocols, and a scan with its answers.
fn played(scene: &Scene) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for export in EXPORTS {
        for (name, args) in [
            ("campus", &["campus", "--flows", "3000"][..]),
            ("scan", &["paper", "--figure", "3", "--flows", "6000"]),
            ("flood", &["paper", "--figure", "4", "--flows", "3000"]),
        ] {
            let path = scene.path(&format!("{name}{export}.pcapng"));
            tool("nfgen").args(args).args(["--export", export, "-w"]).arg(&path).run().ok();
            all.push(path);
        }
    }
    all
}

/// The golden captures and the real ones of v5, v9 and IPFIX, by their names.
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
    let names = names.filter(|name| !crate::nfdump_txt::foreign(name));
    all.extend(names.map(|name| (name.to_owned(), exports.join(name))));
    all
}

/// Captures of which nfdump 1.7.1 says something else than we do, and why.
const NFDUMP: &[(&str, &str)] = &[
    ("v5-sampled.pcapng", "it multiplies counts by the sampling; lines hold them as exported"),
    ("ipfix-options.pcapng", "it multiplies counts by the sampling of the options record"),
    ("logstash/Netflow5-Juniper-MX80.pcap", "it multiplies counts by the sampling of the header"),
    ("v9-late.pcapng", "it drops data that comes before its template"),
    ("bitkeks/PACKET_V9_TEMPLATE_MIXED.0.bin.pcap", "it drops data that comes before its template"),
    (
        "logstash/IPFIX-Netscaler-with-variable-length-fields.pcap",
        "it drops data that comes before its template",
    ),
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
        "it reads v7, multiplies by the sampling, and has flows of records without addresses",
    ),
];

/// Captures of which tshark 4.0 says something else than we do, and why.
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
    ("netflow_parser/restored-legacy-tests-it-parses-multiple-packets.pcap", "it reads v7"),
];

/// Compares all captures; those in the list must differ, all others must not.
fn compare(known: &[(&str, &str)], theirs: impl Fn(&Path) -> Option<Multiset>) {
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
fn nfdump_sees_what_nfgen_exports() {
    let scene = Scene::new();
    for capture in played(&scene) {
        let scene = Scene::new();
        let Some(collector) = Collector::start(&scene) else { return };
        collector.send(&payloads(&capture));
        let difference = difference(&ours(&capture), &collector.stop());
        assert!(difference.is_empty(), "{}\n{difference}", capture.display());
    }
}

#[test]
fn nfdump_sees_what_we_see_of_real_exports() {
    compare(NFDUMP, |path| {
        let scene = Scene::new();
        let collector = Collector::start(&scene)?;
        collector.send(&payloads(path));
        Some(collector.stop())
    });
}

#[test]
fn tshark_sees_what_nfgen_exports() {
    let scene = Scene::new();
    for capture in played(&scene) {
        let Some(theirs) = tshark(&capture) else { return };
        let difference = difference(&ours(&capture), &theirs);
        assert!(difference.is_empty(), "{}\n{difference}", capture.display());
    }
}

#[test]
fn tshark_sees_what_we_see_of_real_exports() {
    compare(TSHARK, tshark);
}
