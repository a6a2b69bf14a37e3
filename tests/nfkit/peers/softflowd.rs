//! softflowd exports the same packets in each format that it has, and every program sees the same
//! flows in them.

use std::ffi::OsString;

use nfkit::capture::spool;

use super::*;
use crate::golden::{bytes, packet, pcap};
use crate::nfcap::Nfcap;

const SECOND: u64 = 1_000_000_000;

/// Returns an Ethernet frame with an IP packet from one host to another.
fn frame(six: bool, [from, to]: [u8; 2], proto: u8, payload: &[u8]) -> Vec<u8> {
    let ethernet = bytes().all([2, 0, 0, 0, 0, 2]).all([2, 0, 0, 0, 0, 1]);
    let len = payload.len() as u16;
    let net = |host: u8| [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, host];
    let out = if six {
        let out = ethernet.u16(0x86dd).u32(0x6000_0000).u16(len).u8(proto).u8(64);
        out.all(net(from)).all(net(to))
    } else {
        let out = ethernet.u16(0x0800).u8(0x45).u8(0).u16(20 + len).u32(0).u8(64).u8(proto);
        out.u16(0).all([10, 0, 0, from]).all([192, 0, 2, to])
    };
    out.all(payload).0
}

/// Returns the packets of a link, one every 10 ms: conversations of TCP, UDP and ICMP, some
/// unanswered.
fn link() -> Vec<(u64, Vec<u8>)> {
    let mut packets = Vec::new();
    let mut send = |frame: Vec<u8>| packets.push((packets.len() as u64 * SECOND / 100, frame));
    for n in 0..90u16 {
        let six = n % 9 == 8;
        let host = (n % 5) as u8 + 1;
        let tcp = |from: u16, to: u16, flags: u8| {
            bytes().u16(from).u16(to).u32(1).u32(1).u8(0x50).u8(flags).u16(1000).u32(0).0
        };
        let udp = |from: u16, to: u16| bytes().u16(from).u16(to).u16(38).u16(0).all([7; 30]).0;
        let echo = |kind: u8| bytes().u8(kind).u8(0).u16(0).u16(1).u16(n).0;
        for round in 0..n % 4 + 1 {
            let (proto, request, answer) = match n % 3 {
                0 => (6, tcp(1000 + n, 80, 2 << (round % 3)), tcp(80, 1000 + n, 0x12)),
                1 => (17, udp(2000 + n, 53), udp(53, 2000 + n)),
                _ if six => (58, echo(128), echo(129)),
                _ => (1, echo(8), echo(0)),
            };
            send(frame(six, [host, 9], proto, &request));
            if n % 7 != 0 {
                send(frame(six, [9, host], proto, &answer));
            }
        }
    }
    packets
}

/// Returns softflowd's export of the link, as a capture of datagrams to port 2055.
fn exported(scene: &Scene, args: &[&str]) -> Option<PathBuf> {
    let packets = scene.write("link.pcap", pcap(false, 1, &link()));
    let spool = scene.path("spool");
    let options = ["-b", "127.0.0.1", "-p", "0", "-t", "24h", "--allow", "127.0.0.1", "-w"];
    let options = options.into_iter().map(OsString::from).chain([spool.clone().into()]);
    let nfcap = Nfcap::start(options);
    let to = format!("127.0.0.1:{}", nfcap.port());
    let softflowd = installed("softflowd")?.arg("-p").arg(scene.path("softflowd.pid"));
    let softflowd = softflowd.args(["-d", "-c", "none", "-6", "-n", &to]).args(args);
    softflowd.arg("-r").arg(packets).run().status(0);
    nfcap.stop();
    let open = |path: &Path| Ok(Box::new(File::open(path)?) as Box<dyn std::io::Read>);
    let files = spool::list(&spool, open).files;
    let all = files.iter().flat_map(|file| payloads(file));
    let all = all.map(|payload| (0, packet("192.0.2.1:50000", "192.0.2.9:2055", &payload)));
    Some(scene.write("exports.pcap", pcap(true, 101, &all.collect::<Vec<_>>())))
}

/// Returns the row of totals of `--stats`.
fn total(capture: &Path) -> BTreeMap<String, String> {
    let ran = tool("nfdump-txt").arg("--stats").arg(capture).run().status(0);
    ran.table().pop().unwrap()
}

/// Returns the flows without the types and codes of ICMPv6, which are in element 139 that nfdump
/// does not read.
fn without_icmp6(set: &Multiset) -> Multiset {
    let mut out = Multiset::new();
    for (line, n) in set {
        let mut cells: Vec<&str> = line.split('\t').collect();
        if cells[4] == "58" {
            cells[6] = "0";
        }
        *out.entry(cells.join("\t")).or_default() += n;
    }
    out
}

/// The export formats of softflowd: its arguments, true if nfdump decodes the format, and true if tshark does.
const FORMATS: [(&[&str], bool, bool); 9] = [
    // nfdump refuses datagrams of more than 24 records, and softflowd puts up to 30 into one.
    (&["-v", "1"], false, true),
    (&["-v", "5"], true, true),
    (&["-v", "9"], true, true),
    (&["-v", "9", "-T", "ether"], true, true),
    (&["-v", "10"], true, true),
    (&["-v", "10", "-A", "sec"], true, true),
    (&["-v", "10", "-A", "micro"], true, true),
    (&["-v", "10", "-A", "nano"], true, true),
    // Neither nfdump nor tshark makes a flow of the reverse direction (RFC 5103).
    (&["-v", "10", "-b"], false, false),
];

#[test]
fn every_format_of_softflowd_gives_the_same_flows() {
    let mut by_format = Vec::new();
    for (args, has_nfdump, has_tshark) in FORMATS {
        let scene = Scene::new();
        let Some(capture) = exported(&scene, args) else { return };
        let ours = ours(&capture);
        assert!(ours.len() > 90, "{args:?}: {ours:?}");
        let row = total(&capture);
        for key in ["bad", "undecodable", "restarts"] {
            assert_eq!(row[key], "0", "{args:?}: {key}");
        }
        for key in ["lostflows", "lostdatagrams"] {
            assert!(["0", "-"].contains(&row[key].as_str()), "{args:?}: {key}={}", row[key]);
        }
        if let Some(theirs) = has_nfdump.then(|| Collector::sees(&capture)).flatten() {
            let difference = difference(&without_icmp6(&ours), &without_icmp6(&theirs));
            assert!(difference.is_empty(), "nfdump of {args:?}\n{difference}");
        }
        if let Some(theirs) = has_tshark.then(|| tshark(&capture)).flatten() {
            let difference = difference(&ours, &theirs);
            assert!(difference.is_empty(), "tshark of {args:?}\n{difference}");
        }
        by_format.push((args, ours));
    }
    // All formats hold the same flows, except that v1 and v5 hold no IPv6.
    let (_, all) = &by_format[2];
    for (args, ours) in &by_format {
        let four = |set: &Multiset| -> Multiset {
            let old = ["1", "5"].contains(&args[1]);
            let keep = |line: &String| !old || !line.contains(':');
            let kept = set.iter().filter(|(line, _)| keep(line));
            let kept = kept.map(|(line, &n)| (line.clone(), n)).collect();
            // In a biflow softflowd exports no ICMP type of the answer.
            if args.contains(&"-b") { without_icmp6(&kept) } else { kept }
        };
        let difference = difference(&four(ours), &four(all));
        assert!(difference.is_empty(), "{args:?} against v9\n{difference}");
    }
}

#[test]
fn the_sampling_in_softflowds_options_is_read() {
    for version in ["9", "10"] {
        let scene = Scene::new();
        let Some(capture) = exported(&scene, &["-v", version, "-s", "10"]) else { return };
        let row = total(&capture);
        assert_eq!((row["sampling"].as_str(), row["from"].as_str()), ("10", "options"), "{row:?}");
        let ran = tool("nfdump-txt").args(["-N", "--fields", "sampling"]).arg(&capture).run().ok();
        assert!(ran.text().lines().count() > 9 && ran.text().lines().all(|n| n == "10"), "{ran}");
    }
}

/// A PSAMP record holds a packet, and every packet is there.
#[test]
fn softflowds_packet_sections_are_decoded() {
    let scene = Scene::new();
    let Some(capture) = exported(&scene, &["-v", "psamp"]) else { return };
    let ours = ours(&capture);
    let packets = link();
    // softflowd keeps the last packet.
    let seen: i64 = ours.values().sum();
    assert!((packets.len() as i64 - 1..=packets.len() as i64).contains(&seen), "{seen}");
    let expected = multiset(packets.iter().map(|(_, frame)| line_of(frame)));
    let strange: Vec<_> = ours.iter().filter(|(line, n)| expected.get(*line) < Some(n)).collect();
    assert!(strange.is_empty(), "{strange:?}");
}

/// Returns the flow line of one packet of [`link`].
fn line_of(frame: &[u8]) -> String {
    let six = frame[12..14] == [0x86, 0xdd];
    let ip = &frame[14..];
    let (source, target, proto, body) = if six {
        (
            IpAddr::from(<[u8; 16]>::try_from(&ip[8..24]).unwrap()),
            IpAddr::from(<[u8; 16]>::try_from(&ip[24..40]).unwrap()),
            ip[6],
            &ip[40..],
        )
    } else {
        (
            IpAddr::from(<[u8; 4]>::try_from(&ip[12..16]).unwrap()),
            IpAddr::from(<[u8; 4]>::try_from(&ip[16..20]).unwrap()),
            ip[9],
            &ip[20..],
        )
    };
    let word = |at: usize| u16::from_be_bytes([body[at], body[at + 1]]);
    let (sport, dport) = if matches!(proto, 1 | 58) { (0, word(0)) } else { (word(0), word(2)) };
    format!("0\t{source}\t{target}\t0\t{proto}\t{sport}\t{dport}\t1\t{}", ip.len())
}
