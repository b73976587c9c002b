//! Work that goes on where it was when whoever waits for it is dropped.

use std::fmt;

use crate::BoxFuture;

/// Work that is under way, if there is any. Orders come between two looks at it, such as a checkpoint's barrier; were it
/// dropped each time, work that takes longer than checkpoints are apart would never be done.
pub struct Ongoing<T> {
    work: Option<BoxFuture<'static, T>>,
}

impl<T> Default for Ongoing<T> {
    fn default() -> Self {
        Ongoing { work: None }
    }
}

impl<T> fmt::Debug for Ongoing<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ongoing").field("under_way", &self.work.is_some()).finish()
    }
}

impl<T> Ongoing<T> {
    /// Waits for what is under way; begins it if nothing is. Dropping the future drops no work.
    pub async fn run(&mut self, begin: impl FnOnce() -> BoxFuture<'static, T>) -> T {
        let done = self.work.get_or_insert_with(begin).await;
        self.work = None;
        done
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::task::{Context, Poll, Waker};

    use super::Ongoing;

    #[test]
    fn work_goes_on_in_the_next_call_and_begins_anew_behind_its_end() {
        let steps = Arc::new(AtomicU32::new(0));
        let mut ongoing = Ongoing::default();
        let mut begun = 0;
        let mut once = |ongoing: &mut Ongoing<u32>| {
            let steps = Arc::clone(&steps);
            let begin = || {
                begun += 1;
                let work = poll_fn(move |_| match steps.fetch_add(1, Ordering::Relaxed) {
                    n if n % 3 == 2 => Poll::Ready(n),
                    _ => Poll::Pending,
                });
                Box::pin(work) as crate::BoxFuture<'static, u32>
            };
            let polled = pin!(ongoing.run(begin)).poll(&mut Context::from_waker(Waker::noop()));
            (polled, begun)
        };
        assert_eq!(once(&mut ongoing), (Poll::Pending, 1));
        assert_eq!(once(&mut ongoing), (Poll::Pending, 1));
        assert_eq!(once(&mut ongoing), (Poll::Ready(2), 1));
        assert_eq!(once(&mut ongoing), (Poll::Pending, 2));
        assert_eq!(format!("{:?}", Ongoing::<u32>::default()), "Ongoing { under_way: false }");
    }
}
