//! Tests of a [`CaseStore`] against the rules of the trait, for the store's own tests.
//!
//! ```
//! use chrono::DateTime;
//! use iot_runbook::case::{MemoryCases, conformance};
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let violations = conformance::check(&MemoryCases::new(), DateTime::UNIX_EPOCH).await;
//! assert!(violations.is_empty(), "{violations:?}");
//! # });
//! # Ok::<(), std::io::Error>(())
//! ```

use std::collections::BTreeSet;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use chrono::{DateTime, TimeDelta, Utc};
use ulid::Ulid;

use super::store::{AfterSave, CaseList, CaseStore, Filter, Happened, Lease, Leased, Save, StoreError};
use super::{Message, NewCase, Outcome, State, StateKind};
use crate::diagnosis::{DiagnosisId, Finding, Increment, Opening, Record, Recorded, SavePoint};
use crate::runbook::Fingerprint;
use crate::subject::{Subject, Trigger};
use crate::time::saturating_add;

/// A rule that the store breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Violation {
    /// The rule.
    pub rule: &'static str,
    /// What the store did.
    pub found: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; found: {}", self.rule, self.found)
    }
}

/// Tries every rule of the trait on an empty store that nobody else uses, and lists those that it breaks. The cases that it
/// leaves behind have ended.
pub async fn check(store: &dyn CaseStore, now: DateTime<Utc>) -> Vec<Violation> {
    let mut suite = Suite { store, now, ids: 0, violations: Vec::new() };
    let groups = [
        suite.keeps_what_it_is_given().await,
        suite.refuses_stale_versions().await,
        suite.leases_expire_and_fence().await,
        suite.gives_due_cases_in_order().await,
        suite.keeps_messages().await,
        suite.lists_by_state().await,
        suite.misuse_is_named().await,
        suite.leases_once_among_many().await,
    ];
    for failed in groups.into_iter().filter_map(Result::err) {
        suite.violations.push(Violation { rule: "a call that is right succeeds", found: failed.to_string() });
    }
    suite.violations
}

/// Tries what the store does with a case that can't be read, on an empty store that nobody else uses. `damage` must make
/// what the store keeps of the case unreadable, as a hand that edits a row does.
///
/// ```
/// # use chrono::{DateTime, Utc};
/// # use iot_runbook::case::{CaseStore, conformance};
/// # async fn test(store: &dyn CaseStore, now: DateTime<Utc>) {
/// let violations = conformance::check_damage(store, now, async |id| {
///     println!("UPDATE cases SET opening = '?' WHERE id = '{id}'");
/// });
/// assert!(violations.await.is_empty());
/// # }
/// ```
pub async fn check_damage(
    store: &dyn CaseStore,
    now: DateTime<Utc>,
    damage: impl AsyncFn(DiagnosisId),
) -> Vec<Violation> {
    let mut suite = Suite { store, now, ids: 0, violations: Vec::new() };
    if let Err(failed) = suite.damage_hides_nothing(damage).await {
        let rule = "a damaged case keeps no call from the others";
        suite.violations.push(Violation { rule, found: failed.to_string() });
    }
    suite.violations
}

struct Suite<'a> {
    store: &'a dyn CaseStore,
    now: DateTime<Utc>,
    ids: u128,
    violations: Vec<Violation>,
}

type Tried = Result<(), StoreError>;

impl Suite<'_> {
    async fn keeps_what_it_is_given(&mut self) -> Tried {
        let (store, now) = (self.store, self.now);
        let case = self.new_case(2);
        let id = case.id();
        self.holds("no case is there before it is inserted", store.load(id).await?.is_none(), "a case");
        store.insert(case.clone(), now).await?;
        let loaded = store.load(id).await?;
        let as_given = loaded.as_ref().is_some_and(|loaded| {
            loaded.opening == case.opening
                && loaded.saved == case.increment.to
                && loaded.records == case.increment.records
                && loaded.state == State::Ready
                && loaded.due_at == Some(now)
                && loaded.version == 0
                && loaded.inbox.is_empty()
        });
        self.holds("a case is loaded as it was inserted", as_given, &loaded);
        let again = store.insert(case.clone(), now).await;
        let refused = matches!(again, Err(StoreError::AlreadyThere(refused)) if refused == id);
        self.holds("a second insert is refused", refused, &again);

        let lease = self.lease(id, now, 60).await?;
        let increment = more(&case.opening, &case.increment.to, 3, now);
        let save = Save::new(0, increment.clone(), State::Waiting).with_due_at(Some(self.at(50)));
        let version = store.save(&lease, save, self.at(1)).await?;
        self.holds("a save raises the version by one", version == 1, version);
        let loaded = store.load(id).await?;
        let appended = loaded.as_ref().is_some_and(|loaded| {
            loaded.records == [case.increment.records.clone(), increment.records.clone()].concat()
                && loaded.saved == increment.to
                && loaded.state == State::Waiting
                && loaded.due_at == Some(self.at(50))
                && loaded.version == 1
                && loaded.bundle().is_ok()
        });
        self.holds("a save appends its records and replaces the rest", appended, &loaded);
        let history: Vec<_> = store.history(id).await?.into_iter().map(|entry| entry.what).collect();
        let saved = Happened::Saved { version: 1, state: StateKind::Waiting, records: 5 };
        self.holds("the history has each change in order", history == [Happened::Inserted, saved], &history);
        self.end(id, 60).await
    }

    async fn refuses_stale_versions(&mut self) -> Tried {
        let (store, now) = (self.store, self.now);
        let case = self.insert(1).await?;
        let id = case.id();
        let lease = self.lease(id, now, 60).await?;
        let hold = AfterSave::HoldUntil(self.at(60));
        let increment = more(&case.opening, &case.increment.to, 1, now);
        store.save(&lease, Save::new(0, increment.clone(), State::Ready).then(hold), now).await?;
        let before = store.load(id).await?;
        let to = increment.to.clone();
        // The same save again, as after an answer that was lost; and one that skips records.
        let again = store.save(&lease, Save::new(0, increment, State::Ready).then(hold), now).await;
        self.conflicts("a save of an older version is refused", &again);
        let mut skipping = more(&case.opening, &to, 1, now);
        skipping.from += 1;
        let skipped = store.save(&lease, Save::new(1, skipping, State::Ready).then(hold), now).await;
        self.conflicts("a save that leaves a gap in the records is refused", &skipped);
        let newer = store.save(&lease, Save::new(2, Increment::none(to), State::Ready).then(hold), now).await;
        self.conflicts("a save of a version to come is refused", &newer);
        let after = store.load(id).await?;
        self.holds("a save that is refused changes nothing", before == after, &after);
        store.release(&lease).await?;
        self.end(id, 0).await
    }

    async fn leases_expire_and_fence(&mut self) -> Tried {
        let (store, now) = (self.store, self.now);
        let case = self.insert(1).await?;
        let id = case.id();
        let first = self.lease(id, self.now, 60).await?;
        let early = store.due("other", self.at(59), self.at(120), 10).await?;
        self.holds("a leased case is not leased again", early.is_empty(), &early);
        store.renew(&first, self.at(90)).await?;
        let renewed = store.due("other", self.at(89), self.at(120), 10).await?;
        self.holds("a lease that was renewed is valid longer", renewed.is_empty(), &renewed);
        let increment = Increment::none(case.increment.to.clone());
        let save = |version| Save::new(version, increment.clone(), State::Ready).with_due_at(Some(now));
        let late = store.save(&first, save(0).then(AfterSave::HoldUntil(self.at(95))), self.at(200)).await;
        self.holds("an expired lease that nobody took is good", late.is_ok(), &late);
        let second = self.lease(id, self.at(95), 60).await?;
        self.holds("a later lease has a higher token", second.token > first.token, (&first, &second));
        let fenced = store.save(&first, save(1), self.at(96)).await;
        self.lost("a save under a lost lease is refused", &fenced);
        let fenced = store.renew(&first, self.at(500)).await;
        self.lost("a lost lease is not renewed", &fenced);
        store.release(&first).await?;
        let held = store.due("other", self.at(100), self.at(160), 10).await?;
        self.holds("giving back a lost lease frees nothing", held.is_empty(), &held);
        store.release(&second).await?;
        let given_back = store.renew(&second, self.at(500)).await;
        self.lost("a lease that was given back is lost", &given_back);
        let given_back = store.save(&second, save(1), self.at(100)).await;
        self.lost("nothing is saved under a lease that was given back", &given_back);
        let third = self.lease(id, self.at(100), 60).await?;
        self.holds("the token rises after a release too", third.token > second.token, (&second, &third));
        store.release(&third).await?;
        self.end(id, 100).await
    }

    async fn gives_due_cases_in_order(&mut self) -> Tried {
        let store = self.store;
        // Inserted out of order, two of them due at once.
        let mut ids = Vec::new();
        for seconds in [30, 10, 20, 10] {
            let case = self.new_case(0);
            ids.push(case.id());
            store.insert(case, self.at(seconds)).await?;
        }
        let [at_30, at_10, at_20, also_at_10] = ids[..] else { return Ok(()) };
        let none = store.due("w", self.at(9), self.at(60), 10).await?;
        self.holds("no case is due early", none.is_empty(), &none);
        let zero = store.due("w", self.at(30), self.at(60), 0).await?;
        self.holds("a limit of zero gives none", zero.is_empty(), &zero);
        let two = leased_ids(&store.due("w", self.at(30), self.at(60), 2).await?);
        self.holds("the longest due come first, then lower ids", two == [at_10, also_at_10], &two);
        let rest = leased_ids(&store.due("w", self.at(30), self.at(60), 10).await?);
        self.holds("the rest comes next, due on the moment too", rest == [at_20, at_30], &rest);
        for id in ids {
            self.end(id, 60).await?;
        }
        Ok(())
    }

    async fn keeps_messages(&mut self) -> Tried {
        let (store, now) = (self.store, self.now);
        let case = self.insert(1).await?;
        let id = case.id();
        let point = case.increment.to.clone();
        let rest = |version| Save::new(version, Increment::none(point.clone()), State::Waiting);
        let lease = self.lease(id, now, 60).await?;
        store.save(&lease, rest(0), now).await?;
        let asleep = store.due("w", self.at(1000), self.at(1060), 10).await?;
        self.holds("a case without a due time is not due", asleep.is_empty(), &asleep);

        let first = store.deliver(id, Message::Wake, self.at(5)).await?;
        let early = store.due("w", self.at(4), self.at(64), 10).await?;
        self.holds("a message makes a case due then, not before", early.is_empty(), &early);
        let leased = store.due("w", self.at(5), self.at(65), 10).await?;
        let inbox = leased.first().map(|leased| leased.case.inbox.clone()).unwrap_or_default();
        self.holds("a message comes with the case", inbox == [(first, Message::Wake)], &inbox);
        let Some(Leased { lease, .. }) = leased.into_iter().next() else { return Ok(()) };

        // One more comes while the worker has the case: it is not taken, and wakes the case again.
        let withdrawal = Message::withdrawal("ann", "done by hand");
        let second = store.deliver(id, withdrawal.clone(), self.at(6)).await?;
        let open = store.outcome(id, first).await?;
        self.holds("a message has no outcome before it is handled", open.is_none(), &open);
        self.holds("message numbers rise", second > first, (first, second));
        let taken = rest(1).with_messages(first, first, vec![(first, Outcome::Taken)]);
        store.save(&lease, taken, self.at(7)).await?;
        let leased = store.due("w", self.at(7), self.at(67), 10).await?;
        let inbox = leased.first().map(|leased| leased.case.inbox.clone()).unwrap_or_default();
        let expected = [(second, withdrawal.clone())];
        self.holds("a message that came during a run wakes the case again", inbox == expected, &inbox);
        let Some(Leased { lease, .. }) = leased.into_iter().next() else { return Ok(()) };

        // Seen and not taken: it stays, and does not wake the case.
        let seen = rest(2).with_due_at(Some(self.at(50))).with_messages(second, 0, Vec::new());
        store.save(&lease, seen, self.at(8)).await?;
        let quiet = store.due("w", self.at(49), self.at(60), 10).await?;
        self.holds("a message that was seen does not wake the case", quiet.is_empty(), &quiet);
        let inbox = store.load(id).await?.map(|case| case.inbox).unwrap_or_default();
        self.holds("a message stays until it is taken", inbox == expected, &inbox);

        let history: Vec<_> = store.history(id).await?.into_iter().map(|entry| entry.what).collect();
        let saved = |version| Happened::Saved { version, state: StateKind::Waiting, records: 1 };
        let expected = [
            Happened::Inserted,
            saved(1),
            Happened::Delivered { number: first, message: Message::Wake },
            Happened::Delivered { number: second, message: withdrawal },
            Happened::Handled { number: first, outcome: Outcome::Taken },
            saved(2),
            saved(3),
        ];
        self.holds("the history has messages and their outcomes", history == expected, &history);
        let taken = store.outcome(id, first).await?;
        self.holds("the outcome of a message that was taken", taken == Some(Outcome::Taken), &taken);
        let open = store.outcome(id, second).await?;
        self.holds("an outcome is of its own message", open.is_none(), &open);
        let Some(Leased { lease, .. }) =
            store.due("w", self.at(50), self.at(110), 10).await?.into_iter().next()
        else {
            self.holds("the due case is leased", false, "no case");
            return Ok(());
        };
        let refused = Outcome::Refused { why: "too late: 'ä' \\ \"1\"".into() };
        let handled = rest(3).with_messages(second, second, vec![(second, refused.clone())]);
        store.save(&lease, handled, self.at(51)).await?;
        let outcome = store.outcome(id, second).await?;
        self.holds("the outcome of a message that was refused, with why", outcome == Some(refused), &outcome);
        let never = store.outcome(id, second + 10).await?;
        self.holds("a message that never came has no outcome", never.is_none(), &never);
        self.end(id, 60).await?;
        let after = store.outcome(id, first).await?;
        self.holds("an outcome stays when the case has ended", after == Some(Outcome::Taken), &after);
        let late = store.deliver(id, Message::Wake, self.at(70)).await;
        let refused = matches!(late, Err(StoreError::Ended(refused)) if refused == id);
        self.holds("a case that has ended takes no message", refused, &late);
        Ok(())
    }

    async fn lists_by_state(&mut self) -> Tried {
        let store = self.store;
        let mut ids = Vec::new();
        for _ in 0..3 {
            ids.push(self.insert(1).await?.id());
        }
        let listed = |list: CaseList| list.cases.iter().map(super::Case::id).collect::<Vec<_>>();
        let ready = listed(store.list(&Filter::of(StateKind::Ready), 10).await?);
        self.holds("cases are listed by state, in the order of ids", ready == ids, &ready);
        let Some((first, rest)) = ids.split_first() else { return Ok(()) };
        let page = store.list(&Filter::of(StateKind::Ready).after(*first), 1).await?;
        self.holds(
            "a page that has another behind it says so",
            page.next == rest.first().copied(),
            page.next,
        );
        let page = listed(page);
        self.holds("a page begins behind its id", page.as_slice() == &rest[..1], &page);
        let last = store.list(&Filter::of(StateKind::Ready).after(*first), 2).await?;
        self.holds("no page is behind the last one", last.next.is_none(), last.next);
        let none = listed(store.list(&Filter::of(StateKind::Stuck), 10).await?);
        self.holds("cases of other states are not listed", none.is_empty(), &none);
        for id in ids {
            self.end(id, 0).await?;
        }
        let ended = listed(store.list(&Filter::all(), 1_000).await?);
        self.holds("without a state all are listed", ended.len() as u128 >= self.ids, ended.len());
        Ok(())
    }

    async fn damage_hides_nothing(&mut self, damage: impl AsyncFn(DiagnosisId)) -> Tried {
        let store = self.store;
        let mut ids = Vec::new();
        for _ in 0..5 {
            ids.push(self.insert(1).await?.id());
        }
        let [first, second, third, fourth, fifth] = ids[..] else { return Ok(()) };
        // One in the middle, and the last.
        for id in [second, fifth] {
            damage(id).await;
        }
        let ids_of = |list: &CaseList| {
            let cases: Vec<DiagnosisId> = list.cases.iter().map(super::Case::id).collect();
            (cases, list.damaged.iter().map(|damaged| damaged.id).collect::<Vec<_>>())
        };
        let all = store.list(&Filter::all(), 10).await?;
        let expected = (vec![first, third, fourth], vec![second, fifth]);
        self.holds("a damaged case is listed beside the others", ids_of(&all) == expected, ids_of(&all));
        self.holds(
            "a damaged case says why",
            all.damaged.iter().all(|one| !one.why.is_empty()),
            &all.damaged,
        );
        let (mut paged, mut filter) = ((Vec::new(), Vec::new()), Filter::of(StateKind::Ready));
        for _ in 0..10 {
            let page = store.list(&filter, 1).await?;
            let (cases, damaged) = ids_of(&page);
            self.holds("a damaged case counts for the limit", cases.len() + damaged.len() <= 1, &page);
            paged.0.extend(cases);
            paged.1.extend(damaged);
            let Some(next) = page.next else { break };
            filter = filter.after(next);
        }
        self.holds("pages lose no case to a damaged one", paged == expected, &paged);
        let loaded = store.load(second).await;
        let is_named = matches!(loaded, Err(StoreError::Damaged { .. }));
        self.holds("to load a damaged case is an error that says so", is_named, &loaded);
        let message = store.deliver(second, Message::Wake, self.now).await;
        self.holds("a damaged case takes messages", message.is_ok(), &message);
        let due = leased_ids(&store.due("w", self.now, self.at(60), 10).await?);
        self.holds("a damaged case keeps no worker from the others", due == expected.0, &due);
        Ok(())
    }

    async fn misuse_is_named(&mut self) -> Tried {
        let (store, now) = (self.store, self.now);
        let id = self.new_case(0).id();
        let delivered = store.deliver(id, Message::Wake, now).await;
        let named = matches!(delivered, Err(StoreError::NoSuchCase(named)) if named == id);
        self.holds("a message for no case is refused", named, &delivered);
        let history = store.history(id).await;
        let named = matches!(history, Err(StoreError::NoSuchCase(named)) if named == id);
        self.holds("no case has no history", named, &history);
        let outcome = store.outcome(id, 1).await;
        let named = matches!(outcome, Err(StoreError::NoSuchCase(named)) if named == id);
        self.holds("a message of no case has no outcome", named, &outcome);
        self.lost("no case has no lease", &store.renew(&Lease::new(id, 1), self.at(1)).await);
        Ok(())
    }

    /// Many workers ask at once, and many messages come at once.
    async fn leases_once_among_many(&mut self) -> Tried {
        let (store, now, until) = (self.store, self.now, self.at(60));
        let mut ids = BTreeSet::new();
        for _ in 0..12 {
            ids.insert(self.insert(1).await?.id());
        }
        let names: Vec<String> = (0..8).map(|at| format!("worker {at}")).collect();
        let mut leased = Vec::new();
        // Who asks while another is being served may get fewer than there are: so they ask until none is left.
        for _ in 0..12 {
            let asking = names.iter().map(|name| store.due(name, now, until, 2));
            for due in all(asking.collect()).await {
                leased.extend(leased_ids(&due?));
            }
        }
        let once: BTreeSet<_> = leased.iter().copied().collect();
        self.holds("of many workers each case goes to one", leased.len() == 12 && once == ids, &leased);
        let Some(id) = ids.first().copied() else { return Ok(()) };
        let delivering = (0..8).map(|_| store.deliver(id, Message::Wake, now)).collect();
        let numbers: BTreeSet<u64> = all(delivering).await.into_iter().collect::<Result<_, _>>()?;
        self.holds("of many messages each has its own number", numbers.len() == 8, &numbers);
        for id in ids {
            self.end(id, 60).await?;
        }
        Ok(())
    }

    fn at(&self, seconds: i64) -> DateTime<Utc> {
        saturating_add(self.now, TimeDelta::seconds(seconds))
    }

    fn new_case(&mut self, records: u64) -> NewCase {
        self.ids += 1;
        let opening = Opening {
            format: 0,
            diagnosis: DiagnosisId::new(Ulid(self.ids)),
            runbook: "conformance".into(),
            version: 1,
            fingerprint: Fingerprint::from_bytes([7; 32]),
            subject: Subject::device("press-07").with_site("north"),
            trigger: Trigger::new("a test of the store", self.now),
            incident: Some("incident 'ä' \\ \"1\"".into()),
            started_at: self.now,
        };
        let increment = more(&opening, &opening.save_point(), records, self.now);
        NewCase { opening, increment }
    }

    async fn insert(&mut self, records: u64) -> Result<NewCase, StoreError> {
        let case = self.new_case(records);
        self.store.insert(case.clone(), self.now).await?;
        Ok(case)
    }

    /// Leases the one case that is due then.
    async fn lease(
        &mut self,
        id: DiagnosisId,
        now: DateTime<Utc>,
        seconds: i64,
    ) -> Result<Lease, StoreError> {
        let until = saturating_add(now, TimeDelta::seconds(seconds));
        let leased = self.store.due("worker", now, until, 10).await?;
        self.holds("the due case is leased, and no other", leased_ids(&leased) == [id], leased_ids(&leased));
        let lease = leased.into_iter().map(|leased| leased.lease).find(|lease| lease.case == id);
        lease.ok_or(StoreError::NoSuchCase(id))
    }

    /// Ends a case, whose lease has expired `seconds` later, so that the next group finds none that is due.
    async fn end(&mut self, id: DiagnosisId, seconds: i64) -> Tried {
        let now = self.at(seconds);
        self.store.deliver(id, Message::Wake, now).await?;
        let leased = self.store.due("worker", now, now, 100).await?;
        for leased in leased {
            if leased.case.id() == id {
                let seen = leased.case.inbox.last().map_or(0, |(number, _)| *number);
                // What a store keeps of a finding is as opaque to it as any state.
                let save = Save::new(leased.case.version, Increment::none(leased.case.saved), ended(id, now));
                self.store.save(&leased.lease, save.with_messages(seen, seen, Vec::new()), now).await?;
            } else {
                self.store.release(&leased.lease).await?;
            }
        }
        Ok(())
    }

    fn holds(&mut self, rule: &'static str, holds: bool, found: impl fmt::Debug) {
        if !holds {
            self.violations.push(Violation { rule, found: format!("{found:?}") });
        }
    }

    fn lost<T: fmt::Debug>(&mut self, rule: &'static str, found: &Result<T, StoreError>) {
        self.holds(rule, matches!(found, Err(StoreError::LeaseLost(_))), found);
    }

    fn conflicts<T: fmt::Debug>(&mut self, rule: &'static str, found: &Result<T, StoreError>) {
        self.holds(rule, matches!(found, Err(StoreError::Conflict { .. })), found);
    }
}

fn leased_ids(leased: &[Leased]) -> Vec<DiagnosisId> {
    leased.iter().map(|leased| leased.case.id()).collect()
}

fn ended(id: DiagnosisId, at: DateTime<Utc>) -> State {
    let subject = Subject::device("press-07");
    State::Ended(Box::new(Finding::withdrawn(id, subject, at, "conformance", "the test is over")))
}

/// So many records more.
fn more(opening: &Opening, saved: &SavePoint, records: u64, at: DateTime<Utc>) -> Increment {
    let records = (saved.records..saved.records + records).map(|number| Record {
        at,
        runbook: opening.runbook.as_str().into(),
        step: format!("step {number} 'ä'").into(),
        what: Recorded::Called { runbook: "conformance".into() },
    });
    Increment::of(saved, records.collect(), at)
}

/// Polls all until each is ready.
async fn all<T>(futures: Vec<impl Future<Output = T>>) -> Vec<T> {
    let mut futures: Vec<Pin<Box<_>>> = futures.into_iter().map(Box::pin).collect();
    let mut done: Vec<Option<T>> = futures.iter().map(|_| None).collect();
    poll_fn(|context| {
        for (future, done) in futures.iter_mut().zip(&mut done) {
            if done.is_none()
                && let Poll::Ready(value) = future.as_mut().poll(context)
            {
                *done = Some(value);
            }
        }
        if done.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    done.into_iter().flatten().collect()
}
