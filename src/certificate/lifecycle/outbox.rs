//! The commands that are not answered yet.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::command::{Command, Order};
use super::command_key::CommandKey;
use crate::time::saturating_add;

/// One command, until it is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct OpenCommand {
    pub(super) key: CommandKey,
    pub(super) command: Command,
    /// How often it failed, or was left without an answer.
    pub(super) failures: u32,
    /// When it is to be handed out.
    pub(super) due: DateTime<Utc>,
    /// True if it was handed out at least once. One that never was cannot have been carried out.
    #[serde(default)]
    pub(super) handed_out: bool,
    /// Until when an answer is waited for. Not saved: after a restore the command is handed out again, for nobody knows
    /// whether it was carried out.
    #[serde(skip)]
    pub(super) handed: Option<DateTime<Utc>>,
    /// When it was handed out last. Not kept, for the same reason.
    #[serde(skip)]
    handed_at: Option<DateTime<Utc>>,
}

impl OpenCommand {
    fn is_due(&self, now: DateTime<Utc>) -> bool {
        // Never twice at one moment: a clock that stands, or the end of the calendar, would hand it out
        // without end.
        self.due <= now && self.handed_at.is_none_or(|at| at < now)
    }

    fn is_overdue(&self, now: DateTime<Utc>) -> bool {
        self.handed.is_some_and(|by| by <= now) && self.handed_at.is_none_or(|at| at < now)
    }

    const fn is_alert(&self) -> bool {
        matches!(self.command, Command::Alert(_))
    }

    fn bring_forward(&mut self, now: DateTime<Utc>, due: DateTime<Utc>, answer_by: DateTime<Utc>) {
        // After a clock ran ahead, waits would end years from now.
        self.due = self.due.min(due);
        self.handed = self.handed.map(|by| by.min(answer_by));
        self.handed_at = self.handed_at.map(|at| at.min(now));
    }

    /// When something is to be done about it.
    fn wake_at(&self) -> DateTime<Utc> {
        self.handed.unwrap_or(self.due)
    }
}

/// All of them, the oldest first; of each key one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<OpenCommand>")]
pub(super) struct Outbox(Vec<OpenCommand>);

/// What was saved has two commands of one key: the second could not be answered, and would be waited for without end.
#[derive(Debug, thiserror::Error)]
#[error("two commands have the key `{0}`: what was saved is damaged; restore an older state")]
pub(super) struct SameKey(CommandKey);

impl TryFrom<Vec<OpenCommand>> for Outbox {
    type Error = SameKey;

    fn try_from(commands: Vec<OpenCommand>) -> Result<Self, SameKey> {
        let mut keys = HashSet::new();
        match commands.iter().find(|open| !keys.insert(&open.key)) {
            Some(open) => Err(SameKey(open.key.clone())),
            None => Ok(Self(commands)),
        }
    }
}

impl Outbox {
    /// Adds a command, unless one of that key is open.
    pub(super) fn add(&mut self, key: CommandKey, command: Command, due: DateTime<Utc>) {
        // The key is what makes an order the same order. A second one of it would be carried out twice.
        if self.find(&key).is_none() {
            self.0.push(OpenCommand {
                key,
                command,
                failures: 0,
                due,
                handed_out: false,
                handed: None,
                handed_at: None,
            });
        }
    }

    pub(super) fn find(&self, key: &CommandKey) -> Option<&OpenCommand> {
        self.0.iter().find(|open| open.key == *key)
    }

    pub(super) fn find_mut(&mut self, key: &CommandKey) -> Option<&mut OpenCommand> {
        self.0.iter_mut().find(|open| open.key == *key)
    }

    pub(super) fn take(&mut self, key: &CommandKey) -> Option<OpenCommand> {
        let at = self.0.iter().position(|open| open.key == *key)?;
        Some(self.0.remove(at))
    }

    /// Drops those that are needed no more.
    pub(super) fn drop_where(&mut self, needless: impl Fn(&Command) -> bool) {
        self.0.retain(|open| !needless(&open.command));
    }

    /// The keys of those.
    pub(super) fn keys_where(&self, wanted: impl Fn(&Command) -> bool) -> impl Iterator<Item = &CommandKey> {
        self.0.iter().filter(move |open| wanted(&open.command)).map(|open| &open.key)
    }

    /// When the first of those that wait to be handed out is due. `None`: all are handed out, or there is none.
    pub(super) fn waiting_until(&self, wanted: impl Fn(&Command) -> bool) -> Option<DateTime<Utc>> {
        self.0.iter().filter(|open| open.handed.is_none() && wanted(&open.command)).map(|open| open.due).min()
    }

    /// True if one of those was never handed out.
    pub(super) fn holds_back(&self, wanted: impl Fn(&Command) -> bool) -> bool {
        self.0.iter().any(|open| !open.handed_out && wanted(&open.command))
    }

    /// Hands the next one out that is due, and waits for its answer until then; with whether it is the first time. None is
    /// handed out twice at one moment: at the end of the calendar every wait is over at once.
    pub(super) fn hand_out(
        &mut self,
        now: DateTime<Utc>,
        answer_by: DateTime<Utc>,
        allowed: impl Fn(&Command) -> bool,
    ) -> Option<(Order, bool)> {
        let open = self
            .0
            .iter_mut()
            .find(|open| open.handed.is_none() && open.is_due(now) && allowed(&open.command))?;
        (open.handed, open.handed_at) = (Some(answer_by), Some(now));
        let is_first = !std::mem::replace(&mut open.handed_out, true);
        let order = Order { key: open.key.clone(), failures: open.failures, command: open.command.clone() };
        Some((order, is_first))
    }

    /// One that has been waited for long enough. Alerts go by a time of their own.
    pub(super) fn overdue(&self, now: DateTime<Utc>, alert_time: DateTime<Utc>) -> Option<CommandKey> {
        let time = |open: &OpenCommand| if open.is_alert() { alert_time } else { now };
        self.0.iter().find(|open| open.is_overdue(time(open))).map(|open| open.key.clone())
    }

    pub(super) fn wake_at(&self, allowed: impl Fn(&Command) -> bool) -> Option<DateTime<Utc>> {
        self.0
            .iter()
            .filter(|open| open.handed.is_some() || allowed(&open.command))
            .map(OpenCommand::wake_at)
            .min()
    }

    /// After the clock was set: nothing is due later, and no answer is waited for longer, than until then; nothing was
    /// handed out after `now`.
    pub(super) fn bring_forward(&mut self, now: DateTime<Utc>, due: DateTime<Utc>, answer_by: DateTime<Utc>) {
        for open in &mut self.0 {
            open.bring_forward(now, due, answer_by);
        }
    }

    /// The same for alerts alone.
    pub(super) fn bring_alerts_forward(
        &mut self,
        now: DateTime<Utc>,
        due: DateTime<Utc>,
        answer_by: DateTime<Utc>,
    ) {
        for open in self.0.iter_mut().filter(|open| open.is_alert()) {
            open.bring_forward(now, due, answer_by);
        }
    }

    /// What alerts wait for is as far from `to` as it was from `from`: another clock is gone by.
    pub(super) fn shift_alerts(&mut self, from: DateTime<Utc>, to: DateTime<Utc>) {
        let by = to.signed_duration_since(from);
        for open in self.0.iter_mut().filter(|open| open.is_alert()) {
            open.due = saturating_add(open.due, by);
            open.handed = open.handed.map(|at| saturating_add(at, by));
            // A moment by another clock. At the ends of the calendar it would be this one, and nothing would come due.
            open.handed_at = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_commands_of_one_key_are_not_read() {
        let mut outbox = Outbox::default();
        for key in ["d/1/a", "d/1/b", "d/1/a"] {
            outbox.add(CommandKey::new(key), Command::LookUpContact, DateTime::UNIX_EPOCH);
        }
        assert_eq!(outbox.0.len(), 2);
        let saved = serde_json::to_string(&outbox).unwrap();
        assert_eq!(serde_json::from_str::<Outbox>(&saved).unwrap(), outbox);
        let error = serde_json::from_str::<Outbox>(&saved.replace("d/1/b", "d/1/a")).unwrap_err();
        assert!(error.to_string().starts_with("two commands have the key `d/1/a`"), "{error}");
    }
}
