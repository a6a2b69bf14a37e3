use super::*;
use crate::capture::sample::{BIG, IP4, IP6, LITTLE, Order, SECONDS, carrying, ethernet, pieces};
use crate::time::Window;
use proptest::prelude::*;

/// Returns every event as a line, the error as the last one, and the packets skipped.
fn play(input: impl Read) -> (Vec<String>, Skipped) {
    let mut reader = match Reader::new(input) {
        Ok(reader) => reader,
        Err(error) => return (vec![error.to_string()], Skipped::default()),
    };
    let mut lines = Vec::new();
    loop {
        lines.push(match reader.next() {
            Ok(None) => break,
            Ok(Some(Event::Section(None))) => "section".to_owned(),
            Ok(Some(Event::Section(Some(slot)))) => slot.to_string(),
            Ok(Some(Event::Datagram(datagram))) => {
                let Datagram { arrival, exporter, port, dport, payload, templates } = datagram;
                let payload = payload.escape_ascii();
                let mark = if templates { " templates" } else { "" };
                format!("{arrival} {exporter} {port} {dport} {payload}{mark}")
            }
            Ok(Some(Event::End(Ending::Closed(closing)))) => {
                format!("{closing} from {} to {}", closing.start, closing.end)
            }
            Ok(Some(Event::End(ending))) => format!("{ending:?}"),
            Err(error) => error.to_string(),
        });
    }
    for _ in 0..3 {
        assert_eq!(reader.next().unwrap(), None, "after the end");
    }
    (lines, reader.skipped())
}

/// Returns the lines of a capture of which no packet is skipped.
fn lines(bytes: &[u8]) -> Vec<String> {
    let (lines, skipped) = play(bytes);
    assert_eq!(skipped, Skipped::default());
    lines
}

const MICRO: u32 = 0xa1b2_c3d4;
const NANO: u32 = 0xa1b2_3c4d;

#[test]
fn pcap_of_literal_bytes_is_read() {
    let mut file = vec![
        0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 101, 0, 0, 0,
        // 994025700.250000, 32 bytes of 32
        0xe4, 0xa0, 0x3f, 0x3b, 0x90, 0xd0, 0x03, 0x00, 32, 0, 0, 0, 32, 0, 0, 0,
    ];
    file.extend(IP4);
    let expected = ["section", "994025700.250 192.0.2.1 50000 2055 flow", "Whole"];
    assert_eq!(lines(&file), expected);
}

#[test]
fn pcapng_of_literal_bytes_is_read() {
    let mut file = vec![
        0x0a, 0x0d, 0x0d, 0x0a, 0, 0, 0, 28, 0x1a, 0x2b, 0x3c, 0x4d, 0, 1, 0, 0, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 28, // interface, raw IP
        0, 0, 0, 1, 0, 0, 0, 20, 0, 101, 0, 0, 0, 0, 0, 0, 0, 0, 0, 20,
        // packet at 994025700.250000
        0, 0, 0, 6, 0, 0, 0, 64, 0, 0, 0, 0, 0x00, 0x03, 0x88, 0x0f, 0xa4, 0xc2, 0xd1, 0x90, 0, 0,
        0, 32, 0, 0, 0, 32,
    ];
    file.extend(IP4);
    file.extend([0, 0, 0, 64]);
    let expected = ["section", "994025700.250 192.0.2.1 50000 2055 flow", "Whole"];
    assert_eq!(lines(&file), expected);
}

#[test]
fn pcap_of_both_orders_and_resolutions_is_read() {
    let frame = ethernet(&[0x8100], &IP6);
    for order in [BIG, LITTLE] {
        for (magic, fraction, time) in
            [(MICRO, 250_001, "994025700.250001"), (NANO, 250_000_001, "994025700.250000001")]
        {
            // The length of a frame check sequence stands above the link type.
            for link in [1, 0x5400_0001] {
                let file = order.pcap(magic, link, &[(SECONDS, fraction, &frame)]);
                let found = format!("{time} 2001:db8::1 50000 2055 flow");
                assert_eq!(lines(&file), ["section", &found, "Whole"]);
            }
        }
    }
}

/// Returns a section header, an interface of this resolution and offset, and a packet.
fn timed(order: Order, resolution: Option<u8>, offset: Option<i64>, ticks: u64) -> Vec<u8> {
    let mut options = Vec::new();
    // if_tzone, which pcap-file refuses.
    options.extend(order.option(10, &[0, 0, 0, 0]));
    if let Some(resolution) = resolution {
        options.extend(order.option(9, &[resolution]));
    }
    if let Some(offset) = offset {
        options.extend(order.option(14, &order.u64(offset as u64)));
    }
    options.extend(order.option(0, &[]));
    let mut file = order.section(&[]);
    file.extend(order.interface(101, 0, &options));
    file.extend(order.packet(0, ticks, &IP4, &[]));
    file
}

#[test]
fn pcapng_times_follow_the_interface() {
    let micros = u64::from(SECONDS) * 1_000_000 + 250_001;
    let halves = (u64::from(SECONDS) << 10) | (1 << 9);
    for order in [BIG, LITTLE] {
        for (resolution, offset, ticks, time) in [
            (None, None, micros, "994025700.250001"),
            (Some(6), None, micros, "994025700.250001"),
            (Some(9), None, micros * 1_000 + 7, "994025700.250001007"),
            (Some(3), None, micros / 1_000, "994025700.250"),
            (Some(0), None, SECONDS.into(), "994025700.000"),
            (Some(12), None, 1_500, "0.000000001"),
            (Some(0x80 | 10), None, halves, "994025700.500"),
            (Some(6), Some(SECONDS.into()), 250_001, "994025700.250001"),
            (Some(6), Some(-3600), micros, "994022100.250001"),
        ] {
            let file = timed(order, resolution, offset, ticks);
            let found = format!("{time} 192.0.2.1 50000 2055 flow");
            assert_eq!(lines(&file), ["section", &found, "Whole"]);
        }
    }
}

#[test]
fn all_kinds_of_packet_block_are_read() {
    let mut file = LITTLE.section(&[]);
    file.extend(LITTLE.interface(1, 65_535, &[]));
    file.extend(LITTLE.interface(101, 0, &LITTLE.option(9, &[9])));
    // A simple block before any time was seen. Its interface is the first one.
    let frame = ethernet(&[], &IP4);
    let simple = [&LITTLE.u32(frame.len() as u32)[..], &frame].concat();
    file.extend(LITTLE.block(3, &simple));
    // An obsolete block of interface 1, with 5 drops.
    let mut old = [LITTLE.u16(1), LITTLE.u16(5)].concat();
    old.extend([LITTLE.u32(0), LITTLE.u32(7_000), LITTLE.u32(52), LITTLE.u32(52)].concat());
    old.extend(IP6);
    file.extend(LITTLE.block(2, &old));
    file.extend(LITTLE.block(3, &simple));
    // Blocks without meaning here: custom, name resolution, statistics.
    for kind in [0x0bad, 4, 5] {
        file.extend(LITTLE.block(kind, &[0; 16]));
    }
    let comment = LITTLE.option(1, b"nfcap:templates");
    let broken = [&LITTLE.option(1, b"hi")[..], &[1, 0, 99, 0]].concat();
    file.extend(LITTLE.packet(1, 9_000, &IP4, &comment));
    file.extend(LITTLE.packet(1, 9_500, &IP4, &broken));
    let expected = [
        "section",
        "0.000 192.0.2.1 50000 2055 flow",
        "0.000007 2001:db8::1 50000 2055 flow",
        "0.000007 192.0.2.1 50000 2055 flow",
        "0.000009 192.0.2.1 50000 2055 flow templates",
        "0.000009500 192.0.2.1 50000 2055 flow",
        "Whole",
    ];
    assert_eq!(lines(&file), expected);
}

#[test]
fn packets_without_a_datagram_are_counted() {
    let mut file = BIG.section(&[]);
    file.extend(BIG.interface(101, 10, &[]));
    let mut tcp = IP4;
    tcp[9] = 6;
    file.extend(BIG.packet(0, 1, &tcp, &[]));
    file.extend(BIG.packet(7, 2, &IP4, &[]));
    // The wire had 32 bytes, the capture 24.
    let mut cut = BIG.packet(0, 3, &IP4[..24], &[]);
    cut[27] = 32;
    file.extend(cut);
    // A simple packet is cut by its interface's snapshot length, too.
    file.extend(BIG.block(3, &[&BIG.u32(32)[..], &IP4[..10]].concat()));
    // A packet longer than the snapshot length is read.
    file.extend(BIG.packet(0, 4_000_000, &IP4, &[]));
    let (lines, skipped) = play(&file[..]);
    assert_eq!(lines, ["section", "4.000 192.0.2.1 50000 2055 flow", "Whole"]);
    let expected = Skipped { not_udp: 1, link: 1, truncated: 2, ..Skipped::default() };
    assert_eq!((skipped, skipped.total()), (expected, 4));
}

const SLOT: &str = "nfcap slot=2001-07-01T22:10:00Z seconds=600 open=1";

fn closing(order: Order) -> Vec<u8> {
    let mut body = order.u32(0).to_vec();
    body.extend([0; 8]);
    body.extend(order.option(1, b"nfcap received=3 dropped_kernel=1 dropped_queue=2"));
    // An option of the wrong length, which pcap-file takes for the end of the file.
    body.extend(order.option(4, &[1, 2, 3]));
    for (code, micros) in [(2, 5_000_000_u64), (3, 10_000_000_000)] {
        let (high, low) = ((micros >> 32) as u32, micros as u32);
        body.extend(order.option(code, &[order.u32(high), order.u32(low)].concat()));
    }
    order.block(5, &body)
}

const CLOSED: &str = "nfcap received=3 dropped_kernel=1 dropped_queue=2 from 5.000 to 10000.000";

/// Returns a section of nfcap with one packet.
fn own(order: Order) -> Vec<u8> {
    let mut file = order.section(&order.option(1, SLOT.as_bytes()));
    file.extend(order.interface(101, 0, &[]));
    file.extend(order.packet(0, 7_000_000, &IP4, &[]));
    file
}

#[test]
fn sections_open_and_close() {
    const FLOW: &str = "7.000 192.0.2.1 50000 2055 flow";
    let mut file = Vec::new();
    for order in [LITTLE, BIG] {
        file.extend(own(order));
        file.extend(closing(order));
    }
    // A foreign empty section, one of nfcap's cut short, and one of nfcap's empty and whole.
    file.extend(LITTLE.section(&LITTLE.option(1, b"nfcap is a program")));
    file.extend(own(BIG));
    file.extend(LITTLE.section(&LITTLE.option(1, SLOT.as_bytes())));
    file.extend(LITTLE.interface(101, 0, &[]));
    file.extend(closing(LITTLE));
    let expected = [
        SLOT, FLOW, CLOSED, SLOT, FLOW, CLOSED, "section", "Whole", SLOT, FLOW, "Cut", SLOT, CLOSED,
    ];
    assert_eq!(lines(&file), expected);
    let Ok(Some(Event::Section(Some(slot)))) =
        Reader::new(&file[..]).and_then(|mut reader| match reader.next()? {
            Some(Event::Section(slot)) => Ok(Some(Event::Section(slot))),
            _ => Ok(None),
        })
    else {
        panic!("no slot");
    };
    assert_eq!(slot.window, Window::new(994_025_400, 600).unwrap());
}

#[test]
fn section_of_nfcap_ends_at_its_closing_block() {
    // On a live pipe the end must not wait for the next block.
    let mut file = own(BIG);
    file.extend(closing(BIG));
    let mut reader = Reader::new(file.chain(Stuck)).unwrap();
    for _ in 0..2 {
        reader.next().unwrap();
    }
    assert!(matches!(reader.next(), Ok(Some(Event::End(Ending::Closed(_))))));
    let error = reader.next().unwrap_err().to_string();
    assert_eq!(error, format!("byte {}: stuck", file.len()));
}

#[test]
fn pipe_may_give_single_bytes() {
    for (file, _) in whole_files() {
        assert_eq!(play(Drip(&file, false)), play(&file[..]));
    }
}

/// A stream that gives one byte at a time, and is interrupted before each.
struct Drip<'a>(&'a [u8], bool);

impl Read for Drip<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        self.1 = !self.1;
        if self.1 {
            return Err(std::io::ErrorKind::Interrupted.into());
        }
        self.0.read(&mut into[..1])
    }
}

#[test]
fn packets_beyond_any_snapshot_length_are_read() {
    // 5 MiB, more than the initial buffer and than the snapshot length in the header.
    let long = [&IP4[..], &vec![0; 5 << 20]].concat();
    let pcap = LITTLE.pcap(MICRO, 101, &[(1, 0, &long), (2, 0, &IP6), (3, 0, &long)]);
    let mut ng = BIG.section(&[]);
    ng.extend(BIG.interface(101, 96, &[]));
    for (seconds, packet) in [(1, &long[..]), (2, &IP6), (3, &long)] {
        ng.extend(BIG.packet(0, seconds * 1_000_000, packet, &[]));
    }
    let expected = [
        "section",
        "1.000 192.0.2.1 50000 2055 flow",
        "2.000 2001:db8::1 50000 2055 flow",
        "3.000 192.0.2.1 50000 2055 flow",
        "Whole",
    ];
    for file in [pcap, ng] {
        assert_eq!(lines(&file), expected);
    }
}

struct Stuck;

impl Read for Stuck {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        Err(std::io::Error::other("stuck"))
    }
}

const MODIFIED: &str = "byte 0: expected pcap or pcapng, found the modified pcap of Kuznetzov's \
                        libpcap (magic 0xa1b2cd34), which `editcap -F pcap` converts";

#[test]
fn other_files_are_refused_with_the_reason() {
    for (bytes, error) in [
        (&b""[..], "empty, no capture file"),
        (b"\xd4\xc3", "too short for a capture file: 2 bytes, \"\\xd4\\xc3\""),
        (
            b"\xd4\xc3\xb2\xa1\x02\x00",
            "too short for a capture file: 6 bytes, \"\\xd4\\xc3\\xb2\\xa1\\x02\\x00\"",
        ),
        (
            b"2001-07-01T00:20:00Z all quiet\n",
            "neither pcap nor pcapng, it begins with \"2001-07-01T00:20\"",
        ),
        (b"\xa1\xb2\xcd\x34", MODIFIED),
        (b"\x34\xcd\xb2\xa1\x02\x00\x04\x00", MODIFIED),
        (b"\xa1\xb2\xff\xff", "neither pcap nor pcapng, it begins with \"\\xa1\\xb2\\xff\\xff\""),
    ] {
        assert_eq!(lines(bytes), [error]);
    }
}

#[test]
fn first_fault_ends_the_reading() {
    let good = own(BIG);
    let at = good.len();
    let whole = |block: Vec<u8>| [&good[..], &block, &good].concat();
    let mut lengths = BIG.block(9, &[0; 4]);
    lengths[15] = 20;
    let mut packet = BIG.packet(0, 1, &IP4, &[]);
    packet[23] = 200;
    let mut order = BIG.section(&[]);
    order[8] = 0;
    let mut version = BIG.section(&[]);
    version[13] = 2;
    let slot = b"nfcap slot=2001-07-01T22:10:00Z seconds=600";
    let huge = BIG.u32(0x4000_0000);
    let packet_behind = [closing(BIG), BIG.packet(0, 1, &IP4, &[])].concat();
    for (block, error) in [
        (lengths, "expected a block with the same length at both ends, found 16 and 20"),
        (packet, "expected a packet within its block, found 200 bytes in a block body of 52"),
        (BIG.block(6, &[0; 4]), "expected a packet block's header, found a block body of 4 bytes"),
        (order, "expected pcapng's byte-order magic, found [00, 2b, 3c, 4d]"),
        (version, "expected pcapng version 1, found version 2.0"),
        (BIG.section(&BIG.option(1, slot)), "nfcap's comment lacks open="),
        (
            BIG.section(&[0, 1, 0, 99]),
            "expected options within their block, found an option that reaches beyond its block",
        ),
        (
            BIG.interface(1, 0, &BIG.option(9, &[6, 6])),
            "expected if_tsresol of 1 byte, found 2 bytes",
        ),
        ([BIG.u32(9), huge].concat(), "a block of 1073741824 bytes; the limit is 16777216"),
        (
            [BIG.u32(9), BIG.u32(8)].concat(),
            "expected a block length of 12 or more, a multiple of 4, found 8",
        ),
        (
            [BIG.u32(9), BIG.u32(14)].concat(),
            "expected a block length of 12 or more, a multiple of 4, found 14",
        ),
        (packet_behind, "expected the next section behind nfcap's closing block, found a packet"),
    ] {
        let lines = lines(&whole(block));
        let ending = if error.contains("next section") { CLOSED } else { "Cut" };
        assert_eq!(lines[2], ending, "{lines:?}");
        let behind = if ending == CLOSED { closing(BIG).len() } else { 0 };
        assert_eq!(lines[3..], [format!("byte {}: {error}", at + behind)]);
    }
}

#[test]
fn garbage_after_a_pcap_is_an_error() {
    let good = LITTLE.pcap(MICRO, 101, &[(1, 0, &IP4)]);
    let at = |tail: &[u8]| lines(&[&good[..], tail].concat()).split_off(2);
    assert_eq!(
        at(&[0xff; 16]),
        ["Cut", "byte 72: a packet of 4294967295 bytes; the limit is 16777216"]
    );
    // The type of a section without its magic, a pcap of version 9, and both too short.
    let mut section = BIG.section(&[]);
    section[8] = 0xff;
    assert_eq!(
        at(&section),
        ["Cut", "byte 72: a packet of 1295789055 bytes; the limit is 16777216"]
    );
    let mut version = good.clone();
    version[4] = 9;
    let (found, _) = play(&[&good[..], &version].concat()[..]);
    assert_eq!(found.iter().filter(|line| *line == "section").count(), 1);
    assert_eq!(
        at(&BIG.section(&[])[..11]),
        ["Cut", "byte 72: torn: a packet needs 16 bytes, the file ends after 11"]
    );
    assert_eq!(
        at(&good[..7]),
        ["Cut", "byte 72: torn: a packet needs 16 bytes, the file ends after 7"]
    );
    // A torn header of another file: the file before it is whole.
    assert_eq!(
        at(&good[..23]),
        [
            "Whole",
            "byte 72: torn: the header of a pcap file needs 24 bytes, the file ends after 23"
        ]
    );
    assert_eq!(
        at(&BIG.section(&[])[..12]),
        ["Whole", "byte 72: torn: a block needs 28 bytes, the file ends after 12"]
    );
    for modified in [b"\xa1\xb2\xcd\x34\0\x02\0\x04", b"\x34\xcd\xb2\xa1\x02\0\x04\0"] {
        let modified = [&modified[..], &[0; 16]].concat();
        assert_eq!(at(&modified), ["Whole", &MODIFIED.replace("byte 0", "byte 72")]);
    }
}

#[test]
fn joined_files_are_read_one_after_the_other() {
    let frame = ethernet(&[], &IP6);
    let ng = |order: Order| {
        let mut file = order.section(&[]);
        file.extend(order.interface(101, 0, &[]));
        file.extend(order.packet(0, 7_000_000, &IP4, &[]));
        file
    };
    let slot = [own(BIG), closing(BIG)].concat();
    const NG: &str = "7.000 192.0.2.1 50000 2055 flow";
    let parts = [
        (
            LITTLE.pcap(MICRO, 101, &[(1, 5, &IP4)]),
            vec!["section", "1.000005 192.0.2.1 50000 2055 flow", "Whole"],
        ),
        (
            BIG.pcap(NANO, 1, &[(2, 5, &frame), (SECONDS, 0, &frame)]),
            vec![
                "section",
                "2.000000005 2001:db8::1 50000 2055 flow",
                "994025700.000 2001:db8::1 50000 2055 flow",
                "Whole",
            ],
        ),
        (LITTLE.pcap(NANO, 1, &[]), vec!["section", "Whole"]),
        (ng(LITTLE), vec!["section", NG, "Whole"]),
        (ng(BIG), vec!["section", NG, "Whole"]),
        (slot, vec![SLOT, NG, CLOSED]),
        (own(LITTLE), vec![SLOT, NG, "Cut"]),
    ];
    // Files of every kind after every other.
    for (one, first) in &parts {
        for (other, second) in &parts {
            for (third, last) in &parts {
                let file = [&one[..], other, third].concat();
                assert_eq!(lines(&file), [&first[..], second, last].concat());
            }
        }
    }
    let all: Vec<u8> = parts.iter().flat_map(|(file, _)| file.clone()).collect();
    assert_eq!(play(Drip(&all, false)), play(&all[..]));
}

#[test]
fn interfaces_are_bounded() {
    let mut file = BIG.section(&[]);
    let interface = BIG.interface(101, 0, &[]);
    file.extend(interface.repeat(MAX_INTERFACES));
    file.extend(BIG.packet(MAX_INTERFACES as u32 - 1, 1, &IP4, &[]));
    assert_eq!(lines(&file)[2], "Whole");
    file.extend(interface);
    assert!(lines(&file)[3].contains("at most 65536 interfaces"));
}

/// Returns files of every kind with three packets, and the offsets at which a packet is whole.
fn whole_files() -> Vec<(Vec<u8>, Vec<usize>)> {
    let mut files = Vec::new();
    for order in [BIG, LITTLE] {
        let mut pcap = order.pcap(NANO, 101, &[]);
        let mut ng = own(order);
        let (mut ends, mut ng_ends) = (Vec::new(), vec![ng.len()]);
        for packet in [&IP4[..], &IP6, &IP4] {
            pcap.extend(&order.pcap(NANO, 101, &[(SECONDS, 1, packet)])[24..]);
            ends.push(pcap.len());
            let comment = order.option(1, b"a comment");
            ng.extend(order.packet(0, 1, packet, if ends.len() == 2 { &comment } else { &[] }));
            ng_ends.push(ng.len());
        }
        ng.extend(closing(order));
        files.extend([(pcap, ends), (ng, ng_ends)]);
    }
    files
}

#[test]
fn torn_files_give_their_whole_packets() {
    for (file, ends) in whole_files() {
        for tear in 0..file.len() {
            let lines = lines(&file[..tear]);
            let packets = lines.iter().filter(|line| line.ends_with("flow")).count();
            assert_eq!(packets, ends.iter().filter(|end| **end <= tear).count(), "{lines:?}");
            let last = lines.last().unwrap();
            let opened = lines.len() > 1;
            if opened && (last == "Whole" || last == "Cut") {
                continue; // between two blocks
            }
            assert!(!opened || lines[lines.len() - 2] == "Cut", "{lines:?}");
            let torn = last.contains("torn: ") || last.contains("too short");
            assert!(torn || tear == 0, "{lines:?}");
        }
    }
}

proptest! {
    #[test]
    fn changed_bytes_never_panic(
        which in 0_usize..4,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let (mut file, _) = whole_files().swap_remove(which);
        for (at, byte) in changes {
            let at = at.index(file.len());
            file[at] = byte;
        }
        let (lines, skipped) = play(&file[..]);
        // With single bytes nothing is buffered ahead, so that no packet takes the fast path.
        prop_assert_eq!(play(Drip(&file, false)), (lines.clone(), skipped));
        // Every section gets its end.
        let opened = lines.iter().filter(|line| *line == "section" || line.starts_with("nfcap slot="));
        let ended = lines.iter().filter(|line| {
            *line == "Whole" || *line == "Cut" || line.starts_with("nfcap received=")
        });
        prop_assert_eq!(opened.count(), ended.count());
    }

    #[test]
    fn random_bytes_never_panic(
        magic in prop::sample::select(vec![&b"\x0a\x0d\x0d\x0a"[..], b"\xd4\xc3\xb2\xa1", b""]),
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        whole in prop::option::of(0_usize..4),
    ) {
        let before = whole.map(|which| whole_files().swap_remove(which).0).unwrap_or_default();
        let file = [&before[..], magic, &bytes].concat();
        prop_assert_eq!(play(Drip(&file, false)), play(&file[..]));
    }
}

/// Reads captures of real devices, if the machine has them.
#[test]
fn real_captures_are_read() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/exports");
    let Ok(sources) = std::fs::read_dir(dir) else {
        println!("skipped: no captures in {dir}");
        return;
    };
    let mut files = 0;
    for source in sources.filter_map(|entry| std::fs::read_dir(entry.unwrap().path()).ok()) {
        for path in source.map(|entry| entry.unwrap().path()) {
            if path.extension().is_none_or(|end| end != "pcap") {
                continue;
            }
            files += 1;
            let (lines, skipped) = play(std::fs::File::open(&path).unwrap());
            let shown = path.display();
            assert_eq!(lines.last().unwrap(), "Whole", "{shown}");
            assert!(lines.len() > 2, "{shown}: no datagram, {skipped:?}");
        }
    }
    assert!(files >= 80, "{files} captures in {dir}");
}

/// Returns a pcap file of packets a microsecond apart, the first at 1.000001.
fn spaced(link: u32, packets: &[Vec<u8>]) -> Vec<u8> {
    let packets: Vec<_> =
        (1..).zip(packets).map(|(micros, packet)| (1, micros, &packet[..])).collect();
    LITTLE.pcap(MICRO, link, &packets)
}

#[test]
fn fragments_are_reassembled() {
    let [four, six] = [false, true].map(|six| carrying(b"a datagram in pieces", six));
    let [mut four, mut six] = [four, six].map(|packet| pieces(&packet, &[8, 16, 28], 7));
    four.swap(0, 1);
    six.rotate_left(1);
    // Fragments of two datagrams, mixed with a whole datagram and a duplicate.
    let packets = [
        four.remove(0),
        six.remove(0),
        IP4.to_vec(),
        four[0].clone(),
        four.remove(0),
        six.remove(0),
        six.remove(0),
        four.remove(0),
        IP6.to_vec(),
    ];
    let expected = [
        "section",
        "1.000003 192.0.2.1 50000 2055 flow",
        "1.000007 2001:db8::1 50000 2055 a datagram in pieces",
        "1.000008 192.0.2.1 50000 2055 a datagram in pieces",
        "1.000009 2001:db8::1 50000 2055 flow",
        "Whole",
    ];
    assert_eq!(lines(&spaced(101, &packets)), expected);
    // Fragments of one datagram may be captured on different links.
    let mut file = LITTLE.section(&[]);
    for link in [101, 1] {
        file.extend(LITTLE.interface(link, 0, &[]));
    }
    for (micros, packet) in (1_000_001..).zip(&packets) {
        let tags: &[u16] = if micros % 3 == 0 { &[] } else { &[0x8100] };
        match micros % 2 {
            0 => file.extend(LITTLE.packet(0, micros, packet, &[])),
            _ => file.extend(LITTLE.packet(1, micros, &ethernet(tags, packet), &[])),
        }
    }
    assert_eq!(lines(&file), expected);
}

#[test]
fn fragments_without_a_datagram_are_counted_by_reason() {
    let whole = carrying(b"a datagram in pieces", false);
    let cut = |id| pieces(&whole, &[8, 16, 28], id);
    let mut packets = Vec::new();
    packets.extend(cut(1).split_off(1));
    // The second fragment overlaps the third.
    let mut teardrop = cut(2);
    teardrop[1].extend([0; 8]);
    teardrop[1][3] += 8;
    packets.extend(teardrop);
    // Whole datagrams of which UDP claims more, or whose protocol is not UDP.
    let mut long = whole.clone();
    long[25] += 1;
    packets.extend(pieces(&long, &[8, 28], 3));
    let mut tcp = cut(4);
    tcp.iter_mut().for_each(|piece| piece[9] = 6);
    packets.extend(tcp);
    let mut options = pieces(&carrying(b"\x06\0\x01\x04\0\0\0\0", true), &[8, 16], 5);
    options.iter_mut().for_each(|piece| piece[40] = 60);
    options[0][48..56].copy_from_slice(&[6, 0, 1, 4, 0, 0, 0, 0]);
    packets.extend(options);
    let (found, skipped) = play(&spaced(101, &packets)[..]);
    assert_eq!(found, ["section", "Whole"]);
    let expected =
        Skipped { fragments: 2, overlaps: 3, malformed: 2, not_udp: 5, ..Skipped::default() };
    assert_eq!(skipped, expected);
    // A fragment cut by the snapshot length is not used, so the others stay incomplete.
    let pieces = cut(6);
    let mut file = BIG.section(&[]);
    file.extend(BIG.interface(101, 0, &[]));
    let mut short = BIG.packet(0, 1, &pieces[0][..24], &[]);
    short[27] = 28;
    file.extend(short);
    file.extend(BIG.packet(0, 1, &pieces[1], &[]));
    file.extend(BIG.packet(0, 1, &pieces[2], &[]));
    let (found, skipped) = play(&file[..]);
    assert_eq!(found, ["section", "Whole"]);
    let expected = Skipped { truncated: 1, fragments: 2, ..Skipped::default() };
    assert_eq!(skipped, expected);
}

#[test]
fn fragments_of_two_sections_are_not_joined() {
    let pieces = pieces(&carrying(b"a datagram in pieces", false), &[8, 28], 7);
    let section = |piece: &[u8]| {
        let mut section = BIG.section(&[]);
        section.extend(BIG.interface(101, 0, &[]));
        section.extend(BIG.packet(0, 1, piece, &[]));
        section
    };
    let file = [section(&pieces[0]), section(&pieces[1])].concat();
    let (found, skipped) = play(&file[..]);
    assert_eq!(found, ["section", "Whole", "section", "Whole"]);
    assert_eq!(skipped, Skipped { fragments: 2, ..Skipped::default() });
    // A torn stream counts them, too.
    let (found, skipped) = play(&file[..file.len() - 1]);
    assert_eq!(found.len(), 5);
    assert_eq!(skipped, Skipped { fragments: 1, ..Skipped::default() });
}

proptest! {
    #[test]
    fn fragments_in_any_order_make_the_datagrams(
        sent in prop::collection::vec(
            (any::<bool>(), prop::collection::vec(any::<u8>(), 9..2000)),
            1..8,
        ),
        cuts in prop::collection::vec(prop::collection::vec(0_usize..250, 1..20), 8),
        shuffle in prop::collection::vec((any::<u32>(), any::<bool>()), 200),
    ) {
        let mut packets = Vec::new();
        for ((id, (six, payload)), cuts) in (1..).zip(&sent).zip(&cuts) {
            let end = 8 + payload.len();
            let mut ends: Vec<_> =
                cuts.iter().map(|cut| (cut * 8) % end / 8 * 8).filter(|end| *end > 0).collect();
            ends.extend([8, end]);
            ends.sort_unstable();
            ends.dedup();
            packets.extend(pieces(&carrying(payload, *six), &ends, id));
        }
        let mut packets: Vec<_> = packets.into_iter().zip(&shuffle).collect();
        packets.sort_by_key(|(_, (order, _))| *order);
        // Duplicates follow their original. One of a datagram that is whole begins another.
        let packets: Vec<Vec<u8>> = packets
            .into_iter()
            .flat_map(|(packet, (_, twice))| std::iter::repeat_n(packet, 1 + usize::from(*twice)))
            .collect();
        let (found, skipped) = play(&spaced(101, &packets)[..]);
        prop_assert!(skipped.total() <= sent.len() as u64);
        prop_assert_eq!(skipped.total(), skipped.fragments);
        let mut found: Vec<_> = found
            .iter()
            .filter_map(|line| line.split_once(' '))
            .map(|(_, rest)| rest.to_owned())
            .collect();
        let mut expected: Vec<_> = sent
            .iter()
            .map(|(six, payload)| {
                let exporter = if *six { "2001:db8::1" } else { "192.0.2.1" };
                format!("{exporter} 50000 2055 {}", payload.escape_ascii())
            })
            .collect();
        found.sort();
        expected.sort();
        prop_assert_eq!(found, expected);
    }
}
