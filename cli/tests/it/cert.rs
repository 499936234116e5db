//! `cert`.

use super::{Files, run, run_with};

/// A certificate until 2027-01-01, and its successor until 2027-11-01.
const OLD: &str = include_str!("files/old.pem");
const NEW: &str = include_str!("files/new.pem");

#[test]
fn soonest_end_comes_first() {
    let files = Files::new();
    let (old, new) = (files.write("old.pem", OLD), files.write("new.pem", NEW));
    let due = run_with(&["cert", &new, &old, "--now", "2026-11-29T12:00:00Z"], b"", 120);
    assert_eq!(due.code, 1, "{}", due.err);
    assert_eq!(
        due.out,
        "\
1 of 2 certificates needs attention
Judged at 2026-11-29T12:00:00Z.

STAGE    LEFT   ENDS                  SUBJECT            WHAT TO DO
renewal  32 d   2027-01-01T00:00:00Z  CN=pump-7,O=Plant  issue a new one and bring it to the device
ok       336 d  2027-11-01T00:00:00Z  CN=pump-7,O=Plant  nothing is due
"
    );
}

#[test]
fn certificates_of_one_file_need_no_chain() {
    let both = format!("{OLD}{NEW}");
    let due = run_with(&["cert", "-", "--json", "--now", "2027-02-01T00:00:00Z"], both.as_bytes(), 80);
    assert_eq!(due.code, 1);
    let json = due.json();
    let stages: Vec<_> =
        json["certificates"].as_array().unwrap().iter().map(|one| one["stage"].clone()).collect();
    assert_eq!(stages, ["expired", "ok"]);
}

#[test]
fn policy_decides_what_is_due() {
    let files = Files::new();
    let policy = files.write("policy.toml", "renewal = \"10d\"\nfollow_up = \"5d\"\n");
    let arguments = ["cert", "-", "--now", "2026-11-29T12:00:00Z", "--policy", &policy];
    let due = run_with(&arguments, OLD.as_bytes(), 80);
    assert_eq!(due.code, 0, "{}{}", due.out, due.err);
    let wrong = files.write("wrong.toml", "renewal = \"300d\"\n");
    let refused = run_with(&["cert", "-", "--policy", &wrong], OLD.as_bytes(), 80);
    assert_eq!(refused.code, 2);
    assert!(refused.err.contains("`renewal`"), "{}", refused.err);
}

#[test]
fn private_key_is_refused_and_not_repeated() {
    let key = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0c2VjcmV0\n-----END PRIVATE KEY-----\n";
    let refused = run_with(&["cert", "-"], key.as_bytes(), 80);
    assert_eq!((refused.code, refused.out.as_str()), (2, ""));
    assert!(refused.err.contains("PRIVATE KEY") && !refused.err.contains("c2Vj"), "{}", refused.err);
}

#[test]
fn broken_file_hides_no_other() {
    let files = Files::new();
    let (old, text) = (files.write("old.pem", OLD), files.write("notes.pem", "no certificate"));
    let due = run(&["cert", &text, &old, "--now", "2026-11-29T12:00:00Z"]);
    assert_eq!(due.code, 2);
    assert!(due.err.contains("notes.pem") && due.out.contains("renewal"), "{}{}", due.err, due.out);
}

#[test]
fn it_is_judged_by_the_clock_unless_told() {
    let json = run_with(&["cert", "-", "--json"], OLD.as_bytes(), 80).json();
    let now: chrono::DateTime<chrono::Utc> = json["now"].as_str().unwrap().parse().unwrap();
    assert!(now.timestamp() > 1_795_000_000, "{now}");
}
