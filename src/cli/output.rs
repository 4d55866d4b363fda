//! Standard output: tables for people, JSON for machines.

use std::io::{self, Write};

use serde_json::Value;

use super::error::CliError;

/// Where a command's answer goes. Written when flushed or full.
#[derive(Debug)]
pub(super) struct Output {
    out: io::BufWriter<io::Stdout>,
    pub(super) is_json: bool,
}

/// Rows under headings. Columns of numbers stand to the right.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    headings: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Output {
    pub(super) fn new(is_json: bool) -> Self {
        Self { out: io::BufWriter::with_capacity(256 << 10, io::stdout()), is_json }
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) -> Result<(), CliError> {
        self.out.write_all(bytes).map_err(CliError::output)
    }

    /// A line for people.
    pub(super) fn line(&mut self, line: &str) -> Result<(), CliError> {
        writeln!(self.out, "{}", printable(line)).map_err(CliError::output)
    }

    /// JSON in several lines, as people read it, too.
    pub(super) fn json(&mut self, value: &Value) -> Result<(), CliError> {
        let written = serde_json::to_writer_pretty(&mut self.out, value);
        written.map_err(|error| CliError::output(error.into()))?;
        self.bytes(b"\n")
    }

    /// One line of JSON.
    pub(super) fn json_line(&mut self, value: &Value) -> Result<(), CliError> {
        serde_json::to_writer(&mut self.out, value).map_err(|error| CliError::output(error.into()))?;
        self.bytes(b"\n")
    }

    pub(super) fn table(&mut self, table: &Table) -> Result<(), CliError> {
        self.bytes(table.text().as_bytes())
    }

    pub(super) fn flush(&mut self) -> Result<(), CliError> {
        self.out.flush().map_err(CliError::output)
    }
}

impl Table {
    pub(super) fn new(headings: &[&'static str]) -> Self {
        Self { headings: headings.to_vec(), rows: Vec::new() }
    }

    pub(super) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    fn text(&self) -> String {
        let columns = 0..self.headings.len();
        let cell = |row: &[String], column: usize| {
            printable(row.get(column).map_or("", String::as_str)).replace('\n', "\\n")
        };
        let rows: Vec<Vec<String>> =
            self.rows.iter().map(|row| columns.clone().map(|column| cell(row, column)).collect()).collect();
        let widths: Vec<usize> = columns
            .clone()
            .map(|c| {
                rows.iter().map(|row| row[c].chars().count()).max().unwrap_or(0).max(self.headings[c].len())
            })
            .collect();
        let is_number: Vec<bool> = columns.map(|c| rows.iter().all(|row| is_number(&row[c]))).collect();
        let mut text = String::new();
        let headings: Vec<String> = self.headings.iter().map(ToString::to_string).collect();
        for row in std::iter::once(&headings).chain(&rows) {
            let mut line = String::new();
            for (column, cell) in row.iter().enumerate() {
                let width = widths[column];
                let gap = width - cell.chars().count();
                let (before, after) = if is_number[column] { (gap, 2) } else { (0, gap + 2) };
                line.extend(std::iter::repeat_n(' ', before));
                line += cell;
                line.extend(std::iter::repeat_n(' ', after));
            }
            text += line.trim_end();
            text.push('\n');
        }
        text
    }
}

fn is_number(cell: &str) -> bool {
    cell == "-"
        || (!cell.is_empty() && cell.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | '-' | ',')))
}

/// What comes from afar must not move the cursor. Line feeds stay.
pub(super) fn printable(text: &str) -> String {
    let harmless = |c: char| c == '\n' || !c.is_control();
    text.chars().flat_map(|c| if harmless(c) { vec![c] } else { c.escape_default().collect() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_to_the_right_and_names_cannot_move_the_cursor() {
        let mut table = Table::new(&["NAME", "LAG"]);
        table.row(vec!["a\u{1b}[2J".into(), "7".into()]);
        table.row(vec!["b".into(), "1234".into()]);
        // The name takes 10 columns, since its escape is written out.
        let lines = ["NAME         LAG", "a\\u{1b}[2J     7", "b           1234"];
        assert_eq!(table.text().lines().collect::<Vec<_>>(), lines);
    }
}
