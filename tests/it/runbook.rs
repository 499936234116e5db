mod chart;
mod document;
mod faults;
mod fingerprint;
mod literal_chart;
mod scale;

/// A small runbook with a step of every kind, all of it valid.
pub(crate) const PUMP: &str = r#"name = "pump"
version = 1
title = "A pump that stopped"
start = "seen"
prior = ["jam", "blackout"]

[thresholds]
window = "5m"
offline = "30m"
pause = "1m"
hot = 0.9
many = 10

[checks.seen]
scope = "device"
domain = "instant"
optional = true
stale_after = "$pause"

[checks.state]
scope = "device"
domain = ["running", "jammed", "dark"]

[checks.load]
scope = "device"
domain = "number"

[checks.trips]
scope = "gateway"
domain = "count"
about = "period"

[checks.back]
scope = "device"
domain = "flag"

[rechecks.freed]
check = "back"
branches = [{ is = true, to = "fine" }]

[steps.seen]
title = "When was it seen?"
advice = ["Look at the log."]
check = "seen"
unknown = "explore"
branches = [
    { below = "$window", to = "hold" },
    { from = "$window", below = "$offline", to = "state", note = "Quiet." },
    { from = "$offline", to = "state", alert = { severity = "warning", text = "Offline." } },
    { absent = true, to = "state" },
]

[steps.hold]
wait = { until = { fact = "seen", plus = "$offline" }, every = "$pause" }
to = "for"

[steps.for]
source = "elapsed"
branches = [
    { up_to = "$offline", to = "seen" },
    { above = "$offline", to = "fine" },
]

[steps.state]
check = "state"
unknown = { ask = "What does it do?", answer_within = "$offline" }
branches = [
    { is = "running", to = "load" },
    { is = ["jammed", "dark"], to = "restart" },
]

[steps.load]
check = "load"
params = { hot = "$hot", mode = "mean", over = "10m" }
unknown = { to = "trips", note = "Load not known." }
branches = [
    { below = "$hot", to = "trips" },
    { from = "$hot", to = "jammed" },
]

[steps.trips]
check = "trips"
unknown = "by-hand"
branches = [
    { up_to = 9, to = "fine" },
    { from = "$many", to = "by-hand" },
]

[steps.restart]
act = "restart"
scope = "gateway"
approval = "required"
answer_within = "$offline"
recheck = "freed"
on = { done = "verify", refused = "by-hand", failed = { to = "by-hand", note = "Failed." }, expired = "by-hand" }

[steps.verify]
check = "back"
after = "$window"
unknown = "explore"
branches = [{ is = true, to = "fine" }, { is = false, to = "power" }]

[steps.by-hand]
ask = "Was it freed by hand?"
domain = "flag"
answer_within = "$offline"
expired = "jammed"
branches = [{ is = true, to = "verify" }, { is = false, to = "jammed" }]

[steps.power]
handover = "power-loss"
unknown = "dark"
branches = [{ is = ["restored"], to = "fine" }, { any = true, to = "dark" }]

[conclusions.fine]
title = "It runs"
severity = "info"
recovered = true

[conclusions.jammed]
title = "It is jammed"
root_cause = "jam"
severity = "critical"
advice = ["Free it."]

[conclusions.dark]
title = "It has no power"
root_cause = "blackout"
severity = "warning"
"#;

/// [`PUMP`] with one text replaced, which must be there once.
pub(crate) fn pump(from: &str, to: &str) -> String {
    assert_eq!(PUMP.matches(from).count(), 1, "{from:?} must stand once in the pump's runbook");
    PUMP.replace(from, to)
}
