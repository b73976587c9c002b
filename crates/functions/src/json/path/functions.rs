//! Functions at the end of paths: `length()`, `min()`, `concat("x")`, ..

use std::borrow::Cow;

use super::Parameter;
use super::evaluate::{Eval, Run, Stop};
use crate::json::scan::Scanner;
use crate::json::tree::{Id, Node};

const NO_NUMBERS: Stop = Stop::Failed("a function got no numbers");
const NO_ITEM: Stop = Stop::Failed("a function asks for an item that is not there");

/// The result of a function on a value.
pub(super) fn call(run: &mut Run<'_, '_>, name: &str, parameters: &[Parameter], model: Id) -> Eval<Id> {
    match name {
        "avg" | "sum" | "min" | "max" | "stddev" => {
            let numbers = numbers(run, parameters, Some(model))?;
            let result = aggregate(name, &numbers).ok_or(NO_NUMBERS)?;
            Ok(run.tree.add(Node::Double(result)))
        }
        "length" | "size" => length(run, parameters, model),
        "concat" => {
            let text = concatenated(run, parameters, model)?;
            Ok(run.tree.add(Node::Text(Cow::Owned(text))))
        }
        "keys" if run.tree.is_object(model) => Ok(run.tree.add_names(model)),
        "keys" => Ok(run.tree.add(Node::Null)),
        "append" => append(run, parameters, model),
        "first" => item(run, model, 0),
        "last" => item(run, model, -1),
        "index" => {
            let place = numbers(run, parameters, None)?.first().copied().ok_or(NO_ITEM)?;
            item(run, model, place as i64)
        }
        _ => Err(Stop::Invalid("there is no such function")),
    }
}

/// The value of a parameter; none is Java's null.
fn value(run: &mut Run<'_, '_>, parameter: &Parameter) -> Eval<Option<Id>> {
    match parameter {
        Parameter::Path(path) => run.read_from_root(path),
        Parameter::Json(text) => json(run, text).map(Some),
    }
}

/// A literal: a number or a text; anything else is of no use to a function.
fn json(run: &mut Run<'_, '_>, text: &str) -> Eval<Id> {
    let mut tree = crate::json::tree::Tree::default();
    let id = tree.read(&mut Scanner::new(text)).map_err(|m| Stop::Failed(m.why))?;
    Ok(copied(run, &tree, id))
}

fn copied(run: &mut Run<'_, '_>, from: &crate::json::tree::Tree<'_>, id: Id) -> Id {
    let node = match from.node(id) {
        Node::Null | Node::Names(_) => Node::Null,
        Node::Bool(truth) => Node::Bool(*truth),
        Node::Text(text) => Node::Text(Cow::Owned(text.to_string())),
        Node::Count(count) => Node::Count(*count),
        Node::Int(_) | Node::Decimal(_) | Node::Double(_) => {
            let number = from.number(id).unwrap_or(f64::NAN);
            match number.fract() == 0.0 && (0.0..1e15).contains(&number) && matches!(from.node(id), Node::Int(_)) {
                true => Node::Count(number as usize),
                false => Node::Double(number),
            }
        }
        Node::Array(_) => {
            let items: Vec<Id> = from.items(id).iter().map(|item| copied(run, from, *item)).collect();
            return run.tree.add_array(&items);
        }
        Node::Object(_) => {
            let entry = |(name, value): &(Cow<'_, str>, Id)| (Cow::Owned(name.to_string()), copied(run, from, *value));
            let entries = from.entries(id).iter().map(entry).collect();
            return run.tree.add_object(entries);
        }
    };
    run.tree.add(node)
}

/// The numbers of an array and of the parameters.
fn numbers(run: &mut Run<'_, '_>, parameters: &[Parameter], model: Option<Id>) -> Eval<Vec<f64>> {
    let mut found: Vec<f64> = Vec::new();
    found.extend(model.into_iter().flat_map(|m| array_items(run, m)).filter_map(|id| run.tree.number(id)));
    for parameter in parameters {
        let Some(id) = value(run, parameter)? else { continue };
        let items = if run.tree.is_array(id) { array_items(run, id) } else { vec![id] };
        found.extend(items.into_iter().filter_map(|id| run.tree.number(id)));
    }
    Ok(found)
}

fn array_items(run: &Run<'_, '_>, id: Id) -> Vec<Id> {
    if run.tree.is_array(id) { run.tree.items(id).to_vec() } else { Vec::new() }
}

fn aggregate(name: &str, numbers: &[f64]) -> Option<f64> {
    if numbers.is_empty() {
        return None;
    }
    let (count, sum) = (numbers.len() as f64, numbers.iter().fold(0.0, |a, b| a + b));
    Some(match name {
        "sum" => sum,
        "avg" => sum / count,
        "min" => numbers.iter().fold(f64::MAX, |a, b| if a > *b { *b } else { a }),
        // Java's smallest positive number is where the search for the greatest begins.
        "max" => numbers.iter().fold(f64::from_bits(1), |a, b| if a < *b { *b } else { a }),
        _ => {
            let squares = numbers.iter().fold(0.0, |a, b| a + b * b);
            (squares / count - sum * sum / count / count).sqrt()
        }
    })
}

fn length(run: &mut Run<'_, '_>, parameters: &[Parameter], model: Id) -> Eval<Id> {
    if let Some(Parameter::Path(path)) = parameters.first() {
        let counted = match path.is_function() || path.steps.is_empty() {
            true => run.read(path, model)?.filter(|id| run.tree.is_array(*id)).map(|id| run.tree.items(id).len()),
            false => Some(run.read_below(path, model)?.len()),
        };
        if let Some(count) = counted {
            return Ok(run.tree.add(Node::Count(count)));
        }
    }
    let node = match run.tree.node(model) {
        Node::Array(items) => Node::Count(items.len()),
        Node::Object(entries) => Node::Count(entries.len()),
        _ => Node::Null,
    };
    Ok(run.tree.add(node))
}

fn concatenated(run: &mut Run<'_, '_>, parameters: &[Parameter], model: Id) -> Eval<String> {
    let mut out = String::new();
    for id in array_items(run, model) {
        if let Node::Text(text) = run.tree.node(id) {
            out.push_str(text);
        }
    }
    for parameter in parameters {
        let Some(id) = value(run, parameter)? else { continue };
        let items = if run.tree.is_array(id) { array_items(run, id) } else { vec![id] };
        for id in items.into_iter().filter(|id| !run.tree.is_null(*id)) {
            run.tree.write_plain(id, &mut out);
        }
    }
    Ok(out)
}

fn append(run: &mut Run<'_, '_>, parameters: &[Parameter], model: Id) -> Eval<Id> {
    if !run.tree.is_array(model) {
        return Ok(model);
    }
    let mut items = array_items(run, model);
    for parameter in parameters {
        let id = value(run, parameter)?;
        items.push(id.unwrap_or_else(|| run.tree.add(Node::Null)));
    }
    Ok(run.tree.add_array(&items))
}

/// An item by its place; from the end the first cannot be had, as in Flink's library.
fn item(run: &Run<'_, '_>, model: Id, place: i64) -> Eval<Id> {
    let items = run.tree.items(model);
    let place = match place {
        place if place >= 0 => place,
        place if items.len() as i64 + place > 0 => items.len() as i64 + place,
        _ => return Err(NO_ITEM),
    };
    let item = usize::try_from(place).ok().and_then(|i| items.get(i).copied());
    item.filter(|_| run.tree.is_array(model)).ok_or(NO_ITEM)
}
