//! The people who are told of a host: its contacts, or the operator.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::ValueHint;
use ipnet::IpNet;

use crate::cli::{Io, Nets, read_whole};
use crate::contacts::{Address, Contacts, Lang, NetworkKind};
use crate::finding::{Host, Side};
use crate::incident::{Incident, Policy, is_for_operator};

/// The options that name the people who are told, and the hosts that are never blocked.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Who {
    /// Read the persons responsible for networks from this file: CSV lines
    /// network,mail,name[,kind[,lang]]
    #[arg(long, value_name = "FILE", env = "NFKIT_CONTACTS", value_hint = ValueHint::FilePath)]
    contacts: Option<PathBuf>,
    /// Tell this address of hosts that nobody else is responsible for
    #[arg(long, value_name = "MAIL", env = "NFKIT_OPERATOR")]
    operator: Option<Address>,
    /// Never block hosts in these networks, besides those of [site] never and of this machine
    #[arg(long, value_name = "NETS", env = "NFKIT_NEVER")]
    never: Option<Nets>,
}

/// The people who are told, and the networks that they are responsible for.
#[derive(Clone, Debug, Default)]
pub(super) struct Owners {
    contacts: Contacts,
    operator: Option<Address>,
    /// The policy, by whose lines owners are told of classes that are the operator's otherwise.
    policy: Policy,
}

/// The people who are told of one host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Owner {
    /// The network by which they are responsible.
    pub network: Option<IpNet>,
    /// The kind of that network.
    pub network_kind: NetworkKind,
    /// The addresses of those who are responsible.
    pub mails: Vec<String>,
    /// The addresses that notices go to: these, or the operator's.
    pub recipients: Vec<String>,
}

impl Who {
    /// Reads the contacts, and reports each of their errors.
    ///
    /// # Errors
    /// A file that cannot be read or has a line that cannot be used.
    pub fn load(&self, policy: &Policy, io: &mut Io) -> anyhow::Result<Owners> {
        let contacts = match &self.contacts {
            Some(path) => read_contacts(path, "nothing is done", io)?,
            None => Contacts::default(),
        };
        Ok(Owners { contacts, operator: self.operator.clone(), policy: policy.clone() })
    }
}

impl Who {
    /// Returns the networks of `--never`.
    ///
    /// # Errors
    /// A file of networks that cannot be read.
    pub fn never(&self) -> anyhow::Result<Vec<IpNet>> {
        let nets = self.never.as_ref().map(Nets::load).transpose().context("--never")?;
        Ok(nets.unwrap_or_default())
    }
}

impl Owners {
    /// Returns true if nobody can be told of anything.
    pub fn is_empty(&self) -> bool {
        self.contacts.is_empty() && self.operator.is_none()
    }

    /// Returns the address that is told of all that nobody else is responsible for.
    pub fn operator(&self) -> Option<&Address> {
        self.operator.as_ref()
    }

    /// Returns the name of a person, which may be empty, and the language of the mails to them.
    pub fn salutation(&self, address: &Address) -> (&str, Lang) {
        let person = self.contacts.person(address);
        person.map_or(("", Lang::default()), |person| (person.name.as_str(), person.lang))
    }

    /// Returns the kind of the network of a host.
    pub fn network_kind(&self, host: Host) -> NetworkKind {
        self.contacts.of(host.net()).map_or(NetworkKind::Unknown, |of| of.kind)
    }

    /// Returns those who are told of an incident. Contacts of other sites are not known, so the operator is
    /// told of hosts outside. If all classes of the incident are the operator's and no line of the policy names one,
    /// nobody else is told.
    pub fn of(&self, incident: &Incident) -> Owner {
        let owner = self.of_host(incident.subject.host, incident.body.side);
        let mut classes = incident.body.matters.iter().flat_map(|matter| &matter.classes);
        let is_operators = |class: &String| is_for_operator(class) && !self.policy.names(class);
        if incident.body.matters.is_empty() || !classes.all(is_operators) {
            return owner;
        }
        let recipients = self.operator.iter().map(ToString::to_string).collect();
        Owner { mails: Vec::new(), recipients, ..owner }
    }

    /// Returns true if a person, by their address in any case, is one of those who are told of an incident.
    pub fn is_told(&self, incident: &Incident, who: &str) -> bool {
        self.of(incident).recipients.iter().any(|one| one.eq_ignore_ascii_case(who))
    }

    /// Returns true if an address is that of a person who is told of something.
    pub fn knows(&self, address: &Address) -> bool {
        let folded = address.folded();
        self.operator.as_ref().is_some_and(|operator| operator.folded() == folded)
            || self.contacts.person(address).is_some()
    }

    /// Returns those who are told of a host.
    pub fn of_host(&self, host: Host, side: Option<Side>) -> Owner {
        let found = self.contacts.of(host.net()).filter(|_| side != Some(Side::Outside));
        let mails: Vec<String> = found
            .iter()
            .flat_map(|of| of.contacts)
            .map(|contact| contact.mail.to_string())
            .collect();
        let recipients = if mails.is_empty() {
            self.operator.iter().map(ToString::to_string).collect()
        } else {
            mails.clone()
        };
        Owner {
            network: found.map(|of| of.net),
            network_kind: found.map_or(NetworkKind::Unknown, |of| of.kind),
            mails,
            recipients,
        }
    }
}

/// Reads the contacts, and reports each of their errors. `effect` says what comes of them.
///
/// # Errors
/// A file that cannot be read or has a line that cannot be used.
pub(super) fn read_contacts(path: &Path, effect: &str, io: &mut Io) -> anyhow::Result<Contacts> {
    let name = path.display();
    let text = read_whole(path)?;
    Contacts::parse(&text).map_err(|errors| {
        for error in &errors {
            io.report.error(format_args!("{name}:{error}"));
        }
        anyhow!("--contacts: {effect} until {name} is corrected")
    })
}
