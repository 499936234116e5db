//! A saved lifecycle is read or refused with a reason, and whatever was read copes with whatever happens, damaged or not.
//! One that was begun rests, and is the same whether it is saved and restored or not.
#![no_main]

use iot_runbook::certificate::lifecycle::{Lifecycle, Progress};
use iot_runbook_fuzz::choices::Choices;
use iot_runbook_fuzz::happenings::{CERTIFICATES, Device, NOW};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|data: &[u8]| {
    if data.first() == Some(&b'{') {
        let end = data.iter().position(|byte| *byte == 0).unwrap_or(data.len());
        let (saved, rest) = data.split_at(end);
        copes(serde_json::from_slice(saved), &mut Choices::new(rest.get(1..).unwrap_or_default()));
        return;
    }
    let mut choices = Choices::new(data);
    let steps = choices.below(64);
    let damage = choices.one_in(2).then(|| choices.below(4) + 1);
    let mut device = begun(&mut choices);
    match damage {
        None => goes_on(&mut device, usize::MAX, &mut choices),
        Some(times) => {
            goes_on(&mut device, steps, &mut choices);
            let mut saved = serde_json::to_value(&device.machine).expect("it is plain");
            (0..times).for_each(|_| damage_one(&mut saved, &mut choices));
            copes(serde_json::from_value(saved), &mut choices);
        }
    }
});

/// Puts something else in one place: nothing, an extreme, what stands in another place, or what stands there twice.
fn damage_one(saved: &mut Value, choices: &mut Choices<'_>) {
    let (at, other) = (choices.below(512), choices.below(512));
    let count = places(saved);
    let other = place(saved, &mut (other % count)).map(|held| held.clone()).unwrap_or_default();
    let Some(held) = place(saved, &mut (at % count)) else { return };
    match (choices.below(5), held) {
        (0, Value::Array(held)) => held.extend_from_within(..),
        (0, held) => *held = Value::Null,
        (1, held) => *held = other,
        (2, held) => *held = choices.pick(&[0, 1, u64::from(u32::MAX), u64::MAX]).into(),
        (3, held) => *held = choices.one_in(2).into(),
        (_, held) => {
            let dates = [
                "-262143-01-01T00:00:00Z",
                "+262142-12-31T23:59:59.999999999Z",
                "9999-12-31T23:59:59Z",
                "1970-01-01T00:00:00Z",
                "2027-01-15T08:00:00Z",
            ];
            *held = choices.pick(&dates).into();
        }
    }
}

fn places(value: &Value) -> usize {
    1 + match value {
        Value::Array(all) => all.iter().map(places).sum(),
        Value::Object(all) => all.values().map(places).sum(),
        _ => 0,
    }
}

/// The place of that number, as they stand in the text.
fn place<'a>(value: &'a mut Value, number: &mut usize) -> Option<&'a mut Value> {
    if *number == 0 {
        return Some(value);
    }
    *number -= 1;
    match value {
        Value::Array(all) => all.iter_mut().find_map(|one| place(one, number)),
        Value::Object(all) => all.values_mut().find_map(|one| place(one, number)),
        _ => None,
    }
}

/// It may say what no lifecycle would: it neither panics nor loses what it says.
fn copes(read: serde_json::Result<Lifecycle>, choices: &mut Choices<'_>) {
    let mut device = match read {
        Ok(machine) => Device::new(machine),
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    device.machine = restored(&device.machine);
    for _ in 0..8 {
        step(&mut device, choices);
    }
    while !choices.is_empty() {
        step(&mut device, choices);
    }
    restored(&device.machine);
}

fn step(device: &mut Device, choices: &mut Choices<'_>) {
    device.pass(choices);
    if choices.one_in(16) {
        device.machine.accept_clock(&device.rules, device.now);
    }
    let event = device.event(choices);
    let _ = device.machine.handle(&device.rules, event, device.now);
    device.poll(50);
    let _ = device.machine.wake_at(&device.rules);
    let _ =
        (device.machine.stage(&device.rules, device.now), device.machine.status(), device.machine.progress());
}

/// A device that was enrolled.
fn begun(choices: &mut Choices<'_>) -> Device {
    let in_use = *CERTIFICATES[choices.below(CERTIFICATES.len())].credential();
    let machine = Lifecycle::new("pump-7", in_use, NOW).expect("it names a topic");
    Device::new(machine.with_auto_renewal(!choices.one_in(4)))
}

fn goes_on(device: &mut Device, steps: usize, choices: &mut Choices<'_>) {
    for _ in 0..steps {
        if choices.is_empty() {
            return;
        }
        device.pass(choices);
        if choices.one_in(24) {
            device.machine.accept_clock(&device.rules, device.now);
        }
        rests(device);
        // Nothing is overdue now, so that it does not matter whether what was handed out is known.
        let mut again = restored(&device.machine);
        let event = device.event(choices);
        let taken = device.machine.handle(&device.rules, event.clone(), device.now);
        assert_eq!(again.handle(&device.rules, event, device.now), taken);
        assert_eq!(saved(&again), saved(&device.machine));
        assert_eq!(lasting_progress(&again), lasting_progress(&device.machine));
        if choices.one_in(8) {
            device.machine = again;
            device.orders.clear();
        }
        rests(device);
    }
}

/// The progress without the next attempt: after a restore what was handed out is handed out again at once.
fn lasting_progress(machine: &Lifecycle) -> Option<Progress> {
    let mut progress = machine.progress()?;
    progress.next_attempt_at = None;
    Some(progress)
}

fn rests(device: &mut Device) {
    assert!(device.poll(1_000), "commands without end at {}", device.now);
    let wake_at = device.machine.wake_at(&device.rules);
    let is_last = device.now >= chrono::DateTime::<chrono::Utc>::MAX_UTC;
    assert!(is_last || wake_at.is_none_or(|at| at > device.now), "awake at {} for {wake_at:?}", device.now);
}

fn saved(machine: &Lifecycle) -> String {
    serde_json::to_string(machine).expect("it is plain")
}

fn restored(machine: &Lifecycle) -> Lifecycle {
    let text = saved(machine);
    let again: Lifecycle = serde_json::from_str(&text).expect("it was saved");
    assert_eq!(saved(&again), text);
    again
}
