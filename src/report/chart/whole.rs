//! The whole chart: every step and every transition.

use std::fmt::Write as _;

use super::layers::{Link, Point, Route, Size, lay_out};
use super::pen::{self, From, Words};
use super::{Arrow, RunbookChart, State};

const WIDTH: f64 = 206.0;
const MARGIN: f64 = 16.0;
/// The width that the guards of an arrow are wrapped to.
const LABEL: f64 = 150.0;
/// An arrow that moves aside by less than this many pixels between two layers goes there in a line.
const FLAT: i64 = 6;

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
    for alike in arrows.chunk_by(|(one, ..), (next, ..)| class(one, has_path) == class(next, has_path)) {
        let Some((arrow, ..)) = alike.first() else { continue };
        let class = class(arrow, has_path);
        for (_, route, _) in alike {
            draw_route(&mut drawn, class, route);
        }
        // In one path: a large chart has hundreds.
        let heads: String = alike.iter().filter_map(|(_, route, _)| head(route)).collect();
        pen::draw_heads(&mut drawn, class, &heads);
    }
    for (arrow, route, lines) in &arrows {
        let width = pen::small_width(lines);
        let corner =
            Point { x: route.label.x - width / 2.0, y: route.label.y - pen::small_height(lines.len()) / 2.0 };
        let class = format!("guard {}", class(arrow, has_path));
        // Its halo, in the style sheet, keeps lines from crossing its letters.
        pen::draw_small(&mut drawn, &class, lines, corner);
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

/// Straight through a layer, in a curve between two. In whole pixels from point to point: a large chart has thousands.
fn draw_route(svg: &mut String, class: &str, route: &Route) {
    let pixels = |point: &Point| (point.x.round() as i64, point.y.round() as i64);
    let mut points = route.points.iter().map(pixels);
    let Some(first) = points.next() else { return };
    // Writing to a String cannot fail.
    let _ = write!(svg, "<path class=\"arrow {class}\" d=\"M{} {}", first.0, first.1);
    let mut last = first;
    // How far it goes straight on.
    let mut straight = 0;
    for point in points {
        let (x, y) = (point.0 - last.0, point.1 - last.1);
        if x == 0 {
            straight += y;
        } else {
            write_straight(svg, &mut straight);
            let _ = match x.abs() {
                // So flat a curve is a line to the eye.
                ..FLAT => write!(svg, "l{x} {y}"),
                _ => write!(svg, "c0 {half} {x} {half} {x} {y}", half = y / 2),
            };
        }
        last = point;
    }
    write_straight(svg, &mut straight);
    svg.push_str("\"/>\n");
}

/// The head at the end of a route; `None` for one without points.
fn head(route: &Route) -> Option<String> {
    let [.., before, tip] = route.points.as_slice() else { return None };
    let from = if before.y.round() <= tip.y.round() { From::Above } else { From::Below };
    Some(pen::head(*tip, from))
}

fn write_straight(svg: &mut String, straight: &mut i64) {
    if *straight != 0 {
        // Writing to a String cannot fail.
        let _ = write!(svg, "v{straight}");
        *straight = 0;
    }
}
