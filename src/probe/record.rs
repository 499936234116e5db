/// Requests and answers: public fields, and a `new` that takes them; those after `..` begin at their default instead, and
/// have a `with_*`. A request derives `Eq` and `Hash` as well: layers share answers by it.
macro_rules! records {
    ($(
        $(#[$doc:meta])*
        $name:ident {
            $($(#[$required_doc:meta])* $required:ident: $required_type:ty,)*
            $(.. $(
                $(#[$optional_doc:meta])*
                $optional:ident: $optional_type:ty = $with:ident($arg:ident: $arg_type:ty) => $set:expr,
            )*)?
        }
    )*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        #[non_exhaustive]
        pub struct $name {
            $($(#[$required_doc])* pub $required: $required_type,)*
            $($($(#[$optional_doc])* pub $optional: $optional_type,)*)?
        }

        impl $name {
            /// With the required fields; the others have their defaults.
            #[must_use]
            pub fn new($($required: $required_type),*) -> Self {
                Self { $($required,)* $($($optional: Default::default(),)*)? }
            }

            $($(
                #[doc = concat!("The same with [`", stringify!($optional), "`](Self::", stringify!($optional), ") set.")]
                #[must_use]
                pub fn $with(mut self, $arg: $arg_type) -> Self {
                    self.$optional = $set;
                    self
                }
            )*)?
        }
    )*};
}

pub(super) use records;
