//! Issuers that end before their leaves: then a new leaf gains nothing, and people must replace the issuer first.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::Lifecycle;
use super::command::AlertKind;
use super::credential::{Credential, Issuer, Refusal};
use super::event::EventError;
use super::rules::Rules;
use super::state::{Renewal, Step};
use crate::certificate::Stage;
use crate::certificate::validity::Fingerprint;

/// What was raised about issuers, and what was reported of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Issuers {
    /// The issuer that binds, as was alerted.
    escalated: Option<Fingerprint>,
    /// The issuer that has a successor, as was reported.
    #[serde(default)]
    replaced: Option<Fingerprint>,
}

impl Issuers {
    /// The issuer that ends before that certificate, unless a successor of it was reported.
    fn binding(&self, credential: &Credential) -> Option<Issuer> {
        credential.binding_issuer().filter(|one| self.replaced != Some(one.fingerprint)).copied()
    }

    pub(super) const fn is_escalated(&self) -> bool {
        self.escalated.is_some()
    }

    /// True if someone is to be alerted: once for each issuer.
    fn escalate(&mut self, issuer: &Issuer) -> bool {
        self.escalated.replace(issuer.fingerprint) != Some(issuer.fingerprint)
    }

    /// The issuer of the certificate in use was replaced. True if that is news.
    fn handle_replaced(&mut self, issuer: Option<&Issuer>) -> bool {
        self.escalated = None;
        // What is not due yet goes by it when it is.
        let issuer = issuer.map(|issuer| issuer.fingerprint);
        std::mem::replace(&mut self.replaced, issuer) != issuer
    }
}

impl Lifecycle {
    /// Whether the certificate would be due if its issuers did not end.
    pub(super) fn leaf_is_due(&self, rules: &Rules, now: DateTime<Utc>) -> bool {
        let stage = rules.policy().stage(&self.in_use.own_facts(), now, None);
        matches!(stage, Stage::Renewal | Stage::FollowUp | Stage::Expired)
    }

    /// The issuer of the certificate in use, where another from it would last no longer. What must be replaced at once is
    /// replaced all the same.
    pub(super) fn issuer_that_binds(&self) -> Option<Issuer> {
        self.issuers.binding(&self.in_use).filter(|_| !self.is_needed_at_once())
    }

    /// The issuer that is to be replaced before anything else helps.
    pub(super) fn issuer_to_replace(&self) -> Option<Issuer> {
        match self.renewal.as_ref().map(|renewal| &renewal.step) {
            Some(Step::Held(issuer) | Step::Refused { why: Refusal::IssuerDue { issuer }, .. }) => {
                Some(*issuer)
            }
            Some(_) => None,
            None => self.issuer_that_binds().filter(|_| !self.auto_renewal),
        }
    }

    pub(super) fn escalate(&mut self, issuer: Issuer) {
        if self.issuers.escalate(&issuer) {
            self.alert(AlertKind::IssuerBinds { issuer });
        }
    }

    pub(super) fn issuer_replaced(&mut self, rules: &Rules, now: DateTime<Utc>) -> Result<(), EventError> {
        let is_new = self.issuers.handle_replaced(self.in_use.issuer.as_ref());
        match &mut self.renewal {
            Some(renewal) if matches!(renewal.step, Step::Held(_)) => {
                renewal.step = Step::Issuing;
                renewal.attempt_at = now;
            }
            Some(Renewal { step: Step::Refused { why: Refusal::IssuerDue { .. }, .. }, .. }) => {
                let after = self.renewal.take();
                self.begin(rules, after, now);
            }
            _ if is_new => {}
            _ => return Err(EventError::Known),
        }
        Ok(())
    }
}
