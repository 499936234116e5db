//! Whom alerts of the runbooks reach: the log. Yours calls your chat or pager here.

use async_trait::async_trait;
use iot_runbook::diagnosis::{Alert, Approval, ApprovalRequest, AskRequest, Reply};
use iot_runbook::driver::Operator;

/// Writes alerts into the log. Approvals and answers come through the API.
pub(crate) struct Log;

#[async_trait]
impl Operator for Log {
    // A worker leaves both to the store: they are never called.
    async fn approve(&self, _: &ApprovalRequest) -> Option<Approval> {
        None
    }

    async fn answer(&self, _: &AskRequest) -> Option<Reply> {
        None
    }

    async fn tell(&self, alert: &Alert) {
        let device = &alert.subject().device;
        metrics::counter!("service_notices_total").increment(1);
        tracing::warn!(case = %alert.diagnosis(), %device, severity = ?alert.severity(), "{}", alert.text());
    }
}
