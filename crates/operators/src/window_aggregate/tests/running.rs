//! Windows that overlap or grow, against a model that keeps every row for every window.

use std::collections::BTreeMap;

use flott_api::testing::{FakeStateStore, open_context_with};

use super::*;

const SLIDE: WindowKind = WindowKind::Hop { size_ms: 15_000, slide_ms: 5000, offset_ms: 0 };
const GROW: WindowKind = WindowKind::Cumulate { max_size_ms: 15_000, step_ms: 5000, offset_ms: 0 };

fn of(window: WindowKind, calls: &[AggregateCall]) -> WindowAggregateSpec {
    WindowAggregateSpec { window, ..spec(timestamp(), "UTC", &[1], calls) }
}

fn counted(window: WindowKind) -> WindowAggregateSpec {
    of(window, &[call("count", &[], false), call("sum", &[2], false)])
}

#[test]
fn a_row_is_in_every_window_of_a_hop_that_is_not_out() {
    let script = "+I | 1000 | a | 1\n+I | 7000 | a | 2\n+I | 7000 | b | 3\nwm 4999\n+I | 12000 | a | 4\nwm 9999\n\
        +I | 2000 | a | 5\n+I | 13000 | b | 6\nwm 14999\n+I | 14000 | c | 7\n+I | 4000 | a | 8\nwm 40000";
    // The row of 2000 is late for the windows that end at 5000 and 10000, that of 4000 for all.
    let expected = "+I | a | 1 | 1 | -10000 | 5000 | 4999\nwm 4999\n\
        +I | a | 2 | 3 | -5000 | 10000 | 9999\n+I | b | 1 | 3 | -5000 | 10000 | 9999\nwm 9999\n\
        +I | a | 4 | 12 | 0 | 15000 | 14999\n+I | b | 2 | 9 | 0 | 15000 | 14999\nwm 14999\n\
        +I | a | 2 | 6 | 5000 | 20000 | 19999\n+I | b | 2 | 9 | 5000 | 20000 | 19999\n\
        +I | c | 1 | 7 | 5000 | 20000 | 19999\n+I | a | 1 | 4 | 10000 | 25000 | 24999\n\
        +I | b | 1 | 6 | 10000 | 25000 | 24999\n+I | c | 1 | 7 | 10000 | 25000 | 24999\nwm 40000";
    assert_eq!(run(&counted(SLIDE), script), expected);
}

#[test]
fn windows_grow_and_come_out_at_every_step() {
    let script = "+I | 1000 | a | 1\n+I | 12000 | b | 2\nwm 4999\n+I | 16000 | a | 3\n+I | 2000 | b | 4\nwm 30000";
    let expected = "+I | a | 1 | 1 | 0 | 5000 | 4999\nwm 4999\n\
        +I | a | 1 | 1 | 0 | 10000 | 9999\n+I | b | 1 | 4 | 0 | 10000 | 9999\n\
        +I | a | 1 | 1 | 0 | 15000 | 14999\n+I | b | 2 | 6 | 0 | 15000 | 14999\n\
        +I | a | 1 | 3 | 15000 | 20000 | 19999\n+I | a | 1 | 3 | 15000 | 25000 | 24999\n\
        +I | a | 1 | 3 | 15000 | 30000 | 29999\nwm 30000";
    assert_eq!(run(&counted(GROW), script), expected);
}

#[test]
fn what_was_taken_back_is_in_no_window() {
    let calls = [call("count", &[], false), call("max", &[2], false), call("count", &[2], true)];
    let mut spec = of(SLIDE, &calls);
    spec.input_changelog = ChangelogMode::ALL;
    let script = "+I | 1000 | a | 9\n+I | 1000 | b | 1\n+I | 6000 | a | 5\nwm 4999\n-D | 1000 | b | 1\n\
        -U | 1000 | a | 9\n+U | 1000 | a | 5\nwm 9999\n-D | 1000 | a | 5\n-D | 6000 | a | 5\nwm 19999";
    let expected = "+I | a | 1 | 9 | 1 | -10000 | 5000 | 4999\n+I | b | 1 | 1 | 1 | -10000 | 5000 | 4999\nwm 4999\n\
        +I | a | 2 | 5 | 1 | -5000 | 10000 | 9999\nwm 19999";
    assert_eq!(run(&spec, script), expected);
    spec.window = GROW;
    let expected = "+I | a | 1 | 9 | 1 | 0 | 5000 | 4999\n+I | b | 1 | 1 | 1 | 0 | 5000 | 4999\nwm 4999\n\
        +I | a | 2 | 5 | 1 | 0 | 10000 | 9999\nwm 19999";
    assert_eq!(run(&spec, script), expected);
}

#[test]
fn nothing_overlaps_in_rows_that_come_with_their_window() {
    let mut spec = counted(SLIDE);
    spec.time = WindowTime::Attached(0);
    let script = "+I | 15000 | a | 1\n+I | 20000 | a | 2\nwm 14999\n+I | 15000 | a | 3\n+I | 20000 | a | 4";
    let expected = "+I | a | 1 | 1 | 0 | 15000 | 14999\nwm 14999\n+I | a | 2 | 6 | 5000 | 20000 | 19999";
    assert_eq!(run(&spec, script), expected);
    spec.window = GROW;
    let expected = "+I | a | 1 | 1 | 0 | 15000 | 14999\nwm 14999\n+I | a | 2 | 6 | 15000 | 20000 | 19999";
    assert_eq!(run(&spec, script), expected);
}

#[test]
fn between_the_windows_of_a_long_hop_rows_are_late() {
    let spec = counted(WindowKind::Hop { size_ms: 5000, slide_ms: 20_000, offset_ms: 0 });
    let script = "+I | 1000 | a | 1\n+I | 6000 | a | 2\n+I | 21000 | a | 3";
    let expected = "+I | a | 1 | 1 | 0 | 5000 | 4999\n+I | a | 1 | 3 | 20000 | 25000 | 24999";
    assert_eq!(run(&spec, script), expected);
}

#[test]
fn windows_over_processing_time_overlap_and_grow_with_the_clock() {
    let local = TypeKind::TimestampLtz(3);
    let mut spec = WindowAggregateSpec { window: SLIDE, ..spec(local, "UTC", &[1], &[call("count", &[], false)]) };
    spec.time = WindowTime::Proctime;
    let script = "time 1000\n+I | NULL | a | 1\ntime 4999\n+I | NULL | a | 1\ntime 7000\n+I | NULL | b | 1\ntime 9999\n\
        time 14999\ntime 19999\ntime 60000";
    // The row of 4999 comes when the clock has ended its window: it counts as one of the next.
    let expected = "+I | a | 1 | -10000 | 5000 | 4999\n+I | a | 2 | -5000 | 10000 | 9999\n\
        +I | b | 1 | -5000 | 10000 | 9999\n+I | a | 2 | 0 | 15000 | 14999\n+I | b | 1 | 0 | 15000 | 14999\n\
        +I | a | 1 | 5000 | 20000 | 19999\n+I | b | 1 | 5000 | 20000 | 19999";
    assert_eq!(run(&spec, script), expected);
    spec.window = GROW;
    let expected = "+I | a | 1 | 0 | 5000 | 4999\n+I | a | 2 | 0 | 10000 | 9999\n+I | b | 1 | 0 | 10000 | 9999\n\
        +I | a | 2 | 0 | 15000 | 14999\n+I | b | 1 | 0 | 15000 | 14999";
    assert_eq!(run(&spec, script), expected);
}

#[test]
fn local_windows_overlap_where_the_clock_is_moved() {
    const HOUR: i64 = 3_600_000;
    // 2021-03-14 00:00 in Los Angeles; at 02:00 the clock is moved to 03:00.
    const MIDNIGHT: i64 = 1_615_680_000_000;
    let utc = MIDNIGHT + 8 * HOUR;
    let local = TypeKind::TimestampLtz(3);
    let mut spec = spec(local, "America/Los_Angeles", &[1], &[call("count", &[], false)]);
    spec.window = WindowKind::Hop { size_ms: 2 * HOUR, slide_ms: HOUR, offset_ms: 0 };
    let script = format!("+I | {} | a | 1\n+I | {} | a | 1\nwm {}", utc + HOUR, utc + 2 * HOUR, utc + 2 * HOUR);
    let row = |count: i64, end: i64, last_utc: i64| {
        format!("+I | a | {count} | {} | {} | {last_utc}", MIDNIGHT + (end - 2) * HOUR, MIDNIGHT + end * HOUR)
    };
    // Nothing has the wall time of 02:00 to 03:00; the window that ends at 03:00 is over when it would begin.
    let expected = [
        row(1, 2, utc + 2 * HOUR - 1),
        row(1, 3, utc + 3 * HOUR - 1),
        format!("wm {}", utc + 2 * HOUR),
        row(1, 4, utc + 3 * HOUR - 1),
        row(1, 5, utc + 4 * HOUR - 1),
    ];
    assert_eq!(run(&spec, &script), expected.join("\n"));
}

/// [`run`] without restarts.
fn plain(spec: &WindowAggregateSpec, script: &str) -> String {
    let case = Case { input: &spec.input, event_time: EventTime::WholeWithMarks, script };
    flott_api::testing::check(&case, || Box::new(WindowAggregate::from_spec(spec.clone()).unwrap()))
}

/// Numbers by chance.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % end
    }
}

#[derive(Clone)]
struct Row {
    time_ms: i64,
    key: u64,
    value: i64,
    watermark: i64,
}

/// What comes out when a watermark passes from one to the next: rows of each window that are not behind it.
fn passed(windows: &Windows, rows: &[Row], (from, to): (i64, i64)) -> Vec<String> {
    let mut by_window: BTreeMap<(i64, u64), Vec<i64>> = BTreeMap::new();
    for row in rows {
        windows.aligned().windows(row.time_ms, |end| {
            if end - 1 > row.watermark && end - 1 > from && end - 1 <= to {
                by_window.entry((end, row.key)).or_default().push(row.value);
            }
        });
    }
    let line = |((end, key), values): (&(i64, u64), &Vec<i64>)| {
        let mut distinct = values.clone();
        distinct.sort_unstable();
        distinct.dedup();
        let (sum, min, max) = (values.iter().sum::<i64>(), distinct[0], distinct[distinct.len() - 1]);
        let average = sum / values.len() as i64;
        let (count, distinct, start) = (values.len(), distinct.len(), windows.aligned().start(*end));
        format!(
            "+I | k{key} | {count} | {sum} | {average} | {min} | {max} | {distinct} | {start} | {end} | {}",
            end - 1
        )
    };
    by_window.iter().map(line).collect()
}

#[test]
fn any_rows_in_any_order_give_what_a_model_gives() {
    let calls = [
        call("count", &[], false),
        call("sum", &[2], false),
        call("avg", &[2], false),
        call("min", &[2], false),
        call("max", &[2], false),
        call("count", &[2], true),
    ];
    let kinds = [
        SLIDE,
        GROW,
        WindowKind::Hop { size_ms: 10_000, slide_ms: 4000, offset_ms: 1000 },
        WindowKind::Hop { size_ms: 12_000, slide_ms: 1000, offset_ms: -300 },
        WindowKind::Cumulate { max_size_ms: 8000, step_ms: 2000, offset_ms: 500 },
        WindowKind::Tumble { size_ms: 7000, offset_ms: 0 },
    ];
    for (seed, kind) in kinds.iter().cycle().take(30).enumerate() {
        let spec = of(kind.clone(), &calls);
        let windows = Windows::new(&spec.input, spec.time.clone(), kind, "UTC").unwrap();
        let mut chance = Chance(seed as u64 * 7919 + 13);
        let (mut script, mut expected, mut rows, mut watermark) = (String::new(), Vec::new(), Vec::new(), i64::MIN);
        for step in 0..if seed < kinds.len() { 24 } else { 60 } {
            if chance.below(4) == 0 {
                let next = watermark.max(0) + 1 + chance.below(6000) as i64;
                let mut lines = passed(&windows, &rows, (watermark, next));
                lines.sort();
                expected.extend(lines);
                watermark = next;
                script += &format!("wm {next}\n");
                continue;
            }
            // Once there is a pause in which every window ends.
            let pause = if step > 16 { 50_000 } else { 0 };
            let time_ms = (watermark.max(0) + chance.below(20_000) as i64 - 9000 + pause).max(0);
            let (key, value) = (chance.below(3), chance.below(7) as i64 - 3);
            script += &format!("+I | {time_ms} | k{key} | {value}\n");
            rows.push(Row { time_ms, key, value, watermark });
        }
        let mut lines = passed(&windows, &rows, (watermark, i64::MAX - 1));
        lines.sort();
        expected.extend(lines);
        let mut got = Vec::new();
        // What restarts do to it is dear to try, and the same for many scripts.
        let answer = if seed < kinds.len() { run_in_one_phase(&spec, &script) } else { plain(&spec, &script) };
        assert_eq!(phases::in_one_batch(&spec, &script), phases::rows_of(&answer), "{kind:?} in two phases (left)");
        for piece in answer.lines().collect::<Vec<_>>().chunk_by(|a, b| a.starts_with("wm") == b.starts_with("wm")) {
            let mut piece: Vec<String> =
                piece.iter().filter(|l| !l.starts_with("wm")).map(|l| (*l).to_owned()).collect();
            piece.sort();
            got.extend(piece);
        }
        assert_eq!(got, expected, "seed {seed}, {kind:?}\n{script}");
    }
}

#[test]
fn aggregates_that_cannot_be_merged_are_refused_by_name() {
    for kind in [SLIDE, GROW] {
        let error = WindowAggregate::from_spec(of(kind, &[call("first_value", &[2], false)])).err().unwrap();
        assert_eq!(error.kind(), flott_api::ErrorKind::Invalid);
        assert!(error.message().contains("'FIRST_VALUE' over parts that are put together"), "{error:?}");
    }
}

#[test]
fn slices_and_keys_that_are_over_leave_nothing_in_the_store() {
    for kind in [SLIDE, GROW] {
        let mut world = World::new(counted(kind));
        let store = FakeStateStore::new();
        let subtask = flott_api::ids::Subtask { index: 0, parallelism: 1 };
        world.operator.open(&open_context_with(&FakeWorld::at(0), subtask, 128, store.clone())).unwrap();
        world.rows("+I | 30000 | a | 1\n+I | 30001 | b | 1\n+I | 36000 | a | 1").unwrap();
        let step = |world: &mut World, watermark: i64| {
            let mut cx = OperatorContext {
                output: &mut world.output,
                timers: &mut world.timers,
                processing_time_ms: 0,
                watermark: Watermark(20_000),
                metrics: &world.metrics,
            };
            ready(world.operator.process_watermark(Watermark(watermark), &mut cx)).unwrap();
            for container in world.operator.containers() {
                container.close_epoch();
                while !ready(container.drain(1)).unwrap() {}
            }
            store.snapshot().entries.iter().map(|e| e.len()).sum::<usize>()
        };
        assert!(step(&mut world, 34_999) >= 3);
        assert_eq!(step(&mut world, 60_000), 0);
    }
}

/// What checkpoints have of keys that come in every slice, then seldom, then often again, and that a restart at any place
/// changes nothing.
#[test]
fn the_running_state_is_in_checkpoints_where_it_is_small_beside_the_slices() {
    let window = WindowKind::Hop { size_ms: 9000, slide_ms: 1000, offset_ms: 0 };
    let spec = of(window, &[call("sum", &[2], false), call("max", &[2], false)]);
    let seconds: Vec<i64> = (0..10).chain([20, 21]).chain(30..40).collect();
    let pieces = seconds.chunks(2).map(|seconds| {
        let row = |s: &i64| format!("+I | {} | a | {}\n+I | {} | b | 1\n", s * 1000, s % 5, s * 1000 + 500);
        (seconds.iter().map(row).collect::<String>(), seconds[1] * 1000 + 999)
    });
    let pieces: Vec<(String, i64)> = pieces.collect();
    run(&spec, &pieces.iter().map(|(rows, watermark)| format!("{rows}wm {watermark}\n")).collect::<String>());

    let mut world = World::new(spec.clone());
    let store = FakeStateStore::new();
    let subtask = flott_api::ids::Subtask { index: 0, parallelism: 1 };
    world.operator.open(&open_context_with(&FakeWorld::at(0), subtask, 128, store.clone())).unwrap();
    let mut kept = Vec::new();
    for (rows, watermark) in &pieces {
        world.at(*watermark - 2000, rows).unwrap();
        world.pass(*watermark);
        world.checkpoint();
        let snapshot = store.snapshot();
        let whole = snapshot.lists["whole"].1 == [Bytes::from_static(&[1])];
        assert!(!whole || snapshot.entries[1].len() == 2, "at {watermark}");
        if kept.last() != Some(&whole) {
            kept.push(whole);
        }
    }
    assert_eq!(kept, [false, true, false, true]);
}

/// A batch's rows with one watermark before and one behind, on one of two instances that then become one.
#[test]
fn instances_that_had_come_to_different_windows_become_one() {
    use flott_api::ids::Subtask;
    use flott_api::testing::FakeSnapshot;
    for kind in [SLIDE, GROW] {
        let spec = WindowAggregateSpec { window: kind, ..counted(SLIDE) };
        let keys: Vec<String> = (0..12).map(|k| format!("k{k}")).collect();
        let rows = |times: &[i64], index: Option<u32>| -> String {
            let rows = times.iter().flat_map(|time| keys.iter().map(move |key| format!("+I | {time} | {key} | 1")));
            rows.filter(|l| index.is_none_or(|i| subtask_of_key(&l.replacen('|', "", 1)) == i))
                .collect::<Vec<_>>()
                .join("\n")
        };
        let half = |index: u32, watermark: i64| {
            let store = FakeStateStore::new();
            let mut world = World::new(spec.clone());
            let subtask = Subtask { index, parallelism: 2 };
            world.operator.open(&open_context_with(&FakeWorld::at(0), subtask, 128, store.clone())).unwrap();
            world.at(i64::MIN, &rows(&[1000, 6000, 11_000], Some(index))).unwrap();
            let emitted = world.pass(watermark);
            world.checkpoint();
            (store.snapshot(), emitted)
        };
        let (first, first_emitted) = half(0, 4999);
        let (second, second_emitted) = half(1, 9999);
        let state = FakeSnapshot::redistributed(&[first, second], &(0..128), (0, 1));
        let mut world = World::new(spec.clone());
        let subtask = Subtask { index: 0, parallelism: 1 };
        let store = FakeStateStore::restored(state);
        world.operator.open(&open_context_with(&FakeWorld::at(0), subtask, 128, store)).unwrap();
        world.start();
        world.at(4999, &rows(&[7000], None)).unwrap();
        let restored = world.pass(60_000);
        let mut plain = World::new(spec.clone());
        plain.at(i64::MIN, &rows(&[1000, 6000, 11_000], None)).unwrap();
        let mut expected = plain.pass(4999);
        plain.at(4999, &rows(&[7000], None)).unwrap();
        expected.extend(plain.pass(60_000));
        // The second instance had emitted the window that ends at 10000 before the row of 7000 came.
        let mine = |line: &String, index: u32| subtask_of_key(line) == index;
        let got = [first_emitted, second_emitted, restored].concat();
        let early = |line: &String| mine(line, 1) && line.contains("| 10000 | 9999");
        let rest = |lines: Vec<String>| {
            let mut rest: Vec<String> = lines.into_iter().filter(|l| !early(l)).collect();
            rest.sort();
            rest
        };
        assert_eq!(got.iter().filter(|l| early(l)).count(), expected.iter().filter(|l| early(l)).count());
        assert_eq!(rest(got), rest(expected));
    }
}

/// Which of two instances has the key of a line.
fn subtask_of_key(line: &str) -> u32 {
    use flott_api::key_group::{hash_keys, key_group, subtask_of};
    let key = line.split('|').nth(1).unwrap().trim().to_owned();
    let column: ArrayRef = Arc::new(arrow_array::StringArray::from(vec![key]));
    subtask_of(key_group(hash_keys(&[column], 1).unwrap()[0], 128), 128, 2)
}

impl World {
    fn cx(&mut self, watermark: i64) -> (&mut WindowAggregate, OperatorContext<'_>) {
        let cx = OperatorContext {
            output: &mut self.output,
            timers: &mut self.timers,
            processing_time_ms: self.now_ms,
            watermark: Watermark(watermark),
            metrics: &self.metrics,
        };
        (&mut self.operator, cx)
    }

    fn at(&mut self, watermark: i64, text: &str) -> Result<()> {
        let rows = batch(&self.operator.results.spec.input, text);
        let (operator, mut cx) = self.cx(watermark);
        ready(operator.process_batch(0, rows, &mut cx))
    }

    fn start(&mut self) {
        let (operator, mut cx) = self.cx(i64::MIN);
        ready(operator.start(&mut cx)).unwrap();
    }

    /// Lets a watermark come; the rows that it brings out.
    fn pass(&mut self, watermark: i64) -> Vec<String> {
        let (operator, mut cx) = self.cx(i64::MIN);
        ready(operator.process_watermark(Watermark(watermark), &mut cx)).unwrap();
        let emitted = std::mem::take(&mut self.output.emitted).into_iter();
        let lines = emitted.filter_map(|e| match e {
            Emitted::Batch(batch) => Some(flott_api::testing::text::lines(&batch)),
            Emitted::Watermark(_) => None,
        });
        lines.flatten().collect()
    }

    fn checkpoint(&mut self) {
        let (operator, mut cx) = self.cx(i64::MIN);
        ready(operator.before_checkpoint(&mut cx)).unwrap();
        for container in self.operator.containers() {
            container.close_epoch();
            while !ready(container.drain(100)).unwrap() {}
        }
    }
}
