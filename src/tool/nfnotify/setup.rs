//! All that a command of the memory needs besides the memory itself: the settings, the people, the time.

use std::path::{Path, PathBuf};

use super::never::never_list;
use super::owners::{Owners, Who};
use super::settings::Settings;
use crate::cli::{Io, Usage};
use crate::contacts::NeverList;
use crate::finding::Host;
use crate::incident::store::Store;
use crate::incident::{Facts, Incident, Mode, Notice, NoticeState, Step};
use crate::time::{Timestamp, Window};
use crate::tool::findings::clock;

/// Stops all acts, by whoever may write to /etc.
const STOP: &str = "/etc/nfkit/stop";

/// All that a command needs besides its memory.
pub(super) struct Setup {
    pub settings: Settings,
    pub owners: Owners,
    pub never: NeverList,
    /// The time of the run, in Unix seconds.
    pub now: u64,
}

impl Setup {
    /// Reads the configuration, the contacts, and the list of hosts that are never blocked.
    ///
    /// # Errors
    /// Fails if one of them cannot be used.
    pub fn new(who: &Who, now: Option<Timestamp>, io: &mut Io) -> anyhow::Result<Setup> {
        let setup = Setup::read(who, now, io)?;
        let answers = setup.settings.mail.answers.as_ref();
        if let Some(answers) = answers.filter(|answers| setup.owners.knows(answers)) {
            let why = "is the address of a person, whose mail would go to `nfnotify receive`";
            return Err(Usage(format!("[mail] answers: {answers} {why}")).into());
        }
        Ok(setup)
    }

    fn read(who: &Who, now: Option<Timestamp>, io: &mut Io) -> anyhow::Result<Setup> {
        let settings = Settings::read(&io.config)?;
        Ok(Setup {
            owners: who.load(&settings.policy, io)?,
            settings,
            never: never_list(who.never()?, io)?,
            now: now.unwrap_or_else(clock).secs(),
        })
    }

    /// Returns the facts about a host that its clauses depend on.
    pub fn facts(
        &self,
        incident: &Incident,
        told: &[Notice],
        newest: Option<Window>,
        is_frozen: bool,
    ) -> Facts {
        let never = match incident.subject.host {
            Host::Address(address) => self.never.check(address).map(|never| never.to_string()),
            Host::Prefix(_) => None,
        };
        let of_deadline = |notice: &Notice| {
            notice.step == Step::Deadline
                && notice.state == NoticeState::Accepted
                && notice.at >= incident.body.deadlines_from
        };
        let is_shadow = incident.body.deadline.is_some_and(|deadline| deadline.is_shadow);
        let mode = self.settings.mode;
        Facts {
            now: self.now,
            mode,
            newest,
            network_kind: self.owners.network_kind(incident.subject.host),
            never,
            is_told: (mode == Mode::Shadow && is_shadow) || told.iter().any(of_deadline),
            is_frozen,
            has_device: false,
        }
    }
}

/// Returns true if a person has stopped new acts.
pub(super) fn is_frozen(setup: &Setup, store: &Store) -> anyhow::Result<bool> {
    let is_stopped = stop_file(store.path()).is_some();
    Ok(is_stopped || store.freeze()?.is_some_and(|freeze| setup.now < freeze.until))
}

/// Returns the file that stops new acts, if there is one: beside the database, or in /etc/nfkit.
pub(super) fn stop_file(db: &Path) -> Option<PathBuf> {
    let stop = db.with_file_name("stop");
    [stop, PathBuf::from(STOP)].into_iter().find(|path| path.symlink_metadata().is_ok())
}
