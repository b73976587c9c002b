//! How often each value came, as sets of values.

use super::Bitmap;

/// A count for each 32-bit integer, below zero too; zero where nothing was counted.
///
/// The counts lie in planes: plane i has the values whose count has bit i, and the sign those whose count is below
/// zero, in two's complement. So a whole set is counted at once, container by container, and a value that came once
/// takes no more than in a [`Bitmap`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BitmapCounts {
    planes: Vec<Bitmap>,
    sign: Bitmap,
}

impl BitmapCounts {
    /// Counts the values of a set up by one, or down.
    pub fn count(&mut self, values: &Bitmap, up: bool) {
        let mut carry = values.clone();
        for plane in &mut self.planes {
            if carry.is_empty() {
                break;
            }
            let mut next = carry.clone();
            match up {
                true => next.and(plane),
                false => next.and_not(plane),
            }
            plane.xor(&carry);
            carry = next;
        }
        if !carry.is_empty() {
            self.carry_into_sign(carry, up);
        }
        self.trim();
    }

    /// The last plane stands for all above it, up to the sign: where a carry turns no sign back, there is a new plane.
    fn carry_into_sign(&mut self, carry: Bitmap, up: bool) {
        let mut grows = carry.clone();
        match up {
            true => grows.and_not(&self.sign),
            false => grows.and(&self.sign),
        }
        if grows.is_empty() {
            match up {
                true => self.sign.and_not(&carry),
                false => self.sign.or(&carry),
            }
            return;
        }
        let mut plane = self.sign.clone();
        plane.xor(&carry);
        match up {
            true => self.sign.and_not(&carry),
            false => self.sign.or(&carry),
        }
        self.planes.push(plane);
    }

    /// Counts one value up by one, or down; its count afterwards is above zero, and was before.
    pub fn count_one(&mut self, value: i32, up: bool) -> (bool, bool) {
        let before = self.is_positive(value);
        for plane in &mut self.planes {
            let was = if plane.contains(value) { plane.remove(value) } else { !plane.insert(value) };
            if was != up {
                let after = self.is_positive(value);
                self.trim();
                return (before, after);
            }
        }
        self.carry_into_sign(std::iter::once(value).collect(), up);
        let after = self.is_positive(value);
        self.trim();
        (before, after)
    }

    fn is_positive(&self, value: i32) -> bool {
        !self.sign.contains(value) && self.planes.iter().any(|plane| plane.contains(value))
    }

    /// Adds the counts of another one, or takes them away.
    pub fn add(&mut self, other: &BitmapCounts, up: bool) {
        // A bit more for the sum, and one for its sign.
        let width = self.planes.len().max(other.planes.len()) + 2;
        let mut carry = Bitmap::default();
        for i in 0..width {
            if i == self.planes.len() {
                self.planes.push(self.sign.clone());
            }
            let (plane, by) = (&mut self.planes[i], other.planes.get(i).unwrap_or(&other.sign));
            // What two of three have: the carry, the one plane and, of a sum, the other one or else what it lacks.
            let (mut both, mut one) = (by.clone(), by.clone());
            both.and(&carry);
            one.or(&carry);
            match up {
                true => one.and(plane),
                false => one.and_not(plane),
            }
            plane.xor(by);
            plane.xor(&carry);
            carry = both;
            carry.or(&one);
        }
        self.sign = self.planes.pop().unwrap_or_default();
        self.trim();
    }

    /// Drops planes that say no more than the sign.
    fn trim(&mut self) {
        while self.planes.last().is_some_and(|plane| *plane == self.sign) {
            self.planes.pop();
        }
    }

    /// The values with a count above zero.
    pub fn positive(&self) -> Bitmap {
        let mut positive = Bitmap::default();
        self.planes.iter().for_each(|plane| positive.or(plane));
        positive.and_not(&self.sign);
        positive
    }

    /// The same, of these values only.
    pub fn positive_of(&self, values: &Bitmap) -> Bitmap {
        let mut positive = Bitmap::default();
        for plane in &self.planes {
            let mut these = values.clone();
            these.and(plane);
            positive.or(&these);
        }
        positive.and_not(&self.sign);
        positive
    }

    /// The values with this count, which is above zero.
    pub fn exactly(&self, count: i64) -> Bitmap {
        let has = |bit: usize| count.checked_shr(bit as u32).is_some_and(|rest| rest & 1 == 1);
        let widest = (i64::BITS - count.leading_zeros()) as usize;
        let Some(first) = (0..self.planes.len()).find(|bit| has(*bit)).filter(|_| widest <= self.planes.len()) else {
            return Bitmap::default();
        };
        let mut equal = self.planes[first].clone();
        equal.and_not(&self.sign);
        for (bit, plane) in self.planes.iter().enumerate() {
            match has(bit) {
                true => equal.and(plane),
                false => equal.and_not(plane),
            }
        }
        equal
    }

    /// The values that were counted and whose count is not zero.
    pub fn counted(&self) -> Bitmap {
        let mut counted = self.sign.clone();
        self.planes.iter().for_each(|plane| counted.or(plane));
        counted
    }

    /// The planes, the lowest first, and the sign.
    pub fn parts(&self) -> (&[Bitmap], &Bitmap) {
        (&self.planes, &self.sign)
    }

    /// The counts of such parts.
    pub fn from_parts(planes: Vec<Bitmap>, sign: Bitmap) -> Self {
        let mut counts = BitmapCounts { planes, sign };
        counts.trim();
        counts
    }

    /// Bytes of memory it takes, about.
    pub fn memory_bytes(&self) -> usize {
        self.planes.iter().chain([&self.sign]).map(|plane| size_of::<Bitmap>() + plane.memory_bytes()).sum()
    }
}
