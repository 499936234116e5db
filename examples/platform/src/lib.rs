//! Adapters of the library's traits over services that a platform runs. So far: Redis, for deduplication.
//!
//! | file | what |
//! |---|---|
//! | [`redis_store`] | a window that machines share: the library's `DedupStore` |
//! | [`id_only`] | what many run instead, `SET NX` on the id alone, and the log that shows what it costs |
//! | [`story`] | the same messages through both |
//! | [`link`], [`private_redis`] | a connection that comes back, and a server for tests and the story |

pub mod id_only;
pub mod link;
pub mod private_redis;
pub mod redis_store;
pub mod story;
