//! Manifests made by hand.

use bytes::Bytes;
use expect_test::expect;
use flott_api::ids::{CheckpointId, JobId, OperatorUid};
use flott_api::state::{Redistribution, StateDescriptor, StateNumber, StatePart};
use flott_state::checkpoint::manifest::{
    CommittableSnapshot, EnumeratorSnapshot, InFlightEdge, InFlightPlace, InFlightSnapshot, SnapshotKind,
    SplitSnapshot, SubtaskSnapshot, WriterSnapshot,
};
use flott_state::handle::{InlineState, ListState, StateFile, StoreSnapshot};

use super::*;
use crate::arguments::{ConfigurationArguments, OutputFormat};
use crate::output::Style;

fn bytes(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

fn state(number: u16, name: &str, key: &str, namespaced: bool) -> NamedState {
    let part = |name: &str, ty: &str| StatePart { name: name.into(), ty: ty.into() };
    let descriptor = StateDescriptor {
        name: name.into(),
        key: key.into(),
        parts: vec![part("rows", "BIGINT"), part("sum-1", "DECIMAL(38, 2)")],
        version: 1,
        namespaced,
        ttl_ms: 0,
    };
    NamedState { number: StateNumber(number), descriptor }
}

fn store(from: u32, to: u32) -> StoreSnapshot {
    let path = format!("state/u-{from}.seg");
    StoreSnapshot {
        key_groups: from..to,
        states: vec![state(0, "groups", "INT, STRING", false), state(1, "timers", "", true)],
        files: vec![StateFile { path, size: 1000, entries: 10, key_groups: from..to, checksum: 1 }],
        inline: (from == 0).then(|| InlineState { bytes: bytes("four"), key_groups: from..to }),
        lists: vec![ListState {
            name: "seen".into(),
            redistribution: Redistribution::Union,
            items: vec![bytes("a"), bytes("bc")],
        }],
    }
}

fn operator(uid: &str, name: &str, subtasks: Vec<SubtaskSnapshot>) -> OperatorSnapshot {
    OperatorSnapshot {
        uid: OperatorUid(uid.into()),
        name: name.into(),
        max_parallelism: 128,
        subtasks,
        enumerator: None,
        committables: Vec::new(),
    }
}

fn manifest() -> Manifest {
    let split = |id: &str| SplitSnapshot { id: id.into(), state: bytes("offset") };
    let reader = SubtaskSnapshot { splits: vec![split("a"), split("b")], ..SubtaskSnapshot::default() };
    let mut source = operator("s1", "TableSourceScan", vec![reader]);
    source.enumerator = Some(EnumeratorSnapshot { state: bytes("folders"), finished: false });
    let of_keys = |from, to| SubtaskSnapshot { store: Some(store(from, to)), ..SubtaskSnapshot::default() };
    let mut aggregate = operator("u1", "GroupAggregate", vec![of_keys(0, 64), of_keys(64, 128)]);
    aggregate.subtasks[0].in_flight = vec![in_flight(InFlightPlace::Inline(bytes("rows")))];
    aggregate.subtasks[1].in_flight =
        vec![in_flight(InFlightPlace::File { path: "shared/1/rows".into(), checksum: 1 })];
    let writer =
        SubtaskSnapshot { writer: Some(WriterSnapshot { state: bytes("part") }), ..SubtaskSnapshot::default() };
    let mut sink = operator("k1", "Sink", vec![writer]);
    sink.committables = vec![CommittableSnapshot { id: "1".into(), payload: bytes("file") }];
    Manifest {
        job: JobId(10),
        job_name: "insert-into_t".into(),
        checkpoint: CheckpointId(7),
        kind: SnapshotKind::Checkpoint,
        timestamp_ms: 0,
        epoch: 3,
        operators: vec![source, aggregate, sink, operator("c1", "Calc", vec![SubtaskSnapshot::default()])],
        finished: false,
    }
}

fn in_flight(place: InFlightPlace) -> InFlightSnapshot {
    let edge = InFlightEdge {
        from: OperatorUid("s1".into()),
        from_name: "TableSourceScan".into(),
        parallelism: 1,
        input: 0,
        spread: "hash".into(),
        types: "INT".into(),
    };
    InFlightSnapshot { edges: vec![edge], rows: 3, bytes: 4, place }
}

fn show(operator: Option<&str>, state: Option<&str>) -> StateShowArguments {
    let snapshot = SnapshotArguments {
        snapshot: "/c/chk-7".into(),
        output: OutputFormat::Table,
        configuration: ConfigurationArguments::default(),
    };
    let owned = |text: Option<&str>| text.map(str::to_owned);
    StateShowArguments { snapshot, operator: owned(operator), state: owned(state), limit: 10 }
}

#[test]
fn everything_that_is_remembered_is_listed() {
    let listed = output::text_table(Style::Csv, &listing::table(&manifest(), false));
    expect![[r#"
        uid,operator,parallelism,what,name,key,parts,files,entries,bytes
        s1,TableSourceScan,1/128,enumerator,,,,,1,7
        s1,TableSourceScan,1/128,splits,,,,,2,12
        u1,GroupAggregate,2/128,keyed state,groups,"INT, STRING","rows BIGINT, sum-1 DECIMAL(38, 2)",,,
        u1,GroupAggregate,2/128,keyed state,timers,window,"rows BIGINT, sum-1 DECIMAL(38, 2)",,,
        u1,GroupAggregate,2/128,files,,,,2,20,2000
        u1,GroupAggregate,2/128,in the manifest,,,,,,4
        u1,GroupAggregate,2/128,union list,seen,,,,4,6
        u1,GroupAggregate,2/128,rows under way,TableSourceScan,,,1,6,8
        k1,Sink,1/128,writers,,,,,1,4
        k1,Sink,1/128,committables,,,,,1,4
        c1,Calc,1/128,nothing,,,,,,
    "#]]
    .assert_eq(&listed);
}

#[test]
fn files_are_listed_where_they_are_asked_for() {
    let listed = output::text_table(Style::Csv, &listing::table(&manifest(), true));
    let files: String = listed.lines().filter(|l| l.contains(",file,")).map(|l| format!("{l}\n")).collect();
    expect![[r#"
        u1,GroupAggregate,2/128,file,state/u-0.seg,,,,10,1000
        u1,GroupAggregate,2/128,file,state/u-64.seg,,,,10,1000
        u1,GroupAggregate,2/128,file,shared/1/rows,,,,3,4
    "#]]
    .assert_eq(&files);
}

#[test]
fn a_file_that_subtasks_share_counts_once() {
    let mut manifest = manifest();
    for subtask in &mut manifest.operators[1].subtasks {
        let store = subtask.store.as_mut().unwrap();
        store.files[0].path = "shared/1/x.seg".into();
    }
    let listed = output::text_table(Style::Csv, &listing::table(&manifest, false));
    assert!(listed.contains("u1,GroupAggregate,2/128,files,,,,1,10,1000\n"), "{listed}");
}

#[test]
fn the_headline_says_what_it_is() {
    let mut manifest = manifest();
    expect!["unaligned checkpoint 7 of job 'insert-into_t' (0000000000000000000000000000000a), taken at 1970-01-01 00:00:00.000"]
        .assert_eq(&listing::headline(&manifest, "UTC").unwrap());
    manifest.kind = SnapshotKind::Savepoint { drained: true };
    manifest.finished = true;
    let line = listing::headline(&manifest, "UTC").unwrap();
    assert!(line.starts_with("drained savepoint 7") && line.ends_with(", after the end of its input"), "{line}");
}

#[test]
fn states_are_chosen_by_operator_and_name() {
    let manifest = manifest();
    let names = |operator, state| -> Result<Vec<String>> {
        let chosen = chosen(&manifest, &show(operator, state))?;
        Ok(chosen.iter().map(|(o, s)| format!("{}.{}", o.uid, s.descriptor.name)).collect())
    };
    assert_eq!(names(None, None).unwrap(), ["u1.groups", "u1.timers"]);
    assert_eq!(names(Some("u1"), Some("timers")).unwrap(), ["u1.timers"]);
    assert_eq!(names(Some("s1"), None).unwrap(), Vec::<String>::new());
    let error = names(Some("u9"), None).unwrap_err();
    assert_eq!(
        (error.message(), error.hint()),
        ("there is no operator 'u9' in it", Some("Its operators are: s1, u1, k1, c1."))
    );
    let error = names(None, Some("group")).unwrap_err();
    assert_eq!(error.hint(), Some("The keyed states are: groups, timers."));
}
