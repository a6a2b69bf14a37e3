//! Reads tokens into a tree. `and` binds tighter than `or`, as nfdump has it, and `not` tightest.

use super::error::{FilterError, Reason};
use super::names;
use super::token::{Token, TokenKind, tokens};
use super::tree::{Compare, Direction, Expr, Field, Term};
use super::{Context, MAX_DEPTH, MAX_LENGTH, MAX_TERMS};
use crate::flow::TCP;

mod value;

type Result<T> = std::result::Result<T, FilterError>;

/// Reads an expression.
pub(super) fn parse(text: &str, context: &mut Context<'_>) -> Result<Expr> {
    if text.len() > MAX_LENGTH {
        return Err(FilterError::new(text, 0..0, Reason::Long));
    }
    let tokens = tokens(text)?;
    if tokens.is_empty() {
        return Err(FilterError::new(text, 0..0, Reason::Empty));
    }
    let mut parser = Parser { text, tokens, at: 0, context, depth: 0, terms: 0, last: None };
    let expr = parser.any_of()?;
    match parser.peek() {
        None => Ok(expr),
        Some(_) => Err(parser.refused("and, or, or the end")),
    }
}

/// What a value is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Host,
    Net,
    Port,
    Interface,
    Proto,
    Exporter,
}

/// What stands before a value. One without takes that of the value before it.
#[derive(Clone, Debug)]
struct Qualifier {
    /// What must hold as well: `tcp` in `tcp port 80`.
    guard: Option<Term>,
    ends: Direction,
    what: What,
}

struct Parser<'a, 'b> {
    text: &'a str,
    tokens: Vec<Token>,
    at: usize,
    context: &'a mut Context<'b>,
    depth: usize,
    terms: usize,
    last: Option<Qualifier>,
}

impl Parser<'_, '_> {
    fn any_of(&mut self) -> Result<Expr> {
        let mut all = vec![self.all_of()?];
        while self.take(TokenKind::Or) {
            all.push(self.all_of()?);
        }
        Ok(if all.len() == 1 { all.remove(0) } else { Expr::Or(all) })
    }

    fn all_of(&mut self) -> Result<Expr> {
        let mut all = vec![self.part()?];
        while self.take(TokenKind::And) {
            all.push(self.part()?);
        }
        Ok(if all.len() == 1 { all.remove(0) } else { Expr::And(all) })
    }

    /// A term, a negation or what stands in parentheses.
    fn part(&mut self) -> Result<Expr> {
        let not = self.take(TokenKind::Not);
        if not && self.word().as_deref() == Some("flags") {
            // nfdump's `not flags AFRPU` means that none of them is set, not that one is missing.
            self.at += 1;
            self.count()?;
            return Ok(Expr::Not(Box::new(self.flags(false)?)));
        }
        if !not && !self.take(TokenKind::Open) {
            return self.term();
        }
        if self.depth == MAX_DEPTH {
            self.at -= 1;
            return Err(self.wrong(Reason::Deep));
        }
        self.depth += 1;
        let inner = match not {
            true => Expr::Not(Box::new(self.part()?)),
            false => self.any_of()?,
        };
        self.depth -= 1;
        if !not && !self.take(TokenKind::Close) {
            return Err(self.refused("and, or, or a closing parenthesis"));
        }
        Ok(inner)
    }

    fn count(&mut self) -> Result<()> {
        self.terms += 1;
        match self.terms > MAX_TERMS {
            true => Err(self.wrong(Reason::Many)),
            false => Ok(()),
        }
    }

    fn term(&mut self) -> Result<Expr> {
        self.count()?;
        let Some(word) = self.word() else { return Err(self.refused("a term")) };
        self.at += 1;
        let version = match word.as_str() {
            "ip" | "ip4" | "ipv4" | "inet" => Some(Term::V4),
            "ip6" | "ipv6" | "inet6" => Some(Term::V6),
            _ => None,
        };
        if let Some(version) = version {
            return self.version(word == "ip", version);
        }
        match names::protocol(&word) {
            Some(proto) => {
                self.guarded(Term::Number(Field::Proto, vec![(proto.into(), proto.into())]))
            }
            None => self.plain(&word),
        }
    }

    /// After `ip` and its kin: tcpdump's version of IP, or nfdump's word for an address.
    fn version(&mut self, plain: bool, version: Term) -> Result<Expr> {
        if self.value_follows() {
            let guard = if plain { None } else { Some(version) };
            return self.operand(Qualifier { guard, ends: Direction::Either, what: What::Host });
        }
        match self.word().as_deref() {
            Some("proto" | "protocol") => {
                self.at += 1;
                let guard = Some(version);
                self.operand(Qualifier { guard, ends: Direction::Either, what: What::Proto })
            }
            _ => self.guarded(version),
        }
    }

    /// A word that says something by itself, or before `port 80` and such.
    fn guarded(&mut self, guard: Term) -> Result<Expr> {
        match self.word() {
            Some(word) if is_qualifier(&word) => {
                self.at += 1;
                self.qualified(&word, Some(guard))
            }
            _ => Ok(Expr::Term(guard)),
        }
    }

    /// From a word on that is no protocol.
    fn plain(&mut self, word: &str) -> Result<Expr> {
        if is_qualifier(word) {
            return self.qualified(word, None);
        }
        let field = match word {
            "packets" | "pkts" => Field::Packets,
            "octets" | "bytes" => Field::Octets,
            "start" | "first" => Field::Start,
            "end" | "last" => Field::End,
            "duration" => Field::Duration,
            "sampling" => Field::Sampling,
            "icmp-type" => Field::IcmpType,
            "icmp-code" => Field::IcmpCode,
            "bps" => Field::Bps,
            "pps" => Field::Pps,
            "bpp" => Field::Bpp,
            "less" => return self.bounded(Compare::AtMost),
            "greater" => return self.bounded(Compare::AtLeast),
            "any" => return Ok(Expr::Term(Term::Any)),
            "flags" => return self.flags(true),
            "in" | "out" => return self.in_or_out(word),
            "proto" | "protocol" => {
                return self.operand(Qualifier {
                    guard: None,
                    ends: Direction::Either,
                    what: What::Proto,
                });
            }
            "exporter" | "router" => {
                if self.word().as_deref() == Some("ip") {
                    self.at += 1;
                }
                let what = What::Exporter;
                return self.operand(Qualifier { guard: None, ends: Direction::Either, what });
            }
            word => {
                self.at -= 1;
                return self.bare(word);
            }
        };
        self.compared(field)
    }

    /// A value with nothing before it, or no word at all.
    fn bare(&mut self, word: &str) -> Result<Expr> {
        let found = self.found();
        if !is_value(word) {
            let not_carried = names::is_not_carried(word);
            let reason =
                if not_carried { Reason::NotCarried { found } } else { Reason::Unknown { found } };
            return Err(self.wrong(reason));
        }
        let is_address = word.contains(['.', ':', '/']);
        let host = Qualifier { guard: None, ends: Direction::Either, what: What::Host };
        match self.last.clone().or_else(|| is_address.then_some(host)) {
            Some(qualifier) => self.operand(qualifier),
            None => Err(self.wrong(Reason::Bare { found })),
        }
    }

    /// tcpdump's `less` and `greater`.
    fn bounded(&mut self, compare: Compare) -> Result<Expr> {
        let value = self.number(Field::Octets)?;
        Ok(Expr::Term(Term::Number(Field::Octets, compare.range(value).into_iter().collect())))
    }

    /// nfdump's `in if 3` and `out if 3`, its `in packets`, and our `in @FILE`.
    fn in_or_out(&mut self, word: &str) -> Result<Expr> {
        let ends = if word == "in" { Direction::Src } else { Direction::Dst };
        match self.word().as_deref() {
            Some("if" | "interface") => {
                self.at += 1;
                self.operand(Qualifier { guard: None, ends, what: What::Interface })
            }
            Some(counter @ ("packets" | "pkts" | "octets" | "bytes")) if word == "in" => {
                self.at += 1;
                self.compared(if counter.starts_with('p') { Field::Packets } else { Field::Octets })
            }
            // Of the other direction, which is another flow.
            Some("packets" | "pkts" | "octets" | "bytes") => {
                let found = format!("out {}", self.found());
                Err(self.wrong(Reason::NotCarried { found }))
            }
            _ if word == "in" && self.list_follows() => {
                self.at -= 1;
                self.operand(Qualifier { guard: None, ends: Direction::Either, what: What::Host })
            }
            _ if word == "in" => Err(self.refused("if, a list in brackets or @FILE")),
            _ => Err(self.refused("if")),
        }
    }

    /// From a word on that says what a value is of.
    fn qualified(&mut self, word: &str, guard: Option<Term>) -> Result<Expr> {
        let (ends, word) = match word {
            "src" | "dst" => {
                let ends = self.ends(word);
                if self.value_follows() {
                    return self.operand(Qualifier { guard, ends, what: What::Host });
                }
                let Some(next) = self.word() else { return Err(self.refused(AFTER_ENDS)) };
                if names::is_not_carried(&next) {
                    let found = format!("{word} {}", self.found());
                    return Err(self.wrong(Reason::NotCarried { found }));
                }
                self.at += 1;
                (ends, next)
            }
            // The names of the columns.
            "sip" => (Direction::Src, "host".to_owned()),
            "dip" => (Direction::Dst, "host".to_owned()),
            "sport" => (Direction::Src, "port".to_owned()),
            "dport" => (Direction::Dst, "port".to_owned()),
            "sif" => (Direction::Src, "if".to_owned()),
            "dif" => (Direction::Dst, "if".to_owned()),
            word => (Direction::Either, word.to_owned()),
        };
        let what = match word.as_str() {
            "host" | "ip" => What::Host,
            "net" => What::Net,
            "port" | "portrange" => What::Port,
            "if" | "interface" => What::Interface,
            "inside" | "outside" => {
                self.at -= 1;
                return self.side(ends, word == "inside").map(|side| with(guard, side));
            }
            word => {
                self.at -= 1;
                let is_ours = is_qualifier(word) || names::protocol(word).is_some();
                return Err(match is_ours || !word.starts_with(char::is_alphabetic) {
                    true => self.refused(AFTER_ENDS),
                    false => self.wrong(Reason::Name { found: self.found() }),
                });
            }
        };
        self.operand(Qualifier { guard, ends, what })
    }

    /// Which ends are meant, `src` or `dst` having been read: `src or dst` and `src and dst` are one.
    fn ends(&mut self, first: &str) -> Direction {
        let (alone, other) = match first {
            "src" => (Direction::Src, "dst"),
            _ => (Direction::Dst, "src"),
        };
        let ends = match self.peek().map(|token| token.kind) {
            Some(TokenKind::Or) => Direction::Either,
            Some(TokenKind::And) => Direction::Both,
            _ => return alone,
        };
        if self.word_at(self.at + 1).as_deref() != Some(other) {
            return alone;
        }
        self.at += 2;
        ends
    }

    /// `inside` and `outside`.
    fn side(&mut self, ends: Direction, inside: bool) -> Result<Expr> {
        let Some(nets) = self.context.inside else {
            let found = self.found();
            return Err(self.wrong(Reason::Inside { found }));
        };
        let address = |ends| Expr::Term(Term::Address(ends, nets.to_vec()));
        self.at += 1;
        Ok(match (inside, ends) {
            (true, ends) => address(ends),
            // An end is outside where not both are inside.
            (false, Direction::Either) => Expr::Not(Box::new(address(Direction::Both))),
            (false, Direction::Both) => Expr::Not(Box::new(address(Direction::Either))),
            (false, ends) => Expr::Not(Box::new(address(ends))),
        })
    }

    /// TCP flags by letters, all or any of which must be set, or as one number.
    fn flags(&mut self, all: bool) -> Result<Expr> {
        const EXPECTED: &str = "TCP flags: letters of CEUAPRSF, X for UAPRSF, or a number";
        let compare = self.compare();
        if !matches!(compare, None | Some(Compare::Equal | Compare::Unequal)) {
            self.at -= 1;
            return Err(self.wrong(Reason::Order { what: "flags" }));
        }
        let Some(word) = self.word() else { return Err(self.refused(EXPECTED)) };
        let number = match word.strip_prefix("0x") {
            Some(hex) => u16::from_str_radix(hex, 16).ok(),
            None if word.bytes().all(|b| b.is_ascii_digit()) => word.parse().ok(),
            None => None,
        };
        let letters = names::flags(&word);
        let term = match (number, letters, compare) {
            (Some(number), ..) | (_, Some(number), Some(_)) => {
                Term::Number(Field::Flags, vec![(number.into(), number.into())])
            }
            (_, Some(mask), None) => Term::Flags { mask, all },
            _ => return Err(self.refused(EXPECTED)),
        };
        self.at += 1;
        // Exporters fill the field of other protocols with anything.
        let tcp = Term::Number(Field::Proto, vec![(TCP.into(), TCP.into())]);
        let term = with(Some(tcp), Expr::Term(term));
        Ok(if compare == Some(Compare::Unequal) { Expr::Not(Box::new(term)) } else { term })
    }

    /// A number of a flow and what it is held against.
    fn compared(&mut self, field: Field) -> Result<Expr> {
        self.last = None;
        if self.takes_in() {
            let ranges = self.list(|parser| parser.number(field).map(|n| (n, n)))?;
            return Ok(Expr::Term(Term::Number(field, ranges)));
        }
        let compare = self.compare().unwrap_or(Compare::Equal);
        let value = self.number(field)?;
        let term = Expr::Term(Term::Number(field, compare.range(value).into_iter().collect()));
        Ok(if compare == Compare::Unequal { Expr::Not(Box::new(term)) } else { term })
    }

    /// A value, or several, of what the qualifier says.
    fn operand(&mut self, qualifier: Qualifier) -> Result<Expr> {
        let Qualifier { guard, ends, what } = qualifier.clone();
        let is_group = self.peek().is_some_and(|token| token.kind == TokenKind::Open);
        if is_group && self.word_at(self.at + 1).is_some_and(|word| is_value(&word)) {
            // tcpdump's `port (80 or 443)`: what stands there inherits as it would without.
            self.last = Some(qualifier);
            return self.part();
        }
        let is_listed = self.takes_in();
        let compare = if is_listed { None } else { self.compare() };
        let order = !matches!(compare, None | Some(Compare::Equal | Compare::Unequal));
        // A value that follows `port > 1024 or` would inherit nobody knows what.
        self.last = compare.is_none().then_some(qualifier);
        let term = match what {
            What::Host | What::Net | What::Exporter => {
                if order {
                    self.at -= 1;
                    return Err(self.wrong(Reason::Order { what: "addresses" }));
                }
                let nets = match is_listed {
                    true => self.nets(what == What::Net)?,
                    false => vec![self.net(what == What::Net, true)?],
                };
                match what {
                    What::Exporter => Term::Exporter(nets),
                    _ => Term::Address(ends, nets),
                }
            }
            What::Port | What::Interface | What::Proto => {
                let ranges = match (is_listed, compare) {
                    (true, _) => self.list(|parser| parser.range(what))?,
                    (_, Some(compare)) if order => {
                        let at = self.at;
                        let (first, last) = self.range(what)?;
                        if first != last {
                            self.at = at;
                            return Err(self.refused("one number"));
                        }
                        compare.range(first).into_iter().collect()
                    }
                    _ => vec![self.range(what)?],
                };
                match what {
                    What::Port => Term::Port(ends, ranges),
                    What::Interface => Term::Interface(ends, ranges),
                    _ => Term::Number(Field::Proto, ranges),
                }
            }
        };
        let term = Expr::Term(term);
        let is_not = compare == Some(Compare::Unequal);
        Ok(with(guard, if is_not { Expr::Not(Box::new(term)) } else { term }))
    }
}

const AFTER_ENDS: &str = "host, net, port, if, inside, outside or an address";

/// Words that say what a value is of, but for those of one kind of term alone.
fn is_qualifier(word: &str) -> bool {
    const WORDS: [&str; 16] = [
        "src",
        "dst",
        "host",
        "net",
        "port",
        "portrange",
        "if",
        "interface",
        "inside",
        "outside",
        "sip",
        "dip",
        "sport",
        "dport",
        "sif",
        "dif",
    ];
    WORDS.contains(&word)
}

/// Whether a word is a number or an address by its looks.
fn is_value(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_digit()) || word.contains(':')
}

fn with(guard: Option<Term>, expr: Expr) -> Expr {
    match guard {
        Some(guard) => Expr::And(vec![Expr::Term(guard), expr]),
        None => expr,
    }
}

/// Tokens, one after the other.
impl Parser<'_, '_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn take(&mut self, kind: TokenKind) -> bool {
        let is_next = self.peek().is_some_and(|token| token.kind == kind);
        self.at += usize::from(is_next);
        is_next
    }

    fn compare(&mut self) -> Option<Compare> {
        let Some(Token { kind: TokenKind::Compare(compare), .. }) = self.peek() else {
            return None;
        };
        let compare = *compare;
        self.at += 1;
        Some(compare)
    }

    /// The word at a place, in lower case, without the backslash that tcpdump needs before some.
    fn word_at(&self, at: usize) -> Option<String> {
        let token = self.tokens.get(at).filter(|token| token.kind == TokenKind::Word)?;
        let word = self.text.get(token.span.clone())?;
        Some(word.strip_prefix('\\').unwrap_or(word).to_ascii_lowercase())
    }

    fn word(&self) -> Option<String> {
        self.word_at(self.at)
    }

    /// Whether a list or a file follows, `in` having been read.
    fn list_follows(&self) -> bool {
        self.peek().is_some_and(|token| matches!(token.kind, TokenKind::OpenList | TokenKind::File))
    }

    /// Whether what follows are addresses, and no other word.
    fn value_follows(&self) -> bool {
        match self.peek().map(|token| token.kind) {
            Some(TokenKind::Compare(_)) => true,
            Some(TokenKind::Word) => self.word().is_some_and(|word| {
                let next = self.tokens.get(self.at + 1).map(|token| token.kind);
                let is_list = matches!(next, Some(TokenKind::OpenList | TokenKind::File));
                is_value(&word) || (word == "in" && is_list)
            }),
            _ => false,
        }
    }

    fn takes_in(&mut self) -> bool {
        let is_in = self.word().as_deref() == Some("in");
        self.at += usize::from(is_in);
        is_in
    }

    /// The text of the next token, as far as a message shows it.
    fn found(&self) -> String {
        let text = self.peek().and_then(|token| self.text.get(token.span.clone()));
        text.unwrap_or_default().chars().take(60).collect()
    }

    /// The next token is not what could stand there.
    fn refused(&self, expected: &'static str) -> FilterError {
        match self.peek() {
            Some(_) => self.wrong(Reason::Expected { expected, found: self.found() }),
            None => self.wrong(Reason::Ends { expected }),
        }
    }

    /// Something is wrong with the next token, or right behind the last one.
    fn wrong(&self, reason: Reason) -> FilterError {
        let end = self.tokens.last().map_or(0, |token| token.span.end);
        let span = self.peek().map_or(end..end, |token| token.span.clone());
        FilterError::new(self.text, span, reason)
    }
}
