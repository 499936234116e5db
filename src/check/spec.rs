//! What a built-in check is: one trait, apart from the list of all of them, so that no check has to know the others.

use super::CheckRequest;
use super::param::{Given, ParamSpec};
use crate::fact::{Choices, ChoicesError, Domain, Kind, Observation};
use crate::probe::{ProbeError, Probes};
use crate::runbook::step::About;
use crate::subject::Scope;

/// What the list of checks knows of one; [`check!`] writes it.
pub(in crate::check) trait Declared: Sized {
    const ID: &'static str;
    const SCOPE: Scope;
    const ABOUT: About;
    const VALUES: Values;
    /// The params that a step may give it.
    const PARAMS: &'static [ParamSpec];

    /// Reads the params, which have been proven against [`Self::PARAMS`]; `None` only where they were not.
    fn bind(given: &Given<'_>) -> Option<Self>;
}

/// A built-in check with its params parsed.
pub(in crate::check) trait Builtin: Declared {
    async fn observe(&self, request: &CheckRequest<'_>, probes: &Probes) -> Observed;
}

/// What a check comes to.
pub(in crate::check) type Observed = Result<Observation, Stop>;

/// Why a check stops before its judge.
#[derive(Debug)]
pub(in crate::check) enum Stop {
    /// What it would have to ask is not there: an unknown value.
    Unknown(Observation),
    /// Somebody who was asked did not answer.
    Failed(ProbeError),
}

impl From<Observation> for Stop {
    fn from(unknown: Observation) -> Self {
        Self::Unknown(unknown)
    }
}

impl From<ProbeError> for Stop {
    fn from(error: ProbeError) -> Self {
        Self::Failed(error)
    }
}

/// The values that a check can come to.
pub(in crate::check) enum Values {
    OneOf(&'static [&'static str]),
    Any(Kind),
    Optional(Kind),
}

pub(in crate::check) const FLAG: Values = Values::Any(Kind::Flag);
pub(in crate::check) const NUMBER: Values = Values::Any(Kind::Number);

impl Values {
    pub(in crate::check) fn domain(self) -> Result<Domain, ChoicesError> {
        match self {
            Self::OneOf(names) => Choices::new(names.iter().copied()).map(Domain::choice),
            Self::Any(kind) => Ok(Domain::new(kind)),
            Self::Optional(kind) => Ok(Domain::new(kind).optional()),
        }
    }
}

/// A check: its id, the scope that it asks about, of now or of a period, its values, and what it takes of all that
/// [`Given`] has; then the params that a step must give it.
macro_rules! check {
    (
        $(#[$doc:meta])*
        $name:ident = $id:literal, $scope:ident, $about:ident, $values:expr $(, $given:ident: $type:ty)*;
        $($(#[$param_doc:meta])* $param:ident: $kind:ty,)*
    ) => {
        $(#[$doc])*
        pub(in crate::check) struct $name {
            $($(#[$param_doc])* $param: $kind,)*
            $($given: $type,)*
        }

        impl $crate::check::spec::Declared for $name {
            const ID: &'static str = $id;
            const SCOPE: $crate::subject::Scope = $crate::subject::Scope::$scope;
            const ABOUT: $crate::runbook::step::About = $crate::runbook::step::About::$about;
            const VALUES: $crate::check::spec::Values = $values;
            const PARAMS: &'static [$crate::check::ParamSpec] = &[$($crate::check::ParamSpec {
                name: stringify!($param),
                kind: <$kind as $crate::check::param::FromParam>::KIND,
                required: true,
            },)*];

            fn bind(_given: &$crate::check::param::Given<'_>) -> Option<Self> {
                Some(Self {
                    $($param: _given.read(stringify!($param))?,)*
                    $($given: _given.$given.clone(),)*
                })
            }
        }
    };
}

pub(in crate::check) use check;
