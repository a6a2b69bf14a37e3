//! The part for the operator: mails that did not arrive, and notices that were not sent.

use crate::notice::words::{self, Noun};

use super::draft::Draft;
use super::model::{Failure, OperatorReport, Undelivered, UndeliveredIncident};

/// The most mails that are listed.
const MAX_MAILS: usize = 20;

/// The most numbers of incidents that are listed of one mail.
const MAX_INCIDENTS: usize = 10;

/// Appends the report, unless there is nothing to tell. If the letter is nothing else, the report needs no heading.
pub(super) fn report(draft: &mut Draft<'_>, report: &OperatorReport, is_alone: bool) {
    let (words, texts) = (draft.words, &draft.words.letter);
    if *report == OperatorReport::default() {
        return;
    }
    let indent = if is_alone { "" } else { "  " };
    if !is_alone {
        draft.section(texts.report);
    }
    let (shown, more) = report.undelivered.split_at(report.undelivered.len().min(MAX_MAILS));
    let more = report.more_undelivered.saturating_add(more.len() as u64);
    if !shown.is_empty() || more > 0 {
        draft.paragraph(indent, texts.report_undelivered);
        for mail in shown {
            undelivered(draft, mail, indent);
        }
        if more > 0 {
            let more = (words.count)(more, Noun::MoreMails);
            let first = format!("{indent}  ");
            draft.writer.paragraph(&first, texts.report_more, &[("more", &more)]);
        }
        draft.paragraph(indent, texts.report_again);
    }
    for (number, text) in
        [(report.held_back, texts.report_held_back), (report.superseded, texts.report_superseded)]
    {
        if number > 0 {
            let notices = (words.count)(number, Noun::Notice);
            draft.writer.paragraph(indent, text, &[("notices", &notices)]);
        }
    }
    if report.dropped_replies > 0 {
        let mails = (words.count)(report.dropped_replies, Noun::Mail);
        draft.writer.paragraph(indent, texts.report_dropped, &[("mails", &mails)]);
    }
}

/// Appends a mail that did not arrive.
fn undelivered(draft: &mut Draft<'_>, mail: &Undelivered, indent: &str) {
    let (words, texts) = (draft.words, &draft.words.letter);
    let (first, details) = (format!("{indent}  "), format!("{indent}    "));
    let failure = match mail.failure {
        Failure::Refused => texts.refused,
        Failure::Bounced => texts.bounced,
    };
    let to = words::plain(&mail.to);
    let values = [("time", &*draft.moment(mail.at)), ("failure", failure), ("to", &to)];
    draft.writer.paragraph(&first, texts.report_row, &values);
    let (shown, more) = mail.incidents.split_at(mail.incidents.len().min(MAX_INCIDENTS));
    if !shown.is_empty() {
        let text = |one: &UndeliveredIncident| {
            let (id, host) = (one.id.to_string(), one.host.text(false));
            words.fill(texts.report_host, &[("id", &id), ("host", &host)])
        };
        let list: Vec<_> = shown.iter().map(text).collect();
        let mut list = list.join(words.texts.list);
        if !more.is_empty() {
            list += &words.and_more(&draft.writer.count(more.len(), Noun::MoreIncidents));
        }
        let text =
            if mail.incidents.len() == 1 { texts.report_incident } else { texts.report_incidents };
        draft.writer.paragraph(&details, text, &[("list", &list)]);
    }
    if !mail.why.is_empty() {
        draft.paragraph(&details, &words::plain(&mail.why));
    }
}
