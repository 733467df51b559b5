//! A TCP proxy that breaks on demand what passes through it.
//!
//! It knows bytes, not requests, so TLS passes as well.
//! What it does is decided for each chunk, so that a fault reaches connections that a pool opened before.

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, watch};

use crate::background::Background;

mod connection;
mod current;

use current::Current;

/// What the proxy does to connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Passes everything on.
    #[default]
    None,
    /// Nobody listens: a new connection is refused, an open one is reset.
    /// Given to [`FaultProxy::next`], it accepts the connection and resets it at once.
    Refuse,
    /// Passes nothing on while it lasts; what was held back passes when it is lifted.
    Hang,
    /// Holds the beginning of each answer back for this long.
    Latency(Duration),
    /// Resets the connection when the client sends; nothing of that reaches the upstream.
    Reset,
    /// Passes everything to the upstream and nothing back, and resets the connection when the answer is over:
    /// when the upstream closed, or fell silent for 50 ms after it began to answer.
    ///
    /// A TLS connection must be open before, since its handshake needs answers.
    LoseResponse,
    /// Passes answers on with a wrong byte at the end of each piece.
    ///
    /// A TLS connection must be open before, and ends with a record that cannot be opened.
    Garble,
    /// Closes the connection after this many more bytes of answers.
    TruncateAfter(usize),
    /// Passes answers on in pieces of `bytes`, each after a pause of `every`.
    Drip {
        /// Size of a piece, at least 1
        bytes: usize,
        /// Pause before each piece
        every: Duration,
    },
}

/// A proxy on a loopback port, which ends with this value, as do its connections.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    doors: mpsc::UnboundedSender<Door>,
    _thread: Background,
}

#[derive(Debug)]
struct Shared {
    upstream: SocketAddr,
    standing: watch::Sender<Fault>,
    next: Mutex<VecDeque<Fault>>,
    connections: AtomicU64,
}

/// Open or close the listening socket, and say when it is done.
#[derive(Debug)]
struct Door {
    open: bool,
    done: std::sync::mpsc::Sender<()>,
}

impl FaultProxy {
    /// Starts a proxy to `upstream`, without a fault. It needs no runtime of the caller's.
    ///
    /// # Errors
    /// When no loopback port or no thread is to be had.
    pub fn start(upstream: SocketAddr) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            upstream,
            standing: watch::Sender::default(),
            next: Mutex::default(),
            connections: AtomicU64::new(0),
        });
        let (doors, commands) = mpsc::unbounded_channel();
        let thread = {
            let shared = Arc::clone(&shared);
            Background::start("fault-proxy", move || accept(listener, commands, shared))?
        };
        Ok(Self { address, shared, doors, _thread: thread })
    }

    /// Where clients connect.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.address
    }

    /// From now on, on every connection, open ones included, except those that got a fault from [`Self::next`].
    ///
    /// # Panics
    /// When the proxy's thread died, or its port was taken while it refused.
    pub fn set(&self, fault: Fault) {
        let before = self.shared.standing.send_replace(fault);
        let open = fault != Fault::Refuse;
        if open != (before != Fault::Refuse) {
            let (done, wait) = std::sync::mpsc::channel();
            let sent = self.doors.send(Door { open, done });
            assert!(sent.is_ok() && wait.recv().is_ok(), "the proxy's thread is gone");
        }
    }

    /// For the whole life of the next connection that is made, and of no other.
    /// Several calls are for several connections, in order.
    pub fn next(&self, fault: Fault) {
        self.shared.next.lock().unwrap_or_else(PoisonError::into_inner).push_back(fault);
    }

    /// How many connections were accepted so far.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::SeqCst)
    }
}

/// The proxy's port: while it refuses, bound without listening, so that nobody else gets it.
enum Port {
    Open(TcpListener),
    Closed(TcpSocket),
}

async fn accept(
    listener: std::net::TcpListener,
    mut doors: mpsc::UnboundedReceiver<Door>,
    shared: Arc<Shared>,
) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    let mut port = Port::Open(listener);
    loop {
        let listening = async {
            match &port {
                Port::Open(listener) => listener.accept().await,
                Port::Closed(_) => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            Some(door) = doors.recv() => {
                port = match turn(port, door.open) {
                    Ok(port) => port,
                    Err(error) => panic!("the fault proxy lost its port: {error}"),
                };
                let _ = door.done.send(());
            }
            accepted = listening => if let Ok((client, _)) = accepted {
                take(client, &shared);
            },
        }
    }
}

fn turn(port: Port, open: bool) -> io::Result<Port> {
    match (port, open) {
        (Port::Open(listener), false) => {
            let address = listener.local_addr()?;
            drop(listener);
            let socket = TcpSocket::new_v4()?;
            socket.set_reuseaddr(true)?;
            socket.bind(address)?;
            Ok(Port::Closed(socket))
        }
        (Port::Closed(socket), true) => socket.listen(128).map(Port::Open),
        (port, _) => Ok(port),
    }
}

fn take(client: TcpStream, shared: &Arc<Shared>) {
    shared.connections.fetch_add(1, Ordering::SeqCst);
    let own = shared.next.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    let current = match own {
        Some(fault) => Current::own(fault),
        None => Current::standing(shared.standing.subscribe()),
    };
    tokio::spawn(connection::carry(client, shared.upstream, current));
}
