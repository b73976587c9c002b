//! Object storage that fails as a test wants it: before or after the effect, with short or flipped
//! bytes, with a listing of before, or by letting something else happen in the middle.
//!
//! Faults come from a list of [`FaultRule`]s or from a seed, and are the same in every run. Every fault
//! that took effect is counted: a test asserts on [`FaultyObjects::fired`] that its fault came at all.
//!
//! ```text
//! let store = FaultyObjects::new(MemoryObjects::new(), vec![
//!     // The reply of the second put of a log record is lost; whoever puts may try again.
//!     FaultRule::on(ObjectCall::Put, "epochs/").nth(2).then(Fault::LoseReply { retry: true }),
//! ]);
//! let dead = FaultyObjects::new(MemoryObjects::new(), FaultRule::crash(7, Crash::ReplyLost));
//! let bad_day = FaultyObjects::seeded(MemoryObjects::new(), 42, FaultRates::default());
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::object::{ObjectStatus, ObjectStore, ObjectStores, PutMode, PutOutcome};
use crate::{BoxFuture, Error, ErrorKind, Result};

/// Changes that a stale listing can go back.
const JOURNAL_MAX: usize = 4096;

/// A kind of call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ObjectCall {
    /// `put`.
    Put,
    /// `get`.
    Get,
    /// `get_ranges`.
    GetRanges,
    /// `list`; its path is the prefix.
    List,
    /// `delete`.
    Delete,
    /// `copy`; its path is the one that is written.
    Copy,
}

/// What a test lets happen in the middle of a call: time passes, or somebody else comes in between.
pub type Hook = Arc<dyn Fn(ObjectCall, String) -> BoxFuture<'static, ()> + Send + Sync>;

/// What goes wrong.
#[derive(Clone)]
pub enum Fault {
    /// The call fails and has no effect.
    Fail {
        /// Whether the error says that trying again may help.
        retry: bool,
    },
    /// The call has its effect, and the caller gets an error.
    LoseReply {
        /// Whether the error says that trying again may help.
        retry: bool,
    },
    /// Reads give the first half of the bytes; a put stores the first half.
    ShortRead,
    /// One bit is another: of what a read gives, or of what a put stores.
    FlipBit,
    /// A listing is as it was before the last changes that went through this store.
    StaleList {
        /// How many changes it does not know.
        changes: usize,
    },
    /// The call waits for the hook before it has any effect.
    Wait(Hook),
}

/// The name of a [`Fault`], for counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FaultKind {
    /// [`Fault::Fail`].
    Fail,
    /// [`Fault::LoseReply`].
    LoseReply,
    /// [`Fault::ShortRead`].
    ShortRead,
    /// [`Fault::FlipBit`].
    FlipBit,
    /// [`Fault::StaleList`].
    StaleList,
    /// [`Fault::Wait`].
    Wait,
}

impl Fault {
    /// Its name.
    pub fn kind(&self) -> FaultKind {
        match self {
            Fault::Fail { .. } => FaultKind::Fail,
            Fault::LoseReply { .. } => FaultKind::LoseReply,
            Fault::ShortRead => FaultKind::ShortRead,
            Fault::FlipBit => FaultKind::FlipBit,
            Fault::StaleList { .. } => FaultKind::StaleList,
            Fault::Wait(_) => FaultKind::Wait,
        }
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind().fmt(f)
    }
}

/// How a process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// The call had no effect.
    Before,
    /// The call had its effect, and nobody learned of it.
    ReplyLost,
}

/// Which calls go wrong, and how. Calls that match are counted from 1, each rule for itself.
#[derive(Clone, Debug)]
pub struct FaultRule {
    call: Option<ObjectCall>,
    prefix: String,
    calls: Range<u64>,
    fault: Fault,
}

impl FaultRule {
    /// The first call of this kind whose path begins with `prefix`.
    pub fn on(call: ObjectCall, prefix: &str) -> Self {
        FaultRule { call: Some(call), ..FaultRule::any(prefix) }
    }

    /// The first call of any kind whose path begins with `prefix`.
    pub fn any(prefix: &str) -> Self {
        FaultRule { call: None, prefix: prefix.to_owned(), calls: 1..2, fault: Fault::Fail { retry: true } }
    }

    /// The `nth` such call.
    #[must_use]
    pub fn nth(mut self, nth: u64) -> Self {
        self.calls = nth..nth + 1;
        self
    }

    /// As many calls, from the one that was said.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.calls.end = self.calls.start.saturating_add(times);
        self
    }

    /// All calls from the one that was said.
    #[must_use]
    pub fn from_then_on(self) -> Self {
        self.times(u64::MAX)
    }

    /// What happens to them.
    #[must_use]
    pub fn then(mut self, fault: Fault) -> Self {
        self.fault = fault;
        self
    }

    /// The process dies at the `nth` call of any kind: no later call gets through.
    pub fn crash(nth: u64, crash: Crash) -> Vec<Self> {
        let dead = Fault::Fail { retry: false };
        match crash {
            Crash::Before => vec![FaultRule::any("").nth(nth).from_then_on().then(dead)],
            Crash::ReplyLost => vec![
                FaultRule::any("").nth(nth).then(Fault::LoseReply { retry: false }),
                FaultRule::any("").nth(nth + 1).from_then_on().then(dead),
            ],
        }
    }

    fn matches(&self, call: ObjectCall, path: &str) -> bool {
        self.call.is_none_or(|c| c == call) && path.starts_with(&self.prefix)
    }
}

/// How often faults come with a seed, of 1000 calls to which they can happen.
#[derive(Clone, Copy, Debug)]
pub struct FaultRates {
    /// [`Fault::Fail`], with retry.
    pub fail: u32,
    /// [`Fault::LoseReply`], with retry.
    pub lose_reply: u32,
    /// [`Fault::ShortRead`], on reads.
    pub short_read: u32,
    /// [`Fault::FlipBit`], on reads.
    pub flip_bit: u32,
    /// [`Fault::StaleList`], of up to 8 changes.
    pub stale_list: u32,
}

impl Default for FaultRates {
    /// A network that fails, and nothing that damages bytes.
    fn default() -> Self {
        FaultRates { fail: 50, lose_reply: 50, short_read: 0, flip_bit: 0, stale_list: 50 }
    }
}

/// A store with faults in front of another one.
pub struct FaultyObjects {
    inner: Arc<dyn ObjectStore>,
    plan: Mutex<Plan>,
}

#[derive(Debug, Default)]
struct Plan {
    rules: Vec<CountedRule>,
    seeded: Option<(u64, FaultRates)>,
    calls: Vec<(ObjectCall, String)>,
    fired: BTreeMap<FaultKind, u64>,
    /// The objects that were changed, oldest first, with what they were before.
    journal: Vec<(String, Option<ObjectStatus>)>,
}

#[derive(Debug)]
struct CountedRule {
    rule: FaultRule,
    matched: u64,
    fired: u64,
}

/// The faults of one call, each with its rule.
struct Faults {
    /// Random bits that are this call's own.
    bits: u64,
    faults: Vec<(Option<usize>, Fault)>,
}

impl fmt::Debug for FaultyObjects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultyObjects").field("plan", &*self.lock()).finish_non_exhaustive()
    }
}

impl FaultyObjects {
    /// Faults by rules; with none it only counts. If several match a call, all count and happen.
    pub fn new(inner: Arc<dyn ObjectStore>, rules: Vec<FaultRule>) -> Arc<Self> {
        let store = Arc::new(FaultyObjects { inner, plan: Mutex::default() });
        store.set_rules(rules);
        store
    }

    /// Faults by chance, the same for the same seed and calls.
    pub fn seeded(inner: Arc<dyn ObjectStore>, seed: u64, rates: FaultRates) -> Arc<Self> {
        let plan = Plan { seeded: Some((seed, rates)), ..Plan::default() };
        Arc::new(FaultyObjects { inner, plan: Mutex::new(plan) })
    }

    /// Replaces the rules; their counts begin anew, those of kinds go on.
    pub fn set_rules(&self, rules: Vec<FaultRule>) {
        self.lock().rules = rules.into_iter().map(|rule| CountedRule { rule, matched: 0, fired: 0 }).collect();
    }

    /// From now on nothing fails.
    pub fn heal(&self) {
        let mut plan = self.lock();
        plan.rules.clear();
        plan.seeded = None;
    }

    /// How often a kind of fault took effect.
    pub fn fired(&self, kind: FaultKind) -> u64 {
        self.lock().fired.get(&kind).copied().unwrap_or(0)
    }

    /// How often each rule took effect, in their order.
    pub fn fired_by_rule(&self) -> Vec<u64> {
        self.lock().rules.iter().map(|r| r.fired).collect()
    }

    /// All calls, those that failed too.
    pub fn calls(&self) -> Vec<(ObjectCall, String)> {
        self.lock().calls.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, rule: Option<usize>, fault: &Fault) {
        let mut plan = self.lock();
        *plan.fired.entry(fault.kind()).or_default() += 1;
        if let Some(counted) = rule.and_then(|index| plan.rules.get_mut(index)) {
            counted.fired += 1;
        }
    }

    /// What comes before the effect.
    async fn begin(&self, call: ObjectCall, path: &str) -> Result<Faults> {
        let faults = self.lock().faults(call, path);
        for (rule, fault) in &faults.faults {
            match fault {
                Fault::Wait(hook) => {
                    self.count(*rule, fault);
                    hook(call, path.to_owned()).await;
                }
                Fault::Fail { retry } => {
                    self.count(*rule, fault);
                    return Err(failed(*retry, call, path, "failed"));
                }
                _ => {}
            }
        }
        Ok(faults)
    }

    /// What comes after it.
    fn end<T>(&self, faults: &Faults, (call, path): (ObjectCall, &str), answer: T) -> Result<T> {
        for (rule, fault) in &faults.faults {
            if let Fault::LoseReply { retry } = fault {
                self.count(*rule, fault);
                return Err(failed(*retry, call, path, "gave no reply"));
            }
        }
        Ok(answer)
    }

    fn pass(&self, faults: &Faults, bytes: Bytes) -> Bytes {
        let mut bytes = bytes;
        for (rule, fault) in &faults.faults {
            match fault {
                Fault::ShortRead if !bytes.is_empty() => bytes.truncate(bytes.len() / 2),
                Fault::FlipBit if !bytes.is_empty() => bytes = flipped(&bytes, faults.bits),
                _ => continue,
            }
            self.count(*rule, fault);
        }
        bytes
    }

    /// Remembers an object as it is before a change.
    async fn remember(&self, path: &str) -> Result<()> {
        let before = self.inner.list(path).await?.into_iter().find(|o| o.path == path);
        let mut plan = self.lock();
        if plan.journal.len() == JOURNAL_MAX {
            plan.journal.drain(..JOURNAL_MAX / 2);
        }
        plan.journal.push((path.to_owned(), before));
        Ok(())
    }

    fn undo(&self, prefix: &str, changes: usize, now: Vec<ObjectStatus>) -> Vec<ObjectStatus> {
        let mut listed: BTreeMap<String, ObjectStatus> = now.into_iter().map(|o| (o.path.clone(), o)).collect();
        for (path, before) in self.lock().journal.iter().rev().take(changes) {
            match before {
                Some(status) => drop(listed.insert(path.clone(), status.clone())),
                None => drop(listed.remove(path)),
            }
        }
        listed.into_values().filter(|o| o.path.starts_with(prefix)).collect()
    }
}

impl Plan {
    fn faults(&mut self, call: ObjectCall, path: &str) -> Faults {
        self.calls.push((call, path.to_owned()));
        let bits = mixed(self.seeded.map_or(0, |(seed, _)| seed) ^ mixed(self.calls.len() as u64));
        let mut faults = Vec::new();
        for (index, counted) in self.rules.iter_mut().enumerate() {
            if counted.rule.matches(call, path) {
                counted.matched += 1;
                if counted.rule.calls.contains(&counted.matched) {
                    faults.push((Some(index), counted.rule.fault.clone()));
                }
            }
        }
        if let Some((_, rates)) = self.seeded {
            faults.extend(rates.draw(call, bits).map(|fault| (None, fault)));
        }
        Faults { bits, faults }
    }
}

impl FaultRates {
    fn draw(self, call: ObjectCall, bits: u64) -> Option<Fault> {
        let reads = matches!(call, ObjectCall::Get | ObjectCall::GetRanges);
        let lists = call == ObjectCall::List;
        let mut rest = (bits % 1000) as u32;
        let faults = [
            (self.fail, Fault::Fail { retry: true }),
            (self.lose_reply, Fault::LoseReply { retry: true }),
            (if reads { self.short_read } else { 0 }, Fault::ShortRead),
            (if reads { self.flip_bit } else { 0 }, Fault::FlipBit),
            (if lists { self.stale_list } else { 0 }, Fault::StaleList { changes: 1 + (bits >> 32) as usize % 8 }),
        ];
        for (rate, fault) in faults {
            if rest < rate {
                return Some(fault);
            }
            rest -= rate;
        }
        None
    }
}

/// The finaliser of SplitMix64 (Sebastiano Vigna, public domain).
fn mixed(bits: u64) -> u64 {
    let z = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn flipped(bytes: &Bytes, bits: u64) -> Bytes {
    let mut changed = bytes.to_vec();
    let at = (bits >> 3) as usize % changed.len();
    changed[at] ^= 1 << (bits & 7);
    changed.into()
}

fn failed(retry: bool, call: ObjectCall, path: &str, how: &str) -> Error {
    Error::new(ErrorKind::External { retry }, format!("object '{path}': {call:?} {how}, as the test wants it"))
}

impl ObjectStore for FaultyObjects {
    fn put<'a>(&'a self, path: &'a str, bytes: Bytes, mode: PutMode) -> BoxFuture<'a, Result<PutOutcome>> {
        Box::pin(async move {
            let faults = self.begin(ObjectCall::Put, path).await?;
            self.remember(path).await?;
            let outcome = self.inner.put(path, self.pass(&faults, bytes), mode).await?;
            self.end(&faults, (ObjectCall::Put, path), outcome)
        })
    }

    fn get<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Option<Bytes>>> {
        Box::pin(async move {
            let faults = self.begin(ObjectCall::Get, path).await?;
            let bytes = self.inner.get(path).await?.map(|b| self.pass(&faults, b));
            self.end(&faults, (ObjectCall::Get, path), bytes)
        })
    }

    fn get_ranges<'a>(&'a self, path: &'a str, ranges: &'a [Range<u64>]) -> BoxFuture<'a, Result<Option<Vec<Bytes>>>> {
        Box::pin(async move {
            let faults = self.begin(ObjectCall::GetRanges, path).await?;
            let parts = self.inner.get_ranges(path, ranges).await?;
            let parts = parts.map(|all| all.into_iter().map(|b| self.pass(&faults, b)).collect());
            self.end(&faults, (ObjectCall::GetRanges, path), parts)
        })
    }

    fn list<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<ObjectStatus>>> {
        Box::pin(async move {
            let faults = self.begin(ObjectCall::List, prefix).await?;
            let mut listed = self.inner.list(prefix).await?;
            for (rule, fault) in &faults.faults {
                if let Fault::StaleList { changes } = fault {
                    let before = self.undo(prefix, *changes, listed.clone());
                    if before != listed {
                        self.count(*rule, fault);
                    }
                    listed = before;
                }
            }
            self.end(&faults, (ObjectCall::List, prefix), listed)
        })
    }

    fn delete<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let faults = self.begin(ObjectCall::Delete, path).await?;
            self.remember(path).await?;
            self.inner.delete(path).await?;
            self.end(&faults, (ObjectCall::Delete, path), ())
        })
    }

    fn copy<'a>(&'a self, from: &'a str, to: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let faults = self.begin(ObjectCall::Copy, to).await?;
            self.remember(to).await?;
            self.inner.copy(from, to).await?;
            self.end(&faults, (ObjectCall::Copy, to), ())
        })
    }
}

/// Finds this store for every URI, as `MemoryObjects` does.
impl ObjectStores for Arc<FaultyObjects> {
    fn resolve(&self, uri: &str) -> Result<(Arc<dyn ObjectStore>, String)> {
        Ok((Arc::clone(self) as _, super::path_of(uri)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{MemoryObjects, ready};

    fn put(store: &Arc<FaultyObjects>, path: &str) -> Result<PutOutcome> {
        ready(store.put(path, Bytes::from_static(b"12345678"), PutMode::Create))
    }

    #[test]
    fn a_lost_reply_has_its_effect_and_a_failure_has_none() {
        let memory = MemoryObjects::new();
        let rules = vec![
            FaultRule::on(ObjectCall::Put, "a/").nth(2).then(Fault::LoseReply { retry: true }),
            FaultRule::on(ObjectCall::Put, "b/").times(2).then(Fault::Fail { retry: false }),
        ];
        let store = FaultyObjects::new(Arc::clone(&memory) as _, rules);
        assert!(put(&store, "a/1").is_ok());
        assert_eq!(put(&store, "a/2").unwrap_err().kind(), ErrorKind::External { retry: true });
        assert_eq!(put(&store, "b/1").unwrap_err().kind(), ErrorKind::External { retry: false });
        assert!(put(&store, "b/1").is_err());
        assert_eq!(put(&store, "b/1").unwrap(), PutOutcome::Stored);
        assert_eq!(memory.all().into_keys().collect::<Vec<_>>(), ["a/1", "a/2", "b/1"]);
        assert_eq!((store.fired_by_rule(), store.fired(FaultKind::Fail)), (vec![1, 2], 2));
    }

    #[test]
    fn reads_are_short_or_flipped_and_listings_of_before() {
        let rules = vec![
            FaultRule::on(ObjectCall::Get, "").nth(1).then(Fault::ShortRead),
            FaultRule::on(ObjectCall::Get, "").nth(2).then(Fault::FlipBit),
            FaultRule::on(ObjectCall::List, "").nth(1).then(Fault::StaleList { changes: 2 }),
        ];
        let store = FaultyObjects::new(MemoryObjects::new(), rules);
        put(&store, "1").unwrap();
        put(&store, "2").unwrap();
        ready(store.delete("1")).unwrap();
        assert!(put(&store, "3").is_ok());
        let paths = || ready(store.list("")).unwrap().into_iter().map(|o| o.path).collect::<Vec<_>>();
        assert_eq!(paths(), ["1", "2"]);
        assert_eq!(paths(), ["2", "3"]);
        let read = || ready(store.get("2")).unwrap().unwrap();
        assert_eq!(read(), "1234");
        let (bad, good) = (read(), read());
        let bits: u32 = bad.iter().zip(&good).map(|(a, b)| (a ^ b).count_ones()).sum();
        assert_eq!((good, bits), (Bytes::from_static(b"12345678"), 1));
        assert_eq!(store.fired_by_rule(), [1, 1, 1]);
    }

    #[test]
    fn after_a_crash_nothing_gets_through_until_it_is_healed() {
        let store = FaultyObjects::new(MemoryObjects::new(), FaultRule::crash(2, Crash::ReplyLost));
        put(&store, "1").unwrap();
        assert!(put(&store, "2").is_err());
        assert!(ready(store.get("1")).is_err());
        store.heal();
        assert_eq!(put(&store, "2").unwrap(), PutOutcome::Exists);
        assert_eq!(store.calls().len(), 4);
    }

    #[test]
    fn a_seed_decides_everything() {
        let run = |seed| {
            let store = FaultyObjects::seeded(MemoryObjects::new(), seed, FaultRates::default());
            let outcome = (0..200).map(|i| put(&store, &format!("{i}")).is_ok()).collect::<Vec<_>>();
            (outcome, store.fired(FaultKind::Fail), store.fired(FaultKind::LoseReply))
        };
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
        assert!(run(1).1 > 0 && run(1).2 > 0);
    }

    #[test]
    fn somebody_else_comes_in_between() {
        let memory = MemoryObjects::new();
        let other = Arc::clone(&memory);
        let hook: Hook = Arc::new(move |_, path| {
            let other = Arc::clone(&other);
            Box::pin(async move { other.damage(&path, Some(Bytes::from_static(b"other"))) })
        });
        let store = FaultyObjects::new(memory, vec![FaultRule::any("x").then(Fault::Wait(hook))]);
        assert_eq!(put(&store, "x").unwrap(), PutOutcome::Exists);
    }
}
