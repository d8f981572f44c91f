//! Tables on a terminal.

use comfy_table::{Table, presets::UTF8_FULL_CONDENSED};

/// An empty table in the style of this program's reports.
pub(crate) fn text_table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header(header);
    table
}
