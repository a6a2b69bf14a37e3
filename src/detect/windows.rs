//! Which flows are judged together, and when a window is over.
//!
//! Marked input says so itself. Unmarked input is cut by the flows' own times, two windows at a
//! time, because exporters report long flows late; input without times is one window. No flow is
//! ever dropped for its time. nfkit-flow(5), "Windows", is the contract.

use std::io;

use super::{Counter, Ignore};
use crate::flow::Flow;
use crate::time::{End, Mark, Timestamp, Window, WindowState};

/// Length of the windows that unmarked input is cut into.
pub const DEFAULT_SECONDS: u32 = 600;

/// Seconds from every open window beyond which a row's time is not believed at once.
const FAR: u64 = 86_400;

/// So many such rows in a row are no wrong clock of one datagram's, but input that has jumped: two
/// files of different weeks, say.
const JUMP: usize = 100;

/// Why a window cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum WindowError {
    /// Marked windows do not fit a whole number of times into the length asked for.
    #[error("--window {asked}s cannot be made of the input's window {window}, {seconds}s long")]
    Misfit {
        /// Seconds asked for.
        asked: u32,
        /// START of the window that does not fit.
        window: String,
        /// Its length.
        seconds: u32,
    },
    /// The input's counts were multiplied by the sampling.
    #[error(
        "the window {window} holds counts scaled by the sampling (scaled=1): detectors need them as exported"
    )]
    Scaled {
        /// START of the window.
        window: String,
    },
    /// A temporary file failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// A window that is over.
#[derive(Debug)]
pub struct Closed<C> {
    /// What its `#end` says.
    pub end: End,
    /// What was counted in it.
    pub counter: C,
}

struct Open<C> {
    window: Option<Window>,
    counter: C,
    /// Rows read here, those that are not judged included.
    flows: u64,
    late: u64,
    /// Lines that were no rows.
    bad: u64,
    /// The greatest sampling that a row named.
    sampling: u32,
    marked: Option<Marked>,
    /// First and last moment, where all of the input is one window.
    span: Option<Span>,
}

/// From when to when all of the input is, in Unix seconds: by its marks, else by its rows' times.
#[derive(Clone, Copy, Default)]
struct Span(Option<(u64, u64)>);

impl Span {
    fn add(&mut self, start: u64, end: u64) {
        let (first, last) = self.0.unwrap_or((start, end));
        self.0 = Some((first.min(start), last.max(end)));
    }

    /// `None` if there is no time in it, or more than a window can hold.
    fn window(self) -> Option<Window> {
        let (start, end) = self.0?;
        Window::new(start, u32::try_from(end.checked_sub(start)?.max(1)).ok()?)
    }
}

/// What the marks of the windows said that make up a marked window.
#[derive(Default)]
struct Marked {
    /// The window as the input marked it, while it is open; it may be the unknown one.
    part: Option<Option<Window>>,
    /// All `#end`s so far, added up.
    sum: Option<End>,
    /// A part had no `#end` of its own, or the parts leave a gap.
    cut: bool,
    covered: u32,
    /// End of the last part.
    until: u64,
}

/// The window in which a flow began, or else ended.
fn place(flow: &Flow, seconds: u32) -> Option<Window> {
    flow.start.or(flow.end).map(|time| Window::at(time, seconds))
}

/// Sorts flows into windows, each with a counter of its own.
pub struct Windows<C, F> {
    seconds: Option<u32>,
    ignore: Ignore,
    takes_scaled: bool,
    is_whole: bool,
    make: F,
    marked: Option<Open<C>>,
    /// Windows cut by the rows' times, older first; at most two.
    cut: Vec<Open<C>>,
    /// Rows without marks and times.
    timeless: Option<Open<C>>,
    /// Rows in a row whose times are far from all open windows, until it is known what they mean.
    astray: Vec<Flow>,
    closed: Vec<Closed<C>>,
}

impl<C: Counter, F: FnMut() -> C> Windows<C, F> {
    /// Windows of `seconds` (at least 1), or as the input marks them; `make` makes a counter, which
    /// is not shown the flows that `ignore` names.
    pub fn new(seconds: Option<u32>, ignore: Ignore, make: F) -> Windows<C, F> {
        Windows {
            seconds,
            ignore,
            takes_scaled: false,
            is_whole: false,
            make,
            marked: None,
            cut: Vec::new(),
            timeless: None,
            astray: Vec::new(),
            closed: Vec::new(),
        }
    }

    /// One window of all the input, whatever its marks and its rows' times say.
    pub fn of_all(make: F) -> Windows<C, F> {
        let windows = Windows::new(None, Ignore::default(), make);
        Windows { is_whole: true, takes_scaled: true, ..windows }
    }

    /// The same for who does not mind counts that were multiplied by the sampling.
    pub fn takes_scaled(self) -> Windows<C, F> {
        Windows { takes_scaled: true, ..self }
    }

    /// The windows that are over, in the order in which they closed.
    pub fn closed(&mut self) -> std::vec::Drain<'_, Closed<C>> {
        self.closed.drain(..)
    }

    /// The windows that are open and known, and what counts their flows.
    pub fn open(&mut self) -> impl Iterator<Item = (Window, &mut C)> {
        let open = self.marked.iter_mut().chain(&mut self.cut);
        open.filter_map(|open| Some((open.window?, &mut open.counter)))
    }

    /// Counts some flows.
    ///
    /// # Errors
    /// A counter that fails.
    pub fn flows(&mut self, flows: &[Flow]) -> Result<(), WindowError> {
        if self.is_whole {
            return Ok(self.whole_open().add(flows, 0, &Ignore::default())?);
        }
        if let Some(open) = &mut self.marked {
            if open.marked.as_ref().is_some_and(|marked| marked.part.is_some()) {
                return Ok(open.add(flows, 0, &self.ignore)?);
            }
        }
        // Rows that share a window follow each other more often than not.
        let length = self.seconds.unwrap_or(DEFAULT_SECONDS);
        for run in flows.chunk_by(|a, b| place(a, length) == place(b, length)) {
            let Some(window) = run.first().and_then(|flow| place(flow, length)) else {
                self.without_time(run)?;
                continue;
            };
            if self.is_astray(window) {
                let (waiting, rest) = run.split_at(run.len().min(JUMP - self.astray.len()));
                self.astray.extend_from_slice(waiting);
                if self.astray.len() == JUMP {
                    self.jump()?;
                    self.flows(rest)?;
                }
                continue;
            }
            if !self.astray.is_empty() {
                // The rows after them are where they always were: single clocks were wrong.
                let astray = std::mem::take(&mut self.astray);
                if let Some(newest) = self.cut.last_mut() {
                    newest.add(&astray, astray.len() as u64, &self.ignore)?;
                }
            }
            self.with_time(window, run)?;
        }
        Ok(())
    }

    /// Whether a window is so far from all open ones that a row in it has a wrong clock, or the
    /// input has jumped.
    fn is_astray(&self, window: Window) -> bool {
        let far = FAR.max(2 * u64::from(window.seconds()));
        let near = |open: &Open<C>| {
            open.window.is_none_or(|open| open.start().abs_diff(window.start()) <= far)
        };
        !self.cut.is_empty() && !self.cut.iter().any(near)
    }

    /// The input has jumped: what was open is over.
    fn jump(&mut self) -> Result<(), WindowError> {
        self.closed.extend(self.cut.drain(..).map(|open| open.close(None)));
        let astray = std::mem::take(&mut self.astray);
        self.flows(&astray)
    }

    /// A row without time among rows with time belongs to what is going on.
    fn without_time(&mut self, flows: &[Flow]) -> Result<(), WindowError> {
        let open = match self.cut.last_mut() {
            Some(newest) => newest,
            None => {
                self.timeless.get_or_insert_with(|| Open::new(None, (self.make)(), self.is_whole))
            }
        };
        Ok(open.add(flows, 0, &self.ignore)?)
    }

    fn with_time(&mut self, window: Window, flows: &[Flow]) -> Result<(), WindowError> {
        if let Some(open) = self.cut.iter_mut().find(|open| open.window == Some(window)) {
            return Ok(open.add(flows, 0, &self.ignore)?);
        }
        if let [older, _] = self.cut.as_mut_slice() {
            if older.window > Some(window) {
                return Ok(older.add(flows, flows.len() as u64, &self.ignore)?);
            }
            let older = self.cut.remove(0);
            self.closed.push(older.close(None));
        }
        let mut open = Open::new(Some(window), (self.make)(), self.is_whole);
        open.add(flows, 0, &self.ignore)?;
        let place = self.cut.partition_point(|other| other.window < Some(window));
        self.cut.insert(place, open);
        Ok(())
    }

    /// Counts a line that could not be read, to the window that is open.
    pub fn bad_line(&mut self) {
        let open = match &mut self.marked {
            Some(open) => Some(open),
            None => self.cut.last_mut().or(self.timeless.as_mut()),
        };
        if let Some(open) = open {
            open.bad += 1;
        }
    }

    /// The input broke off: a window that is open was not seen whole.
    pub fn torn(&mut self) {
        let open = if self.is_whole { &mut self.timeless } else { &mut self.marked };
        if let Some(marked) = open.as_mut().and_then(|open| open.marked.as_mut()) {
            marked.cut = true;
        }
    }

    /// Takes a mark of the input.
    ///
    /// # Errors
    /// A window that does not fit into `--window`, or input that was scaled.
    pub fn mark(&mut self, mark: &Mark) -> Result<(), WindowError> {
        if self.is_whole {
            self.whole_open().mark(mark);
            return Ok(());
        }
        match mark {
            Mark::Window(part) => {
                let whole = self.whole(*part)?;
                self.close_cut()?;
                match &mut self.marked {
                    Some(open) if open.window == whole => open.open(*part),
                    _ => {
                        self.close_marked();
                        let mut open = Open::new(whole, (self.make)(), self.is_whole);
                        open.open(*part);
                        self.marked = Some(open);
                    }
                }
            }
            Mark::End(end) => {
                if end.scaled == Some(true) && !self.takes_scaled {
                    let window = end.window.map_or_else(|| "-".to_owned(), Window::start_text);
                    return Err(WindowError::Scaled { window });
                }
                let whole = self.whole(end.window)?;
                let is_open = self.marked.as_ref().is_some_and(|open| {
                    open.window == whole
                        && open
                            .marked
                            .as_ref()
                            .is_some_and(|marked| marked.part == Some(end.window))
                });
                if !is_open {
                    // Its rows were elsewhere or are lost: it must not pass for a quiet window.
                    self.mark(&Mark::Window(end.window))?;
                    if let Some(marked) = self.marked.as_mut().and_then(|o| o.marked.as_mut()) {
                        marked.cut = true;
                    }
                }
                if let Some(marked) = self.marked.as_mut().and_then(|o| o.marked.as_mut()) {
                    marked.close(end);
                    let over =
                        end.window.is_none_or(|part| Some(part.end()) >= whole.map(Window::end));
                    if over {
                        self.close_marked();
                    }
                }
            }
        }
        Ok(())
    }

    /// The one window of all the input.
    fn whole_open(&mut self) -> &mut Open<C> {
        self.timeless.get_or_insert_with(|| Open::new(None, (self.make)(), true))
    }

    /// The window of ours that a marked window belongs to.
    fn whole(&self, part: Option<Window>) -> Result<Option<Window>, WindowError> {
        let (Some(part), Some(asked)) = (part, self.seconds) else { return Ok(part) };
        let whole = Window::at(Timestamp::from_secs(part.start()), asked);
        if asked % part.seconds() != 0 || part.end() > whole.end() {
            let (window, seconds) = (part.start_text(), part.seconds());
            return Err(WindowError::Misfit { asked, window, seconds });
        }
        Ok(Some(whole))
    }

    /// Closes everything: the input is over.
    ///
    /// # Errors
    /// A counter that fails.
    pub fn end(&mut self) -> Result<(), WindowError> {
        self.close_cut()?;
        self.close_marked();
        Ok(())
    }

    fn close_cut(&mut self) -> Result<(), WindowError> {
        // Each jump finds a place for one row at least.
        while !self.astray.is_empty() {
            self.jump()?;
        }
        if let Some(mut open) = self.timeless.take() {
            let window = open.span.map_or(open.window, Span::window);
            let end = open.marked.take().map(|marked| marked.end(window, open.flows));
            // Rows may stand outside of the marks.
            let end = end.map(|end| End { flows: Some(open.flows), ..end });
            self.closed.push(open.close(end));
        }
        self.closed.extend(self.cut.drain(..).map(|open| open.close(None)));
        Ok(())
    }

    fn close_marked(&mut self) {
        if let Some(mut open) = self.marked.take() {
            let end = open.marked.take().map(|marked| marked.end(open.window, open.flows));
            self.closed.push(open.close(end));
        }
    }
}

impl<C: Counter> Open<C> {
    fn new(window: Option<Window>, mut counter: C, is_whole: bool) -> Open<C> {
        counter.begin(window);
        let span = is_whole.then(Span::default);
        Open { window, counter, flows: 0, late: 0, bad: 0, sampling: 0, marked: None, span }
    }

    /// A mark of some part of it.
    fn mark(&mut self, mark: &Mark) {
        match mark {
            Mark::Window(part) => self.open(*part),
            Mark::End(end) => {
                let is_open =
                    self.marked.as_ref().is_some_and(|marked| marked.part == Some(end.window));
                if !is_open {
                    self.open(end.window);
                }
                if let Some(marked) = &mut self.marked {
                    marked.cut |= !is_open;
                    marked.close(end);
                }
            }
        }
    }

    /// A part of it begins.
    fn open(&mut self, part: Option<Window>) {
        self.marked.get_or_insert_default().open(part);
        if let (Some(span), Some(part)) = (&mut self.span, part) {
            span.add(part.start(), part.end());
        }
    }

    fn add(&mut self, flows: &[Flow], late: u64, ignore: &Ignore) -> io::Result<()> {
        self.flows += flows.len() as u64;
        self.late += late;
        let sampling = flows.iter().map(|flow| flow.sampling).max().unwrap_or(0);
        self.sampling = self.sampling.max(sampling);
        if let (Some(span), None) = (&mut self.span, &self.marked) {
            for flow in flows {
                let times = flow.start.or(flow.end).zip(flow.end.or(flow.start));
                times.iter().for_each(|(start, end)| span.add(start.secs(), end.secs() + 1));
            }
        }
        if ignore.is_empty() {
            return self.counter.add(flows);
        }
        let mut judged = flows.chunk_by(|a, b| ignore.matches(a) == ignore.matches(b));
        judged.try_for_each(|run| match run.first().is_some_and(|flow| ignore.matches(flow)) {
            true => Ok(()),
            false => self.counter.add(run),
        })
    }

    /// Closes with what the input said of the window, or with our own counts.
    fn close(self, end: Option<End>) -> Closed<C> {
        let (flows, late) = (Some(self.flows), Some(self.late));
        let window = self.span.map_or(self.window, Span::window);
        let mut end = end.unwrap_or_else(|| End { window, flows, late, ..End::default() });
        if self.sampling > 0 {
            end.sampling = end.sampling.max(Some(self.sampling));
        }
        if self.bad > 0 {
            end.add_bad_lines(self.bad);
            // Of a window that was mostly unreadable nobody may say that it was quiet.
            if end.state.is_some() && self.bad > self.flows {
                end.state = Some(WindowState::Cut);
            }
        }
        Closed { end, counter: self.counter }
    }
}

impl Marked {
    fn open(&mut self, part: Option<Window>) {
        // A part still open here had no `#end`; the same one again only continues it.
        self.cut |= self.part.is_some_and(|open| open != part);
        self.part = Some(part);
    }

    fn close(&mut self, end: &End) {
        if let Some(part) = self.part.take().flatten().filter(|part| part.start() >= self.until) {
            self.covered = self.covered.saturating_add(part.seconds());
            self.until = part.end();
        }
        self.sum = Some(match self.sum.take() {
            None => end.clone(),
            Some(sum) => add(sum, end),
        });
    }

    /// What the `#end` of the whole window says.
    fn end(self, window: Option<Window>, flows: u64) -> End {
        let whole = window.is_none_or(|window| self.covered == window.seconds());
        let cut = self.cut || self.part.is_some() || !whole;
        let sum = self.sum.unwrap_or_default();
        match cut {
            true => End { window, flows: Some(flows), state: Some(WindowState::Cut), ..sum },
            false => End { window, ..sum },
        }
    }
}

/// Two closing marks of one window as one. What only one of them knows stays: a part of a count is
/// more than none, but a state holds only if both have it.
fn add(a: End, b: &End) -> End {
    fn both<T>(a: Option<T>, b: Option<T>, join: impl FnOnce(T, T) -> T) -> Option<T> {
        match (a, b) {
            (Some(a), Some(b)) => Some(join(a, b)),
            (a, b) => a.or(b),
        }
    }
    let state = match (a.state, b.state) {
        (Some(a), Some(b)) if a == b => Some(a),
        (None, _) | (_, None) => None,
        _ => Some(WindowState::Cut),
    };
    let had_bad = a.other.iter().any(|(key, _)| key == "badlines");
    let mut sum = End { other: a.other, ..End::default() };
    // Of an unknown key the first value holds; one that was read once can be set.
    b.other.iter().for_each(|(key, value)| _ = sum.set(key, value));
    let bad = b.other.iter().find(|(key, _)| key == "badlines");
    if let Some(bad) = bad.filter(|_| had_bad).and_then(|(_, value)| value.parse().ok()) {
        sum.add_bad_lines(bad);
    }
    End {
        window: a.window,
        flows: both(a.flows, b.flows, u64::saturating_add),
        late: both(a.late, b.late, u64::saturating_add),
        lost_flows: both(a.lost_flows, b.lost_flows, u64::saturating_add),
        lost_datagrams: both(a.lost_datagrams, b.lost_datagrams, u64::saturating_add),
        sampling: a.sampling.max(b.sampling),
        scaled: a.scaled.max(b.scaled),
        cover: both(a.cover, b.cover, u32::saturating_add),
        open: a.open.max(b.open),
        state,
        tool: a.tool,
        other: sum.other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Count(u64);

    impl Counter for Count {
        fn add(&mut self, flows: &[Flow]) -> io::Result<()> {
            self.0 += flows.len() as u64;
            Ok(())
        }
    }

    /// Plays a script: `12` is a row that starts at second 12, `-` a row without a time, anything
    /// else a mark with its TABs as blanks. Returns the `#end`s with the rows that were counted.
    fn play(seconds: Option<u32>, script: &[&str]) -> Result<Vec<String>, WindowError> {
        run(Windows::new(seconds, Ignore::default(), || Count(0)), script)
    }

    fn run<F: FnMut() -> Count>(
        mut windows: Windows<Count, F>,
        script: &[&str],
    ) -> Result<Vec<String>, WindowError> {
        for word in script {
            let time = Timestamp::parse(word.as_bytes());
            if *word == "bad" {
                windows.bad_line();
            } else if *word == "-" || time.is_some() {
                windows.flows(&[Flow { start: time, ..Flow::default() }])?;
            } else {
                let mark = Mark::parse(word.replace(' ', "\t").as_bytes()).unwrap().unwrap();
                windows.mark(&mark)?;
            }
        }
        windows.end()?;
        let line = |closed: Closed<Count>| {
            let mark = Mark::End(closed.end).to_string().replace('\t', " ");
            let day = mark.replace("1970-01-01T", "").replace('Z', "");
            format!("{} rows: {}", closed.counter.0, day.trim_start_matches("#end "))
        };
        Ok(windows.closed().map(line).collect())
    }

    const OPEN: &str = "#window 1970-01-01T00:00:00Z 600";
    const END: &str = "#end 1970-01-01T00:00:00Z 600 flows=2 lostflows=1 state=ok";
    const OPEN2: &str = "#window 1970-01-01T00:10:00Z 600";
    const END2: &str = "#end 1970-01-01T00:10:00Z 600 flows=1 lostflows=2 state=ok";

    #[test]
    fn marked_windows_close_where_the_marks_say() {
        let rows = play(None, &[OPEN, "5", OPEN, "7000", END, OPEN2, "-", END2]).unwrap();
        assert_eq!(
            rows,
            [
                "2 rows: 00:00:00 600 flows=2 lostflows=1 state=ok",
                "1 rows: 00:10:00 600 flows=1 lostflows=2 state=ok"
            ]
        );
        let rows = play(None, &["#window - -", "1", "#end - - flows=1"]).unwrap();
        assert_eq!(rows, ["1 rows: - - flows=1"]);
    }

    #[test]
    fn a_window_without_its_end_is_cut() {
        let rows = play(None, &[OPEN, "5", OPEN2, "5", "6"]).unwrap();
        assert_eq!(
            rows,
            ["1 rows: 00:00:00 600 flows=1 state=cut", "2 rows: 00:10:00 600 flows=2 state=cut"]
        );
    }

    #[test]
    fn an_end_without_its_window_is_no_quiet_window() {
        let rows = play(None, &["5", END]).unwrap();
        assert_eq!(
            rows,
            [
                "1 rows: 00:00:00 600 flows=1 late=0",
                "0 rows: 00:00:00 600 flows=0 lostflows=1 state=cut"
            ]
        );
        let rows = play(None, &[OPEN, "5", END2]).unwrap();
        assert!(rows.iter().all(|row| row.ends_with("state=cut")), "{rows:?}");
    }

    #[test]
    fn a_window_of_bad_lines_is_no_quiet_window() {
        let some = play(None, &["bad", OPEN, "5", "bad", END]).unwrap();
        assert_eq!(some, ["1 rows: 00:00:00 600 flows=2 lostflows=1 state=ok badlines=1"]);
        let most = play(None, &[OPEN, "5", "bad", "bad", END, "7", "bad"]).unwrap();
        assert_eq!(
            most,
            [
                "1 rows: 00:00:00 600 flows=2 lostflows=1 state=cut badlines=2",
                "1 rows: 00:00:00 600 flows=1 late=0 badlines=1"
            ]
        );
    }

    #[test]
    fn marked_windows_merge_into_longer_ones() {
        let rows = play(Some(1200), &[OPEN, "5", END, OPEN2, "5", "6", END2]).unwrap();
        assert_eq!(rows, ["3 rows: 00:00:00 1200 flows=3 lostflows=3 state=ok"]);
        let half = play(Some(1200), &[OPEN, "5", END]).unwrap();
        assert_eq!(half, ["1 rows: 00:00:00 1200 flows=1 lostflows=1 state=cut"]);
        let twice = play(Some(1200), &[OPEN, END, OPEN, END]).unwrap();
        assert_eq!(twice, ["0 rows: 00:00:00 1200 flows=0 lostflows=2 state=cut"]);
        let mixed =
            play(Some(1200), &[OPEN, END, OPEN2, "#end 1970-01-01T00:10:00Z 600 state=nodata"]);
        assert_eq!(mixed.unwrap(), ["0 rows: 00:00:00 1200 flows=2 lostflows=1 state=cut"]);
        let error = play(Some(900), &[OPEN]).unwrap_err();
        assert!(matches!(error, WindowError::Misfit { asked: 900, seconds: 600, .. }), "{error}");
        let error = play(Some(1200), &["#window 1970-01-01T00:15:00Z 600"]).unwrap_err();
        assert!(matches!(error, WindowError::Misfit { .. }), "{error}");
    }

    #[test]
    fn unmarked_rows_are_cut_by_their_times_two_windows_at_a_time() {
        let rows = play(None, &["5", "650", "6", "1300", "7", "-"]).unwrap();
        assert_eq!(
            rows,
            [
                "2 rows: 00:00:00 600 flows=2 late=0",
                "2 rows: 00:10:00 600 flows=2 late=1",
                "2 rows: 00:20:00 600 flows=2 late=0"
            ]
        );
        assert_eq!(play(Some(60), &["5", "59"]).unwrap(), ["2 rows: 00:00:00 60 flows=2 late=0"]);
        assert_eq!(play(None, &["-", "-"]).unwrap(), ["2 rows: - - flows=2 late=0"]);
        assert_eq!(play(None, &[]).unwrap(), [""; 0]);
    }

    #[test]
    fn wrong_clocks_do_not_swallow_what_follows() {
        let rows = play(None, &["5", "9000000", "650", "1300"]).unwrap();
        assert_eq!(
            rows,
            [
                "2 rows: 00:00:00 600 flows=2 late=1",
                "1 rows: 00:10:00 600 flows=1 late=0",
                "1 rows: 00:20:00 600 flows=1 late=0"
            ]
        );
        let rows = play(None, &["900000000", "900000700", "5", "650"]).unwrap();
        assert_eq!(rows.len(), 4, "at the end of input they are taken at their word: {rows:?}");
        // A day of rows behind two wrong ones is cut as it should be.
        let mut script = vec!["900000000".to_owned(), "910000000".to_owned()];
        script.extend((0..144 * 9).map(|n| (n * 600 / 9).to_string()));
        let script: Vec<_> = script.iter().map(String::as_str).collect();
        let rows = play(None, &script).unwrap();
        let whole = rows.iter().filter(|row| row.starts_with("9 rows")).count();
        assert!(whole >= 132, "{whole} of 144");
    }

    #[test]
    fn input_that_jumps_is_cut_where_it_jumps() {
        let mut script = vec!["5"; 3];
        script.extend(["9000000"; 250]);
        let rows = play(None, &script).unwrap();
        assert_eq!(rows.len(), 2);
        assert!(
            rows[0].starts_with("3 rows: 00:00:00") && rows[1].starts_with("250 rows"),
            "{rows:?}"
        );
    }

    #[test]
    fn all_of_the_input_can_be_one_window() {
        let whole = |script: &[&str]| run(Windows::of_all(|| Count(0)), script).unwrap();
        let later = "#window 1970-01-03T00:00:00Z 300";
        let later_end = "#end 1970-01-03T00:00:00Z 300 flows=1 state=ok scaled=1";
        let marked = whole(&[OPEN, "5", "6", END, OPEN2, "99999", END2]);
        assert_eq!(marked, ["3 rows: 00:00:00 1200 flows=3 lostflows=3 state=ok"]);
        let gap = whole(&[OPEN, "5", "6", END, later, "99999", later_end]);
        let end = "00:00:00 173100 flows=3 lostflows=1 scaled=1 state=cut";
        assert_eq!(gap, [format!("3 rows: {end}")]);
        let timed = whole(&["50", "9000000.5", "20", "-"]);
        assert_eq!(timed, ["4 rows: 00:00:20 8999981 flows=4 late=0"]);
        assert_eq!(whole(&["-", "-"]), ["2 rows: - - flows=2 late=0"]);
        // Whatever stands beside what: it is one window.
        let unknown = whole(&[
            "#window - -",
            "1",
            "#end - - flows=1",
            "#window - -",
            "2",
            "#end - - flows=1",
        ]);
        assert_eq!(unknown, ["2 rows: - - flows=2"]);
        assert_eq!(whole(&["5", "7258118400"]).len(), 1);
        let mixed = whole(&["7", OPEN, "5", "6", END, "8"]);
        assert_eq!(mixed, ["4 rows: 00:00:00 600 flows=4 lostflows=1 state=ok"]);
        assert_eq!(whole(&[]), [""; 0]);
    }

    #[test]
    fn scaled_counts_are_refused() {
        let error = play(None, &[OPEN, "#end 1970-01-01T00:00:00Z 600 scaled=1"]).unwrap_err();
        assert!(error.to_string().contains("1970-01-01T00:00:00Z holds counts scaled"), "{error}");
    }
}
