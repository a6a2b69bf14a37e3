//! A letter that is being written: its sender, its first line and its end.

use std::collections::BTreeSet;

use crate::contacts::{Lang, is_visible};
use crate::finding::Host;
use crate::incident::Step;
use crate::notice::words::{Noun, Words, line, words_of, wrap};
use crate::notice::writer::Writer;

use super::model::{Letter, LetterSender};
use super::view::View;

/// The most lines of a site's text at the end, and the most characters of each.
const MAX_FOOTER: usize = 10;
const MAX_FOOTER_LINE: usize = 500;

/// The most incidents that a letter describes in full, whatever `digest_above` says: a mail must stay one
/// that servers accept.
const MAX_FULL: usize = 40;

/// A letter that is being written.
pub(super) struct Draft<'a> {
    pub(super) writer: Writer<'a>,
    pub(super) words: &'static Words,
    pub(super) sender: &'a LetterSender<'a>,
    /// The date of the letter, in Unix seconds.
    pub(super) now: u64,
    pub(super) held_back: u64,
    /// True if the recipient is the operator.
    pub(super) is_operator: bool,
    /// True if there are too many incidents to describe them one by one.
    pub(super) is_digest: bool,
}

impl<'a> Draft<'a> {
    /// Returns an empty letter.
    pub(super) fn new(letter: &Letter<'_>, sender: &'a LetterSender<'a>) -> Draft<'a> {
        let words = words_of(letter.lang);
        let is_operator = letter.report.is_some()
            || sender.operator.is_some_and(|operator| operator.folded() == letter.to.folded());
        Draft {
            writer: Writer::new(words, &sender.base),
            words,
            sender,
            now: sender.base.date.secs(),
            held_back: letter.held_back,
            is_operator,
            is_digest: letter.cases.len() > letter.digest_above.min(MAX_FULL),
        }
    }

    /// Returns the step and the matter of the gravest case, with the number of other hosts; of a digest, the
    /// number of incidents at each step.
    pub(super) fn first_line(&self, views: &[View<'_>]) -> String {
        let texts = &self.words.letter;
        let Some((view, more)) = views.split_first() else {
            return texts.report_line.to_owned();
        };
        if self.is_digest {
            return self.counts(views);
        }
        let values = [("step", &*self.step(view)), ("matter", &*view.matter(self.words))];
        let text = self.words.fill(texts.first_line, &values);
        if more.is_empty() {
            return text;
        }
        // One host has two incidents if it attacks and is attacked.
        let hosts: BTreeSet<Host> = views.iter().map(View::host).collect();
        let more = if hosts.len() == views.len() {
            self.writer.count(more.len(), Noun::MoreHosts)
        } else {
            self.writer.count(more.len(), Noun::MoreIncidents)
        };
        self.words.fill(texts.more_incidents, &[("line", &text), ("more", &more)])
    }

    /// Returns the number of incidents, and how many there are at each step, the gravest first.
    fn counts(&self, views: &[View<'_>]) -> String {
        let words = self.words;
        let steps = Step::ALL.iter().rev().filter_map(|step| {
            let noun = match step {
                Step::First => Noun::New,
                Step::Grown => Noun::Grown,
                Step::Reminder => Noun::Reminder,
                Step::Released => Noun::Released,
                Step::Deadline => Noun::Deadline,
                Step::Isolated => Noun::Isolated,
            };
            let number = views.iter().filter(|view| view.case.step == *step).count();
            (number > 0).then(|| self.writer.count(number, noun))
        });
        let steps = steps.collect::<Vec<_>>().join(words.texts.list);
        let incidents = self.writer.count(views.len(), Noun::Incident);
        let values = [("incidents", &*incidents), ("steps", &steps)];
        words.fill(words.letter.digest_line, &values)
    }

    /// Returns the step of a case in words, with the moment of a deadline.
    pub(super) fn step(&self, view: &View<'_>) -> String {
        match (view.case.step, view.case.due) {
            (Step::Deadline, Some(due)) => {
                self.words.fill(self.words.letter.deadline, &[("due", &self.moment(due))])
            }
            (Step::Reminder, Some(due)) => {
                self.words.fill(self.words.letter.reminder_due, &[("due", &self.moment(due))])
            }
            (step, _) => self.step_word(step).to_owned(),
        }
    }

    /// Returns the word of a step.
    pub(super) fn step_word(&self, step: Step) -> &'static str {
        let texts = &self.words.letter;
        match step {
            Step::First => texts.first,
            Step::Grown => texts.grown,
            Step::Reminder => texts.reminder,
            Step::Released => texts.released,
            Step::Deadline => texts.deadline_undated,
            Step::Isolated => texts.isolated,
        }
    }

    /// Returns the address of the person who reads replies, unless that is the reader.
    pub(super) fn who(&self) -> Option<String> {
        self.sender.operator.filter(|_| !self.is_operator).map(ToString::to_string)
    }

    /// Returns a moment in Unix seconds.
    pub(super) fn moment(&self, seconds: u64) -> String {
        self.sender.base.local.text(seconds)
    }

    /// Returns a moment in Unix seconds that is known to the minute, rounded up.
    pub(super) fn about(&self, seconds: u64) -> String {
        self.moment(seconds.div_ceil(60).saturating_mul(60))
    }

    /// Appends a paragraph of finished text.
    pub(super) fn paragraph(&mut self, first: &str, text: &str) {
        wrap(&mut self.writer.out, first, text);
    }

    /// Appends sentences as one paragraph.
    pub(super) fn sentences(&mut self, first: &str, sentences: &[String]) {
        let text = self.joined(sentences);
        self.paragraph(first, &text);
    }

    /// Returns sentences as one text. Chinese has no blanks between them.
    pub(super) fn joined(&self, sentences: &[String]) -> String {
        sentences.join(if self.words.lang == Lang::ZhTw { "" } else { " " })
    }

    /// Appends the heading of a section.
    pub(super) fn section(&mut self, heading: &str) {
        if !self.writer.out.ends_with("\n\n") {
            self.writer.out.push('\n');
        }
        line(&mut self.writer.out, format_args!("{heading}"));
    }

    /// Returns the sentence about notices that were held back, if there were some.
    pub(super) fn held_back(&self) -> Option<String> {
        let notices = (self.words.count)(self.held_back, Noun::Notice);
        let text = self.words.fill(self.words.letter.held_back, &[("notices", &notices)]);
        (self.held_back > 0).then_some(text)
    }

    /// Appends the end: the site's own text and the signature.
    pub(super) fn end(&mut self) {
        self.writer.out.push_str("\n-- \n");
        for text in self.sender.footer.lines().take(MAX_FOOTER) {
            let visible = |c| if is_visible(c) { c } else { ' ' };
            let text: String = text.chars().take(MAX_FOOTER_LINE).map(visible).collect();
            self.paragraph("", text.trim());
        }
        self.writer.about_routers("", self.words.letter.signature, &[]);
    }
}
