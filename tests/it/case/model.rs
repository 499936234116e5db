//! The store in memory against a slow model, on random calls and with a clock that jumps.

use std::sync::LazyLock;

use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::case::{
    AfterSave, CaseStore, Lease, MemoryCases, Message, NewCase, Save, State, StoreError,
};
use iot_runbook::catalog;
use iot_runbook::diagnosis::{Diagnosis, DiagnosisId, Increment};
use iot_runbook::runbook::RunbookSet;
use iot_runbook::subject::{Subject, Trigger};
use proptest::prelude::*;
use ulid::Ulid;

use super::block_on;
use crate::deepest::NOW;
use crate::random::cases;

#[derive(Clone, Debug)]
enum Call {
    Insert(u128),
    /// Leases, at most that many.
    Due(usize),
    /// By the lease of that number, so far behind the version that is known, due after so long, with the lease kept.
    Save {
        lease: usize,
        behind: u64,
        due: Option<i64>,
        holds: bool,
        takes: bool,
    },
    Renew(usize),
    Release(usize),
    Deliver(u128),
    Jump(i64),
}

fn call() -> impl Strategy<Value = Call> {
    let save = (0_usize..8, 0_u64..8, proptest::option::of(0_i64..30), any::<bool>(), any::<bool>());
    prop_oneof![
        2 => (1_u128..5).prop_map(Call::Insert),
        4 => (0_usize..4).prop_map(Call::Due),
        5 => save.prop_map(|(lease, behind, due, holds, takes)| Call::Save {
            lease, behind: u64::from(behind == 0), due, holds, takes,
        }),
        1 => (0_usize..8).prop_map(Call::Renew),
        1 => (0_usize..8).prop_map(Call::Release),
        3 => (1_u128..6).prop_map(Call::Deliver),
        4 => (-20_i64..60).prop_map(Call::Jump),
    ]
}

/// What the model knows of a case, by plain lists.
struct Row {
    id: u128,
    version: u64,
    due: Option<i64>,
    /// Each lease that was given: its token, until when, and whether it was given back.
    leases: Vec<(u64, i64, bool)>,
    /// Each message, and whether it was taken.
    messages: Vec<bool>,
    changes: usize,
}

impl Row {
    fn is_free(&self, now: i64) -> bool {
        self.leases.iter().all(|(_, until, back)| *back || *until <= now)
    }

    fn holds(&self, token: u64) -> bool {
        self.leases.last().is_some_and(|(last, _, back)| *last == token && !back)
    }
}

static SET: LazyLock<RunbookSet> = LazyLock::new(|| catalog::set().unwrap());

fn at(seconds: i64) -> DateTime<Utc> {
    NOW + TimeDelta::seconds(seconds)
}

fn id(number: u128) -> DiagnosisId {
    DiagnosisId::new(Ulid(number))
}

fn told<T>(result: Result<T, StoreError>) -> &'static str {
    match result {
        Ok(_) => "ok",
        Err(StoreError::AlreadyThere(_)) => "there",
        Err(StoreError::NoSuchCase(_)) => "none",
        Err(StoreError::LeaseLost(_)) => "lost",
        Err(StoreError::Conflict { .. }) => "conflict",
        Err(other) => panic!("{other}"),
    }
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn the_store_does_what_the_model_does(calls in proptest::collection::vec(call(), 1..60)) {
        let store = MemoryCases::new();
        let mut rows: Vec<Row> = Vec::new();
        let mut leases: Vec<(u128, u64)> = Vec::new();
        let mut now = 0;
        for call in calls {
            match call {
                Call::Insert(number) => {
                    let trigger = Trigger::new("alert", NOW);
                    let subject = Subject::device("press-07");
                    let case = Diagnosis::new(Ulid(number), &SET, "device-offline", subject, trigger, NOW);
                    let came = told(block_on(store.insert(NewCase::of(&case.unwrap()), at(now))));
                    if rows.iter().any(|row| row.id == number) {
                        prop_assert_eq!(came, "there");
                    } else {
                        prop_assert_eq!(came, "ok");
                        let (leases, messages) = (Vec::new(), Vec::new());
                        rows.push(Row { id: number, version: 0, due: Some(now), leases, messages, changes: 1 });
                    }
                }
                Call::Due(limit) => {
                    let came = block_on(store.due("w", at(now), at(now + 10), limit)).unwrap();
                    let came: Vec<_> =
                        came.iter().map(|one| (one.lease.case.ulid().0, one.lease.token)).collect();
                    // One by one: always the best of those that are left.
                    let mut expected = Vec::new();
                    while expected.len() < limit {
                        let due = rows.iter_mut().filter(|row| row.is_free(now) && row.due.is_some_and(|due| due <= now));
                        let left = due.filter(|row| !expected.iter().any(|(id, _)| *id == row.id));
                        let Some(row) = left.min_by_key(|row| (row.due, row.id)) else { break };
                        let token = row.leases.len() as u64 + 1;
                        expected.push((row.id, token));
                        row.leases.push((token, now + 10, false));
                    }
                    prop_assert_eq!(&came, &expected);
                    leases.extend(came);
                }
                Call::Save { lease, behind, due, holds, takes } if !leases.is_empty() => {
                    let (number, token) = leases[lease % leases.len()];
                    let row = rows.iter_mut().find(|row| row.id == number).unwrap();
                    let case = block_on(store.load(id(number))).unwrap().unwrap();
                    let version = row.version.wrapping_sub(behind);
                    let last = row.messages.len() as u64;
                    let save = Save::new(version, Increment::none(case.saved), State::Waiting)
                        .with_due_at(due.map(|after| at(now + after)))
                        .with_messages(if takes { last } else { 0 }, if takes { last } else { 0 }, Vec::new())
                        .then(if holds { AfterSave::HoldUntil(at(now + 10)) } else { AfterSave::Release });
                    let came = told(block_on(store.save(&Lease::new(id(number), token), save, at(now))));
                    if !row.holds(token) {
                        prop_assert_eq!(came, "lost");
                    } else if behind > 0 {
                        prop_assert_eq!(came, "conflict");
                    } else {
                        prop_assert_eq!(came, "ok");
                        row.version += 1;
                        row.changes += 1;
                        if takes {
                            row.messages.iter_mut().for_each(|taken| *taken = true);
                        }
                        row.due = due.map(|after| now + after);
                        if row.messages.iter().any(|taken| !taken) {
                            row.due = Some(row.due.map_or(now, |due| due.min(now)));
                        }
                        let lease = row.leases.last_mut().unwrap();
                        (lease.1, lease.2) = (now + 10, !holds);
                    }
                }
                Call::Renew(lease) if !leases.is_empty() => {
                    let (number, token) = leases[lease % leases.len()];
                    let row = rows.iter_mut().find(|row| row.id == number).unwrap();
                    let came = told(block_on(store.renew(&Lease::new(id(number), token), at(now + 25))));
                    prop_assert_eq!(came, if row.holds(token) { "ok" } else { "lost" });
                    if row.holds(token) {
                        row.leases.last_mut().unwrap().1 = now + 25;
                    }
                }
                Call::Release(lease) if !leases.is_empty() => {
                    let (number, token) = leases[lease % leases.len()];
                    block_on(store.release(&Lease::new(id(number), token))).unwrap();
                    let row = rows.iter_mut().find(|row| row.id == number).unwrap();
                    if row.holds(token) {
                        row.leases.last_mut().unwrap().2 = true;
                    }
                }
                Call::Deliver(number) => {
                    let came = told(block_on(store.deliver(id(number), Message::Wake, at(now))));
                    match rows.iter_mut().find(|row| row.id == number) {
                        None => prop_assert_eq!(came, "none"),
                        Some(row) => {
                            prop_assert_eq!(came, "ok");
                            row.messages.push(false);
                            row.changes += 1;
                            row.due = Some(row.due.map_or(now, |due| due.min(now)));
                        }
                    }
                }
                Call::Jump(by) => now += by,
                Call::Save { .. } | Call::Renew(_) | Call::Release(_) => {}
            }
            for row in &rows {
                let case = block_on(store.load(id(row.id))).unwrap().unwrap();
                let inbox: Vec<u64> = case.inbox.iter().map(|(number, _)| *number).collect();
                let numbered = (1_u64..).zip(&row.messages);
                let expected: Vec<u64> = numbered.filter(|(_, taken)| !**taken).map(|(number, _)| number).collect();
                prop_assert_eq!(inbox, expected);
                prop_assert_eq!(case.version, row.version);
                prop_assert_eq!(case.due_at, row.due.map(at));
                prop_assert_eq!(block_on(store.history(id(row.id))).unwrap().len(), row.changes);
            }
        }
    }
}
