//! Letters of each step and form, held to files. `NFKIT_BLESS=1 cargo test letter` writes them anew,
//! to be read by a person.

use super::*;

/// Holds a letter to its file in each language, or writes it.
fn hold(name: &str, desk: &Desk, write: impl Fn(Lang) -> (String, String)) -> Vec<String> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/nfnotify/letters");
    let mut texts = Vec::new();
    for lang in [Lang::En, Lang::ZhTw] {
        let (subject, body) = write(lang);
        check_lines(&body);
        assert!(!body.contains(desk.token.as_str()), "the token is told");
        let first = body.lines().next().unwrap();
        assert!(subject.contains(first.trim_end_matches(|c: char| !c.is_alphanumeric())));
        let text = format!("Subject: {subject}\n\n{body}");
        let path = dir.join(format!("{name}.{lang}.txt"));
        if is_asked_to_write() {
            std::fs::write(&path, &text).unwrap();
        }
        let expected = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, expected, "{}", path.display());
        texts.push(text);
    }
    texts
}

#[expect(clippy::disallowed_methods, reason = "a person asks for new files by the environment")]
fn is_asked_to_write() -> bool {
    std::env::var_os("NFKIT_BLESS").is_some_and(|value| value == "1")
}

/// Holds the letter about cases to its files. One incident fits on a page.
fn hold_cases(name: &str, desk: &Desk, cases: &[Case<'_>]) {
    let texts = hold(name, desk, |lang| {
        let letter = desk.letter(lang, cases.to_vec());
        (letter.subject(&desk.sender()), letter.body(&desk.sender()))
    });
    for text in texts.iter().filter(|_| cases.len() == 1) {
        assert!(text.lines().count() <= 66, "{name}: {} lines", text.lines().count());
    }
}

fn scanner() -> Incident {
    let quick = Finding {
        flows: 2048,
        peers: 1024,
        peer: vec![peer("198.18.0.0/22", None)],
        why: "hosts=1024>=64,failedpct=98>=50".into(),
        ..scan("140.119.44.91", 22)
    };
    let quick = samples_to(quick, [198, 18, 1, 77]);
    let mut incident = incident(1742, &[(0, scan("140.119.44.91", 22)), (2, quick)]);
    (3..7).for_each(|n| add(&mut incident, n, &scan("140.119.44.91", 22)));
    incident
}

/// Returns a finding whose sample goes to another host.
fn samples_to(mut finding: Finding, host: [u8; 4]) -> Finding {
    finding.sample.iter_mut().for_each(|sample| sample.dip = host.into());
    finding
}

#[test]
fn a_first_notice() {
    let incident = incident(1742, &[(6, scan("140.119.44.91", 22))]);
    hold_cases("first", &Desk::new(), &[case(&incident, Step::First)]);
}

#[test]
fn an_incident_that_has_grown() {
    let mut incident = scanner();
    for (n, port) in [(5, 23), (6, 2323), (6, 80), (4, 8080)] {
        add(&mut incident, n, &scan("140.119.44.91", port));
    }
    let ping =
        Finding { proto: Some(1), port: Some(0x0800), sample: vec![], ..scan("140.119.44.91", 0) };
    add(&mut incident, 6, &ping);
    hold_cases("grown", &Desk::new(), &[case(&incident, Step::Grown)]);
    let many = Finding { why: "hosts=512>=5".into(), ..scan("140.119.44.91", 22) };
    let incident = super::incident(1742, &[(2, scan("140.119.44.91", 22)), (6, many)]);
    hold_cases("grown-peak", &Desk::new(), &[case(&incident, Step::Grown)]);
}

#[test]
fn a_scan_of_one_host_and_the_victim_of_forged_addresses() {
    let ports = Finding {
        class: "vertical".to_owned(),
        port: None,
        peers: 1,
        peer: vec![peer("203.0.113.77", Some(1024))],
        why: "ports=1000>=15,failedpct=98>=50".to_owned(),
        ..scan("140.119.44.91", 8080)
    };
    let incident = incident(1742, &[(6, ports)]);
    hold_cases("vertical", &Desk::new(), &[case(&incident, Step::First)]);
    let replies = Finding {
        class: "backscatter".to_owned(),
        role: Role::Target,
        port: Some(80),
        why: "hosts=512>=25,portpct=100>=50".to_owned(),
        ..scan("140.119.44.20", 0)
    };
    let replies = Finding {
        sample: vec![Sample {
            sip: [140, 119, 44, 20].into(),
            sport: 80,
            dip: [203, 0, 113, 77].into(),
            dport: 51_234,
            proto: 6,
        }],
        ..replies
    };
    let incident = super::incident(1750, &[(6, replies)]);
    hold_cases("backscatter", &Desk::new(), &[case(&incident, Step::First)]);
}

#[test]
fn a_reminder() {
    let incident = scanner();
    hold_cases("reminder", &Desk::new(), &[case(&incident, Step::Reminder)]);
}

#[test]
fn a_deadline_and_its_reminder() {
    let incident = scanner();
    let due = Some(window(6).end() + 86_400);
    let case = Case { due, ..case(&incident, Step::Deadline) };
    hold_cases("deadline", &Desk::new(), std::slice::from_ref(&case));
    let case = Case { step: Step::Reminder, ..case };
    hold_cases("deadline-reminder", &Desk::new(), &[case]);
}

#[test]
fn an_isolation_and_its_end() {
    let incident = scanner();
    hold_cases("isolated", &Desk::new(), &[case(&incident, Step::Isolated)]);
    let until = Some(window(6).end() + 7 * 86_400);
    let case = Case { until, ..case(&incident, Step::Isolated) };
    hold_cases("isolated-until", &Desk::new(), std::slice::from_ref(&case));
    let mut incident = incident.clone();
    incident.body.state = State::Quiet;
    incident.body.changed = window(12).end();
    let desk = Desk { date: window(13).end(), ..Desk::new() };
    hold_cases("released", &desk, &[super::case(&incident, Step::Released)]);
}

#[test]
fn a_victim() {
    let incident = incident(1750, &[(5, flood("140.119.44.20")), (6, flood("140.119.44.20"))]);
    hold_cases("victim", &Desk::new(), &[case(&incident, Step::First)]);
}

#[test]
fn several_incidents() {
    let scanner = scanner();
    let victim = incident(1750, &[(6, flood("140.119.44.20"))]);
    let mut guesser = incident(1751, &[(6, guesses("140.119.44.17"))]);
    add(&mut guesser, 6, &scan("140.119.44.17", 3389));
    let due = Some(window(6).end() + 86_400);
    let cases = [
        case(&victim, Step::First),
        Case { due, ..case(&scanner, Step::Deadline) },
        case(&guesser, Step::Reminder),
    ];
    hold_cases("several", &Desk::new(), &cases);
}

fn guesses(host: &str) -> Finding {
    let finding = Finding {
        kind: Kind::Port,
        class: "bruteforce".to_owned(),
        peers: 2,
        peer: vec![peer("203.0.113.9", Some(700)), peer("203.0.113.10", Some(340))],
        flows: 1040,
        why: "sessions=700>=20,alikepct=97>=80".to_owned(),
        ..scan(host, 22)
    };
    samples_to(finding, [203, 0, 113, 9])
}

/// Returns 24 incidents with the numbers from 1801 on. Every third is about a host of the network `third`.
fn many(third: &str) -> Vec<Incident> {
    (1u64..=24)
        .map(|n| {
            let net = if n % 3 == 0 { third } else { "140.119.44" };
            let host = format!("{net}.{}", n * 9);
            let host = if n == 7 { "2001:db8:44:1:20c:29ff:fe9b:7a11".to_owned() } else { host };
            let finding = match n % 4 {
                0 => flood(&host),
                1 => guesses(&host),
                _ => scan(&host, if n % 2 == 0 { 23 } else { 445 }),
            };
            let why = format!("hosts={}>=64", 64 + n * 37);
            incident(1800 + n, &[(n % 7, Finding { why, ..finding })])
        })
        .collect()
}

#[test]
fn a_digest() {
    let incidents = many("140.119.44");
    let due = Some(window(6).end() + 86_400);
    let cases = incidents.iter().map(|incident| match incident.id {
        1803 | 1806 | 1807 => Case { due, ..case(incident, Step::Deadline) },
        1810 | 1811 => case(incident, Step::Reminder),
        1814 => case(incident, Step::Isolated),
        _ => case(incident, Step::First),
    });
    let cases: Vec<_> = cases.collect();
    let desk = Desk::new();
    hold("digest", &desk, |lang| {
        let letter = Letter { held_back: 9, ..desk.letter(lang, cases.clone()) };
        (letter.subject(&desk.sender()), letter.body(&desk.sender()))
    });
}

#[test]
fn a_digest_for_the_operator() {
    let mut incidents = many("203.0.113");
    for incident in incidents.iter_mut().filter(|incident| incident.id % 3 == 0) {
        incident.body.side = Some(Side::Outside);
    }
    let cases = incidents.iter().map(|one| Case { net: None, ..case(one, Step::First) });
    let cases: Vec<_> = cases.collect();
    let desk = Desk { to: address("noc@nccu.example"), ..Desk::new() };
    hold("digest-operator", &desk, |lang| {
        let letter = desk.letter(lang, cases.clone());
        (letter.subject(&desk.sender()), letter.body(&desk.sender()))
    });
}

fn report() -> OperatorReport {
    let mail = |failure, to: &str, why: &str, incidents| Undelivered {
        to: to.to_owned(),
        failure,
        at: window(6).end(),
        why: why.to_owned(),
        incidents,
    };
    OperatorReport {
        undelivered: vec![
            mail(
                Failure::Bounced,
                "lin@cs.nccu.example",
                "550 5.1.1 <lin@cs.nccu.example>: Recipient address rejected: User unknown",
                vec![1742, 1750].into_iter().map(undelivered).collect(),
            ),
            mail(
                Failure::Refused,
                "wang@ee.nccu.example",
                "452 4.2.2 Mailbox full",
                vec![undelivered(1751)],
            ),
        ],
        more_undelivered: 3,
        held_back: 12,
        superseded: 40,
        dropped_replies: 1,
    }
}

#[test]
fn a_letter_to_the_operator() {
    let orphan = incident(1742, &[(6, scan("140.119.99.5", 22))]);
    let outside = Finding {
        side: Some(Side::Outside),
        peer: vec![peer("140.119.44.0/23", None)],
        ..samples_to(scan("203.0.113.5", 445), [140, 119, 44, 77])
    };
    let outside = incident(1743, &[(6, outside)]);
    let desk = Desk { to: address("noc@nccu.example"), ..Desk::new() };
    let cases = [
        Case { net: None, ..case(&orphan, Step::First) },
        Case { net: None, ..case(&outside, Step::First) },
    ];
    hold("operator", &desk, |lang| {
        let letter = Letter { report: Some(report()), ..desk.letter(lang, cases.to_vec()) };
        (letter.subject(&desk.sender()), letter.body(&desk.sender()))
    });
    hold_cases("outside", &desk, &cases[1..]);
    hold("report", &desk, |lang| {
        let letter = Letter { report: Some(report()), ..desk.letter(lang, Vec::new()) };
        (letter.subject(&desk.sender()), letter.body(&desk.sender()))
    });
}

#[test]
fn a_letter_whose_replies_go_to_a_person() {
    let incident = incident(1742, &[(6, scan("140.119.44.91", 22))]);
    let desk = Desk::new();
    let sender = LetterSender { can_claim: false, ..desk.sender() };
    hold("no-claim", &desk, |lang| {
        let letter = desk.letter(lang, vec![case(&incident, Step::First)]);
        (letter.subject(&sender), letter.body(&sender))
    });
}
