//! The Key Vault server of the test kit: each of its rules, and Microsoft's own SDK as its client.

mod client;
mod deleting;
mod faults;
mod identity;
mod issuer;
mod listing;
mod rules;
mod sdk;
mod tokens;
