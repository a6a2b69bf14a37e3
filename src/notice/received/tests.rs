//! Tests of received mails. The samples have the form that the programs give their mails, with other names.

use super::*;
use proptest::prelude::*;

mod samples;

use samples::*;

const HEX: &str = "00112233445566778899aabbccddeeff";

fn token() -> Token {
    HEX.parse().unwrap()
}

fn bounce() -> String {
    format!("nfkit+b-{HEX}@example.org")
}

fn reply() -> String {
    format!("nfkit+r-{HEX}@example.org")
}

fn to(message: &str, sender: &str, recipient: &str) -> Received {
    classify(message.as_bytes(), &Envelope { sender, recipient })
}

/// Returns the deliveries of a report from the null sender, the same for both line ends.
fn deliveries(message: &str) -> Vec<Delivery> {
    let crlf = message.replace('\n', "\r\n");
    let [found, same] = [message, &crlf].map(|text| match to(text, "", &bounce()) {
        Received::Report { token: found, deliveries } if found == token() => deliveries,
        other => panic!("{other:?}"),
    });
    assert_eq!(found, same);
    found
}

fn delivery(action: Action, recipient: &str, status: &str, diagnostic: &str) -> Delivery {
    let [recipient, status, diagnostic] = [recipient, status, diagnostic].map(str::to_owned);
    Delivery { action, recipient, status, diagnostic }
}

fn why(message: &str, sender: &str, recipient: &str) -> Option<&'static str> {
    match to(message, sender, recipient) {
        Received::Automatic { why, .. } => Some(why),
        _ => None,
    }
}

#[test]
fn reports_of_postfix_exim_sendmail_and_exchange_are_read() {
    let failed = |status: &str, diagnostic: &str| {
        vec![delivery(Action::Failed, "kim@dept.example.org", status, diagnostic)]
    };
    assert_eq!(
        deliveries(POSTFIX),
        failed(
            "5.1.1",
            "550 5.1.1 <kim@dept.example.org>: Recipient address rejected: User unknown in local \
             recipient table"
        )
    );
    assert_eq!(
        deliveries(EXIM),
        failed("5.0.0", "550-5.1.1 The account does not exist. 550 5.1.1 Please check it.")
    );
    assert_eq!(deliveries(SENDMAIL), failed("5.1.1", "550 5.1.1 User unknown"));
    assert_eq!(deliveries(EXCHANGE), failed("5.1.10", "550 5.1.10 RESOLVER.ADR.RecipientNotFound"));
}

#[test]
fn each_action_is_told_apart() {
    for (word, action) in [
        ("failed", Action::Failed),
        ("Delayed (retrying)", Action::Delayed),
        ("DELIVERED", Action::Delivered),
        ("relayed", Action::Relayed),
        ("expanded", Action::Expanded),
    ] {
        let message = POSTFIX.replace("Action: failed", &format!("Action: {word}"));
        assert_eq!(deliveries(&message)[0].action, action, "{word}");
    }
    let message = POSTFIX.replace("Action: failed", "Action: lost");
    let automatic =
        Received::Automatic { why: "null sender", token: Some((Answer::Bounce, token())) };
    assert_eq!(to(&message, "<>", &bounce()), automatic, "an unknown action reports nothing");
}

#[test]
fn reports_name_several_recipients_and_bounded_texts() {
    let groups: String = (0..40)
        .map(|n| {
            ["\nOriginal-Recipient: rfc822;u", &n.to_string(), "@x\nAction: delayed\n"].concat()
        })
        .collect();
    let message = EXIM.replace("\nAction: failed", &(groups + "\nAction: failed"));
    let found = deliveries(&message);
    assert_eq!(found.len(), 16);
    assert_eq!(found[15], delivery(Action::Delayed, "u15@x", "", ""));
    let long = format!("Diagnostic-Code: smtp; \u{1b}[2J\0{}", "y".repeat(4000));
    let message = POSTFIX.replace("Diagnostic-Code: smtp; 550", &long);
    let diagnostic = deliveries(&message)[0].diagnostic.clone();
    assert!(diagnostic.starts_with("\\x1b[2J\\x00yyy"), "{diagnostic}");
    assert_eq!(diagnostic.chars().count(), 300);
}

#[test]
fn an_internationalised_report_is_read() {
    // RFC 6533: UTF-8, in an encoding.
    let message = "Content-Type: multipart/report; boundary=b;\n report-type=\"delivery-status\"\n\n--b\n\
        Content-Type: message/global-delivery-status\nContent-Transfer-Encoding: base64\n\n\
        UmVwb3J0aW5nLU1UQTogZG5zO3gKCkZpbmFsLVJlY2lwaWVudDogdXRmLTg7IOS/oUB4CkFjdGlv\n\
        bjogZmFpbGVkCg==\n--b--\n";
    assert_eq!(deliveries(message), [delivery(Action::Failed, "信@x", "", "")]);
}

#[test]
fn a_report_counts_only_at_a_return_path() {
    let other = HEX.replace('0', "g");
    for (recipient, answer) in [
        (reply(), Some((Answer::Reply, token()))),
        ("nfkit@example.org".to_owned(), None),
        (format!("nfkit+b-{other}@example.org"), None),
        (String::new(), None),
    ] {
        let automatic = Received::Automatic { why: "null sender", token: answer };
        assert_eq!(to(POSTFIX, "", &recipient), automatic, "{recipient}");
    }
    // Only the envelope tells where a mail was sent to.
    let claimed = format!("To: {}\nDelivered-To: {}\n{POSTFIX}", bounce(), bounce());
    assert!(matches!(
        to(&claimed, "", "nfkit@example.org"),
        Received::Automatic { token: None, .. }
    ));
    // The server folded the address.
    let folded = format!("<{}>", bounce().to_uppercase());
    assert!(matches!(to(POSTFIX, "", &folded), Received::Report { .. }));
}

#[test]
fn what_is_no_report_is_none() {
    let automatic =
        |message: &str| matches!(to(message, "", &bounce()), Received::Automatic { .. });
    assert!(automatic(QMAIL), "prose");
    let inside = format!("Content-Type: multipart/mixed; boundary=zz\n\n--zz\n{POSTFIX}\n--zz--\n");
    assert!(automatic(&inside), "forwarded");
    for (from, to) in [
        ("report-type=delivery-status", "report-type=feedback-report"),
        ("report-type=delivery-status;", ""),
        ("multipart/report", "multipart/mixed"),
        ("message/delivery-status", "text/plain"),
        ("Action: failed\n", ""),
        ("boundary=\"", "boundary=\"x"),
    ] {
        assert!(POSTFIX.contains(from), "{from}");
        assert!(automatic(&POSTFIX.replace(from, to)), "{from}");
    }
    // No person writes to a return path.
    assert_eq!(to(PERSON, "kim@dept.example.org", &bounce()), Received::Other);
}

#[test]
fn a_person_is_told_from_a_program() {
    let sender = "kim@dept.example.org";
    let message = Received::Reply { token: token() };
    assert_eq!(to(PERSON, sender, &reply()), message);
    assert_eq!(to(PERSON, sender, "nfkit@example.org"), Received::Other);
    for (sample, sign) in [
        (EXCHANGE_OOF, "Auto-Submitted"),
        (GMAIL_VACATION, "Auto-Submitted"),
        (VACATION, "Precedence"),
        (EXIM, "Auto-Submitted"),
        (QMAIL, "From MAILER-DAEMON"),
        (RECEIPT, "multipart/report"),
    ] {
        let token = Some((Answer::Reply, token()));
        assert_eq!(to(sample, sender, &reply()), Received::Automatic { why: sign, token });
    }
}

#[test]
fn each_sign_of_a_program_is_seen() {
    for (field, sign) in [
        ("Auto-Submitted: auto-replied", Some("Auto-Submitted")),
        ("auto-submitted:AUTO-NOTIFIED; owner-email=\"a@b\"", Some("Auto-Submitted")),
        ("Auto-Submitted: no\nAuto-Submitted: auto-generated", Some("Auto-Submitted")),
        ("Auto-Submitted:", Some("Auto-Submitted")),
        ("Auto-Submitted: nobody", Some("Auto-Submitted")),
        ("Auto-Submitted: no", None),
        ("Auto-Submitted:\n (a (nested) comment)\n NO; x=y", None),
        ("Precedence: Bulk", Some("Precedence")),
        ("Precedence: junk", Some("Precedence")),
        ("Precedence: list (x)", Some("Precedence")),
        ("Precedence: auto_reply", Some("Precedence")),
        ("Precedence: first-class", None),
        ("X-Autoreply: yes", Some("X-Autoreply")),
        ("X-Autorespond: a", Some("X-Autorespond")),
        ("List-Id: <a.b>", Some("List-Id")),
        ("List-Unsubscribe: <mailto:a@b>", Some("List-Unsubscribe")),
        ("List-Other: a", None),
        ("X-Auto-Response-Suppress: All", None),
        ("From: MAILER-DAEMON", Some("From MAILER-DAEMON")),
        ("From: \"a <b@c>\" <Mailer-Daemon@x> (y <z>)", Some("From MAILER-DAEMON")),
        ("From: mailer-daemon@x (Mail Delivery System)", Some("From MAILER-DAEMON")),
        ("From: \"mailer-daemon@x\" <kim@x>", None),
        ("From: postmaster@dept.example.org", None),
        (
            "Content-Type: multipart/report; report-type=disposition-notification",
            Some("multipart/report"),
        ),
        ("Content-Type: MULTIPART/Report", Some("multipart/report")),
        ("Content-Type: multipart/mixed", None),
        ("Subject: Auto-Submitted: auto-replied", None),
        ("Subject: x\n\nAuto-Submitted: auto-replied", None),
    ] {
        let message = format!("{field}\nSubject: Re: x\n\nhello\n");
        assert_eq!(why(&message, "kim@x", &reply()), sign, "{field}");
        let crlf = message.replace('\n', "\r\n");
        assert_eq!(why(&crlf, "kim@x", &reply()), sign, "{field} with CRLF");
    }
}

#[test]
fn the_null_sender_has_many_names() {
    for sender in ["", "<>", " <> ", "MAILER-DAEMON", "mailer-daemon@x", "<MAILER-DAEMON@x>"] {
        assert_eq!(why(PERSON, sender, &reply()), Some("null sender"), "{sender}");
    }
    for sender in ["postmaster@x", "kim@x", "<kim@x>", "mailer-daemon-2@x"] {
        assert_eq!(why(PERSON, sender, &reply()), None, "{sender}");
    }
}

#[test]
fn a_field_cannot_be_put_in_by_another() {
    // A bare CR ends no line, an encoded word no field, and a NUL no text.
    for field in [
        "Subject: a\rAuto-Submitted: auto-replied",
        "Subject: =?utf-8?Q?a=0D=0AAuto-Submitted:_auto-replied?=",
        "Subject: a\n Auto-Submitted: auto-replied",
        "Subject: a\0\nX-\0: b",
    ] {
        let message = format!("From: kim@x\n{field}\n\nhello\n");
        assert_eq!(
            to(&message, "kim@x", &reply()),
            Received::Reply { token: token() },
            "{field:?}"
        );
    }
    let bytes = b"Subject: \xa4\xa4\xa4\xe5\xff\nAuto-Submitted: auto-replied\n\n\xff";
    let recipient = reply();
    let found = classify(bytes, &Envelope { sender: "kim@x", recipient: &recipient });
    assert!(matches!(found, Received::Automatic { why: "Auto-Submitted", .. }));
}

#[test]
fn hostile_mails_end() {
    let many = "A: b\n".repeat(100_000) + "Auto-Submitted: auto-replied\n\nhello\n";
    assert_eq!(why(&many, "kim@x", &reply()), Some("Auto-Submitted"));
    let big = PERSON.to_owned() + &"x".repeat(10 << 20);
    assert_eq!(to(&big, "kim@x", &reply()), Received::Reply { token: token() });
    let deep = (0..10_000).fold(String::new(), |text, n| {
        let n = n.to_string();
        let head = "Content-Type: multipart/report; report-type=delivery-status; boundary=b";
        [&text, head, &n, "\n\n--b", &n, "\n"].concat()
    });
    assert!(matches!(to(&deep, "", &bounce()), Received::Automatic { .. }));
    let groups = POSTFIX.replace("Action: failed", &"\n".repeat(200_000));
    assert!(matches!(to(&groups, "", &bounce()), Received::Automatic { .. }));
}

proptest! {
    #[test]
    fn any_mail_is_classified(
        bytes in prop::collection::vec(any::<u8>(), 0..400), sender in ".{0,20}", recipient in ".{0,60}",
    ) {
        let ours = bounce();
        for recipient in [&recipient, &ours] {
            let found = classify(&bytes, &Envelope { sender: &sender, recipient });
            let is_reply = matches!(found, Received::Reply { .. });
            prop_assert!(!is_reply);
        }
    }

    #[test]
    fn a_damaged_report_gives_bounded_texts(
        at in 0usize..POSTFIX.len(), cut in 0usize..40, noise in ".{0,400}",
    ) {
        let mut message = POSTFIX.as_bytes().to_vec();
        message.splice(at..(at + cut).min(POSTFIX.len()), noise.bytes());
        let recipient = bounce();
        if let Received::Report { deliveries, .. } =
            classify(&message, &Envelope { sender: "", recipient: &recipient })
        {
            prop_assert!((1..=16).contains(&deliveries.len()));
            for found in deliveries {
                for text in [found.recipient, found.status, found.diagnostic] {
                    prop_assert!(text.chars().count() <= 300 && !text.contains(char::is_control));
                }
            }
        }
    }
}
