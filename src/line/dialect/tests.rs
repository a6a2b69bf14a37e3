//! Reads lines that the programs really printed, and lines that they could not have.

use super::super::{Item, Reader};
use super::*;
use crate::flow::BATCH;
use crate::time::Timestamp;
use proptest::prelude::*;

/// nfdump 1.7.1 of Debian 12, `-o csv`, with its summary.
const NFDUMP: &str = include_str!("../../../tests/data/dialects/nfdump-1.7.1.csv");

/// The output of the same version where nothing matched.
const NFDUMP_NONE: &str = include_str!("../../../tests/data/dialects/nfdump-none.csv");

/// The names that output_csv.c of nfdump 1.7.5 gives its default columns and some that were chosen,
/// and output_csv_fast.c its own; values as these files print them.
const NFDUMP_LATER: &str = include_str!("../../../tests/data/dialects/nfdump-1.7.5.csv");

/// rwcut of SiLK 3 with `--all-fields`, from a training of CERT (2016); padded as it is on a
/// terminal (addresses of a published example), and with `--delimited --integer-ips
/// --integer-tcp-flags` and a choice of columns.
const RWCUT_ALL: &str = include_str!("../../../tests/data/dialects/rwcut-all.txt");
const RWCUT: &str = include_str!("../../../tests/data/dialects/rwcut.txt");
const RWCUT_DELIMITED: &str = include_str!("../../../tests/data/dialects/rwcut-delimited.txt");

/// Zeek 3's conn.log: the test of its own archiver has the first three, the fourth is a ping.
const ZEEK: &str = include_str!("../../../tests/data/dialects/conn.log");
const ZEEK_JSON: &str = include_str!("../../../tests/data/dialects/conn.json");

/// A log from a course on Zeek, made from a public capture, with ICMP in both families. TABs that
/// the page had lost are restored.
const ZEEK_ICMP: &str = include_str!("../../../tests/data/dialects/conn-icmp.log");

/// A log of Zeek 8, made from a public capture (CTU-13).
const ZEEK_IP_PROTO: &str = include_str!("../../../tests/data/dialects/conn-ip_proto.log");

/// The examples of Amazon's own page.
const VPC: &str = include_str!("../../../tests/data/dialects/vpc-2.txt");
const VPC_NAMED: &str = include_str!("../../../tests/data/dialects/vpc-3.txt");

/// Returns the flows of a text, in the nine columns with times and flags, and its errors.
fn read(text: &str, tool: Option<Tool>) -> Vec<String> {
    let reader = Reader::new(text.as_bytes());
    let mut reader = match tool {
        Some(tool) => reader.of(tool),
        None => reader,
    };
    let mut all = Vec::new();
    while let Some(item) = reader.next_item().unwrap() {
        match item {
            Item::Flows(flows) => all.extend(flows.iter().map(|flow| {
                let Flow { sif, sip, dip, dif, proto, sport, dport, packets, octets, .. } = flow;
                let time = |time: Option<Timestamp>| time.map_or("-".to_owned(), |t| t.to_string());
                let flags = flow.flags.map_or("-".to_owned(), |flags| format!("{flags:#x}"));
                format!(
                    "{sif} {sip} {dip} {dif} {proto} {sport} {dport} {packets} {octets}, {} {} {flags}",
                    time(flow.start),
                    time(flow.end)
                )
            })),
            Item::Bad { line, error } => all.push(format!("{line}: {error}")),
            Item::Mark(mark) => all.push(mark.to_string()),
        }
    }
    all
}

#[test]
fn nfdump() {
    let flows = [
        "2 140.119.48.112 204.229.147.226 1 6 1998 80 5 477, 1795656771.000 1795656772.000 0x1b",
        "2 140.119.134.232 94.145.241.21 1 1 0 2048 24 1440, 1795656734.000 1795656757.000 -",
    ];
    assert_eq!(read(NFDUMP, None), flows);
    assert_eq!(read(&NFDUMP.repeat(2), None), flows.repeat(2));
    // -q leaves the names out.
    let rows: String = NFDUMP.split_inclusive('\n').skip(1).take(2).collect();
    assert_eq!(read(&rows, Some(Tool::Nfdump)), flows);
    assert_eq!(
        read(NFDUMP_LATER, None),
        [
            "0 140.119.48.112 204.229.147.226 0 6 1998 80 5 477, 993946801.125 993946801.799 -",
            "0 140.119.48.112 204.229.147.226 0 1 0 2048 5 477, 993946801.125 993946802.125 -",
            "3 2001:db8::1 2001:db8::2 4 6 1998 80 5 477, 993946801.125 993946802.000 0x1b",
            "0 140.119.48.112 204.229.147.226 0 1 0 769 5 477, - 993946802.000 -",
        ]
    );
    assert_eq!(read(NFDUMP_NONE, None), [""; 0]);
    // nfdump writes 0 for an unknown time.
    for zero in ["0", "0.000", "1970-01-01 00:00:00"] {
        let rows = NFDUMP_LATER.replace("993946801125", zero);
        assert!(read(&rows, None)[2].ends_with(" 477, - 993946802.000 0x1b"));
    }
}

#[test]
fn nfdump_with_other_columns_and_with_nothing_to_say() {
    let text = "srcAddr,srcPort,dstAddr,dstPort,proto,packets,bytes,firstSeen\n\
        10.0.0.1,1998,10.0.0.2,80,UDP-L,5,477,0000-00-00 00:00:00.000\n";
    assert_eq!(read(text, None), ["0 10.0.0.1 10.0.0.2 0 136 1998 80 5 477, - - -"]);
    let names: String = NFDUMP.lines().take(1).collect();
    let none = names + "\nNo matching flows\nSummary\nflows,bytes\n0,0\n";
    assert_eq!(read(&none, None), [""; 0]);
    for (name, number) in names::NAMES {
        let text = text.replace("UDP-L", &name.to_uppercase());
        assert!(read(&text, None)[0].contains(&format!(" 10.0.0.2 0 {number} ")), "{name}");
    }
}

#[test]
fn rwcut() {
    assert_eq!(
        read(RWCUT, None),
        [
            "0 10.0.0.1 10.0.0.2 0 6 9998 33342 8 447, 1698691760.567 1698691768.768 0x18",
            "0 10.0.0.3 10.0.0.2 0 6 45476 5666 11 2511, 1698691787.027 1698691787.323 0x1b",
            "0 10.0.2.15 195.88.55.16 0 1 0 2048 2 168, 1639671355.787 1639671356.789 -",
        ]
    );
    let flow = "1 10.0.0.1 10.0.0.2 2 6 9998 33342 8 447, 1698691760.567 - 0x18";
    assert_eq!(read(RWCUT_DELIMITED, None), [flow, flow]);
    assert_eq!(read(&RWCUT_DELIMITED.replace('|', ","), None), [flow, flow]);
    let all = "0 10.1.10.5 10.1.60.5 0 6 3507 53 1 48, 1240227323.443 1240227323.444 0x2";
    assert_eq!(read(RWCUT_ALL, None), [all]);
    for (from, to) in [
        ("2009/04/20T11:35:23.443", "04/20/2009 11:35:23.443"),
        ("2009/04/20T11:35:23.443", "2009-04-20 11:35:23.443000"),
        ("2009/04/20T11:35:23.443", "1240227323.443"),
        ("10.1.10.5", "010.001.010.005"),
        ("10.1.10.5", "167840261"),
    ] {
        assert_eq!(read(&RWCUT_ALL.replace(from, to), None), [all], "{to}");
    }
    let six = read(&RWCUT_ALL.replace("10.1.10.5", "42540766411282592856903984951653826561"), None);
    assert!(six[0].starts_with("0 2001:db8::1 10.1.60.5 "), "{six:?}");
    let icmp = RWCUT_ALL.replace("|  6|", "|  1|").replace("|   |   |\n", "|  3|  1|\n");
    assert!(read(&icmp, None)[0].starts_with("0 10.1.10.5 10.1.60.5 0 1 0 769 1 48, "));
    let wrong = RWCUT_ALL.replace("|   |   |\n", "|256|  1|\n");
    assert_eq!(read(&wrong, None), ["2: rwcut: iTy cannot be \"256\""]);
}

#[test]
fn zeek() {
    assert_eq!(
        read(ZEEK, None),
        [
            "0 10.164.94.120 10.47.3.155 0 6 39681 3389 10 730, 1521911721.255387 1521911721.259653 0x12",
            "0 10.47.3.155 10.164.94.120 0 6 3389 39681 6 342, 1521911721.255387 1521911721.259653 0x16",
            "0 10.47.25.80 10.128.0.218 0 6 50817 23189 2 104, 1521911721.411148 1521911721.411634 0x2",
            "0 10.128.0.218 10.47.25.80 0 6 23189 50817 2 80, 1521911721.411148 1521911721.411634 0x4",
            "0 10.47.25.80 10.128.0.218 0 6 50813 27765 2 104, 1521911722.690601 - 0x2",
            "0 10.47.25.80 10.128.0.218 0 1 0 2048 2 168, 1521911723.205187 1521911724.205187 -",
            "0 10.128.0.218 10.47.25.80 0 1 0 0 2 168, 1521911723.205187 1521911724.205187 -",
        ]
    );
    assert_eq!(
        read(ZEEK_JSON, None),
        [
            "0 210.87.254.81 147.32.84.165 0 1 0 769 1 56, 1313379416.748830 - -",
            "0 147.32.84.165 218.108.143.87 0 6 3923 22 4 192, 1313379431.992151 1313379434.998239 0x2",
        ]
    );
    let v6 =
        ZEEK_JSON.replace("210.87.254.81", "2001:db8::1").replace("147.32.84.165", "2001:db8::2");
    let ping = v6
        .replace("\"id.orig_p\":3,", "\"id.orig_p\":128,")
        .replace("\"id.resp_p\":1,", "\"id.resp_p\":129,");
    assert!(read(&ping, None)[0].starts_with("0 2001:db8::1 2001:db8::2 0 58 0 32768 1 56,"));
    assert_eq!(
        read(ZEEK_ICMP, None)[2..],
        [
            "0 fe80::214:69ff:fe9e:1141 ff02::9 0 17 521 521 36 4032, 1488571037.971338 1488571357.818259 -",
            "0 192.168.121.2 192.168.120.1 0 1 0 3328 60 2400, 1488571051.941752 1488571352.124872 -",
            "0 192.168.120.1 192.168.121.2 0 1 0 3584 30 1200, 1488571051.941752 1488571352.124872 -",
            "0 2003:51:6012:121::2 2a01:488:42:1000:50ed:8588:8a:c570 0 58 0 32768 6 456, \
             1488571051.941 1488571351.953100 -",
            "0 2a01:488:42:1000:50ed:8588:8a:c570 2003:51:6012:121::2 0 58 0 33024 6 456, \
             1488571051.941 1488571351.953100 -",
            "0 fe80::214:69ff:fe9e:1141 2003:51:6012:121::2 0 58 0 34560 2 144, \
             1488571297.893206 1488571334.871942 -",
            "0 2003:51:6012:121::2 fe80::214:69ff:fe9e:1141 0 58 0 34816 2 128, \
             1488571297.893206 1488571334.871942 -",
        ]
    );
    let wrong = ZEEK_ICMP.replace("\t13\t", "\t300\t");
    assert!(read(&wrong, None).contains(&"11: zeek: id.orig_p cannot be \"300\"".to_owned()));
    // IGMP, which Zeek does not follow.
    let last = read(ZEEK_IP_PROTO, None).pop().unwrap();
    assert!(last.starts_with("0 147.32.84.165 224.0.0.22 0 2 0 0 4 160, "), "{last}");
    let without = read(&ZEEK_IP_PROTO.replace("ip_proto", "x"), None).pop().unwrap();
    assert!(without.starts_with("0 147.32.84.165 224.0.0.22 0 255 0 0 4 160, "), "{without}");
    let dns = ZEEK.replace("\torig_pkts", "\tquery");
    let errors = read(&dns, None);
    assert_eq!(errors[0], "7: zeek: column orig_pkts is missing");
    assert!(errors[1..].iter().all(|error| error.ends_with("that was refused")), "{errors:?}");
}

#[test]
fn zeek_in_every_form_that_its_configuration_gives() {
    let expected = read(ZEEK, None);
    let head = ZEEK.find("#fields").unwrap();
    let types = ZEEK.find("#types").unwrap();
    let fields = &ZEEK[head..types];
    let (rows, _) = ZEEK[ZEEK.find("1521911721.2").unwrap()..].split_once("#close").unwrap();
    let unset = |text: &str| text.replace("\t-", "\t");
    for (form, text) in [
        ("another separator", ZEEK.replace("\\x09", "\\x7c").replace('\t', "|")),
        ("a comma", ZEEK.replace("\\x09", ",").replace('\t', ",")),
        ("unknown is nothing", unset(ZEEK)),
        ("names alone", format!("{}{rows}", &fields[8..])),
        ("without the first lines", format!("{fields}{rows}")),
        ("names with underscores", format!("{}{rows}", fields[8..].replace("id.", "id_"))),
    ] {
        assert_eq!(read(&text, None), expected, "{form}\n{text}");
    }
    let many = ZEEK.replace("\\x09", "\\x09\\x09");
    assert_eq!(read(&many, None)[0], "1: zeek: #separator cannot be \"\\\\x09\\\\x09\"");
    let expected = read(ZEEK_JSON, None);
    for (form, text) in [
        ("milliseconds", ZEEK_JSON.replace("1313379416.74883", "1313379416748.83")),
        ("names with underscores", ZEEK_JSON.replace("\"id.", "\"id_")),
        ("null", ZEEK_JSON.replace("\"conn_state\"", "\"ip_proto\":null,\"conn_state\"")),
        ("a power of ten", ZEEK_JSON.replace("3.006088", "3006.088e-3")),
    ] {
        assert_eq!(read(&text, None), expected, "{form}");
    }
}

#[test]
fn a_batch_keeps_its_limit_if_lines_hold_two_flows() {
    let names = ZEEK.lines().find(|line| line.starts_with("#fields")).unwrap();
    let names = names.replace("\ttunnel_parents", "");
    let one = format!("0\tC\t192.0.2.1\t5\t192.0.2.2\t6\tudp{}\t1\t40\t0\t0\n", "\t-".repeat(9));
    let two = one.replace("\t0\t0\n", "\t1\t40\n");
    let text = format!("{names}\n{}{}", one.repeat(BATCH - 1), two.repeat(BATCH));
    let mut reader = Reader::new(text.as_bytes());
    let mut count = 0;
    while let Some(item) = reader.next_item().unwrap() {
        let Item::Flows(flows) = item else { panic!("{item:?}") };
        assert!(flows.len() <= BATCH, "{}", flows.len());
        count += flows.len();
    }
    assert_eq!(count, 3 * BATCH - 1);
}

#[test]
fn vpc() {
    assert_eq!(
        read(VPC, None),
        [
            "0 172.31.16.139 172.31.16.21 0 6 20641 22 20 4249, 1418530010.000 1418530070.000 -",
            "0 172.31.9.69 172.31.9.12 0 6 49761 3389 20 4249, 1418530010.000 1418530070.000 -",
            "4: vpc: flows were left out here (SKIPDATA)",
            "0 203.0.113.12 172.31.16.139 0 1 0 0 4 336, 1432917027.000 1432917142.000 -",
            "0 2001:db8:1234:a100:8d6e:3477:df66:f105 2001:db8:1234:a102:3304:8879:34cf:4071 0 6 34892 \
             22 54 8855, 1477913708.000 1477913820.000 -",
        ]
    );
    let named = [
        "0 52.213.180.42 10.0.0.62 0 6 43416 5001 8 568, 1566848875.000 1566848933.000 0x2",
        "0 10.0.0.62 52.213.180.42 0 6 5001 43416 7 376, 1566848875.000 1566848933.000 0x12",
    ];
    assert_eq!(read(VPC_NAMED, None), named);
    let other = VPC_NAMED.replace("tcp-flags log-status", "tcp_flags log_status");
    assert_eq!(read(&other, None), named);
    // Without a status column, the addresses say that the line holds no flow.
    let short = "srcaddr dstaddr srcport dstport protocol packets bytes\n- - - - - - -\n\
        192.0.2.1 192.0.2.2 1 2 17 3 120\n";
    assert_eq!(read(short, None), ["0 192.0.2.1 192.0.2.2 0 17 1 2 3 120, - - -"]);
}

#[test]
fn the_program_that_the_user_names_is_believed() {
    assert_eq!(read(VPC, Some(Tool::Flow)).len(), 6);
    assert!(read(VPC, Some(Tool::Flow))[0].starts_with("1: "));
    assert!(read(NFDUMP, Some(Tool::Zeek))[0].starts_with("1: zeek: "));
    // A common word does not make a text a line of names.
    for text in ["version 2\n", "ts,x\n", "sIP|dIP\n", "{\"a\":1}\n", "#separators\n"] {
        assert!(read(text, None).iter().all(|line| line.starts_with("1: ")), "{text:?}");
    }
    // Names that are not enough for a flow are an error, and so is every line below them.
    for (names, row, why) in [
        // nfdump -s ip -o csv
        (
            "ts,te,td,pr,val,fl,flP,ipkt,ipktP,ibyt,ibytP,pps,bps,bpp",
            "1,2,3",
            "nfdump: column sa is missing",
        ),
        ("srcAddr,bytes", "192.0.2.1,40", "nfdump: column da is missing"),
        (
            "sIP|dIP|sPort|dPort|pro|",
            "192.0.2.1|192.0.2.2|1|2|6|",
            "rwcut: column packets is missing",
        ),
        ("version srcaddr dstaddr", "3 192.0.2.1 192.0.2.2", "vpc: column srcport is missing"),
        (
            "ts\tid.orig_h\tid.resp_h",
            "1\t192.0.2.1\t192.0.2.2",
            "zeek: column id.orig_p is missing",
        ),
    ] {
        let expected = [format!("1: {why}"), format!("2: {why}")];
        assert_eq!(read(&format!("{names}\n{row}\n"), None), expected);
    }
}

#[test]
fn an_error_names_the_column_as_its_program_does() {
    for (text, from, to, why) in [
        (NFDUMP, ",1998,", ",65536,", "2: nfdump: sp cannot be \"65536\""),
        (NFDUMP, "TCP", "TCQ", "2: nfdump: pr cannot be \"TCQ\""),
        (NFDUMP, "2026-11-26 01:32:51", "yesterday", "2: nfdump: ts cannot be \"yesterday\""),
        (RWCUT, "|   PA   |", "| zzzz |", "2: rwcut: flags cannot be \"zzzz\""),
        (ZEEK, "\t730\t", "\t-730\t", "9: zeek: orig_ip_bytes cannot be \"-730\""),
        (
            VPC,
            " 4249 ",
            " 18446744073709551616 ",
            "1: vpc: bytes cannot be \"18446744073709551616\"",
        ),
        (VPC, " 172.31.16.139 ", " 172.31.16.? ", "1: vpc: srcaddr cannot be \"172.31.16.?\""),
    ] {
        let read = read(&text.replacen(from, to, 1), None);
        assert!(read.iter().any(|line| line == why), "{read:#?}");
    }
    let short: String = NFDUMP.chars().take(400).collect();
    assert_eq!(read(&short, None), ["2: nfdump: column ra is missing"]);
    let torn = &ZEEK_JSON[..100];
    assert!(read(torn, None)[0].starts_with("1: zeek: line cannot be \"{"));
}

proptest! {
    #[test]
    fn any_changed_text_is_read_or_reported(
        sample in prop::sample::select(vec![
            NFDUMP, NFDUMP_LATER, RWCUT, RWCUT_ALL, RWCUT_DELIMITED, ZEEK, ZEEK_ICMP, ZEEK_JSON, VPC,
            VPC_NAMED,
        ]),
        changes in prop::collection::vec(
            (any::<prop::sample::Index>(), any::<Option<u8>>(), 0..40usize), 1..6
        ),
        tool in prop::sample::select(Tool::ALL.to_vec()),
    ) {
        let mut text = sample.as_bytes().to_vec();
        for (at, byte, length) in changes {
            if text.is_empty() {
                break;
            }
            let at = at.index(text.len());
            match byte {
                Some(byte) => text[at] = byte,
                // A piece is removed, or comes twice.
                None => {
                    let piece = at..text.len().min(at + length);
                    let twice = text[piece.clone()].repeat(length % 2 * 2);
                    drop(text.splice(piece, twice));
                }
            }
        }
        for reader in [Reader::new(text.as_slice()), Reader::new(text.as_slice()).of(tool)] {
            let mut reader = reader;
            let (mut last, mut count) = (0, 0);
            while let Ok(Some(item)) = reader.next_item() {
                match item {
                    Item::Bad { line, .. } => {
                        prop_assert!(line > last);
                        last = line;
                    }
                    Item::Flows(flows) => count += flows.len(),
                    Item::Mark(_) => {}
                }
            }
            let lines = text.iter().filter(|byte| **byte == b'\n').count() + 1;
            prop_assert!(count <= 2 * lines && last as usize <= lines);
        }
    }
}
