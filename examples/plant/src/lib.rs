//! A small factory in one command: real parts for the runbooks to diagnose.

pub mod broker;
pub mod console;
pub mod device;
pub mod door;
pub mod error;
pub mod factory;
pub mod fault;
pub mod gateway;
pub mod line;
pub mod mqtt;
pub mod network;
pub mod pki;
pub mod platform;
pub mod power;
pub mod reading;
pub mod supervisor;
pub mod task;
pub mod wait;
