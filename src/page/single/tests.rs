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
    let mut data = PageData::new(None);
    items.into_iter().for_each(|item| data.item(item));
    data.html(show).unwrap()
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
    has(&page, "1 finding about 1 host outside.");
    has(&page, "1 finding of older windows is not shown. This page is about the last 24 hours");
    assert!(!page.contains("192.0.2.1<"));

    let page = html(items.clone(), &Show { last: 0, ..show() });
    has(&page, "2 findings about 1 host inside and 1 host outside.");

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
    has(&page, "1 finding about 1 host inside.");
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
        found(Finding { host, ..finding("192.0.2.1", 600, 5) })
    });
    let page = html(many, &show());
    assert_eq!(page.matches("<tr class=\"row\"><th").count(), 1, "what was looked at");
    assert_eq!(page.matches("<th scope=\"row\"><span").count(), MAX_ROWS);
    has(&page, "7 more findings were counted but not listed.");
    has(&page, "2,007 findings about 2,007 hosts inside.");
}

#[test]
fn text_of_the_input_is_escaped() {
    let hostile = Finding {
        why: "<script>alert(1)</script>\"'&<!--".to_owned(),
        marks: vec!["<b>".to_owned(), "\" onclick=\"x".to_owned()],
        class: "</style><img src=x>".to_owned(),
        ..finding("192.0.2.1", 600, 5)
    };
    let mark = Item::Mark(Mark::End(end(600, "<i>", Some(WindowState::Ok))));
    let title = "</title><script>1</script>".to_owned();
    let page = html([found(hostile), mark], &Show { title, ..show() });
    for tag in ["<script", "<b>", "<img", "<i>", "onclick=\"", "<!--"] {
        assert!(!page.contains(tag), "{tag}");
    }
    assert!(page.contains("&#60;script&#62;alert(1)"));
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
