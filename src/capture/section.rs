//! The comments in nfcap's own files: the slot that a section holds, and its counters at the end.
//!
//! Each is one line of `key=value` words, separated by one blank, in the opt_comment (pcapng section
//! 3.5) of the section header or of the interface statistics block:
//!
//! ```text
//! nfcap slot=2001-07-01T00:20:00Z seconds=600 open=1
//! nfcap slot=2001-07-01T00:30:00Z seconds=600 open=0 allow=140.119.1.1/32,2001:288::/32
//! nfcap received=1200 dropped_kernel=3 dropped_queue=0
//! nfcap received=1200 dropped_kernel=3 dropped_queue=0 limited=9 denied=7 missing_datagrams=12
//! ```
//!
//! A key that is missing, occurs twice or has an impossible value is an error. Unknown keys are
//! ignored.

use std::fmt;

use ipnet::IpNet;

use crate::time::{Timestamp, Window};
use crate::wire::Lost;

/// The comment of a packet that restates templates in force. No counter includes such packets: no
/// exporter sent them in this slot.
pub(super) const TEMPLATES: &str = "nfcap:templates";

/// The most bytes of [`Slot::ident`].
pub const MAX_IDENT: usize = 64;

/// The most networks that [`Slot::allow`] may name. A comment holds 65,535 bytes, and a network takes
/// at most 44 of them.
pub const MAX_ALLOW: usize = 1000;

/// The slot that one section of an nfcap file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// The period in which the section's datagrams arrived.
    pub window: Window,
    /// Networks of the exporters that nfcap received from, `None` if it was open to all.
    pub allow: Option<Vec<IpNet>>,
    /// Name of the collector, if it has one; see [`is_ident`].
    pub ident: Option<String>,
}

/// Returns true if a collector may have this name: 1 to [`MAX_IDENT`] printable ASCII characters
/// without a blank, because the name is one word of a comment.
pub fn is_ident(text: &str) -> bool {
    (1..=MAX_IDENT).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The interface statistics block that ends a section of an nfcap file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Closing {
    /// Datagrams from allowed exporters that the kernel handed to nfcap, including those in
    /// `dropped_queue` and `limited`.
    pub received: u64,
    /// Datagrams that the kernel dropped because the socket buffer was full.
    pub dropped_kernel: u64,
    /// Datagrams that nfcap dropped because its queue was full.
    pub dropped_queue: u64,
    /// Datagrams that nfcap dropped because their exporter exceeded its rate.
    pub limited: u64,
    /// Datagrams of senders that are not allowed. No other counter includes them.
    pub denied: u64,
    /// Flows and datagrams missing by the sequence numbers of all exporters, wherever they were lost.
    /// Datagrams dropped here are missing too.
    pub missing: Lost,
    /// The moment when nfcap began to listen in this slot (isb_starttime).
    pub start: Timestamp,
    /// The moment when nfcap stopped listening (isb_endtime). `end - start` is the part of the slot
    /// that was covered.
    pub end: Timestamp,
}

/// The reason why the comment of an nfcap section or closing block cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SlotError {
    /// A required key is missing.
    #[error("nfcap's comment lacks {0}=")]
    Missing(&'static str),
    /// A key occurs twice, or has an impossible value.
    #[error("nfcap's comment cannot hold {0:?} here")]
    Value(String),
    /// The closing block lacks the times between which nfcap listened.
    #[error("nfcap's closing block lacks its times")]
    Times,
}

impl Slot {
    /// Returns true if nfcap accepted exports from anyone.
    pub fn open(&self) -> bool {
        self.allow.is_none()
    }

    /// Reads a section comment. Returns `None` if it is not nfcap's.
    pub(super) fn parse(comment: &str) -> Option<Result<Slot, SlotError>> {
        comment.strip_prefix("nfcap slot=")?;
        // mergecap joins many sections into one with all their comments, which is no slot.
        let words = comment.strip_prefix("nfcap ").filter(|words| !words.contains('\n'))?;
        Some(Slot::read(words))
    }

    fn read(words: &str) -> Result<Slot, SlotError> {
        let keys = ["slot", "seconds", "open", "allow", "ident"];
        let [start, seconds, open, allow, ident] = values(words, keys)?;
        if let Some(ident) = ident.filter(|ident| !is_ident(ident)) {
            return Err(SlotError::Value(format!("ident={ident}")));
        }
        let start = start.ok_or(SlotError::Missing("slot"))?;
        let seconds = seconds.ok_or(SlotError::Missing("seconds"))?;
        let window = Window::parse(start, seconds).flatten();
        let window = window.ok_or_else(|| SlotError::Value(format!("{start} {seconds}")))?;
        let allow = match (open.ok_or(SlotError::Missing("open"))?, allow) {
            ("1", None) => None,
            ("0", None) => return Err(SlotError::Missing("allow")),
            ("0", Some("")) => Some(Vec::new()),
            ("0", Some(list)) => Some(
                list.split(',')
                    .map(|net| net.parse().map_err(|_| SlotError::Value(net.to_owned())))
                    .collect::<Result<_, _>>()?,
            ),
            (open, _) => return Err(SlotError::Value(format!("open={open}"))),
        };
        Ok(Slot { window, allow, ident: ident.map(str::to_owned) })
    }
}

/// Writes the section comment.
impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (start, seconds) = (self.window.start_text(), self.window.seconds());
        write!(f, "nfcap slot={start} seconds={seconds} open={}", u8::from(self.open()))?;
        if let Some(ident) = &self.ident {
            write!(f, " ident={ident}")?;
        }
        for (i, net) in self.allow.iter().flatten().enumerate() {
            write!(f, "{}{net}", if i == 0 { " allow=" } else { "," })?;
        }
        match self.allow.as_deref() {
            Some([]) => write!(f, " allow="),
            _ => Ok(()),
        }
    }
}

impl Closing {
    /// Reads the comment of a closing block, without the times. Returns `None` if it is not nfcap's.
    pub(super) fn parse(comment: &str) -> Option<Result<Closing, SlotError>> {
        comment.strip_prefix("nfcap received=")?;
        let words = comment.strip_prefix("nfcap ")?;
        Some(Closing::read(words))
    }

    fn read(words: &str) -> Result<Closing, SlotError> {
        let keys = [
            "received",
            "dropped_kernel",
            "dropped_queue",
            "limited",
            "denied",
            "missing_flows",
            "missing_datagrams",
        ];
        let found = values(words, keys)?;
        let [received, dropped_kernel, dropped_queue, limited, denied, flows, datagrams] = found;
        let required = |key, text: Option<&str>| count(key, text.ok_or(SlotError::Missing(key))?);
        let optional = |key, text: Option<&str>| text.map_or(Ok(0), |text| count(key, text));
        // Negative if late datagrams fill gaps of the slot before.
        let signed = |key, text: Option<&str>| match text.map(|text| (text, text.strip_prefix('-')))
        {
            None => Ok(None),
            Some((text, None)) => Ok(Some(count::<i64>(key, text)?)),
            Some((_, Some(text))) => Ok(Some(-count::<i64>(key, text)?)),
        };
        Ok(Closing {
            received: required("received", received)?,
            dropped_kernel: required("dropped_kernel", dropped_kernel)?,
            dropped_queue: required("dropped_queue", dropped_queue)?,
            limited: optional("limited", limited)?,
            denied: optional("denied", denied)?,
            missing: Lost {
                flows: signed("missing_flows", flows)?,
                datagrams: signed("missing_datagrams", datagrams)?,
            },
            ..Closing::default()
        })
    }

    /// Returns the datagrams dropped by the kernel, by the queue and by the rate limit.
    pub fn dropped(&self) -> u64 {
        self.dropped_kernel.saturating_add(self.dropped_queue).saturating_add(self.limited)
    }
}

/// Parses a number without a sign.
fn count<N: std::str::FromStr>(key: &str, text: &str) -> Result<N, SlotError> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    let number = text.parse().ok().filter(|_| digits);
    number.ok_or_else(|| SlotError::Value(format!("{key}={text}")))
}

/// Writes the comment of the closing block, without the times, which are options of their own. The
/// first three counters are always written, the others only if they are known and not 0.
impl fmt::Display for Closing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Closing { received, dropped_kernel, dropped_queue, limited, denied, missing, .. } =
            self;
        write!(
            f,
            "nfcap received={received} dropped_kernel={dropped_kernel} \
             dropped_queue={dropped_queue}"
        )?;
        for (key, count) in [("limited", *limited), ("denied", *denied)] {
            if count > 0 {
                write!(f, " {key}={count}")?;
            }
        }
        let missing = [("missing_flows", missing.flows), ("missing_datagrams", missing.datagrams)];
        for (key, count) in missing {
            if let Some(count) = count {
                write!(f, " {key}={count}")?;
            }
        }
        Ok(())
    }
}

/// Returns the values of `keys` among words of `key=value`. A key may occur at most once.
fn values<'a, const N: usize>(
    words: &'a str,
    keys: [&str; N],
) -> Result<[Option<&'a str>; N], SlotError> {
    let mut found = [None; N];
    for word in words.split(' ') {
        let Some((key, value)) = word.split_once('=') else {
            return Err(SlotError::Value(word.to_owned()));
        };
        for (known, slot) in keys.iter().zip(&mut found) {
            if *known == key && slot.replace(value).is_some() {
                return Err(SlotError::Value(word.to_owned()));
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_read_back_equal() {
        for text in [
            "nfcap slot=2001-07-01T00:20:00Z seconds=600 open=1",
            "nfcap slot=2001-07-01T00:20:30Z seconds=30 open=0 allow=140.119.1.1/32,2001:288::/32",
            "nfcap slot=2001-07-01T00:20:00Z seconds=600 open=0 allow=",
            "nfcap slot=2001-07-01T00:20:00Z seconds=600 open=0 ident=pop-3=b allow=192.0.2.1/32",
        ] {
            assert_eq!(Slot::parse(text).unwrap().unwrap().to_string(), text);
        }
        let text = "nfcap slot=2001-07-01T00:20:00Z mood=good open=1 seconds=600";
        assert!(Slot::parse(text).unwrap().unwrap().open());
    }

    #[test]
    fn other_comments_are_not_slots() {
        // The last one is mergecap's, made of two files.
        for text in [
            "",
            "nfcap",
            "nfcap files of Monday",
            "Nfcap slot=",
            " nfcap slot=",
            "nfcap slot=2001-07-01T00:20:00Z seconds=600 open=1\nFile 1: a.pcapng",
        ] {
            assert_eq!(Slot::parse(text), None, "{text}");
            assert_eq!(Closing::parse(text), None, "{text}");
        }
    }

    #[test]
    fn damaged_slots_are_errors() {
        let start = "nfcap slot=2001-07-01T00:20:00Z";
        for (text, error) in [
            (start.to_owned(), SlotError::Missing("seconds")),
            (format!("{start} seconds=600"), SlotError::Missing("open")),
            (format!("{start} seconds=600 open=0"), SlotError::Missing("allow")),
            (format!("{start} seconds=600 open=2"), SlotError::Value("open=2".into())),
            (format!("{start} seconds=600 open=1 open=1"), SlotError::Value("open=1".into())),
            (format!("{start} seconds=600 open=1 allow="), SlotError::Value("open=1".into())),
            (format!("{start} seconds=600 open=0 allow=all"), SlotError::Value("all".into())),
            (format!("{start} seconds=600 open=1 ident="), SlotError::Value("ident=".into())),
            (format!("{start} seconds=600  open=1"), SlotError::Value("".into())),
            (format!("{start} seconds=0"), SlotError::Value("2001-07-01T00:20:00Z 0".into())),
            ("nfcap slot=- seconds=-".to_owned(), SlotError::Value("- -".into())),
        ] {
            assert_eq!(Slot::parse(&text), Some(Err(error)), "{text}");
        }
    }

    #[test]
    fn closings_read_back_equal() {
        let text = "nfcap received=1200 dropped_kernel=3 dropped_queue=1";
        let closing = Closing::parse(text).unwrap().unwrap();
        assert_eq!((closing.to_string().as_str(), closing.dropped()), (text, 4));
        let text = "nfcap received=9 dropped_kernel=3 dropped_queue=0 limited=2 denied=7 \
                    missing_flows=-30 missing_datagrams=0";
        let closing = Closing::parse(text).unwrap().unwrap();
        assert_eq!((closing.to_string().as_str(), closing.dropped()), (text, 5));
        let broken = "nfcap received=+1 dropped_kernel=3 dropped_queue=0";
        let error = Closing::parse(broken).unwrap().unwrap_err();
        assert_eq!(error, SlotError::Value("received=+1".into()));
        let error = Closing::parse("nfcap received=1 dropped_kernel=3").unwrap().unwrap_err();
        assert_eq!(error, SlotError::Missing("dropped_queue"));
        let broken = "nfcap received=1 dropped_kernel=3 dropped_queue=0 missing_flows=--1";
        let error = Closing::parse(broken).unwrap().unwrap_err();
        assert_eq!(error, SlotError::Value("missing_flows=-1".into()));
    }
}
