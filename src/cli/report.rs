//! Messages on standard error: one line each, in one form, without floods of the same complaint.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write;

use crate::report::Escaped;

/// Messages of one kind that are printed; further ones are only counted. Otherwise hostile or
/// broken input could fill a log, one line for each of its own.
const REPEATS: u64 = 5;

/// A printer of messages: `nfscan: FILE:LINE: message`.
pub struct Report {
    name: String,
    to: Box<dyn Write>,
    quiet: bool,
    verbose: bool,
    /// Messages by kind. The kinds are fixed words of the program, so this cannot grow with input.
    counts: BTreeMap<&'static str, KindCount>,
}

/// The count of one kind of message.
#[derive(Default)]
struct KindCount {
    messages: u64,
    /// At least one of them is a failure, which `--quiet` does not hide.
    is_failure: bool,
}

impl Report {
    /// Returns a printer of messages of the command `name` to the stream `to`.
    pub fn new(name: &str, to: Box<dyn Write>, quiet: bool, verbose: bool) -> Report {
        Report { name: name.to_owned(), to, quiet, verbose, counts: BTreeMap::new() }
    }

    /// Prints the reason of a failure. Not even `--quiet` hides it.
    pub fn error(&mut self, message: impl fmt::Display) {
        // A failure of stderr cannot be reported anywhere.
        let _ = writeln!(self.to, "{}: {}", self.name, Escaped(message));
    }

    /// Prints a warning, unless `--quiet` is set.
    pub fn warn(&mut self, message: impl fmt::Display) {
        if !self.quiet {
            self.error(message);
        }
    }

    /// Prints a detail if `--verbose` is set.
    pub fn detail(&mut self, message: impl fmt::Display) {
        if self.verbose {
            self.warn(message);
        }
    }

    /// Prints a complaint about the input that may repeat. The first five of a kind are printed;
    /// the others are counted, and [`Report::finish`] prints their number. `kind` names them in the
    /// plural: `bad lines`.
    pub fn complain(&mut self, kind: &'static str, message: impl fmt::Display) {
        if self.is_new(kind, false) {
            self.warn(message);
        }
    }

    /// Prints a failure that may repeat, like a complaint. Not even `--quiet` hides it.
    pub fn fail(&mut self, kind: &'static str, message: impl fmt::Display) {
        if self.is_new(kind, true) {
            self.error(message);
        }
    }

    /// Adds a message to the count of its kind. Returns true if it is to be printed.
    fn is_new(&mut self, kind: &'static str, is_failure: bool) -> bool {
        let count = self.counts.entry(kind).or_default();
        count.messages += 1;
        count.is_failure |= is_failure;
        count.messages <= REPEATS
    }

    /// Prints the number of messages that were only counted, and starts all counts anew. A command
    /// that runs for years calls it from time to time.
    pub fn finish(&mut self) {
        for (kind, count) in std::mem::take(&mut self.counts) {
            let KindCount { messages, is_failure } = count;
            if messages > REPEATS && (is_failure || !self.quiet) {
                let more = messages - REPEATS;
                self.error(format_args!("{more} more {kind}, {messages} in all"));
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

    /// Returns the messages of an action.
    fn printed(quiet: bool, action: impl FnOnce(&mut Report)) -> String {
        let sink = Sink::default();
        action(&mut Report::new("nftest", Box::new(sink.clone()), quiet, false));
        String::from_utf8(sink.0.take()).unwrap()
    }

    #[test]
    fn repeats_are_limited_and_counted() {
        let text = printed(false, |report| {
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
    fn quiet_does_not_hide_failures() {
        let text = printed(true, |report| {
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
