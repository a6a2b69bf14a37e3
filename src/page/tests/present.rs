//! Tests of what the index says of the present: the heading, the notices, and when it calls something clean.

use super::*;

#[test]
fn no_input_makes_an_index_that_calls_nothing_clean() {
    let lab = Lab::new("UTC");
    lab.run([]);
    let index = lab.page("index.html");
    assert!(
        index.contains("No window was judged yet") && index.contains("Nothing was judged yet.")
    );
    check_links(&lab.www());
    lab.run(judged(START, WindowState::NoData));
    let index = lab.page("index.html");
    assert!(index.contains("No exporter sends data"), "{index}");
    lab.run(judged(START + 600, WindowState::Cut));
    assert!(lab.page("index.html").contains("Not all was seen; seen until"));
    lab.run(judged(START + 1200, WindowState::Ok));
    assert!(lab.page("index.html").contains("No host stands out; seen until 2001-08-03 16:30 UTC"));
}

#[test]
fn only_what_all_detectors_saw_is_called_clean() {
    let newest = |change: &dyn Fn(&mut End)| -> String {
        let lab = Lab::new("UTC");
        let mut items = judged(START, WindowState::Ok);
        for item in &mut items {
            let Item::Mark(Mark::End(end)) = item else { continue };
            change(end);
        }
        lab.run(items);
        lab.page("index.html")
    };
    let is_clean = |page: &str| page.contains("No host stands out; seen until");
    assert!(is_clean(&newest(&|_| {})));
    for (change, notice) in [
        (
            (|end: &mut End| end.silent = Some(1)) as fn(&mut End),
            "An exporter was silent in 1 window.",
        ),
        (|end| end.lost_flows = Some(3), "Records were lost in 1 window."),
        (|end| end.state = None, "It is not known how much of 1 window was seen"),
        (|end| end.other.push(("filtered".to_owned(), "1".to_owned())), "saw all of the newest"),
        (
            |end| {
                if end.tool.as_deref() == Some("nfflood") {
                    end.tool = Some("nfgrep".to_owned());
                }
            },
            "nfflood did not judge 1 window.",
        ),
    ] {
        let page = newest(&change);
        assert!(!is_clean(&page) && page.contains(notice), "{notice}: {page}");
    }
    // A host outside does not make those inside clean.
    let lab = Lab::new("UTC");
    let outside =
        found(Finding { side: Some(Side::Outside), ..finding("198.51.100.1", START, 300) });
    lab.run(judged(START, WindowState::Cut).into_iter().chain([outside]));
    let index = lab.page("index.html");
    assert!(index.contains("1 host outside stands out, and not all was seen"), "{index}");
}

#[test]
fn a_detector_that_has_stopped_says_nothing_about_the_present() {
    let lab = Lab::new("UTC");
    lab.run(clean(START, START + 600).into_iter().chain([found(finding(
        "140.119.1.1",
        START,
        300,
    ))]));
    assert!(lab.page("index.html").contains("1 of our hosts attacks"));
    // Nothing but floods was looked for since.
    let floods = clean(START + 600, START + 6000).into_iter().filter(
        |item| matches!(item, Item::Mark(Mark::End(end)) if end.tool.as_deref() == Some("nfflood")),
    );
    lab.run(floods);
    let index = lab.page("index.html");
    assert!(index.contains("Not all was seen; seen until"), "{index}");
    assert!(index.contains("nfscan did not judge 9 windows."), "{index}");
}
