use crate::check::device::path::paths;
use crate::check::prelude::*;
use crate::probe::{PathsTried, SitePathsRequest};

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
        let tried = probe.site_paths(&asked).await.by(probe.source())?;
        Ok(judge(&tried).by(probe.source()))
    }
}

fn judge(tried: &PathsTried) -> Verdict {
    if tried.paths.is_empty() {
        return Verdict::undetermined("there is no other way to the site that could be tried");
    }
    let answered = tried.paths.iter().any(|path| path.answered);
    Verdict::known(Value::Flag(answered), tried.observed_at).with(paths(&tried.paths))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::*;
    use crate::probe::PathTried;

    #[test]
    fn one_answer_is_up_none_tried_is_unknown() {
        let tried = |answers: &[bool]| {
            let paths = answers.iter().map(|answered| PathTried::new("router".into(), *answered)).collect();
            judge(&PathsTried::new(at(NOW)).with_paths(paths))
        };
        tried(&[false, true]).expect(true);
        tried(&[false, false]).expect(false);
        tried(&[]).expect(Undetermined);
        assert_eq!(tried(&[false, false]).detail("no answer"), Some("router, router"));
    }
}
