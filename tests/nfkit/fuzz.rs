//! Replays the corpora of the fuzz targets through the functions that `scripts/fuzz` feeds, and
//! writes the seeds from which it starts.

use std::fs::{self, File};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use nfkit::capture::{Event, Reader};
use nfkit::wire::Version;

use crate::golden::{self, Bytes, bytes};
use crate::harness::{gzip, package, skipped, zstd};

#[path = "../../fuzz/src/lib.rs"]
mod target;

use target::{Action, Sent, SentSflow};

/// Replays the corpus of a target. Panics if the corpus is missing.
fn replay(name: &str, target: fn(&[u8])) {
    let dir = package("fuzz/corpus").join(name);
    let listed = fs::read_dir(&dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    let mut paths: Vec<PathBuf> = listed.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "{} is empty", dir.display());
    for path in paths {
        // The message of a failed assertion does not name the file.
        let bytes = fs::read(&path).unwrap();
        if std::panic::catch_unwind(|| target(&bytes)).is_err() {
            panic!("{}", path.display());
        }
    }
}

#[test]
fn the_datagram_corpus_passes_its_target() {
    replay("datagrams", target::datagrams);
}

#[test]
fn the_capture_corpus_passes_its_target() {
    replay("capture", target::capture);
}

#[test]
fn the_line_corpus_passes_its_target() {
    replay("lines", target::lines);
}

#[test]
fn the_sflow_corpus_passes_its_target() {
    replay("sflow", target::sflow);
}

/// Writes the seeds when `scripts/fuzz` calls it: our own captures, made-up datagrams of every
/// kind, and the real exports if they are there.
#[test]
#[ignore = "scripts/fuzz calls it"]
fn seeds() {
    let Some(dir) = std::env::var_os("NFKIT_FUZZ_SEEDS").map(PathBuf::from) else {
        return skipped("NFKIT_FUZZ_SEEDS does not say where to write seeds");
    };
    for target in ["datagrams", "capture", "sflow", "lines"] {
        for of in ["", "-exports"] {
            fs::create_dir_all(dir.join(format!("{target}{of}"))).unwrap();
        }
    }
    for (name, bytes) in golden::captures().into_iter().chain(captures()) {
        seed_capture(&dir, "", name, &bytes);
        if ["joined", "ipfix.pcapng"].contains(&name) {
            write(&dir, "capture", &format!("{name}.gz"), &gzip(&bytes));
            write(&dir, "capture", &format!("{name}.zst"), &zstd(&bytes));
        }
    }
    for version in [Version::V5, Version::V9, Version::Ipfix] {
        for six in [false, true] {
            if six && version == Version::V5 {
                continue;
            }
            let flows: Vec<_> = golden::flows(six).into_iter().cycle().take(70).collect();
            let all: Vec<_> = golden::export(version, &flows).into_iter().map(|d| (1, d)).collect();
            seed_datagrams(&dir, "", &format!("{version}-{six}"), &all);
        }
    }
    seed_datagrams(&dir, "", "ipfix", &ipfix());
    seed_datagrams(&dir, "", "v9", &v9());
    seed_datagrams(&dir, "", "fixed", &fixed());
    for (name, samples) in samples() {
        for agent in [1 << 2, (2 << 2) | (1 << 5)] {
            let joined = samples.concat();
            let count = samples.len() as u8;
            let sent = SentSflow { agent, step: 1, count, samples: &joined };
            let name = format!("{name}-{agent}");
            write(&dir, "sflow", &name, &target::pack_sflow(agent == 4, &[sent, sent]));
        }
    }
    seed_lines(&dir);
    let exports = package("../shared/exports");
    let Ok(table) = fs::read_to_string(exports.join("EXPECTED.tsv")) else {
        return skipped(format_args!("no real exports in {}", exports.display()));
    };
    for name in table.lines().skip(1).filter_map(|line| line.split('\t').next()) {
        let capture = fs::read(exports.join(name)).unwrap();
        seed_capture(&dir, "-exports", &name.replace('/', "-"), &capture);
    }
}

fn write(dir: &Path, target: &str, name: &str, bytes: &[u8]) {
    // Seeds of the same name have different contents.
    let sum =
        bytes.iter().fold(0u32, |sum, byte| sum.wrapping_mul(31).wrapping_add((*byte).into()));
    let name = format!("{}-{sum:08x}", name.replace(' ', "-"));
    fs::write(dir.join(target).join(name), bytes).unwrap();
}

/// Writes flow lines of our own and of other programs as seeds, both as the dialect that they are
/// and as another.
fn seed_lines(dir: &Path) {
    let mut texts = Vec::new();
    for folder in ["tests/data", "tests/data/dialects"] {
        for entry in fs::read_dir(package(folder)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_file() && (name.ends_with(".flows") || folder.ends_with("dialects")) {
                texts.push((name, fs::read(&path).unwrap()));
            }
        }
    }
    let flow = "1\t192.0.2.1\t198.51.100.2\t2\t6\t1025\t80\t3\t144";
    for (name, line) in [
        ("blanks", flow.replace('\t', "  ")),
        ("commas", flow.replace('\t', ",")),
        ("ipv6", flow.replace("192.0.2.1", "2001:db8::1:0:0:192.0.2.1")),
        ("crlf", flow.to_owned() + "\r"),
        (
            "names",
            format!(
                "sif,sip,dip,dif,proto,sport,dport,packets,octets\n{}",
                flow.replace('\t', ",")
            ),
        ),
        (
            "marks",
            format!(
                "#window\t2001-07-01T00:20:00Z\t600\n{flow}\n#end\t2001-07-01T00:20:00Z\t600\tflows=1\tstate=ok"
            ),
        ),
        (
            "further",
            format!(
                "#fields\tsif\tsip\tdip\tdif\tproto\tsport\tdport\tpackets\toctets\tstart\tflags\n{flow}\t994025700.125\t27"
            ),
        ),
    ] {
        texts.push((name.to_owned(), (line + "\n" + flow + "\n").into_bytes()));
    }
    for (name, text) in texts {
        let text = &text[..text.len().min(4000)];
        for tool in [5, (name.len() % 5) as u8] {
            write(dir, "lines", &name, &[&[tool], text].concat());
        }
    }
}

/// Writes a capture, and the datagrams in it, as seeds.
fn seed_capture(dir: &Path, of: &str, name: &str, capture: &[u8]) {
    write(dir, &format!("capture{of}"), name, capture);
    let mut reader = Reader::new(capture).unwrap();
    let mut all = Vec::new();
    while let Ok(Some(event)) = reader.next() {
        if let Event::Datagram(datagram) = event {
            let byte = match datagram.exporter {
                IpAddr::V4(address) => address.octets()[3] & 1,
                IpAddr::V6(_) => 3,
            };
            all.push((byte, datagram.payload.to_vec()));
        }
    }
    assert!(!all.is_empty(), "no datagram in {name}");
    // An sFlow seed starts after the header, which has 28 bytes if the agent has an IPv4 address.
    let samples: Vec<_> = all
        .iter()
        .filter(|(_, payload)| payload.starts_with(&[0, 0, 0, 5, 0, 0, 0, 1]))
        .filter_map(|(_, payload)| {
            let (count, samples) = (*payload.get(27)?, payload.get(28..)?);
            Some(SentSflow { agent: 2 << 2, step: 1, count, samples })
        })
        .collect();
    if !samples.is_empty() {
        write(dir, &format!("sflow{of}"), name, &target::pack_sflow(false, &samples));
    }
    seed_datagrams(dir, of, name, &all);
}

/// Writes datagrams as seeds twice: in their order, and in another order with limits that they
/// exceed and with templates learned or counted only.
fn seed_datagrams(dir: &Path, of: &str, name: &str, all: &[(u8, Vec<u8>)]) {
    let all = all.iter().take(40);
    let sent: Vec<_> = all
        .map(|(exporter, payload)| Sent {
            exporter: *exporter,
            action: Action::Read,
            after: 1,
            payload,
        })
        .collect();
    let place = format!("datagrams{of}");
    write(dir, &place, name, &target::pack(false, &sent));
    let action = |n| [Action::Read, Action::Watch, Action::Learn][n % 3];
    let turned = sent.iter().rev().chain(&sent).enumerate();
    let turned: Vec<_> = turned.map(|(n, sent)| Sent { action: action(n), ..*sent }).collect();
    let name = format!("{name}-turned");
    write(dir, &place, &name, &target::pack(true, &turned));
}

/// Returns a template record. An element above 32767 belongs to an enterprise; here always to the
/// reverse direction (RFC 5103).
fn template(id: u16, fields: &[(u16, u16)]) -> Bytes {
    let mut out = bytes().u16(id).u16(fields.len() as u16);
    for &(element, len) in fields {
        out = out.u16(element).u16(len);
        if element > 0x7fff {
            out = out.u32(29_305);
        }
    }
    out
}

/// Returns IPFIX datagrams with a biflow, variable lengths, sections of frames, options of every
/// kind, withdrawals, and two messages in one datagram.
fn ipfix() -> Vec<(u8, Vec<u8>)> {
    let message = |sets: Bytes| {
        let header = bytes().u16(10).u16(16 + sets.0.len() as u16).u32(golden::START as u32);
        header.u32(7).u32(3).all(sets.0)
    };
    let biflow = [(8, 4), (12, 4), (4, 1), (7, 2), (11, 2), (2, 4), (0x8002, 4), (0x8001, 4)];
    let frame = [(10, 4), (323, 8), (315, 65_535)];
    let named = [(82, 65_535), (27, 16), (28, 16), (1, 65_535), (152, 8), (161, 4), (225, 4)];
    let templates = bytes()
        .all(template(256, &biflow).0)
        .all(template(257, &frame).0)
        .all(template(258, &named).0);
    let frames = raw_frame();
    let data = bytes()
        .set(256, bytes().u32(1).u32(2).u8(6).u16(1234).u16(80).u32(1).u32(2).u32(3))
        .set(257, bytes().u32(3).u64(1_000_000_000_000).u8(frames.len() as u8).all(&frames))
        .set(258, bytes().u8(3).all("eth").all([1; 32]).u8(255).u16(2).u16(9).u64(1).u32(5).u32(6));
    let samplers = bytes().u16(259).u16(3).u16(1).u16(302).u16(4).u16(305).u16(4).u16(306).u16(4);
    let boot = bytes().u16(260).u16(2).u16(1).u16(149).u16(4).u16(160).u16(8);
    let options = bytes()
        .set(3, bytes().all(samplers.0).all(boot.0))
        .set(259, bytes().u32(1).u32(1).u32(99).u32(2).u32(1).u32(999))
        .set(260, bytes().u32(3).u64(1_000_000_000_000));
    let gone = bytes().set(2, bytes().u16(256).u16(0).u16(2).u16(0));
    let two = message(data.clone()).all(message(gone).0);
    vec![
        (1, message(data.clone()).0),
        (1, message(bytes().set(2, templates).all(&data.0)).0),
        (3, message(options).0),
        (1, two.0),
        (2, message(data).0),
    ]
}

/// Returns v9 datagrams with times of sysUpTime, a sampler, both address families in one record,
/// counts of Cisco's ASA, and padding.
fn v9() -> Vec<(u8, Vec<u8>)> {
    let datagram = |sets: Bytes| {
        let header = bytes().u16(9).u16(2).u32(5000).u32(golden::START as u32);
        header.u32(7).u32(3).all(sets.0)
    };
    let fields = [(8, 4), (12, 4), (27, 16), (28, 16), (4, 1), (48, 1), (22, 4), (21, 4), (61, 1)];
    let asa = [(8, 4), (12, 4), (40_001, 4), (40_005, 1), (176, 1), (177, 1), (233, 1), (231, 8)];
    let mut second = bytes().u16(257).u16(asa.len() as u16);
    for (element, len) in asa {
        second = second.u16(element).u16(len);
    }
    let templates = bytes().all(template(256, &fields).0).all(second.0);
    let options = bytes().u16(258).u16(4).u16(8).u16(1).u16(4).u16(48).u16(1).u16(50).u16(2);
    let data = bytes()
        .set(258, bytes().u32(1).u8(1).u16(100))
        .set(256, bytes().u32(1).u32(2).all([0; 32]).u8(17).u8(1).u32(3000).u32(4000).u8(1))
        .set(257, bytes().u32(1).u32(2).u32(3).u8(2).u8(8).u8(0).u8(1).u64(1500));
    let all = bytes().set(0, templates).set(1, options).all(&data.0).all([0; 40]);
    vec![(1, datagram(data.clone()).0), (1, datagram(all).0), (2, datagram(data).0)]
}

/// Returns datagrams of v1 and v7, and of versions that no decoder reads.
fn fixed() -> Vec<(u8, Vec<u8>)> {
    let head = |version, count| {
        bytes().u16(version).u16(count).u32(5000).u32(golden::START as u32).u32(125_000_000)
    };
    let record: Vec<u8> = (0..52).collect();
    let eight = head(8, 1).all(&record).0;
    let one = head(1, 2).all(&record[..48]).all(&record[..48]).0;
    let seven = head(7, 9).u32(7).u32(0).all(&record).all(&record).0;
    vec![(1, one), (1, seven), (2, eight), (1, vec![0, 0, 0, 4, 0, 0, 0, 1])]
}

/// Returns an Ethernet frame with two VLAN tags and an IPv6 packet with a fragment header and UDP.
fn raw_frame() -> Vec<u8> {
    let frame = bytes().all([2; 12]).u16(0x88a8).u16(5).u16(0x8100).u16(7).u16(0x86dd);
    let packet = bytes().u32(0x60b0_0000).u16(1000).u8(44).u8(64).all([1; 16]).all([2; 16]);
    frame.all(packet.0).u8(17).u8(0).u16(0).u32(9).u16(53).u16(1234).u32(0).0
}

/// Returns a pcapng block in network order, its body padded.
fn block(kind: u32, body: Bytes) -> Vec<u8> {
    let len = 12 + body.0.len().next_multiple_of(4);
    let mut block = bytes().u32(kind).u32(len as u32).all(body.0).0;
    block.resize(len - 4, 0);
    bytes().all(block).u32(len as u32).0
}

/// Returns a pcapng option, padded.
fn option(code: u16, value: &[u8]) -> Vec<u8> {
    let mut option = bytes().u16(code).u16(value.len() as u16).all(value).0;
    option.resize(4 + value.len().next_multiple_of(4), 0);
    option
}

/// Returns captures as other programs might write them: with every block and option that has a
/// meaning, and a packet in every kind of frame.
fn captures() -> Vec<(&'static str, Vec<u8>)> {
    let packet = golden::packet("192.0.2.1:50000", "192.0.2.9:2055", &golden::v9_template());
    let [high, low] = [994_025u32, 700_000_001];
    let section = |options: Vec<u8>| {
        let head = bytes().u32(0x1a2b_3c4d).u16(1).u16(0).all([0xff; 8]);
        block(0x0a0d_0d0a, head.all(options))
    };
    let interface = |link: u16, snaplen: u32, options: &[Vec<u8>]| {
        block(1, bytes().u16(link).u16(0).u32(snaplen).all(options.concat()))
    };
    let enhanced = |interface: u32, packet: &[u8], options: &[Vec<u8>]| {
        let len = packet.len() as u32;
        let mut body = bytes().u32(interface).u32(high).u32(low).u32(len).u32(len).all(packet).0;
        body.resize(20 + packet.len().next_multiple_of(4), 0);
        block(6, bytes().all(body).all(options.concat()))
    };
    let simple = |packet: &[u8]| block(3, bytes().u32(packet.len() as u32).all(packet));
    let old = {
        let len = packet.len() as u32;
        block(2, bytes().u16(1).u16(9).u32(high).u32(low).u32(len).u32(len).all(&packet))
    };
    let end = option(0, &[]);
    let options = [
        section(option(1, b"no slot")),
        interface(101, 0, &[option(9, &[9]), option(2, b"eth0"), end.clone()]),
        interface(101, 96, &[option(9, &[0x8a]), option(14, &994_000_000u64.to_be_bytes())]),
        interface(228, 0, &[option(9, &[12]), option(10, &[0; 4])]),
        enhanced(0, &packet, &[option(1, b"nfcap:templates"), option(2, &[0; 4]), end]),
        enhanced(1, &packet, &[]),
        enhanced(2, &packet, &[option(1, b"other")]),
        enhanced(9, &packet, &[]),
        old,
        simple(&packet),
        block(4, bytes().u32(0)),
        block(5, bytes().u32(0).u32(high).u32(low).all(option(4, &[0; 8]))),
        block(0x8000_0bad, bytes().u32(7)),
        section(Vec::new()),
        interface(101, 0, &[]),
        simple(&packet),
    ];
    // A file in the other byte order, and then a pcap file, as `cat` joins them.
    let mut big = bytes().u32(0xa1b2_3c4d).u16(2).u16(4).u64(0).u32(65_535).u32(101);
    big = big.u32(high).u32(low).u32(packet.len() as u32).u32(1500).all(&packet);
    let joined = [&options.concat()[..], &golden::captures()[0].1, &big.0].concat();
    let behind = |head: &[u8]| bytes().all(head).all(&packet).0;
    let macs = || bytes().all([2; 12]);
    // IPv4 with options; IPv6 with hop-by-hop, routing and destination options.
    let mut long = bytes().u8(0x46).all(&packet[1..20]).all([1, 1, 1, 0]).all(&packet[20..]).0;
    long[3] += 4;
    let udp = &packet[20..];
    let mut six = bytes().u32(0x6000_0000).u16(24 + udp.len() as u16).u8(0).u8(64).all([1; 32]);
    for next in [43, 60, 17] {
        six = six.u8(next).u8(0).all([1, 4, 0, 0, 0, 0]);
    }
    let six = six.all(udp).0;
    let frames: Vec<(u32, Vec<u8>)> = vec![
        (0, behind(&[2, 0, 0, 0])),
        (1, macs().u16(0x88a8).u16(5).u16(0x8100).u16(7).u16(0x0800).all(&packet).0),
        (1, macs().u16(0x8847).u32(0x0001_0040).u32(0x0002_0140).all(&packet).0),
        (1, macs().u16(0x8864).u16(0x1100).u32(0x0007_0036).u16(0x0021).all(&packet).0),
        (9, behind(&[0xff, 3, 0, 0x21])),
        (50, behind(&[0x0f, 0, 8, 0])),
        (104, behind(&[0x8f, 0, 8, 0])),
        (108, behind(&[0, 0, 0, 2])),
        (276, behind(&bytes().u16(0x0800).u16(0).u32(3).u16(1).u8(0).u8(6).u64(0).0)),
        (228, long),
        (229, six),
    ];
    let file = |(link, frame)| golden::pcap(true, link, &[(1, frame)]);
    let mut all = vec![("options", options.concat()), ("joined", joined)];
    all.extend(frames.into_iter().map(|frame| ("frame", file(frame))));
    all
}

/// Returns sFlow samples, by their content.
fn samples() -> Vec<(&'static str, Vec<Vec<u8>>)> {
    let opaque =
        |format: u32, body: Bytes| bytes().u32(format).u32(body.0.len() as u32).all(body.0).0;
    let compact = |records: &[Vec<u8>]| {
        let head = bytes().u32(9).u32(3).u32(400).u32(9).u32(0).u32(3).u32(4);
        opaque(1, head.u32(records.len() as u32).all(records.concat()))
    };
    let expanded = |records: &[Vec<u8>]| {
        let head = bytes().u32(9).u32(0).u32(3).u32(400).u32(9).u32(0).u32(0).u32(3).u32(0).u32(4);
        opaque(3, head.u32(records.len() as u32).all(records.concat()))
    };
    let raw = |protocol: u32, header: &[u8]| {
        let len = header.len() as u32;
        opaque(1, bytes().u32(protocol).u32(len + 4).u32(4).u32(len).all(header))
    };
    let four = bytes().u32(0x4500_0054).u32(0).u32(0x4006_0000).u32(0x0a00_0001).u32(0x0a00_0002);
    let four = four.u32(0x04d2_0050).u64(9).u16(0x5012).u16(0).u32(0).0;
    let ethernet = bytes().all([2; 12]).u16(0x8100).u16(5).u16(0x0800).all(&four).0;
    let mpls = bytes().u32(0x0001_0040).u32(0x0002_0140).all(&four).0;
    let ppp = bytes().u16(0xff03).u16(0x0021).all(&four).0;
    let read4 = bytes().u32(84).u32(1).u32(1).u32(2).u32(0).u32(2048).u32(0).u32(8);
    let read6 = bytes().u32(84).u32(6).all([1; 32]).u32(80).u32(81).u32(18).u32(8);
    let macs = bytes().u32(98).all([2; 6]).u16(0).all([3; 6]).u16(0).u32(0x0800);
    let said = [
        opaque(1001, bytes().u32(7).u32(0).u32(8).u32(1)),
        opaque(1002, bytes().u32(1).u32(9).u32(24).u32(16)),
        opaque(
            1003,
            bytes()
                .u32(2)
                .all([4; 16])
                .u32(9)
                .u32(65_536)
                .u32(8)
                .u32(1)
                .u32(2)
                .u32(2)
                .u32(5)
                .u32(6),
        ),
        opaque(1007, bytes().u32(1).u32(1).u32(2).all([5; 16])),
        opaque(1020, bytes().u32(4096).u32(81)),
        opaque((4413 << 12) | 1, bytes().u8(1)),
    ];
    vec![
        ("raw", vec![compact(&[raw(1, &ethernet)]), expanded(&[raw(1, &raw_frame())])]),
        (
            "raw-other",
            [(11, &four), (13, &mpls), (7, &ppp)].map(|(p, o)| compact(&[raw(p, o)])).into(),
        ),
        (
            "agent-read",
            vec![compact(&[opaque(2, macs), opaque(3, read4)]), compact(&[opaque(4, read6)])],
        ),
        ("beside", vec![expanded(&[&said[..], &[raw(1, &ethernet)]].concat())]),
        ("other", [2, 4, 5, 6].map(|format| opaque(format, bytes().u32(1))).into()),
    ]
}

/// Every test run replays the corpora, so they stay below 1 MiB.
#[test]
fn the_corpus_is_smaller_than_one_mebibyte() {
    let mut bytes = 0;
    for target in ["datagrams", "capture", "sflow", "lines"] {
        for entry in fs::read_dir(package("fuzz/corpus").join(target)).unwrap() {
            bytes += File::open(entry.unwrap().path()).unwrap().metadata().unwrap().len();
        }
    }
    assert!(bytes < 1 << 20, "{bytes} octets");
}
