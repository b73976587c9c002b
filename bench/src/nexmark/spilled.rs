//! `flott-bench nexmark spilled`: state that is larger than its memory.
//!
//! Each query runs with all of its state in memory, which tells how large that is; then with half of it and a tenth, the
//! rest on a disk; then with a tenth, the rest in a store that is far away. Flink's disaggregated state has as much, on the
//! disk. All ways take turns. Before a query is measured, its result over a million events must be the same every way.

mod ran;

use flott_api::{Error, Result};
use flott_runtime::environment;

use self::ran::{Asked, Ran, Spill};
use super::PARALLELISM;
use super::queries::Query;
use super::script::{Engine, How};
use super::sides::{Machine, Sides, outcome, read};
use super::table::HASHED_EVENTS;
use crate::objects::{Counts, watched};
use crate::processes::text_of;
use crate::run;

/// What is measured unless the command line says otherwise: the queries with the largest state.
pub(crate) const QUERIES: &str = "q4,q9,q18,q20";
/// What each request of a store that is far away takes longer.
const FAR_MS: u64 = 10;
/// Flink's job is cancelled behind so many seconds: with all events it would take hours.
const FLINK_SECONDS: u64 = 70;
/// Its process must have ended so much later.
const FLINK_END_SECONDS: u64 = 60;
/// Flink's state lies outside of its heap.
const FLINK_HEAP_MIB: u32 = 1024;
/// What is a part of memory for state must do for what stores need at least.
const MEMORY_BYTES_MIN: u64 = 8 << 20;

/// A way to run a query.
#[derive(Clone, Copy, Debug)]
struct Way {
    name: &'static str,
    engine: Engine,
    /// The state is so many times as large as its memory; 0 if it must not leave it.
    part: u64,
    delay_ms: u64,
    /// The way of Flink's that has as much memory.
    flink: Option<usize>,
}

const fn flott(name: &'static str, part: u64, delay_ms: u64, flink: Option<usize>) -> Way {
    Way { name, engine: Engine::Flott, part, delay_ms, flink }
}

const fn flink(name: &'static str, part: u64) -> Way {
    Way { name, engine: Engine::Flink, part, delay_ms: 0, flink: None }
}

/// All ways; the first one says how large the state is.
const WAYS: [Way; 6] = [
    flott("in memory", 0, 0, None),
    flott("a half", 2, 0, Some(4)),
    flott("a tenth", 10, 0, Some(5)),
    flott("a tenth, 10 ms", 10, FAR_MS, Some(5)),
    flink("Flink, a half", 2),
    flink("Flink, a tenth", 10),
];

impl Way {
    fn memory_bytes(&self, state_bytes: u64) -> u64 {
        state_bytes.checked_div(self.part).map_or(0, |bytes| bytes.max(MEMORY_BYTES_MIN))
    }
}

/// Measures each query so often each way, and prints it when it is there.
pub(crate) fn spilled(
    sides: &Sides,
    queries: &[&'static Query],
    rounds: usize,
    print: impl Fn(&str) -> Result<()>,
) -> Result<()> {
    if rounds == 0 {
        return Err(Error::invalid("there must be a round at least"));
    }
    print(TITLE)?;
    for query in queries {
        print(&check(sides, query)?)?;
        let ways: Vec<Way> = WAYS.into_iter().filter(|way| way.engine == Engine::Flott || sides.has_flink()).collect();
        let mut runs: Vec<Vec<Ran>> = vec![Vec::new(); ways.len()];
        for _ in 0..rounds {
            for (number, way) in ways.iter().enumerate() {
                let state_bytes = runs[0].first().map_or(0, |ran| ran.spill.state_bytes);
                let ran = ran(sides, query, way, (&sides.fast(query.events), PARALLELISM, state_bytes))?;
                runs[number].push(ran);
            }
        }
        for (number, way) in ways.iter().enumerate() {
            print(&line(query.name, way, number, &runs))?;
        }
    }
    Ok(())
}

/// Compares results, of Flott's ways only: what Flink gives, `flott-bench nexmark hashes` has compared.
fn check(sides: &Sides, query: &Query) -> Result<String> {
    let how = sides.hashed(HASHED_EVENTS);
    let all = ran(sides, query, &WAYS[0], (&how, 1, 0))?;
    let mut files = 0;
    for way in WAYS.iter().filter(|way| way.engine == Engine::Flott && way.part > 0) {
        let some = ran(sides, query, way, (&how, 1, all.spill.state_bytes))?;
        let (hash, expected, name) = (some.outcome.hash, all.outcome.hash, way.name);
        if hash != expected {
            return Err(Error::internal(format!(
                "{}: with {name} of the memory come other rows: hash {hash:016x} instead of {expected:016x}",
                query.name
            )));
        }
        // Beyond half of the state, only what stores need beside it leaves memory for sure.
        if way.part > 2 && some.spill.state_files == 0 {
            return Err(Error::internal(format!("{}: no state has left memory, so nothing was compared", query.name)));
        }
        files += some.spill.state_files;
    }
    let (name, hash) = (query.name, all.outcome.hash);
    Ok(format!(
        "{name:<6} the result of {HASHED_EVENTS} events hashes to {hash:016x} every way; {files} files of state\n"
    ))
}

/// Runs a query in a process of its own.
fn ran(sides: &Sides, query: &Query, way: &Way, (how, parallelism, state_bytes): (&How<'_>, u32, u64)) -> Result<Ran> {
    let folder = sides.folder().join("spilled");
    match std::fs::remove_dir_all(&folder) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(failed(e)),
        _ => std::fs::create_dir(&folder).map_err(failed)?,
    }
    let (memory_bytes, folder) = (way.memory_bytes(state_bytes), folder.display().to_string());
    if way.engine == Engine::Flott {
        let script = sides.write(query, Engine::Flott, how)?.display().to_string();
        let (parallelism, memory, delay) =
            (parallelism.to_string(), memory_bytes.to_string(), way.delay_ms.to_string());
        return text_of(&["nexmark", "spill", &parallelism, &script, &memory, &folder, &delay])?.parse();
    }
    // Operators that can ask for many keys at once do so; bundles of rows, as everywhere, leave few of them but are faster.
    let settings = [
        ("state.backend.type", "forst"),
        ("state.backend.forst.primary-dir", "local-dir"),
        ("state.backend.forst.local-dir", &folder),
        ("table.exec.async-state.enabled", "true"),
    ];
    let machine = Machine {
        heap_mib: FLINK_HEAP_MIB,
        managed_bytes: memory_bytes,
        job_seconds: FLINK_SECONDS,
        limit_seconds: Some(FLINK_SECONDS + FLINK_END_SECONDS),
    };
    let outcome = sides.flink_with(query, &How { settings: &settings, ..how.clone() }, parallelism, &machine)?;
    Ok(Ran { outcome, spill: Spill { memory_bytes, ..Spill::default() } })
}

/// Flott's side, in this process: runs the job of a script with so much memory and gives its line.
pub(crate) fn spill(arguments: &[&str]) -> Result<String> {
    let asked = Asked::read(arguments)?;
    let (script, events) = read(asked.script)?;
    let (memory, folder) = (format!("{}b", asked.memory_bytes), format!("file://{}", asked.folder));
    let settings = match asked.memory_bytes {
        0 => [("state.backend.type", "hashmap"), ("taskmanager.memory.managed.size", "10 gb")].to_vec(),
        _ => [
            ("state.backend.type", "forst"),
            ("taskmanager.memory.managed.size", memory.as_str()),
            ("execution.checkpointing.dir", folder.as_str()),
        ]
        .to_vec(),
    };
    let counts = std::sync::Arc::<Counts>::default();
    let world = || watched(environment::real(), &counts, asked.delay_ms);
    let run = run::script_in(world, &script, asked.parallelism, &settings)?;
    let spill = Spill::of(&counts, run.state_bytes, asked.memory_bytes);
    Ok(format!("{}\n", Ran { outcome: outcome(&run, events), spill }))
}

const TITLE: &str = "query  way             memory MB  events/s  of in memory  times Flink's forst  peak MB  MB written  MB read  requests\n";

/// A line of the table: the run in the middle, and ratios of runs of the same round.
fn line(query: &str, way: &Way, number: usize, runs: &[Vec<Ran>]) -> String {
    let rates = |number: usize| runs[number].iter().map(|ran| ran.outcome.rate()).collect::<Vec<_>>();
    let own = rates(number);
    let mut order: Vec<usize> = (0..own.len()).collect();
    order.sort_by(|a, b| own[*a].total_cmp(&own[*b]));
    let Ran { outcome, spill } = &runs[number][order[order.len() / 2]];
    let flink = way.flink.filter(|flink| *flink < runs.len());
    let times = flink.map_or("-".to_owned(), |flink| format!("{:.1}", middle_ratio(&own, &rates(flink))));
    let megabytes = |bytes: u64| format!("{:.0}", bytes as f64 / 1e6);
    let memory = megabytes(if way.part == 0 { spill.state_bytes } else { spill.memory_bytes });
    let counts = match way.engine {
        Engine::Flott => [megabytes(spill.written_bytes), megabytes(spill.read_bytes), spill.requests.to_string()],
        Engine::Flink => ["-"; 3].map(str::to_owned),
    };
    let [written, read, requests] = counts;
    format!(
        "{query:<6} {:<15} {memory:>9} {:>8.3}M {:>13.3} {times:>20} {:>8.0} {written:>11} {read:>8} {requests:>9}\n",
        way.name,
        outcome.rate() / 1e6,
        middle_ratio(&own, &rates(0)),
        outcome.peak_kib as f64 / 1024.0,
    )
}

/// The ratio in the middle.
fn middle_ratio(of: &[f64], over: &[f64]) -> f64 {
    let mut ratios: Vec<f64> = of.iter().zip(over).map(|(a, b)| a / b).collect();
    ratios.sort_by(f64::total_cmp);
    ratios.get(ratios.len() / 2).copied().unwrap_or(f64::NAN)
}

fn failed(e: std::io::Error) -> Error {
    Error::external("the folder of the measurement cannot be used").with_source(e)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(rate: u64, spill: Spill) -> Ran {
        let outcome = format!("1 1 5 {rate} 1 1 2048 0 -1 -1 -1").parse().unwrap();
        Ran { outcome, spill }
    }

    #[test]
    fn a_way_has_its_part_of_the_state_or_what_stores_need() {
        assert_eq!(WAYS.map(|way| way.memory_bytes(1_000_000_000) / 1_000_000), [0, 500, 100, 100, 500, 100]);
        assert_eq!(WAYS[2].memory_bytes(1000), MEMORY_BYTES_MIN);
        for way in WAYS {
            let flink = way.flink.map(|flink| WAYS[flink]);
            assert!(flink.is_none_or(|flink| flink.engine == Engine::Flink && flink.part == way.part), "{way:?}");
        }
    }

    #[test]
    fn ratios_are_of_the_same_round_and_the_middle_one_counts() {
        assert_eq!(middle_ratio(&[10.0, 40.0, 90.0], &[10.0, 20.0, 30.0]), 2.0);
        assert!(middle_ratio(&[], &[]).is_nan());
    }

    #[test]
    fn a_line_tells_the_middle_run_beside_memory_and_flink() {
        let spill = Spill { state_bytes: 50_000_000, memory_bytes: 25_000_000, requests: 7, ..Spill::default() };
        let mut runs = vec![Vec::new(); WAYS.len()];
        for (run, rate) in runs.iter_mut().zip([4_000_000, 2_000_000, 1_000_000, 800_000, 100_000, 50_000]) {
            run.extend([at(rate, spill.clone()), at(rate / 2, spill.clone()), at(rate * 2, spill.clone())]);
        }
        assert_eq!(
            line("q4", &WAYS[1], 1, &runs),
            "q4     a half                 25    2.000M         0.500                 20.0        2           0        0         7\n"
        );
        assert_eq!(
            line("q4", &WAYS[5], 5, &runs),
            "q4     Flink, a tenth         25    0.050M         0.013                    -        2           -        -         -\n"
        );
        runs.truncate(4);
        assert!(line("q4", &WAYS[0], 0, &runs).starts_with("q4     in memory              50    4.000M         1.000"));
        assert!(line("q4", &WAYS[3], 3, &runs).contains(" - "));
    }
}
