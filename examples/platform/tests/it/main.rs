//! The adapters over a real server: each test starts one of its own, and leaves nothing behind.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that can't go on fails, in its helpers too")]

mod id_only;
mod incidents;
mod kafka;
mod mosquitto;
mod program;
mod redis_store;
mod telemetry;
mod workers;

use std::sync::Arc;

use platform::link::Link;
use private::Redis;

/// A server and a connection to it. A missing server fails the test.
async fn start() -> (Redis, Arc<Link>) {
    let redis = Redis::start().unwrap();
    let link = link(&redis);
    (redis, link)
}

fn link(redis: &Redis) -> Arc<Link> {
    Arc::new(Link::new(redis.url()).unwrap())
}
