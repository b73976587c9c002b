//! Partial matches in the order in which they are worked on.
//!
//! Flink keeps them in Java's `PriorityQueue` by the first event, and walks through its array. Among matches with the same
//! first event the place in the array decides which is found first, and with a skip strategy the others are dropped: so this
//! is the same binary heap, move by move. **Invariant.** Its array is what Java's would be.
//!
//! For patterns that Flink does not have it is a list in order instead, those of one rank as they came: so they stay in the
//! order in which the pattern prefers them.

/// An entry: what it is ordered by, which may be the same for many.
pub(crate) trait Ordered: Copy {
    /// Smaller ones come first.
    fn rank(&self) -> u64;
}

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Queue<T> {
    array: Vec<T>,
    is_list: bool,
}

impl<T: Ordered> Queue<T> {
    /// An empty one: a list in order, or Java's heap.
    pub(crate) fn new(is_list: bool) -> Self {
        Queue { array: Vec::new(), is_list }
    }

    /// An array that was a queue's.
    pub(crate) fn of_array(mut array: Vec<T>, is_list: bool) -> Self {
        if is_list {
            array.sort_by_key(Ordered::rank);
        }
        Queue { array, is_list }
    }

    /// The entries as they lie.
    pub(crate) fn array(&self) -> &[T] {
        &self.array
    }

    pub(crate) fn clear(&mut self) {
        self.array.clear();
    }

    /// The first entry.
    pub(crate) fn peek(&self) -> Option<&T> {
        self.array.first()
    }

    pub(crate) fn push(&mut self, entry: T) {
        if self.is_list {
            let at = self.array.partition_point(|e| e.rank() <= entry.rank());
            self.array.insert(at, entry);
            return;
        }
        self.array.push(entry);
        let mut at = self.array.len() - 1;
        while at > 0 {
            let above = (at - 1) / 2;
            if entry.rank() >= self.array[above].rank() {
                break;
            }
            self.array.swap(at, above);
            at = above;
        }
    }

    /// Takes the first entry out.
    pub(crate) fn pop(&mut self) -> Option<T> {
        if self.is_list {
            return (!self.array.is_empty()).then(|| self.array.remove(0));
        }
        let last = self.array.pop()?;
        let Some(first) = self.array.first_mut() else { return Some(last) };
        let first = std::mem::replace(first, last);
        self.sink(0);
        Some(first)
    }

    /// Keeps some entries.
    pub(crate) fn retain(&mut self, keep: impl FnMut(&T) -> bool) {
        let before = self.array.len();
        self.array.retain(keep);
        if self.array.len() < before && !self.is_list {
            (0..self.array.len() / 2).rev().for_each(|at| self.sink(at));
        }
    }

    fn sink(&mut self, mut at: usize) {
        loop {
            let mut below = 2 * at + 1;
            if below >= self.array.len() {
                return;
            }
            if below + 1 < self.array.len() && self.array[below].rank() > self.array[below + 1].rank() {
                below += 1;
            }
            if self.array[at].rank() <= self.array[below].rank() {
                return;
            }
            self.array.swap(at, below);
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
        let mut queue = Queue::new(false);
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
    fn in_a_list_equal_entries_stay_as_they_came() {
        let mut queue = Queue::new(true);
        for (rank, name) in [(5, 'a'), (3, 'b'), (3, 'c'), (9, 'd'), (3, 'e'), (1, 'f'), (5, 'h')] {
            queue.push((rank, name));
        }
        assert_eq!(shown(&queue), "fbceahd");
        assert_eq!(queue.pop().map(|e| e.1), Some('f'));
        queue.retain(|e| e.1 != 'c');
        assert_eq!(shown(&queue), "beahd");
    }

    #[test]
    fn entries_come_out_by_rank() {
        let mut queue = Queue::new(false);
        (0..50u64).for_each(|i| queue.push(((i * 37) % 23, 'x')));
        queue.retain(|e| e.0 % 3 != 0);
        let ranks: Vec<u64> = std::iter::from_fn(|| queue.pop()).map(|e| e.0).collect();
        assert!(ranks.is_sorted() && ranks.len() > 20, "{ranks:?}");
    }
}
