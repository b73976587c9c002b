//! Each operator in the plan of a query: the operators before it run once, and it runs so often over what they gave.

use std::sync::Arc;

use flott::plugins::UserConnectors;
use flott_api::{Error, Result};
use flott_graph::{JobGraph, NodeId, Role};
use flott_sql::config::{Configuration, Origin};
use flott_sql::parser::parse_script;
use flott_sql::session::{Outcome, Session};

use super::cases::{CASES, Case, TABLES};
use super::chain::{Edge, Flow, Item, work};
use super::world::World;
use super::{BATCHES, ROUNDS, Round, line, rows};

/// Measures the operators of all cases with this in their name, and says of how many.
pub(super) async fn measure(world: &World, name: &str, print: impl Fn(&str) -> Result<()>) -> Result<usize> {
    let cases: Vec<&Case> = CASES.iter().filter(|case| case.is_named(name)).collect();
    for case in &cases {
        for (operator, rounds) in run(world, case, BATCHES, ROUNDS + 1).await? {
            print(&line(&format!("{}: {operator}", case.name), &rounds))?;
        }
    }
    Ok(cases.len())
}

/// The operators that a case is about, with their rounds.
async fn run(world: &World, case: &Case, batches: u64, rounds: usize) -> Result<Vec<(String, Vec<Round>)>> {
    let graph = planned(world, case)?;
    let (mut flows, mut measured) = (Vec::<Flow>::new(), Vec::new());
    for id in graph.node_ids() {
        let edges: Vec<Edge<'_>> = graph
            .inputs(id)
            .map(|edge| Edge { input: edge.input as usize, flow: &flows[edge.from.0 as usize] })
            .collect();
        let flow = match &graph.node(id).role {
            Role::Sink(_) => Flow::new(),
            Role::Source(spec) => {
                (0..).zip(rows::batches(spec, batches)?).map(|(at, batch)| (at, Item::Batch(batch))).collect()
            }
            Role::Operator { kind, .. } => {
                let is_meant = case.operators.contains(&short(kind));
                let (taken, flow) = repeated(world, &graph, id, (&edges, if is_meant { rounds } else { 1 })).await?;
                if is_meant {
                    measured.push((short(kind).to_owned(), taken));
                }
                flow
            }
        };
        flows.push(flow);
    }
    let missing = case.operators.iter().find(|kind| !measured.iter().any(|(name, _)| name == *kind));
    match missing {
        Some(kind) => Err(Error::internal(format!("the plan of '{}' has no operator '{kind}'", case.name))),
        None => Ok(measured),
    }
}

/// So many rounds of one operator, each from the begin, and what the last one emitted.
async fn repeated(
    world: &World,
    graph: &JobGraph,
    id: NodeId,
    (edges, rounds): (&[Edge<'_>], usize),
) -> Result<(Vec<Round>, Flow)> {
    let Role::Operator { kind, spec } = &graph.node(id).role else {
        return Err(Error::internal("what is to be measured is no operator"));
    };
    let spec = serde_json::to_vec(spec)
        .map_err(|e| Error::internal(format!("a '{kind}' cannot be written")).with_source(e))?;
    let (mut taken, mut last) = (Vec::new(), Flow::new());
    for _ in 0..rounds {
        drop(std::mem::take(&mut last));
        let instance = world.plugins.operators.create(kind, &spec)?;
        let (round, flow) = work(world, instance, edges).await?;
        taken.push(round);
        last = flow;
    }
    Ok((taken, last))
}

/// The graph of a case's query.
fn planned(world: &World, case: &Case) -> Result<JobGraph> {
    let environment = &world.plugins.environment;
    let mut configuration = Configuration::default();
    configuration.set("parallelism.default", "1", Origin::CommandLine)?;
    for (key, value) in case.settings {
        configuration.set(key, value, Origin::CommandLine)?;
    }
    let connectors = Arc::new(UserConnectors::of(&world.plugins));
    let mut session = Session::new(configuration, connectors, Arc::clone(&environment.files))?;
    let script = format!(
        "{TABLES}CREATE TABLE labels (k BIGINT, label STRING) \
           WITH ('connector' = 'filesystem', 'format' = 'csv', 'path' = '{}');\n{};\n",
        world.lookup_table.display(),
        case.query
    );
    for statement in parse_script(&script) {
        if let Outcome::Job(job) = session.execute(&statement?.statement)? {
            return Ok(job.graph);
        }
    }
    Err(Error::internal(format!("the query of '{}' is no job", case.name)))
}

/// The kind without its version.
fn short(kind: &str) -> &str {
    kind.rsplit_once('-').map_or(kind, |(short, _)| short)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_case_has_its_operators_and_they_work() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let wrong: Vec<String> = runtime.block_on(async {
            let folder = std::env::temp_dir().join(format!("flott-bench-operators-{}", std::process::id()));
            std::fs::create_dir_all(&folder).unwrap();
            let world = World::new(&folder).unwrap();
            let mut wrong = Vec::new();
            for case in CASES {
                match run(&world, case, 2, 1).await {
                    Err(error) => wrong.push(format!("{}: {error:?}", case.name)),
                    Ok(measured) => wrong.extend(
                        measured
                            .iter()
                            .filter(|(_, rounds)| rounds[0].rows == 0 || rounds[0].rows_out == 0)
                            .map(|(operator, rounds)| format!("{}: {operator} had {:?}", case.name, rounds[0])),
                    ),
                }
            }
            std::fs::remove_dir_all(&folder).unwrap();
            wrong
        });
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}
