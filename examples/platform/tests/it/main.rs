//! The adapters over a real server: each test starts one of its own, and leaves nothing behind.
#![expect(clippy::unwrap_used, reason = "a test that can't go on fails, in its helpers too")]

mod id_only;
mod private_redis;
mod program;
mod redis_store;

use std::sync::Arc;

use platform::link::Link;
use platform::private_redis::PrivateRedis;

/// A server and a connection to it. A missing server fails the test.
async fn start() -> (PrivateRedis, Arc<Link>) {
    let redis = PrivateRedis::start().await.unwrap();
    let link = link(&redis);
    (redis, link)
}

fn link(redis: &PrivateRedis) -> Arc<Link> {
    Arc::new(Link::new(redis.url()).unwrap())
}
