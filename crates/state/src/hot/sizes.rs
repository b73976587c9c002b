//! How large groups are, about: so the largest is known without looking at all of them, also when one of them shrinks.

/// Classes of size: each is twice as large as the one before.
const CLASSES: usize = usize::BITS as usize;

/// How many groups there are of each class. Empty ones are in none.
#[derive(Debug)]
pub(super) struct Sizes {
    groups: [usize; CLASSES],
}

impl Sizes {
    pub(super) fn new() -> Self {
        Sizes { groups: [0; CLASSES] }
    }

    /// Notes that a group which took so many bytes takes others now.
    #[inline]
    pub(super) fn moved(&mut self, before: usize, after: usize) {
        let (before, after) = (before.checked_ilog2(), after.checked_ilog2());
        if before != after {
            before.into_iter().for_each(|class| self.groups[class as usize] -= 1);
            after.into_iter().for_each(|class| self.groups[class as usize] += 1);
        }
    }

    /// No group takes more bytes, and one at least half as many.
    pub(super) fn largest(&self) -> usize {
        self.groups.iter().rposition(|groups| *groups > 0).map_or(0, |class| usize::MAX >> (CLASSES - 1 - class))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_group_is_known_within_its_double_and_falls() {
        let mut sizes = Sizes::new();
        assert_eq!(sizes.largest(), 0);
        sizes.moved(0, 5);
        sizes.moved(0, 1000);
        assert_eq!(sizes.largest(), 1023);
        sizes.moved(1000, 1024);
        assert_eq!(sizes.largest(), 2047);
        sizes.moved(1024, 0);
        assert_eq!(sizes.largest(), 7);
        sizes.moved(5, 1);
        assert_eq!(sizes.largest(), 1);
        sizes.moved(1, usize::MAX);
        assert_eq!(sizes.largest(), usize::MAX);
    }
}
