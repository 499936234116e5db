use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use platform::private_redis::PrivateRedis;

fn runs(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

#[tokio::test]
async fn dropped_server_is_gone_after_a_panic() {
    let redis = PrivateRedis::start().await.unwrap();
    let pid = redis.pid();
    assert!(runs(pid));
    let stopped = catch_unwind(AssertUnwindSafe(move || {
        let _redis = redis;
        panic!("a test fails");
    }));
    assert!(stopped.is_err());
    assert!(!runs(pid));
}

#[tokio::test]
async fn two_servers_have_ports_of_their_own() {
    let (one, two) = (PrivateRedis::start().await.unwrap(), PrivateRedis::start().await.unwrap());
    assert_ne!(one.url(), two.url());
}
