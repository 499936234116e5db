//! Shows two ways of deduplication, in a Redis of its own or in the one that is named; or works on the cases of a PostgreSQL.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use platform::link::Link;
use platform::story::tell;
use platform::worker::work;
use private::Redis;

const USAGE: &str = "\
The same messages through two ways of deduplication in Redis, and what each loses.

  platform              in a redis-server of its own, which is stopped at the end
  platform redis://...  in that one: keys that begin with `dedup:` and `id-only:`, left there

  platform worker DATABASE NAME
                        works on the due cases of that PostgreSQL, such as `host=/run/postgresql dbname=fleet`, until its
                        standard input ends; start as many as you like";

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
            let redis = Redis::start()?;
            story(&redis.url()).await
        }
        [command, database, name] if command == "worker" => work(database, name).await,
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
