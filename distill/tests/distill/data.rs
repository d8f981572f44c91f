//! Pictures in folders and in Parquet.

use std::{fs, path::Path};

use stillhouse_distill::{
    config::Config,
    datasets::{Dataset, Splits},
    reference,
};

use crate::tiny::{MLP, config, workplace};

/// The same pictures as PNG files in class folders, and as Parquet.
fn as_files(folder: &Path, data: &Splits, config: &Config) -> std::path::PathBuf {
    let folder = folder.join("files");
    for (i, &label) in data.test.labels.as_ref().unwrap().iter().enumerate() {
        let class = folder.join(&data.labels[usize::from(label)]);
        fs::create_dir_all(&class).unwrap();
        let png =
            stillhouse_distill::version::png(data.test.picture(i), &config.transform).unwrap();
        fs::write(class.join(format!("{i:03}.png")), png).unwrap();
    }
    folder
}

#[test]
fn folders_hold_what_idx_files_hold_and_a_little_damage_is_skipped() {
    let folder = workplace();
    let path = folder.path();
    let config = config(path, MLP, &[]).unwrap();
    let data = Splits::read(&config.data, &config.transform, 0).unwrap();
    let files = as_files(path, &data, &config);
    let read = || Dataset::read(&files, None, &config.transform, &data.labels);
    let whole = read().unwrap();
    let sorted = |dataset: &Dataset| {
        let labels = dataset.labels.clone().unwrap();
        let mut all: Vec<(u8, Vec<u8>)> = (0..dataset.len())
            .map(|i| (labels[i], dataset.picture(i).to_vec()))
            .collect();
        all.sort();
        all
    };
    assert_eq!(sorted(&whole), sorted(&data.test));

    fs::write(files.join("low/999.png"), b"").unwrap();
    assert_eq!(read().unwrap().len(), 150, "one of 151 is below 1 %");
    fs::write(files.join("high/999.jpg"), b"no picture").unwrap();
    let error = read().unwrap_err().to_string();
    assert!(
        error.contains("2 of 152") && error.contains("low/999.png: the file is empty"),
        "{error}"
    );

    fs::remove_file(files.join("low/999.png")).unwrap();
    fs::remove_file(files.join("high/999.jpg")).unwrap();
    fs::create_dir(files.join("sideways")).unwrap();
    let error = format!("{:#}", read().unwrap_err());
    assert!(
        error.contains("`sideways` is none of the labels"),
        "{error}"
    );
}

#[test]
fn parquet_holds_pictures_as_data_sets_do() {
    use parquet::{
        data_type::{ByteArray, ByteArrayType, Int64Type},
        file::writer::SerializedFileWriter,
        schema::parser::parse_message_type,
    };
    let folder = workplace();
    let path = folder.path();
    let config = config(path, MLP, &[]).unwrap();
    let data = Splits::read(&config.data, &config.transform, 0).unwrap();
    let file = path.join("test.parquet");
    let schema =
        "message schema { OPTIONAL GROUP image { OPTIONAL BINARY bytes; } OPTIONAL INT64 label; }";
    let schema = std::sync::Arc::new(parse_message_type(schema).unwrap());
    let mut writer =
        SerializedFileWriter::new(fs::File::create(&file).unwrap(), schema, Default::default())
            .unwrap();
    let mut group = writer.next_row_group().unwrap();
    let pictures: Vec<ByteArray> = (0..data.test.len())
        .map(|i| {
            stillhouse_distill::version::png(data.test.picture(i), &config.transform)
                .unwrap()
                .into()
        })
        .collect();
    let labels: Vec<i64> = data
        .test
        .labels
        .as_ref()
        .unwrap()
        .iter()
        .map(|&label| i64::from(label))
        .collect();
    let mut column = group.next_column().unwrap().unwrap();
    column
        .typed::<ByteArrayType>()
        .write_batch(&pictures, Some(&vec![2; pictures.len()]), None)
        .unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    column
        .typed::<Int64Type>()
        .write_batch(&labels, Some(&vec![1; labels.len()]), None)
        .unwrap();
    column.close().unwrap();
    group.close().unwrap();
    writer.close().unwrap();
    let read = Dataset::read(&file, None, &config.transform, &data.labels).unwrap();
    assert_eq!(read, data.test);
}

/// Statistics of a training set in memory are those that a server would measure of the same files, whatever their size
/// and the network's.
#[test]
fn a_data_set_measures_as_a_server_does() {
    use stillhouse_image::{Color, Resize, Statistics, Transform};
    use stillhouse_import::validation::survey;
    let folder = workplace();
    let path = folder.path();
    let config = config(path, MLP, &[]).unwrap();
    let data = Splits::read(&config.data, &config.transform, 0).unwrap();
    let files = as_files(path, &data, &config);
    let sorted = |mut all: Vec<Statistics>| {
        all.sort_by(|a, b| a.luma_mean.total_cmp(&b.luma_mean));
        all
    };
    let colour = Transform {
        color: Color::Bgr,
        width: 5,
        height: 7,
        resize: Resize::FitPad,
        mean: vec![0.1, 0.2, 0.3],
        ..config.transform.clone()
    };
    for transform in [&config.transform, &colour] {
        let whole = Dataset::read(&files, None, transform, &data.labels).unwrap();
        let ours = sorted(reference::statistics(&whole, transform));
        assert_eq!(ours, sorted(survey(&files, transform).unwrap()));
        assert!(ours.iter().all(|one| (one.width, one.height) == (8, 8)));
        assert!(ours[0].luma_mean < ours[149].luma_mean);
    }
    let ours = reference::statistics(&data.test, &config.transform);
    let idx = survey(&path.join("test-images"), &config.transform).unwrap();
    assert_eq!(ours, idx);
}
