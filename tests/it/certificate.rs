//! The certificate engine from outside.

mod mint;
mod openssl;
mod reading;
