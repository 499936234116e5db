//! What is read, beside what the `openssl` command reads.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};

use iot_runbook::certificate::validity::{Certificate, Fingerprint, KeyAlgorithm};
use rcgen::{KeyPair, PKCS_ECDSA_P384_SHA384, PKCS_ED25519};

use super::mint;

/// Whether to go on: a missing command fails the test under CI, and is passed over elsewhere.
fn is_there() -> bool {
    let there = Command::new("openssl").arg("version").output().is_ok();
    assert!(there || std::env::var_os("CI").is_none(), "the `openssl` command is missing: install it");
    there
}

fn openssl(arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new("openssl")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Asserts that both read the same.
fn compare(der: &[u8]) -> Certificate {
    const ASKED: &[&str] = &[
        "x509",
        "-inform",
        "DER",
        "-noout",
        "-dates",
        "-dateopt",
        "iso_8601",
        "-serial",
        "-subject",
        "-issuer",
        "-fingerprint",
        "-sha256",
        "-nameopt",
        "RFC2253,-esc_msb",
    ];
    let told = String::from_utf8(openssl(ASKED, der)).unwrap();
    let told: BTreeMap<&str, &str> = told.lines().filter_map(|line| line.split_once('=')).collect();
    let read = Certificate::from_der(der).unwrap();
    let moment = |name: &str| {
        // It writes early years with fewer digits.
        let padded = format!("{:0>20}", told[name].trim().replacen(' ', "T", 1));
        padded.parse::<chrono::DateTime<chrono::Utc>>().unwrap()
    };
    assert_eq!(read.not_before, moment("notBefore"));
    assert_eq!(read.not_after, moment("notAfter").into());
    assert_eq!(read.serial, told["serial"].to_lowercase());
    assert_eq!(read.subject, told["subject"]);
    assert_eq!(read.issuer, told["issuer"]);
    assert_eq!(read.fingerprint, told["sha256 Fingerprint"].parse::<Fingerprint>().unwrap());
    read
}

#[test]
fn certificates_are_read_as_by_openssl() {
    if !is_there() {
        return;
    }
    let keys = [
        (KeyPair::generate().unwrap(), KeyAlgorithm::EcP256),
        (KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap(), KeyAlgorithm::EcP384),
        (KeyPair::generate_for(&PKCS_ED25519).unwrap(), KeyAlgorithm::Ed25519),
    ];
    // The ends of both forms of dates, and of what is between them.
    let years = [1, 1900, 1949, 1950, 1969, 1970, 1999, 2000, 2024, 2026, 2038, 2049, 2050, 2100, 9998, 9999];
    let names = ["pump-7", "x,CN=other", " lead and trail ", "#1+2;3<4>\\\"", "Zürich ポンプ", "a\nb"];
    let mut count = 0_u64;
    for from in years {
        for until in years {
            let name = names[usize::try_from(count).unwrap() % names.len()];
            let (key, algorithm) = &keys[usize::try_from(count).unwrap() % keys.len()];
            let until = if until == 9999 { (9999, 12, 31) } else { (until, 2, 28) };
            let seconds = (count * 7_919) % 86_400;
            let der = mint::alone(name, [(from, 12, 31), until], seconds, count << (count % 50), key);
            assert_eq!(compare(&der).key_algorithm, *algorithm);
            count += 1;
        }
    }
    assert!(count > 200);
}

#[test]
fn openssl_chains_and_keys_are_read() {
    if !is_there() {
        return;
    }
    for der in mint::chain([mint::DATES; 3]) {
        compare(&der);
    }
    for (options, algorithm) in [
        (&["-newkey", "rsa:2048"][..], KeyAlgorithm::Rsa { bits: 2048 }),
        (&["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-521"], KeyAlgorithm::EcP521),
        (&["-newkey", "ed448"], KeyAlgorithm::Ed448),
        (
            &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp256k1"],
            KeyAlgorithm::Other("1.3.132.0.10".into()),
        ),
    ] {
        let subject = "/DC=example/C=CH/serialNumber=SN 7/CN=pump+OU=a";
        let make = ["req", "-x509", "-nodes", "-keyout", "/dev/null", "-outform", "DER", "-days", "30"];
        let arguments = [&make[..], &["-subj", subject, "-multivalue-rdn"], options].concat();
        let der = openssl(&arguments, b"");
        let read = compare(&der);
        assert_eq!(read.key_algorithm, algorithm);
        let key = openssl(&["x509", "-inform", "DER", "-noout", "-pubkey"], &der);
        let key = openssl(&["pkey", "-pubin", "-outform", "DER"], &key);
        assert_eq!(read.public_key, Fingerprint::of(&key));
    }
}
