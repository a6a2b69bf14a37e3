//! The text of one mail about findings.

use std::collections::BTreeSet;

use super::episodes::{Episode, HostFindings};
use crate::finding::words::{bytes, count};
use crate::finding::{Host, Role};
use crate::notice::words::{self, Noun, Situation, WIDTH, line, wrap};
use crate::notice::writer::Writer;
use crate::time::Window;

/// The most hosts that one mail describes in full; further ones are only named. Nobody reads more, and a
/// flood of findings must not make a mail that no server accepts.
const MAX_HOSTS: usize = 40;

/// The most hosts that one mail names beyond these, and the most lines of each other list.
const MAX_NAMED: usize = 100;

/// The most hosts of the other side that are named, to give an idea of them.
const MAX_PEERS: usize = 8;

/// The most episodes of one host that a mail describes in full.
const MAX_EPISODES: usize = 8;

impl Writer<'_> {
    /// Appends the part about the hosts that the recipient is responsible for.
    pub(super) fn about_hosts(&mut self, hosts: &[(Host, &HostFindings<'_>)]) {
        let texts = &self.words.texts;
        let what = self.machines_and_networks(hosts);
        self.about_routers("", texts.about, &[("what", &what)]);
        self.out.push('\n');
        let (full, named) = hosts.split_at(hosts.len().min(MAX_HOSTS));
        for (host, found) in full {
            let episodes = found.episodes();
            let behaviours: Vec<_> =
                episodes.into_iter().take(3).map(|one| one.short(self.words)).collect();
            let behaviours = behaviours.join(texts.behaviours);
            let values = [("host", &*host.text(false)), ("behaviours", &behaviours)];
            self.paragraph("    ", texts.subject, &values);
        }
        if !named.is_empty() {
            let more = self.count(named.len(), Noun::MoreHosts);
            self.paragraph("    ", texts.named_below, &[("more", &more)]);
        }
        let mut situations = BTreeSet::new();
        for (host, found) in full {
            self.out.push('\n');
            situations.extend(self.about_host(*host, found));
        }
        if !named.is_empty() {
            self.heading(texts.further_hosts);
            let (first, rest) = named.split_at(named.len().min(MAX_NAMED));
            let hosts: Vec<_> = first.iter().map(|(host, _)| host.text(false)).collect();
            let more = match rest.len() {
                0 => String::new(),
                n => {
                    let more = self.words.fill(texts.more, &[("count", &count(n as u64))]);
                    self.words.and_more(&more)
                }
            };
            wrap(&mut self.out, "  ", &(hosts.join(texts.list) + &more));
            let episodes = named.iter().flat_map(|(_, found)| found.episodes.values());
            situations.extend(episodes.map(Episode::situation));
        }
        self.advice(&situations);
    }

    /// Returns the machines and networks that a mail is about, in words.
    fn machines_and_networks(&self, hosts: &[(Host, &HostFindings<'_>)]) -> String {
        let texts = &self.words.texts;
        let nets = hosts.iter().filter(|(host, _)| matches!(host, Host::Prefix(_))).count();
        let what = match (hosts.len() - nets, nets) {
            (1, 0) => return texts.a_machine.to_owned(),
            (0, 1) => return texts.a_network.to_owned(),
            (machines, 0) => self.count(machines, Noun::Machine),
            (0, nets) => self.count(nets, Noun::Network),
            (machines, nets) => {
                let machines = self.count(machines, Noun::Machine);
                let nets = self.count(nets, Noun::Network);
                self.words.fill(texts.and, &[("a", &machines), ("b", &nets)])
            }
        };
        self.words.fill(texts.several, &[("what", &what)])
    }

    /// Appends what the situations usually mean, what to check, and how to answer.
    fn advice(&mut self, situations: &BTreeSet<Situation>) {
        let (words, texts) = (self.words, &self.words.texts);
        self.heading(texts.meaning);
        let is_single = situations.len() == 1;
        for (nth, situation) in situations.iter().enumerate() {
            let situation = (words.situation)(*situation);
            if nth > 0 {
                self.out.push('\n');
            }
            if !is_single {
                self.paragraph("  ", texts.if_situation, &[("situation", situation.long)]);
                self.out.push('\n');
            }
            for (n, text) in situation.meaning.iter().enumerate() {
                if n > 0 {
                    self.out.push('\n');
                }
                let first = if is_single { "  " } else { "    " };
                self.paragraph(first, text, &[("tell", texts.tell)]);
            }
        }
        for (is_suspect, title, list) in [
            (true, texts.check_suspect, words.check_suspect),
            (false, texts.check_victim, words.check_victim),
        ] {
            if situations.iter().any(|situation| situation.is_suspect() == is_suspect) {
                self.heading(title);
                for (n, text) in list.iter().enumerate() {
                    self.paragraph(&format!("  {}. ", n + 1), text, &[]);
                }
            }
        }
        self.heading(texts.when_fixed);
        self.paragraph("  ", texts.fixed, &[]);
        self.out.push('\n');
    }

    pub(super) fn about_silence(&mut self, silent: &[Option<Window>]) {
        let texts = &self.words.texts;
        self.paragraph("", texts.silence, &[]);
        self.out.push('\n');
        let (first, rest) = silent.split_at(silent.len().min(MAX_NAMED));
        for window in first {
            let text = self.words.window(*window, self.local);
            wrap(&mut self.out, "    ", &text);
        }
        self.and_more("    ", rest.len(), Noun::MoreWindows, texts.line_more);
        self.out.push('\n');
    }

    pub(super) fn about_others(&mut self, hosts: &[(Host, &HostFindings<'_>)]) {
        let (words, texts) = (self.words, &self.words.texts);
        self.about_routers("", texts.others, &[]);
        self.out.push('\n');
        let (first, rest) = hosts.split_at(hosts.len().min(MAX_NAMED));
        for (host, found) in first {
            for episode in found.episodes().into_iter().take(MAX_EPISODES) {
                let values = [("host", &*host.text(false)), ("behaviours", &episode.short(words))];
                self.paragraph("    ", texts.subject, &values);
                let flows = (words.count)(episode.flows, Noun::Flow);
                let peers = (words.count)(episode.worst.peers, Noun::Host);
                let values = [("flows", &*flows), ("peers", &peers), ("when", &self.when(episode))];
                self.paragraph("        ", texts.other_facts, &values);
            }
        }
        self.and_more("    ", rest.len(), Noun::MoreHosts, texts.line_more);
        self.out.push('\n');
    }

    /// Returns the time of an episode in words.
    fn when(&self, episode: &Episode<'_>) -> String {
        let words = self.words;
        let worst = words.window(episode.worst.window, self.local);
        let mut known = episode.windows.iter().flatten();
        let (number, first, last) = (episode.windows.len(), known.next(), episode.windows.last());
        match (number, first, last) {
            (2.., Some(first), Some(Some(last))) => {
                let windows = self.count(number, Noun::Window);
                let between = words.between(*first, *last, self.local);
                let values = [("windows", &*windows), ("between", &between), ("worst", &worst)];
                words.fill(words.texts.when_many, &values)
            }
            _ => worst,
        }
    }

    /// Appends the section about one host. Returns the situations that the mail has to explain.
    fn about_host(&mut self, host: Host, found: &HostFindings<'_>) -> BTreeSet<Situation> {
        let (words, texts) = (self.words, &self.words.texts);
        let bar = "=".repeat(WIDTH);
        line(&mut self.out, format_args!("{bar}\n{}\n{bar}", host.text(false)));
        match found.net {
            Some(net) => self.paragraph("", texts.responsible, &[("net", &net.to_string())]),
            None => self.paragraph("", texts.nobody_responsible, &[]),
        }
        let episodes = found.episodes();
        let (full, rest) = episodes.split_at(episodes.len().min(MAX_EPISODES));
        for (n, episode) in full.iter().enumerate() {
            let lead = if episodes.len() == 1 { String::new() } else { format!("{}. ", n + 1) };
            self.out.push('\n');
            let what = (words.situation)(episode.situation()).long;
            self.paragraph(&lead, texts.seen, &[("what", what)]);
            self.out.push('\n');
            self.facts(episode);
        }
        if !rest.is_empty() {
            self.out.push('\n');
        }
        self.and_more("", rest.len(), Noun::SmallerFindings, texts.sentence_more);
        episodes.iter().map(|episode| episode.situation()).collect()
    }

    /// Appends what was counted of an episode.
    fn facts(&mut self, episode: &Episode<'_>) {
        let (words, texts) = (self.words, &self.words.texts);
        let finding = episode.worst;
        let when = self.when(episode);
        self.fact(texts.when, &when);
        self.fact(texts.port, &(words.port)(finding.proto, finding.port));
        let flows = (words.count)(finding.flows, Noun::Flow);
        let packets = (words.count)(finding.packets, Noun::Packet);
        let rate = finding.rate.to_string();
        let values = [
            ("flows", &*flows),
            ("rate", &rate),
            ("packets", &packets),
            ("bytes", &bytes(finding.octets)),
        ];
        self.fact(texts.how_much, &words.fill(texts.amount, &values));
        if episode.windows.len() > 1 {
            let flows = (words.count)(episode.flows, Noun::Flow);
            self.fact("", &words.fill(texts.all_windows, &[("flows", &flows)]));
        }
        // The victim of a flood from forged addresses sends what is seen.
        let sends = finding.role == Role::Source || episode.situation() == Situation::Backscatter;
        let side = if sends { texts.to } else { texts.from };
        self.fact(side, &words.peers(finding, MAX_PEERS));
        let why = words::plain(&finding.why).replace(',', ", ");
        self.fact(texts.rule, &format!("{} {}: {why}", finding.kind, finding.class));
        for (n, sample) in finding.sample.iter().enumerate() {
            self.fact(if n == 0 { texts.evidence } else { "" }, &(words.sample)(sample));
        }
        for text in finding.marks.iter().filter_map(|mark| (words.mark)(mark, finding.role)) {
            self.fact(texts.note, text);
        }
    }
}
