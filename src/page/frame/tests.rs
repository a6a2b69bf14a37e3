//! Tests of the frame, and of the stylesheet and the script that it links to.

use std::collections::BTreeMap;

use askama::Template;

use super::*;
use crate::page::chart::read::svgs;
use crate::page::chart::*;

const CSS: &str = include_str!("../assets/site.css");
const JS: &str = include_str!("../assets/nfpage.js");

/// A page with one of everything that the stylesheet has rules for.
#[derive(Template)]
#[template(
    ext = "html",
    source = r##"{% extends "frame.html" %}
{% block title %}{{ title }}{% endblock %}
{% block main %}
<h1>{{ title }}</h1>
<p class="soft">2001-08-04 00:00 to 2001-08-05 00:00 +08:00, 138 of 144 windows seen</p>
<div class="notice alarm"><strong>No exporter spoke in 6 windows: 2001-08-04 10:00 to 11:00.</strong> Nothing is known of that time. Is the router still sending, and to the right address?</div>
<div class="notice warn"><strong>Records were lost in 1 window.</strong> Counts of it are too low.</div>
<div class="notice good"><strong>No findings about hosts inside.</strong> 20 windows were seen whole and found clean.</div>
<h2>Going on</h2>
<div class="filters" role="group" aria-label="Filter the list">
<fieldset><legend>Side</legend><label><input type="radio" name="side" value="" checked> all</label><label><input type="radio" name="side" value="inside"> inside</label><label><input type="radio" name="side" value="outside"> outside</label></fieldset>
<fieldset><legend>Kind</legend><label><input type="radio" name="kind" value="" checked> all</label><label><input type="radio" name="kind" value="scan"> scan</label><label><input type="radio" name="kind" value="flood"> flood</label><label><input type="radio" name="kind" value="port"> port</label></fieldset>
<fieldset><legend>State</legend><label><input type="radio" name="state" value="" checked> all</label><label><input type="radio" name="state" value="going"> going on</label><label><input type="radio" name="state" value="over"> over</label></fieldset>
<label hidden>Text <input type="search" data-find></label>
<output data-shown></output>
</div>
<table class="cards" data-list>
<caption>Incidents, the worst first</caption>
<thead><tr><th scope="col" data-sort>Host</th><th scope="col" data-sort>What was seen</th><th scope="col" data-sort>Port</th><th scope="col" data-sort="down" class="number">Flows</th><th scope="col" data-sort="down">Last</th></tr></thead>
<tbody>
{%- for row in rows %}
<tr class="row" data-side="{{ row.side }}" data-kind="{{ row.kind }}" data-state="{{ row.state }}"><th scope="row"><a class="host" href="host/{{ row.host }}.html">{{ row.host }}</a> <small><span class="tag {{ row.side }}">{{ row.side }}</span> {% if row.state == "going" %}<span class="tag going">going on</span>{% else %}<span class="tag">over</span>{% endif %}</small></th><td><span class="kind {{ row.kind }}">{{ row.what }}</span><small>since 13:40, 3 windows, 4 times the limit, most to 140.119.100.13</small></td><td data-label="Port">{{ row.port }}</td><td class="number" data-label="Flows" data-value="{{ row.flows }}">{{ Unit::Count("flow").text(*row.flows) }}</td><td data-label="Last" data-value="{{ row.flows }}">2001-08-04 14:10</td></tr>
{%- endfor %}
</tbody>
</table>
<h2>Figure 3: networks scanned by <span class="host">203.0.113.45</span>, TCP 21</h2>
<table class="chart">
<caption>2001-07-01 00:20 to 00:30 +08:00. A bar a network, from 0.</caption>
<thead><tr><th scope="col">Network</th><td class="draw">{{ bars.0|safe }}</td><th scope="col" class="number">Scanned</th></tr></thead>
<tbody>
{%- for row in bars.1 %}
<tr><th scope="row" class="host">{{ row.0 }}</th><td class="draw">{{ row.2|safe }}</td><td class="number">{{ Unit::Count("time").text(*row.1) }}</td></tr>
{%- endfor %}
</tbody>
</table>
<h2>Figure 4: flooded hosts, victim (attacker), 2001-08-04</h2>
{{ key|safe }}
<table class="chart">
<caption>Flows in 10 minutes, all on one scale from 0 to 2,500 flows</caption>
<thead><tr><th scope="col">Victim (attacker)</th><td class="draw">{{ strips.0|safe }}</td><th scope="col" class="number">Largest</th></tr></thead>
<tbody>
{%- for row in strips.1 %}
<tr><th scope="row" class="host">{{ row.0 }}</th><td class="draw">{{ row.2|safe }}</td><td class="number">{{ Unit::Count("flow").text(*row.1) }}</td></tr>
{%- endfor %}
</tbody>
</table>
<h2>Figure 5: inside hosts by flows to TCP 80</h2>
<table class="chart">
<caption>2001-08-17 17:20 to 17:30 +08:00. Logarithmic scale from 1 flow; dashed: the limit, 10,000 flows.</caption>
<thead><tr><th scope="col">Host</th><td class="draw">{{ dots.0|safe }}</td><th scope="col" class="number">Flows</th></tr></thead>
<tbody>
{%- for row in dots.1 %}
<tr><th scope="row" class="host">{{ row.0 }}</th><td class="draw">{{ row.2|safe }}</td><td class="number">{{ Unit::Count("flow").text(*row.1) }}</td></tr>
{%- endfor %}
</tbody>
</table>
<h2>Host: seven days</h2>
<figure><figcaption>Flows in 10 minutes; dashed: the limit</figcaption>{{ week.0|safe }}{{ week.1|safe }}</figure>
<h2>Check now</h2>
<pre><code>nfgrep --finding finding.jsonl --window 2001-08-04T13:40:00Z --window-seconds 600 spool/2001/08/04/13/nfcap-1340.pcap.zst</code></pre>
<dl class="facts"><dt>Responsible</dt><dd>Computer Center, net-admin@example.edu</dd><dt>State</dt><dd>open, told at 13:52</dd></dl>
<h2>Traffic of 24 hours</h2>
<figure>{{ day|safe }}</figure>
<h2>Traffic of 30 days</h2>
<figure>{{ month|safe }}</figure>
<h2>August 2001</h2>
<table class="month"><thead><tr><th scope="col">Mo</th><th scope="col">Tu</th><th scope="col">We</th><th scope="col">Th</th><th scope="col">Fr</th><th scope="col">Sa</th><th scope="col">Su</th></tr></thead><tbody><tr><td></td><td></td><td><a href="day/2001-08-01.html">1 <small>2</small></a></td><td><a href="day/2001-08-02.html">2 <small>14</small></a></td><td><a href="day/2001-08-03.html">3 <small>0</small></a></td><td><a href="day/2001-08-04.html">4 <small>809</small></a></td><td><span class="soft">5</span></td></tr></tbody></table>
<h2>Interfaces</h2>
<section class="scroll" aria-label="Interfaces" tabindex="0"><table><thead><tr>{% for n in 0..14 %}<th scope="col" class="number">Column {{ n }}</th>{% endfor %}</tr></thead><tbody><tr>{% for n in 0..14 %}<td class="number">{{ n }}0,000 B</td>{% endfor %}</tr></tbody></table></section>
<details><summary>What the words mean</summary><dl class="words"><dt>Finding</dt><dd>A host stood out.</dd></dl></details>
{% endblock %}
"##
)]
struct Demo<'a> {
    frame: Frame<'a>,
    title: &'a str,
    rows: Vec<Row>,
    bars: (Axis, Vec<(String, u64, Bar)>),
    key: Key,
    strips: (Axis, Vec<(&'static str, u64, Strip<'a>)>),
    dots: (Axis, Vec<(&'static str, u64, Dot)>),
    week: (Strip<'a>, Axis),
    day: Mirror<'a>,
    month: Mirror<'a>,
}

struct Row {
    host: &'static str,
    side: &'static str,
    kind: &'static str,
    state: &'static str,
    what: &'static str,
    port: &'static str,
    flows: u64,
}

fn frame<'a>(root: &'static str, site: &'a str) -> Frame<'a> {
    Frame {
        root,
        site,
        here: Some(Place::Figures),
        places: &Place::ALL,
        css: "site.css",
        js: "nfpage.js",
        icon: "icon.svg",
        feed: Some("feed.atom"),
        newest: Some(Newest { until: 996_854_400, seconds: 600 }),
        zone: "Asia/Taipei, UTC+08:00",
        is_masked: false,
    }
}

/// Returns windows of a length with the value of each number, or unseen.
fn windows<T>(seconds: u64, values: impl Iterator<Item = Option<T>>) -> Vec<ChartWindow<T>> {
    let window = |(n, value): (u64, Option<T>)| ChartWindow {
        start: n * seconds,
        end: (n + 1) * seconds,
        state: value.map_or(State::Unseen, State::Seen),
    };
    (0..).zip(values).map(window).collect()
}

/// Returns a number that looks like chance, below a limit.
fn wave(n: u64, limit: u64) -> u64 {
    n.wrapping_mul(2_654_435_761).wrapping_add(n << 7) % 4_294_967_291 % limit
}

fn hours(span: Span, step: u64, text: impl Fn(u64) -> String) -> Vec<Tick> {
    let count = span.seconds() / step;
    (0..=count).map(|n| Tick::new(span, span.start + n * step, text(n))).collect()
}

fn demo() -> Demo<'static> {
    let row = |host, side, kind, state, what, port, flows| Row {
        host,
        side,
        kind,
        state,
        what,
        port,
        flows,
    };
    let rows = vec![
        row("140.119.53.7", "inside", "flood", "going", "Floods other hosts", "TCP 80", 6_540),
        row(
            "140.119.44.91",
            "inside",
            "port",
            "going",
            "Attacks one port of many hosts, as a worm does",
            "TCP 80 web",
            200_000,
        ),
        row(
            "2001:288:4001:1::abcd:53",
            "inside",
            "scan",
            "over",
            "Probes whole networks, host after host",
            "TCP 21 ftp",
            4_110,
        ),
        row(
            "203.0.113.45",
            "outside",
            "scan",
            "over",
            "Probes whole networks, host after host",
            "TCP 21 ftp",
            4_100,
        ),
    ];
    let times = (0..16).map(|n| (format!("140.119.{}.0/24", 56 + n), 250 + wave(n, 12)));
    let times: Vec<(String, u64)> = times.collect();
    let scale = Linear::exact(times.iter().map(|(_, number)| *number));
    let bar = |(name, number): (String, u64)| (name, number, Bar::new(&scale, Tone::Scan, number));
    let bars = times.into_iter().map(bar).collect();

    let day = Span { start: 0, end: 86_400 };
    let axes = StripAxes {
        span: day,
        scale: Linear::new(2180),
        limit: Some(1000),
        unit: None,
        ticks: hours(day, 21_600, |n| format!("{:02}", n * 6)),
    };
    let hole = |n: u64| (60..66).contains(&n);
    let strip = |name, value: &dyn Fn(u64) -> u64, end| {
        let mut row = windows(600, (0..144).map(|n| (!hole(n)).then(|| value(n))));
        row[end..].iter_mut().for_each(|window| window.state = State::NotYet);
        let largest = row.iter().filter_map(|window| match window.state {
            State::Seen(value) => Some(value),
            _ => None,
        });
        (name, largest.max().unwrap_or(0), Strip::new(&axes, Tone::Flood, &row, ""))
    };
    let strips = vec![
        strip(
            "140.119.100.13 (140.119.53.7)",
            &|n| if (83..86).contains(&n) { 2180 - n } else { 0 },
            130,
        ),
        strip(
            "140.119.48.244 (1,200 hosts)",
            &|n| if n % 3 == 0 { 1700 + wave(n, 400) } else { 0 },
            130,
        ),
        strip(
            "140.119.237.174 (1,248 hosts)",
            &|n| if n > 100 { 1500 + wave(n, 300) } else { wave(n, 40) },
            130,
        ),
    ];

    let flows = [
        ("140.119.44.91", 200_000),
        ("140.119.12.7", 812),
        ("140.119.3.40", 640),
        ("140.119.9.9", 1),
        ("140.119.9.10", 0),
    ];
    let decades = Decades::new(200_000);
    let dot = |(name, number)| (name, number, Dot::new(&decades, Tone::Port, Some(10_000), number));

    let week = Span { start: 0, end: 7 * 86_400 };
    let week_axes = StripAxes {
        span: week,
        unit: Some(Unit::Count("flow")),
        ticks: hours(week, 86_400, |n| format!("08-{:02}", n + 1)),
        ..axes.clone()
    };
    let values = (0..1008)
        .map(|n| (!(300..340).contains(&n)).then(|| if n % 144 > 80 { wave(n, 2200) } else { 0 }));
    let week_strip = Strip::new(
        &week_axes,
        Tone::Flood,
        &windows(600, values),
        "A flood each day from 13:30 to 24:00",
    );

    let rates = |n: u64| {
        let sent = 40_000_000 + 30_000_000 * (n % 144).min(144 - n % 144) / 72 + wave(n, 9_000_000);
        Rates { sent, received: sent * 2 + wave(n + 1, 20_000_000) }
    };
    Demo {
        frame: frame("", "Hosts of example.edu"),
        title: "3 of our hosts attack; seen until 2001-08-04 21:40 +08:00",
        rows,
        bars: (Axis::linear(&scale, Unit::Count("time")), bars),
        key: Key::new()
            .series(Tone::Flood, "flows to the victim")
            .limit("limit, 1,000 flows")
            .unseen("not seen"),
        strips: (axes.axis(), strips),
        dots: (Axis::decades(&decades), flows.map(dot).into()),
        week: (week_strip, week_axes.axis()),
        day: Mirror::new(
            day,
            Unit::BitRate,
            &windows(600, (0..144).map(|n| (!hole(n)).then(|| Rates { ..rates(n.min(143)) }))),
            hours(day, 21_600, |n| format!("{:02}:00", n * 6)),
            "Traffic of 24 hours",
        ),
        month: Mirror::new(
            Span { start: 0, end: 30 * 86_400 },
            Unit::BitRate,
            &windows(3600, (0..720).map(|n| (n / 24 != 11).then(|| rates(n * 6)))),
            hours(Span { start: 0, end: 30 * 86_400 }, 5 * 86_400, |n| {
                format!("08-{:02}", n * 5 + 1)
            }),
            "Traffic of 30 days",
        ),
    }
}

/// Returns the custom properties of one block of the stylesheet that begins after `from`.
fn colours(from: &str) -> BTreeMap<&'static str, &'static str> {
    let (_, rest) = CSS.split_once(from).unwrap();
    let (block, _) = rest.split_once('}').unwrap();
    let pairs = block.split(';').filter_map(|line| line.trim().split_once(": "));
    pairs.filter(|(name, _)| name.starts_with("--")).collect()
}

/// Returns the contrast of two colours as WCAG 2 defines it.
fn contrast(a: &str, b: &str) -> f64 {
    let luminance = |colour: &str| {
        let digits = colour.strip_prefix('#').unwrap();
        let digits: String = match digits.len() {
            3 => digits.chars().flat_map(|c| [c, c]).collect(),
            _ => digits.to_owned(),
        };
        let channel = |at: usize| {
            let value = f64::from(u8::from_str_radix(&digits[at..at + 2], 16).unwrap()) / 255.0;
            if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * channel(0) + 0.7152 * channel(2) + 0.0722 * channel(4)
    };
    let (a, b) = (luminance(a) + 0.05, luminance(b) + 0.05);
    (a / b).max(b / a)
}

#[test]
fn text_and_shapes_have_contrast_in_light_and_dark() {
    for from in
        ["\n:root {", "(prefers-color-scheme: dark) {\n  :root {", "@media print {\n  :root {"]
    {
        let colours = colours(from);
        let check = |front: &str, ground: &str, least: f64| {
            let (a, b) = (colours[front], colours[ground]);
            assert!(contrast(a, b) >= least, "{front} {a} on {ground} {b}: {:.2}", contrast(a, b));
        };
        for ground in ["--back", "--sheet", "--band"] {
            ["--ink", "--soft", "--link"].iter().for_each(|front| check(front, ground, 4.5));
        }
        for level in ["bad", "warn", "good", "in"] {
            check(&format!("--{level}"), &format!("--{level}-back"), 4.5);
        }
        for shape in ["scan", "flood", "port", "muted", "sent", "received", "edge"] {
            let shape = format!("--{shape}");
            ["--back", "--sheet"].iter().for_each(|ground| check(&shape, ground, 3.0));
        }
        check("--edge", "--unseen", 3.0);
    }
}

#[test]
fn the_page_keeps_its_own_content_security_policy() {
    let html = demo().render().unwrap();
    assert!(html.contains(
        "content=\"default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
         base-uri 'none'; form-action 'none'\""
    ));
    for forbidden in
        [" style=", "<style", " onclick=", "javascript:", "data:,", "<form", "http:", "https:"]
    {
        assert!(!html.contains(forbidden), "{forbidden}");
    }
    assert_eq!(html.matches("<script").count(), 1);
    assert!(html.contains("<script src=\"nfpage.js\" defer></script>"));
    assert_eq!(svgs(&html).len(), 16 + 3 + 5 + 1 + 2);
}

#[test]
fn links_lead_to_the_top_folder() {
    #[derive(Template)]
    #[template(ext = "html", source = r#"{% extends "frame.html" %}"#)]
    struct Plain<'a> {
        frame: Frame<'a>,
    }
    let html = |frame| Plain { frame }.render().unwrap();
    let places = [Place::Index, Place::About];
    let page = html(Frame { places: &places, newest: None, ..frame("../", "<i>\"&") });
    let links = page.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap());
    let links: Vec<&str> = links.filter(|link| !link.starts_with('#')).collect();
    assert_eq!(
        links,
        ["../icon.svg", "../site.css", "../feed.atom", "../index.html", "../about.html"]
    );
    assert!(page.contains("src=\"../nfpage.js\""));
    assert!(page.contains("<title>&#60;i&#62;&#34;&#38;</title>") && !page.contains("<i>"));
    assert!(!page.contains("aria-current") && page.contains("<body>"), "neither here nor of now");
    let page = html(frame("", "Hosts"));
    assert_eq!(page.matches("aria-current=\"page\">Figures<").count(), 1);
    assert!(page.contains("<body data-until=\"996854400\" data-window=\"600\">"));
    assert!(!html(Frame { feed: None, ..frame("", "Hosts") }).contains("atom"));
}

#[test]
fn the_stylesheet_places_every_label() {
    let rule = |letter: char, digit: u32, per_cent: &str| {
        let rule = format!(".{letter}{digit} {{ --{letter}: {per_cent}; }}");
        assert!(CSS.contains(&rule), "{rule}");
    };
    for digit in 1..10 {
        rule('t', digit, &format!("{digit}0%"));
        rule('u', digit, &format!("{digit}%"));
        rule('d', digit, &format!(".{digit}%"));
    }
    rule('t', 10, "100%");
}

#[test]
fn each_class_of_the_charts_has_a_rule() {
    let html = demo().render().unwrap();
    let (_, charts) = html.split_once("Figure 3").unwrap();
    let classes = charts.split("class=\"").skip(1).map(|rest| rest.split('"').next().unwrap());
    for class in classes.flat_map(|classes| classes.split(' ')).filter(|class| *class != "t0") {
        let is_rule = |rest: &str| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '-');
        assert!(CSS.split(&format!(".{class}")).skip(1).any(is_rule), "{class}");
    }
}

#[test]
fn the_script_only_adds() {
    for forbidden in
        ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval", "fetch", "http"]
    {
        assert!(!JS.contains(forbidden), "{forbidden}");
    }
    assert!(JS.len() < 4300, "{}", JS.len());
}
