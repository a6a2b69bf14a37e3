//! The text of a mail while it is written: paragraphs, headings and named facts.

use unicode_width::UnicodeWidthStr;

use super::message::Sender;
use super::words::{Noun, Words, columns, line, wrap};
use crate::report::LocalTime;

/// The most columns of the name of a fact.
const NAME: usize = 9;

/// A mail that is being written.
pub(super) struct Writer<'a> {
    pub(super) out: String,
    pub(super) words: &'static Words,
    pub(super) local: &'a LocalTime,
    /// The routers whose records are read, in words.
    routers: String,
}

impl<'a> Writer<'a> {
    /// Returns an empty mail.
    pub(super) fn new(words: &'static Words, sender: &Sender<'a>) -> Writer<'a> {
        let routers = match sender.site {
            "" => words.texts.our_routers.to_owned(),
            site => words.fill(words.texts.routers_of, &[("site", site)]),
        };
        Writer { out: String::new(), words, local: sender.local, routers }
    }
}

impl Writer<'_> {
    /// Appends the salutation and an empty line. The name may be empty.
    pub(super) fn hello(&mut self, name: &str) {
        match name {
            "" => self.paragraph("", self.words.texts.hello, &[]),
            name => self.paragraph("", self.words.texts.hello_name, &[("name", name)]),
        }
        self.out.push('\n');
    }

    /// Appends a paragraph.
    pub(super) fn paragraph(&mut self, first: &str, text: &str, values: &[(&str, &str)]) {
        let text = self.words.fill(text, values);
        wrap(&mut self.out, first, &text);
    }

    /// Appends a paragraph that names the routers.
    pub(super) fn about_routers(&mut self, first: &str, text: &str, values: &[(&str, &str)]) {
        let text = self.with_routers(text, values);
        wrap(&mut self.out, first, &text);
    }

    /// Returns a text that names the routers.
    pub(super) fn with_routers(&self, text: &str, values: &[(&str, &str)]) -> String {
        let routers = [("routers", self.routers.as_str())];
        let values: Vec<_> = values.iter().copied().chain(routers).collect();
        self.words.fill(text, &values)
    }

    /// Returns a number with its noun.
    pub(super) fn count(&self, number: usize, noun: Noun) -> String {
        (self.words.count)(number as u64, noun)
    }

    /// Appends the number of things that are left out, if there are any.
    pub(super) fn and_more(&mut self, first: &str, number: usize, noun: Noun, text: &str) {
        if number > 0 {
            let more = self.count(number, noun);
            self.paragraph(first, text, &[("more", &more)]);
        }
    }

    /// Appends a heading with a line below it.
    pub(super) fn heading(&mut self, text: &str) {
        line(&mut self.out, format_args!("\n{text}\n{}\n", "-".repeat(text.width())));
    }

    /// Appends a fact with its name. An empty name continues the fact before it.
    pub(super) fn fact(&mut self, name: &str, text: &str) {
        wrap(&mut self.out, &format!("  {} ", columns(name, NAME)), text);
    }
}
