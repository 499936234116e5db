//! mockall mocks of every trait that users implement, for their own tests (feature `mock`).
//!
//! ```
//! use std::sync::Arc;
//!
//! use chrono::{DateTime, Utc};
//! use iot_runbook::fact::Source;
//! use iot_runbook::mock::MockPowerProbe;
//! use iot_runbook::probe::{PowerFacts, ProbeError, Probes};
//!
//! let mut power = MockPowerProbe::new();
//! power.expect_source().return_const(Source::new("power unit"));
//! power.expect_power().times(1).returning(|request| match request.device.as_str() {
//!     "press-07" => Ok(PowerFacts::new(DateTime::UNIX_EPOCH).with_feed_live(false)),
//!     _ => Err(ProbeError::refused("not of this hall")),
//! });
//! let probes = Probes::new().with_power(Arc::new(power));
//! # let power = probes.power().unwrap();
//! # let asked = iot_runbook::probe::PowerRequest::new("press-07".into());
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(power.power(&asked))?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A check asks for the `source` of an adapter after each answer: expect it without a count.

#![allow(missing_docs, reason = "mockall writes the expectations of each method without docs")]

#[cfg(feature = "dedup")]
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

#[cfg(feature = "lag")]
use crate::adapter::{Failures, MessagesAt, SetPositions, TopicReader};
#[cfg(feature = "certificate")]
use crate::adapter::{LifecycleStore, RevocationList};
#[cfg(feature = "gap")]
use crate::adapter::{SeriesReader, StoredRows};
#[cfg(feature = "certificate")]
use crate::certificate::lifecycle::{Issued, Lifecycle};
#[cfg(feature = "certificate")]
use crate::certificate::message::Reported;
#[cfg(feature = "certificate")]
use crate::certificate::service::*;
#[cfg(feature = "certificate")]
use crate::certificate::validity::Fingerprint;
use crate::check::{CheckRequest, CustomCheck};
#[cfg(feature = "dedup")]
use crate::dedup::MessageId;
#[cfg(feature = "dedup")]
use crate::dedup::store::{DedupStore, StoreError};
use crate::diagnosis::{
    ActReport, ActRequest, Alert, Approval, ApprovalRequest, AskRequest, Diagnosis, Reply,
};
use crate::driver::{Actuator, Journal, NotKept, Operator};
use crate::fact::{Observation, Source};
use crate::probe::*;
use crate::runbook::step::Params;
use crate::subject::Subject;
#[cfg(feature = "lag")]
use crate::subject::{DeviceId, PipelineId};

macro_rules! mocks {
    ($($set:ident: $probe:ident {
        $($method:ident($ask:ident: $request:ident) -> [$($answer:tt)+] = $rest:tt;)*
    })*) => {$(
        mockall::mock! {
            #[doc = concat!("A mock of [`", stringify!($probe), "`].")]
            pub $probe {}

            #[async_trait]
            impl $probe for $probe {
                fn source(&self) -> Source;
                $(async fn $method(&self, request: &$request) -> Result<$($answer)+, ProbeError>;)*
            }
        }
    )*};
}

crate::probe::layer::every_method! { mocks }

mockall::mock! {
    /// A mock of [`CustomCheck`]: `expect_observe` gets the subject, the params and the time of the request.
    pub CustomCheck {
        pub fn observe(&self, subject: &Subject, params: &Params, now: DateTime<Utc>) -> Result<Observation, ProbeError>;
    }
}

#[async_trait]
impl CustomCheck for MockCustomCheck {
    async fn observe(&self, request: &CheckRequest<'_>) -> Result<Observation, ProbeError> {
        // The mocked method of the same name, which mockall can write: it cannot write one that takes a request.
        Self::observe(self, request.subject(), request.params(), request.now())
    }
}

mockall::mock! {
    /// A mock of [`Operator`].
    pub Operator {}

    #[async_trait]
    impl Operator for Operator {
        async fn approve(&self, request: &ApprovalRequest) -> Option<Approval>;
        async fn answer(&self, request: &AskRequest) -> Option<Reply>;
        async fn tell(&self, alert: &Alert);
    }
}

mockall::mock! {
    /// A mock of [`Actuator`].
    pub Actuator {}

    #[async_trait]
    impl Actuator for Actuator {
        async fn act(&self, request: &ActRequest) -> ActReport;
    }
}

mockall::mock! {
    /// A mock of [`Journal`].
    pub Journal {}

    #[async_trait]
    impl Journal for Journal {
        async fn keep(&self, diagnosis: &Diagnosis) -> Result<(), NotKept>;
    }
}

#[cfg(feature = "dedup")]
mockall::mock! {
    /// A mock of [`DedupStore`].
    pub DedupStore {}

    #[async_trait]
    impl DedupStore for DedupStore {
        async fn put_if_absent(
            &self,
            key: MessageId,
            value: &[u8],
            keep: Duration,
        ) -> Result<Option<Vec<u8>>, StoreError>;
        async fn replace_if(
            &self,
            key: MessageId,
            expected: &[u8],
            value: &[u8],
            keep: Duration,
        ) -> Result<bool, StoreError>;
        async fn remove_if(&self, key: MessageId, expected: &[u8]) -> Result<bool, StoreError>;
    }
}

#[cfg(feature = "certificate")]
mockall::mock! {
    /// A mock of [`LifecycleStore`].
    pub LifecycleStore {}

    #[async_trait]
    impl LifecycleStore for LifecycleStore {
        async fn read(&self, holder: &Client) -> Result<Option<Lifecycle>, ProbeError>;
    }
}

#[cfg(feature = "certificate")]
mockall::mock! {
    /// A mock of [`RevocationList`].
    pub RevocationList {}

    #[async_trait]
    impl RevocationList for RevocationList {
        async fn revocation(&self, fingerprint: Fingerprint) -> Result<Revocation, ProbeError>;
    }
}

#[cfg(feature = "certificate")]
mockall::mock! {
    /// A mock of [`LifecycleJournal`].
    pub LifecycleJournal {}

    #[async_trait]
    impl LifecycleJournal for LifecycleJournal {
        async fn keep(&self, lifecycle: &Lifecycle) -> Result<(), ServiceError>;
    }
}

#[cfg(feature = "certificate")]
mockall::mock! {
    /// A mock of [`ProvisioningService`].
    pub ProvisioningService {}

    #[async_trait]
    impl ProvisioningService for ProvisioningService {
        async fn issue(&self, request: &IssueRequest) -> Result<Issued, ServiceError>;
        async fn last_contact(&self, request: &ContactRequest) -> Result<Option<DateTime<Utc>>, ServiceError>;
        async fn re_provision(&self, request: &IssueRequest) -> Result<Issued, ServiceError>;
        async fn retire(&self, request: &RetireRequest) -> Result<(), ServiceError>;
    }
}

#[cfg(feature = "certificate")]
mockall::mock! {
    /// A mock of [`ConfigChannel`].
    pub ConfigChannel {}

    #[async_trait]
    impl ConfigChannel for ConfigChannel {
        async fn publish(&self, request: &PublishRequest) -> Result<(), ServiceError>;
        async fn reported(&self, request: &ReportedRequest) -> Result<Option<Reported>, ServiceError>;
    }
}

#[cfg(feature = "certificate")]
mockall::mock! {
    /// A mock of [`TestEndpoint`].
    pub TestEndpoint {}

    #[async_trait]
    impl TestEndpoint for TestEndpoint {
        async fn outcome(&self, request: &TestRequest) -> Result<Option<TestOutcome>, ServiceError>;
    }
}

#[cfg(feature = "certificate")]
mockall::mock! {
    /// A mock of [`OpsNotifier`].
    pub OpsNotifier {}

    #[async_trait]
    impl OpsNotifier for OpsNotifier {
        async fn notify(&self, notice: &Notice) -> Result<(), ServiceError>;
        async fn open_post_mortem(&self, request: &PostMortemRequest) -> Result<(), ServiceError>;
    }
}

#[cfg(feature = "certificate")]
mockall::mock! {
    /// A mock of [`Scheduler`].
    pub Scheduler {}

    #[async_trait]
    impl Scheduler for Scheduler {
        async fn schedule(&self, request: &VisitRequest) -> Result<(), ServiceError>;
        async fn stand_down(&self, request: &StandDownRequest) -> Result<(), ServiceError>;
    }
}

#[cfg(feature = "lag")]
mockall::mock! {
    /// A mock of [`TopicReader`].
    pub TopicReader {}

    #[async_trait]
    impl TopicReader for TopicReader {
        async fn partition(&self, pipeline: &PipelineId, device: &DeviceId) -> Result<Option<i32>, ProbeError>;
        async fn count(&self, messages: &MessagesAt) -> Result<u64, ProbeError>;
        async fn set_positions(&self, messages: &MessagesAt) -> Result<Option<Vec<SetPositions>>, ProbeError>;
        async fn failures(
            &self,
            pipeline: &PipelineId,
            partition: i32,
            offset: u64,
        ) -> Result<Option<Failures>, ProbeError>;
    }
}

#[cfg(feature = "gap")]
mockall::mock! {
    /// A mock of [`SeriesReader`].
    pub SeriesReader {}

    #[async_trait]
    impl SeriesReader for SeriesReader {
        async fn rows(&self, request: &RowsRequest) -> Result<StoredRows, ProbeError>;
        async fn storage_refusals(&self, request: &StorageRefusalsRequest) -> Result<StorageRefusals, ProbeError>;
        async fn elsewhere(&self, request: &ElsewhereRequest) -> Result<Elsewhere, ProbeError>;
    }
}
