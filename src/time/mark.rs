//! The marks of nfkit-flow(5): `#window` opens a window, `#end` closes it.
//!
//! The closing mark carries "looked and found nothing" down a pipe, so every filter keeps its keys,
//! even those that this version does not know.

use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};

use super::Window;

/// A mark in a stream of flow lines or finding lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mark {
    /// `#window`: the following rows belong to this window; `None` is the unknown window.
    Window(Option<Window>),
    /// `#end`: the window is over.
    End(End),
}

/// The facts about a window that `#end` states. A key that is absent is unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct End {
    /// The window; `None` is the unknown window.
    pub window: Option<Window>,
    /// `flows`: flow lines in the window.
    pub flows: Option<u64>,
    /// `late`: flow lines of these that came after their time.
    pub late: Option<u64>,
    /// `lostflows`: flows missing by the exporters' sequence numbers.
    pub lost_flows: Option<u64>,
    /// `lostdatagrams`: export datagrams missing by sequence number.
    pub lost_datagrams: Option<u64>,
    /// `sampling`: the largest N of the packet sampling 1 in N.
    pub sampling: Option<u32>,
    /// `scaled`: the counts were multiplied by the sampling; detectors refuse such input.
    pub scaled: Option<bool>,
    /// `cover`: seconds of the window in which a collector listened.
    pub cover: Option<u32>,
    /// `open`: the collector took exports from anyone.
    pub open: Option<bool>,
    /// `silent`: exporters that sent nothing in the window, but did before.
    pub silent: Option<u64>,
    /// `state`: how much of the window was seen.
    pub state: Option<WindowState>,
    /// `tool`: the filter that judged the window.
    pub tool: Option<String>,
    /// Keys that this version does not know, in the order they came; at most 16.
    pub other: Vec<(String, String)>,
}

/// The part of a window that was seen. A false `ok` would be a false all-clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowState {
    /// The whole window was seen.
    Ok,
    /// A part was not seen: a file was torn, or the stream ended early.
    Cut,
    /// The collector listened to the whole window, and no exporter sent anything.
    NoData,
}

impl WindowState {
    /// Returns the word that marks use.
    pub const fn as_str(self) -> &'static str {
        match self {
            WindowState::Ok => "ok",
            WindowState::Cut => "cut",
            WindowState::NoData => "nodata",
        }
    }

    /// Parses the word that marks use.
    pub fn parse(text: &str) -> Option<WindowState> {
        [WindowState::Ok, WindowState::Cut, WindowState::NoData]
            .into_iter()
            .find(|state| state.as_str() == text)
    }
}

/// The reason why a `#window` or `#end` line cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MarkError {
    /// START or SECONDS is missing or malformed.
    #[error("{mark} needs a start in RFC 3339 UTC and whole seconds (or - and -), found {found:?}")]
    Window {
        /// `#window` or `#end`.
        mark: &'static str,
        /// The text after it.
        found: String,
    },
    /// A `key=value` that cannot be read.
    #[error("#end: {key} cannot be {value:?}")]
    Value {
        /// The key.
        key: String,
        /// The value.
        value: String,
    },
    /// A field that is no `key=value`.
    #[error("#end: {found:?} is no key=value")]
    NoValue {
        /// The field.
        found: String,
    },
}

/// The most unknown keys that an `#end` keeps. Hostile marks must not make the copies grow that
/// filters pass on.
const MAX_OTHER: usize = 16;

/// The longest value of an unknown key, in bytes.
const MAX_VALUE: usize = 64;

/// Returns true for the name of a key or a tool: 1 to 32 lower-case letters, digits, `-` and `_`.
/// Hostile marks must not carry control sequences to a terminal.
fn is_word(text: &str) -> bool {
    let is_fit = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_');
    (1..=32).contains(&text.len()) && text.bytes().all(is_fit)
}

impl Mark {
    /// Parses a line that begins with `#`, without its line ending. `None` if it is no mark but a
    /// comment or `#fields`.
    ///
    /// # Errors
    /// A line that begins like a mark but cannot be read. A window is lost then, and the caller
    /// must report that.
    pub fn parse(line: &[u8]) -> Option<Result<Mark, MarkError>> {
        let text = String::from_utf8_lossy(line);
        let mut fields = text.split('\t');
        let name = match fields.next() {
            Some("#window") => "#window",
            Some("#end") => "#end",
            _ => return None,
        };
        let (start, seconds) = (fields.next().unwrap_or(""), fields.next().unwrap_or(""));
        let Some(window) = Window::parse(start, seconds) else {
            return Some(Err(MarkError::Window {
                mark: name,
                found: format!("{start} {seconds}"),
            }));
        };
        if name == "#window" {
            return Some(Ok(Mark::Window(window)));
        }
        let mut end = End { window, ..End::default() };
        for field in fields {
            let set = match field.split_once('=') {
                Some((key, value)) => end.set(key, value),
                None => Err(MarkError::NoValue { found: field.to_owned() }),
            };
            if let Err(error) = set {
                return Some(Err(error));
            }
        }
        Some(Ok(Mark::End(end)))
    }

    /// Returns the mark as one JSON object, the same in streams of flows and of findings.
    ///
    /// # Errors
    /// None that is known: all parts of a mark can be JSON.
    pub fn json(&self) -> Result<String, serde_json::Error> {
        let (mark, window, pairs) = match self {
            Mark::Window(window) => ("window", *window, Map::new()),
            Mark::End(end) => ("end", end.window, end.values()),
        };
        let (start, seconds) = (window.map(Window::start_text), window.map(Window::seconds));
        serde_json::to_string(&Object { mark, start, seconds, pairs })
    }
}

/// A mark in JSON.
#[derive(Serialize)]
struct Object {
    mark: &'static str,
    start: Option<String>,
    seconds: Option<u32>,
    #[serde(flatten)]
    pairs: Map<String, Value>,
}

impl End {
    /// Sets a key of nfkit's own that is none of the fields. If there are too many keys, the last
    /// one of the others is dropped.
    pub fn put(&mut self, key: &str, value: String) {
        self.other.retain(|(other, _)| other != key);
        self.other.truncate(MAX_OTHER - 1);
        self.other.push((key.to_owned(), value));
    }

    /// Adds `count` to the key `badlines`, the number of lines in the window that could not be
    /// read.
    pub fn add_bad_lines(&mut self, count: u64) {
        let old = self.other.iter().find(|(key, _)| key == "badlines");
        let old = old.and_then(|(_, value)| value.parse::<u64>().ok()).unwrap_or(0);
        self.put("badlines", old.saturating_add(count).to_string());
    }

    /// Sets one key from its text. Unknown keys beyond the limit are dropped, and so is a second
    /// value of one.
    ///
    /// # Errors
    /// A known key with a value that it cannot have, and an unknown one that is no word or has a
    /// value that is too long or not printable.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), MarkError> {
        let bad = || MarkError::Value { key: key.to_owned(), value: value.to_owned() };
        let number = || {
            let is_number = value.bytes().all(|b| b.is_ascii_digit());
            if is_number { value.parse::<u64>().map_err(|_| bad()) } else { Err(bad()) }
        };
        let short = || u32::try_from(number()?).map_err(|_| bad());
        let flag = || match value {
            "0" => Ok(false),
            "1" => Ok(true),
            _ => Err(bad()),
        };
        match key {
            "flows" => self.flows = Some(number()?),
            "late" => self.late = Some(number()?),
            "lostflows" => self.lost_flows = Some(number()?),
            "lostdatagrams" => self.lost_datagrams = Some(number()?),
            "sampling" => self.sampling = Some(short()?),
            "scaled" => self.scaled = Some(flag()?),
            "cover" => self.cover = Some(short()?),
            "open" => self.open = Some(flag()?),
            "silent" => self.silent = Some(number()?),
            "state" => self.state = Some(WindowState::parse(value).ok_or_else(bad)?),
            "tool" if !is_word(value) => return Err(bad()),
            "tool" => self.tool = Some(value.to_owned()),
            // A mark in JSON has keys of its own with these names.
            "mark" | "start" | "seconds" => return Err(bad()),
            _ if !is_word(key) || value.len() > MAX_VALUE => return Err(bad()),
            _ if !value.bytes().all(|b| b.is_ascii_graphic()) => return Err(bad()),
            _ if self.other.len() < MAX_OTHER && !self.other.iter().any(|(k, _)| k == key) => {
                self.other.push((key.to_owned(), value.to_owned()));
            }
            _ => {}
        }
        Ok(())
    }

    /// Returns the keys with a value as text, in the order of the man page, and then the unknown
    /// keys.
    pub fn pairs(&self) -> Vec<(&str, String)> {
        let number = |n: Option<u64>| n.map(|n| n.to_string());
        let short = |n: Option<u32>| n.map(|n| n.to_string());
        let flag = |b: Option<bool>| b.map(|b| u8::from(b).to_string());
        let known = [
            ("flows", number(self.flows)),
            ("late", number(self.late)),
            ("lostflows", number(self.lost_flows)),
            ("lostdatagrams", number(self.lost_datagrams)),
            ("sampling", short(self.sampling)),
            ("scaled", flag(self.scaled)),
            ("cover", short(self.cover)),
            ("open", flag(self.open)),
            ("silent", number(self.silent)),
            ("state", self.state.map(|state| state.as_str().to_owned())),
            ("tool", self.tool.clone()),
        ];
        let known = known.into_iter().filter_map(|(key, value)| Some((key, value?)));
        known.chain(self.other.iter().map(|(key, value)| (key.as_str(), value.clone()))).collect()
    }

    /// Returns the keys in JSON, numbers as numbers. Unknown keys stay text, because their meaning
    /// is unknown.
    fn values(&self) -> Map<String, Value> {
        let known = self.pairs().len() - self.other.len();
        let pairs = self.pairs().into_iter().enumerate();
        pairs
            .map(|(n, (key, value))| {
                let is_word = n >= known || key == "tool" || key == "state";
                let number = if is_word { None } else { value.parse::<u64>().ok() };
                (key.to_owned(), number.map_or(Value::String(value), Value::from))
            })
            .collect()
    }
}

/// The mark as a line, without its line ending.
impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, window) = match self {
            Mark::Window(window) => ("#window", window),
            Mark::End(end) => ("#end", &end.window),
        };
        match window {
            Some(window) => write!(f, "{name}\t{window}")?,
            None => write!(f, "{name}\t-\t-")?,
        }
        if let Mark::End(end) = self {
            for (key, value) in end.pairs() {
                write!(f, "\t{key}={value}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Mark, MarkError> {
        Mark::parse(line.as_bytes()).expect("a mark")
    }

    #[test]
    fn marks_read_back_equal() {
        for line in [
            "#window\t2001-07-01T00:20:00Z\t600",
            "#window\t-\t-",
            "#end\t2001-07-01T00:20:00Z\t600",
            "#end\t2001-07-01T00:20:00Z\t600\tflows=3\tlate=1\tlostflows=0\tlostdatagrams=2\t\
             sampling=100\tscaled=0\tcover=600\topen=1\tsilent=2\tstate=ok\ttool=nfscan\tmood=good",
            "#end\t-\t-\tflows=3\tlate=0\ttool=nfport",
        ] {
            assert_eq!(read(line).unwrap().to_string(), line);
        }
    }

    #[test]
    fn known_numbers_are_numbers_in_json() {
        let line = "#end\t-\t-\tsilent=0\tstate=ok\tmood=1";
        assert_eq!(
            read(line).unwrap().json().unwrap(),
            r#"{"mark":"end","start":null,"seconds":null,"mood":"1","silent":0,"state":"ok"}"#
        );
    }

    #[test]
    fn other_comments_are_no_marks() {
        for line in ["#", "#fields\tsif", "# window", "#windows\t-\t-", "#ending"] {
            assert_eq!(Mark::parse(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn an_error_says_how_a_mark_is_wrong() {
        let error = read("#window\tyesterday\t600").unwrap_err().to_string();
        assert!(error.contains("#window needs a start") && error.contains("yesterday"), "{error}");
        let error = read("#end\t-\t-\tflows=-1").unwrap_err().to_string();
        assert_eq!(error, "#end: flows cannot be \"-1\"");
        let error = read("#end\t-\t-\tsilent=some").unwrap_err().to_string();
        assert_eq!(error, "#end: silent cannot be \"some\"");
        let error = read("#end\t-\t-\tstate=fine").unwrap_err().to_string();
        assert_eq!(error, "#end: state cannot be \"fine\"");
        for end in ["start=x", "zz=\u{1b}[31m", "Key=1", "=1", "tool=a b"] {
            assert!(read(&format!("#end\t-\t-\t{end}")).is_err(), "{end}");
        }
        let many: Vec<String> = (0..40).map(|n| format!("\tk{n}=1\tk{n}=2")).collect();
        let many = many.concat();
        let Mark::End(end) = read(&format!("#end\t-\t-{many}")).unwrap() else { panic!() };
        assert_eq!(end.other.len(), MAX_OTHER);
        let error = read("#end\t-\t-\thuh").unwrap_err().to_string();
        assert_eq!(error, "#end: \"huh\" is no key=value");
    }
}
