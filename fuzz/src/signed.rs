//! Bundles that were edited and given the digest that fits them, so that a reader must look at what they say.

use std::fmt::Write as _;

use iot_runbook::diagnosis::Bundle;
use sha2::{Digest as _, Sha256};

/// Gives the bundle the digest of its content, computed as the library computes it.
pub fn sign(bundle: &mut Bundle) {
    bundle.digest = digest(bundle);
}

/// Takes the words of notes and alerts out, which are the runbook's own, and gives the bundle the digest that fits.
pub fn without_words(bundle: &mut Bundle) {
    for record in &mut bundle.records {
        *record = record.without_words();
    }
    sign(bundle);
}

pub fn digest(bundle: &Bundle) -> String {
    let mut text = format!(
        "{:?}",
        (
            bundle.format,
            bundle.diagnosis,
            &bundle.runbook,
            bundle.version,
            bundle.fingerprint,
            &bundle.subject,
            &bundle.trigger,
            &bundle.incident,
            bundle.started_at,
            bundle.as_of,
            bundle.alerts_told,
        )
    );
    for record in &bundle.records {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{record:?}");
    }
    let hash = Sha256::new_with_prefix(b"iot-runbook/evidence/1").chain_update(text);
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
