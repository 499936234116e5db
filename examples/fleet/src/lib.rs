//! The daily certificate job over a fleet: real certificates, minted for it; devices, services and time simulated.
//!
//! All of it is reproducible: the same options give the same report, to the last letter.
//!
//! | file | what |
//! |---|---|
//! | [`options`] | the command line |
//! | [`roster`] | who is in the fleet, and what is the matter with whom |
//! | [`mint`] | keys, issuers and certificates from a seed |
//! | [`device`], [`field`] | what a device holds; what devices and technicians do |
//! | [`world`], [`ledger`], [`agenda`] | everything outside of the platform; the books; what happens next |
//! | [`services`] | the library's traits over that world |
//! | [`operations`], [`turns`] | the index, the sweep, the checklist; the plan, and whose turn it is |
//! | [`simulation`] | the run |
//! | [`renewals`], [`endings`] | what became of each renewal, and of each device |
//! | [`report`], [`wording`], [`page`] | what an operator reads, as wide as the terminal |
//! | [`export`] | the digest for programs: CSV, JSON |

pub mod agenda;
pub mod device;
pub mod endings;
pub mod error;
pub mod export;
pub mod field;
pub mod ledger;
pub mod mint;
pub mod operations;
pub mod options;
#[path = "../../page/page.rs"]
pub mod page;
pub mod random;
pub mod renewals;
pub mod report;
pub mod roster;
pub mod services;
pub mod simulation;
pub mod turns;
pub mod wording;
pub mod world;
