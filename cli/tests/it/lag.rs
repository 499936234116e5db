//! `lag`.

use std::fmt::Write as _;

use super::run_with;

/// A look each half minute at two partitions: 0 keeps up, and 1 stops at the sixth look.
pub(crate) fn samples() -> String {
    let mut text = String::from("partition,at,log_start,committed,head\n");
    for look in 0..20 {
        let (second, head) = (1_795_420_800 + 30 * look, 1_000 + 50 * look);
        writeln!(text, "0,{second},0,{},{head}", head - 5).unwrap();
        writeln!(text, "1,{second},0,{},{head}", 980 + 50 * look.min(5)).unwrap();
    }
    text
}

#[test]
fn stopped_partition_comes_first() {
    let found = run_with(&["lag", "-", "--allowed-lag", "10"], samples().as_bytes(), 120);
    assert_eq!(found.code, 1, "{}", found.err);
    assert_eq!(
        found.out,
        "\
1 of 2 partitions does not keep up; 725 behind in all
Judged at 2026-11-23T08:09:30Z.

PARTITION  VERDICT  BEHIND  AGE             WHY
1          stop     720     7 min at least  messages have waited 7 min without a commit; the longest interval between
                                            commits was 1 min
0          ok       5       2.4 s           the group has read all, or all but what may wait
"
    );
}

#[test]
fn group_that_keeps_up_is_well() {
    let healthy: String =
        samples().lines().filter(|line| !line.starts_with("1,")).map(|line| format!("{line}\n")).collect();
    let well = run_with(&["lag", "-", "--allowed-lag", "10", "--json"], healthy.as_bytes(), 80);
    assert_eq!(well.code, 0, "{}", well.out);
    let json = well.json();
    assert_eq!((&json["verdict"], json["partitions"][0]["lag"].as_u64()), (&"ok".into(), Some(5)));
}

#[test]
fn later_time_makes_samples_stale() {
    let arguments = ["lag", "-", "--allowed-lag", "10", "--now", "2026-11-23T09:00:00Z"];
    let stale = run_with(&arguments, samples().as_bytes(), 80);
    assert_eq!(stale.code, 1, "unknown is never healthy");
    assert!(stale.out.contains("unknown"), "{}", stale.out);
}

#[test]
fn columns_of_other_tools_are_read() {
    let text = samples()
        .replace(
            "partition,at,log_start,committed,head",
            "Partition;Timestamp;LOW-WATERMARK;CURRENT-OFFSET;LOG-END-OFFSET",
        )
        .replace(',', ";");
    let found = run_with(&["lag", "-", "--allowed-lag", "10"], text.as_bytes(), 80);
    assert_eq!(found.code, 1, "{}", found.err);
    assert!(found.out.starts_with("1 of 2 partitions"), "{}", found.out);
}

#[test]
fn line_that_cannot_be_read_ends_it() {
    let broken = samples().replacen("0,1795420830,0,1045,1050", "0,1795420830,0,many,1050", 1);
    let refused = run_with(&["lag", "-"], broken.as_bytes(), 80);
    assert_eq!((refused.code, refused.out.as_str()), (2, ""));
    assert!(refused.err.contains("line 4: `many` is not an offset"), "{}", refused.err);
    let negative = samples().replacen("0,1795420830,0,1045,1050", "0,1795420830,0,-1001,1050", 1);
    assert_eq!(run_with(&["lag", "-"], negative.as_bytes(), 80).code, 1, "no commit is a value");
}

#[test]
fn unknown_state_is_wrong_usage() {
    let refused = run_with(&["lag", "-", "--state", "Stalled"], samples().as_bytes(), 80);
    assert_eq!(refused.code, 2);
    assert!(refused.err.contains("`Stalled` is not a state of a consumer group"), "{}", refused.err);
}
