//! `iot-runbook cert`: what is due of certificates.

use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::certificate::validity::{Certificate, Chain, certificates_from_pem};
use iot_runbook::certificate::{Facts, Policy, Stage};
use iot_runbook::time::{Clock as _, SystemClock};
use serde_json::{Value, json};

use crate::Outcome;
use crate::arguments::Cert;
use crate::failure::Failure;
use crate::input::Inputs;
use crate::page::{Page, Style};
use crate::table::Table;
use crate::terminal::Terminal;
use crate::words::{self, counted};

/// A certificate with what is due of it.
struct Due {
    file: String,
    chain: Chain,
    stage: Stage,
    /// When it ends, by its chain; `None`: never.
    end: Option<DateTime<Utc>>,
    /// When another stage begins.
    next: Option<DateTime<Utc>>,
    /// The issuer that ends before it.
    bound_by: Option<String>,
}

pub(crate) fn run(cert: &Cert, inputs: &mut Inputs, terminal: &Terminal) -> Result<Outcome, Failure> {
    let policy = match &cert.policy {
        Some(path) => read_policy(path, inputs)?,
        None => Policy::default(),
    };
    let now = cert.now.unwrap_or_else(|| SystemClock.now());
    let mut failures = Vec::new();
    let mut all = Vec::new();
    for path in &cert.files {
        match read(path, inputs) {
            Ok((file, chains)) => all.extend(chains.into_iter().map(|chain| due(&file, chain, &policy, now))),
            Err(failure) => failures.push(failure),
        }
    }
    // The soonest end first, and what never ends last.
    all.sort_by_key(|due| (due.end.is_none(), due.end));
    let found = all.iter().any(needs_something);
    let text = if cert.json { to_json(&all, now) } else { to_text(&all, now, terminal) };
    Ok(Outcome { text, failures, found })
}

fn read_policy(path: &Path, inputs: &mut Inputs) -> Result<Policy, Failure> {
    let text = inputs.text(path, "give a policy, in TOML or JSON")?;
    let wrong = |reason: String| Failure::Format { name: text.name.clone(), reason };
    let policy: Policy = if text.is_json {
        serde_json::from_str(&text.text).map_err(|error| wrong(error.to_string()))?
    } else {
        toml::from_str(&text.text).map_err(|error| wrong(error.message().to_owned()))?
    };
    policy.validate().map_err(|error| wrong(error.to_string()))?;
    Ok(policy)
}

/// The chains in a file. A chain ends where the next certificate is not the issuer of the one before.
fn read(path: &Path, inputs: &mut Inputs) -> Result<(String, Vec<Chain>), Failure> {
    let (name, bytes) = inputs.bytes(path)?;
    // No text begins with the first byte of DER.
    let all = if bytes.first() == Some(&0x30) {
        Certificate::from_der(&bytes).map(|certificate| vec![certificate])
    } else {
        certificates_from_pem(&bytes)
    };
    match all.and_then(|all| chains(all).into_iter().map(Chain::new).collect()) {
        Ok(chains) => Ok((name, chains)),
        Err(error) => Err(Failure::Format { name, reason: causes(&error) }),
    }
}

fn chains(certificates: Vec<Certificate>) -> Vec<Vec<Certificate>> {
    let mut chains: Vec<Vec<Certificate>> = Vec::new();
    for certificate in certificates {
        let below =
            chains.last_mut().filter(|chain| chain.last().is_some_and(|last| issues(&certificate, last)));
        match below {
            Some(chain) => chain.push(certificate),
            None => chains.push(vec![certificate]),
        }
    }
    chains
}

/// Whether one certificate is the issuer of another, by their names. What issued itself has no other issuer: the next is
/// its successor, or a stranger.
fn issues(upper: &Certificate, lower: &Certificate) -> bool {
    upper.subject == lower.issuer && lower.issuer != lower.subject && !lower.issuer.is_empty()
}

/// An error with its causes.
fn causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

fn due(file: &str, chain: Chain, policy: &Policy, now: DateTime<Utc>) -> Due {
    let facts = Facts::from(&chain);
    let effective = chain.effective();
    let issuer = effective.binds.checked_sub(1).and_then(|above| chain.issuers().get(above));
    Due {
        file: file.to_owned(),
        stage: policy.stage(&facts, now, None),
        end: effective.expiry.moment(),
        next: policy.next_change(&facts, now),
        bound_by: issuer.map(|issuer| issuer.subject.clone()),
        chain,
    }
}

const fn needs_something(due: &Due) -> bool {
    !matches!(due.stage, Stage::Ok | Stage::Awareness)
}

/// What to do at a stage.
const fn remedy(stage: Stage) -> &'static str {
    match stage {
        Stage::Ok => "nothing is due",
        Stage::Awareness => "nothing to do yet: it is in the daily digest",
        Stage::Renewal => "issue a new one and bring it to the device",
        Stage::FollowUp => "renewal is late: a person must see to it",
        Stage::Expired => "it has ended: recover the device",
        Stage::NotYetValid => "it is not valid yet: check the clock, or wait",
        Stage::Revoked => "it is revoked: replace it",
        _ => "the clock cannot be trusted: set it right",
    }
}

fn to_text(all: &[Due], now: DateTime<Utc>, terminal: &Terminal) -> String {
    let mut page = Page::new(terminal);
    if all.is_empty() {
        return page.finish();
    }
    let needy = all.iter().filter(|due| needs_something(due)).count();
    let count = counted(all.len(), "certificate");
    if needy == 0 {
        page.styled(Style::Good, "", "  ", &format!("Nothing is due of {count}"));
    } else {
        let verb = if needy == 1 { "needs" } else { "need" };
        page.styled(Style::Bad, "", "  ", &format!("{needy} of {count} {verb} attention"));
    }
    page.line(&format!("Judged at {}.", words::moment(now)));
    page.gap();
    let mut table = Table::new(&["stage", "left", "ends", "subject", "what to do"]);
    for due in all {
        let left = match due.end {
            Some(end) if end < now => format!("ended {} ago", words::duration(now - end)),
            Some(end) => left_in_words(end - now),
            None => "for ever".to_owned(),
        };
        let ends = due.end.map_or_else(|| "never".to_owned(), words::moment);
        table.row([due.stage.name().to_owned(), left, ends, subject(due), what_to_do(due)]);
    }
    table.write(&mut page);
    page.finish()
}

/// Whole days where it is long: what is left is not rounded up.
fn left_in_words(left: TimeDelta) -> String {
    let is_long = left >= TimeDelta::days(30);
    words::duration(if is_long { TimeDelta::days(left.num_days()) } else { left })
}

/// Whom it is for, or the file where it names nobody.
fn subject(due: &Due) -> String {
    let subject = &due.chain.leaf().subject;
    if subject.is_empty() { due.file.clone() } else { subject.clone() }
}

fn what_to_do(due: &Due) -> String {
    match &due.bound_by {
        Some(issuer) if needs_something(due) => format!("its issuer {issuer} ends first: renew the issuer"),
        _ => remedy(due.stage).to_owned(),
    }
}

fn to_json(all: &[Due], now: DateTime<Utc>) -> String {
    let certificates: Vec<Value> = all
        .iter()
        .map(|due| {
            let leaf = due.chain.leaf();
            json!({
                "file": due.file,
                "stage": due.stage,
                "ends": due.end,
                "days_left": due.end.map(|end| (end - now).num_days()),
                "next_change": due.next,
                "what_to_do": what_to_do(due),
                "bound_by": due.bound_by,
                "certificate": leaf,
            })
        })
        .collect();
    words::json(&json!({ "now": now, "certificates": certificates }))
}
