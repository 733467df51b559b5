//! The binary from outside: what it prints, what it leaves behind, how it ends.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "helpers of tests fail a test as its own lines would"
)]

#[path = "cli/aws.rs"]
mod aws;
#[path = "cli/aws_credentials.rs"]
mod aws_credentials;
#[path = "cli/aws_settings.rs"]
mod aws_settings;
#[path = "cli/azure.rs"]
mod azure;
#[path = "cli/bad_input.rs"]
mod bad_input;
#[path = "cli/cases.rs"]
mod cases;
#[path = "cli/configuration.rs"]
mod configuration;
#[path = "cli/configuration_migrate.rs"]
mod configuration_migrate;
#[path = "cli/configuration_topologies.rs"]
mod configuration_topologies;
#[path = "cli/cores.rs"]
mod cores;
#[path = "cli/documents.rs"]
mod documents;
#[path = "cli/dotenv_packages.rs"]
mod dotenv_packages;
#[path = "cli/exchange.rs"]
mod exchange;
#[path = "cli/fail_closed.rs"]
mod fail_closed;
#[path = "cli/foreign.rs"]
mod foreign;
#[path = "cli/hcvault.rs"]
mod hcvault;
#[path = "cli/hostile.rs"]
mod hostile;
#[path = "../../secrets-manager/tests/manager/keys.rs"]
mod keys;
#[path = "cli/leaks.rs"]
mod leaks;
#[path = "cli/logins.rs"]
mod logins;
#[path = "cli/memory.rs"]
mod memory;
#[path = "cli/mounts.rs"]
mod mounts;
#[path = "cli/outages.rs"]
mod outages;
#[path = "cli/plain.rs"]
mod plain;
#[path = "cli/plain_settings.rs"]
mod plain_settings;
#[path = "cli/process_list.rs"]
mod process_list;
#[path = "cli/run.rs"]
mod run;
#[path = "../../secrets-manager/tests/manager/scan.rs"]
mod scan;
#[path = "cli/several.rs"]
mod several;
#[path = "cli/support.rs"]
mod support;
#[path = "cli/terminal.rs"]
mod terminal;
#[path = "cli/tour.rs"]
mod tour;
#[path = "cli/values.rs"]
mod values;
