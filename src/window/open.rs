//! One window that is open, with its counter.

use std::io;

use super::counter::{Counter, Exclusion};
use super::end::add_bad_lines;
use super::parts::MarkedParts;
use crate::flow::Flow;
use crate::time::{End, Mark, Window};

/// A window that is over.
#[derive(Debug)]
pub struct Closed<C> {
    /// The closing mark, which holds the facts about the window.
    pub end: End,
    /// The counter of its flows.
    pub counter: C,
}

/// A window that is open.
pub(super) struct OpenWindow<C> {
    pub window: Option<Window>,
    pub counter: C,
    /// Rows read here, excluded ones among them.
    pub flows: u64,
    /// Rows that came after their own window had closed.
    late: u64,
    /// Lines that could not be read.
    bad: u64,
    /// The largest sampling that a row names, 1 in N.
    sampling: u32,
    /// The marks in it; `None` while there was none.
    pub marks: Option<MarkedParts>,
    /// The extent of the window so far, if all of the input is one window.
    pub extent: Option<Extent>,
}

/// The time from the first to the last moment of an input, in Unix seconds: by its marks, else by
/// the times of its rows.
#[derive(Clone, Copy, Default)]
pub(super) struct Extent(Option<(u64, u64)>);

impl Extent {
    fn add(&mut self, start: u64, end: u64) {
        let (first, last) = self.0.unwrap_or((start, end));
        self.0 = Some((first.min(start), last.max(end)));
    }

    /// Returns the window of this extent. `None` if no time is known, or if the extent is longer
    /// than a window can be.
    pub fn window(self) -> Option<Window> {
        let (start, end) = self.0?;
        Window::new(start, u32::try_from(end.checked_sub(start)?.max(1)).ok()?)
    }

    /// Returns true if the times are known, but make no window, because it would be too long.
    fn is_too_long(self) -> bool {
        self.0.is_some() && self.window().is_none()
    }
}

impl<C: Counter> OpenWindow<C> {
    /// Opens a window. With `takes_all` it is the one window of all the input.
    pub fn new(window: Option<Window>, mut counter: C, takes_all: bool) -> OpenWindow<C> {
        counter.begin(window);
        let extent = takes_all.then(Extent::default);
        OpenWindow { window, counter, flows: 0, late: 0, bad: 0, sampling: 0, marks: None, extent }
    }

    /// Reads a mark of a part of the window. An `#end` of a part that is not open cuts the
    /// window.
    pub fn mark(&mut self, mark: &Mark) {
        match mark {
            Mark::Window(part) => self.open_part(*part),
            Mark::End(end) => {
                let is_open = self.has_open_part(end.window);
                if !is_open {
                    self.open_part(end.window);
                }
                if let Some(marks) = &mut self.marks {
                    if !is_open {
                        marks.cut();
                    }
                    marks.close(end);
                }
            }
        }
    }

    /// Opens a part of the window.
    pub fn open_part(&mut self, part: Option<Window>) {
        self.marks.get_or_insert_default().open(part);
        if let (Some(extent), Some(part)) = (&mut self.extent, part) {
            extent.add(part.start(), part.end());
        }
    }

    /// Returns true if this part is open.
    pub fn has_open_part(&self, part: Option<Window>) -> bool {
        self.marks.as_ref().is_some_and(|marks| marks.has_open(part))
    }

    /// Notes that a part of the window was not seen. Without marks there is no state to change.
    pub fn cut(&mut self) {
        if let Some(marks) = &mut self.marks {
            marks.cut();
        }
    }

    /// Adds a line that could not be read.
    pub fn add_bad_line(&mut self) {
        self.bad += 1;
    }

    /// Adds flows, `late` of which came after their own window had closed.
    ///
    /// # Errors
    /// A counter that fails.
    pub fn add(&mut self, flows: &[Flow], late: u64, excluded: &impl Exclusion) -> io::Result<()> {
        self.flows += flows.len() as u64;
        self.late += late;
        let sampling = flows.iter().map(|flow| flow.sampling).max().unwrap_or(0);
        self.sampling = self.sampling.max(sampling);
        if let (Some(extent), None) = (&mut self.extent, &self.marks) {
            for flow in flows {
                let times = flow.start.or(flow.end).zip(flow.end.or(flow.start));
                times.iter().for_each(|(start, end)| extent.add(start.secs(), end.secs() + 1));
            }
        }
        if excluded.is_empty() {
            return self.counter.add(flows);
        }
        for run in flows.chunk_by(|a, b| excluded.excludes(a) == excluded.excludes(b)) {
            if !run.first().is_some_and(|flow| excluded.excludes(flow)) {
                self.counter.add(run)?;
            }
        }
        Ok(())
    }

    /// Closes a window without marks: its `#end` has our own counts and no state.
    pub fn close(self) -> Closed<C> {
        let (flows, late) = (Some(self.flows), Some(self.late));
        let window = self.extent.map_or(self.window, Extent::window);
        self.close_as(End { window, flows, late, ..End::default() })
    }

    /// Closes a window by the marks that it has.
    pub fn close_marked(mut self) -> Closed<C> {
        match self.marks.take() {
            Some(marks) => {
                let end = marks.into_end(self.window, self.flows);
                self.close_as(end)
            }
            None => self.close(),
        }
    }

    /// Closes the one window of all the input. Rows may stand outside of its marks, so the number
    /// of flows is our own count. An input that is longer than a window can be is cut: no window
    /// shows if its parts leave gaps.
    pub fn close_all(mut self) -> Closed<C> {
        match self.marks.take() {
            Some(mut marks) => {
                if self.extent.is_some_and(Extent::is_too_long) {
                    marks.cut();
                }
                let window = self.extent.map_or(self.window, Extent::window);
                let end = marks.into_end(window, self.flows);
                let flows = Some(self.flows);
                self.close_as(End { flows, ..end })
            }
            None => self.close(),
        }
    }

    fn close_as(self, mut end: End) -> Closed<C> {
        if self.sampling > 0 {
            end.sampling = end.sampling.max(Some(self.sampling));
        }
        add_bad_lines(&mut end, self.bad, self.flows);
        Closed { end, counter: self.counter }
    }
}
