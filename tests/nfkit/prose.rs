//! Comments, help texts and messages begin as a reader expects: a function's doc with a verb, a sentence with
//! its subject, and none with "What …", "Whether …" or "Who …", which make a riddle of it.

use std::fs;
use std::path::Path;

use super::harness::{package, tool};

/// Words that no sentence begins with.
const RELATIVES: [&str; 10] =
    ["What", "Whatever", "Whether", "Who", "Whom", "Whose", "Whoever", "Which", "How", "Why"];

/// Words that no doc begins with: the noun that they stand for, or that belongs before them, is missing.
const HEADLESS: [&str; 22] = [
    "Of", "Their", "Its", "It", "They", "Them", "These", "Those", "He", "His", "Him", "She",
    "That", "So", "And", "But", "Or", "Also", "Nor", "As", "Theirs", "Hers",
];

/// Words that end in "s" and are no verbs, with which a function's doc must not begin.
const NO_VERBS: [&str; 24] = [
    "This",
    "Has",
    "Bytes",
    "Packets",
    "Flows",
    "Records",
    "Seconds",
    "Nanoseconds",
    "Milliseconds",
    "Hosts",
    "Lines",
    "Rows",
    "Fields",
    "Windows",
    "Templates",
    "Datagrams",
    "Networks",
    "Addresses",
    "Octets",
    "Metrics",
    "Class",
    "Less",
    "Nothing",
    "Ports",
];

/// Headings of the mail and the page, for which this is idiomatic.
const HEADINGS: [&str; 4] =
    ["What it usually means", "What to check on", "What starts by itself:", ">What was seen"];

/// The kind of a comment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comment {
    /// `///` or `//!`.
    Doc,
    /// `//`.
    Plain,
}

/// A comment of one or more lines, and the code behind it.
struct Block<'a> {
    kind: Comment,
    /// The number of its first line, from 1.
    line: usize,
    /// The text of its lines.
    text: Vec<&'a str>,
    /// The first line of code behind it, without attributes.
    code: &'a str,
    /// The code is a test's.
    is_test: bool,
}

/// Returns the marker and the text of a line that is a comment.
fn comment(line: &str) -> Option<(&'static str, &str)> {
    let line = line.trim_start();
    let marker = ["///", "//!", "//"].into_iter().find(|marker| line.starts_with(marker))?;
    Some((marker, line[marker.len()..].trim_start()))
}

/// Returns the comments of a file.
fn blocks(text: &str) -> Vec<Block<'_>> {
    let lines: Vec<&str> = text.lines().collect();
    let mut blocks = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let Some((marker, _)) = comment(lines[at]) else {
            at += 1;
            continue;
        };
        let start = at;
        let mut words = Vec::new();
        while let Some((_, text)) =
            lines.get(at).and_then(|line| comment(line)).filter(|(m, _)| *m == marker)
        {
            words.push(text);
            at += 1;
        }
        let rest = || lines[at..].iter().map(|line| line.trim());
        let is_attribute = |line: &&str| line.starts_with("#[") || line.ends_with(")]");
        blocks.push(Block {
            kind: if marker == "//" { Comment::Plain } else { Comment::Doc },
            line: start + 1,
            text: words,
            code: rest().find(|line| !is_attribute(line)).unwrap_or_default(),
            is_test: rest().take_while(is_attribute).any(|line| line == "#[test]"),
        });
    }
    blocks
}

/// Returns the sentences of each paragraph, without lists' bullets, code and headings.
fn paragraphs(lines: &[&str]) -> Vec<Vec<String>> {
    let mut is_code = false;
    let mut all = vec![String::new()];
    for line in lines {
        let is_item = line.starts_with("* ") || line.starts_with("- ");
        if line.starts_with("```") {
            is_code = !is_code;
        } else if is_code || line.starts_with('#') || line.starts_with('|') {
        } else if line.is_empty() || is_item {
            all.push(line.trim_start_matches(['*', '-', ' ']).to_owned());
        } else {
            let last = all.last_mut().unwrap();
            *last = format!("{last} {line}").trim().to_owned();
        }
    }
    all.retain(|paragraph| !paragraph.is_empty());
    all.iter().map(|paragraph| sentences(paragraph)).collect()
}

/// Cuts a text where a full stop, a colon or a mark is followed by a capital letter.
fn sentences(text: &str) -> Vec<String> {
    let mut all = vec![String::new()];
    for word in text.split_whitespace() {
        let last: &String = all.last().unwrap();
        let is_over = last.ends_with(['.', ':', '!', '?']);
        if is_over && word.trim_start_matches(['`', '[', '"']).starts_with(char::is_uppercase) {
            all.push(word.to_owned());
        } else {
            let last = all.last_mut().unwrap();
            *last = format!("{last} {word}").trim().to_owned();
        }
    }
    all
}

fn first_word(sentence: &str) -> &str {
    let start = sentence.trim_start_matches(|c: char| !c.is_alphanumeric());
    start.split(|c: char| !c.is_alphanumeric() && c != '\'').next().unwrap_or_default()
}

fn is_function(code: &str) -> bool {
    let mut words = code.split_whitespace().skip_while(|word| {
        word.starts_with("pub") || ["const", "async", "unsafe", "crate::detect)"].contains(word)
    });
    words.next() == Some("fn")
}

/// Returns the faults of a comment, each with the sentence.
fn faults(block: &Block<'_>) -> Vec<String> {
    let paragraphs = paragraphs(&block.text);
    let mut faults = Vec::new();
    for (n, sentences) in paragraphs.iter().enumerate() {
        for (k, sentence) in sentences.iter().enumerate() {
            let first = first_word(sentence);
            let is_opening = n == 0 && k == 0 && block.kind == Comment::Doc;
            if RELATIVES.contains(&first) {
                faults.push(format!("begins with {first}: {sentence}"));
            } else if is_opening && HEADLESS.contains(&first) {
                faults.push(format!("begins with {first}, without its noun: {sentence}"));
            } else if is_opening && is_function(block.code) && !block.is_test {
                let is_verb = first.ends_with('s') && !NO_VERBS.contains(&first);
                if !is_verb {
                    faults.push(format!("a function's doc without a verb: {sentence}"));
                }
            }
        }
    }
    faults
}

/// Returns the string literals of three words or more, each with the number of the line that it begins in. A
/// literal may go on behind a backslash in the next line.
fn strings(text: &str) -> Vec<(usize, String)> {
    let mut all = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (n, line) in text.lines().enumerate() {
        if open.is_none() && comment(line).is_some() {
            continue;
        }
        let line = line.trim_start().replace("\\\"", "'").replace("'\"'", "");
        for (k, piece) in line.split('"').enumerate() {
            if k > 0 {
                open = match open.take() {
                    Some(literal) => {
                        all.push(literal);
                        None
                    }
                    None => Some((n + 1, String::new())),
                };
            }
            if let Some((_, literal)) = &mut open {
                literal.push_str(piece.trim_end_matches('\\'));
            }
        }
    }
    all.retain(|(_, literal)| literal.split_whitespace().count() > 2);
    all
}

/// Returns true for a message that begins with a relative, behind the name of what it is about if it has one.
fn is_riddle(message: &str) -> bool {
    let start = match message.split_once(": ") {
        Some((name, rest)) if !name.contains(' ') => rest,
        _ => message,
    };
    if start.starts_with('{') || HEADINGS.iter().any(|heading| start.starts_with(heading)) {
        return false;
    }
    // `why` is a column, of which a message says that it cannot be read.
    let first = first_word(start);
    first != "why"
        && RELATIVES.iter().any(|word| word.eq_ignore_ascii_case(first))
        && !start.ends_with('?')
}

/// Calls `see` with each Rust file below a folder.
fn each_file(folder: &Path, see: &mut impl FnMut(&Path, &str)) {
    let mut entries: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            each_file(&path, see);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            see(&path, &fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn comments_open_with_their_subject() {
    let mut wrong = String::new();
    let mut count = 0;
    for folder in ["src", "tests", "benches"] {
        each_file(&package(folder), &mut |path, text| {
            for block in blocks(text) {
                count += 1;
                for fault in faults(&block) {
                    wrong += &format!("{}:{}: {fault}\n", path.display(), block.line);
                }
            }
        });
    }
    assert!(count > 3000, "only {count} comments");
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn messages_and_help_say_what_is_wrong() {
    let mut wrong = String::new();
    each_file(&package("src"), &mut |path, text| {
        if path.file_name().is_some_and(|name| name == "tests.rs") {
            return;
        }
        for (line, message) in strings(text).into_iter().filter(|(_, message)| is_riddle(message)) {
            wrong += &format!("{}:{line}: {message}\n", path.display());
        }
    });
    for entry in fs::read_dir(package("src/bin")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let help = tool(&name).arg("--help").run().ok();
        let lines: Vec<&str> = help.text().lines().map(str::trim).collect();
        for sentence in paragraphs(&lines).into_iter().flatten() {
            if RELATIVES.contains(&first_word(&sentence)) {
                wrong += &format!("{name} --help: {sentence}\n");
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn the_scanner_sees_each_fault() {
    let count = |text: &str| blocks(text).iter().map(|block| faults(block).len()).sum::<usize>();
    for wrong in [
        "/// Whether it is.\nstruct A;",
        "//! A file.\n//!\n//! * What came of it.",
        "// It ends here. Who asks is told.",
        "/// Of IPv6.\nconst A: u8 = 0;",
        "/// The answer.\n#[inline]\npub(super) const fn a() {}",
        "/// Seconds since then.\nfn a() {}",
    ] {
        assert_eq!(count(wrong), 1, "{wrong}");
    }
    for right in [
        "/// Returns true if it is. If not, which is rare, it fails.\nfn a() {}",
        "/// A host. Its address is `What`.\nstruct A;",
        "/// The octets of a thing.\n#[test]\nfn a() {}",
        "/// ```\n/// Whether(1);\n/// ```\nstruct A;",
    ] {
        assert_eq!(count(right), 0, "{right}");
    }
    for wrong in ["who sends may not", "--to: what comes is lost", "Whether to say it"] {
        assert!(is_riddle(wrong), "{wrong}");
    }
    for right in ["--to: no such host", "the host who sends", "did you mean 10.0.0.0/8?"] {
        assert!(!is_riddle(right), "{right}");
    }
    let literals = "let a = \"one\"; b(\"one two three\");\nc(\"four five \\\n    six\", 7);";
    let expected = [(1, "one two three".to_owned()), (2, "four five six".to_owned())];
    assert_eq!(strings(literals), expected);
}
