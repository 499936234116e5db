use std::fmt;
use std::sync::Arc;

use super::builtin::{Bound, missing_feature};
use super::param::{Given, ParamKind, ParamSpec};
use super::{CheckRequest, CheckSpec, Checks, CustomCheck, How};
use crate::fact::{Domain, Observation, UnknownReason};
use crate::probe::{ProbeError, Probes};
use crate::runbook::RunbookSet;
use crate::runbook::step::{About, Param, Query};
use crate::runbook::suggest::nearest;
use crate::subject::Scope;

/// The queries of a set of runbooks, each with the check that answers it and its params parsed.
pub struct BoundChecks {
    by_query: Box<[Ask]>,
}

enum Ask {
    Builtin(Bound),
    Custom(Arc<dyn CustomCheck>),
}

impl Checks {
    /// Matches each query of a set of runbooks with its check.
    ///
    /// # Errors
    /// [`BindErrors`] with every fault of every query: a check that is not known, another domain, scope or about
    /// than the check's, a param that is not known, is missing, or is not what the check takes.
    pub fn bind(&self, runbooks: &RunbookSet) -> Result<BoundChecks, BindErrors> {
        let mut found = Vec::new();
        let mut by_query = Vec::new();
        for (position, query) in runbooks.queries().iter().enumerate() {
            let mut faults = Vec::new();
            by_query.extend(self.bind_one(query, &mut faults));
            for error in faults {
                let steps = runbooks.asking(position);
                let steps = steps.map(|(runbook, step)| AskedBy::new(runbook.name(), Some(&step.id)));
                let ends = runbooks.asking_before_the_end(position);
                let asked_by = steps.chain(ends.map(|runbook| AskedBy::new(runbook.name(), None))).collect();
                found.push(BindFault { asked_by, error });
            }
        }
        if found.is_empty() { Ok(BoundChecks { by_query: by_query.into() }) } else { Err(BindErrors(found)) }
    }

    fn bind_one(&self, query: &Query, faults: &mut Vec<BindError>) -> Option<Ask> {
        let Some(entry) = self.by_id.get(&query.check) else {
            let check = query.check.clone();
            faults.push(match missing_feature(&check) {
                Some(feature) => BindError::NoEngine { check, feature },
                None => {
                    let nearest = nearest(&check, self.by_id.keys().map(AsRef::as_ref)).map(Into::into);
                    BindError::UnknownCheck { check, nearest }
                }
            });
            return None;
        };
        let before = faults.len();
        compare(query, &entry.spec, faults);
        if faults.len() > before {
            return None;
        }
        match &entry.how {
            How::Custom(check) => Some(Ask::Custom(Arc::clone(check))),
            How::Builtin(bind) => {
                let given = Given {
                    params: &query.params,
                    #[cfg(feature = "certificate")]
                    policy: self.policy.unwrap_or_default(),
                    #[cfg(feature = "certificate")]
                    mark: self.mark.clone(),
                };
                let bound = bind(&given);
                if bound.is_none() {
                    faults.push(BindError::Unbindable { check: query.check.clone() });
                }
                bound.map(Ask::Builtin)
            }
        }
    }
}

fn compare(query: &Query, spec: &CheckSpec, faults: &mut Vec<BindError>) {
    let check = || query.check.clone();
    if query.domain != spec.domain {
        faults.push(BindError::Domain {
            check: check(),
            given: query.domain.clone(),
            wanted: spec.domain.clone(),
        });
    }
    if query.scope != spec.scope {
        faults.push(BindError::Scope { check: check(), given: query.scope, wanted: spec.scope });
    }
    if let Some(wanted) = spec.about
        && query.about != wanted
    {
        faults.push(BindError::About { check: check(), given: query.about, wanted });
    }
    let Some(params) = spec.params else { return };
    for (name, given) in &query.params {
        match params.iter().find(|param| param.name == &**name) {
            None => faults.push(BindError::UnknownParam {
                check: check(),
                param: name.clone(),
                nearest: nearest(name, params.iter().map(|param| param.name)).map(Into::into),
            }),
            Some(ParamSpec { kind, .. }) if !kind.takes(given) => faults.push(BindError::Param {
                check: check(),
                param: name.clone(),
                given: given.clone(),
                wanted: *kind,
            }),
            Some(_) => {}
        }
    }
    for param in params.iter().filter(|param| param.required && !query.params.contains_key(param.name)) {
        faults.push(BindError::MissingParam { check: check(), param: param.name, wanted: param.kind });
    }
}

impl BoundChecks {
    /// Asks the adapters what the query at `query` (its position in the bound list) needs, and judges the answers.
    ///
    /// An adapter that is not supplied and a part that the subject does not name are unknown observations. A
    /// position that is not in the list is unknown as well (`failed`). Dropping the future is safe.
    ///
    /// # Errors
    /// [`ProbeError`] as an adapter gave it: its kind says whether to ask again;
    /// [`ProbeError::into_observation`] makes the unknown value of it when it is the last word.
    pub async fn observe(
        &self,
        query: usize,
        request: &CheckRequest<'_>,
        probes: &Probes,
    ) -> Result<Observation, ProbeError> {
        match self.by_query.get(query) {
            Some(Ask::Builtin(check)) => check.observe(request, probes).await,
            Some(Ask::Custom(check)) => check.observe(request).await,
            None => Ok(Observation::unknown(
                UnknownReason::Failed,
                "checks",
                format!("no query {query} is bound"),
            )),
        }
    }

    /// How many queries are bound.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.by_query.len()
    }

    /// Whether none is.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.by_query.is_empty()
    }
}

impl fmt::Debug for BoundChecks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoundChecks").field("queries", &self.by_query.len()).finish()
    }
}

/// Every fault that binding found; at least one.
///
/// Printed with one line for each.
#[derive(Clone, Debug, PartialEq)]
pub struct BindErrors(Vec<BindFault>);

/// A fault of a query, and who asks it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct BindFault {
    /// Who asks it: steps, then runbooks by their own `unless`; at least one.
    pub asked_by: Vec<AskedBy>,
    /// The fault.
    pub error: BindError,
}

/// Who asks a query.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AskedBy {
    /// The name of the runbook.
    pub runbook: Box<str>,
    /// The id of the step there; `None`: the `unless` at the top of the runbook asks it.
    pub step: Option<Box<str>>,
}

impl AskedBy {
    fn new(runbook: &str, step: Option<&str>) -> Self {
        Self { runbook: runbook.into(), step: step.map(Into::into) }
    }
}

impl fmt::Display for BindFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((AskedBy { runbook, step }, others)) = self.asked_by.split_first() {
            match step {
                Some(step) => write!(f, "runbook \"{runbook}\", step \"{step}\"")?,
                None => write!(f, "runbook \"{runbook}\", `unless`")?,
            }
            match others.len() {
                0 => f.write_str(": ")?,
                1 => f.write_str(" and one more: ")?,
                more => write!(f, " and {more} more: ")?,
            }
        }
        fmt::Display::fmt(&self.error, f)
    }
}

impl BindErrors {
    /// Each in the order of the queries.
    #[must_use]
    pub fn faults(&self) -> &[BindFault] {
        &self.0
    }
}

impl fmt::Display for BindErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, fault) in self.0.iter().enumerate() {
            if position > 0 {
                f.write_str("\n")?;
            }
            fmt::Display::fmt(fault, f)?;
        }
        Ok(())
    }
}

impl std::error::Error for BindErrors {}

/// Why a query cannot be asked.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// No check of that id is registered.
    #[error("check `{check}` is not known{}: register it, or ask another", Meant(.nearest.as_deref()))]
    UnknownCheck {
        /// The id.
        check: Box<str>,
        /// A registered id that may be meant.
        nearest: Option<Box<str>>,
    },
    /// The check needs an engine that is not built in.
    #[error(
        "check `{check}` needs the cargo feature `{feature}`: turn it on, or register a check of that id"
    )]
    NoEngine {
        /// The id.
        check: Box<str>,
        /// The feature.
        feature: &'static str,
    },
    /// The runbook branches on other values than the check comes to.
    #[error(
        "check `{check}` comes to {wanted}, the runbook branches on {given}: declare the check's own domain"
    )]
    Domain {
        /// The check.
        check: Box<str>,
        /// The domain in the runbook.
        given: Domain,
        /// The domain of the check.
        wanted: Domain,
    },
    /// The runbook asks it of another part of the subject.
    #[error("check `{check}` asks about the {wanted}, the runbook asks it of the {given}")]
    Scope {
        /// The check.
        check: Box<str>,
        /// The scope in the runbook.
        given: Scope,
        /// The scope of the check.
        wanted: Scope,
    },
    /// The runbook asks it about another time.
    #[error("check `{check}` asks about {}, the runbook asks it about {}", .wanted.name(), .given.name())]
    About {
        /// The check.
        check: Box<str>,
        /// What the runbook asks about.
        given: About,
        /// What the check asks about.
        wanted: About,
    },
    /// The check takes no such param.
    #[error("check `{check}` takes no param `{param}`{}", Meant(.nearest.as_deref()))]
    UnknownParam {
        /// The check.
        check: Box<str>,
        /// The param.
        param: Box<str>,
        /// A param of the check that may be meant.
        nearest: Option<Box<str>>,
    },
    /// A param that the check needs is not given.
    #[error("check `{check}` needs the param `{param}`: {wanted}")]
    MissingParam {
        /// The check.
        check: Box<str>,
        /// The param.
        param: &'static str,
        /// What it may be.
        wanted: ParamKind,
    },
    /// A param is not what the check takes.
    #[error("param `{param}` of check `{check}` must be {wanted}, not {given:?}")]
    Param {
        /// The check.
        check: Box<str>,
        /// The param.
        param: Box<str>,
        /// What was given.
        given: Param,
        /// What it may be.
        wanted: ParamKind,
    },
    /// The check did not accept params that it declares; a fault of the check.
    #[error("check `{check}` did not accept its own params: report this")]
    Unbindable {
        /// The check.
        check: Box<str>,
    },
}

struct Meant<'a>(Option<&'a str>);

impl fmt::Display for Meant<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(nearest) => write!(f, " (did you mean `{nearest}`?)"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::runbook::step::Params;

    fn query(check: &str) -> Query {
        let checks = Checks::builtin();
        let spec = checks.find(check).unwrap();
        Query {
            check: spec.id.clone(),
            scope: spec.scope,
            domain: spec.domain.clone(),
            params: Params::new(),
            about: spec.about.unwrap(),
            stale_after: None,
            future: crate::runbook::step::OnFuture::Unknown,
        }
    }

    fn with(mut query: Query, params: &[(&str, Param)]) -> Query {
        query.params = params.iter().map(|(name, param)| ((*name).into(), param.clone())).collect();
        query
    }

    fn faults(queries: &[Query]) -> Vec<BindError> {
        let (checks, mut faults) = (Checks::builtin(), Vec::new());
        for query in queries {
            let before = faults.len();
            assert_eq!(checks.bind_one(query, &mut faults).is_some(), faults.len() == before);
        }
        faults
    }

    #[cfg(not(feature = "certificate"))]
    #[test]
    fn missing_engine_is_named_by_its_feature() {
        let mut asked = query("power");
        asked.check = "certificate-stage".into();
        let found = faults(&[asked]);
        assert!(found[0].to_string().contains("needs the cargo feature `certificate`"), "{found:?}");
    }

    #[cfg(feature = "certificate")]
    #[test]
    fn every_fault_of_every_query_is_found_at_once() {
        let mut unknown = query("power");
        unknown.check = "powre".into();
        let mut other = query("power");
        other.domain = Domain::new(crate::fact::Kind::Flag);
        other.scope = Scope::Site;
        other.about = About::Period;
        let params = with(query("presence"), &[("flap_windows", Param::Count(3))]);
        let negative = with(query("presence"), &[("flap_window", Param::Duration(TimeDelta::seconds(-1)))]);
        let word = with(query("certificate"), &[("which", Param::Text("newest".into()))]);
        let found = faults(&[query("last-seen"), unknown, other, params, negative, word]);
        assert!(
            matches!(&found[0], BindError::UnknownCheck { nearest: Some(nearest), .. } if &**nearest == "power")
        );
        assert!(matches!(&found[1], BindError::Domain { .. }));
        assert!(matches!(&found[2], BindError::Scope { .. }));
        assert!(matches!(&found[3], BindError::About { .. }));
        assert!(
            matches!(&found[4], BindError::UnknownParam { nearest: Some(nearest), .. } if &**nearest == "flap_window")
        );
        assert!(matches!(&found[5], BindError::MissingParam { param: "flap_window", .. }));
        assert!(matches!(&found[6], BindError::Param { .. }));
        assert!(matches!(&found[7], BindError::Param { .. }));
        assert_eq!(found.len(), 8);
    }

    #[test]
    fn share_may_be_whole_but_at_most_one() {
        for (param, fits) in [
            (Param::Number(0.95), true),
            (Param::Number(1.0), true),
            (Param::Count(1), true),
            (Param::Count(2), false),
            (Param::Number(1.1), false),
            (Param::Number(-0.1), false),
            (Param::Number(f64::NAN), false),
            (Param::Text("0.9".into()), false),
        ] {
            let found = faults(&[with(query("broker-messages"), &[("explains", param.clone())])]);
            assert_eq!(found.is_empty(), fits, "{param:?}");
        }
    }

    #[test]
    fn a_message_says_what_was_meant() {
        let mut unknown = query("power");
        unknown.check = "presense".into();
        let [error] = faults(&[unknown]).try_into().unwrap();
        assert_eq!(
            error.to_string(),
            "check `presense` is not known (did you mean `presence`?): register it, or ask another"
        );
    }
}
