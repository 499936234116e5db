//! Names as RFC 4514 writes them. Without escapes, a device that is called `x,CN=other` would pass for another.

use std::fmt::Write as _;

use data_encoding::HEXLOWER;
use x509_parser::der_parser::asn1_rs::{FromDer as _, Header, ToDer as _};
use x509_parser::x509::{AttributeTypeAndValue, RelativeDistinguishedName, X509Name};

use super::oid;

/// The name as text: the last part, the most specific, first. Within a part of several values RFC 4514 leaves the
/// order open, and OpenSSL's is taken: the last first.
pub(super) fn rfc4514(name: &X509Name<'_>) -> String {
    let parts: Vec<_> = name.iter().collect();
    // Around each value there are eleven bytes of DER at least, and four characters here.
    let mut text = String::with_capacity(name.as_raw().len().saturating_sub(7 * parts.len()));
    for (at, part) in parts.into_iter().rev().enumerate() {
        if at > 0 {
            text.push(',');
        }
        write_part(&mut text, part);
    }
    text
}

fn write_part(text: &mut String, part: &RelativeDistinguishedName<'_>) {
    let mut attributes = part.iter();
    let Some(first) = attributes.next() else { return };
    let rest: Vec<_> = attributes.collect();
    for attribute in rest.into_iter().rev() {
        write_attribute(text, attribute);
        text.push('+');
    }
    write_attribute(text, first);
}

/// The short names of RFC 4514 section 3 and RFC 4519, and the one by which everybody knows PKCS #9's address, by the DER
/// of their object identifiers.
const SHORT_NAMES: [(&[u8], &str); 11] = [
    (&[0x55, 4, 3], "CN"),
    (&[0x55, 4, 10], "O"),
    (&[0x55, 4, 11], "OU"),
    (&[0x55, 4, 6], "C"),
    (&[0x55, 4, 7], "L"),
    (&[0x55, 4, 8], "ST"),
    (&[0x55, 4, 5], "serialNumber"),
    (&[0x55, 4, 9], "street"),
    (&[9, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 1], "UID"),
    (&[9, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 25], "DC"),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1], "emailAddress"),
];

fn write_attribute(text: &mut String, attribute: &AttributeTypeAndValue<'_>) {
    let oid = attribute.attr_type();
    let bytes = oid::minimal(oid);
    let short = SHORT_NAMES.iter().find(|(der, _)| **der == *bytes).map(|(_, short)| *short);
    match short {
        Some(short) => text.push_str(short),
        None => text.push_str(&oid.to_id_string()),
    }
    text.push('=');
    match attribute.as_str() {
        Ok(value) if short.is_some() => write_escaped(text, value),
        // What is no text, or of a type whose syntax is not known: its DER (RFC 4514 section 2.4). It was read from DER,
        // so it is written again; a name with no value would pass for another.
        _ => {
            text.push('#');
            let value = attribute.attr_value();
            let der = value.to_der_vec().unwrap_or_else(|_| value.data.to_vec());
            text.push_str(&HEXLOWER.encode(&der));
        }
    }
}

/// True if the DER of a name is well-formed to its last byte. The parser stops at the first part that is malformed, and
/// takes a name of the parts before it: two different names would then be the same.
pub(super) fn is_whole(der: &[u8]) -> bool {
    let Some((tag, parts, [])) = element(der) else { return false };
    tag == SEQUENCE
        && all_elements(parts, |(tag, attributes)| {
            tag == SET
                && !attributes.is_empty()
                && all_elements(attributes, |(tag, attribute)| {
                    let Some((OID, kind, value)) = element(attribute).filter(|_| tag == SEQUENCE) else {
                        return false;
                    };
                    !kind.is_empty() && element(value).is_some_and(|(_, _, rest)| rest.is_empty())
                })
        })
}

const OID: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;

/// The first element of some DER: its tag, its content, and the bytes behind it.
pub(super) fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (content, header) = Header::from_der(der).ok()?;
    let (content, rest) = content.split_at_checked(header.length().definite().ok()?)?;
    Some((*der.first()?, content, rest))
}

/// True if some DER is elements that all pass, and nothing else.
fn all_elements(mut der: &[u8], passes: impl Fn((u8, &[u8])) -> bool) -> bool {
    while !der.is_empty() {
        match element(der) {
            Some((tag, content, rest)) if passes((tag, content)) => der = rest,
            _ => return false,
        }
    }
    true
}

/// RFC 4514 section 2.4, and control characters as the bytes they are.
fn write_escaped(text: &mut String, value: &str) {
    let is_plain =
        |byte: &u8| matches!(byte, b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'.' | b'_' | b':');
    if value.as_bytes().iter().all(is_plain) {
        return text.push_str(value);
    }
    let last = value.chars().count().saturating_sub(1);
    for (at, character) in value.chars().enumerate() {
        let escaped = match character {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' => true,
            '#' => at == 0,
            ' ' => at == 0 || at == last,
            _ => false,
        };
        if character.is_control() {
            let mut bytes = [0; 4];
            for byte in character.encode_utf8(&mut bytes).bytes() {
                let _ = write!(text, "\\{byte:02X}");
            }
            continue;
        }
        if escaped {
            text.push('\\');
        }
        text.push(character);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_read_as_another_name_is_escaped() {
        for (value, expected) in [
            ("pump-7", "pump-7"),
            ("x,CN=other", "x\\,CN=other"),
            (" a b ", "\\ a b\\ "),
            (" ", "\\ "),
            ("#1 #2", "\\#1 #2"),
            ("a\\b\"c+d;e<f>g", "a\\\\b\\\"c\\+d\\;e\\<f\\>g"),
            ("a\nb\u{0}\u{85}", "a\\0Ab\\00\\C2\\85"),
            ("Zürich", "Zürich"),
            ("00:1B-7._", "00:1B-7._"),
            ("a b", "a b"),
            ("", ""),
        ] {
            let mut text = String::new();
            write_escaped(&mut text, value);
            assert_eq!(text, expected);
        }
    }

    /// The name of one attribute, of that type and value.
    fn name(oid: &[u8], value: &[u8]) -> String {
        let element = |tag: u8, parts: &[&[u8]]| {
            let content = parts.concat();
            [&[tag, u8::try_from(content.len()).unwrap()][..], &content].concat()
        };
        let attribute = element(0x30, &[&element(0x06, &[oid]), &element(0x0c, &[value])]);
        let der = element(0x30, &[&element(0x31, &[&attribute])]);
        rfc4514(&X509Name::from_der(&der).unwrap().1)
    }

    #[test]
    fn type_is_known_in_any_spelling() {
        for (oid, expected) in [
            (&[0x55, 4, 3][..], "CN=pump-7"),
            (&[0x55, 4, 0x80, 3], "CN=pump-7"),
            (&[0x55, 4, 12], "2.5.4.12=#0c0670756d702d37"),
            (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1], "emailAddress=pump-7"),
        ] {
            assert_eq!(name(oid, b"pump-7"), expected);
        }
    }
}
