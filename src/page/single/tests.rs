//! Tests of the page as a reader sees it, and the findings that they use.

use proptest::prelude::*;

use super::{MAX_ROWS, PageData, Show};
use crate::finding::tests::any_finding;
use crate::finding::{Finding, Host, Item, Kind, MAX_PEERS, Peer, Rate, Role, Side};
use crate::time::{End, Mark, Timestamp, Window, WindowState};

/// Returns a scan by an inside host in the ten minutes from `start`.
pub(in crate::page) fn finding(host: &str, start: u64, flows: u64) -> Finding {
    let window = Window::new(start, 600);
    Finding {
        window,
        kind: Kind::Scan,
        class: "sweep".to_owned(),
        host: Host::Address(host.parse().unwrap()),
        role: Role::Source,
        side: Some(Side::Inside),
        proto: Some(6),
        port: Some(21),
        peers: 400,
        peer: Vec::new(),
        more: 0,
        flows,
        packets: flows,
        octets: flows * 40,
        rate: Rate::of(flows, window),
        marks: Vec::new(),
        why: "nets=2>=2,hosts=200>=200".to_owned(),
        sample: Vec::new(),
    }
}

/// Returns the closing mark of a tool for the ten minutes from `start`.
pub(super) fn end(start: u64, tool: &str, state: Option<WindowState>) -> End {
    End { window: Window::new(start, 600), tool: Some(tool.to_owned()), state, ..End::default() }
}

fn found(finding: Finding) -> Item {
    Item::Finding(Box::new(finding))
}

fn judged(start: u64, state: WindowState) -> Item {
    Item::Mark(Mark::End(end(start, "nfscan", Some(state))))
}

fn show() -> Show {
    Show { title: "Findings".to_owned(), mask: false, side: None, last: 86_400 }
}

fn html(items: impl IntoIterator<Item = Item>, show: &Show) -> String {
    data(items).html(show).unwrap()
}

fn data(items: impl IntoIterator<Item = Item>) -> PageData {
    let mut data = PageData::new(None);
    items.into_iter().for_each(|item| data.item(item));
    data
}

/// Returns the text of the page without tags, style and the footer, which every page has.
fn text(html: &str) -> String {
    let body = html.split_once("<body>").unwrap().1.split_once("<footer>").unwrap().0;
    let parts = body.split('<').map(|part| part.split_once('>').map_or(part, |(_, after)| after));
    parts.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn has(html: &str, part: &str) {
    let text = text(html);
    assert!(text.contains(part), "{part:?} is not in: {text:.2000}");
}

#[test]
fn a_page_without_judged_windows_does_not_say_that_all_is_well() {
    let page = html([], &show());
    has(&page, "Nothing was judged.");
    assert!(!text(&page).contains("clean"));
    assert!(page.contains("class=\"notice alarm\""));
}

#[test]
fn clean_windows_are_named() {
    let page = html([judged(600, WindowState::Ok), judged(1200, WindowState::Ok)], &show());
    has(
        &page,
        "No findings. 2 windows were seen whole and found clean by nfscan: 1970-01-01 00:10 to 00:30.",
    );
    has(&page, "Seen whole and clean 2 1970-01-01 00:10 to 00:30 nfscan 0");
}

#[test]
fn a_window_that_was_not_seen_whole_is_not_clean() {
    let page = html([judged(600, WindowState::Ok), judged(1200, WindowState::NoData)], &show());
    has(&page, "No exporter spoke in 1 window: 1970-01-01 00:20 to 00:30.");
    has(&page, "1 window was seen whole and found clean by nfscan: 1970-01-01 00:10 to 00:20.");
    assert!(page.contains("class=\"notice alarm\""));

    let page = html([judged(600, WindowState::Cut)], &show());
    has(&page, "1 window was cut short: 1970-01-01 00:10 to 00:20.");
    has(&page, "No findings, but no window was seen whole and found clean.");
    assert!(!page.contains("class=\"notice good\""));

    let unsaid = Item::Mark(Mark::End(end(600, "nfscan", None)));
    let page = html([unsaid], &show());
    assert!(!page.contains("class=\"notice good\""));
}

#[test]
fn findings_that_are_not_shown_are_counted() {
    let outside = Finding { side: Some(Side::Outside), ..finding("192.0.2.9", 90_000, 7) };
    // Without this window there would be a gap of more than a day.
    let between = judged(3600, WindowState::Ok);
    let old = found(finding("192.0.2.1", 0, 5));
    let items = [found(outside), old, between, judged(90_000, WindowState::Ok)];
    let page = html(items.clone(), &show());
    has(&page, "1 incident with 1 finding about 1 host outside.");
    has(&page, "1 finding of older windows is not shown. This page is about the last 24 hours");
    assert!(!page.contains("192.0.2.1<"));

    let page = html(items.clone(), &Show { last: 0, ..show() });
    has(&page, "2 incidents with 2 findings about 1 host inside and 1 host outside.");

    // The window of the outside host is not clean, though the finding is not shown.
    let page = html(items, &Show { side: Some(Side::Inside), ..show() });
    has(&page, "No findings about hosts inside, but no window");
    has(&page, "1 finding about other hosts is not shown.");
    assert!(!page.contains("192.0.2.9"));
}

#[test]
fn a_gap_before_the_newest_window_is_reported_and_both_sides_are_shown() {
    let day: Vec<_> = (0..20).map(|n| judged(600_000 + n * 600, WindowState::Ok)).collect();
    let today = found(finding("192.0.2.1", 600_000, 5));
    let long_ago = found(finding("192.0.2.2", 0, 6));
    let chain = (0..3).map(|n| found(finding("192.0.2.3", 400_000_000 + n * 600, 7)));
    let items: Vec<_> = day.into_iter().chain([today, long_ago]).chain(chain).collect();
    let page = html(items.clone(), &show());
    has(
        &page,
        "More than 24 hours lie between the windows 1970-01-08 01:50 to 02:00 and 1982-09-04 \
         15:26:40 to 15:36:40.",
    );
    has(&page, "This page shows both, and what is older up to 24 hours before the end");
    assert!(page.contains(">192.0.2.1<") && page.contains(">192.0.2.3<"), "{page}");
    assert!(!page.contains(">192.0.2.2<"), "{page}");

    // With the current time, the windows of the far future are set aside.
    let mut data = PageData::new(Some(Timestamp::from_secs(612_000)));
    items.into_iter().for_each(|item| data.item(item));
    let page = data.html(&show()).unwrap();
    has(&page, "3 lines of the input were set aside.");
    assert!(!text(&page).contains("More than 24 hours"));
    assert!(page.contains(">192.0.2.1<") && !page.contains(">192.0.2.3<"), "{page}");
}

#[test]
fn the_newest_window_is_shown_however_long_it_is() {
    let day = Finding { window: Window::new(0, 86_400), ..finding("192.0.2.1", 0, 5) };
    let page = html([found(day)], &Show { last: 3600, ..show() });
    has(&page, "1 incident with 1 finding about 1 host inside.");
}

#[test]
fn marks_of_flow_lines_and_of_other_commands_are_no_verdicts() {
    let judged_by = |tool| Item::Mark(Mark::End(end(600, tool, Some(WindowState::Ok))));
    let flows = Item::Mark(Mark::End(End { tool: None, ..end(600, "", Some(WindowState::Ok)) }));
    for mark in [flows, judged_by("nftop"), judged_by("nfscanner")] {
        let page = html([mark], &show());
        has(&page, "No findings, but no window was seen whole and found clean.");
        assert!(!page.contains("class=\"notice good\""));
    }
}

#[test]
fn nothing_is_called_clean_if_some_lines_were_not_understood() {
    let mut data = PageData::new(None);
    data.item(judged(600, WindowState::Ok));
    data.bad_line();
    let page = data.html(&show()).unwrap();
    has(&page, "No findings in what could be read of the input.");
    has(&page, "Seen whole; what could not be read may be findings of it");
    let text = text(&page);
    assert!(!page.contains("class=\"notice good\"") && !text.contains("clean by"), "{text}");
}

#[test]
fn the_page_says_what_is_missing() {
    let mut data = PageData::new(None);
    data.item(found(finding("192.0.2.1", 600, 5)));
    data.bad_line();
    data.bad_line();
    data.bad_input();
    assert!(!data.is_unreadable());
    has(&data.html(&show()).unwrap(), "1 file and 2 lines of the input could not be read.");

    let mut lossy = end(600, "nfscan", Some(WindowState::Ok));
    (lossy.lost_flows, lossy.open) = (Some(3), Some(true));
    let page = html([Item::Mark(Mark::End(lossy))], &show());
    has(&page, "Records were lost in 1 window.");
    has(&page, "No findings, but no window was seen whole and found clean.");
    has(&page, "Judged, but records were lost: not seen whole");
    assert!(!page.contains("class=\"notice good\""));
    has(&page, "Exports were taken from anyone in 1 window.");

    // One tool's mark is enough.
    let silent = End { silent: Some(1), ..end(600, "nfscan", Some(WindowState::Ok)) };
    let other = End { silent: Some(0), ..end(600, "nfport", Some(WindowState::Ok)) };
    let ends = [silent, other.clone()].map(|end| Item::Mark(Mark::End(end)));
    let page = html(ends, &show());
    has(&page, "An exporter was silent in 1 window.");
    has(&page, "No findings, but no window was seen whole and found clean.");
    has(&page, "Judged, but an exporter was silent: not seen whole");
    assert!(!page.contains("class=\"notice good\""));
    let page = html([Item::Mark(Mark::End(other))], &show());
    assert!(page.contains("class=\"notice good\"") && !text(&page).contains("silent"));

    let mut data = PageData::new(None);
    assert!(!data.is_unreadable());
    data.bad_line();
    assert!(data.is_unreadable());
}

#[test]
fn a_table_that_is_too_long_is_cut_and_the_rest_counted() {
    let many = (0..MAX_ROWS as u32 + 7).map(|n| {
        let host = Host::Address(std::net::Ipv4Addr::from_bits(0x0a00_0000 + n).into());
        let window = if n == 3 { None } else { Window::new(600, 600) };
        found(Finding { host, window, ..finding("192.0.2.1", 600, 5) })
    });
    let page = html(many, &show());
    assert_eq!(page.matches("<tr class=\"row\"><th").count(), 1, "what was looked at");
    assert_eq!(rows(&page).len(), MAX_ROWS);
    has(
        &page,
        "7 more incidents were counted but not listed. The table ends after the gravest 500.",
    );
    has(&page, "507 incidents with 507 findings about 507 hosts inside.");
    has(&page, "At an unknown time 1");
}

#[test]
fn findings_beyond_the_bound_of_a_day_are_said_and_not_called_clean() {
    let many = (0..12_500u32).map(|n| {
        let host = Host::Address(std::net::Ipv4Addr::from_bits(0x0a00_0000 + n).into());
        found(Finding { host, side: Some(Side::Outside), ..finding("192.0.2.1", 1200, 5) })
    });
    // The only finding of its window is the least of all.
    let least = Finding { side: Some(Side::Outside), ..finding("192.0.2.1", 600, 1) };
    let marks = [judged(600, WindowState::Ok), judged(1200, WindowState::Ok)];
    let page = html(many.chain([found(least)]).chain(marks), &show());
    has(&page, "There are more findings than are counted here. Of a day, 12,000 are counted");
    has(&page, "12,000 incidents with 12,000 findings about 12,000 hosts outside.");
    has(&page, "Seen whole, with findings 2 ");
    assert!(!text(&page).contains("Seen whole and clean"));
}

/// Returns the text of each incident in the list.
fn rows(page: &str) -> Vec<String> {
    let rows = page.split("<tr class=\"row\">\n<th").skip(1);
    let rows = rows.map(|row| row.split_once("</tr>").unwrap().0);
    rows.map(|row| text(&format!("<body><th{row}<footer>"))).collect()
}

/// Returns the first words of each incident in the list: its host.
fn hosts(page: &str) -> Vec<String> {
    rows(page).iter().map(|row| row.split(' ').next().unwrap().to_owned()).collect()
}

#[test]
fn the_windows_of_a_host_are_one_row_with_the_evidence_of_the_peak() {
    // Over midnight, with a window that is clean and one that nobody looked at.
    let day = 86_400;
    let at = |start, flows| {
        let why = format!("hosts={flows}>=100");
        found(Finding { why, ..finding("192.0.2.1", start, flows) })
    };
    let items = [
        at(day - 600, 150),
        at(day, 470),
        judged(day - 600, WindowState::Ok),
        judged(day, WindowState::Ok),
        judged(day + 600, WindowState::Ok),
        judged(day + 1200, WindowState::NoData),
        at(day + 1800, 200),
        judged(day + 1800, WindowState::Ok),
    ];
    let page = html(items.clone(), &show());
    has(&page, "1 incident with 3 findings about 1 host inside. 1 goes on in the newest window");
    let [row] = <[String; 1]>::try_from(rows(&page)).unwrap();
    assert_eq!(
        row,
        "192.0.2.1 inside source Probes whole networks, host after host, TCP port 21 (ftp) \
         Evidence of the peak 1970-01-02 00:00 to 00:10 UTC scan sweep, TCP port 21 (ftp): 470 flows, 470 packets, 18,800 bytes in \
         10 minutes The rule, with value and limit hosts=470&#62;=100 1970-01-01 23:50 goes on 3 of 4 looked at \
         4.7 470 0.78 a second 400 targets"
    );

    // The same with a window behind it.
    let after = judged(day + 2400, WindowState::Ok);
    let page = html(items.iter().cloned().chain([after]), &show());
    has(&page, "None of them has a finding in the newest window, 1970-01-02 00:40 to 00:50.");
    has(&page, "Without a finding in the newest window 1");
    assert!(
        rows(&page)[0].contains("1970-01-01 23:50 1970-01-02 00:40 3 of 4 looked at"),
        "{page}"
    );
    let after = judged(day + 2400, WindowState::Cut);
    let page = html(items.iter().cloned().chain([after]), &show());
    has(&page, "The newest window, 1970-01-02 00:40 to 00:50, was not seen whole: they may go on.");
    has(&page, "Without a finding in the newest window, which was not seen whole 1");
}

/// A host that spreads a worm scans as well: the evidence of both is there, and the gravest speaks first.
#[test]
fn each_kind_of_attack_of_an_incident_has_its_evidence() {
    let scan = |port, times: u64| {
        let why = format!("hosts={}>=100", 100 * times);
        found(Finding { port: Some(port), why, ..finding("192.0.2.1", 600, 9) })
    };
    let port = Finding {
        kind: Kind::Port,
        class: "spread".to_owned(),
        why: "targets=5000>=1000".to_owned(),
        ..finding("192.0.2.1", 1200, 7)
    };
    let page = html([scan(80, 2), found(port), scan(22, 8), scan(21, 3)], &show());
    let rows = rows(&page);
    assert_eq!(rows.len(), 1);
    assert!(rows[0].contains(
        "Attacks one port of many hosts, as a worm does; probes whole networks, host after host, \
         TCP port 22 (ssh), and 2 more"
    ));
    let (scan, port) = (rows[0].find("scan sweep, TCP port 22"), rows[0].find("port spread, TCP"));
    assert!(scan.is_some() && scan < port, "{}", rows[0]);
    assert!(!rows[0].contains("TCP port 80"), "{}", rows[0]);
    assert!(rows[0].contains(" goes on 2 of 2 looked at 8.0 9 "), "{}", rows[0]);
}

/// With a row a window, 809 findings of a day were 1.31 MB.
#[test]
fn the_page_of_a_day_of_floods_is_small() {
    let peer = (0..MAX_PEERS as u32).map(|n| Peer {
        host: Host::Address(std::net::Ipv4Addr::from_bits(0xc000_0200 + n).into()),
        flows: Some(9),
    });
    let peer: Vec<Peer> = peer.collect();
    let floods = (0..12 * 144u64).map(|n| {
        let (host, start) = (format!("10.0.0.{}", n % 12), n / 12 * 600);
        let (kind, role, class) = (Kind::Flood, Role::Target, "ddos".to_owned());
        found(Finding { kind, role, class, peer: peer.clone(), ..finding(&host, start, n) })
    });
    let page = html(floods, &show());
    assert_eq!(rows(&page).len(), 12);
    assert!(page.len() < 50_000, "{} bytes", page.len());
    has(&page, "12 incidents with 1,728 findings about 12 hosts inside. 12 go on");
}

#[test]
fn an_incident_that_began_before_the_time_shown_keeps_its_beginning() {
    let early = found(finding("192.0.2.1", 600, 9));
    let gone = found(finding("192.0.2.2", 600, 9));
    let items = [early, gone, found(finding("192.0.2.1", 3600, 5)), judged(3600, WindowState::Ok)];
    let page = html(items, &Show { last: 600, ..show() });
    has(&page, "1 incident with 1 finding about 1 host inside.");
    has(&page, "2 findings of older windows are not shown. This page is about the last 10 minutes");
    assert_eq!(hosts(&page), ["192.0.2.1"]);
    assert!(rows(&page)[0].contains("1970-01-01 00:10 goes on 2 of 2 looked at"), "{page}");
}

#[test]
fn what_goes_on_comes_first_and_then_our_own_hosts_by_their_weight() {
    let of = |host: &str, start, side, role, times: u64, flows| {
        let why = format!("n={}>=10", 10 * times);
        Finding { side, role, why, ..finding(host, start, flows) }
    };
    let (inside, outside) = (Some(Side::Inside), Some(Side::Outside));
    let (source, target) = (Role::Source, Role::Target);
    let findings = [
        of("192.0.2.1", 600, inside, source, 90, 90),
        of("192.0.2.2", 600, outside, source, 99, 99),
        of("192.0.2.3", 1200, outside, source, 9, 9),
        of("192.0.2.4", 1200, None, target, 2, 9),
        of("192.0.2.5", 1200, inside, target, 3, 9),
        of("192.0.2.6", 1200, inside, source, 2, 9),
        of("192.0.2.7", 1200, inside, source, 2, 8),
        of("192.0.2.8", 1200, inside, source, 3, 7),
        // In two windows, and with fewer flows.
        of("192.0.2.9", 600, inside, source, 2, 7),
        of("192.0.2.9", 1200, inside, source, 2, 7),
    ];
    let page = html(findings.map(found), &show());
    let order = [8, 9, 6, 7, 5, 3, 4, 1, 2].map(|n| format!("192.0.2.{n}"));
    assert_eq!(hosts(&page), order);
    has(&page, "7 go on in the newest window");
}

/// nfport has stopped: its newest window is no newest window of the page.
#[test]
fn the_findings_of_a_detector_that_has_stopped_do_not_go_on() {
    let port = |start| {
        let class = "spread".to_owned();
        found(Finding { kind: Kind::Port, class, ..finding("192.0.2.1", start, 5) })
    };
    let scan = |start| judged(start, WindowState::Ok);
    let page = html([port(600), scan(600), scan(1200)], &show());
    assert!(rows(&page)[0].contains(" goes on "), "it may lag by a window: {page}");
    let page = html([port(600), scan(600), scan(1200), scan(1800)], &show());
    assert!(!rows(&page)[0].contains(" goes on "), "{page}");
}

#[test]
fn findings_of_an_unknown_time_are_grouped_and_shown_without_one() {
    let unknown = |flows, port| {
        let port = Some(port);
        found(Finding { window: None, port, ..finding("192.0.2.1", 600, flows) })
    };
    let known = found(finding("192.0.2.1", 600, 5));
    let page = html([unknown(7, 21), unknown(9, 22), unknown(9, 22), known], &show());
    has(&page, "2 incidents with 3 findings about 1 host inside.");
    has(&page, "At an unknown time 1");
    let rows = rows(&page);
    assert_eq!(rows.len(), 2, "{page}");
    assert!(
        rows[1].contains(
            "Evidence of the peak At an unknown time scan sweep, TCP port 22 (ssh): 9 flows"
        ),
        "{rows:?}"
    );
    assert!(rows[1].contains("in a window of unknown length"), "{rows:?}");
    assert!(rows[1].contains("TCP port 22 (ssh), and 1 more"), "{rows:?}");
    assert!(rows[1].contains(" unknown unknown "), "{rows:?}");
    assert!(!rows[1].contains("1970"), "{rows:?}");
}

#[test]
fn text_of_the_input_is_escaped() {
    let plain = Finding {
        why: "<script>alert(1)</script>\"'&<!--".to_owned(),
        ..finding("192.0.2.1", 600, 5)
    };
    let hostile = Finding {
        marks: vec!["<b>".to_owned(), "\" onclick=\"x".to_owned()],
        class: "</style><img src=x>".to_owned(),
        ..finding("192.0.2.2", 600, 5)
    };
    let mark = Item::Mark(Mark::End(end(600, "<i>", Some(WindowState::Ok))));
    let title = "</title><script>1</script>".to_owned();
    let page = html([found(plain), found(hostile), mark], &Show { title, ..show() });
    for tag in ["<script", "<b>", "<img", "<i>", "onclick=\"", "<!--"] {
        assert!(!page.contains(tag), "{tag}");
    }
    for part in ["&#60;script&#62;alert(1)", "&#60;b&#62;", "onclick=&#34;x"] {
        assert!(page.contains(part), "{part}");
    }
    assert_eq!(page.matches("</style>").count(), 1);
}

#[test]
fn the_page_needs_no_other_file() {
    let page = html([found(finding("192.0.2.1", 600, 5)), judged(600, WindowState::Ok)], &show());
    for word in ["<script", "<link", "<img", "<a ", "src=", "href=", "url(", "@import", "http://"] {
        assert!(!page.contains(word), "{word}");
    }
    let policy = "http-equiv=\"Content-Security-Policy\" \
                  content=\"default-src 'none'; style-src 'unsafe-inline'\"";
    assert!(page.contains(policy));
}

/// Returns all texts in the page that can be parsed as an address.
fn addresses(html: &str) -> Vec<String> {
    let is_part = |c: char| c.is_ascii_hexdigit() || c == '.' || c == ':';
    let words = text(html);
    let words = words.split(|c| !is_part(c)).map(|word| word.trim_end_matches('.'));
    // A masked IPv6 address ends in a colon, and no address of these tests does.
    let words = words.filter(|word| !word.ends_with(':'));
    words.filter(|w| w.parse::<std::net::IpAddr>().is_ok()).map(str::to_owned).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_page_does_not_depend_on_the_order_of_the_input(
        findings in proptest::collection::vec(any_finding(), 1..8),
        by in 0usize..8,
    ) {
        let show = Show { last: 0, ..show() };
        let mut items: Vec<_> = findings.into_iter().map(found).collect();
        let again = items[by % items.len()].clone();
        let page = html(items.clone(), &show);
        let middle = by % items.len();
        items.rotate_left(middle);
        items.push(again);
        prop_assert_eq!(html(items, &show), page);
    }

    #[test]
    fn a_masked_page_holds_no_address(
        mut finding in any_finding(), host in any::<std::net::IpAddr>(),
        other in any::<std::net::IpAddr>(), form in 0usize..6,
    ) {
        finding.why = match form {
            0 => format!("by={host}>=1"),
            1 => format!("n=1<2,by={host},also=spread"),
            2 => format!("n=1>={host},order=random"),
            3 => format!("of={host}/32,dark=3"),
            4 => format!("by=[{host}]:80"),
            _ => format!("because of {host}"),
        };
        finding.peer.retain(|peer| matches!(peer.host, Host::Address(_)));
        finding.peer.truncate(MAX_PEERS - 1);
        finding.peer.push(Peer { host: Host::Address(other), flows: Some(7) });
        finding.host = Host::Address(host);
        let page = |mask| html([found(finding.clone())], &Show { mask, ..show() });
        prop_assert!(addresses(&page(false)).contains(&host.to_string()));
        prop_assert_eq!(addresses(&page(true)), [""; 0]);
    }
}
