//! One connection through the proxy: two directions, each with its share of the fault.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::time::{sleep, timeout};

use super::Fault;
use super::current::Current;

/// An answer is complete when the upstream was silent for this long after it began.
const SILENCE: Duration = Duration::from_millis(50);
const CHUNK: usize = 16 * 1024;

/// How a connection ends for its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Closed,
    Reset,
}

/// Carries one connection to its end.
pub(super) async fn carry(mut client: TcpStream, upstream: SocketAddr, current: Current) {
    if current.unless_hanging().await == Fault::Refuse {
        return reset(&client);
    }
    // An upstream that is not there looks to the client as it would without a proxy between.
    let Ok(mut server) = TcpStream::connect(upstream).await else { return reset(&client) };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let asked = AtomicBool::new(false);
    let end = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let answers = Answers {
            from: from_server,
            to: to_client,
            current: current.clone(),
            asked: &asked,
            passed: 0,
            lost: false,
        };
        tokio::select! {
            end = requests(from_client, to_server, &current, &asked) => end,
            end = answers.pass() => end.unwrap_or(End::Closed),
            () = current.refused() => End::Reset,
        }
    };
    if end == End::Reset {
        reset(&client);
    }
}

/// Makes a reset of the close that follows.
fn reset(client: &TcpStream) {
    let _ = client.set_zero_linger();
}

/// Passes on what the client sends, until it must be reset.
async fn requests(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    current: &Current,
    asked: &AtomicBool,
) -> End {
    let mut chunk = vec![0; CHUNK];
    while let Ok(length @ 1..) = from.read(&mut chunk).await {
        if current.unless_hanging().await == Fault::Reset {
            return End::Reset;
        }
        asked.store(true, Ordering::SeqCst);
        if to.write_all(&chunk[..length]).await.is_err() {
            break;
        }
    }
    // The client has said all, or the upstream hears no more: it may still have an answer.
    let _ = to.shutdown().await;
    std::future::pending().await
}

/// The way back.
struct Answers<'a> {
    from: ReadHalf<'a>,
    to: WriteHalf<'a>,
    current: Current,
    asked: &'a AtomicBool,
    /// Bytes since the fault was set
    passed: usize,
    /// Is an answer being swallowed?
    lost: bool,
}

impl Answers<'_> {
    async fn pass(mut self) -> io::Result<End> {
        let mut chunk = vec![0; CHUNK];
        loop {
            let length = match self.read(&mut chunk).await {
                Some(length) => length?,
                None => return Ok(End::Reset),
            };
            let fault = self.current.unless_hanging().await;
            if self.current.is_new() {
                self.passed = 0;
            }
            self.lost |= fault == Fault::LoseResponse;
            match length {
                0 if self.lost => return Ok(End::Reset),
                0 => return self.to.shutdown().await.map(|()| End::Closed),
                _ if self.lost => {}
                _ => {
                    if fault == Fault::Garble {
                        chunk[length - 1] ^= 1;
                    }
                    if let Some(end) = self.write(&chunk[..length], fault).await? {
                        return Ok(end);
                    }
                }
            }
        }
    }

    /// What the upstream says; nothing when an answer that gets lost is over.
    async fn read(&mut self, chunk: &mut [u8]) -> Option<io::Result<usize>> {
        if self.lost {
            timeout(SILENCE, self.from.read(chunk)).await.ok()
        } else {
            Some(self.from.read(chunk).await)
        }
    }

    async fn write(&mut self, chunk: &[u8], fault: Fault) -> io::Result<Option<End>> {
        let begins = self.asked.swap(false, Ordering::SeqCst);
        match fault {
            Fault::Latency(time) if begins => sleep(time).await,
            Fault::TruncateAfter(most) => {
                let rest = most.saturating_sub(self.passed);
                if chunk.len() >= rest {
                    self.to.write_all(&chunk[..rest]).await?;
                    self.to.shutdown().await?;
                    return Ok(Some(End::Closed));
                }
                self.passed += chunk.len();
            }
            Fault::Drip { bytes, every } => return self.drip(chunk, bytes, every).await,
            _ => {}
        }
        self.to.write_all(chunk).await.map(|()| None)
    }

    /// Passes a chunk on in pieces, the rest at once as soon as the fault is another.
    async fn drip(&mut self, chunk: &[u8], bytes: usize, every: Duration) -> io::Result<Option<End>> {
        for piece in chunk.chunks(bytes.max(1)) {
            if matches!(self.current.unless_hanging().await, Fault::Drip { .. }) {
                sleep(every).await;
            }
            self.to.write_all(piece).await?;
        }
        Ok(None)
    }
}
