//! The two classes that were renamed once, before 1.0.
//!
//! Findings, limits and truth files that older versions wrote hold the old words. Every reader maps them
//! before it compares findings, so that an old and a new line of one finding are one finding.

use super::record::Kind;

/// The kind of a renamed class, its old name and its current one.
const RENAMED: [(Kind, &str, &str); 2] =
    [(Kind::Scan, "ports", "vertical"), (Kind::Port, "hammer", "bruteforce")];

/// Returns the current name of a class of `kind`, and any other word as it is.
///
/// The kind decides: `ports` is an old name of a scan, not of a flood or an attack on a port.
pub fn current_class(kind: Kind, class: &str) -> &str {
    let renamed = RENAMED.iter().find(|(of, old, _)| *of == kind && *old == class);
    renamed.map_or(class, |(_, _, current)| current)
}

/// Returns the current name of a class that stands for itself alone, as in a file of `--limits`, and any
/// other word as it is. No two detectors have a class of the same name.
pub fn current_metric(metric: &str) -> &str {
    let renamed = RENAMED.iter().find(|(_, old, _)| *old == metric);
    renamed.map_or(metric, |(_, _, current)| current)
}

/// Returns the rule `why` of a finding of `kind` with the current names of the classes in its parts
/// `class=NAME` and `also=NAME+NAME`.
pub(super) fn current_why(kind: Kind, why: String) -> String {
    let is_old = |part: &str| {
        classes(part).is_some_and(|(_, names)| {
            names.split('+').any(|name| current_class(kind, name) != name)
        })
    };
    if !why.split(',').any(is_old) {
        return why;
    }
    let current = |part: &str| match classes(part) {
        Some((measure, names)) => {
            let names: Vec<_> = names.split('+').map(|name| current_class(kind, name)).collect();
            format!("{measure}={}", names.join("+"))
        }
        None => part.to_owned(),
    };
    why.split(',').map(current).collect::<Vec<_>>().join(",")
}

/// Splits a part of `why` whose value is a list of classes.
fn classes(part: &str) -> Option<(&str, &str)> {
    part.split_once('=').filter(|(measure, _)| matches!(*measure, "class" | "also"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_classes_of_the_detector_that_had_them_are_renamed() {
        assert_eq!(current_class(Kind::Scan, "ports"), "vertical");
        assert_eq!(current_class(Kind::Port, "hammer"), "bruteforce");
        for (kind, class) in [
            (Kind::Port, "ports"),
            (Kind::Flood, "ports"),
            (Kind::Scan, "hammer"),
            (Kind::Flood, "hammer"),
            (Kind::Scan, "vertical"),
            (Kind::Port, "bruteforce"),
            (Kind::Port, "spread"),
        ] {
            assert_eq!(current_class(kind, class), class);
        }
        let metrics = ["ports", "hammer", "vertical", "dark"].map(current_metric);
        assert_eq!(metrics, ["vertical", "bruteforce", "vertical", "dark"]);
    }

    #[test]
    fn classes_in_a_rule_are_renamed_and_measures_are_not() {
        let current = |kind, why: &str| current_why(kind, why.to_owned());
        assert_eq!(
            current(Kind::Scan, "ports=20>=15,class=ports,also=dark+ports"),
            "ports=20>=15,class=vertical,also=dark+vertical"
        );
        assert_eq!(
            current(Kind::Port, "targets=60>=25,also=spread+hammer"),
            "targets=60>=25,also=spread+bruteforce"
        );
        for (kind, why) in
            [(Kind::Port, "also=ports"), (Kind::Scan, "order=ports,class"), (Kind::Scan, "")]
        {
            assert_eq!(current(kind, why), why);
        }
    }
}
