//! An audit that watches a filter beside one that is told at the end, when all is known.

use std::sync::Arc;

use iot_runbook::deadband::audit::{Audit, Watched};
use iot_runbook::deadband::filter::{Filter, Order, Reason, Rule, Suppression, Verdict};
use proptest::prelude::*;

use crate::deadband::streams;

/// As it is saved, with the late ones that it was spared.
fn late_in(audit: &Audit, late: u64) -> String {
    let mut saved = serde_json::to_value(audit).unwrap();
    saved["late"] = late.into();
    serde_json::to_string(&serde_json::from_value::<Audit>(saved).unwrap()).unwrap()
}

proptest! {
    #![proptest_config(crate::random::cases(400))]

    #[test]
    fn it_is_told_what_is_known_in_the_end(
        settings in streams::settings(), samples in streams::unkind(), poll_every in 1_usize..6,
    ) {
        let Ok(rule) = Rule::<f64>::new(settings) else { return Ok(()) };
        let mut filter = Filter::new(Arc::new(rule));
        let mut watched = Watched::new(filter.clone(), Audit::new(0.5).unwrap());
        let (mut in_order, mut late, mut sent) = (vec![], 0, vec![]);
        for (turn, (sample, received)) in samples.iter().enumerate() {
            let mut out = vec![];
            let verdict = match received {
                Some(received) => filter.observe_received(*sample, *received, |report| out.push(report)),
                None => filter.observe(*sample, |report| out.push(report)),
            };
            let mut theirs = vec![];
            let told = match received {
                Some(received) => watched.observe_received(*sample, *received, |report| theirs.push(report)),
                None => watched.observe(*sample, |report| theirs.push(report)),
            };
            prop_assert_eq!(verdict, told);
            if turn % poll_every == 0 {
                filter.poll(sample.at, |report| out.push(report));
                watched.poll(sample.at, |report| theirs.push(report));
            }
            prop_assert_eq!(format!("{out:?}"), format!("{theirs:?}"));
            sent.extend(out.iter().filter(|report| report.reason != Reason::Order).map(|report| report.sample.at));
            match verdict {
                Err(_) | Ok(Verdict::Reported(Reason::Order) | Verdict::Suppressed(Suppression::Order | Suppression::Duplicate)) => late += 1,
                Ok(_) => in_order.push(*sample),
            }
        }
        filter.flush(|report| sent.push(report.sample.at));
        let waiting = in_order.len() as u64
            - watched.audit().samples()
            - watched.audit().unusable();
        prop_assert!(filter.rule().settings().min_interval.is_some() || waiting <= 1);
        watched.flush(|_| {});
        let mut audit = Audit::new(0.5).unwrap();
        in_order.iter().for_each(|sample| audit.observe(sample, sent.contains(&sample.at)));
        prop_assert_eq!(watched.audit().late(), late);
        prop_assert!(filter.rule().settings().order != Order::Pass || filter.counts().out_of_order() == late);
        prop_assert_eq!(serde_json::to_string(watched.audit()).unwrap(), late_in(&audit, late));
        prop_assert_eq!(watched.audit().period(), audit.period());
    }
}
