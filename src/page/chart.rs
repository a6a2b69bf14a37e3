//! Charts as HTML with SVG: a bar or a dot in a table cell, a strip of windows, an area mirrored at 0.
//!
//! A chart is made from the numbers that the table beside it prints, and is inserted into a page's template with
//! `{{ chart|safe }}`: each type here implements `Display` and escapes its text itself.
//!
//! * An SVG holds shapes and no text, because it is stretched to the place that it gets
//!   (`preserveAspectRatio="none"`), and text with it. Labels are HTML around it.
//! * The Content-Security-Policy forbids inline styles. Geometry is in SVG attributes, colours come from class
//!   names, and a label's place from the classes of [`at`].
//! * A series is one path. A window that was not seen has no shape in it, and no line leads across.
//! * A chart in a table is hidden from assistive technology, because the table says the same in words. A chart
//!   that stands alone is an image with a label.

pub mod bar;
pub mod dots;
pub mod mirror;
pub mod scale;
pub mod strip;

mod parts;
mod steps;

#[cfg(test)]
pub(super) mod read;
#[cfg(test)]
mod tests;

pub use bar::Bar;
pub use dots::Dot;
pub use mirror::{Mirror, Rates};
pub use parts::{Axis, ChartWindow, Key, Span, State, Tick, Tone};
pub use scale::{Decades, Linear, Unit};

#[cfg(test)]
use parts::at;
pub use strip::{Strip, StripAxes};
