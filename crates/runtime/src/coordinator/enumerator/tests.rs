//! Splits that are handed out as they are read.

use async_trait::async_trait;
use bytes::Bytes;
use flott_api::ids::Attempt;

use super::*;

const OPEN_MAX: u64 = 2;

/// Gives numbers up to 7, one at a time.
struct Numbers(u8);

#[async_trait]
impl SplitEnumerator for Numbers {
    fn open_splits_max(&self) -> u64 {
        OPEN_MAX
    }

    async fn discover(&mut self) -> Result<Discovery> {
        self.0 += 1;
        let split = Split { id: (self.0 - 1).to_string(), state: Bytes::new() };
        Ok(Discovery { splits: vec![split], finished: self.0 == 8 })
    }

    fn add_back(&mut self, _: Vec<Split>) {}

    fn snapshot(&mut self) -> Result<Bytes> {
        Ok(vec![self.0].into())
    }
}

/// The splits that a reader was given, and what else it was told, until nothing comes any more.
async fn told(line: &mut EnumeratorLine) -> Vec<String> {
    let mut all = Vec::new();
    loop {
        // On one thread the enumerator has done all that it can behind a few turns.
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        match line.messages.try_recv() {
            Ok(ReaderMessage::AddSplits(splits)) => all.extend(splits.into_iter().map(|split| split.id)),
            Ok(ReaderMessage::NoMoreSplits) => all.push("end".to_owned()),
            Ok(ReaderMessage::Barrier(_)) => all.push("barrier".to_owned()),
            Ok(other) => panic!("{other:?}"),
            Err(_) => return all,
        }
    }
}

#[tokio::test]
async fn a_reader_gets_more_when_it_has_read_and_a_snapshot_has_what_nobody_got() {
    let (readers, mut lines) = lines(2);
    let (order, orders) = mpsc::channel(ORDERS_MAX);
    let (steer, control) = watch::channel(Control::Run);
    let (reports, mut reported) = mpsc::channel(8);
    let report = ReportLine { attempt: Attempt(0), reports };
    let (enumerator, restored) = (Box::new(Numbers(0)), RestoredSplits::default());
    let worker =
        EnumeratorWorker { node: NodeId(0), enumerator, readers, orders, control, report, restored, aligner: None };
    let test = async {
        assert_eq!((told(&mut lines[0]).await, told(&mut lines[1]).await), (strings("0 2"), strings("1 3")));
        lines[1].finish_split();
        assert_eq!((told(&mut lines[0]).await, told(&mut lines[1]).await), (strings(""), strings("4")));

        let barrier = Barrier { checkpoint: CheckpointId(1), timestamp_ms: 0, stop: None, unaligned_after_ms: None };
        order.send(Order::Barrier(barrier)).await.unwrap();
        assert_eq!((told(&mut lines[0]).await, told(&mut lines[1]).await), (strings("barrier"), strings("barrier")));
        let report = reported.recv().await.unwrap().what;
        let News::Enumerator { snapshot, .. } = report else { panic!("{report:?}") };
        assert_eq!((snapshot.state, snapshot.finished), (Bytes::from_static(&[5]), false));

        // The faster one reads all the rest.
        for (finished, expected) in [(2, "5 6"), (1, "7 end")] {
            (0..finished).for_each(|_| lines[1].finish_split());
            assert_eq!(told(&mut lines[1]).await, strings(expected));
        }
        assert_eq!(told(&mut lines[0]).await, strings("end"));
        steer.send_replace(Control::Release);
    };
    let (ended, ()) = tokio::join!(worker.run(), test);
    ended.unwrap();
}

fn strings(words: &str) -> Vec<String> {
    words.split_whitespace().map(str::to_owned).collect()
}
