//! A way to a broker that can be cut at a chosen question, or before a chosen answer.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock};

use crate::ledger::pause;

/// Something is waited for so long before the test gives up.
const LOOKS_MAX: u32 = 1200;
const LOOK_MS: u64 = 50;

const PRODUCE: i16 = 0;
const END_TXN: i16 = 26;
const LIST_TRANSACTIONS: i16 = 66;

/// A moment between a checkpoint and what is seen of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Point {
    /// A job that was restored looks for transactions that its last run has left open.
    Recovery,
    /// Rows go out, and no checkpoint has them.
    BeforePreCommit,
    /// Rows are in Kafka, and the job does not know; so no checkpoint has them.
    Written,
    /// A checkpoint is complete, and its transaction is about to be committed.
    BeforeCommit,
    /// It is committed, and the job does not know.
    BeforeReply,
    /// The job knows, and no later checkpoint is complete.
    AfterReply,
}

/// Questions that are not answered yet: what they ask for, by their number.
type Asked = BTreeMap<[u8; 4], i16>;

/// The way.
pub(super) struct Proxy {
    pub(super) port: u16,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    broker: OnceLock<u16>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    armed: Option<Point>,
    /// Nothing passes any more, until it is released.
    stopped: bool,
    releases: u64,
    /// The next answer to the end of a transaction is thrown away, and its connection closed.
    loses_reply: bool,
    lost_replies: u64,
}

impl Proxy {
    /// Listens. Nothing passes before it knows the broker.
    #[expect(clippy::disallowed_methods, reason = "it stands outside of what is tested")]
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared::default());
        let of_thread = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                of_thread.connect(client.unwrap());
            }
        });
        Proxy { port, shared }
    }

    /// Where what comes goes to.
    pub(super) fn leads_to(&self, port: u16) {
        self.shared.broker.set(port).unwrap();
    }

    /// Stops everything when that moment comes.
    pub(super) fn arm(&self, point: Point) {
        self.shared.state().armed = Some(point);
    }

    /// Waits for the moment. Nothing passes from then on.
    pub(super) fn wait_for(&self, point: Point, mut check: impl FnMut()) {
        for _ in 0..LOOKS_MAX {
            if self.shared.state().stopped {
                return;
            }
            check();
            pause(LOOK_MS);
        }
        panic!("{point:?} never came");
    }

    /// Closes what was stopped; new connections pass.
    pub(super) fn release(&self) {
        let mut state = self.shared.state();
        state.stopped = false;
        state.releases += 1;
        self.shared.changed.notify_all();
    }

    /// Throws the next answer to the end of a transaction away, and waits until that has happened.
    pub(super) fn lose_reply(&self, mut check: impl FnMut()) {
        let before = self.shared.state().lost_replies;
        self.shared.state().loses_reply = true;
        for _ in 0..LOOKS_MAX {
            if self.shared.state().lost_replies > before {
                return;
            }
            check();
            pause(LOOK_MS);
        }
        panic!("no transaction was ended");
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    #[expect(clippy::disallowed_methods, reason = "it stands outside of what is tested")]
    fn connect(self: &Arc<Self>, client: TcpStream) {
        let Some(port) = self.broker.get() else { return };
        // A broker that is not there closes the connection.
        let Ok(broker) = TcpStream::connect(("127.0.0.1", *port)) else { return };
        let asked = Arc::new(Mutex::new(Asked::new()));
        for is_request in [true, false] {
            let (shared, asked) = (Arc::clone(self), Arc::clone(&asked));
            let (client, broker) = (client.try_clone().unwrap(), broker.try_clone().unwrap());
            std::thread::spawn(move || {
                let (mut from, mut to) = if is_request { (&client, &broker) } else { (&broker, &client) };
                while let Some(frame) = read_frame(&mut from) {
                    let passes = if is_request {
                        shared.passes_request(&frame, &asked) && to.write_all(&frame).is_ok()
                    } else {
                        shared.passes_reply(&frame, &asked, &mut to)
                    };
                    if !passes {
                        break;
                    }
                }
                for end in [&client, &broker] {
                    // It may be closed already.
                    _ = end.shutdown(Shutdown::Both);
                }
            });
        }
    }

    fn passes_request(&self, frame: &[u8], asked: &Mutex<Asked>) -> bool {
        let api = i16::from_be_bytes([frame[4], frame[5]]);
        asked.lock().unwrap().insert([frame[8], frame[9], frame[10], frame[11]], api);
        self.passes(match api {
            PRODUCE => Some(Point::BeforePreCommit),
            END_TXN => Some(Point::BeforeCommit),
            LIST_TRANSACTIONS => Some(Point::Recovery),
            _ => None,
        })
    }

    fn passes_reply(&self, frame: &[u8], asked: &Mutex<Asked>, to: &mut &TcpStream) -> bool {
        let api = asked.lock().unwrap().remove(&[frame[4], frame[5], frame[6], frame[7]]);
        let is_end = api == Some(END_TXN);
        if is_end {
            let mut state = self.state();
            if std::mem::take(&mut state.loses_reply) {
                state.lost_replies += 1;
                return false;
            }
        }
        let point = match api {
            Some(PRODUCE) => Some(Point::Written),
            Some(END_TXN) => Some(Point::BeforeReply),
            _ => None,
        };
        self.passes(point) && to.write_all(frame).is_ok() && (!is_end || self.passes(Some(Point::AfterReply)))
    }

    /// Whether what is at this point may go on; if nothing may, waits until that is over.
    fn passes(&self, point: Option<Point>) -> bool {
        let mut state = self.state();
        if point.is_some() && state.armed == point {
            (state.armed, state.stopped) = (None, true);
        }
        if !state.stopped {
            return true;
        }
        let releases = state.releases;
        drop(self.changed.wait_while(state, |state| state.releases == releases).unwrap());
        false
    }
}

/// A question or an answer with its length in front.
fn read_frame(from: &mut &TcpStream) -> Option<Vec<u8>> {
    let mut length = [0; 4];
    from.read_exact(&mut length).ok()?;
    let mut frame = length.to_vec();
    frame.resize(4 + u32::from_be_bytes(length) as usize, 0);
    from.read_exact(&mut frame[4..]).ok()?;
    Some(frame)
}
