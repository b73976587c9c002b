//! Few requests for many ranges: neighbours are read together, with what lies between them.

use std::ops::Range;

use bytes::Bytes;

/// What a request costs in time is about what these bytes cost.
const GAP_BYTES_MAX: u64 = 1 << 20;
/// Longer ones are read faster in pieces, side by side.
const REQUEST_BYTES_MAX: u64 = 16 << 20;

/// What to ask for, and where in it each range lies.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Requests {
    asked: Vec<Range<u64>>,
    /// For each range the request that has it.
    at: Vec<usize>,
}

impl Requests {
    /// At least one request: whether there is an object must be asked for even if no byte is wanted.
    pub(super) fn for_ranges(ranges: &[Range<u64>]) -> Self {
        let mut by_start: Vec<usize> = (0..ranges.len()).filter(|i| !ranges[*i].is_empty()).collect();
        by_start.sort_by_key(|i| (ranges[*i].start, ranges[*i].end));
        let (mut asked, mut at): (Vec<Range<u64>>, Vec<usize>) = (Vec::new(), vec![0; ranges.len()]);
        for i in by_start {
            let range = &ranges[i];
            match asked.last_mut().filter(|last| belongs(last, range)) {
                Some(last) => last.end = last.end.max(range.end),
                None => asked.push(range.clone()),
            }
            at[i] = asked.len() - 1;
        }
        if asked.is_empty() {
            asked.push(0..1);
        }
        Requests { asked, at }
    }

    pub(super) fn ranges(&self) -> &[Range<u64>] {
        &self.asked
    }

    /// The ranges, from the answers to the requests; an answer may be shorter than its request.
    pub(super) fn cut(&self, ranges: &[Range<u64>], answers: &[Bytes]) -> Vec<Bytes> {
        let one = |(range, at): (&Range<u64>, &usize)| {
            let (answer, begin) = (&answers[*at], self.asked[*at].start);
            let within = |place: u64| usize::try_from(place.saturating_sub(begin)).unwrap_or(usize::MAX);
            let end = within(range.end).min(answer.len());
            answer.slice(within(range.start).min(end)..end)
        };
        ranges
            .iter()
            .zip(&self.at)
            .map(|(range, at)| if range.is_empty() { Bytes::new() } else { one((range, at)) })
            .collect()
    }
}

/// Whether a range is read with one that begins before it.
fn belongs(last: &Range<u64>, range: &Range<u64>) -> bool {
    let near = range.start <= last.end.saturating_add(GAP_BYTES_MAX);
    near && (range.end <= last.end || range.end - last.start <= REQUEST_BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(object: &Bytes, ranges: &[Range<u64>]) -> (usize, Vec<Bytes>) {
        let requests = Requests::for_ranges(ranges);
        let cut = |r: &Range<u64>| {
            let end = usize::try_from(r.end).unwrap_or(usize::MAX).min(object.len());
            object.slice(usize::try_from(r.start).unwrap().min(end)..end)
        };
        let answers: Vec<Bytes> = requests.ranges().iter().map(cut).collect();
        (answers.len(), requests.cut(ranges, &answers))
    }

    #[test]
    fn neighbours_are_read_together_and_far_ones_apart() {
        let object = Bytes::from((0..40u32 << 20).map(|i| (i % 251) as u8).collect::<Vec<_>>());
        let far = 20 << 20;
        let ranges = [far..far + 5, 10..20, 100..130, 15..40, 0..0, far + 1..far + 2];
        let (requests, found) = read(&object, &ranges);
        assert_eq!(requests, 2);
        for (range, found) in ranges.iter().zip(&found) {
            assert_eq!(found[..], object[range.start as usize..range.end as usize], "{range:?}");
        }
        // A long one is not made longer; what lies within it is not asked for again.
        let ranges = [0..far, 5..6, far..far + 1];
        let (requests, found) = read(&object, &ranges);
        assert_eq!((requests, found[1][0], found[2].len()), (2, 5, 1));
    }

    #[test]
    fn what_ends_early_is_cut() {
        let object = Bytes::from_static(b"0123456789");
        let (start, end) = (5, 2);
        let backwards = start..end;
        let (requests, found) = read(&object, &[8..12, 99..100, 0..u64::MAX, backwards]);
        assert_eq!(requests, 1);
        assert_eq!(found, ["89", "", "0123456789", ""]);
        assert_eq!(read(&object, &[]), (1, vec![]));
        assert_eq!(read(&object, &[3..3, 4..4]), (1, vec![Bytes::new(); 2]));
    }
}
