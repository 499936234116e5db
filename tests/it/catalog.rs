use iot_runbook::catalog;

#[test]
fn every_runbook_of_the_catalog_is_valid() {
    for document in catalog::documents().unwrap() {
        if let Err(faults) = document.validate() {
            panic!("{faults}");
        }
    }
}
