//! A prepared body as hyper takes it, piece by piece.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::body::{Body, Bytes, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

use super::answer;

/// The beginning of a JSON text that [`Pieces`] without an end go on with.
const ENDLESS: &[u8] = b"{\"data\":\"";

/// Pieces, each after its pause.
pub(super) struct Pieces {
    rest: Bytes,
    size: usize,
    every: Option<Duration>,
    pause: Option<Pin<Box<Sleep>>>,
    then: Then,
    hint: SizeHint,
}

/// What follows the last piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    End,
    Flush,
    Break,
    More,
}

impl Pieces {
    pub(super) fn new(body: answer::Body) -> Self {
        match body {
            answer::Body::Text(text) => Self::whole(text.into_bytes()),
            answer::Body::Bytes(bytes) => Self::whole(bytes),
            answer::Body::Endless => {
                Self { then: Then::More, hint: SizeHint::new(), ..Self::whole(ENDLESS.to_vec()) }
            }
            answer::Body::Truncated { declared, sent } => {
                Self { then: Then::Flush, hint: SizeHint::with_exact(declared), ..Self::whole(sent) }
            }
            answer::Body::Drip { bytes, size, every } => {
                Self { size: size.max(1), every: Some(every), ..Self::whole(bytes) }
            }
        }
    }

    fn whole(bytes: Vec<u8>) -> Self {
        Self {
            hint: SizeHint::with_exact(bytes.len() as u64),
            size: usize::MAX,
            rest: bytes.into(),
            every: None,
            pause: None,
            then: Then::End,
        }
    }

    fn after_the_last(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match self.then {
            Then::End => Poll::Ready(None),
            Then::Flush => {
                // At an error hyper forgets what it has not written yet; while it waits, it writes.
                self.then = Then::Break;
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Then::Break => Poll::Ready(Some(Err(io::Error::other("the body is truncated on purpose")))),
            Then::More => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b'a'; 16 * 1024]))))),
        }
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.rest.is_empty() {
            return self.after_the_last(context);
        }
        if let Some(every) = self.every {
            let pause = self.pause.get_or_insert_with(|| Box::pin(sleep(every)));
            ready!(pause.as_mut().poll(context));
            self.pause = None;
        }
        let size = self.size.min(self.rest.len());
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(size)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.then == Then::End
    }

    fn size_hint(&self) -> SizeHint {
        self.hint
    }
}
