//! Measures the detectors and compares the result with a reviewed table. `tests/data/quality.txt`
//! says for each scenario of a grid how many attackers and victims were found, missed and wrongly
//! named, with the result of simpler rules on the same flows, and if the aims are met.
//! `scripts/quality` writes the table and shows the changes.
//!
//! `detectors` lists the detectors under test, `grid` their scenarios, `labelled` the traffic of
//! others. `score` has the rules of counting, `peers`, `victims` and `rwscan` the simpler rules,
//! `aims` the aims, `table` the text.
//!
//! `NFKIT_QUALITY_CASES=FILE` writes every miss and every false alarm to FILE, a line each.

use std::fs;
use std::net::IpAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use foldhash::HashSet;
use ipnet::IpNet;

use crate::harness::{INSIDE, Scene, package, skipped, table as rows_of, tool};

mod aims;
mod detectors;
mod flows;
mod grid;
mod labelled;
mod peers;
mod rwscan;
mod score;
mod table;
mod victims;

use detectors::{DETECTORS, Detector, RuleInput};
use flows::Stream;
use grid::{Columns, HALVES, Scenario, State};
use score::{Score, Truth};
use table::Row;

const TABLE: &str = "tests/data/quality.txt";

/// The number of threads. Each also runs commands.
const AT_ONCE: usize = 2;

/// The scores of one stream: the detector's, and then those of the simpler rules.
struct Judged {
    scores: Vec<Score>,
    cases: Vec<String>,
}

/// Returns true if a command has this option.
fn has_option(name: &str, option: &str) -> bool {
    let help = tool(name).arg("--help").run().ok();
    help.text().split_whitespace().any(|word| word == option)
}

/// Returns true if today's commands have all options of a scenario.
fn is_possible(detector: &Detector, scenario: &Scenario) -> bool {
    let options = |words: &[&'static str]| -> Vec<&'static str> {
        words.iter().copied().filter(|word| word.starts_with("--")).collect()
    };
    let play: Vec<_> = scenario.play.split(' ').collect();
    options(&play).into_iter().all(|option| has_option("nfgen", option))
        && options(scenario.options).into_iter().all(|option| has_option(detector.tool, option))
        && (scenario.state == State::None || has_option(detector.tool, "--state"))
}

fn words(args: &str) -> Vec<String> {
    let args = grid::WORDS.iter().fold(args.to_owned(), |args, (word, is)| args.replace(word, is));
    args.split(' ').map(str::to_owned).collect()
}

/// Scores the findings, and those of the simpler rules, against the truth.
fn judge(detector: &Detector, findings: &[String], input: &RuleInput, truth: &Truth) -> Judged {
    let ours: Vec<_> = findings.iter().flat_map(|text| score::named(text)).collect();
    let (mut first, cases) = score::score(truth, &ours);
    let inside = |host: &&IpAddr| input.nets.iter().any(|net: &IpNet| net.contains(*host));
    first.watched = truth.hosts.iter().filter(inside).count() * input.stream.windows.len();
    let peers = detector.peers.iter().map(|peer| score::score(truth, &(peer.says)(input)).0);
    Judged { scores: [first].into_iter().chain(peers).collect(), cases }
}

fn play(detector: &Detector, scenario: &Scenario, seed: u64) -> Judged {
    let scene = Scene::new();
    let seed = seed.to_string();
    let generate = |args: &str| {
        let ran = tool("nfgen").args(words(args)).args(["--seed", &seed, "--text"]);
        ran.arg("--truth").arg(scene.path("truth")).run().ok().text().to_owned()
    };
    let columns = |text: String| match scenario.columns {
        Columns::All => text,
        Columns::Nine => flows::nine(&text),
    };
    let detect = |name: &str, text: &str| {
        let mut run = tool(name);
        if let Some(inside) = scenario.inside {
            run = run.args(["--inside", inside]);
        }
        if scenario.state != State::None {
            run = run.arg("--state").arg(scene.path(name));
        }
        let options = scenario.options.iter().filter(|_| name == detector.tool);
        run.args(options).stdin(text).run().ok().text().to_owned()
    };
    if let State::Warm(day) = scenario.state {
        detect(detector.tool, &columns(generate(day)));
    }
    let mut text = generate(scenario.play);
    let truth_text = scene.text("truth");
    if let Some(targets) = scenario.cut {
        let must = rows_of(&truth_text).into_iter().filter(|row| {
            row["kind"] == "port" && row["expect"] == "must" && row["role"] == "source"
        });
        let worms: HashSet<String> = must.map(|row| row["host"].clone()).collect();
        text = flows::cut(&text, &worms, targets);
    }
    let text = columns(text);
    let stream = Stream::read(&text);
    let truth = Truth::of(detector.kind, scenario.must, &truth_text, &stream);
    let by = [Some(detector.tool), scenario.also];
    let findings: Vec<_> = by.into_iter().flatten().map(|name| detect(name, &text)).collect();
    let nets = scenario.inside.map_or(vec![], labelled::nets);
    let input = RuleInput {
        tool: detector.tool,
        text: &text,
        stream: &stream,
        inside: scenario.inside,
        nets: &nets,
    };
    judge(detector, &findings, &input, &truth)
}

/// Judges a sample by all detectors.
fn judge_sample(sample: &labelled::Sample) -> Vec<Judged> {
    let stream = Stream::read(&sample.text);
    let nets = labelled::nets(&sample.inside);
    let all = DETECTORS.iter().map(|detector| {
        let (tool_name, text) = (detector.tool, sample.text.as_str());
        let ran = tool(tool_name).args(["--inside", &sample.inside]).stdin(text).run().ok();
        let (stream, inside) = (&stream, Some(sample.inside.as_str()));
        let input = RuleInput { tool: tool_name, text, stream, inside, nets: &nets };
        let truth = labelled::truth(detector.kind, stream);
        judge(detector, &[ran.text().to_owned()], &input, &truth)
    });
    all.collect()
}

/// Does all jobs, a few at once, and returns their results in the order of the jobs.
fn run_jobs<J: Sync, R: Send>(jobs: &[J], work: impl Fn(&J) -> R + Sync) -> Vec<R> {
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

/// Returns the seeds of a half for a scenario: as many as the detector sets if an aim depends on
/// the row, else one.
fn seeds(detector: &Detector, scenario: &Scenario, half: [u64; 2]) -> impl Iterator<Item = u64> {
    let aimed = detector.aims.iter().any(|aim| aim.all_rows().any(|row| row == scenario.name));
    half.into_iter().take(if aimed { detector.seeds } else { 1 })
}

/// Returns the rows of a grid, without scores yet.
fn empty(detector: &'static Detector) -> Vec<(&'static Scenario, Row)> {
    let halves = |scenario: &'static Scenario| {
        let can = is_possible(detector, scenario);
        HALVES.iter().map(move |&(half, _)| {
            let scores = can.then(|| vec![Score::default(); 1 + detector.peers.len()]);
            (scenario, Row { scenario: scenario.name.to_owned(), half, scores })
        })
    };
    detector.grid.iter().flat_map(halves).collect()
}

/// Plays the grids. Returns the rows, and a line for each case that is wrong.
fn played() -> (Vec<Vec<Row>>, Vec<String>) {
    let mut all: Vec<_> = DETECTORS.iter().map(empty).collect();
    let mut jobs: Vec<(usize, usize, u64)> = Vec::new();
    for (n, rows) in all.iter().enumerate() {
        for (at, (scenario, row)) in
            rows.iter().enumerate().filter(|(_, (_, r))| r.scores.is_some())
        {
            let (_, half) = HALVES.iter().find(|(half, _)| *half == row.half).unwrap();
            jobs.extend(seeds(&DETECTORS[n], scenario, *half).map(|seed| (n, at, seed)));
        }
    }
    let judged = run_jobs(&jobs, |&(n, at, seed)| play(&DETECTORS[n], all[n][at].0, seed));
    let mut cases = Vec::new();
    for ((n, at, seed), judged) in jobs.into_iter().zip(judged) {
        let row = &mut all[n][at].1;
        let sums = row.scores.iter_mut().flatten();
        sums.zip(&judged.scores).for_each(|(sum, score)| sum.add(score));
        let from = format!("{}\t{}\tseed={seed}", DETECTORS[n].tool, row.scenario);
        cases.extend(judged.cases.iter().map(|case| format!("{from}\t{case}")));
    }
    let rows = all.into_iter().map(|rows| rows.into_iter().map(|(_, row)| row).collect());
    (rows.collect(), cases)
}

fn labelled_rows() -> (Vec<Vec<Row>>, Vec<String>) {
    let samples = labelled::samples();
    let judged = run_jobs(&samples, judge_sample);
    let (mut all, mut cases) = ([const { Vec::new() }; DETECTORS.len()], Vec::new());
    for (sample, judged) in samples.into_iter().zip(judged) {
        for ((judged, detector), rows) in judged.into_iter().zip(&DETECTORS).zip(&mut all) {
            let from = format!("{}\t{}\t-", detector.tool, sample.name);
            cases.extend(judged.cases.iter().map(|case| format!("{from}\t{case}")));
            let scores = Some(judged.scores);
            rows.push(Row { scenario: sample.name.clone(), half: "-", scores });
        }
    }
    (all.into(), cases)
}

#[test]
fn the_measured_quality_equals_the_reviewed_table() {
    let path = package(TABLE);
    let before = fs::read_to_string(&path).unwrap_or_default();
    let seam = before.find(table::SEAM).unwrap_or(before.len());
    let (rows, mut cases) = played();
    let mut now = table::played(&rows);
    if labelled::are_there() {
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

/// The results of concurrent jobs belong to their own scenarios.
#[test]
fn results_keep_the_order_of_the_jobs() {
    let jobs: Vec<u64> = (0..100).collect();
    assert_eq!(run_jobs(&jobs, |n| n * n), jobs.iter().map(|n| n * n).collect::<Vec<_>>());
    assert_eq!(INSIDE.parse::<IpNet>().unwrap().prefix_len(), 16);
}
