//! Certificates in DER and PEM: what is read, and what is refused and where.

use chrono::{DateTime, Utc};
use iot_runbook::certificate::validity::{
    Certificate, CertificateError, Chain, Expiry, Part, certificates_from_pem, dates_from_der,
};
use iot_runbook::certificate::{Facts, effective_end};
use proptest::prelude::*;

use super::random::cases;

use super::mint::{self, DATES, Dates, GENERALIZED_TIME, UTC_TIME, by_hand, pem};

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

#[test]
fn dates_are_exact_around_1970_and_2050() {
    for (tag, text, expected) in [
        (UTC_TIME, "491231235959Z", "2049-12-31T23:59:59Z"),
        (UTC_TIME, "500101000000Z", "1950-01-01T00:00:00Z"),
        (UTC_TIME, "691231235959Z", "1969-12-31T23:59:59Z"),
        (UTC_TIME, "000229120000Z", "2000-02-29T12:00:00Z"),
        (GENERALIZED_TIME, "20500101000000Z", "2050-01-01T00:00:00Z"),
        (GENERALIZED_TIME, "18991231235959Z", "1899-12-31T23:59:59Z"),
        (GENERALIZED_TIME, "20260101000000.999Z", "2026-01-01T00:00:00Z"),
        (GENERALIZED_TIME, "19690101000000.5Z", "1969-01-01T00:00:00Z"),
        (GENERALIZED_TIME, "00000101000000Z", "0000-01-01T00:00:00Z"),
        (GENERALIZED_TIME, "99991230235959Z", "9999-12-30T23:59:59Z"),
    ] {
        let read = Certificate::from_der(&by_hand((tag, text), (tag, text))).unwrap();
        assert_eq!(read.not_before, at(expected), "{text}");
        assert_eq!(read.not_after, Expiry::at(at(expected)), "{text}");
    }
    for never in ["99991231235959Z", "99991231000000Z"] {
        let der = by_hand((UTC_TIME, "260101000000Z"), (GENERALIZED_TIME, never));
        assert_eq!(dates_from_der(&der), Ok((at("2026-01-01T00:00:00Z"), Expiry::NEVER)));
    }
}

#[test]
fn date_that_is_none_is_shown_with_its_place() {
    let good = (UTC_TIME, "260101000000Z");
    for bad in [
        (UTC_TIME, "260230000000Z"),
        (UTC_TIME, "261301000000Z"),
        (UTC_TIME, "260101240000Z"),
        (UTC_TIME, "260101000060Z"),
        (UTC_TIME, ""),
        (UTC_TIME, "soon"),
        (GENERALIZED_TIME, "20260101000000"),
        (GENERALIZED_TIME, "2026-01-01T00:00:00Z"),
        (0x0c, "260101000000Z"),
    ] {
        for (der, part) in [(by_hand(bad, good), Part::NotBefore), (by_hand(good, bad), Part::NotAfter)] {
            let error = Certificate::from_der(&der).unwrap_err();
            assert_eq!(dates_from_der(&der), Err(error.clone()));
            let CertificateError::Date { part: named, at, text } = error else { panic!("{error}") };
            let shown = if bad.1 == "soon" { "4 bytes that are no date" } else { bad.1 };
            assert_eq!((named, text.as_str()), (part, shown));
            assert_eq!(der[at], bad.0, "the place is that of the date");
            assert!(der[at + 2..].starts_with(bad.1.as_bytes()));
        }
    }
}

#[test]
fn non_certificate_is_refused_with_place() {
    let der = by_hand((UTC_TIME, "260101000000Z"), (UTC_TIME, "270101000000Z"));
    assert_eq!(Certificate::read(b""), Err(CertificateError::Empty));
    assert_eq!(Certificate::from_der(b""), Err(CertificateError::Empty));
    let mut longer = der.clone();
    longer.extend(b"\0\0");
    let error = CertificateError::Trailing { at: der.len(), count: 2 };
    assert_eq!(Certificate::from_der(&longer), Err(error.clone()));
    assert!(error.to_string().contains("2 bytes follow"), "{error}");
    // Each part, with its first byte made another tag.
    for (part, place) in [
        (Part::Certificate, 0),
        (Part::TbsCertificate, 3),
        (Part::Version, 7),
        (Part::SerialNumber, 10),
        (Part::Signature, 13),
        (Part::Issuer, 20),
        (Part::Validity, 34),
        (Part::Subject, 66),
        (Part::SubjectPublicKeyInfo, 80),
        (Part::SignatureValue, 124),
    ] {
        let mut bad = der.clone();
        bad[place] ^= 0x04;
        assert_eq!(
            Certificate::from_der(&bad),
            Err(CertificateError::Malformed { part, at: place }),
            "{part}"
        );
    }
    for length in 1..der.len() {
        let error = Certificate::from_der(&der[..length]).unwrap_err();
        assert_eq!(error, CertificateError::Malformed { part: Part::Certificate, at: 0 });
    }
}

#[test]
fn pem_is_read_amid_text_and_any_newline() {
    let certificates = mint::chain([DATES; 3]);
    let own = Certificate::from_der(&certificates[0]).unwrap();
    let text = pem(&certificates[0]);
    for text in [
        text.clone(),
        text.replace('\n', "\r\n"),
        format!("subject=pump-7\n\n{text}\nend\n"),
        format!("\u{fffd}\n{}", text.trim_end()),
        text.replace('\n', "  \n\t"),
        text.replace('\n', "\r"),
        format!("\u{feff}{text}"),
        format!("\n\u{feff}{text}"),
    ] {
        assert_eq!(Certificate::read(text.as_bytes()), Ok(own.clone()), "{text}");
    }
    let mut bytes = b"\xff\xfe not text\n".to_vec();
    bytes.extend(text.as_bytes());
    assert_eq!(Certificate::from_pem(&bytes), Ok(own));
}

#[test]
fn pem_is_refused_with_the_line() {
    let good = pem(&mint::chain([DATES; 3])[0]);
    let line = |text: &str| certificates_from_pem(text.as_bytes()).unwrap_err();
    assert_eq!(line(""), CertificateError::Empty);
    assert_eq!(line("no certificate"), CertificateError::NoPem);
    let key = good.replace("CERTIFICATE", "PRIVATE KEY");
    let lines = good.lines().count();
    let expected = CertificateError::WrongLabel { line: lines + 1, label: "PRIVATE KEY".into() };
    assert_eq!(line(&format!("{good}{key}")), expected);
    for (text, begins, what) in [
        (good.replace("-----END CERTIFICATE-----", ""), 1, "does not end"),
        (format!("\n\n{}", good.replace("END CERTIFICATE", "END X509 CRL")), 3, "another label"),
        (good.replacen("\nM", "\n*", 1), 1, "no base64"),
        (good.replace("-----END CERTIFICATE-----", &good), 1, "before the next"),
        (good.replace("CERTIFICATE-----\nM", "CERTIFICATE----- M"), 1, "no boundary"),
        (good.replace('\n', "\\n"), 1, "no boundary"),
        (format!("{good}cert: {good}"), lines + 1, "no boundary"),
        (good.replace("BEGIN CERTIFICATE", "BEGIN certificate"), 1, "no boundary"),
        (
            format!("\r{}", good.replacen("-----BEGIN CERTIFICATE-----", "", 1).replace('\n', "\r\n")),
            lines + 1,
            "does not begin",
        ),
    ] {
        let error = line(&text);
        let CertificateError::Pem { line, what: said } = &error else { panic!("{error}") };
        assert_eq!(*line, begins);
        assert!(said.contains(what), "{said}");
    }
    let utf16: Vec<u8> = format!("\u{feff}{good}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(certificates_from_pem(&utf16), Err(CertificateError::Utf16));
    let empty = "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----";
    let error = line(&format!("{good}{empty}"));
    let CertificateError::InPem { line, position, source } = &error else { panic!("{error}") };
    assert_eq!((*line, *position, source.as_ref()), (lines + 1, 1, &CertificateError::Empty));
    assert!(std::error::Error::source(&error).is_some());
}

#[test]
fn chain_ends_with_the_first_of_it_to_end() {
    const EARLY: Dates = [(2020, 1, 1), (2026, 6, 1)];
    const LATE: Dates = [(2024, 1, 1), (9999, 12, 31)];
    for (dates, binds, not_before, not_after) in [
        ([DATES, LATE, LATE], 0, "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"),
        ([DATES, EARLY, LATE], 1, "2026-01-01T00:00:00Z", "2026-06-01T00:00:00Z"),
        ([LATE, DATES, EARLY], 2, "2026-01-01T00:00:00Z", "2026-06-01T00:00:00Z"),
        ([DATES, DATES, DATES], 0, "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"),
        ([LATE, EARLY, EARLY], 1, "2024-01-01T00:00:00Z", "2026-06-01T00:00:00Z"),
        ([LATE, LATE, LATE], 0, "2024-01-01T00:00:00Z", "9999-12-31T00:00:00Z"),
    ] {
        let text: String = mint::chain(dates).iter().map(|der| pem(der)).collect();
        let chain = Chain::from_pem(text.as_bytes()).unwrap();
        let effective = chain.effective();
        assert_eq!((effective.binds, effective.not_before), (binds, at(not_before)));
        assert_eq!(effective.expiry, Expiry::at(at(not_after)));
        let facts = Facts::from(&chain);
        assert_eq!(facts.not_before, effective.not_before);
        assert_eq!(effective_end(facts.not_after, facts.issuer_not_after), effective.expiry.moment());
        let saved = serde_json::to_string(&chain).unwrap();
        assert_eq!(serde_json::from_str::<Chain>(&saved).unwrap(), chain);
    }
}

#[test]
fn what_is_not_issued_by_the_next_is_no_chain() {
    let mut certificates = mint::chain([DATES; 3]);
    let text = |certificates: &[Vec<u8>]| certificates.iter().map(|der| pem(der)).collect::<String>();
    let whole = text(&certificates);
    assert_eq!(certificates_from_pem(whole.as_bytes()).unwrap().len(), 3);
    assert_eq!(Certificate::read(whole.as_bytes()), Err(CertificateError::MoreThanOne { count: 3 }));
    certificates.swap(1, 2);
    let error = Chain::read(text(&certificates).as_bytes()).unwrap_err();
    let CertificateError::NotAChain { position: 0, issuer, next } = &error else { panic!("{error}") };
    assert_eq!(issuer, r#"CN=intermediate,O=Plant\, \"North\""#);
    assert_eq!(next, r#"CN=root,O=Plant\, \"North\""#);
    assert!(serde_json::from_str::<Chain>("[]").is_err());
    assert_eq!(Chain::read(&certificates[0]).unwrap().certificates().count(), 1);
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn no_bytes_make_it_panic(
        which in 0..4usize, edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(), cuts in any::<bool>(),
    ) {
        let mut bytes = match which {
            0 => by_hand((UTC_TIME, "260101000000Z"), (GENERALIZED_TIME, "99991231235959Z")),
            which => real()[which - 1].clone(),
        };
        for (place, byte) in edits {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if cuts {
            bytes.truncate(cut.index(bytes.len()));
        }
        let read = Certificate::from_der(&bytes);
        prop_assert_eq!(
            read.as_ref().map(|read| (read.not_before, read.not_after)).map_err(Clone::clone),
            dates_from_der(&bytes)
        );
        match &read {
            Ok(whole) => {
                let saved = serde_json::to_string(whole).unwrap();
                prop_assert_eq!(&serde_json::from_str::<Certificate>(&saved).unwrap(), whole);
                prop_assert_eq!(&Certificate::from_pem(pem(&bytes).as_bytes()), &read);
            }
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
        let _ = Chain::read(&bytes);
    }

    #[test]
    fn no_text_makes_it_panic(text in "(-----(BEGIN|END) (CERTIFICATE|KEY)-----|MII|=|\n|[ -~]|\\PC){0,60}") {
        let _ = Chain::from_pem(text.as_bytes());
    }
}

fn real() -> &'static [Vec<u8>] {
    static REAL: std::sync::LazyLock<Vec<Vec<u8>>> = std::sync::LazyLock::new(|| mint::chain([DATES; 3]));
    &REAL
}
