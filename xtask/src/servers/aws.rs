//! moto as AWS Secrets Manager, held to what the service documents. It accepts every signature.

use std::process::Command;

use super::{Place, Server, python, source};

pub(super) const SERVER: Server = Server {
    name: "aws",
    about: "AWS Secrets Manager, as moto does it",
    at_hand: || true,
    program: |shell| Ok(python::environment(shell, "moto")?.join("bin/python")),
    command: |place| {
        let mut command = Command::new(&place.program);
        command.arg(source("moto").join("server.py"));
        command.args(["-H", "127.0.0.1", "-p", &place.port.to_string()]);
        Ok(command)
    },
    ready: Place::listens,
    settings: |place| {
        Ok(vec![
            ("SECRETS_TEST_SECRETS_MANAGER_URL", format!("http://{}", place.address())),
            // moto brings AWS's own SDK for Python with it.
            ("SECRETS_TEST_BOTO3_PYTHON", place.program.display().to_string()),
        ])
    },
};
