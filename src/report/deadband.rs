mod axis;
mod columns;
mod marks;

use std::fmt;

use crate::deadband::filter::Report;
use crate::deadband::sample::Sample;
use axis::{Span, Times, Values};
use columns::{Column, columns};
use marks::Marks;

use super::svg::{Escaped, wrapped};

/// A signal, what a deadband reported of it, and the band around what was held: an SVG, by
/// [`Display`](fmt::Display).
///
/// Each pixel column is drawn once, by the first, lowest, highest and last value in it, so that a million samples
/// are a picture of some hundred KiB at most. A value that is not finite leaves a hole; one that was reported
/// is at the foot.
///
/// ```
/// use iot_runbook::deadband::filter::{Extent, Filter, Rule, Settings};
/// use iot_runbook::deadband::sample::Sample;
/// use iot_runbook::report::DeadbandChart;
/// use std::sync::Arc;
///
/// let mut filter = Filter::new(Arc::new(Rule::<f64>::new(Settings::new(Extent::Absolute(0.5)))?));
/// let raw: Vec<_> = (0..600).map(|i| Sample::new(i * 1_000_000_000, (i as f64 / 90.0).sin())).collect();
/// let mut reported = Vec::new();
/// for sample in &raw {
///     filter.observe(*sample, |report| reported.push(report))?;
/// }
/// let svg = DeadbandChart::new("Boiler 3 <flow>", &raw, &reported).with_band(0.5).to_string();
/// assert!(svg.starts_with("<svg ") && svg.contains("Boiler 3 &lt;flow&gt;"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct DeadbandChart<'a> {
    title: String,
    unit: String,
    raw: &'a [Sample],
    reported: &'a [Report],
    band: Option<f64>,
    line: &'a [Sample],
    words: String,
}

/// The picture's measures, in pixels.
const WIDTH: f64 = 960.0;
const LEFT: f64 = 76.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 64.0;
const PLOT: f64 = 340.0;
const FOOT: f64 = TOP + PLOT;
const LEADING: f64 = 19.0;

/// How many characters of 13 pixels stand in a line.
const LINE: usize = 116;

impl<'a> DeadbandChart<'a> {
    /// A chart of raw samples and of what was reported of them, each in the order of its times.
    #[must_use]
    pub fn new(title: impl Into<String>, raw: &'a [Sample], reported: &'a [Report]) -> Self {
        Self {
            title: title.into(),
            unit: String::new(),
            raw,
            reported,
            band: None,
            line: &[],
            words: String::new(),
        }
    }

    setters! {
        /// The same with the unit of the values.
        with_unit(unit: impl Into<String>) => unit = unit.into();
        /// The same with a band of this width to both sides of what is held.
        with_band(width: f64) => band = Some(width).filter(|width| width.is_finite() && *width > 0.0);
        /// The same with a line through these samples: what a swinging door kept.
        with_line(kept: &'a [Sample]) => line = kept;
        /// The same with words beneath, such as an [`Assessment`](crate::deadband::audit::Assessment).
        with_words(words: impl fmt::Display) => words = words.to_string();
    }

    fn held(&self) -> impl Iterator<Item = Sample> + Clone {
        self.reported.iter().map(|report| report.sample)
    }

    /// The band about what is held, column by column: along its top, and back along its bottom.
    fn write_band(&self, f: &mut fmt::Formatter<'_>, held: &[Column], values: &Values) -> fmt::Result {
        let Some(band) = self.band else { return Ok(()) };
        for run in held.split(|column| column.lowest > column.highest) {
            if run.is_empty() {
                continue;
            }
            f.write_str("<path class=\"band\" d=\"")?;
            let mut letter = 'M';
            for column in run {
                let top = values.y(column.highest + band);
                write!(f, "{letter}{:.1} {top:.1}H{:.1}", column.x, column.x + 1.0)?;
                letter = 'L';
            }
            for column in run.iter().rev() {
                let bottom = values.y(column.lowest - band);
                write!(f, "L{:.1} {bottom:.1}H{:.1}", column.x + 1.0, column.x)?;
            }
            f.write_str("Z\"/>\n")?;
        }
        Ok(())
    }
}

impl fmt::Display for DeadbandChart<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.raw.iter().copied().chain(self.held()).chain(self.line.iter().copied());
        let times = Times::of(all.clone(), Span { from: LEFT, to: WIDTH - RIGHT });
        let is_empty = all.clone().next().is_none();
        let band = self.band.unwrap_or_default();
        let values = Values::of(all, self.held(), band, Span { from: FOOT, to: TOP });
        let lines = wrapped(&self.words, LINE);
        let marks = Marks::of(self.reported);
        let legend = FOOT + 52.0;
        let height = legend + LEADING * (lines.len() as f64 + 1.0) + 8.0;
        write!(
            f,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"deadband\" role=\"img\" viewBox=\"0 0 {WIDTH} {height}\" \
             width=\"{WIDTH}\" height=\"{height}\">\n<title>{title}</title>\n{STYLE}\n\
             <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#fff\"/>\n\
             <text class=\"title\" x=\"{LEFT}\" y=\"30\">{title}</text>\n",
            title = Escaped(&self.title),
        )?;
        if !self.unit.is_empty() {
            writeln!(f, "<text class=\"small\" x=\"{LEFT}\" y=\"52\">{}</text>", Escaped(&self.unit))?;
        }
        if !is_empty {
            let right = WIDTH - RIGHT;
            writeln!(
                f,
                "<text class=\"small\" x=\"{right}\" y=\"52\" text-anchor=\"end\">{}</text>",
                times.begin()
            )?;
        }
        values.write_axis(f, LEFT, WIDTH - RIGHT)?;
        times.write_axis(f, FOOT)?;
        let held = columns(self.held(), &times).collect::<Vec<_>>();
        self.write_band(f, &columns::carried(&held, WIDTH - RIGHT), &values)?;
        columns::write_line(f, "raw", columns(self.raw.iter().copied(), &times), &values, None)?;
        columns::write_line(f, "held", held.iter().copied(), &values, Some(WIDTH - RIGHT))?;
        columns::write_line(f, "door", columns(self.line.iter().copied(), &times), &values, None)?;
        marks.write(f, self.reported, &times, &values, FOOT)?;
        marks.write_legend(f, LEFT + 8.0, legend, self.band.is_some(), !self.line.is_empty())?;
        for (line, y) in lines.iter().zip(1_u32..) {
            let y = LEADING.mul_add(f64::from(y), legend + 10.0);
            writeln!(f, "<text x=\"{LEFT}\" y=\"{y}\">{}</text>", Escaped(line))?;
        }
        f.write_str("</svg>\n")
    }
}

/// Each rule for this picture alone: in a page it is beside others.
const STYLE: &str = "<style>
.deadband text { font: 13px \"DejaVu Sans\", Verdana, Arial, sans-serif; fill: #222 }
.deadband .title { font-size: 17px; font-weight: bold }
.deadband .small { font-size: 11px; fill: #555 }
.deadband .grid { stroke: #e4e4e4; fill: none }
.deadband .band { fill: #2166ac; fill-opacity: .10; stroke: none }
.deadband .raw { stroke: #9a9a9a; stroke-width: 1; fill: none }
.deadband .held { stroke: #2166ac; stroke-width: 1.6; fill: none }
.deadband .door { stroke: #b2182b; stroke-width: 1.4; stroke-dasharray: 6 3; fill: none }
</style>";
