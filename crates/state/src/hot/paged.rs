//! A vector that grows by pages: what lies there is never copied to make room, and the room that is not used yet is
//! no more than a page.

use std::ops::{Index, IndexMut};

/// A page has so many values, as a power of two.
const PAGE_BITS: u32 = 15;
const PAGE: usize = 1 << PAGE_BITS;

/// See the module.
#[derive(Debug)]
pub(super) struct Paged<T> {
    /// All are full but the last one. Only the first one grows from little, for the many that stay small.
    pages: Vec<Vec<T>>,
    len: usize,
}

impl<T: Copy> Paged<T> {
    pub(super) fn new() -> Self {
        Paged { pages: Vec::new(), len: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(super) fn get(&self, at: usize) -> Option<T> {
        self.pages.get(at >> PAGE_BITS)?.get(at & (PAGE - 1)).copied()
    }

    #[inline]
    pub(super) fn get_mut(&mut self, at: usize) -> Option<&mut T> {
        self.pages.get_mut(at >> PAGE_BITS)?.get_mut(at & (PAGE - 1))
    }

    #[inline]
    pub(super) fn push(&mut self, value: T) {
        self.last_page().push(value);
        self.len += 1;
    }

    /// Makes it at least so long.
    pub(super) fn grow(&mut self, len: usize, value: T) {
        while self.len < len {
            let missing = len - self.len;
            let page = self.last_page();
            let added = missing.min(PAGE - page.len());
            page.resize(page.len() + added, value);
            self.len += added;
        }
    }

    /// All values, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = T> + '_ {
        self.pages.iter().flatten().copied()
    }

    /// Bytes of memory that it takes.
    pub(super) fn memory_bytes(&self) -> usize {
        let room: usize = self.pages.last().map_or(0, Vec::capacity);
        (self.pages.len().saturating_sub(1) * PAGE + room) * size_of::<T>()
    }

    /// The page with room for one more.
    fn last_page(&mut self) -> &mut Vec<T> {
        if self.len == self.pages.len() * PAGE {
            self.pages.push(if self.pages.is_empty() { Vec::new() } else { Vec::with_capacity(PAGE) });
        }
        let last = self.pages.len() - 1;
        &mut self.pages[last]
    }
}

impl<T: Copy> Default for Paged<T> {
    fn default() -> Self {
        Paged::new()
    }
}

impl<T: Copy> Index<usize> for Paged<T> {
    type Output = T;

    #[inline]
    fn index(&self, at: usize) -> &T {
        &self.pages[at >> PAGE_BITS][at & (PAGE - 1)]
    }
}

impl<T: Copy> IndexMut<usize> for Paged<T> {
    #[inline]
    fn index_mut(&mut self, at: usize) -> &mut T {
        &mut self.pages[at >> PAGE_BITS][at & (PAGE - 1)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_vector_also_beyond_a_page() {
        let (mut paged, mut model) = (Paged::new(), Vec::new());
        for step in 0..9usize {
            let len = model.len() + step * 7919;
            paged.grow(len, step);
            model.resize(len, step);
            paged.push(step + 100);
            model.push(step + 100);
            paged.grow(1, 7);
            paged[step] = step + 200;
            model[step] = step + 200;
        }
        assert!(model.len() > 4 * PAGE);
        assert_eq!((paged.len(), paged.iter().collect::<Vec<_>>()), (model.len(), model.clone()));
        for at in [0, PAGE - 1, PAGE, model.len() - 1] {
            assert_eq!(
                (paged.get(at), paged.get_mut(at).copied(), paged[at]),
                (Some(model[at]), Some(model[at]), model[at])
            );
        }
        assert_eq!((paged.get(model.len()), paged.get_mut(model.len())), (None, None));
        let bytes = model.len() * size_of::<usize>();
        assert!((bytes..bytes + PAGE * size_of::<usize>()).contains(&paged.memory_bytes()));
        assert_eq!(Paged::<u8>::new().memory_bytes(), 0);
    }
}
