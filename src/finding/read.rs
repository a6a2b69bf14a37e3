//! Reads finding streams in text and JSON. Each line may be in either form.

use serde_json::{Map, Value};

use super::record::{COLUMNS, Finding, MAX_LINE, Rate, number};
use super::row::{Error, Row, value};
use crate::time::{End, Mark, Window};

/// The longest line of the JSON form in bytes. JSON spells out the names of the columns, and escapes.
pub const MAX_JSON: usize = 2 * MAX_LINE;

/// The content of a line of a finding stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// A finding.
    Finding(Box<Finding>),
    /// A mark that opens or closes a window.
    Mark(Mark),
}

impl Item {
    /// Returns the window of a finding or a closing mark, and `None` for an opening mark, which says
    /// nothing about its window. The inner value is `None` if the window is unknown.
    pub fn window(&self) -> Option<Option<Window>> {
        match self {
            Item::Finding(finding) => Some(finding.window),
            Item::Mark(Mark::End(end)) => Some(end.window),
            Item::Mark(Mark::Window(_)) => None,
        }
    }
}

/// A reader of one finding stream, line by line. It remembers only the columns that `#fields` named.
#[derive(Clone, Debug)]
pub struct Reader {
    /// The index of each of [`COLUMNS`] in a line; `None` after a `#fields` line that was refused.
    places: Option<[usize; COLUMNS.len()]>,
}

impl Default for Reader {
    fn default() -> Reader {
        Reader { places: Some(std::array::from_fn(|n| n)) }
    }
}

impl Reader {
    /// Returns a reader that assumes the frozen order of columns until a `#fields` line says otherwise.
    pub fn new() -> Reader {
        Reader::default()
    }

    /// Reads one line without its line ending. Returns `None` for comments, `#fields` and empty lines.
    ///
    /// Classes have their current names, whatever the line says (see
    /// [`current_class`](super::current_class)).
    ///
    /// # Errors
    /// Returns an error for a line that is neither a finding nor a mark, with the column at fault and its
    /// value.
    pub fn line(&mut self, line: &[u8]) -> Result<Option<Item>, Error> {
        let limit = if line.starts_with(b"{") { MAX_JSON } else { MAX_LINE };
        if line.len() > limit {
            return Err(Error::Long { limit });
        }
        let text = std::str::from_utf8(line).map_err(|error| Error::Utf8(error.valid_up_to()))?;
        match line.first() {
            None => Ok(None),
            Some(b'{') => json(text).map(Some),
            Some(b'#') => {
                if let Some(names) = text.strip_prefix("#fields\t") {
                    self.fields(names)?;
                }
                let mark = Mark::parse(line).transpose()?;
                Ok(mark.map(Item::Mark))
            }
            Some(_) => {
                let finding = self.row(text)?.into_finding()?;
                Ok(Some(Item::Finding(Box::new(finding))))
            }
        }
    }

    fn fields(&mut self, names: &str) -> Result<(), Error> {
        let names: Vec<&str> = names.split('\t').collect();
        // If this line is bad, the places of the line before it would be wrong for what follows.
        self.places = None;
        let mut places = [0; COLUMNS.len()];
        for (place, column) in places.iter_mut().zip(COLUMNS) {
            *place = names.iter().position(|name| *name == column).ok_or(Error::Fields(column))?;
        }
        self.places = Some(places);
        Ok(())
    }

    fn row(&self, line: &str) -> Result<Row, Error> {
        let cells: Vec<&str> = line.split('\t').collect();
        let Some(places) = &self.places else { return Err(Error::Unknown) };
        let mut places = places.iter().zip(COLUMNS);
        // Returns the cells in the order of COLUMNS, which is the order of the struct below.
        let mut next = || -> Result<(&'static str, &str), Error> {
            let (&place, column) = places.next().ok_or(Error::Fields("more columns"))?;
            match cells.get(place) {
                Some(cell) => Ok((column, cell)),
                None => Err(Error::Missing { column, found: cells.len() }),
            }
        };
        fn text((_, cell): (&'static str, &str)) -> Option<String> {
            (cell != "-").then(|| cell.to_owned())
        }
        fn count<T: std::str::FromStr>((column, cell): (&'static str, &str)) -> Result<T, Error> {
            number(cell).ok_or_else(|| value(column, cell))
        }
        fn optional<T: std::str::FromStr>(
            (column, cell): (&'static str, &str),
        ) -> Result<Option<T>, Error> {
            if cell == "-" { Ok(None) } else { count((column, cell)).map(Some) }
        }
        fn rate((column, cell): (&'static str, &str)) -> Result<Rate, Error> {
            let hundredths = cell.split_once('.').filter(|(_, decimals)| decimals.len() == 2);
            hundredths
                .and_then(|(whole, decimals)| {
                    number::<u64>(whole)?.checked_mul(100)?.checked_add(number(decimals)?)
                })
                .map(Rate)
                .ok_or_else(|| value(column, cell))
        }
        Ok(Row {
            window: text(next()?),
            seconds: optional(next()?)?,
            kind: next()?.1.to_owned(),
            class: next()?.1.to_owned(),
            host: next()?.1.to_owned(),
            role: next()?.1.to_owned(),
            side: text(next()?),
            proto: optional(next()?)?,
            port: optional(next()?)?,
            peers: count(next()?)?,
            peer: text(next()?),
            flows: count(next()?)?,
            packets: count(next()?)?,
            octets: count(next()?)?,
            rate: rate(next()?)?,
            marks: text(next()?),
            why: text(next()?),
            sample: text(next()?),
        })
    }
}

fn json(text: &str) -> Result<Item, Error> {
    let object: Map<String, Value> = serde_json::from_str(text)?;
    let Some(mark) = object.get("mark") else {
        let row: Row = serde_json::from_value(Value::Object(object))?;
        return Ok(Item::Finding(Box::new(row.into_finding()?)));
    };
    let text_of = |value: &Value| match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let get = |key| object.get(key).map_or_else(|| "-".to_owned(), text_of);
    let (start, seconds) = (get("start"), get("seconds"));
    let window = Window::parse(&start, &seconds)
        .ok_or_else(|| value("window", &format!("{start} {seconds}")))?;
    match mark.as_str() {
        Some("window") => Ok(Item::Mark(Mark::Window(window))),
        Some("end") => {
            let mut end = End { window, ..End::default() };
            for (key, value) in &object {
                if !matches!(key.as_str(), "mark" | "start" | "seconds") {
                    end.set(key, &text_of(value))?;
                }
            }
            Ok(Item::Mark(Mark::End(end)))
        }
        _ => Err(value("mark", &text_of(mark))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::any_finding;
    use super::super::{Form, Host, Writer};
    use super::*;
    use proptest::prelude::*;

    const LINE: &str = "2001-07-01T00:20:00Z\t600\tscan\tsweep\t192.0.2.9\tsource\toutside\t6\t21\t\
        4064\t140.119.56.0/21,140.119.64.0/21\t4064\t4064\t162560\t6.77\t-\t\
        nets=16>=2,hosts=254>=200\t192.0.2.9:1025>140.119.56.1:21/6";

    fn read(line: &str) -> Result<Option<Item>, Error> {
        Reader::new().line(line.as_bytes())
    }

    fn written(form: Form, mask: bool, finding: &Finding) -> String {
        let mut out = Vec::new();
        Writer::new(&mut out, form, mask).finding(finding).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn finding(line: &str) -> Finding {
        match read(line).unwrap() {
            Some(Item::Finding(finding)) => *finding,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_line_is_written_as_it_was_read() {
        assert_eq!(written(Form::Text, false, &finding(LINE)), format!("{LINE}\n"));
        let json = written(Form::Json, false, &finding(LINE));
        assert!(
            json.starts_with("{\"window\":\"2001-07-01T00:20:00Z\",\"seconds\":600,"),
            "{json}"
        );
        assert!(json.contains("\"rate\":6.77,\"marks\":null,"), "{json}");
        assert_eq!(finding(json.trim_end()), finding(LINE));
    }

    #[test]
    fn columns_may_come_in_any_order_with_unknown_ones_between() {
        let mut reader = Reader::new();
        let names: Vec<_> = COLUMNS.iter().rev().copied().chain(["expect"]).collect();
        let cells: Vec<_> = LINE.split('\t').rev().chain(["must"]).collect();
        assert_eq!(reader.line(format!("#fields\t{}", names.join("\t")).as_bytes()).unwrap(), None);
        let item = reader.line(cells.join("\t").as_bytes()).unwrap();
        assert_eq!(item, Some(Item::Finding(Box::new(finding(LINE)))));
        let error = reader.line(b"#fields\thost").unwrap_err().to_string();
        assert_eq!(error, "#fields names no window");
        let error = reader.line(LINE.as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with("unknown columns: the #fields line"), "{error}");
    }

    #[test]
    fn a_bad_value_is_refused_with_the_name_of_its_column() {
        let with = |from: &str, to: &str| read(&LINE.replace(from, to)).unwrap_err().to_string();
        assert_eq!(
            with("192.0.2.9\tsource", "0.0.0.0/99\tsource"),
            "host cannot be \"0.0.0.0/99\""
        );
        let masked = with("192.0.2.9\tsource", "192.0.2.?\tsource");
        assert!(masked.starts_with("host \"192.0.2.?\" is masked"), "{masked}");
        assert_eq!(with("sweep", "Sweep; rm"), "class cannot be \"Sweep; rm\"");
        assert_eq!(with("\t6.77", "\t6.7"), "rate cannot be \"6.7\"");
        assert_eq!(with("140.119.64.0/21", "+0"), "peer cannot be \"+0\"");
        assert_eq!(
            with("nets=", "nets\u{1b}[2J="),
            "why cannot be \"nets\\u{1b}[2J=16>=2,hosts=254>=200\""
        );
        assert_eq!(read("a\tb").unwrap_err().to_string(), "seconds cannot be \"b\"");
        assert_eq!(read("-").unwrap_err().to_string(), "the line has 1 columns and no seconds");
        assert!(
            read(&"x".repeat(MAX_LINE + 1)).unwrap_err().to_string().contains("longer than 4000")
        );
        assert!(read("{\"host\":1}").unwrap_err().to_string().starts_with("JSON: "));
    }

    #[test]
    fn renamed_classes_are_read_by_their_current_names_in_both_forms() {
        for (kind, old, new) in [
            ("scan", "ports", "vertical"),
            ("port", "hammer", "bruteforce"),
            ("flood", "ports", "ports"),
            ("port", "ports", "ports"),
            ("scan", "hammer", "hammer"),
        ] {
            let line = |class: &str| LINE.replace("scan\tsweep", &format!("{kind}\t{class}"));
            let expected = finding(&line(new));
            assert_eq!(expected.class, new);
            assert_eq!(finding(&line(old)), expected);
            // The writer cannot write an old name, so it is put into the line afterwards.
            let json = written(Form::Json, false, &finding(&line("sweep")));
            let json = json.replace("\"sweep\"", &format!("\"{old}\""));
            assert_eq!(finding(json.trim_end()), expected);
        }
    }

    #[test]
    fn marks_read_back_in_both_forms() {
        for line in [
            "#window\t2001-07-01T00:20:00Z\t600",
            "#end\t-\t-\tflows=3\tlate=0\ttool=nfport",
            "#end\t2001-07-01T00:20:00Z\t600\tflows=3\tsampling=100\tstate=ok\ttool=nfscan\tx=7",
        ] {
            let Some(Item::Mark(mark)) = read(line).unwrap() else { panic!("{line}") };
            for form in [Form::Text, Form::Json] {
                let mut out = Vec::new();
                Writer::new(&mut out, form, false).mark(&mark).unwrap();
                let text = String::from_utf8(out).unwrap();
                assert_eq!(
                    read(text.trim_end()).unwrap(),
                    Some(Item::Mark(mark.clone())),
                    "{text}"
                );
            }
        }
    }

    proptest! {
        #[test]
        fn a_written_finding_is_read_back(finding in any_finding()) {
            for form in [Form::Text, Form::Json] {
                let line = written(form, false, &finding);
                prop_assert!(form == Form::Json || line.len() <= MAX_LINE + 1);
                let item = read(line.trim_end_matches('\n')).unwrap();
                prop_assert_eq!(item, Some(Item::Finding(Box::new(finding.clone()))));
            }
        }

        #[test]
        fn a_masked_host_is_refused(mut finding in any_finding()) {
            finding.host = Host::Address([192, 0, 2, 7].into());
            for form in [Form::Text, Form::Json] {
                let line = written(form, true, &finding);
                let error = read(line.trim_end_matches('\n')).unwrap_err().to_string();
                prop_assert!(error.contains("is masked"), "{}", error);
            }
        }

        #[test]
        fn no_line_panics(line in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Reader::new().line(&line);
        }
    }
}
