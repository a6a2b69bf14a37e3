//! The configuration of incidents, as the commands that remember them use it.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, anyhow};
use ipnet::IpNet;
use jiff::tz::TimeZone;

use super::tables::{DB, HOOK, INCIDENT, MAIL, POLICY, keep, limit, mail_limit, mode, relay, rule};
use super::way::{SENDMAIL, Way};
use crate::cli::config::{Entry, Setting};
use crate::cli::{Config, Nets, Usage};
use crate::contacts::Address;
use crate::incident::{Mode, Policy};
use crate::notice::outbox::Limits;
use crate::report::LocalTime;
use crate::tool::site::{self, SITE};

/// The values of `[incident]`, `[mail]`, `[[policy]]` and `[[hook]]`.
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
    /// The way by which mails leave, and their headers.
    pub mail: MailSettings,
}

/// The values of `[mail]`, and those of `[site]` that mails have.
#[derive(Clone, Debug)]
pub struct MailSettings {
    /// The way out.
    pub way: Way,
    /// The address that mails come from; `None` for the operator's.
    pub from: Option<Address>,
    /// The address whose forms with a token take answers; `None` if nobody reads them for us.
    pub answers: Option<Address>,
    /// The last lines of each mail.
    pub footer: String,
    /// The most mails of an hour.
    pub limits: Limits,
    /// The number of incidents above which a mail is a digest.
    pub digest: usize,
    /// The name of the site; empty for none.
    pub site: String,
    /// The networks of the site, in which a mail server may be.
    pub inside: Vec<IpNet>,
    /// The times of the text.
    pub local: LocalTime,
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
            mail: MailSettings::read(config)?,
        })
    }
}

impl MailSettings {
    fn read(config: &Config) -> anyhow::Result<MailSettings> {
        let text = |key| config.get(&MAIL, key).map(Setting::text);
        let address = |key| -> anyhow::Result<Option<Address>> {
            text(key).map(|text| text.parse().map_err(|why: String| anyhow!(why))).transpose()
        };
        let ways = ["sendmail", "relay", "mbox"];
        let mut ways = ways.into_iter().filter_map(|key| config.get(&MAIL, key));
        if let (Some(one), Some(other)) = (ways.next(), ways.next()) {
            let place = &other.place;
            return Err(Usage(format!("{place}: cannot be together with {}", one.key)).into());
        }
        let way = match (text("relay"), text("mbox"), text("sendmail")) {
            (Some(server), _, _) => Way::Relay(relay(&server).map_err(Usage)?),
            (None, Some(path), _) => Way::Mbox(path.into()),
            (None, None, path) => Way::Sendmail(path.unwrap_or_else(|| SENDMAIL.to_owned()).into()),
        };
        let inside = match config.get(&SITE, "inside") {
            Some(nets) => {
                let nets_of =
                    |text: String| text.parse::<Nets>().map_err(|why| anyhow!(why))?.load();
                nets_of(nets.text()).with_context(|| nets.place.clone())?
            }
            None => Vec::new(),
        };
        Ok(MailSettings {
            way,
            from: address("from")?,
            answers: address("answers")?,
            footer: text("footer").unwrap_or_default(),
            limits: Limits {
                per_hour: mail_limit(config, "per_hour"),
                per_recipient: mail_limit(config, "per_recipient"),
            },
            digest: usize::try_from(mail_limit(config, "digest")).unwrap_or(usize::MAX),
            site: config.get(&SITE, "name").map(Setting::text).unwrap_or_default(),
            inside,
            local: site::local_time(config)?,
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
    fn one_way_out_is_used() {
        let way = |text: &str| read(&format!("[mail]\n{text}")).map(|settings| settings.mail.way);
        assert_eq!(way("").unwrap(), Way::Sendmail("/usr/sbin/sendmail".into()));
        assert_eq!(way("sendmail = 's'").unwrap(), Way::Sendmail("/etc/nfkit/s".into()));
        assert_eq!(way("mbox = '/m'").unwrap(), Way::Mbox("/m".into()));
        assert!(matches!(way("relay = 'localhost'").unwrap(), Way::Relay(one) if one.port == 25));
        let error = way("mbox = '/m'\nrelay = 'localhost'").unwrap_err().to_string();
        assert_eq!(error, "/etc/nfkit/c:2: [mail] mbox: cannot be together with relay");
    }

    #[test]
    fn a_file_of_networks_that_cannot_be_read_is_an_error() {
        let error = read("[[policy]]\nkind = 'scan'\nnetwork = '@absent'\n").unwrap_err();
        let error = format!("{error:#}");
        assert!(error.starts_with("/etc/nfkit/c:3: [[policy]] 1 network: "), "{error}");
        assert!(error.contains("/etc/nfkit/absent: No such file"), "{error}");
    }
}
