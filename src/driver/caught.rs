//! Panics of what is the user's.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Something of the user's has panicked, and what it said.
#[derive(Debug)]
pub(super) struct Panicked {
    who: &'static str,
    said: Option<Box<str>>,
}

/// What `work` comes to, or that it panicked. What that left half done is the user's own, and is not used again by who
/// calls this.
///
/// # Errors
/// [`Panicked`], with the words of the panic.
pub(super) fn caught<T>(who: &'static str, work: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let panicked = Panicked { who, said: words(&*panic).map(Into::into) };
        #[cfg(feature = "tracing")]
        tracing::error!(%panicked, "caught");
        panicked
    })
}

fn words(panic: &(dyn Any + Send)) -> Option<&str> {
    panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str))
}

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} panicked", self.who)?;
        match &self.said {
            Some(said) => write!(f, ": {said}"),
            None => Ok(()),
        }
    }
}
