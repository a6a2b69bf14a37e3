//! `[[hook]]`: the commands that are told of each transition.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::cli::config::{Fault, Form, Key, Table};
use crate::cli::{Config, parse_duration};

/// The time limit of a hook, if the file gives none.
const LIMIT: Duration = Duration::from_secs(30);

/// The longest time limit: the time between two runs.
const MAX_LIMIT: Duration = Duration::from_secs(600);

/// The longest name in bytes.
const MAX_NAME: usize = 40;

/// The table `[[hook]]`.
pub const HOOK: Table = Table {
    name: "hook",
    keys: &[
        Key::text("name", name, "The name of the hook, in messages and in the database").required(),
        Key::new("argv", Form::Argv, word, "The command and its arguments, without a shell")
            .required(),
        Key::text("limit", |text| limit(Some(text)).map(drop), "The time after which it is ended"),
    ],
    is_repeated: true,
    check,
};

fn name(text: &str) -> Result<(), String> {
    let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if text.len() <= MAX_NAME && text.bytes().all(is_word) {
        return Ok(());
    }
    Err(format!("must be a word of letters, digits, - and _, of at most {MAX_NAME} characters"))
}

fn word(text: &str) -> Result<(), String> {
    if text.contains('\0') { Err("a word of a command has no NUL".to_owned()) } else { Ok(()) }
}

/// Parses the time limit of a hook; `None` stands for the default.
pub(in crate::tool::nfnotify) fn limit(text: Option<&str>) -> Result<Duration, String> {
    let limit = text.map_or(Ok(LIMIT), parse_duration)?;
    if (Duration::from_secs(1)..=MAX_LIMIT).contains(&limit) {
        return Ok(limit);
    }
    Err("must be from 1s to 10m".to_owned())
}

/// Returns the faults of names that two hooks have, and of commands that no working directory can find.
fn check(config: &Config) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut names = BTreeMap::new();
    for entry in config.entries(&HOOK) {
        let (Some(name), Some(argv)) = (entry.get("name"), entry.get("argv")) else { continue };
        if let Some(other) = names.insert(name.text(), entry.name()) {
            let why = format!("{other} has the same name; each needs one of its own");
            faults.push(name.fault(why));
        }
        let program = argv.words.first().map(String::as_str).unwrap_or_default();
        if program.trim().is_empty() {
            faults.push(argv.fault("the command is empty"));
        } else if program.contains('/') && !program.starts_with('/') {
            let why = format!(
                "{program:?} is relative; write an absolute path, or a name to look for in PATH"
            );
            faults.push(argv.fault(why));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn faults(text: &str) -> Vec<String> {
        let (_, faults) = Config::parse(Path::new("c"), text, &[&HOOK]).unwrap();
        faults.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn hooks_are_read() {
        let text = "[[hook]]\nname = 'siem-1'\nargv = ['logger', '-t', 'a b', '']\n\
                    [[hook]]\nname = 'chat'\nargv = ['/usr/local/bin/chat']\nlimit = '10m'\n";
        assert_eq!(faults(text), [""; 0]);
        assert_eq!(limit(None), Ok(Duration::from_secs(30)));
        assert_eq!(limit(Some("1500ms")), Ok(Duration::from_millis(1500)));
    }

    #[test]
    fn faults_of_hooks_have_their_place() {
        for (text, expected) in [
            ("name = 'a b'\nargv = ['x']", "2: [[hook]] 1 name: must be a word of letters, digits"),
            ("name = 'a'\nargv = ['bin/x']", "3: [[hook]] 1 argv: \"bin/x\" is relative; write an"),
            ("name = 'a'\nargv = [' ']", "3: [[hook]] 1 argv: the command is empty"),
            ("name = 'a'\nargv = [\"x\", \"\\u0000\"]", "3: [[hook]] 1 argv: a word of a command"),
            ("name = 'a'\nargv = ['x']\nlimit = '0s'", "4: [[hook]] 1 limit: must be from 1s to"),
            ("name = 'a'\nargv = ['x']\nlimit = '11m'", "4: [[hook]] 1 limit: must be from 1s to"),
            ("name = 'a'\nargv = ['x']\nlimit = '30'", "4: [[hook]] 1 limit: a duration needs a"),
            ("name = 'a'", "1: [[hook]] 1: has no argv"),
        ] {
            let faults = faults(&format!("[[hook]]\n{text}\n"));
            assert_eq!(faults.len(), 1, "{faults:?}");
            assert!(faults[0].starts_with(&format!("c:{expected}")), "{faults:?}");
        }
        let two = "[[hook]]\nname = 'a'\nargv = ['x']\n".repeat(2);
        let expected =
            "c:5: [[hook]] 2 name: [[hook]] 1 has the same name; each needs one of its own";
        assert_eq!(faults(&two), [expected]);
    }
}
