use std::collections::BTreeMap;
use std::net::IpAddr;

use super::*;
use crate::contacts::NetworkKind;
use crate::finding::{Finding, Host, Kind, Rate, Role, Side};
use crate::time::{End, Mark, Window};

mod delivery;
mod isolation;
mod notices;
mod reference;

/// Seconds of a window.
const SLOT: u32 = 600;
const MINUTE: u64 = 60;

fn window(nth: u64) -> Window {
    Window::new(1_000_000_000 / 600 * 600 + nth * u64::from(SLOT), SLOT).unwrap()
}

fn when(seconds: u64) -> String {
    crate::time::Timestamp::from_secs(seconds).rfc3339()
}

fn end_of(nth: u64) -> u64 {
    window(nth).end()
}

/// Returns a finding of a scanner inside, 192.0.2.1.
fn scan(nth: u64) -> Finding {
    Finding {
        window: Some(window(nth)),
        kind: Kind::Scan,
        class: "horizontal".to_owned(),
        host: Host::Address([192, 0, 2, 1].into()),
        role: Role::Source,
        side: Some(Side::Inside),
        proto: Some(6),
        port: Some(22),
        peers: 100,
        peer: Vec::new(),
        more: 0,
        flows: 100,
        packets: 100,
        octets: 4000,
        rate: Rate::of(100, Some(window(nth))),
        marks: Vec::new(),
        why: "failed=100>=61".to_owned(),
        sample: Vec::new(),
    }
}

fn port(nth: u64) -> Finding {
    Finding { kind: Kind::Port, class: "spread".to_owned(), port: Some(80), ..scan(nth) }
}

fn of_host(address: [u8; 4], finding: Finding) -> Finding {
    Finding { host: Host::Address(address.into()), ..finding }
}

const WHOLE: Verdict = Verdict { is_whole: true, is_open: false };
const CUT: Verdict = Verdict { is_whole: false, is_open: false };

/// Returns a window that all three detectors have judged.
fn judged(nth: u64, verdict: Verdict, findings: &[Finding]) -> JudgedWindow {
    let verdicts = [Kind::Scan, Kind::Flood, Kind::Port].map(|kind| (kind, verdict));
    JudgedWindow {
        window: window(nth),
        verdicts: verdicts.into_iter().collect(),
        findings: findings.to_vec(),
        may_lack: false,
    }
}

/// All that stays between runs.
#[derive(Debug)]
struct Memory {
    incidents: BTreeMap<u64, Incident>,
    newest: Newest,
    next_id: u64,
    rows: Vec<JournalRow>,
    policy: Policy,
    kind: NetworkKind,
}

impl Memory {
    fn new(rules: Vec<Rule>) -> Memory {
        Memory {
            incidents: BTreeMap::new(),
            newest: Newest::default(),
            next_id: 1,
            rows: Vec::new(),
            policy: Policy::new(rules),
            kind: NetworkKind::Static,
        }
    }

    /// Runs the machine over some windows, with incidents that have been written and read in between.
    fn run(&mut self, windows: &[JudgedWindow]) -> &mut Memory {
        let kind = self.kind;
        let network_kind = move |_: Host| kind;
        let incidents = self.incidents.values().map(|incident| {
            let body = serde_json::to_string(&incident.body).unwrap();
            Incident { body: serde_json::from_str(&body).unwrap(), ..*incident }
        });
        let incidents: Vec<_> = incidents.collect();
        let newest = self.newest.clone();
        let mut machine =
            Machine::new(incidents, newest, self.next_id, &self.policy, &network_kind);
        windows.iter().for_each(|window| machine.step(window));
        let outcome = machine.finish();
        for incident in outcome.changed {
            self.incidents.insert(incident.id, incident);
        }
        for id in outcome.dropped {
            self.incidents.remove(&id);
        }
        self.newest = outcome.newest;
        self.next_id = outcome.next_id;
        self.rows.extend(outcome.rows);
        self
    }

    /// Returns the changes of state, one text each.
    fn states(&self) -> Vec<String> {
        let states = self.rows.iter().filter(|row| row.what == Changed::State);
        states
            .map(|row| {
                let nth = (row.data - window(0).start()) / u64::from(SLOT);
                format!("{}@{nth}: {}>{} {}", row.incident.unwrap(), row.from, row.to, row.reason)
            })
            .collect()
    }

    fn one(&self, id: u64) -> &Incident {
        &self.incidents[&id]
    }
}

fn quick() -> Rule {
    Rule { quiet: 2, close: 1200, ..Rule::default() }
}

fn person(now: u64) -> Person {
    Person { name: "ann".to_owned(), why: "cleaned".to_owned(), now }
}

#[test]
fn an_incident_opens_becomes_quiet_and_closes() {
    let mut memory = Memory::new(vec![quick()]);
    memory.run(&[judged(0, WHOLE, &[scan(0), port(0)])]);
    memory.run(&(1..6).map(|n| judged(n, WHOLE, &[])).collect::<Vec<_>>());
    assert_eq!(
        memory.states(),
        [
            "1@1: ->open found",
            "1@3: open>quiet 2 clean windows",
            "1@5: quiet>closed(quiet) 1200 s of clean windows since it became quiet"
        ]
    );
    // A finding afterwards is a new incident that knows the one before.
    memory.run(&[judged(7, WHOLE, &[scan(7)])]);
    assert_eq!(memory.states()[3], "2@8: ->open found again after incident 1");
    assert_eq!(memory.one(2).body.previous, Some(1));
}

#[test]
fn scan_and_port_findings_of_a_host_are_one_incident() {
    let mut memory = Memory::new(vec![]);
    let target = Finding { role: Role::Target, kind: Kind::Flood, class: "dos".into(), ..scan(0) };
    memory.run(&[judged(0, WHOLE, &[scan(0), port(0), target])]);
    assert_eq!(memory.incidents.len(), 2);
    let keys = |id| {
        let matters = &memory.one(id).body.matters;
        matters.iter().map(|matter| matter.key.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(keys(1), ["scan:6/22", "port:6/80"]);
    assert_eq!(keys(2), ["flood:6/22"]);
    assert_eq!(MatterKey::parse("port:6/80"), Some(memory.one(1).body.matters[1].key));
    assert_eq!(MatterKey::parse("flood:-/-").unwrap().to_string(), "flood:-/-");
    assert_eq!(
        ["", "scan", "scan:6", "scan:/", "scan:256/1", "x:6/1"].map(MatterKey::parse),
        [None; 6]
    );
}

#[test]
fn windows_that_prove_nothing_do_not_count() {
    let mut memory = Memory::new(vec![quick()]);
    memory.run(&[judged(0, WHOLE, &[scan(0)])]);
    let mut windows: Vec<_> = (1..20).map(|n| judged(n, CUT, &[])).collect();
    // Another tool's verdict says nothing of scans.
    let other = BTreeMap::from([(Kind::Flood, WHOLE), (Kind::Port, WHOLE)]);
    windows
        .extend((20..30).map(|n| JudgedWindow { verdicts: other.clone(), ..judged(n, CUT, &[]) }));
    memory.run(&windows);
    assert_eq!(memory.one(1).body.state, State::Open);
    memory.run(&[judged(30, WHOLE, &[]), judged(31, WHOLE, &[])]);
    assert_eq!(memory.one(1).body.state, State::Quiet);
}

#[test]
fn verdicts_are_those_of_the_marks() {
    let verdict = |keys: &str| {
        let line = format!("#end\t2001-07-01T00:20:00Z\t600\tflows=1\t{keys}");
        let Some(Ok(Mark::End(end))) = Mark::parse(line.as_bytes()) else { panic!("{line}") };
        Verdict::of(&end)
    };
    let of = |is_whole, is_open| Some((Kind::Scan, Verdict { is_whole, is_open }));
    assert_eq!(verdict("state=ok\ttool=nfscan\topen=0"), of(true, false));
    assert_eq!(verdict("state=ok\ttool=nfscan"), of(true, true), "it does not say");
    assert_eq!(verdict("state=ok\ttool=nfscan\tsilent=0\topen=1"), of(true, true));
    assert_eq!(verdict("state=ok\ttool=nfflood\topen=0"), Some((Kind::Flood, WHOLE)));
    assert_eq!(verdict("state=ok\ttool=nfport\topen=0"), Some((Kind::Port, WHOLE)));
    for keys in [
        "tool=nfscan",
        "state=cut\ttool=nfscan",
        "state=nodata\ttool=nfscan",
        "state=ok\ttool=nfscan\tsilent=1",
        "state=ok\ttool=nfscan\tfiltered=1",
    ] {
        assert_eq!(verdict(keys), of(false, true), "{keys}");
    }
    for keys in ["state=ok", "state=ok\ttool=nfgrep", "state=ok\ttool=nfgen"] {
        assert_eq!(verdict(keys), None, "{keys}");
    }
    assert!(Verdict::of(&End::default()).is_none());
    assert_eq!(WHOLE.and(CUT), CUT);
}

#[test]
fn a_quiet_incident_that_is_found_again_opens_again() {
    let mut memory = Memory::new(vec![quick()]);
    memory.run(&[judged(0, WHOLE, &[scan(0)]), judged(1, WHOLE, &[]), judged(2, WHOLE, &[])]);
    memory.run(&[judged(3, WHOLE, &[scan(3)])]);
    assert_eq!(memory.states()[2], "1@4: quiet>open found again");
    // Two clean windows count from anew.
    memory.run(&[judged(4, WHOLE, &[])]);
    assert_eq!(memory.one(1).body.state, State::Open);
}

#[test]
fn a_late_window_adds_and_takes_nothing_back() {
    let mut memory = Memory::new(vec![quick()]);
    memory.run(&[judged(0, WHOLE, &[scan(0)]), judged(2, WHOLE, &[]), judged(3, WHOLE, &[])]);
    assert_eq!(memory.one(1).body.state, State::Quiet);
    let late = Finding { port: Some(23), why: "failed=610>=61".into(), ..scan(1) };
    memory.run(&[judged(1, WHOLE, &[late])]);
    let incident = memory.one(1);
    assert_eq!((incident.body.state, incident.body.matters.len()), (State::Quiet, 2));
    assert_eq!((incident.body.windows, incident.body.last), (2, window(1).start()));
    assert!((incident.worst().unwrap().peak.ratio() - 10.0).abs() < 1e-9);
    // A window that is judged again is not clean twice.
    let before = memory.one(1).body.clone();
    memory.run(&[judged(3, WHOLE, &[]), judged(2, WHOLE, &[])]);
    assert_eq!(memory.one(1).body, before);
    // A late finding about a closed incident belongs to it, and a new host opens one.
    memory.run(&(4..9).map(|n| judged(n, WHOLE, &[])).collect::<Vec<_>>());
    assert!(memory.one(1).body.state.is_closed());
    memory.run(&[judged(5, WHOLE, &[scan(5), of_host([192, 0, 2, 9], scan(5))])]);
    assert!(memory.one(1).body.state.is_closed() && memory.one(1).body.last == window(5).start());
    assert_eq!(memory.one(2).body.state, State::Open);
}

#[test]
fn some_windows_of_many_open_an_incident() {
    let rule = Rule { open: Opening { finds: 2, of: 3 }, ..quick() };
    let mut memory = Memory::new(vec![rule]);
    memory.run(&[judged(0, WHOLE, &[scan(0)])]);
    assert_eq!((memory.states().len(), memory.one(1).body.state), (0, State::Pending));
    // The second comes three windows later, which is too late; the first is forgotten.
    memory.run(&[judged(1, WHOLE, &[]), judged(2, WHOLE, &[]), judged(3, WHOLE, &[])]);
    assert!(memory.incidents.is_empty());
    memory.run(&[judged(4, WHOLE, &[scan(4)]), judged(5, WHOLE, &[])]);
    memory.run(&[judged(6, WHOLE, &[scan(6)])]);
    assert_eq!(memory.states(), ["2@7: ->open found in 2 windows"]);
    // A pending incident that comes to nothing leaves the closed one before it in its place.
    memory.run(&(7..12).map(|n| judged(n, WHOLE, &[])).collect::<Vec<_>>());
    assert!(memory.one(2).body.state.is_closed());
    let mut windows = vec![judged(12, WHOLE, &[scan(12)])];
    windows.extend((13..16).map(|n| judged(n, WHOLE, &[])));
    windows.extend((16..18).map(|n| judged(n, WHOLE, &[scan(n)])));
    memory.run(&windows);
    assert_eq!(memory.incidents.keys().copied().collect::<Vec<_>>(), [2, 4]);
    assert_eq!(memory.one(4).body.previous, Some(2));
}

#[test]
fn a_claim_closes_after_clean_windows_unless_it_was_wrong() {
    let mut memory = Memory::new(vec![quick()]);
    memory.run(&[judged(0, WHOLE, &[scan(0)])]);
    let claimed = |memory: &mut Memory, id: u64, now: u64| {
        let incident = memory.incidents.get_mut(&id).unwrap();
        let rows = claim(incident, &person(now), &quick(), None).unwrap();
        memory.rows.extend(rows);
    };
    claimed(&mut memory, 1, end_of(0) + MINUTE);
    // The window of the claim still has the attack: it may have been before.
    memory.run(&[judged(1, WHOLE, &[scan(1)]), judged(2, WHOLE, &[]), judged(3, WHOLE, &[])]);
    assert_eq!(memory.states()[1], "1@4: open>closed(claimed) claimed, and 2 clean windows");
    // A claim that a finding contradicts does not close.
    memory.run(&[judged(4, WHOLE, &[scan(4)])]);
    claimed(&mut memory, 2, end_of(4) + MINUTE);
    memory.run(&[judged(6, WHOLE, &[scan(6)]), judged(7, WHOLE, &[]), judged(8, WHOLE, &[])]);
    assert_eq!(memory.one(2).body.state, State::Quiet);
    // A claim of a quiet incident closes it.
    claimed(&mut memory, 2, end_of(8) + MINUTE);
    assert_eq!(memory.one(2).body.state, State::Closed(CloseReason::Claimed));
    let closed = claim(memory.incidents.get_mut(&2).unwrap(), &person(0), &quick(), None);
    assert_eq!(closed.unwrap_err().to_string(), "incident 2 is closed");
}

#[test]
fn resolving_includes_the_window_that_is_going_on() {
    let mut memory = Memory::new(vec![quick()]);
    memory.run(&[judged(0, WHOLE, &[scan(0)])]);
    let newest = memory.newest.window();
    let incident = memory.incidents.get_mut(&1).unwrap();
    let rows = resolve(incident, &person(end_of(0) + 5 * MINUTE), newest).unwrap();
    assert_eq!((rows[0].actor.as_str(), rows[0].to.as_str()), ("ann", "closed(resolved)"));
    memory.run(&[judged(1, WHOLE, &[scan(1)])]);
    assert_eq!(memory.incidents.len(), 1);
    memory.run(&[judged(2, WHOLE, &[scan(2)])]);
    assert_eq!(memory.one(2).body.previous, Some(1));
    // A clock far ahead of the data resolves no window of the future.
    let newest = memory.newest.window();
    let incident = memory.incidents.get_mut(&2).unwrap();
    resolve(incident, &person(end_of(0) + (1 << 30)), newest).unwrap();
    memory.run(&[judged(4, WHOLE, &[scan(4)])]);
    assert_eq!(memory.incidents.len(), 3);
}

#[test]
fn an_ignored_matter_is_no_reason_for_anything() {
    let mut memory = Memory::new(vec![quick()]);
    memory.run(&[judged(0, WHOLE, &[scan(0), port(0)])]);
    let incident = memory.incidents.get_mut(&1).unwrap();
    let (now, until) = (end_of(0), end_of(9));
    let key = MatterKey::parse("scan:6/22").unwrap();
    let rows = ignore(incident, &person(now), Some(key), until).unwrap();
    assert_eq!((rows[0].from.as_str(), rows[0].to.clone()), ("scan:6/22", when(until)));
    assert_eq!(incident.active(now).map(|m| m.key.kind).collect::<Vec<_>>(), [Kind::Port]);
    assert!(!incident.is_ignored(now));
    ignore(incident, &person(now), None, until).unwrap();
    assert!(incident.is_ignored(until - 1) && !incident.is_ignored(until));
    let wrong = ignore(incident, &person(now), MatterKey::parse("scan:6/23"), until).unwrap_err();
    assert_eq!(
        wrong.to_string(),
        "incident 1 has no matter scan:6/23; it has scan:6/22, port:6/80"
    );
}

#[test]
fn surveys_and_reflectors_are_no_reason_either() {
    let mut memory = Memory::new(vec![]);
    let survey = Finding { marks: vec!["survey".into()], ..scan(0) };
    let flood = Finding {
        kind: Kind::Flood,
        class: "reflection".into(),
        role: Role::Target,
        peer: vec![crate::finding::Peer {
            host: Host::Address([192, 0, 2, 7].into()),
            flows: None,
        }],
        ..of_host([192, 0, 2, 3], scan(0))
    };
    let victim = crate::finding::Peer { host: flood.host, flows: None };
    let reflector = Finding { peers: 1, peer: vec![victim], ..of_host([192, 0, 2, 7], scan(0)) };
    memory.run(&[judged(0, WHOLE, &[survey, flood, reflector.clone()])]);
    let ignored =
        |memory: &Memory| memory.incidents.values().map(|i| i.is_ignored(0)).collect::<Vec<_>>();
    assert_eq!(ignored(&memory), [true, false, true]);
    // One finding without the flood is enough.
    let window = Some(window(1));
    memory.run(&[judged(1, WHOLE, &[scan(1), Finding { window, ..reflector }])]);
    assert_eq!(ignored(&memory), [false, false, false]);
}

#[test]
fn a_reflection_hides_only_what_it_explains() {
    let host = |last| Host::Address([192, 0, 2, last].into());
    let peers = |hosts: &[u8]| -> Vec<crate::finding::Peer> {
        hosts.iter().map(|last| crate::finding::Peer { host: host(*last), flows: None }).collect()
    };
    let flood = |victim| Finding {
        kind: Kind::Flood,
        class: "reflection".into(),
        role: Role::Target,
        host: host(victim),
        peer: peers(&[1]),
        ..scan(0)
    };
    let is_ignored = |scan: Finding| {
        let mut memory = Memory::new(vec![]);
        memory.run(&[judged(0, WHOLE, &[flood(3), flood(4), scan])]);
        let found = memory.incidents.values().find(|one| one.subject.host == host(1));
        found.unwrap().is_ignored(0)
    };
    let of = |named: &[u8], count| Finding { peers: count, peer: peers(named), ..scan(0) };
    assert!(is_ignored(of(&[3], 1)) && is_ignored(of(&[3, 4], 2)));
    // Other hosts than the victims, more than are named, none named, a conversation of its own.
    assert!(!is_ignored(of(&[3, 5], 2)));
    assert!(!is_ignored(of(&[3, 4], 3)));
    assert!(!is_ignored(of(&[], 1)));
    assert!(!is_ignored(Finding { more: 1, ..of(&[3], 1) }));
    assert!(!is_ignored(Finding { marks: vec!["spoke".into()], ..of(&[3], 1) }));
}

#[test]
fn windows_that_lie_over_each_other_prove_nothing_twice() {
    let mut memory = Memory::new(vec![quick()]);
    memory.run(&[judged(0, WHOLE, &[scan(0)])]);
    for second in 1..1200 {
        let window = Window::new(window(0).start() + second, SLOT).unwrap();
        memory.run(&[JudgedWindow { window, ..judged(0, WHOLE, &[]) }]);
    }
    assert_eq!(memory.states(), ["1@1: ->open found"]);
    assert_eq!(memory.one(1).body.clean[&Kind::Scan].windows, 0);
    // A long window does not make the others look old.
    let long = Window::new(window(2).start(), 31 * 86_400).unwrap();
    memory.run(&[JudgedWindow { window: long, ..judged(0, WHOLE, &[]) }, judged(3, WHOLE, &[])]);
    assert_eq!(memory.newest.window(), Some(window(3)));
}

#[test]
fn a_pending_host_outlives_the_shorter_windows_of_another_detector() {
    let two_of_three = Rule { open: Opening { finds: 2, of: 3 }, ..Rule::default() };
    let mut memory = Memory::new(vec![two_of_three]);
    memory.run(&[judged(0, WHOLE, &[scan(0)])]);
    for minute in 10..20 {
        let window = Window::new(window(0).start() + 60 * minute, 60).unwrap();
        let verdicts = [(Kind::Flood, WHOLE)].into_iter().collect();
        memory.run(&[JudgedWindow { window, verdicts, findings: Vec::new(), may_lack: false }]);
    }
    memory.run(&[judged(1, WHOLE, &[scan(1)])]);
    assert_eq!(memory.states(), ["1@2: ->open found in 2 windows"]);
}

#[test]
fn a_matter_that_says_more_takes_the_place_of_one_that_says_less() {
    let of = |port: u16, marks: &[&str], why: &str| Finding {
        port: Some(port),
        marks: marks.iter().map(ToString::to_string).collect(),
        why: why.into(),
        ..scan(0)
    };
    let noise = |marks: &[&str]| -> Vec<Finding> {
        (0..64).map(|port| of(1000 + port, marks, "failed=99>=61")).collect()
    };
    let has = |marks: &[&str], new: Finding| {
        let mut memory = Memory::new(vec![]);
        memory.run(&[judged(0, WHOLE, &noise(marks))]);
        let new = Finding { window: Some(window(1)), ..new };
        memory.run(&[judged(1, WHOLE, &[new])]);
        let body = &memory.one(1).body;
        assert_eq!((body.matters.len(), body.more), (MAX_MATTERS, 1));
        body.matters.iter().any(|matter| matter.key.port == Some(22))
    };
    assert!(has(&[], of(22, &["spoke"], "failed=99>=61")));
    assert!(has(&[], of(22, &[], "failed=610>=61")));
    assert!(!has(&[], of(22, &[], "failed=609>=61")));
    assert!(!has(&["spoke"], of(22, &[], "failed=99999>=61")));
    // A doubt is not given up, unless the new matter has it too.
    assert!(!has(&["forged"], of(22, &["spoke"], "failed=99>=61")));
    assert!(has(&["sampled"], of(22, &["sampled", "spoke"], "failed=99>=61")));
}

#[test]
fn a_clock_that_was_wrong_leaves_no_time_of_the_future() {
    let mut memory = Memory::new(vec![]);
    memory.run(&[judged(100, WHOLE, &[scan(100)])]);
    let incident = memory.incidents.get_mut(&1).unwrap();
    assert!(!incident.heal(end_of(100)));
    assert!(incident.heal(end_of(50)));
    assert_eq!(
        (incident.body.last, incident.body.clean[&Kind::Scan].last),
        (end_of(50), end_of(50))
    );
}

#[test]
fn matters_words_and_windows_are_bounded() {
    let mut memory = Memory::new(vec![]);
    let mut findings = Vec::new();
    for n in 0..200u16 {
        let marks = vec![format!("m{n}"), "forged".to_owned()];
        findings.push(Finding { port: Some(n % 100), class: format!("c{n}"), marks, ..scan(0) });
    }
    for n in 0..100 {
        findings.push(Finding { class: format!("d{n}"), marks: vec![format!("n{n}")], ..scan(0) });
    }
    memory.run(&[judged(0, WHOLE, &findings)]);
    let body = &memory.one(1).body;
    assert_eq!(body.matters.len(), MAX_MATTERS);
    assert!(body.more >= 72, "{}", body.more);
    let most = body.matters.iter().map(|m| m.classes.len().max(m.marks.len())).max().unwrap();
    assert!(most <= 25, "{most}");
    let doubts = body.matters.iter().filter(|matter| matter.marks.contains_key("forged"));
    assert!(doubts.count() >= 36);
    memory.run(&(1..300).map(|n| judged(n, WHOLE, &[scan(n)])).collect::<Vec<_>>());
    let body = &memory.one(1).body;
    assert_eq!((body.recent.len(), body.windows), (64, 300));
}

#[test]
fn too_many_hosts_leave_out_those_outside_first() {
    let mut memory = Memory::new(vec![]);
    let host = |n: u32| of_host((u32::from(IpAddr4(10, 0, 0, 0)) + n).to_be_bytes(), scan(0));
    let outside = |n| Finding { side: Some(Side::Outside), ..host(n) };
    let most = u32::try_from(MAX_LIVE).unwrap();
    let findings: Vec<_> = (0..most + 10).map(outside).collect();
    let policy = Policy::new(vec![]);
    let kind = |_: Host| NetworkKind::Unknown;
    let mut machine = Machine::new([], Newest::default(), 1, &policy, &kind);
    machine.step(&judged(0, WHOLE, &findings));
    machine.step(&judged(1, WHOLE, &[host(most + 50), outside(most + 60)]));
    let outcome = machine.finish();
    assert_eq!((outcome.changed.len(), outcome.left_out), (MAX_LIVE + 1, 11));
    memory.next_id = outcome.next_id;
    assert_eq!(memory.next_id, u64::from(most) + 2);
}

/// An IPv4 address as a number.
struct IpAddr4(u8, u8, u8, u8);

impl From<IpAddr4> for u32 {
    fn from(IpAddr4(a, b, c, d): IpAddr4) -> u32 {
        u32::from_be_bytes([a, b, c, d])
    }
}

#[test]
fn a_week_in_one_run_gives_the_same_as_a_run_for_each_window() {
    let mut seed = 7u64;
    let mut random = move |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    let windows: Vec<_> = (0..1008)
        .map(|n| {
            let verdict = if random(20) == 0 { CUT } else { WHOLE };
            let hosts = random(4);
            let finding = |_| {
                let of = if random(2) == 0 { scan(n) } else { port(n) };
                of_host([192, 0, 2, u8::try_from(random(12)).unwrap()], of)
            };
            let findings: Vec<_> = (0..hosts).map(finding).collect();
            judged(n, verdict, &findings)
        })
        .collect();
    let rules = || {
        vec![
            Rule { kinds: vec![Kind::Port], open: Opening { finds: 2, of: 6 }, ..quick() },
            Rule { close: 3000, ..quick() },
        ]
    };
    let (mut one, mut many) = (Memory::new(rules()), Memory::new(rules()));
    one.run(&windows);
    windows.iter().for_each(|window| {
        many.run(std::slice::from_ref(window));
    });
    assert!(one.incidents.len() > 50, "{}", one.incidents.len());
    assert_eq!(one.incidents, many.incidents);
    assert_eq!(one.rows, many.rows);
}

#[test]
fn the_first_line_that_matches_holds_alone() {
    let mut memory = Memory::new(vec![]);
    memory.run(&[judged(0, WHOLE, &[scan(0), port(0)])]);
    let incident = memory.one(1);
    let place = |rules: Vec<Rule>| {
        let policy = Policy::new(rules);
        policy.of(incident, NetworkKind::Static, 0).place.clone()
    };
    let rule = |n: u32| Rule { place: n.to_string(), ..Rule::default() };
    let address: IpAddr = [192, 0, 2, 1].into();
    let networks = |text: &str| Some(crate::flow::Networks::new([text.parse().unwrap()]));
    let proto = |proto, port| vec![PortMatch { proto, port }];
    for (matches, rule) in [
        (true, rule(1)),
        (true, Rule { kinds: vec![Kind::Port, Kind::Flood], ..rule(1) }),
        (false, Rule { kinds: vec![Kind::Flood], ..rule(1) }),
        (true, Rule { classes: vec!["spread".into()], ..rule(1) }),
        (false, Rule { classes: vec!["dos".into()], ..rule(1) }),
        // The conditions on a matter must hold for one and the same.
        (false, Rule { classes: vec!["spread".into()], ports: proto(None, 22), ..rule(1) }),
        (true, Rule { ports: proto(Some(6), 22), ..rule(1) }),
        (false, Rule { ports: proto(Some(17), 22), ..rule(1) }),
        (true, Rule { side: Some(Side::Inside), role: Some(Role::Source), ..rule(1) }),
        (false, Rule { side: Some(Side::Outside), ..rule(1) }),
        (false, Rule { role: Some(Role::Target), ..rule(1) }),
        (true, Rule { networks: networks("192.0.2.0/24"), ..rule(1) }),
        (false, Rule { networks: networks("192.0.2.2/31"), ..rule(1) }),
        (true, Rule { network_kinds: vec![NetworkKind::Static], ..rule(1) }),
        (false, Rule { network_kinds: vec![NetworkKind::Shared], ..rule(1) }),
    ] {
        let expected = if matches { "1" } else { "default" };
        assert_eq!(place(vec![rule.clone()]), expected, "{rule:?} {address}");
        assert_eq!(place(vec![rule, self::quick()]), if matches { "1" } else { "default" });
    }
    assert_eq!(place(vec![rule(1), rule(2)]), "1");
    assert_eq!(Policy::new(vec![]).longest(), 2 * 86_400);
    let ban = Rule { act: Act::Ban, until: Some(9), ..Rule::default() };
    assert_eq!(Policy::new(vec![ban]).longest(), 7 * 86_400);
}
