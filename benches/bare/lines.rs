//! Contests over flow lines in memory: each contestant reads all of them.

use std::hint::black_box;

use nfkit::flow::Flow;
use nfkit::line::{Column, Form, Item, Reader, Writer};
use nfkit::scenario::{Player, ScenarioKind, ScenarioPlan};

use super::{cpu, load, median};

/// Lines of a contest.
pub const LINES: usize = 60_000;
/// Turns of each contestant.
pub const TURNS: usize = 15;

/// Returns the first `count` IPv4 flows of a campus.
pub fn campus(count: usize) -> Vec<Flow> {
    let plan = ScenarioPlan {
        kind: ScenarioKind::Campus,
        seed: 1,
        flows: None,
        length: None,
        start: None,
    };
    let mut player = Player::new(plan).unwrap();
    player.next_window();
    let (mut flows, mut batch) = (Vec::new(), Vec::new());
    while flows.len() < count && player.next(&mut batch) {
        flows.extend(batch.iter().map(|(_, flow)| *flow).filter(|flow| flow.sip.is_ipv4()));
    }
    flows.truncate(count);
    flows
}

/// Returns the lines of flows under the names of their columns.
pub fn text(flows: &[Flow], columns: &[Column], form: Form) -> Vec<u8> {
    let mut text = Vec::new();
    let mut writer = Writer::new(&mut text).columns(columns).form(form);
    writer.fields().unwrap();
    writer.flows(flows).unwrap();
    text
}

/// Reads all of a text with the reader. Returns the number of lines.
pub fn reader(text: &[u8]) -> usize {
    let (mut reader, mut count) = (Reader::new(text), 0);
    while let Some(item) = reader.next_item().unwrap() {
        let Item::Flows(flows) = item else { panic!("{item:?}") };
        count += black_box(flows).len();
    }
    count
}

/// A contestant, whose function returns the number of lines that it read.
pub struct Way<'a> {
    name: &'static str,
    run: Box<dyn Fn() -> usize + 'a>,
    /// Nanoseconds a line, of each turn.
    took: Vec<f64>,
}

/// Returns a contestant.
pub fn way<'a>(name: &'static str, run: impl Fn() -> usize + 'a) -> Way<'a> {
    Way { name, run: Box::new(run), took: Vec::new() }
}

/// Lets all contestants take turns, and prints the median of each, also in relation to the first,
/// which is called `first`.
pub fn contest(mut ways: Vec<Way<'_>>, first: &str) {
    for _ in 0..TURNS {
        for way in &mut ways {
            let start = cpu();
            assert_eq!((way.run)(), LINES, "{}", way.name);
            way.took.push((cpu() - start) as f64 / LINES as f64);
        }
    }
    println!("{LINES} flow lines in memory, CPU, median of {TURNS} turns, {}", load());
    println!("{:28}{:>10}{:>12}  of {first}'s rate", "", "ns/line", "M lines/s");
    let least = ways.first_mut().map_or(1.0, |way| median(&mut way.took));
    for way in &mut ways {
        let took = median(&mut way.took);
        println!("{:28}{took:>10.1}{:>12.1}{:>10.2}", way.name, 1e3 / took, least / took);
    }
}
