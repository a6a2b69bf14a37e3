//! Tests of the parts of a mail, with hostile ones.

use super::*;
use proptest::prelude::*;

fn words(text: &str) -> Text {
    Part::new(text.as_bytes()).words()
}

fn plain(text: &str) -> Text {
    Text::Plain(text.to_owned())
}

#[test]
fn fields_are_unfolded_and_odd_lines_passed_over() {
    let bytes =
        b" continued\nFrom a@b Mon Nov 30 10:39:36 2026\nno field\nSubject : one\r\n\ttwo\n\
        SUBJECT: three\nX: \xff\x00\ry\n\nSubject: body\n";
    let part = Part::new(bytes);
    let subjects: Vec<_> = part.fields().filter(|f| f.is("subject")).map(|f| f.text()).collect();
    assert_eq!(subjects, ["one two", "three"]);
    assert!(part.field("From").is_none(), "the line before a mail in a mailbox is no field");
    assert_eq!(part.field("x").unwrap().text(), "\u{fffd}\0\ry");
    assert_eq!(part.body(), b"Subject: body\n");
    let part = Part::new(b"A: 1\r\n\r\n\r\nb");
    assert_eq!((part.fields().count(), part.body()), (1, &b"\r\nb"[..]));
    assert!(Part::new(b"").is_empty() && Part::new(b"A: 1").body().is_empty());
}

#[test]
fn encoded_words_are_decoded() {
    let subject = |text: &str| {
        let bytes = format!("Subject: {text}\n\n");
        Part::new(bytes.as_bytes()).field("Subject").unwrap().decoded()
    };
    assert_eq!(subject("=?utf-8?B?5YCL5Lq6?= =?utf-8?Q?_a?="), "個人 a");
    assert_eq!(subject("=?big5?B?pECmuA==?="), "一次");
    assert_eq!(subject("個人"), "個人");
    assert_eq!(subject("=?utf-8?B?!?= =?nope?Q?a?="), "=?utf-8?B?!?= =?nope?Q?a?=");
}

#[test]
fn the_first_plain_text_is_the_words() {
    assert_eq!(words("Subject: a\n\nhello\n"), plain("hello\n"));
    assert_eq!(words("Content-Type: text/html\n\n<p>\n"), Text::Html);
    assert_eq!(words("Content-Type: image/png\n\n<p>\n"), Text::None);
    let nested = "Content-Type: multipart/mixed; boundary=\"a:b\"\r\n\r\nbefore\r\n--a:b\r\n\
        Content-Type: multipart/alternative; boundary=a\r\n\r\n--a\r\n\
        Content-Type: text/html\r\n\r\n<p>\r\n--a\r\n\
        Content-Type: text/plain; charset=iso-8859-1\r\n\
        Content-Transfer-Encoding: Quoted-Printable\r\n\r\nna=EFve=\r\n!\r\n--a--\r\n\
        after\r\n--a:b--\r\n";
    assert_eq!(words(nested), plain("naïve!"));
    let attached = "Content-Type: multipart/mixed; boundary=a\n\n--a\n\
        Content-Disposition: attachment; filename=x\n\nsecret\n--a\n\nshown\n--a--\n";
    assert_eq!(words(attached), plain("shown"));
    let blank = "Content-Type: multipart/alternative; boundary=a\n\n--a\n\n \n--a\n\
        Content-Type: text/html\n\n<p>\n--a--\n";
    assert_eq!(words(blank), Text::Html, "a blank text is none");
}

#[test]
fn a_boundary_is_a_whole_line() {
    let text =
        "Content-Type: multipart/mixed; boundary=a\n\n--a  \n\n--ab\n x--a\n--a--\n\n--a\n\nno\n";
    let part = Part::new(text.as_bytes());
    let bodies: Vec<_> = part.parts().iter().map(Part::body).collect();
    assert_eq!(bodies, [b"--ab\n x--a"]);
    // A mail that was cut, and one without any boundary.
    assert_eq!(words("Content-Type: multipart/mixed; boundary=a\n\n--a\n\ncut"), plain("cut"));
    assert_eq!(words("Content-Type: multipart/mixed; boundary=a\n\nnothing"), Text::None);
    assert_eq!(words("Content-Type: multipart/mixed\n\n--\n\nnothing"), Text::None);
    assert_eq!(words("Content-Type: multipart/mixed; boundary=\"\"\n\n--\n\nno"), Text::None);
}

#[test]
fn a_body_that_cannot_be_decoded_is_none() {
    let text = |encoding: &str, body: &str| {
        words(&format!("Content-Transfer-Encoding: {encoding}\n\n{body}"))
    };
    assert_eq!(text("BASE64 (as usual)", "aGVs\r\nbG8="), plain("hello"));
    assert_eq!(text("base64", "a*b"), Text::None);
    assert_eq!(text("x-uuencode", "as it is"), plain("as it is"));
    assert_eq!(words("Content-Type: text/plain; charset=nope\n\nas it is"), plain("as it is"));
    let utf16 = Part::new(b"Content-Type: text/plain; charset=utf-16le\n\nh\0i\0!").words();
    assert_eq!(utf16, plain("hi\u{fffd}"));
}

#[test]
fn comments_and_parameters_are_left_out() {
    for (value, word) in [
        ("No", "no"),
        ("(a (b) \\) c) no (d); e=f", "no"),
        ("auto-generated (failure)", "auto-generated"),
        ("auto-replied; owner-email=\"a@b\"", "auto-replied"),
        ("(never closed no", ""),
        (")no", ")no"),
        ("", ""),
    ] {
        assert_eq!(keyword(value), word, "{value}");
    }
    assert_eq!(without_comments("\"a (b)\" <c@d> (e)"), "\"a (b)\" <c@d> ");
}

#[test]
fn texts_for_people_are_escaped_and_cut() {
    assert_eq!(for_people("a\r\nBcc: b\u{1b}[2J\u{202e}", 300), "a\\r\\nBcc: b\\x1b[2J\\u{202e}");
    assert_eq!(for_people(&"é".repeat(300), 300), "é".repeat(300));
    assert_eq!(for_people(&"é".repeat(301), 300), format!("{}…", "é".repeat(299)));
    assert_eq!(for_people(&"\n".repeat(9), 4), "\\n\\…");
}

#[test]
fn nesting_and_numbers_are_bounded() {
    let mut deep = String::new();
    for depth in 0..10_000 {
        deep += &format!("Content-Type: multipart/mixed; boundary=b{depth}\n\n--b{depth}\n");
    }
    deep += "\nhello\n";
    assert_eq!(words(&deep), Text::None);
    // The same boundary at each level.
    let same = "Content-Type: multipart/mixed; boundary=b\n\n--b\n".repeat(20_000);
    assert_eq!(words(&same), Text::None);
    let wide =
        format!("Content-Type: multipart/mixed; boundary=b\n\n{}", "--b\n\n".repeat(100_000));
    assert_eq!(Part::new(wide.as_bytes()).parts().len(), MAX_PARTS);
    let fields = format!("{}Subject: last\n\nhello", "A: =?=?=?=?\n".repeat(80_000));
    assert_eq!(words(&fields), plain("hello"));
    // mailparse alone would need hours for this field.
    let long = format!("Subject: {}\n\nhello", "=?".repeat(400_000));
    assert!(Part::new(long.as_bytes()).field("Subject").unwrap().decoded().len() < 2 * MAX_FIELD);
    let big = format!("\n{}", "x".repeat(10 << 20));
    assert!(Part::new(big.as_bytes()).body().len() < MAX_MESSAGE);
}

proptest! {
    #[test]
    fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let part = Part::new(&bytes);
        part.words();
        part.decoded();
        part.fields().for_each(|field| { field.decoded(); });
        prop_assert!(part.body().len() <= bytes.len());
    }

    #[test]
    fn any_mail_of_real_pieces_is_read(pieces in prop::collection::vec(prop::sample::select(vec![
        "\n", "\r\n", "\r", "\0", " ", "\t", "--a", "--", "--a--\n", "--a\n", "Content-Type: ", "text/plain",
        "multipart/mixed; boundary=a\n", "multipart/mixed;", "boundary*0=a;boundary*1*=utf-8''%41", ";", "=", "\"",
        "\\", "(", ")", "charset=utf-7\n", "Content-Transfer-Encoding: base64\n", "quoted-printable\n", "=3", "====",
        "Content-Disposition: attachment\n", "=?utf-8?B?", "=?utf-8?Q?=F0=9F", "?=", "é", "\u{202e}", ":", "x",
    ]), 0..80)) {
        let text = pieces.concat();
        let part = Part::new(text.as_bytes());
        for field in part.fields() {
            keyword(&field.decoded());
        }
        part.decoded();
        let kept: usize = part.parts().iter().map(|part| part.body().len()).sum();
        prop_assert!(kept <= text.len());
        if let Text::Plain(text) = part.words() {
            prop_assert!(!text.trim().is_empty());
        }
    }
}
