//! Parses tokens into a tree. `and` binds tighter than `or`, as in nfdump, and `not` tightest.

use self::cursor::{Parser, Qualifier, Result, ValueKind, is_value};
use super::context::Context;
use super::error::{FilterError, Reason};
use super::limits::{MAX_DEPTH, MAX_LENGTH, MAX_TERMS};
use super::names;
use super::token::{TokenKind, tokens};
use super::tree::{Compare, Direction, Expr, Field, Term};
use crate::flow::TCP;

mod cursor;
mod value;

/// Parses an expression.
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

impl Parser<'_, '_> {
    /// Parses terms with `or` between them.
    fn any_of(&mut self) -> Result<Expr> {
        let mut all = vec![self.all_of()?];
        while self.take(TokenKind::Or) {
            all.push(self.all_of()?);
        }
        Ok(if all.len() == 1 { all.remove(0) } else { Expr::Or(all) })
    }

    /// Parses terms with `and` between them.
    fn all_of(&mut self) -> Result<Expr> {
        let mut all = vec![self.part()?];
        while self.take(TokenKind::And) {
            all.push(self.part()?);
        }
        Ok(if all.len() == 1 { all.remove(0) } else { Expr::And(all) })
    }

    /// Parses a term, a negation or an expression in parentheses.
    fn part(&mut self) -> Result<Expr> {
        let not = self.take(TokenKind::Not);
        if not && self.word().as_deref() == Some("flags") {
            // nfdump's `not flags AFRPU` means that none of them is set, not that one is missing.
            self.at += 1;
            self.count_term()?;
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
        let inner = if not { Expr::Not(Box::new(self.part()?)) } else { self.any_of()? };
        self.depth -= 1;
        if !not && !self.take(TokenKind::Close) {
            return Err(self.refused("and, or, or a closing parenthesis"));
        }
        Ok(inner)
    }

    /// Adds a term to the count, up to the limit.
    fn count_term(&mut self) -> Result<()> {
        self.terms += 1;
        if self.terms > MAX_TERMS { Err(self.wrong(Reason::Many)) } else { Ok(()) }
    }

    /// Parses a term.
    fn term(&mut self) -> Result<Expr> {
        self.count_term()?;
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

    /// Parses the rest of a term that begins with a version of IP, as in tcpdump. `is_ip`: the word
    /// is `ip`, which is nfdump's word for an address too.
    fn version(&mut self, is_ip: bool, version: Term) -> Result<Expr> {
        if self.value_follows() {
            let guard = if is_ip { None } else { Some(version) };
            return self.operand(Qualifier {
                guard,
                direction: Direction::Either,
                kind: ValueKind::Host,
            });
        }
        match self.word().as_deref() {
            Some("proto" | "protocol") => {
                self.at += 1;
                let guard = Some(version);
                self.operand(Qualifier {
                    guard,
                    direction: Direction::Either,
                    kind: ValueKind::Proto,
                })
            }
            _ => self.guarded(version),
        }
    }

    /// Parses the rest of a term that begins with `guard`, which is a term by itself, or stands
    /// before `port 80` and the like.
    fn guarded(&mut self, guard: Term) -> Result<Expr> {
        match self.word() {
            Some(word) if is_qualifier(&word) => {
                self.at += 1;
                self.qualified(&word, Some(guard))
            }
            _ => Ok(Expr::Term(guard)),
        }
    }

    /// Parses a term from a word on that is no protocol.
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
                    direction: Direction::Either,
                    kind: ValueKind::Proto,
                });
            }
            "exporter" | "router" => {
                if self.word().as_deref() == Some("ip") {
                    self.at += 1;
                }
                let kind = ValueKind::Exporter;
                return self.operand(Qualifier { guard: None, direction: Direction::Either, kind });
            }
            word => {
                self.at -= 1;
                return self.bare(word);
            }
        };
        self.compared(field)
    }

    /// Parses a value with no word before it, which takes those of the value before. Returns an
    /// error for a word that the language does not have.
    fn bare(&mut self, word: &str) -> Result<Expr> {
        let found = self.found();
        if !is_value(word) {
            return Err(self.wrong(if names::is_not_carried(word) {
                Reason::NotCarried { found }
            } else {
                Reason::Unknown { found }
            }));
        }
        let is_address = word.contains(['.', ':', '/']);
        let host = Qualifier { guard: None, direction: Direction::Either, kind: ValueKind::Host };
        match self.last.clone().or_else(|| is_address.then_some(host)) {
            Some(qualifier) => self.operand(qualifier),
            None => Err(self.wrong(Reason::Bare { found })),
        }
    }

    /// Parses tcpdump's `less` and `greater`.
    fn bounded(&mut self, compare: Compare) -> Result<Expr> {
        let value = self.number(Field::Octets)?;
        Ok(Expr::Term(Term::Number(Field::Octets, compare.range(value).into_iter().collect())))
    }

    /// Parses nfdump's `in if 3`, `out if 3` and `in packets`, and our own `in @FILE`.
    fn in_or_out(&mut self, word: &str) -> Result<Expr> {
        let direction = if word == "in" { Direction::Src } else { Direction::Dst };
        match self.word().as_deref() {
            Some("if" | "interface") => {
                self.at += 1;
                self.operand(Qualifier { guard: None, direction, kind: ValueKind::Interface })
            }
            Some(counter @ ("packets" | "pkts" | "octets" | "bytes")) if word == "in" => {
                self.at += 1;
                self.compared(if counter.starts_with('p') { Field::Packets } else { Field::Octets })
            }
            // nfdump's counts of the reverse direction, which is another flow here.
            Some("packets" | "pkts" | "octets" | "bytes") => {
                let found = format!("out {}", self.found());
                Err(self.wrong(Reason::NotCarried { found }))
            }
            _ if word == "in" && self.list_follows() => {
                self.at -= 1;
                self.operand(Qualifier {
                    guard: None,
                    direction: Direction::Either,
                    kind: ValueKind::Host,
                })
            }
            _ if word == "in" => Err(self.refused("if, a list in brackets or @FILE")),
            _ => Err(self.refused("if")),
        }
    }

    /// Parses a term from a word on that says the kind of its value.
    fn qualified(&mut self, word: &str, guard: Option<Term>) -> Result<Expr> {
        let (direction, word) = match word {
            "src" | "dst" => {
                let direction = self.direction(word);
                if self.value_follows() {
                    return self.operand(Qualifier { guard, direction, kind: ValueKind::Host });
                }
                let Some(next) = self.word() else { return Err(self.refused(AFTER_ENDS)) };
                if names::is_not_carried(&next) {
                    let found = format!("{word} {}", self.found());
                    return Err(self.wrong(Reason::NotCarried { found }));
                }
                self.at += 1;
                (direction, next)
            }
            // Names of columns.
            "sip" => (Direction::Src, "host".to_owned()),
            "dip" => (Direction::Dst, "host".to_owned()),
            "sport" => (Direction::Src, "port".to_owned()),
            "dport" => (Direction::Dst, "port".to_owned()),
            "sif" => (Direction::Src, "if".to_owned()),
            "dif" => (Direction::Dst, "if".to_owned()),
            word => (Direction::Either, word.to_owned()),
        };
        let kind = match word.as_str() {
            "host" | "ip" => ValueKind::Host,
            "net" => ValueKind::Net,
            "port" | "portrange" => ValueKind::Port,
            "if" | "interface" => ValueKind::Interface,
            "inside" | "outside" => {
                self.at -= 1;
                return self.side(direction, word == "inside").map(|side| with(guard, side));
            }
            word => {
                self.at -= 1;
                let is_ours = is_qualifier(word) || names::protocol(word).is_some();
                return Err(if is_ours || !word.starts_with(char::is_alphabetic) {
                    self.refused(AFTER_ENDS)
                } else {
                    self.wrong(Reason::Name { found: self.found() })
                });
            }
        };
        self.operand(Qualifier { guard, direction, kind })
    }

    /// Returns the ends after `src` or `dst`, and takes the rest of `src or dst` and `src and dst`.
    fn direction(&mut self, first: &str) -> Direction {
        let (alone, other) = match first {
            "src" => (Direction::Src, "dst"),
            _ => (Direction::Dst, "src"),
        };
        let direction = match self.peek().map(|token| token.kind) {
            Some(TokenKind::Or) => Direction::Either,
            Some(TokenKind::And) => Direction::Both,
            _ => return alone,
        };
        if self.word_at(self.at + 1).as_deref() != Some(other) {
            return alone;
        }
        self.at += 2;
        direction
    }

    /// Parses `inside` and `outside`.
    fn side(&mut self, direction: Direction, is_inside: bool) -> Result<Expr> {
        let Some(nets) = self.context.inside else {
            let found = self.found();
            return Err(self.wrong(Reason::Inside { found }));
        };
        let address = |direction| Expr::Term(Term::Address(direction, nets.to_vec()));
        self.at += 1;
        Ok(match (is_inside, direction) {
            (true, direction) => address(direction),
            // One end is outside if not both are inside.
            (false, Direction::Either) => Expr::Not(Box::new(address(Direction::Both))),
            (false, Direction::Both) => Expr::Not(Box::new(address(Direction::Either))),
            (false, direction) => Expr::Not(Box::new(address(direction))),
        })
    }

    /// Parses TCP flags as letters, all or any of which must be set, or as one number.
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
        // Exporters put anything into the field of other protocols.
        let tcp = Term::Number(Field::Proto, vec![(TCP.into(), TCP.into())]);
        let term = with(Some(tcp), Expr::Term(term));
        Ok(if compare == Some(Compare::Unequal) { Expr::Not(Box::new(term)) } else { term })
    }

    /// Parses the comparison of a number of a flow.
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

    /// Parses a value, or several, of the kind that the qualifier says.
    fn operand(&mut self, qualifier: Qualifier) -> Result<Expr> {
        let Qualifier { guard, direction, kind } = qualifier.clone();
        let is_group = self.peek().is_some_and(|token| token.kind == TokenKind::Open);
        if is_group && self.word_at(self.at + 1).is_some_and(|word| is_value(&word)) {
            // tcpdump's `port (80 or 443)`: the values take the qualifier as they would without
            // parentheses.
            self.last = Some(qualifier);
            return self.part();
        }
        let is_listed = self.takes_in();
        let compare = if is_listed { None } else { self.compare() };
        let order = !matches!(compare, None | Some(Compare::Equal | Compare::Unequal));
        // A bare value after `port > 1024 or` is an error: the comparison could be meant for it or
        // not.
        self.last = compare.is_none().then_some(qualifier);
        let term = match kind {
            ValueKind::Host | ValueKind::Net | ValueKind::Exporter => {
                if order {
                    self.at -= 1;
                    return Err(self.wrong(Reason::Order { what: "addresses" }));
                }
                let nets = if is_listed {
                    self.nets(kind == ValueKind::Net)?
                } else {
                    vec![self.net(kind == ValueKind::Net, true)?]
                };
                match kind {
                    ValueKind::Exporter => Term::Exporter(nets),
                    _ => Term::Address(direction, nets),
                }
            }
            ValueKind::Port | ValueKind::Interface | ValueKind::Proto => {
                let ranges = match (is_listed, compare) {
                    (true, _) => self.list(|parser| parser.range(kind))?,
                    (_, Some(compare)) if order => {
                        let at = self.at;
                        let (first, last) = self.range(kind)?;
                        if first != last {
                            self.at = at;
                            return Err(self.refused("one number"));
                        }
                        compare.range(first).into_iter().collect()
                    }
                    _ => vec![self.range(kind)?],
                };
                match kind {
                    ValueKind::Port => Term::Port(direction, ranges),
                    ValueKind::Interface => Term::Interface(direction, ranges),
                    _ => Term::Number(Field::Proto, ranges),
                }
            }
        };
        let term = Expr::Term(term);
        let is_not = compare == Some(Compare::Unequal);
        Ok(with(guard, if is_not { Expr::Not(Box::new(term)) } else { term }))
    }
}

/// The words that can follow `src` and `dst`, for messages.
const AFTER_ENDS: &str = "host, net, port, if, inside, outside or an address";

/// Returns true for words that say the kind of a value and can follow a guard.
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

/// Returns an expression that holds if the guard holds too.
fn with(guard: Option<Term>, expr: Expr) -> Expr {
    match guard {
        Some(guard) => Expr::And(vec![Expr::Term(guard), expr]),
        None => expr,
    }
}
