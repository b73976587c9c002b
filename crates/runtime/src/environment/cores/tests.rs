//! Turns: none is lost, none stands in the way of others, and who is idle helps out.

use std::future::poll_fn;
use std::sync::atomic::AtomicUsize;
use std::task::Poll;

use tokio::sync::{mpsc, oneshot};

use super::*;

fn cores() -> Cores {
    Cores::new(Handle::current())
}

fn spawn(cores: &Cores, home: u64, work: impl Future<Output = ()> + Send + 'static) {
    assert!(cores.run(home, Box::pin(work)).is_ok(), "threads can be started");
}

/// How often the status of a subtask changes while others look at it.
const ROUNDS: usize = 20_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subtasks_wake_each_other_whatever_their_home() {
    for (from, to) in [(0, 0), (0, 1), (1, 0)] {
        let cores = cores();
        let (there, mut comes) = mpsc::channel::<usize>(1);
        let (back, mut returns) = mpsc::channel::<usize>(1);
        let (done, is_done) = oneshot::channel();
        spawn(&cores, to, async move {
            while let Some(number) = comes.recv().await {
                back.send(number + 1).await.unwrap();
            }
        });
        spawn(&cores, from, async move {
            let mut number = 0;
            while number < ROUNDS {
                there.send(number).await.unwrap();
                number = returns.recv().await.unwrap();
            }
            done.send(number).unwrap();
        });
        assert_eq!(is_done.await, Ok(ROUNDS));
    }
}

/// Each waker counts first: whoever is woken before or during its turn sees the count in this turn or the next one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_is_lost_however_many_come_at_once() {
    let cores = cores();
    let count = Arc::new(AtomicUsize::new(0));
    let (done, is_done) = oneshot::channel();
    let (give, given) = oneshot::channel();
    let (seen, mut give) = (Arc::clone(&count), Some(give));
    spawn(&cores, 0, async move {
        poll_fn(|cx| {
            if let Some(give) = give.take() {
                give.send(cx.waker().clone()).unwrap();
            }
            if seen.load(Ordering::Relaxed) == 2 * ROUNDS { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        done.send(()).unwrap();
    });
    let waker = given.await.unwrap();
    std::thread::scope(|threads| {
        for _ in 0..2 {
            threads.spawn(|| {
                for _ in 0..ROUNDS {
                    count.fetch_add(1, Ordering::Relaxed);
                    waker.wake_by_ref();
                }
            });
        }
    });
    assert_eq!(is_done.await, Ok(()));
}

/// The first one does not give its core back until the second one has run, which has the same home.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_nothing_to_do_takes_what_waits_behind_a_long_turn() {
    let cores = cores();
    let (begin, begins) = oneshot::channel();
    let (ran, has_run) = std::sync::mpsc::sync_channel(1);
    let (done, is_done) = oneshot::channel();
    spawn(&cores, 1, async move {
        begin.send(()).unwrap();
        done.send(has_run.recv()).unwrap();
    });
    begins.await.unwrap();
    spawn(&cores, 1, async move { ran.send(7).unwrap() });
    assert_eq!(is_done.await, Ok(Ok(7)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_core_does_its_own_first_then_what_waits_where_most_does() {
    let shared = Arc::new(Shared { queues: Mutex::default(), calls: Vec::new() });
    let turns = |home| {
        let future: Option<BoxFuture<'static, ()>> = Some(Box::pin(async {}));
        let (future, status, shared) = (Mutex::new(future), AtomicU8::new(QUEUED), Arc::clone(&shared));
        Arc::new(Turns { future, status, home, shared })
    };
    let mut queues = Queues { waiting: vec![VecDeque::new(); 3], ..Queues::default() };
    for home in [0, 1, 2, 2] {
        queues.waiting[home].push_back(turns(home));
    }
    let homes: Vec<_> = std::iter::from_fn(|| queues.take(1)).map(|turns| turns.home).collect();
    assert_eq!(homes[..2], [1, 2]);
    assert_eq!(homes.len(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_panic_ends_one_subtask_and_not_its_thread() {
    let cores = cores();
    let (held, is_dropped) = oneshot::channel::<()>();
    spawn(&cores, 0, async move {
        let _held = held;
        panic!("thirteen");
    });
    assert!(is_dropped.await.is_err(), "it is dropped");
    let (done, is_done) = oneshot::channel();
    spawn(&cores, 0, async move { done.send(std::thread::current().name().map(str::to_owned)).unwrap() });
    assert_eq!(is_done.await.unwrap().as_deref(), Some("core-0"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn in_a_subtask_the_runtime_is_there() {
    let cores = cores();
    let (done, is_done) = oneshot::channel();
    let spawner = move || crate::environment::TokioSpawner::current();
    spawn(&cores, 0, async move {
        let (told, tell) = oneshot::channel();
        flott_api::env::Spawner::spawn(&spawner(), "a task of tokio", Box::pin(async { told.send(7).unwrap() }))
            .detach();
        done.send(tell.await).unwrap();
    });
    assert_eq!(is_done.await, Ok(Ok(7)));
}

/// Whoever is woken behind the end has no turn any more, and keeps nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn behind_the_end_a_subtask_is_dropped() {
    let cores = cores();
    let (give, given) = oneshot::channel();
    let (held, is_dropped) = oneshot::channel::<()>();
    let mut give = Some(give);
    spawn(&cores, 0, async move {
        let _held = held;
        poll_fn(|cx| {
            let Some(give) = give.take() else { unreachable!("it has no turn") };
            give.send(cx.waker().clone()).unwrap();
            Poll::<()>::Pending
        })
        .await;
    });
    let waker: Waker = given.await.unwrap();
    drop(cores);
    waker.wake();
    assert!(is_dropped.await.is_err());
}
