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
}

/// The words for one situation.
#[derive(Clone, Copy, Debug)]
pub(in crate::notice) struct SituationWords {
    /// A few words for a subject.
    pub(in crate::notice) short: &'static str,
    /// A clause, such as `it probes whole networks, host after host`.
    pub(in crate::notice) long: &'static str,
    /// The usual meaning and the innocent causes, one string a paragraph.
    pub(in crate::notice) meaning: &'static [&'static str],
}

/// All words of a language. The compiler sees that each language has all of them.
pub(in crate::notice) struct Words {
    pub(in crate::notice) lang: Lang,
    /// Texts with `{names}` in the place of what varies.
    pub(in crate::notice) texts: Texts,
    /// The checks for a machine under suspicion.
    pub(in crate::notice) check_suspect: &'static [&'static str],
    /// The checks for a machine that is attacked.
    pub(in crate::notice) check_victim: &'static [&'static str],
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
}

/// Declares the texts, and a way for tests to go through them.
macro_rules! texts {
    ($($name:ident,)*) => {
        /// Texts of one language.
        pub(in crate::notice) struct Texts {
            $(pub(in crate::notice) $name: &'static str,)*
        }

        #[cfg(test)]
        impl Texts {
            pub(in crate::notice) fn all(&self) -> Vec<(&'static str, &'static str)> {
                vec![$((stringify!($name), self.$name),)*]
            }
        }
    };
}

texts! {
    // Lists.
    and, and_list, list, and_more, more, more_hosts, sentence_more, line_more, behaviours,
    // The beginning and the end.
    hello, hello_name, our_routers, routers_of, signature,
    // The subject.
    subject, subject_more, subject_time, moment_length, no_exporter, at_port, on_port,
    // The parts.
    about, a_machine, a_network, several, named_below, further_hosts, meaning, if_situation,
    check_suspect, check_victim, when_fixed, fixed, silence, others, other_facts,
    // A host.
    responsible, nobody_responsible, seen, when, port, how_much, to, from, rule, evidence, note,
    amount, all_windows, when_many, unknown_time, time_to, window, peer, peers, peers_in,
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

/// The most hosts of the other side that are named, to give an idea of them.
const MAX_PEERS: usize = 8;

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

    /// Returns the hosts on the other side, the most important first.
    pub(in crate::notice) fn peers(&self, finding: &Finding) -> String {
        let flows = |flows| (self.count)(flows, Noun::Flow);
        let named = finding.peer.iter().take(MAX_PEERS).map(|peer| match peer.flows {
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
        let more = finding.more.saturating_add((finding.peer.len() - named.len()) as u64);
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
