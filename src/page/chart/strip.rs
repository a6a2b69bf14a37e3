//! A strip: a row of windows with a value each.

use askama::Template;

use super::parts::{Axis, ChartWindow, Span, Tick, Tone};
use super::scale::{HEIGHT, Linear, Unit};
use super::steps::{Layout, across, down};

/// The axes that all strips of a figure share.
#[derive(Clone, Debug)]
pub struct StripAxes {
    /// The time from left to right.
    pub span: Span,
    /// The scale of the values, of the largest value and the limit of all strips.
    pub scale: Linear,
    /// The limit, as a dashed line.
    pub limit: Option<u64>,
    /// The unit of the labels of the scale's end and of the limit, or nothing for a strip without labels.
    pub unit: Option<Unit>,
    /// The labels of the time axis, each with a line through the strip.
    pub ticks: Vec<Tick>,
}

impl StripAxes {
    /// Returns the time axis: below each strip, or in the header of the strips' column.
    pub fn axis(&self) -> Axis {
        Axis::new(self.ticks.clone())
    }

    /// Returns the labels of the scale's end and of the limit. The end is left out if the limit's label would
    /// cover it.
    fn labels(&self) -> Vec<Tick> {
        let Some(unit) = self.unit else { return Vec::new() };
        let limit = self.limit.filter(|limit| *limit <= self.scale.top());
        let label = |value| Tick { at: 1.0 - self.scale.fraction(value), text: unit.tick(value) };
        let limit = limit.map(label);
        let is_free = limit.as_ref().is_none_or(|limit| limit.at >= 0.35);
        let top = is_free.then(|| label(self.scale.top()));
        top.into_iter().chain(limit).collect()
    }
}

/// A row of windows, each with its value as a step from 0.
#[derive(Clone, Debug, Template)]
#[template(
    ext = "html",
    source = r#"<div class="plot strip {{ tone }}"><svg viewBox="0 0 {{ width }} {{ height }}" preserveAspectRatio="none"{% if label.is_empty() %} aria-hidden="true"{% else %} role="img" aria-label="{{ label }}"{% endif %}>
{%- if !grid.is_empty() %}<path class="grid" d="{{ grid }}"/>{% endif %}
{%- if !unseen.is_empty() %}<path class="unseen" d="{{ unseen }}"/>{% endif %}
{%- if !area.is_empty() %}<path class="area" d="{{ area }}"/>{% endif %}
{%- if !base.is_empty() %}<path class="base" d="{{ base }}"/>{% endif %}
{%- if let Some(limit) = limit %}<path class="limit" d="{{ limit }}"/>{% endif %}</svg>
{%- if !labels.is_empty() %}<div class="scale" aria-hidden="true">{% for tick in labels %}<span class="{{ tick.place() }}"><b>{{ tick.text }}</b></span>{% endfor %}</div>{% endif %}</div>"#
)]
pub struct Strip<'a> {
    tone: &'static str,
    label: &'a str,
    width: u64,
    height: u32,
    grid: String,
    unseen: String,
    area: String,
    base: String,
    limit: Option<String>,
    labels: Vec<Tick>,
}

impl<'a> Strip<'a> {
    /// Returns the strip of some windows. Time without a window was not seen. `label` says in words what there
    /// is to see if nothing beside the strip does; otherwise it is empty, and the strip is hidden from assistive
    /// technology.
    pub fn new(
        axes: &StripAxes,
        tone: Tone,
        windows: &[ChartWindow<u64>],
        label: &'a str,
    ) -> Strip<'a> {
        let layout = Layout::new(axes.span, windows);
        let limit = axes.limit.filter(|limit| *limit <= axes.scale.top());
        Strip {
            tone: tone.class(),
            label,
            width: layout.width,
            height: HEIGHT,
            grid: layout.grid(&axes.ticks, HEIGHT),
            unseen: layout.unseen(HEIGHT),
            area: layout.area(HEIGHT, true, |value| axes.scale.units(value)),
            base: layout.base(HEIGHT),
            limit: limit.map(|limit| across(layout.width, down(axes.scale.units(limit)))),
            labels: axes.labels(),
        }
    }
}
