//! The certificate engine from outside.

mod message;
mod mint;
mod openssl;
mod reading;
