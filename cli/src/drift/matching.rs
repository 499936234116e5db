//! Which steps a node of a document describes.
//!
//! A mapping decides before everything else, then an id, then a title. Words alone decide only where they point to one
//! step clearly, and the comparison lists each such guess: a wrong one would hide a difference.

use std::collections::BTreeSet;

use serde::Serialize;

use super::site::{Course, Plan, Site, UNLESS};
use crate::mermaid::Mark;
use crate::names;

/// Why a node describes a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum By {
    /// `--map`, or a comment in the chart.
    Mapping,
    /// A line of its label is the id.
    Id,
    /// Its label is the title.
    Title,
    /// Its words are mostly those of the step.
    Words,
    /// It begins the chart: what raises the alert.
    Place,
}

/// The steps that each node describes; none where nothing says so.
#[derive(Debug, Default)]
pub(super) struct Matching {
    pub(super) places: Vec<BTreeSet<usize>>,
    pub(super) by: Vec<Option<By>>,
}

/// A mapping that names something that is not there.
#[derive(Debug)]
pub(super) struct NoSuch {
    pub(super) what: String,
    /// Where in the document; `None` for `--map`.
    pub(super) at: Option<usize>,
}

/// Two of the words of a label are not enough to tell two steps apart.
const FEWEST_WORDS: usize = 2;
/// From this share of common words on, and this much more than any other step has, words decide.
const ENOUGH: f64 = 0.6;
const CLEARLY: f64 = 0.15;

/// The words that any label may have.
const EMPTY: &[&str] = &[
    "a", "an", "and", "are", "as", "at", "be", "by", "check", "did", "do", "does", "for", "from", "has",
    "have", "how", "if", "in", "is", "it", "its", "of", "on", "or", "that", "the", "then", "this", "to",
    "was", "were", "what", "when", "which", "with",
];

impl Matching {
    /// `maps` are those of the command line; they hold for every chart.
    pub(super) fn of(
        plan: &Plan,
        course: &Course<'_>,
        marks: &[(usize, &Mark)],
        maps: &[(String, Vec<String>)],
    ) -> Result<Self, Vec<NoSuch>> {
        let count = plan.sites.len();
        let mut matching = Self { places: vec![BTreeSet::new(); count], by: vec![None; count] };
        let mut wrong = Vec::new();
        for (node, steps) in maps {
            let sites: Vec<usize> = plan
                .sites
                .iter()
                .enumerate()
                .filter(|(_, site)| site.id == *node)
                .map(|(at, _)| at)
                .collect();
            if sites.is_empty() {
                let meant = names::meant(node, plan.sites.iter().map(|site| &*site.id));
                wrong.push(NoSuch {
                    what: format!("`--map` names the node `{node}`, and the chart has none{meant}"),
                    at: None,
                });
            }
            matching.map(&sites, steps, None, course, &mut wrong);
        }
        for (chart, mark) in marks {
            let is_named = |site: &Site| site.chart == *chart && site.id == mark.node;
            let sites = plan.sites.iter().enumerate().filter(|(_, site)| is_named(site));
            // The command line decides before the document.
            let is_free = |site: &Site| !maps.iter().any(|(node, _)| *node == site.id);
            let sites: Vec<usize> = sites.filter(|(_, site)| is_free(site)).map(|(at, _)| at).collect();
            matching.map(&sites, &mark.steps, Some(mark.at), course, &mut wrong);
        }
        if !wrong.is_empty() {
            return Err(wrong);
        }
        for (at, site) in plan.sites.iter().enumerate() {
            if matching.by.get(at) != Some(&None) {
                continue;
            }
            let found =
                by_text(site, course).or_else(|| begins(plan, at).then_some((course.trigger, By::Place)));
            if let (Some((place, by)), Some(places), Some(known)) =
                (found, matching.places.get_mut(at), matching.by.get_mut(at))
            {
                places.insert(place);
                *known = Some(by);
            }
        }
        Ok(matching)
    }

    fn map(
        &mut self,
        sites: &[usize],
        steps: &[String],
        at: Option<usize>,
        course: &Course<'_>,
        wrong: &mut Vec<NoSuch>,
    ) {
        for step in steps {
            let Some(place) = course.places.iter().position(|place| place.id == step) else {
                let meant = names::meant(step, course.places.iter().map(|place| place.id));
                let what = format!("the runbook has no step or conclusion `{step}`{meant}");
                wrong.push(NoSuch { what, at });
                continue;
            };
            for site in sites {
                if let (Some(places), Some(by)) = (self.places.get_mut(*site), self.by.get_mut(*site)) {
                    places.insert(place);
                    *by = Some(By::Mapping);
                }
            }
        }
    }

    /// The steps of a node.
    pub(super) fn of_site(&self, site: usize) -> impl Iterator<Item = usize> + '_ {
        self.places.get(site).into_iter().flatten().copied()
    }

    /// Whether a node describes any step.
    pub(super) fn has(&self, site: usize) -> bool {
        self.places.get(site).is_some_and(|places| !places.is_empty())
    }
}

fn by_text(site: &Site, course: &Course<'_>) -> Option<(usize, By)> {
    if site.lines.first().is_some_and(|line| line == UNLESS)
        && let Some(unless) = course.unless
    {
        return Some((unless, By::Id));
    }
    let steps = || course.places.iter().enumerate().filter(|(_, place)| place.step.is_some());
    let of_line = |line: &String| steps().find(|(_, place)| place.id == line);
    if let Some((at, _)) = site.lines.iter().find_map(of_line) {
        return Some((at, By::Id));
    }
    let label = words(&site.text());
    let mut titled = steps().filter(|(_, place)| !place.title.is_empty() && words(place.title) == label);
    // Two steps of one title are told apart by nothing.
    if let (Some((at, _)), None) = (titled.next(), titled.next()) {
        return Some((at, By::Title));
    }
    let ranked = ranked(site, course);
    let (score, at) = *ranked.first()?;
    let second = ranked.get(1).map_or(0.0, |(score, _)| *score);
    (score >= ENOUGH && score - second >= CLEARLY).then_some((at, By::Words))
}

/// The steps whose words a label has, the best first.
fn ranked(site: &Site, course: &Course<'_>) -> Vec<(f64, usize)> {
    let label = content(&site.text());
    let mut ranked: Vec<(f64, usize)> = course
        .places
        .iter()
        .enumerate()
        .filter(|(_, place)| place.step.is_some())
        .map(|(at, place)| {
            let title = content(&format!("{} {}", place.id, place.title));
            let common =
                label.iter().filter(|word| title.iter().any(|other| is_same_word(word, other))).count();
            let all = label.len() + title.len();
            let score = if common < FEWEST_WORDS { 0.0 } else { 2.0 * common as f64 / all as f64 };
            (score, at)
        })
        .collect();
    ranked.retain(|(score, _)| *score > 0.0);
    ranked.sort_by(|(one, at), (other, place)| other.total_cmp(one).then(at.cmp(place)));
    ranked
}

/// The steps that somebody may have meant by a node, the likeliest first.
pub(super) fn nearest(site: &Site, course: &Course<'_>) -> Vec<String> {
    let ids = ranked(site, course).into_iter().take(3).filter_map(|(_, at)| course.places.get(at));
    ids.map(|place| place.id.to_owned()).collect()
}

/// Whether a node is what raises the alert: nothing leads to it, and one arrow without a label leads on.
fn begins(plan: &Plan, site: usize) -> bool {
    let mut out = plan.arrows.iter().filter(|arrow| arrow.from == site);
    let is_one = matches!((out.next(), out.next()), (Some(arrow), None) if arrow.label.is_empty());
    is_one && !plan.arrows.iter().any(|arrow| arrow.to == site)
}

/// The words of a text in small letters.
pub(super) fn words(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect()
}

/// The words that say something, each once.
fn content(text: &str) -> Vec<String> {
    let mut content: Vec<String> = Vec::new();
    for word in words(text) {
        if !EMPTY.contains(&word.as_str()) && !content.iter().any(|other| is_same_word(&word, other)) {
            content.push(word);
        }
    }
    content
}

/// Whether two words are one in another form: `recent` and `recently`, `connect` and `connects`.
pub(super) fn is_same_word(one: &str, other: &str) -> bool {
    let (short, long) = if one.len() <= other.len() { (one, other) } else { (other, one) };
    one == other || (short.len() >= 4 && long.starts_with(short) && long.len() - short.len() <= 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_a_word_are_the_same_and_others_are_not() {
        for (one, other) in [("recent", "recently"), ("connects", "connect"), ("oom", "oom")] {
            assert!(is_same_word(one, other), "{one} {other}");
        }
        for (one, other) in [("on", "online"), ("online", "offline"), ("power", "powerhouse"), ("no", "none")]
        {
            assert!(!is_same_word(one, other), "{one} {other}");
        }
    }
}
