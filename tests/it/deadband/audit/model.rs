//! The figures as their definitions read, from all samples at once.

use iot_runbook::deadband::audit::Figures;
use iot_runbook::deadband::sample::Severity;

use super::Seen;

const BAND: f64 = 1.0;
const BLOCK: usize = 8;

/// A usable value, whether it was reported, and which unbroken stretch it belongs to.
#[derive(Clone, Copy)]
struct Point {
    value: f64,
    is_reported: bool,
    stretch: usize,
}

pub(super) fn compare(found: &Figures, seen: &[Seen], longest_gap: i64) {
    let (points, blanks) = points(seen, longest_gap);
    let near = |name: &str, one: f64, other: f64| {
        assert!((one - other).abs() <= 1e-9 * other.abs().max(1.0), "{name}: {one}, the model {other}");
    };
    let (low, high) = bounds(points.iter().map(|point| point.value));
    near("range", found.range, (high - low).max(0.0));
    assert_eq!(found.samples, points.len() as u64);
    assert_eq!(found.reported, points.iter().filter(|point| point.is_reported).count() as u64);
    let constant =
        points.iter().rev().take_while(|point| point.value == points[points.len() - 1].value).count();
    assert_eq!(found.constant, constant as u64);
    let steps = points.windows(2).filter(|pair| pair[0].stretch == pair[1].stretch);
    let quantum = steps.map(|pair| (pair[1].value - pair[0].value).abs()).filter(|step| *step > 0.0);
    near(
        "quantum",
        found.quantum,
        Some(quantum.fold(f64::INFINITY, f64::min)).filter(|q| q.is_finite()).unwrap_or(0.0),
    );
    let (error, most) = errors(&points, &blanks);
    near("error", found.error, error);
    near("error_max", found.error_max, most);
    silences(found, &points, near);
}

/// The usable values, and where in them a report was that holds none.
fn points(seen: &[Seen], longest_gap: i64) -> (Vec<Point>, Vec<usize>) {
    let (mut points, mut blanks) = (Vec::new(), Vec::new());
    let (mut stretch, mut last) = (0, None);
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
                blanks.push(points.len());
            }
        }
    }
    (points, blanks)
}

fn errors(points: &[Point], blanks: &[usize]) -> (f64, f64) {
    let (mut shown, mut errors) = (None, vec![]);
    for (at, point) in points.iter().enumerate() {
        if blanks.contains(&at) {
            shown = None;
        }
        if point.is_reported {
            shown = Some(point.value);
        } else if let Some(shown) = shown {
            errors.push(point.value - shown);
        }
    }
    let squares = errors.iter().map(|error| error * error).sum::<f64>();
    (
        (squares / errors.len().max(1) as f64).sqrt(),
        errors.iter().fold(0.0, |most, error| error.abs().max(most)),
    )
}

/// A silence is what lies between two reports beyond the band; its blocks are counted anew at each break.
fn silences(found: &Figures, points: &[Point], near: impl Fn(&str, f64, f64)) {
    let mut ends = vec![0];
    let mut held: Option<f64> = None;
    for (at, point) in points.iter().enumerate().filter(|(_, point)| point.is_reported) {
        if held.is_none_or(|held| (point.value - held).abs() > BAND) {
            ends.push(at);
        }
        held = Some(point.value);
    }
    ends.push(points.len());
    let last = ends.len() - 2;
    let longest =
        ends.get(1..=last).unwrap_or_default().windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0);
    let (mut all, mut hidden, mut off) = (vec![], 0.0_f64, 0.0_f64);
    for (nth, pair) in ends.windows(2).enumerate() {
        let inside = &points[pair[0]..pair[1]];
        let mut levels = vec![];
        for stretch in inside.chunk_by(|one, next| one.stretch == next.stretch) {
            for block in stretch.chunks_exact(BLOCK) {
                let mut sorted: Vec<_> = block.iter().map(|point| point.value).collect();
                sorted.sort_unstable_by(f64::total_cmp);
                let level = sorted[1..BLOCK - 1].iter().sum::<f64>() / (BLOCK - 2) as f64;
                let end =
                    points.iter().position(|point| std::ptr::eq(point, &raw const block[BLOCK - 1])).unwrap();
                if let Some(shown) = points[..=end].iter().rev().find(|point| point.is_reported) {
                    off = off.max((level - shown.value).abs());
                }
                levels.push(level);
            }
        }
        let is_cut = nth == 0 || nth == last;
        let closing = points.get(pair[1]).filter(|_| nth < last);
        let shown = inside.iter().filter(|point| point.is_reported).chain(closing).map(|point| point.value);
        let (least, most) = bounds(shown);
        let (low, high) = bounds(levels.iter().copied());
        if !levels.is_empty() && (!is_cut || inside.len() > longest) {
            hidden = hidden.max((high - most).max(least - low).max(0.0).min(high - low));
        }
        all.extend(levels);
    }
    let (low, high) = bounds(all.into_iter());
    near("movement", found.movement, (high - low).max(0.0));
    near("off", found.off, off);
    near("hidden", found.hidden, hidden);
}

fn bounds(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)))
}
