//! Standard error: one line a message, in one form, and no flood of the same complaint.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write;

use super::Escaped;

/// How many messages of one kind are printed before the rest is only counted. Hostile or broken
/// input could otherwise fill a log with a line for each of its own.
const REPEATS: u64 = 5;

/// Prints messages as `nfscan: FILE:LINE: message`.
pub struct Report {
    name: String,
    to: Box<dyn Write>,
    quiet: bool,
    verbose: bool,
    /// Messages by kind, and whether they are of failures; the kinds are fixed words of the program,
    /// so this cannot grow with input.
    counts: BTreeMap<&'static str, (u64, bool)>,
}

impl Report {
    /// Messages of the command `name` to the stream `to`.
    pub fn new(name: &str, to: Box<dyn Write>, quiet: bool, verbose: bool) -> Report {
        Report { name: name.to_owned(), to, quiet, verbose, counts: BTreeMap::new() }
    }

    /// Says why something failed. Not even `--quiet` hides it.
    pub fn error(&mut self, message: impl fmt::Display) {
        // With stderr gone there is nobody left to tell.
        let _ = writeln!(self.to, "{}: {}", self.name, Escaped(message));
    }

    /// Says something that the user should know, unless `--quiet`.
    pub fn warn(&mut self, message: impl fmt::Display) {
        if !self.quiet {
            self.error(message);
        }
    }

    /// Says something only under `--verbose`.
    pub fn detail(&mut self, message: impl fmt::Display) {
        if self.verbose {
            self.warn(message);
        }
    }

    /// A complaint about the input that may repeat: the first five of a kind are printed, the rest
    /// is counted and told at the end. `kind` is what the count is of: `bad lines`.
    pub fn complain(&mut self, kind: &'static str, message: impl fmt::Display) {
        if self.is_new(kind, false) {
            self.warn(message);
        }
    }

    /// The same of a failure, which not even `--quiet` hides.
    pub fn fail(&mut self, kind: &'static str, message: impl fmt::Display) {
        if self.is_new(kind, true) {
            self.error(message);
        }
    }

    fn is_new(&mut self, kind: &'static str, is_failure: bool) -> bool {
        let (count, failure) = self.counts.entry(kind).or_default();
        *count += 1;
        *failure |= is_failure;
        *count <= REPEATS
    }

    /// Tells the counts of what was not printed, once. What comes after it is printed again, five of
    /// a kind: who runs for years calls it from time to time.
    pub fn finish(&mut self) {
        for (kind, (count, failure)) in std::mem::take(&mut self.counts) {
            if count > REPEATS && (failure || !self.quiet) {
                self.error(format_args!("{} more {kind}, {count} in all", count - REPEATS));
            }
        }
    }
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Report").field("name", &self.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Out;
    use std::cell::RefCell;
    use std::io;
    use std::rc::Rc;

    #[derive(Clone, Default)]
    struct Sink(Rc<RefCell<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, data: &[u8]) -> io::Result<usize> {
            self.0.borrow_mut().write(data)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn said(quiet: bool, action: impl FnOnce(&mut Report)) -> String {
        let sink = Sink::default();
        action(&mut Report::new("nftest", Box::new(sink.clone()), quiet, false));
        String::from_utf8(sink.0.take()).unwrap()
    }

    #[test]
    fn repeats_are_limited_and_counted() {
        let text = said(false, |report| {
            for line in 1..=8 {
                report.complain("bad lines", format_args!("-:{line}: no flow"));
            }
            report.finish();
            report.finish();
        });
        assert_eq!(text.lines().count(), 6);
        assert!(text.starts_with("nftest: -:1: no flow\n"), "{text}");
        assert!(text.ends_with("nftest: 3 more bad lines, 8 in all\n"), "{text}");
    }

    #[test]
    fn quiet_keeps_the_reason_of_a_failure() {
        let text = said(true, |report| {
            report.warn("a warning");
            report.complain("bad lines", "a complaint");
            (0..7).for_each(|_| report.complain("bad lines", "a complaint"));
            (0..6).for_each(|_| report.fail("failures", "a failure"));
            report.error("disk\nfull");
            report.finish();
        });
        let failures = "nftest: a failure\n".repeat(5);
        let end = "nftest: disk\\nfull\nnftest: 1 more failures, 6 in all\n";
        assert_eq!(text, failures + end);
    }

    #[test]
    fn a_writer_behind_a_handle_is_shared() {
        let sink = Sink::default();
        let mut out = Out::new(sink.clone());
        out.clone().write_all(b"a").unwrap();
        out.write_all(b"b").unwrap();
        out.flush().unwrap();
        assert_eq!(sink.0.take(), b"ab");
    }
}
