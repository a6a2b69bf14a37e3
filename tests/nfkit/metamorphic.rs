//! Changes of the input that must not change a finding: the order of a window's rows, their
//! partition, the addresses of networks, and other windows.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::OnceLock;

use crate::detector::{FIELDS, RULES, W1, attacks, window};
use crate::harness::{DETECTORS, Random, Scene, campus, paper, table, tool};

const INSIDE: Ipv4Addr = Ipv4Addr::new(140, 119, 0, 0);

/// A stream of marked windows, with the line that names its columns.
struct Stream {
    fields: String,
    /// Each window as `START<TAB>SECONDS`, rows and closing mark.
    windows: Vec<(String, Vec<String>, String)>,
}

impl Stream {
    fn read(text: &str) -> Stream {
        let mut stream = Stream { fields: String::new(), windows: Vec::new() };
        for line in text.lines() {
            if line.starts_with("#fields") {
                stream.fields = line.to_owned();
            } else if let Some(mark) = line.strip_prefix("#window\t") {
                stream.windows.push((mark.to_owned(), Vec::new(), String::new()));
            } else if line.starts_with("#end") {
                stream.windows.last_mut().unwrap().2 = line.to_owned();
            } else {
                stream.windows.last_mut().unwrap().1.push(line.to_owned());
            }
        }
        stream
    }

    fn text(&self) -> String {
        let mut text = format!("{}\n", self.fields);
        for (mark, rows, end) in &self.windows {
            text += &format!("#window\t{mark}\n");
            rows.iter().for_each(|row| text += &format!("{row}\n"));
            text += &format!("{end}\n");
        }
        text
    }
}

/// Returns the paper's three windows, and 5,000 ordinary flows with every attack among them.
fn streams() -> [Stream; 2] {
    let campus = campus().text.lines().filter(|line| !line.starts_with('#')).take(5000);
    let short = |line: &str| line.split('\t').take(9).collect::<Vec<_>>().join("\t") + "\n";
    let mixed = campus.map(short).collect::<String>() + &attacks();
    [Stream::read(&paper().text), Stream::read(&(FIELDS.to_owned() + &window(W1, &mixed)))]
}

/// A detector, and the options that choose its classes or the paper's rules.
type By = (&'static str, &'static [&'static str]);

fn all_by() -> impl Iterator<Item = By> {
    DETECTORS.into_iter().flat_map(|name| RULES.map(|rule| (name, rule)))
}

fn judge((name, rule): By, text: &str, inside: Ipv4Addr) -> String {
    let run = tool(name).args(rule).args(["--inside", &format!("{inside}/16")]);
    run.stdin(text).run().ok().text().to_owned()
}

/// Returns the findings in the unchanged streams, in the order of [`all_by`].
fn plain() -> &'static Vec<Vec<String>> {
    static PLAIN: OnceLock<Vec<Vec<String>>> = OnceLock::new();
    PLAIN.get_or_init(|| {
        let all = streams().iter().map(Stream::text).collect::<Vec<_>>();
        let all = all.iter().map(|text| all_by().map(|by| judge(by, text, INSIDE)).collect());
        let all: Vec<Vec<String>> = all.collect();
        for text in all.iter().flatten() {
            assert!(!table(text).is_empty(), "nothing is found, so nothing is tested:\n{text}");
        }
        all
    })
}

/// Changes each stream and calls `check` with the detector, the changed text and the findings
/// before the change.
fn each(change: impl Fn(&mut Stream), check: impl Fn(By, &str, &str)) {
    for (mut stream, before) in streams().into_iter().zip(plain()) {
        change(&mut stream);
        let text = stream.text();
        for (by, before) in all_by().zip(before) {
            check(by, &text, before);
        }
    }
}

#[test]
fn the_order_of_rows_inside_a_window_does_not_matter() {
    let shuffle = |stream: &mut Stream| {
        let mut random = Random(7);
        stream.windows.iter_mut().for_each(|(_, rows, _)| random.shuffle(rows));
    };
    each(shuffle, |by, text, before| assert_eq!(judge(by, text, INSIDE), *before, "{by:?}"));
}

/// Each window is cut into five files, which the shell or the command joins in another order.
#[test]
fn partitions_of_a_window_may_be_joined_in_any_order() {
    let scene = Scene::new();
    for (n, (stream, before)) in streams().iter().zip(plain()).enumerate() {
        for (mark, rows, end) in &stream.windows {
            let part = |k: usize| {
                let rows = rows.iter().skip(k).step_by(5).map(|row| row.clone() + "\n");
                format!("{}\n#window\t{mark}\n{}", stream.fields, rows.collect::<String>())
            };
            let order = [3, 0, 4, 1, 2];
            let mut parts = order.map(part);
            parts[4] += &format!("{end}\n");
            let files: Vec<_> = parts
                .iter()
                .enumerate()
                .map(|(k, part)| scene.write(&format!("{n}{k}"), part))
                .collect();
            for ((name, rule), before) in all_by().zip(before) {
                let run = tool(name).args(rule).args(["--inside", "140.119.0.0/16"]);
                let ran = run.args(&files).run().ok();
                let expected: Vec<_> = before
                    .lines()
                    .filter(|line| line.starts_with("#fields") || line.contains(mark))
                    .collect();
                assert_eq!(
                    ran.text().lines().collect::<Vec<_>>(),
                    expected,
                    "{name} {rule:?}{ran}"
                );
            }
        }
    }
}

/// Replaces each IPv4 address of a text.
fn rename(text: &str, to: impl Fn(Ipv4Addr) -> Ipv4Addr) -> String {
    let mut out = String::with_capacity(text.len());
    let mut word = String::new();
    let done = |word: &mut String, out: &mut String| {
        match word.parse::<Ipv4Addr>() {
            Ok(address) => *out += &to(address).to_string(),
            Err(_) => *out += word,
        }
        word.clear();
    };
    for c in text.chars() {
        if c.is_ascii_digit() || c == '.' {
            word.push(c);
        } else {
            done(&mut word, &mut out);
            out.push(c);
        }
    }
    done(&mut word, &mut out);
    out
}

/// Returns the upper half of an address, its /16 network.
fn upper(address: Ipv4Addr) -> u16 {
    (u32::from(address) >> 16) as u16
}

fn with_upper(address: Ipv4Addr, upper: u16) -> Ipv4Addr {
    Ipv4Addr::from((u32::from(upper) << 16) | u32::from(address) & 0xffff)
}

/// Returns true for a /16 of private, shared or link-local space, which is not like any other: nobody reaches it from
/// outside.
fn is_private(upper: u16) -> bool {
    let [a, b] = upper.to_be_bytes();
    a == 10
        || (a == 172 && b & 0xf0 == 16)
        || (a == 100 && b & 0xc0 == 64)
        || [(192, 168), (169, 254)].contains(&(a, b))
}

/// Renumbers the networks and keeps their order: the output is the same to the byte.
#[test]
fn the_addresses_of_networks_do_not_matter() {
    for (mut stream, before) in streams().into_iter().zip(plain()) {
        let mut nets: BTreeSet<u16> = BTreeSet::from([upper(INSIDE)]);
        for row in stream.windows.iter().flat_map(|(_, rows, _)| rows) {
            nets.extend(row.split('\t').skip(1).take(2).map(|cell| upper(cell.parse().unwrap())));
        }
        let nets: Vec<u16> = nets.into_iter().collect();
        assert!(!nets.iter().any(|net| is_private(*net)));
        let others: Vec<u16> = (1..0xe000).filter(|net| !is_private(*net)).collect();
        let to = |a| with_upper(a, others[nets.binary_search(&upper(a)).unwrap()]);
        let back = |a| with_upper(a, nets[others.binary_search(&upper(a)).unwrap()]);
        assert_ne!(to(INSIDE), INSIDE);
        for (_, rows, _) in &mut stream.windows {
            rows.iter_mut().for_each(|row| *row = rename(row, to));
        }
        let text = stream.text();
        for (by, before) in all_by().zip(before) {
            assert_eq!(rename(&judge(by, &text, to(INSIDE)), back), *before, "{by:?}");
        }
    }
}

/// Renumbers the networks in another order: the findings are the same, but equal peers are listed
/// in another order, so that others of them may be among the twenty that are named.
#[test]
fn the_order_of_networks_does_not_matter() {
    // No network becomes multicast, which has no conversations.
    let turn = |a| {
        let other = upper(a) ^ 0x1e37;
        if is_private(other) { a } else { with_upper(a, other) }
    };
    let change = |stream: &mut Stream| {
        for (_, rows, _) in &mut stream.windows {
            rows.iter_mut().for_each(|row| *row = rename(row, turn));
        }
    };
    let facts = |text: &str| {
        let rows = table(text).into_iter().map(|mut row| {
            let mut peers: Vec<_> = row["peer"].split(',').map(str::to_owned).collect();
            if row["peer"].contains('+') && !row["peer"].contains('=') {
                // Neighbouring networks are merged, so their number depends on their addresses.
                peers.clear();
            } else if row["peer"].contains('+') {
                peers
                    .iter_mut()
                    .for_each(|peer| *peer = peer.split('=').next_back().unwrap().to_owned());
            }
            peers.sort();
            row.insert("peer".to_owned(), peers.join(","));
            let samples = row["sample"].split(';').count();
            row.insert("sample".to_owned(), samples.to_string());
            row
        });
        let mut rows: Vec<_> = rows.collect();
        rows.sort();
        rows
    };
    each(change, |by, text, before| {
        let after = rename(&judge(by, text, turn(INSIDE)), turn);
        assert_eq!(facts(&after), facts(before), "{by:?}\n{after}");
        // Each sample is a flow of the input.
        for row in table(&after) {
            for sample in row["sample"].split(';') {
                let (ends, proto) = sample.rsplit_once('/').unwrap();
                let cells: Vec<_> = ends.split(['>', ':']).collect();
                let [sip, sport, dip, dport] = cells[..] else { panic!("{sample}") };
                let back = |text: &str| turn(text.parse().unwrap()).to_string();
                let part = format!("\t{}\t{}\t", back(sip), back(dip));
                let rest = format!("\t{proto}\t{sport}\t{dport}\t");
                let there = text.lines().any(|line| line.contains(&part) && line.contains(&rest));
                assert!(there, "{by:?}: {sample} is no flow of the input");
            }
        }
    });
}

#[test]
fn other_windows_do_not_matter() {
    let other = |start: &str, stream: &Stream| {
        let mark = format!("{start}\t600");
        let rows: Vec<_> = stream.windows[0].1.iter().step_by(2).cloned().collect();
        (mark.clone(), rows, format!("#end\t{mark}\tstate=ok"))
    };
    let change = |stream: &mut Stream| {
        let (first, last) =
            (other("1999-01-01T00:00:00Z", stream), other("2030-01-01T00:00:00Z", stream));
        stream.windows.insert(0, first);
        stream.windows.push(last);
    };
    each(change, |by, text, before| {
        let after = judge(by, text, INSIDE);
        let same = |line: &&str| !line.contains("1999-01-01T") && !line.contains("2030-01-01T");
        assert_eq!(
            after.lines().filter(same).collect::<Vec<_>>(),
            before.lines().collect::<Vec<_>>(),
            "{by:?}"
        );
        assert!(after.lines().count() >= before.lines().count() + 4, "{by:?}\n{after}");
    });
}
