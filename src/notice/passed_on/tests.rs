//! Tests of the mail to the operator: nothing of the received mail is more than text in it.

use super::*;
use crate::notice::received::{Envelope, Received, classify};
use crate::report::LocalTime;
use crate::time::Timestamp;
use proptest::prelude::*;
use unicode_width::UnicodeWidthStr;

const ID: &str = "<nfkit.00112233445566778899aabbccddeeff@example.org>";

const REPLY: &[u8] = b"From kim@dept.example.org  Mon Nov 30 10:39:36 2026\n\
    From: =?utf-8?Q?K=C3=ADm?= <kim@dept.example.org>\nTo: nfkit@example.org\n\
    Reply-To: evil@example.net\nSubject: =?big5?B?pECmuA==?=\n\
    Content-Type: text/plain; charset=utf-8\n\nI look at it.\n\n> 10.1.2.3 scans\n";

fn passed(original: &[u8]) -> PassedOn<'_> {
    PassedOn {
        original,
        is_cut: false,
        size: original.len() as u64,
        origin: Origin::Notice,
        sender: "kim@dept.example.org",
        incidents: &[12],
        hosts: &[],
        is_isolated: false,
        held_back: 0,
    }
}

fn message(passed: &PassedOn<'_>, lang: Lang) -> Vec<u8> {
    let from = "nfkit@example.org".parse().unwrap();
    let sender = Sender {
        from: &from,
        reply_to: None,
        site: "NCCU",
        date: Timestamp::from_secs(998_068_800),
        local: &LocalTime::UTC,
    };
    passed.message(&sender, &"op@example.org".parse().unwrap(), lang, ID).unwrap()
}

/// The parts of a message: its header, its text with LF, and the attached mail.
struct Parts {
    header: String,
    text: String,
    attached: Vec<u8>,
}

fn parts(message: &[u8]) -> Parts {
    let at = memmem::find(message, b"\r\n\r\n").unwrap();
    let whole = Part::new(message);
    // The part reader sees only the first MiB, which is more than a message has.
    let parts = whole.parts();
    assert_eq!(parts.len(), 2);
    assert_eq!(parts[0].content_type().mimetype, "text/plain");
    // A mail in another charset than UTF-8 is a file.
    let file = parts[1].content_type().mimetype != "message/rfc822";
    let attached = if file {
        let part = [b"Content-Transfer-Encoding: base64\r\n\r\n", parts[1].body()].concat();
        mailparse::parse_mail(&part).unwrap().get_body_raw().unwrap()
    } else {
        parts[1].body().to_vec()
    };
    assert_eq!(file, std::str::from_utf8(&attached).is_err());
    let text = String::from_utf8(parts[0].body().to_vec()).unwrap();
    assert!(!text.replace("\r\n", "").contains(['\r', '\n']));
    Parts {
        header: String::from_utf8(message[..at].to_vec()).unwrap(),
        text: text.replace("\r\n", "\n"),
        attached,
    }
}

/// Asserts that every line of a message fits: 998 bytes, and in the text 72 columns.
fn assert_lines_fit(message: &[u8]) {
    assert!(!message.contains(&0));
    for text in message.split(|&b| b == b'\n') {
        assert!(text.len() <= MAX_LINE + 1, "{} bytes", text.len());
    }
    let text = parts(message).text;
    for text in text.lines() {
        assert!(text.width() <= 72, "{text}");
        assert!(!text.contains(char::is_control), "{text:?}");
    }
}

#[test]
fn a_reply_is_shown_quoted_and_attached() {
    let hosts = ["10.1.2.3".to_owned(), "10.1.2.4".to_owned()];
    let passed = PassedOn { hosts: &hosts, ..passed(REPLY) };
    let bytes = message(&passed, Lang::En);
    assert_lines_fit(&bytes);
    let Parts { header, text, attached } = parts(&bytes);
    assert!(header.contains("\r\nSubject: [NCCU] Reply about incident 12\r\n"), "{header}");
    assert!(header.contains("\r\nAuto-Submitted: auto-generated\r\n"), "{header}");
    assert!(header.contains(&format!("\r\nMessage-ID: {ID}\r\n")), "{header}");
    assert!(!header.contains("Reply-To") && !header.contains("evil"), "{header}");
    for piece in [
        "a notice about incident 12, which",
        "\n  Sender      kim@dept.example.org\n  From        Kím <kim@dept.example.org>\n",
        "\n  Subject     一次\n  Hosts       10.1.2.3, 10.1.2.4\n  Size        ",
        "prove nothing",
        "\n> I look at it.\n>\n> > 10.1.2.3 scans\n",
        "attached as it was received",
    ] {
        assert!(text.contains(piece), "{piece}: {text}");
    }
    assert!(!text.contains("isolated") && !text.contains("not passed on"), "{text}");
    let from = memmem::find(REPLY, b"\nFrom: ").unwrap() + 1;
    let expected = String::from_utf8_lossy(&REPLY[from..]).replace('\n', "\r\n");
    assert_eq!(String::from_utf8(attached).unwrap().trim_end(), expected.trim_end());
    assert_eq!(bytes, message(&passed, Lang::En), "the same mail has the same bytes");
}

#[test]
fn chinese_has_all_of_it_too() {
    let hosts = ["10.1.2.3".to_owned()];
    let passed = PassedOn {
        hosts: &hosts,
        is_isolated: true,
        held_back: 1234,
        is_cut: true,
        incidents: &[7, 8],
        ..passed(REPLY)
    };
    let bytes = message(&passed, Lang::ZhTw);
    assert_lines_fit(&bytes);
    let Parts { header, text, .. } = parts(&bytes);
    assert!(header.contains("\r\nContent-Language: zh-TW\r\n"), "{header}");
    for piece in ["解除隔離", "事件 7、8", "主旨", "> I look at it.", "1,234 封", "附件是開頭的"]
    {
        assert!(text.contains(piece), "{piece}: {text}");
    }
}

#[test]
fn a_request_for_release_says_so_first() {
    let text = |incidents, is_isolated| {
        let bytes = message(&PassedOn { incidents, is_isolated, ..passed(REPLY) }, Lang::En);
        let Parts { header, text, .. } = parts(&bytes);
        let subject = header.lines().find_map(|line| line.strip_prefix("Subject: "));
        (subject.unwrap().to_owned(), text)
    };
    let (subject, release) = text(&[3, 4][..], true);
    assert_eq!(subject, "[NCCU] Request for release: incidents 3, 4");
    assert!(release.starts_with("A host that this reply is about is isolated."), "{release}");
    assert!(release.contains("nfnotify resolve"), "{release}");
    let (subject, none) = text(&[][..], false);
    assert_eq!(subject, "[NCCU] Reply to a notice");
    assert!(none.starts_with("Somebody replied to a notice. The reply claims no"), "{none}");
    assert_eq!(text(&[][..], true).0, "[NCCU] Request for release");
    let many: Vec<u64> = (1..=100).collect();
    let (subject, listed) = text(&many[..], false);
    assert_eq!(subject, "[NCCU] Reply about incidents 1, 2, 3, 4, 5 and 95 more");
    assert!(listed.replace('\n', " ").contains("19, 20 and 80 more"), "{listed}");
}

#[test]
fn nothing_of_the_reply_gets_into_the_header() {
    let original =
        b"From: a@b\r\n\tBcc: x@example.net\r\nSubject: =?utf-8?Q?a=0D=0ABcc:_x@example.net?=\r\n\
        X: \x00\r\n\r\n-- \r\nSubject: b\r\n";
    let hosts = ["10.0.0.1\r\nBcc: x@example.net".to_owned()];
    let sender = "a@b\r\nBcc: x@example.net\u{202e}";
    let passed = PassedOn { sender, hosts: &hosts, held_back: 1, ..passed(original) };
    let bytes = message(&passed, Lang::En);
    assert_lines_fit(&bytes);
    let Parts { header, text, .. } = parts(&bytes);
    assert!(!header.contains("Bcc") && !header.contains("x@example.net"), "{header}");
    assert!(text.contains("a@b\\r\\nBcc: x@example.net\\u{202e}"), "{text}");
    assert!(text.contains("Subject     a\\r\\nBcc: x@example.net\n"), "{text}");
    assert!(text.contains("too\nmany: 1."), "{text}");
    // The quotation has no line that ends a text or a part.
    assert!(text.contains("\n> --\n> Subject: b\n"), "{text}");
}

#[test]
fn html_and_pictures_are_not_shown() {
    let html = b"Content-Type: text/html\n\n<script>alert(1)</script>\n";
    let text = parts(&message(&passed(html), Lang::En)).text;
    assert!(text.contains("HTML") && !text.contains("script"), "{text}");
    let picture = b"Content-Type: image/png\n\nPNG\n";
    let text = parts(&message(&passed(picture), Lang::En)).text;
    assert!(text.contains("no text that can be shown") && !text.contains("PNG"), "{text}");
}

#[test]
fn long_texts_are_cut_and_say_so() {
    let longer = "The text is longer than this.";
    let of = |body: &str| parts(&message(&passed(format!("\n{body}").as_bytes()), Lang::En)).text;
    let lines = |n: usize| (0..n).map(|n| n.to_string() + "\n").collect::<Vec<_>>().concat();
    let text = of(&lines(200));
    assert!(text.contains("\n> 199\n") && !text.contains(longer), "{text}");
    let text = of(&lines(201));
    assert!(!text.contains("\n> 200\n") && text.contains(longer), "{text}");
    assert!(!of(&"x".repeat(500)).contains(longer));
    let text = of(&"x".repeat(501));
    assert!(text.contains(longer) && text.matches('x').count() < 510, "{text}");
    // Thousands of accents, wide characters and long words.
    for body in ["e\u{301}\u{302}\u{303}".repeat(3000), "個".repeat(3000), "x y\t".repeat(300)] {
        assert_lines_fit(&message(&passed(format!("\n{body}").as_bytes()), Lang::En));
    }
}

#[test]
fn the_attachment_is_bounded_and_has_lines_of_a_mail() {
    let (attached, is_cut) = attachable(b"A: b\rC: d\n\ne\0f\r\n\r\r\n\xff");
    assert_eq!((&attached[..], is_cut), (&b"A: b\r\nC: d\r\n\r\nef\r\n\r\n\r\n\xff"[..], false));
    let (attached, is_cut) = attachable(&[b'x'; 3000]);
    assert!(!is_cut && attached.split(|&b| b == b'\n').all(|line| line.len() <= MAX_LINE + 1));
    assert_eq!(attached.iter().filter(|&&b| b == b'x').count(), 3000);
    assert!(memmem::find(&attached, b"x\r\n x").is_some(), "behind a blank a field goes on");
    let big = b"x\n".repeat(1 << 20);
    let (attached, is_cut) = attachable(&big);
    assert!(is_cut && (MAX_ATTACHED - 8..=MAX_ATTACHED).contains(&attached.len()));
    let text = parts(&message(&passed(&big), Lang::En)).text;
    assert!(text.contains("Its first 262 kB are\nattached."), "{text}");
    let cut = PassedOn { is_cut: true, ..passed(REPLY) };
    assert!(parts(&message(&cut, Lang::En)).text.contains("too large to be passed on whole"));
}

#[test]
fn a_boundary_in_the_mail_is_not_taken() {
    let first = boundary(ID, &[b""]);
    let second = boundary(ID, &[first.as_bytes()]);
    assert_ne!(first, second);
    assert!(first.len() <= 70 && first.starts_with("nfkit-"));
    let original = format!("\nhello\n--{first}\n--{first}--\n");
    let bytes = message(&passed(original.as_bytes()), Lang::En);
    assert_eq!(parts(&bytes).attached.trim_ascii_start().len(), original.len() + 2);
}

#[test]
fn the_operators_mail_is_no_reply_itself() {
    let bytes = message(&passed(REPLY), Lang::En);
    let recipient = "nfkit+r-00112233445566778899aabbccddeeff@example.org";
    let found = classify(&bytes, &Envelope { sender: "nfkit@example.org", recipient });
    assert!(matches!(found, Received::Automatic { why: "Auto-Submitted", .. }));
}

proptest! {
    #[test]
    fn any_mail_is_passed_on(
        original in prop::collection::vec(any::<u8>(), 0..500),
        sender in "\\PC{0,30}|.{0,300}",
        incidents in prop::collection::vec(any::<u64>(), 0..40),
        is_isolated: bool,
        is_zh: bool,
    ) {
        let passed = PassedOn { sender: &sender, incidents: &incidents, is_isolated, ..passed(&original) };
        let bytes = message(&passed, if is_zh { Lang::ZhTw } else { Lang::En });
        assert_lines_fit(&bytes);
        let header = parts(&bytes).header;
        prop_assert_eq!(header.matches("\r\nSubject: ").count(), 1);
        prop_assert!(header.lines().all(|line| line.is_ascii()));
    }

    #[test]
    fn any_text_is_quoted_in_lines_that_fit(text in "(.|[\u{301}\u{e0100}個a \t\n]){0,600}") {
        let mut out = String::new();
        quote(&mut out, &text);
        for line in out.lines() {
            prop_assert!(line.starts_with('>') && line.width() <= 72 && line.len() <= MAX_LINE);
        }
    }
}
