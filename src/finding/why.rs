//! The `why` column for publication: conditions stay readable, addresses are masked.

use super::record::Host;

/// The longest measure or word of a condition that a publication shows, in bytes.
const MAX_WORD: usize = 32;

/// The text in place of a part that could name an address.
const HIDDEN: &str = "?";

/// Returns the rule `why` as a publication may show it.
///
/// A condition is `measure=value`, with or without a limit after `>`, `>=`, `<` or `<=`. Numbers, durations
/// (`1h`) and words (`sequential`, `spread+bruteforce`) stay as they are. An address or a network is masked
/// as [`Host::text`] masks it. Everything else becomes a question mark, because it could name an address in
/// a form that nobody thought of.
pub fn masked_why(why: &str) -> String {
    why.split(',').map(condition).collect::<Vec<_>>().join(",")
}

fn condition(text: &str) -> String {
    let Some((measure, rest)) = text.split_once('=') else { return part(text) };
    if measure.len() > MAX_WORD || !is_word(measure) {
        return HIDDEN.to_owned();
    }
    let Some(at) = rest.find(['<', '>']) else { return format!("{measure}={}", part(rest)) };
    let (value, limit) = rest.split_at(at);
    let sign = if limit[1..].starts_with('=') { &limit[..2] } else { &limit[..1] };
    format!("{measure}={}{sign}{}", part(value), part(&limit[sign.len()..]))
}

/// Returns one value or limit: as it is, masked, or hidden.
fn part(text: &str) -> String {
    if text.is_empty() || is_number(text) || is_duration(text) || text.split('+').all(is_word) {
        return if text.len() <= MAX_WORD * 4 { text.to_owned() } else { HIDDEN.to_owned() };
    }
    Host::parse(text).map_or_else(|| HIDDEN.to_owned(), |host| host.text(true))
}

fn is_digits(text: &str) -> bool {
    (1..=20).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
}

/// Returns true for a decimal number. It has at most one point, so that no IPv4 address is one.
fn is_number(text: &str) -> bool {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    is_digits(whole) && is_digits(decimals)
}

fn is_duration(text: &str) -> bool {
    text.strip_suffix(['s', 'm', 'h', 'd', 'w']).is_some_and(is_digits)
}

/// Returns true for a word of letters and hyphens. No address can be written without a digit, a point or a
/// colon.
fn is_word(text: &str) -> bool {
    (1..=MAX_WORD).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use proptest::prelude::*;

    use super::*;

    /// Holds a rule of each form that a detector writes.
    #[test]
    fn conditions_without_an_address_stay_as_they_are() {
        for why in [
            "",
            "nets=16>=2,hosts=254>=200",
            "flows=2000>1000",
            "share=0.75>0.5",
            "sources=40>=10,largestpct=3<50",
            "targets=1979>=1000,dark=31,also=bruteforce",
            "ports=5>=5,order=sequential,octetsapacket=40,sport=fixed,class=horizontal,also=dark+icmp",
            "failed=70>=61,over=1w",
            "askedpct=0<=10,sport=53,service=dns,sports=3,bogons=17,ours=4,drawnof=65536",
        ] {
            assert_eq!(masked_why(why), why);
        }
    }

    #[test]
    fn addresses_are_masked_in_values_and_limits() {
        for (why, masked) in [
            ("targets=60>=25,by=192.0.2.9,also=spread", "targets=60>=25,by=192.0.2.?,also=spread"),
            ("by=2001:db8:7:1::9", "by=2001:db8:7::?"),
            (
                "by=2002:c000:209::1,of=2002:c000:209::/48",
                "by=2002:c000:200::?,of=2002:c000:200::?",
            ),
            ("n=192.0.2.9>=1,x=1<192.0.2.9", "n=192.0.2.?>=1,x=1<192.0.2.?"),
            ("of=192.0.2.0/24,in=192.0.2.8/29", "of=192.0.2.0/24,in=192.0.2.?"),
            ("192.0.2.9", "192.0.2.?"),
        ] {
            assert_eq!(masked_why(why), masked);
        }
    }

    #[test]
    fn parts_that_could_name_an_address_are_hidden() {
        for (why, masked) in [
            ("by=2001:db9::bad", "by=2001:db9::?"),
            ("by=[192.0.2.9]:80", "by=?"),
            ("by=host-192-0-2-9", "by=?"),
            ("by=0xc0000209,n=2>1", "by=?,n=2>1"),
            ("by=192.0.2.9/24", "by=?"),
            ("by=192.0.2.009", "by=?"),
            ("by 192.0.2.9=1", "?"),
            ("n=1>2,by ::1", "n=1>2,?"),
            ("n=1>2>192.0.2.9", "n=1>?"),
            ("n=1==192.0.2.9", "n=?"),
            ("By=1", "?"),
            ("n=é>1", "n=?>1"),
            ("by=192.0.2.1…", "by=?"),
        ] {
            assert_eq!(masked_why(why), masked);
        }
        assert_eq!(masked_why(&format!("n={}", "a+".repeat(200))), "n=?");
    }

    proptest! {
        /// No part of the shown text can be parsed as the address, whatever text is around it.
        #[test]
        fn no_address_gets_through(
            address in any::<IpAddr>(), before in "[a-z=><, /\\[(:.0-9-]{0,6}",
            after in "[a-z=><, /\\]):.0-9-]{0,6}",
        ) {
            let shown = masked_why(&format!("{before}{address}{after}"));
            let is_part = |c: char| c.is_ascii_hexdigit() || c == '.' || c == ':';
            for word in shown.split(|c| !is_part(c)) {
                let word = word.trim_end_matches('.');
                prop_assert!(word.parse() != Ok(address), "{} shows {}", shown, address);
            }
        }
    }
}
