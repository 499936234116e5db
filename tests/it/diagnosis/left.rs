//! What is left when a question stays open: small charts, each with what an expert would say of it.

use iot_runbook::diagnosis::Finding;
use iot_runbook::diagnosis::rehearsal::Rehearsal;
use iot_runbook::fact::UnknownReason;
use iot_runbook::runbook::document::Document;
use iot_runbook::runbook::{Runbook, RunbookSet};

/// A chart that starts at `o`, as [`runbook`] reads it.
fn chart(steps: &[&str]) -> RunbookSet {
    RunbookSet::new([runbook("chart", "o", steps)]).unwrap()
}

/// A runbook of small steps: each is `id scope: value to, …`, or `id act: to`, `id wait: to` or `id call runbook: to, unknown`.
/// A branch `value to for x` is declared to speak for the cause `x`; `id scope or z: …` goes to `z` where the part has no name.
/// Conclusions are the one-letter ids that no step has; their cause is the id without digits, and `fine` is a recovery.
fn runbook(name: &str, start: &str, steps: &[&str]) -> Runbook {
    let mut text = format!("name = \"{name}\"\nversion = 1\ntitle = \"A chart\"\nstart = \"{start}\"\n");
    let ids: Vec<&str> = steps.iter().map(|step| step.split([' ', ':']).next().unwrap()).collect();
    let mut ends: Vec<&str> = Vec::new();
    let (mut checks, mut bodies) = (String::new(), String::new());
    for step in steps {
        let (head, ways) = step.split_once(": ").unwrap();
        let (id, kind) = head.split_once(' ').unwrap();
        bodies += &format!("\n[steps.{id}]\ntitle = \"Step {id}\"\n");
        let targets: Vec<&str> = match kind {
            "act" => {
                bodies += &format!(
                    "act = \"do-{id}\"\nscope = \"device\"\napproval = \"automatic\"\nanswer_within = \"5m\"\n"
                );
                let on = ["done", "refused", "failed", "expired"].map(|way| format!("{way} = \"{ways}\""));
                bodies += &format!("on = {{ {} }}\n", on.join(", "));
                vec![ways]
            }
            "wait" => {
                bodies += &format!("wait = {{ for = \"1m\" }}\nto = \"{ways}\"\n");
                vec![ways]
            }
            call if call.starts_with("call ") => {
                let (to, unknown) = ways.split_once(", ").unwrap();
                let called = call.trim_start_matches("call ");
                bodies += &format!("handover = \"{called}\"\nunknown = \"{unknown}\"\n");
                bodies += &format!("branches = [{{ any = true, to = \"{to}\" }}]\n");
                vec![to, unknown]
            }
            scope => {
                let (scope, unnamed) = scope.split_once(" or ").unwrap_or((scope, ""));
                let branches: Vec<Vec<&str>> = ways.split(", ").map(|way| way.split(' ').collect()).collect();
                let domain: Vec<&str> = branches.iter().map(|branch| branch[0]).collect();
                checks += &format!("checks.{id} = {{ scope = \"{scope}\", domain = {domain:?} }}\n");
                bodies += &format!("check = \"{id}\"\nunknown = \"explore\"\n");
                if !unnamed.is_empty() {
                    bodies += &format!("not_named = \"{unnamed}\"\n");
                }
                bodies += "branches = [\n";
                for branch in &branches {
                    let declared = branch.get(3).map(|cause| format!(", supports = [\"{cause}\"]"));
                    let (value, to) = (branch[0], branch[1]);
                    bodies += &format!(
                        "  {{ is = \"{value}\", to = \"{to}\"{} }},\n",
                        declared.unwrap_or_default()
                    );
                }
                bodies += "]\n";
                branches.iter().map(|branch| branch[1]).collect()
            }
        };
        ends.extend(targets.into_iter().filter(|to| !ids.contains(to)));
    }
    ends.sort_unstable();
    ends.dedup();
    text += &checks;
    text += &bodies;
    for end in ends {
        let cause = end.trim_end_matches(|at: char| at.is_ascii_digit());
        text += &format!(
            "\n[conclusions.{end}]\ntitle = \"End {end}\"\nseverity = \"warning\"\nadvice = [\"Look.\"]\n"
        );
        text += &if cause == "fine" {
            "recovered = true\n".to_owned()
        } else {
            format!("root_cause = \"{cause}\"\n")
        };
    }
    Document::from_toml(&text).unwrap().validate().unwrap_or_else(|faults| panic!("{faults}\n{text}"))
}

/// Walks a chart; a check of which nothing is given answers that nobody could say.
fn walk(steps: &[&str], facts: &[(&str, &str)], unknown: &[(&str, UnknownReason)]) -> Finding {
    let mut rehearsal = Rehearsal::new("a chart", "chart");
    for (step, value) in facts {
        rehearsal = rehearsal.tell(*step, *value);
    }
    for step in steps {
        let (head, _) = step.split_once(": ").unwrap();
        let (id, kind) = head.split_once(' ').unwrap();
        if ["act", "wait"].contains(&kind) || facts.iter().any(|(step, _)| *step == id) {
            continue;
        }
        let reason = unknown.iter().find(|(step, _)| *step == id);
        rehearsal = rehearsal.tell(id, reason.map_or(UnknownReason::Undetermined, |(_, reason)| *reason));
    }
    rehearsal.run(&chart(steps)).unwrap().finding
}

fn causes(finding: &Finding) -> Vec<&str> {
    finding.hypotheses().iter().map(|left| &*left.cause).collect()
}

fn next(finding: &Finding) -> Option<(&str, f64)> {
    finding.next_probe().map(|next| (&*next.step, next.bits))
}

/// A gateway or a site that fails one question will fail the next; a device is asked over several ways.
#[test]
fn what_goes_through_a_failed_part_is_not_asked_next() {
    use UnknownReason::{Failed, NoAdapter, Timeout, Undetermined};
    for (first, why, second, why_second, unanswered) in [
        ("gateway", Timeout, "gateway", Undetermined, &["s"][..]),
        ("gateway", Failed, "gateway", Undetermined, &["s"]),
        ("site", Timeout, "site", Undetermined, &["s"]),
        ("gateway", Timeout, "gateway", Timeout, &["o", "s"]),
        ("gateway", Undetermined, "gateway", Undetermined, &[]),
        ("gateway", Timeout, "site", Undetermined, &[]),
        ("device", Timeout, "device", Undetermined, &[]),
        ("gateway", NoAdapter, "gateway", Undetermined, &["o"]),
    ] {
        let steps = [format!("o {first}: a s, b x"), format!("s {second}: a y, b z")];
        let finding = walk(&[&steps[0], &steps[1]], &[], &[("o", why), ("s", why_second)]);
        let found: Vec<&str> = finding.unanswered().iter().map(|one| &*one.step).collect();
        assert_eq!(found, unanswered, "{first} {why:?}, {second} {why_second:?}");
    }
}

/// Where nothing tells two causes apart, the one that needs no act comes first, and then the document's order.
#[test]
fn of_equal_causes_the_open_one_leads() {
    let finding = walk(&["o device: a t, b y, c z", "t act: x"], &[], &[]);
    assert_eq!(causes(&finding), ["y", "z", "x"]);
    let blocked: Vec<_> = finding.hypotheses().iter().map(|left| left.blocked_at.as_deref()).collect();
    assert_eq!(blocked, [None, None, Some("t")]);
}

/// What an act may lead to is listed apart from what a wait leads to, and from what is possible without it.
#[test]
fn outcomes_of_acts_are_kept_apart() {
    let finding =
        walk(&["o device: a t, b w, c x", "t act: v", "v device: a x, b x2", "w wait: y"], &[], &[]);
    let found = |cause: &str| finding.hypotheses().iter().find(|left| &*left.cause == cause).unwrap();
    let ids = |ids: &[Box<str>]| ids.iter().map(ToString::to_string).collect::<Vec<_>>();
    let x = found("x");
    assert_eq!((ids(&x.conclusions), ids(&x.outcomes)), (vec!["x".to_owned()], vec!["x2".to_owned()]));
    let y = found("y");
    assert_eq!((ids(&y.conclusions), ids(&y.outcomes)), (vec!["y".to_owned()], vec![]));
    assert_eq!(y.blocked_at.as_deref(), Some("w"));
}

/// An act is begun for the causes that a branch to it is declared to speak for, and for no other.
#[test]
fn an_act_is_begun_for_its_declared_causes() {
    let shows = "v device: a x, b y";
    let finding = walk(&["o device: a t for x, b t, c z", "t act: v", shows], &[], &[]);
    assert_eq!(causes(&finding), ["z", "x"], "y is what the act may show too, and it was not begun for it");
    // Nobody declares any.
    let finding = walk(&["o device: a t, b t, c z", "t act: v", shows], &[], &[]);
    assert_eq!(causes(&finding), ["z", "x", "y"]);
    // It is begun for `x`, and shows something else: `x` stays possible behind it, and what it shows is no cause.
    let finding =
        walk(&["o device: a t for x, b t, c k", "t act: y", "k device: a z, b x"], &[("k", "a")], &[]);
    assert_eq!(causes(&finding), ["z", "x"]);
}

/// The first act on the way is named, not the last.
#[test]
fn first_step_that_blocks_is_named() {
    let finding = walk(&["o device: a t, b u", "t wait: x", "u wait: x2"], &[], &[]);
    let blocked: Vec<_> = finding.hypotheses().iter().map(|left| left.blocked_at.as_deref()).collect();
    assert_eq!(blocked, [Some("t")]);
}

/// Each refuted end is refuted by the facts that rule it out, and by no other. A recovery is no cause that is refuted.
#[test]
fn an_end_is_refuted_by_its_own_facts() {
    let steps = [
        "o device: a k, b l, c m, d n",
        "k device: a x, b p",
        "l device: a x, b q",
        "m device: a x, b r",
        "n device: a x, b fine",
    ];
    let finding = walk(&steps, &[("k", "a"), ("l", "a"), ("m", "a"), ("n", "a")], &[]);
    assert_eq!(causes(&finding), ["x"]);
    let refuted: Vec<(String, Vec<String>)> = (finding.refuted().iter())
        .map(|one| (one.conclusion.to_string(), one.by.iter().map(|fact| fact.check.to_string()).collect()))
        .collect();
    let expected =
        [("p", "k"), ("q", "l"), ("r", "m")].map(|(end, by)| (end.to_owned(), vec![by.to_owned()]));
    assert_eq!(refuted, expected);
}

/// Two causes of equal weight. An answer that leaves `x` possible either way tells 0.311 bits: 0.811 of the answer and one
/// of the cause, less the 1.5 of both. An answer that tells three equal causes apart tells log2 3.
#[test]
fn bits_are_the_mutual_information() {
    let finding = walk(&["o device: a x, b y, c z"], &[], &[]);
    let (step, bits) = next(&finding).unwrap();
    assert!(step == "o" && (bits - 3_f64.log2()).abs() < 1e-9, "{step} {bits}");
    let finding = walk(&["o device: a x, b p", "p device: a x, b y"], &[], &[]);
    let (step, bits) = next(&finding).unwrap();
    assert!(step == "o" && (bits - 0.311_278_124).abs() < 1e-6, "{step} {bits}");
}

/// The question that tells most comes next, wherever it is in the chart.
#[test]
fn the_most_telling_question_comes_next() {
    // `o` leaves all open either way but one; `q` tells all apart.
    let first_tells_little = ["o device: a q, b w", "q device: a w, b x, c y, d z"];
    assert_eq!(next(&walk(&first_tells_little, &[], &[])).unwrap().0, "q");
    // Behind three that tell little.
    let late = ["o device: a p, b w", "p device: a s, b w", "s device: a q, b w", "q device: a x, b y, c z"];
    assert_eq!(next(&walk(&late, &[], &[])).unwrap().0, "q");
    // `o` tells all apart, `q` two of four.
    let first_tells_most = ["o device: a w, b x, c q", "q device: a y, b z"];
    assert_eq!(next(&walk(&first_tells_most, &[], &[])).unwrap().0, "o");
}

/// One cause is left: what could rule it out comes next, the first that can.
#[test]
fn what_could_rule_out_the_last_cause_comes_next() {
    // Whatever `o` says, `p` is asked, which alone can say that nothing is wrong.
    let second = ["o device: a p, b p", "p device: a x, b fine"];
    assert_eq!(next(&walk(&second, &[], &[])), Some(("p", 0.0)));
    let both = ["o device: a p, b fine", "p device: a x, b fine"];
    assert_eq!(next(&walk(&both, &[], &[])), Some(("o", 0.0)));
    assert_eq!(next(&walk(&["o device: a x, b x2"], &[], &[])), None);
}

/// Nobody asks about a part that is not named: what only its answer would show is neither possible nor refuted.
#[test]
fn what_only_an_unnamed_part_would_show_stays_unsaid() {
    let set = chart(&["o device: a s, b x", "s gateway or z: a y, b z"]);
    let rehearsal = Rehearsal::new("no gateway", "chart").of_parts([]).tell("o", UnknownReason::Undetermined);
    let finding = rehearsal.run(&set).unwrap().finding;
    assert_eq!(causes(&finding), ["x", "z"]);
    assert!(finding.refuted().is_empty(), "{:?}", finding.refuted());
}

/// What the caller measured is evidence of the caller's causes. The steps of the two runbooks have the same places.
#[test]
fn answers_of_the_caller_weigh_nothing_in_the_called() {
    let caller = ["a call called: x, y", "b device: a x, b y", "c device: a a, b b"];
    let called = ["d device: a e, b f", "e device: a x, b y", "f device: a x for x, b y"];
    let set = RunbookSet::new([runbook("caller", "c", &caller), runbook("called", "d", &called)]).unwrap();
    let rehearsal = Rehearsal::new("called", "caller")
        .tell("c", "a")
        .tell("called/d", "a")
        .tell("called/e", UnknownReason::Undetermined);
    let finding = rehearsal.run(&set).unwrap().finding;
    let shares: Vec<_> = (finding.called().iter().flat_map(|called| &called.hypotheses))
        .map(|left| (&*left.cause, left.share))
        .collect();
    assert_eq!(shares, [("x", 0.5), ("y", 0.5)]);
}
