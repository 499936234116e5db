//! The machine over the built-in runbooks.

use iot_runbook::catalog;
use iot_runbook::diagnosis::Diagnosis;
use iot_runbook::diagnosis::rehearsal::every_way;

mod every_way_of {
    use super::*;

    fn all(runbook: &str) {
        let set = catalog::set().unwrap();
        let every = every_way(&set, runbook).unwrap();
        assert!(!every.cut_off);
        let untaken: Vec<_> = every.untaken.iter().map(ToString::to_string).collect();
        assert!(untaken.is_empty(), "never taken: {untaken:#?}");
        for walk in &every.walks {
            let again = Diagnosis::resume(&walk.bundle, &set).unwrap();
            assert_eq!(again.bundle(), walk.bundle);
            assert_eq!(
                serde_json::to_value(again.finding()).unwrap(),
                serde_json::to_value(&walk.finding).unwrap()
            );
        }
    }

    #[test]
    fn device_offline_is_walked_and_replays() {
        all("device-offline");
    }

    #[test]
    fn data_gap_is_walked_and_replays() {
        all("data-gap");
    }

    #[test]
    fn certificate_expiry_is_walked_and_replays() {
        all("certificate-expiry");
    }
}
