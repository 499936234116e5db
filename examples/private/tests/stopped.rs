//! A server is gone when its value is.
#![expect(clippy::panic, reason = "a test that can't go on fails, in its helpers too")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use private::{Postgres, Redis};

fn runs(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

fn is_stopped_by_a_panic(server: impl Sized, pid: u32) {
    assert!(runs(pid));
    let stopped = catch_unwind(AssertUnwindSafe(move || {
        let _server = server;
        panic!("a test fails");
    }));
    assert!(stopped.is_err());
    assert!(!runs(pid));
}

#[test]
fn dropped_server_is_gone_after_a_panic() {
    let redis = Redis::start().unwrap();
    let pid = redis.pid();
    is_stopped_by_a_panic(redis, pid);
    let postgres = Postgres::start().unwrap();
    let pid = postgres.pid();
    is_stopped_by_a_panic(postgres, pid);
}

#[test]
fn two_servers_have_ports_of_their_own() {
    let (one, two) = (Redis::start().unwrap(), Redis::start().unwrap());
    assert_ne!(one.url(), two.url());
}
