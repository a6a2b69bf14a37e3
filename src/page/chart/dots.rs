//! A dot on a logarithmic axis in a table cell. On such an axis a bar would have no true length.

use askama::Template;

use super::parts::{Tone, thousandths};
use super::scale::{Decades, HEIGHT};

/// A dot at a number of the same row, from 1, with a line at each decade and a dashed line at the limit.
#[derive(Clone, Debug, Template)]
#[template(
    ext = "html",
    source = r#"<svg class="dots {{ tone }}" viewBox="0 0 {{ width }} 2" preserveAspectRatio="none" aria-hidden="true"><path class="grid" d="{% for x in decades %}M{{ x }} 0V2{% endfor %}"/>{% if let Some(x) = limit %}<path class="limit" d="M{{ x }} 0V2"/>{% endif %}{% if let Some(x) = dot %}<path class="dot" d="M{{ x }} 1h0"/>{% endif %}</svg>"#
)]
pub struct Dot {
    tone: &'static str,
    width: u32,
    decades: Vec<u32>,
    limit: Option<u32>,
    dot: Option<u32>,
}

impl Dot {
    /// Returns the dot of a number. All dots of a table have the same scale and limit. 0 has no dot.
    pub fn new(scale: &Decades, tone: Tone, limit: Option<u64>, number: u64) -> Dot {
        let place = |number| scale.fraction(number).map(thousandths);
        Dot {
            tone: tone.class(),
            width: HEIGHT,
            decades: scale.ticks().into_iter().filter_map(place).collect(),
            limit: limit.and_then(place),
            dot: place(number),
        }
    }
}
