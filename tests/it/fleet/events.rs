//! Events in any order, lost and doubled: nothing is lost, and nothing stays open.

use iot_runbook::diagnosis::Ending;
use iot_runbook::fleet::Job;
use iot_runbook::subject::Part;

use super::storm::Random;
use super::*;

/// What a diagnosis comes to, at random.
fn found(job: &Job, random: &mut Random, now: DateTime<Utc>) -> Finding {
    let device = Part::Device(job.subject.device.clone());
    let gateway = job.subject.gateway.clone().map_or(device.clone(), Part::Gateway);
    let site = job.subject.site.clone().map_or(device.clone(), Part::Site);
    match random.below(9) {
        0 => finding(job, "broker-fault", &Part::Platform, now),
        1 => finding(job, "site-uplink-fault", &site, now),
        2 => finding(job, "gateway-recovered", &gateway, now),
        3 | 4 => finding(job, "gateway-fault", &gateway, now),
        5 => finding(job, "recovered-meanwhile", &device, now),
        6 => undetermined(job, &[("network-change", 0.7), ("power-loss", 0.3)], now),
        7 => {
            let mut value = serde_json::to_value(finding(job, "none", &device, now)).unwrap();
            value["ending"] = serde_json::to_value(Ending::Withdrawn {
                by: "ann".into(),
                why: "known".into(),
                under_way: None,
            })
            .unwrap();
            value["conclusion"] = json!(null);
            serde_json::from_value(value).unwrap()
        }
        _ => finding(job, "power-fault", &device, now),
    }
}

/// So many events over sixty devices; then every device is seen.
fn play(seed: u64, events: usize) {
    let mut random = Random(seed);
    let mut fleet = fleet();
    let (mut now, mut latest) = (NOW, NOW);
    let mut jobs: Vec<Job> = Vec::new();
    for _ in 0..events {
        // Sometimes the clock is set back, or far forward.
        now += match random.below(200) {
            0 => secs(-(random.below(7_200) as i64)),
            1 => secs(random.below(7_200) as i64),
            _ => secs(random.below(20) as i64),
        };
        latest = latest.max(now);
        let nr = random.below(60) as usize;
        match random.below(10) {
            0..=3 => {
                let mut alert = alert(nr, now - secs(random.below(3_600) as i64));
                if random.below(4) == 0 {
                    alert.last_seen = None;
                }
                fleet.observe_alert(alert, now);
            }
            4 => fleet.observe_seen(&subject(nr).device, now - secs(random.below(60) as i64), now),
            5 => fleet.observe_resolved("device-offline", &subject(nr).device, now, now),
            6..=8 if !jobs.is_empty() => {
                let at = random.below(jobs.len() as u64) as usize;
                let job = jobs[at].clone();
                // One in eight findings comes again.
                if random.below(8) > 0 {
                    jobs.swap_remove(at);
                }
                let found = found(&job, &mut random, now);
                fleet.observe_finding(job.id, &found, now);
            }
            _ => {}
        }
        if random.below(2_000) == 0 {
            fleet = serde_json::from_str(&serde_json::to_string(&fleet).unwrap()).unwrap();
            fleet.hand_out_again();
        }
        check(&fleet);
        for closed in {
            let wanted = poll(&mut fleet, now);
            for job in wanted.jobs {
                if !jobs.iter().any(|known| known.id == job.id) {
                    jobs.push(job);
                }
            }
            wanted.closed
        } {
            let ended = closed.closed.as_ref().unwrap();
            let out = closed.members.values().filter(|member| member.back_at.is_none()).count();
            assert!(ended.merged_into.is_some() || ended.still_out == out, "{closed}");
        }
        check(&fleet);
    }
    // All diagnoses end, and all devices come back.
    now = latest + secs(7_200);
    for job in jobs {
        let found = found(&job, &mut random, now);
        fleet.observe_finding(job.id, &found, now);
    }
    for nr in 0..60 {
        fleet.observe_seen(&subject(nr).device, now, now);
    }
    let wanted = poll(&mut fleet, now);
    assert!(wanted.jobs.is_empty(), "{:?}", wanted.jobs);
    check(&fleet);
    let counts = fleet.counts();
    assert_eq!(fleet.incidents().count(), 0, "{:?}", fleet.incidents().collect::<Vec<_>>());
    assert_eq!((counts.waiting, counts.members, counts.diagnosed_now), (0, 0, 0), "{counts:?}");
    // Nothing is kept of what is over, but for those that have just come back together.
    poll(&mut fleet, now + secs(7_200));
    let saved = serde_json::to_value(&fleet).unwrap();
    for part in ["symptoms", "groups", "candidates", "running", "incidents", "by_part", "by_cause", "outputs"]
    {
        assert_eq!(saved[part], json!([]), "{part}");
    }
    assert_eq!(saved["pager"]["waiting"], json!([]));
}

#[test]
fn no_event_order_loses_an_alert() {
    let times = std::env::var("FRESH_CASES").ok().and_then(|times| times.parse::<u64>().ok()).unwrap_or(1);
    for seed in 0..20 * times {
        play(seed, 1_000);
    }
}
