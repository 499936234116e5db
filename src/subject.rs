//! Whom a diagnosis is about: the [`Subject`], the [`Scope`] that a check asks of it, and the [`Trigger`]
//! that began it.
//!
//! # Blank names
//! A name that is empty, or of blanks alone, names nothing: what a registry leaves empty must not become one gateway that
//! devices of two sites share. [`DeviceId::new`] and its like refuse one; `From` cannot, so it is refused where it would begin
//! something:
//! - A subject has no part of a blank name: [`Subject::part`] is `None`, its checks are unknown, and no act has it as target.
//! - [`Diagnosis::new`](crate::Diagnosis::new) refuses a subject whose device has a blank name.
//! - A fleet takes no alert about one, and its topology refuses one when it is read.
//! - An expiry index and a certificate's lifecycle refuse one.

mod trace_parent;

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::time::Period;

pub use trace_parent::{TraceParent, TraceParentError};

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident = $kind:literal)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name, checked: it is not blank.
            ///
            /// # Errors
            /// [`BlankName`] where it is empty, or of blanks alone.
            pub fn new(name: impl Into<Arc<str>>) -> Result<Self, BlankName> {
                let name = Self(name.into());
                name.check().map(|()| name)
            }

            /// Refuses it where it is blank.
            pub(crate) fn check(&self) -> Result<(), BlankName> {
                if self.is_blank() { Err(BlankName { kind: $kind }) } else { Ok(()) }
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// True if the name is empty, or of blanks alone: it names nothing.
            #[must_use]
            pub fn is_blank(&self) -> bool {
                is_blank(&self.0)
            }
        }

        /// Without a check: [`new`](Self::new) refuses a blank name.
        impl<T: Into<Arc<str>>> From<T> for $name {
            fn from(name: T) -> Self {
                Self(name.into())
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        // Sound: equality, order and hash are those of the text.
        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl PartialEq<str> for $name {
            fn eq(&self, other: &str) -> bool {
                *self.0 == *other
            }
        }

        impl PartialEq<&str> for $name {
            fn eq(&self, other: &&str) -> bool {
                *self.0 == **other
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    )*};
}

names! {
    /// The platform's name of a device. Cheap to clone; a map with it as key is searched by `&str`.
    ///
    /// ```
    /// use std::collections::HashMap;
    /// use iot_runbook::subject::DeviceId;
    ///
    /// let rooms = HashMap::from([(DeviceId::from("press-07"), "hall 2")]);
    /// assert_eq!(rooms.get("press-07"), Some(&"hall 2"));
    /// assert!(DeviceId::from("press-07") == "press-07");
    /// assert!(DeviceId::new(" ").is_err());
    /// ```
    DeviceId = "device"
    /// The platform's name of a gateway. Cheap to clone.
    GatewayId = "gateway"
    /// The platform's name of a site (a plant). Cheap to clone.
    SiteId = "site"
    /// The platform's name of an ingestion pipeline, such as a consumer group. Cheap to clone.
    PipelineId = "pipeline"
    /// The platform's name of a tag (one measured signal of a device). Cheap to clone.
    TagId = "tag"
}

/// A name that is empty, or of blanks alone: it names nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("the name of a {kind} is blank: give the name that the platform has for it")]
#[non_exhaustive]
pub struct BlankName {
    /// What it would have named, such as `gateway`.
    pub kind: &'static str,
}

named! {
    /// Which part of the subject a check asks about.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    #[non_exhaustive]
    Scope {
        /// The device itself.
        Device = "device",
        /// One tag of the device; the device as a whole where the subject names no tag.
        Tag = "tag",
        /// The gateway of the device.
        Gateway = "gateway",
        /// The site of the device.
        Site = "site",
        /// The ingestion pipeline that its messages pass.
        Pipeline = "pipeline",
        /// Whoever holds the MQTT session that carries the device's messages: the gateway, or the device itself.
        Session = "session",
        /// The platform itself: broker and ingestion.
        Platform = "platform",
    }
}

/// Who holds the MQTT session that carries the messages of a device.
///
/// The session holder is the one whose CONNECT, refusal, certificate and publishing are asked about. What was asked of one
/// holder says nothing about another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum SessionHolder {
    /// The device has a session of its own.
    Own,
    /// The device travels in the session of its gateway.
    Gateway,
    /// The topology does not say: the broker's answer decides.
    #[default]
    NotKnown,
}

impl SessionHolder {
    const fn is_not_known(&self) -> bool {
        matches!(self, Self::NotKnown)
    }
}

impl Scope {
    /// Every scope, in the order of their declaration.
    pub const ALL: [Self; 7] =
        [Self::Device, Self::Tag, Self::Gateway, Self::Site, Self::Pipeline, Self::Session, Self::Platform];

    /// True if every subject whose device has a name names a part of this scope.
    #[must_use]
    pub const fn is_always_named(self) -> bool {
        matches!(self, Self::Device | Self::Tag | Self::Session | Self::Platform)
    }

    /// The scope of that name in documents.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.name() == name)
    }
}

/// The device that a diagnosis is about, and what is known of its place: tag, gateway, site, pipeline.
///
/// A check whose scope the subject does not name (a gateway check of a device without a gateway) is unknown,
/// never healthy.
///
/// A [blank name](self#blank-names) of a part is no name: what a registry leaves empty must not become one gateway that
/// devices share.
///
/// ```
/// use chrono::TimeDelta;
/// use iot_runbook::subject::Subject;
///
/// let subject = Subject::device("press-07")
///     .with_gateway("gw-2")
///     .with_site("plant-north")
///     .with_reporting_interval(TimeDelta::seconds(60));
/// assert_eq!(subject.device.as_str(), "press-07");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Subject {
    /// The device.
    pub device: DeviceId,
    /// One tag of it, where the diagnosis is about a single signal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<TagId>,
    /// The gateway in front of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<GatewayId>,
    /// Its site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<SiteId>,
    /// The pipeline that its messages pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pipeline: Option<PipelineId>,
    /// The past period in question; a data gap has one, a device that is offline now has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period: Option<Period>,
    /// How often the device means to publish; zero where it is not known. The age of its last-seen timestamp
    /// is counted from when the next message was due. Never negative.
    #[serde(default, with = "interval", skip_serializing_if = "TimeDelta::is_zero")]
    reporting_interval: TimeDelta,
    /// Who holds the MQTT session that carries its messages.
    #[serde(default, skip_serializing_if = "SessionHolder::is_not_known")]
    pub session: SessionHolder,
}

impl Subject {
    /// A device of which nothing else is known.
    #[must_use]
    pub fn device(device: impl Into<DeviceId>) -> Self {
        Self {
            device: device.into(),
            tag: None,
            gateway: None,
            site: None,
            pipeline: None,
            period: None,
            reporting_interval: TimeDelta::zero(),
            session: SessionHolder::NotKnown,
        }
    }

    /// The device has an MQTT session of its own.
    #[must_use]
    pub const fn with_own_session(mut self) -> Self {
        self.session = SessionHolder::Own;
        self
    }

    /// The device travels in the MQTT session of its gateway.
    #[must_use]
    pub const fn with_gateway_session(mut self) -> Self {
        self.session = SessionHolder::Gateway;
        self
    }

    setters! {
        /// One tag of the device.
        with_tag(tag: impl Into<TagId>) => tag = TagId::new(tag.into().0).ok();
        /// The gateway in front of the device.
        with_gateway(gateway: impl Into<GatewayId>) => gateway = GatewayId::new(gateway.into().0).ok();
        /// Its site.
        with_site(site: impl Into<SiteId>) => site = SiteId::new(site.into().0).ok();
        /// The pipeline that its messages pass.
        with_pipeline(pipeline: impl Into<PipelineId>) => pipeline = PipelineId::new(pipeline.into().0).ok();
        /// The past period in question.
        const with_period(period: Period) => period = Some(period);
        /// How often the device means to publish. A negative interval is taken as zero.
        with_reporting_interval(interval: TimeDelta) => reporting_interval = interval.max(TimeDelta::zero());
    }

    /// How often the device means to publish; zero where it is not known.
    #[must_use]
    pub const fn reporting_interval(&self) -> TimeDelta {
        self.reporting_interval
    }

    /// The same without the parts of a blank name.
    pub(crate) fn without_blank_parts(mut self) -> Self {
        self.tag = self.tag.filter(|name| !name.is_blank());
        self.gateway = self.gateway.filter(|name| !name.is_blank());
        self.site = self.site.filter(|name| !name.is_blank());
        self.pipeline = self.pipeline.filter(|name| !name.is_blank());
        self
    }

    /// The part that `scope` asks about, or `None` where the subject does not name it. Of the session: whoever holds it,
    /// as in [`Subject::name_of`].
    #[must_use]
    pub fn part(&self, scope: Scope) -> Option<Part> {
        let device = || Part::Device(self.device.clone());
        let part = match scope {
            Scope::Platform => Part::Platform,
            Scope::Pipeline => Part::Pipeline(self.pipeline.clone()?),
            Scope::Site => Part::Site(self.site.clone()?),
            Scope::Gateway => Part::Gateway(self.gateway.clone()?),
            Scope::Device => device(),
            Scope::Tag => self.named_tag().cloned().map_or_else(device, Part::Tag),
            Scope::Session => self.carrier().cloned().map_or_else(device, Part::Gateway),
        };
        Some(part).filter(|part| !part.is_blank())
    }

    /// The name of the part that `scope` asks about, or `None` where the subject does not name it. Of the session: the
    /// gateway where the device travels in its session and one is named, else the device.
    #[must_use]
    pub fn name_of(&self, scope: Scope) -> Option<&str> {
        let name = match scope {
            Scope::Device => self.device.as_str(),
            Scope::Tag => self.named_tag().map_or(self.device.as_str(), TagId::as_str),
            Scope::Gateway => self.gateway.as_ref()?.as_str(),
            Scope::Site => self.site.as_ref()?.as_str(),
            Scope::Pipeline => self.pipeline.as_ref()?.as_str(),
            Scope::Platform => "platform",
            Scope::Session => self.carrier().map_or(self.device.as_str(), GatewayId::as_str),
        };
        Some(name).filter(|name| !is_blank(name))
    }

    fn named_tag(&self) -> Option<&TagId> {
        self.tag.as_ref().filter(|tag| !tag.is_blank())
    }

    /// The gateway in whose session the device travels.
    fn carrier(&self) -> Option<&GatewayId> {
        let gateway = self.gateway.as_ref().filter(|gateway| !gateway.is_blank());
        gateway.filter(|_| self.session == SessionHolder::Gateway)
    }
}

fn is_blank(name: &str) -> bool {
    name.trim().is_empty()
}

/// One named part of a fleet: what a conclusion blames, and what devices may share. A session is no part of its own:
/// whoever holds it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Part {
    /// The platform itself.
    Platform,
    /// An ingestion pipeline.
    Pipeline(PipelineId),
    /// A site.
    Site(SiteId),
    /// A gateway.
    Gateway(GatewayId),
    /// A device.
    Device(DeviceId),
    /// A tag of a device.
    Tag(TagId),
}

impl Part {
    /// What kind of part it is.
    #[must_use]
    pub const fn scope(&self) -> Scope {
        match self {
            Self::Platform => Scope::Platform,
            Self::Pipeline(_) => Scope::Pipeline,
            Self::Site(_) => Scope::Site,
            Self::Gateway(_) => Scope::Gateway,
            Self::Device(_) => Scope::Device,
            Self::Tag(_) => Scope::Tag,
        }
    }

    /// The platform's name of it; of the platform itself `platform`.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Platform => "platform",
            Self::Pipeline(name) => name.as_str(),
            Self::Site(name) => name.as_str(),
            Self::Gateway(name) => name.as_str(),
            Self::Device(name) => name.as_str(),
            Self::Tag(name) => name.as_str(),
        }
    }

    /// True if its name is empty, or of blanks alone: it names no part.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        is_blank(self.name())
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Platform => f.write_str("platform"),
            named => write!(f, "{} {}", named.scope(), named.name()),
        }
    }
}

/// What began a diagnosis: an alert or a detection, and when it was raised.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Trigger {
    /// What it says, such as `offline alert 4711`.
    pub text: Arc<str>,
    /// When it was raised, by the platform's clock.
    pub at: DateTime<Utc>,
    /// The trace that it belongs to, where it has one: the spans of its diagnosis carry it, also after a resume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_parent: Option<TraceParent>,
}

impl Trigger {
    /// A trigger raised at `at`.
    #[must_use]
    pub fn new(text: impl Into<Arc<str>>, at: DateTime<Utc>) -> Self {
        Self { text: text.into(), at, trace_parent: None }
    }

    /// The same with the trace that it belongs to.
    #[must_use]
    pub const fn with_trace_parent(mut self, parent: TraceParent) -> Self {
        self.trace_parent = Some(parent);
        self
    }
}

/// The digests of saved diagnoses are taken of this form: without a trace parent it is that of earlier releases, so that what
/// they saved still resumes.
impl fmt::Debug for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("Trigger");
        fields.field("text", &self.text).field("at", &self.at);
        if let Some(parent) = &self.trace_parent {
            fields.field("trace_parent", parent);
        }
        fields.finish()
    }
}

mod interval {
    use chrono::TimeDelta;
    use serde::{Deserialize as _, Deserializer, Serializer, de};

    use crate::time::{format_duration, parse_duration};

    pub(super) fn serialize<S: Serializer>(interval: &TimeDelta, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&format_duration(*interval))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<TimeDelta, D::Error> {
        let interval = parse_duration(&String::deserialize(from)?).map_err(de::Error::custom)?;
        if interval < TimeDelta::zero() {
            return Err(de::Error::custom("a reporting interval must not be negative"));
        }
        Ok(interval)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_blank_names_are_no_parts() {
        let names = ["", " ", "\t\n", "\u{2003}", "press-07"];
        let sessions = [SessionHolder::Own, SessionHolder::Gateway, SessionHolder::NotKnown];
        for device in names {
            for part in names {
                for session in sessions {
                    // By the public fields, past what `with_gateway` and its like leave out.
                    let mut subject = Subject::device(device);
                    subject.session = session;
                    (subject.tag, subject.gateway) = (Some(part.into()), Some(part.into()));
                    (subject.site, subject.pipeline) = (Some(part.into()), Some(part.into()));
                    let bare = subject.clone().without_blank_parts();
                    for scope in Scope::ALL {
                        let named = subject.part(scope);
                        assert!(named.as_ref().is_none_or(|part| !part.is_blank()), "{subject:?} {scope}");
                        assert_eq!(
                            named.as_ref().map(Part::name),
                            subject.name_of(scope),
                            "{subject:?} {scope}"
                        );
                        assert_eq!(bare.part(scope), named, "{subject:?} {scope}");
                    }
                    assert_eq!(subject.part(Scope::Gateway).is_some(), !part.trim().is_empty());
                }
            }
        }
    }

    #[test]
    fn session_is_always_named_after_its_holder() {
        let device = Subject::device("press-07");
        let behind = device.clone().with_gateway("gw-2");
        for (subject, name) in [
            (device.clone(), "press-07"),
            (behind.clone(), "press-07"),
            (behind.clone().with_own_session(), "press-07"),
            (behind.with_gateway_session(), "gw-2"),
            (device.clone().with_gateway_session(), "press-07"),
        ] {
            assert_eq!(subject.name_of(Scope::Session), Some(name), "{subject:?}");
            for scope in Scope::ALL {
                let part = subject.part(scope);
                assert_eq!(part.as_ref().map(Part::name), subject.name_of(scope), "{subject:?} {scope}");
            }
            let text = serde_json::to_string(&subject).unwrap();
            assert_eq!(serde_json::from_str::<Subject>(&text).unwrap(), subject);
            // What was saved before reads as not known.
            assert_eq!(text.contains("session"), subject.session != SessionHolder::NotKnown);
        }
        assert!(Scope::ALL.iter().all(|scope| scope.is_always_named() == device.name_of(*scope).is_some()));
    }
}
