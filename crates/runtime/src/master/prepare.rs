//! Before a job starts: claims its checkpoint directory, finds what to go on from, and checks that it
//! fits. And after its end: removes what nobody will need.

use std::collections::BTreeSet;
use std::sync::Arc;

use flott_api::ids::{CheckpointId, JobId, OperatorUid};
use flott_api::state::StateMemory;
use flott_api::{Error, Result};
use flott_state::checkpoint::manifest::{InFlightEdge, Manifest, OperatorSnapshot, SubtaskSnapshot};
use flott_state::checkpoint::savepoint::{Snapshot, read_snapshot};
use flott_state::checkpoint::{Begins, CheckpointDirectory, RoutingObjects, Run, job_key};
use flott_state::store::BlockCache;
use tokio::sync::mpsc;

use super::checkpoints::Checkpoints;
use super::regions::regions;
use super::snapshot::Collected;
use super::vault::Vault;
use super::{Master, Slot, SlotState};
use crate::Plugins;
use crate::coordinator::alignment::Groups;
use crate::coordinator::commit::Committers;
use crate::coordinator::restart::RestartStrategy;
use crate::coordinator::settings::{CheckpointSettings, RestartSettings, StateBackend};
use crate::environment;
use crate::in_flight::restore::edge_of;
use crate::job::{JobStatus, Request, Shared, Wish};
use crate::launch::Launcher;
use crate::plan::Plan;
use crate::report::REPORTS_MAX;
use crate::state::StateStorage;
use crate::state::mirror::{Mirror, is_remote};

/// The part of the memory for hot state that blocks of cold state may take besides: an eighth.
const CACHE_PART: usize = 8;
const CACHE_BYTES_MIN: usize = 8 << 20;

/// `execution.state-recovery.path` with this value is the newest good checkpoint of the job's own directory.
const LATEST: &str = "latest";

/// All that a job is made of, before anything was looked at outside of this process.
pub(crate) struct Preparation {
    pub(crate) shared: Arc<Shared>,
    pub(crate) plan: Plan,
    pub(crate) plugins: Plugins,
    pub(crate) requests: mpsc::Receiver<Request>,
    pub(crate) checkpointing: CheckpointSettings,
    pub(crate) restart: RestartSettings,
    pub(crate) memory: Arc<StateMemory>,
    /// The number of the job among those of its name.
    pub(crate) ordinal: u32,
}

/// What was found outside.
struct Found {
    directory: Option<CheckpointDirectory>,
    objects: Arc<RoutingObjects>,
    /// The position of this run's claim; 0 without a directory.
    epoch: u64,
    /// What the paths of new state files begin with.
    prefix: String,
    restored: Option<Manifest>,
    newest: CheckpointId,
    /// Jobs that were begun and never had a checkpoint.
    dead: Vec<JobId>,
    mirror: Option<Arc<Mirror>>,
}

impl Preparation {
    /// Prepares the job and runs it to its end.
    pub(crate) async fn run(self) {
        let shared = Arc::clone(&self.shared);
        let mut wish = shared.wish.subscribe();
        let prepared = tokio::select! {
            biased;
            _ = wish.wait_for(|w| *w == Wish::Cancel) => return shared.end(JobStatus::Cancelled, None),
            prepared = self.prepare() => prepared,
        };
        match prepared {
            Ok(mut master) => {
                master.recover_all();
                Box::pin(master.run()).await;
            }
            Err(error) => shared.end(JobStatus::Failed, Some(error)),
        }
    }

    pub(super) async fn prepare(mut self) -> Result<Master> {
        let found = self.find().await?;
        if let Some(manifest) = &found.restored {
            self.fit(manifest)?;
            self.shared.count(|c| c.restored = Some(manifest.checkpoint));
            tracing::info!(job = %self.shared.id, checkpoint = manifest.checkpoint.0, "the job goes on from a checkpoint");
        }
        self.master(found)
    }

    async fn find(&mut self) -> Result<Found> {
        let Some(dir) = self.checkpointing.directory.clone() else { return self.find_without_directory().await };
        let root = format!("{}/{}", dir.trim_end_matches('/'), job_key(&self.plan.graph.name, self.ordinal));
        let mirror = self.mirror(&root).await?;
        let stores = mirror.clone().map_or_else(|| Arc::clone(&self.plugins.environment.objects), |mirror| mirror as _);
        let objects = RoutingObjects::new(stores, &root)?;
        let mut directory = CheckpointDirectory::new(Arc::clone(&objects), &self.plugins.environment);
        let claimed = directory.claim(self.this_run(), self.begins()).await?;
        let newest = claimed.latest.as_ref().map_or(CheckpointId(0), |r| r.id);
        let restored = match self.plan.configuration.recovery_path.clone().as_deref() {
            None => None,
            Some(LATEST) => self.latest(&mut directory).await?,
            Some(path) => {
                let snapshot = self.foreign(path).await?;
                if self.plan.configuration.claims {
                    directory.adopt(&snapshot).await?;
                }
                Some(snapshot.manifest.rebased(&snapshot.root))
            }
        };
        let (own, mut dead) = (self.shared.id, claimed.begun);
        // A savepoint may be all that there is of its job.
        dead.retain(|job| *job != own && restored.as_ref().is_none_or(|manifest| manifest.job != *job));
        // A snapshot that was named by its path may be none that the log retains.
        let needed = restored.iter().flat_map(Manifest::files).map(str::to_owned).collect();
        if let Err(error) = directory.remove_orphans(&needed).await {
            tracing::warn!(job = %self.shared.id, "what earlier runs have left cannot be removed: {error}");
        }
        let (epoch, prefix) = (claimed.epoch, format!("shared/{:020}/", claimed.epoch));
        Ok(Found { directory: Some(directory), objects, epoch, prefix, restored, newest, dead, mirror })
    }

    /// Copies of state on the local disk, if the backend keeps them.
    async fn mirror(&self, root: &str) -> Result<Option<Arc<Mirror>>> {
        if self.checkpointing.backend != Some(StateBackend::Rocksdb) || !is_remote(root) {
            return Ok(None);
        }
        let configuration = &self.plan.configuration;
        let local = configuration.rocksdb_dir.as_ref().or(configuration.temporary_dir.as_ref());
        let local = local.cloned().unwrap_or_else(temporary_folder);
        Mirror::open(root, &local, &self.plugins.environment).await.map(Some)
    }

    /// A run that goes on from nothing is a job of its own.
    fn begins(&self) -> Begins {
        match self.plan.configuration.recovery_path.as_deref() {
            None => Begins::Anew(self.shared.id),
            Some(LATEST) => Begins::Unless(self.shared.id),
            Some(_) => Begins::Not,
        }
    }

    fn this_run(&self) -> Run {
        Run { nonce: self.shared.id.to_string(), host: environment::host(), pid: std::process::id() }
    }

    /// The newest good checkpoint. What is damaged is said, and never used in part.
    async fn latest(&mut self, directory: &mut CheckpointDirectory) -> Result<Option<Manifest>> {
        let Some(latest) = directory.latest_good().await? else { return Ok(None) };
        for error in &latest.damaged {
            tracing::error!(job = %self.shared.id, "a newer checkpoint cannot be used: {error}");
        }
        Ok(Some(latest.manifest))
    }

    async fn foreign(&mut self, path: &str) -> Result<Snapshot> {
        let environment = self.plugins.environment.clone();
        read_snapshot(path, Arc::clone(&environment.objects), &environment).await
    }

    /// State that does not fit into memory goes to a temporary folder.
    async fn find_without_directory(&mut self) -> Result<Found> {
        let stores = Arc::clone(&self.plugins.environment.objects);
        let restored = match self.plan.configuration.recovery_path.clone().as_deref() {
            None => None,
            Some(LATEST) => {
                return Err(Error::invalid(
                    "there is no 'execution.checkpointing.dir' to look for the latest checkpoint in",
                ));
            }
            Some(path) => {
                let snapshot = self.foreign(path).await?;
                Some(snapshot.manifest.rebased(&snapshot.root))
            }
        };
        let temporary = self.plan.configuration.temporary_dir.clone().unwrap_or_else(temporary_folder);
        let folder = format!("{}/flott-state-{}", temporary.trim_end_matches('/'), self.shared.id);
        let objects = RoutingObjects::new(stores, &folder)?;
        Ok(Found {
            directory: None,
            objects,
            epoch: 0,
            prefix: "shared/".to_owned(),
            restored,
            newest: CheckpointId(0),
            dead: Vec::new(),
            mirror: None,
        })
    }

    /// Takes over what must not change, and refuses what would be lost.
    fn fit(&mut self, manifest: &Manifest) -> Result<()> {
        self.fit_rows(manifest)?;
        for operator in &manifest.operators {
            match self.plan.graph.nodes.iter_mut().find(|n| n.uid == operator.uid) {
                Some(node) if has_keyed_state(operator) => {
                    if node.parallelism > operator.max_parallelism {
                        let message = format!("operator '{}' cannot have parallelism {}", node.name, node.parallelism);
                        return Err(Error::invalid(message).with_detail(format!(
                            "Its state in checkpoint {} is cut into {} key groups.",
                            manifest.checkpoint.0, operator.max_parallelism
                        )));
                    }
                    node.max_parallelism = operator.max_parallelism;
                }
                Some(_) => {}
                None if !is_empty(operator) && !self.plan.configuration.ignores_unclaimed_state => {
                    return Err(unclaimed(operator, manifest, &self.plan));
                }
                None => {}
            }
        }
        Ok(())
    }

    /// Rows under way need the edge that they were on.
    fn fit_rows(&self, manifest: &Manifest) -> Result<()> {
        let graph = &self.plan.graph;
        for operator in &manifest.operators {
            let Some(to) = graph.node_ids().find(|n| graph.node(*n).uid == operator.uid) else { continue };
            let edges = operator.subtasks.iter().flat_map(|s| &s.in_flight).flat_map(|i| &i.edges);
            for edge in edges.filter(|e| edge_of(graph, to, e).is_none()) {
                if !self.plan.configuration.ignores_unclaimed_state {
                    return Err(unclaimed_rows(edge, operator, manifest));
                }
                tracing::warn!(job = %self.shared.id, from = edge.from_name, to = operator.name, "rows under way are left behind");
            }
        }
        Ok(())
    }

    fn master(self, found: Found) -> Result<Master> {
        let Preparation { shared, plan, plugins, requests, checkpointing, restart, memory, .. } = self;
        let job = found.restored.as_ref().map_or(shared.id, |m| m.job);
        let (sender, reports) = mpsc::channel(REPORTS_MAX);
        let (clock, rng) = (Arc::clone(&plugins.environment.clock), Arc::clone(&plugins.environment.rng));
        let slots = slots(&plan);
        let committers =
            slots.iter().map(|s| Committers::open(&plan.graph, &s.nodes, &plugins)).collect::<Result<_>>()?;
        let cache = BlockCache::within(&memory, CACHE_BYTES_MIN.max(memory.limit_bytes() / CACHE_PART));
        let storage = StateStorage {
            objects: Arc::clone(&found.objects) as _,
            prefix: found.prefix.clone(),
            attempt: flott_api::ids::Attempt(0),
            cache,
            memory,
            inline_bytes_max: checkpointing.inline_bytes_max as usize,
            durable: found.directory.is_some(),
            mirror: found.mirror,
        };
        let machine = found.directory.as_ref().map(|_| Checkpoints::new(&checkpointing, &plan));
        let vault = Vault {
            job,
            directory: found.directory,
            dead: vec![found.dead; slots.len()],
            committers,
            objects: found.objects,
            environment: plugins.environment.clone(),
            prefix: found.prefix,
            retained: checkpointing.retained_max as usize,
            protected: BTreeSet::new(),
        };
        let metrics = Arc::clone(&shared.metrics);
        let unaligned = checkpointing.unaligned_after_ms.is_some();
        let (plan, reports_to, groups) = (Arc::new(plan), sender, Groups::default());
        let launcher = Launcher { job, plan, plugins, metrics, reports: reports_to, storage, unaligned, groups };
        let mut wish = shared.wish.subscribe();
        // What was wished while all of this was looked up is not old news.
        wish.mark_changed();
        Ok(Master {
            wish,
            shared,
            launcher,
            slots,
            attempts: 0,
            reports,
            requests,
            wished: Wish::Run,
            collected: Collected::new(found.newest, found.epoch),
            checkpoints: machine,
            restored: found.restored.map(Arc::new),
            restart: RestartStrategy::new(restart),
            vault: Some(vault),
            errand: None,
            errands: Default::default(),
            retention: checkpointing.retention,
            failure: None,
            clock,
            rng,
        })
    }
}

fn slots(plan: &Plan) -> Vec<Slot> {
    let slot = |tasks: Vec<usize>| Slot {
        nodes: tasks.iter().flat_map(|t| plan.tasks[*t].nodes.clone()).collect(),
        workers: tasks.iter().flat_map(|t| (0..plan.tasks[*t].parallelism).map(|s| plan.worker(*t, s))).collect(),
        tasks,
        state: SlotState::Recovering,
        attempt: None,
    };
    regions(plan).into_iter().map(slot).collect()
}

fn has_keyed_state(operator: &OperatorSnapshot) -> bool {
    let keyed = |s: &SubtaskSnapshot| s.store.as_ref().is_some_and(|s| !s.files.is_empty() || s.inline.is_some());
    operator.subtasks.iter().any(keyed)
}

/// Whether nothing is lost without it.
fn is_empty(operator: &OperatorSnapshot) -> bool {
    let lists = |s: &SubtaskSnapshot| s.store.as_ref().is_some_and(|s| s.lists.iter().any(|l| !l.items.is_empty()));
    let subtasks = operator.subtasks.iter();
    let nothing =
        |s: &SubtaskSnapshot| s.splits.is_empty() && s.writer.is_none() && s.in_flight.is_empty() && !lists(s);
    !has_keyed_state(operator)
        && operator.enumerator.is_none()
        && operator.committables.is_empty()
        && subtasks.into_iter().all(nothing)
}

fn unclaimed(operator: &OperatorSnapshot, manifest: &Manifest, plan: &Plan) -> Error {
    let known: Vec<&OperatorUid> = plan.graph.nodes.iter().map(|n| &n.uid).collect();
    let known: Vec<String> = known.iter().map(|u| u.to_string()).collect();
    Error::invalid(format!(
        "checkpoint {} has state of operator '{}', which the job does not have",
        manifest.checkpoint.0, operator.name
    ))
    .with_detail(format!("Its uid is '{}'; the job has {}.", operator.uid, known.join(", ")))
    .with_hint("Set 'execution.state-recovery.ignore-unclaimed-state' to true to leave that state behind.")
}

fn unclaimed_rows(edge: &InFlightEdge, operator: &OperatorSnapshot, manifest: &Manifest) -> Error {
    let (checkpoint, from, to) = (manifest.checkpoint.0, &edge.from_name, &operator.name);
    Error::invalid(format!(
        "checkpoint {checkpoint} has rows under way from operator '{from}' to '{to}', and the job has no such edge"
    ))
    .with_detail(format!("The operator is '{}', and the types of the rows were {}.", edge.from, edge.types))
    .with_hint(
        "Start from a savepoint, which has no rows under way, or set 'execution.state-recovery.ignore-unclaimed-state' to true to leave them behind.",
    )
}

fn temporary_folder() -> String {
    std::env::temp_dir().to_string_lossy().into_owned()
}

/// After the end: what is not to be kept goes; all of it, if the job is dropped.
pub(super) async fn clean_up(launcher: &Launcher, mut vault: Option<Vault>, (status, drops): (JobStatus, bool)) {
    let keep = match (status, &vault) {
        (JobStatus::Finished, _) => Some(1),
        // Files that were merged away, or begun, since the last checkpoint.
        (JobStatus::Stopped, Some(vault)) => Some(vault.retained),
        _ => None,
    };
    if let (Some(keep), Some(vault)) = (keep, &mut vault) {
        vault.protected.clear();
        vault.sweep("", keep).await;
    }
    let removed = match vault {
        Some(Vault { directory: Some(mut directory), .. }) if drops => directory.drop_job().await,
        Some(Vault { directory: Some(_), .. }) => Ok(()),
        _ => remove_temporary(launcher).await,
    };
    let copies = match &launcher.storage.mirror {
        Some(mirror) => mirror.remove().await,
        None => Ok(()),
    };
    for error in [removed, copies].into_iter().filter_map(Result::err) {
        tracing::warn!(job = %launcher.job, "what the job has left cannot be removed: {error}");
    }
}

async fn remove_temporary(launcher: &Launcher) -> Result<()> {
    if launcher.storage.durable {
        return Ok(());
    }
    let objects = &launcher.storage.objects;
    for object in objects.list(&launcher.storage.prefix).await? {
        objects.delete(&object.path).await?;
    }
    Ok(())
}
