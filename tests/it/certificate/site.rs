//! One device with a live lifecycle, the services around it, and the people of the runbook: what the runbook asks is
//! answered from the lifecycle, and what it does reaches the device.

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::adapter::{LifecycleProbe, LifecycleStore, RevocationList};
use iot_runbook::catalog;
use iot_runbook::certificate::lifecycle::{Command, Event, Issue, Issued, Lifecycle, Rules, SubjectKey};
use iot_runbook::certificate::message::Reason;
use iot_runbook::certificate::validity::Fingerprint;
use iot_runbook::check::{CheckRequest, Checks};
use iot_runbook::diagnosis::{
    ActReport, ActRequest, Alert, Approval, ApprovalRequest, AskRequest, Diagnosis, Finding, Reply,
};
use iot_runbook::driver::{Actuator, Driver, Operator, SimulatedTimer};
use iot_runbook::fact::{Observation, Source};
use iot_runbook::probe::{
    CertStoreProbe, CertificateAnswer, CertificateRequest, Client, ProbeError, Probes, ProvisioningContact,
    ProvisioningContactRequest, RenewalAnswer, RenewalRequest, Revocation,
};
use iot_runbook::runbook::step::About;
use iot_runbook::subject::{Subject, Trigger};
use iot_runbook::time::{Clock as _, ManualClock};
use ulid::Ulid;

use super::lifecycle::{NOW, certificate, day, under_issuer};

/// How the certification authority answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Authority {
    Issues,
    Silent,
    Refuses,
    IssuesWhatIsDue,
    IssuesUnderAnEndingIssuer,
}

/// What an act of the runbook comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// It is done, and the device is back two minutes later.
    Works,
    /// It is done, and the device stays away.
    NotBack,
    Fails,
    Declined,
    /// Nobody approves it.
    NobodyThere,
}

/// What happens of itself at a certain question or act.
pub(super) type Meanwhile = Box<dyn Fn(&mut State, DateTime<Utc>) + Send>;

pub(super) struct State {
    pub(super) rules: Rules,
    pub(super) machine: Lifecycle,
    pub(super) authority: Authority,
    pub(super) re_provisioning: Act,
    pub(super) visit: Act,
    pub(super) follow_up: Act,
    /// When the provisioning service last took its manufacturing certificate.
    pub(super) contact: Option<DateTime<Utc>>,
    pub(super) while_the_renewal_is_asked: Option<Meanwhile>,
    pub(super) once_the_renewal_was_told: Option<Meanwhile>,
    pub(super) while_an_approval_is_asked: Option<Meanwhile>,
    /// The keys of what was handed out, without what makes them unique.
    pub(super) handed_out: Vec<String>,
    pub(super) acts: Vec<String>,
    pub(super) alerts: Vec<String>,
    pub(super) connected: Option<DateTime<Utc>>,
    /// Nobody polls the lifecycle.
    pub(super) worker_is_down: bool,
    /// Whether the certification authority retires what it is asked to.
    pub(super) retires: bool,
    coming: Vec<(DateTime<Utc>, Event)>,
    re_provision: Option<Issue>,
    keys: u8,
}

impl State {
    fn new(machine: Lifecycle) -> Self {
        Self {
            rules: Rules::default(),
            machine,
            authority: Authority::Silent,
            re_provisioning: Act::Works,
            visit: Act::Works,
            follow_up: Act::Works,
            contact: None,
            while_the_renewal_is_asked: None,
            once_the_renewal_was_told: None,
            while_an_approval_is_asked: None,
            handed_out: Vec::new(),
            acts: Vec::new(),
            alerts: Vec::new(),
            connected: None,
            worker_is_down: false,
            retires: true,
            coming: Vec::new(),
            re_provision: None,
            keys: 1,
        }
    }

    /// Whether what was handed out has that in its key.
    pub(super) fn did(&self, what: &str) -> bool {
        self.handed_out.iter().any(|key| key.contains(what))
    }

    pub(super) fn tell(&mut self, event: Event, now: DateTime<Utc>) {
        if let Event::Connected { at, .. } = &event {
            self.connected = Some(*at);
        }
        // Late, twice, or of something else: that is no fault.
        let _ = self.machine.handle(&self.rules, event, now);
        self.drain(now);
    }

    /// It is seen with the certificate on its way, or with what it was brought.
    pub(super) fn connects_with_the_newest(&mut self, now: DateTime<Utc>) {
        let fingerprint = self.machine.newest().fingerprint;
        self.tell(Event::Connected { fingerprint, at: now }, now);
    }

    /// What was to happen until now.
    pub(super) fn settle(&mut self, now: DateTime<Utc>) {
        self.coming.sort_by_key(|(at, _)| *at);
        while let Some(at) = self.coming.first().map(|(at, _)| *at).filter(|at| *at <= now) {
            let (_, event) = self.coming.remove(0);
            self.tell(event, at);
        }
        self.drain(now);
    }

    fn drain(&mut self, now: DateTime<Utc>) {
        if self.worker_is_down {
            return;
        }
        while let Some(order) = self.machine.poll(&self.rules, now) {
            self.handed_out.push(order.key.to_string());
            let key = order.key.clone();
            let event = match order.command {
                Command::Issue(issue) => match self.authority {
                    Authority::Silent => continue,
                    Authority::Refuses => Event::Failed { key, reason: Reason::new("not now") },
                    Authority::Issues => {
                        let certificate = self.issue(&issue, 60, now);
                        Event::Issued { generation: issue.generation, certificate }
                    }
                    Authority::IssuesWhatIsDue => {
                        let certificate = certificate(1, 90, now - day(50), now + day(10));
                        Event::Issued { generation: issue.generation, certificate }
                    }
                    Authority::IssuesUnderAnEndingIssuer => {
                        let certificate = under_issuer(1, now - day(1), now + day(60), now + day(5));
                        Event::Issued { generation: issue.generation, certificate }
                    }
                },
                Command::Retire(_) if !self.retires => Event::Failed { key, reason: Reason::new("not now") },
                Command::LookUpContact => Event::ProvisioningContact { last: self.contact },
                // That is for the act of the runbook.
                Command::ReProvision(issue) => {
                    self.re_provision = Some(issue);
                    continue;
                }
                _ => Event::Done { key },
            };
            let _ = self.machine.handle(&self.rules, event, now);
        }
    }

    fn issue(&mut self, issue: &Issue, days: i64, now: DateTime<Utc>) -> Issued {
        if matches!(issue.key, SubjectKey::Fresh { .. }) {
            self.keys += 1;
        }
        let serial = 10 + u8::try_from(issue.generation).unwrap();
        certificate(self.keys, serial, now - TimeDelta::hours(1), now + day(days))
    }

    fn is_back(&mut self, with: &Issued, now: DateTime<Utc>) {
        let (at, fingerprint) = (now + TimeDelta::minutes(2), with.credential().fingerprint);
        self.coming.push((at, Event::Connected { fingerprint, at }));
    }

    fn act(&mut self, action: &str, now: DateTime<Utc>) -> ActReport {
        let how = match action {
            "re-provision" => self.re_provisioning,
            "load-emergency-certificate" => self.visit,
            _ => self.follow_up,
        };
        if how == Act::Fails {
            return ActReport::failed("service", "it did not work");
        }
        let brought = match action {
            "open-follow-up" if self.did("/visit/follow-up/") => return ActReport::done("service"),
            "re-provision" => self.re_provision.take().map(|issue| {
                let certificate = self.issue(&issue, 60, now);
                let generation = issue.generation;
                (certificate.clone(), Event::ReProvisioned { generation, certificate })
            }),
            "load-emergency-certificate" if self.did("/emergency/") => {
                let certificate = certificate(70, 70, now - day(10), now + day(170));
                Some((certificate.clone(), Event::EmergencyLoaded { certificate }))
            }
            _ => None,
        };
        let Some((certificate, event)) = brought else {
            return ActReport::refused("service", "the lifecycle asked for no such thing");
        };
        self.tell(event, now);
        if how == Act::Works {
            self.is_back(&certificate, now);
        }
        ActReport::done("service")
    }
}

/// The device, and all around it.
pub(super) struct Site {
    pub(super) clock: Arc<ManualClock>,
    state: Mutex<State>,
}

impl Site {
    /// A device that begins with this certificate, seen at `NOW`.
    pub(super) fn new(in_use: &Issued) -> Arc<Self> {
        Self::of(Lifecycle::new("pump-7", *in_use.credential(), NOW).unwrap())
    }

    pub(super) fn of(machine: Lifecycle) -> Arc<Self> {
        let state = Mutex::new(State::new(machine));
        Arc::new(Self { clock: Arc::new(ManualClock::new(NOW)), state })
    }

    /// The same with a certification authority that answers so from the beginning.
    pub(super) fn answered_by(self: Arc<Self>, authority: Authority) -> Arc<Self> {
        self.state.lock().unwrap().authority = authority;
        self
    }

    /// Changes something, or looks at it, after all has happened that was to happen until now.
    pub(super) fn with<T>(&self, change: impl FnOnce(&mut State, DateTime<Utc>) -> T) -> T {
        let now = self.clock.now();
        let mut state = self.state.lock().unwrap();
        state.settle(now);
        change(&mut state, now)
    }

    /// Time passes, and the lifecycle is woken whenever it asks for it.
    pub(super) fn pass(&self, time: TimeDelta) {
        let until = self.clock.now() + time;
        loop {
            let wake_at = self.with(|state, _| state.machine.wake_at(&state.rules));
            let Some(at) = wake_at.filter(|at| *at > self.clock.now() && *at < until) else { break };
            self.clock.set(at);
        }
        self.clock.set(until);
        self.with(|_, _| {});
    }

    /// Walks a runbook of the catalog with these probes, the certificates told by this site.
    pub(super) fn walk(self: &Arc<Self>, runbook: &str, probes: Probes) -> Finding {
        let set = catalog::set().unwrap();
        let timer = Arc::new(SimulatedTimer::new(self.clock.clone()));
        let driver =
            Driver::new(&set, &Checks::builtin(), probes.with_cert_store(Certificates::of(self)), timer)
                .unwrap()
                .with_clock(self.clock.clone())
                .with_operator(self.clone())
                .with_actuator(self.clone());
        let (subject, now) = (self.subject(), self.clock.now());
        let trigger = Trigger::new("daily sweep", now);
        let mut diagnosis = Diagnosis::new(Ulid(1), &set, runbook, subject, trigger, now).unwrap();
        block_on(driver.run(&mut diagnosis)).unwrap()
    }

    /// The answer of a check of `certificate-expiry`; none where nobody can tell.
    pub(super) fn answer(self: &Arc<Self>, check: &str) -> Observation {
        let set = catalog::set().unwrap();
        let bound = Checks::builtin().bind(&set).unwrap();
        let query = set.queries().iter().position(|query| &*query.check == check).unwrap();
        let (subject, now) = (self.subject(), self.clock.now());
        let params = &set.queries()[query].params;
        let request = CheckRequest::new(&subject, params, About::Now, now, now, now);
        let probes = Probes::new().with_cert_store(Certificates::of(self));
        block_on(bound.observe(query, &request, &probes)).unwrap()
    }

    /// The value of a check, or `unknown`.
    pub(super) fn value(self: &Arc<Self>, check: &str) -> String {
        let set = catalog::set().unwrap();
        let query = set.queries().iter().find(|query| &*query.check == check).unwrap();
        match self.answer(check) {
            Observation::Known(known) => known.value.render(&query.domain),
            Observation::Unknown(_) => "unknown".to_owned(),
        }
    }

    fn subject(&self) -> Subject {
        Subject::device("pump-7").with_gateway("gw-2").with_site("north").with_own_session()
    }

    /// What `certificate-expiry` concludes.
    pub(super) fn concludes(self: &Arc<Self>) -> Option<String> {
        self.walk("certificate-expiry", Probes::new()).conclusion().map(str::to_owned)
    }
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(done) = work.as_mut().poll(&mut context) {
            return done;
        }
    }
}

#[async_trait]
impl LifecycleStore for Site {
    async fn read(&self, holder: &Client) -> Result<Option<Lifecycle>, ProbeError> {
        assert_eq!(*holder, Client::Device("pump-7".into()));
        Ok(Some(self.with(|state, _| state.machine.clone())))
    }
}

#[async_trait]
impl RevocationList for Site {
    async fn revocation(&self, _: Fingerprint) -> Result<Revocation, ProbeError> {
        Ok(Revocation::NotRevoked)
    }
}

/// The library's own probe over the site's lifecycle, and what happens while it is asked.
struct Certificates {
    site: Arc<Site>,
    probe: LifecycleProbe,
}

impl Certificates {
    fn of(site: &Arc<Site>) -> Arc<Self> {
        let probe = LifecycleProbe::new(site.clone())
            .with_revocation_list(site.clone())
            .with_contacts_since(NOW - day(30))
            .with_clock(site.clock.clone());
        Arc::new(Self { site: site.clone(), probe })
    }

    fn meanwhile(&self, take: impl FnOnce(&mut State) -> Option<Meanwhile>) {
        self.site.with(|state, now| {
            if let Some(meanwhile) = take(state) {
                meanwhile(state, now);
            }
        });
    }
}

#[async_trait]
impl CertStoreProbe for Certificates {
    fn source(&self) -> Source {
        self.probe.source()
    }

    async fn certificate(&self, request: &CertificateRequest) -> Result<CertificateAnswer, ProbeError> {
        self.probe.certificate(request).await
    }

    async fn renewal(&self, request: &RenewalRequest) -> Result<RenewalAnswer, ProbeError> {
        self.meanwhile(|state| state.while_the_renewal_is_asked.take());
        let answer = self.probe.renewal(request).await;
        self.meanwhile(|state| state.once_the_renewal_was_told.take());
        answer
    }

    async fn provisioning_contact(
        &self,
        request: &ProvisioningContactRequest,
    ) -> Result<ProvisioningContact, ProbeError> {
        self.probe.provisioning_contact(request).await
    }
}

#[async_trait]
impl Operator for Site {
    async fn approve(&self, request: &ApprovalRequest) -> Option<Approval> {
        self.with(|state, now| {
            if let Some(meanwhile) = state.while_an_approval_is_asked.take() {
                meanwhile(state, now);
            }
            let how = match request.action() {
                // Nobody reaches the device another way.
                "restart-holder" => Act::Declined,
                "re-provision" => state.re_provisioning,
                _ => state.visit,
            };
            match how {
                Act::Declined => Some(request.decline("operator", "not now")),
                Act::NobodyThere => None,
                _ => Some(request.grant("operator")),
            }
        })
    }

    async fn answer(&self, _: &AskRequest) -> Option<Reply> {
        None
    }

    async fn tell(&self, alert: &Alert) {
        self.with(|state, _| state.alerts.push(alert.text().to_owned()));
    }
}

#[async_trait]
impl Actuator for Site {
    async fn act(&self, request: &ActRequest) -> ActReport {
        self.with(|state, now| {
            state.acts.push(request.action().to_owned());
            state.act(request.action(), now)
        })
    }
}
