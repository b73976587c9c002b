//! Groups over every order in which their members may report, and what readers hear.

use super::*;
use crate::testing::world::ManualClock;

fn alignment(group: &str, max_drift_ms: i64) -> WatermarkAlignment {
    WatermarkAlignment { group: group.to_owned(), max_drift_ms, update_interval_ms: 1000 }
}

/// A source with so many readers.
struct Source {
    aligner: Aligner,
    readers: Vec<AlignmentLine>,
}

fn source(groups: &Groups, alignment: &WatermarkAlignment, readers: usize) -> Source {
    let (coordinator, readers) = (0..readers).map(|_| line()).unzip();
    Source { aligner: Aligner::new(alignment, groups, coordinator, Arc::<ManualClock>::default()), readers }
}

impl Source {
    fn bounds(&mut self) -> Vec<i64> {
        self.aligner.announce();
        self.readers.iter_mut().map(AlignmentLine::bound_ms).collect()
    }
}

#[test]
fn the_slowest_of_all_that_have_a_watermark_bounds_the_group() {
    let groups = Groups::default();
    let (mut a, mut b) = (source(&groups, &alignment("g", 10), 2), source(&groups, &alignment("g", 5), 1));
    let mut other = source(&groups, &alignment("h", 1), 1);
    assert_eq!((a.bounds(), b.bounds()), (vec![UNBOUND_MS; 2], vec![UNBOUND_MS]), "nobody has a watermark");
    a.readers[0].report(Some(100));
    assert_eq!((a.bounds(), b.bounds()), (vec![110; 2], vec![105]), "one reader does, and nobody waits for the others");
    b.readers[0].report(Some(-7));
    assert_eq!((b.bounds(), a.bounds()), (vec![-2], vec![3; 2]));
    other.readers[0].report(Some(-1000));
    assert_eq!((other.bounds(), a.bounds()), (vec![-999], vec![3; 2]), "groups do not know each other");
    // Idle, there again, and gone.
    b.readers[0].report(Some(UNBOUND_MS));
    assert_eq!((b.bounds(), a.bounds()), (vec![105], vec![110; 2]));
    b.readers[0].report(Some(-5));
    assert_eq!((b.bounds(), a.bounds()), (vec![0], vec![5; 2]));
    b.readers.clear();
    assert_eq!((b.bounds(), a.bounds()), (vec![], vec![110; 2]));
    a.readers[0].report(Some(UNBOUND_MS));
    assert_eq!((b.bounds(), a.bounds()), (vec![], vec![UNBOUND_MS; 2]), "there is nobody to wait for");
}

#[test]
fn one_source_alone_is_bound_to_itself_and_never_stands_still() {
    let mut alone = source(&Groups::default(), &alignment("g", 0), 1);
    for watermark in [3, 4, 1000] {
        alone.readers[0].report(Some(watermark));
        assert_eq!(alone.bounds(), [watermark]);
    }
}

#[test]
fn a_source_that_begins_anew_does_not_remember() {
    let groups = Groups::default();
    let (mut a, mut b) = (source(&groups, &alignment("g", 1), 1), source(&groups, &alignment("g", 1), 1));
    a.readers[0].report(Some(50));
    b.readers[0].report(Some(5));
    assert_eq!((a.bounds(), b.bounds()), (vec![51], vec![6]));
    assert_eq!(a.bounds(), [6]);
    drop(b);
    assert_eq!(a.bounds(), [51]);
    let mut b = source(&groups, &alignment("g", 1), 1);
    assert_eq!((b.bounds(), a.bounds()), (vec![51], vec![51]), "it has no watermark yet");
    b.readers[0].report(Some(4));
    assert_eq!((b.bounds(), a.bounds()), (vec![5], vec![5]));
}

/// Two members, each of which begins, rises, is idle, rises, and leaves: in every order of these events the bound is that of
/// the least that is there, and who has it may read on.
#[test]
fn every_interleaving_is_bound_by_the_least() {
    const LIFE: [Option<i64>; 5] = [Some(10), Some(20), Some(UNBOUND_MS), Some(40), None];
    let steps = LIFE.len();
    let orders = (0u32..1 << (2 * steps)).filter(|order| order.count_ones() as usize == steps);
    let mut played = 0;
    for order in orders {
        let (mut group, mut at) = (Group::default(), [0, 0]);
        let mut there: [Option<i64>; 2] = [None; 2];
        for step in 0..2 * steps {
            let member = (order >> step & 1) as usize;
            // The second one is half a step behind.
            there[member] = LIFE[at[member]].map(|w| if w == UNBOUND_MS { w } else { w - 5 * member as i64 });
            at[member] += 1;
            group.report(member as u64, there[member]);
            let least = there.into_iter().flatten().min();
            assert_eq!(group.bound_ms(0), least.unwrap_or(UNBOUND_MS), "{order:b}, step {step}");
            assert!(least.is_none_or(|least| group.bound_ms(0) >= least && group.bound_ms(i64::MAX) >= least));
        }
        played += 1;
    }
    assert_eq!(played, 252);
}

#[tokio::test]
async fn readers_hear_once_per_interval_and_only_of_what_is_new() {
    let clock: Arc<ManualClock> = Arc::default();
    let groups = Groups::default();
    let (coordinator, mut reader) = line();
    let aligner = Aligner::new(&alignment("g", 7), &groups, vec![coordinator], clock.clone());
    reader.report(Some(1));
    let mut running = std::pin::pin!(aligner.run());
    let mut polled = async |clock: &ManualClock| {
        assert!(futures::poll!(running.as_mut()).is_pending());
        clock.advance(999);
        assert!(futures::poll!(running.as_mut()).is_pending());
    };
    polled(&clock).await;
    assert!(!reader.bound_ms.has_changed().unwrap(), "not yet");
    clock.advance(1);
    polled(&clock).await;
    assert!(reader.bound_ms.has_changed().unwrap());
    assert_eq!(reader.bound_ms(), 8);
    clock.advance(1);
    polled(&clock).await;
    assert!(!reader.bound_ms.has_changed().unwrap(), "nothing is new");
    reader.report(Some(2));
    clock.advance(1);
    polled(&clock).await;
    assert_eq!(reader.bound_ms(), 9);
}
