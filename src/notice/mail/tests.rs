//! Tests of the recipients of findings, and that no finding gets into a header.

use unicode_width::UnicodeWidthStr;

use super::*;
use crate::contacts::is_visible;
use crate::finding::tests::{any_finding, finding};
use crate::finding::{Finding, Kind, Role};
use crate::notice::words::WIDTH;
use crate::report::LocalTime;
use crate::time::{End, Timestamp, WindowState};
use proptest::prelude::*;

fn address(text: &str) -> Address {
    text.parse().unwrap()
}

const CONTACTS: &str = "10.0.0.0/8,noc@example.org,NOC\n\
    10.1.0.0/16,a@example.org,\"An, <b@x>; \"\"c\"\"\"\n10.2.0.0/16,A@Example.org,\n\
    10.2.0.0/16,b@example.org,\n";

/// Returns the recipients with their hosts and, after `|`, the other hosts; and the hosts without a contact.
fn recipients(findings: &[Finding], operator: bool) -> (Vec<String>, Vec<String>) {
    let contacts = Contacts::parse(CONTACTS.as_bytes()).unwrap();
    let operator = operator.then(|| address("op@example.org"));
    let mut set = FindingSet::new();
    findings.iter().for_each(|finding| set.finding(finding.clone()));
    let routing = Routing { contacts: &contacts, operator: operator.as_ref(), survey: false };
    let outbox = sort(&mut set, routing);
    let text = |hosts: &BTreeMap<Host, HostFindings<'_>>| {
        hosts.keys().map(|host| host.text(false)).collect::<Vec<_>>().join(" ")
    };
    let mails = outbox.mails.iter();
    let mails = mails.map(|m| format!("{}: {}|{}", m.to, text(&m.hosts), text(&m.others)));
    (mails.collect(), outbox.orphans.iter().map(|host| host.text(false)).collect())
}

#[test]
fn contacts_get_their_hosts_and_the_operator_gets_the_rest() {
    let row = |host, role| finding(host, Kind::Flood, role);
    let outside = Finding { side: Some(Side::Outside), ..row([10, 1, 0, 9], Role::Source) };
    let survey = Finding { marks: vec!["survey".into()], ..row([10, 1, 0, 8], Role::Source) };
    let sideless = |host| Finding { side: None, ..row(host, Role::Target) };
    let findings = [
        row([10, 1, 0, 1], Role::Target),
        row([10, 2, 0, 1], Role::Source),
        row([10, 9, 0, 1], Role::Source),
        row([172, 16, 0, 1], Role::Target),
        sideless([10, 9, 0, 2]),
        sideless([192, 0, 2, 2]),
        outside,
        survey,
    ];
    let (mails, orphans) = recipients(&findings, true);
    assert_eq!(
        mails,
        [
            "a@example.org: 10.1.0.1 10.2.0.1|",
            "b@example.org: 10.2.0.1|",
            "noc@example.org: 10.9.0.1 10.9.0.2|",
            "op@example.org: 172.16.0.1|10.1.0.9 192.0.2.2",
        ]
    );
    assert_eq!(orphans, ["172.16.0.1"]);
    let (mails, orphans) = recipients(&findings, false);
    assert_eq!((mails.len(), orphans.len()), (3, 1));
}

#[test]
fn a_window_without_data_is_reported_to_the_operator_alone() {
    let mut set = FindingSet::new();
    let window = Window::new(998_068_800, 600);
    set.end(&End { window, state: Some(WindowState::NoData), ..End::default() });
    let contacts = Contacts::default();
    let operator = address("op@example.org");
    let routing = Routing { contacts: &contacts, operator: None, survey: false };
    let outbox = sort(&mut set, routing);
    assert_eq!((outbox.mails.len(), outbox.unheard), (0, vec![window]));
    let outbox = sort(&mut set, Routing { operator: Some(&operator), ..routing });
    let [mail] = outbox.mails.as_slice() else { panic!("{outbox:?}") };
    assert_eq!(
        mail.subject(&Sender { site: "X", ..sender(&operator) }),
        "[X] no exporter spoke; 2001-08-17 17:20 UTC, 10 minutes"
    );
    let body = mail.body(&sender(&operator));
    assert!(body.contains("\n    2001-08-17 17:20 to 17:30 UTC (10 minutes)\n"), "{body}");
}

static UTC: LocalTime = LocalTime::UTC;

fn sender(from: &Address) -> Sender<'_> {
    let date = Timestamp::from_secs(998_069_400);
    Sender { from, reply_to: None, site: "", date, local: &UTC }
}

fn mail<'a>(name: &str, findings: &'a [Finding]) -> Mail<'a> {
    let mut hosts: BTreeMap<Host, HostFindings<'_>> = BTreeMap::new();
    findings.iter().for_each(|finding| hosts.entry(finding.host).or_default().add(finding));
    let name = name.to_owned();
    let (to, others, silent) = (address("a@example.org"), hosts.clone(), vec![None]);
    Mail { to, name, lang: Lang::En, hosts, others, silent }
}

#[test]
fn windows_with_the_same_behaviour_are_one_episode() {
    let first = finding([10, 0, 0, 1], Kind::Port, Role::Source);
    let later = |n: u64, flows| {
        let window = Window::new(998_068_800 + n * 600, 600);
        Finding { window, flows, ..first.clone() }
    };
    let findings = [first.clone(), later(1, 9000), later(3, 10)];
    let mail = mail("", &findings);
    let body = mail.body(&sender(&address("op@example.org")));
    for part in [
        "  When      in 3 windows from 2001-08-17 17:20 to 18:00 UTC, most from\n",
        "            2001-08-17 17:30 to 17:40 UTC (10 minutes)\n",
        "  How much  9,000 flows, 3.33 a second; 6,000 packets, 288 kB\n",
        "            11,010 flows in all windows together\n",
    ] {
        assert!(body.contains(part), "{part}{body}");
    }
    let from = address("op@example.org");
    assert_eq!(
        mail.subject(&sender(&from)),
        "[nfkit] 10.0.0.1 attacks TCP port 80 (web); 2001-08-17 17:20 to 18:00 UTC"
    );
    let local = LocalTime::new(jiff::tz::TimeZone::get("Asia/Taipei").unwrap());
    let sender = Sender { local: &local, ..sender(&from) };
    let chinese = Mail { lang: Lang::ZhTw, ..mail };
    assert_eq!(
        chinese.subject(&sender),
        "[nfkit] 10.0.0.1 攻擊 TCP 埠 80（網頁）；2001-08-18 01:20 至 02:00 +08:00"
    );
    let body = chinese.body(&sender);
    for part in [
        "  時間      2001-08-18 01:20 至 02:00 +08:00 之間的 3 個時段，以\n",
        "  數量      9,000 筆流量紀錄，每秒 3.33 筆；6,000 個封包，288 kB\n",
        "            所有時段合計 11,010 筆流量紀錄\n",
    ] {
        assert!(body.contains(part), "{part}{body}");
    }
}

#[test]
fn the_message_id_depends_on_the_findings_and_not_on_the_date() {
    let findings = [finding([10, 0, 0, 1], Kind::Scan, Role::Source)];
    let other = [Finding { flows: 2001, ..findings[0].clone() }];
    let from = address("op@example.org");
    let id = |findings: &[Finding], date| {
        let sender = Sender { date: Timestamp::from_secs(date), ..sender(&from) };
        let message = mail("", findings).message(&sender).unwrap();
        let text = String::from_utf8(message).unwrap();
        text.lines().find(|line| line.starts_with("Message-ID: ")).unwrap().to_owned()
    };
    assert_eq!(id(&findings, 0), id(&findings, 7));
    assert_ne!(id(&findings, 0), id(&other, 0));
    // The offset basis of FNV-1a.
    assert_eq!(digest(&[]), 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d);
}

#[test]
fn each_person_is_written_to_in_the_language_of_the_contacts() {
    let contacts =
        "10.0.0.0/8,a@example.org,An,static\n10.0.0.0/8,b@example.org,張三,static,zh-TW\n";
    let contacts = Contacts::parse(contacts.as_bytes()).unwrap();
    let operator = address("op@example.org");
    let mut set = FindingSet::new();
    set.finding(finding([10, 0, 0, 1], Kind::Scan, Role::Source));
    set.finding(finding([172, 16, 0, 1], Kind::Scan, Role::Source));
    let routing = Routing { contacts: &contacts, operator: Some(&operator), survey: false };
    let outbox = sort(&mut set, routing);
    let sender = sender(&operator);
    let texts: Vec<String> = outbox
        .mails
        .iter()
        .map(|mail| String::from_utf8(mail.message(&sender).unwrap()).unwrap())
        .collect();
    let [first, second, third] = texts.as_slice() else { panic!("{texts:?}") };
    assert!(first.contains("\r\nHello An,\r\n") && !first.contains("Content-Language"), "{first}");
    assert!(second.contains("\r\n張三您好：\r\n"), "{second}");
    assert!(second.contains("\r\nContent-Language: zh-TW\r\n"), "{second}");
    assert!(third.contains("\r\nHello,\r\n"), "{third}");
    // The operator is a contact of another network, and no host of it was found.
    let contacts =
        Contacts::parse("10.9.0.0/16,OP@example.org,王小明,,zh-TW\n".as_bytes()).unwrap();
    let outbox = sort(&mut set, Routing { contacts: &contacts, ..routing });
    let [mail] = outbox.mails.as_slice() else { panic!("{outbox:?}") };
    assert!(mail.body(&sender).starts_with("王小明您好：\n"), "{}", mail.body(&sender));
}

const HEADERS: [&str; 10] = [
    "Date",
    "From",
    "To",
    "Content-Language",
    "Subject",
    "Message-ID",
    "Auto-Submitted",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_finding_and_no_name_adds_a_header_or_a_long_line(
        findings in proptest::collection::vec(any_finding(), 0..60),
        why in "[^\\p{Cc}]{0,300}",
        name in "[ -~]{0,40}|[\u{a1}-\u{ac}\u{4e00}-\u{4eff}\"<>@,:;]{0,40}",
        site in "[ -~]{0,60}|[\u{4e00}-\u{4eff}]{0,60}",
        is_chinese: bool,
    ) {
        let mut findings = findings;
        findings.iter_mut().for_each(|finding| finding.why.clone_from(&why));
        let lang = if is_chinese { Lang::ZhTw } else { Lang::En };
        let mail = Mail { lang, ..mail(name.trim(), &findings) };
        let from = address("op@example.org");
        let message = mail.message(&Sender { site: site.trim(), ..sender(&from) }).unwrap();
        let text = String::from_utf8(message).unwrap();
        prop_assert!(!text.replace("\r\n", "").contains(['\r', '\n']));
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let names: Vec<_> = head
            .split("\r\n")
            .filter(|line| !line.starts_with([' ', '\t']))
            .map(|line| line.split_once(": ").map_or("", |(name, _)| name))
            .collect();
        let headers = HEADERS.into_iter();
        let headers: Vec<_> = headers.filter(|name| is_chinese || *name != "Content-Language").collect();
        prop_assert_eq!(names, headers);
        prop_assert!(head.is_ascii());
        prop_assert!(head.split("\r\n").all(|line| line.len() <= 998));
        for line in body.split("\r\n") {
            prop_assert!(line.width() <= WIDTH, "{:?}", line);
            prop_assert!(line.chars().all(is_visible), "{:?}", line);
        }
    }
}
