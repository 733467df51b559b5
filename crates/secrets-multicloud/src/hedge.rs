//! One question to several replicas: the first by priority, the next when it fails or takes too long.
//!
//! The pause is fixed: it neither learns nor adapts, so that what a slow replica costs is known beforehand.

use std::future::Future;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::Instant;

/// What an answer means for the others.
#[derive(Debug)]
pub(crate) enum Verdict<T, E> {
    /// It is what the caller gets.
    Final(T),
    /// Another replica may know better.
    Next(E),
}

/// How it ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome<T, E> {
    /// The answer of the replica with this index, and those that should have answered meanwhile.
    Answer(usize, T, Vec<usize>),
    /// None gave one: what each said, by its index, in the order in which they said it, and those that said nothing
    /// before the deadline.
    Failed(Vec<(usize, E)>, Vec<usize>),
}

/// How long to wait, and for what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// After this long without an answer the next replica is asked as well.
    pub(crate) hedge_after: Duration,
    /// No answer is waited for after this.
    pub(crate) deadline: Instant,
}

/// Asks `replicas` in their order until one gives a final answer.
///
/// A replica that is slow goes on being waited for while others are asked; its late answer counts if it is the first
/// final one. What is still running when one is found is dropped, and named where others were asked because of it.
pub(crate) async fn first<T, E, F>(
    replicas: &[usize],
    patience: Patience,
    ask: impl Fn(usize) -> F,
) -> Outcome<T, E>
where
    F: Future<Output = Verdict<T, E>>,
{
    let mut running = FuturesUnordered::new();
    let mut waiting = replicas.iter().copied();
    let mut failed = Vec::with_capacity(replicas.len());
    let mut asked: Vec<(usize, Instant)> = Vec::with_capacity(replicas.len());
    let mut start = |running: &mut FuturesUnordered<_>, asked: &mut Vec<_>| {
        let next = waiting.next();
        asked.extend(next.map(|replica| (replica, Instant::now())));
        running.extend(next.map(|replica| named(replica, ask(replica))));
        next.is_some()
    };
    start(&mut running, &mut asked);
    let deadline = tokio::time::sleep_until(patience.deadline);
    let hedge = tokio::time::sleep(patience.hedge_after);
    tokio::pin!(deadline, hedge);
    let mut may_hedge = true;
    loop {
        tokio::select! {
            biased;
            answer = running.next() => match answer {
                Some((replica, Verdict::Final(answer))) => {
                    asked.retain(|(other, since)| *other != replica && since.elapsed() >= patience.hedge_after);
                    return Outcome::Answer(replica, answer, silent(&asked, &failed));
                }
                Some((replica, Verdict::Next(error))) => {
                    failed.push((replica, error));
                    start(&mut running, &mut asked);
                    hedge.as_mut().reset(Instant::now() + patience.hedge_after);
                }
                None => return Outcome::Failed(failed, Vec::new()),
            },
            () = &mut deadline => {
                let silent = silent(&asked, &failed);
                return Outcome::Failed(failed, silent);
            }
            () = &mut hedge, if may_hedge => {
                may_hedge = start(&mut running, &mut asked);
                hedge.as_mut().reset(Instant::now() + patience.hedge_after);
            }
        }
    }
}

/// Those that were asked and have not said anything.
fn silent<E>(asked: &[(usize, Instant)], failed: &[(usize, E)]) -> Vec<usize> {
    let has_failed = |replica: usize| failed.iter().any(|(other, _)| *other == replica);
    asked.iter().map(|(replica, _)| *replica).filter(|replica| !has_failed(*replica)).collect()
}

async fn named<T>(replica: usize, answer: impl Future<Output = T>) -> (usize, T) {
    (replica, answer.await)
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests have runtimes of their own")]
mod tests {
    use std::cell::RefCell;

    use super::*;

    /// What a replica does: after so many milliseconds, an answer or a failure.
    type Plan = [(u64, Result<u8, u8>)];

    /// The outcome, when it came, and when each replica was asked.
    async fn run(plan: &Plan, deadline: u64) -> (Outcome<u8, u8>, u64, Vec<(usize, u64)>) {
        let began = Instant::now();
        let since = |began: Instant| u64::try_from(began.elapsed().as_millis()).unwrap();
        let asked = RefCell::new(Vec::new());
        let order: Vec<usize> = (0..plan.len()).collect();
        let patience = Patience {
            hedge_after: Duration::from_millis(300),
            deadline: began + Duration::from_millis(deadline),
        };
        let outcome = first(&order, patience, |replica| {
            asked.borrow_mut().push((replica, since(began)));
            async move {
                let (takes, answer) = plan[replica];
                tokio::time::sleep(Duration::from_millis(takes)).await;
                answer.map_or_else(Verdict::Next, Verdict::Final)
            }
        });
        let outcome = outcome.await;
        (outcome, since(began), asked.into_inner())
    }

    #[tokio::test(start_paused = true)]
    async fn a_quick_first_replica_is_the_only_one_that_is_asked() {
        let (outcome, took, asked) = run(&[(299, Ok(1)), (1, Ok(2))], 10_000).await;
        assert_eq!((outcome, took, asked), (Outcome::Answer(0, 1, vec![]), 299, vec![(0, 0)]));
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_asks_the_next_at_once_and_silence_after_the_pause() {
        let (outcome, took, asked) = run(&[(40, Err(7)), (1_000_000, Ok(2)), (5, Ok(3))], 10_000).await;
        assert_eq!((outcome, took), (Outcome::Answer(2, 3, vec![1]), 345));
        assert_eq!(asked, [(0, 0), (1, 40), (2, 340)]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_final_answer_wins_though_it_is_late() {
        let (outcome, took, _) = run(&[(400, Ok(1)), (200, Ok(2))], 10_000).await;
        assert_eq!((outcome, took), (Outcome::Answer(0, 1, vec![]), 400));
        let (outcome, took, _) = run(&[(400, Ok(1)), (50, Err(9))], 10_000).await;
        assert_eq!((outcome, took), (Outcome::Answer(0, 1, vec![]), 400), "the other failed meanwhile");
    }

    #[tokio::test(start_paused = true)]
    async fn where_all_fail_each_failure_is_told() {
        let (outcome, took, _) = run(&[(10, Err(1)), (20, Err(2))], 10_000).await;
        assert_eq!((outcome, took), (Outcome::Failed(vec![(0, 1), (1, 2)], vec![]), 30));
        let (outcome, took, _) = run(&[], 10_000).await;
        assert_eq!((outcome, took), (Outcome::Failed(Vec::new(), Vec::new()), 0));
    }

    #[tokio::test(start_paused = true)]
    async fn the_deadline_ends_all_waiting() {
        let (outcome, took, asked) =
            run(&[(1_000_000, Ok(1)), (10, Err(2)), (1_000_000, Ok(3))], 1_000).await;
        assert_eq!((outcome, took), (Outcome::Failed(vec![(1, 2)], vec![0, 2]), 1_000));
        assert_eq!(asked.len(), 3);
    }
}
