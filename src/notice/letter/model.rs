//! The contents of a letter.

use ipnet::IpNet;

use crate::contacts::{Address, Lang};
use crate::finding::Host;
use crate::incident::{Incident, Step};
use crate::notice::message::Sender;

/// An incident that a letter tells of.
#[derive(Clone, Debug)]
pub struct Case<'a> {
    /// The incident. Matters that are ignored at the date of the letter are not told of.
    pub incident: &'a Incident,
    /// The step.
    pub step: Step,
    /// The network by which the recipient is responsible; `None` if nobody is, so that the operator gets the
    /// letter.
    pub net: Option<IpNet>,
    /// The earliest moment of isolation, in Unix seconds: at the step deadline, and at a reminder while a
    /// deadline runs.
    pub due: Option<u64>,
    /// The end of the isolation by itself, in Unix seconds, if the policy gives one: at the step isolated.
    pub until: Option<u64>,
    /// Start of the newest window that the recipient was told of before, in Unix seconds; `None` if that is
    /// not known. A matter that began later is new to the recipient.
    pub told_last: Option<u64>,
    /// Seconds after which a reminder follows.
    pub remind: u64,
    /// Clean windows after which the incident counts as quiet.
    pub quiet: u64,
}

/// The reason why a mail did not arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Failure {
    /// A mail server refused it.
    Refused,
    /// A mail server accepted it, and reported later that it could not be delivered.
    Bounced,
}

/// A mail that did not arrive. Its texts may come from the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undelivered {
    /// The address of the recipient.
    pub to: String,
    /// The failure.
    pub failure: Failure,
    /// The time of the failure, in Unix seconds.
    pub at: u64,
    /// The reason that the mail server gave.
    pub why: String,
    /// The incidents that the mail told of.
    pub incidents: Vec<UndeliveredIncident>,
}

/// An incident whose mail did not arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UndeliveredIncident {
    /// The number.
    pub id: u64,
    /// The host.
    pub host: Host,
}

/// The part of a letter that only the operator gets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OperatorReport {
    /// Mails that did not arrive.
    pub undelivered: Vec<Undelivered>,
    /// Number of such mails beyond these.
    pub more_undelivered: u64,
    /// Number of notices that wait because of the limit of mails.
    pub held_back: u64,
    /// Number of notices that came too late to be sent.
    pub superseded: u64,
    /// Number of replies that were dropped.
    pub dropped_replies: u64,
}

/// A mail to one recipient about incidents.
#[derive(Clone, Debug)]
pub struct Letter<'a> {
    /// The address of the recipient.
    pub to: &'a Address,
    /// The name for the salutation; may be empty.
    pub name: &'a str,
    /// The language.
    pub lang: Lang,
    /// The incidents, in any order.
    pub cases: Vec<Case<'a>>,
    /// Number of notices in this letter that the limit of mails held back before.
    pub held_back: u64,
    /// The part for the operator.
    pub report: Option<OperatorReport>,
    /// The most incidents that are described one by one; more become a table.
    pub digest_above: usize,
}

/// The sender of a letter, and what may be promised to its reader.
#[derive(Clone, Copy, Debug)]
pub struct LetterSender<'a> {
    /// The headers and the time zone. Replies go to `reply_to`, which may be an address of this letter alone,
    /// so the text does not name it.
    pub base: Sender<'a>,
    /// The person who reads replies.
    pub operator: Option<&'a Address>,
    /// The text of the site's configuration for the end of a letter; may be empty.
    pub footer: &'a str,
    /// True if a reply claims the incidents of the letter.
    pub can_claim: bool,
}
