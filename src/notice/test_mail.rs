//! The mails of `nfnotify test`, which show that mail goes out and that answers come back.

use super::message::{MailError, Parts, Sender, titled};
use super::words::{words_of, wrap};
use crate::contacts::{Address, Lang};

/// Returns the mail to the operator. If there is a way back, it asks for a reply: then `sender.reply_to` is the
/// address that takes it.
///
/// # Errors
/// Returns an error for an address that lettre does not accept.
pub fn to_operator(
    sender: &Sender<'_>,
    to: &Address,
    lang: Lang,
    message_id: &str,
    has_way_back: bool,
) -> Result<Vec<u8>, MailError> {
    let texts = &words_of(lang).texts;
    let next = if has_way_back { texts.test_reply } else { texts.test_no_way_back };
    message(sender, to, lang, message_id, texts.test_subject, &[texts.test_out, next])
}

/// Returns the mail to a reply address of ours, `to`, which tests the way back without a person.
///
/// # Errors
/// Returns an error for an address that lettre does not accept.
pub fn to_ourselves(
    sender: &Sender<'_>,
    to: &Address,
    lang: Lang,
    message_id: &str,
) -> Result<Vec<u8>, MailError> {
    let texts = &words_of(lang).texts;
    message(sender, to, lang, message_id, texts.test_back_subject, &[texts.test_back])
}

fn message(
    sender: &Sender<'_>,
    to: &Address,
    lang: Lang,
    message_id: &str,
    subject: &str,
    paragraphs: &[&str],
) -> Result<Vec<u8>, MailError> {
    let mut text = String::new();
    for (nth, paragraph) in paragraphs.iter().enumerate() {
        if nth > 0 {
            text.push('\n');
        }
        wrap(&mut text, "", paragraph);
    }
    let parts = Parts {
        to,
        name: "",
        lang,
        subject: titled(sender, subject),
        body: text,
        message_id: message_id.to_owned(),
        references: &[],
    };
    parts.message(sender)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notice::received::{Envelope, Received, classify};
    use crate::notice::token::{Answer, Token, answer_address};
    use crate::report::LocalTime;
    use crate::time::Timestamp;
    use unicode_width::UnicodeWidthStr;

    const ID: &str = "<nfkit.0@example.org>";

    /// Calls `run` with a sender that has a reply address, and with that address.
    fn with_sender<T>(run: impl Fn(&Sender<'_>, &Address) -> T) -> T {
        let from = "nfkit@example.org".parse().unwrap();
        let token = Token::of(&[7; 32], &[], "op@example.org", 0);
        let reply_to = answer_address(&from, Answer::Reply, token).unwrap();
        let sender = Sender {
            from: &from,
            reply_to: Some(&reply_to),
            site: "政大",
            date: Timestamp::from_secs(998_068_800),
            local: &LocalTime::UTC,
        };
        run(&sender, &reply_to)
    }

    #[test]
    fn the_operator_is_asked_for_a_reply_only_if_there_is_a_way_back() {
        let to = "op@example.org".parse().unwrap();
        let text = |lang, has_way_back| {
            let mail = with_sender(|sender, _| to_operator(sender, &to, lang, ID, has_way_back));
            String::from_utf8(mail.unwrap()).unwrap()
        };
        let mail = text(Lang::En, true);
        assert!(mail.contains("\r\nAuto-Submitted: auto-generated\r\n"), "{mail}");
        assert!(mail.contains("\r\nMessage-ID: <nfkit.0@example.org>\r\n"), "{mail}");
        assert!(mail.contains("\r\nReply-To: nfkit+r-"), "{mail}");
        assert!(mail.contains("reply to this mail"), "{mail}");
        assert!(!text(Lang::En, false).contains("reply to this mail"));
        let mail = text(Lang::ZhTw, true);
        assert!(mail.contains("\r\nContent-Language: zh-TW\r\n"), "{mail}");
        assert!(mail.contains("請回覆本信") && !text(Lang::ZhTw, false).contains("請回覆本信"));
    }

    #[test]
    fn the_mail_to_ourselves_brings_its_token_back() {
        for lang in [Lang::En, Lang::ZhTw] {
            with_sender(|sender, to| {
                let mail = to_ourselves(sender, to, lang, ID).unwrap();
                let envelope = Envelope { sender: "nfkit@example.org", recipient: to.as_str() };
                match classify(&mail, &envelope) {
                    Received::Automatic { token: Some((Answer::Reply, token)), .. } => {
                        assert_eq!(token, Token::of(&[7; 32], &[], "op@example.org", 0));
                    }
                    other => panic!("{other:?}"),
                }
                let text = String::from_utf8(mail).unwrap();
                let (_, body) = text.split_once("\r\n\r\n").unwrap();
                assert!(body.lines().all(|line| line.width() <= 72), "{body}");
            });
        }
    }
}
