//! Filters flow lines: the reader alone, the reader that keeps text, and the same with expressions.
//!
//! All contestants take turns in one run, because other load on the machine changes every figure;
//! compare ratios. The text lies in memory as in the page cache, and the reader copies it block by
//! block.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]
#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock and its arguments")]

mod bare;

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};

use bare::lines::{LINES, campus, contest, reader, text, way};
use nfkit::filter::{Chosen, Context, Filter};
use nfkit::flow::{BATCH, Flow};
use nfkit::line::{Form, Kept, Lines, REQUIRED};

/// Ten terms of ten kinds, most of which hold, so that most flows reach every test.
const TEN: &str = "(tcp or udp) and not src net 10.0.0.0/8 and port != 25 and packets < 1M \
    and octets > 20 and not host 192.0.2.1 and dst net 0.0.0.0/0 and src port > 0 and if != 99 \
    and duration < 1h";

/// Ten terms that no flow matches, so that every flow reaches every test.
const NONE: &str = "src 192.0.2.1 or dst 192.0.2.2 or port 7 or icmp or packets > 1G or octets > 1T \
    or if 99 or bpp > 70000 or src port 1 or flags SRX";

fn filter(text: &str) -> Filter {
    let mut file = |name: &str| Err(name.to_owned());
    Filter::parse(text, &mut Context { inside: None, file: &mut file }).unwrap()
}

/// Returns a filter for a list of unused addresses, as long as published lists.
fn list(length: u32) -> Filter {
    let address = |n: u32| Ipv4Addr::from(n.wrapping_mul(0x9e37_79b1));
    let mut file = |_: &str| Ok((0..length).map(|n| IpAddr::from(address(n)).into()).collect());
    Filter::parse("in @list", &mut Context { inside: None, file: &mut file }).unwrap()
}

/// Reads a text and gathers the lines of matching flows. Returns the number of lines read.
fn grep(text: &[u8], filter: Option<&Filter>) -> usize {
    let (mut lines, mut count) = (Lines::new(text), 0);
    let (mut out, mut chosen) = (Vec::new(), Chosen::default());
    while let Some(kept) = lines.next_kept().unwrap() {
        let Kept::Flows { flows, text } = kept else { continue };
        count += flows.len();
        let Some(filter) = filter else { continue };
        filter.select(flows, &mut chosen);
        for n in chosen.iter() {
            out.extend_from_slice(text.unwrap().line(n));
            out.push(b'\n');
        }
        black_box(&out);
        out.clear();
    }
    count
}

/// Tests flows in memory one by one.
fn alone(flows: &[Flow], filter: &Filter) -> usize {
    let chosen = flows.iter().filter(|flow| filter.matches(flow)).count();
    black_box(chosen);
    flows.len()
}

/// Tests flows in memory batch by batch.
fn batches(flows: &[Flow], filter: &Filter) -> usize {
    let mut chosen = Chosen::default();
    for batch in flows.chunks(BATCH) {
        filter.select(batch, &mut chosen);
        black_box(&chosen);
    }
    flows.len()
}

fn main() {
    let flows = campus(LINES);
    let nine = text(&flows, &REQUIRED, Form::Text);
    let (ten, none, web) = (filter(TEN), filter(NONE), filter("tcp and port 80"));
    let long = list(50_000);
    let share = |filter: &Filter| {
        let chosen = flows.iter().filter(|flow| filter.matches(flow)).count();
        100 * chosen / flows.len()
    };
    println!(
        "share of flows that match: ten terms {} %, ten that fail {} %",
        share(&ten),
        share(&none)
    );

    let ways = vec![
        way("reader", || reader(&nine)),
        way("reader, text kept", || grep(&nine, None)),
        way("with tcp and port 80", || grep(&nine, Some(&web))),
        way("with ten terms", || grep(&nine, Some(&ten))),
        way("with ten that fail", || grep(&nine, Some(&none))),
        way("with 50,000 addresses", || grep(&nine, Some(&long))),
        way("ten terms one by one", || alone(&flows, &ten)),
        way("by batches", || batches(&flows, &ten)),
        way("ten that fail one by one", || alone(&flows, &none)),
        way("by batches", || batches(&flows, &none)),
        way("50,000 by batches", || batches(&flows, &long)),
    ];
    contest(ways, "the reader");
}
