//! Partial matches in the order in which they are worked on.
//!
//! Flink keeps them in Java's `PriorityQueue` by the first event, and walks through its array. Among matches with the same
//! first event the place in the array decides which is found first, and with a skip strategy the others are dropped: so this
//! is the same binary heap, move by move. **Invariant.** Its array is what Java's would be.

/// An entry: what it is ordered by, which may be the same for many.
pub(crate) trait Ordered: Copy {
    /// Smaller ones come first.
    fn rank(&self) -> u64;
}

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Queue<T>(Vec<T>);

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Queue(Vec::new())
    }
}

impl<T: Ordered> Queue<T> {
    /// An array that was a queue's.
    pub(crate) fn of_array(array: Vec<T>) -> Self {
        Queue(array)
    }

    /// The entries as they lie.
    pub(crate) fn array(&self) -> &[T] {
        &self.0
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// The first entry.
    pub(crate) fn peek(&self) -> Option<&T> {
        self.0.first()
    }

    pub(crate) fn push(&mut self, entry: T) {
        self.0.push(entry);
        let mut at = self.0.len() - 1;
        while at > 0 {
            let above = (at - 1) / 2;
            if entry.rank() >= self.0[above].rank() {
                break;
            }
            self.0.swap(at, above);
            at = above;
        }
    }

    /// Takes the first entry out.
    pub(crate) fn pop(&mut self) -> Option<T> {
        let last = self.0.pop()?;
        let Some(first) = self.0.first_mut() else { return Some(last) };
        let first = std::mem::replace(first, last);
        self.sink(0);
        Some(first)
    }

    /// Keeps some entries.
    pub(crate) fn retain(&mut self, keep: impl FnMut(&T) -> bool) {
        let before = self.0.len();
        self.0.retain(keep);
        if self.0.len() < before {
            (0..self.0.len() / 2).rev().for_each(|at| self.sink(at));
        }
    }

    fn sink(&mut self, mut at: usize) {
        loop {
            let mut below = 2 * at + 1;
            if below >= self.0.len() {
                return;
            }
            if below + 1 < self.0.len() && self.0[below].rank() > self.0[below + 1].rank() {
                below += 1;
            }
            if self.0[at].rank() <= self.0[below].rank() {
                return;
            }
            self.0.swap(at, below);
            at = below;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Ordered for (u64, char) {
        fn rank(&self) -> u64 {
            self.0
        }
    }

    fn shown(queue: &Queue<(u64, char)>) -> String {
        queue.array().iter().map(|e| e.1).collect()
    }

    /// What `java.util.PriorityQueue` of JDK 17 has in its array after the same calls.
    #[test]
    fn equal_entries_lie_where_java_has_them() {
        let mut queue = Queue::default();
        for (rank, name) in [(5, 'a'), (3, 'b'), (3, 'c'), (9, 'd'), (3, 'e'), (1, 'f'), (3, 'g'), (5, 'h'), (3, 'i')] {
            queue.push((rank, name));
        }
        assert_eq!(shown(&queue), "febiacgdh");
        assert_eq!(queue.pop().map(|e| e.1), Some('f'));
        assert_eq!(shown(&queue), "eibhacgd");
        queue.retain(|e| e.1 != 'i' && e.1 != 'b');
        assert_eq!(shown(&queue), "ecahgd");
    }

    #[test]
    fn entries_come_out_by_rank() {
        let mut queue = Queue::default();
        (0..50u64).for_each(|i| queue.push(((i * 37) % 23, 'x')));
        queue.retain(|e| e.0 % 3 != 0);
        let ranks: Vec<u64> = std::iter::from_fn(|| queue.pop()).map(|e| e.0).collect();
        assert!(ranks.is_sorted() && ranks.len() > 20, "{ranks:?}");
    }
}
