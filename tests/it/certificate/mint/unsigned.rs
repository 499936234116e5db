//! Certificates put together by hand, for any key and dates; the signature is no signature.

pub(crate) fn pem(der: &[u8]) -> String {
    let base64 = data_encoding::BASE64.encode(der);
    let lines: Vec<&str> = base64.as_bytes().chunks(64).map(|line| str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

pub(crate) const UTC_TIME: u8 = 0x17;
pub(crate) const GENERALIZED_TIME: u8 = 0x18;

/// A certificate for the key of that number, with a serial number, and dates of a tag and a text each. Each such certificate could be the issuer of another.
pub(crate) fn for_key(key: u8, serial: u8, not_before: (u8, &str), not_after: (u8, &str)) -> Vec<u8> {
    let name = element(0x30, &[&element(0x31, &[&element(0x30, &[b"\x06\x03\x55\x04\x03\x0c\x01x"])])]);
    assert!(serial < 0x80, "it would be negative");
    named(key, &[serial], [&name; 2], not_before, not_after)
}

/// The same with the bytes of a serial number, and the DER of the issuer's name and of the subject's.
pub(crate) fn named(
    key: u8,
    serial: &[u8],
    [issuer, subject]: [&[u8]; 2],
    not_before: (u8, &str),
    not_after: (u8, &str),
) -> Vec<u8> {
    let ed25519 = [0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70];
    let date = |(tag, text): (u8, &str)| element(tag, &[text.as_bytes()]);
    let validity = element(0x30, &[&date(not_before), &date(not_after)]);
    let mut bits = [key; 33];
    bits[0] = 0;
    let key = element(0x30, &[&ed25519, &element(0x03, &[&bits])]);
    let tbs = element(
        0x30,
        &[
            &element(0xa0, &[b"\x02\x01\x02"]),
            &element(0x02, &[serial]),
            &ed25519,
            issuer,
            &validity,
            subject,
            &key,
        ],
    );
    element(0x30, &[&tbs, &ed25519, &element(0x03, &[&[0; 65]])])
}

pub(crate) fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
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
