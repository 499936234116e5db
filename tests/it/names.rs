//! A blank name names nothing: it reaches no act, approval, incident or key.

use std::sync::LazyLock;

use chrono::TimeDelta;
use iot_runbook::diagnosis::{BeginError, Diagnosis};
use iot_runbook::runbook::RunbookSet;
use iot_runbook::subject::{DeviceId, GatewayId, PipelineId, SiteId, Subject, TagId, Trigger};
use iot_runbook::{Document, catalog};
use proptest::prelude::*;
use ulid::Ulid;

use crate::deepest::NOW;
use crate::model::World;
use crate::player;

const BLANK: [&str; 4] = ["", " ", "\t\n", "\u{2003}"];

/// A blank name, half of the time; else none.
fn blank() -> impl Strategy<Value = Option<&'static str>> {
    prop::option::of(prop::sample::select(&BLANK[..]))
}

/// The built-in runbooks, and two that have everything a document can say.
static SET: LazyLock<RunbookSet> = LazyLock::new(|| {
    let press = [include_str!("machine/press.toml"), include_str!("machine/feed.toml")];
    let press = press.map(|text| Document::from_toml(text).unwrap());
    let documents = catalog::documents().unwrap().into_iter().chain(press);
    RunbookSet::new(documents.map(|document| document.validate().unwrap())).unwrap()
});

proptest! {
    #![proptest_config(crate::random::cases(100))]

    #[test]
    fn blank_part_walks_as_no_part(
        runbook in prop::sample::select(&["press", "feed", "device-offline", "data-gap"][..]),
        (gateway, site) in (blank(), blank()),
        (pipeline, tag) in (blank(), blank()),
        seed: u64,
        unknowns in 0..8_u64,
    ) {
        let mut without = player::subject();
        without.gateway = without.gateway.filter(|_| gateway.is_none());
        without.site = without.site.filter(|_| site.is_none());
        without.pipeline = without.pipeline.filter(|_| pipeline.is_none());
        without.tag = without.tag.filter(|_| tag.is_none());
        let mut blank = without.clone();
        blank.gateway = blank.gateway.or_else(|| gateway.map(Into::into));
        blank.site = blank.site.or_else(|| site.map(Into::into));
        blank.pipeline = blank.pipeline.or_else(|| pipeline.map(Into::into));
        blank.tag = blank.tag.or_else(|| tag.map(Into::into));
        let world = World { seed, unknowns, news: 0 };
        let walked = |subject| {
            let begun = player::begin_of(&SET, runbook, subject, NOW - TimeDelta::minutes(10));
            player::play(begun, world, |same| same).bundle()
        };
        prop_assert_eq!(walked(blank), walked(without));
    }
}

#[test]
fn checked_names_are_not_blank() {
    for blank in BLANK {
        let errors = [
            DeviceId::new(blank).unwrap_err(),
            GatewayId::new(blank).unwrap_err(),
            SiteId::new(blank).unwrap_err(),
            PipelineId::new(blank).unwrap_err(),
            TagId::new(blank).unwrap_err(),
        ];
        let kinds = errors.map(|error| error.kind);
        assert_eq!(kinds, ["device", "gateway", "site", "pipeline", "tag"]);
    }
    assert_eq!(GatewayId::new("gw-2").unwrap(), "gw-2");
    let error = GatewayId::new(" ").unwrap_err().to_string();
    assert_eq!(error, "the name of a gateway is blank: give the name that the platform has for it");
}

#[test]
fn no_diagnosis_begins_for_a_blank_device() {
    for blank in BLANK {
        let trigger = Trigger::new("alert", NOW);
        let begun = Diagnosis::new(Ulid(1), &SET, "device-offline", Subject::device(blank), trigger, NOW);
        assert!(matches!(begun.unwrap_err(), BeginError::BlankName(name) if name.kind == "device"));
    }
}
