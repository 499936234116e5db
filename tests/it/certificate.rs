//! The certificate engine from outside: beside the `openssl` command, and beside slow and obvious models.

mod adapter;
mod checklist;
mod facts;
mod handover;
mod lifecycle;
mod message;
mod mint;
mod names;
mod openssl;
mod reading;
mod runbook;
mod schedule;
mod secrets;
mod site;
mod states;
mod sweep;

use crate::random;
