//! Shows two ways of deduplication, in a Redis of its own or in the one that is named; works on the cases of a PostgreSQL; or watches
//! a consumer group of Kafka.

use std::io::{Read as _, Write as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use iot_runbook::lag::{Judge, Settings};
use platform::kafka::{GroupWatch, follow};
use platform::link::Link;
use platform::story::tell;
use platform::worker::work;
use private::Redis;
use rdkafka::ClientConfig;

const USAGE: &str = "\
The same messages through two ways of deduplication in Redis, and what each loses.

  platform              in a redis-server of its own, which is stopped at the end
  platform redis://...  in that one: keys that begin with `dedup:` and `id-only:`, left there

  platform worker DATABASE NAME
                        works on the due cases of that PostgreSQL, such as `host=/run/postgresql dbname=fleet`, until its
                        standard input ends; start as many as you like

  platform kafka BOOTSTRAP GROUP TOPIC
                        says each 5 s whether that consumer group keeps up, until its standard input ends; it never joins
                        the group. Without BOOTSTRAP it takes the variable KAFKA_BOOTSTRAP";

/// How long lies between two looks at a consumer group.
const LOOK_EVERY: Duration = Duration::from_secs(5);

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
        [command, bootstrap, group, topic] if command == "kafka" => kafka(bootstrap, group, topic).await,
        [command, group, topic] if command == "kafka" => match std::env::var("KAFKA_BOOTSTRAP") {
            Ok(bootstrap) => kafka(&bootstrap, group, topic).await,
            Err(_) => Err("no broker is named: give its address, or set `KAFKA_BOOTSTRAP`".into()),
        },
        [url] if url.starts_with("redis://") => story(url).await,
        _ => say(USAGE),
    }
}

async fn story(url: &str) -> Result<(), Error> {
    say(&tell(Arc::new(Link::new(url)?)).await?.text)
}

async fn kafka(bootstrap: &str, group: &str, topic: &str) -> Result<(), Error> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap);
    let watch = GroupWatch::new(&config, group, topic, "ingest")?;
    let judge = Judge::new(Settings::default())?;
    let (running, stop) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        // The content does not matter, and an error ends it as well.
        let mut rest = Vec::new();
        std::io::stdin().read_to_end(&mut rest).ok();
        drop(running);
    });
    let following = move || {
        follow(watch, &judge, LOOK_EVERY, &stop, |line| {
            // Where nobody reads any more it goes on until its input ends.
            writeln!(std::io::stdout(), "{line}").ok();
        });
    };
    Ok(tokio::task::spawn_blocking(following).await?)
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
