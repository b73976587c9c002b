//! The text of `EXPLAIN`: the tree as it was bound, and the stream plan in Flink's two notations.
//!
//! In batch mode the tree as it was bound is Flink's, too; the plans are what runs, and nothing of them is shared.

mod advice;

use std::collections::HashMap;

use flott_api::{Error, Result};
use flott_graph::spec::{AggregateCall, BatchNode};

use self::advice::Advice;
use super::Settings;
use super::batch::plan_of;
use super::print::{self, Style};
use super::rel::{Invocation, Op, Over, Rel};
use super::stream::{Node, Pipeline};
use crate::parser::ast::ExplainDetail;

/// Explains the pipelines of one statement.
pub(super) fn explain(settings: &Settings, pipelines: &[Pipeline], details: &[ExplainDetail]) -> Result<String> {
    let (mut modes, mut advice) = (false, None);
    for detail in details {
        match detail {
            ExplainDetail::ChangelogMode => modes = true,
            ExplainDetail::EstimatedCost => return Err(Error::unsupported("ESTIMATED_COST in EXPLAIN")),
            ExplainDetail::PlanAdvice => advice = Some(Advice::of(settings, pipelines)?),
            ExplainDetail::JsonExecutionPlan => return Err(Error::unsupported("JSON_EXECUTION_PLAN in EXPLAIN")),
        }
    }
    let sections = [
        section("Abstract Syntax Tree", pipelines, |p| Ok(tree_of_logical(p)))?,
        physical_section(pipelines, modes, advice.as_ref())?,
        execution_section(pipelines)?,
    ];
    Ok(sections.join("\n"))
}

fn section(title: &str, pipelines: &[Pipeline], tree: impl Fn(&Pipeline) -> Result<String>) -> Result<String> {
    let trees = pipelines.iter().map(tree).collect::<Result<Vec<String>>>()?;
    Ok(format!("== {title} ==\n{}", trees.join("\n")))
}

/// The plan with what may come of each node, and advice where that was asked for.
fn physical_section(pipelines: &[Pipeline], modes: bool, advice: Option<&Advice>) -> Result<String> {
    let tree = |pipeline: &Pipeline| Ok(physical_tree(pipeline, (Style::Prefix, advice), modes)?.draw());
    match advice {
        None => section("Optimized Physical Plan", pipelines, tree),
        Some(advice) => Ok(format!(
            "{}
{}",
            section("Optimized Physical Plan With Advice", pipelines, tree)?,
            advice.below()
        )),
    }
}

/// The plan as it runs: what occurs twice is shown once.
fn execution_section(pipelines: &[Pipeline]) -> Result<String> {
    let trees = pipelines.iter().map(|p| physical_tree(p, (Style::Infix, None), false));
    let mut trees = trees.collect::<Result<Vec<Tree>>>()?;
    let streams = pipelines.iter().map(|p| Ok(plan_of(&p.root)?.is_none())).collect::<Result<Vec<bool>>>()?;
    if streams.into_iter().all(|is_stream| is_stream) {
        let mut counts = HashMap::new();
        trees.iter().for_each(|tree| tree.count(&mut counts));
        let mut shown = HashMap::new();
        trees.iter_mut().for_each(|tree| tree.reuse(&counts, &mut shown));
    }
    let drawn: Vec<String> = trees.iter().map(Tree::draw).collect();
    Ok(format!("== Optimized Execution Plan ==\n{}", drawn.join("\n")))
}

/// A tree of lines, before it is drawn.
#[derive(Clone)]
struct Tree {
    line: String,
    children: Vec<Tree>,
}

impl Tree {
    /// Counts how often each part occurs. Parts of a part that is shared count once.
    fn count(&self, counts: &mut HashMap<String, usize>) {
        let count = counts.entry(self.draw()).or_insert(0);
        *count += 1;
        if *count == 1 {
            self.children.iter().for_each(|child| child.count(counts));
        }
    }

    /// Shows each shared part once, with a number, and refers to it elsewhere.
    fn reuse(&mut self, counts: &HashMap<String, usize>, shown: &mut HashMap<String, usize>) {
        let text = self.draw();
        if let Some(id) = shown.get(&text) {
            *self = Tree { line: format!("Reused(reference_id=[{id}])"), children: Vec::new() };
            return;
        }
        if counts.get(&text).is_some_and(|count| *count > 1) {
            let id = shown.len() + 1;
            shown.insert(text, id);
            self.line.push_str(&format!("(reuse_id=[{id}])"));
        }
        self.children.iter_mut().for_each(|child| child.reuse(counts, shown));
    }

    fn draw(&self) -> String {
        let mut out = String::new();
        self.draw_at(&mut out, "", "");
        out
    }

    fn draw_at(&self, out: &mut String, first: &str, rest: &str) {
        out.push_str(first);
        out.push_str(&self.line);
        out.push('\n');
        let last = self.children.len().saturating_sub(1);
        for (i, child) in self.children.iter().enumerate() {
            let (branch, below) = if i == last { ("+- ", "   ") } else { (":- ", ":  ") };
            child.draw_at(out, &format!("{rest}{branch}"), &format!("{rest}{below}"));
        }
    }
}

fn tree_of_logical(pipeline: &Pipeline) -> String {
    let root = logical(&pipeline.logical);
    if pipeline.sink.is_collect() {
        return root.draw();
    }
    let sink = print::sink(&pipeline.sink, &pipeline.logical.columns);
    Tree { line: format!("Logical{sink}"), children: vec![root] }.draw()
}

/// How lines are written, and what is advised.
type Manner<'a> = (Style, Option<&'a Advice>);

fn physical_tree(pipeline: &Pipeline, manner: Manner<'_>, modes: bool) -> Result<Tree> {
    let root = match plan_of(&pipeline.root)? {
        Some(plan) => bounded(&plan.root, manner.0, modes),
        None => stream(&pipeline.root, manner, modes),
    };
    if pipeline.sink.is_collect() {
        return Ok(root);
    }
    let line = with_mode(print::sink(&pipeline.sink, &pipeline.logical.columns), modes.then_some("NONE".to_owned()));
    Ok(Tree { line, children: vec![root] })
}

/// A bounded plan gives insertions, all of it.
fn bounded(node: &BatchNode, style: Style, modes: bool) -> Tree {
    let line = with_mode(print::batch(node, style), modes.then_some("I".to_owned()));
    Tree { line, children: node.inputs.iter().map(|input| bounded(input, style, modes)).collect() }
}

fn stream(node: &Node, (style, advice): Manner<'_>, modes: bool) -> Tree {
    let mode = node.changelog.to_string();
    let mode = modes.then(|| mode.trim_matches(['[', ']']).to_owned());
    let line = with_mode(print::styled(node, style), mode);
    let line = match advice {
        Some(advice) => advice.marked(node, line),
        None => line,
    };
    Tree { line, children: node.inputs.iter().map(|input| stream(input, (style, advice), modes)).collect() }
}

/// Puts `changelogMode=[..]` behind the attributes of a line.
fn with_mode(line: String, mode: Option<String>) -> String {
    let Some(mode) = mode else { return line };
    match line.strip_suffix(')') {
        Some(open) => format!("{open}, changelogMode=[{mode}])"),
        None => format!("{line}(changelogMode=[{mode}])"),
    }
}

fn logical(rel: &Rel) -> Tree {
    Tree { line: logical_line(rel), children: rel.inputs.iter().map(logical).collect() }
}

fn logical_line(rel: &Rel) -> String {
    // Without names an expression shows its columns as $0.
    let expr = |e: &flott_api::expr::Expr| print::expr(e, &[], Style::Logical);
    let attributes = |items: Vec<String>| items.join(", ");
    match &rel.op {
        Op::Scan(scan) => {
            let path = &scan.path;
            format!("LogicalTableScan(table=[[{}, {}, {}]])", path.catalog, path.database, path.object)
        }
        Op::Values { rows } => format!("LogicalValues(tuples=[{}])", print::tuples(rows, &rel.columns)),
        Op::Filter { condition } => format!("LogicalFilter(condition=[{}])", expr(condition)),
        Op::Project { exprs } => {
            let items = exprs.iter().zip(&rel.columns).map(|(e, c)| format!("{}=[{}]", c.name, expr(e)));
            format!("LogicalProject({})", attributes(items.collect()))
        }
        Op::Watermark { rowtime, watermark, .. } => {
            let name = &rel.columns[*rowtime].name;
            format!("LogicalWatermarkAssigner(rowtime=[{name}], watermark=[{}])", expr(watermark))
        }
        Op::Aggregate { keys, calls, .. } => aggregate_line(rel, keys, calls),
        Op::Expand { projections } => {
            let names: Vec<String> = rel.columns.iter().map(|c| c.name.clone()).collect();
            format!("LogicalExpand(projects=[{}])", print::copies(projections, &positions(rel), &names))
        }
        Op::Window { time, window } => {
            let call = print::window_call(window, &rel.columns[*time].name);
            format!("LogicalTableFunctionScan(invocation=[{call}], rowType=[{}])", print::record(&rel.columns))
        }
        // The optimiser makes it; a bound tree has none.
        Op::WindowAggregate(_) => "LogicalWindowAggregate".to_owned(),
        Op::MultiJoin(_) => "LogicalMultiJoin".to_owned(),
        Op::Join(join) => {
            let condition = join.condition.as_ref().map_or("true".to_owned(), expr);
            let lookup = if join.lookup.is_some() { "Lookup" } else { "" };
            format!("Logical{lookup}Join(condition=[{condition}], joinType=[{}])", print::join_kind(join.kind))
        }
        Op::Match(matched) => print::logical_match(matched, &rel.columns, &rel.inputs[0].columns),
        Op::TemporalJoin(join) => {
            let condition = join.condition.as_ref().map_or("true".to_owned(), expr);
            let (period, kind) = (join.times[0], print::join_kind(join.kind));
            format!("LogicalTemporalJoin(condition=[{condition}], period=[${period}], joinType=[{kind}])")
        }
        Op::Correlate(correlate) => {
            let kind = if correlate.outer { "left" } else { "inner" };
            let call = print::table_function(&correlate.function, &[], Style::Logical);
            format!("LogicalCorrelate(invocation=[{call}], joinType=[{kind}])")
        }
        Op::Over(over) => over_line(rel, over),
        // The optimiser makes it, too.
        Op::Rank(_) => "LogicalRank".to_owned(),
        Op::Sort(sort) => {
            let limit = match sort.limit {
                None => String::new(),
                Some((0, rows)) => format!(", fetch=[{rows}]"),
                Some((offset, rows)) => format!(", offset=[{offset}], fetch=[{rows}]"),
            };
            format!("LogicalSort({}{limit})", print::collation(&sort.order))
        }
        Op::Predict(predict) => function_scan(&predict.call, rel),
        Op::Process(process) => function_scan(&process.call, rel),
        Op::ToChangelog { call, .. } | Op::FromChangelog { call, .. } => function_scan(call, rel),
        // They are cut out of an optimised tree.
        Op::PythonCalc(_) => "LogicalPythonCalc".to_owned(),
        Op::PythonCorrelate(_) => "LogicalPythonCorrelate".to_owned(),
        Op::Union => "LogicalUnion(all=[true])".to_owned(),
        Op::Limit { offset: 0, limit } => format!("LogicalSort(fetch=[{limit}])"),
        Op::Limit { offset, limit } => format!("LogicalSort(offset=[{offset}], fetch=[{limit}])"),
    }
}

fn function_scan(call: &Invocation, rel: &Rel) -> String {
    let call = print::invocation(call, Style::Logical);
    format!("LogicalTableFunctionScan(invocation=[{call}], rowType=[{}])", print::record(&rel.columns))
}

/// What the columns of the input are called.
fn positions(rel: &Rel) -> Vec<String> {
    (0..rel.inputs[0].columns.len()).map(|i| format!("${i}")).collect()
}

fn aggregate_line(rel: &Rel, keys: &[usize], calls: &[AggregateCall]) -> String {
    let (group, input): (Vec<String>, _) = (keys.iter().map(ToString::to_string).collect(), positions(rel));
    let results = calls.iter().zip(&rel.columns[keys.len()..]);
    let results = results.map(|(call, c)| format!(", {}=[{}]", c.name, print::aggregate_text(call, &input, "", "")));
    format!("LogicalAggregate(group=[{{{}}}]{})", group.join(", "), results.collect::<String>())
}

fn over_line(rel: &Rel, over: &Over) -> String {
    let input = positions(rel);
    let calls: Vec<String> = over.calls.iter().map(|call| print::aggregate_text(call, &input, "", "")).collect();
    format!(
        "LogicalWindow(window#0=[window(partition {{{}}} order by [{}]{} aggs [{}])])",
        print::picked(&over.partition, &input).join(", "),
        print::order(&over.order, &input),
        print::frame(&over.frame),
        calls.join(", ")
    )
}
