//! Worker processes on one PostgreSQL: one is killed, and the server is restarted, in the middle of everything.

use std::collections::BTreeSet;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use iot_runbook::case::{CaseStore, Filter, Happened, Message, NewCase, Outcome, State, StateKind};
use iot_runbook::diagnosis::{DiagnosisId, Recorded};
use iot_runbook::driver::Asked;
use iot_runbook::time::{Clock, SystemClock};
use iot_runbook::{Diagnosis, RunbookSet, Subject, Trigger};
use iot_runbook_postgres::PostgresCases;
use platform::database::Database;
use platform::worker::runbooks;
use private::Postgres;
use ulid::Ulid;

/// How many cases each test runs. `CASES=20000` runs more of them.
fn cases(usual: u32) -> u32 {
    std::env::var("CASES").ok().and_then(|count| count.parse().ok()).unwrap_or(usual)
}

/// A worker process, which is killed when it is dropped.
struct Process(Child);

impl Process {
    fn start(database: &str, name: &str) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_platform"));
        // It works for as long as its standard input is open.
        Self(command.args(["worker", database, name]).stdin(Stdio::piped()).spawn().unwrap())
    }

    fn signal(&self, signal: &str) {
        assert!(Command::new("kill").args([signal, &self.0.id().to_string()]).status().unwrap().success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// A database with cases, and what is asked of it beside the workers.
struct Plant {
    server: Postgres,
    store: PostgresCases,
    database: Database,
    set: RunbookSet,
    count: u32,
}

impl Plant {
    async fn new(count: u32) -> Self {
        let server = Postgres::start().unwrap();
        let config: tokio_postgres::Config = server.url().parse().unwrap();
        let (store, database) = (PostgresCases::new(&config, 4), Database::new(config));
        store.migrate().await.unwrap();
        let (set, now) = (runbooks().unwrap(), SystemClock.now());
        for number in 1..=count {
            let subject = Subject::device(format!("pump-{number}"));
            let trigger = Trigger::new("the pump has tripped", now);
            let case =
                Diagnosis::new(Ulid(number.into()), &set, "pump-tripped", subject, trigger, now).unwrap();
            store.insert(NewCase::of(&case), now).await.unwrap();
        }
        Self { server, store, database, set, count }
    }

    /// The number that the statement gives; `None` while the server is away.
    async fn ask(&self, sql: &str) -> Option<i64> {
        self.database.query_one(sql, &[]).await.ok()?.get(0)
    }

    async fn ended(&self) -> i64 {
        self.ask("SELECT count(*) FROM runbook_cases WHERE state_kind = 'ended'").await.unwrap_or(0)
    }

    /// Approves whatever asks, until so many cases have ended.
    async fn approve_until(&self, ended: u32, approved: &mut BTreeSet<DiagnosisId>) {
        let began = Instant::now();
        let mut after = None;
        while self.ended().await < i64::from(ended) {
            assert!(began.elapsed() < Duration::from_secs(240), "{} cases have ended", self.ended().await);
            let mut filter = Filter::of(StateKind::Asking);
            filter.after = after;
            let asking = self.store.list(&filter, 100).await.unwrap_or_default();
            // Round and round through all ids.
            after = asking.next;
            for case in asking.cases {
                let State::Asking(asked) = &case.state else { panic!("{:?}", case.state) };
                let [Asked::Approval(request)] = &asked[..] else { panic!("{asked:?}") };
                if !approved.contains(&case.id()) {
                    let word = Message::Approval(request.grant("ann"));
                    // Where the answer is lost it may be there all the same: a second word is refused then.
                    if self.store.deliver(case.id(), word, SystemClock.now()).await.is_ok() {
                        approved.insert(case.id());
                    }
                }
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Every case has ended once and acted once.
    async fn check(&self) {
        let (mut filter, mut seen) = (Filter::of(StateKind::Ended), 0);
        loop {
            let page = self.store.list(&filter, 500).await.unwrap();
            assert!(page.damaged.is_empty(), "{:?}", page.damaged);
            for case in &page.cases {
                seen += 1;
                let State::Ended(finding) = &case.state else { panic!("{:?}", case.state) };
                assert_eq!(finding.conclusion(), Some("restarted"), "{}", case.id());
                let resumed = Diagnosis::resume(&case.bundle().unwrap(), &self.set).unwrap();
                assert_eq!(resumed.finding().as_ref(), Some(&**finding));
                let acts = |record: &&iot_runbook::diagnosis::Record| {
                    matches!(record.what, Recorded::ActBegan { .. } | Recorded::Acted { .. })
                };
                assert_eq!(case.records.iter().filter(acts).count(), 2, "{}", case.id());
                assert!(case.inbox.is_empty());
            }
            let Some(next) = page.next else { break };
            filter = filter.after(next);
        }
        assert_eq!(seen, self.count);
        // By the history each came to its end once, and took one word.
        for number in (1..=self.count).step_by(37) {
            let history = self.store.history(DiagnosisId::new(Ulid(number.into()))).await.unwrap();
            let ends = |entry: &&Happened| matches!(entry, Happened::Saved { state: StateKind::Ended, .. });
            let took = |entry: &&Happened| matches!(entry, Happened::Handled { outcome: Outcome::Taken, .. });
            let happened = || history.iter().map(|entry| &entry.what);
            assert_eq!((happened().filter(ends).count(), happened().filter(took).count()), (1, 1));
        }
        let count = i64::from(self.count);
        for (sql, expected) in [
            ("SELECT count(*) FROM platform_acts", count),
            ("SELECT count(*) FROM platform_pumps WHERE restarts = 1", count),
            ("SELECT count(*) FROM platform_pumps", count),
            ("SELECT count(*) FROM runbook_messages", 0),
        ] {
            assert_eq!(self.ask(sql).await, Some(expected), "{sql}");
        }
    }

    /// How many acts were handed out again: under the same key, after whoever had them was lost.
    async fn repeated(&self) -> i64 {
        self.ask("SELECT count(*) - count(DISTINCT key) FROM platform_calls").await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_worker_loses_and_repeats_no_act() {
    let plant = Plant::new(cases(2_000)).await;
    let [mut one, _two, _three] =
        ["one", "two", "three"].map(|name| Process::start(&plant.server.url(), name));
    let mut approved = BTreeSet::new();
    plant.approve_until(plant.count / 4, &mut approved).await;
    // Stopped, and killed where it has acts that are handed out and whose cases are not saved since.
    let in_the_middle = "SELECT count(*) FROM platform_calls JOIN runbook_cases ON id = case_id \
        WHERE worker = 'one' AND leased_by = 'one' AND state_kind = 'ready' AND leased_until > now()";
    for tried in 1.. {
        assert!(tried < 200, "it has no act under way");
        one.signal("-STOP");
        if plant.ask(in_the_middle).await.unwrap() > 0 {
            break;
        }
        one.signal("-CONT");
        plant.approve_until(plant.ended().await.try_into().unwrap_or(0), &mut approved).await;
        tokio::time::sleep(Duration::from_millis(7)).await;
    }
    let lost = plant.ask(in_the_middle).await.unwrap();
    one.0.kill().unwrap();
    one.0.wait().unwrap();
    assert!(plant.ended().await < i64::from(plant.count), "it was killed too late");
    plant.approve_until(plant.count, &mut approved).await;
    plant.check().await;
    let repeated = plant.repeated().await;
    println!("{} cases, {lost} acts of the killed worker open, {repeated} handed out again", plant.count);
    assert!(repeated >= lost, "the lost acts were handed out again under their keys");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_server_loses_and_repeats_no_act() {
    let mut plant = Plant::new(cases(400)).await;
    let _workers = ["one", "two", "three"].map(|name| Process::start(&plant.server.url(), name));
    let mut approved = BTreeSet::new();
    for part in 1..=3 {
        plant.approve_until(plant.count * part / 5, &mut approved).await;
        plant.server.restart().unwrap();
    }
    plant.approve_until(plant.count, &mut approved).await;
    plant.check().await;
    println!("{} cases, {} acts handed out again", plant.count, plant.repeated().await);
}
