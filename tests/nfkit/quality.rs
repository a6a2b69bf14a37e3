//! How good nfscan is, as a table that is reviewed: `tests/data/quality.txt` says for each scenario of
//! a grid who was found, missed and wrongly named, beside what simpler rules make of the same flows,
//! and whether the aims are met. `scripts/quality` writes it and shows what moved.
//!
//! `grid` is what is played, `labelled` the traffic of others, `score` the rules of the count, `peers`
//! and `rwscan` the other rules, `table` the text.
//!
//! `NFKIT_QUALITY_CASES=FILE` has every miss and every false alarm written there, a line each.

use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use ipnet::IpNet;

use crate::harness::{INSIDE, Scene, package, skipped, tool};

mod flows;
mod grid;
mod labelled;
mod peers;
mod rwscan;
mod score;
mod table;

use flows::{Stream, Window};
use grid::{Columns, GRID, HALVES, Scenario, State};
use score::{Score, Truth};
use table::Row;

const TABLE: &str = "tests/data/quality.txt";

/// Threads; each runs commands too.
const AT_ONCE: usize = 2;

/// One stream judged by nfscan and by the others.
struct Judged {
    scores: [Score; 5],
    cases: Vec<String>,
}

/// `nfscan` says that it has this option.
fn knows(name: &str, option: &str) -> bool {
    let help = tool(name).arg("--help").run().ok();
    help.text().split_whitespace().any(|word| word == option)
}

/// Whether the commands of today can play and judge this.
fn possible(scenario: &Scenario) -> bool {
    let play = scenario.play.split(' ').filter(|word| word.starts_with("--"));
    play.into_iter().all(|option| knows("nfgen", option))
        && (scenario.state == State::None || knows("nfscan", "--state"))
}

fn words(args: &str) -> Vec<String> {
    let args = grid::WORDS.iter().fold(args.to_owned(), |args, (word, is)| args.replace(word, is));
    args.split(' ').map(str::to_owned).collect()
}

fn judge(
    text: &str,
    stream: &Stream,
    args: &[String],
    inside: Option<&str>,
    truth: &Truth,
) -> Judged {
    let ran = tool("nfscan").args(args).stdin(text).run().ok();
    let ours = score::named(ran.text());
    let scope = inside.map_or(vec![], |inside| vec!["--inside".to_owned(), inside.to_owned()]);
    let paper = tool("nfscan").arg("--paper").args(scope).stdin(text).run().ok();
    let nets = inside.map_or(vec![], labelled::nets);
    let each = |rule: &dyn Fn(&Window) -> BTreeSet<IpAddr>| {
        score::plain(&stream.windows.iter().flat_map(rule).collect())
    };
    let (mut first, cases) = score::score(truth, &ours);
    let ours = |host: &&IpAddr| nets.iter().any(|net: &IpNet| net.contains(*host));
    first.watched = truth.hosts.iter().filter(ours).count() * stream.windows.len();
    let others = [
        score::named(paper.text()),
        each(&|flows| peers::dscan(flows)),
        each(&|flows| peers::unanswered(flows)),
        each(&|flows| rwscan::rwscan(flows, &nets)),
    ];
    let [paper, dscan, unanswered, rwscan] = others.map(|named| score::score(truth, &named).0);
    Judged { scores: [first, paper, dscan, unanswered, rwscan], cases }
}

fn play(scenario: &Scenario, seed: u64) -> Judged {
    let scene = Scene::new();
    let seed = seed.to_string();
    let generate = |args: &str| {
        let ran = tool("nfgen").args(words(args)).args(["--seed", &seed, "--text"]);
        let text = ran.arg("--truth").arg(scene.path("truth")).run().ok().text().to_owned();
        match scenario.columns {
            Columns::All => text,
            Columns::Nine => flows::nine(&text),
        }
    };
    let mut args = Vec::new();
    if let Some(inside) = scenario.inside {
        args.extend(["--inside".to_owned(), inside.to_owned()]);
    }
    if scenario.state != State::None {
        args.extend(["--state".to_owned(), scene.path("state").to_str().unwrap().to_owned()]);
    }
    if let State::Warm(day) = scenario.state {
        tool("nfscan").args(&args).stdin(generate(day)).run().ok();
    }
    let text = generate(scenario.play);
    let stream = Stream::read(&text);
    let truth = Truth::of(&scene.text("truth"), &stream);
    judge(&text, &stream, &args, scenario.inside, &truth)
}

fn try_labelled(sample: &labelled::Sample) -> Judged {
    let stream = Stream::read(&sample.text);
    let truth = labelled::truth(&stream);
    let args = ["--inside".to_owned(), sample.inside.clone()];
    judge(&sample.text, &stream, &args, Some(&sample.inside), &truth)
}

/// Does all jobs, a few at once, and returns what came of them in their order.
fn together<J: Sync, R: Send>(jobs: &[J], work: impl Fn(&J) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some((n, job)) =
                    Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|n| Some((n, jobs.get(n)?)))
                {
                    let result = work(job);
                    done.lock().unwrap().push((n, result));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap();
    done.sort_by_key(|(n, _)| *n);
    done.into_iter().map(|(_, result)| result).collect()
}

/// A half's seeds for a scenario: all if an aim hangs on it, else the first, for what it shows needs no
/// more.
fn seeds(scenario: &Scenario, half: [u64; 2]) -> impl Iterator<Item = u64> {
    let aimed = table::AIMS.iter().any(|aim| aim.rows.contains(&scenario.name));
    half.into_iter().take(if aimed { 2 } else { 1 })
}

/// The rows of the grid, and a line for each case that is wrong.
fn played() -> (Vec<Row>, Vec<String>) {
    let halves = |scenario| HALVES.iter().map(move |&(half, seeds)| (scenario, half, seeds));
    let all: Vec<(&Scenario, &'static str, [u64; 2])> = GRID.iter().flat_map(halves).collect();
    let can: Vec<bool> = all.iter().map(|(scenario, ..)| possible(scenario)).collect();
    let mut jobs: Vec<(usize, u64)> = Vec::new();
    for (row, &(scenario, _, half)) in all.iter().enumerate().filter(|&(row, _)| can[row]) {
        jobs.extend(seeds(scenario, half).map(|seed| (row, seed)));
    }
    let judged = together(&jobs, |&(row, seed)| play(all[row].0, seed));
    let mut rows: Vec<Row> = all
        .iter()
        .zip(&can)
        .map(|(&(scenario, half, _), can)| Row {
            scenario: scenario.name.to_owned(),
            half,
            scores: can.then(Default::default),
        })
        .collect();
    let mut cases = Vec::new();
    for ((row, seed), judged) in jobs.into_iter().zip(judged) {
        let row = &mut rows[row];
        let sums = row.scores.iter_mut().flatten();
        sums.zip(&judged.scores).for_each(|(sum, score)| sum.add(score));
        let case = |case| format!("{}\tseed={seed}\t{case}", row.scenario);
        cases.extend(judged.cases.iter().map(case));
    }
    (rows, cases)
}

fn labelled_rows() -> (Vec<Row>, Vec<String>) {
    let samples = labelled::samples();
    let judged = together(&samples, try_labelled);
    let (mut rows, mut cases) = (Vec::new(), Vec::new());
    for (sample, judged) in samples.into_iter().zip(judged) {
        cases.extend(judged.cases.iter().map(|case| format!("{}\t-\t{case}", sample.name)));
        rows.push(Row { scenario: sample.name, half: "-", scores: Some(judged.scores) });
    }
    (rows, cases)
}

#[test]
fn the_quality_of_nfscan_is_what_was_reviewed() {
    let path = package(TABLE);
    let before = fs::read_to_string(&path).unwrap_or_default();
    let seam = before.find(table::SEAM).unwrap_or(before.len());
    let (rows, mut cases) = played();
    let mut now = table::played(&rows);
    if labelled::there() {
        let (rows, more) = labelled_rows();
        cases.extend(more);
        now += &table::labelled(&rows);
    } else {
        skipped(
            "the labelled sets of ../shared/labelled are not there: their rows stay as they are",
        );
        now += &before[seam..];
    }
    if let Some(file) = std::env::var_os("NFKIT_QUALITY_CASES") {
        fs::write(file, cases.join("\n") + "\n").unwrap();
    }
    if std::env::var_os("NFKIT_BLESS").is_some_and(|value| value == "1") {
        fs::write(&path, now).unwrap();
        return;
    }
    let moved = table::difference(&before, &now);
    assert!(
        moved.is_empty(),
        "{TABLE} is not what is measured now; if that is right, scripts/quality rewrites it.\n{moved}"
    );
}

/// Numbers of the rows are those of one scenario, whatever runs beside it.
#[test]
fn jobs_keep_their_order() {
    let jobs: Vec<u64> = (0..100).collect();
    assert_eq!(together(&jobs, |n| n * n), jobs.iter().map(|n| n * n).collect::<Vec<_>>());
    assert_eq!(INSIDE.parse::<IpNet>().unwrap().prefix_len(), 16);
}
