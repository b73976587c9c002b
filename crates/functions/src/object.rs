//! Values of structured types: `OBJECT_OF` makes one, `OBJECT_UPDATE` changes fields of one.
//!
//! `OBJECT_OF('class', 'name', value, ..)` has the type `STRUCTURED<'class', name .., ..>`; class and names are text
//! literals, and no name comes twice. `OBJECT_UPDATE(object, 'name', value, ..)` is the same object with other values in
//! these fields, which take the types of the values; of a null object it is null. The order of the fields stays.
//!
//! `OBJECT_UPDATE(OBJECT_OF('com.example.User', 'name', 'Bob', 'age', 29), 'age', 30)` is `(name=Bob, age=30)`.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, StructArray};
use flott_api::types::arrow::arrow_fields;
use flott_api::types::is_class_name;
use flott_api::{Error, Field, LogicalType, Result, TypeKind};

use crate::operand::Args;
use crate::registry::{Binding, Body, Function, Infer, Inference, Kernel, Signature};

/// The functions of this family.
pub(crate) const FUNCTIONS: &[Function] = &[
    Function::new("object_of", Infer::By(infer_of), Body::Bound(bind_of)),
    Function::new("object_update", Infer::By(infer_update), Body::Bound(bind_update)),
];

fn infer_of(call: &Inference<'_>) -> Result<Signature> {
    pairs(call)?;
    let class =
        call.literal_text(0).ok_or_else(|| call.mismatch_because("The name of the class is a text literal."))?;
    if !is_class_name(class) {
        return Err(Error::invalid(format!("'{class}' is no name of a class"))
            .with_hint("It is made of identifiers and points, as com.example.User."));
    }
    let fields = named_values(call)?.into_iter().map(|(name, ty)| Field::new(name, ty.clone())).collect();
    Ok(call.unchanged(LogicalType::new(TypeKind::Structured { class: class.to_owned(), fields })))
}

fn infer_update(call: &Inference<'_>) -> Result<Signature> {
    pairs(call)?;
    let TypeKind::Structured { class, fields } = &call.args[0].kind else {
        return Err(call.mismatch_because("The first argument is a value of a structured type."));
    };
    let mut fields = fields.clone();
    for (name, ty) in named_values(call)? {
        match fields.iter_mut().find(|field| field.name == name) {
            Some(field) => field.ty = ty.clone(),
            None => {
                let names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
                return Err(Error::invalid(format!("field '{name}' does not exist"))
                    .with_hint(format!("The fields are: {}.", names.join(", "))));
            }
        }
    }
    Ok(call.unchanged(LogicalType::new(TypeKind::Structured { class: class.clone(), fields })))
}

/// That pairs follow the first argument.
fn pairs(call: &Inference<'_>) -> Result<()> {
    call.arity(1, usize::MAX)?;
    match call.args.len() % 2 {
        1 => Ok(()),
        _ => Err(call.mismatch_because("Behind the first argument come names and values in turn.")),
    }
}

/// The names and the types of the values behind them.
fn named_values<'a>(call: &'a Inference<'_>) -> Result<Vec<(&'a str, &'a LogicalType)>> {
    let mut found: Vec<(&str, &LogicalType)> = Vec::new();
    for place in (1..call.args.len()).step_by(2) {
        let name = call.literal_text(place);
        let name = name.ok_or_else(|| call.mismatch_because("The names of fields are text literals."))?;
        let value = &call.args[place + 1];
        if value.kind == TypeKind::Null {
            return Err(Error::invalid(format!("illegal use of NULL as the value of field '{name}'"))
                .with_hint("Write CAST(NULL AS type) to say which type is meant."));
        }
        if found.iter().any(|(other, _)| *other == name) {
            return Err(Error::invalid(format!("field '{name}' comes twice")));
        }
        found.push((name, value));
    }
    Ok(found)
}

fn fields_of(ty: &LogicalType) -> Result<&[Field]> {
    match &ty.kind {
        TypeKind::Structured { fields, .. } => Ok(fields),
        other => Err(Error::internal(format!("{other} is no structured type"))),
    }
}

fn bind_of(binding: &Binding<'_>) -> Result<Kernel> {
    let fields = arrow_fields(fields_of(binding.ty)?);
    Ok(Box::new(move |args| {
        let columns = (2..args.len()).step_by(2).map(|place| column(args, place)).collect::<Result<Vec<_>>>()?;
        Ok(Arc::new(StructArray::try_new_with_length(fields.clone(), columns, None, args.rows)?))
    }))
}

fn bind_update(binding: &Binding<'_>) -> Result<Kernel> {
    let fields = fields_of(binding.ty)?;
    let arrow = arrow_fields(fields);
    let place = |index: usize| {
        let name = binding.text(index).ok_or_else(|| Error::internal("the name of a field was lost"))?;
        fields.iter().position(|f| f.name == name).ok_or_else(|| Error::internal(format!("field '{name}' was lost")))
    };
    let places = (1..binding.args.len()).step_by(2).map(place).collect::<Result<Vec<_>>>()?;
    Ok(Box::new(move |args| {
        let object = column(args, 0)?;
        let object = object.as_struct_opt().ok_or_else(|| Error::internal("an object is no struct"))?;
        let mut columns = object.columns().to_vec();
        for (i, place) in places.iter().enumerate() {
            columns[*place] = column(args, 2 + 2 * i)?;
        }
        let nulls = object.nulls().cloned();
        Ok(Arc::new(StructArray::try_new_with_length(arrow.clone(), columns, nulls, args.rows)?))
    }))
}

fn column(args: &Args<'_>, place: usize) -> Result<ArrayRef> {
    args.operand(place)?.clone().into_array(args.rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resolve_with_literals;
    use flott_api::expr::Value;

    fn resolved(name: &str, first: &LogicalType, given: &[(&str, TypeKind)]) -> Result<String> {
        let text = |value: &str| Value::String(value.to_owned());
        let literals: Vec<Value> =
            std::iter::once("com.example.A").chain(given.iter().flat_map(|(name, _)| [*name, ""])).map(text).collect();
        let literals: Vec<Option<&Value>> = literals.iter().map(Some).collect();
        let types = given.iter().flat_map(|(_, kind)| [LogicalType::string(), LogicalType::not_null(kind.clone())]);
        let types: Vec<LogicalType> = std::iter::once(first.clone()).chain(types).collect();
        resolve_with_literals(name, &types, &literals).map(|r| r.ty.to_string())
    }

    #[test]
    fn types_are_made_of_names_and_values() {
        let of = |given: &[(&str, TypeKind)]| resolved("object_of", &LogicalType::string(), given);
        let both = [("b", TypeKind::Int), ("a", TypeKind::Date)];
        assert_eq!(of(&both).unwrap(), "STRUCTURED<'com.example.A', `b` INT NOT NULL, `a` DATE NOT NULL>");
        assert_eq!(of(&[both[0].clone(), both[0].clone()]).unwrap_err().message(), "field 'b' comes twice");
        assert!(of(&[("b", TypeKind::Null)]).unwrap_err().hint().is_some());
    }

    #[test]
    fn updated_fields_take_new_types_and_keep_their_places() {
        let fields = vec![Field::new("b", LogicalType::string()), Field::new("a", LogicalType::string())];
        let object = LogicalType::new(TypeKind::Structured { class: "x".into(), fields });
        let updated = resolved("object_update", &object, &[("a", TypeKind::Int)]).unwrap();
        assert_eq!(updated, "STRUCTURED<'x', `b` STRING, `a` INT NOT NULL>");
        let error = resolved("object_update", &object, &[("c", TypeKind::Int)]).unwrap_err();
        assert_eq!(error.hint(), Some("The fields are: b, a."));
        assert!(resolved("object_update", &LogicalType::string(), &[]).is_err());
    }
}
