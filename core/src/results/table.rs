//! `TEAM_metrics.csv`: the official script's table, a row per case.

use segarena_dialogue::Track;

use crate::record::CaseRecord;

/// The track's table as CSV, a row for each record in the order given.
pub fn metrics_table<'a>(
    track: &dyn Track,
    records: impl IntoIterator<Item = &'a CaseRecord>,
) -> Vec<u8> {
    let mut table = csv::WriterBuilder::new()
        .flexible(true)
        .from_writer(Vec::new());
    // Writing into memory can't fail.
    let mut write = |row: Vec<String>| table.write_record(row).expect("memory takes a row");
    write(track.columns());
    for record in records {
        write(track.row(&record.result()));
    }
    table.into_inner().expect("memory can be flushed")
}
