//! The parts of a mail (RFC 5322, RFC 2045, RFC 2046) that somebody else wrote, read with bounded work.
//!
//! mailparse decodes header fields, parameters and bodies. Its `parse_mail` is not used: it calls itself for each
//! nested part without a limit, refuses a whole mail for one odd line of a header, and needs a time for each field
//! that grows with the square of the field's length.

use memchr::memchr;

use crate::report::Escaped;

/// The most bytes of a mail that are looked at.
const MAX_MESSAGE: usize = 1 << 20;

/// The most bytes of a header field that are looked at.
const MAX_FIELD: usize = 2048;

/// The most parts inside each other that are looked into. Mail programs use three.
const MAX_DEPTH: usize = 8;

/// The most parts of one multipart that are looked at.
const MAX_PARTS: usize = 64;

/// A mail, or a part of one: header and body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part<'a> {
    header: &'a [u8],
    body: &'a [u8],
}

/// A header field as it was sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field<'a> {
    name: &'a [u8],
    /// The whole field, cut after [`MAX_FIELD`] bytes.
    raw: &'a [u8],
}

/// The words of a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Text {
    /// Plain text, decoded.
    Plain(String),
    /// There is only HTML.
    Html,
    /// There is no text, or none that can be decoded.
    None,
}

impl<'a> Part<'a> {
    /// Splits a mail or a part into header and body; bytes beyond the first MiB are not looked at. Without an
    /// empty line there is no body.
    pub(super) fn new(bytes: &'a [u8]) -> Part<'a> {
        let bytes = bytes.get(..MAX_MESSAGE).unwrap_or(bytes);
        let mut body = bytes;
        while !body.is_empty() {
            let (line, rest) = first_line(body);
            let header = bytes.get(..bytes.len() - body.len()).unwrap_or_default();
            body = rest;
            if is_blank(line) {
                return Part { header, body };
            }
        }
        Part { header: bytes, body }
    }

    /// Returns the bytes behind the header, as they were sent.
    pub(super) const fn body(&self) -> &'a [u8] {
        self.body
    }

    /// Returns true if there is no header field and no body.
    pub(super) const fn is_empty(&self) -> bool {
        self.header.is_empty() && self.body.is_empty()
    }

    /// Returns the header fields in their order. Lines that are no field are passed over.
    pub(super) fn fields(&self) -> impl Iterator<Item = Field<'a>> + use<'a> {
        let mut rest = self.header;
        std::iter::from_fn(move || {
            while !rest.is_empty() {
                let start = rest;
                (_, rest) = first_line(rest);
                while rest.first().is_some_and(is_space) {
                    (_, rest) = first_line(rest);
                }
                let raw = start.get(..start.len() - rest.len()).unwrap_or_default();
                let raw = raw.get(..MAX_FIELD).unwrap_or(raw);
                let colon = memchr(b':', raw).filter(|_| !raw.first().is_some_and(is_space));
                if let Some(name) = colon.and_then(|colon| raw.get(..colon)) {
                    return Some(Field { name: name.trim_ascii(), raw });
                }
            }
            None
        })
    }

    /// Returns the first field of this name.
    pub(super) fn field(&self, name: &str) -> Option<Field<'a>> {
        self.fields().find(|field| field.is(name))
    }

    /// Returns the content type. Without a field it is `text/plain` (RFC 2045 section 5.2).
    pub(super) fn content_type(&self) -> mailparse::ParsedContentType {
        let field = self.field("Content-Type");
        field.map(|field| mailparse::parse_content_type(&field.text())).unwrap_or_default()
    }

    /// Returns the parts of a multipart, at most [`MAX_PARTS`]. Any other part has none.
    pub(super) fn parts(&self) -> Vec<Part<'a>> {
        let content_type = self.content_type();
        let boundary = content_type.params.get("boundary").filter(|text| !text.is_empty());
        let boundary = match boundary {
            Some(text) if content_type.mimetype.starts_with("multipart/") => format!("--{text}"),
            _ => return Vec::new(),
        };
        let mut parts = Vec::new();
        // The bytes from the start of the current part on.
        let mut part: Option<&[u8]> = None;
        let mut rest = self.body;
        while !rest.is_empty() && parts.len() < MAX_PARTS {
            let before = rest;
            let line;
            (line, rest) = first_line(rest);
            let tail = line.strip_prefix(boundary.as_bytes()).map(<[u8]>::trim_ascii);
            let tail = tail.filter(|tail| tail.is_empty() || tail.starts_with(b"--"));
            let Some(tail) = tail else { continue };
            if let Some(start) = part {
                let bytes = start.get(..start.len() - before.len()).unwrap_or_default();
                parts.push(Part::new(without_line_end(bytes)));
            }
            part = tail.is_empty().then_some(rest);
            if part.is_none() {
                return parts;
            }
        }
        // A mail that was cut has no last boundary.
        match part {
            Some(bytes) if parts.len() < MAX_PARTS => parts.push(Part::new(bytes)),
            _ => {}
        }
        parts
    }

    /// Returns the body without its transfer encoding, or `None` if it is not in that encoding.
    pub(super) fn decoded(&self) -> Option<Vec<u8>> {
        use mailparse::body::Body;
        let content_type = self.content_type();
        match self.encoded(&content_type) {
            Body::Base64(body) | Body::QuotedPrintable(body) => body.get_decoded().ok(),
            Body::SevenBit(body) | Body::EightBit(body) => Some(body.get_raw().to_vec()),
            Body::Binary(body) => Some(body.get_raw().to_vec()),
        }
    }

    fn encoded<'b>(
        &self,
        content_type: &'b mailparse::ParsedContentType,
    ) -> mailparse::body::Body<'b>
    where
        'a: 'b,
    {
        let encoding = self.field("Content-Transfer-Encoding");
        let encoding = encoding.map(|field| keyword(&field.text()));
        mailparse::body::Body::new(self.body, content_type, &encoding)
    }

    /// Returns the words of a mail: those of its first part of plain text that is no attachment.
    pub(super) fn words(&self) -> Text {
        self.words_at(MAX_DEPTH)
    }

    fn words_at(&self, depth: usize) -> Text {
        use mailparse::body::Body;
        let content_type = self.content_type();
        if content_type.mimetype.starts_with("multipart/") {
            let mut found = Text::None;
            let parts = if depth == 0 { Vec::new() } else { self.parts() };
            for part in parts {
                match part.words_at(depth - 1) {
                    Text::Plain(text) => return Text::Plain(text),
                    Text::Html => found = Text::Html,
                    Text::None => {}
                }
            }
            return found;
        }
        let disposition = self.field("Content-Disposition").map(|field| keyword(&field.text()));
        if disposition.is_some_and(|word| word == "attachment") {
            return Text::None;
        }
        match content_type.mimetype.as_str() {
            "text/plain" => {
                let text = match self.encoded(&content_type) {
                    Body::Base64(body) | Body::QuotedPrintable(body) => {
                        body.get_decoded_as_string()
                    }
                    Body::SevenBit(body) | Body::EightBit(body) => body.get_as_string(),
                    Body::Binary(body) => body.get_as_string(),
                };
                match text {
                    Ok(text) if !text.trim().is_empty() => Text::Plain(text),
                    _ => Text::None,
                }
            }
            "text/html" => Text::Html,
            _ => Text::None,
        }
    }
}

impl Field<'_> {
    /// Returns true if the field has this name, in any case.
    pub(super) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }

    /// Returns the value in one line, as it was sent.
    pub(super) fn text(&self) -> String {
        let value = memchr(b':', self.raw).and_then(|colon| self.raw.get(colon + 1..));
        let text = String::from_utf8_lossy(value.unwrap_or_default());
        let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        lines.join(" ")
    }

    /// Returns the value in one line, with encoded words decoded (RFC 2047).
    pub(super) fn decoded(&self) -> String {
        match mailparse::parse_header(self.raw) {
            Ok((header, _)) => header.get_value(),
            Err(_) => self.text(),
        }
    }
}

/// Returns a value without comments (RFC 5322 section 3.2.2) and without parameters, in lower case.
pub(super) fn keyword(value: &str) -> String {
    let value = without_comments(value);
    let word = value.split(';').next().unwrap_or_default();
    word.trim().to_ascii_lowercase()
}

/// Returns a value without its comments, which may be inside each other. Parentheses inside quotes stay.
pub(super) fn without_comments(value: &str) -> String {
    let mut out = String::new();
    let (mut depth, mut is_quoted) = (0usize, false);
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                let next = chars.next();
                if depth == 0 {
                    out.push(c);
                    out.extend(next);
                }
            }
            '"' if depth == 0 => {
                is_quoted = !is_quoted;
                out.push(c);
            }
            '(' if !is_quoted => depth += 1,
            ')' if !is_quoted && depth > 0 => depth -= 1,
            _ if depth == 0 => out.push(c),
            _ => {}
        }
    }
    out
}

/// Returns a text of somebody else's for people: escaped, and at most `max` characters long.
pub(super) fn for_people(text: &str, max: usize) -> String {
    // Escaping makes no text shorter.
    let start: String = text.chars().take(max + 1).collect();
    let mut escaped = Escaped(start).to_string();
    if escaped.chars().count() > max {
        escaped = escaped.chars().take(max.saturating_sub(1)).collect();
        escaped.push('…');
    }
    escaped
}

/// Returns the first line with its line end, and the rest.
fn first_line(bytes: &[u8]) -> (&[u8], &[u8]) {
    let length = memchr(b'\n', bytes).map_or(bytes.len(), |end| end + 1);
    bytes.split_at_checked(length).unwrap_or((bytes, &[]))
}

const fn is_space(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

fn is_blank(line: &[u8]) -> bool {
    matches!(line, b"\n" | b"\r\n")
}

/// Returns the bytes without one line end at their end: it belongs to the boundary (RFC 2046 section 5.1.1).
fn without_line_end(bytes: &[u8]) -> &[u8] {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    bytes.strip_suffix(b"\r").unwrap_or(bytes)
}

#[cfg(test)]
mod tests;
