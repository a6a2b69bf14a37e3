//! Options that commands share, and parsers of their values. Only [`Nets::load`] and [`read_words`]
//! open files.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use clap::ValueHint;
use ipnet::IpNet;

use super::whole::read_text;
use crate::time::Timestamp;

/// Options of every command.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Messages")]
pub struct Common {
    /// Print only the reasons of failures
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Print more about each step
    #[arg(long, global = true, conflicts_with = "quiet")]
    pub verbose: bool,
    /// Read the site's configuration from this file, nfkit-config(5)
    #[arg(
        long, value_name = "FILE", env = CONFIG_VARIABLE, global = true,
        value_hint = ValueHint::FilePath, help_heading = "Configuration"
    )]
    pub config: Option<PathBuf>,
}

/// The variable of `--config`.
pub(super) const CONFIG_VARIABLE: &str = "NFKIT_CONFIG";

/// Networks as an option gives them: `10.0.0.0/8,2001:db8::/32`, or `@FILE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Nets {
    /// Networks of the option itself.
    Here(Vec<IpNet>),
    /// A file of networks, separated by blanks, commas or line ends; `#` begins a comment.
    File(PathBuf),
}

impl Nets {
    /// Returns the networks, and reads them from the file if there is one.
    ///
    /// # Errors
    /// A file that cannot be read, or the first text in it that is no network, with its line.
    pub fn load(&self) -> anyhow::Result<Vec<IpNet>> {
        match self {
            Nets::Here(nets) => Ok(nets.clone()),
            Nets::File(path) => read_words(path, parse_net),
        }
    }
}

/// Reads the words of a file, separated by blanks, commas or line ends; `#` begins a comment.
///
/// # Errors
/// A file that cannot be read, or the first word that `parse` refuses, with its line.
pub fn read_words<T>(
    path: &Path,
    parse: impl Fn(&str) -> Result<T, String>,
) -> anyhow::Result<Vec<T>> {
    let text = read_text(path)?;
    let mut words = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default();
        for word in line.split([' ', '\t', ',', '\r']).filter(|word| !word.is_empty()) {
            let word = parse(word)
                .map_err(|error| anyhow::anyhow!("{}:{}: {error}", path.display(), number + 1))?;
            words.push(word);
        }
    }
    Ok(words)
}

impl FromStr for Nets {
    type Err = String;

    fn from_str(text: &str) -> Result<Nets, String> {
        if let Some(path) = text.strip_prefix('@') {
            return Ok(Nets::File(path.into()));
        }
        text.split(',').map(|word| parse_net(word.trim())).collect::<Result<_, _>>().map(Nets::Here)
    }
}

/// Parses a network, or an address alone.
///
/// # Errors
/// A message for the user that says what is wrong.
pub fn parse_net(text: &str) -> Result<IpNet, String> {
    let net = match text.parse::<IpNet>() {
        Ok(net) => net,
        Err(_) => text
            .parse::<std::net::IpAddr>()
            .map(IpNet::from)
            .map_err(|_| format!("{text:?} is no network such as 192.0.2.0/24 or 2001:db8::/32"))?,
    };
    if net.trunc() == net {
        Ok(net)
    } else {
        Err(format!("{text} has bits set after its prefix; did you mean {}?", net.trunc()))
    }
}

/// Parses a duration with its units, such as `10m`, `24h` or `1h 30m`. A number alone is refused,
/// `0` too: an option whose manual gives 0 a meaning takes that itself.
///
/// # Errors
/// A message for the user that says what is wrong.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    if is_number(text) {
        return Err(format!("a duration needs a unit: {text}s, {text}m, {text}h"));
    }
    humantime::parse_duration(text).map_err(|error| error.to_string())
}

/// Parses a duration in whole seconds: `10m`, `24h`, and `0`, the only one that needs no unit.
///
/// # Errors
/// A message for the user that says what is wrong.
pub fn parse_seconds(text: &str) -> Result<u32, String> {
    if text == "0" {
        return Ok(0);
    }
    let duration = parse_duration(text)?;
    match u32::try_from(duration.as_secs()) {
        Ok(seconds) if duration.subsec_nanos() == 0 => Ok(seconds),
        Ok(_) => Err(format!("{text}: give whole seconds")),
        Err(_) => Err(format!("{text}: longer than 136 years")),
    }
}

/// Returns true if `text` is digits and nothing else.
fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// Parses the length of a window: a duration as for [`parse_seconds`], but not 0.
///
/// # Errors
/// A message for the user that says what is wrong.
pub fn parse_window(text: &str) -> Result<u32, String> {
    match parse_seconds(text)? {
        0 => Err("a window needs a length, such as 10m".to_owned()),
        seconds => Ok(seconds),
    }
}

/// Returns a quarter of the machine's memory in bytes, or 1 GiB if the system does not say how much
/// there is.
pub fn quarter_of_ram() -> u64 {
    let total = || {
        let text = std::fs::read_to_string("/proc/meminfo").ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()
    };
    total().map_or(1 << 30, |kib| kib * 1024 / 4)
}

/// The fewest digits of Unix seconds, from 1973 on. A number of fewer digits is more likely a
/// duration without its unit.
const UNIX: usize = 9;

/// A moment as an option gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// An absolute moment.
    At(Timestamp),
    /// A number of seconds before now.
    Ago(u32),
}

impl When {
    /// Returns the absolute moment at the time `now`.
    pub fn at(self, now: Timestamp) -> Timestamp {
        match self {
            When::At(time) => time,
            When::Ago(seconds) => now.offset(-i64::from(seconds) * 1_000_000_000),
        }
    }
}

/// Parses `2001-07-01T00:20:00Z`, a date (its first moment, UTC), Unix seconds, or a duration
/// before now such as `2h`.
impl FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<When, String> {
        if is_number(text) && text.len() < UNIX {
            return Err(format!("a time before now needs a unit: {text}m, {text}h, {text}d"));
        }
        if let Some(time) = Timestamp::parse(text.as_bytes()) {
            return Ok(When::At(time));
        }
        if let Some(time) = Timestamp::parse(format!("{text}T00:00:00Z").as_bytes()) {
            return Ok(When::At(time));
        }
        parse_seconds(text).map(When::Ago).map_err(|_| {
            format!("{text:?} is no time such as 2001-07-01T00:20:00Z, 2001-07-01 or 2h (ago)")
        })
    }
}

/// Parses a size with its unit, a power of 1024: `512K`, `64M`, `2G`, `1T`, or `100B` for bytes. A
/// number alone is refused: a user who writes `50` means 50 of a larger unit.
///
/// # Errors
/// A message for the user that says what is wrong.
pub fn parse_size(text: &str) -> Result<u64, String> {
    if is_number(text) {
        // A number of seven digits or more is probably in bytes.
        return Err(match text.len() {
            ..7 => format!("a size needs a unit: {text}M, {text}G"),
            _ => format!("a size needs a unit: {text}B for bytes, or K, M, G, T"),
        });
    }
    let shift = match text.chars().last() {
        Some('b' | 'B') => 0,
        Some('k' | 'K') => 10,
        Some('m' | 'M') => 20,
        Some('g' | 'G') => 30,
        Some('t' | 'T') => 40,
        _ => return Err(format!("{text:?} is no size such as 64M")),
    };
    let digits = &text[..text.len() - 1];
    let number = if is_number(digits) { digits.parse::<u64>().ok() } else { None };
    number
        .and_then(|number| number.checked_mul(1 << shift))
        .ok_or_else(|| format!("{text:?} is no size such as 64M"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_read_from_the_option_and_from_files() {
        let nets: Nets = "140.119.0.0/16, 2001:288::/32,192.0.2.1".parse().unwrap();
        let Nets::Here(list) = &nets else { panic!() };
        assert_eq!(list.len(), 3);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, "# ours\n140.119.0.0/16\n2001:288::/32, 192.0.2.1 # a host\n")
            .unwrap();
        let at: Nets = format!("@{}", file.path().display()).parse().unwrap();
        assert_eq!(at.load().unwrap(), nets.load().unwrap());
        std::fs::write(&file, "140.119.0.0/16\nnonsense\n").unwrap();
        let error = at.load().unwrap_err().to_string();
        assert!(
            error.ends_with(":2: \"nonsense\" is no network such as 192.0.2.0/24 or 2001:db8::/32"),
            "{error}"
        );
    }

    #[test]
    fn moments_are_read_in_four_forms() {
        let now = Timestamp::from_secs(1_000_000_000);
        for (text, secs) in [
            ("2001-07-01T00:20:00Z", 993_946_800),
            ("2001-07-01", 993_945_600),
            ("993946800", 993_946_800),
            ("1h", 999_996_400),
        ] {
            assert_eq!(text.parse::<When>().unwrap().at(now).secs(), secs, "{text}");
        }
        for text in ["", "yesterday", "2001-07-32", "-1h", "2001-07-01T00:20:00", "2", "0"] {
            assert!(text.parse::<When>().is_err(), "{text}");
        }
    }

    #[test]
    fn ambiguous_and_wrong_values_are_refused() {
        for (text, word) in
            [("10.1.0.0/8", "did you mean 10.0.0.0/8"), ("10.0.0.0/33", "no network")]
        {
            let error = text.parse::<Nets>().unwrap_err();
            assert!(error.contains(word), "{error}");
        }
        assert_eq!(parse_seconds("10m"), Ok(600));
        assert_eq!(parse_seconds("0"), Ok(0));
        for text in ["10", "1.5s", "500ms", "-1s", "999y"] {
            assert!(parse_seconds(text).is_err(), "{text}");
        }
        assert_eq!(parse_size("64M"), Ok(64 << 20));
        assert_eq!(parse_size("7B"), Ok(7));
        for text in ["", "M", "B", "-1", "64X", "64MB", "+1M", "99999999999999G", "1é"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_number_without_a_unit_is_refused_and_the_error_says_what_to_write() {
        for (text, why) in [
            ("50", "a size needs a unit: 50M, 50G"),
            ("0", "a size needs a unit: 0M, 0G"),
            ("1048576", "a size needs a unit: 1048576B for bytes, or K, M, G, T"),
        ] {
            assert_eq!(parse_size(text), Err(why.to_owned()));
        }
        for text in ["50", "00", "007"] {
            let why = format!("a duration needs a unit: {text}s, {text}m, {text}h");
            assert_eq!(parse_seconds(text), Err(why.clone()));
            assert_eq!(parse_duration(text), Err(why));
        }
        // Only options whose manual gives 0 a meaning accept it.
        assert!(parse_duration("0").is_err());
        assert_eq!(parse_duration("1h 30m"), Ok(Duration::from_secs(5400)));
    }
}
