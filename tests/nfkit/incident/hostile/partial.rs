//! Input of which a part could not be read or was left out: nothing in it makes an incident look over.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;

/// Returns eight windows after the first, each with a finding about the host, the closing marks before all
/// findings.
fn attack_goes_on() -> String {
    let numbers = 1..9;
    let marks: String =
        numbers.clone().flat_map(|n| ends(n).lines().map(line).collect::<Vec<_>>()).collect();
    marks + &numbers.map(|number| found(number, &[])).collect::<Vec<_>>().concat()
}

fn line(text: &str) -> String {
    text.to_owned() + "\n"
}

/// Returns a site where the host was found in window 0.
fn site() -> Site {
    let site = Site::new("");
    site.take_in(11, &(found(0, &[]) + &ends(0)));
    site
}

fn state(site: &Site, host: &str) -> String {
    of_host(site, host)["state"].as_str().unwrap().to_owned()
}

const HOST: &str = "140.119.44.91";

#[test]
fn a_line_that_is_not_understood_may_be_a_finding() {
    for (from, to) in [
        ("\t22\t", "\t22x\t"),
        (HOST, "140.119.44.?"),
        ("scan\thorizontal", "scam\thorizontal"),
        ("2540\t2540\t", "2540\t"),
    ] {
        let site = site();
        let lines = attack_goes_on().replace(from, to);
        let ran = at_minute(&site, 101, &lines).run().status(0).says("bad lines");
        assert!(ran.err.contains("no window that waits counts as clean"), "{from}{ran}");
        assert_eq!(state(&site, HOST), "open", "{from}");
    }
    // With all of it understood, it is quiet only if nothing is found.
    let site = site();
    site.take_in(101, &attack_goes_on());
    assert_eq!(state(&site, HOST), "open");
    site.take_in(171, &(9..16).map(ends).collect::<Vec<_>>().concat());
    assert_eq!(state(&site, HOST), "quiet");
}

#[test]
fn a_file_that_was_cut_short_may_lack_a_finding() {
    let site = site();
    let mut whole = GzEncoder::new(Vec::new(), Compression::default());
    whole.write_all(attack_goes_on().as_bytes()).unwrap();
    let whole = whole.finish().unwrap();
    let path = site.0.write("torn.gz", &whole[..whole.len() - 60]);
    let torn = ["run", "--now", &at(101), path.to_str().unwrap()];
    site.nfnotify(&torn).run().status(1).says("no window that waits counts as clean");
    assert_eq!(state(&site, HOST), "open");
    // The marks were read before the cut.
    let plan = site.nfnotify(&["plan", "--json", "--now", &at(102)]).run().ok();
    let run: Value = serde_json::from_str(plan.text().lines().next().unwrap()).unwrap();
    assert_eq!(run["newest"], at(80));
    site.0.write("torn.gz", &whole);
    site.nfnotify(&torn).run().status(0);
    assert_eq!(state(&site, HOST), "open");
    assert_eq!(of_host(&site, HOST)["windows"], 9);
}

#[test]
fn a_window_with_more_findings_than_are_taken_may_lack_one() {
    let site = Site::new("");
    let outside = |number, flows: &str, host: &str| {
        found(number, &[("host", host), ("side", "outside"), ("flows", flows), ("peers", "5")])
    };
    let scanner = "203.0.113.5";
    site.take_in(11, &(outside(0, "2540", scanner) + &ends(0)));
    for number in 1..8 {
        let noise = (0..10_000)
            .map(|n| outside(number, "9000", &format!("100.64.{}.{}", n / 250, n % 250)));
        let lines =
            noise.collect::<Vec<_>>().concat() + &outside(number, "2540", scanner) + &ends(number);
        let ran = at_minute(&site, 10 * number + 11, &lines).run().status(0);
        assert!(ran.err.contains("does not count as clean: 1\n"), "{ran}");
    }
    assert_eq!(state(&site, scanner), "open");
}

#[test]
fn a_lost_database_is_no_answer() {
    let site = site();
    for name in ["incidents.db", "incidents.db-wal", "incidents.db-shm"] {
        _ = fs::remove_file(site.0.path("memory").join(name));
    }
    for words in [&["policy", HOST][..], &["plan"], &["claim", "1", "--why", "x"]] {
        let ran = site.nfnotify(words).run().status(1);
        assert!(ran.err.contains("database is gone"), "{ran}");
        assert_eq!(ran.out, b"", "{ran}");
    }
}
