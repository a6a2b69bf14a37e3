//! The keys of a line, and lines that are read back.

use super::*;
use crate::finding::tests::{any_finding, finding};
use crate::finding::{Finding, line};
use crate::incident::{Deadline, JournalRow, Subject};
use crate::time::Window;
use proptest::prelude::*;
use serde_json::{Value, json};

const START: u64 = 1_000_000_200;

fn facts() -> Facts {
    Facts {
        now: START + 600,
        mode: Mode::Shadow,
        newest: Window::new(START, 600),
        network_kind: NetworkKind::Static,
        never: None,
        is_told: false,
        is_frozen: false,
        has_device: true,
    }
}

fn incident(findings: &[Finding]) -> Incident {
    let window = Window::new(START, 600).unwrap();
    let mut incident = Incident::new(42, Subject::of(&findings[0]), findings[0].side, window);
    incident.body.state = State::Open;
    incident.body.windows = 1;
    let matters = findings.iter().map(|one| Matter::new(one, &line(one), window, false));
    incident.body.matters = matters.collect();
    incident
}

fn record(incident: &Incident, facts: &Facts, journal: &[Entry]) -> Record {
    let owner = ["a@example.org".to_owned()];
    let network = "10.0.0.0/24".parse().ok();
    let rule = Rule::default();
    let told = [];
    Record::new(
        incident,
        &Around { owner: &owner, network, rule: &rule, facts, told: &told, journal },
    )
}

fn entry() -> Entry {
    let row = JournalRow {
        incident: Some(42),
        data: START + 600,
        actor: "nfnotify".to_owned(),
        what: Changed::State,
        from: "-".to_owned(),
        to: "open".to_owned(),
        reason: "found".to_owned(),
    };
    Entry { id: 7, wall: START + 700, mode: Mode::Shadow, row }
}

fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

#[test]
fn a_line_has_all_keys_whatever_is_known() {
    let scan = Finding {
        why: "hosts=254>=200,nets=16>=2".to_owned(),
        marks: vec!["sampled".to_owned()],
        ..finding([10, 0, 0, 1], Kind::Scan, Role::Source)
    };
    let full = {
        let mut one = incident(std::slice::from_ref(&scan));
        let body = &mut one.body;
        body.state = State::Closed(CloseReason::Claimed);
        body.previous = Some(41);
        body.wish = Wish::Until(START + 1900);
        let (by, why) = ("ann".to_owned(), "cleaned".to_owned());
        body.claim = Some(Claim { at: START + 650, by: by.clone(), why: why.clone() });
        body.matters[0].ignored = Some(Ignore { until: START + 3600, by, why });
        body.deadline = Some(Deadline {
            announced: START,
            due: START + 86_400,
            ..serde_json::from_value(json!({
                "announced": 0, "half": 0, "due": 0, "seen_after": 0, "seen_last": 0, "is_shadow": true,
                "is_paused": false
            }))
            .unwrap()
        });
        serde_json::to_value(record(&one, &facts(), &[entry()])).unwrap()
    };
    let bare = {
        let mixed = Finding { proto: None, port: None, side: None, why: String::new(), ..scan };
        let mut record = record(&incident(&[mixed]), &facts(), &[entry()]);
        record.network = None;
        serde_json::to_value(record).unwrap()
    };
    let expected = [
        "changed",
        "claim",
        "deadline",
        "host",
        "id",
        "ignored",
        "journal",
        "last",
        "matters",
        "mode",
        "more",
        "network",
        "network_kind",
        "next",
        "owner",
        "policy",
        "previous",
        "reason",
        "role",
        "side",
        "since",
        "state",
        "what",
        "windows",
        "wish",
    ];
    let of_matter = [
        "classes", "evidence", "first", "ignored", "kind", "last", "marks", "newest", "peak",
        "port", "proto",
    ];
    let of_row =
        ["actor", "data", "from", "id", "incident", "mode", "reason", "to", "wall", "what"];
    for value in [&full, &bare] {
        assert_eq!(keys(value), expected);
        assert_eq!(keys(&value["matters"][0]), of_matter);
        assert_eq!(
            keys(&value["matters"][0]["peak"]),
            ["limit", "measure", "ratio", "value", "window"]
        );
        assert_eq!(keys(&value["journal"][0]), of_row);
        assert_eq!(keys(&value["next"]), ["at", "what", "why"]);
    }
    for key in ["claim", "deadline", "network", "previous", "reason", "side"] {
        assert!(bare[key].is_null() && !full[key].is_null(), "{key}");
    }
    assert_eq!(full["since"], "2001-09-09T01:50:00Z");
    assert_eq!(full["changed"], "2001-09-09T02:00:00Z");
    assert_eq!((&full["ignored"], &bare["ignored"]), (&json!(false), &json!(false)));
    assert_eq!((&full["state"], &full["reason"]), (&json!("closed"), &json!("claimed")));
    assert_eq!((&full["wish"], &bare["wish"]), (&json!("2001-09-09T02:21:40Z"), &json!("none")));
    assert_eq!(
        full["matters"][0]["peak"],
        json!({"measure": "hosts", "value": 254.0, "limit": 200.0, "ratio": 1.27,
               "window": "2001-09-09T01:50:00Z"})
    );
    assert!(bare["matters"][0]["peak"]["ratio"].is_null());
    assert_eq!(
        full["journal"][0],
        json!({"id": 7, "incident": 42, "data": "2001-09-09T02:00:00Z",
               "wall": "2001-09-09T02:01:40Z", "actor": "nfnotify", "what": "state", "from": "-",
               "to": "open", "reason": "found", "mode": "shadow"})
    );
    assert_eq!(full["claim"], json!({"at": "2001-09-09T02:00:50Z", "by": "ann", "why": "cleaned"}));
    assert_eq!(full["deadline"]["shadow"], json!(true));
    assert_eq!(full["matters"][0]["ignored"]["until"], "2001-09-09T02:50:00Z");
}

#[test]
fn readers_skip_keys_that_they_do_not_know() {
    let one = incident(&[finding([10, 0, 0, 1], Kind::Port, Role::Target)]);
    let record = record(&one, &facts(), &[entry()]);
    let mut value = serde_json::to_value(&record).unwrap();
    value["new"] = json!({"deep": [1]});
    value["matters"][0]["new"] = json!(1);
    value["journal"][0]["new"] = json!(null);
    assert_eq!(Record::parse(value.to_string().as_bytes()).unwrap(), record);
    for (key, wrong, why) in [
        ("state", json!("gone"), "\"gone\" is not a state"),
        ("host", json!("10.0.0.?"), "\"10.0.0.?\" is not a host"),
        ("since", json!("yesterday"), "\"yesterday\" is not a time in RFC 3339 UTC"),
        ("wish", json!("x"), "\"x\" is not a time"),
        ("mode", json!(7), "invalid type"),
    ] {
        let mut value = value.clone();
        value[key] = wrong;
        let error = Record::parse(value.to_string().as_bytes()).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
    assert!(Record::parse(b"{}").unwrap_err().to_string().contains("missing field `id`"));
}

proptest! {
    #[test]
    fn a_line_is_read_as_it_was_written(
        findings in proptest::collection::vec(any_finding(), 1..5),
        state in 0usize..6,
        mode in proptest::bool::ANY,
        at in 0u64..10_000_000_000,
        why in "\\PC*",
    ) {
        let mut one = incident(&findings);
        one.body.state = [
            State::Pending,
            State::Open,
            State::Quiet,
            State::Closed(CloseReason::Quiet),
            State::Closed(CloseReason::Claimed),
            State::Closed(CloseReason::Resolved),
        ][state];
        one.body.wish = [Wish::None, Wish::Until(at), Wish::UntilResolved][state % 3];
        one.body.claim = Some(Claim { at, by: why.clone(), why });
        let mode = if mode { Mode::Live } else { Mode::Shadow };
        let record = record(&one, &Facts { mode, ..facts() }, &[entry()]);
        let text = serde_json::to_string(&record).unwrap();
        prop_assert!(!text.contains('\n'));
        prop_assert_eq!(Record::parse(text.as_bytes()).unwrap(), record);
    }
}

#[test]
fn a_journal_row_of_each_kind_is_read_back() {
    for what in ["state", "matter", "claim", "ignore", "notice", "deadline", "wish", "memory"] {
        let mut entry = entry();
        entry.row.what = Changed::parse(what).unwrap();
        entry.row.incident = None;
        let record = JournalRecord::from(&entry);
        let text = serde_json::to_string(&record).unwrap();
        assert!(
            text.contains(&format!("\"what\":\"{what}\"")) && text.contains("\"incident\":null")
        );
        assert_eq!(serde_json::from_str::<JournalRecord>(&text).unwrap(), record);
    }
}
