//! The command of `--exec`: its words, and the queue of files that it is to be run for.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fmt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::str::FromStr;

use crate::cli::Report;
use crate::time::Window;

/// Files that may wait for the command. One that hangs would otherwise gather them without end; what
/// is left out is said, and lies in the spool.
const QUEUE: usize = 256;

/// A command line whose words have places for a file. There is no shell: a word stays one word,
/// whatever the file is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    text: String,
    words: Vec<Vec<Piece>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    File,
    Spool,
    Time,
    Seconds,
}

impl FromStr for Words {
    type Err = String;

    fn from_str(text: &str) -> Result<Words, String> {
        let words = text.split_ascii_whitespace().map(pieces).collect::<Result<Vec<_>, _>>()?;
        match words.first().map(Vec::as_slice) {
            None => Err("no command".to_owned()),
            Some([Piece::Text(_)]) => Ok(Words { text: text.to_owned(), words }),
            Some(_) => Err("the command itself cannot have a %".to_owned()),
        }
    }
}

fn pieces(word: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut chars = word.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            plain.push(c);
            continue;
        }
        let piece = match chars.next() {
            Some('%') => {
                plain.push('%');
                continue;
            }
            Some('f') => Piece::File,
            Some('d') => Piece::Spool,
            Some('t') => Piece::Time,
            Some('u') => Piece::Seconds,
            Some(c) => return Err(format!("%{c} means nothing, only %f %d %t %u %% do")),
            None => return Err("a % at the end of a word, %% is a percent sign".to_owned()),
        };
        if !plain.is_empty() {
            pieces.push(Piece::Text(std::mem::take(&mut plain)));
        }
        pieces.push(piece);
    }
    if !plain.is_empty() || pieces.is_empty() {
        pieces.push(Piece::Text(plain));
    }
    Ok(pieces)
}

impl Words {
    /// The words for one file.
    fn fill(&self, file: &Path, spool: &Path, slot: Window) -> Vec<OsString> {
        let fill = |pieces: &Vec<Piece>| {
            let mut word = OsString::new();
            for piece in pieces {
                match piece {
                    Piece::Text(text) => word.push(text),
                    Piece::File => word.push(file),
                    Piece::Spool => word.push(spool),
                    Piece::Time => word.push(slot.start_text()),
                    Piece::Seconds => word.push(slot.start().to_string()),
                }
            }
            word
        };
        self.words.iter().map(fill).collect()
    }
}

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Runs the command beside the collecting: for one file at a time, in the order they were finished.
#[derive(Debug)]
pub struct Hooks {
    words: Option<Words>,
    spool: PathBuf,
    queue: VecDeque<(PathBuf, Window)>,
    running: Option<(Child, PathBuf)>,
}

impl Hooks {
    /// Runs `words` for files of `spool`; nothing if there are none.
    pub const fn new(words: Option<Words>, spool: PathBuf) -> Hooks {
        Hooks { words, spool, queue: VecDeque::new(), running: None }
    }

    /// A file is finished.
    pub fn push(&mut self, file: PathBuf, slot: Window, report: &mut Report) {
        let Some(words) = &self.words else { return };
        if self.queue.len() == QUEUE {
            let file = file.display();
            report.error(format_args!("{words}: not run for {file}: {QUEUE} files wait already"));
            return;
        }
        self.queue.push_back((file, slot));
        self.poke(report);
    }

    /// Looks after the command that runs and starts the next one. Never waits.
    pub fn poke(&mut self, report: &mut Report) {
        let Some(words) = &self.words else { return };
        loop {
            if let Some((child, file)) = &mut self.running {
                let file = file.display();
                match child.try_wait() {
                    Ok(None) => return,
                    Ok(Some(status)) if status.success() => {
                        report.detail(format_args!("{words}: done with {file}"));
                    }
                    Ok(Some(status)) => {
                        report.error(format_args!("{words}: {status} with {file}"));
                    }
                    Err(error) => report.error(format_args!("{words}: {file}: {error}")),
                }
                self.running = None;
            }
            let Some((file, slot)) = self.queue.pop_front() else { return };
            let filled = words.fill(&file, &self.spool, slot);
            let Some((program, arguments)) = filled.split_first() else { return };
            // In a process group of its own: an interrupt at the terminal is for us alone.
            let child =
                Command::new(program).args(arguments).stdin(Stdio::null()).process_group(0).spawn();
            match child {
                Ok(child) => self.running = Some((child, file)),
                Err(error) => report.error(format_args!("{words}: {error}")),
            }
        }
    }

    /// Whether nothing runs and nothing waits.
    pub fn idle(&self) -> bool {
        self.running.is_none() && self.queue.is_empty()
    }

    /// Says what is left behind at the end.
    pub fn abandon(&mut self, report: &mut Report) {
        let Some(words) = &self.words else { return };
        if let Some((child, file)) = self.running.take() {
            let (pid, file) = (child.id(), file.display());
            report.error(format_args!("{words}: still runs for {file}, as process {pid}"));
        }
        for (file, _) in self.queue.drain(..) {
            report.error(format_args!("{words}: not run for {}", file.display()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        let words: Words = text.parse().unwrap();
        let slot = Window::new(993_946_800, 600).unwrap();
        let filled = words.fill(Path::new("/a b/$(x)/nfcap.1"), Path::new("/a b"), slot);
        filled.into_iter().map(|word| word.into_string().unwrap()).collect()
    }

    #[test]
    fn words_are_filled_and_stay_words() {
        assert_eq!(words("  run  it\t"), ["run", "it"]);
        assert_eq!(
            words("run %f --dir=%d/x%% %t@%u '%f' %%f"),
            [
                "run",
                "/a b/$(x)/nfcap.1",
                "--dir=/a b/x%",
                "2001-07-01T00:20:00Z@993946800",
                "'/a b/$(x)/nfcap.1'",
                "%f"
            ]
        );
    }

    #[test]
    fn what_means_nothing_is_refused() {
        for (text, why) in [
            ("", "no command"),
            ("  ", "no command"),
            ("run %x", "%x means nothing"),
            ("run 5%", "a % at the end"),
            ("%f now", "cannot have a %"),
            ("run%f", "cannot have a %"),
        ] {
            let error = text.parse::<Words>().unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
