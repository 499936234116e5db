//! The chart in the format of zen-engine.

use serde_json::{Map, Value, json};

/// What becomes of a value that no condition of a step takes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Otherwise {
    /// It takes the last arm, as an `else` does: how such charts are drawn.
    LastArm,
    /// It takes none, since the last arm too names its values.
    Nothing,
}

/// One step: its id, and its arms in the order in which they are tried: a condition and where it leads. The last
/// takes whatever is left, or has its own condition where there is no `else`.
type Step = (&'static str, &'static [(&'static str, &'static str)]);

const STEPS: &[Step] = &[
    (
        "service-state",
        &[
            ("service_state == 'maintenance' or service_state == 'decommissioned'", "expected-offline"),
            ("service_state == 'never-provisioned'", "never-provisioned"),
            ("service_state == 'in-service'", "last-seen"),
        ],
    ),
    (
        "last-seen",
        &[
            ("last_seen_age >= -30 and last_seen_age < 300", "flap"),
            ("last_seen_age >= 300 and last_seen_age < 1800", "watch"),
            ("last_seen_age == null or last_seen_age < -30 or last_seen_age >= 1800", "broker-connect"),
        ],
    ),
    (
        "broker-connect",
        &[
            ("broker_connect == 'session-up' or broker_connect == 'recent-connect'", "gateway-publishing"),
            ("broker_connect == 'refused'", "refused-certificate"),
            ("broker_connect == 'none'", "gateway-health"),
        ],
    ),
    (
        "gateway-publishing",
        &[
            ("gateway_publishing == 'publishing'", "field-protocol-fault"),
            ("gateway_publishing == 'silent'", "gateway-client-fault"),
        ],
    ),
    (
        "refused-certificate",
        &[
            ("presented == 'none'", "never-provisioned"),
            ("presented == 'revoked'", "certificate-revoked"),
            ("presented == 'not-yet-valid'", "certificate-not-yet-valid"),
            ("presented == 'expired'", "renew-certificate"),
            ("presented == 'valid'", "connection-refused"),
        ],
    ),
    (
        "gateway-health",
        &[
            ("gateway_health == 'offline' or gateway_health == 'oom'", "restart-gateway"),
            ("gateway_health == 'unreachable'", "site-uplink"),
            ("gateway_health == 'healthy' or gateway_health == 'degraded'", "ot-network"),
        ],
    ),
    (
        "site-uplink",
        &[("site_uplink == true", "restart-gateway"), ("site_uplink == false", "ot-network-fault")],
    ),
    (
        "ot-network",
        &[("ot_network == 'unreachable'", "ot-network-fault"), ("ot_network == 'reachable'", "certificate")],
    ),
    (
        "certificate",
        &[
            ("certificate == 'none'", "never-provisioned"),
            ("certificate == 'revoked'", "certificate-revoked"),
            ("certificate == 'not-yet-valid'", "certificate-not-yet-valid"),
            ("certificate == 'expired'", "renew-certificate"),
            ("certificate == 'valid'", "power"),
        ],
    ),
    ("power", &[("power == 'confirmed'", "dispatch-technician"), ("power == 'uncertain'", "power-fault")]),
];

/// A decision graph as it grows.
#[derive(Default)]
pub(crate) struct Graph {
    nodes: Vec<Value>,
    edges: Vec<Value>,
}

impl Graph {
    /// A graph with its input node, which leads to `start`.
    pub(crate) fn new(start: &str) -> Self {
        let mut graph = Self::default();
        graph.node("input", "inputNode", json!({}));
        graph.edge("input", start, None);
        graph
    }

    /// A switch node with its arms. Where the last is the `else`, its condition is left out.
    pub(crate) fn switch<'a>(
        &mut self,
        id: &str,
        arms: impl ExactSizeIterator<Item = (&'a str, &'a str)>,
        otherwise: Otherwise,
    ) {
        let last = arms.len().saturating_sub(1);
        let mut statements = Vec::with_capacity(arms.len());
        for (at, (condition, to)) in arms.enumerate() {
            let is_else = at == last && otherwise == Otherwise::LastArm;
            let handle = format!("{id}/{at}");
            statements.push(json!({ "id": handle, "condition": if is_else { "" } else { condition } }));
            self.edge(id, to, Some(&handle));
        }
        self.node(id, "switchNode", json!({ "hitPolicy": "first", "statements": statements }));
    }

    /// An expression node that says the conclusion.
    pub(crate) fn conclusion(&mut self, id: &str) {
        let says = json!([{ "id": format!("{id}/says"), "key": "conclusion", "value": format!("'{id}'") }]);
        self.node(id, "expressionNode", json!({ "expressions": says }));
    }

    fn node(&mut self, id: &str, kind: &str, content: Value) {
        // Built as a map: the macro would clone the content.
        let node = Map::from_iter([
            ("id".to_owned(), id.into()),
            ("name".to_owned(), id.into()),
            ("type".to_owned(), kind.into()),
            ("content".to_owned(), content),
        ]);
        self.nodes.push(Value::Object(node));
    }

    fn edge(&mut self, from: &str, to: &str, handle: Option<&str>) {
        let id = format!("{from}>{to}>{}", handle.unwrap_or_default());
        self.edges.push(json!({ "id": id, "sourceId": from, "targetId": to, "sourceHandle": handle }));
    }

    /// The document.
    pub(crate) fn document(self) -> Value {
        let parts = [("nodes".to_owned(), self.nodes.into()), ("edges".to_owned(), self.edges.into())];
        Value::Object(Map::from_iter(parts))
    }
}

/// The chart with a switch node for each step and an expression node for each end.
pub(crate) fn chart(otherwise: Otherwise) -> Value {
    let mut graph = Graph::new("service-state");
    for (id, arms) in STEPS {
        graph.switch(id, arms.iter().copied(), otherwise);
    }
    let is_step = |id: &str| STEPS.iter().any(|(step, _)| *step == id);
    let mut ends: Vec<&str> =
        STEPS.iter().flat_map(|(_, arms)| *arms).map(|(_, to)| *to).filter(|to| !is_step(to)).collect();
    ends.sort_unstable();
    ends.dedup();
    for end in ends {
        graph.conclusion(end);
    }
    graph.document()
}

/// The columns of the table.
const COLUMNS: [&str; 10] = [
    "service_state",
    "last_seen_age",
    "broker_connect",
    "gateway_publishing",
    "presented",
    "gateway_health",
    "site_uplink",
    "ot_network",
    "certificate",
    "power",
];

/// One row: the cells that are not empty, and what it concludes.
type TableRow = (&'static [(&'static str, &'static str)], &'static str);

/// The rows, of which the first that fits counts.
const ROWS: &[TableRow] = &[
    (&[("service_state", "'maintenance', 'decommissioned'")], "expected-offline"),
    (&[("service_state", "'never-provisioned'")], "never-provisioned"),
    (&[("last_seen_age", "[-30..300)")], "flap"),
    (&[("last_seen_age", "[300..1800)")], "watch"),
    (
        &[("broker_connect", "'session-up', 'recent-connect'"), ("gateway_publishing", "'publishing'")],
        "field-protocol-fault",
    ),
    (&[("broker_connect", "'session-up', 'recent-connect'")], "gateway-client-fault"),
    (&[("broker_connect", "'refused'"), ("presented", "'none'")], "never-provisioned"),
    (&[("broker_connect", "'refused'"), ("presented", "'revoked'")], "certificate-revoked"),
    (&[("broker_connect", "'refused'"), ("presented", "'not-yet-valid'")], "certificate-not-yet-valid"),
    (&[("broker_connect", "'refused'"), ("presented", "'expired'")], "renew-certificate"),
    (&[("broker_connect", "'refused'")], "connection-refused"),
    (&[("gateway_health", "'offline', 'oom'")], "restart-gateway"),
    (&[("gateway_health", "'unreachable'"), ("site_uplink", "true")], "restart-gateway"),
    (&[("gateway_health", "'unreachable'")], "ot-network-fault"),
    (&[("ot_network", "'unreachable'")], "ot-network-fault"),
    (&[("certificate", "'none'")], "never-provisioned"),
    (&[("certificate", "'revoked'")], "certificate-revoked"),
    (&[("certificate", "'not-yet-valid'")], "certificate-not-yet-valid"),
    (&[("certificate", "'expired'")], "renew-certificate"),
    (&[("power", "'confirmed'")], "dispatch-technician"),
    (&[], "power-fault"),
];

/// The chart as one decision table over all facts.
pub(crate) fn table() -> Value {
    let inputs: Vec<_> =
        COLUMNS.iter().map(|name| json!({ "id": name, "name": name, "field": name })).collect();
    let rules: Vec<_> = ROWS
        .iter()
        .enumerate()
        .map(|(at, (cells, conclusion))| {
            let mut rule = Map::from_iter(COLUMNS.map(|name| (name.to_owned(), "".into())));
            for (name, cell) in *cells {
                rule.insert((*name).to_owned(), (*cell).into());
            }
            rule.insert("_id".to_owned(), format!("row-{at}").into());
            rule.insert("out".to_owned(), format!("'{conclusion}'").into());
            Value::Object(rule)
        })
        .collect();
    let mut graph = Graph::new("table");
    let outputs = json!([{ "id": "out", "name": "conclusion", "field": "conclusion" }]);
    let content = json!({ "hitPolicy": "first", "inputs": inputs, "outputs": outputs, "rules": rules });
    graph.node("table", "decisionTableNode", content);
    graph.document()
}
