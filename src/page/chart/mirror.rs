//! An area mirrored at 0: what is sent goes up, and what is received goes down.

use askama::Template;

use super::parts::{Axis, ChartWindow, Key, Span, State, Tick};
use super::scale::{HEIGHT, Linear, Unit};
use super::steps::{Layout, across, down};

/// The most steps between 0 and an end of the scale.
const MAX_STEPS: u64 = 3;

/// The two values of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    /// The traffic that was sent, drawn upwards.
    pub sent: u64,
    /// The traffic that was received, drawn downwards.
    pub received: u64,
}

/// The traffic of some windows, both directions on one scale, with its axes and key.
#[derive(Clone, Debug, Template)]
#[template(
    ext = "html",
    source = r#"<div class="mirror">{{ key|safe }}<div class="plot"><svg viewBox="0 0 {{ width }} {{ height }}" preserveAspectRatio="none" role="img" aria-label="{{ label }}">
{%- if !grid.is_empty() %}<path class="grid" d="{{ grid }}"/>{% endif %}
{%- if !unseen.is_empty() %}<path class="unseen" d="{{ unseen }}"/>{% endif %}
{%- if !sent.is_empty() %}<path class="sent" d="{{ sent }}"/>{% endif %}
{%- if !received.is_empty() %}<path class="received" d="{{ received }}"/>{% endif %}
{%- if !base.is_empty() %}<path class="base" d="{{ base }}"/>{% endif %}</svg><div class="scale" aria-hidden="true">{% for tick in labels %}<span class="{{ tick.place() }}"><b>{{ tick.text }}</b></span>{% endfor %}</div></div>{{ axis|safe }}</div>"#
)]
pub struct Mirror<'a> {
    label: &'a str,
    key: Key,
    axis: Axis,
    width: u64,
    height: u32,
    grid: String,
    unseen: String,
    sent: String,
    received: String,
    base: String,
    labels: Vec<Tick>,
}

impl<'a> Mirror<'a> {
    /// Returns the chart of some windows. Time without a window was not seen. `label` says in words what there is
    /// to see; `ticks` are the labels of the time axis.
    pub fn new(
        span: Span,
        unit: Unit,
        windows: &[ChartWindow<Rates>],
        ticks: Vec<Tick>,
        label: &'a str,
    ) -> Mirror<'a> {
        let seen = windows.iter().filter_map(|window| match window.state {
            State::Seen(rates) => Some(rates),
            State::Unseen | State::NotYet => None,
        });
        let seen: Vec<Rates> = seen.collect();
        let largest = seen.iter().map(|rates| rates.sent.max(rates.received)).max();
        let scale = Linear::with_steps(largest.unwrap_or(0), MAX_STEPS);
        let layout = Layout::new(span, windows);
        let height = 2 * HEIGHT;
        let lines = scale.ticks().into_iter().filter(|tick| *tick > 0);
        let lines = lines.flat_map(|tick| {
            let units = scale.units(tick);
            [down(units), HEIGHT + units].map(|y| across(layout.width, y))
        });
        let area = |name: &str, values: &mut dyn Iterator<Item = u64>| {
            let largest = unit.largest(values).map(|text| format!(", {text}"));
            format!("{name}{}", largest.unwrap_or_default())
        };
        let unseen = layout.unseen(height);
        let key = Key::new()
            .area(true, area("sent, up", &mut seen.iter().map(|rates| rates.sent)))
            .area(false, area("received, down", &mut seen.iter().map(|rates| rates.received)));
        Mirror {
            label,
            key: if unseen.is_empty() { key } else { key.unseen("not seen") },
            grid: layout.grid(&ticks, height) + &lines.collect::<String>(),
            axis: Axis::new(ticks),
            width: layout.width,
            height,
            unseen,
            sent: layout.area(HEIGHT, true, |rates| scale.units(rates.sent)),
            received: layout.area(HEIGHT, false, |rates| scale.units(rates.received)),
            base: layout.base(HEIGHT),
            labels: labels(&scale, unit),
        }
    }
}

/// Returns the labels of the scale from its upper to its lower end.
fn labels(scale: &Linear, unit: Unit) -> Vec<Tick> {
    let ticks = scale.ticks();
    let label = |tick: u64, at: f64| Tick { at: 0.5 + at / 2.0, text: unit.tick(tick) };
    let up = ticks.iter().rev().map(|tick| label(*tick, -scale.fraction(*tick)));
    let down = ticks.iter().skip(1).map(|tick| label(*tick, scale.fraction(*tick)));
    up.chain(down).collect()
}
