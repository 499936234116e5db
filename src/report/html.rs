//! A report as a page of its own, for a browser or an attachment.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::chart::RunbookChart;
use super::decisive::{DECISIVE, in_a_line};
use super::finding::{for_reading, moment, percent};
use super::timeline::with_mark;
use super::{Report, Tone, chart};
use crate::diagnosis::Answer;

/// A page of its own needs no script, and loads nothing from anywhere.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// So few names need no click.
const FEW: usize = 12;

impl Report {
    /// The report as one HTML file without scripts: conclusion and what to do first, then why, with the evidence on click.
    /// It fits a phone, prints, follows the reader's light or dark setting, and works by keyboard. Every value is escaped.
    #[must_use]
    pub fn to_html(&self) -> String {
        let class = match self.tone {
            Tone::Undetermined => "undetermined",
            tone => tone.word(),
        };
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta http-equiv="Content-Security-Policy" content=(POLICY);
                    title { (clean(&self.headline)) }
                    style { (PreEscaped(include_str!("style.css"))) (PreEscaped(chart::STYLE)) }
                }
                body class=(class) {
                    header { div {
                        span.label { (self.tone.word()) }
                        h1 { (clean(&self.headline)) }
                        (pairs(&self.about))
                    } }
                    main {
                        (self.first())
                        (self.possible())
                        (list("Find out next", self.next.iter().cloned()))
                        (self.why())
                        @for picture in &self.pictures {
                            h2 { (clean(&picture.title)) }
                            (scrolled("Picture", picture.svg()))
                        }
                        (list("Found on the way", self.notes.iter().cloned()))
                        (self.affected())
                        (self.ruled_out())
                        (list("Not asked", self.not_asked.iter().cloned()))
                        (list("Not as it should be", self.warnings.iter().cloned()))
                        (self.timeline())
                        // Last: it takes most of a page, and a text behind it would begin on the next one.
                        (self.paths())
                    }
                    @if !self.evidence.is_empty() { footer {
                        h2 { "Evidence" }
                        (pairs(&self.evidence))
                    } }
                }
            }
        };
        page.into_string()
    }

    fn first(&self) -> Markup {
        html! { @if !self.advice.is_empty() {
            h2 { "Do first" }
            ol.first { @for advice in &self.advice { li { (clean(advice)) } } }
        } }
    }

    fn possible(&self) -> Markup {
        html! { @if !self.likely.is_empty() {
            h2 { "Still possible" }
            ul.possible { @for one in &self.likely {
                li {
                    strong { (percent(one.share)) " " (clean(&one.cause)) }
                    div.bar aria-hidden="true" { span style=(format!("width: {:.1}%", one.share * 100.0)) {} }
                    @for title in &one.conclusions { div { (clean(title)) } }
                    @if !one.because.is_empty() { div.by { "Speaks for it: " (clean(&one.because.join("; "))) } }
                    @if !one.needs.is_empty() { div.by { "Not known: " (clean(&one.needs.join("; "))) } }
                }
            } }
        } }
    }

    fn why(&self) -> Markup {
        html! { @if !self.answers.is_empty() {
            h2 { "Why" }
            ol.path { @for (nth, answer) in self.answers.iter().enumerate() {
                // Where the next question follows anyway, it needs no arrow.
                @let next = self.answers.get(nth + 1).map(|next| &next.step);
                (step(answer, answer.leads_to.as_ref() != next, self.decided(answer)))
            } }
        } }
    }

    /// Whether the head of the report names an answer as one that decided.
    fn decided(&self, answer: &Answer) -> bool {
        let said = in_a_line(answer);
        self.about.iter().any(|(name, value)| DECISIVE.contains(name) && *value == said)
    }

    fn paths(&self) -> Markup {
        html! { @if self.charts.iter().any(RunbookChart::has_path) {
            h2 { "Path" }
            @for chart in self.charts.iter().filter(|chart| chart.has_path()) {
                @if self.charts.len() > 1 { h3 { (clean(chart.title())) } }
                (scrolled("The path", &chart.path_for_page()))
                details.whole { summary { "All steps of the runbook" } (scrolled("All steps", &chart.whole_for_page())) }
            }
        } }
    }

    fn timeline(&self) -> Markup {
        html! { @if !self.timeline.is_empty() {
            h2 { "Timeline" }
            table {
                thead { tr { th scope="col" { "When" } th scope="col" { "What" } } }
                tbody { @for one in &self.timeline {
                    tr { td.when { (moment(one.at)) } td { (clean(&one.what)) } }
                } }
            }
        } }
    }

    fn affected(&self) -> Markup {
        html! { @if !self.affected.is_empty() {
            h2 { "Devices" }
            ul { @for group in &self.affected {
                li {
                    strong { (group.devices.len()) } " " (clean(&group.why))
                    details open[group.devices.len() <= FEW] { summary { "Names" } div { (clean(&group.devices.join(", "))) } }
                }
            } }
        } }
    }

    fn ruled_out(&self) -> Markup {
        html! { @if !self.ruled_out.is_empty() {
            h2 { "Ruled out" }
            ul.ruled-out { @for one in &self.ruled_out {
                li { (clean(&one.conclusion)) @if !one.by.is_empty() { " (" (clean(&one.by.join(", "))) ")" } }
            } }
        } }
    }
}

fn step(answer: &Answer, shows_next: bool, decided: bool) -> Markup {
    let details = answer.details.iter();
    let mut evidence: Vec<(&str, String)> =
        details.map(|detail| (&*detail.name, for_reading(&detail.text))).collect();
    let mut add = |name, value: Option<String>| evidence.extend(value.map(|value| (name, value)));
    add("asked", answer.check.as_deref().map(|check| format!("{check}, step {}", answer.step)));
    add("by", answer.source.as_deref().map(str::to_owned));
    add("true at", answer.observed_at.map(moment));
    add("received", Some(moment(answer.at)));
    add("record", Some(answer.record.to_string()));
    html! {
        li.unknown[!answer.is_known].decided[decided] {
            div {
                (clean(&with_mark(&answer.question))) " " span.answer { (clean(&answer.answer)) }
                @if decided { " " span.label { "decided" } }
            }
            @if let Some(note) = &answer.note { div.by { (clean(note)) } }
            @if let Some(next) = answer.leads_to_title.as_deref().filter(|title| shows_next && !title.is_empty()) {
                div.next { "→ " (clean(next)) }
            }
            details { summary { "Evidence" } (pairs(&evidence)) }
        }
    }
}

fn pairs(pairs: &[(&str, String)]) -> Markup {
    html! { dl { @for (name, value) in pairs { dt { (clean(name)) } dd { (clean(value)) } } } }
}

fn list(heading: &str, items: impl Iterator<Item = String>) -> Markup {
    let items: Vec<_> = items.collect();
    html! { @if !items.is_empty() {
        h2 { (heading) }
        ul { @for item in &items { li { (clean(item)) } } }
    } }
}

/// A picture that is wider than a phone scrolls in a box of its own, by keyboard too. It has escaped its texts.
fn scrolled(label: &str, svg: &str) -> Markup {
    html! { div.scroll role="region" aria-label=(label) tabindex="0" { (PreEscaped(svg)) } }
}

/// Without control characters, which HTML does not hold.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}
