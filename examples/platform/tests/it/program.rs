use std::process::Command;

use crate::start;
use platform::story::tell;

#[tokio::test]
async fn the_story_shows_what_each_way_loses() {
    let (_redis, link) = start().await;
    let told = tell(link).await.unwrap();
    assert_eq!((told.by_id.lost, told.by_id.twice), (2, 0), "{}", told.text);
    assert_eq!((told.by_verdict.lost, told.by_verdict.twice), (0, 1), "{}", told.text);
    assert_eq!(told.collided, 3);
    for line in ["LOST      collision with press-4: passed on", "replay: dropped", "shared-id"] {
        assert!(told.text.contains(line), "{line}: {}", told.text);
    }
}

#[test]
fn program_tells_it_and_says_how_it_is_used() {
    let program = env!("CARGO_BIN_EXE_platform");
    let output = Command::new(program).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && text.contains("measurements lost"), "{text}");
    let output = Command::new(program).arg("--help").output().unwrap();
    assert!(String::from_utf8(output.stdout).unwrap().contains("redis://"));
    let output =
        Command::new(program).args(["kafka", "ingest", "telemetry"]).env_remove("KAFKA_BOOTSTRAP").output();
    let text = String::from_utf8(output.unwrap().stderr).unwrap();
    assert!(text.contains("no broker is named: give its address, or set `KAFKA_BOOTSTRAP`"), "{text}");
    let output = Command::new(program).arg("redis://127.0.0.1:1/").output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && text.contains("there is no connection to redis"), "{text}");
}
