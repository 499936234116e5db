//! Catches panics in user code.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A panic of user code, with its message.
#[derive(Debug)]
pub(super) struct Panicked {
    who: &'static str,
    said: Option<Box<str>>,
}

/// Runs `work`, and catches its panic. The caller must not use what a panic left half done.
///
/// # Errors
/// [`Panicked`], with the message of the panic.
pub(super) fn catch_panic<T>(who: &'static str, work: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let panicked = Panicked { who, said: words(&*panic).map(Into::into) };
        #[cfg(feature = "tracing")]
        tracing::error!(%panicked, "caught a panic");
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
