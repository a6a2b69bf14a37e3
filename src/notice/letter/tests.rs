//! Letters as people get them, in both languages, and letters that somebody wants to spoil.

use std::path::Path;

use proptest::prelude::*;
use unicode_width::UnicodeWidthStr;

use super::*;
use crate::contacts::{Address, Lang, is_visible};
use crate::finding::tests::any_finding;
use crate::finding::{Finding, Host, Kind, Peer, Rate, Role, Sample, Side, line};
use crate::incident::{Claim, Ignore, Incident, Matter, State, Step, Subject};
use crate::notice::message::Sender;
use crate::notice::words::WIDTH;
use crate::report::LocalTime;
use crate::time::{Timestamp, Window};

mod golden;

/// 2026-11-29 18:20 +08:00.
const START: u64 = 1_795_947_600;

/// Returns the n-th window from [`START`] on.
fn window(n: u64) -> Window {
    Window::new(START + n * 600, 600).unwrap()
}

fn address(text: &str) -> Address {
    text.parse().unwrap()
}

fn taipei() -> LocalTime {
    LocalTime::new(jiff::tz::TimeZone::get("Asia/Taipei").unwrap())
}

/// Returns a scan of 512 hosts for one port.
fn scan(host: &str, port: u16) -> Finding {
    let source = host.parse().unwrap();
    Finding {
        window: None,
        kind: Kind::Scan,
        class: "horizontal".to_owned(),
        host: Host::Address(source),
        role: Role::Source,
        side: Some(Side::Inside),
        proto: Some(6),
        port: Some(port),
        peers: 512,
        peer: vec![peer("198.51.100.0/24", None), peer("203.0.113.0/24", None)],
        more: 0,
        flows: 1024,
        packets: 2048,
        octets: 122_880,
        rate: Rate::of(1024, Some(window(0))),
        marks: vec!["spoke".to_owned()],
        why: "hosts=512>=64,failedpct=98>=50,order=sequential".to_owned(),
        sample: vec![Sample {
            sip: source,
            sport: 51_234,
            dip: [203, 0, 113, 77].into(),
            dport: port,
            proto: 6,
        }],
    }
}

/// Returns a flood of a web server from forged addresses.
fn flood(host: &str) -> Finding {
    let target = host.parse().unwrap();
    Finding {
        kind: Kind::Flood,
        class: "ddos".to_owned(),
        role: Role::Target,
        port: Some(443),
        peers: 6001,
        peer: vec![peer("192.0.2.6", Some(14)), peer("192.0.2.181", Some(13))],
        more: 5999,
        flows: 60_010,
        packets: 60_020,
        octets: 2_400_800,
        rate: Rate::of(60_010, Some(window(0))),
        marks: vec!["forged".to_owned()],
        why: "flows=60010>=1000,unansweredpct=99>=50,sources=6001>=10,bogons=819".to_owned(),
        sample: vec![Sample {
            sip: [192, 0, 2, 6].into(),
            sport: 9766,
            dip: target,
            dport: 443,
            proto: 6,
        }],
        ..scan(host, 443)
    }
}

fn peer(host: &str, flows: Option<u64>) -> Peer {
    Peer { host: Host::parse(host).unwrap(), flows }
}

/// Returns an open incident with findings in the windows of the given numbers.
fn incident(id: u64, findings: &[(u64, Finding)]) -> Incident {
    let first = &findings[0].1;
    let mut incident = Incident::new(id, Subject::of(first), first.side, window(findings[0].0));
    for (n, one) in findings {
        add(&mut incident, *n, one);
    }
    incident.body.state = State::Open;
    incident
}

fn add(incident: &mut Incident, n: u64, finding: &Finding) {
    let window = window(n);
    let rate = Rate::of(finding.flows, Some(window));
    let finding = Finding { window: Some(window), rate, ..finding.clone() };
    let text = line(&finding);
    let key = crate::incident::MatterKey::of(&finding);
    match incident.body.matters.iter_mut().find(|matter| matter.key == key) {
        Some(matter) => matter.add(&finding, &text, window, false),
        None => incident.body.matters.push(Matter::new(&finding, &text, window, false)),
    }
    let body = &mut incident.body;
    if body.recent.insert(window.start()) {
        body.windows += 1;
    }
    body.first = body.first.min(window.start());
    if window.start() >= body.last {
        (body.last, body.last_end) = (window.start(), window.end());
    }
}

fn case(incident: &Incident, step: Step) -> Case<'_> {
    let net = Some("140.119.44.0/24".parse().unwrap());
    let told_last = (step != Step::First).then(|| window(4).start());
    Case { incident, step, net, due: None, until: None, told_last, remind: 86_400, quiet: 6 }
}

/// The values that a letter borrows.
struct Desk {
    from: Address,
    operator: Address,
    token: Address,
    to: Address,
    local: LocalTime,
    date: u64,
}

impl Desk {
    fn new() -> Desk {
        Desk {
            from: address("nfkit@nccu.example"),
            operator: address("noc@nccu.example"),
            token: address("nfkit+7c2fe9@nccu.example"),
            to: address("chang@cs.nccu.example"),
            local: taipei(),
            date: window(6).end() + 120,
        }
    }

    fn sender(&self) -> LetterSender<'_> {
        LetterSender {
            base: Sender {
                from: &self.from,
                reply_to: Some(&self.token),
                site: "NCCU",
                date: Timestamp::from_secs(self.date),
                local: &self.local,
            },
            operator: Some(&self.operator),
            footer: "NCCU Network Operations, room 208, phone 12345",
            can_claim: true,
        }
    }

    fn letter<'a>(&'a self, lang: Lang, cases: Vec<Case<'a>>) -> Letter<'a> {
        let name = if lang == Lang::ZhTw { "張小明" } else { "Chang" };
        Letter { to: &self.to, name, lang, cases, held_back: 0, report: None, digest_above: 20 }
    }
}

/// Returns an incident whose mail did not arrive.
fn undelivered(id: u64) -> UndeliveredIncident {
    UndeliveredIncident { id, host: Host::parse("140.119.60.7").unwrap() }
}

/// Returns a text without its line breaks and blanks.
fn flat(text: &str) -> String {
    text.split_whitespace().collect()
}

/// Checks what holds for each body: its lines fit, and nothing in them is hidden.
fn check_lines(text: &str) {
    for line in text.lines() {
        assert!(line.width() <= WIDTH, "{line:?}");
        assert!(line.chars().all(is_visible), "{line:?}");
        assert!(line == "-- " || line == line.trim_end(), "{line:?}");
    }
}

/// The kinds, roles and classes of all findings that there are, and one class that is not known yet.
const CLASSES: [(Kind, Role, &[&str]); 6] = [
    (
        Kind::Scan,
        Role::Source,
        &["sweep", "horizontal", "vertical", "icmp", "slow", "lateral", "listed"],
    ),
    (Kind::Scan, Role::Target, &["backscatter"]),
    (
        Kind::Flood,
        Role::Target,
        &["dos", "ddos", "reflection", "volume", "carpet", "outage", "new"],
    ),
    (Kind::Flood, Role::Source, &["dos", "outbound", "reflection"]),
    (Kind::Port, Role::Source, &["spread", "bruteforce", "spam", "infected"]),
    (Kind::Port, Role::Target, &["bruteforce", "swarm"]),
];

#[test]
fn one_incident_fits_on_a_page_whatever_it_is() {
    let desk = Desk::new();
    for (kind, role, class) in
        CLASSES.iter().flat_map(|(kind, role, all)| all.iter().map(|class| (*kind, *role, *class)))
    {
        let base = Finding { kind, role, class: class.to_owned(), ..flood("140.119.44.20") };
        let incident = incident(1, &[(5, base.clone()), (6, Finding { flows: 5000, ..base })]);
        for (step, lang) in
            Step::ALL.into_iter().flat_map(|step| [(step, Lang::En), (step, Lang::ZhTw)])
        {
            let due = (role == Role::Source).then_some(START + 200_000);
            let case = Case { due, told_last: None, ..case(&incident, step) };
            let body = desk.letter(lang, vec![case]).body(&desk.sender());
            check_lines(&body);
            assert!(
                body.lines().count() <= 66,
                "{class} {step:?}: {}\n{body}",
                body.lines().count()
            );
            let text = flat(&body);
            let says_innocent = text.contains("notundersuspicion") || text.contains("沒有嫌疑");
            let is_victim = role == Role::Target && step != Step::Released;
            assert_eq!(says_innocent, is_victim, "{class} {step:?}\n{body}");
        }
    }
}

#[test]
fn each_step_is_in_the_subject_and_in_the_first_line() {
    let desk = Desk::new();
    let incident = incident(1, &[(6, scan("140.119.44.91", 22))]);
    let mut seen = std::collections::BTreeSet::new();
    for step in Step::ALL {
        let case = Case { due: Some(START), ..case(&incident, step) };
        let letter = desk.letter(Lang::En, vec![case]);
        let subject = letter.subject(&desk.sender());
        let body = letter.body(&desk.sender());
        let (first, _) = body.split_once("\n\n").unwrap();
        assert_eq!(subject, format!("[NCCU] {}", first.replace('\n', " ")));
        assert!(seen.insert(subject));
    }
    assert!(seen.contains(
        "[NCCU] Deadline 2026-11-29 18:20 +08:00: 140.119.44.91 scans networks: TCP port 22 (ssh)"
    ));
}

#[test]
fn a_reminder_names_the_deadline_that_runs() {
    let desk = Desk::new();
    let incident = incident(1, &[(6, scan("140.119.44.91", 22))]);
    let subject = |case| desk.letter(Lang::En, vec![case]).subject(&desk.sender());
    let case = Case { due: Some(START), ..case(&incident, Step::Reminder) };
    assert!(subject(case.clone()).contains("] Reminder, deadline 2026-11-29 18:20 +08:00: 140."));
    assert!(subject(Case { due: None, ..case }).contains("] Reminder: 140."));
}

#[test]
fn a_letter_names_the_matter_that_is_new() {
    let desk = Desk::new();
    let strong = Finding { why: "hosts=6400>=64".to_owned(), ..scan("140.119.44.91", 22) };
    let mut incident = incident(1, &[(2, strong)]);
    add(&mut incident, 6, &scan("140.119.44.91", 22));
    let first_line = |incident: &Incident, told_last| {
        let case = Case { told_last, ..case(incident, Step::Grown) };
        let letter = desk.letter(Lang::En, vec![case]);
        letter.subject(&desk.sender()).trim_start_matches("[NCCU] Grown: ").to_owned()
    };
    let known = "140.119.44.91 scans networks: TCP port 22 (ssh)";
    let told = Some(window(4).start());
    assert_eq!(first_line(&incident, told), format!("{known}; ten times as much as before"));
    assert_eq!(first_line(&incident, None), known);
    // The window that the recipient was told of is not news.
    add(&mut incident, 4, &scan("140.119.44.91", 443));
    assert_eq!(first_line(&incident, told), format!("{known}; ten times as much as before"));
    add(&mut incident, 5, &scan("140.119.44.91", 23));
    let ports = Finding {
        class: "vertical".to_owned(),
        port: None,
        why: "ports=600>=15".to_owned(),
        ..scan("140.119.44.91", 0)
    };
    add(&mut incident, 6, &ports);
    assert_eq!(
        first_line(&incident, told),
        "140.119.44.91 now also probes the ports of a host: TCP, several ports"
    );
    let other = super::tests::incident(2, &[(6, flood("140.119.44.20"))]);
    let cases = vec![case(&incident, Step::Grown), case(&other, Step::First)];
    let body = desk.letter(Lang::En, cases).body(&desk.sender());
    assert!(flat(&body).contains("AlsoscanTCPmixed(new),scanTCP23(new),scanTCP443Next"), "{body}");
}

#[test]
fn the_replies_of_a_flooded_host_go_out() {
    let desk = Desk::new();
    let replies = Finding {
        class: "backscatter".to_owned(),
        role: Role::Target,
        peer: vec![peer("198.51.100.7", Some(2))],
        more: 511,
        ..scan("140.119.44.20", 80)
    };
    let incident = incident(1, &[(6, replies)]);
    let body = desk.letter(Lang::En, vec![case(&incident, Step::First)]).body(&desk.sender());
    assert!(
        body.contains("  To        512 hosts: 198.51.100.7 (2 flows) and 511 more\n"),
        "{body}"
    );
    assert!(body.contains("replies TCP 80  1,024"), "{body}");
    assert!(body.contains("SAMPLE TO\n") && body.contains("  203.0.113.77\n"), "{body}");
    assert!(!body.contains("SAMPLE FROM") && body.contains("not under suspicion"), "{body}");
}

#[test]
fn a_network_that_scans_is_no_machine() {
    let desk = Desk::new();
    let group = Finding {
        class: "group".to_owned(),
        host: Host::parse("140.119.44.0/24").unwrap(),
        ..scan("140.119.44.91", 22)
    };
    let incident = incident(1, &[(6, group)]);
    let body = desk.letter(Lang::En, vec![case(&incident, Step::First)]).body(&desk.sender());
    let text = flat(&body);
    for part in [
        "anattackfromanetworkinyourcare.Machinestheremayhavebeenbrokeninto",
        "Whattocheckonamachinethatattacks1.Lookbeforeyouswitchitoff",
    ] {
        assert!(text.contains(part), "{part}: {body}");
    }
}

#[test]
fn the_operator_gets_commands_and_no_request_for_a_reply() {
    let desk = Desk { to: address("noc@nccu.example"), ..Desk::new() };
    let incident = incident(9, &[(6, scan("140.119.44.91", 22))]);
    for can_claim in [true, false] {
        let sender = LetterSender { can_claim, ..desk.sender() };
        let body = desk.letter(Lang::En, vec![case(&incident, Step::First)]).body(&sender);
        let text = flat(&body);
        for command in ["claim9--why", "ignore9--for30d--why", "resolve9--why"] {
            assert!(text.contains(&format!("nfnotify{command}")), "{command}: {body}");
        }
        assert!(!text.contains("yourword") && !text.contains("sayso"), "{body}");
        assert_eq!(text.contains("Areplytothismailalsoclaimsit"), can_claim);
    }
    let body = desk.letter(Lang::En, vec![case(&incident, Step::Isolated)]).body(&desk.sender());
    assert!(flat(&body).contains("nfnotifyresolve9endsit"), "{body}");
}

#[test]
fn a_moment_behind_about_is_rounded_up_to_the_minute() {
    let desk = Desk { date: window(6).end() + 61, ..Desk::new() };
    let incident = incident(1, &[(6, scan("140.119.44.91", 22))]);
    let body = desk.letter(Lang::En, vec![case(&incident, Step::First)]).body(&desk.sender());
    assert!(flat(&body).contains("about2026-11-3019:32+08:00."), "{body}");
}

#[test]
fn the_gravest_incident_comes_first() {
    let desk = Desk::new();
    let weak = incident(1, &[(6, scan("140.119.44.1", 22))]);
    let strong = Finding { why: "hosts=6400>=64".to_owned(), ..scan("140.119.44.2", 23) };
    let strong = incident(2, &[(6, strong)]);
    let victim = incident(3, &[(6, flood("140.119.44.1"))]);
    let subject = |cases| desk.letter(Lang::En, cases).subject(&desk.sender());
    let cases = vec![case(&weak, Step::First), case(&strong, Step::First)];
    assert_eq!(
        subject(cases),
        "[NCCU] First notice: 140.119.44.2 scans networks: TCP port 23 (telnet); and 1 more host"
    );
    let cases = vec![case(&strong, Step::Grown), case(&weak, Step::Deadline)];
    assert!(subject(cases).starts_with("[NCCU] Deadline: 140.119.44.1 "));
    // The same host attacks and is attacked.
    let cases = vec![case(&weak, Step::Reminder), case(&victim, Step::First)];
    assert!(subject(cases).ends_with("; and 1 more incident"));
}

#[test]
fn an_ignored_matter_is_not_told_of() {
    let desk = Desk::new();
    let mut incident = incident(1, &[(6, scan("140.119.44.91", 22))]);
    let loud = Finding { why: "hosts=64000>=64".to_owned(), ..scan("140.119.44.91", 3389) };
    add(&mut incident, 6, &loud);
    let ignore = Ignore { until: desk.date + 1, by: "noc".to_owned(), why: "known".to_owned() };
    incident.body.matters[1].ignored = Some(ignore.clone());
    let body = |incident: &Incident| {
        desk.letter(Lang::En, vec![case(incident, Step::First)]).body(&desk.sender())
    };
    let text = body(&incident);
    assert!(text.contains("scan TCP 22") && !text.contains("3389"), "{text}");
    incident.body.matters[0].ignored = Some(ignore);
    let text = body(&incident);
    assert!(
        text.starts_with("First notice: 140.119.44.91: all that was seen of it is ignored now\n"),
        "{text}"
    );
    assert!(text.contains("number 1, open") && !text.contains("TCP 22"), "{text}");
    incident.body.matters[0].ignored.as_mut().unwrap().until = desk.date;
    assert!(body(&incident).contains("scan TCP 22"));
}

#[test]
fn a_line_that_cannot_be_read_costs_no_case() {
    let desk = Desk::new();
    let mut incident = incident(1742, &[(6, scan("140.119.44.91", 22))]);
    let hostile = "\u{1b}[2J\u{202e}\r\nBcc: a@b\n";
    for line in ["", hostile, "#window\t-\t-"] {
        let matter = &mut incident.body.matters[0];
        (matter.peak.line, matter.newest) = (line.to_owned(), line.to_owned());
        for lang in [Lang::En, Lang::ZhTw] {
            let body = desk.letter(lang, vec![case(&incident, Step::First)]).body(&desk.sender());
            check_lines(&body);
            for part in ["140.119.44.91", "1742", "1,024", "512", "22", "2026-11-29 19:20"] {
                assert!(body.contains(part), "{part}: {body}");
            }
            assert!(!body.contains("Bcc"), "{body}");
        }
    }
}

#[test]
fn values_and_limits_are_put_in_words() {
    let desk = Desk::new();
    let text = |why: &str| {
        let finding = Finding { why: why.to_owned(), ..scan("140.119.44.91", 22) };
        let incident = incident(1, &[(6, finding)]);
        let body = desk.letter(Lang::En, vec![case(&incident, Step::First)]).body(&desk.sender());
        let line = body.lines().find_map(|line| line.strip_prefix("  Limit     "));
        line.unwrap_or_default().to_owned()
    };
    assert_eq!(text("hosts=512>=64"), "512 hosts; the limit is 64 (8 times)");
    assert_eq!(text("mbps=12.5>=10"), "12.50 Mbit a second; the limit is 10 (1.2 times)");
    assert_eq!(text("newthing=7000>=2"), "newthing 7,000; the limit is 2 (3,500 times)");
    assert_eq!(text("replypct=3<50"), "replypct 3; normal is 50 or more");
    assert_eq!(text("flows=60000"), "");
}

#[test]
fn a_claimed_and_a_silent_incident_are_told_as_such() {
    let desk = Desk { date: window(20).end(), ..Desk::new() };
    let mut incident = incident(1, &[(6, scan("140.119.44.91", 22))]);
    let body = |incident: &Incident| {
        desk.letter(Lang::En, vec![case(incident, Step::Grown)]).body(&desk.sender())
    };
    assert!(flat(&body(&incident)).contains("notseensincethen,butnotoveryet"));
    let at = window(8).end();
    incident.body.claim = Some(Claim { at, by: "chang".to_owned(), why: String::new() });
    assert!(body(&incident).contains("number 1, somebody said that it is dealt with\n"));
    incident.body.state = State::Closed(crate::incident::CloseReason::Claimed);
    incident.body.changed = window(19).end();
    assert!(flat(&body(&incident)).contains("closed2026-11-2921:40+08:00"));
}

#[test]
fn ten_thousand_incidents_make_a_mail_that_servers_accept() {
    let desk = Desk::new();
    let incidents: Vec<Incident> = (1..=10_000u64)
        .map(|n| {
            let host = format!("140.{}.{}.{}", n % 7, n / 250, n % 250);
            incident(n, &[(n % 7, scan(&host, (n % 9) as u16))])
        })
        .collect();
    let cases: Vec<_> = incidents.iter().map(|one| case(one, Step::First)).collect();
    for lang in [Lang::En, Lang::ZhTw] {
        let letter = desk.letter(lang, cases.clone());
        let body = letter.body(&desk.sender());
        check_lines(&body);
        assert!(body.lines().count() < 600 && body.len() < 60_000, "{}", body.len());
        assert!(body.contains("9,500") && body.contains("10,000"));
        // However many a site wants described one by one.
        let letter = Letter { digest_above: usize::MAX, ..letter };
        assert_eq!(letter.body(&desk.sender()), body);
    }
}

#[test]
fn forty_incidents_are_described_in_full() {
    let desk = Desk::new();
    let incidents: Vec<Incident> = (1..=40u64)
        .map(|n| {
            let ports = (1..=64u16).map(|port| (6, scan(&format!("140.119.44.{n}"), port)));
            incident(n, &ports.collect::<Vec<_>>())
        })
        .collect();
    let cases: Vec<_> = incidents.iter().map(|one| case(one, Step::First)).collect();
    let letter = Letter { digest_above: 40, ..desk.letter(Lang::En, cases) };
    let body = letter.body(&desk.sender());
    check_lines(&body);
    assert_eq!(body.matches("\n  Incident  number ").count(), 40);
    assert!(body.lines().count() < 900, "{}", body.lines().count());
    assert!(body.contains(" and 55 more\n"), "{body}");
}

#[test]
fn the_message_has_its_thread_and_says_that_a_program_wrote_it() {
    let desk = Desk::new();
    let incident = incident(1, &[(6, scan("140.119.44.91", 22))]);
    let letter = desk.letter(Lang::ZhTw, vec![case(&incident, Step::Reminder)]);
    let thread: Vec<String> =
        (0..30).map(|n| format!("<nfkit.{n:032x}@cs.nccu.example>")).collect();
    let sender = desk.sender();
    let message = letter.message(&sender, "<nfkit.7@nccu.example>", &thread).unwrap();
    assert_eq!(message, letter.message(&sender, "<nfkit.7@nccu.example>", &thread).unwrap());
    let text = String::from_utf8(message).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let head = head.replace("\r\n ", " ");
    for line in [
        "Message-ID: <nfkit.7@nccu.example>",
        "Reply-To: nfkit+7c2fe9@nccu.example",
        "Auto-Submitted: auto-generated",
        "Content-Language: zh-TW",
        "Content-Transfer-Encoding: 8bit",
        &format!("In-Reply-To: {}", thread[29]),
        &format!("References: {} {}", thread[0], thread[11..].join(" ")),
    ] {
        assert!(head.lines().any(|known| known == line), "{line}\n{head}");
    }
    assert_eq!(body.replace("\r\n", "\n"), letter.body(&sender));
    let first = letter.message(&sender, "<nfkit.7@nccu.example>", &[]).unwrap();
    assert!(!String::from_utf8(first).unwrap().contains("References"));
    let error = letter.message(&sender, "<a@b>\r\nBcc: <c@d>", &[]).unwrap_err().to_string();
    assert!(error.contains("is not a message id"), "{error}");
}

#[test]
fn the_report_is_bounded_and_harmless() {
    let desk = Desk::new();
    let mail = Undelivered {
        to: "a@b\r\nBcc: c@d \u{202e}".repeat(100),
        failure: Failure::Refused,
        at: START,
        why: "550 \u{1b}[2J\r\n.\r\nQUIT ".repeat(1000),
        incidents: (1..=5000).map(undelivered).collect(),
    };
    let report = OperatorReport { undelivered: vec![mail; 1000], ..OperatorReport::default() };
    let letter = Letter { report: Some(report), ..desk.letter(Lang::En, Vec::new()) };
    let body = letter.body(&desk.sender());
    check_lines(&body);
    assert!(body.lines().count() < 300 && body.contains("and 980 more mails"), "{body}");
    let text = flat(&body);
    assert!(text.contains("9(140.119.60.7),10(140.119.60.7)and4,990moreincidents"), "{body}");
    let letter = Letter { report: Some(OperatorReport::default()), ..letter };
    assert!(!letter.body(&desk.sender()).contains("For the operator"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn nothing_from_the_network_adds_a_header_or_spoils_a_line(
        findings in proptest::collection::vec(any_finding(), 1..30),
        measure in "\\PC{0,40}",
        footer in "[^\\p{Cc}]{0,90}|[ -~\r\n\t\u{1b}]{0,900}",
        name in "[ -~]{0,40}|[\u{4e00}-\u{4eff}\"<>@,:;]{0,40}",
        step in 0usize..6,
        (is_chinese, can_claim, has_net, is_quiet) in any::<(bool, bool, bool, bool)>(),
        digest_above in 0usize..30,
        (due, until, at) in any::<(Option<u64>, Option<u64>, u64)>(),
    ) {
        let incidents: Vec<Incident> = findings
            .iter()
            .enumerate()
            .map(|(n, finding)| {
                let mut incident = incident(at ^ n as u64, &[(n as u64, finding.clone())]);
                incident.body.more = at;
                if is_quiet {
                    incident.body.state = State::Quiet;
                    incident.body.changed = at;
                }
                if let Some(condition) = &mut incident.body.matters[0].peak.condition {
                    condition.measure.clone_from(&measure);
                }
                incident
            })
            .collect();
        let cases = incidents.iter().map(|incident| {
            let case = case(incident, Step::ALL[step]);
            let net = case.net.filter(|_| has_net);
            Case { net, due, until, remind: at, quiet: at, ..case }
        });
        let desk = Desk::new();
        let lang = if is_chinese { Lang::ZhTw } else { Lang::En };
        let letter = Letter {
            name: name.trim(),
            digest_above,
            held_back: at,
            ..desk.letter(lang, cases.collect())
        };
        let sender = LetterSender { footer: &footer, can_claim, ..desk.sender() };
        let message = letter.message(&sender, "<a@b>", &["<c@d>".to_owned()]).unwrap();
        let text = String::from_utf8(message).unwrap();
        prop_assert!(!text.replace("\r\n", "").contains(['\r', '\n']));
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let names: Vec<_> = head
            .split("\r\n")
            .filter(|line| !line.starts_with([' ', '\t']))
            .map(|line| line.split_once(": ").map_or("", |(name, _)| name))
            .collect();
        let headers = HEADERS.into_iter().filter(|name| is_chinese || *name != "Content-Language");
        prop_assert_eq!(names, headers.collect::<Vec<_>>());
        prop_assert!(head.is_ascii());
        for line in body.split("\r\n") {
            prop_assert!(line.width() <= WIDTH, "{:?}", line);
            prop_assert!(line.chars().all(is_visible), "{:?}", line);
        }
    }
}

const HEADERS: [&str; 13] = [
    "Date",
    "From",
    "To",
    "Reply-To",
    "Content-Language",
    "Subject",
    "Message-ID",
    "In-Reply-To",
    "References",
    "Auto-Submitted",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
];
