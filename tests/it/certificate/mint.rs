//! Certificates to read: real ones, and ones put together by hand where no issuer would issue them.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// From when until when: years, months, days.
pub(super) type Dates = [(i32, u8, u8); 2];

pub(super) const DATES: Dates = [(2026, 1, 1), (2027, 1, 1)];

fn params(name: &str, [from, until]: Dates) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.distinguished_name.remove(DnType::CommonName);
    params.distinguished_name.push(DnType::OrganizationName, "Plant, \"North\"");
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = rcgen::date_time_ymd(from.0, from.1, from.2);
    params.not_after = rcgen::date_time_ymd(until.0, until.1, until.2);
    params
}

/// One that signs itself, whose `not_after` lies some seconds into the day.
pub(super) fn alone(name: &str, dates: Dates, seconds: u64, serial: u64, key: &KeyPair) -> Vec<u8> {
    let mut params = params(name, dates);
    params.not_after += std::time::Duration::from_secs(seconds);
    params.serial_number = Some(serial.into());
    params.self_signed(key).unwrap().der().to_vec()
}

/// A chain of three in DER, the device's own first: each with its dates.
pub(super) fn chain(dates: [Dates; 3]) -> Vec<Vec<u8>> {
    let key = || KeyPair::generate().unwrap();
    let [device, intermediate, root] = dates;
    let mut root = params("root", root);
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root_key = key();
    let root_der = root.self_signed(&root_key).unwrap();
    let root = Issuer::new(root, root_key);
    let mut intermediate = params("intermediate", intermediate);
    intermediate.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let intermediate_key = key();
    let intermediate_der = intermediate.signed_by(&intermediate_key, &root).unwrap();
    let intermediate = Issuer::new(intermediate, intermediate_key);
    let device_der = params("pump-7", device).signed_by(&key(), &intermediate).unwrap();
    [device_der, intermediate_der, root_der].map(|certificate| certificate.der().to_vec()).to_vec()
}

pub(super) fn pem(der: &[u8]) -> String {
    let base64 = data_encoding::BASE64.encode(der);
    let lines: Vec<&str> = base64.as_bytes().chunks(64).map(|line| str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

pub(super) const UTC_TIME: u8 = 0x17;
pub(super) const GENERALIZED_TIME: u8 = 0x18;

/// A certificate with these dates, each of a tag and a text; its signature is no signature.
pub(super) fn by_hand(not_before: (u8, &str), not_after: (u8, &str)) -> Vec<u8> {
    for_key(0, 7, not_before, not_after)
}

/// The same for the key of that number, with a serial number. Each such certificate could be the issuer of another.
pub(super) fn for_key(key: u8, serial: u8, not_before: (u8, &str), not_after: (u8, &str)) -> Vec<u8> {
    let ed25519 = [0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70];
    let name = element(0x30, &[&element(0x31, &[&element(0x30, &[b"\x06\x03\x55\x04\x03\x0c\x01x"])])]);
    let date = |(tag, text): (u8, &str)| element(tag, &[text.as_bytes()]);
    let validity = element(0x30, &[&date(not_before), &date(not_after)]);
    assert!(serial < 0x80, "it would be negative");
    let mut bits = [key; 33];
    bits[0] = 0;
    let key = element(0x30, &[&ed25519, &element(0x03, &[&bits])]);
    let tbs = element(
        0x30,
        &[
            &element(0xa0, &[b"\x02\x01\x02"]),
            &element(0x02, &[&[serial]]),
            &ed25519,
            &name,
            &validity,
            &name,
            &key,
        ],
    );
    element(0x30, &[&tbs, &ed25519, &element(0x03, &[&[0; 65]])])
}

fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    let mut whole = vec![tag];
    match length {
        [0, short] if short < 0x80 => whole.push(short),
        [0, one] => whole.extend([0x81, one]),
        two => whole.extend([[0x82].as_slice(), &two].concat()),
    }
    whole.extend(content);
    whole
}
