//! Names as RFC 4514 writes them. Without escapes, a device that is called `x,CN=other` would pass for another.

use std::fmt::Write as _;

use x509_parser::x509::{AttributeTypeAndValue, X509Name};

/// The name as text: the last part, the most specific, first. Within a part of several values RFC 4514 leaves the
/// order open, and OpenSSL's is taken: the last first.
pub(super) fn rfc4514(name: &X509Name<'_>) -> String {
    let mut text = String::new();
    let parts: Vec<_> = name.iter().collect();
    for (at, part) in parts.into_iter().rev().enumerate() {
        if at > 0 {
            text.push(',');
        }
        let attributes: Vec<_> = part.iter().collect();
        for (at, attribute) in attributes.into_iter().rev().enumerate() {
            if at > 0 {
                text.push('+');
            }
            write_attribute(&mut text, attribute);
        }
    }
    text
}

/// The short names of RFC 4514 section 3 and RFC 4519, and the one by which everybody knows PKCS #9's address.
fn short_name(oid: &str) -> Option<&'static str> {
    Some(match oid {
        "2.5.4.3" => "CN",
        "2.5.4.5" => "serialNumber",
        "2.5.4.6" => "C",
        "2.5.4.7" => "L",
        "2.5.4.8" => "ST",
        "2.5.4.9" => "street",
        "2.5.4.10" => "O",
        "2.5.4.11" => "OU",
        "0.9.2342.19200300.100.1.1" => "UID",
        "0.9.2342.19200300.100.1.25" => "DC",
        "1.2.840.113549.1.9.1" => "emailAddress",
        _ => return None,
    })
}

fn write_attribute(text: &mut String, attribute: &AttributeTypeAndValue<'_>) {
    let oid = attribute.attr_type().to_id_string();
    let short = short_name(&oid);
    text.push_str(short.unwrap_or(&oid));
    text.push('=');
    match attribute.as_str() {
        Ok(value) if short.is_some() => write_escaped(text, value),
        // What is no text, or of a type whose syntax is not known, is written as the bytes of its content.
        _ => {
            text.push('#');
            for byte in attribute.as_slice() {
                let _ = write!(text, "{byte:02x}");
            }
        }
    }
}

/// RFC 4514 section 2.4, and control characters as the bytes they are.
fn write_escaped(text: &mut String, value: &str) {
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
            ("", ""),
        ] {
            let mut text = String::new();
            write_escaped(&mut text, value);
            assert_eq!(text, expected);
        }
    }
}
