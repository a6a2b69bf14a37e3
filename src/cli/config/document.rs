//! A configuration file, read by the tables that it may have.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::bail;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::table::{Form, Key, Table};
use crate::cli::whole::read_text_up_to;

/// The most bytes of a configuration file. Its faults and settings grow with it, so this bounds them too.
const MAX: u64 = 1 << 20;

/// The most bytes of a name for which a near one is looked for. A message shows twice as many characters of the
/// table and the key.
const LONGEST: usize = 40;

/// The least length of a name for which a key that is two edits away is proposed.
const LONG: usize = 6;

/// A configuration: the values of a file, or none.
#[derive(Clone, Debug, Default)]
pub struct Config {
    path: Option<PathBuf>,
    settings: Vec<Setting>,
}

/// A value of a configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The name of the table.
    pub table: &'static str,
    /// The name of the key.
    pub key: &'static str,
    /// The value: one word, or those of a list. Paths are relative to the working directory, as an option
    /// takes them.
    pub words: Vec<String>,
    /// The file and line, the table and the key, as messages begin with them.
    pub place: String,
}

impl Setting {
    /// Returns the value as the option of the same meaning takes it, the words of a list joined by commas.
    pub fn text(&self) -> String {
        self.words.join(",")
    }
}

/// The commands that a fault is an error for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Commands that read this table; others only tell it.
    Table(&'static str),
    /// All commands: a key that belongs to no table.
    All,
    /// No command: an unknown table, which may be that of a later version.
    None,
}

/// A place of the file that is not as the tables want it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The commands that it is an error for.
    pub scope: Scope,
    line: usize,
    text: String,
}

/// Formats the file and line, the table and the key, and the reason with what to do.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Config {
    /// Reads a file by the tables that it may have, and returns its values and its faults in the order of
    /// their lines. An empty file is no configuration.
    ///
    /// # Errors
    /// A file that cannot be read, is longer than 1 MiB, or is not TOML; the message begins with its path,
    /// and with the line if there is one.
    pub fn load(path: &Path, known: &[&'static Table]) -> anyhow::Result<(Config, Vec<Fault>)> {
        let text = read_text_up_to(path, MAX)?;
        Config::parse(path, &text, known)
    }

    /// Parses the text of a file as [`Config::load`] does.
    ///
    /// # Errors
    /// Text that is not TOML.
    pub fn parse(
        path: &Path,
        text: &str,
        known: &[&'static Table],
    ) -> anyhow::Result<(Config, Vec<Fault>)> {
        if text.is_empty() {
            return Ok((Config::default(), Vec::new()));
        }
        if path.to_str().is_none() {
            // The paths in the file are relative to its directory, and options are text.
            bail!("{}: the path of a configuration file must be UTF-8", path.display());
        }
        let mut reader = DocumentReader::new(path, text, known);
        match DeTable::parse(text) {
            Ok(root) => reader.root(root.get_ref()),
            Err(error) => {
                let message = error.message().lines().collect::<Vec<_>>().join(" ");
                let path = path.display();
                match error.span() {
                    Some(span) => bail!("{path}:{}: not TOML: {message}", reader.line(span.start)),
                    None => bail!("{path}: not TOML: {message}"),
                }
            }
        }
        let DocumentReader { settings, mut faults, .. } = reader;
        faults.sort_by_key(|fault| fault.line);
        Ok((Config { path: Some(path.to_owned()), settings }, faults))
    }

    /// Returns the path of the file; `None` without a configuration.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Returns the value of a key, if the file has it and it is not at fault.
    pub fn get(&self, table: &Table, key: &str) -> Option<&Setting> {
        self.settings.iter().find(|one| one.table == table.name && one.key == key)
    }
}

/// Formats the file that holds, for `--verbose`.
impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path {
            Some(path) => write!(f, "configuration: {}", path.display()),
            None => f.write_str("no configuration file"),
        }
    }
}

/// A reader of one parsed file.
struct DocumentReader<'a> {
    path: &'a Path,
    known: &'a [&'static Table],
    /// The places of the line ends, so that a file of faults alone takes no quadratic time.
    ends: Vec<usize>,
    settings: Vec<Setting>,
    faults: Vec<Fault>,
}

impl<'a> DocumentReader<'a> {
    fn new(path: &'a Path, text: &str, known: &'a [&'static Table]) -> DocumentReader<'a> {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at);
        let ends = ends.collect();
        DocumentReader { path, known, ends, settings: Vec::new(), faults: Vec::new() }
    }

    /// Returns the line of a byte, counted from 1.
    fn line(&self, at: usize) -> usize {
        1 + self.ends.partition_point(|end| *end < at)
    }

    /// Adds a fault at a byte of the file. `what`: the table and the key.
    fn fault(&mut self, scope: Scope, at: usize, what: &str, why: impl fmt::Display) {
        let line = self.line(at);
        let what = match what.char_indices().nth(2 * LONGEST) {
            Some((end, _)) => format!("{}...", &what[..end]),
            None => what.to_owned(),
        };
        let text = format!("{}:{line}: {what}: {why}", self.path.display());
        self.faults.push(Fault { scope, line, text });
    }

    /// Reads what lies outside of all tables: the tables themselves.
    fn root(&mut self, root: &DeTable<'_>) {
        for (name, value) in root {
            let (at, name) = (name.span().start, name.get_ref().as_ref());
            let table = self.known.iter().copied().find(|table| table.name == name);
            match (table, value.get_ref()) {
                (Some(table), DeValue::Table(keys)) => self.table(table, keys),
                (Some(table), _) => {
                    let what = format!("[{name}]");
                    let why = format!("must be a table, begun by the line [{name}]");
                    self.fault(Scope::Table(table.name), at, &what, why);
                }
                (None, DeValue::Table(_)) => {
                    let names = self.known.iter().map(|table| table.name);
                    let near = nearest(name, names.clone().filter(|name| !name.contains('.')));
                    let why = match near {
                        Some(near) => format!("unknown table; did you mean [{near}]?"),
                        None => "unknown table; nothing of it is used".to_owned(),
                    };
                    self.fault(Scope::None, at, &format!("[{name}]"), why);
                }
                (None, _) => {
                    let why = match self.home(name) {
                        Some(table) => {
                            format!("belongs to no table; did you mean {name} of [{table}]?")
                        }
                        None => "belongs to no table, and every key must".to_owned(),
                    };
                    self.fault(Scope::All, at, name, why);
                }
            }
        }
    }

    /// Returns the first table that has a key of this name.
    fn home(&self, name: &str) -> Option<&'static str> {
        let mut known = self.known.iter();
        known.find(|table| table.keys.iter().any(|key| key.name == name)).map(|table| table.name)
    }

    /// Reads the keys of a table, and the tables inside it.
    fn table(&mut self, table: &'static Table, keys: &DeTable<'_>) {
        for (name, value) in keys {
            let (at, name) = (name.span().start, name.get_ref().as_ref());
            if let Some(key) = table.keys.iter().find(|key| key.name == name) {
                self.value(table, key, at, value);
                continue;
            }
            let inner = self.inner(table).find(|(inner, _)| *inner == name);
            match (inner.map(|(_, inner)| inner), value.get_ref()) {
                (Some(inner), DeValue::Table(keys)) => self.table(inner, keys),
                (Some(inner), _) => {
                    let why = format!("must be a table, as in {name} = {{ ... }}");
                    let what = format!("[{}] {name}", table.name);
                    self.fault(Scope::Table(inner.name), at, &what, why);
                }
                (None, _) => self.unknown_key(table, at, name),
            }
        }
    }

    /// Returns the tables inside another, with the part of their names that is their own.
    fn inner(
        &self,
        table: &'static Table,
    ) -> impl Iterator<Item = (&'static str, &'static Table)> + use<'_> {
        let own = |inner: &'static Table| inner.name.strip_prefix(table.name)?.strip_prefix('.');
        self.known.iter().filter_map(move |&inner| Some((own(inner)?, inner)))
    }

    fn unknown_key(&mut self, table: &'static Table, at: usize, name: &str) {
        let names = table.keys.iter().map(|key| key.name);
        let names: Vec<_> = names.chain(self.inner(table).map(|(name, _)| name)).collect();
        let why = match (nearest(name, names.iter().copied()), self.home(name)) {
            (Some(near), _) => format!("unknown key; did you mean {near}?"),
            (None, Some(home)) => format!("unknown key; it belongs to [{home}]"),
            (None, None) => format!("unknown key; there are {}", names.join(", ")),
        };
        self.fault(Scope::Table(table.name), at, &format!("[{}] {name}", table.name), why);
    }

    /// Reads a value.
    fn value(
        &mut self,
        table: &'static Table,
        key: &'static Key,
        at: usize,
        value: &Spanned<DeValue<'_>>,
    ) {
        let what = format!("[{}] {}", table.name, key.name);
        match words(key, value.get_ref()) {
            Ok(mut words) => {
                let dir = self.path.parent().unwrap_or(Path::new(""));
                words.iter_mut().for_each(|word| resolve(key.form, word, dir));
                let place = format!("{}:{}: {what}", self.path.display(), self.line(at));
                self.settings.push(Setting { table: table.name, key: key.name, words, place });
            }
            Err(why) => self.fault(Scope::Table(table.name), at, &what, why),
        }
    }
}

/// Returns the words of a value: one, or those of a list.
fn words(key: &Key, value: &DeValue<'_>) -> Result<Vec<String>, String> {
    let wrong = |value: &DeValue<'_>| {
        let kind = match value {
            DeValue::String(_) => "text",
            DeValue::Integer(_) => "a number",
            DeValue::Float(_) => "a number with a point",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        format!("must be {}, not {kind}", key.form.wanted())
    };
    let words: Vec<String> = match (key.form, value) {
        (Form::Flag, DeValue::Boolean(value)) => vec![value.to_string()],
        (Form::Text | Form::Path | Form::Word, DeValue::String(text)) => {
            vec![text.clone().into_owned()]
        }
        (Form::Networks, DeValue::String(text)) if text.starts_with('@') => {
            vec![text.clone().into_owned()]
        }
        (Form::List | Form::Networks, DeValue::String(text)) => {
            text.split(',').map(|word| word.trim().to_owned()).collect()
        }
        (Form::Number | Form::Word | Form::List, DeValue::Integer(_)) => vec![number(value)?],
        (Form::List | Form::Networks, DeValue::Array(all)) => {
            let word = |value: &Spanned<DeValue<'_>>| match value.get_ref() {
                DeValue::String(word) => Ok(word.trim().to_owned()),
                value @ DeValue::Integer(_) => number(value),
                other => Err(wrong(other)),
            };
            all.iter().map(word).collect::<Result<_, _>>()?
        }
        (_, value) => return Err(wrong(value)),
    };
    if words.is_empty() {
        return Err("an empty list; to set nothing, remove the key".to_owned());
    }
    if words.iter().any(|word| word.trim().is_empty() || *word == "@") {
        return Err("an empty text; to set nothing, remove the key".to_owned());
    }
    if let (Form::Networks, [file]) = (key.form, &words[..]) {
        if file.starts_with('@') {
            return Ok(words);
        }
    }
    words.iter().try_for_each(|word| (key.check)(word))?;
    Ok(words)
}

/// Returns the digits of a whole number from 0 on.
fn number(value: &DeValue<'_>) -> Result<String, String> {
    let number = value.as_integer().map(|number| (number.as_str(), number.radix()));
    let number = number.and_then(|(text, radix)| u64::from_str_radix(text, radix).ok());
    number
        .map(|number| number.to_string())
        .ok_or_else(|| "must be a whole number from 0 on, of at most 64 bits".to_owned())
}

/// Makes a path that is relative to the directory of the configuration file one that is relative to the
/// working directory. `-`, a stream, is no path.
fn resolve(form: Form, word: &mut String, dir: &Path) {
    let (at, path) = match form {
        Form::Path if word != "-" => ("", word.as_str()),
        Form::Networks => match word.strip_prefix('@') {
            Some(path) => ("@", path),
            None => return,
        },
        _ => return,
    };
    *word = format!("{at}{}", dir.join(path).display());
}

/// Returns the name that a word was probably meant to be, if one is near.
fn nearest<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > LONGEST {
        return None;
    }
    let most = if word.len() < LONG { 1 } else { 2 };
    let near = names.map(|name| (strsim::osa_distance(word, name), name));
    near.filter(|(distance, _)| *distance <= most).min().map(|(_, name)| name)
}

#[cfg(test)]
mod tests;
