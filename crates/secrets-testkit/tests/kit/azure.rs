//! The Key Vault server of the test kit: each of its rules, and Microsoft's own SDK as its client.

mod sdk;
