//! Certificates to read: real ones, and ones put together by hand where no issuer would issue them.

pub(super) mod unsigned;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

pub(super) use unsigned::{GENERALIZED_TIME, UTC_TIME, for_key, pem};

/// From when until when: years, months, days.
pub(super) type Dates = [(i32, u8, u8); 2];

pub(super) const DATES: Dates = [(2026, 1, 1), (2027, 1, 1)];

fn params(name: &str, [from, until]: Dates) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.distinguished_name.remove(DnType::CommonName);
    params.distinguished_name.push(DnType::OrganizationName, "Plant, \"North\"");
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = rcgen::date_time_ymd(from.0, from.1, from.2);
    params.not_after = rcgen::date_time_ymd(until.0, until.1, until.2);
    params
}

/// One that signs itself, whose `not_after` lies some seconds into the day.
pub(super) fn alone(name: &str, dates: Dates, seconds: u64, serial: u64, key: &KeyPair) -> Vec<u8> {
    let mut params = params(name, dates);
    params.not_after += std::time::Duration::from_secs(seconds);
    params.serial_number = Some(serial.into());
    params.self_signed(key).unwrap().der().to_vec()
}

/// A chain of three in DER, the device's own first: each with its dates.
pub(super) fn chain(dates: [Dates; 3]) -> Vec<Vec<u8>> {
    let key = || KeyPair::generate().unwrap();
    let [device, intermediate, root] = dates;
    let mut root = params("root", root);
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root_key = key();
    let root_der = root.self_signed(&root_key).unwrap();
    let root = Issuer::new(root, root_key);
    let mut intermediate = params("intermediate", intermediate);
    intermediate.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let intermediate_key = key();
    let intermediate_der = intermediate.signed_by(&intermediate_key, &root).unwrap();
    let intermediate = Issuer::new(intermediate, intermediate_key);
    let device_der = params("pump-7", device).signed_by(&key(), &intermediate).unwrap();
    [device_der, intermediate_der, root_der].map(|certificate| certificate.der().to_vec()).to_vec()
}

/// A certificate with these dates, each of a tag and a text; its signature is no signature.
pub(super) fn by_hand(not_before: (u8, &str), not_after: (u8, &str)) -> Vec<u8> {
    for_key(0, 7, not_before, not_after)
}
