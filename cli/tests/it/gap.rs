//! `gap`.

use std::fmt::Write as _;

use super::run_with;

/// A row each minute from 08:00, without those minutes.
fn series(minutes: u32, missing: std::ops::Range<u32>) -> String {
    let mut text = String::from("event,arrival\n");
    for minute in (0..minutes).filter(|minute| !missing.contains(minute)) {
        writeln!(text, "2026-11-23T08:{minute:02}:00Z,2026-11-23T08:{minute:02}:01Z").unwrap();
    }
    text
}

#[test]
fn missing_rows_are_counted_and_placed() {
    let found = run_with(&["gap", "-"], series(60, 20..35).as_bytes(), 80);
    assert_eq!(found.code, 1, "{}", found.err);
    assert_eq!(
        found.out,
        "\
15 of 60 rows are missing, in 1 gap; 45 are there
From 2026-11-23T08:00:00Z to 2026-11-23T09:00:00Z, a row every 1 min, as the
rows themselves say.

FROM                  TO                    FOR     MISSING  CAME LATE
2026-11-23T08:19:00Z  2026-11-23T08:35:00Z  16 min  15       0
"
    );
}

#[test]
fn whole_series_is_well() {
    let well = run_with(&["gap", "-"], series(60, 0..0).as_bytes(), 80);
    assert_eq!(well.code, 0);
    assert!(well.out.starts_with("No row is missing: 60 of 60 are there\n"), "{}", well.out);
}

#[test]
fn period_that_is_asked_for_counts_its_edges() {
    let arguments = [
        "gap",
        "-",
        "--every",
        "1m",
        "--from",
        "2026-11-23T07:50:00Z",
        "--to",
        "2026-11-23T09:10:00Z",
        "--json",
    ];
    let json = run_with(&arguments, series(60, 0..0).as_bytes(), 80).json();
    assert_eq!((json["missing"].as_u64(), json["estimated"].as_bool()), (Some(20), Some(false)));
}

#[test]
fn order_says_nothing_without_arrivals() {
    let mut lines: Vec<String> = (0..60).map(|minute| format!("2026-11-23 08:{minute:02}:00")).collect();
    lines.reverse();
    let text = format!("time\n{}\n", lines.join("\n"));
    assert_eq!(run_with(&["gap", "-"], text.as_bytes(), 80).code, 0);
}

#[test]
fn seconds_since_1970_are_times_too() {
    let lines: Vec<String> = (0..60).map(|n| (1_795_420_800 + 60 * n).to_string()).collect();
    let well = run_with(&["gap", "-"], lines.join("\n").as_bytes(), 80);
    assert_eq!(well.code, 0, "{}{}", well.out, well.err);
}

#[test]
fn rows_of_several_devices_are_not_taken_for_one() {
    // Each device lacks what the other has.
    let (one, other) = (series(60, 20..35), series(60, 40..45));
    let rows = |series: &str, device: &str| {
        series.lines().skip(1).map(|row| format!("{device},{row}\n")).collect::<String>()
    };
    let text = format!("Device,event,arrival\n{}{}", rows(&one, "press-7"), rows(&other, "press-8"));
    let mixed = run_with(&["gap", "-"], text.as_bytes(), 80);
    assert_eq!((mixed.code, mixed.out.as_str()), (2, ""));
    let why = "it has rows of several (device press-7, press-8); choose one with `--only device=press-7`";
    assert!(mixed.err.contains(why), "{}", mixed.err);
    let missing = |device: &str| {
        let arguments = ["gap", "-", "--json", "--only", device];
        run_with(&arguments, text.as_bytes(), 80).json()["missing"].as_u64()
    };
    assert_eq!((missing("device=press-7"), missing("device=press-8")), (Some(15), Some(5)));
    let typo = run_with(&["gap", "-", "--only", "devcie=press-7"], text.as_bytes(), 80);
    assert!(typo.err.contains("there is no column `devcie` (did you mean `device`?)"), "{}", typo.err);
}

#[test]
fn refused_lines_are_named() {
    let text = series(60, 0..0).replace("2026-11-23T08:30:00Z,2026-11-23T08:30:01Z", "2026-11-23T08:3");
    let found = run_with(&["gap", "-"], text.as_bytes(), 80);
    assert_eq!(found.code, 1);
    assert!(
        found.out.contains("1 line could not be read:\n  line 32: it ends after 1 column"),
        "{}",
        found.out
    );
}

#[test]
fn too_few_rows_for_an_estimate_say_what_to_give() {
    let refused = run_with(&["gap", "-"], series(5, 0..0).as_bytes(), 80);
    assert_eq!((refused.code, refused.out.as_str()), (2, ""));
    assert!(refused.err.contains("`--every`"), "{}", refused.err);
    let stated = run_with(&["gap", "-", "--every", "1m"], series(5, 0..0).as_bytes(), 80);
    assert_eq!(stated.code, 0, "{}", stated.err);
}

#[test]
fn file_without_the_column_names_those_that_are_there() {
    let refused = run_with(&["gap", "-"], b"device,temperature\npress-7,21.5\n", 80);
    assert_eq!(refused.code, 2);
    assert!(
        refused.err.contains("no column `event`; the columns are `device`, `temperature`"),
        "{}",
        refused.err
    );
    let empty = run_with(&["gap", "-"], b"event,arrival\n", 80);
    assert!(empty.code == 2 && empty.err.contains("no row"), "{}", empty.err);
}

#[test]
fn narrow_page_has_a_block_for_each_gap() {
    let found = run_with(&["gap", "-"], series(60, 20..35).as_bytes(), 40);
    assert!(found.out.lines().all(|line| line.chars().count() <= 40), "{}", found.out);
    assert!(found.out.contains("\n2026-11-23T08:19:00Z\n  to: 2026-11-23T08:35:00Z\n"), "{}", found.out);
}
