//! The paper's three figures of a day: networks scanned by a scanner (figure 3), flooded hosts over the day
//! (figure 4), and hosts that attack a port (figure 5).

use std::collections::BTreeMap;

use askama::Template;
use jiff::civil::Date;

use super::super::chart::{
    Axis, Bar, Decades, Dot, Key, Linear, Span, Strip, StripAxes, Tone, Unit,
};
use super::super::course::{Detail, Part};
use super::super::error::Error;
use super::super::frame::{Frame, Place};
use super::host::parse;
use super::{DetailCache, Site, html};
use crate::finding::words::{self, count, of};
use crate::finding::{Finding, Host, Kind, Rate, Role, Side};

/// The most scanners, pairs and hosts of a figure.
const MAX_SCANNERS: usize = 3;
const MAX_PAIRS: usize = 12;
const MAX_HOSTS: usize = 24;
const MAX_PORTS: usize = 2;

/// The most days that are looked at for a figure: findings of an earlier version have no numbers to draw.
const MAX_DAYS: usize = 5;

#[derive(Template)]
#[template(path = "figures.html")]
struct Figures<'a> {
    frame: Frame<'a>,
    title: &'static str,
    heading: &'static str,
    about: String,
    days: Vec<DayFigure>,
    missing: Vec<&'static str>,
}

struct DayFigure {
    date: String,
    html: String,
}

/// Figure 3: a scanner.
#[derive(Template)]
#[template(path = "scans.html")]
struct Scans {
    id: usize,
    scanner: String,
    port: String,
    story: String,
    when: String,
    axis: String,
    rows: Vec<BarRow>,
}

struct BarRow {
    name: String,
    chart: String,
    number: String,
    rate: String,
    windows: String,
}

/// Figure 4: victims and attackers.
#[derive(Template)]
#[template(path = "floods.html")]
struct Floods {
    id: usize,
    story: String,
    key: String,
    date: String,
    scale: String,
    axis: String,
    rows: Vec<BarRow>,
    more: Option<String>,
}

/// Figure 5: attackers of a port.
#[derive(Template)]
#[template(path = "ports.html")]
struct Ports {
    id: usize,
    port: String,
    story: String,
    date: String,
    limit: Option<String>,
    axis: String,
    rows: Vec<BarRow>,
    more: Option<String>,
}

/// The three figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Figure {
    Scans,
    Floods,
    Ports,
}

impl Figure {
    /// Returns true if an incident belongs to the figure.
    fn has(self, part: &Part) -> bool {
        match self {
            Figure::Scans => part.sweeps && part.role == Role::Source,
            Figure::Floods => part.kinds.has(Kind::Flood) && part.role == Role::Target,
            Figure::Ports => part.kinds.has(Kind::Port) && part.role == Role::Source,
        }
    }

    const fn missing(self) -> &'static str {
        match self {
            Figure::Scans => "No day of this site has a scan of whole networks.",
            Figure::Floods => "No day of this site has a flooded host.",
            Figure::Ports => "No day of this site has an attack on a port.",
        }
    }
}

impl Site<'_> {
    /// Returns the page with each figure of the newest day that has it.
    pub(super) fn figures_html(&self, cache: &mut DetailCache) -> Result<String, Error> {
        let (mut days, mut missing) = (Vec::new(), Vec::new());
        for (id, figure) in [Figure::Scans, Figure::Floods, Figure::Ports].into_iter().enumerate() {
            let newest_first = self.history.days.iter().enumerate().rev();
            let mut found = newest_first
                .filter(|(_, (_, summary))| summary.parts.iter().any(|part| figure.has(part)))
                .take(MAX_DAYS)
                .map(|(day, (date, _))| (*date, self.figure(figure, day, id, cache)));
            match found.find(|(_, html)| !html.is_empty()) {
                Some((date, html)) => days.push(DayFigure { date: date.to_string(), html }),
                None => missing.push(figure.missing()),
            }
        }
        html(&Figures {
            frame: self.frame(Some(Place::Figures), ""),
            title: "Figures: attackers and victims",
            heading: "Attackers and victims",
            about: format!("All times are {}.", self.zone_text(self.until.unwrap_or(0))),
            days,
            missing,
        })
    }

    /// Returns the figures of a day, without those that it has not.
    pub(super) fn day_figures(&self, day: usize, cache: &mut DetailCache) -> String {
        let figures = [Figure::Scans, Figure::Floods, Figure::Ports].into_iter().enumerate();
        figures.map(|(id, figure)| self.figure(figure, day, id, cache)).collect()
    }

    /// Returns one figure of a day; empty if the day does not have it. `id` makes its anchors unique.
    fn figure(&self, figure: Figure, day: usize, id: usize, cache: &mut DetailCache) -> String {
        let Some((date, summary)) = self.history.days.get(day) else { return String::new() };
        let mut chosen: Vec<(Part, Detail)> = Vec::new();
        for (nth, part) in summary.parts.iter().enumerate().filter(|(_, part)| figure.has(part)) {
            if chosen.len() >= 8 * MAX_HOSTS {
                break;
            }
            if let Some(detail) = cache.of(self.store, *date, nth) {
                chosen.push((part.clone(), detail.clone()));
            }
        }
        match figure {
            Figure::Scans => self.scans(&chosen, id),
            Figure::Floods => self.floods(&chosen, *date, id),
            Figure::Ports => self.ports(&chosen, *date, id),
        }
    }

    /// Returns figure 3, once for each scanner of whole networks.
    fn scans(&self, chosen: &[(Part, Detail)], id: usize) -> String {
        let sweeps = chosen.iter().flat_map(|(_, detail)| {
            let matters = detail.running.body.matters.iter();
            let sweeps = matters.filter(|matter| matter.classes.contains("sweep"));
            sweeps.filter_map(|matter| parse(&matter.peak.line))
        });
        let counted = sweeps.filter(|finding| {
            finding.class == "sweep" && finding.peer.iter().any(|peer| peer.flows.is_some())
        });
        counted
            .take(MAX_SCANNERS)
            .enumerate()
            .filter_map(|(nth, finding)| self.scan(&finding, 10 * id + nth).render().ok())
            .collect()
    }

    fn scan(&self, finding: &Finding, id: usize) -> Scans {
        let numbers: Vec<u64> = finding.peer.iter().filter_map(|peer| peer.flows).collect();
        let scale = Linear::exact(numbers.iter().copied());
        let (least, most) = (numbers.iter().min().copied(), numbers.iter().max().copied());
        let story = match (least, most) {
            (Some(least), Some(most)) => format!(
                "{}, each scanned {} to {} times: {}.",
                of(finding.peer.len() as u64, "network"),
                count(least),
                count(most),
                if most <= 2 * least {
                    "host after host, as a scanner does"
                } else {
                    "some more than others"
                }
            ),
            _ => String::new(),
        };
        let window = finding.window;
        let rows = finding.peer.iter().filter_map(|peer| {
            let number = peer.flows?;
            Some(BarRow {
                name: peer.host.text(false),
                chart: Bar::new(&scale, Tone::Scan, number).to_string(),
                number: count(number),
                rate: String::new(),
                windows: String::new(),
            })
        });
        Scans {
            id,
            scanner: finding.host.text(false),
            port: words::port(finding.proto, finding.port),
            story,
            when: window.map_or(String::new(), |window| {
                self.options.zone.span(window.start(), window.end(), "to")
            }),
            axis: Axis::linear(&scale, Unit::Count("time")).to_string(),
            rows: rows.collect(),
        }
    }

    /// Returns figure 4: a row for each victim with its worst attacker.
    fn floods(&self, chosen: &[(Part, Detail)], date: Date, id: usize) -> String {
        if chosen.is_empty() {
            return String::new();
        }
        let zone = &self.options.zone;
        let start = zone.midnight(date);
        let end = date.tomorrow().map_or(start, |next| zone.midnight(next));
        let span = Span { start, end };
        let until = self.until.unwrap_or(end);
        let shown = chosen.get(..MAX_PAIRS).unwrap_or(chosen);
        let peaks: Vec<Option<Finding>> = shown
            .iter()
            .map(|(_, detail)| {
                let floods = detail.running.body.matters.iter();
                let worst = floods.filter(|matter| matter.key.kind == Kind::Flood);
                worst
                    .max_by_key(|matter| matter.peak.flows)
                    .and_then(|matter| parse(&matter.peak.line))
            })
            .collect();
        let largest =
            |detail: &Detail| detail.cells.iter().map(|cell| cell.flows).max().unwrap_or(0);
        let limit = flow_limit(&peaks);
        let top = shown.iter().map(|(_, detail)| largest(detail)).chain(limit).max().unwrap_or(0);
        let axes = StripAxes {
            span,
            scale: Linear::new(top),
            limit,
            // The caption has the scale; labels would push the strips aside, away from the axis in the header.
            unit: None,
            ticks: self.hour_ticks(span),
        };
        let rows: Vec<BarRow> = shown
            .iter()
            .zip(&peaks)
            .map(|((part, detail), peak)| {
                let windows = self.strip_windows(&detail.cells, span, until);
                let most = largest(detail);
                let seconds =
                    detail.cells.iter().max_by_key(|cell| cell.flows).map(|cell| cell.seconds);
                let rate = Rate::of(most, crate::time::Window::new(0, seconds.unwrap_or(600)));
                BarRow {
                    name: pair(part.host, peak.as_ref()),
                    chart: Strip::new(&axes, Tone::Flood, &windows, "").to_string(),
                    number: count(most),
                    rate: rate.to_string(),
                    windows: count(detail.cells.len() as u64),
                }
            })
            .collect();
        let key = Key::new().series(Tone::Flood, "flows in one window");
        let key = match limit {
            Some(limit) => key.limit(format!("limit, {}", of(limit, "flow"))),
            None => key,
        };
        let inside = chosen.iter().filter(|(part, _)| part.side == Some(Side::Inside)).count();
        let more = chosen.len() - rows.len();
        Floods {
            id,
            story: format!(
                "Flooded hosts: {}; inside: {}.",
                count(chosen.len() as u64),
                count(inside as u64)
            ),
            key: key.unseen("not seen").to_string(),
            date: date.to_string(),
            scale: Unit::Count("flow").text(axes.scale.top()),
            axis: axes.axis().to_string(),
            rows,
            more: (more > 0)
                .then(|| format!("{}: see the list of this day.", of(more as u64, "more host"))),
        }
        .render()
        .unwrap_or_default()
    }

    /// Returns figure 5, once for each port.
    fn ports(&self, chosen: &[(Part, Detail)], date: Date, id: usize) -> String {
        let mut ports: BTreeMap<(Option<u8>, Option<u16>), Vec<Finding>> = BTreeMap::new();
        for (_, detail) in chosen {
            let matters = detail.running.body.matters.iter();
            for matter in matters.filter(|matter| matter.key.kind == Kind::Port) {
                if let Some(finding) = parse(&matter.peak.line) {
                    ports.entry((matter.key.proto, matter.key.port)).or_default().push(finding);
                }
            }
        }
        let mut ports: Vec<_> = ports.into_iter().collect();
        let most = |findings: &[Finding]| findings.iter().map(|f| f.flows).max().unwrap_or(0);
        ports.sort_by_key(|(key, findings)| (std::cmp::Reverse(most(findings)), *key));
        let shown = ports.into_iter().take(MAX_PORTS).enumerate();
        shown
            .filter_map(|(nth, ((proto, port), mut findings))| {
                findings.sort_by_key(|finding| (std::cmp::Reverse(finding.flows), finding.host));
                let scale = Decades::new(most(&findings));
                let some: Vec<Option<Finding>> = findings.iter().cloned().map(Some).collect();
                let limit = flow_limit(&some);
                let first = findings.first()?;
                let story = format!(
                    "{} opened {}, {} a second.",
                    first.host.text(false),
                    of(first.flows, "flow"),
                    first.rate
                );
                let more = findings.len().saturating_sub(MAX_HOSTS);
                let rows = findings.iter().take(MAX_HOSTS).map(|finding| BarRow {
                    name: finding.host.text(false),
                    chart: Dot::new(&scale, Tone::Port, limit, finding.flows).to_string(),
                    number: count(finding.flows),
                    rate: finding.rate.to_string(),
                    windows: String::new(),
                });
                let ports = Ports {
                    id: 10 * id + nth,
                    port: words::port(proto, port),
                    story,
                    date: date.to_string(),
                    limit: limit.map(|limit| of(limit, "flow")),
                    axis: Axis::decades(&scale).to_string(),
                    rows: rows.collect(),
                    more: (more > 0).then(|| {
                        format!("{}: see the list of this day.", of(more as u64, "more host"))
                    }),
                };
                ports.render().ok()
            })
            .collect()
    }
}

/// Returns the victim with its attackers: `140.119.100.13 (140.119.53.7)`, `140.119.48.244 (1,200 hosts)`.
fn pair(victim: Host, peak: Option<&Finding>) -> String {
    let victim = victim.text(false);
    let Some(finding) = peak else { return victim };
    match finding.peer.as_slice() {
        [only] if finding.more == 0 => format!("{victim} ({})", only.host.text(false)),
        [first, ..] if first.flows.is_some_and(|flows| 2 * flows > finding.flows) => {
            format!("{victim} ({})", first.host.text(false))
        }
        _ => format!("{victim} ({})", of(finding.peers, "host")),
    }
}

/// Returns the limit on flows that the peaks of a figure share; `None` if they have another measure, or not the
/// same limit.
fn flow_limit(peaks: &[Option<Finding>]) -> Option<u64> {
    let limits = peaks.iter().flatten().map(|finding| {
        let condition = crate::finding::Condition::first(&finding.why)?;
        let is_flows = condition.measure == "flows" || (condition.value as u64) == finding.flows;
        (is_flows && !condition.is_below).then_some(condition.limit as u64)
    });
    let limits: Option<Vec<u64>> = limits.collect();
    let limits = limits?;
    let first = *limits.first()?;
    limits.iter().all(|limit| *limit == first).then_some(first)
}
