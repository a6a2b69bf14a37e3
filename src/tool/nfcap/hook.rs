//! The command that runs after each file: words without a shell, or a script for one.

use std::ffi::OsString;
use std::fmt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::str::FromStr;

use crate::time::Window;

const NO_COMMAND: &str = "the command is empty";

/// A command that runs after each file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hook {
    /// `--exec`: no shell.
    Words(Words),
    /// `--exec-shell`: a script for `sh -c`. No value is put into the script, where it would be
    /// code; the environment has them.
    Shell(String),
}

impl Hook {
    /// Returns the hook of `--exec-shell`.
    ///
    /// # Errors
    /// Fails if `text` is blank.
    pub fn shell(text: &str) -> Result<Hook, String> {
        if text.trim_ascii().is_empty() {
            return Err(NO_COMMAND.to_owned());
        }
        Ok(Hook::Shell(text.to_owned()))
    }

    /// Returns the command for one file, ready to be spawned.
    pub fn command(&self, file: &Path, spool: &Path, slot: Window) -> Command {
        let mut command = match self {
            Hook::Words(words) => {
                let mut command = Command::new(&words.program);
                command.args(words.fill(file, spool, slot));
                command
            }
            Hook::Shell(text) => {
                let mut command = Command::new("sh");
                // After `--` a script that begins with a dash is not taken for an option.
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
            // A service manager would take the command's notifications for nfcap's.
            .env_remove("NOTIFY_SOCKET")
            .stdin(Stdio::null())
            // In a group of its own the command is spared the terminal's interrupt, and a signal
            // to the group reaches every process that the command started.
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

/// A command line with placeholders for the file and its slot. No shell reads it, so a word stays
/// one word whatever the file is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    text: String,
    program: String,
    arguments: Vec<Vec<Piece>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// `%f`.
    File,
    /// `%d`.
    Spool,
    /// `%t`: the start of the slot in RFC 3339.
    StartText,
    /// `%u`: the start of the slot in Unix seconds.
    StartSeconds,
}

impl FromStr for Words {
    type Err = String;

    fn from_str(text: &str) -> Result<Words, String> {
        let words = text.split_ascii_whitespace().map(pieces).collect::<Result<Vec<_>, _>>()?;
        let (first, arguments) = words.split_first().ok_or(NO_COMMAND)?;
        let [Piece::Text(program)] = first.as_slice() else {
            return Err("the program's name cannot contain a placeholder such as %f".to_owned());
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
            Some('t') => Piece::StartText,
            Some('u') => Piece::StartSeconds,
            Some(c) => return Err(format!("unknown placeholder %{c}; use %f, %d, %t, %u or %%")),
            None => {
                return Err(
                    "a single % at the end of a word; write %% for a percent sign".to_owned()
                );
            }
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
    /// Returns the arguments for one file.
    fn fill(&self, file: &Path, spool: &Path, slot: Window) -> Vec<OsString> {
        let fill = |pieces: &Vec<Piece>| {
            let mut word = OsString::new();
            for piece in pieces {
                match piece {
                    Piece::Text(text) => word.push(text),
                    Piece::File => word.push(file),
                    Piece::Spool => word.push(spool),
                    Piece::StartText => word.push(slot.start_text()),
                    Piece::StartSeconds => word.push(slot.start().to_string()),
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
    fn placeholders_are_filled_and_words_stay_words() {
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
    fn malformed_commands_are_refused() {
        for (text, why) in [
            ("", "the command is empty"),
            ("  ", "the command is empty"),
            ("run %x", "unknown placeholder %x"),
            ("run 5%", "a single % at the end"),
            ("%f now", "cannot contain a placeholder"),
            ("run%f", "cannot contain a placeholder"),
        ] {
            let error = text.parse::<Words>().unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
        assert!(Hook::shell(" \n").is_err());
        assert_eq!(Hook::shell("a %f"), Ok(Hook::Shell("a %f".to_owned())));
    }
}
