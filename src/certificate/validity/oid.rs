//! Object identifiers, compared by their DER: as text each would cost an allocation for each of its numbers.

use std::borrow::Cow;

use x509_parser::asn1_rs::Oid;

/// Begins a number, as a zero that DER forbids and parsers let pass.
const PADDING: u8 = 0x80;

/// The DER of its content, without zeros in front of a number: two that read the same are the same.
pub(super) fn minimal<'a>(oid: &'a Oid<'_>) -> Cow<'a, [u8]> {
    let bytes = oid.as_bytes();
    if !bytes.contains(&PADDING) {
        return Cow::Borrowed(bytes);
    }
    let mut minimal = Vec::with_capacity(bytes.len());
    let mut begins = true;
    for byte in bytes {
        if !(begins && *byte == PADDING) {
            minimal.push(*byte);
            begins = *byte < PADDING;
        }
    }
    Cow::Owned(minimal)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(14), ..ProptestConfig::default() })]

        #[test]
        fn what_reads_the_same_is_the_same(
            numbers in prop::collection::vec((prop::num::u64::ANY, 0usize..3), 1..6), first in 0u64..3, padded in any::<bool>(),
        ) {
            let text = numbers.iter().map(|(number, _)| number % 70_000).collect::<Vec<_>>();
            let plain = Oid::from(&[&[first, 9][..], &text].concat()).unwrap();
            let mut bytes = plain.as_bytes()[..1].to_vec();
            let mut begins = true;
            let mut zeros = numbers.iter().map(|(_, zeros)| *zeros);
            for byte in &plain.as_bytes()[1..] {
                if begins && padded {
                    bytes.extend(vec![PADDING; zeros.next().unwrap()]);
                }
                bytes.push(*byte);
                begins = *byte < PADDING;
            }
            let other = Oid::new(Cow::Owned(bytes));
            prop_assert_eq!(other.to_id_string(), plain.to_id_string());
            prop_assert_eq!(minimal(&other), plain.as_bytes());
        }
    }
}
