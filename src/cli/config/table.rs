//! Tables, as the modules that use them declare them, and the values of a file that is read by them.

use std::fmt;
use std::path::{Path, PathBuf};

use super::key::Key;

/// A table of the configuration file.
#[derive(Debug)]
pub struct Table {
    /// The name in brackets: `site`, or `analyse.nfscan` for a table inside another.
    pub name: &'static str,
    /// The keys that the table may have.
    pub keys: &'static [Key],
    /// True for an array of tables, which is written `[[name]]` once for each [`Entry`].
    pub is_repeated: bool,
    /// Returns the faults of values that are good by themselves and cannot be together. It is not asked about
    /// a table that has a fault already, and other tables may have some: see [`Config::is_sound`].
    pub check: fn(&Config) -> Vec<Fault>,
}

impl Table {
    /// A table without keys that is written once, for `..Table::PLAIN` in a constant.
    pub const PLAIN: Table =
        Table { name: "", keys: &[], is_repeated: false, check: |_| Vec::new() };

    /// Returns the line that begins the table.
    pub fn heading(&self) -> String {
        if self.is_repeated { format!("[[{}]]", self.name) } else { format!("[{}]", self.name) }
    }

    /// Returns the keys that stand for an option, each with the id of the option's clap argument.
    pub fn options(&self) -> impl Iterator<Item = (&'static Key, &'static str)> + use<> {
        let keys = if self.is_repeated { &[][..] } else { self.keys };
        keys.iter().filter_map(|key| Some((key, key.option?)))
    }
}

/// A configuration: the values of a file, or none.
#[derive(Clone, Debug, Default)]
pub struct Config {
    pub(super) path: Option<PathBuf>,
    /// The values of the tables that are not repeated.
    pub(super) settings: Vec<Setting>,
    /// The entries of the repeated tables, those of one table in the order of the file.
    pub(super) entries: Vec<Entry>,
    /// The names of the tables that the file has.
    pub(super) present: Vec<&'static str>,
    /// The names of the tables that have a fault.
    pub(super) at_fault: Vec<&'static str>,
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
    pub(super) line: usize,
}

impl Setting {
    /// Returns the value as the option of the same meaning takes it, the words of a list joined by commas.
    pub fn text(&self) -> String {
        self.words.join(",")
    }

    /// Returns a fault of this value, an error for the commands that read its table.
    pub fn fault(&self, why: impl fmt::Display) -> Fault {
        let text = format!("{}: {why}", self.place);
        Fault { scope: Scope::Table(self.table), line: self.line, text }
    }
}

/// One of the tables that a repeated table consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name of the table.
    pub table: &'static str,
    /// The number among the entries of the table, from 1.
    pub number: usize,
    /// The file and line, the table and the number, as messages begin with them.
    pub place: String,
    pub(super) line: usize,
    pub(super) settings: Vec<Setting>,
}

impl Entry {
    /// Returns the value of a key, if the entry has it and it is not at fault.
    pub fn get(&self, key: &str) -> Option<&Setting> {
        self.settings.iter().find(|one| one.key == key)
    }

    /// Returns the table and the number: `[[policy]] 2`.
    pub fn name(&self) -> String {
        format!("[[{}]] {}", self.table, self.number)
    }

    /// Returns a fault of this entry, an error for the commands that read its table.
    pub fn fault(&self, why: impl fmt::Display) -> Fault {
        let text = format!("{}: {why}", self.place);
        Fault { scope: Scope::Table(self.table), line: self.line, text }
    }
}

/// The commands that a fault is an error for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Commands that read this table; others only tell it.
    Table(&'static str),
    /// All commands: a key that belongs to no table.
    All,
    /// No command: an unknown table, which may be that of a later version, or a warning.
    None,
}

/// A place of the file that is not as the tables want it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The commands that it is an error for.
    pub scope: Scope,
    pub(super) line: usize,
    pub(super) text: String,
}

impl Fault {
    /// Returns this fault as a warning, which every command tells and none ends by.
    #[must_use]
    pub fn warning(self) -> Fault {
        Fault { scope: Scope::None, ..self }
    }
}

/// Formats the file and line, the table and the key, and the reason with what to do.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Config {
    /// Returns the path of the file; `None` without a configuration.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Returns the value of a key, if the file has it and it is not at fault. A repeated table has values in
    /// its entries only.
    pub fn get(&self, table: &Table, key: &str) -> Option<&Setting> {
        self.settings.iter().find(|one| one.table == table.name && one.key == key)
    }

    /// Returns the entries of a repeated table, in the order of the file. An entry with a fault is among them,
    /// without the values that are at fault.
    pub fn entries(&self, table: &Table) -> Vec<&Entry> {
        self.entries.iter().filter(|entry| entry.table == table.name).collect()
    }

    /// Returns true if the file has the table, be it empty.
    pub fn has(&self, table: &Table) -> bool {
        self.present.contains(&table.name)
    }

    /// Returns true if the table has no fault, so that each value in the file is one here.
    pub fn is_sound(&self, table: &Table) -> bool {
        !self.at_fault.contains(&table.name)
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
