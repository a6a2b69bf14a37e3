//! Letters: mails about incidents that are remembered, one for each recipient and run.
//!
//! The reader was woken by it at night. So the first line and the subject say the step and the matter, the
//! text about one incident fits on a page, and many incidents become a table. A [`Letter`] is text in, text
//! out: who gets it, and when, is decided elsewhere.
//!
//! The lines of findings that incidents keep may be forged, and so may be what a mail server says. Only fixed
//! words, numbers and addresses of such text reach a header, and the body has it escaped and shortened.

use std::cmp::Reverse;

use super::message::{MailError, Parts, titled};

mod advice;
mod digest;
mod draft;
mod full;
mod model;
mod operator;
mod table;
mod view;

use draft::Draft;
pub use model::{
    Case, Failure, Letter, LetterSender, OperatorReport, Undelivered, UndeliveredIncident,
};
use view::View;

#[cfg(test)]
mod tests;

impl Letter<'_> {
    /// Returns the subject: the name of the site, and the gravest step with its matter; of a digest, the number
    /// of incidents at each step.
    pub fn subject(&self, sender: &LetterSender<'_>) -> String {
        self.subject_of(&self.views(sender), sender)
    }

    /// Returns the text in lines of at most 72 columns, each with a newline at its end.
    pub fn body(&self, sender: &LetterSender<'_>) -> String {
        self.body_of(&self.views(sender), sender)
    }

    /// Returns the whole message (RFC 5322), whose lines end in CRLF. `references` are the message ids of
    /// earlier letters about the same incidents, oldest first; the message is an answer to the last of them.
    /// The same letter, sender and message id give the same bytes.
    ///
    /// # Errors
    /// Returns an error for an address or a date that lettre does not accept, and for a message id that is
    /// none.
    pub fn message(
        &self,
        sender: &LetterSender<'_>,
        message_id: &str,
        references: &[String],
    ) -> Result<Vec<u8>, MailError> {
        let views = self.views(sender);
        let parts = Parts {
            to: self.to,
            name: self.name,
            lang: self.lang,
            subject: self.subject_of(&views, sender),
            body: self.body_of(&views, sender),
            message_id: message_id.to_owned(),
            references,
        };
        parts.message(&sender.base)
    }

    /// Returns the cases, the gravest first: by step, then by how far they are beyond their limit.
    fn views(&self, sender: &LetterSender<'_>) -> Vec<View<'_>> {
        let now = sender.base.date.secs();
        let mut views: Vec<_> = self.cases.iter().map(|case| View::new(case, now)).collect();
        views.sort_by(|a, b| {
            let step = Reverse(a.case.step).cmp(&Reverse(b.case.step));
            let times = b.times().total_cmp(&a.times());
            step.then(times).then(a.case.incident.id.cmp(&b.case.incident.id))
        });
        views
    }

    fn subject_of(&self, views: &[View<'_>], sender: &LetterSender<'_>) -> String {
        titled(&sender.base, &Draft::new(self, sender).first_line(views))
    }

    fn body_of(&self, views: &[View<'_>], sender: &LetterSender<'_>) -> String {
        let mut draft = Draft::new(self, sender);
        let first = draft.first_line(views);
        draft.paragraph("", &first);
        draft.writer.out.push('\n');
        draft.writer.hello(self.name);
        let is_digest = draft.is_digest;
        match views {
            [] => {}
            [view] if !is_digest => full::one(&mut draft, view),
            views if is_digest => digest::digest(&mut draft, views),
            views => full::several(&mut draft, views),
        }
        if let Some(report) = &self.report {
            operator::report(&mut draft, report, views.is_empty());
        }
        draft.end();
        draft.writer.out
    }
}
