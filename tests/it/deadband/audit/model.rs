//! The figures as their definitions read, from all samples at once.

use std::ops::RangeInclusive;

use iot_runbook::deadband::audit::Figures;
use iot_runbook::deadband::sample::Severity;

use super::Seen;

/// A usable value, whether it was reported, and which unbroken stretch it belongs to.
struct Point {
    value: f64,
    is_reported: bool,
    stretch: usize,
}

/// The figures, and between which two the noise lies: medians of few are not the same for all who count.
pub(super) fn figures(seen: &[Seen], longest_gap: i64) -> (Figures, RangeInclusive<f64>) {
    let mut points: Vec<Point> = Vec::new();
    // Where in `points` a report was that holds no usable value.
    let mut blank_reports = Vec::new();
    let mut stretch = 0;
    let mut last = None;
    for (sample, is_reported) in seen {
        if last.is_some_and(|last| sample.at <= last) {
            continue;
        }
        if last.is_some_and(|last| sample.at - last > longest_gap) {
            stretch += 1;
        }
        last = Some(sample.at);
        if sample.value.abs() <= 1e140 && sample.quality.severity() != Severity::Bad {
            points.push(Point { value: sample.value, is_reported: *is_reported, stretch });
        } else {
            stretch += 1;
            if *is_reported {
                blank_reports.push(points.len());
            }
        }
    }
    let reported = points.iter().filter(|point| point.is_reported).count();
    let mut figures = Figures::new(1.0, points.len() as u64, reported as u64);
    let values: Vec<_> = points.iter().map(|point| point.value).collect();
    let variance = variance(&values);
    figures.spread = variance.sqrt();
    figures.range = range(&values);

    let together = |window: &[Point]| window.iter().all(|point| point.stretch == window[0].stretch);
    let steps = |lag: usize| -> Vec<f64> {
        let windows = points.windows(lag + 1).filter(|window| together(window));
        windows.map(|window| window[lag].value - window[0].value).collect()
    };
    let bends: Vec<_> = points
        .windows(3)
        .filter(|window| together(window))
        .map(|window| ((window[2].value - window[1].value) - (window[1].value - window[0].value)).abs())
        .collect();
    let near = steps(1);
    figures.quantum = near
        .iter()
        .map(|step| step.abs())
        .filter(|step| *step > 0.0)
        .fold(0.0, |least, step| if least == 0.0 || step < least { step } else { least });
    let floor = figures.quantum / 12.0_f64.sqrt();
    let noise = |bend: f64| (bend / (0.674_489_750_196_081_7 * 6.0_f64.sqrt())).max(floor);
    let (least, most) = about_the_median(bends);
    if !near.is_empty() && variance > 0.0 {
        figures.movement = 1.0 - mean_square(&near) / (2.0 * variance);
        let n = near.len() as f64 + 1.0;
        if n > 2.0 {
            figures.significance = figures.movement / ((n - 2.0) / (n * n - 1.0)).sqrt();
        }
    }
    let far = steps(32);
    if mean_square(&far) > 0.0 {
        figures.slowness = variance / (mean_square(&far) / 2.0);
    }
    hold(&points, &blank_reports, &mut figures);
    (figures, noise(least)..=noise(most))
}

/// What is held back between two reports, one run after the other.
fn hold(points: &[Point], blank_reports: &[usize], figures: &mut Figures) {
    let mut errors = Vec::new();
    let (mut squares, mut freedom) = (0.0, 0.0);
    let mut within = Vec::new();
    let mut held: Option<f64> = None;
    let mut run: Vec<usize> = Vec::new();
    let ends = (0..=points.len()).flat_map(|at| {
        let blanks = blank_reports.iter().filter(move |blank| **blank == at).map(move |_| (at, true));
        blanks.chain([(at, false)])
    });
    for (at, is_blank) in ends {
        let point = points.get(at).filter(|_| !is_blank);
        if let Some(point) = point
            && !point.is_reported
        {
            run.push(at);
            continue;
        }
        // A report, blank or not, or the end.
        let values: Vec<_> = run.iter().map(|at| points[*at].value).collect();
        if !values.is_empty() {
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            squares += values.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
            freedom += values.len() as f64 - 1.0;
            errors.extend(held.iter().flat_map(|held| values.iter().map(move |value| value - held)));
            let all: Vec<_> = values.iter().copied().chain(held).collect();
            figures.hidden_range = figures.hidden_range.max(range(&all));
            within.extend(run.windows(2).filter_map(|pair| {
                let (one, next) = (&points[pair[0]], &points[pair[1]]);
                (pair[1] == pair[0] + 1 && one.stretch == next.stretch).then_some(next.value - one.value)
            }));
        }
        run.clear();
        held = point.map(|point| point.value);
    }
    figures.error = mean_square(&errors).sqrt();
    figures.error_max = errors.iter().map(|error| error.abs()).fold(0.0, f64::max);
    if freedom > 0.0 && squares > 0.0 && !within.is_empty() {
        figures.structure = 1.0 - mean_square(&within) / (2.0 * squares / freedom);
    }
}

fn variance(values: &[f64]) -> f64 {
    if values.len() < 2 {
        return 0.0;
    }
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (values.len() - 1) as f64
}

fn range(values: &[f64]) -> f64 {
    let highest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let lowest = values.iter().copied().fold(f64::INFINITY, f64::min);
    if values.is_empty() { 0.0 } else { highest - lowest }
}

fn mean_square(values: &[f64]) -> f64 {
    values.iter().map(|value| value * value).sum::<f64>() / values.len().max(1) as f64
}

fn about_the_median(mut values: Vec<f64>) -> (f64, f64) {
    values.sort_unstable_by(f64::total_cmp);
    let at = |at: usize| values.get(at.min(values.len().saturating_sub(1))).copied().unwrap_or_default();
    (at((values.len() / 2).saturating_sub(1)), at(values.len() / 2))
}
