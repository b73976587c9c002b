//! Rows by position against a plain list of them.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Int64Array, StringArray};

use super::*;

fn rows(values: Range<i64>) -> RecordBatch {
    let texts: StringArray = values.clone().map(|v| (v % 7 != 0).then(|| format!("text {v}"))).collect();
    let numbers = Int64Array::from_iter_values(values);
    let columns = [("a", Arc::new(numbers) as ArrayRef, false), ("b", Arc::new(texts) as ArrayRef, true)];
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

fn check(chunks: &RowChunks, model: &[i64]) {
    assert_eq!(chunks.len(), model.len());
    let positions = (0..model.len() as u32).rev().step_by(3);
    let found = chunks.rows(positions.clone(), &rows(0..0)).unwrap();
    for (position, (number, text)) in positions
        .zip(found.column(0).as_primitive::<Int64Type>().values().iter().zip(found.column(1).as_string::<i32>()))
    {
        let value = model[position as usize];
        assert_eq!((*number, text.map(str::to_owned)), (value, (value % 7 != 0).then(|| format!("text {value}"))));
    }
}

#[test]
fn batches_of_any_size_become_few_and_no_position_moves() {
    // With the most copies of a row.
    for (size, copies_max) in [(1usize, 2), (700, 2), (2100, 1), (3800, 1), (8192, 1), (40_000, 1), (150_000, 0)] {
        let mut chunks = RowChunks::new(rows(0..0).schema(), None);
        let (mut model, mut most) = (Vec::new(), 0);
        while model.len() < (300 * size).min(400_000) {
            let begin = model.len() as i64;
            chunks.push(rows(begin..begin + size as i64)).unwrap();
            model.extend(begin..begin + size as i64);
            chunks.merge().unwrap();
            most = most.max(chunks.count());
        }
        check(&chunks, &model);
        assert!(most <= 3 * MERGED_TOGETHER + model.len() / CHUNK_ROWS_MAX, "{most} batches of {size}");
        let copies = chunks.chunks.iter().map(|c| c.merges).max().unwrap();
        assert!(copies <= copies_max, "{copies} copies of {size}");
        let memory: usize = chunks.chunks.iter().map(|c| c.memory_bytes).sum();
        assert_eq!(chunks.memory_bytes(), memory);
    }
}

#[test]
fn large_rows_lie_in_batches_that_a_column_can_hold() {
    let text = "x".repeat(1 << 20);
    let wide =
        || RecordBatch::try_from_iter([("a", Arc::new(StringArray::from(vec![text.as_str()])) as ArrayRef)]).unwrap();
    let mut chunks = RowChunks::new(wide().schema(), None);
    for _ in 0..200 {
        chunks.push(wide()).unwrap();
        chunks.merge().unwrap();
    }
    assert!(chunks.chunks.iter().all(|c| c.bytes <= CHUNK_BYTES_MAX + (1 << 21)));
    assert_eq!((chunks.closed, chunks.len()), (3, 200));
    chunks.keep(0..150).unwrap();
    assert_eq!((chunks.count(), chunks.len()), (3, 150));
}

#[test]
fn what_stays_is_rewritten_in_order_or_in_another_one() {
    let mut chunks = RowChunks::new(rows(0..0).schema(), None);
    for batch in 0..60 {
        chunks.push(rows(batch * 5000..(batch + 1) * 5000)).unwrap();
        chunks.merge().unwrap();
    }
    chunks.keep((0..300_000).filter(|p| p % 3 == 0)).unwrap();
    let model: Vec<i64> = (0..300_000).step_by(3).collect();
    check(&chunks, &model);
    assert!(chunks.count() <= 2 && chunks.closed == chunks.count() - 1, "{chunks:?}");
    let order: Vec<u32> = (0..100_000).rev().step_by(2).collect();
    chunks.reorder(&order).unwrap();
    check(&chunks, &order.iter().map(|p| model[*p as usize]).collect::<Vec<_>>());
    chunks.keep(std::iter::empty()).unwrap();
    assert_eq!((chunks.len(), chunks.count(), chunks.memory_bytes()), (0, 0, 0));
}

#[test]
fn a_part_of_a_batch_does_not_keep_the_whole_one() {
    let mut chunks = RowChunks::new(rows(0..0).schema(), None);
    chunks.push(rows(0..8192).slice(4000, 10)).unwrap();
    check(&chunks, &(4000..4010).collect::<Vec<_>>());
    assert!(chunks.memory_bytes() < 4096, "{} bytes", chunks.memory_bytes());
    chunks.pop();
    assert_eq!((chunks.len(), chunks.memory_bytes()), (0, 0));
}

#[test]
fn equal_texts_of_large_batches_lie_there_once() {
    let texts = |begin: i64| {
        let text = |v: i64| (v % 7 != 0).then(|| format!("https://a.long.name/of/a/page?number={}", v * v % 97));
        let texts: StringArray = (begin..begin + 8192).map(text).collect();
        RecordBatch::try_from_iter([("a", Arc::new(texts) as ArrayRef)]).unwrap()
    };
    for known_by in [None, Some(vec![0])] {
        let mut chunks = RowChunks::new(texts(0).schema(), known_by.clone());
        for batch in 0..20 {
            chunks.push(texts(batch * 8192)).unwrap();
            chunks.merge().unwrap();
        }
        let is_small = chunks.memory_bytes() < 3_500_000;
        assert_eq!(is_small, known_by.is_none(), "{} bytes", chunks.memory_bytes());
        let check = |chunks: &RowChunks, positions: &[u32]| {
            let rows = chunks.rows(positions.iter().copied(), &texts(0)).unwrap();
            let columns = chunks.columns(0..1, positions.iter().copied()).unwrap();
            assert_eq!(rows.column(0), &columns[0]);
            rows.column(0).as_string::<i32>().iter().map(|t| t.map(str::to_owned)).collect::<Vec<_>>()
        };
        let whole = check(&chunks, &(0..20 * 8192).collect::<Vec<_>>());
        let all: Vec<_> = (0..20)
            .flat_map(|b| {
                texts(b * 8192).column(0).as_string::<i32>().iter().map(|t| t.map(str::to_owned)).collect::<Vec<_>>()
            })
            .collect();
        assert!(whole == all);
        chunks.keep((0..20 * 8192).filter(|p| p % 2 == 0)).unwrap();
        let kept = check(&chunks, &(0..10 * 8192).collect::<Vec<_>>());
        assert!(kept.iter().eq(all.iter().step_by(2)));
        chunks.reorder(&(0..10 * 8192).rev().collect::<Vec<_>>()).unwrap();
        assert!(check(&chunks, &(0..10 * 8192).rev().collect::<Vec<_>>()) == kept);
    }
}

#[test]
fn rows_may_have_no_columns() {
    let empty = |rows| batch(&Arc::new(arrow_schema::Schema::empty()), Vec::new(), rows).unwrap();
    let mut chunks = RowChunks::new(empty(0).schema(), None);
    for _ in 0..40 {
        chunks.push(empty(3)).unwrap();
        chunks.merge().unwrap();
    }
    assert_eq!(chunks.rows([0, 119, 120].into_iter(), &empty(1)).unwrap().num_rows(), 3);
    chunks.keep((0..120).step_by(2)).unwrap();
    assert_eq!(chunks.len(), 60);
}
