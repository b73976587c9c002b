//! Several addresses of one service: they are asked in turn, and one that does not answer is left alone for a while.

use std::sync::Arc;

use flott_api::env::Clock;

/// How long an address that does not answer is left alone, for the first time; then twice as long each time.
const DOWN_MS: i64 = 10_000;
const DOWN_MS_MAX: i64 = 300_000;

/// Addresses, of which there is at least one.
pub(crate) struct Hosts {
    hosts: Vec<Host>,
    next: usize,
    clock: Arc<dyn Clock>,
}

struct Host {
    url: String,
    /// It is not asked before, unless no other answers.
    down_until_ms: i64,
    failures: u32,
}

/// Which address was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chosen(usize);

impl Hosts {
    /// Addresses that are all thought to answer. `begin` says where the turn begins, so that not all who write begin at the
    /// same one.
    pub(crate) fn new(urls: &[String], begin: u32, clock: Arc<dyn Clock>) -> Self {
        let hosts = urls.iter().map(|url| Host { url: url.clone(), down_until_ms: i64::MIN, failures: 0 });
        Hosts { hosts: hosts.collect(), next: begin as usize, clock }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.hosts.len()
    }

    /// The next one: of those that may answer, or else the one that was left alone for longest.
    pub(crate) fn choose(&mut self) -> (Chosen, &str) {
        let (count, now_ms) = (self.hosts.len(), self.clock.now_ms());
        let turn = (0..count).map(|step| (self.next + step) % count);
        let up = turn.clone().find(|at| self.hosts[*at].down_until_ms <= now_ms);
        let at = up.or_else(|| turn.min_by_key(|at| self.hosts[*at].down_until_ms)).unwrap_or(0);
        self.next = (at + 1) % count.max(1);
        (Chosen(at), &self.hosts[at].url)
    }

    /// It has answered.
    pub(crate) fn up(&mut self, chosen: Chosen) {
        let host = &mut self.hosts[chosen.0];
        (host.failures, host.down_until_ms) = (0, i64::MIN);
    }

    /// It has not.
    pub(crate) fn down(&mut self, chosen: Chosen) {
        let now_ms = self.clock.now_ms();
        let host = &mut self.hosts[chosen.0];
        let wait_ms = (DOWN_MS << host.failures.min(8)).min(DOWN_MS_MAX);
        host.failures += 1;
        host.down_until_ms = now_ms + wait_ms;
    }
}

#[cfg(test)]
mod tests {
    use flott_api::testing::FakeWorld;

    use super::*;

    #[test]
    fn one_that_is_down_is_skipped_for_a_while() {
        let world = FakeWorld::at(0);
        let urls = ["a", "b", "c"].map(str::to_owned);
        let mut hosts = Hosts::new(&urls, 1, Arc::clone(&world) as _);
        let next = |hosts: &mut Hosts| hosts.choose().1.to_owned();
        assert_eq!([next(&mut hosts), next(&mut hosts), next(&mut hosts)], ["b", "c", "a"]);
        let (b, _) = hosts.choose();
        hosts.down(b);
        assert_eq!([next(&mut hosts), next(&mut hosts), next(&mut hosts)], ["c", "a", "c"]);
        world.set_now(DOWN_MS);
        assert_eq!([next(&mut hosts), next(&mut hosts)], ["a", "b"]);
        for _ in 0..3 {
            let (chosen, _) = hosts.choose();
            world.set_now(DOWN_MS + 1);
            hosts.down(chosen);
        }
        // All are down: one is asked all the same, and is up again when it answers.
        let (chosen, url) = hosts.choose();
        let url = url.to_owned();
        hosts.up(chosen);
        assert_eq!(next(&mut hosts), url);
    }
}
