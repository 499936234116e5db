//! Allocations are exact, so they are asserted.

use iot_runbook::catalog;
use iot_runbook::diagnosis::{Diagnosis, Output};
use iot_runbook::fact::{Observation, Source};
use iot_runbook::subject::{Subject, Trigger};
use ulid::Ulid;

use crate::deepest;

#[test]
fn deepest_walk_allocates_a_few_dozen_times() {
    let set = catalog::set().unwrap();
    let now = deepest::NOW;
    let source = Source::new("memory");
    let facts = deepest::facts(&set);
    // Made before: they are the caller's.
    let subject = Subject::device("press-07").with_gateway("gw-2").with_site("north");
    let trigger = Trigger::new("offline alert", now);
    let mut conclusion = None;
    let mut steps = 0;
    let info = allocation_counter::measure(|| {
        let mut diagnosis = Diagnosis::new(Ulid(1), &set, "device-offline", subject, trigger, now).unwrap();
        loop {
            match diagnosis.poll(now) {
                Output::Probe(request) => {
                    steps += 1;
                    let value = facts[request.query_position()].unwrap();
                    diagnosis
                        .answer(request.id, Observation::known(value, now, source.clone()), now)
                        .unwrap();
                }
                Output::Alert(_) => {}
                Output::Concluded(finding) => {
                    conclusion = finding.conclusion().map(|id| id == "dispatch-technician");
                    break;
                }
                other => panic!("{other:?}"),
            }
        }
    });
    assert_eq!(conclusion, Some(true));
    assert_eq!(steps, 11);
    // Lists that grow and the words of the finding: nothing in it grows with the runbooks.
    assert!(info.count_total <= 40, "{info:?}");
}
