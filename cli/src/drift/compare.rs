//! What differs between the nodes and arrows of a document, and the steps and transitions of a runbook.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use iot_runbook::runbook::step::StepKind;
use serde::Serialize;

use super::figures::{self, Figure};
use super::matching::{self, Matching, is_same_word};
use super::site::{Arrow, Course, Plan, Way};

/// One difference. Places of the document are lines of it.
#[derive(Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(super) enum Difference {
    /// A node of the document that no step does.
    StepOfDocument { node: String, line: usize, text: String, nearest: Vec<String> },
    /// A step or a conclusion of the runbook that the document does not have, and what leads to it.
    StepOfRunbook { step: String, title: String, is_conclusion: bool, from: Vec<Coming> },
    /// An arrow of the document that the runbook has no way for.
    TransitionOfDocument { from: Vec<String>, to: Vec<String>, label: String, line: usize },
    /// A transition of the runbook that the document has no arrow for.
    TransitionOfRunbook { from: String, on: String, to: String },
    /// An arrow of the document that in the runbook leads through steps that the document does not have.
    ByWayOf { from: Vec<String>, to: Vec<String>, label: String, line: usize, by: Vec<String> },
    /// An arrow whose label means other values than the runbook's transition takes.
    Guard { from: Vec<String>, to: Vec<String>, label: String, line: usize, runbook: Vec<String> },
    /// A figure of the document that the runbook does not have there.
    Threshold { at: Vec<String>, says: String, text: String, line: usize, runbook: Vec<String> },
}

/// A transition that leads to a step.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct Coming {
    pub(super) from: String,
    pub(super) on: String,
}

impl Coming {
    pub(super) fn shown(&self) -> String {
        if self.on.is_empty() { self.from.clone() } else { format!("{} on {}", self.from, self.on) }
    }
}

/// How well a label fits a way; the better is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    /// It means other values.
    Other,
    /// It says nothing about the values.
    Open,
    /// It has some of the words.
    Partly,
    /// It has every word of a value.
    Named,
    /// Its figures and the guard have values in common.
    Meets,
    /// It is the guard itself, as `draw` writes it.
    Exact,
}

/// Compares; `line` has the line of a place in the document, `thresholds` the runbook's named values.
pub(super) fn compare(
    plan: &Plan,
    course: &Course<'_>,
    matching: &Matching,
    line: &dyn Fn(usize) -> usize,
    thresholds: Vec<(Figure, String)>,
) -> Vec<Difference> {
    let claimed = matching.places.iter().flatten().copied().collect();
    let (differences, covered) = (Vec::new(), BTreeSet::new());
    let mut both = Comparer { plan, course, matching, line, thresholds, claimed, covered, differences };
    both.nodes();
    plan.arrows.iter().for_each(|arrow| both.arrow(arrow));
    both.begin();
    both.uncovered();
    both.missing();
    both.differences
}

struct Comparer<'c, 'r> {
    plan: &'c Plan,
    course: &'c Course<'r>,
    matching: &'c Matching,
    line: &'c dyn Fn(usize) -> usize,
    /// The values of figures by the names of the runbook's thresholds.
    thresholds: Vec<(Figure, String)>,
    /// The places that a node describes.
    claimed: BTreeSet<usize>,
    /// The ways that an arrow draws.
    covered: BTreeSet<usize>,
    differences: Vec<Difference>,
}

impl Comparer<'_, '_> {
    /// Nodes that no step does, and figures in the labels of the others.
    fn nodes(&mut self) {
        let (plan, course, matching, line) = (self.plan, self.course, self.matching, self.line);
        for (at, site) in plan.sites.iter().enumerate() {
            if !matching.has(at) {
                self.differences.push(Difference::StepOfDocument {
                    node: site.id.clone(),
                    line: line(site.at),
                    text: site.text(),
                    nearest: matching::nearest(site, course),
                });
                continue;
            }
            let known: Vec<Figure> = matching.of_site(at).flat_map(|place| course.figures(place)).collect();
            let is_trigger = matching.of_site(at).all(|place| place == course.trigger);
            let text = site.text();
            for figure in figures::figures(&text) {
                // What raises the alert is not a part of the runbook.
                if !is_trigger && !known.iter().any(|known| known.is_same(figure)) {
                    self.differences.push(Difference::Threshold {
                        at: ids(course, matching.of_site(at)),
                        says: figure.shown(),
                        text: text.clone(),
                        line: line(site.at),
                        runbook: self.named(&known),
                    });
                }
            }
        }
    }

    fn arrow(&mut self, arrow: &Arrow) {
        let (course, matching) = (self.course, self.matching);
        // The node that no step does is a difference already, and its arrows belong to it.
        if !matching.has(arrow.from) || !matching.has(arrow.to) {
            return;
        }
        let targets: BTreeSet<usize> = matching.of_site(arrow.to).collect();
        let label = arrow.label.as_str();
        let line = (self.line)(arrow.at);
        let from = || ids(course, matching.of_site(arrow.from));
        let to = || ids(course, targets.iter().copied());
        // Each way that begins at a step of the one node and reaches the other, straight or through steps between.
        let mut candidates: Vec<(usize, Vec<usize>)> = Vec::new();
        for (at, way) in course.ways.iter().enumerate() {
            if matching.of_site(arrow.from).any(|place| place == way.from)
                && let Some(between) = path(course, way.to, &targets, &self.claimed)
            {
                candidates.push((at, between));
            }
        }
        if candidates.is_empty() {
            // Two boxes may share a step, and the arrow between them is inside of it.
            let is_inside =
                arrow.from != arrow.to && matching.of_site(arrow.from).any(|place| targets.contains(&place));
            if !is_inside {
                let (from, to, label) = (from(), to(), label.to_owned());
                self.differences.push(Difference::TransitionOfDocument { from, to, label, line });
            }
            return;
        }
        let way = |at: usize| course.ways.get(at);
        let fit_of = |at: usize| way(at).map_or(Fit::Other, |way| fit(label, way));
        let best = candidates.iter().map(|(at, _)| fit_of(*at)).max().unwrap_or(Fit::Other);
        if best == Fit::Other {
            let runbook =
                candidates.iter().filter_map(|(at, _)| way(*at)).map(|way| way.label.clone()).collect();
            let (from, to, label) = (from(), to(), label.to_owned());
            self.differences.push(Difference::Guard { from, to, label, line, runbook });
            // They differ, which is said: neither is missing.
            self.covered.extend(candidates.iter().map(|(at, _)| *at));
            return;
        }
        candidates.retain(|(at, _)| fit_of(*at) == best);
        let is_straight = candidates.iter().any(|(_, between)| between.is_empty());
        if is_straight {
            candidates.retain(|(_, between)| between.is_empty());
        }
        self.covered.extend(candidates.iter().map(|(at, _)| *at));
        self.arrow_figures(label, line, &candidates, arrow);
        if !is_straight {
            let shortest = candidates.iter().map(|(_, between)| between).min_by_key(|between| between.len());
            let by = ids(course, shortest.into_iter().flatten().copied());
            let (from, to, label) = (from(), to(), label.to_owned());
            self.differences.push(Difference::ByWayOf { from, to, label, line, by });
        }
    }

    /// The figures of a label must be those of the guards, or where these have none, of the steps at both ends.
    fn arrow_figures(&mut self, label: &str, line: usize, candidates: &[(usize, Vec<usize>)], arrow: &Arrow) {
        let (course, matching) = (self.course, self.matching);
        let ways: Vec<&Way> = candidates.iter().filter_map(|(at, _)| course.ways.get(*at)).collect();
        let mut known: Vec<Figure> =
            ways.iter().filter_map(|way| way.range()).flat_map(figures::Range::figures).collect();
        if known.is_empty() {
            let both = matching.of_site(arrow.from).chain(matching.of_site(arrow.to));
            known = both.flat_map(|place| course.figures(place)).collect();
        }
        for figure in figures::figures(label) {
            // A guard that a person wrote out as `draw` does has its own figures.
            let is_exact = ways.iter().any(|way| spaced(&way.label) == spaced(label));
            if !is_exact && !known.iter().any(|known| known.is_same(figure)) {
                self.differences.push(Difference::Threshold {
                    at: ids(course, matching.of_site(arrow.from)),
                    says: figure.shown(),
                    text: label.to_owned(),
                    line,
                    runbook: self.named(&known),
                });
            }
        }
    }

    /// Where the chart begins, if no node of it is the trigger.
    fn begin(&mut self) {
        let (plan, course, matching, line) = (self.plan, self.course, self.matching, self.line);
        let start = course.runbook.start().position();
        let is_start = |site: usize| matching.of_site(site).any(|place| place == start);
        if self.claimed.contains(&course.trigger) || (0..plan.sites.len()).any(is_start) {
            return;
        }
        let is_root = |site: &usize| {
            matching.has(*site)
                && !plan.arrows.iter().any(|arrow| arrow.to == *site)
                && !matching.of_site(*site).any(|place| Some(place) == course.unless)
        };
        for root in (0..plan.sites.len()).filter(is_root) {
            let targets: BTreeSet<usize> = matching.of_site(root).collect();
            let from = vec![super::site::TRIGGER.to_owned()];
            let to = ids(course, targets.iter().copied());
            let line = plan.sites.get(root).map_or(0, |site| line(site.at));
            self.differences.push(match path(course, start, &targets, &self.claimed) {
                Some(between) => {
                    let by = ids(course, between);
                    Difference::ByWayOf { from, to, label: String::new(), line, by }
                }
                None => Difference::TransitionOfDocument { from, to, label: String::new(), line },
            });
        }
    }

    /// Transitions between steps that the document has, without an arrow.
    fn uncovered(&mut self) {
        let (plan, course, matching) = (self.plan, self.course, self.matching);
        let owners = |place: usize| {
            let has = move |site: &usize| matching.of_site(*site).any(|other| other == place);
            (0..plan.sites.len()).filter(has).collect::<BTreeSet<usize>>()
        };
        for (at, way) in course.ways.iter().enumerate() {
            if self.covered.contains(&at)
                || !self.claimed.contains(&way.from)
                || !self.claimed.contains(&way.to)
            {
                continue;
            }
            let (from, to) = (owners(way.from), owners(way.to));
            // Inside of one box nothing is drawn.
            if !from.is_disjoint(&to) {
                continue;
            }
            let is_drawn =
                plan.arrows.iter().any(|arrow| from.contains(&arrow.from) && to.contains(&arrow.to));
            // A chart for people has no arrow of its own for an answer that nobody knows.
            if (way.is_unknown && is_drawn) || through_unknown_sites(plan, matching, &from, &to) {
                continue;
            }
            let id =
                |place: usize| course.places.get(place).map_or_else(String::new, |place| place.id.to_owned());
            self.differences.push(Difference::TransitionOfRunbook {
                from: id(way.from),
                on: way.label.clone(),
                to: id(way.to),
            });
        }
    }

    /// Steps and conclusions that no node describes.
    fn missing(&mut self) {
        let course = self.course;
        let id =
            |place: usize| course.places.get(place).map_or_else(String::new, |place| place.id.to_owned());
        let is_end = |at: &usize| {
            matches!(
                course.places.get(*at).and_then(|place| place.step).map(|step| &step.kind),
                Some(StepKind::Conclude(_))
            )
        };
        // Steps before conclusions.
        let (ends, steps): (Vec<usize>, Vec<usize>) = (0..course.places.len()).partition(is_end);
        for at in steps.into_iter().chain(ends) {
            let Some(place) = course.places.get(at) else { continue };
            if self.claimed.contains(&at) || at == course.trigger {
                continue;
            }
            let mut from: Vec<Coming> = Vec::new();
            for way in course.ways.iter().filter(|way| way.to == at && way.from != at) {
                from.push(Coming { from: id(way.from), on: way.label.clone() });
            }
            // What leads here from the document's own steps comes first: there it must be drawn.
            let is_new = |coming: &Coming| !self.claimed.iter().any(|place| id(*place) == coming.from);
            from.sort_by_key(is_new);
            self.differences.push(Difference::StepOfRunbook {
                step: place.id.to_owned(),
                title: place.title.to_owned(),
                is_conclusion: is_end(&at),
                from,
            });
        }
    }

    /// Figures with the names of their thresholds.
    fn named(&self, figures: &[Figure]) -> Vec<String> {
        let mut shown = BTreeSet::new();
        for figure in figures {
            let names = self.thresholds.iter().filter(|(value, _)| value.is_same(*figure));
            let names: Vec<&str> = names.map(|(_, name)| name.as_str()).collect();
            let name = if names.is_empty() { String::new() } else { format!(" ({})", names.join(", ")) };
            shown.insert(format!("{}{name}", figure.shown()));
        }
        shown.into_iter().collect()
    }
}

fn ids(course: &Course<'_>, places: impl IntoIterator<Item = usize>) -> Vec<String> {
    places.into_iter().filter_map(|place| course.places.get(place)).map(|place| place.id.to_owned()).collect()
}

/// The steps between, none of which a node describes; the shortest way. `None` where none leads there.
fn path(
    course: &Course<'_>,
    from: usize,
    targets: &BTreeSet<usize>,
    claimed: &BTreeSet<usize>,
) -> Option<Vec<usize>> {
    let mut came: BTreeMap<usize, Option<usize>> = BTreeMap::from([(from, None)]);
    let mut next = VecDeque::from([from]);
    while let Some(at) = next.pop_front() {
        if targets.contains(&at) {
            let mut between = Vec::new();
            let mut step = came.get(&at).copied().flatten();
            while let Some(at) = step {
                between.push(at);
                step = came.get(&at).copied().flatten();
            }
            between.reverse();
            return Some(between);
        }
        if claimed.contains(&at) {
            continue;
        }
        for way in course.ways.iter().filter(|way| way.from == at) {
            if let std::collections::btree_map::Entry::Vacant(entry) = came.entry(way.to) {
                entry.insert(Some(at));
                next.push_back(way.to);
            }
        }
    }
    None
}

/// Whether the document leads from the one to the other through nodes that no step does.
fn through_unknown_sites(
    plan: &Plan,
    matching: &Matching,
    from: &BTreeSet<usize>,
    to: &BTreeSet<usize>,
) -> bool {
    let mut seen = BTreeSet::new();
    let mut next: Vec<usize> = from.iter().copied().collect();
    while let Some(at) = next.pop() {
        for arrow in plan.arrows.iter().filter(|arrow| arrow.from == at) {
            if to.contains(&arrow.to) && !from.contains(&at) {
                return true;
            }
            if !matching.has(arrow.to) && seen.insert(arrow.to) {
                next.push(arrow.to);
            }
        }
    }
    false
}

fn spaced(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn fit(label: &str, way: &Way) -> Fit {
    if label.is_empty() {
        return Fit::Open;
    }
    if spaced(label) == spaced(&way.label) {
        return Fit::Exact;
    }
    if let Some(range) = figures::range(label) {
        return match way.range().map(|guard| guard.meets(range)) {
            Some(Some(true)) => Fit::Meets,
            Some(Some(false)) => Fit::Other,
            // A label with a range says nothing about an answer that has none; it does not mean that nobody answered.
            _ if way.is_unknown || is_absent_alone(way) => Fit::Other,
            _ => Fit::Open,
        };
    }
    let said = matching::words(label);
    let has =
        |word: &str| said.iter().any(|other| is_same_word(word, other) || (word == "none" && other == "no"));
    let mut fit = Fit::Open;
    for choice in &way.choices {
        let words = matching::words(choice);
        if !words.is_empty() && words.iter().all(|word| has(word)) {
            return Fit::Named;
        }
        // A short word such as `by` says nothing alone.
        if words.iter().any(|word| word.len() > 3 && has(word)) {
            fit = Fit::Partly;
        }
    }
    fit
}

fn is_absent_alone(way: &Way) -> bool {
    way.choices.iter().all(|choice| choice == "absent") && !way.choices.is_empty()
}
