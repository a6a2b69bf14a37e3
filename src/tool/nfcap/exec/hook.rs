//! What is run: words without a shell, or a text for one.

use std::ffi::OsString;
use std::fmt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::str::FromStr;

use crate::time::Window;

/// The command that is run after each file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hook {
    /// `--exec`: no shell.
    Words(Words),
    /// `--exec-shell`: a text for `sh -c`. Nothing is put into it, for whatever is would be code;
    /// what it needs to know is in its environment.
    Shell(String),
}

impl Hook {
    /// The hook of `--exec-shell`.
    ///
    /// # Errors
    /// There is nothing in the text.
    pub fn shell(text: &str) -> Result<Hook, String> {
        match text.trim_ascii().is_empty() {
            true => Err("no command".to_owned()),
            false => Ok(Hook::Shell(text.to_owned())),
        }
    }

    /// The command for one file.
    pub(super) fn command(&self, file: &Path, spool: &Path, slot: Window) -> Command {
        let mut command = match self {
            Hook::Words(words) => {
                let mut command = Command::new(&words.program);
                command.args(words.fill(file, spool, slot));
                command
            }
            Hook::Shell(text) => {
                let mut command = Command::new("sh");
                // Behind `--` a text that begins with a dash is no option.
                command.args(["-c", "--", text]);
                command
            }
        };
        command
            .env("NFCAP_FILE", file)
            .env("NFCAP_SPOOL", spool)
            .env("NFCAP_SLOT", slot.start_text())
            .env("NFCAP_SLOT_UNIX", slot.start().to_string())
            .env("NFCAP_SECONDS", slot.seconds().to_string())
            // What speaks there is taken for us by a service manager.
            .env_remove("NOTIFY_SOCKET")
            .stdin(Stdio::null())
            // A group of its own: an interrupt at the terminal is for us alone, and what ends the
            // command reaches whatever it has started.
            .process_group(0);
        command
    }
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Hook::Words(words) => f.write_str(&words.text),
            Hook::Shell(text) => f.write_str(text),
        }
    }
}

/// A command line whose words have places for a file. There is no shell: a word stays one word,
/// whatever the file is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    text: String,
    program: String,
    arguments: Vec<Vec<Piece>>,
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
        let (first, arguments) = words.split_first().ok_or("no command")?;
        let [Piece::Text(program)] = first.as_slice() else {
            return Err("the command itself cannot have a %".to_owned());
        };
        let (text, arguments) = (text.to_owned(), arguments.to_vec());
        Ok(Words { text, program: program.clone(), arguments })
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
    /// The arguments for one file.
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
        self.arguments.iter().map(fill).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        let words: Words = text.parse().unwrap();
        let slot = Window::new(993_946_800, 600).unwrap();
        let filled = words.fill(Path::new("/a b/$(x)/nfcap.1"), Path::new("/a b"), slot);
        let filled = filled.into_iter().map(|word| word.into_string().unwrap());
        std::iter::once(words.program).chain(filled).collect()
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
        assert!(Hook::shell(" \n").is_err());
        assert_eq!(Hook::shell("a %f"), Ok(Hook::Shell("a %f".to_owned())));
    }
}
