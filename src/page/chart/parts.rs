//! The parts that all charts share: colours, times, labels, axes and keys.

use askama::Template;

use super::scale::{self, Decades, Linear, Unit};
use crate::finding::Kind;

/// The colour of a series, by what it is about. `site.css` has a colour for each in light and dark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Scans.
    Scan,
    /// Floods.
    Flood,
    /// Attacks on one port.
    Port,
    /// Anything else.
    Muted,
}

impl Tone {
    /// Returns the class name.
    pub const fn class(self) -> &'static str {
        match self {
            Tone::Scan => "scan",
            Tone::Flood => "flood",
            Tone::Port => "port",
            Tone::Muted => "muted",
        }
    }
}

impl From<Kind> for Tone {
    fn from(kind: Kind) -> Tone {
        match kind {
            Kind::Scan => Tone::Scan,
            Kind::Flood => Tone::Flood,
            Kind::Port => Tone::Port,
        }
    }
}

/// The time that a chart shows, from left to right, in Unix seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The left end.
    pub start: u64,
    /// The right end.
    pub end: u64,
}

impl Span {
    /// Returns the seconds between the ends, at least 1.
    pub const fn seconds(self) -> u64 {
        match self.end.saturating_sub(self.start) {
            0 => 1,
            seconds => seconds,
        }
    }

    /// Returns a moment as a fraction of the span, 0 and 1 for what is before and after it.
    #[expect(clippy::cast_precision_loss, reason = "a span of 2^53 seconds is longer than time")]
    pub fn fraction(self, second: u64) -> f64 {
        let past = second.saturating_sub(self.start).min(self.seconds());
        past as f64 / self.seconds() as f64
    }
}

/// A window on a chart of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChartWindow<T> {
    /// The window's start in Unix seconds.
    pub start: u64,
    /// The window's end in Unix seconds.
    pub end: u64,
    /// The state of the window.
    pub state: State<T>,
}

/// The state of a window in a chart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State<T> {
    /// The window was seen, and this is its value, which may be 0.
    Seen(T),
    /// The window was not seen, or not whole, and there is no value: a grey box.
    Unseen,
    /// The window has not ended yet: nothing is drawn, not even the base line.
    NotYet,
}

/// A label on an axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Tick {
    /// The place, as a fraction of the axis from its start.
    pub at: f64,
    /// The text.
    pub text: String,
}

impl Tick {
    /// Returns a label at a moment of a span.
    pub fn new(span: Span, second: u64, text: impl Into<String>) -> Tick {
        Tick { at: span.fraction(second), text: text.into() }
    }

    /// Returns the classes of the label's place.
    pub(super) fn place(&self) -> String {
        at(self.at)
    }
}

/// Returns the classes that place a label at a fraction of an axis, to a thousandth: `t2 u6 d1` for 0.261.
/// The stylesheet adds them up: tens, units and tenths of a per cent.
pub fn at(fraction: f64) -> String {
    let thousandths = thousandths(fraction);
    let (tens, units, tenths) = (thousandths / 100, thousandths / 10 % 10, thousandths % 10);
    let mut text = format!("t{tens}");
    for (letter, digit) in [('u', units), ('d', tenths)] {
        if digit > 0 {
            text.push_str(&format!(" {letter}{digit}"));
        }
    }
    text
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the value is between 0 and 1000"
)]
pub(super) fn thousandths(fraction: f64) -> u32 {
    (fraction.clamp(0.0, 1.0) * 1000.0).round() as u32
}

/// The labels below a chart, or in the header of a chart's column. Hidden from assistive technology.
#[derive(Clone, Debug, Template)]
#[template(
    ext = "html",
    source = r#"<div class="axis" aria-hidden="true">{% for tick in ticks %}<span class="{{ tick.place() }}"><b>{{ tick.text }}</b></span>{% endfor %}</div>"#
)]
pub struct Axis {
    ticks: Vec<Tick>,
}

impl Axis {
    /// Returns an axis with these labels.
    pub fn new(ticks: Vec<Tick>) -> Axis {
        Axis { ticks }
    }

    /// Returns the axis of a linear scale from 0, with its two ends labelled.
    pub fn linear(scale: &Linear, unit: Unit) -> Axis {
        let ends = [(0.0, "0".to_owned()), (1.0, unit.tick(scale.top()))];
        Axis::new(ends.map(|(at, text)| Tick { at, text }).into())
    }

    /// Returns the axis of a logarithmic scale, with each decade labelled: `1`, `10`, `100`, `1 k`.
    pub fn decades(scale: &Decades) -> Axis {
        let ticks = scale.ticks().into_iter();
        let tick =
            |value| Tick { at: scale.fraction(value).unwrap_or(0.0), text: scale::prefixed(value) };
        Axis::new(ticks.map(tick).collect())
    }
}

/// The meaning of the shapes of a figure, in words beside a sample of each.
#[derive(Clone, Debug, Template)]
#[template(
    ext = "html",
    source = r#"<ul class="key">{% for entry in entries %}<li><span class="sample {{ entry.class }}"></span>{{ entry.text }}</li>{% endfor %}</ul>"#
)]
pub struct Key {
    entries: Vec<Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    class: &'static str,
    text: String,
}

impl Key {
    /// Returns an empty key.
    pub fn new() -> Key {
        Key { entries: Vec::new() }
    }

    /// Adds a series.
    #[must_use]
    pub fn series(self, tone: Tone, text: impl Into<String>) -> Key {
        self.entry(tone.class(), text)
    }

    /// Adds the dashed line of a limit.
    #[must_use]
    pub fn limit(self, text: impl Into<String>) -> Key {
        self.entry("limit", text)
    }

    /// Adds the boxes of windows that were not seen.
    #[must_use]
    pub fn unseen(self, text: impl Into<String>) -> Key {
        self.entry("unseen", text)
    }

    /// Adds an area of a [`Mirror`]: `sent` or `received`.
    #[must_use]
    pub fn area(self, is_sent: bool, text: impl Into<String>) -> Key {
        self.entry(if is_sent { "sent" } else { "received" }, text)
    }

    fn entry(mut self, class: &'static str, text: impl Into<String>) -> Key {
        self.entries.push(Entry { class, text: text.into() });
        self
    }
}

impl Default for Key {
    fn default() -> Key {
        Key::new()
    }
}
