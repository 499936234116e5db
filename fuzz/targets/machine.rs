//! A diagnosis copes with whatever its caller does, and walks as the model does where the caller behaves.
#![no_main]

use chrono::{DateTime, Utc};
use iot_runbook::diagnosis::{ActReport, AnswerError, ApprovalRequest, Diagnosis, Output, Reply, RequestId};
use iot_runbook::fact::{Domain, Kind};
use iot_runbook_fuzz::choices::Choices;
use iot_runbook_fuzz::walk::{self, NOW};
use libfuzzer_sys::fuzz_target;

/// What was handed out, kept to be answered late, twice, or never.
#[derive(Default)]
struct Asked {
    requests: Vec<(RequestId, Domain)>,
    approvals: Vec<ApprovalRequest>,
}

fuzz_target!(|data: &[u8]| {
    let mut choices = Choices::new(data);
    if choices.one_in(4) {
        walk::against_the_model(&mut choices);
    } else {
        misbehave(&mut choices);
    }
});

fn misbehave(choices: &mut Choices<'_>) {
    let set = walk::runbooks(choices);
    let mut diagnosis = walk::begin(choices, &set);
    let mut asked = Asked::default();
    let mut now = NOW;
    let mut told = now;
    while !choices.is_empty() {
        now = walk::time_after(choices, &diagnosis, now);
        match choices.byte() {
            0..=111 => {
                poll(&mut diagnosis, now, &mut asked);
                told = now;
            }
            112..=231 => {
                let before = (diagnosis.trace_len(), diagnosis.due_at());
                let answer = give(choices, &mut diagnosis, &asked, now);
                if answer.is_err() && now == told {
                    assert_eq!(
                        (diagnosis.trace_len(), diagnosis.due_at()),
                        before,
                        "a refused answer did something"
                    );
                }
                told = now;
            }
            232..=243 => diagnosis = walk::saved_and_resumed(&diagnosis, &set),
            244..=249 => diagnosis.hand_out_again(),
            _ => diagnosis.alert_delivered(choices.byte().into()),
        }
    }
    walk::saved_and_resumed(&diagnosis, &set);
    walk::to_the_end(&mut diagnosis, now);
    walk::saved_and_resumed(&diagnosis, &set);
}

fn poll(diagnosis: &mut Diagnosis, now: DateTime<Utc>, asked: &mut Asked) {
    let ended = diagnosis.is_ended();
    match diagnosis.poll(now) {
        Output::Probe(request) => asked.requests.push((request.id, request.query().domain.clone())),
        Output::Ask(request) => asked.requests.push((request.id, request.domain().clone())),
        Output::Act(request) => {
            assert!(!ended, "it acts after its end");
            assert!(!request.idempotency_key().is_empty());
            asked.requests.push((request.id, Domain::new(Kind::Flag)));
        }
        Output::Approve(request) => {
            asked.requests.push((request.id, Domain::new(Kind::Flag)));
            asked.approvals.push(request);
        }
        Output::Concluded(_) => assert!(diagnosis.is_ended()),
        Output::Pending { .. } => assert!(!ended, "what has ended awaits nothing"),
        _ => {}
    }
}

/// Gives an answer of any kind to a request, mostly to the latest.
fn give(
    choices: &mut Choices<'_>,
    diagnosis: &mut Diagnosis,
    asked: &Asked,
    now: DateTime<Utc>,
) -> Result<(), AnswerError> {
    let back = if choices.one_in(4) { choices.below(8) } else { 0 };
    let never_made =
        || (serde_json::from_str("4294967295").expect("an id is a number"), Domain::new(Kind::Flag));
    let (id, domain) = asked.requests.iter().rev().nth(back).cloned().unwrap_or_else(never_made);
    // Mostly the kind that it wants: the machine refuses the others, so that they are tried in turn.
    let first = choices.below(4);
    let mut given = Ok(());
    for kind in 0..4 {
        given = match (first + kind) % 4 {
            0 => diagnosis.answer(id, walk::observation(choices, &domain, now), now),
            1 => diagnosis.report_act(id, report(choices), now),
            2 => {
                let reply = match choices.one_in(8) {
                    true => Reply::does_not_know("fuzz"),
                    false => Reply::new(walk::value(choices, &domain, now), "fuzz").with_remark("seen"),
                };
                diagnosis.reply(id, reply, now)
            }
            _ => match asked.approvals.iter().rev().nth(back) {
                Some(request) if choices.one_in(4) => diagnosis.approve(request.decline("fuzz", "no"), now),
                Some(request) => diagnosis.approve(request.grant("fuzz"), now),
                None => continue,
            },
        };
        if !matches!(given, Err(AnswerError::WrongKind { .. })) {
            break;
        }
    }
    given
}

fn report(choices: &mut Choices<'_>) -> ActReport {
    match choices.below(4) {
        0 | 1 => ActReport::done("fuzz"),
        2 => ActReport::refused("fuzz", "not safe"),
        _ => ActReport::failed("fuzz", "broken"),
    }
}
