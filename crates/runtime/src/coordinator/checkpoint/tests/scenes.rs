//! What happens in ordinary and less ordinary lives of a job, as text.

use expect_test::{Expect, expect};

use super::*;

/// A job of some workers, and all that it was told to do.
struct Job {
    machine: CheckpointMachine,
    now_ms: u64,
    log: String,
}

impl Job {
    fn new(settings: CheckpointSettings, workers: usize) -> Self {
        let mut job = Job { machine: CheckpointMachine::new(settings), now_ms: 0, log: String::new() };
        job.on("restored", restored(workers));
        job
    }

    fn on(&mut self, what: &str, event: Event) -> &mut Self {
        let commands = self.machine.on(event, self.now_ms);
        let told: Vec<String> = commands.iter().map(command_text).collect();
        self.log += &format!("{:<4} {what}: {}\n", self.now_ms, told.join(", "));
        self
    }

    fn tick(&mut self, at_ms: u64) -> &mut Self {
        self.now_ms = at_ms;
        self.on("tick", Event::Tick)
    }

    fn ask(&mut self, request: u64, kind: Requested) -> &mut Self {
        self.on(&format!("request {request} for {kind:?}"), Event::Request { request, kind })
    }

    fn ack(&mut self, id: u64, worker: usize) -> &mut Self {
        self.on(&format!("ack {id} by {worker}"), Event::Ack { checkpoint: CheckpointId(id), worker })
    }

    fn decline(&mut self, id: u64) -> &mut Self {
        let event = Event::Decline { checkpoint: CheckpointId(id), cause: cause("disk full") };
        self.on(&format!("decline {id}"), event)
    }

    fn finished(&mut self, worker: usize) -> &mut Self {
        self.on(&format!("{worker} finished"), Event::WorkerFinished { worker })
    }

    fn stored(&mut self, id: u64) -> &mut Self {
        self.on(&format!("stored {id}"), Event::Stored { checkpoint: CheckpointId(id) })
    }

    fn not_stored(&mut self, id: u64, kind: ErrorKind) -> &mut Self {
        let event = Event::StoreFailed { checkpoint: CheckpointId(id), cause: Cause::new(kind, "no such bucket") };
        self.on(&format!("not stored {id}"), event)
    }

    fn committed(&mut self, id: u64) -> &mut Self {
        self.on(&format!("committed {id}"), Event::Committed { checkpoint: CheckpointId(id) })
    }

    fn not_committed(&mut self, id: u64) -> &mut Self {
        let event = Event::CommitFailed { checkpoint: CheckpointId(id), cause: cause("table is locked") };
        self.on(&format!("not committed {id}"), event)
    }

    fn check(&self, expected: &Expect) {
        expected.assert_eq(&self.log);
    }
}

fn command_text(command: &Command) -> String {
    match command {
        Command::Begin { checkpoint, kind } => format!("begin {} {kind:?}", checkpoint.0),
        Command::Store { checkpoint } => format!("store {}", checkpoint.0),
        Command::Commit { checkpoint } => format!("commit {}", checkpoint.0),
        Command::Abort { checkpoint, reason } => format!("abort {}: it {reason}", checkpoint.0),
        Command::Answer { request, outcome: Outcome::Done { checkpoint } } => {
            format!("answer {request}: {}", checkpoint.0)
        }
        Command::Answer { request, outcome: Outcome::Failed { reason } } => format!("answer {request}: \"{reason}\""),
        Command::Finish { last } => format!("finish with {:?}", last.map(|id| id.0)),
        Command::Fail(cause) => format!("fail {:?}: \"{}\"", cause.kind, cause.reason),
        Command::WakeAt { at_ms } => format!("wake at {at_ms}"),
    }
}

#[test]
fn an_ordinary_life_ends_with_a_final_checkpoint() {
    let mut job = Job::new(settings(), 2);
    job.tick(100).ack(1, 0).ack(1, 1);
    job.now_ms = 130;
    job.stored(1).committed(1).tick(200).ack(2, 1).finished(0).stored(2).committed(2).finished(1);
    job.stored(3).committed(3);
    job.check(&expect![[r#"
        0    restored: wake at 100
        100  tick: begin 1 Checkpoint, wake at 250
        100  ack 1 by 0: 
        100  ack 1 by 1: store 1
        130  stored 1: commit 1
        130  committed 1: wake at 200
        200  tick: begin 2 Checkpoint, wake at 350
        200  ack 2 by 1: 
        200  0 finished: store 2
        200  stored 2: commit 2
        200  committed 2: wake at 300
        200  1 finished: begin 3 Final, store 3
        200  stored 3: commit 3
        200  committed 3: finish with Some(3)
    "#]]);
}

#[test]
fn the_next_one_begins_when_there_is_room_and_the_pause_is_over() {
    let mut job = Job::new(CheckpointSettings { pause_min_ms: 30, ..settings() }, 1);
    job.tick(100).tick(240).ack(1, 0);
    job.now_ms = 245;
    job.stored(1).committed(1).tick(275).ack(2, 0).stored(2);
    job.now_ms = 280;
    job.committed(2);
    job.check(&expect![[r#"
        0    restored: wake at 100
        100  tick: begin 1 Checkpoint, wake at 250
        240  tick: wake at 250
        240  ack 1 by 0: store 1
        245  stored 1: commit 1
        245  committed 1: wake at 275
        275  tick: begin 2 Checkpoint, wake at 425
        275  ack 2 by 0: store 2
        275  stored 2: commit 2
        280  committed 2: wake at 375
    "#]]);
}

#[test]
fn a_later_one_subsumes_an_older_one_and_serves_who_asked_for_it() {
    let mut job = Job::new(CheckpointSettings { concurrent_max: 2, ..settings() }, 2);
    job.ask(7, Requested::Checkpoint).ask(8, Requested::Savepoint).tick(100);
    job.ack(1, 0).ack(2, 0).ack(3, 0).ack(3, 1).ack(1, 1).stored(3).ack(1, 1).committed(3);
    job.ack(2, 1).stored(2);
    job.check(&expect![[r#"
        0    restored: wake at 100
        0    request 7 for Checkpoint: begin 1 Checkpoint
        0    request 8 for Savepoint: begin 2 Savepoint
        100  tick: begin 3 Checkpoint, wake at 150
        100  ack 1 by 0: 
        100  ack 2 by 0: 
        100  ack 3 by 0: 
        100  ack 3 by 1: store 3
        100  ack 1 by 1: 
        100  stored 3: abort 1: it was overtaken by checkpoint 3, commit 3
        100  ack 1 by 1: 
        100  committed 3: answer 7: 3
        100  ack 2 by 1: store 2, wake at 200
        100  stored 2: answer 8: 2
    "#]]);
}

#[test]
fn too_many_failures_in_a_row_fail_the_job() {
    let mut job = Job::new(settings(), 1);
    job.tick(100).decline(1).tick(200).ack(2, 0).stored(2).committed(2);
    job.tick(300).ack(3, 0).not_stored(3, WORLD).tick(400).ask(1, Requested::Savepoint).tick(550);
    job.ask(2, Requested::Checkpoint).on("restored", Event::Restored { next: CheckpointId(9), workers: 1 }).tick(650);
    job.check(&expect![[r#"
        0    restored: wake at 100
        100  tick: begin 1 Checkpoint, wake at 250
        100  decline 1: abort 1: it was declined: disk full, wake at 200
        200  tick: begin 2 Checkpoint, wake at 350
        200  ack 2 by 0: store 2
        200  stored 2: commit 2
        200  committed 2: wake at 300
        300  tick: begin 3 Checkpoint, wake at 450
        300  ack 3 by 0: store 3
        300  not stored 3: abort 3: it could not be stored: no such bucket, wake at 400
        400  tick: begin 4 Checkpoint, wake at 550
        400  request 1 for Savepoint: begin 5 Savepoint
        550  tick: abort 4: it has timed out, answer 1: "savepoint 5 was given up because the job has stopped", abort 5: it was given up because the job has stopped, fail External { retry: true }: "checkpoint 4 has timed out; 1 failed checkpoints in a row are tolerated"
        550  request 2 for Checkpoint: answer 2: "the job is not running"
        550  restored: wake at 650
        650  tick: begin 9 Checkpoint, wake at 800
    "#]]);
}

#[test]
fn who_is_fenced_fails_at_once() {
    let mut job = Job::new(settings(), 1);
    job.tick(100).ack(1, 0).not_stored(1, ErrorKind::Fenced);
    job.check(&expect![[r#"
        0    restored: wake at 100
        100  tick: begin 1 Checkpoint, wake at 250
        100  ack 1 by 0: store 1
        100  not stored 1: abort 1: it could not be stored: no such bucket, fail Fenced: "checkpoint 1 could not be stored: no such bucket"
    "#]]);
}

#[test]
fn what_was_not_committed_is_tolerated_but_not_at_the_end() {
    let mut job = Job::new(settings(), 1);
    job.ask(1, Requested::Checkpoint).ack(1, 0).stored(1).not_committed(1).finished(0).stored(2).not_committed(2);
    job.check(&expect![[r#"
        0    restored: wake at 100
        0    request 1 for Checkpoint: begin 1 Checkpoint, wake at 150
        0    ack 1 by 0: store 1
        0    stored 1: commit 1
        0    not committed 1: answer 1: "checkpoint 1 is stored but could not be committed: table is locked", wake at 100
        0    0 finished: begin 2 Final, store 2
        0    stored 2: commit 2
        0    not committed 2: fail External { retry: true }: "checkpoint 2 is stored but could not be committed: table is locked"
    "#]]);
}

#[test]
fn a_stop_waits_for_its_savepoint_and_its_commit() {
    let mut job = Job::new(settings(), 2);
    job.tick(100).ack(1, 0).ask(1, Requested::Savepoint).ask(2, Requested::Checkpoint);
    job.ask(3, Requested::Stop { drain: true }).ask(4, Requested::Stop { drain: false });
    job.ack(3, 0).ack(3, 1).stored(3).committed(3).ack(2, 0).ack(2, 1).stored(2).ask(5, Requested::Savepoint);
    job.check(&expect![[r#"
        0    restored: wake at 100
        100  tick: begin 1 Checkpoint, wake at 250
        100  ack 1 by 0: 
        100  request 1 for Savepoint: begin 2 Savepoint
        100  request 2 for Checkpoint: 
        100  request 3 for Stop { drain: true }: begin 3 Stop { drain: true }
        100  request 4 for Stop { drain: false }: answer 4: "the job is coming to its end"
        100  ack 3 by 0: 
        100  ack 3 by 1: store 3
        100  stored 3: abort 1: it was overtaken by checkpoint 3, commit 3
        100  committed 3: answer 2: 3, answer 3: 3
        100  ack 2 by 0: 
        100  ack 2 by 1: store 2
        100  stored 2: answer 1: 2, finish with Some(3)
        100  request 5 for Savepoint: answer 5: "the job has ended"
    "#]]);
}

#[test]
fn a_stop_that_fails_lets_the_job_go_on_unless_it_drains() {
    let mut job = Job::new(settings(), 1);
    job.ask(1, Requested::Stop { drain: false }).decline(1).tick(100).ack(2, 0).stored(2).committed(2);
    job.ask(2, Requested::Stop { drain: true }).decline(3);
    job.check(&expect![[r#"
        0    restored: wake at 100
        0    request 1 for Stop { drain: false }: begin 1 Stop { drain: false }, wake at 150
        0    decline 1: answer 1: "savepoint 1 was declined: disk full", abort 1: it was declined: disk full, wake at 100
        100  tick: begin 2 Checkpoint, wake at 250
        100  ack 2 by 0: store 2
        100  stored 2: commit 2
        100  committed 2: wake at 200
        100  request 2 for Stop { drain: true }: begin 3 Stop { drain: true }, wake at 250
        100  decline 3: answer 2: "savepoint 3 was declined: disk full", abort 3: it was declined: disk full, fail External { retry: true }: "savepoint 3 was declined: disk full; its sources have told the end of time already"
    "#]]);
}

#[test]
fn nothing_begins_while_a_region_restarts() {
    let mut job = Job::new(settings(), 2);
    job.tick(100).ack(1, 0).on("1 down", Event::WorkersDown { workers: vec![1] });
    job.ask(1, Requested::Savepoint).tick(200).ack(1, 1).on("1 up", Event::WorkersUp { workers: vec![1] });
    job.check(&expect![[r#"
        0    restored: wake at 100
        100  tick: begin 1 Checkpoint, wake at 250
        100  ack 1 by 0: 
        100  1 down: abort 1: it was given up because tasks have failed
        100  request 1 for Savepoint: 
        200  tick: 
        200  ack 1 by 1: 
        200  1 up: begin 2 Savepoint, begin 3 Checkpoint, wake at 350
    "#]]);
}

#[test]
fn what_is_being_stored_when_the_job_stops_is_answered_later() {
    let mut job = Job::new(settings(), 1);
    job.ask(1, Requested::Savepoint).ack(1, 0).ask(2, Requested::Checkpoint);
    job.on("stopped", Event::Stopped).stored(1).ack(2, 0);
    job.check(&expect![[r#"
        0    restored: wake at 100
        0    request 1 for Savepoint: begin 1 Savepoint
        0    ack 1 by 0: store 1
        0    request 2 for Checkpoint: begin 2 Checkpoint, wake at 150
        0    stopped: answer 2: "checkpoint 2 was given up because the job has stopped", abort 2: it was given up because the job has stopped
        0    stored 1: answer 1: 1
        0    ack 2 by 0: 
    "#]]);
}

#[test]
fn without_checkpoints_the_driver_commits_at_the_end() {
    let mut job = Job::new(CheckpointSettings { interval_ms: None, ..settings() }, 1);
    job.ask(1, Requested::Savepoint).finished(0).stored(1);
    job.check(&expect![[r#"
        0    restored: 
        0    request 1 for Savepoint: begin 1 Savepoint, wake at 150
        0    0 finished: store 1
        0    stored 1: answer 1: 1, finish with None
    "#]]);
}

#[test]
fn a_directory_alone_makes_a_final_checkpoint() {
    let directory = Some("memory://checkpoints".to_owned());
    let mut job = Job::new(CheckpointSettings { interval_ms: None, directory, ..settings() }, 1);
    job.finished(0).stored(1).committed(1);
    job.check(&expect![[r#"
        0    restored: 
        0    0 finished: begin 1 Final, store 1
        0    stored 1: commit 1
        0    committed 1: finish with Some(1)
    "#]]);
}

#[test]
fn checkpoints_after_a_task_has_finished_can_be_switched_off() {
    let mut job = Job::new(CheckpointSettings { after_tasks_finish: false, ..settings() }, 2);
    job.finished(0).tick(100).ask(1, Requested::Savepoint).finished(1);
    job.check(&expect![[r#"
        0    restored: wake at 100
        0    0 finished: 
        100  tick: 
        100  request 1 for Savepoint: answer 1: "a task has finished, and there are no checkpoints after that"
        100  1 finished: begin 1 Final, store 1
    "#]]);
}
