//! One page of a list: filters, a stable order, and a cursor to go on from.

use holdfast_domain::api::Page;
use holdfast_domain::query::PageRequest;
use rusqlite::types::Value;
use rusqlite::{Connection, Row, params_from_iter};

use crate::cursor::{self, Sort};
use crate::error::StoreError;
use crate::rows::number;

/// A list that can be asked for page by page.
pub(crate) struct List {
    /// Tells cursors of different lists apart; never reuse one.
    pub(crate) code: u8,
    pub(crate) table: &'static str,
    /// The columns that make an item.
    pub(crate) columns: &'static str,
    /// The columns that give the order; together they name one row.
    pub(crate) sort: &'static [(&'static str, Sort)],
    pub(crate) descending: bool,
}

/// A list narrowed down.
pub(crate) struct Question {
    list: &'static List,
    clauses: Vec<String>,
    values: Vec<Value>,
}

impl Question {
    pub(crate) fn of(list: &'static List) -> Self {
        Self { list, clauses: Vec::new(), values: Vec::new() }
    }

    /// Only rows for which `clause`, with its one `?` taken by `value`, is true.
    pub(crate) fn only(mut self, clause: &str, value: impl Into<Value>) -> Self {
        self.clauses.push(clause.to_owned());
        self.values.push(value.into());
        self
    }

    /// The same, if there is a value.
    pub(crate) fn only_if(self, clause: &str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.only(clause, value),
            None => self,
        }
    }

    /// Only rows whose `column` is one of `words`; any row if there are none.
    pub(crate) fn any_of(mut self, column: &str, words: impl Iterator<Item = &'static str>) -> Self {
        let before = self.values.len();
        self.values.extend(words.map(|word| Value::from(word.to_owned())));
        let given = self.values.len() - before;
        if given > 0 {
            self.clauses.push(format!("{column} IN ({})", vec!["?"; given].join(", ")));
        }
        self
    }

    /// Only rows that contain the text, whatever the case; any row if it is blank.
    pub(crate) fn containing(self, text: Option<&str>) -> Self {
        let text = text.map(str::trim).filter(|text| !text.is_empty()).map(str::to_lowercase);
        // No pattern, so nothing in the text needs escaping.
        self.only_if("instr(words, ?) > 0", text)
    }

    /// Leaves deleted rows out, unless they are asked for.
    pub(crate) fn deleted(mut self, deleted: bool) -> Self {
        if !deleted {
            self.clauses.push("deleted = 0".to_owned());
        }
        self
    }

    /// The page, with `read` making an item of the columns from a given one on.
    pub(crate) fn page<T>(
        self,
        conn: &Connection,
        request: &PageRequest,
        read: impl Fn(&Row<'_>, usize) -> Result<T, StoreError>,
    ) -> Result<Page<T>, StoreError> {
        let after = match &request.cursor {
            Some(cursor) => Some(cursor::decode(self.list.code, &self.sorts(), cursor)?),
            None => None,
        };
        let count = format!("SELECT count(*) FROM {}{}", self.list.table, and_where(&self.clauses));
        let total =
            conn.prepare_cached(&count)?.query_row(params_from_iter(&self.values), |row| Ok(number(row, 0)))??;
        if total == 0 {
            // A text found nowhere was sought in every row once: that is enough.
            return Ok(Page { items: Vec::new(), next: None, total });
        }
        let (question, values) = self.rows_after(after, request.limit());
        let width = self.list.sort.len();
        let mut statement = conn.prepare_cached(&question)?;
        let mut rows = statement.query(params_from_iter(values))?;
        let mut items = Vec::new();
        let mut last = Vec::new();
        let mut next = None;
        while let Some(row) = rows.next()? {
            if items.len() == request.limit() as usize {
                next = Some(cursor::encode(self.list.code, &last));
                break;
            }
            items.push(read(row, width)?);
            last = (0..width).map(|column| row.get(column)).collect::<Result<_, _>>()?;
        }
        Ok(Page { items, next, total })
    }

    /// The statement for the rows after a cursor, one more than asked for to see whether a next page exists.
    fn rows_after(&self, after: Option<Vec<Value>>, limit: u32) -> (String, Vec<Value>) {
        let List { table, columns, sort, descending, .. } = self.list;
        let (beyond, way) = if *descending { ("<", " DESC") } else { (">", "") };
        let names: Vec<&str> = sort.iter().map(|(name, _)| *name).collect();
        let mut clauses = self.clauses.clone();
        let mut values = self.values.clone();
        if let Some(after) = after {
            clauses.push(format!("({}) {beyond} ({})", names.join(", "), vec!["?"; names.len()].join(", ")));
            values.extend(after);
        }
        values.push(Value::Integer(i64::from(limit) + 1));
        let order: Vec<String> = names.iter().map(|name| format!("{name}{way}")).collect();
        let question = format!(
            "SELECT {}, {columns} FROM {table}{} ORDER BY {} LIMIT ?",
            names.join(", "),
            and_where(&clauses),
            order.join(", ")
        );
        (question, values)
    }

    fn sorts(&self) -> Vec<Sort> {
        self.list.sort.iter().map(|(_, sort)| *sort).collect()
    }

    /// How SQLite would go about the first page.
    #[cfg(test)]
    pub(crate) fn plan(&self, conn: &Connection) -> Result<Vec<String>, StoreError> {
        let (question, values) = self.rows_after(None, 1);
        let mut statement = conn.prepare(&format!("EXPLAIN QUERY PLAN {question}"))?;
        let steps = statement.query_map(params_from_iter(values), |row| row.get(3))?;
        Ok(steps.collect::<Result<_, _>>()?)
    }
}

fn and_where(clauses: &[String]) -> String {
    if clauses.is_empty() { String::new() } else { format!(" WHERE {}", clauses.join(" AND ")) }
}

#[cfg(test)]
mod tests;
