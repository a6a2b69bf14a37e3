//! Arguments from the command line, the environment and the configuration file.
//!
//! clap knows the first two. A value of the file becomes the default value of its argument, so the order is
//! command line, environment, file, and clap's own parser judges it. Variables and files hold for every run
//! of every command: their values are not used if the command line excludes their option, where clap by
//! itself would refuse the command line, and an option that needs another finds it in the file too.

use std::error::Error as _;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command, Id, Parser};

use super::args::{CONFIG_VARIABLE, Common};
use super::config::{Config, Fault, Form, Scope, Setting, Table};

/// The configuration file of the commands that read one without being told.
const DEFAULT_FILE: &str = "/etc/nfkit/nfkit.toml";

/// The arguments of a command, as a clap struct, and the tables of the configuration that hold for them.
pub trait Arguments: Parser + AsRef<Common> {
    /// The tables that the command reads. A fault in them is an error.
    const TABLES: &'static [&'static Table];

    /// True if the command reads `/etc/nfkit/nfkit.toml` where neither `--config` nor `NFKIT_CONFIG` names
    /// a file.
    const READS_DEFAULT_FILE: bool = false;

    /// Returns the tables that a subcommand reads, some of [`Arguments::TABLES`]. `None`: no subcommand.
    fn tables(_subcommand: Option<&str>) -> &'static [&'static Table] {
        Self::TABLES
    }

    /// Returns the tables of other commands that a subcommand looks into. A fault in them is an error too, but
    /// their values stand for options of those other commands.
    fn other_tables(_subcommand: Option<&str>) -> &'static [&'static Table] {
        &[]
    }

    /// Returns true if a subcommand reads the default file as [`Arguments::READS_DEFAULT_FILE`] says it of a
    /// command. `None`: no subcommand.
    fn reads_default_file(_subcommand: Option<&str>) -> bool {
        Self::READS_DEFAULT_FILE
    }

    /// Returns the ids of arguments whose values in the file are not used with the given command line,
    /// besides those that exclude each other by clap.
    fn unused(_given: &ArgMatches) -> &'static [&'static str] {
        &[]
    }
}

/// The reason why there are no arguments.
#[derive(Debug)]
pub(super) enum Refused {
    /// Help, the version, or an error of the command line or of a variable.
    Clap(Box<clap::Error>),
    /// Values of the configuration that their options refuse, each with its place.
    Config(Vec<String>),
}

/// The command line alone, without variables and configuration. Its errors are reported by [`parse`].
pub(super) struct Given(Option<ArgMatches>);

impl Given {
    /// Returns the options of a command line that begins with the command's name.
    pub fn new<A: Arguments>(line: &[OsString]) -> Given {
        let command = each_arg(A::command(), &|arg| arg.env(Resettable::Reset));
        Given(command.ignore_errors(true).try_get_matches_from(line).ok())
    }

    /// Returns true if a flag of all commands is given.
    pub fn flag(&self, id: &str) -> bool {
        // After an error the flag may have no value at all.
        let flag = self.0.as_ref().and_then(|given| given.try_get_one::<bool>(id).ok().flatten());
        flag.copied().unwrap_or_default()
    }

    /// Returns true if the command line asks for help or the version, which no configuration changes.
    pub const fn is_help(&self) -> bool {
        self.0.is_none()
    }

    /// Returns the name of the subcommand.
    fn subcommand(&self) -> Option<&str> {
        self.0.as_ref()?.subcommand_name()
    }

    /// Reads the configuration of a command: the file of `--config`, else of `NFKIT_CONFIG`, else the
    /// default file if the command reads one and it exists.
    ///
    /// # Errors
    /// A file that cannot be read, and a named one that does not exist.
    pub fn load<A: Arguments>(
        &self,
        known: &[&'static Table],
    ) -> anyhow::Result<(Config, Vec<Fault>)> {
        let given = self.0.as_ref().and_then(|given| given.get_one::<PathBuf>("config"));
        if let Some(path) = given {
            return Config::load(path, known).context("--config");
        }
        if let Some(path) = variable(OsStr::new(CONFIG_VARIABLE)).filter(|path| !path.is_empty()) {
            return Config::load(Path::new(&path), known).context(CONFIG_VARIABLE);
        }
        let default = Path::new(DEFAULT_FILE);
        // A link to nothing is there, and cannot be read.
        let exists = || match default.symlink_metadata() {
            Ok(_) => true,
            Err(error) => error.kind() != std::io::ErrorKind::NotFound,
        };
        if A::reads_default_file(self.subcommand()) && exists() {
            return Config::load(default, known);
        }
        Ok((Config::default(), Vec::new()))
    }

    /// Returns the faults that are errors for the command, and the others.
    pub fn split<A: Arguments>(&self, faults: Vec<Fault>) -> (Vec<Fault>, Vec<Fault>) {
        let (own, other) = (A::tables(self.subcommand()), A::other_tables(self.subcommand()));
        faults.into_iter().partition(|fault| match fault.scope {
            Scope::Table(name) => own.iter().chain(other).any(|table| table.name == name),
            Scope::All => true,
            Scope::None => false,
        })
    }
}

/// Parses a command line that begins with the command's name, with the variables of the environment and a
/// configuration.
pub(super) fn parse<A: Arguments>(line: &[OsString], config: &Config) -> Result<A, Refused> {
    let given = Given::new::<A>(line);
    let values = values::<A>(config, given.subcommand());
    let given = given.0;
    let unused = given.as_ref().map_or(&[][..], A::unused);
    let sources = Sources { values, unused };
    let mut applied = Applied::default();
    let command = sources.apply(documented::<A>(), given.as_ref(), &mut applied);
    if !applied.faults.is_empty() && given.is_some() {
        return Err(Refused::Config(applied.faults));
    }
    let matches = match command.clone().try_get_matches_from(line) {
        Err(error) if applied.has_all_missing(command.clone(), &error) => {
            let command = each_arg(command, &|arg| arg.requires(Resettable::Reset));
            command.try_get_matches_from(line)
        }
        matches => matches,
    };
    let mut matches = matches.map_err(|error| Refused::Clap(Box::new(error)))?;
    A::from_arg_matches_mut(&mut matches)
        .map_err(|error| Refused::Clap(Box::new(error.format(&mut A::command()))))
}

/// A value of the configuration for the arguments of one id.
struct FileValue<'a> {
    id: &'static str,
    form: Form,
    setting: &'a Setting,
}

/// Returns the values of the configuration that are for arguments of a command.
fn values<'a, A: Arguments>(config: &'a Config, subcommand: Option<&str>) -> Vec<FileValue<'a>> {
    let tables = A::tables(subcommand).iter();
    let options = tables.flat_map(|table| table.options().map(move |option| (table, option)));
    options
        .filter_map(|(table, (key, id))| {
            let setting = config.get(table, key.name)?;
            Some(FileValue { id, form: key.form, setting })
        })
        .collect()
}

/// Returns the command of a clap struct. The help of each argument that has a key says so.
fn documented<A: Arguments>() -> Command {
    let command = A::command();
    let config = command.get_arguments().find(|arg| arg.get_id() == "config").cloned();
    let command = command.mut_args(|arg| documented_arg::<A>(arg, None));
    command.mut_subcommands(|inner| {
        let name = inner.get_name().to_owned();
        let differs = A::reads_default_file(Some(&name)) != A::reads_default_file(None);
        // clap gives a subcommand the global argument as it is, unless it has one of its own.
        let inner = match config.clone().filter(|_| differs) {
            Some(config) => inner.arg(config),
            None => inner,
        };
        each_arg(inner, &|arg| documented_arg::<A>(arg, Some(&name)))
    })
}

/// Returns an argument of a command, or of one of its subcommands, with its key in its help.
fn documented_arg<A: Arguments>(arg: Arg, subcommand: Option<&str>) -> Arg {
    let id = arg.get_id().as_str();
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    if id == "config" {
        return if A::reads_default_file(subcommand) {
            arg.help(format!("{help} [default: {DEFAULT_FILE}, if it exists]"))
        } else {
            arg
        };
    }
    let mut options = A::tables(subcommand)
        .iter()
        .flat_map(|table| table.options().map(move |(key, of)| (table.name, key.name, of)));
    match options.find(|(.., of)| *of == id) {
        Some((table, key, _)) => arg.help(format!("{help} [config: {table}.{key}]")),
        None => arg,
    }
}

/// Changes each argument of a command and of its subcommands.
fn each_arg(command: Command, change: &impl Fn(Arg) -> Arg) -> Command {
    command.mut_args(change).mut_subcommands(|inner| each_arg(inner, change))
}

/// The sources of values behind the command line.
struct Sources<'a> {
    values: Vec<FileValue<'a>>,
    /// The ids whose values in the file are not used.
    unused: &'static [&'static str],
}

impl Sources<'_> {
    /// Gives each argument its value of the configuration, and takes from it the variable and the value that
    /// an option of a higher source excludes.
    fn apply(
        &self,
        command: Command,
        given: Option<&ArgMatches>,
        applied: &mut Applied,
    ) -> Command {
        let is_given = |arg: &Arg| {
            given.and_then(|given| given.value_source(arg.get_id().as_str()))
                == Some(ValueSource::CommandLine)
        };
        let args: Vec<&Arg> = command.get_arguments().collect();
        let rivals = |arg: &Arg| -> Vec<&Arg> {
            let excludes = |one: &Arg, other: &Arg| {
                command.get_arg_conflicts_with(one).iter().any(|arg| arg.get_id() == other.get_id())
            };
            let rival = |other: &&&Arg| excludes(arg, other) || excludes(other, arg);
            args.iter().filter(rival).copied().collect()
        };
        let mut without_variable = Vec::new();
        for &arg in &args {
            let is_empty_config = arg.get_id() == "config"
                && arg.get_env().and_then(variable).is_some_and(|path| path.is_empty());
            if is_empty_config || rivals(arg).into_iter().any(is_given) {
                without_variable.push(arg.get_id().clone());
            }
        }
        let is_set = |arg: &Arg| {
            is_given(arg)
                || (!without_variable.contains(arg.get_id())
                    && arg.get_env().is_some_and(|name| variable(name).is_some()))
        };
        let mut defaults = Vec::new();
        for &arg in &args {
            let Some(value) = self.values.iter().find(|value| arg.get_id() == value.id) else {
                continue;
            };
            let rivals = rivals(arg);
            let in_table = |other: &FileValue<'_>| other.setting.table == value.setting.table;
            let rival_value = self.values.iter().filter(|other| in_table(other)).find(|other| {
                other.setting.place < value.setting.place
                    && rivals.iter().any(|rival| rival.get_id() == other.id)
            });
            let place = &value.setting.place;
            if let Some(other) = rival_value {
                let key = other.setting.key;
                applied
                    .faults
                    .push(format!("{place}: cannot be together with {key}; remove one of them"));
            } else if let Err(why) = check(arg, value) {
                applied.faults.push(format!("{place}: {why}"));
            }
            let is_excluded = rivals.into_iter().any(&is_set) || self.unused.contains(&value.id);
            // `false` is what an absent flag means, and must not stand for a given one.
            let is_off = value.form == Form::Flag && value.setting.text() == "false";
            if !is_excluded && !is_off {
                defaults.push((arg.get_id().clone(), value.setting.text()));
            }
        }
        applied.ids.extend(defaults.iter().map(|(id, _)| id.clone()));
        let command = command.mut_args(|arg| {
            let default = defaults.iter().find(|(id, _)| id == arg.get_id());
            let arg = if without_variable.contains(arg.get_id()) {
                arg.env(Resettable::Reset)
            } else {
                arg
            };
            match default {
                // A required argument may have no default value.
                Some((_, text)) => arg.required(false).default_value(text.clone()),
                None => arg,
            }
        });
        command.mut_subcommands(|inner| {
            let given = given.and_then(ArgMatches::subcommand);
            let given = given.filter(|(name, _)| *name == inner.get_name());
            self.apply(inner, given.map(|(_, given)| given), applied)
        })
    }
}

/// The effect of a configuration on a command.
#[derive(Default)]
struct Applied {
    /// The ids of the arguments that have a value of the configuration.
    ids: Vec<Id>,
    /// The values that cannot be, each with its place.
    faults: Vec<String>,
}

impl Applied {
    /// Returns true if `error` says that options miss others, and the configuration has all of these.
    fn has_all_missing(&self, mut command: Command, error: &clap::Error) -> bool {
        if error.kind() != ErrorKind::MissingRequiredArgument {
            return false;
        }
        let Some(ContextValue::Strings(missing)) = error.get(ContextKind::InvalidArg) else {
            return false;
        };
        // Only an argument of a built command knows its name in messages.
        command.build();
        let commands = [&command].into_iter().chain(command.get_subcommands());
        let args = commands.flat_map(Command::get_arguments);
        let known = args.filter(|arg| self.ids.contains(arg.get_id())).map(ToString::to_string);
        let known: Vec<String> = known.collect();
        missing.iter().all(|missing| known.contains(missing))
    }
}

/// Asks an argument's own parser about a value of the configuration.
fn check(arg: &Arg, value: &FileValue<'_>) -> Result<(), String> {
    if value.form == Form::Flag {
        return Ok(());
    }
    let alone = arg
        .clone()
        .long("value")
        .short(Resettable::Reset)
        .required(false)
        .conflicts_with(Resettable::Reset)
        .requires(Resettable::Reset)
        .env(Resettable::Reset)
        .allow_hyphen_values(true);
    let command = Command::new("value").no_binary_name(true).arg(alone);
    let word = format!("--value={}", value.setting.text());
    command.try_get_matches_from([word]).map(drop).map_err(|error| {
        if let Some(cause) = error.source() {
            return cause.to_string();
        }
        match error.get(ContextKind::ValidValue) {
            Some(ContextValue::Strings(valid)) if !valid.is_empty() => {
                format!("{:?} is none of {}", value.setting.text(), valid.join(", "))
            }
            _ => format!("{:?} cannot be the value", value.setting.text()),
        }
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "variables hold for options; clap does not tell which are set"
)]
fn variable(name: &OsStr) -> Option<OsString> {
    std::env::var_os(name)
}

#[cfg(test)]
mod tests;
