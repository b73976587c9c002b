//! Sessions that grow, meet and end, by event time and by the clock.

use std::collections::BTreeMap;

use flott_api::expr::FunctionId;
use flott_api::table::ChangelogMode;
use flott_api::testing::{Case, check_restorable};
use flott_api::{Field, LogicalType, Schema, TypeKind};
use flott_graph::spec::{AggregateCall, WindowProperty};

use super::*;

fn call(name: &str, args: &[usize], distinct: bool) -> AggregateCall {
    let kind = if name == "count" { TypeKind::BigInt } else { TypeKind::Int };
    let (function, ty) = (FunctionId::new(name), LogicalType::new(kind));
    AggregateCall { function, args: args.to_vec(), filter: None, distinct, ty }
}

/// Columns `ts, who STRING, x INT`; sessions of 10 s.
fn spec(time: TypeKind, zone: &str, keys: &[usize], calls: &[AggregateCall]) -> WindowAggregateSpec {
    let field = |name: &str, kind: TypeKind| Field::new(name, LogicalType::new(kind));
    let input =
        Schema::new(vec![field("ts", time.clone()), field("who", TypeKind::Varchar(9)), field("x", TypeKind::Int)]);
    let mut output = input.project(keys);
    output.fields.extend(calls.iter().map(|c| Field::new("a", c.ty.clone())));
    output.fields.extend([TypeKind::Timestamp(3), TypeKind::Timestamp(3), time].map(|k| field("w", k)));
    WindowAggregateSpec {
        input,
        time: WindowTime::Rowtime(0),
        window: WindowKind::Session { gap_ms: 10_000, keys: keys.to_vec() },
        zone: zone.to_owned(),
        keys: keys.to_vec(),
        aggregates: calls.to_vec(),
        input_changelog: ChangelogMode::INSERT_ONLY,
        in_phases: false,
        properties: vec![WindowProperty::Start, WindowProperty::End, WindowProperty::Time],
        output,
    }
}

fn by_event_time(keys: &[usize], calls: &[AggregateCall]) -> WindowAggregateSpec {
    spec(TypeKind::Timestamp(3), "UTC", keys, calls)
}

fn run(spec: &WindowAggregateSpec, script: &str) -> String {
    let case = Case { input: &spec.input, event_time: EventTime::Sliced, script };
    let output_keys: Vec<usize> = (0..spec.keys.len()).collect();
    check_restorable(&case, Some((&spec.keys, &output_keys)), || SessionAggregate::from_spec(spec.clone()).unwrap())
}

#[test]
fn a_session_ends_when_nothing_came_for_its_gap() {
    let spec = by_event_time(&[1], &[call("count", &[], false), call("sum", &[2], false)]);
    let script = "+I | 1000 | a | 1\n+I | 8000 | a | 2\n+I | 2000 | b | 3\nwm 11999\n+I | 17999 | a | 4\nwm 20000\n\
        +I | 29000 | NULL | 5\n+I | 28000 | a | 6";
    let expected = "+I | b | 1 | 3 | 2000 | 12000 | 11999\nwm 20000\n\
        +I | a | 3 | 7 | 1000 | 27999 | 27998\n+I | a | 1 | 6 | 28000 | 38000 | 37999\n\
        +I | NULL | 1 | 5 | 29000 | 39000 | 38999";
    // 28000 is more than the gap behind 17999.
    assert_eq!(run(&spec, script), expected);
}

#[test]
fn a_row_between_two_sessions_makes_them_one() {
    let calls = [
        call("count", &[], false),
        call("sum", &[2], false),
        call("min", &[2], false),
        call("max", &[2], false),
        call("count", &[2], true),
    ];
    let spec = by_event_time(&[1], &calls);
    let script = "+I | 30000 | a | 7\n+I | 10000 | a | 1\n+I | 33000 | a | 1\nwm 15000\n+I | 20000 | a | 5\n\
        +I | 29000 | a | 7\nwm 42998";
    // 20000 touches both: the end of one and the start of the other.
    assert_eq!(run(&spec, script), "wm 42998\n+I | a | 5 | 21 | 1 | 7 | 3 | 10000 | 43000 | 42999");
}

#[test]
fn a_late_row_counts_if_an_open_session_has_room_for_it() {
    let spec = by_event_time(&[1], &[call("count", &[], false)]);
    let script = "+I | 20000 | a | 1\nwm 25000\n+I | 12000 | a | 1\n+I | 9000 | b | 1\n+I | 15000 | b | 1\n\
        +I | 15002 | b | 1\nwm 29999\n+I | 20000 | a | 1";
    // Alone 12000 of a would be over, and 9000 and 15000 of b are.
    let expected = "wm 25000\n+I | b | 1 | 15002 | 25002 | 25001\n+I | a | 2 | 12000 | 30000 | 29999\nwm 29999";
    assert_eq!(run(&spec, script), expected);
}

#[test]
fn updates_are_taken_back_and_an_empty_session_does_not_come_out() {
    let calls = [call("count", &[], false), call("sum", &[2], false), call("max", &[2], false)];
    let mut spec = by_event_time(&[1], &calls);
    spec.input_changelog = ChangelogMode::ALL;
    let script = "+I | 1000 | a | 5\n+I | 9000 | a | 9\n-D | 9000 | a | 9\n+I | 3000 | b | 1\n-U | 3000 | b | 1\n\
        +U | 4000 | c | 1";
    let expected = "+I | c | 1 | 1 | 1 | 4000 | 14000 | 13999\n+I | a | 1 | 5 | 5 | 1000 | 19000 | 18999";
    assert_eq!(run(&spec, script), expected);
}

#[test]
fn sessions_without_keys_are_those_of_all_rows() {
    let spec = by_event_time(&[], &[call("count", &[], false)]);
    let script = "+I | 1000 | a | 1\n+I | 5000 | b | 1\n+I | 40000 | c | 1\nwm 20000";
    let answer = {
        let case = Case { input: &spec.input, event_time: EventTime::Sliced, script };
        check_restorable(&case, None, || SessionAggregate::from_spec(spec.clone()).unwrap())
    };
    assert_eq!(answer, "+I | 2 | 1000 | 15000 | 14999\nwm 20000\n+I | 1 | 40000 | 50000 | 49999");
}

#[test]
fn sessions_by_the_clock() {
    let mut spec = spec(TypeKind::TimestampLtz(3), "Asia/Shanghai", &[1], &[call("count", &[], false)]);
    spec.time = WindowTime::Proctime;
    let script = "time 1000\n+I | NULL | a | 1\ntime 5000\n+I | NULL | a | 1\n+I | NULL | b | 1\ntime 14000\n\
        +I | NULL | b | 1\ntime 14999\ntime 15000\n+I | NULL | a | 1\ntime 23999\ntime 90000";
    const EAST: i64 = 8 * 3_600_000;
    let row = |key: &str, count: i64, (start, end): (i64, i64)| {
        format!("+I | {key} | {count} | {} | {} | {}", EAST + start, EAST + end, end - 1)
    };
    let expected = [row("a", 2, (1000, 15_000)), row("b", 2, (5000, 24_000)), row("a", 1, (15_000, 25_000))].join("\n");
    assert_eq!(run(&spec, script), expected);
}

#[test]
fn what_has_no_sessions_is_refused() {
    let mut other = by_event_time(&[1], &[]);
    other.window = WindowKind::Session { gap_ms: 0, keys: vec![1] };
    let refused = |spec: &WindowAggregateSpec| SessionAggregate::from_spec(spec.clone()).err().unwrap().to_string();
    assert!(refused(&other).contains("a session window has no gap"));
    other.window = WindowKind::Session { gap_ms: 1, keys: vec![2] };
    assert!(refused(&other).contains("not those of its keys"));
    other = by_event_time(&[1], &[call("last_value", &[2], false)]);
    assert!(refused(&other).contains("'LAST_VALUE'"));
    other = by_event_time(&[1], &[]);
    other.time = WindowTime::Attached(0);
    assert!(refused(&other).contains("sessions over rows that come with their window"));
}

/// [`run`] without restarts.
fn plain(spec: &WindowAggregateSpec, script: &str) -> String {
    let case = Case { input: &spec.input, event_time: EventTime::Sliced, script };
    flott_api::testing::check(&case, || Box::new(SessionAggregate::from_spec(spec.clone()).unwrap()))
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

/// Sessions as lists of rows: of each key those that are open.
#[derive(Default)]
struct Model {
    open: BTreeMap<u64, Vec<(i64, i64, Vec<i64>)>>,
}

impl Model {
    fn row(&mut self, key: u64, time: i64, value: i64, watermark: i64) {
        let sessions = self.open.entry(key).or_default();
        let (mut start, mut end, mut values) = (time, time + 10_000, vec![value]);
        let (met, mut rest): (Vec<_>, Vec<_>) = sessions.drain(..).partition(|s| s.0 <= end && s.1 >= start);
        let late = met.is_empty() && end - 1 <= watermark;
        for (s, e, v) in met {
            (start, end) = (start.min(s), end.max(e));
            values.extend(v);
        }
        if !late {
            rest.push((start, end, values));
        }
        *sessions = rest;
    }

    fn pass(&mut self, watermark: i64) -> Vec<String> {
        let mut out = Vec::new();
        for (key, sessions) in &mut self.open {
            sessions.sort();
            sessions.retain(|(start, end, values)| {
                let over = end - 1 <= watermark;
                if over {
                    let (count, sum) = (values.len(), values.iter().sum::<i64>());
                    out.push(format!("+I | k{key} | {count} | {sum} | {start} | {end} | {}", end - 1));
                }
                !over
            });
        }
        out.sort();
        out
    }
}

#[test]
fn any_rows_in_any_order_give_what_a_model_gives() {
    let spec = by_event_time(&[1], &[call("count", &[], false), call("sum", &[2], false)]);
    for seed in 1..20 {
        let mut chance = Chance(seed * 7919);
        let (mut script, mut expected, mut model, mut watermark) = (String::new(), Vec::new(), Model::default(), 0);
        for _ in 0..if seed < 3 { 24 } else { 60 } {
            if chance.below(5) == 0 {
                watermark += 1 + chance.below(15_000) as i64;
                expected.extend(model.pass(watermark));
                script += &format!("wm {watermark}\n");
                continue;
            }
            let time = watermark + chance.below(60_000) as i64 - 20_000;
            let (key, value) = (chance.below(3), chance.below(9) as i64);
            script += &format!("+I | {time} | k{key} | {value}\n");
            model.row(key, time, value, if script.contains("wm") { watermark } else { i64::MIN });
        }
        expected.extend(model.pass(i64::MAX));
        let mut got = Vec::new();
        // What restarts do to it is dear to try, and the same for many scripts.
        let answer = if seed < 3 { run(&spec, &script) } else { plain(&spec, &script) };
        for piece in answer.lines().collect::<Vec<_>>().chunk_by(|a, b| a.starts_with("wm") == b.starts_with("wm")) {
            let mut piece: Vec<String> =
                piece.iter().filter(|l| !l.starts_with("wm")).map(|l| (*l).to_owned()).collect();
            piece.sort();
            got.extend(piece);
        }
        assert_eq!(got, expected, "seed {seed}\n{script}");
    }
}
