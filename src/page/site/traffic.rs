//! The traffic of the network, and of single hosts: what each sends and receives.

use std::collections::BTreeMap;
use std::net::IpAddr;

use askama::Template;
use jiff::civil::Date;

use super::super::chart::{
    Bar, ChartWindow, Linear, Mirror, Rates, Span, State, Strip, StripAxes, Tick, Tone, Unit,
};
use super::super::error::Error;
use super::super::frame::{Frame, Place};
use super::super::traffic::{AddressSum, Counts, TrafficDay};
use super::{Site, html};
use crate::finding::Host;
use crate::finding::words::{self, count, of};

const DAY: u64 = 86_400;
const HOUR: u64 = 3600;

/// The most addresses, ports and interfaces of a table.
const MAX_ROWS: usize = 20;
const MAX_INTERFACES: usize = 50;

/// The days of the long chart.
const MONTH: i64 = 30;

/// The days of a host's chart.
const WEEK: i64 = 7;

#[derive(Template)]
#[template(path = "traffic.html")]
struct Traffic<'a> {
    frame: Frame<'a>,
    title: &'static str,
    heading: &'static str,
    about: String,
    days: Vec<Newest>,
}

/// All that is told of the newest day.
struct Newest {
    charts: Vec<Chart>,
    month: Chart,
    tables: Vec<Table>,
}

struct Chart {
    caption: String,
    html: String,
}

struct Table {
    id: &'static str,
    heading: &'static str,
    caption: String,
    name: &'static str,
    first: &'static str,
    second: Option<&'static str>,
    rows: Vec<TableRow>,
}

struct TableRow {
    name: String,
    href: Option<String>,
    chart: String,
    first: String,
    second: Option<String>,
}

impl Site<'_> {
    /// Returns the page of the traffic.
    pub(super) fn traffic_html(&self) -> Result<String, Error> {
        let newest = self.traffic.last().and_then(|(date, day)| self.newest(*date, day));
        html(&Traffic {
            frame: self.frame(Some(Place::Traffic), ""),
            title: "Traffic",
            heading: "Traffic sent and received",
            about: format!("All times are {}.", self.zone_text(self.until.unwrap_or(0))),
            days: newest.into_iter().collect(),
        })
    }

    fn newest(&self, date: Date, day: &TrafficDay) -> Option<Newest> {
        let end = day.windows().last()?.0.end();
        let span = Span { start: end.saturating_sub(DAY), end };
        let days = self.traffic.iter().rev().take(3).rev();
        let windows: Vec<_> = days
            .flat_map(|(_, day)| day.windows())
            .filter(|(window, _)| window.start() >= span.start)
            .filter_map(|(window, traffic)| Some((window.start(), window.end(), traffic.total()?)))
            .collect();
        let charts = [
            ("Bits", Unit::BitRate, bits as fn(Counts) -> u64),
            ("Packets", Unit::Rate("packet"), |counts: Counts| counts.packets),
            ("Flows", Unit::Rate("flow"), |counts: Counts| counts.flows),
        ];
        let charts =
            charts.map(|(name, unit, of)| self.total_chart(name, unit, of, &windows, span));
        Some(Newest {
            charts: charts.into(),
            month: self.month_chart(end)?,
            tables: self.tables(date, day),
        })
    }

    /// Returns the chart of one measure of all traffic, in units a second.
    fn total_chart(
        &self,
        name: &str,
        unit: Unit,
        of: fn(Counts) -> u64,
        windows: &[(u64, u64, Counts)],
        span: Span,
    ) -> Chart {
        let windows: Vec<ChartWindow<u64>> = windows
            .iter()
            .map(|(start, end, counts)| ChartWindow {
                start: *start,
                end: *end,
                state: State::Seen(of(*counts) / (end - start).max(1)),
            })
            .collect();
        strip(name, unit, &windows, span, self.hour_ticks(span))
    }

    /// Returns the chart of the bits of 30 days, hour by hour.
    fn month_chart(&self, end: u64) -> Option<Chart> {
        let span = Span { start: end.saturating_sub(DAY * MONTH.unsigned_abs()), end };
        let mut hours: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
        let windows = self.traffic.iter().flat_map(|(_, day)| day.windows());
        for (window, traffic) in windows.filter(|(window, _)| window.start() >= span.start) {
            let Some(total) = traffic.total() else { continue };
            let (octets, seconds) = hours.entry(window.start() / HOUR).or_default();
            *octets = octets.saturating_add(total.octets);
            *seconds += u64::from(window.seconds());
        }
        let windows: Vec<ChartWindow<u64>> = hours
            .into_iter()
            .map(|(hour, (octets, seconds))| ChartWindow {
                start: hour * HOUR,
                end: (hour + 1) * HOUR,
                state: State::Seen(octets.saturating_mul(8) / seconds.max(1)),
            })
            .collect();
        let ticks = self.day_ticks(span, 5);
        Some(strip("Bits, mean of each hour", Unit::BitRate, &windows, span, ticks))
    }

    /// Returns a label at the beginning of each `step`th day of a span.
    fn day_ticks(&self, span: Span, step: usize) -> Vec<Tick> {
        let zone = &self.options.zone;
        let mut ticks = Vec::new();
        let mut date = zone.date(span.start);
        while let Ok(next) = date.tomorrow() {
            date = next;
            let at = zone.midnight(date);
            if at > span.end {
                break;
            }
            ticks.push(Tick::new(span, at, format!("{:02}-{:02}", date.month(), date.day())));
        }
        ticks.into_iter().step_by(step.max(1)).collect()
    }

    fn tables(&self, date: Date, day: &TrafficDay) -> Vec<Table> {
        let total = day.windows().filter(|(_, traffic)| traffic.total().is_some()).count();
        let caption = format!("{date}, {}", of(total as u64, "window"));
        let addresses = day.addresses();
        let by = |of: fn(&AddressSum) -> u64| {
            let mut all: Vec<AddressSum> = addresses.clone();
            all.sort_by_key(|sum| (std::cmp::Reverse(of(sum)), sum.address));
            all.truncate(MAX_ROWS);
            let scale = Linear::exact(all.iter().map(of));
            let rows = all.iter().map(|sum| TableRow {
                name: sum.address.to_string(),
                href: self.href(Host::Address(sum.address), ""),
                chart: Bar::new(&scale, Tone::Muted, of(sum)).to_string(),
                first: Unit::Bytes.text(of(sum)),
                second: Some(count(sum.windows as u64)),
            });
            rows.collect::<Vec<_>>()
        };
        let lists = "an address counts in the windows in which it is among those that sent or received most";
        let talkers = |id, heading, first, rows| Table {
            id,
            heading,
            caption: format!("{caption}; {lists}"),
            name: "Address",
            first,
            second: Some("Windows"),
            rows,
        };
        let mut tables = vec![
            talkers("sent", "Addresses that sent most", "Sent", by(|sum| sum.sent)),
            talkers("received", "Addresses that received most", "Received", by(|sum| sum.received)),
        ];
        let simple = |id, heading, name, rows: Vec<(String, u64)>| {
            let scale = Linear::exact(rows.iter().map(|(_, octets)| *octets));
            let rows = rows.into_iter().map(|(name, octets)| TableRow {
                name,
                href: None,
                chart: Bar::new(&scale, Tone::Muted, octets).to_string(),
                first: Unit::Bytes.text(octets),
                second: None,
            });
            let rows = rows.collect();
            Table {
                id,
                heading,
                caption: caption.clone(),
                name,
                first: "Bytes",
                second: None,
                rows,
            }
        };
        let ports = day.ports().into_iter().take(MAX_ROWS).map(|sum| {
            let key = sum.entry.key;
            (words::port(Some(key.proto), Some(key.port)), sum.entry.octets())
        });
        tables.push(simple("ports", "Ports, on either side", "Port", ports.collect()));
        let protocols = day.protocols().into_iter().take(MAX_ROWS);
        let protocols = protocols.map(|of| (words::protocol(of.proto), of.counts.octets));
        tables.push(simple("protocols", "Protocols", "Protocol", protocols.collect()));
        let interfaces = day.interfaces().into_iter().take(MAX_INTERFACES);
        let interfaces: Vec<_> = interfaces
            .map(|sum| (format!("interface {}", sum.entry.key), sum.entry.octets()))
            .collect();
        if !interfaces.is_empty() {
            tables.push(simple("interfaces", "Interfaces, in and out", "Interface", interfaces));
        }
        tables
    }

    /// Returns the days of a host's traffic: a week up to the day of `until`.
    fn week_of(&self, until: u64) -> impl Iterator<Item = &TrafficDay> {
        let last = self.options.zone.date(until.saturating_sub(1));
        let first = last.checked_sub(jiff::Span::new().days(WEEK - 1)).unwrap_or(last);
        self.traffic
            .iter()
            .filter(move |(date, _)| (first..=last).contains(date))
            .map(|(_, day)| day)
    }

    /// Returns what a host sent and received in each hour of a week up to `until`, in bit/s: the mean of the windows
    /// that list it. Hours without such a window are not among them.
    fn host_rates(&self, address: IpAddr, until: u64) -> Vec<ChartWindow<Rates>> {
        let mut hours: BTreeMap<u64, (u64, u64, u64)> = BTreeMap::new();
        for (window, octets) in self.week_of(until).flat_map(|day| day.series(address)) {
            let Some(octets) = octets.filter(|_| window.start() < until) else { continue };
            let (sent, received, seconds) = hours.entry(window.start() / HOUR).or_default();
            *sent = sent.saturating_add(octets.sent);
            *received = received.saturating_add(octets.received);
            *seconds += u64::from(window.seconds());
        }
        let hours = hours.into_iter().map(|(hour, (sent, received, seconds))| {
            let rate = |octets: u64| octets.saturating_mul(8) / seconds.max(1);
            let rates = Rates { sent: rate(sent), received: rate(received) };
            ChartWindow { start: hour * HOUR, end: (hour + 1) * HOUR, state: State::Seen(rates) }
        });
        hours.collect()
    }

    /// Returns the rates of a host as numbers, for the key of its page.
    pub(super) fn host_rates_key(&self, host: Host, until: u64) -> Vec<(u64, u64, u64)> {
        let Host::Address(address) = host else { return Vec::new() };
        let rates = self.host_rates(address, until);
        let numbers = rates.iter().filter_map(|window| match window.state {
            State::Seen(rates) => Some((window.start, rates.sent, rates.received)),
            State::Unseen | State::NotYet => None,
        });
        numbers.collect()
    }

    /// Returns the chart of what a host sends and receives in the week up to `until`. `None` if no window lists it.
    pub(super) fn host_chart(&self, host: Host, until: u64) -> Option<String> {
        let Host::Address(address) = host else { return None };
        let windows = self.host_rates(address, until);
        if windows.is_empty() {
            return None;
        }
        let zone = &self.options.zone;
        let last = zone.date(until.saturating_sub(1));
        let first = last.checked_sub(jiff::Span::new().days(WEEK - 1)).unwrap_or(last);
        let end = last.tomorrow().map_or(until, |next| zone.midnight(next));
        let span = Span { start: zone.midnight(first), end };
        let label = format!("Sent and received by {address}, bit/s, mean of each hour");
        let chart = Mirror::new(span, Unit::BitRate, &windows, self.day_ticks(span, 1), &label);
        Some(chart.to_string())
    }
}

fn bits(counts: Counts) -> u64 {
    counts.octets.saturating_mul(8)
}

fn strip(
    name: &str,
    unit: Unit,
    windows: &[ChartWindow<u64>],
    span: Span,
    ticks: Vec<Tick>,
) -> Chart {
    let values = windows.iter().filter_map(|window| match window.state {
        State::Seen(value) => Some(value),
        State::Unseen | State::NotYet => None,
    });
    let largest = values.clone().max().unwrap_or(0);
    let axes =
        StripAxes { span, scale: Linear::new(largest), limit: None, unit: Some(unit), ticks };
    let caption = match unit.largest(values) {
        Some(largest) => format!("{name}, {largest}"),
        None => name.to_owned(),
    };
    let html = format!("{}{}", Strip::new(&axes, Tone::Muted, windows, &caption), axes.axis());
    Chart { caption, html }
}
