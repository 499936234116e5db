//! The factory's parts, working together.

use chrono::{DateTime, Utc};
use plant::{
    broker,
    factory::{Factory, Plan},
    gateway::{
        Order,
        field::{Held, Reach},
    },
    pki::Presented,
    supervisor::How,
    wait,
};

use crate::{processes, start};

async fn seen_since(factory: &Factory, device: &str, since: DateTime<Utc>) {
    wait::until("a message", || async {
        let seen = factory.platform().last_seen(device);
        seen.is_some_and(|at| at > since)
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn stopped_factory_leaves_nothing() {
    let factory = start(Plan::WHOLE).await;
    let mut pids = Vec::new();
    for gateway in factory.gateways() {
        pids.push(gateway.process().await.unwrap().pid.unwrap());
    }
    assert_eq!(pids.len(), 3);
    assert!(pids.iter().all(|pid| processes::exists(*pid)));
    let folder = factory.folder().to_owned();
    factory.stop().await.unwrap();
    assert!(!folder.exists());
    assert!(!pids.iter().any(|pid| processes::exists(*pid)), "{pids:?}");
}

#[tokio::test]
async fn dropped_factory_leaves_nothing() {
    let factory = start(Plan::SMALL).await;
    let pid = factory.gateways().next().unwrap().supervisor().status().pid;
    let folder = factory.folder().to_owned();
    drop(factory);
    assert!(!folder.exists());
    wait::until("the end of a gateway", || async { !processes::exists(pid.unwrap()) }).await.unwrap();
}

#[tokio::test]
async fn killed_gateway_is_gone_until_it_is_restarted() {
    let factory = start(Plan::SMALL).await;
    let gateway = factory.gateway("gw-north-1").unwrap();
    let before = gateway.process().await.unwrap();
    gateway.supervisor().kill().await.unwrap();

    assert!(!processes::exists(before.pid.unwrap()));
    let status = gateway.process().await.unwrap();
    assert_eq!(status.pid, None);
    assert!(matches!(status.last_end.unwrap().how, How::Killed(9)));
    assert!(gateway.health().await.is_err());
    wait::until("both sessions to end", || async { factory.sessions().is_empty() }).await.unwrap();

    let since = Utc::now();
    gateway.restart().await.unwrap();
    seen_since(&factory, "press-1", since).await;
    seen_since(&factory, "oven-1", since).await;
    let status = gateway.process().await.unwrap();
    assert_eq!(status.starts, 2);
    assert_ne!(status.pid, before.pid);
    factory.stop().await.unwrap();
}

#[tokio::test]
async fn gateway_that_leaks_is_killed_for_its_memory() {
    let factory = start(Plan::SMALL).await;
    let gateway = factory.gateway("gw-north-1").unwrap();
    gateway.supervisor().tell(Order::Leak).await.unwrap();
    wait::until("the end of a gateway", || async { !gateway.supervisor().status().is_running() })
        .await
        .unwrap();
    let status = gateway.process().await.unwrap();
    assert_eq!(status.last_end.unwrap().how, How::OutOfMemory);
    assert_eq!(status.oom_kills, 1);
    factory.stop().await.unwrap();
}

#[tokio::test]
async fn cut_uplink_ends_every_session_and_path() {
    let factory = start(Plan::SMALL).await;
    let site = factory.site("north").unwrap();
    let gateway = factory.gateway("gw-north-1").unwrap();
    assert!(site.try_paths("none").await.iter().all(|path| path.answered));

    let cut_at = Utc::now();
    site.uplink().cut();
    wait::until("both sessions to end", || async { factory.sessions().is_empty() }).await.unwrap();
    for client in ["press-1", "gw-north-1"] {
        let events = factory.broker().events(client, cut_at);
        let lost = broker::EventKind::Disconnected(broker::Reason::ConnectionLost);
        assert_eq!(events[0].kind, lost, "{client}");
    }
    assert!(!site.try_paths("none").await.iter().any(|path| path.answered));
    assert!(gateway.process().await.is_err());
    assert!(site.feed().await.is_err());
    // The process itself never noticed.
    assert!(gateway.supervisor().status().is_running());

    site.uplink().mend();
    factory.healthy().await.unwrap();
    factory.stop().await.unwrap();
}

#[tokio::test]
async fn unsent_messages_wait_in_the_outbox() {
    let factory = start(Plan::SMALL).await;
    let site = factory.site("north").unwrap();
    let gateway = factory.gateway("gw-north-1").unwrap();
    site.uplink().cut();
    wait::until("messages in the outbox", || async { gateway.supervisor().outbox().unwrap().unsent >= 3 })
        .await
        .unwrap();
    let mended_at = Utc::now();
    site.uplink().mend();
    seen_since(&factory, "oven-1", mended_at).await;
    wait::until("an outbox with nothing old in it", || async {
        let oldest = gateway.outbox().await.unwrap().oldest_unsent;
        oldest.is_none_or(|at| at > mended_at)
    })
    .await
    .unwrap();
    assert_eq!(gateway.outbox().await.unwrap().dropped, 0);
    factory.stop().await.unwrap();
}

#[tokio::test]
async fn power_restarts_a_hung_network_module() {
    let factory = start(Plan::SMALL).await;
    let gateway = factory.gateway("gw-north-1").unwrap();
    gateway.module().cut();
    assert!(gateway.process().await.is_err());
    let since = Utc::now();
    gateway.restart().await.unwrap();
    seen_since(&factory, "press-1", since).await;
    assert_eq!(gateway.process().await.unwrap().starts, 2);
    factory.stop().await.unwrap();
}

#[tokio::test]
async fn ot_network_shows_the_used_certificate() {
    let factory = start(Plan::SMALL).await;
    let gateway = factory.gateway("gw-north-1").unwrap();
    let device = factory.device("press-1").unwrap();
    let in_use = device.condition().identity.unwrap();
    let Held::Presented { der } = gateway.certificate("press-1").await.unwrap() else {
        panic!("press-1 presents nothing");
    };
    assert_eq!(Presented::parse(&der).unwrap().serial, in_use.serial());
    let (_, at_the_door) = factory.door().last_presented("press-1").unwrap();
    assert_eq!(at_the_door.serial, in_use.serial());

    device.port().cut();
    let reach = gateway.reach("press-1").await.unwrap();
    assert!(matches!(reach, Reach::Unreachable { .. }), "{reach:?}");
    assert_eq!(gateway.reach("oven-1").await.unwrap(), Reach::Reachable);
    device.port().mend();
    device.change(|device| device.identity = None);
    assert_eq!(gateway.certificate("press-1").await.unwrap(), Held::Nothing);
    assert!(gateway.reach("nobody").await.is_err());
    factory.stop().await.unwrap();
}
