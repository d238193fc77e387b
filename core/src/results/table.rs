//! `TEAM_metrics.csv`: the official script's table, a row per case.

use crate::record::CaseRecord;

/// The table's columns for so many click interactions, in the official order.
pub fn metrics_table_columns(clicks: usize) -> Vec<String> {
    let numbered = |name: &str| {
        (1..=clicks + 1)
            .map(|i| format!("{name}_{i}"))
            .collect::<Vec<_>>()
    };
    let named = |names: &[&str]| {
        names
            .iter()
            .map(|&name| name.to_owned())
            .collect::<Vec<_>>()
    };
    [
        named(&["CaseName", "TotalRunningTime"]),
        numbered("RunningTime"),
        named(&["DSC_AUC", "NSD_AUC", "DSC_Final", "NSD_Final"]),
        numbered("DSC"),
        numbered("NSD"),
        named(&["num_class", "runtime_upperbound"]),
    ]
    .concat()
}

/// The table as CSV, a row for each record in the order given.
pub fn metrics_table<'a>(
    clicks: usize,
    records: impl IntoIterator<Item = &'a CaseRecord>,
) -> Vec<u8> {
    let mut table = csv::Writer::from_writer(Vec::new());
    // Writing into memory can't fail; an error here would be a row of another length.
    let mut write = |row: Vec<String>| table.write_record(row).expect("rows are of one length");
    write(metrics_table_columns(clicks));
    for record in records {
        write(row(record));
    }
    table.into_inner().expect("memory can be flushed")
}

fn row(record: &CaseRecord) -> Vec<String> {
    let each = |value: fn(&crate::record::InteractionRecord) -> f64| {
        record
            .interactions
            .iter()
            .map(|interaction| number(value(interaction)))
            .collect::<Vec<_>>()
    };
    [
        vec![record.case.clone(), number(record.total_seconds)],
        each(|interaction| interaction.seconds),
        [
            record.dsc_auc(),
            record.nsd_auc(),
            record.dsc_final(),
            record.nsd_final(),
        ]
        .map(number)
        .to_vec(),
        each(|interaction| interaction.dsc),
        each(|interaction| interaction.nsd),
        vec![
            record.labels.len().to_string(),
            number(record.seconds_allowed),
        ],
    ]
    .concat()
}

/// The shortest decimal that reads back as the same number, always with a point, as pandas
/// writes it.
fn number(value: f64) -> String {
    format!("{value:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_columns_are_the_official_ones() {
        let columns = metrics_table_columns(5).join(",");
        assert_eq!(
            columns,
            "CaseName,TotalRunningTime,RunningTime_1,RunningTime_2,RunningTime_3,RunningTime_4,\
             RunningTime_5,RunningTime_6,DSC_AUC,NSD_AUC,DSC_Final,NSD_Final,DSC_1,DSC_2,DSC_3,\
             DSC_4,DSC_5,DSC_6,NSD_1,NSD_2,NSD_3,NSD_4,NSD_5,NSD_6,num_class,runtime_upperbound"
        );
    }

    #[test]
    fn other_numbers_of_clicks_change_the_numbered_columns() {
        assert_eq!(
            metrics_table_columns(0)
                .iter()
                .filter(|c| c.starts_with("DSC_"))
                .count(),
            3
        );
        assert!(metrics_table_columns(2).contains(&"NSD_3".to_owned()));
        assert!(!metrics_table_columns(2).contains(&"NSD_4".to_owned()));
    }
}
