use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::dedup::store::{
    DedupStore, Settled, StoreDeduplicator, StoreErrorKind, StoreSettings, WhenUnavailable, conformance,
};
use iot_runbook::dedup::{Device, Fingerprint, FirstSeen, Message, MessageId, Position, Verdict};
use platform::link::Link;
use platform::redis_store::RedisStore;

use crate::{link, start};

fn at(ms: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(1_800_000_000_000 + ms).unwrap()
}

fn message(id: u128, device: u32, payload: u64) -> Message {
    Message::new(MessageId::from_u128(id), Device::new(device).unwrap(), Fingerprint::from_u64(payload))
}

#[tokio::test]
async fn it_holds_every_rule_of_its_trait() {
    let (redis, one) = start().await;
    let store = RedisStore::new(one, "dedup:");
    // Ids whose keys hold line ends and zeros.
    for unused in [0, u128::MAX, u128::from_be_bytes(*b"\r\n\0*3\r\n$-1\r\n\0\r\n\0")] {
        let unused = MessageId::from_u128(unused);
        assert_eq!(conformance::operations(&store, unused).await.unwrap(), []);
        assert_eq!(conformance::races(&store, unused).await.unwrap(), []);
    }
    let unused = MessageId::from_u128(7);
    assert_eq!(conformance::expiry(&store, unused, tokio::time::sleep).await.unwrap(), []);
    let left: u64 = link(&redis).ask(&redis::cmd("DBSIZE")).await.unwrap();
    assert_eq!(left, 0, "nothing is left behind");
}

#[tokio::test]
async fn two_machines_share_a_window() {
    let (redis, _) = start().await;
    let machine = || {
        let settings = StoreSettings::new(TimeDelta::minutes(1)).with_reserve_timeout(TimeDelta::seconds(5));
        StoreDeduplicator::new(RedisStore::new(link(&redis), "dedup:"), settings).unwrap()
    };
    let (one, two) = (machine(), machine());
    let sent = message(1, 4, 23).with_position(Position::new(0, 17));
    let reserved = one.reserve(&sent, at(0)).await.unwrap();
    assert_eq!(reserved.verdict, Verdict::Fresh);
    assert_eq!(two.observe(&sent, at(1)).await.unwrap(), Verdict::InFlight);
    let other = message(1, 7, 23);
    let first = FirstSeen::new(sent.device, sent.payload, at(0));
    assert_eq!(two.observe(&other, at(2)).await.unwrap(), Verdict::Collision { first });
    assert_eq!(one.commit(&reserved.reservation.unwrap()).await.unwrap(), Settled::Done);
    assert_eq!(two.observe(&sent, at(3)).await.unwrap(), Verdict::Replay);
    assert_eq!(
        two.observe(&message(1, 4, 23), at(4)).await.unwrap(),
        Verdict::Duplicate { first_seen: at(0) }
    );
    let late = Verdict::Late { last_seen: at(0), past_ttl_by: TimeDelta::milliseconds(5) };
    assert_eq!(two.observe(&sent, at(60_005)).await.unwrap(), late);
    // The first of them crashes with a message in its hands; the other takes it over.
    let lost = one.reserve(&message(2, 4, 1), at(0)).await.unwrap().reservation.unwrap();
    let taken = two.reserve(&message(2, 4, 1), at(5_000)).await.unwrap();
    assert_eq!(taken.verdict, Verdict::Fresh);
    assert_eq!(one.commit(&lost).await.unwrap(), Settled::Taken);
    two.abort(&taken.reservation.unwrap()).await.unwrap();
    assert_eq!(one.observe(&message(2, 4, 1), at(5_001)).await.unwrap(), Verdict::Fresh);
}

#[tokio::test]
async fn of_many_at_once_one_is_fresh() {
    let (redis, _) = start().await;
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..32 {
        let settings = StoreSettings::new(TimeDelta::minutes(1));
        let dedup = StoreDeduplicator::new(RedisStore::new(link(&redis), "dedup:"), settings).unwrap();
        tasks.spawn(async move { dedup.observe(&message(1, 4, 23), at(n)).await.unwrap() });
    }
    let verdicts = tasks.join_all().await;
    assert_eq!(verdicts.iter().filter(|verdict| **verdict == Verdict::Fresh).count(), 1);
    assert_eq!(verdicts.iter().filter(|verdict| verdict.drops()).count(), 31);
}

#[tokio::test]
async fn full_server_leaves_untracked() {
    let (redis, one) = start().await;
    let mut ask = redis::cmd("CONFIG");
    ask.arg("SET").arg("maxmemory").arg("1");
    one.ask::<()>(&ask).await.unwrap();
    let settings = StoreSettings::new(TimeDelta::minutes(1));
    let dedup = StoreDeduplicator::new(RedisStore::new(link(&redis), "dedup:"), settings).unwrap();
    assert_eq!(dedup.observe(&message(1, 4, 23), at(0)).await.unwrap(), Verdict::Untracked);
    assert_eq!(dedup.troubles().last.unwrap().kind(), StoreErrorKind::Full);
}

#[tokio::test]
async fn policy_decides_when_server_is_away() {
    let (redis, one) = start().await;
    let settings = StoreSettings::new(TimeDelta::minutes(1));
    let strict = StoreDeduplicator::new(RedisStore::new(one, "dedup:"), settings).unwrap();
    assert_eq!(strict.observe(&message(1, 4, 23), at(0)).await.unwrap(), Verdict::Fresh);
    let lenient = settings.with_when_unavailable(WhenUnavailable::PassUntracked);
    let lenient = StoreDeduplicator::new(RedisStore::new(link(&redis), "dedup:"), lenient).unwrap();
    drop(redis);
    let error = strict.observe(&message(1, 4, 23), at(1)).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    assert_eq!(lenient.observe(&message(1, 4, 23), at(1)).await.unwrap(), Verdict::Untracked);
    assert_eq!(lenient.troubles().untracked, 1);
}

#[tokio::test]
async fn unreadable_record_is_a_clear_error() {
    let (redis, one) = start().await;
    let id = MessageId::from_u128(1);
    let store = RedisStore::new(link(&redis), "");
    let mut ask = redis::cmd("LPUSH");
    // A list where a value is expected.
    ask.arg(&id.to_u128().to_be_bytes()[..]).arg("x");
    one.ask::<()>(&ask).await.unwrap();
    let error = store.put_if_absent(id, b"v", std::time::Duration::from_secs(1)).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unreadable);
    assert!(Link::new("no address").is_err());
}
