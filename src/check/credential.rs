//! The checks that ask about certificates: their dates, their revocation and their renewal.

pub(super) mod certificate;
pub(super) mod certificate_replaced;
pub(super) mod certificate_stage;
pub(super) mod provisioning_contact;
pub(super) mod reconnected_with;
pub(super) mod renewal_state;
pub(super) mod revocation_known;
