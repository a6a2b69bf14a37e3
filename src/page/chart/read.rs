//! Charts read back into numbers, for tests that hold a chart to its table.

use std::collections::BTreeMap;

/// The paths of one SVG by class name, and the size of its coordinates.
#[derive(Debug)]
pub struct Svg {
    pub width: f64,
    pub height: f64,
    pub paths: BTreeMap<String, String>,
    pieces: BTreeMap<String, Vec<Piece>>,
}

/// The corners of a piece of a path, which begins with M.
type Piece = Vec<(f64, f64)>;

/// Returns all SVGs of a page, in order.
///
/// # Panics
/// Panics if an SVG has text in it, is not stretched, or has a style: no chart may.
pub fn svgs(html: &str) -> Vec<Svg> {
    assert!(!html.contains("style="), "inline style: {html}");
    let svg = |text: &str| {
        let (text, _) = text.split_once("</svg>").unwrap();
        let (open, inside) = text.split_once('>').unwrap();
        assert!(open.contains("preserveAspectRatio=\"none\""), "{open}");
        let size = attribute(open, "viewBox");
        let size: Vec<f64> = size.split(' ').map(|n| n.parse().unwrap()).collect();
        assert_eq!(size[..2], [0.0, 0.0]);
        let mut paths = BTreeMap::new();
        for piece in inside.split('<').filter(|piece| !piece.trim().is_empty()) {
            assert!(piece.starts_with("path ") && piece.trim_end().ends_with("/>"), "{piece}");
            let old = paths.insert(attribute(piece, "class"), attribute(piece, "d"));
            assert_eq!(old, None, "one path a series");
        }
        let pieces = |(class, path): (&String, &String)| (class.clone(), pieces(path));
        let pieces: BTreeMap<_, _> = paths.iter().map(pieces).collect();
        assert!(
            pieces
                .values()
                .flatten()
                .flatten()
                .all(|(x, y)| { (0.0..=size[2]).contains(x) && (0.0..=size[3]).contains(y) })
        );
        Svg { width: size[2], height: size[3], paths, pieces }
    };
    html.split("<svg ").skip(1).map(svg).collect()
}

/// Returns the value of an attribute.
fn attribute(tag: &str, name: &str) -> String {
    let (_, rest) =
        tag.split_once(&format!("{name}=\"")).unwrap_or_else(|| panic!("{name}: {tag}"));
    rest.split_once('"').unwrap().0.to_owned()
}

/// Returns the pieces of a path.
fn pieces(path: &str) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    let (mut x, mut y) = (0.0, 0.0);
    let mut at = 0;
    while at < path.len() {
        let end = path[at + 1..].find(|c: char| c.is_ascii_alphabetic());
        let end = end.map_or(path.len(), |length| at + 1 + length);
        let numbers = path[at + 1..end].split_whitespace().map(|n| n.parse().unwrap());
        let numbers: Vec<f64> = numbers.collect();
        match (&path[at..=at], numbers.as_slice()) {
            ("M", [to_x, to_y]) => {
                (x, y) = (*to_x, *to_y);
                pieces.push(Vec::new());
            }
            ("H", [to]) => x = *to,
            ("h", [by]) => x += by,
            ("V", [to]) => y = *to,
            ("z", []) => (x, y) = pieces.last().unwrap()[0],
            (command, _) => panic!("{command} in {path}"),
        }
        pieces.last_mut().unwrap().push((x, y));
        at = end;
    }
    pieces
}

impl Svg {
    /// Returns the pieces of a path, or nothing if there is no path of this class.
    pub fn pieces(&self, class: &str) -> &[Piece] {
        self.pieces.get(class).map_or(&[], Vec::as_slice)
    }

    /// Returns the horizontal lines of a path away from y = `base`, as their two ends and y, all as fractions of
    /// the size.
    pub fn steps(&self, class: &str, base: f64) -> Vec<(f64, f64, f64)> {
        let mut steps = Vec::new();
        for piece in self.pieces(class) {
            for ends in piece.windows(2) {
                let ((x, y), (to, same)) = (ends[0], ends[1]);
                if y == same && x != to && y / self.height != base {
                    steps.push((x / self.width, to / self.width, y / self.height));
                }
            }
        }
        steps
    }

    /// Returns the height of an outline's step in the middle between two fractions of the width: the distance
    /// from y = `base`, as a fraction of the height, and 0 if there is no shape.
    pub fn level(&self, class: &str, base: f64, from: f64, to: f64) -> f64 {
        let middle = f64::midpoint(from, to);
        let steps = self.steps(class, base);
        let mut over = steps.iter().filter(|(x, to, _)| *x < middle && middle < *to);
        let level = over.next().map_or(0.0, |(_, _, y)| (y - base).abs());
        assert!(over.next().is_none(), "two steps at {middle}");
        level
    }

    /// Returns true if a piece of a path reaches over the middle between two fractions of the width.
    pub fn covers(&self, class: &str, from: f64, to: f64) -> bool {
        let middle = f64::midpoint(from, to) * self.width;
        self.pieces(class).iter().any(|piece| {
            let xs = || piece.iter().map(|(x, _)| *x);
            xs().any(|x| x < middle) && xs().any(|x| x > middle)
        })
    }
}

/// Returns the place of a label from its classes, as a fraction.
pub fn place(classes: &str) -> f64 {
    let part = |class: &str| {
        let (letter, digits) = class.split_at(1);
        let number: f64 = digits.parse().unwrap();
        number
            * match letter {
                "t" => 0.1,
                "u" => 0.01,
                "d" => 0.001,
                _ => panic!("{classes}"),
            }
    };
    classes.split(' ').map(part).sum()
}
