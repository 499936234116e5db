//! Macros that the whole library writes its plain types with.

/// Builder methods, each of which sets one field: `with_seed(seed: u64) => seed = Some(seed);`, with `const` before it where
/// it can be one.
macro_rules! setters {
    () => {};
    ($(#[$meta:meta])* const $with:ident($arg:ident: $type:ty) => $field:ident = $set:expr; $($rest:tt)*) => {
        $(#[$meta])*
        #[must_use]
        pub const fn $with(mut self, $arg: $type) -> Self {
            self.$field = $set;
            self
        }

        setters! { $($rest)* }
    };
    ($(#[$meta:meta])* $with:ident($arg:ident: $type:ty) => $field:ident = $set:expr; $($rest:tt)*) => {
        $(#[$meta])*
        #[must_use]
        pub fn $with(mut self, $arg: $type) -> Self {
            self.$field = $set;
            self
        }

        setters! { $($rest)* }
    };
}

/// An enum whose variants have names: `name()` and `Display` write them. Whoever saves it derives serde's traits with
/// `rename_all`, or with a `rename` for each.
macro_rules! named {
    ($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$meta])*
        pub enum $name {
            $($(#[$variant_meta])* $variant,)*
        }

        impl $name {
            /// Its name in documents and reports:
            #[doc = concat!($("`", $text, "` "),*)]
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.name())
            }
        }
    };
}

/// A type that is saved as its text: `Display` writes it and `FromStr` reads it.
macro_rules! as_text {
    ($name:ident) => {
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

/// The error of somebody who was asked: its kind says what to do, a text what happened, and its cause is for
/// [`source`](std::error::Error::source) alone. The type has the fields, `of(kind, text)` and `Display` itself.
macro_rules! failure {
    ($name:ident: $kind:ident { $($(#[$doc:meta])* $make:ident => $as:expr;)* }) => {
        impl $name {
            $(
                $(#[$doc])*
                #[must_use]
                pub fn $make(text: impl Into<std::borrow::Cow<'static, str>>) -> Self {
                    Self::of($as, text)
                }
            )*

            /// The same, with the error that caused it, for [`source`](std::error::Error::source).
            #[must_use]
            pub fn with_cause(mut self, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
                self.cause = Some(std::sync::Arc::from(cause.into()));
                self
            }

            /// What to do about it.
            #[must_use]
            pub const fn kind(&self) -> $kind {
                self.kind
            }

            /// What happened.
            #[must_use]
            pub fn text(&self) -> &str {
                &self.text
            }
        }

        impl std::error::Error for $name {
            fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
                Some(self.cause.as_deref()?)
            }
        }
    };
}
