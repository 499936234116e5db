//! The settings, from the environment.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use tokio_postgres::Config;

/// How the service runs.
pub(crate) struct Settings {
    /// `DATABASE_URL`: the database of the cases, the same for all replicas.
    pub(crate) database: Config,
    /// `LISTEN`: the address of the API. Default `127.0.0.1:8080`.
    pub(crate) listen: String,
    /// `PLANT`: the file that the simulated adapters read.
    pub(crate) plant: PathBuf,
    /// `REPLICA`: the name of this process in the database. Default the name of the host and the process id.
    pub(crate) replica: String,
    /// `DEVICE_LABEL`: the label of an alert that names the device. Default `device`.
    pub(crate) device_label: String,
    /// `RUNBOOKS`: a folder of runbooks in TOML, in place of the built-in ones.
    pub(crate) runbooks: Option<PathBuf>,
    /// `LEASE_SECONDS`: after a crash another replica takes a case up after this. Default 60.
    pub(crate) lease: Duration,
    /// `ACT_SECONDS`: how long an act may take. Default 30.
    pub(crate) act_limit: Duration,
    /// `ACTS_PER_HOUR`: how many acts of one kind may begin at one site in an hour, by all replicas together. Default 10.
    pub(crate) acts_per_hour: usize,
    /// `DRY_RUN`: `1` does no act; what would be done is in the cases. Default `0`.
    pub(crate) dry_run: bool,
    /// `GRACE_SECONDS`: how long a stop may take. Default 20.
    pub(crate) grace: Duration,
    /// `BODY_BYTES`: the longest body of a request. Default 1 MiB.
    pub(crate) body_limit: usize,
}

/// A setting that can't be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    #[error("`{name}` is not set: {remedy}")]
    Missing { name: &'static str, remedy: &'static str },
    #[error("`{name}` is \"{value}\": {why}")]
    Invalid { name: &'static str, value: String, why: String },
}

impl Settings {
    /// Reads them by `variable`, which returns a variable of the environment.
    pub(crate) fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let text = |name: &'static str, default: &str| variable(name).unwrap_or_else(|| default.to_owned());
        let url = variable("DATABASE_URL").ok_or(SettingsError::Missing {
            name: "DATABASE_URL",
            remedy: "set it to the database of the cases, such as `postgres://fleet@127.0.0.1/fleet`",
        })?;
        let mut database = Config::from_str(&url).map_err(|error| SettingsError::Invalid {
            name: "DATABASE_URL",
            // It may hold a password.
            value: "…".to_owned(),
            why: error.to_string(),
        })?;
        if database.get_connect_timeout().is_none() {
            database.connect_timeout(Duration::from_secs(5));
        }
        Ok(Self {
            database,
            listen: text("LISTEN", "127.0.0.1:8080"),
            plant: text("PLANT", "examples/service/plant.json").into(),
            replica: text("REPLICA", &format!("{}-{}", text("HOSTNAME", "replica"), std::process::id())),
            device_label: text("DEVICE_LABEL", "device"),
            runbooks: variable("RUNBOOKS").map(PathBuf::from),
            lease: seconds("LEASE_SECONDS", text("LEASE_SECONDS", "60"))?,
            act_limit: seconds("ACT_SECONDS", text("ACT_SECONDS", "30"))?,
            acts_per_hour: number("ACTS_PER_HOUR", text("ACTS_PER_HOUR", "10"))?,
            dry_run: switch("DRY_RUN", text("DRY_RUN", "0"))?,
            grace: seconds("GRACE_SECONDS", text("GRACE_SECONDS", "20"))?,
            body_limit: number("BODY_BYTES", text("BODY_BYTES", "1048576"))?,
        })
    }
}

fn seconds(name: &'static str, value: String) -> Result<Duration, SettingsError> {
    let length = value.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let length = length.filter(|length| !length.is_zero());
    let why = "it must be a number of seconds above zero, such as `30` or `1.5`".to_owned();
    length.ok_or(SettingsError::Invalid { name, value, why })
}

fn switch(name: &'static str, value: String) -> Result<bool, SettingsError> {
    match &*value {
        "0" => Ok(false),
        "1" => Ok(true),
        _ => Err(SettingsError::Invalid { name, value, why: "it must be `0` or `1`".to_owned() }),
    }
}

fn number(name: &'static str, value: String) -> Result<usize, SettingsError> {
    let number = value.parse();
    number.map_err(|_| SettingsError::Invalid { name, value, why: "it must be a whole number".to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(set: &[(&str, &str)]) -> Result<Settings, String> {
        let set = [("DATABASE_URL", "postgres://fleet:secret@db/fleet")].iter().chain(set);
        let set: Vec<_> = set.collect();
        let of = |name: &str| {
            set.iter().rev().find(|(known, _)| *known == name).map(|(_, value)| value.to_string())
        };
        Settings::read(of).map_err(|error| error.to_string())
    }

    #[test]
    fn values_are_read_or_defaults() {
        let settings = read(&[("LEASE_SECONDS", "1.5"), ("RUNBOOKS", "books")]).unwrap();
        assert_eq!(
            (settings.lease, settings.act_limit),
            (Duration::from_millis(1_500), Duration::from_secs(30))
        );
        assert_eq!(settings.runbooks, Some("books".into()));
        assert_eq!(settings.listen, "127.0.0.1:8080");
    }

    #[test]
    fn errors_name_the_variable_and_no_password() {
        assert!(Settings::read(|_| None).err().unwrap().to_string().starts_with("`DATABASE_URL` is not set"));
        for (name, value, has) in [
            ("LEASE_SECONDS", "0", "`LEASE_SECONDS` is \"0\""),
            ("ACT_SECONDS", "soon", "`ACT_SECONDS` is \"soon\""),
            ("ACTS_PER_HOUR", "few", "`ACTS_PER_HOUR` is \"few\""),
            ("DRY_RUN", "yes", "`DRY_RUN` is \"yes\""),
            ("GRACE_SECONDS", "-1", "`GRACE_SECONDS` is \"-1\""),
            ("BODY_BYTES", "1k", "`BODY_BYTES` is \"1k\""),
            ("DATABASE_URL", "postgres://fleet:secret@db:port/fleet", "`DATABASE_URL`"),
        ] {
            let error = read(&[(name, value)]).err().unwrap();
            assert!(error.contains(has) && !error.contains("secret"), "{error}");
        }
    }
}
