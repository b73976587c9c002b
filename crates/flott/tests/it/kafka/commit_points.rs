//! `kill -9` at each moment of a commit, twice each, as a proxy between the job and its broker sees them; and an answer to a
//! commit that is lost on its way.

use super::proxy::{Point, Proxy};
use super::server::{Server, left_out};
use super::{Job, RATE, generated, has_all, topic};

/// A run takes a second or two until its moment has come, and there is some room.
const SECONDS: u64 = 20;
const ROUNDS: u32 = 2;
/// The first time there is no checkpoint: what is in Kafka then belongs to a job that nobody goes on from.
const POINTS: [Point; 6] = [
    Point::Written,
    Point::BeforePreCommit,
    Point::BeforeCommit,
    Point::BeforeReply,
    Point::AfterReply,
    Point::Recovery,
];

#[test]
fn no_kill_at_a_commit_point_loses_or_doubles_a_row() {
    if left_out("no_kill_at_a_commit_point_loses_or_doubles_a_row") {
        return;
    }
    let proxy = Proxy::start();
    // The broker speaks with itself without us.
    let broker = Server::start(&[
        "num.partitions=3",
        "listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{port+1},INTERNAL://127.0.0.1:{port+2}",
        &format!("advertised.listeners=PLAINTEXT://127.0.0.1:{},INTERNAL://127.0.0.1:{{port+2}}", proxy.port),
        "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,INTERNAL:PLAINTEXT",
        "inter.broker.listener.name=INTERNAL",
    ]);
    proxy.leads_to(broker.port);
    let (expected, folder) = (RATE * SECONDS, tempfile::tempdir().unwrap());
    let script = format!(
        "CREATE TABLE events (id BIGINT) WITH ({});
         {} INSERT INTO committed SELECT id, CAST(id % 97 AS INT) FROM events;",
        generated(expected, RATE),
        topic("committed", proxy.port, "")
    );
    let mut job = Job::new(folder.path(), script, true);
    for _ in 0..ROUNDS {
        for point in POINTS {
            proxy.arm(point);
            job.start();
            proxy.wait_for(point, || job.check());
            job.kill();
            assert!(!job.ended, "the job ended before {point:?}");
            proxy.release();
        }
        job.start();
        proxy.lose_reply(|| job.check());
    }
    assert_eq!(job.kills, POINTS.len() as u64 * u64::from(ROUNDS));
    job.start();
    job.finish();
    has_all("committed", proxy.port, expected, &mut job);
}
