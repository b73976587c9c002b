//! Which columns of a file are read, and as what.

use std::collections::BTreeSet;

use flott_api::{Error, Field, LogicalType, Result, TypeKind};

use crate::orc::proto::{Kind, Type};

/// Of a longer type a message shows the beginning.
const TYPE_BYTES_MAX: usize = 200;

/// How a column of the file is read as one of the table.
#[derive(Debug)]
pub(super) struct Plan {
    /// Its number in the file.
    pub(super) column: usize,
    pub(super) shape: Shape,
}

/// What is read.
#[derive(Debug)]
pub(super) enum Shape {
    /// The file does not have it.
    Missing,
    Boolean,
    /// One byte each.
    Byte,
    Integer,
    Float,
    Double,
    Decimal {
        precision: u8,
        scale: u8,
    },
    Timestamp,
    /// Texts or bytes.
    Bytes(Ending),
    List(Box<Plan>),
    Map(Box<Plan>, Box<Plan>),
    Row(Vec<Plan>),
}

/// What is taken off the end of texts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ending {
    /// Characters behind so many.
    pub(super) longer: Option<usize>,
    /// Blanks: files fill them up.
    pub(super) blanks: bool,
}

/// The schema of a file.
pub(super) struct FileTypes<'a>(pub(super) &'a [Type]);

impl FileTypes<'_> {
    /// Checks that it is a tree: children stand behind their only parent. (One with several would be walked through more than
    /// once, and with it what lies below: twice as much with each level.)
    ///
    /// # Errors
    /// Says what is wrong.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.0.first().is_none_or(|row| row.kind != Kind::Struct) {
            return Err("its schema is no row".to_owned());
        }
        let mut has_parent = vec![false; self.0.len()];
        for (number, ty) in self.0.iter().enumerate() {
            let children = match ty.kind {
                Kind::Struct => ty.names.len(),
                Kind::List => 1,
                Kind::Map => 2,
                Kind::Union => ty.children.len(),
                _ => 0,
            };
            let mut is_fresh = |child: &usize| {
                *child > number && has_parent.get_mut(*child).is_some_and(|has| !std::mem::replace(has, true))
            };
            if ty.children.len() != children || !ty.children.iter().all(&mut is_fresh) {
                return Err(format!("its schema is no tree at column {number}"));
            }
        }
        Ok(())
    }

    /// Plans for these columns of the table.
    ///
    /// # Errors
    /// If the file's type of a column cannot be read as the table's.
    pub(super) fn plan(&self, fields: &[Field]) -> Result<Vec<Plan>> {
        let Some(row) = self.0.first() else { return Ok(Vec::new()) };
        let column = |field: &Field| {
            let plan = match row.names.iter().position(|name| *name == field.name) {
                Some(place) => self.of(row.children[place], &field.ty),
                None => Ok(Plan { column: 0, shape: Shape::Missing }),
            };
            plan.map_err(|e| e.context(format!("column '{}'", field.name)))
        };
        fields.iter().map(column).collect()
    }

    fn of(&self, column: usize, ty: &LogicalType) -> Result<Plan> {
        let file = &self.0[column];
        let integer = matches!(file.kind, Kind::Short | Kind::Int | Kind::Long);
        let text = matches!(file.kind, Kind::String | Kind::Varchar | Kind::Char);
        let shape = match &ty.kind {
            TypeKind::Boolean if file.kind == Kind::Boolean => Shape::Boolean,
            kind if kind.is_integer() && file.kind == Kind::Byte => Shape::Byte,
            kind if kind.is_integer() && integer => Shape::Integer,
            TypeKind::Date if file.kind == Kind::Date => Shape::Integer,
            TypeKind::Float | TypeKind::Double if file.kind == Kind::Float => Shape::Float,
            TypeKind::Double if file.kind == Kind::Double => Shape::Double,
            TypeKind::Decimal { precision, scale } if file.kind == Kind::Decimal => {
                if file.scale > u64::from(*scale) || file.precision > u64::from(*precision) {
                    return Err(self.mismatch(column, ty));
                }
                Shape::Decimal { precision: *precision, scale: *scale }
            }
            TypeKind::Char(length) | TypeKind::Varchar(length) if text => {
                let bounded = file.kind != Kind::String && file.length <= u64::from(*length);
                let longer = (!bounded && *length < i32::MAX as u32).then_some(*length as usize);
                Shape::Bytes(Ending { longer, blanks: file.kind == Kind::Char || matches!(ty.kind, TypeKind::Char(_)) })
            }
            TypeKind::Varbinary(_) if file.kind == Kind::Binary => Shape::Bytes(Ending::default()),
            TypeKind::Timestamp(_) if file.kind == Kind::Timestamp => Shape::Timestamp,
            TypeKind::Array(element) if file.kind == Kind::List => {
                Shape::List(Box::new(self.of(file.children[0], element)?))
            }
            TypeKind::Map(key, value) if file.kind == Kind::Map => {
                let (key, value) = (self.of(file.children[0], key)?, self.of(file.children[1], value)?);
                Shape::Map(Box::new(key), Box::new(value))
            }
            TypeKind::Row(fields) if file.kind == Kind::Struct => Shape::Row(self.row(column, fields, ty)?),
            _ => return Err(self.mismatch(column, ty)),
        };
        Ok(Plan { column, shape })
    }

    /// The fields by name. A row without any in the file would be read from nothing: who counts its elements?
    fn row(&self, column: usize, fields: &[Field], ty: &LogicalType) -> Result<Vec<Plan>> {
        let file = &self.0[column];
        if !fields.iter().any(|f| file.names.contains(&f.name)) {
            return Err(self.mismatch(column, ty));
        }
        let field = |f: &Field| match file.names.iter().position(|name| *name == f.name) {
            Some(place) => self.of(file.children[place], &f.ty).map_err(|e| e.context(format!("field '{}'", f.name))),
            None => Ok(Plan { column: 0, shape: Shape::Missing }),
        };
        fields.iter().map(field).collect()
    }

    fn mismatch(&self, column: usize, ty: &LogicalType) -> Error {
        let mut name = String::new();
        self.write(column, &mut name);
        Error::data(format!("the file has the type {name}, which is not read as {ty}"))
    }

    /// A type as ORC writes it: `array<decimal(10,2)>`. A damaged one may be endless, as good as.
    fn write(&self, column: usize, out: &mut String) {
        let ty = &self.0[column];
        out.push_str(ty.kind.name());
        match ty.kind {
            Kind::Char | Kind::Varchar => out.push_str(&format!("({})", ty.length)),
            Kind::Decimal => out.push_str(&format!("({},{})", ty.precision, ty.scale)),
            _ => {}
        }
        for (place, child) in ty.children.iter().enumerate() {
            if out.len() > TYPE_BYTES_MAX {
                return out.push_str("..");
            }
            out.push(if place == 0 { '<' } else { ',' });
            if let Some(name) = ty.names.get(place) {
                out.push_str(name);
                out.push(':');
            }
            self.write(*child, out);
        }
        if !ty.children.is_empty() {
            out.push('>');
        }
    }
}

impl Plan {
    /// Adds the columns of the file that it reads.
    pub(super) fn columns(&self, found: &mut BTreeSet<u64>) {
        if matches!(self.shape, Shape::Missing) {
            return;
        }
        found.insert(self.column as u64);
        match &self.shape {
            Shape::List(child) => child.columns(found),
            Shape::Map(key, value) => {
                key.columns(found);
                value.columns(found);
            }
            Shape::Row(fields) => fields.iter().for_each(|f| f.columns(found)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(key: usize, value: usize) -> Type {
        Type { children: vec![key, value], ..Type::new(Kind::Map) }
    }

    #[test]
    fn a_column_with_two_parents_or_before_its_parent_is_refused() {
        let row = Type { children: vec![1], names: vec!["m".to_owned()], ..Type::new(Kind::Struct) };
        let check = |types: &[Type]| FileTypes(types).check();
        assert_eq!(check(&[row.clone(), map(2, 3), Type::new(Kind::Int), Type::new(Kind::Int)]), Ok(()));
        let no_tree = |column| Err(format!("its schema is no tree at column {column}"));
        assert_eq!(check(&[row.clone(), map(2, 2), Type::new(Kind::Int)]), no_tree(1));
        assert_eq!(check(&[row.clone(), map(1, 2), Type::new(Kind::Int)]), no_tree(1));
        assert_eq!(check(&[row, map(2, 3), map(3, 4), Type::new(Kind::Int), Type::new(Kind::Int)]), no_tree(2));
    }
}
