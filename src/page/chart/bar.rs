//! A bar in a table cell.

use askama::Template;

use super::parts::Tone;
use super::scale::{HEIGHT, Linear};

/// A bar whose length is in proportion to a number of the same row, from 0.
#[derive(Clone, Debug, Template)]
#[template(
    ext = "html",
    source = r#"<svg class="bar {{ tone }}" viewBox="0 0 {{ width }} 1" preserveAspectRatio="none" aria-hidden="true">{% if length > 0 %}<path class="area" d="M0 0H{{ length }}V1H0z"/>{% endif %}</svg>"#
)]
pub struct Bar {
    tone: &'static str,
    width: u32,
    length: u32,
}

impl Bar {
    /// Returns the bar of a number. All bars of a table have the same scale.
    pub fn new(scale: &Linear, tone: Tone, number: u64) -> Bar {
        Bar { tone: tone.class(), width: HEIGHT, length: scale.units(number) }
    }
}
