//! One scenario, from the first fault to the finding.

use std::{
    convert::Infallible,
    future::pending,
    process,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use chrono::{TimeDelta, Utc};
use iot_runbook::{
    check::Checks,
    diagnosis::{Bundle, Diagnosis, Fact, Finding},
    driver::{Driver, Journal, TokioTimer},
    gap::Gap,
    probe::Probes,
    report::Report,
    subject::{Subject, Trigger},
    time::{Clock, SystemClock},
};
use serde::Serialize;
use tokio::sync::Notify;
use ulid::Ulid;

use crate::{
    adapters::{Adapters, Restart},
    alarm,
    crew::Crew,
    error::{Error, Result},
    factory::Factory,
    fault::Injected,
    operation::Performance,
    play::Cues,
    runbooks::Runbooks,
    scenario::{Expected, NO_GAP, Obstacle, People, Rows, SPLIT, Scenario},
    story::Story,
};

/// How often the devices of the plant mean to publish.
const REPORTING_EVERY: TimeDelta = TimeDelta::milliseconds(300);
/// How long one attempt at a probe may take: longer than any part's own time limits.
const ATTEMPT: Duration = Duration::from_secs(4);

/// A scenario whose diagnosis has ended. Faults of the factory are still in it.
#[derive(Debug)]
pub struct Examined {
    /// The scenario.
    pub scenario: &'static Scenario,
    /// The gap that was found in the table, where one was looked for and found.
    pub gap: Option<Gap>,
    /// The same gap once the pipeline was mended: what was still to come has come.
    pub afterwards: Option<Gap>,
    /// What was diagnosed: what the alert was about, and then each part of it that was diagnosed by itself. None
    /// where there was nothing to diagnose.
    pub diagnosed: Vec<Diagnosed>,
    /// How long it took, from the alert on.
    pub took: TimeDelta,
    pub(crate) injected: Vec<Injected>,
}

/// A diagnosis that has ended.
#[derive(Debug)]
pub struct Diagnosed {
    /// What it came to.
    pub finding: Finding,
    /// By which evidence.
    pub bundle: Bundle,
}

/// Puts a scenario's faults into the factory, waits for the alert, and diagnoses it.
///
/// # Errors
/// When a fault can't be put in, no alert is raised, or the diagnosis can't be run.
pub async fn examine(
    factory: &Arc<Factory>,
    scenario: &'static Scenario,
    runbooks: &Runbooks,
    story: &Arc<Story>,
) -> Result<Examined> {
    let faults = scenario.faults()?;
    let device = faults.first().map_or("", |fault| fault.device);
    let since = Utc::now();
    let mut injected = Vec::new();
    for fault in faults {
        injected.push(fault.inject(factory).await?);
    }
    let injected = Arc::new(injected);
    let by_monitoring = injected.iter().any(|injected| injected.fault().is_found_by_monitoring());
    let (trigger, runbooks) = if by_monitoring {
        (alarm::certificate_reported(factory, device).await?, runbooks.for_certificates())
    } else {
        (alarm::raised(factory, device, since).await?, runbooks.clone())
    };
    let started = trigger.at;
    let (people, obstacle) = (scenario.people, scenario.obstacle);
    let case = Case {
        factory,
        device,
        people,
        obstacle,
        injected: Arc::clone(&injected),
        by_monitoring,
        performance: None,
        runbooks: &runbooks,
        story,
    };
    let diagnosed = case.diagnose(trigger).await?;
    let injected = Arc::into_inner(injected).unwrap_or_default();
    Ok(Examined {
        scenario,
        gap: None,
        afterwards: None,
        took: diagnosed.finding.at() - started,
        diagnosed: vec![diagnosed],
        injected,
    })
}

/// A device's alert that is to be diagnosed.
pub(crate) struct Case<'a> {
    pub(crate) factory: &'a Arc<Factory>,
    pub(crate) device: &'a str,
    pub(crate) people: People,
    pub(crate) obstacle: Obstacle,
    pub(crate) injected: Arc<Vec<Injected>>,
    /// Whether the monitoring of certificates raised it: it goes by the clock of its own host.
    pub(crate) by_monitoring: bool,
    /// The operations of a scenario file, if it is one.
    pub(crate) performance: Option<Arc<Performance>>,
    pub(crate) runbooks: &'a Runbooks,
    pub(crate) story: &'a Arc<Story>,
}

impl Case<'_> {
    /// Diagnoses it. The crew, who knows the faults, is gone with it.
    ///
    /// # Errors
    /// When the diagnosis can't be run.
    pub(crate) async fn diagnose(self, trigger: Trigger) -> Result<Diagnosed> {
        let Self { factory, device, people, obstacle, injected, by_monitoring, performance, runbooks, story } =
            self;
        let subject = subject(factory, device, by_monitoring)?;
        story.tell(format_args!("  {device}: {}; what a user sees:", trigger.text));
        story.tell_overview(factory, subject.site.as_ref().map(|site| site.as_str()));

        let (name, set) = runbooks.set(people == People::Absent)?;
        let asked = Arc::<Notify>::default();
        let mut adapters = Adapters::of(factory);
        if let Some(performance) = &performance {
            adapters = adapters.astray(performance.troubles());
        }
        let probes = obstacle.before(adapters, &asked);
        let crew = Crew::new(Arc::clone(factory), people, Arc::clone(&injected), Arc::clone(story));
        let clock: Arc<dyn Clock> = match by_monitoring {
            true => Arc::new(factory.renewals().clock().clone()),
            false => Arc::new(SystemClock),
        };
        let (probes, journal) = played(probes, performance, story);
        let driver = Driver::new(&set, &Checks::builtin(), probes, Arc::new(TokioTimer))
            .map_err(Error::runbook)?
            .with_operator(Arc::new(crew))
            .with_actuator(Arc::new(Restart::of(factory)))
            .with_journal(journal)
            .with_clock(Arc::clone(&clock))
            .with_time_limit(obstacle.time_limit(ATTEMPT));
        let mut diagnosis =
            Diagnosis::new(new_id(), &set, &name, subject, trigger, clock.now()).map_err(Error::runbook)?;
        let during = async {
            for injected in injected.iter() {
                injected.during(factory, &asked).await;
            }
            pending::<Infallible>().await
        };
        let finding = tokio::select! {
            finding = driver.run(&mut diagnosis) => finding.map_err(Error::runbook)?,
            never = during => match never {},
        };
        story.tell_end(&diagnosis, &Report::of(&diagnosis))?;
        Ok(Diagnosed { finding, bundle: diagnosis.bundle() })
    }
}

/// What a diagnosis asks with and who follows it: the operations of a scenario trouble the one, and wait for the steps of
/// the other.
pub(crate) fn played(
    probes: Probes,
    performance: Option<Arc<Performance>>,
    story: &Arc<Story>,
) -> (Probes, Arc<dyn Journal>) {
    match performance {
        Some(performance) => {
            let probes = probes.with_layer(Arc::new(performance.troubles().clone()));
            (probes, Arc::new(Cues::new(performance, Arc::clone(story))))
        }
        None => (probes, Arc::<Story>::clone(story)),
    }
}

/// Who the alert is about. The monitoring of certificates knows whose certificate it has found.
fn subject(factory: &Factory, device: &str, by_monitoring: bool) -> Result<Subject> {
    let subject = Subject::device(device).with_reporting_interval(REPORTING_EVERY);
    let Some(registered) = factory.registry().device(device)? else { return Ok(subject) };
    let subject = subject.with_gateway(registered.gateway).with_site(registered.site);
    Ok(match by_monitoring && registered.own_session {
        true => subject.with_own_session(),
        false => subject,
    })
}

/// The id of a new diagnosis. Ids differ within this process by their count, and from other processes' by time and process.
pub(crate) fn new_id() -> Ulid {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let millis = u64::try_from(Utc::now().timestamp_millis()).unwrap_or(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    Ulid::from_parts(millis, (u128::from(process::id()) << 64) | u128::from(count))
}

impl Examined {
    /// How many steps it took, with those of each part.
    pub fn steps(&self) -> usize {
        self.diagnosed.iter().map(|diagnosed| diagnosed.passed().len()).sum()
    }

    /// What it came to, in the words of what is expected.
    pub fn diagnosed(&self) -> String {
        self.diagnosed.first().map_or_else(|| NO_GAP.to_owned(), Diagnosed::ended)
    }

    /// How it differs from what the scenario expects; none where it does not.
    pub fn differs(&self) -> Option<String> {
        let Some((first, parts)) = self.diagnosed.split_first() else {
            return (self.scenario.expected != Expected::NoGap).then(|| "there was no gap".to_owned());
        };
        let differs = match self.scenario.expected {
            Expected::Conclusion(expected) => first.concludes(expected),
            Expected::Hypotheses { all, first: likeliest } => first.leaves(all, likeliest),
            Expected::Parts(expected) => first.concludes(SPLIT).or_else(|| came_to(parts, expected)),
            Expected::NoGap => Some("expected no gap".to_owned()),
        };
        differs
            .or_else(|| first.misses_step(self.scenario.through))
            .or_else(|| self.lacks_evidence())
            .or_else(|| self.leaves_otherwise())
            .or_else(|| first.contributes(self.scenario.contributing))
    }

    fn lacks_evidence(&self) -> Option<String> {
        let evidence = self.scenario.evidence.iter();
        let lacks = evidence
            .copied()
            .find(|evidence| !self.diagnosed.iter().any(|one| evidence.is_in(&one.bundle)))?;
        Some(format!("did not find {lacks}"))
    }

    /// How what is missing after all differs from what is expected.
    fn leaves_otherwise(&self) -> Option<String> {
        let (gap, expected) = (self.gap.as_ref()?, self.scenario.rows?);
        let missing = self.afterwards.as_ref().map_or(0, |gap| gap.missing);
        let rows = if missing == 0 { Rows::ComeLate } else { Rows::Lost };
        (rows != expected).then(|| format!("of {} rows {missing} are missing after all", gap.missing))
    }

    /// Mends what was broken in the factory, and waits until it is healthy.
    ///
    /// # Errors
    /// When a part can't be mended, or the factory does not become healthy in time.
    pub async fn mend(self, factory: &Factory) -> Result<()> {
        for injected in self.injected.into_iter().rev() {
            injected.repair(factory).await?;
        }
        factory.healthy().await
    }

    /// All of it as a line of JSON.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn json(&self) -> Result<String> {
        let differs = self.differs();
        let (first, parts) = match self.diagnosed.split_first() {
            Some((first, parts)) => (Some(first), parts),
            None => (None, &[][..]),
        };
        Ok(serde_json::to_string(&Line {
            fault: self.scenario.id,
            expected: self.scenario.expected.to_string(),
            diagnosed: self.diagnosed(),
            as_expected: differs.is_none(),
            differs,
            steps: self.steps(),
            seconds: self.took.as_seconds_f64(),
            gap: self.gap.as_ref(),
            afterwards: self.afterwards.as_ref(),
            finding: first.map(|first| &first.finding),
            bundle: first.map(|first| &first.bundle),
            parts: parts.iter().map(|part| Part { finding: &part.finding, bundle: &part.bundle }).collect(),
        })?)
    }
}

/// How the parts differ from what each is expected to come to.
fn came_to(parts: &[Diagnosed], expected: &[&str]) -> Option<String> {
    let ended = parts.iter().map(Diagnosed::ended).collect::<Vec<_>>();
    (ended != expected).then(|| format!("expected parts {}; found {}", expected.join(", "), ended.join(", ")))
}

impl Diagnosed {
    /// What it came to: the conclusion, or how many hypotheses are left.
    pub fn ended(&self) -> String {
        match self.finding.conclusion() {
            Some(conclusion) => conclusion.to_owned(),
            None => {
                let likeliest = self.likeliest().unwrap_or("no cause");
                format!("one of {}, {likeliest}?", self.finding.hypotheses().len())
            }
        }
    }

    fn concludes(&self, expected: &str) -> Option<String> {
        (self.finding.conclusion() != Some(expected)).then(|| format!("expected {expected}"))
    }

    fn leaves(&self, all: &[&str], first: &str) -> Option<String> {
        let possible = self.possible();
        if let Some(lacking) = all.iter().find(|cause| !possible.contains(cause)) {
            return Some(format!("expected {lacking} to stay possible; found {}", possible.join(", ")));
        }
        (self.likeliest() != Some(first)).then(|| format!("expected {first} to be the likeliest cause"))
    }

    fn misses_step(&self, through: &[&str]) -> Option<String> {
        let passed = self.passed();
        let mut passed = passed.iter();
        let missed = through.iter().find(|step| !passed.any(|passed| passed == *step))?;
        Some(format!("did not pass {missed} where it was expected"))
    }

    /// How the findings that contributed differ from those of these steps. Of the factory none is expected, and
    /// what its logs tell of other days is its own affair.
    fn contributes(&self, expected: &[&str]) -> Option<String> {
        self.finding.subject().pipeline.as_ref()?;
        // What nobody could say is in the finding too, and explains nothing.
        let is_known =
            |fact: &Option<Fact>| fact.as_ref().is_none_or(|fact| !fact.value.starts_with("unknown"));
        let contributing = self.finding.contributing().iter().filter(|found| is_known(&found.fact));
        let found = contributing.map(|found| &*found.step).collect::<Vec<_>>();
        (found != expected).then(|| {
            format!("expected [{}] to contribute; found [{}]", expected.join(", "), found.join(", "))
        })
    }

    fn likeliest(&self) -> Option<&str> {
        Some(&*self.finding.hypotheses().first()?.cause)
    }

    /// The root causes that stay possible, in alphabetical order.
    fn possible(&self) -> Vec<&str> {
        let hypotheses = self.finding.hypotheses().iter();
        let mut possible = hypotheses.map(|hypothesis| &*hypothesis.cause).collect::<Vec<_>>();
        possible.sort_unstable();
        possible
    }

    /// The steps in the order in which they were passed.
    pub(crate) fn passed(&self) -> Vec<&str> {
        let mut steps =
            self.bundle.records.iter().map(|record| (&*record.runbook, &*record.step)).collect::<Vec<_>>();
        steps.dedup();
        steps.into_iter().map(|(_, step)| step).collect()
    }
}

/// When it began, for whoever sorts the lines, is in the bundle.
#[derive(Serialize)]
struct Line<'a> {
    fault: &'a str,
    expected: String,
    diagnosed: String,
    as_expected: bool,
    differs: Option<String>,
    steps: usize,
    seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    gap: Option<&'a Gap>,
    #[serde(skip_serializing_if = "Option::is_none")]
    afterwards: Option<&'a Gap>,
    finding: Option<&'a Finding>,
    bundle: Option<&'a Bundle>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    parts: Vec<Part<'a>>,
}

#[derive(Serialize)]
struct Part<'a> {
    finding: &'a Finding,
    bundle: &'a Bundle,
}
