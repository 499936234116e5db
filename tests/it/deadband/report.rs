//! The picture: valid XML, escaped, bounded, and right about what it shows.

use std::collections::BTreeMap;

use iot_runbook::deadband::filter::{Extent, Reason, Report, Settings};
use iot_runbook::deadband::sample::{Quality, Sample};
use iot_runbook::report::DeadbandChart;
use proptest::prelude::*;

use super::filter::filter;

const SECOND: i64 = 1_000_000_000;

/// Elements by name, how often each opens; panics where the text is no well-formed XML of the kind that a chart is.
fn elements(svg: &str) -> BTreeMap<String, usize> {
    let mut open: Vec<&str> = Vec::new();
    let mut found = BTreeMap::new();
    let mut rest = svg;
    while let Some(at) = rest.find('<') {
        text_is_clean(&rest[..at]);
        let end = at + rest[at..].find('>').expect("a tag that does not end");
        let tag = &rest[at + 1..end];
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "closes what is not open");
            continue;
        }
        let (tag, is_empty) = tag.strip_suffix('/').map_or((tag, false), |tag| (tag, true));
        let (name, mut attributes) = tag.split_once(' ').unwrap_or((tag, ""));
        while let Some((key, after)) = attributes.trim_start().split_once("=\"") {
            assert!(key.chars().all(|char| char.is_ascii_alphanumeric() || "-:".contains(char)), "{key}");
            let (value, after) = after.split_once('"').expect("a value that does not end");
            text_is_clean(value);
            if ["d", "x", "y", "transform", "height"].contains(&key) {
                assert!(!value.contains("NaN") && !value.contains("inf"), "{key}={value}");
            }
            attributes = after;
        }
        assert!(attributes.trim().is_empty(), "{attributes}");
        *found.entry(name.to_owned()).or_insert(0) += 1;
        if !is_empty {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?} stay open");
    assert!(rest.trim().is_empty());
    found
}

fn text_is_clean(text: &str) {
    for (at, _) in text.match_indices('&') {
        let entity = &text[at..];
        assert!(["&amp;", "&lt;", "&gt;", "&quot;", "&#39;"].iter().any(|known| entity.starts_with(known)));
    }
    assert!(!text.contains(['<', '\0', '\u{1b}']));
}

fn filtered(raw: &[Sample], band: f64) -> Vec<Report> {
    let mut filter = filter::<f64>(Settings::new(Extent::Absolute(band)));
    let mut reported = Vec::new();
    for sample in raw {
        filter.observe(*sample, |report| reported.push(report)).unwrap();
    }
    reported
}

#[test]
fn texts_are_escaped_and_in_place() {
    let raw = [Sample::new(0, 1.0), Sample::new(SECOND, 2.0)];
    let svg = DeadbandChart::new("</title><script>&\0", &raw, &[])
        .with_unit("\"°C\"")
        .with_words("too wide <b>\nsecond 'line'")
        .to_string();
    let found = elements(&svg);
    assert_eq!((found["svg"], found["title"]), (1, 1));
    assert!(!found.contains_key("script") && !found.contains_key("b"));
    assert!(svg.contains("&lt;/title&gt;&lt;script&gt;&amp;\u{fffd}"));
    assert!(svg.contains("&quot;°C&quot;"));
    assert!(svg.contains(">too wide &lt;b&gt;</text>") && svg.contains(">second &#39;line&#39;</text>"));
    assert!(svg.contains("font: 13px \"DejaVu Sans\""));
}

#[test]
fn each_reason_is_marked_and_counted() {
    let reasons = [
        (Reason::First, "first 1"),
        (Reason::Quality, "quality 1"),
        (Reason::Value, "value 1"),
        (Reason::Heartbeat, "heartbeat 1"),
        (Reason::Previous, "previous 1"),
        (Reason::Gap, "gap 1"),
        (Reason::Held, "held 1"),
        (Reason::Order, "out of order 1"),
    ];
    let reported: Vec<_> = reasons
        .iter()
        .zip(0..)
        .map(|((reason, _), at)| Report { sample: Sample::new(at * SECOND, at as f64), reason: *reason })
        .collect();
    let svg = DeadbandChart::new("", &[], &reported).to_string();
    elements(&svg);
    for (_, name) in reasons {
        assert!(svg.contains(&format!(">{name}</text>")), "{name}");
    }
    // One in the plot, one in the legend.
    assert_eq!(svg.matches("<path fill=").count(), 2 * reasons.len());
    let none = DeadbandChart::new("", &[], &reported[..1]).to_string();
    assert!(!none.contains("quality") && none.matches("<path fill=").count() == 2);
}

#[test]
fn a_million_samples_are_a_small_picture() {
    let mut state = 1_u64;
    let raw: Vec<_> = (0..1_000_000_i64)
        .map(|at| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            Sample::new(at * SECOND, (state >> 33) as f64)
        })
        .collect();
    let reported = filtered(&raw, 1e6);
    assert!(reported.len() > 900_000);
    let svg = DeadbandChart::new("all noise", &raw, &reported).with_band(1e6).with_line(&raw).to_string();
    elements(&svg);
    assert!(svg.len() < 400_000, "{}", svg.len());
    assert!(svg.contains(&format!(">value {}</text>", reported.len() - 1)));
}

#[test]
fn value_is_drawn_until_the_next_or_the_end() {
    let mut raw: Vec<_> = (0..=100).map(|second| Sample::new(second * SECOND, 5.0)).collect();
    for sample in &mut raw[40..60] {
        sample.value = f64::NAN;
    }
    let svg = DeadbandChart::new("", &raw, &filtered(&raw, 1.0)).to_string();
    elements(&svg);
    let held = svg.lines().find(|line| line.contains("class=\"held\" d=\"M")).unwrap();
    // From the left edge to where NaN begins, and from where it ends to the right edge.
    assert!(held.contains("M76.0 234.0H421.0M594.4 234.0H940.0"), "{held}");
    // It was reported, and stands at the foot.
    assert!(svg.contains("translate(421.6 404.0)"));
    let raw_line = svg.lines().find(|line| line.contains("class=\"raw\" d=\"M76")).unwrap();
    assert_eq!(raw_line.matches('M').count(), 2, "{raw_line}");
}

#[test]
fn chart_shows_the_band_and_the_day() {
    let day = 20_800 * 86_400 * SECOND;
    let raw: Vec<_> =
        (0..=100).map(|second| Sample::new(day + second * SECOND, (second / 51) as f64)).collect();
    let ticks = |band: f64| {
        let reported = filtered(&raw, band);
        let svg = DeadbandChart::new("", &raw, &reported).with_band(band).to_string();
        elements(&svg);
        assert!(svg.contains(">from 2026-12-13 00:00:00 UTC</text>") && svg.contains(">band</text>"));
        let edges = svg.lines().find(|line| line.contains("class=\"band\" d=\"M76")).unwrap().to_owned();
        let ticks = svg.split("text-anchor=\"end\">").filter_map(|text| text.split('<').next()?.parse().ok());
        (ticks.collect::<Vec<f64>>(), edges)
    };
    // Held at zero throughout: from -1 to 1, and a margin.
    let (seen, edges) = ticks(1.0);
    assert!(seen.contains(&-0.5) && !seen.contains(&-1.5), "{seen:?}");
    assert!(!edges.contains(" 404.0") && !edges.contains(" 64.0H"), "{edges}");
    // One far wider leaves the signal a third of the height, and goes beyond the plot.
    let (seen, edges) = ticks(1e9);
    assert!(seen.iter().all(|tick| (-1.5..=2.5).contains(tick)), "{seen:?}");
    assert!(edges.contains(" 404.0") && edges.contains(" 64.0H"), "{edges}");
    let empty = DeadbandChart::new("", &[], &[]).to_string();
    assert!(!empty.contains("UTC") && !empty.contains(">band<"));
}

#[test]
fn nothing_and_the_extremes_are_drawn_too() {
    let extremes = [
        Sample::new(i64::MIN, f64::MAX),
        Sample::new(0, -f64::MAX),
        Sample::new(1, f64::NAN),
        Sample::new(i64::MAX, f64::MIN_POSITIVE),
    ];
    let nan = [Sample::new(5, f64::NAN).with_quality(Quality::BAD)];
    for raw in [&[][..], &extremes, &extremes[..1], &nan] {
        for band in [0.0, 1.0, f64::MAX, f64::NAN, f64::INFINITY, -1.0] {
            let reported = filtered(raw, 1.0);
            elements(&DeadbandChart::new("", raw, &reported).with_band(band).with_line(raw).to_string());
        }
    }
}

proptest! {
    #![proptest_config(crate::random::cases(200))]

    #[test]
    fn any_samples_are_a_valid_picture(
        raw in proptest::collection::vec((any::<i64>(), any::<f64>()), 0..60), title in any::<String>(),
        words in any::<String>(), band in any::<f64>(),
    ) {
        let raw: Vec<_> = raw.into_iter().map(|(at, value)| Sample::new(at, value)).collect();
        let reported = filtered(&raw, 1.0);
        let chart = DeadbandChart::new(title, &raw, &reported).with_band(band).with_line(&raw).with_words(words);
        elements(&chart.to_string());
    }
}
