//! The person who makes a change, and the reason.

use nix::unistd::{Uid, User};

use crate::cli::Usage;
use crate::incident::Person;

/// The longest name in bytes.
const MAX_NAME: usize = 100;

/// The longest reason in bytes.
const MAX_WHY: usize = 1000;

/// The actor of changes that no person makes.
const PROGRAM: &str = "nfnotify";

/// The options that say who makes a change, and why.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct By {
    /// Give this reason in the journal
    #[arg(long, value_name = "TEXT", value_parser = parse_why)]
    why: String,
    #[command(flatten)]
    name: Name,
}

/// The option that says who makes a change.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Name {
    /// Name this person in the journal [default: the user of sudo, else the login name]
    #[arg(long, value_name = "NAME", value_parser = parse_name)]
    by: Option<String>,
}

impl By {
    /// Returns the person, at the time `now` in Unix seconds.
    ///
    /// # Errors
    /// Fails if there is no name.
    pub fn person(&self, now: u64) -> anyhow::Result<Person> {
        Ok(Person { name: self.name.text()?, why: self.why.clone(), now })
    }
}

impl Name {
    /// Returns the name: that of the option, else of the user of sudo(8), else the login name.
    ///
    /// # Errors
    /// Fails if there is no name, or if it is the program's own.
    pub fn text(&self) -> anyhow::Result<String> {
        if let Some(name) = &self.by {
            return Ok(name.clone());
        }
        let name = sudo_user().map_or_else(login_name, Ok)?;
        parse_name(&name)
            .map_err(|why| Usage(format!("--by: {why}; name yourself with --by")).into())
    }
}

/// Returns the name of the person who became root by sudo.
#[expect(clippy::disallowed_methods, reason = "sudo names its user in the environment alone")]
fn sudo_user() -> Option<String> {
    // Only sudo's own root has the variable from sudo.
    let name = std::env::var("SUDO_USER").ok().filter(|_| Uid::current().is_root())?;
    (!name.is_empty()).then_some(name)
}

fn login_name() -> anyhow::Result<String> {
    let uid = Uid::current();
    let user = User::from_uid(uid).ok().flatten();
    Ok(user.map_or_else(|| format!("uid {uid}"), |user| user.name))
}

/// Parses the name of a person.
fn parse_name(text: &str) -> Result<String, String> {
    let name = line(text, MAX_NAME)?;
    if name == "-" {
        return Err("- stands for nobody in the journal".to_owned());
    }
    if name == PROGRAM {
        return Err(format!("{PROGRAM} is the name of the program's own changes"));
    }
    Ok(name)
}

/// Parses a reason.
fn parse_why(text: &str) -> Result<String, String> {
    line(text, MAX_WHY)
}

/// Returns a text of one line without blanks around it.
fn line(text: &str, most: usize) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("must not be empty".to_owned());
    }
    if text.len() > most {
        return Err(format!("{} bytes; the limit is {most}", text.len()));
    }
    match text.chars().find(|c| c.is_control()) {
        Some(bad) => Err(format!("{bad:?} is not allowed; write one line")),
        None => Ok(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_reasons_are_one_line() {
        assert_eq!(parse_name(" chang 張 "), Ok("chang 張".to_owned()));
        assert_eq!(
            parse_why("reinstalled; see ticket 7"),
            Ok("reinstalled; see ticket 7".to_owned())
        );
        assert!(parse_why(&"x".repeat(1000)).is_ok());
        for (bad, expected) in [
            ("", "must not be empty"),
            (" \t", "must not be empty"),
            ("a\nb", "'\\n' is not allowed; write one line"),
            ("a\u{1b}[2J", "'\\u{1b}' is not allowed; write one line"),
            ("nfnotify", "nfnotify is the name of the program's own changes"),
            (&"x".repeat(101), "101 bytes; the limit is 100"),
        ] {
            assert_eq!(parse_name(bad).unwrap_err(), expected);
        }
    }

    #[test]
    fn there_is_a_name_without_an_option() {
        let name = Name { by: None }.text().unwrap();
        assert!(!name.is_empty());
        let by = By { why: "w".into(), name: Name { by: Some("kim".into()) } };
        let person = by.person(7).unwrap();
        assert_eq!((person.name.as_str(), person.why.as_str(), person.now), ("kim", "w", 7));
    }
}
