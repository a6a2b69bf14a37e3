//! Writes flow lines of flows in memory: with the writer, in the simple way that it replaced, and
//! in a bare loop.
//!
//! All contestants take turns in one run, because other load on the machine changes every figure;
//! compare ratios. The flows lie in the cache, as freshly decoded ones do.
#![allow(clippy::unwrap_used, clippy::print_stdout)]
#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock and its arguments")]

mod bare;

use std::fmt::Display;
use std::hint::black_box;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv6Addr};

use bare::lines::campus;
use bare::{LINE, Line, cpu, load, median};
use nfkit::flow::{BATCH, Extra, Flow};
use nfkit::line::{Column, Form, REQUIRED, Writer};

/// Flows of the scenario.
const FLOWS: usize = 4 * BATCH;
/// Passes over the flows in one turn.
const PASSES: usize = 40;
/// Turns of each contestant.
const TURNS: usize = 15;

/// Writes a line as the earlier writer did: pushes into a vector, cell by cell.
fn simple(text: &mut Vec<u8>, columns: &[Column], flow: &Flow) {
    for (n, column) in columns.iter().enumerate() {
        if n > 0 {
            text.push(b'\t');
        }
        match column {
            Column::Sif => number(text, flow.sif),
            Column::Sip => address(text, flow.sip),
            Column::Dip => address(text, flow.dip),
            Column::Dif => number(text, flow.dif),
            Column::Proto => number(text, flow.proto),
            Column::Sport => number(text, flow.sport),
            Column::Dport => number(text, flow.dport),
            Column::Packets => number(text, flow.packets),
            Column::Octets => number(text, flow.octets),
            Column::Start => display(text, flow.start.unwrap()),
            Column::End => display(text, flow.end.unwrap()),
            _ => unreachable!(),
        }
    }
    text.push(b'\n');
}

fn number(text: &mut Vec<u8>, value: impl itoa::Integer) {
    text.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

fn display(text: &mut Vec<u8>, value: impl Display) {
    write!(text, "{value}").unwrap();
}

fn address(text: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            number(text, a);
            for part in [b, c, d] {
                text.push(b'.');
                number(text, part);
            }
        }
        IpAddr::V6(address) => display(text, address),
    }
}

/// Writes one line of the nine columns, with IPv4 and counts of 32 bits only.
#[inline(always)]
fn bare_line(line: &mut Line<'_>, flow: &Flow) {
    let bytes = |address: IpAddr| match address {
        IpAddr::V4(address) => address.octets(),
        IpAddr::V6(_) => [0; 4],
    };
    line.number(flow.sif, b'\t');
    line.ipv4(bytes(flow.sip), b'\t');
    line.ipv4(bytes(flow.dip), b'\t');
    line.number(flow.dif, b'\t');
    line.small(flow.proto, b'\t');
    line.wide(flow.sport.into(), b'\t');
    line.wide(flow.dport.into(), b'\t');
    line.number(flow.packets as u32, b'\t');
    line.wide(flow.octets as u32, b'\n');
}

/// A stream that drops all data.
struct Nothing;

impl Write for Nothing {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        Ok(black_box(data).len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn old(out: &mut impl Write, text: &mut Vec<u8>, columns: &[Column], flows: &[Flow]) {
    for flow in flows {
        simple(text, columns, flow);
        if text.len() > 16 * 1024 {
            out.write_all(text).unwrap();
            text.clear();
        }
    }
    out.write_all(text).unwrap();
    text.clear();
}

fn bare(out: &mut impl Write, text: &mut [u8], flows: &[Flow]) {
    let mut at = 0;
    for flow in flows {
        if at > text.len() - LINE {
            out.write_all(&text[..at]).unwrap();
            at = 0;
        }
        let room = (&mut text[at..at + LINE]).try_into().unwrap();
        let mut line = Line { room, at: 0 };
        bare_line(&mut line, flow);
        at += line.at;
    }
    out.write_all(&text[..at]).unwrap();
}

/// A function that writes lines of flows.
type Writes<'a> = Box<dyn FnMut(&[Flow]) + 'a>;

/// A contestant.
struct Way<'a> {
    name: &'static str,
    flows: &'a [Flow],
    batch: usize,
    write: Writes<'a>,
    /// Nanoseconds a line, of each turn.
    took: Vec<f64>,
}

impl<'a> Way<'a> {
    fn new(name: &'static str, flows: &'a [Flow], write: impl FnMut(&[Flow]) + 'a) -> Way<'a> {
        Way { name, flows, batch: BATCH, write: Box::new(write), took: Vec::new() }
    }

    fn batch(mut self, batch: usize) -> Way<'a> {
        self.batch = batch;
        self
    }

    fn turn(&mut self) {
        let start = cpu();
        for _ in 0..PASSES {
            self.flows.chunks(self.batch).for_each(&mut self.write);
        }
        self.took.push((cpu() - start) as f64 / (PASSES * self.flows.len()) as f64);
    }
}

fn old_way<'a>(name: &'static str, flows: &'a [Flow], columns: &'a [Column]) -> Way<'a> {
    let mut text = Vec::new();
    Way::new(name, flows, move |flows| old(&mut Nothing, &mut text, columns, flows))
}

fn new_way<'a>(name: &'static str, flows: &'a [Flow], columns: &[Column], form: Form) -> Way<'a> {
    let extra = Extra { tos: Some(184), vlan: Some(100), domain: Some(1), ..Extra::default() };
    let extras = [extra; BATCH];
    let mut writer = Writer::new(Nothing).columns(columns).form(form);
    Way::new(name, flows, move |flows| writer.rows(flows, &extras[..flows.len()]).unwrap())
}

/// Returns the flows with IPv6 addresses, half of them with a run of zeros.
fn ipv6(flows: &[Flow]) -> Vec<Flow> {
    let wide = |address: IpAddr| match address {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets().map(u16::from);
            let parts = match d % 2 {
                0 => [0x2001, 0xdb8, a, b, 0, 0, c, d],
                _ => [0x2001, 0xdb8, a, b, (c << 8) | d, (a << 8) | b, (b << 8) | c, d],
            };
            IpAddr::V6(Ipv6Addr::from(parts))
        }
        address => address,
    };
    flows.iter().map(|flow| Flow { sip: wide(flow.sip), dip: wide(flow.dip), ..*flow }).collect()
}

fn main() {
    let v4 = campus(FLOWS);
    let v6 = ipv6(&v4);
    let timed = [REQUIRED.as_slice(), &[Column::Start, Column::End]].concat();

    let (mut first, mut second, mut third) = (Vec::new(), Vec::new(), Vec::new());
    old(&mut first, &mut Vec::new(), &REQUIRED, &v4);
    bare(&mut second, &mut [0; 1 << 16], &v4);
    Writer::new(&mut third).flows(&v4).unwrap();
    assert!(first == second && first == third, "the ways write different lines");

    let mut text = vec![0; 1 << 16];
    let mut ways = [
        Way::new("bare loop", &v4, move |flows| bare(&mut Nothing, &mut text, flows)),
        old_way("nine, before", &v4, &REQUIRED),
        new_way("nine", &v4, &REQUIRED, Form::Text),
        new_way("nine, 30 at a time", &v4, &REQUIRED, Form::Text).batch(30),
        new_way("nine, CSV", &v4, &REQUIRED, Form::Csv),
        new_way("nine, JSON", &v4, &REQUIRED, Form::Json),
        old_way("nine, IPv6, before", &v6, &REQUIRED),
        new_way("nine, IPv6", &v6, &REQUIRED, Form::Text),
        old_way("start and end, before", &v4, &timed),
        new_way("start and end", &v4, &timed, Form::Text),
        new_way("every column", &v4, &Column::ALL, Form::Text),
    ];
    for _ in 0..TURNS {
        ways.iter_mut().for_each(Way::turn);
    }
    println!(
        "flow lines from {FLOWS} flows in the cache, CPU, median of {TURNS} turns, {}",
        load()
    );
    println!("{:24}{:>10}{:>10}{:>10}", "", "ns/line", "M lines/s", "x bare");
    let mut bare = 0.0;
    for way in &mut ways {
        let took = median(&mut way.took);
        if bare == 0.0 {
            bare = took;
        }
        println!("{:24}{took:>10.1}{:>10.1}{:>10.2}", way.name, 1e3 / took, took / bare);
    }
}
