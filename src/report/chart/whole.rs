//! The whole chart: every step and every transition.

use std::fmt::Write as _;

use super::layers::{Link, Point, Route, Size, lay_out};
use super::pen::{self, From, Words};
use super::{Arrow, RunbookChart, State};

const WIDTH: f64 = 206.0;
const MARGIN: f64 = 16.0;
/// The width that the guards of an arrow are wrapped to.
const LABEL: f64 = 150.0;

pub(super) fn svg(chart: &RunbookChart, is_alone: bool) -> String {
    let words: Vec<Words> = chart.nodes.iter().map(|node| Words::of(node, WIDTH, true)).collect();
    let labels: Vec<Vec<String>> =
        chart.arrows.iter().map(|arrow| pen::small_lines(&arrow.label, LABEL)).collect();
    let boxes: Vec<Size> = words.iter().map(|words| Size { width: WIDTH, height: words.height() }).collect();
    let links: Vec<Link> = chart
        .arrows
        .iter()
        .zip(&labels)
        .map(|(arrow, lines)| Link {
            from: arrow.from,
            to: arrow.to,
            label: Size { width: pen::small_width(lines), height: pen::small_height(lines.len()) + 4.0 },
            is_lit: arrow.is_lit,
        })
        .collect();
    let layout = lay_out(&boxes, &links, chart.start);
    let has_path = chart.nodes.iter().any(|node| node.state != State::Plain);
    let mut arrows: Vec<(&Arrow, &Route, &[String])> = chart
        .arrows
        .iter()
        .zip(&layout.routes)
        .zip(&labels)
        .map(|((arrow, route), lines)| (arrow, route, lines.as_slice()))
        .collect();
    // What is lit is drawn over what is not.
    arrows.sort_by_key(|(arrow, ..)| (arrow.is_lit, arrow.is_open));
    let mut drawn = format!("<g transform=\"translate({MARGIN} {MARGIN})\">\n");
    for (arrow, route, _) in &arrows {
        draw_route(&mut drawn, class(arrow, has_path), route);
    }
    for (arrow, route, lines) in &arrows {
        let width = pen::small_width(lines);
        let corner =
            Point { x: route.label.x - width / 2.0, y: route.label.y - pen::small_height(lines.len()) / 2.0 };
        let class = format!("guard {}", class(arrow, has_path));
        draw_label(&mut drawn, &class, lines, corner, width);
    }
    for ((node, words), centre) in chart.nodes.iter().zip(&words).zip(&layout.boxes) {
        let corner = Point { x: centre.x - WIDTH / 2.0, y: centre.y - words.height() / 2.0 };
        pen::draw_box(&mut drawn, node, words, corner, WIDTH);
    }
    drawn.push_str("</g>\n");
    let (width, height) =
        (2.0_f64.mul_add(MARGIN, layout.size.width), 2.0_f64.mul_add(MARGIN, layout.size.height));
    let title = format!("All steps of the runbook {}", chart.title);
    pen::frame(&title, &chart.in_words(), width, height, is_alone, &drawn)
}

pub(super) const fn class(arrow: &Arrow, has_path: bool) -> &'static str {
    match (arrow.is_lit, arrow.is_open, has_path) {
        (true, ..) => "lit",
        (false, true, _) => "open",
        (false, false, true) => "apart",
        (false, false, false) => "plain",
    }
}

/// A label on its ground, so that no line crosses its letters.
fn draw_label(svg: &mut String, class: &str, lines: &[String], at: Point, width: f64) {
    if lines.is_empty() {
        return;
    }
    let height = pen::small_height(lines.len());
    // Writing to a String cannot fail.
    let _ = write!(
        svg,
        "<rect class=\"ground\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{height:.1}\"/>",
        at.x - 2.0,
        at.y,
        width + 4.0
    );
    pen::draw_small(svg, class, lines, at);
    svg.push('\n');
}

/// Straight through a layer, in a curve between two.
fn draw_route(svg: &mut String, class: &str, route: &Route) {
    let mut points = route.points.iter();
    let Some(first) = points.next() else { return };
    let _ = write!(svg, "<path class=\"arrow {class}\" d=\"M{:.1} {:.1}", first.x, first.y);
    let mut last = *first;
    let mut before = *first;
    for point in points {
        if (point.x - last.x).abs() < 0.5 {
            let _ = write!(svg, "V{:.1}", point.y);
        } else {
            let middle = f64::midpoint(last.y, point.y);
            let _ = write!(
                svg,
                "C{:.1} {middle:.1} {:.1} {middle:.1} {:.1} {:.1}",
                last.x, point.x, point.x, point.y
            );
        }
        before = last;
        last = *point;
    }
    svg.push_str("\"/>");
    let from = if before.y <= last.y { From::Above } else { From::Below };
    pen::draw_head(svg, class, last, from);
    svg.push('\n');
}
