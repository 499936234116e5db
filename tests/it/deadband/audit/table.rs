//! Series of known truth, eight bands each, and what an expert expects of each cell; the expectation follows from the
//! process without its noise, which the audit never sees. `cargo test --test it table_of -- --nocapture` prints it.

use iot_runbook::deadband::audit::{Audit, Limits};
use iot_runbook::deadband::sample::Sample;

use super::series::{Series, all};

/// So many samples in a row must be off, before a person would say that something was hidden.
const LASTING: usize = 8;

/// What the band did to the process, known from the truth.
#[derive(Default)]
struct Hidden {
    /// The largest excursion that no report shows.
    largest: f64,
    /// How far the process was from what was shown at that time.
    off: f64,
    /// The share of the moving time in silences that hid more than three noise bands.
    share: f64,
    reported: f64,
}

/// The expert's column of a cell.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Expected {
    Stuck,
    /// An excursion of more than three bands was hidden, or more than three noise bands during most of the movement.
    Hides,
    /// Nothing beyond the noise band was hidden, and the process moved.
    Follows,
    /// Nothing moved but noise, which the band keeps back.
    Quiet,
    /// The noise alone reports far more than one in a hundred.
    Narrow,
    /// Experts would differ.
    Between,
}

const ROWS: [Expected; 6] = [
    Expected::Stuck,
    Expected::Hides,
    Expected::Follows,
    Expected::Quiet,
    Expected::Narrow,
    Expected::Between,
];
const COLUMNS: [&str; 6] = ["TooWide", "ProcessStable", "Fine", "TooNarrow", "Stuck", "Undetermined"];

fn hidden(series: &Series, reported: &[bool], band: f64) -> Hidden {
    let (process, raw, noise_band) = (&series.process, &series.raw, series.noise_band);
    // A silence ends with a report of a value that left the band; a heartbeat does not end it.
    let mut silences = vec![];
    let (mut from, mut held) = (0, f64::NAN);
    for (at, value) in raw.iter().enumerate().filter(|(at, _)| reported[*at]) {
        if held.is_nan() || (value - held).abs() > band {
            silences.push((from, at, true));
            from = at;
        }
        held = *value;
    }
    // The first ends with the first sample. An open one counts where it is longer than all others.
    silences.remove(0);
    let longest = silences.iter().map(|(from, to, _)| to - from).max().unwrap_or(0);
    if raw.len() - from > longest {
        silences.push((from, raw.len() - 1, false));
    }
    let mut shown = f64::NAN;
    let off = process.iter().zip(reported).map(|(process, is_reported)| {
        shown = if *is_reported { *process } else { shown };
        process - shown
    });
    let off: Vec<_> = off.collect();
    let off = off.windows(LASTING).fold(0.0, |most: f64, window| {
        let (low, high) = bounds(window.iter().copied());
        most.max(low).max(-high)
    });
    let (mut moving, mut hiding, mut largest) = (0, 0, 0.0_f64);
    for (from, to, is_closed) in silences {
        let shown = (from..=to).filter(|at| reported[*at] && (is_closed || *at < to));
        let (lowest, highest) = bounds(shown.map(|at| process[at]));
        let off = |at: usize| [process[at] - highest, lowest - process[at]];
        let all: Vec<_> = (from..=to).map(off).collect();
        let lost = all.windows(LASTING).fold(0.0_f64, |most, window| {
            let side = |side: usize| window.iter().map(|off| off[side]).fold(f64::INFINITY, f64::min);
            most.max(side(0)).max(side(1))
        });
        let (least, most) = bounds(process[from..=to].iter().copied());
        if most - least > noise_band {
            moving += to - from;
            hiding += if lost > 3.0 * noise_band { to - from } else { 0 };
        }
        largest = largest.max(lost);
    }
    Hidden {
        largest,
        off,
        share: f64::from(u32::try_from(hiding).unwrap()) / f64::from(u32::try_from(moving.max(1)).unwrap()),
        reported: reported.iter().filter(|is| **is).count() as f64 / raw.len() as f64,
    }
}

fn bounds(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)))
}

fn expected(series: &Series, hidden: &Hidden, band: f64) -> Expected {
    let noise_band = series.noise_band;
    let (lowest, highest) = bounds(series.process.iter().copied());
    if series.is_stuck {
        Expected::Stuck
    } else if hidden.off > 3.0 * band || hidden.share >= 0.5 {
        Expected::Hides
    } else if band < 0.7 * noise_band && hidden.reported > 0.02 {
        Expected::Narrow
    } else if hidden.largest.max(hidden.off) <= noise_band
        && highest - lowest > 3.0 * noise_band
        && band > 1.1 * noise_band
    {
        Expected::Follows
    } else if highest - lowest <= 0.5 * noise_band && band > 1.1 * noise_band {
        Expected::Quiet
    } else {
        Expected::Between
    }
}

/// What must not be said of a cell.
fn is_wrong(series: &Series, expected: Expected, hidden: &Hidden, band: f64, found: &str) -> bool {
    match found {
        "TooWide" => expected == Expected::Stuck || hidden.largest.max(hidden.off) <= series.noise_band,
        "ProcessStable" | "Fine" if matches!(expected, Expected::Hides | Expected::Stuck) => true,
        "Fine" => expected == Expected::Quiet,
        "ProcessStable" => expected == Expected::Follows,
        "TooNarrow" => band > 1.3 * series.noise_band,
        "Stuck" => !series.is_stuck,
        _ => false,
    }
}

#[test]
fn table_holds_no_wrong_verdict() {
    let mut matrix = [[0_u32; COLUMNS.len()]; ROWS.len()];
    let (mut wrong, mut tight, mut cells) = (vec![], 0, 0);
    for series in all(14) {
        let mut line = format!("{:<44}", series.name);
        for band in series.bands() {
            let reported = series.filter(band);
            let mut audit = Audit::new(band).unwrap();
            for (at, value) in series.raw.iter().enumerate() {
                let at_nanos = i64::try_from(at).unwrap() * series.interval;
                audit.observe(&Sample::new(at_nanos, *value), reported[at]);
            }
            let assessment = audit.assess(&Limits::default());
            let found = format!("{:?}", assessment.verdict);
            let column = COLUMNS.iter().position(|name| found.starts_with(name)).unwrap();
            let hidden = hidden(&series, &reported, band);
            let expected = expected(&series, &hidden, band);
            let row = ROWS.iter().position(|row| *row == expected).unwrap();
            matrix[row][column] += 1;
            cells += 1;
            let is_tight = COLUMNS[column] == "Fine" && hidden.largest > 3.0 * series.noise_band;
            tight += u32::from(is_tight);
            let is_wrong = is_wrong(&series, expected, &hidden, band, COLUMNS[column]);
            if is_wrong {
                wrong.push(format!(
                    "{} under {band:.4} ({expected:?}, hides {:.3}, share {:.2}, noise band {:.3}): {assessment}",
                    series.name, hidden.largest, hidden.share, series.noise_band
                ));
            }
            let mark = if is_wrong {
                "!"
            } else if is_tight {
                "*"
            } else {
                ""
            };
            line += &format!(" {mark}{:?}:{:.9}", expected, COLUMNS[column]);
        }
        println!("{line}");
    }
    println!("\n{:<10} {}", "expected", COLUMNS.map(|name| format!("{name:>14}")).concat());
    for (row, counts) in ROWS.iter().zip(matrix) {
        println!("{:<10} {}", format!("{row:?}"), counts.map(|count| format!("{count:>14}")).concat());
    }
    println!(
        "\n{cells} cells, {} wrong; of those called fine, {tight} hid some excursion over three noise bands",
        wrong.len()
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
