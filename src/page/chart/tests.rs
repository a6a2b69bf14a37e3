//! Tests that read the charts back and hold them to the numbers that their tables print.

use proptest::prelude::*;

use super::read::{Svg, place, svgs};
use super::*;

/// Half a unit of a chart's height, and a bit for the arithmetic of the test.
const HALF: f64 = 0.000_51;

fn one(html: &str) -> Svg {
    let mut all = svgs(html);
    assert_eq!(all.len(), 1);
    all.remove(0)
}

/// Returns windows side by side from the start of a span, with lengths in multiples of 300 s.
fn windows<T: std::fmt::Debug + Clone>(
    value: impl Strategy<Value = T>,
) -> impl Strategy<Value = Vec<(u64, State<T>)>> {
    let state = prop_oneof![
        4 => value.prop_map(State::Seen),
        1 => Just(State::Unseen),
        1 => Just(State::NotYet),
    ];
    proptest::collection::vec(((1u64..5).prop_map(|n| n * 300), state), 1..150)
}

fn in_time<T: Copy>(start: u64, windows: &[(u64, State<T>)]) -> (Span, Vec<ChartWindow<T>>) {
    let mut end = start;
    let placed = windows.iter().map(|(seconds, state)| {
        let window = ChartWindow { start: end, end: end + seconds, state: *state };
        end += seconds;
        window
    });
    let placed = placed.collect();
    (Span { start, end }, placed)
}

fn axes(span: Span, scale: Linear, limit: Option<u64>) -> StripAxes {
    StripAxes { span, scale, limit, unit: None, ticks: Vec::new() }
}

fn seen(values: &[u64]) -> Vec<ChartWindow<u64>> {
    let states: Vec<_> = values.iter().map(|value| (600, State::Seen(*value))).collect();
    in_time(0, &states).1
}

proptest! {
    #[test]
    fn a_bar_is_as_long_as_its_number(numbers in proptest::collection::vec(any::<u64>(), 1..20)) {
        let scale = Linear::exact(numbers.iter().copied());
        for number in numbers {
            let svg = one(&Bar::new(&scale, Tone::Scan, number).to_string());
            let ends: Vec<f64> = svg.pieces("area").concat().iter().map(|(x, _)| *x).collect();
            let length = ends.iter().copied().fold(0.0, f64::max) / svg.width;
            let exact = number as f64 / scale.top() as f64;
            prop_assert!((length - exact).abs() < HALF || (length < 0.001_1 && exact < 0.001));
            prop_assert!(ends.is_empty() || ends.contains(&0.0), "a bar begins at 0");
            prop_assert_eq!(number == 0, ends.is_empty());
        }
    }

    #[test]
    fn a_dot_is_at_its_number(number in 0u64..2_000_000, limit in 1u64..2_000_000) {
        let scale = Decades::new(number.max(limit));
        let end = scale.ticks().last().copied().unwrap() as f64;
        let svg = one(&Dot::new(&scale, Tone::Port, Some(limit), number).to_string());
        let x = |class| svg.pieces(class).concat().first().map(|(x, _)| x / svg.width);
        let number_of = |fraction: f64| end.powf(fraction);
        let step = end.powf(0.000_51);
        let is_near = |read: f64, exact: u64| {
            read / exact as f64 <= step && exact as f64 / read <= step
        };
        match x("dot") {
            Some(dot) => prop_assert!(is_near(number_of(dot), number), "{}", number_of(dot)),
            None => prop_assert_eq!(number, 0),
        }
        prop_assert!(is_near(number_of(x("limit").unwrap()), limit));
        let decades: Vec<f64> = svg.pieces("grid").iter().map(|line| number_of(line[0].0 / svg.width)).collect();
        prop_assert_eq!(decades.len(), scale.ticks().len());
        prop_assert!(decades.iter().zip(scale.ticks()).all(|(read, tick)| is_near(*read, tick)));
    }

    #[test]
    fn a_strip_is_its_windows(
        start in 0u64..1_000_000_000,
        windows in windows(prop_oneof![Just(0u64), 0u64..3000, any::<u64>()]),
        limit in 1u64..3000,
    ) {
        let (span, windows) = in_time(start, &windows);
        let values = windows.iter().filter_map(|window| match window.state {
            State::Seen(value) => Some(value),
            _ => None,
        });
        let scale = Linear::exact(values.chain([limit]));
        let html = Strip::new(&axes(span, scale, Some(limit)), Tone::Flood, &windows, "").to_string();
        let svg = one(&html);
        let exact = |value: u64| value as f64 / scale.top() as f64;
        for window in &windows {
            let (from, to) = (span.fraction(window.start), span.fraction(window.end));
            let level = svg.level("area", 1.0, from, to);
            let covers = ["area", "base", "unseen"].map(|class| svg.covers(class, from, to));
            match window.state {
                State::Seen(value) => {
                    let error = (level - exact(value)).abs();
                    prop_assert!(error < HALF || (level < 0.001_1 && exact(value) < 0.001));
                    prop_assert_eq!(covers, [value > 0, true, false]);
                }
                State::Unseen => prop_assert_eq!(covers, [false, false, true]),
                State::NotYet => prop_assert_eq!(covers, [false, false, false]),
            }
        }
        let lines = svg.steps("limit", 1.0);
        prop_assert_eq!(lines.len(), 1);
        let (from, to, y) = lines[0];
        prop_assert!((from, to) == (0.0, 1.0) && (1.0 - y - exact(limit)).abs() < 0.001_1);
    }

    #[test]
    fn a_mirror_is_its_windows(
        start in 0u64..1_000_000_000,
        windows in windows((0u64..1 << 40, 0u64..1 << 40).prop_map(|(sent, received)| Rates { sent, received })),
    ) {
        let (span, windows) = in_time(start, &windows);
        let html = Mirror::new(span, Unit::BitRate, &windows, Vec::new(), "Traffic").to_string();
        let svg = one(&html);
        let rates = windows.iter().filter_map(|window| match window.state {
            State::Seen(rates) => Some(rates.sent.max(rates.received)),
            _ => None,
        });
        // The label at the end of the scale says what a full height is.
        let top = Linear::with_steps(rates.max().unwrap_or(0), 3).top();
        let ends: Vec<&str> = html.split("<span class=\"t0\"><b>").skip(1).collect();
        prop_assert!(ends[0].starts_with(&Unit::BitRate.tick(top)), "{}", ends[0]);
        let exact = |value: u64| value as f64 / top as f64;
        for window in &windows {
            let (from, to) = (span.fraction(window.start), span.fraction(window.end));
            let levels = ["sent", "received"].map(|class| svg.level(class, 0.5, from, to) * 2.0);
            let covers = ["sent", "received", "base", "unseen"].map(|class| svg.covers(class, from, to));
            match window.state {
                State::Seen(Rates { sent, received }) => {
                    for (level, value) in levels.into_iter().zip([sent, received]) {
                        let error = (level - exact(value)).abs();
                        prop_assert!(error < HALF || (level < 0.001_1 && exact(value) < 0.001));
                    }
                    prop_assert_eq!(covers, [sent > 0, received > 0, true, false]);
                }
                State::Unseen => prop_assert_eq!(covers, [false, false, false, true]),
                State::NotYet => prop_assert_eq!(covers, [false; 4]),
            }
        }
        prop_assert!(svg.steps("sent", 0.5).iter().all(|(_, _, y)| *y < 0.5), "sent is up");
        prop_assert!(svg.steps("received", 0.5).iter().all(|(_, _, y)| *y > 0.5), "received is down");
    }

    #[test]
    fn a_label_is_at_its_fraction(fraction in 0.0f64..=1.0) {
        prop_assert!((place(&at(fraction)) - fraction).abs() <= 0.000_500_1);
    }
}

#[test]
fn a_hole_has_no_shape_and_no_line_across() {
    let mut windows = seen(&[700, 700, 700, 700]);
    windows.remove(2);
    let span = Span { start: 0, end: 2400 };
    let svg = one(&Strip::new(&axes(span, Linear::exact([1000]), None), Tone::Flood, &windows, "")
        .to_string());
    assert_eq!(svg.paths["area"], "M0 1000V300h2V1000zM3 1000V300h1V1000z");
    assert_eq!(svg.paths["unseen"], "M2 0H3V1000H2z");
    assert_eq!(svg.paths["base"], "M0 1000H2M3 1000H4");
}

#[test]
fn windows_that_overlap_or_lie_outside_make_no_second_step() {
    let window = |start, end, value| ChartWindow { start, end, state: State::Seen(value) };
    let windows =
        [window(900, 1800, 9), window(600, 1200, 5), window(0, 300, 7), window(5000, 5600, 8)];
    let span = Span { start: 300, end: 1500 };
    let svg =
        one(&Strip::new(&axes(span, Linear::exact([10]), None), Tone::Scan, &windows, "")
            .to_string());
    assert_eq!(svg.paths["area"], "M1 1000V500h2V100h1V1000z");
    assert_eq!(svg.paths["unseen"], "M0 0H1V1000H0z");
}

#[test]
fn a_strip_of_a_day_is_about_a_kilobyte() {
    // Every window has another value, as in the worst case, and some were not seen.
    let values: Vec<u64> = (0..144).map(|n| 1 + n * 7919 % 2500).collect();
    let mut windows = seen(&values);
    windows.drain(60..66);
    let span = Span { start: 0, end: 86_400 };
    let html = Strip::new(&axes(span, Linear::new(2500), Some(1000)), Tone::Flood, &windows, "")
        .to_string();
    assert!(html.len() < 1600, "{}", html.len());
    // Half of it a day of a flood that lasts some hours.
    let values: Vec<u64> = (0..144).map(|n| if n < 80 { 0 } else { 2000 + n * 17 % 200 }).collect();
    let html =
        Strip::new(&axes(span, Linear::new(2500), Some(1000)), Tone::Flood, &seen(&values), "")
            .to_string();
    assert!(html.len() < 1000, "{}", html.len());
}

#[test]
fn text_is_escaped_and_labelled_charts_are_images() {
    let span = Span { start: 0, end: 600 };
    let axes = StripAxes {
        unit: Some(Unit::Count("flow")),
        ticks: vec![Tick::new(span, 300, "<b>06</b>")],
        ..axes(span, Linear::new(2180), Some(1000))
    };
    let hostile = "\"><script>alert(1)</script>";
    let html =
        Strip::new(&axes, Tone::Flood, &seen(&[5]), hostile).to_string() + &axes.axis().to_string();
    assert!(!html.contains("<script>") && !html.contains("<b>06"), "{html}");
    assert!(html.contains("role=\"img\" aria-label=\"&#34;&#62;"), "{html}");
    assert!(html.contains("<span class=\"t0\"><b>2,500 flows</b>"), "{html}");
    assert!(html.contains("<span class=\"t6\"><b>1,000 flows</b>"), "{html}");
    let hidden = Strip::new(&axes, Tone::Flood, &seen(&[5]), "").to_string();
    assert!(hidden.contains(
        "<svg viewBox=\"0 0 1 1000\" preserveAspectRatio=\"none\" aria-hidden=\"true\">"
    ));
    let key = Key::new().series(Tone::Scan, "<i>").to_string();
    assert_eq!(
        key,
        "<ul class=\"key\"><li><span class=\"sample scan\"></span>&#60;i&#62;</li></ul>"
    );
}

#[test]
fn axes_have_round_labels() {
    let axis = Axis::decades(&Decades::new(200_000)).to_string();
    assert!(axis.contains("<span class=\"t5\"><b>1 k</b></span>"), "{axis}");
    let axis = Axis::linear(&Linear::exact([260, 3]), Unit::Count("time")).to_string();
    assert!(axis.ends_with(
        "<span class=\"t0\"><b>0</b></span><span class=\"t10\"><b>260 times</b></span></div>"
    ));
}
