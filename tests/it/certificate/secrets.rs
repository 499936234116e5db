//! Private keys in texts that were damaged on their way: nothing ever shows a byte of one.

use std::error::Error;

use iot_runbook::certificate::lifecycle::{Csr, Issued};
use iot_runbook::certificate::message::{Desired, Reason};
use iot_runbook::certificate::validity::{Certificate, Chain, certificates_from_pem};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::mint;
use super::random::cases;

/// So many characters of a key's base64, or bytes of its DER, are a part of it; fewer come about by chance.
const SHOWN: usize = 6;

/// One damage to a text in PEM.
#[derive(Clone, Debug)]
enum Damage {
    OneLine,
    CarriageReturns,
    WrittenOut,
    Cut(prop::sample::Index),
    CutFront(prop::sample::Index),
    Doubled,
    Label(&'static str),
    Mark,
    Deleted(prop::sample::Index, usize),
    Inserted(prop::sample::Index, &'static str),
    BesideCertificate,
    BoundariesGone,
}

fn damage() -> impl Strategy<Value = Damage> {
    let labels = ["CERTIFICATE", "X509 CERTIFICATE", "private key", "KEY", "", "RSA PRIVATE KEY-----"];
    let parts =
        ["-----", "-----BEGIN ", "-----END ", "-----BEGIN CERTIFICATE-----\n", "\n", "\r", "-", "\u{0}"];
    prop_oneof![
        Just(Damage::OneLine),
        Just(Damage::CarriageReturns),
        Just(Damage::WrittenOut),
        any::<prop::sample::Index>().prop_map(Damage::Cut),
        any::<prop::sample::Index>().prop_map(Damage::CutFront),
        Just(Damage::Doubled),
        prop::sample::select(labels.to_vec()).prop_map(Damage::Label),
        Just(Damage::Mark),
        (any::<prop::sample::Index>(), 1..40usize).prop_map(|(at, count)| Damage::Deleted(at, count)),
        (any::<prop::sample::Index>(), prop::sample::select(parts.to_vec()))
            .prop_map(|(at, part)| Damage::Inserted(at, part)),
        Just(Damage::BesideCertificate),
        Just(Damage::BoundariesGone),
    ]
}

fn apply(text: &str, damage: &Damage) -> String {
    let place = |at: &prop::sample::Index| {
        let at = at.index(text.len() + 1);
        (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap()
    };
    match damage {
        Damage::OneLine => text.replace('\n', " "),
        Damage::CarriageReturns => text.replace('\n', "\r"),
        Damage::WrittenOut => text.replace('\n', "\\n"),
        Damage::Cut(at) => text[..place(at)].to_owned(),
        Damage::CutFront(at) => text[place(at)..].to_owned(),
        Damage::Doubled => format!("{text}{text}"),
        Damage::Label(label) => text.replace("PRIVATE KEY", label),
        Damage::Mark => format!("\u{feff}{text}"),
        Damage::Deleted(at, count) => {
            let at = place(at);
            text[..at].chars().chain(text[at..].chars().skip(*count)).collect()
        }
        Damage::Inserted(at, part) => format!("{}{part}{}", &text[..place(at)], &text[place(at)..]),
        Damage::BesideCertificate => format!("{}{text}", mint::pem(&certificate())),
        Damage::BoundariesGone => text.lines().filter(|line| !line.starts_with("---")).collect(),
    }
}

fn certificate() -> Vec<u8> {
    mint::by_hand((mint::UTC_TIME, "260101000000Z"), (mint::UTC_TIME, "270101000000Z"))
}

/// All that is said of a text by whatever may be handed one.
fn said_of(text: &str) -> Vec<String> {
    let mut said = Vec::new();
    fn errors<T: std::fmt::Debug, E: Error>(read: Result<T, E>, said: &mut Vec<String>) -> Option<T> {
        said.push(format!("{read:?}"));
        match read {
            Ok(read) => Some(read),
            Err(error) => {
                said.push(error.to_string());
                said.extend(error.source().map(ToString::to_string));
                None
            }
        }
    }
    errors(Certificate::read(text.as_bytes()), &mut said);
    errors(certificates_from_pem(text.as_bytes()), &mut said);
    errors(Chain::read(text.as_bytes()), &mut said);
    errors(Csr::from_der(text.as_bytes()), &mut said);
    errors(serde_json::from_value::<Csr>(text.into()), &mut said);
    errors(serde_json::from_value::<Issued>(text.into()), &mut said);
    said.push(format!("{:?}", Desired::new(1, text)));
    // What is taken is published, and saved.
    if let Some(issued) = errors(Issued::from_pem(text), &mut said) {
        said.push(issued.pem().to_owned());
        said.push(serde_json::to_string(&issued).unwrap());
    }
    said
}

/// Base64 of random bytes, cut into lines as a private key in PKCS #8 is, and what no text may hold of it.
fn key() -> impl Strategy<Value = (String, Vec<u8>)> {
    (0..3usize, prop::collection::vec(any::<u8>(), 48..400)).prop_map(|(kind, secret)| {
        let label = ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"][kind];
        let der = [&[0x30, 0x82, 0x01, 0x00, 0x02, 0x01, 0x00, 0x04, 0x82, 0x01, 0x00], &secret[..]].concat();
        (mint::pem(&der).replace("CERTIFICATE", label), der)
    })
}

fn shows(said: &str, der: &[u8]) -> bool {
    // From a whole group of three bytes on, or none of its characters would be those of the text.
    let base64 = data_encoding::BASE64.encode(&der[12..]);
    let parts = base64.as_bytes().windows(SHOWN);
    let part_of = |part: &[u8]| said.contains(str::from_utf8(part).unwrap());
    let hex = data_encoding::HEXLOWER.encode(&der[11..]);
    parts.filter(|part| !part.ends_with(b"=")).any(part_of) || hex.as_bytes().windows(12).any(part_of)
}

#[test]
fn no_text_ever_shows_a_byte_of_a_private_key() {
    let mut runner = TestRunner::new(cases(3000));
    let texts = (key(), prop::collection::vec(damage(), 0..4));
    let run = runner.run(&texts, |((text, der), damages)| {
        let text = damages.iter().fold(text, |text, damage| apply(&text, damage));
        for said in said_of(&text) {
            prop_assert!(!shows(&said, &der), "{damages:?}: {said}");
        }
        Ok(())
    });
    run.unwrap();
}

#[test]
fn a_key_in_der_shows_none_of_its_bytes() {
    let key = rcgen::KeyPair::generate().unwrap().serialize_der();
    for error in [
        Certificate::from_der(&key).unwrap_err().to_string(),
        Chain::read(&key).unwrap_err().to_string(),
        Csr::from_der(key.clone()).unwrap_err().to_string(),
    ] {
        let printed = data_encoding::HEXLOWER.encode(&key);
        assert!(!printed.as_bytes().windows(8).any(|part| error.contains(str::from_utf8(part).unwrap())));
        assert!(error.len() < 120, "{error}");
    }
}

#[test]
fn issued_certificate_keeps_no_text_around_it() {
    let pem = mint::pem(&certificate());
    for text in [format!("MIIEvQIBADANBgkqhkiG9w0B\n{pem}"), pem.replace('\n', "\r\n"), format!("{pem}\nend")]
    {
        assert_eq!(Issued::from_pem(text).unwrap().pem(), pem);
    }
    for key in [
        "-----BEGIN PRIVATE KEY----- MII",
        "key: -----BEGIN EC PRIVATE KEY-----",
        "-----END PRIVATE KEY-----",
    ] {
        assert!(Issued::from_pem(format!("{pem}{key}")).is_err(), "{key}");
    }
}

#[test]
fn a_reason_ends_where_a_pem_block_begins() {
    for (words, kept) in [
        ("no route", "no route"),
        ("bad -----BEGIN EC PRIVATE KEY-----\\nMHcC", "bad (a PEM block, withheld)"),
        ("é RSA PRIVATE KEY MHcC", "é RSA (a PEM block, withheld)"),
    ] {
        assert_eq!(Reason::new(words).as_str(), kept);
    }
    let long = Reason::new(format!("{}-----BEGIN MHcC", "é".repeat(600)));
    assert!(long.as_str().len() <= 1024 && long.as_str().ends_with("withheld)"));
}
