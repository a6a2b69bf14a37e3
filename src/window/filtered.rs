//! Marks of a stream that lines were left out of. An `#end` must be true of the lines that are
//! left, because detectors believe it.

use super::end::add_bad_lines;
use crate::time::{End, Mark, Window, WindowState};

/// The marks of a stream on their way from input to output.
#[derive(Debug, Default)]
pub struct FilteredMarks {
    open: Option<FilteredWindow>,
    /// Set once the rest of an input was left unread. The rest may have belonged to any window, so
    /// no window of a later input can be called whole.
    gave_up: bool,
    /// Flows outside of a window since the last mark.
    outside: FlowCounts,
}

/// Flows that were read, and those of them that were passed on.
#[derive(Clone, Copy, Debug, Default)]
struct FlowCounts {
    read: u64,
    passed: u64,
}

/// A window between its marks.
#[derive(Debug, Default)]
struct FilteredWindow {
    window: Option<Window>,
    flows: FlowCounts,
    /// Lines that could not be read.
    bad: u64,
    is_cut: bool,
}

impl FilteredWindow {
    /// Returns the closing mark for a reader of the flows that were passed on.
    fn end(self, mut end: End) -> Mark {
        let FlowCounts { read, passed } = self.flows;
        end.flows = Some(passed);
        if read > passed {
            // The number of late flows among those that are left is known only if there were none.
            end.late = end.late.filter(|late| *late == 0);
            end.put("filtered", "1".to_owned());
        }
        add_bad_lines(&mut end, self.bad, read);
        if self.is_cut {
            end.state = Some(WindowState::Cut);
        }
        Mark::End(end)
    }

    /// Returns the closing mark of a window that has no `#end` of its own.
    fn end_cut(mut self) -> Mark {
        self.is_cut = true;
        let window = self.window;
        self.end(End { window, ..End::default() })
    }
}

impl FilteredMarks {
    /// Returns the marked window that is open.
    pub fn window(&self) -> Option<Window> {
        self.open.as_ref().and_then(|open| open.window)
    }

    /// Adds flows of the open window, of which `passed` were passed on.
    pub fn flows(&mut self, read: u64, passed: u64) {
        let flows = match &mut self.open {
            Some(open) => &mut open.flows,
            None => &mut self.outside,
        };
        flows.read += read;
        flows.passed += passed;
    }

    /// Adds a line that could not be read.
    pub fn bad_line(&mut self) {
        if let Some(open) = &mut self.open {
            open.bad += 1;
        }
    }

    /// Says that the input broke off: a window that is open was not seen whole.
    pub fn torn(&mut self) {
        if let Some(open) = &mut self.open {
            open.is_cut = true;
        }
    }

    /// Takes a mark of the input and returns those of the output, in their order.
    pub fn mark(&mut self, mark: Mark) -> [Option<Mark>; 2] {
        let outside = std::mem::take(&mut self.outside);
        match mark {
            Mark::Window(window) => {
                if self.open.as_ref().is_some_and(|open| open.window == window) {
                    return [Some(Mark::Window(window)), None];
                }
                let is_cut = self.gave_up;
                let next = FilteredWindow { window, is_cut, ..FilteredWindow::default() };
                let before = self.open.replace(next).map(FilteredWindow::end_cut);
                [before, Some(Mark::Window(window))]
            }
            Mark::End(end) => match self.open.take_if(|open| open.window == end.window) {
                Some(open) => [Some(open.end(end)), None],
                // Nothing of the window was left out here, so its mark stays as it is.
                None if outside.read == 0 && !self.gave_up => [Some(Mark::End(end)), None],
                // The first part of the window was elsewhere.
                None => {
                    let window = end.window;
                    let open = FilteredWindow {
                        window,
                        flows: outside,
                        is_cut: true,
                        ..FilteredWindow::default()
                    };
                    [Some(open.end(end)), None]
                }
            },
        }
    }

    /// Leaves the rest of this input unread. Returns the closing mark of the window that is open.
    pub fn give_up(&mut self) -> Option<Mark> {
        self.gave_up = true;
        self.end()
    }

    /// Ends the last input. Returns the closing mark of a window that is still open.
    pub fn end(&mut self) -> Option<Mark> {
        self.open.take().map(FilteredWindow::end_cut)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays marks, flows (`3/5`: three of five were passed on), `bad`, `torn` and `give up`.
    fn play(script: &[&str]) -> Vec<String> {
        let mut marks = FilteredMarks::default();
        let mut all = Vec::new();
        for line in script {
            if let Some((passed, read)) = line.split_once('/') {
                marks.flows(read.parse().unwrap(), passed.parse().unwrap());
                continue;
            }
            match *line {
                "bad" => marks.bad_line(),
                "torn" => marks.torn(),
                "give up" => all.extend(marks.give_up()),
                line => {
                    let line = line.replace(' ', "\t");
                    let mark = Mark::parse(line.as_bytes()).unwrap().unwrap();
                    all.extend(marks.mark(mark).into_iter().flatten());
                }
            }
        }
        all.extend(marks.end());
        all.iter().map(|mark| mark.to_string().replace('\t', " ")).collect()
    }

    const OPEN: &str = "#window 2001-07-01T00:20:00Z 600";
    const END: &str =
        "#end 2001-07-01T00:20:00Z 600 flows=5 late=2 cover=600 silent=1 state=ok x=y";
    const NEXT: &str = "#window 2001-07-01T00:30:00Z 600";

    #[test]
    fn an_end_counts_the_lines_that_are_left() {
        let end = "#end 2001-07-01T00:20:00Z 600";
        for (script, last) in [
            (vec![OPEN, "5/5", END], END.to_owned()),
            (
                vec![OPEN, "1/3", "2/2", END],
                format!("{end} flows=3 cover=600 silent=1 state=ok x=y filtered=1"),
            ),
            (vec![OPEN, "5/5", &format!("{END} filtered=1")], format!("{END} filtered=1")),
            (vec![OPEN, "0/1", "bad", end], format!("{end} flows=0 filtered=1 badlines=1")),
            (
                vec![OPEN, "bad", "bad", "1/1", &format!("{end} late=0 state=ok badlines=3")],
                format!("{end} flows=1 late=0 state=cut badlines=5"),
            ),
            (vec![OPEN, "5/5", "torn", OPEN, END], END.replace("=ok", "=cut")),
            (vec![OPEN, "5/5"], format!("{end} flows=5 state=cut")),
            (
                vec!["5/5", OPEN, &format!("{end} state=nodata")],
                format!("{end} flows=0 state=nodata"),
            ),
        ] {
            assert_eq!(play(&script).last(), Some(&last), "{script:?}");
        }
        let cut = play(&[OPEN, "1/2", NEXT]);
        assert_eq!(cut[1], format!("{end} flows=1 state=cut filtered=1"));
        assert_eq!(cut[2], NEXT);
        // A window that is not open is passed on as it is.
        assert_eq!(play(&[END]), [END]);
        assert_eq!(
            play(&["#window - -", "2/4", "#end - - flows=4"]).last().unwrap(),
            "#end - - flows=2 filtered=1"
        );
    }

    #[test]
    fn a_window_that_was_given_up_is_never_whole() {
        let all = play(&[OPEN, "1/1", "give up", OPEN, "2/2", END, NEXT]);
        assert!(all[1].ends_with("600 flows=1 state=cut"), "{all:?}");
        assert_eq!(all[2], OPEN);
        assert!(all[3].contains("flows=2") && all[3].contains("state=cut"), "{all:?}");
        assert_eq!(play(&["give up"]), [""; 0]);
    }

    fn last(script: &[&str]) -> String {
        play(script).last().cloned().unwrap_or_default()
    }

    #[test]
    fn only_an_end_that_says_ok_gives_ok() {
        for state in ["ok", "cut", "nodata"] {
            let end = format!("#end 2001-07-01T00:20:00Z 600 flows=1 state={state}");
            assert_eq!(last(&[OPEN, "1/1", &end]), end);
        }
        let unknown = "#end 2001-07-01T00:20:00Z 600 flows=1";
        assert_eq!(last(&[OPEN, "1/1", unknown]), unknown);
    }

    #[test]
    fn a_torn_input_cuts_the_open_window_and_not_the_next() {
        let next_end = "#end 2001-07-01T00:30:00Z 600 flows=0 state=ok";
        let all = play(&[OPEN, "1/1", "torn", END, NEXT, next_end]);
        assert!(all[1].contains("state=cut"), "{all:?}");
        assert_eq!(all[3], next_end);
        // Between two windows there is nothing to cut.
        assert_eq!(last(&["torn", OPEN, "5/5", END]), END);
    }

    #[test]
    fn an_end_of_another_window_does_not_end_the_open_one() {
        let other = "#end 2001-07-01T00:30:00Z 600 flows=0 state=ok";
        let all = play(&[OPEN, "1/1", other]);
        assert_eq!(all[1], other);
        assert_eq!(all[2], "#end 2001-07-01T00:20:00Z 600 flows=1 state=cut");
    }

    #[test]
    fn an_end_behind_rows_without_a_window_is_cut() {
        assert_eq!(
            last(&["1/2", "#end 2001-07-01T00:20:00Z 600 flows=9 state=ok"]),
            "#end 2001-07-01T00:20:00Z 600 flows=1 state=cut filtered=1"
        );
    }

    #[test]
    fn an_end_after_giving_up_is_cut_even_if_its_window_never_opened() {
        let all = play(&["give up", "#end 2001-07-01T00:20:00Z 600 flows=9 state=ok"]);
        assert_eq!(all, ["#end 2001-07-01T00:20:00Z 600 flows=0 state=cut"]);
    }

    #[test]
    fn windows_out_of_order_are_passed_on() {
        let end = "#end 2001-07-01T00:30:00Z 600 flows=1 state=ok";
        assert_eq!(play(&[NEXT, "1/1", end, OPEN, "5/5", END]), [NEXT, end, OPEN, END]);
    }
}
