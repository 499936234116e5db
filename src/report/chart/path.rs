//! The path alone, from top to bottom; beside each step, where its other branches would have led.

use std::fmt::Write as _;

use super::layers::Point;
use super::pen::{self, From, Words};
use super::whole::class;
use super::{Arrow, RunbookChart, State};

const MARGIN: f64 = 12.0;
const WIDTH: f64 = 306.0;
/// Between a step and the texts beside it.
const BRANCH: f64 = 34.0;
/// The width of the texts beside.
const BESIDE: f64 = 330.0;
/// Between two steps, where the guard is.
const GAP: f64 = 40.0;
/// Between the lines that go back or over steps, at the left.
const LANE: f64 = 12.0;
/// No more texts beside a step than this: the whole chart has the rest.
const MOST_BESIDE: usize = 6;

/// A step of the path, and what is beside it.
struct Row<'a> {
    at: usize,
    words: Words,
    beside: Vec<(&'a Arrow, Vec<String>)>,
    more: usize,
    top: f64,
    height: f64,
}

pub(super) fn svg(chart: &RunbookChart, is_alone: bool) -> String {
    let mut rows: Vec<Row<'_>> = chart.walked.iter().filter_map(|at| row(chart, *at)).collect();
    let mut y = MARGIN;
    for row in &mut rows {
        row.top = y;
        y += row.height + GAP;
    }
    let height = y - GAP + MARGIN;
    let jumps = jumps(chart, &rows);
    let left = LANE.mul_add(jumps.len() as f64, MARGIN);
    let mut drawn = String::new();
    for (row, next) in rows.iter().zip(rows.iter().skip(1)) {
        draw_step_down(&mut drawn, chart, row, next, left);
    }
    for (lane, (arrow, from, to)) in jumps.iter().enumerate() {
        let x = LANE.mul_add(lane as f64, MARGIN);
        let (from, to) = (from.top + from.words.height() - 12.0, to.top + 14.0);
        // Writing to a String cannot fail.
        let _ = write!(
            drawn,
            "<path class=\"arrow lit\" d=\"M{left:.0} {from:.0}H{x:.0}V{to:.0}H{left:.0}\"><title>{}</title></path>",
            crate::report::svg::Escaped(&arrow.label)
        );
        pen::draw_heads(&mut drawn, "lit", &pen::head(Point { x: left, y: to }, From::Left));
    }
    for row in &rows {
        draw_beside(&mut drawn, row, left + WIDTH);
        if let Some(node) = chart.nodes.get(row.at) {
            pen::draw_box(&mut drawn, node, &row.words, Point { x: left, y: row.top }, WIDTH);
        }
    }
    let is_alone_in_width = rows.iter().all(|row| row.beside.is_empty());
    let width = left + WIDTH + if is_alone_in_width { MARGIN } else { BRANCH + BESIDE };
    let title = format!("The path through the runbook {}", chart.title);
    pen::frame(&title, &chart.in_words(), width, height, is_alone, &drawn)
}

fn row(chart: &RunbookChart, at: usize) -> Option<Row<'_>> {
    let node = chart.nodes.get(at)?;
    let words = Words::of(node, WIDTH, false);
    // What a conclusion asks again last did not lead away.
    let others = chart.arrows.iter().filter(|arrow| arrow.from == at && !arrow.is_lit && node.end.is_none());
    let mut beside: Vec<(&Arrow, Vec<String>)> = others
        .filter_map(|arrow| {
            let to = chart.nodes.get(arrow.to)?;
            let text = format!("{} → {}", arrow.label, to.title);
            Some((arrow, pen::small_lines(text.trim_start(), BESIDE)))
        })
        .collect();
    let more = beside.len().saturating_sub(MOST_BESIDE);
    // One more line would name no more than the one that it saves.
    if more > 1 {
        beside.truncate(MOST_BESIDE);
    }
    let more = if more > 1 { more } else { 0 };
    let texts: f64 = beside.iter().map(|(_, lines)| pen::small_height(lines.len()) + 6.0).sum();
    let texts = texts + if more > 0 { pen::small_height(1) } else { 0.0 };
    let height = words.height().max(texts);
    Some(Row { at, words, beside, more, top: 0.0, height })
}

/// The lit arrows that lead elsewhere than to the next step below.
fn jumps<'a>(chart: &'a RunbookChart, rows: &'a [Row<'a>]) -> Vec<(&'a Arrow, &'a Row<'a>, &'a Row<'a>)> {
    let place = |at: usize| rows.iter().position(|row| row.at == at);
    let lit = chart.arrows.iter().filter(|arrow| arrow.is_lit);
    lit.filter_map(|arrow| {
        let (from, to) = (place(arrow.from)?, place(arrow.to)?);
        (to != from + 1).then_some(())?;
        Some((arrow, rows.get(from)?, rows.get(to)?))
    })
    .collect()
}

/// From a step to the next one, with the guard that the answer took; or the words for why no arrow leads there.
fn draw_step_down(svg: &mut String, chart: &RunbookChart, row: &Row<'_>, next: &Row<'_>, left: f64) {
    let foot = row.top + row.words.height();
    let taken = chart.arrows.iter().find(|arrow| arrow.is_lit && (arrow.from, arrow.to) == (row.at, next.at));
    let x = left + 22.0;
    let Some(arrow) = taken else {
        let explored = chart.nodes.get(next.at).is_some_and(|node| node.state == State::Explored);
        if explored {
            let why = ["asked to narrow it down".to_owned()];
            pen::draw_small(svg, "guard", &why, Point { x: left, y: next.top - 20.0 });
        }
        return;
    };
    let _ = write!(svg, "<path class=\"arrow lit\" d=\"M{x:.0} {foot:.0}V{:.0}\"/>", next.top);
    pen::draw_heads(svg, "lit", &pen::head(Point { x, y: next.top }, From::Above));
    let lines = pen::small_lines(&arrow.label, WIDTH - 40.0);
    let lines = lines.get(..lines.len().min(2)).unwrap_or_default();
    let middle = f64::midpoint(foot, next.top) - pen::small_height(lines.len()) / 2.0;
    pen::draw_small(svg, "guard lit", lines, Point { x: x + 12.0, y: middle });
}

fn draw_beside(svg: &mut String, row: &Row<'_>, right: f64) {
    let mut y = row.top;
    let start = row.top + 15.0;
    let x = right + BRANCH;
    for (arrow, lines) in &row.beside {
        let class = class(arrow, true);
        let middle = y + 7.0;
        let turn = right + 12.0;
        let _ = write!(
            svg,
            "<path class=\"arrow {class}\" d=\"M{right:.0} {start:.0}H{turn:.0}V{middle:.0}H{:.0}\"/>",
            x - 6.0
        );
        pen::draw_heads(svg, class, &pen::head(Point { x: x - 4.0, y: middle }, From::Left));
        pen::draw_small(svg, &format!("guard {class}"), lines, Point { x, y });
        y += pen::small_height(lines.len()) + 6.0;
    }
    if row.more > 0 {
        let more = [format!("and {} more, in the whole chart", row.more)];
        pen::draw_small(svg, "guard apart", &more, Point { x, y });
    }
    svg.push('\n');
}
