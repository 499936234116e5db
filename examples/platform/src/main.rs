//! Tells the story, in a Redis of its own or in the one that is named.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use platform::link::Link;
use platform::private_redis::PrivateRedis;
use platform::story::tell;

const USAGE: &str = "\
The same messages through two ways of deduplication in Redis, and what each loses.

  platform              in a redis-server of its own, which is stopped at the end
  platform redis://...  in that one: keys that begin with `dedup:` and `id-only:`, left there";

type Error = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(std::env::args().skip(1).collect()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&*error);
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Vec<String>) -> Result<(), Error> {
    match &arguments[..] {
        [] => {
            let redis = PrivateRedis::start().await?;
            story(&redis.url()).await
        }
        [url] if url.starts_with("redis://") => story(url).await,
        _ => say(USAGE),
    }
}

async fn story(url: &str) -> Result<(), Error> {
    say(&tell(Arc::new(Link::new(url)?)).await?.text)
}

fn say(text: &str) -> Result<(), Error> {
    Ok(writeln!(std::io::stdout(), "{text}")?)
}

#[expect(clippy::print_stderr, reason = "a program for a terminal")]
fn complain(error: &dyn std::error::Error) {
    eprintln!("platform: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        eprintln!("  because: {error}");
        cause = error.source();
    }
}
