//! Reads flow lines in memory: with the reader, field by field with the crate csv, and in bare
//! loops.
//!
//! All contestants take turns in one run, because other load on the machine changes every figure;
//! compare ratios. The text lies in memory as in the page cache, and the reader copies it block by
//! block.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::panic)]
#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock and its arguments")]

mod bare;

use std::hint::black_box;
use std::net::{IpAddr, Ipv6Addr};

use bare::lines::{LINES, campus, contest, reader, text, way};
use bare::text::{Row, scalar, words};
use nfkit::flow::{BATCH, Flow};
use nfkit::line::{Column, Form, Kept, Lines, REQUIRED};

/// Returns the flows with IPv6 addresses.
fn ipv6(flows: &[Flow]) -> Vec<Flow> {
    let wide = |address: IpAddr| match address {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets().map(u16::from);
            IpAddr::V6(Ipv6Addr::from([0x2001, 0xdb8, a, b, 0, 0, c, d]))
        }
        address => address,
    };
    flows.iter().map(|flow| Flow { sip: wide(flow.sip), dip: wide(flow.dip), ..*flow }).collect()
}

/// Reads all of a text and keeps the text of its lines. Returns the number of lines.
fn lines(text: &[u8]) -> usize {
    let (mut lines, mut count) = (Lines::new(text), 0);
    while let Some(kept) = lines.next_kept().unwrap() {
        if let Kept::Flows { flows, text } = kept {
            count += black_box((flows, text)).0.len();
        }
    }
    count
}

/// Reads with the crate csv, and each field with std: the usual way.
fn simple(text: &[u8]) -> usize {
    let mut rows = csv::ReaderBuilder::new();
    rows.delimiter(b'\t').quoting(false).has_headers(false).flexible(true);
    let mut rows = rows.comment(Some(b'#')).from_reader(text);
    let mut row = csv::ByteRecord::new();
    let mut batch = Vec::with_capacity(BATCH);
    let mut count = 0;
    while rows.read_byte_record(&mut row).unwrap() {
        let field = |n: usize| std::str::from_utf8(&row[n]).unwrap();
        batch.push(Flow {
            sif: field(0).parse().unwrap(),
            sip: field(1).parse().unwrap(),
            dip: field(2).parse().unwrap(),
            dif: field(3).parse().unwrap(),
            proto: field(4).parse().unwrap(),
            sport: field(5).parse().unwrap(),
            dport: field(6).parse().unwrap(),
            packets: field(7).parse().unwrap(),
            octets: field(8).parse().unwrap(),
            ..Flow::default()
        });
        if batch.len() == BATCH {
            count += black_box(&batch).len();
            batch.clear();
        }
    }
    count + black_box(batch).len()
}

/// Reads with a bare loop a text without a line of names.
fn bare(text: &[u8], read: impl Fn(&[u8], &mut usize) -> Row) -> usize {
    let end = text.len() - bare::text::WINDOW;
    let mut batch = vec![Row::default(); BATCH];
    let (mut at, mut count) = (0, 0);
    while at < end {
        batch[count % BATCH] = read(text, &mut at);
        count += 1;
        if count % BATCH == 0 {
            black_box(&mut batch);
        }
    }
    black_box(&mut batch);
    count
}

fn newlines(text: &[u8]) -> usize {
    memchr::memchr_iter(b'\n', text).count()
}

fn main() {
    let v4 = campus(LINES);
    let v6 = ipv6(&v4);
    let timed = [REQUIRED.as_slice(), &[Column::Start, Column::End, Column::Flags]].concat();
    let nine = text(&v4, &REQUIRED, Form::Text);
    let wide = text(&v6, &REQUIRED, Form::Text);
    let comma = text(&v4, &REQUIRED, Form::Csv);
    let twelve = text(&v4, &timed, Form::Text);
    // The loops need the text without its line of names, and a window of bytes behind its end.
    let names = nine.iter().position(|&byte| byte == b'\n').unwrap() + 1;
    let plain = [&nine[names..], &[0; bare::text::WINDOW]].concat();

    let (mut a, mut b) = (0, 0);
    for flow in &v4 {
        let row = words(&plain, &mut a);
        assert_eq!(row, scalar(&plain, &mut b), "the bare loops read different flows");
        assert_eq!(row, Row::from(flow), "a bare loop reads another flow");
    }

    let ways = vec![
        way("bare, words at a time", || bare(&plain, words)),
        way("bare, byte by byte", || bare(&plain, scalar)),
        way("newlines counted", || newlines(&nine) - 1),
        way("csv and std", || simple(&nine)),
        way("nine", || reader(&nine)),
        way("nine, text kept", || lines(&nine)),
        way("nine, commas", || reader(&comma)),
        way("nine, IPv6", || reader(&wide)),
        way("start, end and flags", || reader(&twelve)),
    ];
    contest(ways, "the bare loop");
}
