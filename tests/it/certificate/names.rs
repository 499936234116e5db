//! Names: what is malformed is refused, and what is read can be told from any other.

use iot_runbook::certificate::lifecycle::Issued;
use iot_runbook::certificate::validity::{
    CertId, CertIdError, Certificate, CertificateError, Chain, Part, dates_from_der,
};
use proptest::prelude::*;
use rcgen::{CertificateParams, KeyIdMethod, KeyPair, SerialNumber};

use super::random::cases;

use super::mint::unsigned::{element, named};
use super::mint::{UTC_TIME, pem};

const DATE: (u8, &str) = (UTC_TIME, "260101000000Z");

/// One part of a name: the DER of an attribute's type, a tag and a value.
fn part(kind: &[u8], tag: u8, value: &[u8]) -> Vec<u8> {
    element(0x31, &[&element(0x30, &[&element(0x06, &[kind]), &element(tag, &[value])])])
}

const CN: &[u8] = &[0x55, 4, 3];

fn common_name(value: &str) -> Vec<u8> {
    part(CN, 0x0c, value.as_bytes())
}

fn with_subject(parts: &[&[u8]]) -> Vec<u8> {
    let issuer = element(0x30, &[&common_name("ca")]);
    named(1, &[7], [&issuer, &element(0x30, parts)], DATE, DATE)
}

#[test]
fn a_malformed_part_of_a_name_is_refused() {
    let good = common_name("pump-7");
    assert_eq!(Certificate::from_der(&with_subject(&[&good])).unwrap().subject, "CN=pump-7");
    let oid = element(0x06, &[CN]);
    let value = element(0x0c, &[b"x"]);
    for bad in [
        element(0x30, &[&element(0x30, &[&oid, &value])]),
        element(0x31, &[]),
        element(0x31, &[&element(0x31, &[&oid, &value])]),
        element(0x31, &[&element(0x30, &[&oid])]),
        element(0x31, &[&element(0x30, &[&value, &oid])]),
        element(0x31, &[&element(0x30, &[&oid, &value, &value])]),
        element(0x31, &[&element(0x30, &[&oid, &value]), &[0x05]]),
        element(0x31, &[&element(0x30, &[&oid, &[0x0c, 9, b'x']])]),
        element(0x31, &[&element(0x30, &[&element(0x06, &[]), &value])]),
        vec![0x31],
    ] {
        for parts in [&[&bad[..]][..], &[&good, &bad], &[&bad, &good]] {
            let der = with_subject(parts);
            let error = Certificate::from_der(&der).unwrap_err();
            let CertificateError::Malformed { part, .. } = error else { panic!("{error} of {bad:02x?}") };
            assert_eq!(part, Part::Subject, "{bad:02x?}");
            assert_eq!(dates_from_der(&der), Err(error));
        }
    }
}

#[test]
fn serial_number_without_a_byte_is_refused() {
    let name = element(0x30, &[&common_name("x")]);
    let der = named(1, &[], [&name, &name], DATE, DATE);
    let error = Certificate::from_der(&der).unwrap_err();
    assert!(matches!(error, CertificateError::Malformed { part: Part::SerialNumber, .. }), "{error}");
    assert_eq!(dates_from_der(&der), Err(error));
}

#[test]
fn an_empty_name_issues_nothing() {
    let empty = element(0x30, &[]);
    let own = named(1, &[1], [&empty, &element(0x30, &[&common_name("pump-7")])], DATE, DATE);
    let issuer = named(2, &[2], [&empty, &empty], DATE, DATE);
    let text = pem(&own) + &pem(&issuer);
    assert!(matches!(Chain::from_pem(text.as_bytes()), Err(CertificateError::NotAChain { .. })));
}

/// RFC 4514 section 2.4: the tag and the length too, without which an integer 5 reads as a text of that byte.
#[test]
fn hex_form_is_the_whole_der_of_a_value() {
    for (tag, value, expected) in [
        (0x1e, &b"\0a"[..], "CN=#1e020061"),
        (0x02, &[5], "CN=#020105"),
        (0x05, &[], "CN=#0500"),
        (0x0c, &[0xff], "CN=#0c01ff"),
    ] {
        let read = Certificate::from_der(&with_subject(&[&part(CN, tag, value)])).unwrap();
        assert_eq!(read.subject, expected);
    }
    let long = part(&[0x55, 4, 12], 0x0c, &[b'x'; 200]);
    let read = Certificate::from_der(&with_subject(&[&long])).unwrap();
    assert!(read.subject.starts_with("2.5.4.12=#0c81c87878"), "{}", read.subject);
}

#[test]
fn name_for_acme_is_read_of_the_certificate() {
    // Let the issuer's key identifier be that of RFC 9773's example: the serial number is too.
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.serial_number = Some(SerialNumber::from_slice(&[0x87, 0x65, 0x43, 0x21]));
    params.use_authority_key_identifier_extension = true;
    params.key_identifier_method = KeyIdMethod::PreSpecified(
        data_encoding::HEXLOWER.decode(b"69885b6b87464041e1b37b847ba0ae2cde01c8d4").unwrap(),
    );
    let der = params.self_signed(&key).unwrap().der().to_vec();
    let id = CertId::from_der(&der).unwrap();
    assert_eq!(id.as_str(), "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE");
    assert_eq!(id.as_str().parse(), Ok(id.clone()));
    assert_eq!(serde_json::from_str::<CertId>(&serde_json::to_string(&id).unwrap()).unwrap(), id);
    assert_eq!(Issued::from_pem(pem(&der)).unwrap().cert_id(), Some(&id));
    let without = with_subject(&[&common_name("pump-7")]);
    assert_eq!(CertId::from_der(&without), Err(CertIdError::NoKeyIdentifier));
    assert!(matches!(CertId::from_der(b"0"), Err(CertIdError::Certificate(_))));
    for bad in ["", ".", "AA", "AA.", ".AA", "A=.AA", "AA.AA.AA", "A.AA"] {
        assert!(bad.parse::<CertId>().is_err(), "{bad}");
    }
}

proptest! {
    #![proptest_config(cases(2000))]

    /// Whatever one byte of a name becomes: it is refused, or reads as another name.
    #[test]
    fn two_names_that_differ_read_differently(place in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let parts = [part(&[0x55, 4, 10], 0x13, b"Plant, North"), common_name("pump-7"), part(&[0x55, 4, 12], 0x0c, b"x")];
        let parts: Vec<&[u8]> = parts.iter().map(|part| &part[..]).collect();
        let name = element(0x30, &parts);
        let mut other = name.clone();
        let place = place.index(name.len());
        other[place] = byte;
        let read = |name: &[u8]| Certificate::from_der(&named(1, &[7], [name, name], DATE, DATE));
        let subject = read(&name).unwrap().subject;
        if let Ok(changed) = read(&other) {
            // The tag of a text is no part of what it says.
            let is_tag = matches!(name[place], 0x0c | 0x13);
            prop_assert!(other == name || is_tag || changed.subject != subject, "{}", changed.subject);
        }
    }
}
