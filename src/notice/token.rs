//! The unguessable names of mails: the token in the addresses that answers go to, and the Message-ID.
//!
//! Both are HMAC-SHA-256 (RFC 2104) of the same parts with the site's secret and a label of their own: a person
//! who sees a Message-ID, as the archive of a mailing list shows it, cannot compute the token from it.

use std::fmt;
use std::str::FromStr;

use hmac::digest::KeyInit;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::contacts::Address;

/// The most bytes of a local part (RFC 5321 section 4.5.3.1.1).
const MAX_LOCAL: usize = 64;

/// The labels that keep the hashes apart. They have one length, and stay as long as mails are remembered.
const TOKEN_LABEL: [u8; 16] = *b"nfkit token v1\0\0";
const ID_LABEL: [u8; 16] = *b"nfkit msg-id v1\0";

/// The token of one mail: 128 bits that only the site's secret gives. As text it is 32 hexadecimal digits in lower
/// case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(u128);

impl Token {
    /// Returns the token of the mail that tells `recipient` of these notices (their ids, sorted) at a moment in
    /// Unix seconds. The same parts give the same token.
    pub fn of(secret: &[u8; 32], notices: &[u64], recipient: &str, at: u64) -> Token {
        Token(hash(&TOKEN_LABEL, secret, notices, recipient, at))
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// The text is not 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a token of 32 hexadecimal digits")]
pub struct NotAToken;

impl FromStr for Token {
    type Err = NotAToken;

    /// Reads 32 hexadecimal digits of either case, because mail servers may fold the local part of an address.
    fn from_str(text: &str) -> Result<Token, NotAToken> {
        // `from_str_radix` alone would take a sign.
        let is_hex = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
        let number = is_hex.then(|| u128::from_str_radix(text, 16).ok()).flatten();
        number.map(Token).ok_or(NotAToken)
    }
}

/// Returns the Message-ID of the mail with these parts, with its angle brackets. The same parts give the same id,
/// so that a mail that was sent twice can be recognised.
pub fn message_id(
    secret: &[u8; 32],
    notices: &[u64],
    recipient: &str,
    at: u64,
    domain: &str,
) -> String {
    let hash = hash(&ID_LABEL, secret, notices, recipient, at);
    format!("<nfkit.{hash:032x}@{domain}>")
}

/// Returns the first 128 bits of the HMAC of the parts. All parts have a fixed length, or their length before them:
/// no two lists of parts give the same bytes.
fn hash(label: &[u8; 16], secret: &[u8; 32], notices: &[u64], recipient: &str, at: u64) -> u128 {
    // A key that is shorter than a block is filled with zeros (RFC 2104 section 2). A whole block cannot have a
    // wrong length.
    let mut key = [0; 64];
    key.iter_mut().zip(secret).for_each(|(to, from)| *to = *from);
    let mut mac = Hmac::<Sha256>::new(&key.into());
    mac.update(label);
    mac.update(&(notices.len() as u64).to_be_bytes());
    for notice in notices {
        mac.update(&notice.to_be_bytes());
    }
    mac.update(&(recipient.len() as u64).to_be_bytes());
    mac.update(recipient.as_bytes());
    mac.update(&at.to_be_bytes());
    let bytes: [u8; 32] = mac.finalize().into_bytes().into();
    bytes.iter().take(16).fold(0, |number, &byte| (number << 8) | u128::from(byte))
}

/// The kind of answer that an address takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Answer {
    /// Delivery reports: the return path of a mail.
    Bounce,
    /// A person's reply: the Reply-To of a mail.
    Reply,
}

impl Answer {
    /// Returns the letter that stands for it in an address.
    const fn letter(self) -> char {
        match self {
            Answer::Bounce => 'b',
            Answer::Reply => 'r',
        }
    }
}

/// The reason why an address cannot take answers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerAddressError {
    /// The local part would be too long with a token.
    #[error("{0}: the part before the @ has more than {max} bytes, the limit for an address of answers",
        max = MAX_BASE)]
    TooLong(Address),
    /// The address with the token is none.
    #[error("{0}")]
    NotAnAddress(String),
}

/// The most bytes of the local part of a base: `+b-` and a token come behind it.
pub const MAX_BASE: usize = MAX_LOCAL - 35;

/// Returns the address that takes the answers to one mail: `nfkit+b-TOKEN@example.org` for delivery reports and
/// `nfkit+r-TOKEN@example.org` for replies, if `base` is `nfkit@example.org`.
///
/// # Errors
/// Returns an error if the local part would have more than 64 bytes.
pub fn answer_address(
    base: &Address,
    answer: Answer,
    token: Token,
) -> Result<Address, AnswerAddressError> {
    let (local, domain) = base.parts();
    if local.len() > MAX_BASE {
        return Err(AnswerAddressError::TooLong(base.clone()));
    }
    let text = format!("{local}+{}-{token}@{domain}", answer.letter());
    text.parse().map_err(AnswerAddressError::NotAnAddress)
}

/// Returns the kind and the token of an address that [`answer_address`] gives, for any base: an envelope recipient,
/// in any case and with or without angle brackets. Returns `None` for any other text.
pub fn parse_answer(address: &str) -> Option<(Answer, Token)> {
    let inside = address.strip_prefix('<').and_then(|rest| rest.strip_suffix('>'));
    let address: Address = inside.unwrap_or(address).parse().ok()?;
    let (local, _) = address.parts();
    let (base, detail) = local.rsplit_once('+')?;
    if base.is_empty() {
        return None;
    }
    let (letter, token) = detail.split_once('-')?;
    let answers = [Answer::Bounce, Answer::Reply];
    let is_it =
        |answer: &Answer| letter.eq_ignore_ascii_case(answer.letter().encode_utf8(&mut [0]));
    let answer = answers.into_iter().find(is_it)?;
    Some((answer, token.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    const SECRET: [u8; 32] = *b"0123456789abcdef0123456789abcdef";

    fn token(notices: &[u64], recipient: &str, at: u64) -> Token {
        Token::of(&SECRET, notices, recipient, at)
    }

    fn address(text: &str) -> Address {
        text.parse().unwrap()
    }

    #[test]
    fn a_token_is_hmac_sha_256_of_its_parts() {
        // Computed by Python's hmac.
        let token = token(&[1, 258], "a@b.example", 998_068_800);
        assert_eq!(token.to_string(), "97a6e93231cf35ea3d47a0257fcce800");
        let id = message_id(&SECRET, &[1, 258], "a@b.example", 998_068_800, "example.org");
        assert_eq!(id, "<nfkit.906fbcfe6059bc905f66582c32f5d5bb@example.org>");
    }

    #[test]
    fn each_part_changes_the_token() {
        let other = *b"0123456789abcdef0123456789abcdeF";
        let all = [
            token(&[], "a", 0),
            token(&[0], "a", 0),
            token(&[1], "a", 0),
            token(&[0, 0], "a", 0),
            token(&[], "", 0),
            token(&[], "a", 1),
            token(&[], "a\0", 0),
            // The bytes of one part must not pass for those of the next.
            token(&[1], "", 0),
            token(&[], "\0\0\0\0\0\0\0\u{1}", 0),
            Token::of(&other, &[], "a", 0),
        ];
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
        let id = message_id(&SECRET, &[], "a", 0, "b");
        assert!(!id.contains(&all[0].to_string()), "the id shows the token");
    }

    #[test]
    fn the_text_of_a_token_always_has_32_digits() {
        assert_eq!(Token(1).to_string(), format!("{}1", "0".repeat(31)));
        assert_eq!("0".repeat(32).parse(), Ok(Token(0)));
        assert_eq!("F".repeat(32).parse(), Ok(Token(u128::MAX)));
        for bad in ["", "+", &"0".repeat(31), &"0".repeat(33), &format!("+{}", "0".repeat(31))] {
            assert_eq!(bad.parse::<Token>(), Err(NotAToken), "{bad:?}");
        }
        assert!(format!("{}g", "0".repeat(31)).parse::<Token>().is_err());
        assert!("\u{e9}".repeat(16).parse::<Token>().is_err());
    }

    #[test]
    fn the_addresses_of_answers_are_read_back() {
        let (base, token) = (address("nfkit@example.org"), Token(0xabc));
        let hex = "00000000000000000000000000000abc";
        for (answer, letter) in [(Answer::Bounce, 'b'), (Answer::Reply, 'r')] {
            let made = answer_address(&base, answer, token).unwrap();
            assert_eq!(made.as_str(), format!("nfkit+{letter}-{hex}@example.org"));
            let folded = made.as_str().to_uppercase();
            for text in [made.as_str(), &folded, &format!("<{made}>"), &format!("<{folded}>")] {
                assert_eq!(parse_answer(text), Some((answer, token)), "{text}");
            }
        }
        let made = answer_address(&address("a+b-c.d@x"), Answer::Reply, token).unwrap();
        assert_eq!(parse_answer(made.as_str()), Some((Answer::Reply, token)));
    }

    #[test]
    fn a_base_leaves_room_for_the_token() {
        let base = |length: usize| address(&format!("{}@example.org", "a".repeat(length)));
        let made = answer_address(&base(29), Answer::Bounce, Token(7)).unwrap();
        assert_eq!(made.parts().0.len(), 64);
        assert_eq!(parse_answer(made.as_str()), Some((Answer::Bounce, Token(7))));
        let error = answer_address(&base(30), Answer::Bounce, Token(7)).unwrap_err();
        assert_eq!(error, AnswerAddressError::TooLong(base(30)));
        assert!(error.to_string().contains("29 bytes"), "{error}");
    }

    #[test]
    fn only_the_form_that_is_issued_is_an_answer() {
        let hex = "00000000000000000000000000000abc";
        for bad in [
            String::new(),
            "<>".to_owned(),
            "nfkit@example.org".to_owned(),
            format!("nfkit+r-{hex}"),
            format!("+r-{hex}@example.org"),
            format!("nfkit-r-{hex}@example.org"),
            format!("nfkit+x-{hex}@example.org"),
            format!("nfkit+rr-{hex}@example.org"),
            format!("nfkit+-{hex}@example.org"),
            format!("nfkit+r{hex}@example.org"),
            format!("nfkit+r-{hex}0@example.org"),
            format!("nfkit+r-{hex}+x@example.org"),
            format!("nfkit+r-{hex}@"),
            format!("<nfkit+r-{hex}@example.org"),
            format!("nfkit+r-{hex}@example.org>"),
            format!("<<nfkit+r-{hex}@example.org>>"),
            format!("nfkit+r-{hex}@example.org\n"),
            format!("nfkit+r-{hex}@example.org,a@b"),
            format!("\"nfkit+r-{hex}\"@example.org"),
            format!("A <nfkit+r-{hex}@example.org>"),
        ] {
            assert_eq!(parse_answer(&bad), None, "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn any_token_and_base_come_back(
            number: u128, is_bounce: bool, local in "[a-z0-9!#$%&'*+/=?^_`{|}~-]{1,29}",
        ) {
            prop_assume!(!local.starts_with('-'));
            let answer = if is_bounce { Answer::Bounce } else { Answer::Reply };
            let base = address(&format!("{local}@example.org"));
            let made = answer_address(&base, answer, Token(number)).unwrap();
            prop_assert_eq!(parse_answer(made.as_str()), Some((answer, Token(number))));
        }

        #[test]
        fn any_text_is_read(text in ".{0,90}") {
            if let Some((answer, token)) = parse_answer(&text) {
                let detail = format!("+{}-{token}@", answer.letter());
                prop_assert!(text.to_ascii_lowercase().contains(&detail));
            }
        }
    }
}
