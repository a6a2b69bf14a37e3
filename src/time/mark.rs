//! The marks `#window` and `#end` of nfkit-flow(5): a window opens, a window closes.
//!
//! The closing mark is how "looked and found nothing" travels down a pipe, so its keys are kept
//! through every filter, those that this version does not know included.

use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};

use super::Window;

/// A mark as it stands in a stream of flow lines or finding lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mark {
    /// `#window`: the rows that follow belong to this window; `None` is the unknown one.
    Window(Option<Window>),
    /// `#end`: the window is over.
    End(End),
}

/// What `#end` says of a window. A key that is absent is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct End {
    /// Which window; `None` is the unknown one.
    pub window: Option<Window>,
    /// `flows`: flow lines in the window.
    pub flows: Option<u64>,
    /// `late`: of these, how many came after their time.
    pub late: Option<u64>,
    /// `lostflows`: flows missing by the exporters' sequence numbers.
    pub lost_flows: Option<u64>,
    /// `lostdatagrams`: export datagrams missing by sequence number.
    pub lost_datagrams: Option<u64>,
    /// `sampling`: the largest N of the packet sampling 1 in N.
    pub sampling: Option<u32>,
    /// `scaled`: counts were multiplied by the sampling; detectors refuse such input.
    pub scaled: Option<bool>,
    /// `cover`: seconds of the window in which somebody listened.
    pub cover: Option<u32>,
    /// `open`: the collector took exports from anyone.
    pub open: Option<bool>,
    /// `state`: whether the window was seen whole.
    pub state: Option<WindowState>,
    /// `tool`: the filter that judged the window.
    pub tool: Option<String>,
    /// Keys that this version does not know, in the order they came; at most 16.
    pub other: Vec<(String, String)>,
}

/// How much of a window the collector saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowState {
    /// All of it.
    Ok,
    /// The file was torn, or the stream ended early.
    Cut,
    /// No exporter spoke.
    NoData,
}

impl WindowState {
    /// The word that marks use.
    pub const fn as_str(self) -> &'static str {
        match self {
            WindowState::Ok => "ok",
            WindowState::Cut => "cut",
            WindowState::NoData => "nodata",
        }
    }

    /// Reads the word that marks use.
    pub fn parse(text: &str) -> Option<WindowState> {
        [WindowState::Ok, WindowState::Cut, WindowState::NoData]
            .into_iter()
            .find(|state| state.as_str() == text)
    }
}

/// Why a `#window` or `#end` line cannot be read.
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

/// Unknown keys that an `#end` keeps, and octets of the value of one: what filters copy from mark to
/// mark must not grow, nor carry what a terminal obeys.
const MAX_OTHER: usize = 16;
const MAX_VALUE: usize = 64;

/// The name of a key or a tool: lower-case letters, digits, `-` and `_`.
fn is_word(text: &str) -> bool {
    let is_fit = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_');
    (1..=32).contains(&text.len()) && text.bytes().all(is_fit)
}

impl Mark {
    /// Reads a line that begins with `#`, without its line ending. `None` if it is not a mark: a
    /// comment, or `#fields`.
    ///
    /// # Errors
    /// A line that begins as a mark does but cannot be read: a window is then lost, and the caller
    /// must say so.
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

    /// The mark as one JSON object, the same between flows and between findings.
    ///
    /// # Errors
    /// None that is known: nothing in a mark has no JSON.
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
    /// Sets a key of our own that is none of the fields. If there are too many, the last of the others
    /// goes.
    pub fn put(&mut self, key: &str, value: String) {
        self.other.retain(|(other, _)| other != key);
        self.other.truncate(MAX_OTHER - 1);
        self.other.push((key.to_owned(), value));
    }

    /// Adds to `badlines`, the lines of the window that could not be read.
    pub fn add_bad_lines(&mut self, count: u64) {
        let old = self.other.iter().find(|(key, _)| key == "badlines");
        let old = old.and_then(|(_, value)| value.parse::<u64>().ok()).unwrap_or(0);
        self.put("badlines", old.saturating_add(count).to_string());
    }

    /// Sets one key from its text.
    ///
    /// # Errors
    /// A known key with a value that it cannot have.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), MarkError> {
        let bad = || MarkError::Value { key: key.to_owned(), value: value.to_owned() };
        let number = || match value.bytes().all(|b| b.is_ascii_digit()) {
            true => value.parse::<u64>().map_err(|_| bad()),
            false => Err(bad()),
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
            "state" => self.state = Some(WindowState::parse(value).ok_or_else(bad)?),
            "tool" if !is_word(value) => return Err(bad()),
            "tool" => self.tool = Some(value.to_owned()),
            // These three are what a mark in JSON says of itself.
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

    /// The keys that are known, as text, in the order of the man page, unknown ones last.
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
            ("state", self.state.map(|state| state.as_str().to_owned())),
            ("tool", self.tool.clone()),
        ];
        let known = known.into_iter().filter_map(|(key, value)| Some((key, value?)));
        known.chain(self.other.iter().map(|(key, value)| (key.as_str(), value.clone()))).collect()
    }

    /// The keys in JSON, numbers as numbers. Unknown keys stay text: what they mean is not known.
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
             sampling=100\tscaled=0\tcover=600\topen=1\tstate=ok\ttool=nfscan\tmood=good",
            "#end\t-\t-\tflows=3\tlate=0\ttool=nfport",
        ] {
            assert_eq!(read(line).unwrap().to_string(), line);
        }
    }

    #[test]
    fn other_comments_are_no_marks() {
        for line in ["#", "#fields\tsif", "# window", "#windows\t-\t-", "#ending"] {
            assert_eq!(Mark::parse(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn a_broken_mark_says_what_is_wrong() {
        let error = read("#window\tyesterday\t600").unwrap_err().to_string();
        assert!(error.contains("#window needs a start") && error.contains("yesterday"), "{error}");
        let error = read("#end\t-\t-\tflows=-1").unwrap_err().to_string();
        assert_eq!(error, "#end: flows cannot be \"-1\"");
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
