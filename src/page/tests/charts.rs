//! Every chart of the pages, read back into numbers and held to the table that it stands in and to the findings.

use std::collections::BTreeMap;

use super::super::chart::read::{Svg, svgs};
use super::*;

/// Seconds of a window.
const SLOT: u64 = 600;

/// The part of a number by which a chart may be off: its coordinates have a thousandth of the size.
const PRECISION: f64 = 0.0006;

/// Returns the flows of a flood's `n`-th window, from above and below the limit to the largest.
fn flood_flows(n: u64) -> u64 {
    1_003 + (n * 7_919) % 12_000
}

/// Returns a day with all figures. The flood has a window each half hour from 2:00 to 20:00, nothing was
/// seen from 5:00 to 6:00, and the newest window ends at 21:00.
fn attacks() -> Vec<Item> {
    let is_seen = |start: u64| {
        !(START + 5 * HOUR..START + 6 * HOUR).contains(&start) && start < START + 21 * HOUR
    };
    let slots = (START..START + DAY).step_by(600);
    let mut items: Vec<Item> = slots
        .filter(|start| is_seen(*start))
        .flat_map(|start| judged(start, WindowState::Ok))
        .collect();
    items.extend(judged(START + 5 * HOUR, WindowState::NoData));
    for n in 0..16 {
        let start = START + 2 * HOUR + n * 1800;
        if is_seen(start) {
            for (host, flows) in [("140.119.100.13", flood_flows(n)), ("140.119.100.14", 1_000 + n)]
            {
                items.push(found(Finding {
                    kind: Kind::Flood,
                    class: "dos".to_owned(),
                    role: Role::Target,
                    port: Some(80),
                    why: format!("flows={flows}>=1000"),
                    ..finding(host, start, flows)
                }));
            }
        }
    }
    let peer = |n: u8| Peer {
        host: Host::parse(&format!("140.119.{n}.0/24")).unwrap(),
        flows: Some(250 + u64::from(n) * u64::from(n)),
    };
    items.push(found(Finding {
        class: "sweep".to_owned(),
        side: Some(Side::Outside),
        port: Some(21),
        peers: 4064,
        peer: (40..56).map(peer).collect(),
        more: 0,
        why: "nets=16>=2".to_owned(),
        ..finding("203.0.113.45", START + HOUR, 20_000)
    }));
    for (n, flows) in [1_000, 1_001, 2_500, 9_999, 10_000, 199_833].into_iter().enumerate() {
        items.push(found(Finding {
            kind: Kind::Port,
            class: "spread".to_owned(),
            port: Some(80),
            why: format!("flows={flows}>=1000"),
            ..finding(&format!("140.119.44.{n}"), START + 3 * HOUR, flows)
        }));
    }
    items
}

/// A figure of a page.
struct Figure {
    heading: String,
    caption: String,
    rows: Vec<Row>,
}

/// A row of a figure's table.
struct Row {
    name: String,
    chart: Svg,
    numbers: Vec<String>,
}

impl Row {
    /// Returns the whole number of a column, from 0.
    #[track_caller]
    fn number(&self, column: usize) -> u64 {
        self.numbers[column].replace(',', "").parse().unwrap()
    }
}

/// Returns what stands between two texts, for each place where the first stands.
fn between<'a>(text: &'a str, begin: &str, end: &str) -> Vec<&'a str> {
    text.split(begin).skip(1).map(|rest| rest.split_once(end).unwrap().0).collect()
}

fn figures(page: &str) -> Vec<Figure> {
    let sections = between(page, "<section class=\"figure\"", "</section>");
    let figure = |section: &&str| {
        let rows = between(section, "<tr><th scope=\"row\" class=\"host\">", "</tr>");
        let row = |row: &&str| {
            let mut charts = svgs(row);
            assert_eq!(charts.len(), 1, "{row}");
            Row {
                name: row.split_once("</th>").unwrap().0.to_owned(),
                chart: charts.remove(0),
                numbers: between(row, "<td class=\"number\">", "</td>")
                    .into_iter()
                    .map(str::to_owned)
                    .collect(),
            }
        };
        Figure {
            heading: between(section, "<h2 ", "</h2>")[0].split_once('>').unwrap().1.to_owned(),
            caption: between(section, "<caption>", "</caption>")[0].to_owned(),
            rows: rows.iter().map(row).collect(),
        }
    };
    sections.iter().map(figure).collect()
}

#[track_caller]
fn assert_near(found: f64, expected: f64, what: &str) {
    assert!((found - expected).abs() <= PRECISION, "{what}: {found} is drawn, {expected} is meant");
}

/// Returns the flows a second in a window, to a hundredth.
fn rate(flows: u64) -> String {
    let hundredths = (flows * 100 + SLOT / 2) / SLOT;
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

/// Asserts that each bar is in proportion to its number, from 0 to the largest.
fn check_bars(figure: &Figure) {
    let most = figure.rows.iter().map(|row| row.number(0)).max().unwrap();
    for row in &figure.rows {
        let corners = row.chart.pieces("area").iter().flatten();
        let length = corners.map(|(x, _)| *x).fold(0.0, f64::max) / row.chart.width;
        assert_near(length, row.number(0) as f64 / most as f64, &row.name);
    }
}

/// Asserts that each dot stands at the logarithm of its number, among the lines of the decades and of the limit.
fn check_dots(figure: &Figure) {
    let place = |row: &Row, class| -> Vec<f64> {
        row.chart.pieces(class).iter().map(|piece| piece[0].0 / row.chart.width).collect()
    };
    for row in &figure.rows {
        let lines = place(row, "grid");
        let decades = (lines.len() - 1) as f64;
        for (n, line) in lines.iter().enumerate() {
            assert_near(*line, n as f64 / decades, "a decade");
        }
        let [dot] = place(row, "dot")[..] else { panic!("{}", row.name) };
        assert_near(dot, (row.number(0) as f64).log10() / decades, &row.name);
        let [limit] = place(row, "limit")[..] else { panic!("{}", row.name) };
        assert!(figure.caption.ends_with("the limit, 1,000 flows"), "{}", figure.caption);
        assert_near(limit, 3.0 / decades, "the limit");
        assert_eq!(row.numbers[1], rate(row.number(0)), "{}", row.name);
    }
}

/// Asserts that each window of a strip has the flows of its finding, that nothing else is drawn, and that the table
/// has the number of windows, the most flows and their rate. Returns the number of windows with a shape.
fn check_strips(figure: &Figure, flows_of: impl Fn(&str, u64) -> Option<u64>) -> usize {
    let scale = figure.caption.rsplit_once(" to ").unwrap().1;
    let scale: f64 = scale.strip_suffix(" flows").unwrap().replace(',', "").parse().unwrap();
    let mut drawn = 0;
    for row in &figure.rows {
        let slots = DAY / SLOT;
        let part = |n: u64| n as f64 / slots as f64;
        let (mut windows, mut most) = (0, 0);
        for n in 0..slots {
            let flows = flows_of(&row.name, START + n * SLOT);
            let level = row.chart.level("area", 1.0, part(n), part(n + 1));
            assert_near(
                level,
                flows.unwrap_or(0) as f64 / scale,
                &format!("{}, slot {n}", row.name),
            );
            let is_unseen = (30..36).contains(&n);
            let is_drawn = row.chart.covers("unseen", part(n), part(n + 1));
            assert_eq!(is_drawn, is_unseen, "{}, slot {n}", row.name);
            // Nothing is drawn of the time after the newest window.
            let has_base = row.chart.covers("base", part(n), part(n + 1));
            assert_eq!(has_base, !is_unseen && n < 126, "{}, slot {n}", row.name);
            windows += u64::from(flows.is_some());
            most = most.max(flows.unwrap_or(0));
        }
        drawn += usize::try_from(windows).unwrap();
        assert_eq!((row.number(0), row.number(1)), (windows, most), "{}", row.name);
        assert_eq!(row.numbers[2], rate(most), "{}", row.name);
        let [limit] = row.chart.pieces("limit") else { panic!("{}: no limit", row.name) };
        assert_near(1.0 - limit[0].1 / row.chart.height, 1000.0 / scale, "the limit");
    }
    drawn
}

#[test]
fn every_chart_of_the_pages_equals_its_table() {
    let lab = Lab::new("Asia/Taipei");
    lab.run(attacks());
    let flows_of = |name: &str, start: u64| {
        let past = start.checked_sub(START + 2 * HOUR)?;
        let n = past / 1800;
        let is_attacked = past % 1800 == 0 && n < 16 && !(6..8).contains(&n);
        is_attacked
            .then(|| if name.starts_with("140.119.100.13") { flood_flows(n) } else { 1_000 + n })
    };
    for page in ["figures.html", "day/2001-08-04.html"] {
        let mut kinds = BTreeMap::new();
        for figure in figures(&lab.page(page)) {
            *kinds.entry(figure.heading.split(' ').next().unwrap().to_owned()).or_insert(0) +=
                figure.rows.len();
            match figure.heading.split_once(' ').unwrap().0 {
                "Networks" => check_bars(&figure),
                "Flooded" => assert_eq!(check_strips(&figure, flows_of), 28),
                "Hosts" => check_dots(&figure),
                _ => panic!("{}", figure.heading),
            }
        }
        let expected = [("Flooded", 2), ("Hosts", 6), ("Networks", 16)];
        assert_eq!(kinds, expected.map(|(kind, rows)| (kind.to_owned(), rows)).into(), "{page}");
    }
}

/// The strips of the index and of a host's page stand alone, and their labels say what they show.
#[test]
fn strips_that_stand_alone_equal_their_labels() {
    let lab = Lab::new("Asia/Taipei");
    lab.run(attacks());
    let page = lab.page("index.html");
    let label = between(&page, "aria-label=\"Findings in each window: ", "\"")[0];
    assert!(
        label.starts_with("35 findings in 15 of 121 windows. Windows seen whole: 120."),
        "{label}"
    );
    let [strip] = &svgs(&page)[..] else { panic!("{page}") };
    let top: f64 = between(
        &page,
        "<div class=\"scale\" aria-hidden=\"true\"><span class=\"t0\"><b>",
        " finding",
    )[0]
    .parse()
    .unwrap();
    // The last 24 hours begin 3 hours before the day.
    let level = |n: u64| {
        let part = |n: u64| n as f64 / 144.0;
        strip.level("area", 1.0, part(n), part(n + 1)) * top
    };
    let levels: Vec<u64> = (0..144).map(|n| level(n).round() as u64).collect();
    assert_eq!(levels.iter().sum::<u64>(), 35);
    assert_eq!(levels.iter().filter(|level| **level > 0).count(), 15);

    let page = lab.page("host/140.119.100.13.html");
    let label = between(&page, "aria-label=\"Flows as target", "\"")[0];
    let most = (0..16).filter(|n| !(6..8).contains(n)).map(flood_flows).max().unwrap();
    let most = crate::finding::words::count(most);
    assert!(label.ends_with(&format!("14 windows, the most {most} flows")), "{label}");
    let [strip] = &svgs(&page)[..] else { panic!("{page}") };
    let slots = 7 * 144;
    let part = |n: u64| n as f64 / slots as f64;
    let drawn = (0..slots).filter(|n| strip.level("area", 1.0, part(*n), part(n + 1)) > 0.0);
    assert_eq!(drawn.count(), 14);
}
