//! Reads the expressions of the recordings: just the syntax that they use.

use flott_api::expr::{Expr, Value};
use flott_api::types::LENGTH_MAX;
use flott_api::{Field, LogicalType, TypeKind};

use super::bind::{Binder, Bound, Stop, constant, null};
use super::lex::{Token, tokens};

/// Reads and binds one expression.
pub(crate) fn expression(text: &str, binder: &mut Binder) -> Bound {
    let mut parser = Parser { tokens: tokens(text)?, at: 0, binder, in_json: false };
    let expr = parser.level(0)?;
    match parser.at == parser.tokens.len() {
        true if expr.ty().kind == TypeKind::Null => Err(Stop::Refused("illegal use of NULL".into())),
        true => Ok(expr),
        false => Err(parser.skipped()),
    }
}

pub(super) struct Parser<'b> {
    tokens: Vec<Token>,
    pub(super) at: usize,
    pub(super) binder: &'b mut Binder,
    pub(super) in_json: bool,
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn skipped(&self) -> Stop {
        Stop::Skipped(format!("at {:?}", self.peek()))
    }

    pub(super) fn word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Word(w)) if w == word);
        self.at += usize::from(found);
        found
    }

    /// All of the words, or none.
    pub(super) fn words(&mut self, words: &str) -> bool {
        let start = self.at;
        let found = words.split(' ').all(|w| self.word(w));
        if !found {
            self.at = start;
        }
        found
    }

    pub(super) fn symbol(&mut self, symbol: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Symbol(s)) if *s == symbol);
        self.at += usize::from(found);
        found
    }

    pub(super) fn expect(&mut self, symbol: &str) -> Result<(), Stop> {
        if self.symbol(symbol) { Ok(()) } else { Err(self.skipped()) }
    }

    pub(super) fn expect_word(&mut self, word: &str) -> Result<(), Stop> {
        if self.word(word) { Ok(()) } else { Err(self.skipped()) }
    }

    fn any_word(&mut self) -> Result<String, Stop> {
        match self.peek().cloned() {
            Some(Token::Word(word)) => {
                self.at += 1;
                Ok(word)
            }
            _ => Err(self.skipped()),
        }
    }

    fn text(&mut self) -> Result<String, Stop> {
        match self.peek().cloned() {
            Some(Token::Text(text)) => {
                self.at += 1;
                Ok(text)
            }
            _ => Err(self.skipped()),
        }
    }

    fn list(&mut self) -> Result<Vec<Expr>, Stop> {
        let mut items = vec![self.level(0)?];
        while self.symbol(",") {
            items.push(self.level(0)?);
        }
        Ok(items)
    }

    /// Binary operators by strength: OR, AND, NOT, comparison, + and -, * / and %, unary.
    pub(super) fn level(&mut self, level: u8) -> Bound {
        match level {
            0 | 1 => {
                let (word, name) = if level == 0 { ("OR", "or") } else { ("AND", "and") };
                let mut left = self.level(level + 1)?;
                while self.word(word) {
                    let right = self.level(level + 1)?;
                    left = self.binder.call(name, vec![left, right])?;
                }
                Ok(left)
            }
            2 if self.word("NOT") => {
                let inner = self.level(2)?;
                self.binder.call("not", vec![inner])
            }
            2 => self.comparison(),
            3 => self.chain(&["+", "-", "||"], 4),
            4 => self.chain(&["*", "/", "%"], 5),
            _ => self.unary(),
        }
    }

    fn chain(&mut self, symbols: &[&str], next: u8) -> Bound {
        let mut left = self.level(next)?;
        while let Some(symbol) = symbols.iter().find(|s| self.symbol(s)) {
            let right = self.level(next)?;
            left = self.binder.call(symbol, vec![left, right])?;
        }
        Ok(left)
    }

    fn comparison(&mut self) -> Bound {
        let left = self.level(3)?;
        if self.symbol("!=") {
            return Err(Stop::Refused("!= is not allowed".into()));
        }
        for symbol in ["=", "<>", "<=", ">=", "<", ">"] {
            if self.symbol(symbol) {
                if self.word("ANY") || self.word("ALL") || self.word("SOME") {
                    return Err(Stop::Skipped("quantified comparison".into()));
                }
                let right = self.level(3)?;
                return self.binder.call(symbol, vec![left, right]);
            }
        }
        for test in ["IS NOT DISTINCT FROM", "IS DISTINCT FROM"] {
            if self.words(test) {
                let right = self.level(3)?;
                return self.binder.call(&test.to_lowercase(), vec![left, right]);
            }
        }
        for what in ["TRUE", "FALSE", "UNKNOWN", "NULL"] {
            for is in ["IS", "IS NOT"] {
                if self.words(&format!("{is} {what}")) {
                    return self.binder.call(&format!("{is} {what}").to_lowercase(), vec![left]);
                }
            }
        }
        for (kind, name) in [
            ("VALUE", "is_json_value"),
            ("OBJECT", "is_json_object"),
            ("ARRAY", "is_json_array"),
            ("SCALAR", "is_json_scalar"),
            ("", "is_json_value"),
        ] {
            for (is, negated) in [("IS JSON", false), ("IS NOT JSON", true)] {
                if self.words(format!("{is} {kind}").trim_end()) {
                    let test = self.binder.call(name, vec![left])?;
                    return if negated { self.binder.call("not", vec![test]) } else { Ok(test) };
                }
            }
        }
        let negated = self.word("NOT");
        let test = self.predicate(left)?;
        match (negated, test) {
            (true, Some(test)) => self.binder.call("not", vec![test]),
            (false, Some(test)) => Ok(test),
            (_, None) => Err(self.skipped()),
        }
    }

    fn predicate(&mut self, left: Expr) -> Result<Option<Expr>, Stop> {
        if self.word("BETWEEN") {
            let symmetric = self.word("SYMMETRIC");
            let low = self.level(3)?;
            self.expect_word("AND")?;
            let high = self.level(3)?;
            let between = |b: &mut Binder, low: &Expr, high: &Expr| {
                let above = b.call(">=", vec![left.clone(), low.clone()])?;
                let below = b.call("<=", vec![left.clone(), high.clone()])?;
                b.call("and", vec![above, below])
            };
            let plain = between(self.binder, &low, &high)?;
            if !symmetric {
                return Ok(Some(plain));
            }
            let swapped = between(self.binder, &high, &low)?;
            return self.binder.call("or", vec![plain, swapped]).map(Some);
        }
        if self.word("IN") {
            self.expect("(")?;
            if self.symbol(")") {
                return Err(Stop::Refused("an empty list".into()));
            }
            let mut items = vec![left];
            items.extend(self.list()?);
            self.expect(")")?;
            return self.binder.call("in", items).map(Some);
        }
        if self.word("LIKE") {
            let mut args = vec![left, self.level(3)?];
            if self.word("ESCAPE") {
                args.push(self.level(3)?);
            }
            return self.binder.call("like", args).map(Some);
        }
        if self.word("SIMILAR") || self.word("ILIKE") {
            return Err(Stop::Skipped("SIMILAR and ILIKE".into()));
        }
        Ok(Some(left))
    }

    fn unary(&mut self) -> Bound {
        if self.symbol("+") {
            let inner = self.unary()?;
            return self.binder.call("+", vec![inner]);
        }
        if self.symbol("-") {
            if let Some(Token::Number(number)) = self.peek().cloned() {
                self.at += 1;
                return number_literal(&format!("-{number}"));
            }
            let inner = self.unary()?;
            return self.binder.call("negate", vec![inner]);
        }
        let mut value = self.primary()?;
        while self.symbol("[") {
            let key = self.level(0)?;
            self.expect("]")?;
            value = self.binder.call("item", vec![value, key])?;
        }
        Ok(value)
    }

    fn primary(&mut self) -> Bound {
        let Some(token) = self.peek().cloned() else { return Err(self.skipped()) };
        self.at += 1;
        match token {
            Token::Number(number) => number_literal(&number),
            Token::Text(text) => {
                let length = text.chars().count() as u32;
                constant(Value::String(text), TypeKind::Char(length))
            }
            Token::Hex(hex) => {
                let bytes: Vec<u8> =
                    (0..hex.len() / 2).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap()).collect();
                let length = bytes.len() as u32;
                constant(Value::Bytes(bytes), TypeKind::Binary(length))
            }
            Token::Symbol("(") => self.parenthesis(),
            Token::Word(word) => self.named(&word),
            Token::Symbol(_) => Err(self.skipped()),
        }
    }

    fn parenthesis(&mut self) -> Bound {
        // `(a - b) DAY`
        let start = self.at;
        if let Ok(left) = self.level(4)
            && self.symbol("-")
        {
            let right = self.level(4)?;
            if self.symbol(")") && self.word("DAY") {
                return self.binder.call("minus_dates", vec![left, right]);
            }
        }
        self.at = start;
        let inner = self.level(0)?;
        if self.symbol(",") {
            return Err(Stop::Skipped("a tuple".into()));
        }
        self.expect(")")?;
        Ok(inner)
    }

    fn named(&mut self, word: &str) -> Bound {
        match word {
            "TRUE" | "FALSE" => constant(Value::Boolean(word == "TRUE"), TypeKind::Boolean),
            "UNKNOWN" => Ok(Expr::literal(Value::Null, LogicalType::new(TypeKind::Boolean))),
            "NULL" => Ok(null()),
            "CAST" | "TRY_CAST" => {
                self.expect("(")?;
                let input = self.level(0)?;
                self.expect_word("AS")?;
                let to = self.ty()?;
                self.expect(")")?;
                self.binder.cast(input, to, word == "TRY_CAST")
            }
            "DATE" | "TIME" | "TIMESTAMP" if matches!(self.peek(), Some(Token::Text(_))) => self.time_literal(word),
            "INTERVAL" => self.interval(),
            "CASE" => self.case(),
            "ARRAY" | "MAP" if self.symbol("[") => {
                if self.symbol("]") {
                    return Err(Stop::Refused("require at least 1 argument".into()));
                }
                let items = self.list()?;
                self.expect("]")?;
                self.binder.call(&word.to_lowercase(), items)
            }
            "V" => {
                self.expect("(")?;
                let inner = self.level(0)?;
                self.expect(")")?;
                self.binder.column(inner)
            }
            "U" => Err(Stop::Skipped("unicode string".into())),
            _ => self.function(word),
        }
    }

    fn case(&mut self) -> Bound {
        let operand = if self.word("WHEN") { None } else { Some(self.level(0)?) };
        if operand.is_some() {
            self.expect_word("WHEN")?;
        }
        let mut branches = Vec::new();
        loop {
            let mut conditions = Vec::new();
            for condition in self.list()? {
                conditions.push(match &operand {
                    Some(operand) => self.binder.call("=", vec![operand.clone(), condition])?,
                    None => condition,
                });
            }
            let condition = match conditions.len() {
                1 => conditions.remove(0),
                _ => self.binder.call("or", conditions)?,
            };
            self.expect_word("THEN")?;
            branches.push((condition, self.level(0)?));
            if !self.word("WHEN") {
                break;
            }
        }
        let otherwise = if self.word("ELSE") { Some(self.level(0)?) } else { None };
        self.expect_word("END")?;
        self.binder.case(branches, otherwise)
    }

    /// A time literal is a cast of its text; what Calcite's stricter reader refuses is refused.
    fn time_literal(&mut self, word: &str) -> Bound {
        let text = self.text()?;
        let digits = text.split_once('.').map_or(0, |(_, fraction)| fraction.len() as u8);
        let kind = match word {
            "DATE" => TypeKind::Date,
            "TIME" => TypeKind::Time(digits),
            _ => TypeKind::Timestamp(digits),
        };
        let text = constant(Value::String(text), TypeKind::Varchar(LENGTH_MAX))?;
        let cast = self.binder.cast(text, kind, false)?;
        let compiled = crate::compile(&cast, &Default::default())?;
        match compiled.constant() {
            Some(array) => Ok(Expr::literal(crate::value_at(array, 0, cast.ty())?, cast.ty().clone())),
            None => Err(Stop::Refused("an illegal time literal".into())),
        }
    }

    fn interval(&mut self) -> Bound {
        let minus = self.symbol("-");
        let text = self.text()?;
        let unit = self.any_word()?;
        let mut digits_max = 2;
        if self.symbol("(") {
            let Some(Token::Number(n)) = self.peek().cloned() else { return Err(self.skipped()) };
            self.at += 1;
            digits_max = n.parse().unwrap();
            self.expect(")")?;
        }
        let to = if self.word("TO") { Some(self.any_word()?) } else { None };
        if self.symbol("(") {
            self.at += 1;
            self.expect(")")?;
        }
        let (sign, text) = match text.strip_prefix('-') {
            Some(rest) => (-1, rest),
            None => (1, text.as_str()),
        };
        let sign = if minus { -sign } else { sign };
        let whole = text.split(['.', ' ', '-']).next().unwrap_or_default();
        if whole.len() > digits_max && unit != "SECOND" {
            return Err(Stop::Refused("the value exceeds the precision".into()));
        }
        let number: f64 = whole.parse().map_err(|_| self.skipped())?;
        let months = |n: i64| constant(Value::Int(sign * n), TypeKind::IntervalYearMonth);
        let millis = |n: f64| constant(Value::Int(sign * n.round() as i64), TypeKind::IntervalDayTime);
        match (unit.as_str(), to.as_deref()) {
            ("YEAR", Some("MONTH")) => {
                let rest: i64 = text.split('-').nth(1).unwrap().parse().unwrap();
                months(number as i64 * 12 + rest)
            }
            ("DAY", Some("SECOND")) => {
                let clock = text.split(' ').nth(1).unwrap();
                let parts: Vec<f64> = clock.split(':').map(|p| p.parse().unwrap()).collect();
                millis(number * 864e5 + parts[0] * 36e5 + parts[1] * 6e4 + parts[2] * 1e3)
            }
            ("YEAR", None) => months(number as i64 * 12),
            ("QUARTER", None) => months(number as i64 * 3),
            ("MONTH", None) => months(number as i64),
            ("WEEK", None) => millis(number * 7.0 * 864e5),
            ("DAY", None) => millis(number * 864e5),
            ("HOUR", None) => millis(number * 36e5),
            ("MINUTE", None) => millis(number * 6e4),
            ("SECOND", None) => millis(text.parse::<f64>().map_err(|_| self.skipped())? * 1e3),
            _ => Err(self.skipped()),
        }
    }

    fn function(&mut self, word: &str) -> Bound {
        let name = word.to_lowercase();
        if name == "current_timestamp" {
            return self.binder.call(&name, Vec::new());
        }
        self.expect("(")?;
        let unit = |parser: &mut Self| {
            let word = parser.any_word()?;
            constant(Value::String(word.clone()), TypeKind::Char(word.len() as u32))
        };
        let args = match name.as_str() {
            _ if !name.starts_with("json_") && self.symbol(")") => return self.binder.call(&name, Vec::new()),
            "extract" => {
                let unit = unit(self)?;
                self.expect_word("FROM")?;
                vec![unit, self.level(0)?]
            }
            "timestampadd" | "timestampdiff" => {
                let mut args = vec![unit(self)?];
                self.expect(",")?;
                args.extend(self.list()?);
                args
            }
            "trim" => self.trim()?,
            "json_exists" | "json_value" | "json_query" | "json_object" | "json_array" => {
                let args = self.json(&name)?;
                self.expect(")")?;
                return self.binder.call(&name, args);
            }
            "json" if !self.in_json => return Err(Stop::Refused("JSON outside of JSON_OBJECT and JSON_ARRAY".into())),
            "position" => {
                let needle = self.level(3)?;
                self.expect_word("IN")?;
                vec![needle, self.level(0)?]
            }
            _ => {
                let mut args = self.list()?;
                for word in ["FROM", "PLACING", "FROM", "FOR"] {
                    if self.word(word) {
                        args.push(self.level(0)?);
                    }
                }
                if self.word("TO") {
                    args.push(unit(self)?);
                }
                args
            }
        };
        self.expect(")")?;
        self.binder.call(&name, args)
    }

    fn trim(&mut self) -> Result<Vec<Expr>, Stop> {
        for side in ["BOTH", "LEADING", "TRAILING"] {
            if self.word(side) {
                let what = self.level(0)?;
                self.expect_word("FROM")?;
                let side = constant(Value::String(side.into()), TypeKind::Char(side.len() as u32))?;
                return Ok(vec![side, what, self.level(0)?]);
            }
        }
        self.list()
    }

    fn numbers(&mut self) -> Result<Vec<u32>, Stop> {
        let mut found = Vec::new();
        if self.symbol("(") {
            while let Some(Token::Number(n)) = self.peek().cloned() {
                self.at += 1;
                found.push(n.parse().unwrap());
                self.symbol(",");
            }
            self.expect(")")?;
        }
        Ok(found)
    }

    pub(super) fn ty(&mut self) -> Result<TypeKind, Stop> {
        let word = self.any_word()?;
        if word == "INTERVAL" {
            let year = self.word("YEAR");
            while self.word("DAY") || self.word("TO") || self.word("MONTH") || self.word("SECOND") {}
            self.numbers()?;
            return Ok(if year { TypeKind::IntervalYearMonth } else { TypeKind::IntervalDayTime });
        }
        if self.symbol("<") {
            return self.nested(&word);
        }
        let numbers = self.numbers()?;
        let first = |default: u32| numbers.first().copied().unwrap_or(default);
        Ok(match word.as_str() {
            "CHAR" => TypeKind::Char(first(1)),
            "VARCHAR" | "STRING" => TypeKind::Varchar(first(LENGTH_MAX)),
            "BINARY" => TypeKind::Binary(first(1)),
            "VARBINARY" | "BYTES" => TypeKind::Varbinary(first(LENGTH_MAX)),
            "BOOLEAN" => TypeKind::Boolean,
            "TINYINT" => TypeKind::TinyInt,
            "SMALLINT" => TypeKind::SmallInt,
            "INT" | "INTEGER" => TypeKind::Int,
            "BIGINT" => TypeKind::BigInt,
            "FLOAT" => TypeKind::Float,
            "DOUBLE" => TypeKind::Double,
            "DECIMAL" | "NUMERIC" | "DEC" => {
                let (precision, scale) = (first(10).min(38) as u8, numbers.get(1).copied().unwrap_or(0) as u8);
                if scale > precision {
                    return Err(Stop::Refused("the scale exceeds the precision".into()));
                }
                TypeKind::Decimal { precision, scale }
            }
            "DATE" => TypeKind::Date,
            "TIME" => TypeKind::Time(first(0) as u8),
            "TIMESTAMP" => TypeKind::Timestamp(first(6) as u8),
            "TIMESTAMP_LTZ" => TypeKind::TimestampLtz(first(6) as u8),
            "VARIANT" => TypeKind::Variant,
            "BITMAP" => TypeKind::Bitmap,
            _ => return Err(self.skipped()),
        })
    }

    fn nested(&mut self, word: &str) -> Result<TypeKind, Stop> {
        let mut types = Vec::new();
        loop {
            let name = if word == "ROW" { self.any_word()?.to_lowercase() } else { String::new() };
            let ty = LogicalType::new(self.ty()?);
            types.push(Field::new(name, ty.with_nullable(!self.words("NOT NULL"))));
            if !self.symbol(",") {
                break;
            }
        }
        self.expect(">")?;
        let mut inner = types.iter().map(|f| Box::new(f.ty.clone()));
        Ok(match (word, inner.next(), inner.next()) {
            ("ARRAY", Some(element), None) => TypeKind::Array(element),
            ("MAP", Some(key), Some(value)) => TypeKind::Map(key, value),
            _ => TypeKind::Row(types),
        })
    }
}

fn number_literal(text: &str) -> Bound {
    let refused = || Stop::Refused(format!("numeric literal '{text}' out of range"));
    if text.contains(['e', 'E']) {
        // A negative zero is a plain one.
        return constant(Value::double(text.parse::<f64>().map_err(|_| refused())? + 0.0), TypeKind::Double);
    }
    let text = text.strip_suffix('.').unwrap_or(text);
    match text.split_once('.') {
        None => {
            let value: i64 = text.parse().map_err(|_| refused())?;
            let kind = if i32::try_from(value).is_ok() { TypeKind::Int } else { TypeKind::BigInt };
            constant(Value::Int(value), kind)
        }
        Some((whole, fraction)) => {
            let unscaled: i64 = format!("{whole}{fraction}").parse().map_err(|_| refused())?;
            let digits = whole.trim_start_matches('-').len() + fraction.len();
            let (precision, scale) = (digits.max(1) as u8, fraction.len() as u8);
            constant(Value::Decimal(unscaled.into()), TypeKind::Decimal { precision, scale })
        }
    }
}
