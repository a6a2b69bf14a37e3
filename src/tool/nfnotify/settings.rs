//! The configuration of incidents, as the commands that remember them use it.

use std::path::PathBuf;
use std::time::Duration;

use jiff::tz::TimeZone;

use super::tables::{DB, HOOK, INCIDENT, POLICY, keep, limit, mode, rule};
use crate::cli::config::{Entry, Setting};
use crate::cli::{Config, Usage};
use crate::incident::{Mode, Policy};
use crate::tool::site;

/// The values of `[incident]`, `[[policy]]` and `[[hook]]`.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Shadow mode, or live.
    pub mode: Mode,
    /// The database.
    pub db: PathBuf,
    /// The time for which closed incidents are kept, in seconds.
    pub keep: u64,
    /// The file of the counts, for Prometheus.
    pub metrics_file: Option<PathBuf>,
    /// The lines of the policy.
    pub policy: Policy,
    /// The commands that are told of each transition, in the order of the file.
    pub hooks: Vec<HookCommand>,
}

/// A command that is told of each transition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookCommand {
    /// The name, unlike that of any other hook.
    pub name: String,
    /// The program and its arguments; the program is an absolute path or is looked for in `PATH`.
    pub argv: Vec<String>,
    /// The time after which the command is ended.
    pub limit: Duration,
}

impl Settings {
    /// Reads the values, with their defaults where the configuration has none, and the files of networks.
    ///
    /// # Errors
    /// A file of networks that cannot be read, and a value that became bad since the configuration was read,
    /// such as a time zone that was removed. The message begins with the place in the configuration.
    pub fn read(config: &Config) -> anyhow::Result<Settings> {
        let incident = |key| config.get(&INCIDENT, key);
        let path = |setting: &Setting| PathBuf::from(setting.text());
        let zone = site::timezone(config)?.unwrap_or_else(TimeZone::system);
        let rules = config.entries(&POLICY).into_iter().map(|entry| rule(entry, &zone));
        Ok(Settings {
            mode: incident("mode")
                .map_or(Ok(Mode::default()), |one| mode(&one.text()))
                .map_err(Usage)?,
            db: incident("db").map_or_else(|| PathBuf::from(DB), path),
            keep: keep(config).map_err(Usage)?,
            metrics_file: incident("metrics_file").map(path),
            policy: Policy::new(rules.collect::<anyhow::Result<_>>()?),
            hooks: config.entries(&HOOK).into_iter().map(hook).collect::<Result<_, _>>()?,
        })
    }
}

/// Returns the command of an entry of `[[hook]]`.
fn hook(entry: &Entry) -> Result<HookCommand, Usage> {
    let (Some(name), Some(argv)) = (entry.get("name"), entry.get("argv")) else {
        return Err(Usage(format!("{}: has no name or no argv", entry.place)));
    };
    let limit = limit(entry.get("limit").map(Setting::text).as_deref()).map_err(Usage)?;
    Ok(HookCommand { name: name.text(), argv: argv.words.clone(), limit })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::tool::TABLES;

    fn read(text: &str) -> anyhow::Result<Settings> {
        let (config, faults) = Config::parse(Path::new("/etc/nfkit/c"), text, TABLES).unwrap();
        assert_eq!(faults, []);
        Settings::read(&config)
    }

    #[test]
    fn without_a_configuration_nothing_leaves() {
        for settings in [Settings::read(&Config::default()), read("[incident]\n")] {
            let settings = settings.unwrap();
            assert_eq!((settings.mode, settings.keep), (Mode::Shadow, 400 * 86_400));
            assert_eq!(settings.db, Path::new("/var/lib/nfkit/incidents/incidents.db"));
            assert_eq!((settings.metrics_file, settings.hooks), (None, Vec::new()));
            // Two days: a deadline, and the claim that puts it off.
            assert_eq!(settings.policy.longest(), 2 * 86_400);
        }
    }

    #[test]
    fn values_are_those_of_the_file() {
        let settings = read(
            "[incident]\nmode = 'live'\ndb = 'i.db'\nkeep = '30d'\nmetrics_file = '/m/n.prom'\n\
             [[hook]]\nname = 'b'\nargv = ['b', '']\nlimit = '1s'\n[[hook]]\nname = 'a'\n\
             argv = ['/a']\n[[policy]]\nkind = 'scan'\nremind = '9d'\n[[policy]]\nuntil = '20d'\n",
        )
        .unwrap();
        assert_eq!((settings.mode, settings.keep), (Mode::Live, 30 * 86_400));
        assert_eq!(settings.db, Path::new("/etc/nfkit/i.db"));
        assert_eq!(settings.metrics_file.as_deref(), Some(Path::new("/m/n.prom")));
        let command = |name: &str, argv: &[&str], limit| HookCommand {
            name: name.to_owned(),
            argv: argv.iter().map(ToString::to_string).collect(),
            limit: Duration::from_secs(limit),
        };
        assert_eq!(settings.hooks, [command("b", &["b", ""], 1), command("a", &["/a"], 30)]);
        assert_eq!(settings.policy.longest(), 20 * 86_400);
    }

    #[test]
    fn a_file_of_networks_that_cannot_be_read_is_an_error() {
        let error = read("[[policy]]\nkind = 'scan'\nnetwork = '@absent'\n").unwrap_err();
        let error = format!("{error:#}");
        assert!(error.starts_with("/etc/nfkit/c:3: [[policy]] 1 network: "), "{error}");
        assert!(error.contains("/etc/nfkit/absent: No such file"), "{error}");
    }
}
