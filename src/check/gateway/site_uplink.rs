use crate::check::CheckRequest;
use crate::check::device::path::paths;
use crate::check::judge::{Verdict, adapter};
use crate::check::spec::{Builtin, FLAG, Observed, check};
use crate::fact::Value;
use crate::probe::{PathsTried, Probes, SitePathsRequest};

check! {
    /// Does the site answer by another way than the gateway?
    SiteUplink = "site-uplink", Site, Now, FLAG;
}

impl Builtin for SiteUplink {
    async fn observe(&self, request: &CheckRequest<'_>, probes: &Probes) -> Observed {
        let probe = adapter(probes.network(), "network probe")?;
        let site = request.site(probe.source())?;
        let mut asked = SitePathsRequest::new(site.clone());
        asked.except.clone_from(&request.subject().gateway);
        let tried = probe.site_paths(&asked).await.map_err(|error| error.by(probe.source()))?;
        Ok(judge(&tried).by(probe.source()))
    }
}

fn judge(tried: &PathsTried) -> Verdict {
    if tried.paths.is_empty() {
        return Verdict::undetermined("there is no other way to the site that could be tried");
    }
    let answered = tried.paths.iter().any(|path| path.answered);
    Verdict::known(Value::Flag(answered), tried.observed_at, paths(&tried.paths).into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::{NOW, at};
    use crate::fact::UnknownReason;
    use crate::probe::PathTried;

    #[test]
    fn one_answer_is_up_none_tried_is_unknown() {
        let tried = |answers: &[bool]| {
            let paths = answers.iter().map(|answered| PathTried::new("router".into(), *answered)).collect();
            judge(&PathsTried::new(at(NOW)).with_paths(paths))
        };
        assert_eq!(tried(&[false, true]).value(), Some(Value::Flag(true)));
        assert_eq!(tried(&[false, false]).value(), Some(Value::Flag(false)));
        assert_eq!(tried(&[]).reason(), Some(UnknownReason::Undetermined));
        assert_eq!(tried(&[false, false]).details().find("no answer"), Some("router, router"));
    }
}
