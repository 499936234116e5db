//! The story: a diagnosis told while it happens, in a terminal.

mod record;

use std::{
    fmt::Display,
    fs,
    path::{Path, PathBuf},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use iot_runbook::{
    diagnosis::{Diagnosis, Recorded},
    driver::{Journal, NotKept},
    report::Report,
};
use tokio::time::interval;

use crate::{
    console,
    error::{Error, Result},
    factory::Factory,
    page::columns,
    reading::overview,
    task::Task,
};

const PROGRESS_EVERY: Duration = Duration::from_millis(100);
/// The widest bar, and how many columns are beside it.
const PROGRESS_WIDTH: usize = 30;
const BESIDE: usize = 26;

/// Who tells the story, or keeps silent.
#[derive(Debug)]
pub struct Story {
    loud: bool,
    /// Where the report and the evidence are written.
    report: Option<PathBuf>,
    /// How many reports were written: a gap that is split has one for each part too.
    reports: AtomicUsize,
    told: Mutex<Told>,
}

/// How far it was told.
#[derive(Debug, Default)]
struct Told {
    records: usize,
    /// The runbook and the step that were named last.
    step: Option<(Box<str>, Box<str>)>,
    progress: Option<Task>,
}

impl Story {
    /// Tells.
    pub fn aloud() -> Self {
        Self { loud: true, report: None, reports: AtomicUsize::new(0), told: Mutex::default() }
    }

    /// Keeps silent.
    pub fn silent() -> Self {
        Self { loud: false, report: None, reports: AtomicUsize::new(0), told: Mutex::default() }
    }

    /// Tells a line.
    pub fn tell(&self, line: impl Display) {
        if self.loud {
            self.told().stop_progress();
            console::say(line);
        }
    }

    /// Tells what a user of the plant sees now, of one of its sites alone or of all.
    pub fn tell_overview(&self, factory: &Factory, site: Option<&str>) {
        if self.loud {
            for line in overview(factory, site) {
                self.tell(format_args!("    {line}"));
            }
        }
    }

    /// The same with a file for the report: HTML, or Markdown where it is named `.md`. The evidence is written beside it. The
    /// parts of a gap that is split have files of their own: `x.html`, `x-part-1.html`.
    #[must_use]
    pub fn with_report(self, report: Option<PathBuf>) -> Self {
        Self { report, ..self }
    }

    /// Tells what a diagnosis came to, and by which evidence; writes both where that is asked for.
    ///
    /// # Errors
    /// When they can't be written.
    pub fn tell_end(&self, diagnosis: &Diagnosis, report: &Report) -> Result<()> {
        if self.loud {
            self.told().stop_progress();
            console::show_text(&format!("\n{}", report.to_styled_text(console::text_style().brief())));
        }
        if let Some(file) = &self.report {
            let file = in_place(file, self.reports.fetch_add(1, Ordering::Relaxed));
            let evidence = write_report(diagnosis, report, &file)?;
            let (file, evidence) = (file.display(), evidence.display());
            self.tell(format_args!("\n  The report is in {file}, its evidence in {evidence}."));
        }
        *self.told() = Told::default();
        Ok(())
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Told {
    fn stop_progress(&mut self) {
        if self.progress.take().is_some() {
            console::clear();
        }
    }

    fn go_on(&mut self, diagnosis: &Diagnosis) {
        while let Some(record) = diagnosis.record(self.records) {
            let position = u32::try_from(self.records).unwrap_or(u32::MAX);
            self.records += 1;
            let step = (record.runbook.clone(), record.step.clone());
            if self.step.as_ref() != Some(&step) {
                if let Some(line) = record::step(diagnosis, &record) {
                    console::say_bold(line);
                }
                self.step = Some(step);
            }
            for line in record::lines(diagnosis, position, &record) {
                console::say(line);
            }
        }
    }

    /// Shows how a wait goes on. What people are waited for is their own affair.
    fn show_wait(&mut self, diagnosis: &Diagnosis) {
        let last = self.records.checked_sub(1).and_then(|last| diagnosis.record(last));
        let is_wait = last.is_some_and(|record| {
            !matches!(
                record.what,
                Recorded::PersonAsked { .. } | Recorded::ApprovalAsked { .. } | Recorded::ActBegan { .. }
            )
        });
        if let Some(until) = diagnosis.due_at().filter(|_| is_wait) {
            self.progress = Some(Task::spawn(show_progress(Utc::now(), until)));
        }
    }
}

#[async_trait]
impl Journal for Story {
    async fn keep(&self, diagnosis: &Diagnosis) -> Result<(), NotKept> {
        if self.loud {
            let mut told = self.told();
            told.stop_progress();
            told.go_on(diagnosis);
            told.show_wait(diagnosis);
        }
        Ok(())
    }
}

/// The file of the report with that number. The first is that of the whole, and the others are of its parts: none takes the
/// place of another.
fn in_place(file: &Path, number: usize) -> PathBuf {
    if number == 0 {
        return file.to_owned();
    }
    let name = file.file_stem().unwrap_or_default().to_string_lossy();
    let end = file.extension().map_or_else(String::new, |end| format!(".{}", end.to_string_lossy()));
    file.with_file_name(format!("{name}-part-{number}{end}"))
}

/// Writes the report, and the evidence beside it; gives the place of the evidence.
fn write_report(diagnosis: &Diagnosis, report: &Report, file: &Path) -> Result<PathBuf> {
    let is_markdown = file.extension().is_some_and(|extension| extension == "md");
    let text = if is_markdown { report.to_markdown() } else { report.to_html() };
    fs::write(file, text).map_err(Error::io("writing the report"))?;
    let evidence = file.with_extension("json");
    let bundle = serde_json::to_string_pretty(&diagnosis.bundle())?;
    fs::write(&evidence, bundle).map_err(Error::io("writing the evidence"))?;
    Ok(evidence)
}

async fn show_progress(from: DateTime<Utc>, until: DateTime<Utc>) {
    let mut tick = interval(PROGRESS_EVERY);
    let whole = (until - from).as_seconds_f64().max(f64::EPSILON);
    let room = columns().map_or(PROGRESS_WIDTH, |width| width.saturating_sub(BESIDE).min(PROGRESS_WIDTH));
    loop {
        tick.tick().await;
        let gone = (Utc::now() - from).as_seconds_f64().min(whole);
        let filled = (gone / whole * room as f64) as usize;
        let empty = room.saturating_sub(filled);
        console::show(format_args!("      [{:=<filled$}{:empty$}] {gone:.1} of {whole:.1} s", "", ""));
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::in_place;

    #[test]
    fn parts_have_files_of_their_own() {
        let named = |file: &str, number| in_place(Path::new(file), number).display().to_string();
        assert_eq!(named("out/gap.html", 0), "out/gap.html");
        assert_eq!(named("out/gap.html", 2), "out/gap-part-2.html");
        assert_eq!(named("gap", 1), "gap-part-1");
    }
}
