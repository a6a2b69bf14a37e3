//! A configuration file, read by the tables that it may have.

use std::fmt;
use std::path::Path;

use anyhow::bail;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::key::{Form, Key};
use super::table::{Config, Entry, Fault, Scope, Setting, Table};
use crate::cli::whole::read_text_up_to;

/// The most bytes of a configuration file. Its faults and settings grow with it, so this bounds them too.
const MAX: u64 = 1 << 20;

/// The most entries of one repeated table. Some are compared with all others, so 1 MiB of them is too many.
pub const MAX_ENTRIES: usize = 1000;

/// The most bytes of a name for which a near one is looked for. A message shows twice as many characters of the
/// table and the key.
const LONGEST: usize = 40;

/// The least length of a name for which a key that is two edits away is proposed.
const LONG: usize = 6;

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
        let DocumentReader { mut config, mut faults, .. } = reader;
        config.path = Some(path.to_owned());
        for table in known {
            if faults.iter().any(|fault| fault.scope == Scope::Table(table.name)) {
                config.at_fault.push(table.name);
            }
        }
        let sound = known.iter().filter(|table| config.is_sound(table));
        faults.extend(sound.flat_map(|table| (table.check)(&config)).collect::<Vec<_>>());
        faults.sort_by_key(|fault| fault.line);
        Ok((config, faults))
    }
}

/// A reader of one parsed file.
struct DocumentReader<'a> {
    path: &'a Path,
    known: &'a [&'static Table],
    /// The places of the line ends, so that a file of faults alone takes no quadratic time.
    ends: Vec<usize>,
    config: Config,
    faults: Vec<Fault>,
}

impl<'a> DocumentReader<'a> {
    fn new(path: &'a Path, text: &str, known: &'a [&'static Table]) -> DocumentReader<'a> {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at);
        let ends = ends.collect();
        DocumentReader { path, known, ends, config: Config::default(), faults: Vec::new() }
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
                (Some(table), DeValue::Table(keys)) if !table.is_repeated => {
                    let settings = self.table(table, &table.heading(), at, keys);
                    self.config.settings.extend(settings);
                }
                (Some(table), DeValue::Array(all)) if table.is_repeated => {
                    self.repeated(table, at, all);
                }
                (Some(table), value) => {
                    let (heading, scope) = (table.heading(), Scope::Table(table.name));
                    let (what, why) = match value {
                        DeValue::Table(_) => (
                            format!("[{name}]"),
                            format!("there may be several; begin each with {heading}"),
                        ),
                        DeValue::Array(all) if is_tables(all) => {
                            let why =
                                format!("there is only one; begin it with the line {heading}");
                            (format!("[[{name}]]"), why)
                        }
                        _ if table.is_repeated => {
                            let why = format!("must be tables, each begun by the line {heading}");
                            (heading, why)
                        }
                        _ => {
                            let why = format!("must be a table, begun by the line {heading}");
                            (heading, why)
                        }
                    };
                    self.fault(scope, at, &what, why);
                }
                (None, DeValue::Table(_)) => self.unknown_table(at, name, &format!("[{name}]")),
                (None, DeValue::Array(all)) if is_tables(all) => {
                    self.unknown_table(at, name, &format!("[[{name}]]"));
                }
                (None, _) => {
                    let why = match self.home(name) {
                        Some(table) => {
                            let heading = table.heading();
                            format!("belongs to no table; did you mean {name} of {heading}?")
                        }
                        None => "belongs to no table, and every key must".to_owned(),
                    };
                    self.fault(Scope::All, at, name, why);
                }
            }
        }
    }

    fn unknown_table(&mut self, at: usize, name: &str, what: &str) {
        let outer = self.known.iter().filter(|table| !table.name.contains('.'));
        let near = nearest(name, outer.map(|table| table.name));
        let near = near.and_then(|near| self.known.iter().find(|table| table.name == near));
        let why = match near {
            Some(near) => format!("unknown table; did you mean {}?", near.heading()),
            None => "unknown table; nothing of it is used".to_owned(),
        };
        self.fault(Scope::None, at, what, why);
    }

    /// Returns the first table that has a key of this name.
    fn home(&self, name: &str) -> Option<&'static Table> {
        let mut known = self.known.iter().copied();
        known.find(|table| table.keys.iter().any(|key| key.name == name))
    }

    /// Reads the entries of a repeated table.
    fn repeated(&mut self, table: &'static Table, at: usize, all: &DeArray<'_>) {
        let (heading, scope) = (table.heading(), Scope::Table(table.name));
        if all.is_empty() {
            self.fault(scope, at, &heading, "an empty list; to set nothing, remove the key");
        }
        for (number, value) in (1..).zip(all) {
            let at = value.span().start;
            if number > MAX_ENTRIES {
                let why = format!("{} entries; the limit is {MAX_ENTRIES}", all.len());
                self.fault(scope, at, &heading, why);
                return;
            }
            let heading = format!("{heading} {number}");
            let DeValue::Table(keys) = value.get_ref() else {
                self.fault(scope, at, &heading, "must be a table, as in { key = \"value\" }");
                continue;
            };
            let settings = self.table(table, &heading, at, keys);
            let line = self.line(at);
            let place = format!("{}:{line}: {heading}", self.path.display());
            let table = table.name;
            self.config.entries.push(Entry { table, number, place, line, settings });
        }
    }

    /// Reads the keys of a table that begins at `at`, and the tables inside it. Returns the values that are
    /// not at fault. `heading`: the table, as messages name it.
    fn table(
        &mut self,
        table: &'static Table,
        heading: &str,
        at: usize,
        keys: &DeTable<'_>,
    ) -> Vec<Setting> {
        if !self.config.present.contains(&table.name) {
            self.config.present.push(table.name);
        }
        let is_missing =
            |key: &&Key| key.is_required && !keys.keys().any(|name| name.get_ref() == key.name);
        for key in table.keys.iter().filter(is_missing) {
            self.fault(Scope::Table(table.name), at, heading, format!("has no {}", key.name));
        }
        let mut settings = Vec::new();
        for (name, value) in keys {
            let (at, name) = (name.span().start, name.get_ref().as_ref());
            if let Some(key) = table.keys.iter().find(|key| key.name == name) {
                settings.extend(self.value(table, key, &format!("{heading} {name}"), at, value));
                continue;
            }
            let inner = self.inner(table).find(|(inner, _)| *inner == name);
            match (inner.map(|(_, inner)| inner), value.get_ref()) {
                (Some(inner), DeValue::Table(keys)) => {
                    settings.extend(self.table(inner, &inner.heading(), at, keys));
                }
                (Some(inner), _) => {
                    let why = format!("must be a table, as in {name} = {{ ... }}");
                    self.fault(Scope::Table(inner.name), at, &format!("{heading} {name}"), why);
                }
                (None, _) => self.unknown_key(table, heading, at, name),
            }
        }
        settings
    }

    /// Returns the tables inside another, with the part of their names that is their own.
    fn inner(
        &self,
        table: &'static Table,
    ) -> impl Iterator<Item = (&'static str, &'static Table)> + use<'_> {
        let own = |inner: &'static Table| inner.name.strip_prefix(table.name)?.strip_prefix('.');
        self.known.iter().filter_map(move |&inner| Some((own(inner)?, inner)))
    }

    fn unknown_key(&mut self, table: &'static Table, heading: &str, at: usize, name: &str) {
        let names = table.keys.iter().map(|key| key.name);
        let names: Vec<_> = names.chain(self.inner(table).map(|(name, _)| name)).collect();
        let why = match (nearest(name, names.iter().copied()), self.home(name)) {
            (Some(near), _) => format!("unknown key; did you mean {near}?"),
            (None, Some(home)) => format!("unknown key; it belongs to {}", home.heading()),
            (None, None) => format!("unknown key; there are {}", names.join(", ")),
        };
        self.fault(Scope::Table(table.name), at, &format!("{heading} {name}"), why);
    }

    /// Reads a value. Returns `None` if it is at fault. `what`: the table and the key.
    fn value(
        &mut self,
        table: &'static Table,
        key: &'static Key,
        what: &str,
        at: usize,
        value: &Spanned<DeValue<'_>>,
    ) -> Option<Setting> {
        match words(key, value.get_ref()) {
            Ok(mut words) => {
                let dir = self.path.parent().unwrap_or(Path::new(""));
                words.iter_mut().for_each(|word| resolve(key.form, word, dir));
                let line = self.line(at);
                let place = format!("{}:{line}: {what}", self.path.display());
                Some(Setting { table: table.name, key: key.name, words, place, line })
            }
            Err(why) => {
                self.fault(Scope::Table(table.name), at, what, why);
                None
            }
        }
    }
}

/// Returns true for a list of tables, which may have been written with two brackets.
fn is_tables(all: &DeArray<'_>) -> bool {
    !all.is_empty() && all.iter().all(|value| matches!(value.get_ref(), DeValue::Table(_)))
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
        (Form::List | Form::Paths | Form::Networks, DeValue::String(text)) => {
            text.split(',').map(|word| word.trim().to_owned()).collect()
        }
        (Form::Argv | Form::Paths, DeValue::Array(all)) => {
            let word = |value: &Spanned<DeValue<'_>>| match value.get_ref() {
                DeValue::String(word) => Ok(word.clone().into_owned()),
                other => Err(wrong(other)),
            };
            all.iter().map(word).collect::<Result<_, _>>()?
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
    if key.form != Form::Argv && words.iter().any(|word| word.trim().is_empty() || *word == "@") {
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
        Form::Paths => ("", word.as_str()),
        Form::Networks => match word.strip_prefix('@') {
            Some(path) => ("@", path),
            None => return,
        },
        _ => return,
    };
    *word = format!("{at}{}", dir.join(path).display());
}

/// Returns the name that a word was probably meant to be, if one is near.
pub fn nearest<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > LONGEST {
        return None;
    }
    let most = if word.len() < LONG { 1 } else { 2 };
    let near = names.map(|name| (strsim::osa_distance(word, name), name));
    near.filter(|(distance, _)| *distance <= most).min().map(|(_, name)| name)
}

#[cfg(test)]
mod tests;
