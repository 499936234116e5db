//! zen-engine beside the machine: the same chart as a decision graph of its own format, written here and not
//! taken from anywhere.
//!
//! Two forms, because a decision engine has two ways to say it. `zen-switch` is the chart step by step, a switch
//! node for each, as its editor would draw it. `zen-table` is one decision table over all facts whose first row
//! that fits counts: no chart any more, and the faster of the two. Both are compiled before they are timed, and
//! each stands there with its trace off, as it is by default, and on.

mod graph;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use serde_json::{Map, Value, json};
use zen_engine::model::DecisionContent;
use zen_engine::{Decision, DecisionEngine, EvaluationOptions, Variable};

use super::facts::{Fact, Facts};
use super::{Conclusion, Peer};
use crate::error::Error;
use crate::measure::Side;

use graph::table;
pub(crate) use graph::{Graph, Otherwise, chart};

/// One form of the chart, with trace or without.
struct Zen {
    name: &'static str,
    decision: Decision,
    trace: bool,
    /// Whether it is timed, or only asked about unknown facts.
    is_timed: bool,
}

/// Each form.
pub(super) fn peers() -> Result<Vec<Box<dyn Peer>>, Error> {
    let mut peers: Vec<Box<dyn Peer>> = Vec::new();
    let drawn = chart(Otherwise::LastArm);
    for (name, document, trace, is_timed) in [
        ("zen-switch", &drawn, false, true),
        ("zen-switch-traced", &drawn, true, true),
        ("zen-switch-no-else", &chart(Otherwise::Nothing), false, false),
        ("zen-table", &table(), false, true),
        ("zen-table-traced", &table(), true, true),
    ] {
        peers.push(Box::new(Zen { name, decision: decision(&document.to_string())?, trace, is_timed }));
    }
    Ok(peers)
}

/// A decision from its text, checked and compiled: all that the engine can do ahead.
pub(crate) fn decision(text: &str) -> Result<Decision, Error> {
    let content: DecisionContent =
        serde_json::from_str(text).map_err(|error| Error::failed("zen's graph", error))?;
    let mut decision = DecisionEngine::default()
        .create_decision(Arc::new(content))
        .map_err(|error| Error::failed("zen's decision", error))?;
    decision.validate().map_err(|error| Error::failed("zen's graph", error))?;
    decision.compile();
    Ok(decision)
}

impl Zen {
    /// Evaluates it once. Everything is in memory, so its future is ready when it is first polled: no runtime's
    /// cost falls on it.
    fn evaluate(&self, facts: Variable) -> Result<Variable, Error> {
        let options = EvaluationOptions { trace: self.trace, ..EvaluationOptions::default() };
        let evaluated = pin!(self.decision.evaluate_with_opts(facts, options));
        match poll_once(evaluated) {
            Some(Ok(response)) => {
                std::hint::black_box(&response.trace);
                Ok(response.result)
            }
            Some(Err(error)) => Err(Error::failed("error", error)),
            None => Err(Error::Failed("zen waits for something".to_owned())),
        }
    }
}

fn poll_once<F: Future>(future: std::pin::Pin<&mut F>) -> Option<F::Output> {
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

impl Peer for Zen {
    fn name(&self) -> &'static str {
        self.name
    }

    fn conclude(&self, facts: &Facts) -> Result<Conclusion, Error> {
        let result = self.evaluate(Variable::from(given(facts)))?;
        Ok(match result.dot("conclusion").as_ref().and_then(Variable::as_str) {
            Some(id) => Conclusion::at(id),
            None => Conclusion::Undetermined(format!("no error, and no conclusion: {}", result.to_value())),
        })
    }

    fn side<'a>(&'a self, facts: &Facts) -> Result<Side<'a>, Error> {
        // The facts are made once and shared by count with each evaluation, as the engine's own bench does.
        let facts = Variable::from(given(facts));
        Ok(Box::new(move |runs| {
            for _ in 0..runs {
                let _ = std::hint::black_box(self.evaluate(facts.clone()));
            }
        }))
    }

    fn is_timed(&self) -> bool {
        self.is_timed
    }

    fn is_asked_of_unknowns(&self) -> bool {
        !self.trace
    }
}

/// The facts as JSON. One that is missing is left out; one that was never there, a device never seen, is null.
fn given(facts: &Facts) -> Value {
    let mut given = Map::new();
    let mut give = |name: &str, fact: Fact<Value>| {
        match fact {
            Fact::Known(value) => given.insert(name.to_owned(), value),
            Fact::Missing => None,
            Fact::Mistyped if name == "last_seen_age" => given.insert(name.to_owned(), json!("an hour")),
            Fact::Mistyped => given.insert(name.to_owned(), json!(7)),
        };
    };
    give("service_state", as_json(facts.service_state, |fact| fact.word().into()));
    give("last_seen_age", as_json(facts.last_seen, |age| age.map_or(Value::Null, Value::from)));
    give("broker_connect", as_json(facts.broker_connect, |fact| fact.word().into()));
    give("gateway_publishing", as_json(facts.gateway_publishing, |fact| fact.word().into()));
    give("presented", as_json(facts.presented, |fact| fact.word().into()));
    give("gateway_health", as_json(facts.gateway_health, |fact| fact.word().into()));
    give("site_uplink", as_json(facts.site_uplink, Value::from));
    give("ot_network", as_json(facts.ot_network, |fact| fact.word().into()));
    give("certificate", as_json(facts.certificate, |fact| fact.word().into()));
    give("power", as_json(facts.power, |fact| fact.word().into()));
    Value::Object(given)
}

fn as_json<T>(fact: Fact<T>, to: impl FnOnce(T) -> Value) -> Fact<Value> {
    match fact {
        Fact::Known(value) => Fact::Known(to(value)),
        Fact::Missing => Fact::Missing,
        Fact::Mistyped => Fact::Mistyped,
    }
}
