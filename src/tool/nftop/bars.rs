//! Prints a window as a table for a person: short numbers, and bars beside them.

use std::io::Write;

use super::cells::key_texts;
use super::series;
use crate::time::{End, WindowState};
use crate::total::{By, Counts, Ranking, Row, TotalSpec};

/// The width of the longest bar, in characters.
const WIDTH: usize = 24;

/// The width of a series, in characters.
const SERIES: usize = 60;

/// Bars of an eighth of a character to a whole one.
const EIGHTHS: [char; 8] = ['▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];

/// Levels of an eighth of a line's height to a whole one.
const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Prints one window.
///
/// # Errors
/// Fails if stdout cannot be written or the ranking cannot be read.
pub fn print(
    spec: &TotalSpec,
    mask: bool,
    end: &End,
    total: Counts,
    ranking: Ranking,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let rows = ranking.rows.collect::<Result<Vec<Row>, _>>()?;
    let mut title = match end.window {
        Some(window) => {
            let seconds = window.seconds();
            let bits = u128::from(total.octets) * 8 / u128::from(seconds);
            format!("{}, {seconds} s, {}bit/s, ", window.start_text(), short(bits, " "))
        }
        None => String::new(),
    };
    let [flows, packets, octets] =
        [total.flows, total.packets, total.octets].map(|count| short(count.into(), ""));
    title += &format!("{flows} flows, {packets} packets, {octets} octets");
    if let Some(state) = end.state.filter(|state| *state != WindowState::Ok) {
        title += &format!(", {}", state.as_str());
    }
    writeln!(out, "{title}")?;
    if rows.is_empty() {
        writeln!(out)?;
        out.flush()?;
        return Ok(());
    }

    let measure = |row: &Row| match spec.by {
        By::Peers => row.peers.unwrap_or(0),
        by => row.counts().by(by),
    };
    let most = rows.iter().map(measure).max().unwrap_or(0);
    let mut names = spec.per.columns().iter().map(ToString::to_string).collect::<Vec<_>>();
    names.extend(["flows", "packets", "octets"].map(str::to_owned));
    if spec.per.sides().len() == 2 {
        names.extend(["sent", "received"].map(str::to_owned));
    }
    match spec.by {
        By::Peers => names.push("peers".to_owned()),
        _ => names.push("share".to_owned()),
    }
    let keys = spec.per.columns().len();
    let times = spec.step.map(|step| series::times(step, end.window, &rows));
    let mut table = vec![names];
    let mut drawn = vec![String::new()];
    for row in &rows {
        let counts = row.counts();
        let mut cells = key_texts(row.key, mask);
        let of = |count: u64| short(count.into(), "");
        cells.extend([counts.flows, counts.packets, counts.octets].map(of));
        if let Some(received) = row.received {
            // Each side by the measure that ranks the keys. Peers are counted for both sides together.
            cells.extend([row.sent, received].map(|side| of(side.by(spec.by))));
        }
        cells.push(match spec.by {
            By::Peers => of(measure(row)),
            by => format!("{:.1}%", 100.0 * counts.by(by) as f64 / total.by(by).max(1) as f64),
        });
        table.push(cells);
        drawn.push(match &times {
            Some(times) => levels(row, times, spec.by),
            None => bar(measure(row), most),
        });
    }
    let widths: Vec<_> = (0..table.first().map_or(0, Vec::len))
        .map(|n| table.iter().filter_map(|cells| cells.get(n)).map(|c| c.chars().count()).max())
        .map(Option::unwrap_or_default)
        .collect();
    for (cells, drawn) in table.iter().zip(drawn) {
        let mut line = String::new();
        for (n, (cell, width)) in cells.iter().zip(&widths).enumerate() {
            // Keys are aligned to the left, numbers to the right.
            line +=
                &if n < keys { format!("{cell:<width$}  ") } else { format!("{cell:>width$}  ") };
        }
        line += &drawn;
        writeln!(out, "{}", line.trim_end())?;
    }
    if ranking.keys > rows.len() as u64 {
        writeln!(out, "and {} more", ranking.keys - rows.len() as u64)?;
    }
    writeln!(out)?;
    out.flush()?;
    Ok(())
}

/// Formats a count with three digits and a unit of thousands, with `before` between them: `1.23M`.
fn short(count: u128, before: &str) -> String {
    let units = ["", "k", "M", "G", "T", "P", "E", "Z"];
    let mut value = count as f64;
    let mut unit = 0;
    // A value that would round to four digits gets the next unit.
    while value >= 999.5 && unit + 1 < units.len() {
        value /= 1000.0;
        unit += 1;
    }
    let decimals = match value {
        _ if unit == 0 => 0,
        value if value < 9.995 => 2,
        value if value < 99.95 => 1,
        _ => 0,
    };
    format!("{value:.decimals$}{before}{}", units.get(unit).unwrap_or(&""))
}

/// Returns a bar whose length is in proportion to `most`.
fn bar(part: u64, most: u64) -> String {
    let eighths = u128::from(part) * (8 * WIDTH) as u128;
    let eighths = eighths.checked_div(most.into()).unwrap_or(0) as usize;
    let mut bar: String = std::iter::repeat_n('█', eighths / 8).collect();
    bar.extend((eighths % 8).checked_sub(1).and_then(|n| EIGHTHS.get(n)));
    bar
}

/// Returns a series as levels in proportion to the key's greatest step. Adjacent steps share a
/// character if there are too many.
fn levels(row: &Row, times: &[Option<u64>], by: By) -> String {
    let mut heights = vec![0u64; times.len().min(SERIES)];
    for step in &row.steps {
        let Ok(n) = times.binary_search(&step.start) else { continue };
        let place = n * heights.len() / times.len();
        let counts = step.received.map_or(step.sent, |received| step.sent.plus(received));
        if let Some(height) = heights.get_mut(place) {
            *height = height.saturating_add(counts.by(by));
        }
    }
    let most = heights.iter().copied().max().unwrap_or(0).max(1);
    let level = |height: &u64| match height {
        0 => ' ',
        height => {
            let level = (u128::from(*height) * 8).div_ceil(most.into()) as usize;
            LEVELS.get(level - 1).copied().unwrap_or('█')
        }
    };
    heights.iter().map(level).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits() {
        for (count, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1.00k"),
            (9_994, "9.99k"),
            (9_996, "10.0k"),
            (99_960, "100k"),
            (999_499, "999k"),
            (999_500, "1.00M"),
            (u128::from(u64::MAX), "18.4E"),
        ] {
            assert_eq!(short(count, ""), text);
        }
        assert_eq!(short(4_530_000, " ") + "bit/s", "4.53 Mbit/s");
    }

    #[test]
    fn bars_are_in_proportion() {
        assert_eq!(bar(0, 0), "");
        assert_eq!(bar(8, 8).chars().count(), WIDTH);
        assert_eq!(bar(u64::MAX, u64::MAX).chars().count(), WIDTH);
        assert_eq!(bar(1, 192), "▏");
        assert_eq!(bar(9, 192), "█▏");
    }
}
