use std::any::Any;
use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

/// Something of the user's has panicked, and what it said.
#[derive(Debug)]
pub(super) struct Panicked {
    who: &'static str,
    said: Option<Box<str>>,
}

/// What `work` comes to, or that it panicked: an adapter that does must not take the diagnosis with it. It is polled
/// no more then.
///
/// # Errors
/// [`Panicked`], with the words of the panic.
pub(super) async fn caught<T>(who: &'static str, work: impl Future<Output = T>) -> Result<T, Panicked> {
    let mut work = pin!(work);
    poll_fn(move |context| {
        // What the panic left half done is the adapter's own, which is not used here again.
        match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(done)) => Poll::Ready(Ok(done)),
            Err(panic) => {
                let panicked = Panicked { who, said: words(&*panic).map(Into::into) };
                #[cfg(feature = "tracing")]
                tracing::error!(%panicked, "caught");
                Poll::Ready(Err(panicked))
            }
        }
    })
    .await
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
