//! A server that one test starts for itself, in a temporary directory, and that ends with it.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

mod on_disk;

const START_WITHIN: Duration = Duration::from_secs(60);
/// OpenBao takes audit devices from its configuration alone.
const CONFIG: &str = "server.hcl";
const AUDIT: &str = "audit.log";
const ROOT_TOKEN: &str = "root-of-one-test";

/// Which server a test starts for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Product {
    /// OpenBao, plain
    OpenBao,
    /// OpenBao, plain, with its data on the disk: what it answered for is there after it was killed
    OpenBaoOnDisk,
    /// OpenBao, with TLS; it asks clients for certificates, and requires none
    OpenBaoTls,
    /// Vault, plain
    Vault,
}

impl Product {
    /// The variable that names the program.
    pub(super) const fn variable(self) -> &'static str {
        match self {
            Self::OpenBao | Self::OpenBaoOnDisk | Self::OpenBaoTls => "SECRETS_TEST_BAO_PROGRAM",
            Self::Vault => "SECRETS_TEST_VAULT_PROGRAM",
        }
    }

    fn command(self, program: &Path, directory: &Path, address: SocketAddr) -> Command {
        let mut command = Command::new(program);
        match self {
            Self::OpenBao | Self::OpenBaoTls => {
                command.args(["server", "-dev", "-dev-no-store-token"]);
                command.arg(format!("-dev-root-token-id={ROOT_TOKEN}"));
                command.arg(format!("-dev-listen-address={address}"));
                command.arg(flag("-config=", &directory.join(CONFIG)));
            }
            Self::OpenBaoOnDisk => {
                command.arg("server").arg(flag("-config=", &directory.join(CONFIG)));
            }
            Self::Vault => {
                command.arg(format!("-listen={address}"));
            }
        }
        if self == Self::OpenBaoTls {
            command.arg("-dev-tls").arg(flag("-dev-tls-cert-dir=", directory));
        }
        command
    }

    /// What its configuration says; Vault has none.
    fn config(self, directory: &Path, address: SocketAddr) -> String {
        let audit = format!(
            "audit \"file\" \"requests\" {{\n  options {{\n    file_path = {:?}\n  }}\n}}\n",
            directory.join(AUDIT)
        );
        if self != Self::OpenBaoOnDisk {
            return audit;
        }
        // A cluster of one: it is the storage that OpenBao has on a disk.
        let cluster = free_address();
        format!(
            "{audit}storage \"raft\" {{\n  path = {directory:?}\n  node_id = \"one\"\n  \
             performance_multiplier = 1\n}}\n\
             listener \"tcp\" {{\n  address = \"{address}\"\n  cluster_address = \"{cluster}\"\n  \
             tls_disable = true\n}}\n\
             api_addr = \"http://{address}\"\ncluster_addr = \"http://{cluster}\"\n"
        )
    }
}

fn flag(name: &str, value: &Path) -> std::ffi::OsString {
    [OsStr::new(name), value.as_os_str()].into_iter().collect()
}

/// How to reach it.
#[derive(Clone)]
pub(super) struct Serves {
    pub(super) address: String,
    pub(super) root_token: String,
    pub(super) unseal_key: String,
    pub(super) authority: Option<String>,
}

/// The process, and what it needs to be started again.
pub(super) struct Own {
    product: Product,
    program: PathBuf,
    directory: TempDir,
    address: SocketAddr,
    process: Process,
    serves: Serves,
}

/// A child that is killed with this value: by its handle, so never another process.
struct Process(Child);

impl Own {
    pub(super) fn start(product: Product, program: PathBuf) -> Self {
        // Between this look at a port and the server's own, another process may take it: then another port.
        let mut last = String::new();
        for _ in 0..3 {
            let directory = TempDir::new().expect("a temporary directory");
            let address = free_address();
            let config = product.config(directory.path(), address);
            fs::write(directory.path().join(CONFIG), config).expect("a file in it");
            let launched = launch(product, &program, directory.path(), address);
            let begun = launched.and_then(|(process, serves)| match product {
                Product::OpenBaoOnDisk => on_disk::begin(serves).map(|serves| (process, serves)),
                _ => Ok((process, serves)),
            });
            match begun {
                Ok((process, serves)) => {
                    return Self { product, program, directory, address, process, serves };
                }
                Err(error) => last = error,
            }
        }
        panic!("{} does not start: {last}", program.display());
    }

    pub(super) const fn serves(&self) -> &Serves {
        &self.serves
    }

    /// Every request, a line of JSON each; OpenBao is told to keep it, Vault is not.
    pub(super) fn audit_log(&self) -> PathBuf {
        self.directory.path().join(AUDIT)
    }

    pub(super) fn stop(&mut self) {
        self.process.end();
    }

    pub(super) fn start_again(&mut self) {
        self.process.end();
        let launched = launch(self.product, &self.program, self.directory.path(), self.address);
        let again = launched.and_then(|(process, serves)| match self.product {
            Product::OpenBaoOnDisk => on_disk::unseal(&self.serves).map(|()| (process, self.serves.clone())),
            _ => Ok((process, serves)),
        });
        (self.process, self.serves) =
            again.unwrap_or_else(|error| panic!("it does not start again: {error}"));
    }
}

fn free_address() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a loopback port");
    listener.local_addr().expect("its address")
}

fn launch(
    product: Product,
    program: &Path,
    directory: &Path,
    address: SocketAddr,
) -> Result<(Process, Serves), String> {
    let log = directory.join("log");
    let output = File::create(&log).map_err(|error| error.to_string())?;
    let errors = output.try_clone().map_err(|error| error.to_string())?;
    let child = product
        .command(program, directory, address)
        .current_dir(directory)
        // Nothing of the person who runs the tests: neither settings nor a token in their home.
        .env_clear()
        .env("HOME", directory)
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        .spawn()
        .map_err(|error| format!("{}: {error}", program.display()))?;
    let mut process = Process(child);
    let deadline = Instant::now() + START_WITHIN;
    loop {
        let said = fs::read_to_string(&log).unwrap_or_default();
        // In this order: OpenBao says how to reach it once its log is quiet, which it is not while TLS is tried in vain.
        if let Some(serves) = serves(product, &said, directory, address)
            && TcpStream::connect(address).is_ok()
        {
            return Ok((process, serves));
        }
        if process.has_ended() || Instant::now() > deadline {
            return Err(format!("it said:\n{said}"));
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// What the server printed about itself, when it has.
fn serves(product: Product, said: &str, directory: &Path, address: SocketAddr) -> Option<Serves> {
    match product {
        Product::Vault => {
            let line = said.lines().find(|line| line.starts_with('{') && line.ends_with('}'))?;
            let line: serde_json::Value = serde_json::from_str(line).ok()?;
            let text = |name: &str| line[name].as_str().map(str::to_owned);
            Some(Serves {
                address: text("address")?,
                root_token: text("root_token")?,
                unseal_key: text("unseal_key")?,
                authority: None,
            })
        }
        Product::OpenBaoOnDisk => said.contains("server started!").then(|| Serves {
            address: format!("http://{address}"),
            root_token: String::new(),
            unseal_key: String::new(),
            authority: None,
        }),
        Product::OpenBao | Product::OpenBaoTls => {
            let tls = product == Product::OpenBaoTls;
            // The token is the last thing it says.
            said.lines().find(|line| line.starts_with("Root Token: "))?;
            let key = said.lines().find_map(|line| line.strip_prefix("Unseal Key: "))?;
            let authority = fs::read_to_string(directory.join("vault-ca.pem"));
            Some(Serves {
                address: format!("{}://{address}", if tls { "https" } else { "http" }),
                root_token: ROOT_TOKEN.to_owned(),
                unseal_key: key.trim().to_owned(),
                authority: tls.then_some(authority.ok()).flatten(),
            })
        }
    }
}

impl Process {
    fn has_ended(&mut self) -> bool {
        !matches!(self.0.try_wait(), Ok(None))
    }

    fn end(&mut self) {
        // An error means that it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}
