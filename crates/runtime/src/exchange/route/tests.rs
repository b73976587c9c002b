//! Distributions, and the place of marks.

use std::collections::BTreeMap;

use super::*;
use crate::testing::rows::{batch, values};

const MAX_PARALLELISM: u32 = 128;

fn route(router: &mut Router, targets: usize, batch: ChangeBatch) -> Vec<(usize, Element)> {
    let mut out = Vec::new();
    router.route(SizedBatch::measure(batch), targets, &mut out).unwrap();
    out
}

fn rows_of(routed: &[(usize, Element)]) -> Vec<(usize, Vec<i64>)> {
    let rows = routed.iter().filter_map(|(target, element)| match element {
        Element::Batch(b) => Some((*target, values(&b.batch))),
        _ => None,
    });
    rows.collect()
}

#[test]
fn hash_agrees_with_key_groups() {
    let mut router = Router::new(&Partitioning::Hash { columns: vec![0] }, 0, 3, MAX_PARALLELISM);
    let all = batch(0..1000, &[]);
    let hashes = hash_keys(all.rows().columns(), 1000).unwrap();
    let mut expected: BTreeMap<usize, Vec<i64>> = BTreeMap::new();
    for (value, hash) in (0..1000).zip(hashes) {
        let owner = subtask_of(key_group(hash, MAX_PARALLELISM), MAX_PARALLELISM, 3);
        expected.entry(owner as usize).or_default().push(value);
    }
    assert_eq!(expected.len(), 3);
    assert_eq!(rows_of(&route(&mut router, 3, all)), expected.into_iter().collect::<Vec<_>>());
}

#[test]
fn marks_keep_their_place_among_a_channels_rows() {
    let mut router = Router::new(&Partitioning::Hash { columns: vec![0] }, 0, 2, MAX_PARALLELISM);
    let marked = batch(0..20, &[(0, 10), (5, 20), (13, 30), (20, 40)]);
    let routed = route(&mut router, 2, marked);
    assert_eq!(routed.len(), 2);
    for (_, element) in routed {
        let Element::Batch(b) = element else { panic!("no batch") };
        let rows = values(&b.batch);
        for mark in b.batch.marks() {
            // Rows are numbered as in the whole batch, so what comes before a mark is known.
            let limit = [(10, 0), (20, 5), (30, 13), (40, 20)].into_iter().find(|(w, _)| *w == mark.watermark.0);
            let before = rows.iter().filter(|v| **v < limit.unwrap().1).count();
            assert_eq!(mark.row as usize, before);
        }
        assert_eq!(b.batch.last_watermark(), Some(Watermark(40)));
    }
}

#[test]
fn a_channel_without_rows_gets_the_last_watermark() {
    let mut router = Router::new(&Partitioning::Hash { columns: vec![0] }, 0, 2, MAX_PARALLELISM);
    let routed = route(&mut router, 2, batch([7], &[(0, 1), (1, 2)]));
    let watermarks: Vec<_> = routed.iter().filter(|(_, e)| matches!(e, Element::Watermark(Watermark(2)))).collect();
    assert_eq!((routed.len(), watermarks.len()), (2, 1));
}

#[test]
fn rebalance_gives_batches_in_turn() {
    let mut router = Router::new(&Partitioning::Rebalance, 4, 3, MAX_PARALLELISM);
    let targets: Vec<_> = (0..4).map(|n| rows_of(&route(&mut router, 3, batch([n], &[])))[0].0).collect();
    assert_eq!(targets, [1, 2, 0, 1]);
    let routed = route(&mut router, 3, batch([1], &[(0, 5)]));
    assert_eq!(routed.iter().filter(|(_, e)| matches!(e, Element::Watermark(Watermark(5)))).count(), 2);
}

#[test]
fn what_is_pinned_keeps_its_channel_and_the_others_learn_of_time() {
    let mut router = Router::new(&Partitioning::Pinned, 4, 3, MAX_PARALLELISM);
    let targets: Vec<_> = (0..4).map(|n| rows_of(&route(&mut router, 3, batch([n], &[])))[0].0).collect();
    assert_eq!(targets, [1, 1, 1, 1]);
    let routed = route(&mut router, 3, batch([1], &[(0, 5)]));
    assert_eq!(routed.iter().filter(|(_, e)| matches!(e, Element::Watermark(Watermark(5)))).count(), 2);
}

#[test]
fn broadcast_gives_everything_to_everyone() {
    let mut router = Router::new(&Partitioning::Broadcast, 0, 3, MAX_PARALLELISM);
    let all: Vec<_> = (0..3).map(|t| (t, vec![1, 2])).collect();
    assert_eq!(rows_of(&route(&mut router, 3, batch([1, 2], &[]))), all);
}

#[test]
fn a_lone_target_gets_batches_uncut() {
    let mut router = Router::new(&Partitioning::Hash { columns: vec![0] }, 0, 1, MAX_PARALLELISM);
    assert_eq!(rows_of(&route(&mut router, 1, batch(0..3, &[]))), [(0, vec![0, 1, 2])]);
}

#[test]
fn rescale_groups_neighbours() {
    assert_eq!(connections(&Partitioning::Rescale, 2, 4), [(0, 0), (0, 1), (1, 2), (1, 3)]);
    assert_eq!(connections(&Partitioning::Rescale, 4, 2), [(0, 0), (1, 0), (2, 1), (3, 1)]);
    assert_eq!(connections(&Partitioning::Rescale, 3, 2), [(0, 0), (1, 1), (2, 1)]);
    assert_eq!(connections(&Partitioning::Forward, 2, 2), [(0, 0), (1, 1)]);
    assert_eq!(connections(&Partitioning::Rebalance, 2, 2).len(), 4);
    for (from, to) in [(3, 7), (7, 3), (5, 5), (1, 4), (4, 1)] {
        let pairs = connections(&Partitioning::Rescale, from, to);
        assert_eq!(pairs.len() as u32, from.max(to));
        assert!((0..from).all(|f| pairs.iter().any(|p| p.0 == f)));
        assert!((0..to).all(|t| pairs.iter().any(|p| p.1 == t)));
    }
}

#[test]
fn rows_with_one_key_go_where_each_would_and_are_not_copied() {
    for key in 0..20 {
        let mut router = Router::new(&Partitioning::Hash { columns: vec![0] }, 0, 3, MAX_PARALLELISM);
        let of_one = rows_of(&route(&mut router, 3, batch([key, key + 1000], &[])));
        let alone = of_one.iter().find(|(_, rows)| rows.contains(&key)).unwrap().0;
        let same = batch([key; 50], &[(50, 9)]);
        let values = same.rows().column(0).to_data().buffers()[0].as_ptr();
        let mut routed = route(&mut router, 3, same);
        assert_eq!(rows_of(&routed), [(alone, vec![key; 50])]);
        let Some((_, Element::Batch(whole))) = routed.pop() else { panic!("the batch is the last") };
        assert_eq!(whole.batch.rows().column(0).to_data().buffers()[0].as_ptr(), values);
        let others = routed.iter().filter(|(_, e)| matches!(e, Element::Watermark(Watermark(9)))).count();
        assert_eq!((others, routed.len()), (2, 2));
    }
}
