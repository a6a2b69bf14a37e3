//! `nfflood --live`: floods are reported while they last, and the report at the end is the same as
//! without `--live`.

use std::collections::{BTreeMap, BTreeSet};

use crate::detector::{FIELDS, W1, window};
use crate::golden::START;
use crate::harness::{INSIDE, Scene, tool};

/// The host that is flooded.
const VICTIM: &str = "140.119.100.13";

/// Returns the flow lines of these seconds of the window: `a_second` SYNs to the victim in each,
/// and an ordinary conversation.
fn seconds(of: std::ops::Range<u64>, a_second: u64) -> String {
    let second = |n: u64| {
        let time = START + n;
        let syn = |k: u64| {
            let port = 1024 + n * a_second + k;
            format!("1\t203.0.113.9\t{VICTIM}\t2\t6\t{port}\t80\t1\t40\t{time}\t{time}\n")
        };
        let ordinary = format!(
            "1\t198.51.100.{c}\t140.119.1.1\t2\t6\t{port}\t443\t9\t900\t{time}\t{time}\n\
             2\t140.119.1.1\t198.51.100.{c}\t1\t6\t443\t{port}\t9\t9000\t{time}\t{time}\n",
            c = n % 250,
            port = 2000 + n
        );
        (0..a_second).map(syn).collect::<String>() + &ordinary
    };
    of.map(second).collect()
}

fn fields() -> String {
    FIELDS.trim_end().to_owned() + "\tstart\tend\n"
}

#[test]
fn a_flood_is_reported_while_it_lasts() {
    let args = ["--live", "--inside", INSIDE];
    let mut nfflood = tool("nfflood").args(args).live();
    nfflood.send(fields() + &format!("#window\t{W1}\n") + &seconds(0..40, 20));
    assert!(nfflood.next().starts_with("#fields\t"));
    let row = nfflood.next();
    let cells: Vec<_> = row.split('\t').collect();
    assert_eq!(cells[..6], ["2001-07-01T00:20:00Z", "600", "flood", "dos", VICTIM, "target"]);
    let early: u64 = cells[11].parse().unwrap();
    assert!((200..=800).contains(&early), "{row}");
    nfflood.send(seconds(40..60, 20) + &format!("#end\t{W1}\tstate=ok\n"));
    assert_eq!(nfflood.next(), format!("#window\t{W1}"));
    let last = nfflood.next();
    let last: Vec<_> = last.split('\t').collect();
    // The same row, now with all flows of the window.
    assert_eq!((last[..9].to_vec(), last[11]), (cells[..9].to_vec(), "1200"));
    assert!(nfflood.next().starts_with("#end\t"));
    nfflood.close().ok().mute();
}

#[test]
fn live_output_ends_with_the_same_rows_as_without_live() {
    let scene = Scene::new();
    let (capture, truth) = (scene.path("campus.pcapng"), scene.path("truth"));
    let with = "webserver=300,resolver=500,p2p=400,crawler=300,crowd=300,backscatter=300,flood=2000x2,\
                botnet=2500,forged=4000,reflected,carpet=8000,outbound,quicflood=2500";
    tool("nfgen")
        .args(["campus", "--flows", "60000", "--with", with, "--seed", "3", "-w"])
        .args([capture.as_os_str(), "--truth".as_ref(), truth.as_os_str()])
        .run()
        .ok();
    let decoded =
        tool("nfdump-txt").args(["--fields", "+start,end,flags"]).arg(&capture).run().ok();
    let run = |args: &[&str]| {
        let nfflood = tool("nfflood").args(["--inside", INSIDE]).args(args);
        nfflood.stdin(decoded.text()).run().ok()
    };
    let (plain, live) = (run(&[]), run(&["--live"]));
    let marked = |text: &str| text.find("#window").unwrap();
    let rest = |text: &str| text[marked(text)..].to_owned();
    assert_eq!(rest(live.text()), rest(plain.text()));
    // Each early row is also among the final ones, except that the network of a carpet may have
    // grown.
    let key = |row: &BTreeMap<String, String>| ["class", "host", "role"].map(|c| row[c].clone());
    let all: BTreeSet<_> = plain.table().iter().map(key).collect();
    let count = plain.table().len();
    let early: BTreeSet<_> = live.table().iter().rev().skip(count).map(key).collect();
    let odd = |[class, host, role]: &&[String; 3]| {
        let host = host.split('/').next().unwrap_or_default();
        let of =
            |row: &[String; 3]| row[0] == *class && row[1].starts_with(host) && row[2] == *role;
        !all.iter().any(of)
    };
    assert_eq!(early.iter().filter(odd).count(), 0, "{early:?} {all:?}");
    assert!(early.len() >= 8, "{early:?}");
}

#[test]
fn without_times_live_reports_everything_at_the_end() {
    let rows: String = seconds(0..60, 20)
        .lines()
        .map(|row| row.split('\t').take(9).collect::<Vec<_>>().join("\t") + "\n")
        .collect();
    let input = FIELDS.to_owned() + &window(W1, &rows);
    let run = |args: &[&str]| {
        tool("nfflood").args(["--inside", INSIDE]).args(args).stdin(&input).run().ok()
    };
    let live = run(&["--live"]);
    assert_eq!(live.rows().len(), 1, "{live}");
    assert_eq!(live.text(), run(&[]).text());
}

#[test]
fn live_is_refused_with_options_that_print_no_findings() {
    for other in [&["--pairs"][..], &["--calibrate"], &["--explain", VICTIM], &["--paper"]] {
        let run = tool("nfflood").arg("--live").args(other).stdin("").run().status(2);
        run.says("cannot be used with");
    }
}
