//! When certificates end, as a picture.

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};

use super::svg::{Escaped, columns};
use crate::fact::{at_least_in_words, duration_in_words};

/// The times of certificates on one axis: issued, renewal due, now, end. An SVG, by [`Display`](fmt::Display).
///
/// ```
/// use chrono::{TimeDelta, TimeZone, Utc};
/// use iot_runbook::report::CertificateTimeline;
///
/// let now = Utc.timestamp_opt(1_800_000_000, 0).unwrap();
/// let mut timeline = CertificateTimeline::new(now);
/// timeline.add("press-07", Some(now - TimeDelta::days(335)), Some(now - TimeDelta::days(5)), now + TimeDelta::days(30));
/// assert!(timeline.to_string().contains("ends in 30 d"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateTimeline {
    now: DateTime<Utc>,
    rows: Vec<Row>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    name: String,
    issued: Option<DateTime<Utc>>,
    renewal_due: Option<DateTime<Utc>>,
    end: DateTime<Utc>,
}

/// The words are beside the names and before the plot: on a phone the left of a picture is seen first.
const WORDS: f64 = 150.0;
const LEFT: f64 = 290.0;
const PLOT: f64 = 400.0;
const RIGHT: f64 = 10.0;
const ROW: f64 = 26.0;
const TOP: f64 = 30.0;
/// The width of a character, of the wider fonts that a system may have.
const CHAR: f64 = 7.4;

impl CertificateTimeline {
    /// A timeline without a certificate.
    #[must_use]
    pub const fn new(now: DateTime<Utc>) -> Self {
        Self { now, rows: Vec::new() }
    }

    /// Adds a certificate; what is not known is not drawn. Without the time at which it was issued its bar begins where the
    /// axis does.
    pub fn add(
        &mut self,
        name: impl Into<String>,
        issued: Option<DateTime<Utc>>,
        renewal_due: Option<DateTime<Utc>>,
        end: DateTime<Utc>,
    ) {
        self.rows.push(Row { name: name.into(), issued, renewal_due, end });
    }

    /// True if it has no certificate.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// From where to where the axis is: all times, and a little more.
    fn span(&self) -> (DateTime<Utc>, TimeDelta) {
        let times = self.rows.iter().flat_map(|row| [Some(row.end), row.issued, row.renewal_due]);
        let (mut first, mut last) = (self.now, self.now);
        for at in times.flatten() {
            (first, last) = (first.min(at), last.max(at));
        }
        let length = last.signed_duration_since(first).max(TimeDelta::hours(1));
        // A time at the very edge of what a clock can hold has no room beside it.
        let first = first.checked_sub_signed(length / 20).unwrap_or(first);
        (first, last.signed_duration_since(first).max(TimeDelta::hours(1)))
    }

    fn words(&self, row: &Row) -> String {
        let left = row.end.signed_duration_since(self.now);
        if left > TimeDelta::zero() {
            format!("ends in {}", at_least_in_words(left))
        } else {
            format!("ended {} ago", duration_in_words(-left))
        }
    }
}

impl fmt::Display for CertificateTimeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, length) = self.span();
        let x = |at: DateTime<Utc>| {
            let part = at.signed_duration_since(first).as_seconds_f64() / length.as_seconds_f64();
            PLOT.mul_add(part.clamp(0.0, 1.0), LEFT)
        };
        let height = ROW.mul_add(self.rows.len() as f64, TOP + 26.0);
        let width = LEFT + PLOT + RIGHT;
        let all: Vec<String> =
            self.rows.iter().map(|row| format!("{} {}", row.name, self.words(row))).collect();
        writeln!(
            f,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"validity\" role=\"img\" viewBox=\"0 0 {width} {height}\" \
             width=\"{width}\" height=\"{height}\"><title>When certificates end</title><desc>{}</desc><style>{STYLE}</style>",
            Escaped(&all.join("; "))
        )?;
        let now = x(self.now);
        let foot = height - 26.0;
        writeln!(
            f,
            "<path class=\"now\" d=\"M{now:.1} {:.1}V{foot:.1}\"/><text x=\"{now:.1}\" y=\"16\" \
             text-anchor=\"middle\">now, {}</text>",
            TOP - 8.0,
            self.now.format("%Y-%m-%d")
        )?;
        let mut y = TOP;
        for row in &self.rows {
            self.write_row(f, row, y, x)?;
            y += ROW;
        }
        let has_due = self.rows.iter().any(|row| row.renewal_due.is_some());
        let key = if has_due { "bar: valid; ▲ renewal due; █ end" } else { "bar: valid; █ end" };
        writeln!(f, "<text class=\"soft\" x=\"{LEFT}\" y=\"{:.1}\">{key}</text></svg>", height - 8.0)
    }
}

impl CertificateTimeline {
    fn write_row(
        &self,
        f: &mut fmt::Formatter<'_>,
        row: &Row,
        y: f64,
        x: impl Fn(DateTime<Utc>) -> f64,
    ) -> fmt::Result {
        let (begin, end) = (row.issued.map_or(LEFT, &x), x(row.end));
        let class = if row.end <= self.now { "ended" } else { "valid" };
        let most = (WORDS - 10.0) / CHAR;
        let name = if columns(&row.name) as f64 > most {
            let mut cut: String = row.name.chars().take(most as usize - 1).collect();
            cut.push('…');
            cut
        } else {
            row.name.clone()
        };
        write!(
            f,
            "<g class=\"{class}\"><title>{}: {}, {}</title><text x=\"0\" y=\"{:.1}\">{}</text><rect class=\"bar\" \
             x=\"{begin:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"8\"/><rect class=\"end\" x=\"{:.1}\" y=\"{:.1}\" \
             width=\"4\" height=\"16\"/>",
            Escaped(&row.name),
            self.words(row),
            row.end.format("%Y-%m-%d %H:%M UTC"),
            y + 15.0,
            Escaped(&name),
            y + 6.0,
            (end - begin).max(1.0),
            end - 2.0,
            y + 2.0
        )?;
        if let Some(due) = row.renewal_due {
            write!(f, "<path class=\"due\" d=\"M{:.1} {:.1}l-5 9h10z\"/>", x(due), y + 12.0)?;
        }
        f.write_str("<text class=\"words\" ")?;
        writeln!(f, "x=\"{WORDS:.1}\" y=\"{:.1}\">{}</text></g>", y + 15.0, self.words(row))
    }
}

/// With the colours of a page where it is in one.
const STYLE: &str = "\
.validity { font: 13px/1 system-ui, sans-serif; display: block; } .validity text { fill: var(--ink, #1b1f24); }
.validity .soft { fill: var(--soft, #57606a); font-size: 12px; }
.validity .now { stroke: var(--soft, #57606a); stroke-dasharray: 4 3; }
.validity .bar { fill: var(--line, #d0d7de); } .validity .end, .validity .due { fill: var(--link, #0550ae); }
.validity .ended .words { font-weight: 600; }";

#[cfg(test)]
mod tests {
    use super::*;

    /// A phone shows the left of a picture: the name, and how long is left.
    #[test]
    fn words_are_left_of_the_plot() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let mut timeline = CertificateTimeline::new(now);
        timeline.add("press-7", None, None, now + TimeDelta::days(2));
        let svg = timeline.to_string();
        let words = svg.split("class=\"words\" x=\"").nth(1).unwrap();
        let x: f64 = words.split('"').next().unwrap().parse().unwrap();
        assert!(x + CHAR * "ends in 2 d".len() as f64 <= LEFT && x < 360.0, "{svg}");
    }

    #[test]
    fn times_of_any_age_are_drawn() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let mut timeline = CertificateTimeline::new(now);
        assert!(timeline.is_empty() && timeline.to_string().starts_with("<svg "));
        timeline.add("a <b>", None, None, DateTime::<Utc>::MAX_UTC);
        timeline.add("c", Some(DateTime::<Utc>::MIN_UTC), Some(now), now - TimeDelta::days(2));
        let svg = timeline.to_string();
        assert!(svg.contains("a &lt;b&gt;") && svg.contains("ended 2 d ago"), "{svg}");
        assert!(!svg.contains("NaN") && !svg.contains("inf\""), "{svg}");
    }
}
