//! What can be asked on the command line.

use std::path::PathBuf;

use chrono::{DateTime, TimeDelta, Utc};
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use iot_runbook::lag::GroupState;
use iot_runbook::runbook::step::ApprovalPolicy;
use iot_runbook::time::parse_duration;

use crate::input::instant;
use crate::terminal::When;

const EXIT_CODES: &str = "Exit codes: 0 all is well; 1 something is wrong, or differs; 2 wrong usage, or an input that \
cannot be read.\nA FILE may be `-` for standard input. A RUNBOOK may be `catalog:NAME` for a built-in one: device-offline, \
data-gap, certificate-expiry.";

/// Checks, explains, draws, rehearses and compares runbooks, and replays saved evidence.
#[derive(Debug, Parser)]
#[command(name = "iot-runbook", version, after_help = EXIT_CODES, max_term_width = 100)]
pub(crate) struct Arguments {
    /// Whether to colour the output.
    #[arg(long, value_enum, default_value_t = When::Auto, global = true, value_name = "WHEN")]
    pub(crate) color: When,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Prove runbooks, and show every fault in its place.
    Check(Check),
    /// Show a runbook, or one step of it, in words.
    Explain(Explain),
    /// Draw a runbook as a chart.
    Draw(Draw),
    /// Run the tests of a runbook.
    Rehearse(Rehearse),
    /// Walk saved evidence again, and show the conclusion and the trace.
    Replay(Replay),
    /// Write a report of saved evidence, for a ticket or a browser.
    Report(Report),
    /// Put pseudonyms in place of the names in saved evidence; it still replays.
    Redact(Redact),
    /// Compare two runbooks by what they mean.
    Diff(Diff),
    /// Compare the flowchart of a document with a runbook.
    #[command(after_help = crate::mermaid::SUBSET)]
    Drift(Drift),
    /// Find the gaps in a series of rows.
    Gap(Gap),
    /// Judge a Kafka consumer group from samples of its offsets.
    Lag(Lag),
    /// List what is due of certificates.
    Cert(Cert),
    /// Print the JSON Schema of a kind of file, for editors.
    Schema {
        /// The kind of file.
        of: SchemaOf,
    },
    /// Print the completions of a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SchemaOf {
    /// Runbooks.
    Runbook,
    /// Files of rehearsals.
    #[value(alias = "rehearsal")]
    Rehearsals,
    /// Saved evidence: the bundle of a diagnosis.
    Bundle,
    /// Scenarios of the plant, the factory of real parts in `examples/plant`.
    Scenario,
}

/// What may override a runbook's own values.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Overrides {
    /// Override a threshold.
    #[arg(long = "threshold", value_name = "NAME=VALUE", value_parser = pair)]
    pub(crate) thresholds: Vec<(String, String)>,
    /// Override the approval of an act: automatic, required or never.
    #[arg(long = "approval", value_name = "STEP=POLICY", value_parser = approval)]
    pub(crate) approvals: Vec<(String, ApprovalPolicy)>,
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Runbooks, in TOML or JSON. Together they are one set: they may hand over to each other and to the built-in ones.
    #[arg(required = true, value_name = "RUNBOOK")]
    pub(crate) files: Vec<PathBuf>,
    /// A check that your service registers itself.
    #[arg(long = "own-check", value_name = "ID", value_delimiter = ',')]
    pub(crate) own_checks: Vec<String>,
    #[command(flatten)]
    pub(crate) overrides: Overrides,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// The runbook: a file, or `catalog:NAME` for a built-in one.
    #[arg(value_name = "RUNBOOK")]
    pub(crate) file: PathBuf,
    /// One step or conclusion of it, in full.
    pub(crate) step: Option<String>,
    #[command(flatten)]
    pub(crate) overrides: Overrides,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Draw {
    /// The runbook: a file, or `catalog:NAME` for a built-in one.
    #[arg(value_name = "RUNBOOK")]
    pub(crate) file: PathBuf,
    /// The language of the chart.
    #[arg(long, value_enum, default_value_t = Format::Mermaid)]
    pub(crate) format: Format,
    /// Draw the path of this saved evidence thick, or lit where it is a picture.
    #[arg(long, value_name = "BUNDLE")]
    pub(crate) path: Option<PathBuf>,
    /// A runbook that it hands over to; the built-in ones are there.
    #[arg(long = "with", value_name = "RUNBOOK")]
    pub(crate) with: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) overrides: Overrides,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A Mermaid flowchart, as Markdown shows it.
    Mermaid,
    /// The language of Graphviz: `dot -Tsvg` makes a picture of it.
    Dot,
    /// A picture, for a browser.
    Svg,
}

#[derive(Debug, Args)]
pub(crate) struct Rehearse {
    /// The runbook: a file, or `catalog:NAME` for a built-in one.
    #[arg(value_name = "RUNBOOK")]
    pub(crate) file: PathBuf,
    /// Files of rehearsals, in TOML or JSON.
    #[arg(required = true, value_name = "REHEARSALS")]
    pub(crate) rehearsals: Vec<PathBuf>,
    /// Also list the branches of the runbook that no rehearsal took.
    #[arg(long)]
    pub(crate) coverage: bool,
    /// Also show the trace of each rehearsal that fails.
    #[arg(long)]
    pub(crate) trace: bool,
    /// Fail where less than this share of the branches is taken, in percent.
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    pub(crate) least_coverage: Option<u8>,
    /// Fail where a rehearsal has a fact that no step asked for.
    #[arg(long)]
    pub(crate) strict: bool,
    /// A runbook that it hands over to; the built-in ones are there.
    #[arg(long = "with", value_name = "RUNBOOK")]
    pub(crate) with: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) overrides: Overrides,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// Saved evidence: the bundle of a diagnosis, in JSON or TOML.
    #[arg(value_name = "BUNDLE")]
    pub(crate) file: PathBuf,
    /// The runbook that it was made with, and those that it hands over to, where they are not built in.
    #[arg(long = "runbook", value_name = "RUNBOOK")]
    pub(crate) with: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) overrides: Overrides,
    /// Leave the trace out.
    #[arg(long)]
    pub(crate) no_trace: bool,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Report {
    /// Saved evidence: the bundle of a diagnosis, in JSON or TOML.
    #[arg(value_name = "BUNDLE")]
    pub(crate) file: PathBuf,
    /// For whom the report is.
    #[arg(long, value_enum, default_value_t = ReportFormat::Markdown)]
    pub(crate) format: ReportFormat,
    /// The runbook that it was made with, and those that it hands over to, where they are not built in.
    #[arg(long = "runbook", value_name = "RUNBOOK")]
    pub(crate) with: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) overrides: Overrides,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    /// Plain text, for a terminal.
    Text,
    /// Markdown, for a ticket.
    Markdown,
    /// One file of HTML without scripts, for a browser.
    Html,
    /// The skeleton of a post-mortem in Markdown, its timeline filled in.
    PostMortem,
}

#[derive(Debug, Args)]
pub(crate) struct Redact {
    /// Saved evidence: the bundle of a diagnosis, in JSON or TOML.
    #[arg(value_name = "BUNDLE")]
    pub(crate) file: PathBuf,
    /// One more name that must not be seen.
    #[arg(long = "name", value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// A file with a secret: under one secret a name has one pseudonym in all bundles. Without it nobody knows the secret.
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Diff {
    /// The runbook as it was.
    #[arg(value_name = "OLD")]
    pub(crate) old: PathBuf,
    /// The runbook as it is.
    #[arg(value_name = "NEW")]
    pub(crate) new: PathBuf,
    /// Also compare titles and advice, which do not change what a runbook does.
    #[arg(long)]
    pub(crate) words: bool,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Gap {
    /// The rows: a column `event` with the time of each, and perhaps `arrival`. A time is RFC 3339, or seconds or
    /// milliseconds since 1970.
    #[arg(value_name = "FILE.csv")]
    pub(crate) file: PathBuf,
    /// Take only the rows that have this value in a column.
    #[arg(long, value_name = "COLUMN=VALUE", value_parser = pair)]
    pub(crate) only: Vec<(String, String)>,
    /// How often rows come. Left out: estimated from the rows.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) every: Option<TimeDelta>,
    /// The longest that a deadband holds rows back.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) heartbeat: Option<TimeDelta>,
    /// A deadband holds rows back: a gap is only suspected.
    #[arg(long)]
    pub(crate) deadband: bool,
    /// Where the period in question begins. Left out: at the first row.
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub(crate) from: Option<DateTime<Utc>>,
    /// Where it ends. Left out: one row after the last.
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub(crate) to: Option<DateTime<Utc>>,
    /// How far behind the newest row another may come and still be on time.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) reorder_within: Option<TimeDelta>,
    /// A row that arrives longer than this after its event is late.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) late_after: Option<TimeDelta>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Lag {
    /// The samples: columns `partition`, `at`, `log_start`, `committed` (`-` for none), `head`, and perhaps `topic`,
    /// `committed_at`, `oldest_at`, `last_stable_offset`.
    #[arg(value_name = "FILE.csv")]
    pub(crate) file: PathBuf,
    /// Take only the rows that have this value in a column.
    #[arg(long, value_name = "COLUMN=VALUE", value_parser = pair)]
    pub(crate) only: Vec<(String, String)>,
    /// A lag of so many messages or fewer does not count.
    #[arg(long, value_name = "MESSAGES")]
    pub(crate) allowed_lag: Option<u64>,
    /// The most messages that the group may be behind.
    #[arg(long, value_name = "MESSAGES")]
    pub(crate) max_lag: Option<u64>,
    /// How old the oldest unread message may be.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) max_age: Option<TimeDelta>,
    /// For how long the topic keeps a message.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) retention: Option<TimeDelta>,
    /// The longest pause that is no stop.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) stop_after: Option<TimeDelta>,
    /// The longest interval between commits of a healthy group.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) slowest_commit: Option<TimeDelta>,
    /// What the coordinator says of the group, such as Stable or Empty.
    #[arg(long, value_name = "STATE", value_parser = group_state)]
    pub(crate) state: Option<GroupState>,
    /// The time to judge at. Left out: that of the last sample.
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub(crate) now: Option<DateTime<Utc>>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Cert {
    /// Certificates or chains, in PEM or DER.
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// The policy that they are judged by, in TOML or JSON: awareness, renewal, follow_up, …
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
    /// The time to judge at. Left out: now.
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub(crate) now: Option<DateTime<Utc>>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What a document says and the runbook does not do, and the reverse.
#[derive(Debug, Args)]
pub(crate) struct Drift {
    /// A Markdown file with flowcharts in ```mermaid fences, or a flowchart.
    #[arg(value_name = "DOCUMENT")]
    pub(crate) document: PathBuf,
    /// The runbook: a file, or `catalog:NAME` for a built-in one.
    #[arg(value_name = "RUNBOOK")]
    pub(crate) file: PathBuf,
    /// Which steps or conclusions a node of the chart describes, or `trigger` for what begins it. In the chart itself
    /// the comment `%% step: NODE = STEP,STEP` says the same.
    #[arg(long = "map", value_name = "NODE=STEP,STEP", value_parser = node_mapping)]
    pub(crate) maps: Vec<(String, Vec<String>)>,
    /// Take the flowchart of this number, the first being 1. Left out: those with a comment `%% runbook: NAME`, or the
    /// only one.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) chart: Option<usize>,
    #[command(flatten)]
    pub(crate) overrides: Overrides,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

fn node_mapping(text: &str) -> Result<(String, Vec<String>), String> {
    crate::mermaid::mapping(text).ok_or_else(|| "write NODE=STEP, as in `LS=last-seen`".to_owned())
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write a name, `=` and a value, as in `monitor_for=15m`".to_owned()),
    }
}

fn approval(text: &str) -> Result<(String, ApprovalPolicy), String> {
    let (step, policy) = pair(text).map_err(|_| "write STEP=POLICY, as in `restart-gateway=never`")?;
    let policy = ApprovalPolicy::from_name(&policy)
        .ok_or_else(|| format!("`{policy}` is not a policy: write automatic, required or never"))?;
    Ok((step, policy))
}

fn duration(text: &str) -> Result<TimeDelta, String> {
    parse_duration(text).map_err(|error| error.to_string())
}

fn group_state(text: &str) -> Result<GroupState, String> {
    text.parse().map_err(|error: iot_runbook::lag::GroupStateError| error.to_string())
}
