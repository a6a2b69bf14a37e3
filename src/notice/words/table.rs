//! The words that each language has, and how they are put together.

use crate::contacts::Lang;
use crate::finding::{Finding, Host, Role, Sample, words};
use crate::report::LocalTime;
use crate::time::Window;

use super::situation::Situation;

/// A thing that is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::notice) enum Noun {
    Flow,
    Packet,
    Host,
    Machine,
    Network,
    Window,
    /// Hosts beyond those that are named, and so on.
    MoreHosts,
    MoreNetworks,
    MoreWindows,
    SmallerFindings,
    Incident,
    MoreIncidents,
    MoreMatters,
    Finding,
    Notice,
    Mail,
    MoreMails,
    /// Incidents by the step that is told of.
    Isolated,
    Released,
    Deadline,
    Reminder,
    Grown,
    New,
}

/// The words for one situation.
#[derive(Clone, Copy, Debug)]
pub(in crate::notice) struct SituationWords {
    /// A few words for a subject.
    pub(in crate::notice) short: &'static str,
    /// A clause, such as `it probes many hosts, one after another`.
    pub(in crate::notice) long: &'static str,
    /// The usual meaning and the innocent causes, one string a paragraph. `{tell}` stands for what to do if
    /// the cause is innocent.
    pub(in crate::notice) meaning: &'static [&'static str],
}

/// All words of a language. The compiler sees that each language has all of them.
pub(in crate::notice) struct Words {
    pub(in crate::notice) lang: Lang,
    /// Texts with `{names}` in the place of what varies.
    pub(in crate::notice) texts: Texts,
    /// The texts of letters about incidents.
    pub(in crate::notice) letter: LetterTexts,
    /// The checks for a machine under suspicion.
    pub(in crate::notice) check_suspect: &'static [&'static str],
    /// The checks for a machine that is attacked.
    pub(in crate::notice) check_victim: &'static [&'static str],
    /// The most important checks for a machine under suspicion, a line each.
    pub(in crate::notice) check_suspect_short: &'static [&'static str],
    /// The most important checks for a machine that is attacked, a line each.
    pub(in crate::notice) check_victim_short: &'static [&'static str],
    pub(in crate::notice) situation: fn(Situation) -> SituationWords,
    /// Returns the meaning of a mark, or `None` for a mark that needs no explanation.
    pub(in crate::notice) mark: fn(&str, Role) -> Option<&'static str>,
    /// Returns a number with its noun.
    pub(in crate::notice) count: fn(u64, Noun) -> String,
    /// Returns a length of time in seconds.
    pub(in crate::notice) length: fn(u32) -> String,
    /// Returns a protocol and a port.
    pub(in crate::notice) port: fn(Option<u8>, Option<u16>) -> String,
    /// Returns one flow as evidence.
    pub(in crate::notice) sample: fn(&Sample) -> String,
    /// Returns the text of a measure with `{value}` in it, such as `{value} hosts`. `None` for a measure
    /// that has no words.
    pub(in crate::notice) measure: fn(&str) -> Option<&'static str>,
}

/// Declares the texts, and a way for tests to go through them.
macro_rules! texts {
    ($(#[$doc:meta])* $table:ident: $($name:ident,)*) => {
        $(#[$doc])*
        pub(in crate::notice) struct $table {
            $(pub(in crate::notice) $name: &'static str,)*
        }

        #[cfg(test)]
        impl $table {
            pub(in crate::notice) fn all(&self) -> Vec<(&'static str, &'static str)> {
                vec![$((stringify!($name), self.$name),)*]
            }
        }
    };
}

texts! {
    /// Texts of one language.
    Texts:
    // Lists.
    and, and_list, list, and_more, more, more_hosts, sentence_more, line_more, behaviours,
    // The beginning and the end.
    hello, hello_name, our_routers, routers_of, signature,
    // The subject.
    subject, subject_more, subject_time, moment_length, no_exporter, at_port, on_port,
    // The parts.
    about, a_machine, a_network, several, named_below, further_hosts, meaning, if_situation, tell,
    check_suspect, check_victim, when_fixed, fixed, silence, others, other_facts,
    // A host.
    responsible, nobody_responsible, seen, when, port, how_much, to, from, rule, evidence, note,
    amount, all_windows, when_many, unknown_time, time_to, window, peer, peers, peers_in,
    // A mail that is passed on.
    passed_subject, passed_subject_none, passed_subject_release, passed_subject_release_none,
    passed_incident, passed_incidents, passed_release, passed_claims, passed_no_incident,
    passed_sender, passed_from, passed_re, passed_hosts, passed_size, passed_no_proof, passed_text,
    passed_goes_on, passed_html, passed_no_text, passed_attached, passed_cut, passed_held_back,
    passed_subject_other, passed_subject_unknown, passed_other, passed_unknown, passed_token,
    passed_reply_to, passed_no_reply,
    passed_signature,
    // The mails of nfnotify test.
    test_subject, test_out, test_reply, test_no_way_back, test_back_subject, test_back,
}

texts! {
    /// Texts of letters about incidents.
    LetterTexts:
    // The steps.
    first, grown, reminder, reminder_due, released, deadline, deadline_undated, isolated,
    // The first line.
    first_line, matter, matter_new, matter_more, matter_released, all_ignored, report_line,
    more_incidents, digest_line,
    // The beginning.
    own_machine, own_network, orphan_machine, orphan_network, outside, outside_network,
    attack_from, attack_outside, attack_on, ask_suspect, ask_suspect_network, ask_victim, ask_victim_network, ask_outside,
    say_new, say_more, say_grown, say_reminder, say_deadline, say_isolated, say_released,
    many, held_back,
    // The facts of an incident.
    incident, host, seen, since, last, limit, also, next,
    incident_state, open, claimed, quiet, closed,
    host_own, host_orphan, host_outside,
    since_windows, goes_on, not_seen_since, quiet_since, closed_at,
    amount_peak, measured, over, below,
    // The evidence.
    evidence, col_window, col_what, col_flows, col_hosts, col_times, col_to, col_from,
    sample, scan, replies, flood, port, mixed, new_matter, new_row, new_rows, more_new, more_ids, more_matters, unkept,
    // The advice.
    meaning_short, meaning_of, incident_ids, incidents_ids, innocent, tell_operator,
    check, check_suspect, check_victim, outside_advice,
    // The answer.
    answer, answer_claim, answer_stop, answer_stop_many, answer_commands, command_claim,
    command_ignore, command_resolve, answer_claims, this_incident, all_incidents, answer_plain, answer_what, answer_who,
    answer_whose, answer_elsewhere, answer_some, answer_pause, answer_request, answer_isolated, answer_released,
    // The future.
    next_title, next_reminder, next_half, next_quiet, next_due, next_until, next_by_hand, next_release, digest_orphan, digest_outside, digest_release, next_recorded,
    next_released,
    // The table of a digest.
    digest, digest_details, digest_show, digest_group, digest_more, digest_due_note, digest_suspect,
    digest_victim, by_hand, col_id, col_host, col_since,
    col_deadline, col_until, digest_row, digest_due, digest_until, digest_since,
    // The report to the operator.
    report, report_undelivered, report_row, report_incident, report_incidents, report_host, report_again, report_more, refused, bounced,
    report_held_back, report_superseded, report_dropped,
    // The end.
    signature,
}

/// Appends a piece of text. If `is_spaced`, there is a blank between a Chinese character and a digit or Latin
/// letter that meet there, as people in Taiwan write.
fn push(out: &mut String, piece: &str, is_spaced: bool) {
    let is_latin = |c: char| c.is_ascii_alphanumeric();
    let is_han = |c: char| ('\u{4e00}'..='\u{9fff}').contains(&c);
    if let (true, Some(before), Some(next)) =
        (is_spaced, out.chars().next_back(), piece.chars().next())
    {
        if (is_han(before) && is_latin(next)) || (is_latin(before) && is_han(next)) {
            out.push(' ');
        }
    }
    out.push_str(piece);
}

impl Words {
    /// Returns a text with values in the place of their `{names}`, which are not changed: a name in a value
    /// stays as it is.
    pub(in crate::notice) fn fill(&self, text: &str, values: &[(&str, &str)]) -> String {
        let is_spaced = self.lang == Lang::ZhTw;
        let mut out = String::with_capacity(text.len() + 64);
        let mut rest = text;
        while let Some((before, tail)) = rest.split_once('{') {
            push(&mut out, before, is_spaced);
            let (name, after) = tail.split_once('}').unwrap_or((tail, ""));
            match values.iter().find(|(known, _)| *known == name) {
                Some((_, value)) => push(&mut out, value, is_spaced),
                None => out.extend(["{", name, "}"]),
            }
            rest = after;
        }
        push(&mut out, rest, is_spaced);
        out
    }

    /// Returns a behaviour and its port in a few words, for a subject or a list: `scans networks: TCP port 22
    /// (ssh)`.
    pub(in crate::notice) fn behaviour(
        &self,
        situation: Situation,
        proto: Option<u8>,
        port: Option<u16>,
    ) -> String {
        let port = (self.port)(proto, port);
        let text = match situation {
            Situation::PortAttacker => self.texts.at_port,
            _ => self.texts.on_port,
        };
        let behaviour = (self.situation)(situation).short;
        self.fill(text, &[("behaviour", behaviour), ("port", &port)])
    }

    /// Returns a window with its length: `2001-08-17 17:20 to 17:30 UTC (10 minutes)`.
    pub(in crate::notice) fn window(&self, window: Option<Window>, local: &LocalTime) -> String {
        let Some(window) = window else { return self.texts.unknown_time.to_owned() };
        let between = self.between(window, window, local);
        let length = (self.length)(window.seconds());
        self.fill(self.texts.window, &[("between", &between), ("length", &length)])
    }

    /// Returns the time from the start of one window to the end of another:
    /// `2001-08-17 17:20 to 17:30 UTC`.
    pub(in crate::notice) fn between(
        &self,
        first: Window,
        last: Window,
        local: &LocalTime,
    ) -> String {
        local.span(first.start(), last.end(), self.texts.time_to)
    }

    /// Returns the hosts on the other side, the most important first, and of these at most `most` by name.
    pub(in crate::notice) fn peers(&self, finding: &Finding, most: usize) -> String {
        let flows = |flows| (self.count)(flows, Noun::Flow);
        let (peers, more) = finding.first_peers(most);
        let named = peers.iter().map(|peer| match peer.flows {
            Some(count) => {
                let host = peer.host.text(false);
                self.fill(self.texts.peer, &[("host", &host), ("flows", &flows(count))])
            }
            None => peer.host.text(false),
        });
        let named: Vec<_> = named.collect();
        let hosts = (self.count)(finding.peers, Noun::Host);
        if named.is_empty() {
            return hosts;
        }
        let are_nets = finding.peer.iter().all(|peer| matches!(peer.host, Host::Prefix(_)));
        let text = if are_nets { self.texts.peers_in } else { self.texts.peers };
        let more = match (more, are_nets) {
            (0, _) => String::new(),
            (_, true) => self.and_more(&(self.count)(more, Noun::MoreNetworks)),
            (_, false) => {
                let more = self.fill(self.texts.more_hosts, &[("count", &words::count(more))]);
                self.and_more(&more)
            }
        };
        let list = named.join(self.texts.list) + &more;
        self.fill(text, &[("hosts", &hosts), ("list", &list)])
    }

    /// Returns the end of a list: ` and 7 more hosts`.
    pub(in crate::notice) fn and_more(&self, more: &str) -> String {
        self.fill(self.texts.and_more, &[("more", more)])
    }
}
