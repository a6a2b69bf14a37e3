//! Sorts rows into windows by the input's marks, or else by the rows' own times.
//!
//! Marked input says where its windows begin and end. Unmarked input is cut by the flows' own
//! times, two windows at a time, because exporters report long flows late. Input without times is
//! one window. No flow is ever dropped for its time.

use std::io;

use super::counter::{Counter, Exclusion};
use super::open::{Closed, OpenWindow};
use crate::flow::Flow;
use crate::time::{Mark, Timestamp, Window};

/// Length of the windows that unmarked input is cut into, in seconds.
const DEFAULT_SECONDS: u32 = 600;

/// Distance from every open window, in seconds, beyond which a row's time is not believed at once.
const FAR: u64 = 86_400;

/// Number of consecutive far rows that show that the input has jumped, as between two files of
/// different weeks. Fewer are taken for the wrong clock of a single datagram.
const JUMP: usize = 100;

/// The reason why a window cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum WindowError {
    /// The asked length is not a multiple of the marked windows, or they are not aligned to it.
    #[error(
        "--window {asked}s: the input's window {window} is {seconds}s long and does not fit; \
         give a multiple of its length"
    )]
    Misfit {
        /// Seconds asked for.
        asked: u32,
        /// START of the window that does not fit.
        window: String,
        /// Length of that window in seconds.
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

/// The windows of an input, each with a counter of its flows.
pub struct Windows<C, F, X = ()> {
    /// The length asked for; `None` for the lengths that the input marks.
    seconds: Option<u32>,
    excluded: X,
    takes_scaled: bool,
    /// All of the input is one window.
    takes_all: bool,
    make: F,
    /// The window that the input marks.
    marked: Option<OpenWindow<C>>,
    /// Windows cut by the rows' times, the older one first; at most two.
    timed: Vec<OpenWindow<C>>,
    /// The window of rows without marks and times, or the one window of all the input.
    timeless: Option<OpenWindow<C>>,
    /// Consecutive rows whose times are far from all open windows, fewer than [`JUMP`]. They wait
    /// until the rows after them show if a clock was wrong or the input has jumped.
    far: Vec<Flow>,
    closed: Vec<Closed<C>>,
}

impl<C: Counter, F: FnMut() -> C> Windows<C, F> {
    /// Returns windows of `seconds` (at least 1), or as the input marks them. `make` makes the
    /// counter of a window.
    pub fn new(seconds: Option<u32>, make: F) -> Windows<C, F> {
        Windows {
            seconds,
            excluded: (),
            takes_scaled: false,
            takes_all: false,
            make,
            marked: None,
            timed: Vec::new(),
            timeless: None,
            far: Vec::new(),
            closed: Vec::new(),
        }
    }

    /// Returns one window of all the input, whatever its marks and its rows' times are. Scaled
    /// counts are accepted.
    pub fn of_all(make: F) -> Windows<C, F> {
        Windows { takes_all: true, takes_scaled: true, ..Windows::new(None, make) }
    }

    /// Keeps some flows from the counters. They still belong to their window.
    pub fn excluding<X: Exclusion>(self, excluded: X) -> Windows<C, F, X> {
        Windows {
            seconds: self.seconds,
            excluded,
            takes_scaled: self.takes_scaled,
            takes_all: self.takes_all,
            make: self.make,
            marked: self.marked,
            timed: self.timed,
            timeless: self.timeless,
            far: self.far,
            closed: self.closed,
        }
    }
}

impl<C: Counter, F: FnMut() -> C, X: Exclusion> Windows<C, F, X> {
    /// Accepts counts that were multiplied by the sampling.
    pub fn takes_scaled(self) -> Windows<C, F, X> {
        Windows { takes_scaled: true, ..self }
    }

    /// Removes and returns the windows that are over, in the order in which they closed.
    pub fn closed(&mut self) -> std::vec::Drain<'_, Closed<C>> {
        self.closed.drain(..)
    }

    /// Returns the open windows of a known time, each with its counter.
    pub fn open(&mut self) -> impl Iterator<Item = (Window, &mut C)> {
        let open = self.marked.iter_mut().chain(&mut self.timed);
        open.filter_map(|open| Some((open.window?, &mut open.counter)))
    }

    /// Sorts some flows into their windows.
    ///
    /// # Errors
    /// A counter that fails.
    pub fn flows(&mut self, flows: &[Flow]) -> Result<(), WindowError> {
        if self.takes_all {
            return Ok(self.all_input().add(flows, 0, &())?);
        }
        if let Some(open) = &mut self.marked {
            if open.marks.as_ref().is_some_and(|marks| marks.is_open()) {
                return Ok(open.add(flows, 0, &self.excluded)?);
            }
        }
        // Consecutive rows share a window more often than not.
        let length = self.seconds.unwrap_or(DEFAULT_SECONDS);
        for run in flows.chunk_by(|a, b| window_of(a, length) == window_of(b, length)) {
            let Some(window) = run.first().and_then(|flow| window_of(flow, length)) else {
                self.add_timeless(run)?;
                continue;
            };
            if self.is_far(window) {
                let (waiting, rest) = run.split_at(run.len().min(JUMP - self.far.len()));
                self.far.extend_from_slice(waiting);
                if self.far.len() == JUMP {
                    self.jump()?;
                    self.flows(rest)?;
                }
                continue;
            }
            if !self.far.is_empty() {
                // This row is near an open window again: a clock was wrong.
                let far = std::mem::take(&mut self.far);
                if let Some(newest) = self.timed.last_mut() {
                    newest.add(&far, far.len() as u64, &self.excluded)?;
                }
            }
            self.add_timed(window, run)?;
        }
        Ok(())
    }

    /// Returns true if a window is so far from all open ones that a row in it has a wrong clock, or
    /// the input has jumped.
    fn is_far(&self, window: Window) -> bool {
        let far = FAR.max(2 * u64::from(window.seconds()));
        let is_near = |open: &OpenWindow<C>| {
            open.window.is_none_or(|open| open.start().abs_diff(window.start()) <= far)
        };
        !self.timed.is_empty() && !self.timed.iter().any(is_near)
    }

    /// Closes the timed windows and opens those of the far rows: the input has jumped.
    fn jump(&mut self) -> Result<(), WindowError> {
        self.closed.extend(self.timed.drain(..).map(OpenWindow::close));
        let far = std::mem::take(&mut self.far);
        self.flows(&far)
    }

    /// Adds rows without a time: to the newest timed window if there is one.
    fn add_timeless(&mut self, flows: &[Flow]) -> Result<(), WindowError> {
        let open = match self.timed.last_mut() {
            Some(newest) => newest,
            None => self
                .timeless
                .get_or_insert_with(|| OpenWindow::new(None, (self.make)(), self.takes_all)),
        };
        Ok(open.add(flows, 0, &self.excluded)?)
    }

    /// Adds rows of one window, which is opened if need be. Rows older than both open windows are
    /// late and go to the older one.
    fn add_timed(&mut self, window: Window, flows: &[Flow]) -> Result<(), WindowError> {
        if let Some(open) = self.timed.iter_mut().find(|open| open.window == Some(window)) {
            return Ok(open.add(flows, 0, &self.excluded)?);
        }
        if let [older, _] = self.timed.as_mut_slice() {
            if older.window > Some(window) {
                return Ok(older.add(flows, flows.len() as u64, &self.excluded)?);
            }
            let older = self.timed.remove(0);
            self.closed.push(older.close());
        }
        let mut open = OpenWindow::new(Some(window), (self.make)(), self.takes_all);
        open.add(flows, 0, &self.excluded)?;
        let at = self.timed.partition_point(|other| other.window < Some(window));
        self.timed.insert(at, open);
        Ok(())
    }

    /// Adds a line that could not be read, to the window that is open.
    pub fn bad_line(&mut self) {
        let open = match &mut self.marked {
            Some(open) => Some(open),
            None => self.timed.last_mut().or(self.timeless.as_mut()),
        };
        if let Some(open) = open {
            open.add_bad_line();
        }
    }

    /// Says that the input broke off: a marked window that is open was not seen whole.
    pub fn torn(&mut self) {
        let open = if self.takes_all { &mut self.timeless } else { &mut self.marked };
        if let Some(open) = open {
            open.cut();
        }
    }

    /// Takes a mark of the input.
    ///
    /// # Errors
    /// A window that does not fit into `--window`, scaled input, or a counter that fails.
    pub fn mark(&mut self, mark: &Mark) -> Result<(), WindowError> {
        if self.takes_all {
            self.all_input().mark(mark);
            return Ok(());
        }
        match mark {
            Mark::Window(part) => {
                let whole = self.whole(*part)?;
                self.open_marked(whole, *part)
            }
            Mark::End(end) => {
                if end.scaled == Some(true) && !self.takes_scaled {
                    let window = end.window.map_or_else(|| "-".to_owned(), Window::start_text);
                    return Err(WindowError::Scaled { window });
                }
                let part = end.window;
                let whole = self.whole(part)?;
                let open = self.marked.as_ref();
                let is_open =
                    open.is_some_and(|open| open.window == whole && open.has_open_part(part));
                if !is_open {
                    // Its rows were elsewhere or are lost: it must not pass for a quiet window.
                    self.open_marked(whole, part)?;
                }
                if let Some(open) = &mut self.marked {
                    if !is_open {
                        open.cut();
                    }
                    open.mark(mark);
                }
                if part.is_none_or(|part| Some(part.end()) >= whole.map(Window::end)) {
                    self.close_marked();
                }
                Ok(())
            }
        }
    }

    /// Opens a part of the marked window `whole`. Another marked window that is open is over.
    fn open_marked(
        &mut self,
        whole: Option<Window>,
        part: Option<Window>,
    ) -> Result<(), WindowError> {
        self.close_unmarked()?;
        if self.marked.as_ref().is_none_or(|open| open.window != whole) {
            self.close_marked();
        }
        let open = self
            .marked
            .get_or_insert_with(|| OpenWindow::new(whole, (self.make)(), self.takes_all));
        open.open_part(part);
        Ok(())
    }

    /// Returns the one window of all the input.
    fn all_input(&mut self) -> &mut OpenWindow<C> {
        self.timeless.get_or_insert_with(|| OpenWindow::new(None, (self.make)(), true))
    }

    /// Returns the window of the asked length that a marked window belongs to.
    fn whole(&self, part: Option<Window>) -> Result<Option<Window>, WindowError> {
        let (Some(part), Some(asked)) = (part, self.seconds) else { return Ok(part) };
        let whole = Window::at(Timestamp::from_secs(part.start()), asked);
        if asked % part.seconds() != 0 || part.end() > whole.end() {
            let (window, seconds) = (part.start_text(), part.seconds());
            return Err(WindowError::Misfit { asked, window, seconds });
        }
        Ok(Some(whole))
    }

    /// Closes all windows: the input is over.
    ///
    /// # Errors
    /// A counter that fails.
    pub fn end(&mut self) -> Result<(), WindowError> {
        self.close_unmarked()?;
        self.close_marked();
        Ok(())
    }

    fn close_unmarked(&mut self) -> Result<(), WindowError> {
        // Each jump finds a window for at least one row.
        while !self.far.is_empty() {
            self.jump()?;
        }
        self.closed.extend(self.timeless.take().map(OpenWindow::close_all));
        self.closed.extend(self.timed.drain(..).map(OpenWindow::close));
        Ok(())
    }

    fn close_marked(&mut self) {
        self.closed.extend(self.marked.take().map(OpenWindow::close_marked));
    }
}

/// Returns the window in which a flow began, or else ended; `None` if it has no time.
fn window_of(flow: &Flow, seconds: u32) -> Option<Window> {
    flow.start.or(flow.end).map(|time| Window::at(time, seconds))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    struct Count(u64);

    impl Counter for Count {
        fn add(&mut self, flows: &[Flow]) -> io::Result<()> {
            self.0 += flows.len() as u64;
            Ok(())
        }
    }

    /// Plays a script: `12` is a row that starts at second 12, `-` a row without a time, `bad` an
    /// unreadable line, `torn` a file that breaks off, and anything else a mark with blanks for
    /// TABs. Returns the `#end`s with the number of rows that were counted.
    fn play(seconds: Option<u32>, script: &[&str]) -> Result<Vec<String>, WindowError> {
        run(Windows::new(seconds, || Count(0)), script)
    }

    fn run<F: FnMut() -> Count, X: Exclusion>(
        mut windows: Windows<Count, F, X>,
        script: &[&str],
    ) -> Result<Vec<String>, WindowError> {
        for word in script {
            let time = Timestamp::parse(word.as_bytes());
            if *word == "bad" {
                windows.bad_line();
            } else if *word == "torn" {
                windows.torn();
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
    fn marked_windows_close_at_their_marks() {
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
    fn an_end_without_its_window_is_cut() {
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
    fn a_window_with_more_bad_lines_than_rows_is_cut() {
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
    fn unmarked_rows_are_sorted_by_time_into_two_open_windows() {
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
    fn rows_with_wrong_clocks_do_not_hold_back_the_rows_after_them() {
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
        assert_eq!(rows.len(), 4, "at the end of the input their times are believed: {rows:?}");
        // Two rows with wrong clocks do not spoil the windows of the day behind them.
        let mut script = vec!["900000000".to_owned(), "910000000".to_owned()];
        script.extend((0..144 * 9).map(|n| (n * 600 / 9).to_string()));
        let script: Vec<_> = script.iter().map(String::as_str).collect();
        let rows = play(None, &script).unwrap();
        let whole = rows.iter().filter(|row| row.starts_with("9 rows")).count();
        assert!(whole >= 132, "{whole} of 144");
    }

    #[test]
    fn an_input_that_jumps_begins_a_new_window_there() {
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
        // Unknown windows, far times and rows outside of marks: still one window.
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
        // The parts lie more than 136 years apart, and no window is that long.
        let far = ["#window 2200-01-01T00:00:00Z 600", "#end 2200-01-01T00:00:00Z 600 state=ok"];
        assert_eq!(
            whole(&[OPEN, "5", END, far[0], far[1]]),
            ["1 rows: - - flows=1 lostflows=1 state=cut"]
        );
    }

    #[test]
    fn a_torn_file_cuts_the_window_that_is_open_and_no_other() {
        let rows = play(None, &[OPEN, "5", "torn", "6", END, OPEN2, "7", END2]).unwrap();
        assert_eq!(
            rows,
            [
                "2 rows: 00:00:00 600 flows=2 lostflows=1 state=cut",
                "1 rows: 00:10:00 600 flows=1 lostflows=2 state=ok"
            ]
        );
        // Between two windows there is nothing to cut, and unmarked windows have no state.
        let between = play(None, &[OPEN, "5", "6", END, "torn", OPEN2, "7", END2]).unwrap();
        assert!(between.iter().all(|row| row.ends_with("state=ok")), "{between:?}");
        assert_eq!(play(None, &["5", "torn"]).unwrap(), ["1 rows: 00:00:00 600 flows=1 late=0"]);
        let all = run(Windows::of_all(|| Count(0)), &[OPEN, "5", "torn", END]).unwrap();
        assert_eq!(all, ["1 rows: 00:00:00 600 flows=1 lostflows=1 state=cut"]);
    }

    #[test]
    fn a_part_that_was_torn_cuts_the_longer_window() {
        let rows = play(Some(1200), &[OPEN, "5", "torn", END, OPEN2, "6", END2]).unwrap();
        assert_eq!(rows, ["2 rows: 00:00:00 1200 flows=2 lostflows=3 state=cut"]);
    }

    #[test]
    fn a_longer_window_closes_when_another_one_opens() {
        let later = "#window 1970-01-01T00:20:00Z 600";
        let rows = play(Some(1200), &[OPEN, "5", END, later, "6"]).unwrap();
        assert_eq!(
            rows,
            [
                "1 rows: 00:00:00 1200 flows=1 lostflows=1 state=cut",
                "1 rows: 00:20:00 1200 flows=1 state=cut"
            ]
        );
    }

    #[test]
    fn marked_windows_out_of_order_keep_their_states() {
        let rows = play(None, &[OPEN2, "7", END2, OPEN, "5", "6", END]).unwrap();
        assert_eq!(
            rows,
            [
                "1 rows: 00:10:00 600 flows=1 lostflows=2 state=ok",
                "2 rows: 00:00:00 600 flows=2 lostflows=1 state=ok"
            ]
        );
        // The longer window closes with its last part, so the other part makes a second one.
        let rows = play(Some(1200), &[OPEN2, "7", END2, OPEN, "5", END]).unwrap();
        assert_eq!(rows.len(), 2);
        assert!(rows.iter().all(|row| row.ends_with("state=cut")), "{rows:?}");
    }

    #[test]
    fn a_window_without_data_stays_without_data() {
        let end = "#end 1970-01-01T00:00:00Z 600 flows=0 state=nodata";
        assert_eq!(
            play(None, &[OPEN, end]).unwrap(),
            ["0 rows: 00:00:00 600 flows=0 state=nodata"]
        );
        let never_opened = play(None, &[end]).unwrap();
        assert_eq!(never_opened, ["0 rows: 00:00:00 600 flows=0 state=cut"]);
    }

    #[test]
    fn an_end_without_a_state_gives_none() {
        let end = "#end 1970-01-01T00:00:00Z 600 flows=1";
        assert_eq!(play(None, &[OPEN, "5", end]).unwrap(), ["1 rows: 00:00:00 600 flows=1"]);
    }

    #[test]
    fn an_input_without_marks_has_no_state() {
        for script in [vec!["5", "700", "1300"], vec!["-"], vec!["5", "bad", "bad", "torn"]] {
            let rows = play(None, &script).unwrap();
            assert!(!rows.is_empty() && rows.iter().all(|row| !row.contains("state")), "{rows:?}");
        }
    }

    #[test]
    fn rows_between_two_marked_windows_are_a_window_without_a_state() {
        let rows = play(None, &[OPEN, "5", "6", END, "700", OPEN2, "7", END2]).unwrap();
        assert_eq!(rows[1], "1 rows: 00:10:00 600 flows=1 late=0");
        assert!(rows[0].ends_with("state=ok") && rows[2].ends_with("state=ok"), "{rows:?}");
    }

    #[test]
    fn excluded_flows_belong_to_their_window_and_are_not_counted() {
        struct Odd;
        impl Exclusion for Odd {
            fn is_empty(&self) -> bool {
                false
            }
            fn excludes(&self, flow: &Flow) -> bool {
                flow.start.is_some_and(|start| start.secs() % 2 == 1)
            }
        }
        let windows = Windows::new(None, || Count(0)).excluding(Odd);
        let rows = run(windows, &["5", "6", "7", "8", "9"]).unwrap();
        assert_eq!(rows, ["2 rows: 00:00:00 600 flows=5 late=0"]);
    }

    /// Words of a hostile script: marks of four short windows with every state, in any order, and
    /// everything that can go wrong between them.
    fn hostile_word() -> impl Strategy<Value = String> {
        let window =
            prop::sample::select(vec!["00:00 600", "10:00 600", "20:00 600", "00:00 1200"]);
        let state = prop::sample::select(vec![" state=ok", " state=cut", " state=nodata", ""]);
        let window = window.prop_map(|window| window.replace(' ', "Z "));
        prop_oneof![
            4 => window.clone().prop_map(|window| format!("#window 1970-01-01T00:{window}")),
            4 => (window, state).prop_map(|(w, state)| format!("#end 1970-01-01T00:{w}{state}")),
            1 => Just("#window - -".to_owned()),
            1 => Just("#end - - state=ok".to_owned()),
            1 => prop::sample::select(vec!["5", "650", "-", "90000000", "bad", "torn"])
                .prop_map(str::to_owned),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2048))]

        /// Hostile marks never make a window `ok` for which the input has no complete run of `ok`
        /// parts: each opened, each ended, nothing but rows and marks of the same part in between.
        #[test]
        fn hostile_marks_never_make_a_window_ok(
            script in prop::collection::vec(hostile_word(), 0..24),
            seconds in prop::sample::select(vec![None, Some(1200u32)]),
        ) {
            let words: Vec<&str> = script.iter().map(String::as_str).collect();
            let Ok(rows) = play(seconds, &words) else { return Ok(()) };
            // Marked windows that the script itself shows whole, and how often.
            let mut whole: Vec<(u64, u64)> = Vec::new();
            let mut open: Option<&str> = None;
            for word in &words {
                if let Some(window) = word.strip_prefix("#window ") {
                    open = Some(window);
                } else if let Some(end) = word.strip_prefix("#end ") {
                    let ok = open.take().filter(|window| *end == format!("{window} state=ok"));
                    if let Some((start, length)) = ok.and_then(|ok| ok.split_once(' ')) {
                        let start = Timestamp::parse(start.as_bytes()).map_or(0, Timestamp::secs);
                        let length: u64 = length.parse().unwrap_or(0);
                        whole.push((start, start + length));
                    }
                } else if *word == "torn" {
                    open = None;
                }
            }
            for row in rows.iter().filter(|row| row.contains("state=ok")) {
                let fields: Vec<&str> = row.split(' ').collect();
                if fields[2] == "-" {
                    continue;
                }
                let start = format!("1970-01-01T{}Z", fields[2]);
                let start = Timestamp::parse(start.as_bytes()).unwrap().secs();
                let length: u64 = fields[3].parse().unwrap();
                let mut at = start;
                for (first, end) in &whole {
                    if *first == at && *end <= start + length {
                        at = *end;
                    }
                }
                prop_assert!(at == start + length || whole.contains(&(start, start + length)),
                    "{row} of {words:?}");
            }
        }
    }

    #[test]
    fn scaled_counts_are_refused() {
        let script = [OPEN, "#end 1970-01-01T00:00:00Z 600 scaled=1"];
        let error = play(None, &script).unwrap_err();
        assert!(error.to_string().contains("1970-01-01T00:00:00Z holds counts scaled"), "{error}");
        let accepted = run(Windows::new(None, || Count(0)).takes_scaled(), &script).unwrap();
        assert_eq!(accepted, ["0 rows: 00:00:00 600 scaled=1"]);
    }
}
