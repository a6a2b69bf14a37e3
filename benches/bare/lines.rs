//! Flow lines in memory, and who reads them: turns of ways that each read all of them.

use std::hint::black_box;

use nfkit::flow::Flow;
use nfkit::line::{Column, Form, Item, Reader, Writer};
use nfkit::scenario::{Player, ScenarioKind, ScenarioPlan};

use super::{cpu, load, median};

/// Lines of the scenario.
pub const LINES: usize = 60_000;
/// Turns.
pub const TURNS: usize = 15;

/// Flows of a campus as they come, all of them of IPv4.
pub fn campus() -> Vec<Flow> {
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
    while flows.len() < LINES && player.next(&mut batch) {
        flows.extend(batch.iter().map(|(_, flow)| *flow).filter(|flow| flow.sip.is_ipv4()));
    }
    flows.truncate(LINES);
    flows
}

/// Their lines, under the names of the columns.
pub fn text(flows: &[Flow], columns: &[Column], form: Form) -> Vec<u8> {
    let mut text = Vec::new();
    let mut writer = Writer::new(&mut text).columns(columns).form(form);
    writer.fields().unwrap();
    writer.flows(flows).unwrap();
    text
}

/// All of a text through the reader.
pub fn reader(text: &[u8]) -> usize {
    let (mut reader, mut count) = (Reader::new(text), 0);
    while let Some(item) = reader.next_item().unwrap() {
        let Item::Flows(flows) = item else { panic!("{item:?}") };
        count += black_box(flows).len();
    }
    count
}

/// One contestant, which returns how many lines it read.
pub struct Way<'a> {
    name: &'static str,
    run: Box<dyn Fn() -> usize + 'a>,
    /// Nanoseconds a line, turn by turn.
    took: Vec<f64>,
}

pub fn way<'a>(name: &'static str, run: impl Fn() -> usize + 'a) -> Way<'a> {
    Way { name, run: Box::new(run), took: Vec::new() }
}

/// Lets all take turns, and prints what each took beside the first, called `first`.
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
