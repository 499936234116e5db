use crate::check::device::path::{self, Reach};
use crate::check::prelude::*;
use crate::probe::Vantage;

check! {
    /// Does the device answer its gateway: on the port of its protocol, otherwise, and if not, does its segment?
    FieldPath = "field-path", Gateway, Now, Reach::VALUES;
}

impl Builtin for FieldPath {
    async fn observe(&self, request: &CheckRequest<'_>, probes: &Probes) -> Observed {
        let probe = adapter(probes.network(), "network probe")?;
        let gateway = request.gateway(probe.source())?;
        let path = path::device_path(probe, Vantage::Gateway(gateway.clone()), request).await?;
        Ok(path::verdict(&path).by(probe.source()))
    }
}
