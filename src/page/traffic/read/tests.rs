use proptest::prelude::*;

use super::*;

/// The output of `nftop --csv` about one window, for the four keys.
const TABLES: &str = "\
window,seconds,proto,flows,packets,octets,share,rate,pps,bps
2001-07-01T00:20:00Z,600,6,2,30,4000,80.00,0.00,0.05,53.33
2001-07-01T00:20:00Z,600,17,1,10,1000,20.00,0.00,0.02,13.33
window,seconds,addr,flows,packets,octets,sentflows,sentpackets,sentoctets,recvflows,recvpackets,recvoctets,share,rate,pps,bps
2001-07-01T00:20:00Z,600,140.119.1.1,3,40,5000,1,10,1000,2,30,4000,100.00,0.01,0.07,66.67
2001-07-01T00:20:00Z,600,2001:db8::1,2,30,4000,2,30,4000,0,0,0,80.00,0.00,0.05,53.33
window,seconds,proto,port,flows,packets,octets,sentflows,sentpackets,sentoctets,recvflows,recvpackets,recvoctets,share,rate,pps,bps
2001-07-01T00:20:00Z,600,6,80,2,30,4000,0,0,0,2,30,4000,80.00,0.00,0.05,53.33
window,seconds,if,flows,packets,octets,sentflows,sentpackets,sentoctets,recvflows,recvpackets,recvoctets,share,rate,pps,bps
2001-07-01T00:20:00Z,600,3,3,40,5000,3,40,5000,0,0,0,100.00,0.01,0.07,66.67
";

const ADDRESSES: &str = "\
window,seconds,addr,sentflows,sentpackets,sentoctets,recvflows,recvpackets,recvoctets
";

fn read(text: &str) -> Traffic {
    let mut reader = TrafficReader::new();
    reader.read(text.as_bytes()).unwrap();
    reader.finish()
}

fn counts(flows: u64, packets: u64, octets: u64) -> Counts {
    Counts { flows, packets, octets }
}

fn window() -> Window {
    Window::parse("2001-07-01T00:20:00Z", "600").flatten().unwrap()
}

#[track_caller]
fn bad(text: &str, line: u64, reason: &str) {
    let Traffic { problems, .. } = read(text);
    let told = vec![BadRow { line, reason: reason.to_owned() }];
    assert_eq!(problems, Problems { bad_rows: 1, told, ..Problems::default() });
}

#[test]
fn all_four_tables_of_a_window_are_read() {
    let Traffic { windows, problems } = read(TABLES);
    assert_eq!(problems, Problems::default());
    let protocol = |proto, counts| ProtocolCounts { proto, counts };
    let expected = SlotTraffic {
        window: window(),
        protocols: vec![protocol(6, counts(2, 30, 4000)), protocol(17, counts(1, 10, 1000))],
        addresses: vec![
            Entry {
                key: "140.119.1.1".parse().unwrap(),
                sent: counts(1, 10, 1000),
                received: counts(2, 30, 4000),
            },
            Entry {
                key: "2001:db8::1".parse().unwrap(),
                sent: counts(2, 30, 4000),
                received: Counts::default(),
            },
        ],
        ports: vec![Entry {
            key: ProtoPort { proto: 6, port: 80 },
            sent: Counts::default(),
            received: counts(2, 30, 4000),
        }],
        interfaces: vec![Entry { key: 3, sent: counts(3, 40, 5000), received: Counts::default() }],
    };
    assert_eq!(expected.total(), Some(counts(3, 40, 5000)));
    assert_eq!(windows, [expected]);
}

#[test]
fn columns_are_found_by_their_names() {
    let text = "window,new,octets,seconds,packets,proto,flows\r\n\
        2001-07-01T00:20:00Z,x y,7,600,5,47,3\r\n";
    for text in [text.to_owned(), format!("\u{feff}{text}")] {
        let Traffic { windows, problems } = read(&text);
        assert_eq!(problems, Problems::default());
        let expected = [ProtocolCounts { proto: 47, counts: counts(3, 5, 7) }];
        assert_eq!(windows[0].protocols, expected);
        assert!(windows[0].addresses.is_empty());
    }
}

#[test]
fn tables_of_other_kinds_are_skipped_and_counted() {
    let row = "2001-07-01T00:20:00Z,600,1.2.3.4,1,1,1\n";
    for names in [
        "window,seconds,sip,flows,packets,octets",
        "window,seconds,exporter,flows,packets,octets",
        "window,seconds,time,proto,flows,packets,octets",
        "window,seconds,proto,dport,flows,packets,octets",
        // Without the counts of each side, with a name twice, and without a length.
        "window,seconds,addr,flows,packets,octets",
        "window,seconds,proto,flows,packets,octets,octets",
        "window,proto,flows,packets,octets",
        "window",
    ] {
        let Traffic { windows, problems } = read(&format!("{names}\n{row}{TABLES}"));
        assert_eq!(problems, Problems { unknown_tables: 1, ..Problems::default() }, "{names}");
        assert_eq!(windows, read(TABLES).windows, "{names}");
    }
}

#[test]
fn a_bad_row_is_told_and_costs_itself_alone() {
    let row = "2001-07-01T00:20:00Z,600,140.119.1.1,1,1,1,1,1,1\n";
    for (bad_row, reason) in [
        (
            "2001-07-01T00:20:00Z,600,140.119.1.?,1,1,1,1,1,1",
            "addr: \"140.119.1.?\" is masked; count without --mask",
        ),
        (
            "2001-07-01T00:20:00Z,600,2001:db8:7::?,1,1,1,1,1,1",
            "addr: \"2001:db8:7::?\" is masked; count without --mask",
        ),
        ("2001-07-01T00:20:00Z,600,host,1,1,1,1,1,1", "addr: \"host\" is no address"),
        (",,140.119.1.1,1,1,1,1,1,1", "window: the time of the window is not known"),
        (
            "2001-07-01T00:20:00Z,0,140.119.1.1,1,1,1,1,1,1",
            "window: \"2001-07-01T00:20:00Z\" with \"0\" seconds is no window",
        ),
        (
            "2001-07-01T00:20:00Z,600,140.119.1.1,1,1,+1,1,1,1",
            "sentoctets: \"+1\" is no such number",
        ),
        ("2001-07-01T00:20:00Z,600,140.119.1.1,1,1,1,1,1,", "recvoctets: \"\" is no such number"),
        (
            "2001-07-01T00:20:00Z,600,140.119.1.1,1,1,1,1,1,18446744073709551616",
            "recvoctets: \"18446744073709551616\" is no such number",
        ),
        ("2001-07-01T00:20:00Z,600,140.119.1.1,1,1", "has 5 cells under 9 names"),
        (
            "2001-07-01T00:20:00Z,600,\"140.119.1.1\",1,1,1,1,1,1",
            "addr: \"\\\"140.119.1.1\\\"\" is no address",
        ),
    ] {
        let text = format!("{ADDRESSES}{bad_row}\n{row}");
        bad(&text, 2, reason);
        assert_eq!(read(&text).windows, read(&format!("{ADDRESSES}{row}")).windows, "{bad_row}");
    }
    bad(row, 1, "stands before any line of names that begins with window");
    bad(
        "window,seconds,proto,port,sentflows,sentpackets,sentoctets,recvflows,recvpackets,recvoctets\n\
        2001-07-01T00:20:00Z,600,6,65536,1,1,1,1,1,1\n",
        2,
        "port: \"65536\" is no such number",
    );
    // A value of any length is shown in part.
    let long = "9".repeat(3 * super::super::lines::MAX_LINE);
    let reason = format!("window: \"{}\"... with \"600\" seconds is no window", "9".repeat(40));
    bad(&format!("{ADDRESSES}{long},600,1.1.1.1,1,1,1,1,1,1\n"), 2, "has 1 cells under 9 names");
    bad(&format!("{ADDRESSES}{},600,1.1.1.1,1,1,1,1,1,1\n", &long[..999]), 2, &reason);
}

#[test]
fn the_first_bad_rows_are_told_and_all_are_counted() {
    let Traffic { windows, problems } = read(&format!("{ADDRESSES}{}", "x\n".repeat(1000)));
    assert_eq!(windows, []);
    assert_eq!(problems.bad_rows, 1000);
    let lines: Vec<_> = problems.told.iter().map(|row| row.line).collect();
    assert_eq!(lines, [2, 3, 4, 5, 6]);
    // Empty lines are none, and count as lines.
    let Traffic { problems, .. } = read(&format!("\n\n{ADDRESSES}\n\nx\n"));
    assert_eq!((problems.bad_rows, problems.told[0].line), (1, 4));
}

#[test]
fn a_table_that_comes_again_replaces_the_one_before() {
    let row =
        |host: &str, octets: u64| format!("2001-07-01T00:20:00Z,600,{host},1,1,{octets},0,0,0\n");
    let first = format!("{ADDRESSES}{}{}", row("1.1.1.1", 5), row("2.2.2.2", 3));
    let second = format!("{ADDRESSES}{}", row("1.1.1.1", 9));
    assert_eq!(read(&format!("{first}{second}")).windows, read(&second).windows);
    // Another input begins a table of its own.
    let mut reader = TrafficReader::new();
    for text in [&first, &second, &"window,seconds,proto,flows,packets,octets\n".to_owned()] {
        reader.read(text.as_bytes()).unwrap();
    }
    assert_eq!(reader.finish().windows, read(&second).windows);
}

#[test]
fn windows_have_a_limit() {
    let mut text = ADDRESSES.to_owned();
    for n in 0..MAX_WINDOWS as u64 + 3 {
        let window = Window::new(600 * n, 600).unwrap();
        text.push_str(&format!("{},600,1.1.1.1,1,1,1,1,1,1\n", window.start_text()));
    }
    let Traffic { windows, problems } = read(&text);
    assert_eq!(windows.len(), MAX_WINDOWS);
    assert_eq!(problems, Problems { further_windows: 3, ..Problems::default() });
}

proptest! {
    /// The reference sorts all rows.
    #[test]
    fn the_greatest_rows_of_a_window_are_kept(
        octets in prop::collection::vec(0u64..1000, 0..2500),
    ) {
        let mut text = ADDRESSES.to_owned();
        let mut expected = Vec::new();
        for (n, octets) in (0u32..).zip(&octets) {
            let address = IpAddr::from(n.wrapping_mul(2_654_435_761).to_be_bytes());
            text.push_str(&format!("2001-07-01T00:20:00Z,600,{address},1,1,{octets},1,1,7\n"));
            expected.push((std::cmp::Reverse(octets + 7), address));
        }
        expected.sort();
        let left_out = expected.len().saturating_sub(MAX_ADDRESSES) as u64;
        expected.truncate(MAX_ADDRESSES);
        let Traffic { windows, problems } = read(&text);
        prop_assert_eq!(problems, Problems { left_out, ..Problems::default() });
        let kept = windows.first().map_or(&[][..], |slot| &slot.addresses);
        let kept: Vec<_> =
            kept.iter().map(|of| (std::cmp::Reverse(of.octets()), of.key)).collect();
        prop_assert_eq!(kept, expected);
    }

    #[test]
    fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..300), at in 0usize..500) {
        let mut text = TABLES.as_bytes().to_vec();
        let at = at.min(text.len());
        text.splice(at..at, bytes);
        let mut reader = TrafficReader::new();
        reader.read(text.as_slice()).unwrap();
        prop_assert!(reader.finish().windows.len() <= 1 + 8);
    }
}
