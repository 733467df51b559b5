//! Where the service is and how to reach it.

use std::time::Duration;

/// Where the service is and how to reach it.
///
/// It comes whole from the caller: a backend reads no environment variable and no file of its own.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct __Name__Config {
    /// Address of the service. Default: `https://localhost`.
    pub address: String,
    /// How long one call may take. Default: 10 s.
    pub deadline: Duration,
    /// How many secrets a page of a listing holds at most. Default: 100.
    pub page_size: usize,
}

impl Default for __Name__Config {
    fn default() -> Self {
        Self { address: "https://localhost".to_owned(), deadline: Duration::from_secs(10), page_size: 100 }
    }
}
