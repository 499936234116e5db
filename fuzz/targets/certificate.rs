//! Bytes of any content are read as certificates or refused; both ways to read one agree, and what is read is kept.
#![no_main]

use iot_runbook::certificate::validity::{Certificate, Chain, dates_from_der};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let read = Certificate::from_der(data);
    let dates = read.as_ref().map(|read| (read.not_before, read.not_after)).map_err(Clone::clone);
    assert_eq!(dates, dates_from_der(data), "the short way reads what the long way reads");
    match read {
        Ok(read) => {
            let saved = serde_json::to_string(&read).expect("plain values are written");
            assert_eq!(serde_json::from_str::<Certificate>(&saved).expect("and read"), read);
        }
        Err(error) => assert!(error.to_string().len() < 400, "a long text is not repeated whole"),
    }
    if let Ok(chain) = Chain::read(data) {
        let effective = chain.effective();
        assert!(chain.certificates().all(|one| one.not_after >= effective.expiry));
        assert!(
            chain.certificates().nth(effective.binds).is_some_and(|one| one.not_after == effective.expiry)
        );
    }
});
