//! The marks of a stream that lines were left out of: what an `#end` says must be true of what is
//! left, because detectors believe it.

use crate::time::{End, Mark, Window, WindowState};

/// Follows the marks from input to output.
#[derive(Debug, Default)]
pub(super) struct Marks {
    open: Option<Open>,
    /// Reading was given up: what was in the rest of an input nobody knows, and no window that comes
    /// later, in another one, can be said to be whole.
    given_up: bool,
    /// Lines outside of a window since the last mark, and those of them that were passed on.
    outside: (u64, u64),
}

/// A window between its marks.
#[derive(Debug, Default)]
struct Open {
    window: Option<Window>,
    read: u64,
    passed: u64,
    bad: u64,
    cut: bool,
}

impl Open {
    /// How the window ends for who reads what was passed on.
    fn end(self, mut end: End) -> Mark {
        let left_out = self.read > self.passed;
        end.flows = Some(self.passed);
        if left_out {
            // How many of the late ones are left is not known, unless there were none.
            end.late = end.late.filter(|late| *late == 0);
            end.put("filtered", "1".to_owned());
        }
        if self.bad > 0 {
            end.add_bad_lines(self.bad);
        }
        // Of a window that was mostly unreadable nobody may say that it was quiet.
        if self.cut || (end.state.is_some() && self.bad > self.read) {
            end.state = Some(WindowState::Cut);
        }
        Mark::End(end)
    }

    /// The same without an `#end` of its own.
    fn cut(mut self) -> Mark {
        self.cut = true;
        let window = self.window;
        self.end(End { window, ..End::default() })
    }
}

impl Marks {
    /// The marked window that flows stand in now.
    pub fn window(&self) -> Option<Window> {
        self.open.as_ref().and_then(|open| open.window)
    }

    /// Counts flows that stand in the open window, and those of them that were passed on.
    pub fn flows(&mut self, read: u64, passed: u64) {
        match &mut self.open {
            Some(open) => (open.read, open.passed) = (open.read + read, open.passed + passed),
            None => self.outside = (self.outside.0 + read, self.outside.1 + passed),
        }
    }

    pub fn bad_line(&mut self) {
        if let Some(open) = &mut self.open {
            open.bad += 1;
        }
    }

    /// The input broke off: a window that is open was not seen whole.
    pub fn torn(&mut self) {
        if let Some(open) = &mut self.open {
            open.cut = true;
        }
    }

    /// Takes a mark of the input and gives those of the output.
    pub fn mark(&mut self, mark: Mark) -> [Option<Mark>; 2] {
        let (read, passed) = std::mem::take(&mut self.outside);
        match mark {
            Mark::Window(window) => {
                if self.open.as_ref().is_some_and(|open| open.window == window) {
                    return [Some(Mark::Window(window)), None];
                }
                let next = Open { window, cut: self.given_up, ..Open::default() };
                let before = self.open.replace(next).map(Open::cut);
                [before, Some(Mark::Window(window))]
            }
            Mark::End(end) => match self.open.take_if(|open| open.window == end.window) {
                Some(open) => [Some(open.end(end)), None],
                // The first part of it was elsewhere. A window without a line was not open for long.
                None if read == 0 && !self.given_up => [Some(Mark::End(end)), None],
                None => {
                    let window = end.window;
                    let open = Open { window, read, passed, cut: true, ..Open::default() };
                    [Some(open.end(end)), None]
                }
            },
        }
    }

    /// Nothing more of this input is read.
    pub fn stop(&mut self) -> Option<Mark> {
        self.given_up = true;
        self.open.take().map(Open::cut)
    }

    /// The last input is over.
    pub fn end(&mut self) -> Option<Mark> {
        self.open.take().map(Open::cut)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays marks and flows, `3/5` for three passed of five, and words for what else happens.
    fn play(script: &[&str]) -> Vec<String> {
        let mut marks = Marks::default();
        let mut all = Vec::new();
        for line in script {
            if let Some((passed, read)) = line.split_once('/') {
                marks.flows(read.parse().unwrap(), passed.parse().unwrap());
                continue;
            }
            match *line {
                "bad" => marks.bad_line(),
                "torn" => marks.torn(),
                "stop" => all.extend(marks.stop()),
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
    const END: &str = "#end 2001-07-01T00:20:00Z 600 flows=5 late=2 cover=600 state=ok x=y";
    const NEXT: &str = "#window 2001-07-01T00:30:00Z 600";

    #[test]
    fn an_end_says_what_is_left() {
        let end = "#end 2001-07-01T00:20:00Z 600";
        for (script, last) in [
            (vec![OPEN, "5/5", END], END.to_owned()),
            (
                vec![OPEN, "1/3", "2/2", END],
                format!("{end} flows=3 cover=600 state=ok x=y filtered=1"),
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
        // Not open: passed on as it is.
        assert_eq!(play(&[END]), [END]);
        assert_eq!(
            play(&["#window - -", "2/4", "#end - - flows=4"]).last().unwrap(),
            "#end - - flows=2 filtered=1"
        );
    }

    #[test]
    fn a_window_that_was_given_up_is_never_whole() {
        let all = play(&[OPEN, "1/1", "stop", OPEN, "2/2", END, NEXT]);
        assert!(all[1].ends_with("600 flows=1 state=cut"), "{all:?}");
        assert_eq!(all[2], OPEN);
        assert!(all[3].contains("flows=2") && all[3].contains("state=cut"), "{all:?}");
        assert_eq!(play(&["stop"]), [""; 0]);
    }
}
