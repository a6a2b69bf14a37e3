//! Lists for programs, and what other files say of incidents.

use super::*;

#[test]
fn a_list_for_blocking_has_only_outside_hosts_that_spoke() {
    let lab = Lab::new("UTC");
    let outside = |host: &str, start: u64, marks: &[&str]| {
        let marks = marks.iter().map(|mark| (*mark).to_owned()).collect();
        found(Finding { side: Some(Side::Outside), marks, ..finding(host, start, 300) })
    };
    let now = START + 2 * DAY;
    let mut items = clean(now - 3600, now);
    items.push(outside("198.51.100.1", now - 600, &[]));
    lab.run(items);
    let list = |name: &str| -> Vec<String> {
        let text = lab.page(name);
        // Comments stand on top only.
        let rows = text.lines().skip_while(|line| line.starts_with('#'));
        rows.map(str::to_owned).collect()
    };
    assert_eq!(list("blocklist4.txt"), [""; 0]);
    assert!(lab.page("blocklist4.txt").contains("no finding has that mark"));
    lab.run([
        outside("198.51.100.2", now - 600, &["spoke"]),
        outside("2001:db8::2", now - 600, &["spoke"]),
        outside("198.51.100.3", now - 600, &["forged", "spoke"]),
        outside("198.51.100.4", now - DAY - 1200, &["spoke"]),
        found(Finding {
            marks: vec!["spoke".to_owned()],
            ..finding("140.119.1.1", now - 600, 300)
        }),
        found(Finding {
            kind: Kind::Flood,
            side: Some(Side::Outside),
            marks: vec!["spoke".to_owned()],
            ..finding("198.51.100.5", now - 600, 300)
        }),
        found(Finding {
            role: Role::Target,
            side: Some(Side::Outside),
            marks: vec!["spoke".to_owned()],
            ..finding("198.51.100.6", now - 600, 300)
        }),
    ]);
    assert_eq!(list("blocklist4.txt"), ["198.51.100.2"]);
    assert_eq!(list("blocklist6.txt"), ["2001:db8::2"]);
}

#[test]
fn the_feed_tells_of_the_beginning_and_the_end_once_each() {
    let lab = Lab::new("Asia/Taipei");
    let entries = |text: &str| -> Vec<(String, String)> {
        let part = |entry: &str, tag: &str| {
            let rest = entry.split(&format!("<{tag}>")).nth(1).unwrap();
            rest.split(&format!("</{tag}>")).next().unwrap().to_owned()
        };
        text.split("<entry>")
            .skip(1)
            .map(|entry| (part(entry, "id"), part(entry, "title")))
            .collect()
    };
    let (first, rest): (Vec<Item>, Vec<Item>) = story()
        .into_iter()
        .partition(|item| item.window().unwrap().unwrap().start() < START + 21 * HOUR);
    lab.run(first);
    let begun = entries(&lab.page("feed.atom"));
    assert_eq!(begun.len(), 1);
    assert!(begun[0].1.starts_with("140.119.53.7 (inside): "), "{begun:?}");
    lab.run(rest);
    let all = entries(&lab.page("feed.atom"));
    assert!(all.contains(&begun[0]), "{all:?}");
    assert!(all.iter().any(|(_, title)| title.starts_with("Over: 140.119.53.7")), "{all:?}");
    let ids: BTreeSet<&String> = all.iter().map(|(id, _)| id).collect();
    assert_eq!(ids.len(), all.len());
}

#[test]
fn the_records_of_the_database_stand_beside_their_incidents() {
    let lab = Lab::new("Asia/Taipei");
    let line = include_str!("../../../tests/data/nfpage/incident.jsonl");
    let lines = format!("{line}nonsense\n");
    lab.run(story());
    assert!(!lab.page("index.html").contains("Owner"));
    let (_, written) = lab.run_with([], Some(&lines));
    assert!(written.bad_records.unwrap().starts_with("line 3: "));
    let host = lab.page("host/140.119.53.7.html");
    for text in ["owner@example.edu", "nfnotify resolve --why", "ticket 7", "2026-12-02"] {
        assert!(host.contains(text), "{text}: {host}");
    }
    assert!(lab.page("index.html").contains("Owner"));
    check_links(&lab.www());
    // The page is written again when the record changes, and only then.
    let (_, written) = lab.run_with([], Some(&lines));
    assert_eq!(written.written, 0);
}
