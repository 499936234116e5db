//! Each write fails in turn: the server refuses it, its connection is cut in the middle of it, or its answer is lost.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use chrono::Utc;
use iot_runbook::case::{
    Case, CaseList, Happened, HistoryEntry, Lease, Leased, NewCase, Outcome, Save, StoreError,
};
use iot_runbook::diagnosis::{DiagnosisId, Recorded};
use tokio::task::JoinSet;
use tokio_postgres::NoTls;

use super::*;

const CASES: u32 = 2;

/// How many databases are used side by side.
const AT_ONCE: usize = 6;

/// Counts each row that is written. At the one of that number the statement fails, or the connection is cut: once, since a sequence
/// is not rolled back.
const TRIGGERS: &str = "
    CREATE SEQUENCE writes;
    CREATE TABLE fails (nth bigint, is_cut boolean);
    CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        number bigint := nextval('writes');
        is_cut boolean;
    BEGIN
        SELECT fails.is_cut INTO is_cut FROM fails WHERE nth = number;
        IF is_cut THEN
            PERFORM pg_terminate_backend(pg_backend_pid());
            PERFORM pg_sleep(5);
        ELSIF NOT is_cut THEN
            RAISE EXCEPTION 'the disk is full';
        END IF;
        RETURN coalesce(NEW, OLD);
    END $$;
";

#[derive(Clone, Copy, Debug)]
enum Fails {
    Never,
    Refused(u64),
    Cut(u64),
    /// The answer to the write call of that number.
    Lost(u64),
}

/// A store whose answer to one write is lost.
struct Deaf {
    store: PostgresCases,
    writes: AtomicU64,
    lost: u64,
}

impl Deaf {
    fn answer<T>(&self, answer: Result<T, StoreError>) -> Result<T, StoreError> {
        if self.writes.fetch_add(1, Ordering::Relaxed) + 1 == self.lost {
            return Err(StoreError::unavailable("answer", std::io::Error::other("the answer is lost")));
        }
        answer
    }
}

type Time = DateTime<Utc>;

#[async_trait]
impl CaseStore for Deaf {
    async fn insert(&self, case: NewCase, now: Time) -> Result<(), StoreError> {
        self.answer(self.store.insert(case, now).await)
    }

    async fn load(&self, id: DiagnosisId) -> Result<Option<Case>, StoreError> {
        self.store.load(id).await
    }

    async fn due(&self, by: &str, now: Time, until: Time, limit: usize) -> Result<Vec<Leased>, StoreError> {
        self.answer(self.store.due(by, now, until, limit).await)
    }

    async fn renew(&self, lease: &Lease, until: Time) -> Result<(), StoreError> {
        self.store.renew(lease, until).await
    }

    async fn save(&self, lease: &Lease, save: Save, now: Time) -> Result<u64, StoreError> {
        self.answer(self.store.save(lease, save, now).await)
    }

    async fn release(&self, lease: &Lease) -> Result<(), StoreError> {
        self.store.release(lease).await
    }

    async fn deliver(&self, id: DiagnosisId, message: Message, now: Time) -> Result<u64, StoreError> {
        self.answer(self.store.deliver(id, message, now).await)
    }

    async fn list(&self, filter: &Filter, limit: usize) -> Result<CaseList, StoreError> {
        self.store.list(filter, limit).await
    }

    async fn history(&self, id: DiagnosisId) -> Result<Vec<HistoryEntry>, StoreError> {
        self.store.history(id).await
    }
}

/// Runs the cases in a database of that name until they have ended, and checks them. Returns how many rows and how many calls
/// were written.
async fn run(url: String, name: String, fails: Fails) -> (u64, u64) {
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
    let url = url.replace("dbname=postgres", &format!("dbname={name}"));
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
    tokio::spawn(connection);
    let lost = if let Fails::Lost(nth) = fails { nth } else { 0 };
    let store = PostgresCases::new(&url.parse().unwrap(), 2);
    store.migrate().await.unwrap();
    let mut triggers = TRIGGERS.to_owned();
    for table in ["cases", "records", "messages", "history"] {
        triggers += &format!(
            "CREATE TRIGGER fail BEFORE INSERT OR UPDATE OR DELETE ON runbook_{table} FOR EACH ROW EXECUTE FUNCTION fail();"
        );
    }
    if let Fails::Refused(nth) | Fails::Cut(nth) = fails {
        triggers += &format!("INSERT INTO fails VALUES ({nth}, {});", matches!(fails, Fails::Cut(_)));
    }
    client.batch_execute(&triggers).await.unwrap();

    let store = Arc::new(Deaf { store, writes: AtomicU64::new(0), lost });
    let (set, pumps) = (set(), Arc::new(Pumps::default()));
    for number in 1..=CASES {
        loop {
            let case = NewCase::of(&tripped(&set, number, SystemClock.now()));
            match store.insert(case, SystemClock.now()).await {
                Ok(()) | Err(StoreError::AlreadyThere(_)) => break,
                Err(error) => assert!(error.is_transient(), "{fails:?}: {error}"),
            }
        }
    }
    let worker = worker("one", store.clone(), &set, &pumps).with_lease(Duration::from_millis(250));
    let mut ended = Vec::new();
    for _ in 0..400 {
        if let Err(error) = worker.turn().await {
            assert!(error.is_transient(), "{fails:?}: {error}");
        }
        for case in store.list(&Filter::of(StateKind::Asking), 10).await.unwrap_or_default().cases {
            let State::Asking(asked) = &case.state else { continue };
            let Some(Asked::Approval(request)) = asked.first() else { continue };
            // One whose answer was lost is delivered again.
            if let Err(error) =
                store.deliver(case.id(), Message::Approval(request.grant("ann")), SystemClock.now()).await
            {
                assert!(error.is_transient(), "{fails:?}: {error}");
            }
        }
        ended = store.list(&Filter::of(StateKind::Ended), 10).await.unwrap_or_default().cases;
        if ended.len() == CASES as usize {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(ended.len(), CASES as usize, "{fails:?}");
    for case in &ended {
        let State::Ended(finding) = &case.state else { panic!("not ended") };
        assert_eq!(finding.conclusion(), Some("restarted"), "{fails:?}");
        let resumed = Diagnosis::resume(&case.bundle().unwrap(), &set).unwrap();
        assert_eq!(resumed.finding().as_ref(), Some(&**finding), "{fails:?}");
        let began = case.records.iter().filter(|record| matches!(record.what, Recorded::ActBegan { .. }));
        assert_eq!(began.count(), 1, "{fails:?}");
        check_history(&store.history(case.id()).await.unwrap(), case, fails);
    }
    assert_eq!(pumps.0.lock().unwrap().len(), CASES as usize, "{fails:?}");
    let written: i64 = client.query_one("SELECT last_value FROM writes", &[]).await.unwrap().get(0);
    (written.unsigned_abs(), store.writes.load(Ordering::Relaxed))
}

/// Every word that was delivered was handled once, or waits with the case; one of them was taken.
fn check_history(history: &[HistoryEntry], case: &Case, fails: Fails) {
    let (mut delivered, mut handled, mut taken) = (BTreeSet::new(), BTreeSet::new(), 0);
    for entry in history {
        match &entry.what {
            Happened::Delivered { number, .. } => assert!(delivered.insert(*number), "{fails:?}"),
            Happened::Handled { number, outcome } => {
                assert!(handled.insert(*number), "{fails:?}: message {number} was handled twice");
                taken += u32::from(*outcome == Outcome::Taken);
            }
            _ => {}
        }
    }
    handled.extend(case.inbox.iter().map(|(number, _)| *number));
    assert_eq!(handled, delivered, "{fails:?}");
    assert_eq!(taken, 1, "{fails:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_failed_write_loses_and_repeats_nothing() {
    let server = Postgres::start().unwrap();
    let (rows, calls) = run(server.url(), "never".into(), Fails::Never).await;
    assert!(rows > 20 && calls > 10, "{rows} rows, {calls} calls");
    // A failure makes more writes than there were without one.
    let nth = 1..=rows + 2;
    let refused = nth.clone().map(|nth| (format!("refused_{nth}"), Fails::Refused(nth)));
    let cut = nth.map(|nth| (format!("cut_{nth}"), Fails::Cut(nth)));
    let lost = (1..=calls + 2).map(|nth| (format!("lost_{nth}"), Fails::Lost(nth)));
    let mut running = JoinSet::new();
    let mut runs = 0;
    for (name, fails) in refused.chain(cut).chain(lost) {
        if running.len() >= AT_ONCE {
            running.join_next().await.unwrap().unwrap();
        }
        running.spawn(run(server.url(), name, fails));
        runs += 1;
    }
    while let Some(ran) = running.join_next().await {
        ran.unwrap();
    }
    println!("{runs} runs, each with one failure: {rows} rows and {calls} calls are written without any");
}
