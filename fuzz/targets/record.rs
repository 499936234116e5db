//! Any bytes are a record of a store, or are refused with a reason; any text is a ULID, or is refused. What is read is
//! written the same again.
#![no_main]

use iot_runbook::dedup::MessageId;
use iot_runbook::dedup::store::StoredRecord;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    match StoredRecord::from_bytes(data) {
        Ok(record) => {
            assert_eq!(record.to_bytes(), data);
            let _ = (record.first_seen(), record.last_seen());
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    match MessageId::from_ulid_text(text) {
        Ok(id) => assert_eq!(id.to_string(), text.to_ascii_uppercase()),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
