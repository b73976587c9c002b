//! Both phases as one operator: what they give is what one gives.

use flott_api::operator::Stateful;
use flott_api::testing::RecordedOutput;
use flott_api::testing::world::Emitted;
use flott_graph::spec::LocalWindowAggregateSpec;

use flott_api::Mark;

use super::*;
use crate::local_window_aggregate::LocalWindowAggregate;

/// The first phase feeds the second; in between lies no network.
pub(super) struct Phases {
    local: LocalWindowAggregate,
    global: WindowAggregate,
}

/// The first phase of an aggregation.
fn local_spec(whole: &WindowAggregateSpec) -> LocalWindowAggregateSpec {
    let time = whole.time.column().unwrap();
    let mut output = whole.input.project(&whole.keys);
    output.fields.push(whole.input.fields[time].clone());
    output.fields.push(Field::new("bytes", LogicalType::bytes()));
    LocalWindowAggregateSpec {
        input: whole.input.clone(),
        time: whole.time.clone(),
        window: whole.window.clone(),
        zone: whole.zone.clone(),
        keys: whole.keys.clone(),
        aggregates: whole.aggregates.clone(),
        input_changelog: whole.input_changelog,
        output,
    }
}

impl Phases {
    pub(super) fn of(whole: &WindowAggregateSpec) -> Self {
        let global = WindowAggregateSpec { in_phases: true, ..whole.clone() };
        Phases {
            local: LocalWindowAggregate::from_spec(local_spec(whole)).unwrap(),
            global: WindowAggregate::from_spec(global).unwrap(),
        }
    }

    async fn pass(&mut self, from: RecordedOutput, cx: &mut OperatorContext<'_>) -> Result<()> {
        for emitted in from.emitted {
            match emitted {
                Emitted::Batch(batch) => self.global.process_batch(0, batch, cx).await?,
                Emitted::Watermark(watermark) => self.global.process_watermark(watermark, cx).await?,
            }
        }
        Ok(())
    }
}

/// The context of the first phase.
fn before<'a>(between: &'a mut RecordedOutput, cx: &'a mut OperatorContext<'_>) -> OperatorContext<'a> {
    OperatorContext { output: between, timers: &mut *cx.timers, ..*cx }
}

impl Stateful for Phases {
    fn containers(&mut self) -> Vec<&mut dyn KeyedContainer> {
        self.global.containers()
    }
}

#[async_trait]
impl Operator for Phases {
    fn open(&mut self, cx: &OpenContext) -> Result<()> {
        self.global.open(cx)
    }

    async fn start(&mut self, cx: &mut OperatorContext<'_>) -> Result<()> {
        self.global.start(cx).await
    }

    async fn process_batch(&mut self, input: usize, batch: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        let mut between = RecordedOutput::default();
        self.local.process_batch(input, batch, &mut before(&mut between, cx)).await?;
        self.pass(between, cx).await
    }

    async fn process_watermark(&mut self, watermark: Watermark, cx: &mut OperatorContext<'_>) -> Result<()> {
        let mut between = RecordedOutput::default();
        self.local.process_watermark(watermark, &mut before(&mut between, cx)).await?;
        self.pass(between, cx).await
    }

    async fn before_checkpoint(&mut self, cx: &mut OperatorContext<'_>) -> Result<()> {
        self.global.before_checkpoint(cx).await
    }
}

/// What both phases give where all rows and watermarks come as one batch: the first one may move rows before watermarks.
pub(super) fn in_one_batch(spec: &WindowAggregateSpec, script: &str) -> Vec<String> {
    let (mut table, mut marks, mut rows) = (String::new(), Vec::new(), 0);
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match line.strip_prefix("wm ") {
            Some(at) => marks.push(Mark { row: rows, watermark: Watermark(at.parse().unwrap()) }),
            None => {
                table += &format!("{line}\n");
                rows += 1;
            }
        }
    }
    let mut phases = Phases::of(spec);
    let subtask = flott_api::ids::Subtask { index: 0, parallelism: 1 };
    phases.global.open(&open_context(&FakeWorld::at(0), subtask, 128)).unwrap();
    let metrics = flott_api::metrics::OperatorMetrics::default();
    let (mut output, mut timers) = (RecordedOutput::default(), FakeTimers::default());
    let mut cx = OperatorContext {
        output: &mut output,
        timers: &mut timers,
        processing_time_ms: 0,
        watermark: Watermark::MIN,
        metrics: &metrics,
    };
    let batch = batch(&spec.input, &table).with_marks(marks).unwrap();
    ready(phases.process_batch(0, batch, &mut cx)).unwrap();
    ready(phases.process_watermark(Watermark::MAX, &mut cx)).unwrap();
    let batches = output.emitted.iter().filter_map(|emitted| match emitted {
        Emitted::Batch(batch) => Some(flott_api::testing::lines(batch)),
        Emitted::Watermark(_) => None,
    });
    sorted(batches.flatten().collect())
}

/// The rows of an answer.
pub(super) fn rows_of(answer: &str) -> Vec<String> {
    sorted(answer.lines().filter(|line| !line.starts_with("wm ")).map(str::to_owned).collect())
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}
